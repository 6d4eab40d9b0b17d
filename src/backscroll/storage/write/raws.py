"""Payloads as received."""

from __future__ import annotations

import hashlib

import zstandard
from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.rows import only_value

_LEVEL = 6


class PackedRaw(Struct, frozen=True):
    """A payload as it is stored."""

    digest: str
    """SHA-256 of the payload, in hexadecimal."""
    size: int
    """Bytes of the payload."""
    body: bytes
    """The payload, compressed."""


def packed(payload: bytes) -> PackedRaw:
    """Compress a payload. An import does this before its transaction begins, because it takes long."""
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(payload)
    return PackedRaw(hashlib.sha256(payload).hexdigest(), len(payload), body)


def unpacked(raw: PackedRaw) -> bytes:
    """The payload again."""
    return zstandard.ZstdDecompressor().decompress(raw.body)


def keep_raw(tx: Txn, state: OrgState, source: str, type: str, payload: bytes | PackedRaw, now: int) -> int:
    """Keep a payload as received, once, and return its number."""
    digest = payload.digest if isinstance(payload, PackedRaw) else hashlib.sha256(payload).hexdigest()
    known = only_value(tx.one("find_raw", {"org": state.org, "digest": digest}))
    if known is not None:
        return int(known)
    ready = payload if isinstance(payload, PackedRaw) else packed(payload)
    raw = state.number()
    params = {"org": state.org, "raw": raw, "digest": digest, "source": source, "type": type}
    tx.run("add_raw", params | {"size": ready.size, "payload": ready.body, "now": now})
    return raw
