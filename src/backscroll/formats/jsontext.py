"""JSON as printed by the servers that are imitated: JavaScript on top of PostgreSQL's jsonb, and Go."""

from __future__ import annotations

import math
import re
from json.encoder import encode_basestring as quote
from typing import Any

import msgspec

__all__ = ["encode", "encode_lines", "escaped", "go_json", "jsonb", "jsonb_text", "number", "quote"]

_ENCODER = msgspec.json.Encoder()
encode, encode_lines = _ENCODER.encode, _ENCODER.encode_lines
_DEEPEST = 200
"""Maximum nesting of a value; deeper levels become null, because otherwise one hostile row would break a page."""


def jsonb(value: Any, depth: int = 0) -> Any:
    """``value`` with its keys in the order of a jsonb column read by JavaScript.

    Array indices first, then shorter keys before longer ones, then bytewise. Numbers lose a ``.0``.
    """
    if isinstance(value, dict):
        if depth >= _DEEPEST:
            return None
        pairs = sorted(value.items(), key=_key_order)
        return {key: jsonb(item, depth + 1) for key, item in pairs}
    if isinstance(value, (list, tuple)):
        return [jsonb(item, depth + 1) for item in value] if depth < _DEEPEST else None
    return number(value) if isinstance(value, (int, float)) else value


def _key_order(pair: tuple[str, Any]) -> tuple[bool, int, bytes]:
    key, _ = pair
    raw = key.encode()
    index = raw.isdigit() and (raw == b"0" or raw[:1] != b"0") and len(raw) <= 10 and int(raw) < 2**32 - 1
    return not index, len(raw), raw


def number(value: float) -> int | float | None:
    """A number as JavaScript prints it: whole numbers without ``.0``, null for anything else."""
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else number(_as_float(value))
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def jsonb_text(value: Any) -> str:
    """``jsonb(value)`` as JSON text; ``null`` for None."""
    return "null" if value is None else encode(jsonb(value)).decode()


def go_json(value: Any) -> bytes:
    """As Go's ``encoding/json``: five characters escaped besides the usual ones.

    They can stand only inside strings, so they are replaced in the finished text.
    """
    return escaped(encode(value))


def escaped(text: bytes) -> bytes:
    """JSON with those five characters escaped."""
    for raw, shown in _GO_ESCAPES:
        if raw in text:
            text = text.replace(raw, shown)
    # A single byte is found many times faster than several, and those by an expression faster than by `in`.
    if b"\xe2" in text and _LINE_BREAK.search(text):
        text = text.replace("\u2028".encode(), b"\\u2028").replace("\u2029".encode(), b"\\u2029")
    return text


_LINE_BREAK = re.compile("\u2028|\u2029".encode())
_GO_ESCAPES = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
