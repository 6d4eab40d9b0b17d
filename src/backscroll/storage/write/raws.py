"""Payloads as received."""

from __future__ import annotations

import hashlib

import zstandard

from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.rows import only_value


def keep_raw(tx: Txn, state: OrgState, source: str, type: str, payload: bytes, now: int) -> int:
    """Keep a payload as received, once, and return its number."""
    digest = hashlib.sha256(payload).hexdigest()
    known = only_value(tx.one("find_raw", {"org": state.org, "digest": digest}))
    if known is not None:
        return int(known)
    raw = state.number()
    packed = zstandard.ZstdCompressor(level=6).compress(payload)
    params = {"org": state.org, "raw": raw, "digest": digest, "source": source, "type": type}
    tx.run("add_raw", params | {"size": len(payload), "payload": packed, "now": now})
    return raw
