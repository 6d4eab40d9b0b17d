"""Parsing queries: words, phrases, prefixes, exclusions and filters. No query is an error.

A query is a list of items that must all match. An item that is not a valid filter is text; an item without a letter,
digit or emoji cannot be searched for and is listed in ``Query.ignored``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from msgspec import Struct

from backscroll.core.text import fold
from backscroll.storage.search.stems import as_written, languages_asked, stems
from backscroll.storage.search.terms import MAX_WORD, MIN_DIGITS, kinds_of, pieces, stem_terms, tokens

MAX_ITEMS = 32
MAX_TEXT = 2_000
"""Maximum characters of a query that are read."""
SPACED_DIGITS = 9
"""Groups of digits separated by spaces are one number from this many digits on; ``2024 2025`` is two."""
MAX_REQUIRED = 64
"""Terms that are looked up for a run; the message itself decides."""
INSIDE_LETTERS = 3
"""Minimum length of a word that is also searched for inside others; two are enough in scripts whose letters are
syllables.
"""


class Probe(Struct, frozen=True):
    """Words of the vocabulary to be found by a part of them: ``inside`` anywhere, ``prefix``, ``suffix``."""

    mode: str
    text: str

    def fits(self, word: str) -> bool:
        """Whether it is one of those words."""
        if self.mode == "prefix":
            return word.startswith(self.text)
        return word.endswith(self.text) if self.mode == "suffix" else self.text in word


class Stem(Struct, frozen=True):
    """A term that stands for a stem in messages of these languages; "" is all messages."""

    term: str
    languages: str = ""

    def counts_in(self, languages: str) -> bool:
        """Whether it does in a message of these languages."""
        return not self.languages or any(language in self.languages for language in languages)


class Word(Struct, frozen=True):
    """Matches by one of ``exact``, by one of ``stems``, by a word that ``probes`` find, or by the sender's name."""

    exact: tuple[str, ...]
    stems: tuple[Stem, ...] = ()
    probes: tuple[Probe, ...] = ()
    sender: str | None = None
    """Folded; one of the sender's names begins so."""


class Run(Struct, frozen=True):
    """Adjacent tokens, whatever punctuation is between them. Open ends may be the end and the beginning of longer
    words; a single part with open ends may be anywhere in one.
    """

    parts: tuple[str, ...]
    required: tuple[str, ...]
    """Terms that every message with it has."""
    open_ends: bool
    joined: tuple[str, ...] = ()
    """Terms that do as well: wi-fi is also written wifi."""

    @property
    def probes(self) -> tuple[Probe, ...]:
        """What the words at the open ends must be like; too short a part says nothing."""
        if not self.open_ends:
            return ()
        first, last = self.parts[0], self.parts[-1]
        if len(self.parts) == 1:
            return (Probe("inside", first[:16]),)
        edges = (Probe("suffix", first[-16:]), Probe("prefix", last[:16]))
        return tuple(p for p in edges if len(p.text) >= INSIDE_LETTERS and kinds_of(p.text)[0] in "wd")

    def may_be_in(self, folded: str) -> bool:
        """False only where it is not: a letter or digit of ASCII is never between two adjacent tokens."""
        return _between(self.parts).search(folded) is not None


@lru_cache(maxsize=256)
def _between(parts: Sequence[str]) -> re.Pattern[str]:
    return re.compile("[^a-z0-9]*".join(map(re.escape, parts)))


Group = Word | Run


class Filters(Struct, frozen=True):
    """Filters. Values of ``senders`` and ``chats`` are as typed; any one of them has to match."""

    senders: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    not_senders: tuple[str, ...] = ()
    not_chats: tuple[str, ...] = ()
    since: int | None = None
    """Microseconds UTC, inclusive."""
    until: int | None = None
    """Exclusive."""
    not_within: tuple[tuple[int, int], ...] = ()
    facts: tuple[str, ...] = ()
    not_facts: tuple[str, ...] = ()
    """Of ``FACTS``."""


