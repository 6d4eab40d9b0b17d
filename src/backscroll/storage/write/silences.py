"""Sources that have been silent for too long, reported once for each silence in the change feed and to webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.org_state import lock_org_state, save_org_state

GRACE_US = 300_000_000
"""How long a server has to run before it reports a source as silent, because gateways retry what they could not send.
"""
SILENT, HEARD = "silent", "heard"
"""Lines of the change feed; their number is the source's ``no``."""


class _Row(NamedTuple):
    source: str
    no: int | None
    phone: int | None
    silent_since: int | None
    silent_after: int | None
    last_event_at: int | None
    created_at: int


def tell_silences(engine: Engine, org: int, now: int, listening_since: int) -> int:
    """Report which sources fell silent and which are heard again; returns how many. Times are in microseconds.

    Only one of several processes reports it: the state is read again after locking the organisation's row.
    """
    if not engine.read(lambda tx: list(_due(tx, org, now, listening_since)), org):
        return 0

    def work(tx: Txn) -> int:
        state = lock_org_state(tx, org)
        told = list(_due(tx, org, now, listening_since))
        for row, silent_since in told:
            no = row.no if row.no is not None else state.number()
            params: dict[str, Any] = {"org": org, "source": row.source, "no": no, "silent_since": silent_since}
            tx.run("tell_silence", params)
            is_silent = silent_since is not None
            state.change(SILENT if is_silent else HEARD, no)
            type = "source.silent" if is_silent else "source.recovered"
            state.tell(type, now, phone=row.phone or 0, message=no)
        save_org_state(tx, state)
        return len(told)

    return engine.write(work, org)


def _due(tx: Txn, org: int, now: int, listening_since: int) -> Iterator[tuple[_Row, int | None]]:
    """Sources whose state changed, each with the time since which it is silent, or None if it is heard again."""
    for row in (_Row(*values) for values in tx.all("watched_sources", {"org": org})):
        since = row.last_event_at or row.created_at
        is_silent = row.silent_after is not None and now - since > row.silent_after
        if is_silent and row.silent_since is None:
            if now - listening_since > min(GRACE_US, row.silent_after or 0):
                yield row, since
        elif not is_silent and row.silent_since is not None:
            yield row, None
