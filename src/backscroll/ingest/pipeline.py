"""From a connector's batch to the store, past outages of the database."""

from __future__ import annotations

from backscroll.concurrency.retry import retry
from backscroll.core.events import Batch
from backscroll.storage.store import Store
from backscroll.storage.write.batch import Applied


def apply_with_retry(store: Store, org: int, batch: Batch) -> Applied:
    """``store.apply``, tried again while the store is busy. A batch whose commit is in doubt may be applied twice."""
    return retry(lambda: store.apply(org, batch))
