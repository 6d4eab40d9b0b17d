"""Which messages may contain a literal substring: GOWA's ``search``. This only narrows; the texts decide.

Whole words of the literal are terms of every such message; at its ends there may be the end or the beginning of a
longer word.
"""

from __future__ import annotations

from collections.abc import Iterator

from backscroll.storage.search.query import INSIDE_LETTERS, Group, Probe, Word
from backscroll.storage.search.terms import MAX_WORD, kinds_of, tokens

_PROBED = 16
"""Characters of a word that are sure to stand in one piece of a longer one."""


def groups_of(folded: str) -> tuple[Group, ...]:
    """What every message with this folded literal in one of its texts must match; nothing when nothing is known."""
    kinds = kinds_of(folded)
    return tuple(
        group
        for token in tokens(kinds)
        for group in _groups(
            folded[token.start : token.end], kinds[token.start], token.start == 0, token.end == len(folded)
        )
    )


def _groups(piece: str, kind: str, is_first: bool, is_last: bool) -> Iterator[Group]:
    if kind == "e":
        yield from (Word((part,)) for part in piece.split("\u200d"))
    elif kind == "c":
        pairs = [piece[at : at + 2] for at in range(len(piece) - 1)]
        yield from (Word((pair,)) for pair in pairs or [piece])
    elif kind in "wd":
        if not is_first and not is_last:
            if len(piece) <= MAX_WORD:
                yield Word((piece,))
        elif len(piece) >= INSIDE_LETTERS or (is_first and is_last):
            yield Word((), (), (_edge(piece, is_first, is_last),))


def _edge(piece: str, is_first: bool, is_last: bool) -> Probe:
    if is_first and is_last:
        return Probe("inside", piece[:_PROBED])
    return Probe("suffix", piece[-_PROBED:]) if is_first else Probe("prefix", piece[:_PROBED])
