"""Contacts and own phones for reading transactions, cached while nothing about them changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import starmap

from msgspec import Struct, structs

from backscroll.core import ids
from backscroll.database.protocol import Row, Txn
from backscroll.storage.accounts.accounts import OwnPhone, phones_of
from backscroll.storage.records.contact_facts import EVERYBODY, SEVERAL, is_seen_by
from backscroll.storage.records.damage import registers_of
from backscroll.storage.records.identity import ContactResolver, ContactRow
from backscroll.storage.records.org_state import read_org_state
from backscroll.storage.records.registers import Registers, encode_registers, join

Viewer = frozenset[int] | None
"""The reader's phones; None is a reader of the whole organisation."""
_CHUNK = 500
"""Values that one statement is asked about."""


class Names:
    """Contacts and phones of one organisation, as one reading transaction needs them.

    ``viewer`` are the reader's phones: only what their sources reported about a contact is shown, and what belongs to
    no phone. None shows everything.
    """

    def __init__(self, tx: Txn, org: int, cache: ContactCache, viewer: Viewer = None) -> None:
        state = read_org_state(tx, org)
        self._tx = tx
        self._org = org
        self.seq: int = state.seq if state else 0
        self.named: int = state.named if state else 0
        """The seq of the last change of a contact or phone."""
        self.indexed_from: int | None = state.indexed_from if state else 0
        """The search index has the messages from this number on; None before it was started."""
        self.pruned: int = state.pruned if state else 0
        """The change feed begins after this seq."""
        self._known = cache.of(org, self.named)
        self._contacts = self._known.contacts
        self.strangers: set[str] = set()
        """JIDs that this transaction has looked up without success."""
        self.viewer: Viewer = None
        """None also for a reader of all existing phones, who may see everything that any of them knows."""
        if viewer is not None and not viewer >= self.phones.keys():
            self.viewer = viewer
            self._contacts = self._known.seen.setdefault(viewer, {})

    @property
    def phones(self) -> dict[int, OwnPhone]:
        """Own phones by number."""
        if self._known.phones is None:
            self._known.phones = phones_of(self._tx, self._org)
        return self._known.phones

    def load(self, contacts: Iterable[int]) -> None:
        """Load many contacts at once, and those that they were merged into, before they are used one by one."""
        missing = {c for c in contacts if c and c not in self._contacts}
        while missing:
            wanted = sorted(missing)
            missing = set()
            for start in range(0, len(wanted), _CHUNK):
                for contact_row in self._read(wanted[start : start + _CHUNK]):
                    self._contacts[contact_row.contact] = contact_row
                    self._known.size += 1
                    if contact_row.merged_into is not None and contact_row.merged_into not in self._contacts:
                        missing.add(contact_row.merged_into)

    def reread(self, contact: int) -> ContactRow:
        """The row of a contact that still exists, with the latest times and sources of its facts.

        A cached row may have older ones: they change with almost every message, and nothing else shows them.
        """
        (contact_row,) = self._read([contact])
        return contact_row

    def _read(self, contacts: list[int]) -> Iterable[ContactRow]:
        params = {"org": self._org, "contacts": contacts}
        if self.viewer is None:
            return starmap(ContactRow, self._tx.all("read_contacts", params))
        return self._as_seen(
            self.viewer, self._tx.all("read_contacts_seen", params | {"phones": _told_to(self.viewer)})
        )

    def _as_seen(self, viewer: frozenset[int], rows: Iterable[Row]) -> Iterator[ContactRow]:
        """Each contact once, with the data of its row, or of its rows for the viewer's phones."""
        several: dict[int, tuple[ContactRow, Registers]] = {}
        for *columns, facts in rows:
            contact_row = ContactRow(*columns)
            if contact_row.told_by == SEVERAL:
                _, registers = several.setdefault(contact_row.contact, (contact_row, {}))
                join(registers, registers_of(facts, "contact", self._org, contact_row.contact))
            elif is_seen_by(contact_row.told_by, viewer):
                yield contact_row
            else:
                yield show(contact_row, {})
        for contact_row, registers in several.values():
            yield show(contact_row, registers)

    def contact_row(self, contact: int) -> ContactRow:
        """The row of a contact, or of the one that it was merged into."""
        if contact not in self._contacts:
            self.load([contact])
        contact_row = self._contacts[contact]
        return contact_row if contact_row.merged_into is None else self.contact_row(contact_row.merged_into)

    def standing(self, contacts: Iterable[int]) -> dict[int, ContactRow]:
        """The rows of those contacts that still exist: an undone import removes contacts that only it reported."""
        wanted = set(contacts)
        self.load(wanted)
        return {contact: self.contact_row(contact) for contact in wanted if contact in self._contacts}

    def find(self, jid: str) -> ContactRow | None:
        """The contact of a JID in any spelling."""
        jid = ids.canonical(jid)
        if jid not in self._known.aliases:
            self._look_up({jid})
        contact = self._known.aliases.get(jid)
        return None if contact is None else self.contact_row(contact)

    def meet(self, jids: Iterable[str]) -> None:
        """Look up many contacts at once, so that ``find`` needs no further statement for them."""
        wanted = {ids.canonical(jid) for jid in jids}
        self._look_up(wanted)
        self.load(contact for jid in wanted if (contact := self._known.aliases.get(jid)) is not None)

    def _look_up(self, jids: set[str]) -> None:
        missing = sorted(jid for jid in jids if jid not in self._known.aliases and jid not in self.strangers)
        for start in range(0, len(missing), _CHUNK):
            params = {"org": self._org, "jids": missing[start : start + _CHUNK]}
            found = self._tx.all("find_aliases", params)
            self._known.aliases.update((jid, contact) for jid, contact, *_ in found)
            self._known.size += len(found)
        self.strangers.update(jid for jid in missing if jid not in self._known.aliases)

    def numbers_of(self, contact: int) -> tuple[int, ...]:
        """``contact`` and those merged into it whose rows have not all been moved yet."""
        return (contact, *(loser for loser, winner in self._pending if winner == contact))

    @property
    def is_merging(self) -> bool:
        """Whether rows of merged contacts are still to be moved."""
        return bool(self._pending)

    @property
    def _pending(self) -> list[Row]:
        if self._known.pending is None:
            self._known.pending = self._tx.all("pending_merges", {"org": self._org})
        return self._known.pending