class Query(Struct, frozen=True):
    """A parsed query."""

    include: tuple[Group, ...] = ()
    exclude: tuple[Group, ...] = ()
    filters: Filters = Filters()
    ignored: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self.include and not self.exclude and self.filters == Filters()


HAS = {
    "media": "media", "image": "image", "images": "image", "photo": "image", "photos": "image",
    "picture": "image", "video": "video", "videos": "video", "audio": "audio", "voice": "voice",
    "sticker": "sticker", "stickers": "sticker", "document": "document", "documents": "document",
    "file": "document", "files": "document", "location": "location", "contact": "contact", "contacts": "contact",
    "poll": "poll", "event": "event", "link": "link", "links": "link", "quote": "quote", "reply": "quote",
}  # fmt: skip
IS = {
    "mine": "mine", "sent": "mine", "received": "received", "edited": "edited", "deleted": "deleted",
    "starred": "starred", "forwarded": "forwarded",
}  # fmt: skip
KEYS = ("from", "in", "before", "after", "on", "has", "is")

_QUOTES = '"“”„«»'
_ITEM = re.compile(
    rf"""(?P<minus>-)?(?:(?P<key>[^\W\d_]+):)?[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)(?:[{_QUOTES}]|$)|(?P<plain>[^\s{_QUOTES}]+)"""
)
_PLAIN = re.compile(r"(?P<minus>-)?(?:(?P<key>[^\W\d_]+):)?(?P<value>.+)", re.S)
_NUMBER = re.compile(r"\+?\(?\d[\d()./\- +]*")
_DATE = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?))?)?")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


class _Item(Struct):
    minus: bool
    key: str
    value: str
    quoted: bool
    source: str


def parse(text: str, zone: tzinfo = UTC) -> Query:
    """Parse a query; dates are days in ``zone``."""
    read, rest = _cut(text)
    items = _with_numbers(list(_items(read)))
    ignored = [item.source for item in items[MAX_ITEMS:]] + ([rest] if rest else [])
    items = items[:MAX_ITEMS]
    filters = _Filters(zone)
    words = [item for item in items if not filters.take(item)]
    if not filters.taken and all(item.minus for item in words if _is_searchable(item)):
        for item in words:
            item.minus = False
    include: list[Group] = []
    exclude: list[Group] = []
    for item in words:
        group = _group(item)
        if group is None:
            ignored.append(item.source)
        else:
            (exclude if item.minus else include).append(group)
    return Query(tuple(include), tuple(exclude), filters.result(), tuple(ignored))


def _cut(text: str) -> tuple[str, str]:
    """What is read of a query, up to a whole item if there is one, and the rest."""
    if len(text) <= MAX_TEXT:
        return text, ""
    end = max((at for at in range(MAX_TEXT + 1) if text[at].isspace()), default=MAX_TEXT)
    return text[:end], text[end:].strip()


def _items(text: str) -> Iterator[_Item]:
    for match in _ITEM.finditer(text):
        if match["plain"] is None:
            key = match["key"] or ""
            yield _Item(bool(match["minus"]), key.lower(), match["quoted"], True, match[0])
            continue
        plain = _PLAIN.fullmatch(match["plain"])
        if plain is None or plain["value"] == "-":
            yield _Item(False, "", match["plain"], False, match["plain"])
        else:
            yield _Item(bool(plain["minus"]), (plain["key"] or "").lower(), plain["value"], False, match["plain"])


def _with_numbers(items: list[_Item]) -> list[_Item]:
    """Groups of digits with spaces between become one item where they look like a phone number."""
    merged: list[_Item] = []
    at = 0
    while at < len(items):
        end = at
        while end < len(items) and _is_digits(items[end]) and (end == at or not items[end].minus):
            end += 1
        source = " ".join(item.source for item in items[at:end])
        whole = source.removeprefix("-") if end > at and items[at].minus else source
        if end - at > 1 and _is_spaced_number(whole):
            merged.append(_Item(items[at].minus, "", whole, False, source))
            at = end
        else:
            merged.append(items[at])
            at += 1
    return merged


def _is_digits(item: _Item) -> bool:
    return not item.quoted and not item.key and _NUMBER.fullmatch(fold(item.value)) is not None


