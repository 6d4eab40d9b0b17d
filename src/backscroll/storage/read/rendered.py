"""Pages from cached rendered messages: an index says which messages they contain, and only missing ones are read.

The cache of an organisation is valid at one ``seq`` of its change feed. A page reads the feed from there up to its own
snapshot, in the same transaction, and drops what has changed. So it never differs from a freshly rendered one,
whichever process wrote (docs/decisions/0014-rendered-messages.md).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from threading import Lock

from msgspec import Struct

from backscroll.core.answers import ChangedPlace
from backscroll.core.ids import canonical
from backscroll.core.model import ArchivedMessage, RenderedPage
from backscroll.core.query import MessageQuery
from backscroll.database.protocol import Row, Txn
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.messages import Assembler, named_in
from backscroll.storage.read.names import Names, Reading
from backscroll.storage.read.pages import Listing, list_places, list_rows
from backscroll.storage.records.damage import sound
from backscroll.storage.records.rows import MessageRow, row_of

MAX_LINES = 2000
"""Maximum lines of the feed that are read to catch up, and that are remembered. With more, the cache is emptied."""
OVERHEAD = 500
"""Approximate bytes of memory for a cached message besides its text."""
_CHUNK = 500
"""Maximum values in one statement."""

Key = tuple[int, int, str, int]
"""Phone, chat, WhatsApp id and sender of a message, as in the index of a chat."""
Made = tuple[Key, int, bytes]
"""Key, number and text of a message."""


class RenderedMessages:
    """A process's cache of messages as JSON text. The oldest entries are dropped first. ``max_bytes`` 0 caches none."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._lock = Lock()
        """Held only briefly, never during a database query."""
        self._ways: OrderedDict[Hashable, _Way] = OrderedDict()

    @contextmanager
    def way(self, key: Hashable, seq: int) -> Iterator[_Way]:
        """The cache of a key, exclusively for the caller; created at ``seq`` if there is none."""
        with self._lock:
            way = self._ways.get(key)
            if way is None:
                way = self._ways[key] = _Way(seq)
            self._ways.move_to_end(key)
            before = way.bytes
            yield way
            self.bytes += way.bytes - before
            while self.bytes > self.max_bytes:
                self._drop_some()

    def _drop_some(self) -> None:
        """Drop messages of the least recently used way."""
        key, way = next(iter(self._ways.items()))
        if way.texts:
            self.bytes -= way.drop_oldest()
        else:
            del self._ways[key]


class Way(Struct, frozen=True):
    """One way to render messages. ``key`` identifies all that the text depends on besides message, names and reader."""

    kept: RenderedMessages
    key: Hashable
    render: Callable[[ArchivedMessage], bytes]


