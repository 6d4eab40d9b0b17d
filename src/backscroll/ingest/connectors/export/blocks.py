"""The text of an export cut into messages: a head, and every line up to the next one.

For each message only packed numbers are kept, so a chat of a million lines takes about 30 MB besides its text.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Literal

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.export.dates import DateOrder, choose_order, to_ordinal
from backscroll.ingest.connectors.export.header import Date, Head, HeadReader, Layout, choose_shape
from backscroll.ingest.connectors.export.held import Text
from backscroll.ingest.connectors.export.text import ChatText, encoding_of

_UNPADDED = re.compile(r"\D*\d\D+0\d\D")
MAX_MESSAGES = 10_000_000
"""A phone exports about 40,000. A file with more than this is refused before it takes gigabytes."""
MAX_DOUBTS = 1000
"""Places of one kind that are listed; the others are counted."""
_CLOCK_BITS = 17
_OFF_CLOCK = 2**63
_MAX_NUMBER = 9999

Why = Literal["preamble", "other_format", "impossible_date"]


class Doubt(Struct, frozen=True):
    """Lines that look like the start of a message and were not read as one, or that come before the first."""

    first: int
    last: int
    why: Why


class Heads:
    """Heads of a file in its order, packed: where they stand, how they are laid out, and their date and time."""

    def __init__(self, layouts: list[Layout]) -> None:
        self.layouts = layouts
        self.starts = array("Q")
        self.numbers = array("I")
        """Of their lines, from 1."""
        self.ends = array("B")
        """How long each is, in characters."""
        self._layouts = array("I")
        self._stamps = array("Q")

    def __len__(self) -> int:
        return len(self.starts)

    def add(self, number: int, start: int, head: Head, layout: int) -> None:
        """Put one behind the others; ``layout`` is its place among ``layouts``."""
        if len(self) >= MAX_MESSAGES:
            problem = (
                f"this holds more than {MAX_MESSAGES:,} messages; split it into several files and import each of them"
            )
            raise Unreadable("export", f"line {number}", problem)
        self.numbers.append(number)
        self.starts.append(start)
        self.ends.append(head.end)
        self._layouts.append(layout)
        self._stamps.append(_packed(*head.layout.numbers(head.stamp)))

    def layout_no(self, at: int) -> int:
        return self._layouts[at]

    def layout(self, at: int) -> Layout:
        return self.layouts[self._layouts[at]]

    def is_on_the_clock(self, at: int) -> bool:
        """Whether its time exists."""
        return self._stamps[at] != _OFF_CLOCK

    def day(self, at: int) -> Date:
        """The numbers of its date; no number is told as larger than 9999."""
        packed = self._stamps[at] >> _CLOCK_BITS
        return packed >> 28, packed >> 14 & 0x3FFF, packed & 0x3FFF

    def clock(self, at: int) -> tuple[int, int, int]:
        """Hour, minute and second of a line."""
        packed = self._stamps[at]
        return packed >> 12 & 31, packed >> 6 & 63, packed & 63

    def days(self) -> list[Date]:
        """The dates in the file's order, each once in a row."""
        known: dict[int, Date] = {}
        firsts = (next(same) for _, same in groupby(range(len(self)), lambda at: self._stamps[at] >> _CLOCK_BITS))
        return [known.setdefault(self._stamps[at] >> _CLOCK_BITS, self.day(at)) for at in firsts]

    def where(self, keep: Callable[[int], bool]) -> Heads:
        """Those at whose places ``keep`` holds."""
        if all(keep(at) for at in range(len(self))):
            return self
        some = Heads(self.layouts)
        for at in filter(keep, range(len(self))):
            some.starts.append(self.starts[at])
            some.numbers.append(self.numbers[at])
            some.ends.append(self.ends[at])
            some._layouts.append(self._layouts[at])
            some._stamps.append(self._stamps[at])
        return some


def _packed(day: Date, clock: tuple[int, int, int]) -> int:
    hour, minute, second = clock
    if hour >= 24 or minute >= 60 or second >= 61:
        return _OFF_CLOCK
    first, second_number, third = (min(number, _MAX_NUMBER) for number in day)
    packed_day = first << 28 | second_number << 14 | third
    return packed_day << _CLOCK_BITS | hour << 12 | minute << 6 | second


class Blocks(Struct, frozen=True):
    """An export as messages, before anything is made of their words."""

    text: ChatText
    heads: Heads
    order: DateOrder
    preamble: str | None
    doubts: tuple[Doubt, ...]
    unlisted: dict[Why, int]
    """How many more places there are of each kind of doubt."""

    def __len__(self) -> int:
        return len(self.heads)

    def lines(self, at: int) -> list[str]:
        """The lines of one message, its head in the first."""
        starts = self.heads.starts
        return self.text.between(starts[at], starts[at + 1] if at + 1 < len(starts) else None)


def looks_like_export(start: bytes) -> bool:
    """Whether a file that begins so is the text of a chat."""
    lines = start.decode(encoding_of(start), errors="replace").split("\n", 20)[:20]
    reader = HeadReader()
    return any(reader.read(line) for line in lines)


