"""Finding contacts by the words of their current names."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from backscroll.core import ids
from backscroll.core.text import fold
from backscroll.database.protocol import Row, Txn
from backscroll.storage.records.contact_facts import EVERYBODY, NAMES, SEVERAL, is_seen_by
from backscroll.storage.records.damage import registers_of
from backscroll.storage.records.registers import Registers, join, value_of

MAX_INDEXES = 64
"""Kept at a time, for all organisations and readers."""
MAX_SENDERS = 50
"""A word that begins the names of more contacts than this is not matched with senders."""


class NameIndex:
    """The names of an organisation's contacts, folded."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._full: list[tuple[str, int]] = []
        words: set[tuple[str, int]] = set()
        self._jids: dict[str, int] = {}
        for contact, jid, lid, _, *names in rows:
            self._jids.update((known, contact) for known in (jid, lid) if known)
            for folded in {fold(name) for name in names if name}:
                self._full.append((folded, contact))
                words.update((word, contact) for word in _beginnings(folded))
        self._words = sorted(words)

    def beginning(self, word: str, most: int = MAX_SENDERS) -> set[int]:
        """Contacts one of whose names has a word that begins so; none when they are more than ``most``."""
        found: set[int] = set()
        for at in range(bisect_left(self._words, (word, 0)), len(self._words)):
            name, contact = self._words[at]
            if not name.startswith(word):
                break
            found.add(contact)
            if len(found) > most:
                return set()
        return found

    def meant(self, value: str) -> set[int]:
        """Contacts meant by a filter: a JID, a number, or words with which a name, or part of one, begins."""
        jid = ids.canonical(value)
        if jid in self._jids:
            return {self._jids[jid]}
        wanted = fold(value).strip()
        if not wanted:
            return set()
        return {contact for name, contact in self._full if any(part.startswith(wanted) for part in _ends(name))}


def _beginnings(folded: str) -> Iterator[str]:
    yield from folded.split()


def _ends(folded: str) -> Iterator[str]:
    """The name from each of its words on."""
    words = folded.split()
    yield from (" ".join(words[at:]) for at in range(len(words)))


class NamesCache:
    """Name indexes by organisation, until a contact of it changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, frozenset[int] | None], tuple[int, NameIndex]] = OrderedDict()

    def of(self, tx: Txn, org: int, named: int, viewer: frozenset[int] | None = None) -> NameIndex:
        """``named`` is the change of a contact that the transaction sees last, ``viewer`` the phones whose reader asks:
        only names that their sources told count, and those told to everybody. None: all count."""
        known_at, index = self._known.get((org, viewer), (None, None))
        if index is None or known_at != named:
            rows = tx.all("search_names", {"org": org}) if viewer is None else _names_seen(tx, org, viewer)
            index = NameIndex(rows)
            self._known[(org, viewer)] = (named, index)
            while len(self._known) > MAX_INDEXES:
                with suppress(KeyError):
                    self._known.popitem(last=False)
        return index


def _names_seen(tx: Txn, org: int, viewer: frozenset[int]) -> Iterator[Row]:
    """Rows as of ``search_names``. Of a contact of whom several phones' sources told, the names stand in facts."""
    told: dict[int, Registers] = defaultdict(dict)
    params: dict[str, Any] = {"org": org, "phones": (EVERYBODY, *sorted(viewer))}
    for contact, facts in tx.all("search_facts_seen", params):
        join(told[contact], registers_of(facts, "contact", org, contact))
    for contact, jid, lid, kind, told_by, *names in tx.all("search_names_told", {"org": org}):
        if told_by == SEVERAL:
            names = [value_of(told[contact], field) for field in NAMES]
        elif not is_seen_by(told_by, viewer):
            names = []
        yield (contact, jid, lid, kind, *names)
