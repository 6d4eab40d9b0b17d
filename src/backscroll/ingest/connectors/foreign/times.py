"""Times in the formats of Go's SQLite drivers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GO_STRING = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d\d)(\d\d)(?: \S+)?(?: m=[+-][\d.]+)?")
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=1024)
def instant(text: str) -> int | None:
    """Microseconds since 1970 of a time as Go's SQLite drivers spell it; None for Go's zero time.

    ``2026-01-15 10:30:00.5+07:00`` and ``2026-01-15 10:30:00.5 +0700 WIB m=+12.3`` are the same; no zone is UTC.
    Raises ``ValueError`` for anything else. A row often has the same time in several columns.
    """
    # The zone of Go's own spelling follows a space, after at least 19 characters.
    go = _GO_STRING.fullmatch(text) if " " in text[19:] else None
    when = datetime.fromisoformat(f"{go[1]}{go[2]}:{go[3]}" if go else text)
    if when.year == 1:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - _EPOCH) // _MICROSECOND


def instant_of_unix(number: int) -> int:
    """The SQLite driver takes whole numbers above 10¹² for milliseconds, others for seconds."""
    return number * 1000 if number > 10**12 else number * 1_000_000


def sort_key(value: object) -> int | None:
    """``instant`` for SQL, which must not raise; the text comes as a blob since it may not be UTF-8."""
    try:
        if isinstance(value, bytes):
            text = value.decode().strip()
            return instant_of_unix(int(text)) if text.isdigit() else instant(text)
    except ValueError:
        pass
    return None
