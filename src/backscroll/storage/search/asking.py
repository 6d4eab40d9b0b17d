"""Answering a query from the index: set operations on postings, and reading texts where postings are not enough.

A group (what one item of the query matches) is a set of messages in each segment, or, if that is too expensive, a
superset whose messages are read. For a fragment that occurs in too many words, all messages have to be read.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.records.damage import readable
from backscroll.storage.records.rows import DELETED, FROM_ME, MEDIA, NOTIFICATION, MessageRow, row_of
from backscroll.storage.search.documents import document_of_row
from backscroll.storage.search.matching import Reading
from backscroll.storage.search.names import NameIndex
from backscroll.storage.search.offsets import Choice, Listed, Offsets, all_of, any_of
from backscroll.storage.search.query import Filters, Group, Probe, Query, Run, Word
from backscroll.storage.search.reader import IndexReader, PartCache, SegmentReader
from backscroll.storage.search.segments import month_of
from backscroll.storage.search.terms import sender_mark, version

_CHUNK = 256
_ASKED = 500
EXACT, STEMS, ALL = 0, 1, 2
"""Tiers of relevance: matches of the typed words, of their stems, and all other matches."""

Key = tuple[int, str, int, int, int]
"""The sort key of messages: time, WhatsApp id, phone, chat, sender."""

_KINDS: dict[str, tuple[str, ...]] = {
    "image": ("!kimage",),
    "video": ("!kvideo", "!kvideo_note"),
    "audio": ("!kaudio", "!kvoice"),
    "voice": ("!kvoice",),
    "sticker": ("!ksticker",),
    "document": ("!kdocument",),
    "location": ("!klocation", "!klive_location"),
    "contact": ("!kcontact", "!kcontacts"),
    "poll": ("!kpoll",),
    "event": ("!kevent",),
    "link": ("!hlink",),
    "quote": ("!hquote",),
    "edited": ("!e",),
    "starred": ("!*",),
    "forwarded": ("!f",),
}
_FLAGS = {"media": (MEDIA, MEDIA), "mine": (FROM_ME, FROM_ME), "received": (FROM_ME, 0), "deleted": (DELETED, DELETED)}


class Scope(Struct, frozen=True):
    """Which messages are searched: of these phones, in these chats (None is all), with these flags."""

    phones: frozenset[int]
    chats: frozenset[int] | None = None
    mask: int = NOTIFICATION
    want: int = 0


class Bounds(Struct, frozen=True):
    """Limits for one search."""

    words: int = 300
    """Maximum words of the vocabulary that an item may match; beyond that, messages are read."""
    all_words: int = 1_000
    """The same for all items of a query together."""
    read: int = 5_000
    """Maximum messages that one request reads; then the page may be short, and ``next`` continues."""
    counted: int = 50_000
    """Maximum hits that facets count."""


BOUNDS = Bounds()


class Position(Struct, frozen=True, array_like=True):
    """Where a page ended: the tier and key of its last message, and the number of hits up to there."""

    tier: int
    key: Key
    found: int = 0


class Facets(Struct, frozen=True):
    """How many hits each chat, phone and month has; of the latest only where ``is_complete`` is False."""

    chats: dict[int, int]
    phones: dict[int, int]
    months: dict[int, int]
    """By year * 12 + month - 1, UTC."""
    is_complete: bool


class Found(Struct, frozen=True):
    """A page of hits in order."""

    rows: list[MessageRow]
    total: int
    is_exact: bool
    next: Position | None
    facets: Facets | None


class _Asked(Struct):
    """A group with everything that was looked up for it.

    ``words``, by segment, are those that its probes find, None where they are too many; ``edges`` are the same for each
    open end of a run.
    """

    group: Group
    senders: tuple[bytes, ...] = ()
    contacts: frozenset[int] = frozenset()
    words: list[set[bytes]] | None = None
    edges: list[list[set[bytes]]] = []

    @property
    def is_wide(self) -> bool:
        """Whether messages must be read to know all that it matches."""
        return isinstance(self.group, Run) or (self.words is None and bool(self.group.probes))


class Search:
    """One query in one reading transaction."""

    def __init__(
        self,
        tx: Txn,
        org: int,
        query: Query,
        scope: Scope,
        names: NameIndex,
        cache: PartCache,
        numbers_of: Callable[[int], Iterable[int]] = lambda contact: (contact,),
        bounds: Bounds = BOUNDS,
    ) -> None:
        self._bounds = bounds
        self._words_left = bounds.all_words
        self._tx = tx
        self._org = org
        self._numbers_of = numbers_of
        self._names = names
        self._index = IndexReader(tx, org, cache)
        self._filters = query.filters
        self._include = [self._asked(group) for group in query.include]
        self._exclude = [_Asked(group) for group in query.exclude]
        self._senders = self._sender_terms(query.filters.senders)
        self._not_senders = self._sender_terms(query.filters.not_senders)
        self._scope = self._narrowed(scope, query.filters)
        self._read = 0
        self._load()

    # ------------------------------------------------------------------ what is looked up

    def _asked(self, group: Group) -> _Asked:
        asked = _Asked(group)
        if isinstance(group, Word) and group.sender is not None:
            contacts = self._all_standing(self._names.beginning(group.sender))
            asked.contacts = frozenset(contacts)
            asked.senders = tuple(_sender_term(contact) for contact in sorted(contacts))
        if isinstance(group, Word):
            asked.words = self._expanded(group.probes) if group.probes else None
        else:
            edges = (self._expanded((probe,)) for probe in group.probes)
            asked.edges = [edge for edge in edges if edge is not None]
        return asked

    def _expanded(self, probes: Sequence[Probe]) -> list[set[bytes]] | None:
        found = self._index.expand(probes, min(self._bounds.words, self._words_left))
        self._words_left -= len(set().union(*found)) if found else 0
        return found

    def _all_standing(self, contacts: Iterable[int]) -> set[int]:
        return {standing for contact in contacts for standing in self._numbers_of(contact)}

    def _sender_terms(self, values: Sequence[str]) -> tuple[bytes, ...]:
        contacts = self._all_standing(c for value in values if value.lower() != "me" for c in self._names.meant(value))
        return tuple(_sender_term(contact) for contact in sorted(contacts))

    def _narrowed(self, scope: Scope, filters: Filters) -> Scope:
        if not filters.chats:
            return scope
        chats = self._all_standing(c for value in filters.chats for c in self._names.meant(value))
        return Scope(
            scope.phones, frozenset(chats if scope.chats is None else chats & scope.chats), scope.mask, scope.want
        )

    def _load(self) -> None:
        wanted: set[bytes] = set(self._senders) | set(self._not_senders)
        for asked in (*self._include, *self._exclude):
            wanted.update(asked.senders)
            wanted.update(_encoded(_terms_in(asked.group)))
        for fact in (*self._filters.facts, *self._filters.not_facts):
            wanted.update(_encoded(_KINDS.get(fact, ())))
        self._index.load(wanted)
        for asked in self._include:
            for words in (*asked.edges, *((asked.words,) if asked.words is not None else ())):
                self._index.load_own(dict(enumerate(words)))

    @property
    def is_current(self) -> bool:
        """Whether all segments were made by today's rules."""
        return all(segment.head.version >= version() for segment in self._index.segments)

    @property
    def narrows(self) -> bool:
        """Whether something that is to be found could be looked up."""
        return any(not asked.is_wide for asked in self._include)

    # ------------------------------------------------------------------ candidates of a segment

    def candidates(self, at: int, tier: int = ALL) -> Offsets:
        """Offsets of the messages of a segment that match, or that must be read to know."""
        segment = self._index.segments[at]
        low, high = self._span(segment)
        if low >= high or not self._may_hold(segment):
            return ()
        choices = [choice for asked in self._include if (choice := self._choice(asked, at, tier)) is not None]
        choices += [segment.listed(_encoded(_KINDS[fact])) for fact in self._filters.facts if fact in _KINDS]
        if self._filters.senders:
            choices.append(self._sent_by(segment, self._senders, self._filters.senders))
        found = all_of(choices, segment.places.language_of) if choices else range(low, high)
        if choices and (low > 0 or high < segment.head.docs):
            found = found[bisect_left(found, low) : bisect_left(found, high)]
        return self._without(segment, self._in_scope(segment, found)) if len(found) else ()

    def _choice(self, asked: _Asked, at: int, tier: int) -> Choice | None:
        """None where nothing narrows."""
        group, segment = asked.group, self._index.segments[at]
        if isinstance(group, Run):
            return self._choice_of_run(asked, group, at)
        if tier == ALL and asked.is_wide:
            return None
        plain = dict.fromkeys(_encoded(group.exact))
        if tier == ALL:
            plain.update(dict.fromkeys((*asked.senders, *(asked.words[at] if asked.words else ()))))
        return segment.listed(plain) + (self._stemmed(segment, group, plain) if tier >= STEMS else [])

    def _stemmed(self, segment: SegmentReader, group: Word, besides: Collection[bytes] = ()) -> list[Listed]:
        """Postings of the stems of a word that are not among other terms."""
        stems = ((stem.term.encode("utf-8", "replace"), stem.languages) for stem in group.stems)
        found = ((segment.find(term), languages) for term, languages in stems if term not in besides)
        return [
            (offsets, segment.places.speaking(languages) if languages else None)
            for offsets, languages in found
            if offsets is not None
        ]

    def _choice_of_run(self, asked: _Asked, group: Run, at: int) -> Choice | None:
        segment = self._index.segments[at]
        parts = [segment.listed((term,)) for term in _encoded(group.required)]
        parts += [segment.listed(edge[at]) for edge in asked.edges]
        return [(all_of(parts, ()), None), *segment.listed(_encoded(group.joined))] if parts else None

    def _sent_by(self, segment: SegmentReader, senders: Sequence[bytes], values: Sequence[str]) -> Choice:
        found = segment.listed(senders)
        if any(value.lower() == "me" for value in values):
            mine = bytes(flags & FROM_ME != 0 for flags in segment.places.flags)
            found.append(([at for at, flag in enumerate(segment.places.flag_of) if mine[flag]], None))
        return found

    def _span(self, segment: SegmentReader) -> tuple[int, int]:
        since, until = self._filters.since, self._filters.until
        low = 0 if since is None else segment.first_from(since)
        return low, segment.head.docs if until is None else segment.first_from(until)

    def _may_hold(self, segment: SegmentReader) -> bool:
        places = segment.places
        in_phones = not self._scope.phones.isdisjoint(places.phones)
        return segment.head.alive > 0 and in_phones and any(map(self._wants_flags, places.flags))

    def _wants_flags(self, flags: int) -> bool:
        if flags & self._scope.mask != self._scope.want:
            return False
        wanted = (_FLAGS[fact] for fact in self._filters.facts if fact in _FLAGS)
        if any(flags & mask != want for mask, want in wanted):
            return False
        return not any(flags & _FLAGS[f][0] == _FLAGS[f][1] for f in self._filters.not_facts if f in _FLAGS)

    def _wants_chat(self, phone: int, chat: int) -> bool:
        in_scope = phone in self._scope.phones and (self._scope.chats is None or chat in self._scope.chats)
        return in_scope and chat not in self._not_chats

    @property
    def _not_chats(self) -> set[int]:
        if self._left_out is None:
            meant = (c for value in self._filters.not_chats for c in self._names.meant(value))
            self._left_out = self._all_standing(meant)
        return self._left_out

    _left_out: set[int] | None = None

    def _in_scope(self, segment: SegmentReader, found: Offsets) -> Offsets:
        places = segment.places
        flags = bytes(map(self._wants_flags, places.flags))
        if 0 in flags:
            flag_of = places.flag_of
            found = [offset for offset in found if flags[flag_of[offset]]]
        if self._scope.chats is None and not self._not_chats and places.phones <= self._scope.phones:
            return found
        chats = bytes(self._wants_chat(*chat) for chat in places.chats)
        chat_of = places.chat_of
        return [offset for offset in found if chats[chat_of[offset]]]

    def _without(self, segment: SegmentReader, found: Offsets) -> Offsets:
        """Less what has left the segment and what is excluded."""
        out: set[int] = set(segment.head.dead)
        for asked in self._exclude:
            if isinstance(asked.group, Word) and not asked.group.probes:
                choice = segment.listed(_encoded(asked.group.exact)) + self._stemmed(segment, asked.group)
                out.update(any_of(choice, segment.places.language_of))
        for fact in self._filters.not_facts:
            out.update(any_of(segment.listed(_encoded(_KINDS.get(fact, ())))))
        if self._filters.not_senders:
            out.update(any_of(self._sent_by(segment, self._not_senders, self._filters.not_senders)))
        for since, until in self._filters.not_within:
            out.update(range(segment.first_from(since), segment.first_from(until)))
        return [offset for offset in found if offset not in out] if out else found

    # ------------------------------------------------------------------ reading

    @property
    def must_read(self) -> bool:
        """Whether messages have to be read to know which of the candidates match."""
        return any(asked.is_wide for asked in self._include) or any(
            isinstance(asked.group, Run) or asked.group.probes for asked in self._exclude
        )

    def _matches(self, row: MessageRow) -> bool:
        reading = Reading(document_of_row(row))
        return all(self._has(reading, asked, row) for asked in self._include if asked.is_wide) and not any(
            reading.matches(asked.group)
            for asked in self._exclude
            if isinstance(asked.group, Run) or asked.group.probes
        )

    def _has(self, reading: Reading, asked: _Asked, row: MessageRow) -> bool:
        return row.sender in asked.contacts or reading.matches(asked.group)

    # ------------------------------------------------------------------ pages

    def page(self, limit: int, by_relevance: bool = False, after: Position | None = None) -> Found:
        """The next ``limit`` messages, newest first, or tier by tier."""
        every = [self.candidates(at) for at in range(len(self._index.segments))]
        tiers = (EXACT, STEMS, ALL) if by_relevance else (ALL,)
        rows: list[tuple[int, MessageRow]] = []
        last: Position | None = None
        is_cut = False
        for tier, candidates in self._by_tier(every, tiers):
            if after is not None and tier < after.tier:
                continue
            start = after.key if after is not None and tier == after.tier else None
            for chunk, ended in self._chunks(candidates, start, limit + 1 - len(rows)):
                rows += [(tier, row) for row in chunk]
                if ended is not None:
                    last = Position(tier, ended)
                if len(rows) > limit or self._read >= self._bounds.read:
                    is_cut = True
                    break
            if is_cut:
                break
        return self._found(every, rows, limit, after, last if is_cut else None)

    def _by_tier(self, every: list[Offsets], tiers: Sequence[int]) -> Iterator[tuple[int, list[Offsets]]]:
        seen: list[set[int]] = [set() for _ in every]
        for tier in tiers:
            if tier == ALL and len(tiers) == 1:
                yield ALL, every
                continue
            own: list[Offsets] = []
            for at, known in enumerate(every):
                found = known if tier == ALL else self.candidates(at, tier)
                own.append([offset for offset in found if offset not in seen[at]])
                seen[at].update(own[-1])
            yield tier, own

    def _chunks(
        self, candidates: Sequence[Offsets], start: Key | None, wanted: int
    ) -> Iterator[tuple[list[MessageRow], Key | None]]:
        """Messages that match, and the key of the last that was looked at; messages of one time come together."""
        stream = self._newest_first(candidates, None if start is None else start[0])
        pending: list[int] = []
        time: int | None = None
        size = _CHUNK if self.must_read else max(wanted, 1)
        for sent_at, no in stream:
            if len(pending) >= size and sent_at != time:
                yield self._settle(pending, start)
                pending = []
            pending.append(no)
            time = sent_at
        if pending:
            yield self._settle(pending, start)

    def _newest_first(self, candidates: Sequence[Offsets], until: int | None) -> Iterator[tuple[int, int]]:
        """Time and number of candidates. A segment is opened when its newest message may be next."""
        heap: list[tuple[int, int, int, int]] = []
        for at, found in enumerate(candidates):
            segment = self._index.segments[at]
            end = len(found)
            if until is not None and end and until < segment.head.high:
                end = bisect_left(found, segment.first_from(until + 1))
            if end:
                high = segment.head.high if until is None else min(until, segment.head.high)
                heap.append((-high, 0, at, end - 1))
        heapq.heapify(heap)
        while heap:
            bound, opened, at, place = heap[0]
            segment = self._index.segments[at]
            time, no = segment.doc(candidates[at][place])
            if not opened and -bound != time:
                heapq.heapreplace(heap, (-time, 1, at, place))
                continue
            yield time, no
            if place:
                following, _ = segment.doc(candidates[at][place - 1])
                heapq.heapreplace(heap, (-following, 1, at, place - 1))
            else:
                heapq.heappop(heap)

    def _settle(self, nos: Sequence[int], start: Key | None) -> tuple[list[MessageRow], Key | None]:
        """Of candidates, those that match and come after ``start``, in their order."""
        rows: list[MessageRow] = []
        for at in range(0, len(nos), _ASKED):
            params = {"org": self._org, "nos": nos[at : at + _ASKED]}
            rows += readable(self._org, map(row_of, self._tx.all("rows_by_no", params)))
        rows.sort(key=key_of, reverse=True)
        if start is not None:
            rows = [row for row in rows if key_of(row) < start]
        last = key_of(rows[-1]) if rows else None
        if self.must_read:
            self._read += len(rows)
            rows = [row for row in rows if self._matches(row)]
        return rows, last

    def _found(
        self,
        every: Sequence[Offsets],
        rows: list[tuple[int, MessageRow]],
        limit: int,
        after: Position | None,
        last: Position | None,
    ) -> Found:
        page, more = rows[:limit], len(rows) > limit
        before = after.found if after is not None else 0
        following: Position | None = None
        if more:
            following = after
            if page:
                tier, newest = page[-1]
                following = Position(tier, key_of(newest), before + len(page))
        elif last is not None:
            following = Position(last.tier, last.key, before + len(page))
        if not self.must_read:
            total, is_exact = sum(map(len, every)), True
        else:
            total, is_exact = before + len(rows), following is None
        facets = None if after is not None else self._facets(every, [row for _, row in rows], is_exact)
        return Found([row for _, row in page], total, is_exact, following, facets)

    # ------------------------------------------------------------------ facets

    def _facets(self, every: Sequence[Offsets], rows: Sequence[MessageRow], is_exact: bool) -> Facets:
        if self.must_read:
            read = Counter((row.phone, row.chat) for row in rows)
            return _facets_of(read, Counter(month_of(row.sent_at) for row in rows), is_exact)
        counted: dict[tuple[int, int], int] = defaultdict(int)
        months: Counter[int] = Counter()
        left = self._bounds.counted
        for at in sorted(range(len(every)), key=lambda at: -self._index.segments[at].head.high):
            some = every[at][-left:] if left else ()
            if len(some):
                left -= len(some)
                places = self._index.segments[at].places
                for chat, count in Counter(map(places.chat_of.__getitem__, some)).items():
                    counted[places.chats[chat]] += count
                months.update(_by_month(some, places.months))
        return _facets_of(counted, months, sum(map(len, every)) <= self._bounds.counted)

    def all_nos(self) -> list[int]:
        """Numbers of all candidates, whatever their order."""
        segments = enumerate(self._index.segments)
        return [no for at, segment in segments for no in segment.nos(self.candidates(at))]


