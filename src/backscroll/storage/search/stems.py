"""Word stems by Snowball. A word of a text matches a word of a query if they share a stem in a language of the text."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import Stemmer

from backscroll.core.text import fold
from backscroll.storage.search.languages import ALGORITHMS, LATIN, STEM_LETTERS, UNSURE, UNSURE_LETTERS, script_of

_PORTUGUESE = "b"
_MAX_KNOWN = 8_192
"""Stems kept for each language."""
_local = threading.local()


def as_written(text: str) -> str:
    """``text`` in one case, with its accents: what stemmers were made for."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def languages_of(word: str, guessed: str) -> str:
    """The languages in which a word of a message is stemmed; ``guessed`` is the guess for the whole message."""
    if len(word) < STEM_LETTERS:
        return ""
    by_script = script_of(word)
    if by_script or not "a" <= word[0] <= "\u024f":
        return by_script
    if guessed:
        return guessed
    return UNSURE if len(word) >= UNSURE_LETTERS else ""


def languages_asked(word: str) -> str:
    """All languages in which a word of a query may meet one of a message."""
    if len(word) < STEM_LETTERS:
        return ""
    by_script = script_of(word)
    return by_script or (LATIN if "a" <= word[0] <= "\u024f" else "")


def stems(word: str, languages: str) -> Iterator[tuple[str, str]]:
    """Language and folded stem of a word, as it was written or folded already, in some languages."""
    return ((language, stem_of(word, language)) for language in languages)


@lru_cache(maxsize=16_384)
def stems_in(word: str, written: str, guessed: str) -> frozenset[str]:
    """The folded stems of a word, folded and as it was written, in a message whose languages are ``guessed``."""
    languages = languages_of(word, guessed)
    return frozenset(stem for form in {word, written} for _, stem in stems(form, languages))


class _Known(dict[str, str]):
    """Stems of words in one language, computed when they are first asked for. A cache by word and language together
    costs more per word than everything else about it."""

    def __init__(self, language: str) -> None:
        self._language = language

    def __missing__(self, word: str) -> str:
        if len(self) >= _MAX_KNOWN:
            self.clear()
        stem = _stem(word, self._language)
        # Many words are their own stems, and then one text is kept instead of two.
        found = self[word] = word if stem == word else stem
        return found


_KNOWN = {language: _Known(language) for language in ALGORITHMS}


def stem_of(word: str, language: str) -> str:
    """The folded stem of a word."""
    return _KNOWN[language][word]


def is_own_stem(stem: str, word: str, language: str) -> bool:
    """Whether the stem of a word is its own stem, so that it stands for the word where it is a word itself."""
    return stem == word or stem_of(stem, language) == stem


def _stem(word: str, language: str) -> str:
    known = word
    if language == _PORTUGUESE and word.endswith(("ões", "ães", "ãos")):
        known = word[:-3] + "ão"
    return fold(_stemmer(language).stemWord(known)) or word


def _stemmer(language: str) -> Stemmer.Stemmer:
    """This thread's own: a stemmer may not be shared. Its cache sorts itself whenever it is full, so it has none."""
    made: dict[str, Stemmer.Stemmer] | None = getattr(_local, "made", None)
    if made is None:
        made = _local.made = {}
    found = made.get(language)
    if found is None:
        found = made[language] = Stemmer.Stemmer(ALGORITHMS[language], 0)
    return found
