"""Where in a message the words of a query occur: parts of its texts, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from backscroll.core.answers import Highlight
from backscroll.core.text import fold, fold_with_map
from backscroll.storage.search.languages import guess
from backscroll.storage.search.matching import fits_at
from backscroll.storage.search.query import Group, Query, Run, Stem, Word
from backscroll.storage.search.stems import as_written, stems_in
from backscroll.storage.search.terms import MIN_DIGITS, Document, kinds_of, tokens

Span = tuple[int, int]
SENDER = "sender_name"


def highlights(query: Query, document: Document, sender_name: str | None) -> tuple[Highlight, ...]:
    """The fields with matches of the query, each split into parts of which some are hits."""
    readings = [_Reading(field.text) for field in document.fields]
    languages = _Languages(readings)
    spans = [[span for group in query.include for span in r.spans(group, languages)] for r in readings]
    found = [_marked(f.name, f.text, some) for f, some in zip(document.fields, spans, strict=True)]
    beginnings = [g.sender for g in query.include if isinstance(g, Word) and g.sender is not None]
    if sender_name and beginnings:
        found.append(_marked(SENDER, sender_name, _of_name(beginnings, fold(sender_name))))
    return tuple(highlight for highlight in found if highlight is not None)


class _Languages:
    """The languages of a message, guessed when they are asked for: as the index guessed them (``terms_of``)."""

    def __init__(self, readings: Sequence[_Reading]) -> None:
        self._readings = readings
        self._guessed: str | None = None

    @property
    def guessed(self) -> str:
        """ "" when nothing tells."""
        if self._guessed is None:
            runs = {word for reading in self._readings for word in reading.runs}
            letters = {letter for reading in self._readings for letter in reading.letters}
            self._guessed = guess(runs, letters)
        return self._guessed


def _of_name(beginnings: Sequence[str], folded: str) -> list[Span]:
    spans: list[Span] = []
    at = 0
    for word in folded.split():
        at = folded.index(word, at)
        spans += [(at, at + len(beginning)) for beginning in beginnings if word.startswith(beginning)]
        at += len(word)
    return spans


def _marked(field: str, text: str, spans: Iterable[Span]) -> Highlight | None:
    """Cut the text where hits begin and end; spans are of the folded text."""
    joined = list(_joined(spans))
    if not joined:
        return None
    _, starts = fold_with_map(text)
    parts: list[tuple[str, bool]] = []
    end = 0
    for first, last in joined:
        start = starts[first]
        # Folding may turn one character into several: a hit includes all of them.
        after = next((s for s in starts[last:] if s > starts[last - 1]), len(text))
        start = max(start, end)
        if after <= start:
            continue
        if start > end:
            parts.append((text[end:start], False))
        parts.append((text[start:after], True))
        end = after
    if not parts:
        return None
    if end < len(text):
        parts.append((text[end:], False))
    return Highlight(field=field, parts=tuple(parts))


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Spans in order, those that touch as one."""
    current: Span | None = None
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if current is None:
            current = (start, end)
        elif start <= current[1]:
            current = (current[0], max(current[1], end))
        else:
            yield current
            current = (start, end)
    if current is not None:
        yield current


