"""A process's cache of messages as JSON text, and of lists of the messages that pages contain.

The cache of an organisation is valid at one ``seq`` of its change feed. A page reads the feed from there up to its own
snapshot, in the same transaction, and drops what has changed. So it never differs from a freshly rendered one,
whichever process wrote (docs/decisions/0014-rendered-messages.md).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from msgspec import Struct

from backscroll.core.answers import ChangedPlace
from backscroll.core.model import Chat
from backscroll.core.query import MessageQuery
from backscroll.storage.records.aspects import leaves_in_place

MAX_LINES = 2000
"""Maximum lines of the feed that are read to catch up, and that are remembered. With more, the cache is emptied."""
OVERHEAD = 500
"""Approximate bytes of memory for a cached message besides its text, and for a cached list besides its numbers."""
NUMBER_BYTES = 40
"""Approximate bytes of memory for a number in a cached list."""
LISTS_SHARE = 8
"""The lists of one way may take this fraction of the memory. Those unused for longest are dropped first."""
FACTS_FACTOR = 5
"""Bytes of memory for each character of a chat's stored facts, of which every list of the chat has its own copy."""

Key = tuple[int, int, str, int]
"""Phone, chat, WhatsApp id and sender of a message, as in the index of a chat."""
Made = tuple[Key, int, bytes]
"""Key, number and text of a message."""


class Listed(Struct, frozen=True):
    """The numbers of a page's messages in its order, how many match in all, and the chat if one was asked for."""

    numbers: tuple[int, ...]
    total: int
    chat: Chat | None = None
    facts_length: int = 0
    """Characters of the chat's stored facts."""

    @property
    def size(self) -> int:
        """Approximate bytes of memory."""
        return OVERHEAD + NUMBER_BYTES * len(self.numbers) + FACTS_FACTOR * self.facts_length


class Found(Struct, frozen=True):
    """What the cache knows about a page: its list, the text of each message in it, and whether messages that it may
    contain are cached.
    """

    listed: Listed | None
    texts: list[bytes | None]
    may_have: bool


class RenderedMessages:
    """A process's cache. The oldest entries are dropped first. ``max_bytes`` 0 caches nothing."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._lock = Lock()
        """Held only briefly, never during a database query."""
        self._ways: OrderedDict[Hashable, CachedWay] = OrderedDict()

    @contextmanager
    def way(self, key: Hashable, seq: int) -> Iterator[CachedWay]:
        """The cache of a key, exclusively for the caller; created at ``seq`` if there is none."""
        with self._lock:
            way = self._ways.get(key)
            if way is None:
                way = self._ways[key] = CachedWay(seq, self.max_bytes // LISTS_SHARE)
            self._ways.move_to_end(key)
            before = way.bytes
            try:
                yield way
            finally:
                self.bytes += way.bytes - before
                while self.bytes > self.max_bytes:
                    self._drop_some()

    def _drop_some(self) -> None:
        """Drop a message of the least recently used way, or the way itself when it has none."""
        key, way = next(iter(self._ways.items()))
        if way.texts:
            self.bytes -= way.drop_oldest()
        else:
            self.bytes -= way.bytes
            del self._ways[key]


class CachedWay:
    """Messages of one organisation, rendered in one way for one kind of reader, as they are at ``seq``."""

    def __init__(self, seq: int, max_list_bytes: int) -> None:
        self.seq = seq
        self.named = -1
        """Version of the names with which all of them were rendered."""
        self.bytes = 0
        self.texts: OrderedDict[int, bytes] = OrderedDict()
        """By the numbers of the messages."""
        self._keys: dict[int, Key] = {}
        self._numbers: dict[Key, int] = {}
        self._in_chat: dict[int, set[int]] = defaultdict(set)
        self._lists: OrderedDict[MessageQuery, tuple[Listed, tuple[int, ...]]] = OrderedDict()
        """Lists, each with the numbers of the chats that it is from; 0 stands for all."""
        self._lists_of: dict[int, set[MessageQuery]] = defaultdict(set)
        self._list_bytes = 0
        self._max_list_bytes = max_list_bytes
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
        self._lists.clear()
        self._lists_of.clear()
        self._list_bytes = 0
        self._lines.clear()

    def _drop(self, lines: Iterable[ChangedPlace]) -> None:
        for line in lines:
            # The number of a chat's members affects the delivery status of own messages in it.
            for no in list(self._in_chat.get(line.no, ())) if line.what == "chat" else [line.no]:
                if no in self.texts:
                    self._drop_text(no)
            if line.chat and not leaves_in_place(line.what, line.aspects):
                self._drop_lists(line.chat)
                if line.what != "chat":
                    self._drop_lists(0)
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

    def _drop_lists(self, chat: int) -> None:
        for query in self._lists_of.pop(chat, ()):
            self._drop_list(query)

    def _drop_list(self, query: MessageQuery) -> None:
        listed, chats = self._lists.pop(query)
        for chat in chats:
            # Those of a chat that is being dropped are out of the index already.
            queries = self._lists_of.get(chat)
            if queries is not None:
                queries.discard(query)
                if not queries:
                    del self._lists_of[chat]
        self._list_bytes -= listed.size
        self.bytes -= listed.size

    def find(self, seq: int, query: MessageQuery, chats: tuple[int, ...] | None) -> Found:
        """What is cached of a page as it is at ``seq``. ``chats`` are the numbers of its chat, None for all chats."""
        if seq != self.seq:
            return Found(None, [], False)
        kept = self._lists.get(query)
        if kept is not None:
            listed, _ = kept
            self._lists.move_to_end(query)
            return Found(listed, self.take(seq, listed.numbers), True)
        held = len(self.texts) if chats is None else sum(len(self._in_chat.get(chat, ())) for chat in chats)
        return Found(None, [], held > query.offset)

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

    def put_list(
        self, seq: int, named: int, query: MessageQuery, chats: tuple[int, ...] | None, listed: Listed
    ) -> None:
        """Cache a list that was read from a snapshot at ``seq``, if nothing has changed since."""
        size = listed.size
        if seq != self.seq or named != self.named or query in self._lists or size > self._max_list_bytes:
            return
        places = (0,) if chats is None else chats
        self._lists[query] = listed, places
        for chat in places:
            self._lists_of[chat].add(query)
        self._list_bytes += size
        self.bytes += size
        while self._list_bytes > self._max_list_bytes:
            self._drop_list(next(iter(self._lists)))
