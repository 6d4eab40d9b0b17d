"""Facts about a contact, kept separately for each own phone whose sources reported them.

A reader of some phones sees what their sources reported, and what was reported for everybody. Nearly every contact is
reported by the sources of one phone: then ``contacts.facts`` holds everything, and ``contacts.told_by`` names the
phone. Only the others have rows in ``contact_facts``, one for each phone, and ``contacts.facts`` is their join.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.records.registers import Registers, decode_registers, encode_registers, join, value_of

EVERYBODY = 0
"""Instead of a phone: facts that belong to no phone and are visible to every reader."""
SEVERAL = -1
"""In ``contacts.told_by``: ``contact_facts`` has a row for each phone."""
NAMES = ("name", "push_name", "business_name", "chat_name")
_CHUNK = 400

ByPhone = dict[int, Registers]
"""Registers by the phone whose sources told them; none of them is empty."""


def joined(by_phone: ByPhone) -> Registers:
    """What all of them tell together. Not to be changed: of one phone it is that phone's own."""
    if len(by_phone) == 1:
        return next(iter(by_phone.values()))
    registers: Registers = {}
    for told in by_phone.values():
        join(registers, told)
    return registers


def told_by(by_phone: ByPhone) -> int:
    """For the column of that name."""
    if len(by_phone) > 1:
        return SEVERAL
    return next(iter(by_phone), EVERYBODY)


def is_seen_by(owner: int, phones: Collection[int]) -> bool:
    """Whether readers of these phones may see what a contact's row holds; not to be asked of ``SEVERAL``."""
    return owner == EVERYBODY or owner in phones


def is_named(registers: Registers) -> bool:
    """Whether the facts include a name."""
    return any(value_of(registers, field) is not None for field in NAMES)


class Told(Struct):
    """The facts about one contact during a writing transaction."""

    by_phone: ByPhone
    settled: dict[int, str]
    """The same as text, as it was when the contact's row was last made."""
    rows: dict[int, str]
    """What ``contact_facts`` holds."""

    def settle(self) -> bool:
        """Set ``settled`` to the current facts; returns whether any phone's values have changed."""
        before, self.settled = self.settled, {}
        for phone, known in self.by_phone.items():
            self.settled[phone] = encode_registers(known) or "{}"
        changed = {phone for phone, text in self.settled.items() if before.get(phone) != text}
        return before.keys() != self.settled.keys() or any(
            _values(decode_registers(before[phone])) != _values(self.by_phone[phone]) for phone in changed
        )


def _values(registers: Registers) -> dict[str, object]:
    return {field: value for field, (_, _, value) in registers.items()}


class ToldOfContacts:
    """The facts about the contacts used in one writing transaction."""

    def __init__(self, tx: Txn, org: int) -> None:
        self._tx = tx
        self._org = org
        self._known: dict[int, Told] = {}

    def missing(self, contacts: Iterable[int]) -> list[int]:
        """Those of ``contacts`` that are not known yet."""
        return sorted(set(contacts) - self._known.keys())

    def learn(self, contact: int, owner: int, facts: str | None) -> Told:
        """Of a contact whose row holds all: a new one, or one of whom one phone's sources told."""
        registers = decode_registers(facts)
        known = Told({owner: registers} if registers else {}, {owner: facts} if facts else {}, {})
        self._known[contact] = known
        return known

    def load(self, contacts: Collection[int]) -> None:
        """Read those of whom several told."""
        wanted = sorted(contacts)
        for contact in wanted:
            self._known[contact] = Told({}, {}, {})
        for start in range(0, len(wanted), _CHUNK):
            params = {"org": self._org, "contacts": wanted[start : start + _CHUNK]}
            for contact, phone, facts in self._tx.all("read_contact_facts", params):
                known = self._known[contact]
                known.by_phone[phone] = decode_registers(facts)
                known.settled[phone] = known.rows[phone] = facts

    def of(self, contact: int) -> Told | None:
        """None for one that is to be learned or loaded first."""
        return self._known.get(contact)

    def forget(self, contact: int) -> None:
        """The contact is gone, or has become another."""
        known = self._known.pop(contact, None)
        if known is None or known.rows:
            self._tx.run("delete_all_contact_facts", {"org": self._org, "contact": contact})

    def write(self, contact: int) -> None:
        """Make ``contact_facts`` hold what was settled."""
        known = self._known.get(contact)
        if known is None:
            return
        wanted = known.settled if len(known.settled) > 1 else {}
        base = {"org": self._org, "contact": contact}
        for phone in known.rows.keys() - wanted.keys():
            self._tx.run("delete_contact_facts", base | {"phone": phone})
        for phone, facts in wanted.items():
            if known.rows.get(phone) != facts:
                named = int(is_named(known.by_phone[phone]))
                self._tx.run("save_contact_facts", base | {"phone": phone, "facts": facts, "is_named": named})
        known.rows = dict(wanted)
