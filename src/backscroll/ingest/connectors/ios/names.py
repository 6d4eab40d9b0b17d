"""People and chats of an iPhone: address book, hidden ids, names that people gave themselves, sessions and groups."""

from __future__ import annotations

import math
import re

from backscroll.core import ids
from backscroll.core.events import ChatSeen, ContactSeen, Event, NumberMapped
from backscroll.core.limits import LATEST
from backscroll.core.model import Member
from backscroll.ingest.connectors.foreign.rows import Row

APPLE_EPOCH = 978_307_200
"""2001-01-01, from which Apple counts seconds."""
_DIRECTION = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
_NUMBER = re.compile(r"[+\d\s()./\-\u00a0\u2010\u2011]*")
_STATUS = re.compile(r"(\d+)@(lid\.)?status")
STATUS = "status@broadcast"


def moment(row: Row | None, *columns: str) -> int | None:
    """The first of some times in seconds since 2001, as microseconds since 1970, to the millisecond."""
    for column in columns:
        value = None if row is None else row.values.get(column)
        if isinstance(value, int | float) and math.isfinite(value) and value > 0:
            at = (round(value * 1000) + APPLE_EPOCH * 1000) * 1000
            if at <= LATEST:
                return at
    return None


def jid_of(value: object, server: str | None = None) -> str | None:
    """A JID as the phone writes it, or digits of ``server``; None for anything else."""
    if not isinstance(value, str) or "\0" in value:
        return None
    told = value.strip()
    if "@" not in told:
        digits = told.lstrip("+")
        if server is None or not (digits.isascii() and digits.isdigit()):
            return None
        told = f"{digits}@{server}"
    status = _STATUS.fullmatch(told)
    return STATUS if status else ids.canonical(told)


def person_of(value: object) -> str | None:
    """The same, where somebody is behind it; the author of a status is told by the chat of their status."""
    status = _STATUS.fullmatch(value.strip()) if isinstance(value, str) else None
    if status:
        return f"{status[1]}@{'lid' if status[2] else 's.whatsapp.net'}"
    jid = jid_of(value)
    return jid if jid is not None and ids.is_person(jid) else None


def plain_name(text: str | None) -> str | None:
    """A name without marks of direction; None where it is only a number."""
    name = _without_marks(text)
    return None if name is None or _NUMBER.fullmatch(name) else name


def _without_marks(text: str | None) -> str | None:
    return (text or "").translate(_DIRECTION).strip() or None


def mapped(lid: object, number: object) -> NumberMapped | None:
    """A hidden id and the number behind it, in either form."""
    hidden, jid = jid_of(lid, "lid"), jid_of(number, "s.whatsapp.net")
    if hidden is None or jid is None or ids.kind_of(hidden) != "lid" or ids.kind_of(jid) != "user":
        return None
    return NumberMapped(lid=hidden, jid=jid)


def contact_of(row: Row, phone: str) -> list[Event]:
    """A row of the address book, ``ZWAADDRESSBOOKCONTACT``."""
    told: list[Event] = []
    jid = jid_of(row.values.get("ZWHATSAPPID"), "s.whatsapp.net") or jid_of(row.values.get("ZLID"), "lid")
    if (mapping := mapped(row.values.get("ZLID"), row.values.get("ZWHATSAPPID"))) is not None:
        told.append(mapping)
    name, about = plain_name(row.text("ZFULLNAME")), row.text("ZABOUTTEXT")
    if jid is not None and ids.is_person(jid) and (name or about):
        told.append(
            ContactSeen(
                jid=jid,
                phone=phone,
                name=name,
                business_name=row.text("ZBUSINESSNAME"),
                is_saved=True if name else None,
                extras={"about": about} if about else None,
            )
        )
    return told


def account_of(row: Row, phone: str) -> list[Event]:
    """A row of ``ZWAZACCOUNT`` or ``ZWAPHONENUMBERLIDPAIR`` in LID.sqlite."""
    lid = row.values.get("ZIDENTIFIER", row.values.get("ZLID"))
    mapping, name = mapped(lid, row.values.get("ZPHONENUMBER")), plain_name(row.text("ZDISPLAYNAME"))
    told: list[Event] = [mapping] if mapping is not None else []
    jid = jid_of(lid, "lid")
    if jid is not None and name and ids.is_person(jid):
        told.append(ContactSeen(jid=jid, phone=phone, push_name=name))
    return told


def push_name_of(row: Row, phone: str) -> ContactSeen | None:
    """A row of ``ZWAPROFILEPUSHNAME``."""
    jid, name = person_of(row.values.get("ZJID")), row.text("ZPUSHNAME")
    return ContactSeen(jid=jid, phone=phone, push_name=name) if jid is not None and name else None


def chat_of(row: Row, phone: str, members: list[Row], group: Row | None) -> list[Event]:
    """A row of ``ZWACHATSESSION`` with the members of its group."""
    chat, behind = jid_of(row.values.get("ZCONTACTJID")), row.values.get("ZCONTACTIDENTIFIER")
    if chat is None:
        return []
    told: list[Event] = []
    for lid, number in ((chat, behind), (behind, chat)):
        if (mapping := mapped(lid, number)) is not None:
            told.append(mapping)
    unread, archived = row.values.get("ZUNREADCOUNT"), row.values.get("ZARCHIVED")
    is_group, name = ids.kind_of(chat) == "group", row.text("ZPARTNERNAME")
    if chat != STATUS:
        told.append(
            ChatSeen(
                phone=phone,
                chat=chat,
                name=_without_marks(name) if is_group else plain_name(name),
                unread=unread if isinstance(unread, int) and unread >= 0 else None,
                archived=bool(archived) if archived is not None else None,
                members=_members(members) if is_group else None,
                created_at=moment(group, "ZCREATIONDATE"),
                last_message_at=moment(row, "ZLASTMESSAGEDATE"),
            )
        )
    return told


def _members(rows: list[Row]) -> tuple[Member, ...] | None:
    found: dict[str, Member] = {}
    for row in rows:
        jid = person_of(row.values.get("ZMEMBERJID"))
        if jid is not None and row.values.get("ZISACTIVE") != 0:
            found[jid] = Member(jid=jid, is_admin=row.values.get("ZISADMIN") in (1, 2))
    return tuple(found.values()) or None
