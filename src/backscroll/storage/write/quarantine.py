"""Input that could not be understood, stored encrypted until a person or a later version processes it."""

from __future__ import annotations

import hashlib

from msgspec import Struct, structs

from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import lock_org_state, save_org_state
from backscroll.storage.records.rows import only_value


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

    The same payload is stored once, as that of the source that sent it last: an earlier one may have been removed, or
    may have been of the wrong kind.
    """
    digest = hashlib.sha256(payload).hexdigest()
    state = lock_org_state(tx, org)
    known = only_value(tx.one("find_quarantined", {"org": org, "digest": digest}))
    params = structs.asdict(entry) | {"waits": int(entry.waits), "org": org}
    if known is not None:
        tx.run("resend_quarantined", params | {"no": int(known)})
        return int(known)
    no = state.number()
    tx.run("add_quarantined", params | {"no": no, "digest": digest, "payload": sealed, "now": now})
    save_org_state(tx, state)
    return no
