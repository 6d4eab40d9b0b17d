"""Protocol-buffer blobs that WhatsApp keeps in columns: read without a description, by the numbers of their fields."""

from __future__ import annotations

from collections.abc import Iterator

Value = int | bytes
Fields = dict[int, list[Value]]
MAX_BLOB = 1 << 20
MAX_FIELDS = 20_000
_SIZES = {1: 8, 5: 4}


def fields(blob: object) -> Fields:
    """The values by their numbers; none of what is no such message. Nothing nested is looked into."""
    found: Fields = {}
    if not isinstance(blob, bytes) or len(blob) > MAX_BLOB:
        return found
    try:
        for count, (number, value) in enumerate(_walk(blob)):
            if count >= MAX_FIELDS:
                return {}
            found.setdefault(number, []).append(value)
    except ValueError:
        return {}
    return found


def inner(found: Fields, number: int) -> list[Fields]:
    """The messages that stand in a field."""
    return [fields(value) for value in found.get(number, []) if isinstance(value, bytes)]


def text(found: Fields, number: int) -> str | None:
    """The text in a field; None where there is none."""
    for value in found.get(number, []):
        if isinstance(value, bytes) and value:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


def number(found: Fields, field: int) -> int | None:
    """The number in a field; None where there is none."""
    return next((value for value in found.get(field, []) if isinstance(value, int)), None)


def _walk(blob: bytes) -> Iterator[tuple[int, Value]]:
    at = 0
    while at < len(blob):
        key, at = _varint(blob, at)
        kind, field = key & 7, key >> 3
        if field == 0:
            raise ValueError("no field has the number 0")
        if kind == 0:
            value, at = _varint(blob, at)
            yield field, value
            continue
        size = _SIZES.get(kind)
        if kind == 2:
            size, at = _varint(blob, at)
        if size is None or at + size > len(blob):
            raise ValueError("this is not a message")
        yield field, blob[at : at + size]
        at += size


def _varint(blob: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(blob):
            break
        byte = blob[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number does not end")
