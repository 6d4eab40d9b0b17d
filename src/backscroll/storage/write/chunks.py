"""Splitting a batch into chunks of ids by time, each no larger than one statement allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from backscroll.storage.records.chunks import CHUNK
from backscroll.storage.write.event_collector import Observed
from backscroll.storage.write.export_matching import MINUTE_US

_CLOSE = 60
"""Minutes."""


def said_at(what: Observed) -> int:
    """The earliest time that a source reported for a message, in microseconds; 0 if there are only annotations."""
    return min((t.message.sent_at for t in what.observations), default=0)


def runs(minutes: Collection[int]) -> Iterable[tuple[int, int]]:
    """First and last minute of each group of minutes that are close enough to be read with one query."""
    first = last = None
    for minute in sorted(minutes):
        if first is None or last is None or minute - last > _CLOSE:
            if first is not None and last is not None:
                yield first, last
            first = minute
        last = minute
    if first is not None and last is not None:
        yield first, last


def by_minutes(ordered: Sequence[str], items: Mapping[str, Observed]) -> Iterable[Sequence[str]]:
    """Ids in chunks that never split a minute."""
    chunk: list[str] = []
    for id in ordered:
        if len(chunk) >= CHUNK and said_at(items[id]) // MINUTE_US != said_at(items[chunk[-1]]) // MINUTE_US:
            yield chunk
            chunk = []
        chunk.append(id)
    if chunk:
        yield chunk
