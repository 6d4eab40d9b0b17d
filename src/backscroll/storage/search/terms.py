"""Terms by which a message can be found: a set that is a pure function of the message.

Words are terms as they are (folded); a stem is ``~``, its language, the stem; what is known about the message begins
with ``!``. docs/decisions/0007-search.md has the whole table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import Stemmer
from msgspec import Struct

from backscroll.core.text import fold, is_emoji
from backscroll.storage.search.languages import STEM_LETTERS, UNSURE, UNSURE_LETTERS, guess
from backscroll.storage.search.stems import as_written, is_own_stem, languages_of, stem_of

MAX_WORD = 64
_STEP = 48
"""A longer run is kept in pieces that overlap, so that 16 characters of it are always in one."""
MIN_DIGITS, MAX_DIGITS = 7, 19
"""Of a number that may be written in groups."""
LINK = re.compile(r"\bhttps?://\S|\bwww\.\S", re.I)

_RULES = 1
"""Increased when the terms of messages change."""


def version() -> int:
    """Of the rules, Unicode and the stemmer; indexes made by a lower one are made anew."""
    major, minor, patch = (int(n) for n in Stemmer.version().split(".")[:3])
    unicode = int(unicodedata.unidata_version.split(".")[0])
    return (((_RULES * 1000 + unicode) * 1000 + major) * 1000 + minor) * 1000 + patch


class Field(Struct, frozen=True):
    """A piece of text that belongs to a message: ``body``, ``file_name``, ``poll`` …"""

    name: str
    text: str


class Document(Struct, frozen=True):
    """What the index sees of a message. ``marks`` are facts about it, such as ``kimage`` or ``s17``."""

    fields: tuple[Field, ...]
    marks: tuple[str, ...]


class Token(Struct, frozen=True):
    """A run of one kind: ``w`` letters and digits, ``c`` characters of a script without spaces, ``e`` an emoji."""

    kind: str
    start: int
    end: int


# ------------------------------------------------------------------ kinds of characters

_TOGETHER = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Burmese
    ("\u1100", "\u11ff"),  # Hangul
    ("\u1780", "\u17ff"),  # Khmer
    ("\u3005", "\u3007"),
    ("\u3031", "\u3035"),
    ("\u3041", "\u31ff"),  # kana, Bopomofo, Hangul
    ("\u3400", "\u4dbf"),
    ("\u4e00", "\u9fff"),
    ("\ua960", "\ua97f"),
    ("\ua9e0", "\ua9ff"),
    ("\uaa60", "\uaa7f"),
    ("\uac00", "\ud7ff"),
    ("\uf900", "\ufaff"),
    ("\U0001b000", "\U0001b16f"),
    ("\U00020000", "\U0003ffff"),
)
"""Scripts that write words without spaces between them."""


class _Kinds(dict[int, str]):
    """The kind of each folded character, worked out when it is first met.

    w letter or mark · d digit · c as in ``_TOGETHER`` · e emoji · r regional indicator · z joiner of emoji ·
    q apostrophe · h hyphen · s space · p what phone numbers are written with besides · o anything else.
    """

    def __missing__(self, code: int) -> str:
        kind = self[code] = _kind_of(chr(code))
        return kind


def _kind_of(char: str) -> str:
    signs = {"'": "q", "\u2019": "q", "-": "h", "\u2010": "h", "\u2011": "h", " ": "s", "\u200d": "z"}
    if char in signs:
        return signs[char]
    if char in "().+/\u2012\u2013\u2014\u2015":
        return "o" if char == "+" else "p"
    category = unicodedata.category(char)
    if "\U0001f1e6" <= char <= "\U0001f1ff":
        return "r"
    if is_emoji(char):
        return "e"
    if category[0] in "LM":
        return "c" if any(low <= char <= high for low, high in _TOGETHER) else "w"
    if category[0] == "N":
        if char.isascii():
            return "d"
        return "c" if "\u3005" <= char <= "\u3007" else "w"
    return "s" if category == "Zs" else "o"


_KINDS = _Kinds()
_TOKEN = re.compile(r"[wd]+|c+|e(?:ze)*|rr?")
_PART = re.compile(r"w+|d+")
_JOINED = re.compile(r"[wd]+(?:[qh][wd]+)+")
_NUMBER = re.compile(r"(?<![wd])d+(?:[shp]{1,3}d+)+(?![wd])")
_LETTERS_ALONE = re.compile(r"(?<![wd])w+(?![wd])")
_ASCII_RUN = re.compile(r"[A-Za-z]+")
_ASCII_SPECIAL = re.compile(r"[-'0-9]")
"""Without these, a text in ASCII has no terms but its runs of letters."""


def kinds_of(folded: str) -> str:
    """One letter a character: see ``_Kinds``."""
    return folded.translate(_KINDS)


def tokens(kinds: str) -> Iterator[Token]:
    """The runs of a text, in order, from its characters' kinds (``kinds_of``)."""
    for match in _TOKEN.finditer(kinds):
        first = kinds[match.start()]
        kind = "w" if first in "wd" else "e" if first == "r" else first
        yield Token(kind, match.start(), match.end())


def is_word(term: str) -> bool:
    """Whether a term is a word that others may be inside of; not marks, stems, pictures, single characters."""
    return _KINDS[ord(term[0])] in "wd"


# ------------------------------------------------------------------ terms of a text


def pieces(word: str) -> list[str]:
    """A word as the index keeps it."""
    if len(word) <= MAX_WORD:
        return [word]
    return [word[start : start + MAX_WORD] for start in range(0, len(word) - MAX_WORD + _STEP, _STEP)]


