"""Trying again while the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from backscroll.core.errors import StorageBusy

T = TypeVar("T")

TRIES = 12
MAX_WAIT = 5.0
"""Besides the store's own patience: a database may be away for a minute or two."""


def retry(work: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """What ``work`` returns. It is repeated while the store is busy, and must do no harm when it was done already."""
    for tried in range(TRIES - 1):
        try:
            return work()
        except StorageBusy:
            sleep(min(0.1 * 2**tried, MAX_WAIT))
    return work()
