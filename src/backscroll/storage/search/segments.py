"""The storage format of index segments. A segment never changes, except for tombstones of removed messages.

Its messages are ordered by (sent_at, no); a posting is a message's offset in that order. Terms are distributed over
parts by their CRC-32: a part is searched with one ``bytes.find``. All numbers are little-endian.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from zlib import crc32

import msgspec

from backscroll.storage.search.documents import Entry, Place
from backscroll.storage.search.terms import is_word

FRESH, YOUNG, FULL = 0, 1, 2
"""Levels. A fresh segment is one row, as a transaction wrote it or a few were brought together."""
PARTS = {FRESH: 1, YOUNG: 512, FULL: 4096}
MAX_FRESH, MAX_FULL = 4096, 65_536
"""Messages. An offset is 16 bits."""
DOCS_CHUNK = 1024
_MAX_SPEAKING = 64

PLACES, VOCABULARY, FIRST_DOCS = -1, -2, -10
"""Parts that are no postings: documents go down from ``FIRST_DOCS``, a chunk each."""

Postings = Mapping[bytes, Sequence[int]]
_COLUMNS = msgspec.json.Decoder(tuple[list[tuple[int, int]], list[int], list[str]])
_ENCODER = msgspec.json.Encoder()
_BIG_ENDIAN = sys.byteorder == "big"


def pack(numbers: Iterable[int], code: str) -> bytes:
    """``code`` as in ``array``: H 16 bits, I 32, q 64 with a sign."""
    packed = numbers if isinstance(numbers, array) and numbers.typecode == code else array(code, numbers)
    if _BIG_ENDIAN:
        packed = array(code, packed)
        packed.byteswap()
    return packed.tobytes()


def unpack(data: bytes | memoryview, code: str) -> array[int]:
    """The other way round."""
    numbers: array[int] = array(code)
    numbers.frombytes(data)
    if _BIG_ENDIAN:
        numbers.byteswap()
    return numbers


def part_of(term: bytes, parts: int) -> int:
    """Which part a term stands in."""
    return crc32(term) % parts


# ------------------------------------------------------------------ postings


def encode_part(postings: Postings) -> bytes:
    """Number of terms, bytes of their text, where each one's postings end, the text, the postings."""
    terms = sorted(postings)
    ends, offsets = array("I"), array("H")
    for term in terms:
        offsets.extend(postings[term])
        ends.append(len(offsets))
    text = b"\n".join((b"", *terms, b""))
    return b"".join((pack((len(terms), len(text)), "I"), pack(ends, "I"), text, pack(offsets, "H")))


class Part:
    """One part, to be looked into."""

    __slots__ = ("_body", "_count", "_text_end", "_text_start")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._count, size = unpack(body[:8], "I")
        self._text_start = 8 + 4 * self._count
        self._text_end = self._text_start + size

    @property
    def text(self) -> bytes:
        """All its terms, each between newlines."""
        return self._body[self._text_start : self._text_end]

    def find(self, term: bytes) -> array[int] | None:
        """The postings of a term, rising; None when no message has it."""
        found = self._body.find(b"\n" + term + b"\n", self._text_start, self._text_end)
        if found < 0:
            return None
        at = self._body.count(b"\n", self._text_start, found)
        return self._postings(self._end(at - 1) if at else 0, self._end(at))

    def items(self) -> Iterator[tuple[bytes, array[int]]]:
        """All terms with their postings."""
        ends = unpack(self._body[8 : self._text_start], "I")
        start = 0
        for term, end in zip(self.text[1:-1].split(b"\n") if ends else (), ends, strict=True):
            yield term, self._postings(start, end)
            start = end

    def _end(self, at: int) -> int:
        return int.from_bytes(self._body[8 + 4 * at : 12 + 4 * at], "little")

    def _postings(self, start: int, end: int) -> array[int]:
        return unpack(self._body[self._text_end + 2 * start : self._text_end + 2 * end], "H")


def vocabulary(terms: Iterable[bytes]) -> bytes:
    """The words among terms, sorted, each between newlines."""
    return b"\n" + b"".join(term + b"\n" for term in sorted(t for t in terms if is_word(t.decode("utf-8"))))


# ------------------------------------------------------------------ documents and places


class Docs:
    """Times and numbers of the messages of a segment, or of one chunk of them."""

    __slots__ = ("nos", "times")

    def __init__(self, times: array[int], nos: array[int]) -> None:
        self.times = times
        self.nos = nos

    def encode(self) -> bytes:
        return pack(self.times, "q") + pack(self.nos, "q")

    @classmethod
    def decode(cls, body: bytes) -> Docs:
        """From the bytes of a row."""
        half = len(body) // 2
        return cls(unpack(body[:half], "q"), unpack(body[half:], "q"))

    def find(self, sent_at: int, no: int) -> int | None:
        """The offset of a message; None when it is not here."""
        at = bisect_left(self.times, sent_at)
        while at < len(self.times) and self.times[at] == sent_at:
            if self.nos[at] == no:
                return at
            at += 1
        return None


