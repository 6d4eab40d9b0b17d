"""The organisation's row, taken before a write and put back after it, and the payloads kept as received."""

from __future__ import annotations

import hashlib

import zstandard
from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import lock_org_state, store_org_state
from backscroll.storage.records.orgstate import OrgState

__all__ = ["Applied", "keep_raw", "lock_org_state", "save_org_state"]


class Applied(Struct, frozen=True):
    """What a batch did: ``changed`` rows, up to the organisation's ``seq``."""

    changed: int
    seq: int
    refused: tuple[str, ...] = ()
    """Events that could not be kept and went to quarantine (ingest/pipeline.py), each with its reason."""


def save_org_state(tx: Txn, state: OrgState) -> Applied:
    """Write the changes and put the counter row back; what the last batch did comes back."""
    changed = state.end_batch()
    if state.numbered:
        numbered = enumerate(state.numbered, state.seq - len(state.numbered) + 1)
        tx.many("add_change", ({"org": state.org, "seq": n, "what": what, "no": no} for n, (what, no) in numbered))
    store_org_state(tx, state)
    return Applied(changed, state.seq)


def keep_raw(tx: Txn, state: OrgState, source: str, type: str, payload: bytes, now: int) -> int:
    """Keep a payload as received, once, and return its number."""
    digest = hashlib.sha256(payload).hexdigest()
    row = tx.one("find_raw", {"org": state.org, "digest": digest})
    if row is not None:
        return int(row[0])
    raw = state.number()
    packed = zstandard.ZstdCompressor(level=6).compress(payload)
    params = {"org": state.org, "raw": raw, "digest": digest, "source": source, "type": type}
    tx.run("add_raw", params | {"size": len(payload), "payload": packed, "now": now})
    return raw
