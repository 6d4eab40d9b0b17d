"""What importers and pulls have in common: they go on when the database comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from backscroll.errors import StorageBusy
from backscroll.events import Batch
from backscroll.storage.store import Store
from backscroll.storage.writer import Applied

T = TypeVar("T")

TRIES = 12
LONGEST_WAIT = 5.0
"""Besides the store's own patience: a database may be away for a minute or two."""


def again(work: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """What ``work`` returns. It is repeated while the store is busy, and must do no harm when it was done already."""
    for tried in range(TRIES - 1):
        try:
            return work()
        except StorageBusy:
            sleep(min(0.1 * 2**tried, LONGEST_WAIT))
    return work()


def apply_again(store: Store, org: int, batch: Batch) -> Applied:
    """``store.apply``, repeated while the store is busy. A batch whose commit is in doubt may be told twice."""
    return again(lambda: store.apply(org, batch))
