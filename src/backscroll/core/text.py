"""Comparing text as people do: ``fold`` removes differences that do not make another word.

The search index, queries and text comparisons all use the same ``fold``, so that they cannot disagree. It works cluster
by cluster (a character with the marks that belong to it), which is what lets ``fold_with_map`` say where in the
original every folded character came from.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

ZWJ = "\u200d"

_DROPPED = {
    0x00AD,  # soft hyphen
    0x034F,
    0x061C,
    0x0640,  # tatweel
    0x093C,  # nukta
    0x180E,
    *range(0x200B, 0x2010),  # zero width, and marks of direction; ZWJ is put back below
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),  # variation selectors
    0xFEFF,
    *range(0x1F3FB, 0x1F400),  # skin tones
    *range(0xE0000, 0xE0080),
    *range(0xE0100, 0xE01F0),
} - {0x200D}
_SPECIAL = {
    "ı": "i", "ø": "o", "đ": "d", "ł": "l", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ŋ": "n", "ħ": "h", "ŧ": "t",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ؤ": "و", "ئ": "ي",
    "\u0901": "\u0902",
}  # fmt: skip
_MARKS_DO_NOT_COUNT = ("LATIN ", "GREEK ", "CYRILLIC ", "ARABIC ", "HEBREW ", "COMBINING ")
"""Scripts, by the names of their characters, in which a mark does not make another word. Kana voicing, vowels of Indic
scripts and tones of Thai do. COMBINING are marks that belong to no script.
"""

_VOICING = "\u3099\u309a"
# A mark, a vowel or final of decomposed Hangul, and halfwidth voicing join what stands before them when it is composed.
_JOINING = "\u1160-\u11ff\ud7b0-\ud7ff\u3099\u309a\uff9e\uff9f\uffa0-\uffdc"
_AROUND_ZWJ = re.compile("(.?)\u200d+(?=(.?))", re.S)


def counted(number: int, noun: str, many: str | None = None) -> str:
    """``1 message``, ``1,200 messages``; ``many`` is the plural where it is not ``noun`` and an s."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def fold(text: str) -> str:
    """``text`` without case, accents, width and other differences that do not distinguish words.

    Digits of all scripts become ASCII, katakana hiragana; a zero-width joiner stays only inside an emoji.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFC", text).translate(_TABLE)
    # Halfwidth voicing, for example, is composed only now.
    folded = unicodedata.normalize("NFC", folded)
    return _AROUND_ZWJ.sub(_keep_zwj, folded) if ZWJ in folded else folded


def fold_with_map(text: str) -> tuple[str, list[int]]:
    """``fold(text)``, and for each of its characters, and its end, where in ``text`` it begins."""
    if text.isascii():
        return text.lower(), list(range(len(text) + 1))
    folded, shapes = fold(text), text.translate(_SHAPES)
    if len(folded) == len(text) and _ONE_BY_ONE.fullmatch(shapes):
        return folded, list(range(len(text) + 1))
    starts: list[int] = []
    for match in _CLUSTERS.finditer(shapes):
        start, end = match.span()
        starts += range(start, end) if match.lastgroup else [start] * _folded_length(text[start:end])
    if len(starts) != len(folded):
        starts = _starts_if_composed(text, shapes)
    return folded, [*starts, len(text)]


def _folded_length(cluster: str) -> int:
    return _short_length(cluster) if len(cluster) <= _SHORT else len(fold(cluster))


@lru_cache(maxsize=4096)
def _short_length(cluster: str) -> int:
    return len(fold(cluster))


_SHORT = 8


def _starts_if_composed(text: str, shapes: str) -> list[int]:
    """The same where clusters become one only when they are folded, as ㅋ and ㅠ become 큐."""
    starts: list[int] = []
    begin, known = 0, ""
    for match in _CLUSTER.finditer(shapes):
        start, end = match.span()
        piece, both = fold(text[start:end]), fold(text[begin:end])
        if both != known + piece:
            piece = both
            del starts[len(starts) - len(known) :]
        else:
            begin = start
        starts += [begin] * len(piece)
        known = piece
    return starts


class _Shapes(dict[int, str]):
    """What each character means for its neighbours, computed when it is first seen.

    s stands alone and is folded to one character · j belongs to what stands before it · z is the zero-width joiner,
    to which what follows belongs too · o is anything else.
    """

    def __missing__(self, code: int) -> str:
        shape = self[code] = _shape_of(chr(code))
        return shape


def _shape_of(char: str) -> str:
    if char == ZWJ:
        return "z"
    joins = unicodedata.category(char) in ("Mn", "Mc", "Me") or _JOINING_CLASS.match(char) is not None
    # What is dropped at the end of a cluster does no harm there, and an emoji keeps its tone beside it.
    if joins or ord(char) in _DROPPED:
        return "j"
    return "s" if len(fold(char)) == 1 else "o"


_SHAPES = _Shapes()
_JOINING_CLASS = re.compile(f"[{_JOINING}]")
_ONE_BY_ONE = re.compile("s+")
_CLUSTER = re.compile(".(?:(?<=z).|[jz])*")
_CLUSTERS = re.compile(f"(?P<run>s+(?![jz]))|{_CLUSTER.pattern}")


def _keep_zwj(match: re.Match[str]) -> str:
    before, after = match[1], match[2]
    return before + ZWJ if before and after and is_emoji(before) and is_emoji(after) else before


def is_emoji(char: str) -> bool:
    """Whether it is an emoji or symbol rather than a letter or punctuation."""
    return unicodedata.category(char) == "So" or 0x1F000 <= ord(char) <= 0x1FAFF


class _Table(dict[int, str]):
    """What each character becomes, computed when it is first seen."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_char(chr(code))
        return folded


def _fold_char(char: str) -> str:
    if ord(char) in _DROPPED:
        return ""
    return "".join(_simplest(c) for c in unicodedata.normalize("NFKC", char).casefold())


def _simplest(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if ord(char) in _DROPPED:
        return ""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if char in _VOICING:
        return char
    if "\u30a1" <= char <= "\u30f6":
        return chr(ord(char) - 0x60)
    if unicodedata.name(char, "").startswith(_MARKS_DO_NOT_COUNT) or "\u0300" <= char <= "\u036f":
        bare = "".join(c for c in unicodedata.normalize("NFD", char) if unicodedata.category(c) != "Mn")
        return "".join(_SPECIAL.get(c, c) for c in bare)
    return char


_TABLE = _Table()
