"""Who is who: every JID of a contact leads to one number, also when LID and phone number meet late.

What sources tell of contacts and chats is kept as registers, ``{field: [at, rank, value]}``: the latest
observation stands, then the better source, then the greater value. So the order of arrival does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.errors import BadField
from backscroll.core.limits import MAX_JID
from backscroll.database.protocol import Txn

Registers = dict[str, list[Any]]
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Registers)
_REMEMBERED = 64
_REAL_GROUP = re.compile(r"[0-9-]+@g\.us")
_PERSONS = ("user", "lid", "export", "bsuid")


class OrgState(Struct):
    """The organisation's counter row while it is held by a writer."""

    org: int
    seq: int
    next_no: int
    named: int
    indexed_from: int | None = None
    """The search index has the messages from this number on; None when nobody has begun it (storage/search/)."""
    next_segment: int = 1
    changes: list[tuple[str, int]] = []
    """Those of the batch that is being written."""
    numbered: list[tuple[str, int]] = []
    """Those of earlier batches of the same transaction, up to ``seq``."""

    def number(self) -> int:
        """The next number for a message, contact, phone or payload; never given twice."""
        self.next_no += 1
        return self.next_no - 1

    def segment(self) -> int:
        """The next number for a segment of the search index; never given twice."""
        self.next_segment += 1
        return self.next_segment - 1

    def change(self, what: str, no: int) -> None:
        """Note a change for the feed; it gets its seq when the batch ends."""
        self.changes.append((what, no))

    def end_batch(self) -> int:
        """Number the changes of a batch, and say how many they are."""
        changed = len(self.changes)
        self.seq += changed
        self.numbered += self.changes
        self.changes = []
        if self.named < 0:
            self.named = self.seq
        return changed


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

    @property
    def display_name(self) -> str | None:
        """What the phone's owner saved, else what the person chose, else the business name."""
        return self.name or self.push_name or self.business_name


def canonical(jid: str) -> str:
    """``ids.canonical``, which takes long beside all else that one message needs; the same few are met again."""
    return _canonical(jid) if len(jid) <= _REMEMBERED else ids.canonical(jid)


_canonical = lru_cache(maxsize=8192)(ids.canonical)


def decode_registers(text: str | None) -> Registers:
    return {} if text is None else _DECODER.decode(text)


def encode_registers(registers: Registers) -> str | None:
    return _ENCODER.encode(registers).decode() if registers else None


def tell(registers: Registers, facts: Mapping[str, Any], at: int | None, rank: int) -> bool:
    """Put what is known of ``facts`` in; says whether anything changed."""
    changed = False
    for field, value in facts.items():
        if value is not None:
            changed |= _tell(registers, field, [-1 if at is None else at, rank, msgspec.to_builtins(value)])
    return changed


def join(registers: Registers, others: Registers) -> bool:
    changed = False
    for field, observed in others.items():
        changed |= _tell(registers, field, observed)
    return changed


def _tell(registers: Registers, field: str, observed: list[Any]) -> bool:
    known = registers.get(field)
    if known is not None and _strength(known) >= _strength(observed):
        return False
    registers[field] = observed
    return True


def _strength(observed: list[Any]) -> tuple[int, int, bytes]:
    return (observed[0], observed[1], _ENCODER.encode(observed[2]))


def value_of(registers: Registers, field: str) -> Any:
    observed = registers.get(field)
    return None if observed is None else observed[2]


