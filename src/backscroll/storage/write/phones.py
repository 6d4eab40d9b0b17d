"""The organisation's own phones, within one writing transaction."""

from __future__ import annotations

from backscroll.core import events, ids
from backscroll.core.errors import BadField, NotFound
from backscroll.core.ids import canonical
from backscroll.database.protocol import Txn
from backscroll.formats.periskope_ids import is_phone_id
from backscroll.storage.records.contact_facts import EVERYBODY
from backscroll.storage.records.identity import ContactResolver
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.rows import PhoneRow, phone_rows
from backscroll.storage.records.tellers import NOBODY


class OwnPhones:
    def __init__(self, tx: Txn, state: OrgState, resolver: ContactResolver, now: int) -> None:
        self._tx = tx
        self._state = state
        self._resolver = resolver
        self.now = now
        self._rows: dict[str, PhoneRow] = {}
        self._phones: dict[int, int] = {}
        self._contacts: dict[int, int] = {}
        self._load()

    def _load(self) -> None:
        for row in phone_rows(self._tx, self._state.org):
            contact = self._resolver.resolve(row.contact)
            self._rows[row.jid] = row
            self._phones[contact] = row.phone
            self._contacts[row.phone] = contact

    def numbers(self) -> list[int]:
        return sorted(self._contacts)

    def contact_of(self, phone: int) -> int:
        """The contact of a phone."""
        return self._contacts[phone]

    def find(self, jid: str) -> tuple[int, int]:
        """Numbers of an own phone and of its contact, by its JID or LID. ``NotFound`` if there is no such phone."""
        row = self._rows.get(jid) or self._rows.get(canonical(jid))
        if row is not None:
            return row.phone, self._contacts[row.phone]
        contact = self._resolver.number(jid)
        phone = self._phones.get(contact)
        if phone is None:
            raise NotFound("phone", f"{ids.user_part(jid)[:80]}; add it with `backscroll phone add`")
        return phone, contact

    def number_of(self, jid: str) -> int:
        """The number of an own phone, by its JID or LID. ``NotFound`` if there is no such phone."""
        phone, _ = self.find(jid)
        return phone

    def told_by(self, jid: str | None) -> int:
        """The number of the own phone whose source reports a contact; ``EVERYBODY`` if none is named."""
        return EVERYBODY if jid is None else self.number_of(jid)

    def see(self, event: events.PhoneSeen, phone_id: str) -> int:
        """Make or complete an own phone and return its number."""
        jid = canonical(event.jid)
        if ids.kind_of(jid) != "user":
            raise BadField("number", event.jid[:80], "must be digits with the country code, such as 919876543210")
        row = self._rows.get(jid)
        if row is not None:
            self._resolver.provenance.tell_again(row.phone)
        device = event.device_id if self._device_is_free(event.device_id) else None
        if row is None:
            number = self._add(event, jid, device, phone_id)
        elif (row.device_id is None and device) or (row.name is None and event.name):
            number = row.phone
            params = {"org": self._state.org, "phone": number, "device_id": device, "name": event.name}
            self._tx.run("update_phone", params)
        else:
            return row.phone
        self._changed(number)
        return number

    def correct(self, number: int, device_id: str | None, name: str | None) -> None:
        """Replace device id and name of a phone by what its owner entered; None leaves a value unchanged."""
        row = next(row for row in self._rows.values() if row.phone == number)
        if (device_id or row.device_id, name or row.name) != (row.device_id, row.name):
            params = {"org": self._state.org, "phone": number, "device_id": device_id, "name": name}
            self._tx.run("correct_phone", params)
            self._changed(number)

    def _changed(self, number: int) -> None:
        self._state.change("phone", number)
        self._state.tell("phone.updated", self.now, phone=number)
        self._load()

    def _add(self, event: events.PhoneSeen, jid: str, device: str | None, phone_id: str) -> int:
        number = self._state.number()
        params = {"org": self._state.org, "phone": number, "jid": jid, "contact": self._resolver.number(jid)}
        if self._resolver.provenance.teller == NOBODY:
            # What the phone sends does not name it.
            self._resolver.claim([jid])
        params |= {"phone_id": self._free_phone_id(event.phone_id) or phone_id, "device_id": device}
        self._tx.run("add_phone", params | {"name": event.name, "created_at": event.created_at or self.now})
        return number

    def _device_is_free(self, device_id: str | None) -> bool:
        return device_id is not None and all(row.device_id != device_id for row in self._rows.values())

    def _free_phone_id(self, phone_id: str | None) -> str | None:
        """A source's own id if it can be used, that is if clients can send it back in a header."""
        if phone_id is None or not is_phone_id(phone_id):
            return None
        taken = any(row.phone_id == phone_id for row in self._rows.values())
        return None if taken else phone_id
