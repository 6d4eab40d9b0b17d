"""Reading segments: the parts that a search needs, a few statements for all segments together."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from backscroll.database.protocol import Txn
from backscroll.storage.search.index_writer import PART_STATEMENTS, SegmentHead, heads_of
from backscroll.storage.search.offsets import Listed
from backscroll.storage.search.query import Probe
from backscroll.storage.search.segments import (
    DOCS_CHUNK,
    FIRST_DOCS,
    FRESH,
    PARTS,
    PLACES,
    VOCABULARY,
    Docs,
    Part,
    Places,
    part_of,
    unpack,
)

CACHE_BYTES = 96_000_000
"""The vocabularies and places of ten million messages of the bench take 85 MB."""
ADMITTED = 8
"""While the cache is full, one part in this many is taken in. Every search reads all segments in turn: if each took the
place of the one that was read longest ago, none would be there when the next search asks for it."""
_TOGETHER = 48
"""Parts that are asked of all segments at once; of more, each segment is asked for its own."""
_ASKED = 400
_WHOLE = -3
"""Where the cache keeps a fresh segment."""


class PartCache:
    """Parts that every search reads: places, vocabularies, documents. A segment never changes, so they stay true."""

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most = most
        self._size = 0
        self._turned_away = 0
        self._known: OrderedDict[tuple[int, int, int], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int, int]) -> Any:
        """What was put under (organisation, segment, part); None when it is not here."""
        with self._lock:
            known = self._known.get(key)
            if known is None:
                return None
            self._known.move_to_end(key)
            value, _ = known
            return value

    def put(self, key: tuple[int, int, int], value: Any, size: int) -> None:
        with self._lock:
            if key in self._known or size > self._most // 2:
                return
            if self._size + size > self._most:
                self._turned_away += 1
                if self._turned_away % ADMITTED:
                    return
            self._known[key] = (value, size)
            self._size += size
            while self._size > self._most:
                _, (_, dropped) = self._known.popitem(last=False)
                self._size -= dropped


class SegmentReader:
    """One segment, as far as a search has read it."""

    def __init__(self, index: IndexReader, head: SegmentHead) -> None:
        self.head = head
        self._index = index
        self._parts: dict[int, Part] = {}
        self._fresh_docs: Docs | None = None
        self._fresh_places: Places | None = None

    def load_fresh(self, docs: Docs, places: Places, part: Part) -> None:
        """Take in messages that are in no segment yet."""
        self._fresh_docs, self._fresh_places = docs, places
        self._parts[0] = part

    def missing(self, terms: Iterable[bytes]) -> set[int]:
        """Parts that must be read to know where these terms are."""
        parts = PARTS[self.head.level]
        return {part_of(term, parts) for term in terms} - self._parts.keys() if parts > 1 else set()

    def load(self, part: int, body: bytes | None) -> None:
        self._parts[part] = Part(body) if body is not None else _EMPTY

    def find(self, term: bytes) -> array[int] | None:
        """The postings of a term whose part was loaded."""
        return self._parts[part_of(term, PARTS[self.head.level])].find(term)

    def listed(self, terms: Iterable[bytes]) -> list[Listed]:
        """The postings of those terms that it has, all of which count."""
        return [(found, None) for term in terms if (found := self.find(term)) is not None]

    @property
    def places(self) -> Places:
        """The place of each message."""
        if self._fresh_places is not None:
            return self._fresh_places
        found: Places = self._index.cached(self.head, PLACES, Places.decode)
        return found

    def words(self) -> bytes:
        """Its vocabulary; of a fresh segment all terms, stems and marks among them."""
        if self.head.level == FRESH:
            return self._parts[0].text
        found: bytes = self._index.cached(self.head, VOCABULARY, bytes)
        return found

    def doc(self, offset: int) -> tuple[int, int]:
        """Time and number of a message."""
        docs, at = self._docs(offset)
        return docs.times[at], docs.nos[at]

    def nos(self, offsets: Iterable[int]) -> Iterator[int]:
        """Numbers of messages."""
        for offset in offsets:
            docs, at = self._docs(offset)
            yield docs.nos[at]

    def _docs(self, offset: int) -> tuple[Docs, int]:
        if self._fresh_docs is not None:
            return self._fresh_docs, offset
        chunk, at = divmod(offset, DOCS_CHUNK)
        return self._index.cached(self.head, FIRST_DOCS - chunk, Docs.decode), at

    def first_from(self, time: int) -> int:
        """The offset of the first message at ``time`` or later."""
        if time <= self.head.low:
            return 0
        if time > self.head.high:
            return self.head.docs
        if self._fresh_docs is not None:
            return bisect_left(self._fresh_docs.times, time)
        chunk = max(bisect_left(unpack(self.head.starts, "q"), time) - 1, 0)
        docs: Docs = self._index.cached(self.head, FIRST_DOCS - chunk, Docs.decode)
        return chunk * DOCS_CHUNK + bisect_left(docs.times, time)


_EMPTY = Part(b"\0\0\0\0\1\0\0\0\n")


class IndexReader:
    """The segments of an organisation in one reading transaction."""

    def __init__(self, tx: Txn, org: int, cache: PartCache) -> None:
        self._tx = tx
        self._org = org
        self._cache = cache
        self.segments = [SegmentReader(self, head) for head in heads_of(tx, org)]
        self._load_fresh([segment for segment in self.segments if segment.head.level == FRESH])

    def _load_fresh(self, fresh: Sequence[SegmentReader]) -> None:
        by_number: dict[int, SegmentReader] = {}
        for segment in fresh:
            known = self._cache.get((self._org, segment.head.segment, _WHOLE))
            if known is None:
                by_number[segment.head.segment] = segment
            else:
                segment.load_fresh(*known)
        numbers = sorted(by_number)
        for start in range(0, len(numbers), _ASKED):
            params = {"org": self._org, "segments": numbers[start : start + _ASKED]}
            for number, docs, places, body in self._tx.all("search_fresh_segments", params):
                whole = (Docs.decode(docs), Places.decode(places), Part(body))
                by_number[number].load_fresh(*whole)
                self._cache.put((self._org, number, _WHOLE), whole, 2 * (len(docs) + len(places) + len(body)))

    def load(self, terms: Iterable[bytes]) -> None:
        """Read the parts in which these terms stand, of every segment."""
        wanted = set(terms)
        for level, statement in PART_STATEMENTS.items():
            segments = [s for s in self.segments if s.head.level == level]
            missing = {part for segment in segments for part in segment.missing(wanted)}
            if not missing:
                continue
            together = [segments] if len(missing) <= _TOGETHER else [[segment] for segment in segments]
            for some in together:
                self._load(statement, some, sorted({part for s in some for part in s.missing(wanted)}))

    def load_own(self, wanted: dict[int, set[bytes]]) -> None:
        """Read, of each segment (by its place in ``segments``), the parts of terms of its own."""
        for at, terms in wanted.items():
            segment = self.segments[at]
            if missing := segment.missing(terms):
                self._load(PART_STATEMENTS[segment.head.level], [segment], sorted(missing))

    def _load(self, statement: str, segments: Sequence[SegmentReader], parts: Sequence[int]) -> None:
        by_number = {segment.head.segment: segment for segment in segments}
        for start in range(0, len(parts), _ASKED):
            some = parts[start : start + _ASKED]
            for segment in segments:
                for part in some:
                    segment.load(part, None)
            params = {"org": self._org, "segments": sorted(by_number), "parts": some}
            for number, part, body in self._tx.all(statement, params):
                by_number[number].load(part, body)

    def cached(self, head: SegmentHead, part: int, decode: Any) -> Any:
        """A part that is kept for the next search, too."""
        key = (self._org, head.segment, part)
        known = self._cache.get(key)
        if known is None:
            params = {"org": self._org, "segments": (head.segment,), "parts": (part,)}
            ((_, _, body),) = self._tx.all(PART_STATEMENTS[head.level], params)
            known = decode(body)
            self._cache.put(key, known, len(body) if decode is bytes else 2 * len(body))
        return known

    def expand(self, probes: Sequence[Probe], most: int) -> list[set[bytes]] | None:
        """Words that the probes find, for each segment; None when they are more than ``most`` in all."""
        found: list[set[bytes]] = []
        every: set[bytes] = set()
        for segment in self.segments:
            own: set[bytes] = set()
            words = segment.words()
            for probe in probes:
                for word in matching_words(words, probe):
                    own.add(word)
                    if len(own) > most:
                        return None
            every |= own
            if len(every) > most:
                return None
            found.append(own)
        return found


def matching_words(words: bytes, probe: Probe) -> Iterator[bytes]:
    """Words of a vocabulary that a probe finds; marks and stems, which a fresh segment has there too, are none."""
    text = probe.text.encode("utf-8", "replace")
    wanted = {"inside": text, "prefix": b"\n" + text, "suffix": text + b"\n"}[probe.mode]
    at = words.find(wanted)
    while at >= 0:
        start = at + 1 if probe.mode == "prefix" else words.rfind(b"\n", 0, at) + 1
        end = words.find(b"\n", at + 1 if probe.mode == "prefix" else at)
        if words[start : start + 1] not in (b"!", b"~"):
            yield words[start:end]
        at = words.find(wanted, end)
