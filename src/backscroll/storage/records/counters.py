"""Counting without scanning: how many messages a chat or phone has by month, day and hour.

A total or the position of an offset is found by adding up a few buckets and counting inside one. Buckets nest (hours in
days in months), so that the cost does not grow with the years that an archive covers.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from backscroll.core.limits import EARLIEST, LATEST
from backscroll.database.protocol import Ask, Row, Txn
from backscroll.storage.records.rows import CALL, CLASS, FROM_ME, MEDIA, NOTICE, NOTIFICATION, only_number

MONTH, DAY, HOUR = 0, 1, 2
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_ALL = (MONTH, -(2**31), 2**31)

COLUMNS = ("plain_in", "plain_out", "media_in", "media_out", "calls_in", "calls_out", "notices_in", "notices_out")
_MESSAGES, _MESSAGES_AND_CALLS = (0, 1, 2, 3), (0, 1, 2, 3, 4, 5)
"""The positions in ``COLUMNS`` of what counts all messages, without calls or with them."""
Counts = list[int]
_Bucket = tuple[int, int, int, int]
"""Phone, chat (0 for all), level and number."""


def column_of(flags: int) -> int:
    """Which of ``COLUMNS`` counts a message with these flags."""
    kind = flags & CLASS
    out = 1 if flags & FROM_ME else 0
    if kind == NOTICE:
        return 6 + out
    if kind == CALL:
        return 4 + out
    return (2 if flags & MEDIA else 0) + out


@lru_cache(maxsize=256)
def columns_matching(mask: int, want: int) -> tuple[int, ...]:
    """Those of ``COLUMNS`` whose messages satisfy ``flags & mask == want``."""
    call, notice = CALL | NOTIFICATION, NOTICE | NOTIFICATION
    samples = (0, FROM_ME, MEDIA, MEDIA | FROM_ME, call, call | FROM_ME, notice, notice | FROM_ME)
    return tuple(i for i, flags in enumerate(samples) if flags & mask == want)


def buckets_of(at: int) -> tuple[int, int, int]:
    """Month, day and hour of a time."""
    day = at // DAY_US
    date = datetime.date.fromordinal(day + _EPOCH_DAY)
    return date.year * 12 + date.month - 1, day, at // HOUR_US


def start_of(level: int, bucket: int) -> int:
    """First microsecond of a bucket."""
    if level == MONTH:
        year, month = divmod(bucket, 12)
        if year > 9999:
            return LATEST + 1
        return (datetime.date(year, month + 1, 1).toordinal() - _EPOCH_DAY) * DAY_US
    return bucket * (DAY_US if level == DAY else HOUR_US)


class CounterChanges:
    """Changes of the counters, collected over several batches and written with one upsert per bucket."""

    def __init__(self) -> None:
        self._observed: dict[tuple[int, int, int, int], int] = {}
        """By phone, chat, hour and column."""

    def add(self, phone: int, chat: int, sent_at: int, flags: int, sign: int = 1) -> None:
        """Count a message, or with ``sign`` -1 remove it from the count. ``sent_at`` in microseconds UTC."""
        key = (phone, chat, sent_at // HOUR_US, column_of(flags))
        self._observed[key] = self._observed.get(key, 0) + sign

    def write(self, tx: Txn, org: int) -> None:
        """Write one upsert for each changed bucket, and start over."""
        tx.many("add_counts", _count_rows(org, self._counts()))
        self._observed.clear()

    def _counts(self) -> dict[_Bucket, Counts]:
        counts: dict[_Bucket, Counts] = {}
        of_hours: dict[int, tuple[int, int]] = {}
        for (phone, chat, hour, column), n in self._observed.items():
            found = of_hours.get(hour)
            if found is None:
                month, day, _ = buckets_of(hour * HOUR_US)
                found = of_hours[hour] = month, day
            month, day = found
            for key in (
                (phone, chat, MONTH, month),
                (phone, chat, DAY, day),
                (phone, 0, MONTH, month),
                (phone, 0, DAY, day),
                (phone, 0, HOUR, hour),
            ):
                bucket = counts.get(key)
                if bucket is None:
                    bucket = counts[key] = [0] * len(COLUMNS)
                bucket[column] += n
        return counts


def _count_rows(org: int, counts: dict[_Bucket, Counts]) -> Iterator[dict[str, int]]:
    """The parameters of the statement add_counts for each bucket that changes, in the order of its key."""
    for key in sorted(counts):
        changes = counts[key]
        if any(changes):
            phone, chat, level, bucket = key
            plain_in, plain_out, media_in, media_out, calls_in, calls_out, notices_in, notices_out = changes
            yield {
                "org": org,
                "phone": phone,
                "chat": chat,
                "level": level,
                "bucket": bucket,
                "plain_in": plain_in,
                "plain_out": plain_out,
                "media_in": media_in,
                "media_out": media_out,
                "calls_in": calls_in,
                "calls_out": calls_out,
                "notices_in": notices_in,
                "notices_out": notices_out,
            }


class Scope(Struct, frozen=True, kw_only=True):
    """Whose messages are counted: all of some phones (``chats`` is (0,)) or some chats of theirs."""

    org: int
    phones: tuple[int, ...]
    chats: tuple[int, ...]
    mask: int
    want: int

    @property
    def params(self) -> dict[str, Any]:
        return {"org": self.org, "phones": self.phones, "chats": self.chats, "mask": self.mask, "want": self.want}

    @property
    def in_order(self) -> bool:
        """Whether one index yields these rows newest first, so that a first page needs no lower bound."""
        return not self.by_chat or len(self.phones) == len(self.chats) == 1

    @property
    def by_chat(self) -> bool:
        return self.chats != (0,)


class Window(Struct, frozen=True):
    """Where a page lies: it begins ``skip`` rows below ``high``, and ends at or above ``low``."""

    low: int
    high: int
    skip: int


class Counter:
    """Queries for one scope and one filter, in one transaction."""

    def __init__(self, tx: Txn, scope: Scope) -> None:
        self._tx = tx
        self._scope = scope
        self._params = scope.params
        self._counted = columns_matching(scope.mask, scope.want)
        self._known: dict[int | None, int] = {}
        self._buckets: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        self._finest = DAY if scope.by_chat else HOUR

    def read_months(self) -> None:
        """Numbers of all months at once, where both the sum and the place of an offset will be asked for."""
        self._counts(*_ALL)

    def months(self) -> list[tuple[int, int]]:
        """Months since year 0 (12 a year, in UTC) that have messages, with how many."""
        return [(bucket, n) for bucket, n in self._counts(*_ALL) if n]

    def days(self, month: int) -> list[tuple[int, int]]:
        """Days since 1970 (UTC) of a month that have messages, with how many."""
        return self.days_between(start_of(MONTH, month) // DAY_US, start_of(MONTH, month + 1) // DAY_US - 1)

    def days_between(self, first: int, last: int) -> list[tuple[int, int]]:
        """Days since 1970 (UTC) from one to another that have messages, with how many."""
        return [(bucket, n) for bucket, n in self._counts(DAY, first, last) if n]

    def total(self, since: int | None, until: int | None) -> int:
        """Messages between two inclusive times."""
        if since is not None and until is not None and since > until:
            return 0
        before = None if since is None else since - 1
        self.look_up([until] if before is None else [until, before])
        return self._known[until] - (0 if before is None else self._known[before])

    def up_to(self, at: int | None) -> int:
        """Messages sent at ``at`` or earlier."""
        self.look_up([at])
        return self._known[at]

    def look_up(self, times: Sequence[int | None], besides: Sequence[Ask] = ()) -> list[list[Row]]:
        """Read what ``up_to`` will be asked for, and the rows of other reads together with it."""
        wanted = {at: self._parts(at) for at in times if at not in self._known}
        asks = [ask for parts in wanted.values() for ask in parts]
        rows = self._tx.several([*asks, *besides])
        answers = iter(rows)
        for at, parts in wanted.items():
            self._known[at] = sum(only_number(next(answers)) for _ in parts) + self._summed(at)
        return rows[len(asks) :]

    def _parts(self, at: int | None) -> list[Ask]:
        """Reads whose numbers add up to ``up_to``, but for what is ``_summed`` already."""
        if at is None or at >= LATEST:
            return [] if _ALL in self._buckets else self._sums(*_ALL)
        if at < EARLIEST:
            return []
        month, day, hour = buckets_of(at)
        asks = self._sums(MONTH, -(2**31), month - 1) + self._sums(DAY, start_of(MONTH, month) // DAY_US, day - 1)
        low = day * DAY_US
        if self._finest == HOUR:
            asks += self._sums(HOUR, low // HOUR_US, hour - 1)
            low = hour * HOUR_US
        name = "count_in_chats" if self._scope.by_chat else "count_in_phones"
        return [*asks, (name, self._params | {"low": low, "high": at})]

    def _summed(self, at: int | None) -> int:
        months = self._buckets.get(_ALL) if at is None or at >= LATEST else None
        return sum(n for _, n in months or ())

    def _sums(self, level: int, low: int, high: int) -> list[Ask]:
        if low > high:
            return []
        params = self._params | {"level": level, "low": low, "high": high}
        if self._counted in (_MESSAGES, _MESSAGES_AND_CALLS):
            return [("total_messages", params | {"calls": int(self._counted == _MESSAGES_AND_CALLS)})]
        return [("total_counters", params | self._factors)]

    @property
    def _factors(self) -> dict[str, int]:
        return {name: int(column in self._counted) for column, name in enumerate(COLUMNS)}

    def first_window(self, since: int | None, until: int | None) -> Window | None:
        """Where the first page lies, when one index yields the rows in order: no total is needed to tell."""
        if not self._scope.in_order:
            return None
        return Window(EARLIEST if since is None else since, LATEST if until is None else until, 0)

    def window(self, since: int | None, until: int | None, offset: int, limit: int, total: int) -> Window | None:
        """Where the page of ``limit`` rows at ``offset`` lies; None when it is empty."""
        if offset >= total or limit == 0:
            return None
        if offset == 0 and (newest := self.first_window(since, until)) is not None:
            return newest
        top = self.up_to(until)
        first = top - offset
        level, bucket, before_end = self._find(first)
        end = start_of(level, bucket + 1) - 1
        if until is not None and until < end:
            end, before_end = until, top
        last = max(top - total + 1, first - limit + 1)
        low_level, low_bucket, _ = (level, bucket, 0) if last == first else self._find(last)
        low = start_of(low_level, low_bucket)
        return Window(low if since is None else max(low, since), end, before_end - first)

    def _find(self, rank: int) -> tuple[int, int, int]:
        """The finest bucket that holds the row of this rank (1 is the oldest), and the rank of its last row."""
        before, level, bucket = 0, MONTH, 0
        rows = self._counts(*_ALL)
        while True:
            for candidate, n in rows:
                bucket = candidate
                if before + n >= rank:
                    break
                before += n
            else:
                raise ArithmeticError(f"counters of {self._scope} end before row {rank}; run `backscroll check`")
            if level == self._finest:
                return level, bucket, before + n
            finer = DAY_US if level == MONTH else HOUR_US
            rows = self._counts(level + 1, start_of(level, bucket) // finer, start_of(level, bucket + 1) // finer - 1)
            level += 1

    def _counts(self, level: int, low: int, high: int) -> list[tuple[int, int]]:
        """Buckets and their numbers."""
        asked = (level, low, high)
        if asked not in self._buckets:
            params = self._params | self._factors | {"level": level, "low": low, "high": high}
            self._buckets[asked] = [(bucket, n) for bucket, n in self._tx.all("count_buckets", params)]
        return self._buckets[asked]
