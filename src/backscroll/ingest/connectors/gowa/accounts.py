"""The accounts whose messages a file contains."""

from __future__ import annotations

from collections.abc import Iterable

from backscroll.core import ids
from backscroll.core.errors import BadField, Question
from backscroll.ingest.connectors.foreign.rows import Row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile
from backscroll.ingest.connectors.foreign.whatsmeow import person_of


class Accounts:
    """Whose messages they are: the own phone of every partition (``device_id``) of the file.

    A partition is an account's JID, the slot id of a device, or "" where the file does not tell devices apart.
    """

    def __init__(
        self,
        store: ForeignFile,
        whatsapp: ForeignFile,
        device_rows: Iterable[Row],
        linked_rows: Iterable[Row],
        answer: str | None,
    ) -> None:
        self._store = store
        self._whatsapp = whatsapp
        self._has_lids = bool(whatsapp.columns("whatsmeow_lid_map"))
        self._linked = {jid for row in linked_rows if (jid := self.own(row))}
        self._slots = {row.text("device_id"): self.own(row) for row in device_rows}
        self._named, self._answer = _answers(answer)
        self.by_partition = self._resolved()

    def own(self, row: Row) -> str | None:
        """The account of a row of ``devices`` or ``whatsmeow_device``; None when it is logged out."""
        jid = row.text("jid") or row.text("ad_jid")
        return self._number_of(ids.canonical(jid)) if jid else None

    def jid_of(self, text: str, chat: str | None = None) -> str | None:
        """The person that a sender column means; rows of v7 hold the user part alone."""
        return person_of(text, chat, self._is_lid)

    def _is_lid(self, user: str) -> bool:
        sql = "SELECT EXISTS (SELECT 1 FROM whatsmeow_lid_map WHERE lid = ?)"
        return self._has_lids and bool(self._whatsapp.one(sql, user))

    def _number_of(self, jid: str) -> str | None:
        """The phone-number form of a JID, where there is one."""
        if ids.kind_of(jid) == "user":
            return jid
        if ids.kind_of(jid) != "lid" or not self._has_lids:
            return None
        for (pn,) in self._whatsapp.rows("SELECT pn FROM whatsmeow_lid_map WHERE lid = ?", ids.user_part(jid)):
            return ids.canonical(str(pn))
        return None

    def _resolved(self) -> dict[str, str]:
        known = {partition: self._by_itself(partition) for partition in self._partitions()}
        undecided = [partition for partition, jid in known.items() if jid is None]
        for partition in undecided:
            if self._answer is None or len(undecided) > 1:
                raise Question(self._question(undecided), "--account", name="account")
            known[partition] = self._answer
        return {partition: jid for partition, jid in known.items() if jid is not None}

    def _partitions(self) -> list[str]:
        """In the order of their names; what is no text is left to the rows that hold it."""
        found: set[str] = set()
        for table in ("messages", "chats", "message_reactions", "message_edits"):
            columns = self._store.columns(table)
            if "device_id" in columns:
                names = self._store.rows(f"SELECT DISTINCT device_id FROM {table}")  # noqa: S608
                found.update((name or "").strip() for (name,) in names if name is None or isinstance(name, str))
            elif columns and self._store.has_rows(table):
                found.add("")
        return sorted(found)

    def _by_itself(self, partition: str) -> str | None:
        if named := self._named.get(partition):
            return named
        if "@" in partition and (jid := self._number_of(ids.canonical(partition))):
            return jid
        if slot := self._slots.get(partition):
            return slot
        senders = self._own_senders(partition)
        if partition:
            return _only(senders) or (None if senders or self._answer else _only(self._linked))
        devices = {jid for jid in self._slots.values() if jid} | self._linked
        if self._answer:
            return None
        if _only(devices) and senders and _only(senders) != _only(devices):
            return None
        return _only(devices) or _only(senders)

    def _own_senders(self, partition: str) -> set[str]:
        """The numbers that the partition's outgoing messages were sent from."""
        columns = self._store.columns("messages")
        if "is_from_me" not in columns:
            return set()
        mine = "AND trim(device_id) = ?" if "device_id" in columns else "AND ? = ''"
        sql = f"SELECT DISTINCT sender FROM messages WHERE is_from_me {mine}"  # noqa: S608
        jids = {self.jid_of(name) for (name,) in self._store.rows(sql, partition) if isinstance(name, str)}
        return {number for jid in jids if jid and (number := self._number_of(jid))}

    def _question(self, undecided: list[str]) -> str:
        file = self._store.path.name
        if undecided == [""]:
            return f"{file} does not say whose messages it contains: which WhatsApp number is it?"
        names = ", ".join(name or "(none)" for name in undecided)
        if len(undecided) == 1:
            return f"{file} does not say which WhatsApp number the device {names} was: which is it?"
        return f"{file} does not say which WhatsApp numbers the devices {names} were (SLOT=NUMBER,…): which are they?"


def _only(jids: set[str]) -> str | None:
    return next(iter(jids)) if len(jids) == 1 else None


def _answers(account: str | None) -> tuple[dict[str, str], str | None]:
    """The numbers named for single devices, and the one named for whatever is undecided."""
    if account is None:
        return {}, None
    if "=" not in account:
        return {}, _own_number(account)
    pairs = (pair.rpartition("=") for pair in account.split(","))
    return {slot.strip(): _own_number(number) for slot, _, number in pairs}, None


def _own_number(text: str) -> str:
    jid = ids.canonical(text)
    if ids.kind_of(jid) != "user" or not ids.bare_number(ids.user_part(jid)):
        raise BadField("account", text, "must be a phone number with its country code, or SLOT=NUMBER,…")
    return jid