def words_of(folded: str) -> set[str]:
    """All terms of a folded text but its stems."""
    return words_and_runs(folded)[0]


def words_and_runs(folded: str) -> tuple[set[str], set[str]]:
    """Besides, those of them that stemming is for: runs of letters."""
    if folded.isascii() and not _ASCII_SPECIAL.search(folded):
        plain = set(_ASCII_RUN.findall(folded))
        if all(len(run) <= MAX_WORD for run in plain):
            return plain.copy(), plain
    kinds = kinds_of(folded)
    found: set[str] = set()
    runs: set[str] = set()
    for match in _TOKEN.finditer(kinds):
        start, end = match.span()
        first, run = kinds[start], folded[start:end]
        if first in "wd":
            if "d" in kinds[start:end]:
                found.update(_with_digits(run, kinds[start:end]))
            else:
                runs.add(run)
        elif first == "c":
            found.update(run)
            found.update(run[at : at + 2] for at in range(len(run) - 1))
        elif first == "e":
            found.add(run)
            found.update(run.split("\u200d"))
        else:
            found.add(run)
    found.update(piece for run in runs for piece in pieces(run))
    if "q" in kinds or "h" in kinds:
        found.update(piece for whole in _joined(folded, kinds) for piece in pieces(whole))
    if "d" in kinds:
        found.update(numbers_of(folded, kinds))
    return found, runs


def _with_digits(run: str, kinds: str) -> Iterator[str]:
    yield from pieces(run)
    for match in _PART.finditer(kinds):
        part = run[match.start() : match.end()]
        yield from pieces(part)
        if part[0] == "0" and (bare := part.lstrip("0")):
            yield from pieces(bare)


def _joined(folded: str, kinds: str) -> Iterator[str]:
    """Words written with apostrophes or hyphens, without them."""
    for match in _JOINED.finditer(kinds):
        start = match.start()
        yield "".join(c for at, c in enumerate(folded[start : match.end()], start) if kinds[at] in "wd")


def numbers_of(folded: str, kinds: str) -> Iterator[str]:
    """Numbers written in groups, as one run of digits."""
    for match in _NUMBER.finditer(kinds):
        start = match.start()
        digits = "".join(c for at, c in enumerate(folded[start : match.end()], start) if kinds[at] == "d")
        if MIN_DIGITS <= len(digits) <= MAX_DIGITS:
            yield digits


# ------------------------------------------------------------------ terms of a message


class Terms(Struct, frozen=True):
    """The terms of a message, and the languages that its Latin words were stemmed in; ``?`` where nothing told."""

    terms: frozenset[str]
    languages: str


def terms_of(document: Document) -> Terms:
    """The terms of a message."""
    found: set[str] = set()
    runs: set[str] = set()
    written: set[str] = set()
    letters: set[str] = set()
    for field in document.fields:
        words, some = words_and_runs(fold(field.text))
        found |= words
        runs |= some
        if not field.text.isascii():
            plain = as_written(field.text)
            written.update(_runs(plain))
            letters.update(plain)
    found.update(f"!{mark}" for mark in document.marks)
    languages = _add_stems(found, runs, written - runs, letters) if runs or written else ""
    return Terms(frozenset(found), languages)


def _runs(text: str) -> list[str]:
    return [text[match.start() : match.end()] for match in _LETTERS_ALONE.finditer(kinds_of(text))]


def _add_stems(found: set[str], runs: set[str], written: set[str], letters: set[str]) -> str:
    """Add stems that are not words of the message anyway, and return the languages of its Latin words."""
    guessed = guess(runs, letters)
    is_latin = False
    for word in (*runs, *written):
        if not STEM_LETTERS <= len(word) <= MAX_WORD:
            continue
        languages = languages_of(word, guessed)
        if languages == UNSURE:
            is_latin = True
            for stem, term in _unsure_stems(word):
                if stem not in runs or (stem != word and not _stands_for(stem, word)):
                    found.add(term)
        elif languages:
            is_latin = is_latin or languages.islower()
            for language in languages:
                stem = stem_of(word, language)
                if stem not in runs or len(stem) < STEM_LETTERS or not is_own_stem(stem, word, language):
                    found.add(f"~{stem}")
    return (guessed or "?") if is_latin else ""


@lru_cache(maxsize=16_384)
def _unsure_stems(word: str) -> tuple[tuple[str, str], ...]:
    """The stems of a word whose language is unclear, each with its term."""
    return tuple((stem, f"~{stem}") for stem in dict.fromkeys(stem_of(word, language) for language in UNSURE))


def _stands_for(stem: str, word: str) -> bool:
    """Whether a stem of a word whose language is unclear is found as a word, wherever it is one itself."""
    return len(stem) >= UNSURE_LETTERS and all(
        is_own_stem(stem, word, language) for language in UNSURE if stem_of(word, language) == stem
    )


def stem_terms(language: str, stem: str) -> Iterator[tuple[str, str]]:
    """Terms by which messages are found that have a word of this stem, each with the languages of such messages.

    "" is all messages: scripts that one language is taken for need no guess.
    """
    if not language.islower():
        languages = unsure = ""
    else:
        languages = language
        unsure = "?" if language in UNSURE else ""
    yield f"~{stem}", languages + unsure
    if len(stem) >= STEM_LETTERS and stem_of(stem, language) == stem:
        yield stem, languages + (unsure if len(stem) >= UNSURE_LETTERS else "")


@lru_cache(maxsize=4096)
def sender_mark(contact: int) -> str:
    """Of messages that this contact sent."""
    return f"s{contact}"
