"""Comparing WhatsApp's own wording, ignoring marks, spaces and letter case."""

from __future__ import annotations

from backscroll.ingest.connectors.export.header import MARKS

_NO_MARKS = str.maketrans(dict.fromkeys(MARKS))
_PLAIN = _NO_MARKS | str.maketrans({"\u00a0": " ", "\u202f": " ", "\u200c": None, "\u2019": "'"})


def unmark(text: str) -> str:
    """``text`` without signs of writing direction."""
    return text if text.isascii() else text.translate(_NO_MARKS)


def is_marked(text: str) -> bool:
    """Whether WhatsApp's own mark stands before ``text``. People's words begin with other ones: a number copied from
    the address book, or a line written from right to left.
    """
    start = text[: len(text) - len(text.lstrip(MARKS))]
    return "\u200e" in start or "\u200f" in start


def has_mark(text: str) -> bool:
    """Whether WhatsApp's own mark stands anywhere in ``text``."""
    return "\u200e" in text or "\u200f" in text


def fold(text: str) -> str:
    """``text`` for looking up: no direction marks, plain spaces, small letters, no full stop."""
    if not text.isascii():
        text = text.translate(_PLAIN)
    return text.strip().rstrip(".。। ").casefold()


def phrase_set(text: str) -> frozenset[str]:
    """Phrases as ``fold`` leaves them, given one after another with ``|`` or a line's end between."""
    return frozenset(fold(phrase) for line in text.splitlines() for phrase in line.split("|") if phrase.strip())
