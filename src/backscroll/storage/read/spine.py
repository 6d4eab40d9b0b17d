"""The numbers of messages in a chat over time, from counters. The cost does not grow with their number."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from backscroll.core.answers import Spine
from backscroll.storage.read.names import Reading
from backscroll.storage.records.counters import DAY, MONTH, Counter, Scope, start_of
from backscroll.storage.records.rows import only_number

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_US = 86_400_000_000
Buckets = dict[int, int]


def spine_of(reading: Reading, phone: int, chat: str, month: int | None = None, zone: ZoneInfo | None = None) -> Spine:
    """The months of a chat, or the days of one ``month``, in a time zone, else in UTC. An unknown chat has none."""
    found = reading.names.find(chat)
    if found is None:
        return Spine(buckets=[], before=0, total=0, first_at=None, last_at=None)
    chats = reading.names.numbers_of(found.contact)
    scope = Scope(org=reading.org, phones=(phone,), chats=chats, mask=0, want=0)
    counter = Counter(reading.tx, scope)
    ends = reading.tx.all("ends_of_chats", {"org": reading.org, "phone": phone, "chats": chats})
    ((first_at, last_at),) = ends
    calendar = _Calendar(reading, scope, zone)
    return Spine(
        buckets=calendar.months(counter) if month is None else calendar.days(counter, month),
        before=0 if month is None else counter.up_to(calendar.start_of(MONTH, month) - 1),
        total=counter.total(None, None),
        first_at=first_at,
        last_at=last_at,
    )


class _Calendar:
    """Counts by the months and days of a zone: those of UTC, and what lies between where they and the zone's begin."""

    def __init__(self, reading: Reading, scope: Scope, zone: ZoneInfo | None) -> None:
        self._reading = reading
        self._scope = scope
        self._zone = zone

    def months(self, counter: Counter) -> list[tuple[int, int]]:
        """Months since year 0 (12 a year) with how many messages each has, in the zone."""
        return self._moved(dict(counter.months()), MONTH)

    def days(self, counter: Counter, month: int) -> list[tuple[int, int]]:
        """Days since 1970 of a month (12 a year since year 0) with how many messages each has, in the zone."""
        first, last = start_of(MONTH, month) // _DAY_US, start_of(MONTH, month + 1) // _DAY_US - 1
        known = counter.days(month) if self._zone is None else counter.days_between(first - 1, last + 1)
        return [(day, n) for day, n in self._moved(dict(known), DAY) if first <= day <= last]

    def start_of(self, level: int, bucket: int) -> int:
        """First microsecond of a month or day in the zone."""
        utc = start_of(level, bucket)
        if self._zone is None:
            return utc
        try:
            day = date.fromordinal(utc // _DAY_US + _EPOCH_DAY)
            return round(datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()) * 1_000_000
        except (ValueError, OverflowError):
            return utc

    def _moved(self, counts: Buckets, level: int) -> list[tuple[int, int]]:
        """Each boundary moves what lies between its place in UTC and in the zone: a few hours' messages."""
        if self._zone is not None:
            starts = {bucket: (start_of(level, bucket), self.start_of(level, bucket)) for bucket in _boundaries(counts)}
            for (bucket, (utc, own)), count in zip(starts.items(), self._count(list(starts.values())), strict=True):
                sign = 1 if own < utc else -1
                counts[bucket] = counts.get(bucket, 0) + sign * count
                counts[bucket - 1] = counts.get(bucket - 1, 0) - sign * count
        return sorted((bucket, n) for bucket, n in counts.items() if n)

    def _count(self, spans: list[tuple[int, int]]) -> list[int]:
        asks = [("count_in_chats", self._scope.params | {"low": min(span), "high": max(span) - 1}) for span in spans]
        return [only_number(rows) for rows in self._reading.tx.several(asks)]


def _boundaries(counts: Buckets) -> list[int]:
    """The buckets at whose beginning something may stand."""
    return sorted({bucket + side for bucket in counts for side in (0, 1)})