def read_blocks(text: Text, day_first: bool | None) -> Blocks:
    """Split an export into messages. Every non-empty line is part of one, or of the preamble.

    Raises Unreadable for anything but an export, Question if only the user can tell days from months.
    """
    source = ChatText(text)
    found = _Found(source)
    chosen = found.chosen()
    order = choose_order(chosen.days(), chosen.layout(0), day_first, found.is_unpadded(chosen))
    heads = chosen.where(lambda at: _exists(chosen, at, order))
    preamble = source.before(heads.starts[0]) if heads.numbers[0] > 1 else ""
    if preamble and len(heads) < 3:
        raise Unreadable("export", "line 1", "this does not start like an exported chat")
    before = heads.numbers[0] - 1
    others, more_others = _listed(_runs(_left(found.heads, chosen, before), "other_format"))
    impossible, more_impossible = _listed(_runs(_left(chosen, heads, before), "impossible_date"))
    doubts = [*([Doubt(1, before, "preamble")] if preamble else []), *others, *impossible]
    unlisted: dict[Why, int] = {"other_format": more_others, "impossible_date": more_impossible}
    return Blocks(source, heads, order, preamble or None, tuple(doubts), unlisted)


class _Found:
    """Every head of a text, of whatever shape, and how many there are of each layout."""

    def __init__(self, text: ChatText) -> None:
        self._layouts: dict[Layout, int] = {}
        self._counts: Counter[int] = Counter()
        self._unpadded: set[int] = set()
        reader = HeadReader()
        layouts: list[Layout] = []
        self.heads = Heads(layouts)
        for number, (start, line) in enumerate(text.lines(), 1):
            if head := reader.read(line):
                layout = self._layouts.setdefault(head.layout, len(layouts))
                if layout == len(layouts):
                    layouts.append(head.layout)
                self._counts[layout] += 1
                self.heads.add(number, start, head, layout)
                if layout not in self._unpadded and _UNPADDED.match(head.stamp) and self.heads.is_on_the_clock(-1):
                    self._unpadded.add(layout)

    def chosen(self) -> Heads:
        """Those of the one shape that the file's messages have."""
        layouts = self.heads.layouts
        plain = Counter[str]()
        for layout, place in self._layouts.items():
            if layout.unknown is None:
                plain[layout.shape] += self._counts[place]
        if not plain:
            for layout, place in self._layouts.items():
                plain[layout.shape] += self._counts[place]
        shape = choose_shape(plain) if plain else ""
        fitting = {place for place, layout in enumerate(layouts) if layout.shape == shape}
        heads = self.heads
        chosen = heads.where(lambda at: heads.layout_no(at) in fitting and heads.is_on_the_clock(at))
        if not chosen:
            raise Unreadable("export", "line 1", "no line begins with a date and a time in WhatsApp's format")
        self._refuse_unknown_words(chosen)
        return chosen

    def _refuse_unknown_words(self, chosen: Heads) -> None:
        """A word beside the time that is not known here may mean am or pm, unless the clock has twenty-four hours."""
        layout = chosen.layout(0)
        strange = [other for other in self.heads.layouts if other.build == layout.build and other.unknown]
        if layout.unknown is not None:
            words = {other.unknown for other in strange}
            refused = len(words) > 1 or not any(chosen.clock(at)[0] > 12 for at in range(len(chosen)))
        else:
            count = sum(self._counts[self._layouts[other]] for other in strange)
            is_half_day = layout.half is not None or not any(chosen.clock(at)[0] > 12 for at in range(len(chosen)))
            refused = is_half_day and count * 10 > len(chosen)
        if refused:
            problem = f"the word {strange[0].unknown!r} beside the time is unknown; please report it"
            raise Unreadable("export", "line 1", problem)

    def is_unpadded(self, chosen: Heads) -> bool:
        """Whether some first number is written without the zero that the second has (5.01.2026)."""
        first = chosen.layout(0)
        return first.date_first and any(self.heads.layouts[place].shape == first.shape for place in self._unpadded)


def _exists(heads: Heads, at: int, order: DateOrder) -> bool:
    """Lines whose date does not exist belong to the message before them."""
    return to_ordinal(heads.day(at), order, heads.layout(at).era) is not None


def _left(heads: Heads, kept: Heads, before: int) -> Iterator[int]:
    """The numbers of lines behind ``before`` that begin with a head and no message."""
    following = iter(kept.numbers)
    next_kept = next(following, None)
    for number in heads.numbers:
        if number == next_kept:
            next_kept = next(following, None)
        elif number > before:
            yield number


def _runs(numbers: Iterable[int], why: Why) -> Iterator[Doubt]:
    """Numbers of lines as ranges of neighbours."""
    first = last = 0
    for number in numbers:
        if first and number != last + 1:
            yield Doubt(first, last, why)
        first, last = (first if first and number == last + 1 else number), number
    if first:
        yield Doubt(first, last, why)


def _listed(doubts: Iterator[Doubt]) -> tuple[list[Doubt], int]:
    """The first doubts, and how many more there are."""
    return list(islice(doubts, MAX_DOUBTS)), sum(1 for _ in doubts)
