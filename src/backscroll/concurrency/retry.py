"""Retrying while the database is unavailable."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from backscroll.core.errors import StorageBusy

T = TypeVar("T")

TRIES = 12
MAX_WAIT = 5.0
"""In addition to the store's own waiting time: a database may be unavailable for a minute or two."""


def retry(work: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """The result of ``work``. It is repeated while the store is busy, and must be safe to repeat."""
    for tried in range(TRIES - 1):
        try:
            return work()
        except StorageBusy:
            sleep(min(0.1 * 2**tried, MAX_WAIT))
    return work()
