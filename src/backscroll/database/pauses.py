"""Pauses of long work between its transactions, in which other writers get their turn."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.001
"""Seconds between two looks at what others do, and the minimum pause."""
QUIET_SECONDS = 0.01
"""Seconds without a sign of other writers after which long work goes on. A source that passes on its messages one by
one, and had to wait, has several to write by then; with one message per pause it would fall behind more and more."""
MAX_PAUSE_SECONDS = 0.15
"""Maximum seconds of a pause."""


def pause(version: Callable[[], object], is_waited: Callable[[], bool], look_seconds: float) -> bool:
    """Sleep until others are done writing, at most ``MAX_PAUSE_SECONDS``; returns whether there were any.

    ``version`` gives a value that changes with every commit, ``is_waited`` tells whether another writer is waiting. If
    neither shows one for ``look_seconds``, nobody is expected.
    """
    known = version()
    is_shared = False
    began = last = time.monotonic()
    while True:
        time.sleep(PAUSE_SECONDS)
        now, latest = time.monotonic(), version()
        if latest != known or is_waited():
            is_shared, known, last = True, latest, now
        if now - last >= (QUIET_SECONDS if is_shared else look_seconds) or now - began >= MAX_PAUSE_SECONDS:
            return is_shared
