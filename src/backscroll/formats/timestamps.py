"""Times as text: as written in queries, and as printed by PostgreSQL and Go."""

from __future__ import annotations

import re
from functools import lru_cache

SECOND = 1_000_000
DAY = 86_400 * SECOND

_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?:([Zz])|([-+ ])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_timestamp(text: str, *, end: bool = False, roll_over: bool = False) -> int | None:
    """The time given by ``text`` in microseconds, None if it is invalid.

    A date alone is the start of that UTC day, or its last microsecond when ``end``; no zone means UTC; a
    space may stand where a ``+`` was. With ``roll_over`` the 31st of a short month is the first of the
    next, as in a JavaScript Date.
    """
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None:
        return None
    day = _day(int(found[1]), int(found[2]), int(found[3]), roll_over)
    if day is None:
        return None
    if found[4] is None:
        return (day + 1) * DAY - 1 if end else day * DAY
    time = _time(int(found[4]), int(found[5]), int(found[6] or 0), found[7] or "")
    zone = _zone(found[9] or "+", int(found[10] or 0), int(found[11] or 0))
    return None if time is None or zone is None else day * DAY + time - zone


def _day(year: int, month: int, day: int, roll_over: bool) -> int | None:
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 29 if month == 2 and leap else _MONTH_DAYS[month - 1]
    return _days_from_civil(year, month) + day - 1 if roll_over or day <= longest else None


def _time(hour: int, minute: int, second: int, fraction: str) -> int | None:
    micros = ((hour * 60 + minute) * 60 + second) * SECOND + int(fraction[:6].ljust(6, "0"))
    whole_day = hour == 24 and micros == DAY
    return micros if whole_day or (hour < 24 and minute < 60 and second < 60) else None


def _zone(sign: str, hours: int, minutes: int) -> int | None:
    if hours > 23 or minutes > 59:
        return None
    offset = (hours * 60 + minutes) * 60 * SECOND
    return -offset if sign == "-" else offset


def _days_from_civil(year: int, month: int) -> int:
    """Days from 1970-01-01 to the first of a month of the Gregorian calendar, in any year."""
    year -= month < 3
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    """``2025-01-24`` of the day that is ``day`` days after 1970-01-01."""
    era, day_of_era = divmod(day + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    month = (month_from_march + 2) % 12 + 1
    year = year_of_era + era * 400 + (month < 3)
    return f"{year:04d}-{month:02d}-{day_of_year - (153 * month_from_march + 2) // 5 + 1:02d}"


_MINUTE = 60 * SECOND
_MINUTES = [f"T{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
_COMPACT_MINUTES = [f"_{minute // 60:02d}{minute % 60:02d}" for minute in range(1440)]
_SECONDS = [f"{second:02d}" for second in range(60)]
_WHOLE_SECONDS = [f"{second:02d}+00:00" for second in range(60)]
_GO_SECONDS = [f"{second:02d}Z" for second in range(60)]
_THOUSANDTHS = [f"{part:03d}" for part in range(1000)]
_LAST_DIGITS = [f"{part:03d}".rstrip("0") + "+00:00" for part in range(1000)]
# A page shows thousands of moments: tables, and divisions whose results are small numbers, halve what one costs.


def postgres_text(micros: int) -> str:
    """As PostgreSQL's ``to_json(timestamptz)`` in UTC: ``2025-01-24T09:43:48.884+00:00``."""
    minutes, rest = micros // _MINUTE, micros % _MINUTE
    second, fraction = rest // SECOND, rest % SECOND
    if not fraction:
        return f"{_date(minutes // 1440)}{_MINUTES[minutes % 1440]}{_WHOLE_SECONDS[second]}"
    milli, micro = fraction // 1000, fraction % 1000
    tail = _THOUSANDTHS[milli] + _LAST_DIGITS[micro] if micro else _LAST_DIGITS[milli]
    return f"{_date(minutes // 1440)}{_MINUTES[minutes % 1440]}{_SECONDS[second]}.{tail}"


def go_text(micros: int) -> str:
    """As Go's RFC 3339 in UTC, whole seconds: ``2024-01-15T10:30:00Z``."""
    minutes = micros // _MINUTE
    return f"{_date(minutes // 1440)}{_MINUTES[minutes % 1440]}{_GO_SECONDS[micros % _MINUTE // SECOND]}"


def compact_text(micros: int) -> str:
    """``20240115_103000``, as GOWA puts it into file names."""
    minutes = micros // _MINUTE
    return f"{_compact_date(minutes // 1440)}{_COMPACT_MINUTES[minutes % 1440]}{_SECONDS[micros % _MINUTE // SECOND]}"


@lru_cache(maxsize=4096)
def _compact_date(day: int) -> str:
    return _date(day).replace("-", "")
