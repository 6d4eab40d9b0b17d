"""Pages from cached rendered messages: a list says which messages they contain, and only missing ones are read.

The list is cached as well, or an index gives it. See ``rendered_cache.py`` for why neither can be outdated.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain

from msgspec import Struct

from backscroll.core.answers import ChangedPlace
from backscroll.core.ids import canonical
from backscroll.core.model import PlainMessage, Render, RenderedPage, Shown
from backscroll.core.query import MessageQuery
from backscroll.database.protocol import Row, Txn
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.messages import Assembler, named_in
from backscroll.storage.read.names import Names, Reading
from backscroll.storage.read.pages import Listing, list_places, list_rows
from backscroll.storage.read.rendered_cache import MAX_LINES, Found, Key, Listed, Made, RenderedMessages
from backscroll.storage.records.damage import sound
from backscroll.storage.records.identity import ContactRow
from backscroll.storage.records.rows import ListedRow, MessageRow, row_of

_CHUNK = 500
"""Maximum values in one statement."""


class Way(Struct, frozen=True):
    """One way to render messages. ``key`` identifies all that the text depends on besides message, names and reader."""

    kept: RenderedMessages
    key: Hashable
    render: Render
    terms: bool = True
    """Whether ``render`` shows the tsvector of a text."""


def read_rendered(reading: Reading, query: MessageQuery, way: Way) -> RenderedPage:
    """A page of messages, newest first, as ``read_page`` and ``render`` make it. Not for searches.

    An unknown chat is an empty page.
    """
    names = reading.names
    found = None if query.chat is None else names.find(query.chat)
    if query.chat is not None and found is None:
        return RenderedPage(rows=[], total=0, offset=query.offset, limit=query.limit)
    reader = _Reader(reading, way, query, found)
    listed, rows = reader.page()
    return RenderedPage(
        rows=rows,
        total=listed.total,
        offset=query.offset,
        limit=query.limit,
        chat=listed.chat,
        chats=reader.chats or (),
    )


class _Reader:
    """Makes one page, of all chats or of ``found``."""

    def __init__(self, reading: Reading, way: Way, query: MessageQuery, found: ContactRow | None) -> None:
        self._reading = reading
        self._tx: Txn = reading.tx
        self._names: Names = reading.names
        self._org = reading.org
        self._way = way
        self._query = query
        self._found = found
        self.chats = None if found is None else reading.names.numbers_of(found.contact)
        self._key = (reading.org, reading.names.viewer, way.key)
        self._keeps = way.kept.max_bytes > 0 and not reading.names.is_merging

    def page(self) -> tuple[Listed, list[bytes]]:
        """What the page contains, and the texts of its messages."""
        if self._keeps:
            found = self._look()
            if found.listed is not None:
                texts = self._filled(found.listed.numbers, found.texts)
                if texts is not None:
                    return found.listed, texts
            elif found.may_have:
                page = self._from_places()
                if page is not None:
                    return page
        listing = list_rows(self._tx, self._query, self.chats, self._way.terms)
        if not self._keeps:
            _, texts = self._texts(listing.rows)
            return self._listed(listing, ()), texts
        made = self._render(listing.rows)
        return self._listed(listing, [no for _, no, _ in made]), [text for _, _, text in made]

    def _look(self) -> Found:
        """What is cached of the page, after reading the feed up to this snapshot."""
        names = self._names
        with self._way.kept.way(self._key, names.seq) as way:
            if way.is_at(names.seq, names.named):
                return way.find(names.seq, self._query, self.chats)
            since, named = way.seq, way.named
        lines: list[ChangedPlace] = []
        if named == names.named and 0 < names.seq - since <= MAX_LINES:
            params = {"org": self._org, "seq": since, "limit": MAX_LINES}
            lines = [ChangedPlace(*row) for row in self._tx.all("places_changed_since", params)]
        with self._way.kept.way(self._key, names.seq) as way:
            way.catch_up(names.seq, names.named, since, lines)
            return way.find(names.seq, self._query, self.chats)

    def _filled(self, numbers: Sequence[int], texts: Sequence[bytes | None]) -> list[bytes] | None:
        """The texts with missing ones read; None if most are missing."""
        missing = [no for no, text in zip(numbers, texts, strict=True) if text is None]
        if len(missing) * 2 > len(numbers):
            return None
        made = {no: text for _, no, text in self._render(self._rows_numbered(missing))} if missing else {}
        shown = (made.get(no) if text is None else text for no, text in zip(numbers, texts, strict=True))
        return [text for text in (shown if missing else texts) if text is not None]

    def _from_places(self) -> tuple[Listed, list[bytes]] | None:
        """The page by the places of its messages; None if most of their texts are missing."""
        places, listing = list_places(self._tx, self._query, self.chats)
        known = self._take(places)
        missing = [at for at, (_, text) in enumerate(known) if text is None]
        if len(missing) * 2 > len(known):
            return None
        made = self._made([places[at] for at in missing]) if missing else {}
        for at in missing:
            known[at] = made.get(places[at], (None, None))
        listed = self._listed(listing, [no for no, _ in known if no is not None])
        return listed, [text for _, text in known if text is not None]

    def _take(self, places: Sequence[Row]) -> list[tuple[int | None, bytes | None]]:
        """The number and text of each message, None where they are not cached."""
        with self._way.kept.way(self._key, self._names.seq) as way:
            numbers = list(chain.from_iterable(places) if self.chats is None else way.numbers_of(places))
            return list(zip(numbers, way.take(self._names.seq, numbers), strict=True))

    def _listed(self, listing: Listing, numbers: Sequence[int]) -> Listed:
        """The list that was read, which is cached."""
        listed = Listed(tuple(numbers), listing.total)
        if listing.chat is not None and self._found is not None:
            chat = Lists.of(self._reading).chat_of(listing.chat, self._found.contact)
            listed = Listed(listed.numbers, listed.total, chat, len(listing.chat.facts or ""))
        if self._keeps:
            with self._way.kept.way(self._key, self._names.seq) as way:
                way.put_list(self._names.seq, self._names.named, self._query, self.chats, listed)
        return listed

    def _made(self, places: Sequence[Row]) -> dict[Row, tuple[int, bytes]]:
        """Numbers and texts of messages that are not cached, by place."""
        if self.chats is None:
            return {(no,): (no, text) for _, no, text in self._render(self._rows_numbered([no for (no,) in places]))}
        return {key: (no, text) for key, no, text in self._render(self._rows_with(places))}

    def _rows_numbered(self, nos: Sequence[int]) -> Sequence[MessageRow]:
        return self._sound(
            [
                row_of(values)
                for start in range(0, len(nos), _CHUNK)
                for values in self._tx.all("rows_by_no", {"org": self._org, "nos": nos[start : start + _CHUNK]})
            ]
        )

    def _rows_with(self, keys: Sequence[Key]) -> Sequence[MessageRow]:
        wanted = set(keys)
        ids = sorted({key[2] for key in keys})
        params = {"org": self._org, "phones": sorted({key[0] for key in keys}), "chats": sorted({k[1] for k in keys})}
        rows = [
            row
            for start in range(0, len(ids), _CHUNK)
            for row in map(row_of, self._tx.all("rows_by_id", params | {"ids": ids[start : start + _CHUNK]}))
            if key_of(row) in wanted
        ]
        return self._sound(rows)

    def _sound(self, rows: list[MessageRow]) -> Sequence[MessageRow]:
        """Whole rows, as the list would give them: damage in what it does not read must not matter here either."""
        if not self._way.terms:
            for row in rows:
                row.fts = None
        return sound(self._org, rows)

    def _render(self, rows: Sequence[ListedRow]) -> list[Made]:
        """Render rows, in their order, without those that cannot be read."""
        if not rows:
            return []
        keys = {row.no: key_of(row) for row in rows}
        messages, texts = self._texts(rows)
        found = [(keys[shown.no], shown.no, text) for shown, text in zip(messages, texts, strict=True)]
        if self._keeps:
            lasting = found
            if self._names.strangers:
                # The identity of an unknown contact may become known without a change of names.
                lasting = [one for one, shown in zip(found, messages, strict=True) if not self._names_stranger(shown)]
            with self._way.kept.way(self._key, self._names.seq) as way:
                way.put(self._names.seq, self._names.named, lasting)
        return found

    def _texts(self, rows: Sequence[ListedRow]) -> tuple[list[Shown], list[bytes]]:
        messages = Assembler(self._tx, self._org, self._names).shown(rows)
        return messages, self._way.render(messages)

    def _names_stranger(self, shown: Shown) -> bool:
        if isinstance(shown, PlainMessage):
            return False
        strangers = self._names.strangers
        return any(canonical(jid) in strangers for jid in named_in(shown.message.details))


def key_of(row: ListedRow) -> Key:
    """The key of a row in the index."""
    return row.phone, row.chat, row.id, row.sender
