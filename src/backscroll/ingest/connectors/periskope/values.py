"""Single values of an answer, checked."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from backscroll.core.errors import Unreadable
from backscroll.core.ids import canonical

SOURCE = "periskope"

Number = int | float | str
"""Periskope writes some numbers as text, and older pages the same ones as numbers."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_SECONDS = 10**11
"""An epoch number above this is meant as milliseconds (as seconds it would be the year 5138)."""


_LAST_TIMESTAMP = 253_402_300_800_000_000
"""The end of the year 9999."""


def jid_of(text: str) -> str:
    return canonical(text)


def jid_or_none(text: str | None) -> str | None:
    return canonical(text) if text else None


def time_of(value: Number, name: str) -> int:
    """Microseconds of an ISO or PostgreSQL text (no zone means UTC), or of epoch seconds or milliseconds."""
    try:
        if isinstance(value, str) and not value.lstrip("-").isdecimal():
            timestamp = datetime.fromisoformat(value)
            return ((timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
        number = int(value) if isinstance(value, str) else value
        micros = round(number * (1_000_000 if abs(number) < _LAST_SECONDS else 1_000))
        if abs(micros) >= _LAST_TIMESTAMP:
            raise ValueError
        return micros
    except (ValueError, OverflowError):
        raise Unreadable(SOURCE, name, f"{cut(value)} is not a time") from None


def ack_of(value: int | str | None) -> int | None:
    """Periskope's number of a message's state, also as text; ``Unreadable`` outside -1 to 5."""
    if value is None:
        return None
    try:
        ack = int(value)
    except ValueError:
        ack = 99
    if not -1 <= ack <= 5:
        raise Unreadable(SOURCE, "ack", f"{cut(value)} is not a number from -1 to 5")
    return ack


def number_of(value: Number | None, name: str) -> float | None:
    try:
        return None if value is None else finite(value)
    except (ValueError, OverflowError):
        raise Unreadable(SOURCE, name, f"{cut(value)} is not a number") from None


def finite(value: Number) -> float:
    """The number, also as text; ``ValueError`` for infinity and what is none."""
    number = float(value) if isinstance(value, str) else value
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def cut(value: object) -> str:
    """Enough of a wrong value to find it by, and no more: it may be anything."""
    return repr(value)[:40]


def size_of(value: Number | None) -> int | None:
    """Bytes of a file, which some servers write as text; None for what is no number."""
    try:
        size = None if value is None else rounded(finite(value))
    except (ValueError, OverflowError):
        return None
    return size if size is not None and size >= 0 else None


def seconds_of(value: Number | None) -> float | None:
    return None if value == "" else number_of(value, "duration")


def score_of(value: Number | None) -> int | None:
    return rounded(number_of(value, "forwarding_score"))


def rounded(value: float | None) -> int | None:
    return None if value is None or abs(value) >= 2**63 else round(value)


def first_known(*values: bool | None) -> bool | None:
    return next((value for value in values if value is not None), None)
