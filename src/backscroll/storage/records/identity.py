"""Identity: every JID of a contact leads to one number, even if LID and phone number are connected late."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.errors import BadField
from backscroll.core.ids import canonical
from backscroll.core.limits import MAX_JID
from backscroll.database.protocol import Txn
from backscroll.storage.records.chunks import chunks
from backscroll.storage.records.contact_facts import EVERYBODY, SEVERAL, ByPhone, Told, ToldOfContacts, joined, told_by
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.provenance import Provenance
from backscroll.storage.records.registers import (
    Registers,
    encode_registers,
    join,
    tell,
    value_of,
)

_REAL_GROUP = re.compile(r"[0-9-]+@g\.us")
_PERSONS = ("user", "lid", "export", "bsuid")
_ONLY_TIED = -1
_MAIN_CLAIMED = 2


class ContactRow(Struct):
    """A person, group or channel as its row holds it."""

    contact: int
    jid: str
    lid: str | None
    kind: str
    name: str | None
    push_name: str | None
    business_name: str | None
    facts: str | None
    merged_into: int | None
    stored_at: int
    changed_at: int
    imported: int = 0
    """0 or less if no import reported anything about it, so that it stays whatever is undone; -1 as long as live
    sources have only mapped its JIDs to each other. From 1 on, ``import_facts`` records who reported what; 2 also
    means that live sources used ``jid``, so that this need not be recorded again.
    """
    told_by: int = EVERYBODY
    """The phone whose sources told ``facts``, or ``EVERYBODY``, or ``SEVERAL`` (contact_facts.py)."""

    @property
    def is_recorded(self) -> bool:
        """Whether ``import_facts`` records who reported what about it."""
        return self.imported > 0

    @property
    def display_name(self) -> str | None:
        """What the phone's owner saved, else what the person chose, else the business name."""
        return self.name or self.push_name or self.business_name


