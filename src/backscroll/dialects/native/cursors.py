"""Opaque cursors: a position in a list, bound to the filters of the request."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, TypeVar

import msgspec

from backscroll.dialects.native.errors import BadCursor

T = TypeVar("T")
_TAG_BYTES = 6


def encode_cursor(place: Any, filters: Any) -> str:
    """``place`` as text; ``filters`` are the filters that the position is valid for."""
    body = msgspec.json.encode(place)
    return base64.urlsafe_b64encode(_tag(body, filters) + body).rstrip(b"=").decode()


def decode_cursor(text: str, kind: type[T], filters: Any) -> T:
    """The position in a cursor; raises ``BadCursor`` for a cursor with other filters, or one that was altered."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = raw[_TAG_BYTES:]
        if raw[:_TAG_BYTES] != _tag(body, filters):
            raise BadCursor(text[:80])
        return msgspec.json.decode(body, type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError, msgspec.ValidationError):
        raise BadCursor(text[:80]) from None


def _tag(body: bytes, filters: Any) -> bytes:
    return hashlib.blake2b(body, key=msgspec.json.encode(filters)[:64], digest_size=_TAG_BYTES).digest()
