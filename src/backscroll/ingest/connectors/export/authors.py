"""The author of a line: where the name ends and the text begins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import lru_cache

from msgspec import Struct

from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.notices import notice_start, notice_type
from backscroll.ingest.connectors.export.wording import fold, unmark

MAX_AUTHOR = 150
MAX_POSSIBLE = 1000
"""Possible names that are listed; no chat has so many people who wrote one line each."""
_MARKS = tuple(MARKS)
_QUOTES = frozenset('"“”„«»‟「」『』〝〞＂')
_SEPARATED = re.compile(f":(?:[ \u00a0\u202f]|(?=[{MARKS}])|$)")
_UNSEPARATED = re.compile(r"(?<!\d):(?![\s/\\()|*'-])|(?<=\d):(?![\s\d/\\()|*'-])")
"""A colon that no space follows, and that is no part of a time, a link or a smiley."""


class Split(Struct, frozen=True, gc=False):
    """A line less its head. ``author`` is None where nobody is named."""

    author: str | None
    is_push_name: bool
    said: str


class _Reading(Struct, gc=False):
    """The ways to read a line: cut at a colon with a space, at an earlier one without, or at a later one with it."""

    rest: str
    spaced: tuple[str, str] | None
    tight: tuple[str, str] | None
    later: tuple[tuple[str, str], ...] = ()


class Authors:
    """The names of one file. Its lines are given without their heads, and three times: all of them to ``count``, those
    of which that says so to ``settle``, then all to ``split``.

    A name that stands before ``: `` anywhere in the file, or is among ``known``, is also recognised where the space is
    missing. A name may hold ``: `` if it is among ``known``, or a line's end if it comes twice, is among them or is in
    an iPhone's file; otherwise text is never cut at a later colon where an earlier one may end the name.
    """

    def __init__(self, ios: bool, known: Collection[str] = ()) -> None:
        self._ios = ios
        self._known = frozenset(fold(name) for name in known)
        self.possible: set[str] = set()
        """Names before a colon without a space in lines that name nobody for certain: evidence may name them."""
        self._certain: Counter[str] = Counter()
        self._spaced: Counter[str] = Counter()
        self._tight: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()

    def count(self, rest: str) -> bool:
        """Whether the line can be read in two ways, so that it has to be settled once all are counted."""
        reading = _read(rest)
        if reading.spaced:
            name = _name(reading.spaced)
            self._spaced[name] += 1
            if not reading.tight and "\n" not in name:
                self._certain[name] += 1
                self._seen[name] += 1
        if reading.tight:
            self._tight[_name(reading.tight)] += 1
        return reading.tight is not None

    def settle(self, rest: str) -> None:
        """Count the name that a line has after all."""
        if parts := self._choose(_read(rest)):
            self._seen[_name(parts)] += 1

    def split(self, rest: str, is_single: bool) -> Split:
        """Name and words of a line; ``is_single`` where its message has no other."""
        reading = _read(rest)
        parts = self._choose(reading)
        unsure = (
            [reading.tight] if parts is None and reading.tight else reading.later if parts == reading.spaced else ()
        )
        for other in unsure:
            if len(self.possible) < MAX_POSSIBLE:
                self.possible.add(_name(other))
        return _split(rest, parts, self._seen, is_single, self._ios)

    def _choose(self, reading: _Reading) -> tuple[str, str] | None:
        if self._known:
            for parts in (*reversed(reading.later), reading.tight, reading.spaced):
                if parts is not None and fold(_name(parts)) in self._known:
                    return parts
        if reading.spaced and "\n" in reading.spaced[0]:
            name = _name(reading.spaced)
            is_name = self._spaced[name] > 1 or (self._ios and not reading.rest.startswith(_MARKS))
            return reading.spaced if is_name and notice_type(name) is None else None
        return _choose(reading, self._certain, self._spaced, self._tight, self._ios)


def _read(rest: str) -> _Reading:
    start = rest[: MAX_AUTHOR + 1]
    spaced = _SEPARATED.search(start)
    if spaced and spaced.end() == len(start) < len(rest) and start[-1] == ":":
        spaced = None
    if "\n" in start:
        return _Reading(rest, _cut(rest, spaced), None)
    tight = _UNSEPARATED.search(start, 1, spaced.start() if spaced else len(start))
    later = _SEPARATED.finditer(start, spaced.end()) if spaced and spaced.end() < len(start) else ()
    return _Reading(
        rest, _cut(rest, spaced), _cut(rest, tight), tuple(filter(None, (_cut(rest, one) for one in later)))
    )


def may_go_on(rest: str, line: str) -> bool:
    """Whether a name may go on in the next ``line``: a name in the address book may hold the end of a line."""
    return 0 < len(rest) <= MAX_AUTHOR and ":" not in rest and _SEPARATED.search(line[:MAX_AUTHOR]) is not None


def _cut(rest: str, colon: re.Match[str] | None) -> tuple[str, str] | None:
    if colon is None or not unmark(rest[: colon.start()]).strip():
        return None
    return rest[: colon.start()], rest[colon.end() :]


def _name(parts: tuple[str, str]) -> str:
    return clean_author(parts[0])[0]


def _choose(
    reading: _Reading, certain: Counter[str], spaced: Counter[str], tight: Counter[str], ios: bool
) -> tuple[str, str] | None:
    if reading.tight is None:
        return reading.spaced
    name = _name(reading.tight)
    if certain[name]:
        return reading.tight
    if reading.spaced is None:
        # iOS names somebody in every line; elsewhere a notice may hold a colon.
        return reading.tight if ios or (tight[name] > 1 and notice_type(reading.rest) is None) else None
    with_colon = spaced[_name(reading.spaced)]
    return reading.spaced if with_colon > 1 and with_colon == tight[name] else reading.tight


def _split(rest: str, parts: tuple[str, str] | None, seen: Counter[str], is_single: bool, ios: bool) -> Split:
    if parts is None:
        return Split(None, False, rest)
    author, is_push_name = clean_author(parts[0])
    if is_single and (not ios or rest.startswith("\u200e")) and _is_notice(author, parts[1], seen[author]):
        return Split(None, False, rest)
    return Split(author, is_push_name, parts[1])


def _is_notice(author: str, said: str, times: int) -> bool:
    """Whether a colon stands inside a notice: ``Mara changed the subject from "Plan: A" to "Plan: B"``.

    The wording must be known and begin in what would be the name, so that nobody's words are taken for WhatsApp's.
    """
    is_cut = _has_odd_quotes(author)
    if not is_cut and (author.count(" ") < 3 or times > 1):
        return False
    start = notice_start(f"{author}: {said}")
    return start is not None and (start < len(fold(author)) or (is_cut and times == 1 and _has_odd_quotes(said)))


def _has_odd_quotes(text: str) -> bool:
    return sum(c in _QUOTES for c in text) % 2 == 1


@lru_cache(maxsize=4096)
def clean_author(name: str) -> tuple[str, bool]:
    """The name without marks, and whether its owner chose it (``~ Mara``)."""
    name = unmark(name).replace("\u00a0", " ").replace("\u202f", " ").strip()
    bare = name.removeprefix("~").strip()
    return (bare, True) if bare and bare != name else (name, False)


def chosen_name(author: str) -> str:
    """The name of an author who is no saved contact, where a saved one of the same name writes too (``~ Mara``)."""
    return author.removeprefix("~ ")