class ContactResolver:
    """The contacts used in one writing transaction."""

    def __init__(self, tx: Txn, state: OrgState, now: int, provenance: Provenance) -> None:
        self._tx = tx
        self._state = state
        self.now = now
        self.provenance = provenance
        self._numbers: dict[str, int] = {}
        self._unknown: set[str] = set()
        self._unclaimed: set[str] = set()
        self._loaded: dict[int, ContactRow] = {}
        self.pending: dict[int, int] = dict(tx.all("pending_merges", {"org": state.org}))
        self._merged: dict[int, int] = dict(self.pending)
        self._told = ToldOfContacts(tx, state.org)
        self._observed: set[int] = set()
        self._unsaved: set[int] = set()
        self._used_live: dict[int, str] = {}
        """``jid_used_live`` before merges, after which the JIDs of both are the winner's, and before new main JIDs."""
        self.just_merged: list[tuple[int, int]] = []
        """Losers and winners of this transaction."""

    def learn(self, jids: Iterable[str]) -> None:
        """Look up many JIDs at once; unknown ones get a number."""
        for jid in self.look_up(jids):
            self._add(jid)

    def look_up(self, jids: Iterable[str]) -> list[str]:
        """Look up many JIDs at once and return the unknown ones."""
        wanted = {jid for jid in map(canonical, jids) if jid not in self._numbers}
        missing = sorted(wanted - self._unknown)
        for start in range(0, len(missing), 500):
            chunk = missing[start : start + 500]
            params = {"org": self._state.org, "jids": chunk}
            for jid, contact, merged_into, main, imported in self._tx.all("find_aliases", params):
                self._numbers[jid] = contact if merged_into is None else merged_into
                if imported in (_ONLY_TIED, 1) or (imported and jid != main):
                    self._unclaimed.add(jid)
        unknown = {jid for jid in wanted if jid not in self._numbers}
        self._unknown |= unknown
        return sorted(unknown)

    @property
    def has_unclaimed(self) -> bool:
        """Whether any JID looked up so far is one of which it is not known that live sources used it."""
        return bool(self._unclaimed)

    def claim(self, jids: Iterable[str]) -> None:
        """Record that a live source uses these: contacts that only imports had used then stay when those are undone."""
        for jid in sorted(self._unclaimed.intersection(jids)):
            self._claim(self.contact_row(self.number(jid)), jid)
            self._unclaimed.discard(jid)

    def _claim(self, contact_row: ContactRow, jid: str) -> None:
        if contact_row.is_recorded:
            self.provenance.claim(jid)
        if contact_row.imported == _ONLY_TIED:
            contact_row.imported = 0
        elif contact_row.imported == 1 and jid == contact_row.jid:
            contact_row.imported = _MAIN_CLAIMED
        else:
            return
        self._unsaved.add(contact_row.contact)

    def load_known(self, jids: Iterable[str]) -> None:
        """Load many contacts at once that will be needed; unknown ones are left out."""
        jids = [canonical(jid) for jid in jids]
        self.load(self.resolve(self._numbers[jid]) for jid in jids if jid in self._numbers)

    def _add(self, jid: str, imported: int = 0) -> int:
        _check_jid(jid)
        contact = self._state.number()
        kind = ids.kind_of(jid)
        params = {"org": self._state.org, "contact": contact, "jid": jid, "now": self.now}
        params["imported"] = 1 if self.provenance.teller else imported
        self._tx.run("add_contact", params | {"kind": kind, "lid": jid if kind == "lid" else None})
        self._tx.run("add_alias", params)
        self._state.change("contact", contact)
        self._numbers[jid] = contact
        self._unknown.discard(jid)
        if self.provenance.teller:
            self._unclaimed.add(jid)
        return contact

    def number(self, jid: str) -> int:
        """The contact of a JID, created if it is new."""
        contact = self._numbers.get(jid)
        if contact is None:
            spelling, jid = jid, canonical(jid)
            self.learn([jid])
            contact = self._numbers[spelling] = self._numbers[jid]
        return self.resolve(contact)

    def resolve(self, contact: int) -> int:
        """The contact that this number now stands for, after merges."""
        while contact in self._merged:
            contact = self._merged[contact]
        return contact

    def load(self, contacts: Iterable[int]) -> None:
        """Load the rows of these contacts at once, before they are used one by one."""
        missing = sorted({contact for contact in contacts if contact and contact not in self._loaded})
        for start in range(0, len(missing), 500):
            params = {"org": self._state.org, "contacts": missing[start : start + 500]}
            for row in self._tx.all("read_contacts", params):
                contact_row = ContactRow(*row)
                self._loaded[contact_row.contact] = contact_row
                if contact_row.merged_into is not None:
                    self._merged[contact_row.contact] = contact_row.merged_into

    def contact_row(self, contact: int) -> ContactRow:
        """By its number; a merged one too."""
        found = self._loaded.get(contact)
        if found is None:
            self.load([contact])
            found = self._loaded[contact]
        return found

    def known_by_name(self, contacts: Iterable[int]) -> set[int]:
        """Those of ``contacts`` that are known only by name from an export."""
        wanted = set(contacts) - {0}
        self.load(wanted)
        return {contact for contact in wanted if self._loaded[contact].kind == "export"}

    def tell(
        self, contact: int, jid: str, facts: Mapping[str, Any], at: int | None, rank: int, phone: int = EVERYBODY
    ) -> None:
        """Collect what a phone's source reports, until ``finish``. Each message repeats its sender's name."""
        contact_row = self.contact_row(contact)
        if self.provenance.teller or contact_row.is_recorded:
            self._pin(contact_row)
            self.provenance.tell(-phone, canonical(jid), facts, at, rank)
        by_phone = self._told_of(contact_row).by_phone
        registers = by_phone.get(phone, {})
        if tell(registers, facts, at, rank):
            by_phone[phone] = registers
            self._observed.add(contact)

    def _told_of(self, contact_row: ContactRow) -> Told:
        known = self._told.of(contact_row.contact)
        if known is not None:
            return known
        if contact_row.told_by != SEVERAL:
            return self._told.learn(contact_row.contact, contact_row.told_by, contact_row.facts)
        several = [row.contact for row in self._loaded.values() if row.told_by == SEVERAL]
        self._told.load(self._told.missing(several))
        return self._told_of(contact_row)

    def _pin(self, contact_row: ContactRow) -> None:
        """From now on it is recorded who reported what about a contact."""
        if contact_row.is_recorded:
            return
        if contact_row.imported == _ONLY_TIED:
            self.provenance.pin_tied(contact_row.jid)
            contact_row.imported = 1
        else:
            by_phone = self._told_of(contact_row).by_phone
            for phone in {EVERYBODY, *by_phone}:
                self.provenance.pin(-phone, contact_row.jid, by_phone.get(phone, {}))
            contact_row.imported = _MAIN_CLAIMED
        self._unsaved.add(contact_row.contact)

    def jid_used_live(self, contact: int) -> str:
        """The JID under which live sources told of a contact's chats: its main one, unless they used only others.

        Of a contact that was merged or got another main JID in this transaction, what it was before.
        """
        if contact in self._used_live:
            return self._used_live[contact]
        contact_row = self.contact_row(contact)
        if not contact_row.is_recorded:
            return contact_row.jid
        used = self.provenance.used_live(self.aliases_of(self.resolve(contact)))
        return contact_row.jid if contact_row.jid in used or not used else min(used, key=_worth)

    def finish(self) -> None:
        """Apply what was collected about contacts; ``flush`` writes it.

        An unchanged name is not a change that readers need to be notified of.
        """
        for contact in sorted(self._observed):
            self._settle(self.contact_row(contact), anyway=False)
        self._observed.clear()

    def aliases_of(self, contact: int) -> list[str]:
        """All JIDs that lead to a contact."""
        params = {"org": self._state.org, "contacts": (contact,)}
        return [jid for _, jid in self._tx.all("dump_aliases", params)]

    def part_with(self, contact: int, part: list[str], rest: list[str]) -> int:
        """Turn some of a contact's JIDs into a separate contact, with what was reported under them; returns its
        number.
        """
        jid = min(part, key=_worth)
        number = self._state.number()
        params = {"org": self._state.org, "contact": number, "jid": jid, "now": self.now, "imported": 1}
        lid = min((j for j in part if ids.kind_of(j) == "lid"), default=None)
        self._tx.run("add_contact", params | {"kind": ids.kind_of(jid), "lid": lid})
        for alias in part:
            self._tx.run("set_alias", params | {"jid": alias})
            self._numbers[alias] = number
        self._state.change("contact", number)
        by_phone, _ = self.provenance.derived_of_contact(part)
        self.set_told(number, by_phone)
        self._leave(contact, rest)
        return number

    def drop_aliases(self, contact: int, part: Iterable[str], rest: list[str]) -> None:
        """Remove the aliases of JIDs that no source used."""
        for alias in part:
            self._tx.run("delete_alias", {"org": self._state.org, "jid": alias})
            self._numbers.pop(alias, None)
        self._leave(contact, rest)

    def _leave(self, contact: int, rest: list[str]) -> None:
        contact_row = self.contact_row(contact)
        contact_row.lid = min((j for j in rest if ids.kind_of(j) == "lid"), default=None)
        if contact_row.is_recorded:
            self._told_of(contact_row).by_phone, _ = self.provenance.derived_of_contact(rest)
        self._settle(contact_row, anyway=True)

    def set_told(self, contact: int, by_phone: ByPhone) -> None:
        """Set all facts of a contact; ``flush`` writes them."""
        contact_row = self.contact_row(contact)
        known = self._told_of(contact_row)
        if known.by_phone != by_phone:
            known.by_phone = by_phone
            self._settle(contact_row, anyway=True)

    def remove(self, contact: int) -> None:
        """Delete a contact that nothing refers to, with all its JIDs."""
        params = {"org": self._state.org, "contact": contact}
        for name in ("delete_aliases", "delete_merged_into", "delete_contact"):
            self._tx.run(name, params)
        self._told.forget(contact)
        self._observed.discard(contact)
        self._numbers = {jid: known for jid, known in self._numbers.items() if known != contact}
        self._unsaved.discard(contact)
        self._loaded.pop(contact, None)
        self._state.named = -1
        self._state.change("contact", contact)

    def _settle(self, contact_row: ContactRow, anyway: bool) -> None:
        """Update a contact's row from its facts. ``anyway``: notify readers even if no value changed."""
        known = self._told_of(contact_row)
        if known.settle() or anyway:
            contact_row.changed_at = self.now
            self._state.named = -1
            self._state.change("contact", contact_row.contact)
            self._state.tell("contact.updated", self.now, chat=contact_row.contact)
        registers = joined(known.by_phone)
        contact_row.facts = encode_registers(registers)
        contact_row.told_by = told_by(known.by_phone)
        self.name_by(contact_row, registers)
        self._unsaved.add(contact_row.contact)

    def flush(self) -> None:
        """Write the contacts that were changed."""
        for contact in sorted(self._unsaved):
            contact_row = self._loaded[contact]
            params = msgspec.structs.asdict(contact_row) | {"org": self._state.org, "now": contact_row.changed_at}
            self._tx.run("save_contact", params)
            self._told.write(contact)
        self._unsaved.clear()

    @staticmethod
    def name_by(contact_row: ContactRow, registers: Registers) -> None:
        """Update a contact's names from its registers."""
        contact_row.name = value_of(registers, "name")
        contact_row.push_name = value_of(registers, "push_name")
        contact_row.business_name = value_of(registers, "business_name")
        if contact_row.display_name is None:
            contact_row.name = value_of(registers, "chat_name")

    def map_number(self, lid: str, jid: str) -> None:
        """Join two JIDs into one contact. Two phone numbers, two groups, or a person and a group are not joined."""
        self.finish()
        self.flush()
        lid, jid = canonical(lid), canonical(jid)
        _check_jid(lid)
        _check_jid(jid)
        were_one = self.provenance.active and self._knows(lid, jid)
        if self.provenance.active and not were_one:
            self._pin_mappings(lid)
            self._pin_mappings(jid)
        self._map(lid, jid)
        if self.provenance.active:
            if self._knows(lid, jid):
                self._note_mapping(lid, jid, is_new=not were_one)
            elif _may_be_one(lid, jid):
                self._note_refusal(lid, jid)
        self.flush()
        # Looked up again, each is found unclaimed unless a live source used it as well.
        self._numbers.clear()

    def _note_mapping(self, lid: str, jid: str, is_new: bool) -> None:
        contact = self._find([jid])[jid]
        if self.provenance.teller or self.contact_row(contact).is_recorded:
            self.provenance.name_by_mapping(lid, jid)
        if is_new:
            self.provenance.note_mapping(lid, jid)
        else:
            self.provenance.tell_mapping(lid, jid, self.aliases_of(contact))

    def _note_refusal(self, lid: str, jid: str) -> None:
        """Record a mapping that contradicts one of an import, to apply it if that import is undone.

        Of a teller's own mappings that contradict each other, the first one counts.
        """
        if _is_main(jid) and any(_is_main(known) for known in self.provenance.mapped_by_teller(lid) - {jid}):
            return
        contacts = set(self._find([lid, jid]).values())
        if any(self.provenance.has_imported_mapping(self.aliases_of(contact)) for contact in contacts):
            self.provenance.note_mapping(lid, jid)

    def _pin_mappings(self, jid: str) -> None:
        """Record the existing mappings of a contact's JIDs before an import is recorded for another one."""
        contact = self._find([jid]).get(jid)
        if contact is None:
            return
        main, jids = self.contact_row(contact).jid, self.aliases_of(contact)
        if self.provenance.teller:
            self._pin(self.contact_row(contact))
        if len(jids) > 1:
            self.provenance.pin_mappings(main, jids)

    def apart(self, pairs: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of some pairs of JIDs that do not both lead to one contact."""
        found: dict[str, int] = {}
        for chunk in chunks(sorted({jid for pair in pairs for jid in pair})):
            found |= self._find(chunk)
        return [(lid, jid) for lid, jid in pairs if found.get(lid) is None or found.get(lid) != found.get(jid)]

    def _knows(self, *jids: str) -> bool:
        """Whether all of these lead to one contact."""
        found = self._find(jids)
        return len(found) == len(set(jids)) and len(set(found.values())) == 1

    def _map(self, lid: str, jid: str) -> None:
        known = self._find([lid, jid])
        if lid not in known and jid not in known:
            known[jid] = self._add(jid, _ONLY_TIED)
        if lid not in known or jid not in known:
            contact_row, new = self.contact_row(known.get(jid) or known[lid]), lid if jid in known else jid
            if _may_be_one(contact_row.jid, new):
                self._also_known_as(contact_row, new)
            return
        one, other = self.contact_row(known[lid]), self.contact_row(known[jid])
        if one.contact != other.contact and _may_be_one(one.jid, other.jid):
            winner, loser = sorted((one, other), key=lambda p: _worth(p.jid))
            self._merge(loser, winner)

    def _find(self, jids: Iterable[str]) -> dict[str, int]:
        rows = self._tx.all("find_aliases", {"org": self._state.org, "jids": sorted(jids)})
        return {jid: self.resolve(contact if into is None else into) for jid, contact, into, _, _ in rows}

    def _also_known_as(self, contact_row: ContactRow, jid: str) -> None:
        self._tx.run("add_alias", {"org": self._state.org, "jid": jid, "contact": contact_row.contact})
        self._numbers[jid] = contact_row.contact
        self._unknown.discard(jid)
        kind = ids.kind_of(jid)
        if kind == "lid":
            contact_row.lid = min(filter(None, (contact_row.lid, jid)))
        if _worth(jid) < _worth(contact_row.jid):
            if self.provenance.active:
                self._used_live.setdefault(contact_row.contact, self.jid_used_live(contact_row.contact))
            contact_row.jid, contact_row.kind = jid, kind
            contact_row.imported = min(contact_row.imported, 1)
        self._settle(contact_row, anyway=True)

    def _merge(self, loser: ContactRow, winner: ContactRow) -> None:
        org = self._state.org
        if self.provenance.active:
            for contact in (loser.contact, winner.contact):
                self._used_live.setdefault(contact, self.jid_used_live(contact))
        params = {"org": org, "contact": loser.contact, "into": winner.contact, "now": self.now}
        for name in ("move_aliases", "redirect_merged", "redirect_merges", "merge_contact", "add_merge"):
            self._tx.run(name, params)
        if winner.is_recorded or loser.is_recorded:
            self._pin(winner)
            self._pin(loser)
        else:
            winner.imported = max(winner.imported, loser.imported)
        by_phone = self._told_of(winner).by_phone
        for phone, registers in self._told_of(loser).by_phone.items():
            join(by_phone.setdefault(phone, {}), registers)
        winner.lid = min(filter(None, (winner.lid, loser.lid)), default=None)
        self._settle(winner, anyway=True)
        self._told.forget(loser.contact)
        loser.merged_into, loser.facts, loser.told_by = winner.contact, None, EVERYBODY
        self._merged[loser.contact] = winner.contact
        self.pending = {c: (winner.contact if i == loser.contact else i) for c, i in self.pending.items()}
        self.pending[loser.contact] = winner.contact
        self.just_merged.append((loser.contact, winner.contact))

    def numbers_of(self, contact: int) -> tuple[int, ...]:
        """``contact`` and those merged into it whose rows have not all been moved yet."""
        return (contact, *sorted(c for c, into in self.pending.items() if into == contact))


def _check_jid(jid: str) -> None:
    if not jid or len(jid) > MAX_JID:
        raise BadField("jid", jid[:80], "must be a WhatsApp id such as 919876543210@s.whatsapp.net")


def _worth(jid: str) -> tuple[int, str]:
    """Sort key; the smallest is a contact's main JID: numbers and real groups, then LIDs, then JIDs made up for an
    export.
    """
    if _is_main(jid):
        return (0, jid)
    return (1 if ids.kind_of(jid) == "lid" else 2, jid)


def _is_main(jid: str) -> bool:
    """A number or a real group: a contact has at most one of these."""
    return ids.kind_of(jid) == "user" or _REAL_GROUP.fullmatch(jid) is not None


def _may_be_one(one: str, other: str) -> bool:
    kinds = (ids.kind_of(one), ids.kind_of(other))
    alike = kinds == ("group", "group") or all(kind in _PERSONS for kind in kinds)
    return alike and not (_is_main(one) and _is_main(other))
