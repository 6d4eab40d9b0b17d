"""What whatsmeow stores for an account: its own number, LIDs, contacts, chat settings.

wacli, the whatsapp-mcp bridges, GOWA and WAHA's engine GOWS have these tables, in a file of their own or beside their
messages. They also hold the account's private keys: no other column than those named here is ever read.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from backscroll.core import ids
from backscroll.core.errors import BadField, Question
from backscroll.ingest.connectors.foreign.rows import OnSkip, Row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile
from backscroll.ingest.connectors.foreign.stages import Stage, each
from backscroll.ingest.connectors.foreign.tables import Tables
from backscroll.ingest.connectors.gowa.mapping import chat_of_settings, contact_of, number_mapping

COLUMNS = {
    "whatsmeow_device": ("jid", "lid", "push_name"),
    "whatsmeow_contacts": (
        "their_jid",
        "our_jid",
        "first_name",
        "full_name",
        "push_name",
        "business_name",
        "redacted_phone",
    ),
    "whatsmeow_lid_map": ("lid", "pn"),
    "whatsmeow_chat_settings": ("chat_jid", "our_jid", "muted_until", "pinned", "archived"),
}
"""All that is read of them."""


class Whatsmeow:
    """The tables of one file; all of them may be missing."""

    def __init__(self, file: ForeignFile, on_skip: OnSkip) -> None:
        self.file = file
        self.tables = Tables(file, on_skip, COLUMNS)
        self._has_lids = {"lid", "pn"}.issubset(file.columns("whatsmeow_lid_map"))

    def stages(self, phone: str) -> tuple[Stage, ...]:
        """What they tell of one account, hidden ids first."""

        def its(row: Row) -> bool:
            return ids.canonical(row.text("our_jid") or phone) == phone

        return (
            each("whatsmeow_lid_map", self.tables, number_mapping),
            each("whatsmeow_contacts", self.tables, lambda row: contact_of(row, phone) if its(row) else None),
            each("whatsmeow_chat_settings", self.tables, lambda row: chat_of_settings(row) if its(row) else None),
        )

    def own_numbers(self) -> set[str]:
        """JIDs of the accounts that are linked there."""
        if "jid" not in self.file.columns("whatsmeow_device"):
            return set()
        told = {jid for (jid,) in self.file.rows("SELECT jid FROM whatsmeow_device LIMIT 1000") if isinstance(jid, str)}
        return {jid for jid in map(ids.canonical, told) if ids.kind_of(jid) == "user"}

    def person(self, text: str, chat: str | None = None) -> str | None:
        """Who a sender column means, which may hold the user part alone; None where it is nobody."""
        return person_of(text, chat, self._is_lid)

    def _is_lid(self, user: str) -> bool:
        sql = "SELECT EXISTS (SELECT 1 FROM whatsmeow_lid_map WHERE lid = ?)"
        return self._has_lids and bool(self.file.one(sql, user))


def person_of(text: str, chat: str | None, is_lid: Callable[[str], bool]) -> str | None:
    """The person that a sender column means; None when it is none (a group, a channel).

    It may hold the user part alone, without saying whether that is a number or a LID: ``is_lid`` knows.
    """
    jid = ids.canonical(text) if "@" in text else _by_user_part(re.split(r"[.:]", text.strip())[0], chat, is_lid)
    return jid if ids.is_person(jid) else None


def _by_user_part(user: str, chat: str | None, is_lid: Callable[[str], bool]) -> str:
    if chat is not None and user == ids.user_part(chat):
        return chat
    return f"{user}@lid" if is_lid(user) else ids.canonical(user)


def own_number(answer: str | None, found: set[str], file: str) -> str:
    """The account whose messages a file holds: what a person answered, else the only one that is linked there."""
    if answer is not None:
        jid = ids.canonical(answer)
        if ids.kind_of(jid) != "user" or not ids.bare_number(ids.user_part(jid)):
            raise BadField("phone", answer[:80], "must be a number with the country code, such as 919876543210")
        return jid
    if len(found) == 1:
        return next(iter(found))
    names = ", ".join(sorted(map(ids.user_part, found)))
    told = f"several accounts are linked there ({names})" if found else "it is not stored there"
    raise Question(f"Whose messages are in {file}? {told[0].upper()}{told[1:]}.", "--phone NUMBER", name="phone")