def show(contact_row: ContactRow, registers: Registers) -> ContactRow:
    """The contact with only these facts."""
    shown = structs.replace(
        contact_row, facts=encode_registers(registers), name=None, push_name=None, business_name=None
    )
    ContactResolver.name_by(shown, registers)
    return shown


def _told_to(viewer: frozenset[int]) -> tuple[int, ...]:
    return (EVERYBODY, *sorted(viewer))


class Known(Struct):
    """What may be cached for an organisation while its head row has this ``named``."""

    named: int
    size: int = 0
    """About the number of cached contacts, by reader, and JIDs."""
    contacts: dict[int, ContactRow] = {}
    seen: dict[frozenset[int], dict[int, ContactRow]] = {}
    """Contacts as readers of some phones see them."""
    aliases: dict[str, int] = {}
    phones: dict[int, OwnPhone] | None = None
    pending: list[Row] | None = None


class ContactCache:
    """Cached contacts, by organisation; discarded when any contact or phone of it changes."""

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._known: dict[int, Known] = {}

    def of(self, org: int, named: int) -> Known:
        """The cached data of ``org``; emptied when names have changed since, or when it has grown too large."""
        known = self._known.get(org)
        if known is None or known.named != named or known.size > self._most:
            known = self._known[org] = Known(named)
        return known


class Reading(Struct, frozen=True, kw_only=True):
    """One reading transaction of an organisation, for the queries of this folder."""

    tx: Txn
    org: int
    names: Names