def key_of(row: MessageRow) -> Key:
    """What messages are ordered by."""
    return row.sent_at, row.id, row.phone, row.chat, row.sender


def _facets_of(places: Mapping[tuple[int, int], int], months: dict[int, int], is_complete: bool) -> Facets:
    """From how many hits each phone and chat has."""
    chats: dict[int, int] = defaultdict(int)
    phones: dict[int, int] = defaultdict(int)
    for (phone, chat), count in places.items():
        chats[chat] += count
        phones[phone] += count
    return Facets(chats, phones, months, is_complete)


def _by_month(offsets: Offsets, months: Sequence[int]) -> dict[int, int]:
    """How many of these rising offsets fall into each month."""
    found: dict[int, int] = {}
    ends = [*months[3::2], offsets[-1] + 1]
    start = 0
    for month, end in zip(months[::2], ends, strict=True):
        after = bisect_left(offsets, end, start)
        if after > start:
            found[month] = after - start
        start = after
    return found


def _sender_term(contact: int) -> bytes:
    return f"!{sender_mark(contact)}".encode()


def _encoded(some: Iterable[str]) -> list[bytes]:
    return [term.encode("utf-8", "replace") for term in some]


def _terms_in(group: Group) -> Iterator[str]:
    if isinstance(group, Run):
        yield from group.required
        yield from group.joined
    else:
        yield from group.exact
        yield from (stem.term for stem in group.stems)
