"""Input that could not be understood, stored encrypted until a person or a later version processes it."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec import Struct, structs

from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import lock_org_state, save_org_state
from backscroll.storage.records.rows import only_value
from backscroll.storage.write.live_sources import PREFIX, org_of_source


class Quarantined(Struct, frozen=True):
    """Input that could not be understood, as it was received. ``stored_at`` in microseconds UTC."""

    no: int
    source: str
    problem: str
    payload: bytes
    stored_at: int
    via: str | None = None
    """Id of the live source that it came through."""


class Entry(Struct, frozen=True, kw_only=True):
    """What is stored with the bytes. ``waits``: they can be processed once a message that they refer to has arrived."""

    source: str
    problem: str
    via: str | None
    waits: bool


def keep(tx: Txn, org: int, entry: Entry, payload: bytes, sealed: bytes, now: int) -> int:
    """Store sealed bytes and return their number. ``payload`` is not sealed.

    The same payload is stored once for each source, because each may read it as another phone's. What came through a
    live source that was removed since passes to the live source that sends it now: by itself it could never be read.
    """
    digest = hashlib.sha256(payload).hexdigest()
    state = lock_org_state(tx, org)
    params = structs.asdict(entry) | {"waits": int(entry.waits), "org": org}
    known = _known(tx, params | {"digest": digest})
    if known is not None:
        tx.run("resend_quarantined", params | {"no": known})
        return known
    no = state.number()
    tx.run("add_quarantined", params | {"no": no, "digest": digest, "payload": sealed, "now": now})
    save_org_state(tx, state)
    return no


def _known(tx: Txn, params: dict[str, Any]) -> int | None:
    found = only_value(tx.one("find_quarantined", params))
    if found is None and org_of_source(params["via"] or "") is not None:
        found = only_value(tx.one("find_orphaned_quarantined", params | {"sources": f"{PREFIX}%"}))
    return None if found is None else int(found)