class Places:
    """Where each message of a segment belongs, column by column: what occurs, and by offset which of it.

    ``months`` are those in which messages were sent (year * 12 + month - 1, UTC), each with the offset of its first.
    """

    __slots__ = ("_speaking", "chat_of", "chats", "flag_of", "flags", "language_of", "languages", "months", "phones")

    def __init__(self, columns: tuple[list[tuple[int, int]], list[int], list[str]], months: array[int]) -> None:
        self.chats, self.flags, self.languages = columns
        """(phone, chat), flags and languages that occur."""
        self.months = months
        self.phones = frozenset(phone for phone, _ in self.chats)
        self.chat_of = array("H")
        self.flag_of = b""
        self.language_of = array("H")
        self._speaking: dict[str, bytes | None] = {}

    @classmethod
    def of(cls, places: Iterable[Place], times: Sequence[int]) -> Places:
        """In the order in which they are met."""
        chats: dict[tuple[int, int], int] = {}
        flags: dict[int, int] = {}
        languages: dict[str, int] = {}
        chat_of, flag_of, language_of = array("H"), bytearray(), array("H")
        for place in places:
            chat_of.append(chats.setdefault((place.phone, place.chat), len(chats)))
            flag_of.append(flags.setdefault(place.flags, len(flags)))
            language_of.append(languages.setdefault(place.languages, len(languages)))
        made = cls((list(chats), list(flags), list(languages)), months_of(times))
        made.chat_of, made.flag_of, made.language_of = chat_of, bytes(flag_of), language_of
        return made

    def at(self, offset: int) -> Place:
        """The place of one message."""
        phone, chat = self.chats[self.chat_of[offset]]
        flags, languages = self.flags[self.flag_of[offset]], self.languages[self.language_of[offset]]
        return Place(phone, chat, flags, languages)

    def speaking(self, languages: str) -> bytes | None:
        """For each entry of ``languages`` a 1 if one of these is among it; None when all have one."""
        if languages not in self._speaking:
            if len(self._speaking) >= _MAX_SPEAKING:
                self._speaking = {}
            wanted = set(languages)
            counted = bytes(not wanted.isdisjoint(told) for told in self.languages)
            self._speaking[languages] = counted if 0 in counted else None
        return self._speaking[languages]

    def encode(self) -> bytes:
        """As the bytes of a row, for ``decode``: sizes, the places, months, and which place each message has."""
        table = _ENCODER.encode((self.chats, self.flags, self.languages))
        sizes = pack((len(table), len(self.months), len(self.flag_of)), "I")
        numbers = pack(self.months, "q") + pack(self.chat_of, "H") + pack(self.language_of, "H")
        return sizes + table + numbers + self.flag_of

    @classmethod
    def decode(cls, body: bytes) -> Places:
        """From the bytes of a row."""
        size, months, docs = unpack(body[:12], "I")
        at = 12 + size
        ends = (at + 8 * months, at + 8 * months + 2 * docs, at + 8 * months + 4 * docs)
        made = cls(_COLUMNS.decode(body[12:at]), unpack(body[at : ends[0]], "q"))
        made.chat_of = unpack(body[ends[0] : ends[1]], "H")
        made.language_of = unpack(body[ends[1] : ends[2]], "H")
        made.flag_of = body[ends[2] :]
        return made


def months_of(times: Sequence[int]) -> array[int]:
    """Months of rising times, each followed by where it begins."""
    found: array[int] = array("q")
    at = 0
    while at < len(times):
        month = month_of(times[at])
        found.extend((month, at))
        at = bisect_left(times, month_start(month + 1), at + 1)
    return found


def month_of(time: int) -> int:
    """Year * 12 + month - 1 of a time in UTC; the first and the last of Python's calendar take in what lies beyond."""
    if not _FIRST_MONTH <= time < _LAST_MONTH:
        return 12 if time < _FIRST_MONTH else 9999 * 12 + 11
    moment = _EPOCH + timedelta(microseconds=time)
    return moment.year * 12 + moment.month - 1


def month_start(month: int) -> int:
    """Its beginning in microseconds UTC."""
    year, index = divmod(month, 12)
    return 2**63 - 1 if year > 9999 else (datetime(year, index + 1, 1) - _EPOCH) // timedelta(microseconds=1)


_EPOCH = datetime(1970, 1, 1)
_FIRST_MONTH = (datetime(1, 2, 1) - _EPOCH) // timedelta(microseconds=1)
_LAST_MONTH = (datetime(9999, 12, 1) - _EPOCH) // timedelta(microseconds=1)


# ------------------------------------------------------------------ whole segments


class Segment:
    """A segment in memory, on its way to the database or from it."""

    def __init__(self, docs: Docs, places: Places, postings: Postings) -> None:
        self.docs = docs
        self.places = places
        self.postings = postings

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Segment:
        """Of messages in any order."""
        ordered = sorted(entries, key=itemgetter(0, 1))
        postings: defaultdict[str, list[int]] = defaultdict(list)
        for offset, entry in enumerate(ordered):
            for term in entry.terms:
                postings[term].append(offset)
        docs = Docs(array("q", (e.sent_at for e in ordered)), array("q", (e.no for e in ordered)))
        encoded = {term.encode("utf-8", "replace"): found for term, found in postings.items()}
        return cls(docs, Places.of((e.place for e in ordered), docs.times), encoded)

    @property
    def size(self) -> int:
        """How many messages it holds."""
        return len(self.docs.nos)


def split(postings: Postings, parts: int) -> dict[int, dict[bytes, Sequence[int]]]:
    """Postings by the part that they go to."""
    found: dict[int, dict[bytes, Sequence[int]]] = {}
    for term, offsets in postings.items():
        found.setdefault(crc32(term) % parts, {})[term] = offsets
    return found


def tombstones(body: bytes | None) -> set[int]:
    """Offsets of messages that have left a segment."""
    return set(unpack(body, "H")) if body else set()


def encode_tombstones(offsets: Iterable[int]) -> bytes:
    return pack(sorted(offsets), "H")


def starts_of(times: Sequence[int]) -> bytes:
    """The time of the first message of each chunk of documents."""
    return pack((times[at] for at in range(0, len(times), DOCS_CHUNK)), "q")