class _Way:
    """Messages of one organisation, rendered in one way for one kind of reader, as they are at ``seq``."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.named = -1
        """Version of the names with which all of them were rendered."""
        self.bytes = 0
        self.texts: OrderedDict[int, bytes] = OrderedDict()
        """By the numbers of the messages."""
        self._keys: dict[int, Key] = {}
        self._numbers: dict[Key, int] = {}
        self._in_chat: dict[int, set[int]] = defaultdict(set)
        self._lines: deque[ChangedPlace] = deque()
        """The latest lines of the feed up to ``seq``, for pages that were read from an older snapshot."""
        self._known_from = seq
        """Lines after this one are in ``_lines``."""

    def is_at(self, seq: int, named: int) -> bool:
        """Whether nothing has changed since, so that there is nothing to catch up with."""
        return seq <= self.seq and named <= self.named

    def catch_up(self, seq: int, named: int, since: int, lines: Sequence[ChangedPlace]) -> None:
        """Drop what changed up to ``seq``. ``lines`` are those after ``since``."""
        if self.is_at(seq, named):
            return
        if named != self.named or since > self.seq or len(lines) != seq - since:
            # Everything may have changed, or the feed does not go back this far, or it has too many lines to read.
            self._begin_anew(seq, named)
            return
        self._drop([line for line in lines if line.seq > self.seq])
        self.seq = seq

    def _begin_anew(self, seq: int, named: int) -> None:
        self.seq = self._known_from = seq
        self.named = named
        self.bytes = 0
        self.texts.clear()
        self._keys.clear()
        self._numbers.clear()
        self._in_chat.clear()
        self._lines.clear()

    def _drop(self, lines: Iterable[ChangedPlace]) -> None:
        for line in lines:
            # The number of a chat's members affects the delivery status of own messages in it.
            for no in list(self._in_chat.get(line.no, ())) if line.what == "chat" else [line.no]:
                if no in self.texts:
                    self._drop_text(no)
            self._lines.append(line)
        while len(self._lines) > MAX_LINES:
            self._known_from = self._lines.popleft().seq

    def _drop_text(self, no: int) -> int:
        key = self._keys.pop(no)
        del self._numbers[key]
        _, chat, _, _ = key
        in_chat = self._in_chat[chat]
        in_chat.discard(no)
        if not in_chat:
            del self._in_chat[chat]
        size = len(self.texts.pop(no)) + OVERHEAD
        self.bytes -= size
        return size

    def drop_oldest(self) -> int:
        """Drop the message that has been cached longest; returns its bytes."""
        return self._drop_text(next(iter(self.texts)))

    def may_have(self, seq: int, chats: tuple[int, ...] | None, offset: int) -> bool:
        """Whether messages of a page at ``offset`` may be cached as they are at ``seq``, of all chats or of some."""
        if seq != self.seq:
            return False
        kept = len(self.texts) if chats is None else sum(len(self._in_chat.get(chat, ())) for chat in chats)
        return kept > offset

    def numbers_of(self, keys: Iterable[Key]) -> Iterator[int | None]:
        """The numbers of these messages, None for each that is not cached."""
        return map(self._numbers.get, keys)

    def take(self, seq: int, numbers: Iterable[int | None]) -> list[bytes | None]:
        """The texts of these messages as they are at ``seq``, None for each that is not cached."""
        if seq != self.seq:
            return [None for _ in numbers]
        # No code of ours runs for each message: this is most of what a big page costs.
        return list(map(self.texts.get, numbers))  # type: ignore[arg-type]

    def put(self, seq: int, named: int, found: Iterable[Made]) -> None:
        """Cache messages that were rendered from a snapshot at ``seq``, except those that have changed since."""
        if named != self.named or seq < self._known_from:
            return
        # Messages and chats never have the same number.
        changed = {line.no for line in self._lines if line.seq > seq} if seq < self.seq else frozenset[int]()
        for key, no, text in found:
            _, chat, _, _ = key
            if no not in self.texts and key not in self._numbers and no not in changed and chat not in changed:
                self.texts[no] = text
                self._keys[no] = key
                self._numbers[key] = no
                self._in_chat[chat].add(no)
                self.bytes += len(text) + OVERHEAD


def read_rendered(reading: Reading, query: MessageQuery, way: Way) -> RenderedPage:
    """A page of messages, newest first, as ``read_page`` and ``render`` make it. Not for searches.

    An unknown chat is an empty page.
    """
    names = reading.names
    found = None if query.chat is None else names.find(query.chat)
    if query.chat is not None and found is None:
        return RenderedPage(rows=[], total=0, offset=query.offset, limit=query.limit)
    chats = None if found is None else names.numbers_of(found.contact)
    listing, rows = _Reader(reading, way).rows(query, chats)
    chat = None
    if listing.chat is not None and found is not None:
        chat = Lists.of(reading).chat_of(listing.chat, found.contact)
    return RenderedPage(
        rows=rows, total=listing.total, offset=query.offset, limit=query.limit, chat=chat, chats=chats or ()
    )


class _Reader:
    """Makes one page."""

    def __init__(self, reading: Reading, way: Way) -> None:
        self._tx: Txn = reading.tx
        self._names: Names = reading.names
        self._org = reading.org
        self._way = way
        self._key = (reading.org, reading.names.viewer, way.key)
        self._keeps = way.kept.max_bytes > 0 and not reading.names.is_merging

    def rows(self, query: MessageQuery, chats: tuple[int, ...] | None) -> tuple[Listing, list[bytes]]:
        """The texts of the page's messages, and the listing that was read for the page."""
        if self._keeps and self._catch_up(chats, query.offset):
            places, listing = list_places(self._tx, query, chats)
            kept = self._take(places, chats)
            texts = [text for text in kept if text is not None]
            if len(texts) == len(places):
                return listing, texts
            missing = [place for place, text in zip(places, kept, strict=True) if text is None]
            if len(missing) * 2 <= len(places):
                made = self._made(missing, chats)
                shown = (made.get(place) if text is None else text for place, text in zip(places, kept, strict=True))
                return listing, [text for text in shown if text is not None]
        listing = list_rows(self._tx, query, chats)
        return listing, [text for _, _, text in self._render(listing.rows)]

    def _catch_up(self, chats: tuple[int, ...] | None, offset: int) -> bool:
        """Read the feed up to this snapshot; returns whether the cache has messages that the page may contain."""
        names = self._names
        with self._way.kept.way(self._key, names.seq) as way:
            if way.is_at(names.seq, names.named):
                return way.may_have(names.seq, chats, offset)
            since, named = way.seq, way.named
        lines: list[ChangedPlace] = []
        if named == names.named and 0 < names.seq - since <= MAX_LINES:
            params = {"org": self._org, "seq": since, "limit": MAX_LINES}
            lines = [ChangedPlace(*row) for row in self._tx.all("places_changed_since", params)]
        with self._way.kept.way(self._key, names.seq) as way:
            way.catch_up(names.seq, names.named, since, lines)
            return way.may_have(names.seq, chats, offset)

    def _take(self, places: Sequence[Row], chats: tuple[int, ...] | None) -> list[bytes | None]:
        with self._way.kept.way(self._key, self._names.seq) as way:
            numbers = chain.from_iterable(places) if chats is None else way.numbers_of(places)
            return way.take(self._names.seq, numbers)

    def _made(self, places: Sequence[Row], chats: tuple[int, ...] | None) -> dict[Row, bytes]:
        """Texts of messages that are not cached, by place."""
        if chats is None:
            return {(no,): text for _, no, text in self._render(self._rows_numbered([no for (no,) in places]))}
        return {key: text for key, _, text in self._render(self._rows_with(places))}

    def _rows_numbered(self, nos: Sequence[int]) -> list[MessageRow]:
        return sound(
            self._org,
            [
                row_of(values)
                for start in range(0, len(nos), _CHUNK)
                for values in self._tx.all("rows_by_no", {"org": self._org, "nos": nos[start : start + _CHUNK]})
            ],
        )

    def _rows_with(self, keys: Sequence[Key]) -> list[MessageRow]:
        wanted = set(keys)
        ids = sorted({key[2] for key in keys})
        params = {"org": self._org, "phones": sorted({key[0] for key in keys}), "chats": sorted({k[1] for k in keys})}
        rows = [
            row
            for start in range(0, len(ids), _CHUNK)
            for row in map(row_of, self._tx.all("rows_by_id", params | {"ids": ids[start : start + _CHUNK]}))
            if key_of(row) in wanted
        ]
        return sound(self._org, rows)

    def _render(self, rows: Sequence[MessageRow]) -> list[Made]:
        """Render rows, in their order, without those that cannot be read."""
        if not rows:
            return []
        render, keys = self._way.render, {row.no: key_of(row) for row in rows}
        messages = Assembler(self._tx, self._org, self._names).messages(rows)
        found = [(keys[archived.no], archived.no, render(archived)) for archived in messages]
        if self._keeps:
            lasting = found
            if self._names.strangers:
                # The identity of an unknown contact may become known without a change of names.
                lasting = [
                    one for one, archived in zip(found, messages, strict=True) if not self._names_stranger(archived)
                ]
            with self._way.kept.way(self._key, self._names.seq) as way:
                way.put(self._names.seq, self._names.named, lasting)
        return found

    def _names_stranger(self, archived: ArchivedMessage) -> bool:
        strangers = self._names.strangers
        return any(canonical(jid) in strangers for jid in named_in(archived.message.details))


def key_of(row: MessageRow) -> Key:
    """The key of a row in the index."""
    return row.phone, row.chat, row.id, row.sender