class _Reading:
    """A text, folded, with its tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folded = folded = fold(text)
        self._kinds = kinds = kinds_of(folded)
        self._tokens: list[tuple[str, int, int]] = []
        for token in tokens(kinds):
            if token.kind == "c":
                self._tokens += [(folded[at], at, at + 1) for at in range(token.start, token.end)]
            else:
                self._tokens.append((folded[token.start : token.end], token.start, token.end))
        self._places: dict[str, list[Span]] = {}
        for word, start, end in self._tokens:
            self._places.setdefault(word, []).append((start, end))
        self._words: list[tuple[str, str, int, int]] | None = None
        self._letters: list[int] | None = None
        self._plain = ""

    @property
    def runs(self) -> Iterator[str]:
        """Its words of letters alone."""
        kinds = self._kinds
        return (word for word, start, end in self._tokens if kinds[start] == "w" and "d" not in kinds[start:end])

    @property
    def letters(self) -> str:
        """Its letters as written, where they are not all ASCII."""
        return "" if self._text.isascii() else as_written(self._text)

    @property
    def words(self) -> list[tuple[str, str, int, int]]:
        """Words folded, with their accents, and where they stand; folded twice where the two do not go side by side."""
        if self._words is None:
            spoken = [(word, start, end) for word, start, end in self._tokens if self._kinds[start] != "c"]
            plain = [word for word, _, _ in spoken]
            written = plain if self._text.isascii() else self._as_written(plain)
            self._words = [(w, told, start, end) for (w, start, end), told in zip(spoken, written, strict=True)]
        return self._words

    def _as_written(self, plain: list[str]) -> list[str]:
        written = as_written(self._text)
        words = [written[t.start : t.end] for t in tokens(kinds_of(written)) if t.kind != "c"]
        return words if len(words) == len(plain) and fold("\n".join(words)) == "\n".join(plain) else plain

    def spans(self, group: Group, languages: _Languages) -> Iterator[Span]:
        """Where a group stands."""
        if isinstance(group, Run):
            yield from self._runs(group)
            yield from (span for term in group.joined for span in self._whole(term))
            return
        for term in group.exact:
            yield from self._whole(term)
        if group.stems:
            yield from self._stemmed(group, languages.guessed)
        for probe in group.probes:
            yield from self._probed(probe.mode, probe.text)

    def _whole(self, term: str) -> Iterator[Span]:
        if kinds_of(term) == "cc":
            yield from self._parts(term)
        yield from self._places.get(term, ())
        if "\u200d" in self._folded:
            joined = (word for word in self._places if "\u200d" in word and word != term)
            yield from (span for word in joined if term in word.split("\u200d") for span in self._places[word])
        if self._may_be_spread and kinds_of(term)[0] in "wd" and term not in self._places:
            yield from self._spread(term)

    @property
    def _may_be_spread(self) -> bool:
        return "q" in self._kinds or "h" in self._kinds or "d" in self._kinds

    def _parts(self, text: str) -> Iterator[Span]:
        return _occurrences(text, self._folded)

    def _spread(self, term: str) -> Iterator[Span]:
        """A word written with hyphens or apostrophes in it, a number in groups, a part of a word with digits."""
        if self._letters is None:
            self._letters = [at for at, kind in enumerate(self._kinds) if kind in "wd"]
            self._plain = "".join([self._folded[at] for at in self._letters])
        letters, plain = self._letters, self._plain
        is_number = term.isdecimal() and len(term) >= MIN_DIGITS
        allowed = "qh" if not is_number else "qhsp"
        at = plain.find(term)
        while at >= 0:
            start, end = letters[at], letters[at + len(term) - 1] + 1
            if all(kind in "wd" or kind in allowed for kind in self._kinds[start:end]):
                yield start, end
            at = plain.find(term, at + 1)

    def _stemmed(self, group: Word, guessed: str) -> Iterator[Span]:
        wanted = _stems_wanted(group.stems, guessed)
        for word, written, start, end in self.words:
            if not wanted.isdisjoint(stems_in(word, written, guessed)):
                yield start, end

    def _probed(self, mode: str, text: str) -> Iterator[Span]:
        found = False
        for word, start, _ in self._tokens if text in self._folded else ():
            at = word.find(text)
            while at >= 0:
                if (mode != "prefix" or at == 0) and (mode != "suffix" or at + len(text) == len(word)):
                    found = True
                    yield start + at, start + at + len(text)
                at = word.find(text, at + 1)
        if not found and self._may_be_spread:
            yield from self._spread(text)

    def _runs(self, group: Run) -> Iterator[Span]:
        words = [word for word, _, _ in self._tokens]
        size = len(group.parts)
        for at in range(len(words) - size + 1):
            if fits_at(group, words, at):
                first, last = self._tokens[at], self._tokens[at + size - 1]
                if size == 1 and group.open_ends:
                    yield from ((first[1] + s, first[1] + e) for s, e in _occurrences(group.parts[0], first[0]))
                    continue
                start = first[2] - len(group.parts[0]) if group.open_ends else first[1]
                end = last[1] + len(group.parts[-1]) if group.open_ends else last[2]
                yield start, end


def _occurrences(part: str, whole: str) -> Iterator[Span]:
    at = whole.find(part)
    while at >= 0:
        yield at, at + len(part)
        at = whole.find(part, at + 1)


@lru_cache(maxsize=256)
def _stems_wanted(stems: tuple[Stem, ...], guessed: str) -> frozenset[str]:
    """Those that count in a message whose languages are ``guessed``."""
    return frozenset(stem.term.removeprefix("~") for stem in stems if stem.counts_in(guessed or "?"))
