"""A batch in pieces: ids by time, as many at once as a statement takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from backscroll.storage.records.chunks import CHUNK
from backscroll.storage.write.event_collector import Observed
from backscroll.storage.write.export_matching import MINUTE_US

_CLOSE = 60
"""Minutes."""


def said_at(what: Observed) -> int:
    """The earliest time that a source told for a message, in microseconds; 0 when only annotations came."""
    return min((t.message.sent_at for t in what.observations), default=0)


def runs(minutes: Collection[int]) -> Iterable[tuple[int, int]]:
    """First and last of minutes that lie so close that one look takes in all of them."""
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
    """Ids in chunks that end where a minute does."""
    chunk: list[str] = []
    for id in ordered:
        if len(chunk) >= CHUNK and said_at(items[id]) // MINUTE_US != said_at(items[chunk[-1]]) // MINUTE_US:
            yield chunk
            chunk = []
        chunk.append(id)
    if chunk:
        yield chunk
