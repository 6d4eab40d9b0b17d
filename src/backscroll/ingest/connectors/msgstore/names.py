"""People and chats of an Android phone: wa.db, and the tables of chats and groups in msgstore.db."""

from __future__ import annotations

from typing import Any

from backscroll.core import ids
from backscroll.core.events import ChatLabeled, ChatSeen, ContactSeen, LabelSeen, NumberMapped
from backscroll.core.limits import MAX_COLOR
from backscroll.core.model import Member
from backscroll.ingest.connectors.foreign.rows import Row
from backscroll.ingest.connectors.msgstore.content import moment
from backscroll.ingest.connectors.msgstore.records import Jids


def contact_of(row: Row, phone: str) -> ContactSeen | None:
    """A row of ``wa_contacts``; None for groups, and if it contains nothing useful."""
    jid = ids.canonical(row.key("jid"))
    if not ids.is_person(jid):
        return None
    name = row.text("display_name") or _full_name(row)
    push_name, about = row.text("wa_name"), row.text("status")
    username = row.text("username")
    if not (name or push_name or about or username):
        return None
    extras = {"about": about, "username": username, "company": row.text("company")}
    return ContactSeen(
        jid=jid,
        phone=phone,
        name=name,
        push_name=push_name,
        is_saved=True if name else None,
        extras={field: value for field, value in extras.items() if value} or None,
    )


def _full_name(row: Row) -> str | None:
    return " ".join(filter(None, (row.text("given_name"), row.text("family_name")))) or None


def business_of(row: Row, phone: str) -> ContactSeen | None:
    """A row of ``wa_vnames``: the name that WhatsApp verified."""
    name = row.text("verified_name")
    if name is None:
        return None
    return ContactSeen(jid=ids.canonical(row.key("jid")), phone=phone, business_name=name, is_business=True)


def description_of(row: Row, phone: str) -> ChatSeen | None:
    """A row of ``wa_group_descriptions``."""
    text = row.text("description")
    return ChatSeen(phone=phone, chat=ids.canonical(row.key("jid")), description=text) if text else None


def mapping_of(row: Row, jids: Jids) -> NumberMapped | None:
    """A row of ``jid_map``: a hidden id and the number behind it."""
    lid, number = jids.get(row.values.get("lid_row_id")), jids.get(row.values.get("jid_row_id"))
    if lid is None or number is None or ids.kind_of(lid) != "lid" or ids.kind_of(number) != "user":
        return None
    return NumberMapped(lid=lid, jid=number)


def shown_name_of(row: Row, phone: str, jids: Jids) -> ContactSeen | None:
    """A row of ``lid_display_name``: what somebody calls themselves whose number is hidden."""
    lid, name, username = jids.get(row.values.get("lid_row_id")), row.text("display_name"), row.text("username")
    if lid is None or not (name or username):
        return None
    return ContactSeen(jid=lid, phone=phone, push_name=name, extras={"username": username} if username else None)


def chat_of(row: Row, phone: str, jids: Jids, members: list[Row], newsletter: Row | None) -> ChatSeen | None:
    """A chat with what the phone knows of it; None where its id is not told."""
    chat = jids.get(row.values.get("jid_row_id"))
    if chat is None:
        return None
    unread = row.values.get("unseen_message_count")
    archived, ephemeral = row.values.get("archived"), row.values.get("ephemeral_expiration")
    return ChatSeen(
        phone=phone,
        chat=chat,
        name=row.text("subject") or (newsletter.text("name") if newsletter else None),
        unread=unread if isinstance(unread, int) and unread >= 0 else None,
        archived=bool(archived) if archived is not None else None,
        ephemeral_seconds=ephemeral if isinstance(ephemeral, int) and ephemeral > 0 else None,
        description=newsletter.text("description") if newsletter else None,
        members=_members(members, phone, jids) if ids.kind_of(chat) == "group" else None,
        created_at=moment(row, "created_timestamp"),
        last_message_at=moment(row, "sort_timestamp"),
    )


def label_of(row: Row, phone: str) -> LabelSeen | None:
    """A row of ``labels``, which WhatsApp Business and newer phones have; its number is the label's id everywhere."""
    name, color = row.text("label_name"), row.values.get("color_id")
    known = isinstance(color, int) and 0 <= color <= MAX_COLOR
    if name is None:
        return None
    return LabelSeen(phone=phone, id=str(row.no), name=name, color=color if known else None)


def labeled_of(row: Row, phone: str, jids: Jids) -> ChatLabeled | None:
    """A row of ``labeled_jid``, or of ``labeled_jids`` of older phones: a label that a chat has."""
    told, label = row.text("jid"), row.number("label_id")
    chat = ids.canonical(told) if told and "@" in told else jids.get(row.values.get("jid_row_id"))
    if chat is None or label is None:
        return None
    return ChatLabeled(phone=phone, chat=chat, label=str(label))


def _members(rows: list[Row], phone: str, jids: Jids) -> tuple[Member, ...] | None:
    found: dict[str, Member] = {}
    for row in rows:
        jid, rank = _member_jid(row, phone, jids), row.values.get("rank", row.values.get("admin"))
        if jid is not None:
            found[jid] = Member(jid=jid, is_admin=rank in (1, 2), is_super_admin=rank == 2)
    return tuple(found.values()) or None


def _member_jid(row: Row, phone: str, jids: Jids) -> str | None:
    """The phone's owner stands there as an empty id."""
    told: Any = row.values.get("jid")
    if isinstance(told, str):
        return ids.canonical(told) if "@" in told else phone
    return jids.person(row.values.get("user_jid_row_id"))
