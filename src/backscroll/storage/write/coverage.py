"""Recording the coverage of sources, in the same transaction as their messages.

Adjoining spans of one source become one row, so that the number of rows depends on interruptions and imported files,
not on messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from backscroll.core import events
from backscroll.core.coverage import GRACE_US, SILENT_US, Coverage, Ended, origin_of
from backscroll.core.ids import canonical
from backscroll.core.imports import Import
from backscroll.database.protocol import Txn
from backscroll.storage.records.chunks import chunks
from backscroll.storage.write.phones import OwnPhones

MAX_MISSING = 100
"""Maximum runs of missing numbers stored per source. The oldest are dropped, and remain gaps."""


class Place(Struct, frozen=True, order=True):
    """What a span covers: the messages of one source, in one chat (``jid``) or in all chats of a phone ("")."""

    phone: int
    jid: str
    import_id: int
    origin: str


Ends = tuple[int, int]
"""First and last time, in microseconds UTC."""


class _Row(NamedTuple):
    """A row of spans. Microseconds UTC."""

    since: int
    until: int
    ended: Ended | None


class Spans:
    """The table of spans of one organisation, in one writing transaction."""

    def __init__(self, tx: Txn, org: int) -> None:
        self._tx = tx
        self._org = org

    def _params(self, place: Place) -> dict[str, Any]:
        where = {"org": self._org, "phone": place.phone, "jid": place.jid}
        return where | {"import": place.import_id, "origin": place.origin}

    def cover(self, place: Place, since: int, until: int, ended: Ended | None = None) -> None:
        """Record a span, merged with the spans of the same source that it touches."""
        base = self._params(place)
        touched = [_Row(*row) for row in self._tx.all("spans_within", base | {"since": since, "until": until})]
        before = self._before(place, since)
        if before is not None and before.until >= since:
            touched.insert(0, before)
        last = max(touched, key=lambda row: row.until, default=None)
        if last is not None and last.until > until:
            until, ended = last.until, last.ended
        first = min([since, *(row.since for row in touched)])
        if touched == [_Row(first, until, ended)]:
            return
        for row in touched:
            if row.since != first:
                self._tx.run("delete_span", base | {"since": row.since})
        self._tx.run("save_span", base | {"since": first, "until": until, "ended": ended})

    def widen(self, ends: Mapping[Place, Ends]) -> None:
        """Extend the only span of each of these sources to these ends, because nothing in between was left out."""
        rows = self._rows_of(ends)
        saved = []
        for place, (since, until) in ends.items():
            there = rows.get(place, [])
            first, last = min([since, *(row.since for row in there)]), max([until, *(row.until for row in there)])
            if there and there[-1].since <= since and until <= there[-1].until:
                continue
            if len(there) > 1:
                self.cover(place, min(since, there[-1].since), max(until, there[-1].until))
                continue
            if there and there[0].since != first:
                self._tx.run("delete_span", self._params(place) | {"since": there[0].since})
            ended = there[0].ended if there and there[0].until == last else None
            saved.append(self._params(place) | {"since": first, "until": last, "ended": ended})
        self._tx.many("save_span", saved)

    def _rows_of(self, places: Iterable[Place]) -> dict[Place, list[_Row]]:
        """The spans of some sources, oldest first."""
        alike: dict[tuple[int, int, str], list[str]] = defaultdict(list)
        for place in places:
            alike[(place.phone, place.import_id, place.origin)].append(place.jid)
        found: dict[Place, list[_Row]] = defaultdict(list)
        for (phone, import_id, origin), jids in alike.items():
            for part in chunks(sorted(jids)):
                params = {"org": self._org, "phone": phone, "import": import_id, "origin": origin, "jids": part}
                for jid, *row in self._tx.all("spans_of_source", params):
                    found[Place(phone, jid, import_id, origin)].append(_Row(*row))
        return found

    def cut(self, place: Place, since: int, until: int) -> None:
        """Remove a period from what a source covers."""
        base = self._params(place)
        touched = [_Row(*row) for row in self._tx.all("spans_within", base | {"since": since, "until": until})]
        before = self._before(place, since)
        if before is not None and before.until >= since:
            touched.append(before)
        for row in touched:
            self._tx.run("delete_span", base | {"since": row.since})
            if row.since < since:
                self._tx.run("save_span", base | {"since": row.since, "until": since, "ended": None})
            if row.until > until:
                self._tx.run("save_span", base | {"since": until, "until": row.until, "ended": row.ended})

    def last(self, place: Place) -> _Row | None:
        """The latest span of this source."""
        return self._before(place, 2**62)

    def _before(self, place: Place, since: int) -> _Row | None:
        row = self._tx.one("span_before", self._params(place) | {"since": since})
        return None if row is None else _Row(*row)

    # ------------------------------------------------------------------ live sources

    def hear(self, place: Place, at: int, limit: int) -> None:
        """Extend the last span to ``at``, when something arrived, unless the source was away or silent for too long."""
        last = self.last(place)
        if last is None:
            self.cover(place, at, at)
        elif at <= last.until:
            return
        elif at - last.until <= (limit if last.ended is None else GRACE_US):
            self.cover(place, last.until, at)
        else:
            if last.ended is None:
                self._end(place, last, last.until, "silence")
            self.cover(place, at, at)

    def end(self, place: Place, at: int, limit: int, ended: Ended) -> None:
        """The source covers nothing from ``at`` on. It is covered up to ``at`` if it was last heard recently enough."""
        last = self.last(place)
        if last is None or last.ended is not None:
            return
        if at - last.until > limit:
            self._end(place, last, last.until, "silence")
        else:
            self._end(place, last, max(at, last.until), ended)

    def _end(self, place: Place, row: _Row, until: int, ended: Ended) -> None:
        self._tx.run("save_span", self._params(place) | {"since": row.since, "until": until, "ended": ended})

    def places_of(self, origin: str) -> list[Place]:
        """The places about which a live source reported something."""
        rows = self._tx.all("places_of_origin", {"org": self._org, "origin": origin})
        return [Place(phone, jid, 0, origin) for phone, jid in rows]

    # ------------------------------------------------------------------ imports

    def forget_import(self, import_id: int, limit: int) -> int:
        """Delete up to ``limit`` spans of an import; returns how many."""
        rows = self._tx.all("spans_of_import", {"org": self._org, "import": import_id, "limit": limit})
        for phone, jid, origin, since in rows:
            self._tx.run("delete_span", self._params(Place(phone, jid, import_id, origin)) | {"since": since})
        return len(rows)


class Run(NamedTuple):
    """Missing numbers, ``first`` to ``last``, and the times between which they should have come (microseconds UTC)."""

    first: int
    last: int
    before: int
    after: int


class Numbers(Struct):
    """Which of the numbered requests of a source arrived."""

    last: int
    missing: list[Run] = []


class Listening:
    """Coverage by the live sources of one organisation, within a writing transaction."""

    def __init__(self, tx: Txn, org: int) -> None:
        self._tx = tx
        self._org = org
        self._spans = Spans(tx, org)

    def hear(self, id: str, phones: Iterable[int], at: int, sequence: int | None = None) -> None:
        """A source reported something about these phones. ``sequence`` is its request's number, if it counts them."""
        row = self._tx.one("attended_source", {"org": self._org, "source": id})
        if row is None:
            return
        source, kind, silent_after, attended_at, numbers = row
        self._notice_absence(source, kind, silent_after, attended_at, at)
        limit, origin = silent_after or SILENT_US, origin_of("live", kind, source)
        places = [Place(phone, "", 0, origin) for phone in sorted(set(phones))]
        if sequence is not None:
            counted = self._counted(numbers, sequence, at, places, limit)
            self._tx.run("save_sequence", {"org": self._org, "source": source, "sequence": counted})
        for place in places:
            self._spans.hear(place, at, limit)
        self._tx.run("hear_source", {"org": self._org, "source": source, "now": at})

    def end(self, source: str, at: int, ended: Ended, phone: int | None = None) -> None:
        """From now on the source covers nothing of one phone, or of all phones that it reported about."""
        row = self._tx.one("attended_source", {"org": self._org, "source": source})
        if row is not None:
            _, kind, silent_after, _, _ = row
            limit, origin = silent_after or SILENT_US, origin_of("live", kind, source)
            for place in self._spans.places_of(origin):
                if phone in (None, place.phone):
                    self._spans.end(place, at, limit, ended)

    def attend(self, now: int) -> None:
        """Record that a server is running, so that periods without one can be recognised later."""
        for source, kind, silent_after, attended_at, _ in self._tx.all("attended_sources", {"org": self._org}):
            self._notice_absence(source, kind, silent_after, attended_at, now)
        self._tx.run("attend_sources", {"org": self._org, "now": now})

    def _notice_absence(self, source: str, kind: str, limit: int | None, attended_at: int | None, now: int) -> None:
        if attended_at is None or now - attended_at <= GRACE_US:
            return
        for place in self._spans.places_of(origin_of("live", kind, source)):
            self._spans.end(place, attended_at, limit or SILENT_US, "server_down")

    def _counted(self, known: str | None, number: int, at: int, places: list[Place], limit: int) -> str:
        """Track the numbers of a source's requests. A missing number is a gap until its request arrives."""
        numbers = Numbers(last=number) if known is None else msgspec.json.decode(known, type=Numbers)
        if number > numbers.last + 1:
            before = max((last.until for place in places if (last := self._spans.last(place))), default=at)
            numbers.missing = [*numbers.missing, Run(numbers.last + 1, number - 1, before, at)][-MAX_MISSING:]
            for place in places:
                self._spans.end(place, before, limit, "sequence")
                self._spans.cover(place, at, at)
        elif number <= numbers.last:
            self._fill(numbers, number, places)
        numbers.last = max(numbers.last, number)
        return msgspec.json.encode(numbers).decode()

    def _fill(self, numbers: Numbers, number: int, places: list[Place]) -> None:
        run = next((run for run in numbers.missing if run.first <= number <= run.last), None)
        if run is None:
            return
        left = [run._replace(last=number - 1), run._replace(first=number + 1)]
        numbers.missing = [*(r for r in numbers.missing if r != run), *(r for r in left if r.first <= r.last)]
        if all((r.before, r.after) != (run.before, run.after) for r in numbers.missing):
            for place in places:
                self._spans.cover(place, run.before, run.after)


