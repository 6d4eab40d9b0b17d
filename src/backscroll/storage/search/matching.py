"""Whether a message matches a query, decided from the message itself where the index is not enough."""

from __future__ import annotations

from collections.abc import Sequence

from backscroll.core.text import fold
from backscroll.storage.search.query import Group, Run, Word
from backscroll.storage.search.terms import Document, Terms, is_word, kinds_of, terms_of, tokens, words_of


class Reading:
    """A message's texts, read as far as questions about them need."""

    def __init__(self, document: Document, sender_names: Sequence[str] = ()) -> None:
        self._document = document
        self._sender_names = sender_names
        self._folded: list[str] | None = None
        self._words: list[set[str]] | None = None
        self._terms: Terms | None = None

    @property
    def folded(self) -> list[str]:
        """Its fields, folded."""
        if self._folded is None:
            self._folded = [fold(field.text) for field in self._document.fields]
        return self._folded

    @property
    def every_word(self) -> list[set[str]]:
        """All terms of each field but stems."""
        if self._words is None:
            self._words = [words_of(text) for text in self.folded]
        return self._words

    @property
    def all_terms(self) -> Terms:
        """All of its terms."""
        if self._terms is None:
            self._terms = terms_of(self._document)
        return self._terms

    def matches(self, group: Group) -> bool:
        """The whole rule for one item of a query; the index answers the same faster."""
        return self._matches_word(group) if isinstance(group, Word) else self.has_run(group)

    def _matches_word(self, group: Word) -> bool:
        # Stems come last: they take longer than all the rest.
        if self.has_probed(group) or any(form in words for form in group.exact for words in self.every_word):
            return True
        name = group.sender
        if name is not None and any(n.startswith(name) for n in self._sender_names):
            return True
        if not group.stems:
            return False
        terms, languages = self.all_terms.terms, self.all_terms.languages
        return any(stem.term in terms and stem.counts_in(languages) for stem in group.stems)

    def has_probed(self, group: Word) -> bool:
        """Whether one of its words is one that the group's probes find."""
        return any(
            probe.fits(word) and is_word(word) for probe in group.probes for words in self.every_word for word in words
        )

    def has_run(self, group: Run) -> bool:
        """Whether the tokens are adjacent in one of its fields."""
        if any(term in words for term in group.joined for words in self.every_word):
            return True
        texts = (text for text in self.folded if group.may_be_in(text))
        if not any(find_run(group, sequence_of(text)) for text in texts):
            return False
        return all(any(term in words for words in self.every_word) for term in group.required)


def sequence_of(folded: str) -> list[str]:
    """Tokens of a folded text in order; scripts without spaces give each character."""
    kinds = kinds_of(folded)
    found: list[str] = []
    for token in tokens(kinds):
        piece = folded[token.start : token.end]
        found += piece if token.kind == "c" else (piece,)
    return found


def find_run(group: Run, sequence: Sequence[str]) -> bool:
    """Whether a run stands somewhere in these tokens."""
    return any(fits_at(group, sequence, start) for start in range(len(sequence) - len(group.parts) + 1))


def fits_at(group: Run, sequence: Sequence[str], start: int) -> bool:
    """Whether a run begins at this token."""
    parts = group.parts
    if not group.open_ends:
        return all(sequence[start + at] == part for at, part in enumerate(parts))
    last = len(parts) - 1
    if not last:
        return parts[0] in sequence[start]
    return (
        sequence[start].endswith(parts[0])
        and sequence[start + last].startswith(parts[-1])
        and all(sequence[start + at] == parts[at] for at in range(1, last))
    )
