"""Reading again what could not be understood before."""

from __future__ import annotations

from backscroll.core.errors import NotFound
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.store import Store


def retry_waiting(store: Store, org: int) -> int:
    """Read again what waits for a message that may have come since; how much of it was taken."""
    waiting = store.waiting_in_quarantine(org)
    return sum(retry(store, org, number) is None for number in waiting)


def retry(store: Store, org: int, number: int) -> str | None:
    """Read quarantined input once more. None when all of it was taken, and it is gone from there; else what is wrong.

    ``NotFound`` when there is none of this number. Cut between the two, it is read again without harm.
    """
    found = store.find_quarantined(org, number)
    if found.via is None:
        return "it came with an import; run the import again, which reads it anew"
    try:
        source = store.sources.find(found.via)
    except NotFound:
        return "the source that it came through was removed; add one of the same kind, and let the gateway send again"
    taken = Ingestor(store).retry(source, found.payload)
    if taken.problem is not None:
        store.rename_quarantined(org, number, taken.problem)
        return taken.problem
    store.drop_quarantined(org, number)
    return None