def take_back_walk(tx: Txn, org: int, entry: Import) -> None:
    """Remove the coverage of an import that read a period of all chats of some phones."""
    since, until = (entry.report or {}).get("walked") or (0, 0)
    if until > since:
        spans = Spans(tx, org)
        for place in spans.places_of(origin_of("pull", entry.kind, entry.file)):
            spans.cut(place, since, until)


def ends_of_chats(told: Iterable[events.Event]) -> dict[tuple[str, str], Ends]:
    """The first and last time of the messages of each chat, keyed by the JIDs of phone and chat."""
    ends: dict[tuple[str, str], Ends] = {}
    for event in told:
        if isinstance(event, events.MessageSeen):
            key, at = event.message.key, event.message.sent_at
            ends[(key.phone, key.chat)] = _together(ends.get((key.phone, key.chat), (at, at)), (at, at))
    return ends


def _together(one: Ends, other: Ends) -> Ends:
    return (min(one[0], other[0]), max(one[1], other[1]))


class CoverageWriter:
    """Records the coverage that batches report, under the JIDs that their sources use. If two JIDs later turn out to be
    one contact, the coverage is found under both."""

    def __init__(self, tx: Txn, org: int, phones: OwnPhones) -> None:
        self._phones = phones
        self._spans = Spans(tx, org)
        self._listening = Listening(tx, org)
        self._ends: dict[Place, Ends] = {}
        """First and last times of the messages that imports reported in this transaction."""

    def note_batch(self, batch: events.Batch, import_id: int, now: int) -> None:
        """Record the coverage that a batch states, and, if it comes from an import, the coverage of its messages."""
        if import_id and batch.vouches:
            # An import leaves nothing out between two messages of a chat.
            for (phone, chat), ends in ends_of_chats(batch.events).items():
                place = Place(self._number(phone), canonical(chat), import_id, "")
                self._ends[place] = _together(self._ends.get(place, ends), ends)
        for span in batch.coverage:
            # Coverage that names its own source remains when the import that read it is undone.
            self.note(0 if span.origin else import_id, span)
        if (heard := batch.heard) is not None:
            self._listening.hear(heard.source, map(self._number, heard.phones), now, heard.sequence)

    def note(self, import_id: int, told: Coverage) -> None:
        """Record that a source covers a period. ``import_id`` is 0 if undoing an import does not end this."""
        self.flush()
        jid = "" if told.chat is None else canonical(told.chat)
        place = Place(self._number(told.phone), jid, import_id, told.origin)
        self._spans.cover(place, told.since, told.until, told.ended)

    def flush(self) -> None:
        """Write what is buffered."""
        if self._ends:
            self._spans.widen(self._ends)
            self._ends = {}

    def _number(self, jid: str) -> int:
        return self._phones.number_of(jid)
