"""Who wrote a line: where the name ends and what was said begins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from backscroll.ingest.connectors.export.header import MARKS
from backscroll.ingest.connectors.export.notices import notice_start, notice_type
from backscroll.ingest.connectors.export.wording import fold, unmark

MAX_AUTHOR = 150
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
    """The two ways to read a line: cut at a colon with a space, or at an earlier one without."""

    rest: str
    spaced: tuple[str, str] | None
    tight: tuple[str, str] | None


def split_authors(rests: Sequence[str], single: Sequence[bool], ios: bool) -> list[Split]:
    """Name and words of every line of a file, each given without its head.

    ``single`` tells which messages have one line only. A name that stands before ``: `` anywhere in the file is also
    recognised where the space is missing; text is never cut at a later colon where an earlier one may end the name.
    """
    readings = [_read(rest) for rest in rests]
    certain = Counter(_name(r.spaced) for r in readings if r.spaced and not r.tight)
    spaced = Counter(_name(r.spaced) for r in readings if r.spaced)
    tight = Counter(_name(r.tight) for r in readings if r.tight)
    chosen = [_choose(reading, certain, spaced, tight, ios) for reading in readings]
    seen = Counter(_name(parts) for parts in chosen if parts)
    return [
        _split(reading.rest, parts, seen, is_single, ios)
        for reading, parts, is_single in zip(readings, chosen, single, strict=True)
    ]


def _read(rest: str) -> _Reading:
    start = rest[: MAX_AUTHOR + 1]
    spaced = _SEPARATED.search(start)
    if spaced and spaced.end() == len(start) < len(rest) and start[-1] == ":":
        spaced = None
    tight = _UNSEPARATED.search(start, 1, spaced.start() if spaced else len(start))
    return _Reading(rest, _cut(rest, spaced), _cut(rest, tight))


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