def _is_spaced_number(text: str) -> bool:
    digits = sum(c.isdecimal() for c in text)
    least = MIN_DIGITS if text.startswith(("+", "(", "0")) else SPACED_DIGITS
    return least <= digits <= 19


# ------------------------------------------------------------------ words, phrases, parts


def _is_searchable(item: _Item) -> bool:
    """Whether there is a letter, digit or emoji in it."""
    return any(kind in "wdcer" for kind in kinds_of(fold(_text_of(item))))


def _text_of(item: _Item) -> str:
    return f"{item.key}:{item.value}" if item.key else item.value


def _group(item: _Item) -> Group | None:
    """What an item of text looks for; None when nothing in it can be."""
    text = _text_of(item)
    if item.quoted:
        return _run(text, open_ends=False)
    if (number := _number(text)) is not None:
        return number
    stripped = text.strip("*")
    if stripped != text and (wild := _wild(text, stripped)) is not None:
        return wild
    folded = fold(text)
    found = [folded[t.start : t.end] for t in tokens(kinds_of(folded))]
    if len(found) == 1 and kinds_of(found[0])[0] in "wd":
        return (
            _word(_written_word(text), found[0], item.minus)
            if len(found[0]) <= MAX_WORD
            else _run(text, not item.minus)
        )
    return _run(text, open_ends=True)


def _written_word(text: str) -> str:
    """The one word of an item, with its accents."""
    written = as_written(text)
    runs = [written[t.start : t.end] for t in tokens(kinds_of(written))]
    return runs[0] if len(runs) == 1 else fold(text)


def _word(written: str, folded: str, excluded: bool) -> Word:
    forms = _forms(written, folded)
    is_stemmed = "d" not in kinds_of(folded) and len(folded) <= MAX_WORD
    found = _stems_asked(written, folded, forms) if is_stemmed else ()
    if excluded:
        return Word(forms, found)
    shortest = INSIDE_LETTERS if "0" <= folded[0] <= "\u052f" else INSIDE_LETTERS - 1
    probes = tuple(Probe("inside", form) for form in forms) if len(folded) >= shortest else ()
    return Word(forms, found, probes, folded if len(folded) >= 2 else None)


def _forms(written: str, folded: str) -> tuple[str, ...]:
    """Ways to spell it: ü is also ue."""
    spelled = {folded, fold(written.translate(_UMLAUTS))}
    spelled.add(folded.replace("ae", "a").replace("oe", "o").replace("ue", "u"))
    return (folded, *sorted(form for form in spelled - {folded} if form))


def _stems_asked(written: str, folded: str, forms: Sequence[str]) -> tuple[Stem, ...]:
    languages = languages_asked(folded)
    found: dict[str, str] = {}
    for language, stem in (*stems(folded, languages), *stems(written, languages)):
        for term, where in stem_terms(language, stem):
            if term not in forms:
                found[term] = "".join(sorted({*found.get(term, ""), *where}))
    return tuple(Stem(term, where) for term, where in found.items())


def _wild(text: str, stripped: str) -> Group | None:
    """``ab*`` and ``*ab``; other stars are signs like any other. What is longer than the words that the index keeps is
    looked for anywhere in a word.
    """
    folded = fold(stripped)
    found = list(tokens(kinds_of(folded)))
    if len(found) != 1 or found[0].kind != "w" or (found[0].start, found[0].end) != (0, len(folded)):
        return None
    if len(folded) > MAX_WORD:
        return _run(stripped, open_ends=True)
    return Word((), (), (Probe("inside" if text.startswith("*") else "prefix", folded),))


def _number(text: str) -> Word | None:
    """Digits in any grouping: numbers with them inside, and from ten digits on those with the same last nine."""
    folded = fold(text)
    if not _NUMBER.fullmatch(folded):
        return None
    digits = "".join(c for c in folded if c.isdecimal())
    if not MIN_DIGITS <= len(digits) <= MAX_WORD:
        return None
    probes = (Probe("inside", digits), *((Probe("suffix", digits[-9:]),) if len(digits) >= 10 else ()))
    return Word((digits,), (), probes)