class ContactResolver:
    """The contacts that one writing transaction meets."""

    def __init__(self, tx: Txn, state: OrgState, now: int) -> None:
        self._tx = tx
        self._state = state
        self.now = now
        self._numbers: dict[str, int] = {}
        self._unknown: set[str] = set()
        self._loaded: dict[int, ContactRow] = {}
        self.pending: dict[int, int] = {row[0]: row[1] for row in tx.all("pending_merges", {"org": state.org})}
        self._merged: dict[int, int] = dict(self.pending)
        self._observed: dict[int, Registers] = {}
        self._unsaved: set[int] = set()
        self.just_merged: list[tuple[int, int]] = []
        """Losers and winners of this transaction."""

    def learn(self, jids: Iterable[str]) -> None:
        """Look many JIDs up at once; those never met get a number."""
        for jid in self.look_up(jids):
            self._add(jid)

    def look_up(self, jids: Iterable[str]) -> list[str]:
        """Look many JIDs up at once and return those never met."""
        wanted = {canonical(jid) for jid in jids} - self._numbers.keys()
        missing = sorted(wanted - self._unknown)
        for start in range(0, len(missing), 500):
            chunk = missing[start : start + 500]
            for jid, contact, merged_into, _ in self._tx.all("find_aliases", {"org": self._state.org, "jids": chunk}):
                self._numbers[jid] = contact if merged_into is None else merged_into
        unknown = wanted - self._numbers.keys()
        self._unknown |= unknown
        return sorted(unknown)

    def load_known(self, jids: Iterable[str]) -> None:
        """Read many contacts at once that will be asked for; whoever was never met is left out."""
        jids = [canonical(jid) for jid in jids]
        self.load(self.resolve(self._numbers[jid]) for jid in jids if jid in self._numbers)

    def _add(self, jid: str) -> int:
        _check_jid(jid)
        contact = self._state.number()
        kind = ids.kind_of(jid)
        params = {"org": self._state.org, "contact": contact, "jid": jid, "now": self.now}
        self._tx.run("add_contact", params | {"kind": kind, "lid": jid if kind == "lid" else None})
        self._tx.run("add_alias", params)
        self._state.change("contact", contact)
        self._numbers[jid] = contact
        self._unknown.discard(jid)
        return contact

    def number(self, jid: str) -> int:
        """The contact of a JID, made when it is new."""
        contact = self._numbers.get(jid)
        if contact is None:
            spelling, jid = jid, canonical(jid)
            self.learn([jid])
            contact = self._numbers[spelling] = self._numbers[jid]
        return self.resolve(contact)

    def resolve(self, contact: int) -> int:
        """The contact that this number stands for now."""
        while contact in self._merged:
            contact = self._merged[contact]
        return contact

    def load(self, contacts: Iterable[int]) -> None:
        """Read the rows of these contacts together, before they are asked for one by one."""
        missing = sorted(set(contacts) - self._loaded.keys() - {0})
        for start in range(0, len(missing), 500):
            params = {"org": self._state.org, "contacts": missing[start : start + 500]}
            for row in self._tx.all("read_contacts", params):
                contact_row = ContactRow(*row)
                self._loaded[contact_row.contact] = contact_row
                if contact_row.merged_into is not None:
                    self._merged[contact_row.contact] = contact_row.merged_into

    def contact_row(self, contact: int) -> ContactRow:
        """By its number; a merged one too."""
        self.load([contact])
        return self._loaded[contact]

    def known_by_name(self, contacts: Iterable[int]) -> set[int]:
        """Those of ``contacts`` whom only an export has named."""
        wanted = set(contacts) - {0}
        self.load(wanted)
        return {contact for contact in wanted if self._loaded[contact].kind == "export"}

    def tell(self, contact: int, facts: Mapping[str, Any], at: int | None, rank: int) -> None:
        """Remember what is told until ``finish``. Each message tells its sender's name anew."""
        registers = self._observed.get(contact)
        if registers is None:
            registers = decode_registers(self.contact_row(contact).facts)
        if tell(registers, facts, at, rank):
            self._observed[contact] = registers
            self.name_by(self.contact_row(contact), registers)

    def finish(self) -> None:
        """Take what was told of contacts for true; ``flush`` writes it.

        That a name is still the same is no change that readers need to hear of.
        """
        for contact, registers in sorted(self._observed.items()):
            contact_row = self.contact_row(contact)
            before = decode_registers(contact_row.facts)
            if {f: observed[2] for f, observed in before.items()} == {
                f: observed[2] for f, observed in registers.items()
            }:
                self._change(contact_row, registers)
            else:
                self._save(contact_row, registers)
        self._observed.clear()

    def _save(self, contact_row: ContactRow, registers: Registers) -> None:
        self._change(contact_row, registers)
        contact_row.changed_at = self.now
        self._state.named = -1
        self._state.change("contact", contact_row.contact)

    def _change(self, contact_row: ContactRow, registers: Registers) -> None:
        contact_row.facts = encode_registers(registers)
        self.name_by(contact_row, registers)
        self._unsaved.add(contact_row.contact)

    def flush(self) -> None:
        """Write the contacts that were changed."""
        for contact in sorted(self._unsaved):
            contact_row = self._loaded[contact]
            params = msgspec.structs.asdict(contact_row) | {"org": self._state.org, "now": contact_row.changed_at}
            self._tx.run("save_contact", params)
        self._unsaved.clear()

    @staticmethod
    def name_by(contact_row: ContactRow, registers: Registers) -> None:
        """Give a contact's row the names that its registers tell."""
        contact_row.name = value_of(registers, "name")
        contact_row.push_name = value_of(registers, "push_name")
        contact_row.business_name = value_of(registers, "business_name")
        if contact_row.display_name is None:
            contact_row.name = value_of(registers, "chat_name")

    def map_number(self, lid: str, jid: str) -> None:
        """Two JIDs are one contact. Nothing happens to two phone numbers, two groups, or a person and a group."""
        self.finish()
        self.flush()
        lid, jid = canonical(lid), canonical(jid)
        _check_jid(lid)
        _check_jid(jid)
        self._map(lid, jid)
        self.flush()

    def _map(self, lid: str, jid: str) -> None:
        known = self._find([lid, jid])
        if lid not in known and jid not in known:
            known[jid] = self._add(jid)
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
        return {row[0]: self.resolve(row[1] if row[2] is None else row[2]) for row in rows}

    def _also_known_as(self, contact_row: ContactRow, jid: str) -> None:
        self._tx.run("add_alias", {"org": self._state.org, "jid": jid, "contact": contact_row.contact})
        self._numbers[jid] = contact_row.contact
        self._unknown.discard(jid)
        kind = ids.kind_of(jid)
        if kind == "lid":
            contact_row.lid = min(filter(None, (contact_row.lid, jid)))
        if _worth(jid) < _worth(contact_row.jid):
            contact_row.jid, contact_row.kind = jid, kind
        self._save(contact_row, decode_registers(contact_row.facts))

    def _merge(self, loser: ContactRow, winner: ContactRow) -> None:
        org = self._state.org
        params = {"org": org, "contact": loser.contact, "into": winner.contact, "now": self.now}
        for name in ("move_aliases", "redirect_merged", "redirect_merges", "merge_contact", "add_merge"):
            self._tx.run(name, params)
        registers = decode_registers(winner.facts)
        join(registers, decode_registers(loser.facts))
        winner.lid = min(filter(None, (winner.lid, loser.lid)), default=None)
        self._save(winner, registers)
        loser.merged_into, loser.facts = winner.contact, None
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
    """The least of a contact's JIDs is the one it goes by: numbers and real groups, LIDs, what an export made up."""
    kind = ids.kind_of(jid)
    if kind == "user" or _REAL_GROUP.fullmatch(jid):
        return (0, jid)
    return (1 if kind == "lid" else 2, jid)


def _may_be_one(one: str, other: str) -> bool:
    kinds = (ids.kind_of(one), ids.kind_of(other))
    alike = kinds == ("group", "group") or all(kind in _PERSONS for kind in kinds)
    return alike and (_worth(one)[0], _worth(other)[0]) != (0, 0)
