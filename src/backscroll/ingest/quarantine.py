"""Reading again what could not be understood before."""

from __future__ import annotations

from backscroll.core.errors import BadField, NotFound
from backscroll.core.imports import NewImport
from backscroll.ingest import imports
from backscroll.ingest.quarantined_rows import StillBad, is_row, read_again
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.store import Store
from backscroll.storage.transfer.dump import Line
from backscroll.storage.write.quarantine import Quarantined


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
        return "it came with an import of a file; run the import again, which reads it anew"
    if is_row(found.via):
        return _retry_row(store, org, found)
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


def _retry_row(store: Store, org: int, found: Quarantined) -> str | None:
    """A row of an import or of what was pulled. What it tells is an import of its own, and can be taken back by it."""
    owner = next(one for one in store.list_orgs() if one.no == org)
    try:
        read = read_again(store, owner, found.via or "", found.payload)
        with imports.importing(store, org, NewImport(kind="quarantine", file=f"quarantined {found.no}")) as running:
            if isinstance(read, Line):
                running.store.restore(org, [read])
            else:
                running.store.apply(org, read)
            running.report = {"from": found.source}
    except (StillBad, BadField, NotFound) as problem:
        if str(problem) != found.problem:
            store.rename_quarantined(org, found.no, str(problem))
        return str(problem)
    store.drop_quarantined(org, found.no)
    return None