def _run(text: str, open_ends: bool) -> Group | None:
    folded = fold(text)
    kinds = kinds_of(folded)
    parts: list[str] = []
    required: dict[str, None] = {}
    for token in tokens(kinds):
        piece = folded[token.start : token.end]
        if token.kind == "c":
            parts += piece
            required.update(dict.fromkeys([piece[at : at + 2] for at in range(len(piece) - 1)] or [piece]))
        else:
            parts.append(piece)
    if not parts:
        return None
    if len(parts) == 1 and len(parts[0]) > MAX_WORD:
        # The index has only pieces of it; the message itself decides.
        return Run(tuple(parts), () if open_ends else tuple(pieces(parts[0]))[:MAX_REQUIRED], open_ends)
    if len(parts) == 1 or (len(parts) == 2 and len(required) == 1 and kinds == "cc"):
        return Word(("".join(parts),))
    required.update(dict.fromkeys(_whole_words(parts, open_ends)))
    signs = {kind for kind in kinds.strip("osp") if kind not in "wd"}
    joined = ("".join(parts),) if open_ends and signs and signs <= set("qh") else ()
    return Run(tuple(parts), tuple(required)[:MAX_REQUIRED], open_ends, tuple(j for j in joined if len(j) <= MAX_WORD))


def _whole_words(parts: Sequence[str], open_ends: bool) -> Iterator[str]:
    last = len(parts) - 1
    for at, part in enumerate(parts):
        kind = kinds_of(part)[0]
        if kind in "er" or (kind in "wd" and len(part) <= MAX_WORD and not (open_ends and at in (0, last))):
            yield part


# ------------------------------------------------------------------ filters


class _Filters:
    """Gathers the filters of a query."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._lists: dict[str, list[str]] = {}
        self._since: int | None = None
        self._until: int | None = None
        self._not_within: list[tuple[int, int]] = []
        self.taken = False

    def take(self, item: _Item) -> bool:
        """Whether the item is a filter and not text."""
        value = item.value.strip()
        known = item.key in KEYS and bool(value) and self._understood(item.key, value, item.minus)
        self.taken = self.taken or known
        return known

    def _understood(self, key: str, value: str, minus: bool) -> bool:
        if key in ("from", "in"):
            self._add("senders" if key == "from" else "chats", value, minus)
            return True
        if key in ("has", "is"):
            fact = (HAS if key == "has" else IS).get(value.lower())
            if fact is not None:
                self._add("facts", fact, minus)
            return fact is not None
        span = span_of(value, self._zone)
        if span is not None:
            self._narrow(key, span, minus)
        return span is not None

    def _add(self, name: str, value: str, minus: bool) -> None:
        self._lists.setdefault(f"not_{name}" if minus else name, []).append(value)

    def _narrow(self, key: str, span: tuple[int, int], minus: bool) -> None:
        start, end = span
        if key == "on" and minus:
            self._not_within.append(span)
            return
        if key == "before" and minus:
            end = None  # type: ignore[assignment]
        elif key == "before":
            start, end = None, start  # type: ignore[assignment]
        elif key == "after" and minus:
            start = None  # type: ignore[assignment]
        elif key == "after":
            start, end = end, None  # type: ignore[assignment]
        if start is not None:
            self._since = start if self._since is None else max(self._since, start)
        if end is not None:
            self._until = end if self._until is None else min(self._until, end)

    def result(self) -> Filters:
        """The filters gathered so far."""
        lists = {name: tuple(values) for name, values in self._lists.items()}
        return Filters(since=self._since, until=self._until, not_within=tuple(self._not_within), **lists)


def span_of(text: str, zone: tzinfo) -> tuple[int, int] | None:
    """A year, month or day of ``zone`` in microseconds UTC, its end exclusive; None when it is no ISO date."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(n) if n else 0 for n in match.groups())
    try:
        first = datetime(year, month or 1, day or 1, tzinfo=zone)
        if day:
            after = first.replace(tzinfo=None) + timedelta(days=1)
        else:
            after = datetime(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1)
        return _micros(first), _micros(after.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return None


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000
