"""Periskope's other objects: chats, contacts, phones, notifications, reactions, and the lists around them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Raw, Struct

from backscroll.core.ids import is_person, kind_of
from backscroll.core.kinds import periskope_type
from backscroll.core.model import (
    Access,
    ArchivedMessage,
    Chat,
    ChatPage,
    Contact,
    ContactPage,
    Member,
    Page,
    Phone,
    Reaction,
    ReactionPage,
    RenderedPage,
)
from backscroll.dialects.links import Links
from backscroll.dialects.periskope.messages import Row, message_id_of, row_renderer, seen_at, sender_of
from backscroll.formats.jsontext import encode, jsonb
from backscroll.formats.periskope_ids import encode_message_id, shown_jid
from backscroll.formats.timestamps import postgres_text


class Options(Struct, frozen=True, kw_only=True):
    """``count`` is the number of all matching rows, or of those on this page for clients that stop at ``count <
    limit``.
    """

    count: Literal["total", "page"] = "total"


def render_messages(page: RenderedPage, options: Options) -> bytes:
    """A page of messages as ``rows_renderer`` renders them, without reactions."""
    return _listed("messages", page.rows, page.offset, page.total, options)


def render_message(archived: ArchivedMessage, access: Access, links: Links) -> bytes:
    """One message, its reactions included."""
    body = row_renderer(access, links)(archived)
    reactions = [reaction_object(reaction, archived, access) for reaction in archived.reactions]
    return body[:-1] + b',"reactions":' + encode(reactions) + b"}"


def render_status(archived: ArchivedMessage) -> bytes:
    """The delivery status of one message. Nothing is queued here, so the sending time is the message's own time."""
    message, ack = archived.message, archived.ack or 0
    quoted = message.details.quoted
    status, description = _STATUSES.get(ack, _STATUSES[0])
    sent_at = postgres_text(message.sent_at)
    return encode(
        {
            "queue_id": message.details.client_ref,
            "unique_id": message.key.id,
            "message_id": message_id_of(archived),
            "chat_id": shown_jid(message.key.chat),
            "performed_by": message.details.performed_by,
            "status": status,
            "status_description": description,
            "ack": ack,
            "message": {
                "body": message.text,
                "type": periskope_type(message.kind, message.details.type_name),
                "quoted_message_id": quoted.id if quoted else None,
            },
            "timeline": {"queued_at": sent_at, "sent_at": sent_at},
            "attempts": 1,
            "delivered_count": sum(receipt.delivered_at is not None for receipt in archived.receipts),
            "read_count": sum(seen_at(receipt) is not None for receipt in archived.receipts),
        }
    )


_STATUSES = {
    -1: ("failed", "The message could not be sent"),
    0: ("unknown", "Nothing is known about its delivery"),
    1: ("pending", "The message is waiting for WhatsApp's servers"),
    2: ("sent", "WhatsApp's servers accepted the message"),
    3: ("delivered", "The message was delivered to all recipients"),
    4: ("read", "The message was read by all recipients"),
    5: ("played", "The message was played by all recipients"),
}


def render_notifications(page: Page, access: Access, options: Options) -> bytes:
    """System messages, once under ``notifications`` and once under ``messages``: the clients disagree on the name."""
    rows = [encode(notification_object(archived, access)) for archived in page.messages]
    body = _listed("notifications", rows, page.offset, page.total, options)
    return body[:-1] + b',"messages":[' + b",".join(rows) + b"]}"


def notification_object(archived: ArchivedMessage, access: Access) -> dict[str, Any]:
    """A system message or call, with its keys in order."""
    message = archived.message
    key, notice, author = message.key, message.details.notice, sender_of(archived)
    kind = "call" if message.kind == "call" else (notice.type if notice else None)
    chat, unique_id = shown_jid(key.chat), key.id
    parts = ("true" if message.from_me else "false", chat, unique_id, author and shown_jid(author), kind)
    return {
        "org_id": access.org.id,
        "notification_id": "_".join(part for part in parts if part),
        "chat_id": chat,
        "author": author and shown_jid(author),
        "body": message.text,
        "id": {
            "id": unique_id,
            "fromMe": message.from_me,
            "remote": chat,
            "serialized": encode_message_id(message.from_me, key.chat, unique_id, author),
        },
        "recipientids": [shown_jid(jid) for jid in notice.recipients] if notice else [],
        "type": kind,
        "timestamp": postgres_text(message.sent_at),
        "org_phone": shown_jid(archived.phone.jid),
        "unique_id": unique_id,
        "metadata": jsonb(_notice_metadata(archived)),
    }


def _notice_metadata(archived: ArchivedMessage) -> dict[str, Any] | None:
    details = archived.message.details
    if details.call is None:
        return details.notice.metadata if details.notice else None
    call = details.call
    result = None if call.result is None else call.result.upper()
    return {**(call.metadata or {}), "isVideo": call.video, "isOutgoing": call.outgoing, "call_result": result}


def render_chats(page: ChatPage, access: Access, links: Links, options: Options) -> bytes:
    """A page of chats, each with its latest message."""
    row = row_renderer(access, links)
    rows = [encode(chat_object(chat, access, row)) for chat in page.chats]
    return _listed("chats", rows, page.offset, page.total, options)


def render_chat(chat: Chat, access: Access, links: Links) -> bytes:
    return encode(chat_object(chat, access, row_renderer(access, links)))


def chat_object(chat: Chat, access: Access, row: Row) -> dict[str, Any]:
    """A chat object; values that only a source could know are as the source reported them."""
    told = chat.extras or {}
    phone, members = shown_jid(chat.phone.jid), _members(chat, access)
    created_at = chat.created_at if chat.created_at is not None else chat.stored_at
    muted = None if chat.muted_until is None else chat.muted_until * 1000 > time.time_ns() or chat.muted_until < 0
    return {
        "org_id": access.org.id,
        "chat_id": shown_jid(chat.jid),
        "members": members,
        "org_phone": phone,
        "chat_name": chat.name,
        "chat_type": _chat_type(chat),
        "chat_image": chat.image,
        "created_at": postgres_text(created_at),
        "updated_at": postgres_text(chat.updated_at if chat.updated_at is not None else chat.changed_at),
        "assigned_to": told.get("assigned_to"),
        "member_count": len(members),
        "latest_message": Raw(row(chat.last_message)) if chat.last_message else None,
        "latest_message_timestamp": None if chat.last_message_at is None else chat.last_message_at // 1000,
        "message_unread_count": chat.unread,
        "unread_count": {} if chat.unread is None else {phone: chat.unread},
        "member_unread_count": jsonb(told.get("member_unread_count", {})),
        "label_ids": jsonb(_label_ids(chat, told.get("label_ids", {}))),
        "labels": chat.labels,
        "custom_properties": jsonb(told.get("custom_properties", {})),
        "chat_org_phones": [phone],
        "chat_access": jsonb(told.get("chat_access", {})),
        "override_chat_access": told.get("override_chat_access"),
        **_known(is_archived=chat.archived, is_pinned=chat.pinned),
        "is_muted": muted,
        "is_exited": chat.is_exited,
        "invite_link": chat.invite_link,
        "group_description": chat.description,
        "info_admins_only": bool(told.get("info_admins_only")),
        "messages_admins_only": bool(told.get("messages_admins_only")),
        **{name: jsonb(told.get(name)) for name in _TOLD_OF_CHATS},
        **_known(**{name: jsonb(told.get(name)) for name in _TOLD_IF_KNOWN}),
        "active_phone": None,
    }


_TOLD_OF_CHATS = (
    "parent_community_id",
    "add_members_admins_only",
    "initiated_by",
    "closed_at",
    "flag_count",
    "latest_mention_at",
    "ai_metadata",
    "hubspot_metadata",
)
_TOLD_IF_KNOWN = (
    "group_metadata",
    "member_closed_at",
    "flag_count_map",
    "pinned_messages",
    "snooze_metadata",
    "freshdesk_metadata",
    "zohodesk_metadata",
    "zohocrm_metadata",
)
"""Keys that the client's types allow to be absent, but not null."""


def _known(**values: Any) -> dict[str, Any]:
    """The keys whose values are known."""
    return {name: value for name, value in values.items() if value is not None}


def _label_ids(chat: Chat, told: Any) -> Any:
    """The ids that Periskope reported, and those of the phone's labels."""
    if not chat.phone_labels:
        return told
    return (told if isinstance(told, dict) else {}) | {label.id: True for label in chat.phone_labels}


def _chat_type(chat: Chat) -> str:
    if chat.kind == "user":
        return "business" if (chat.extras or {}).get("chat_type") == "business" else "user"
    return "group" if chat.kind == "group" else "unknown"


def _members(chat: Chat, access: Access) -> dict[str, Any]:
    """Members by id, in jsonb order. A private chat lists both sides as admins, as Periskope does."""
    members = chat.members
    if not members and is_person(chat.jid):
        sides = ((chat.phone.jid, chat.phone.name), (chat.jid, chat.name))
        members = tuple(Member(jid=jid, is_admin=True, name=name) for jid, name in sides)
    return jsonb({shown_jid(member.jid): _member(member, chat, access) for member in members})  # type: ignore[no-any-return]


def _member(member: Member, chat: Chat, access: Access) -> dict[str, Any]:
    return {
        "org_id": access.org.id,
        "chat_id": shown_jid(chat.jid),
        "is_admin": member.is_admin or member.is_super_admin,
        "org_phone": shown_jid(chat.phone.jid),
        "contact_id": shown_jid(member.jid),
        "is_internal": member.jid == chat.phone.jid,
        "contact_name": member.name,
        "contact_color": None,
        "contact_image": None,
        "is_super_admin": member.is_super_admin,
    }


def render_contacts(page: ContactPage, access: Access, options: Options) -> bytes:
    """A page of contacts."""
    rows = [encode(_contact(contact, access)) for contact in page.contacts]
    return _listed("contacts", rows, page.offset, page.total, options)


def render_contact(contact: Contact, access: Access) -> bytes:
    return encode(_contact(contact, access))


def _contact(contact: Contact, access: Access) -> dict[str, Any]:
    told = contact.extras or {}
    return {
        "chat_ids": [shown_jid(jid) for jid in contact.chats],
        "contact_color": told.get("contact_color"),
        "contact_id": shown_jid(contact.jid),
        "contact_image": contact.image,
        "contact_name": contact.display_name,
        "contact_type": told.get("contact_type", "user"),
        "is_imported": told.get("is_imported"),
        "is_internal": told.get("is_internal", any(contact.jid == phone.jid for phone in access.phones)),
        "is_my_contact": contact.is_saved,
        "is_wa_contact": told.get("is_wa_contact"),
        "labels": contact.labels,
        "org_id": access.org.id,
        "updated_at": postgres_text(contact.changed_at),
        "label_ids": jsonb(told.get("label_ids", {})),
        **_further(contact, access),
    }


def _further(contact: Contact, access: Access) -> dict[str, Any]:
    """Keys that the client's types have and the documented example lacks."""
    kind, shown = kind_of(contact.jid), shown_jid(contact.jid)
    user, _, server = shown.partition("@")
    return {
        "id": jsonb({"user": user, "server": server, "_serialized": shown}),
        "contact_lid": contact.lid,
        "name": contact.name,
        "short_name": None,
        "pushname": contact.push_name,
        "periskope_name": None,
        "verified_name": contact.business_name,
        "verified_level": None,
        "number": user if kind == "user" else None,
        "business_profile": None,
        "is_blocked": None,
        "is_business": contact.is_business,
        "is_enterprise": None,
        "is_group": kind == "group",
        "is_me": any(contact.jid == phone.jid for phone in access.phones),
        "is_user": kind == "user",
        "chats": None,
    }


def render_phones(phones: Iterable[Phone], access: Access, codes: Mapping[int, str] | None = None) -> bytes:
    """A bare array, without an envelope. ``codes``: by phone, what is to be scanned to link it."""
    return encode([phone_object(phone, access, (codes or {}).get(phone.no)) for phone in phones])


def render_phone(phone: Phone, access: Access, qr_code: str | None = None) -> bytes:
    """One phone, with what is to be scanned to link it."""
    return encode(phone_object(phone, access, qr_code))


_WA_STATES = {"CONNECTED": "CONNECTED", "CONNECTING": "OPENING", "DISCONNECTED": "DISCONNECTED"}
"""In the vocabulary of whatsapp-web.js, which Periskope uses."""


def phone_object(phone: Phone, access: Access, qr_code: str | None = None) -> dict[str, Any]:
    """A phone of the archive, connected to WhatsApp or not as reported by its live source."""
    created_at = postgres_text(phone.created_at)
    return {
        "org_id": access.org.id,
        "org_phone": shown_jid(phone.jid),
        "created_at": created_at,
        "updated_at": created_at,
        "wa_state": _WA_STATES.get(phone.state or ""),
        "phone_id": phone.phone_id,
        "qr_code": qr_code,
        "phone_image": None,
        "phone_name": phone.name,
        "first_connected_at": None,
        "is_ready": None if phone.state is None else phone.state == "CONNECTED",
        "label_ids": {},
        "labels": [],
    }


def render_reactions(page: ReactionPage, access: Access, options: Options, params: Mapping[str, str]) -> bytes:
    """A page of reactions; the time bounds are returned as they were sent."""
    rows = [encode(reaction_object(row.reaction, row.message, access)) for row in page.reactions]
    return _with_bounds(_listed("reactions", rows, page.offset, page.total, options), params)


def _with_bounds(body: bytes, params: Mapping[str, str]) -> bytes:
    """A list with the requested bounds; empty texts if there were none, because the client's types allow no null."""
    echoes = encode({name: params.get(name, "") for name in ("start_time", "end_time")})
    return body[:-1] + b"," + echoes[1:]


def reaction_object(reaction: Reaction, archived: ArchivedMessage, access: Access) -> dict[str, Any]:
    """A reaction to a message, in the order of its keys."""
    key, sender = archived.message.key, shown_jid(reaction.sender)
    message_id = message_id_of(archived)
    own_id = None
    if reaction.id is not None:
        own_id = encode_message_id(reaction.from_me, key.chat, reaction.id, reaction.sender)
    return {
        "ack": None,
        "chat_id": shown_jid(key.chat),
        "id": own_id and _id(reaction.id, key.chat, reaction.from_me, own_id),
        "message_id": message_id,
        "msg_id": _id(key.id, key.chat, archived.message.from_me, message_id),
        "org_id": access.org.id,
        "org_phone": shown_jid(archived.phone.jid),
        "orphan": 0,
        "orphan_reason": None,
        "reaction": reaction.emoji,
        "reaction_id": own_id or f"{message_id}_{sender}",
        "read": None,
        "sender_id": sender,
        "timestamp": None if reaction.at is None else postgres_text(reaction.at),
        "unique_id": reaction.id,
    }


def _id(unique_id: str | None, chat: str, from_me: bool, serialized: str) -> dict[str, Any]:
    return {"id": unique_id, "remote": shown_jid(chat), "from_me": from_me, "serialized": serialized}


def render_empty(name: str, offset: int = 0) -> bytes:
    """An empty list of something that this archive does not have: notes, tickets, queue, jobs …"""
    return _listed(name, [], offset, 0, Options())


def render_no_notes(offset: int, params: Mapping[str, str]) -> bytes:
    """The notes of an archive: none."""
    return _with_bounds(render_empty("notes", offset), params)


def render_no_knowledge() -> bytes:
    """The knowledge base: a list with a different envelope from the others."""
    return encode({"data": [], "count": 0})


def render_idle_queue() -> bytes:
    """The number of messages waiting to be sent, always 0."""
    return encode({"active": 0, "failed": 0, "completed": 0, "is_running": False, "pending": 0})


def render_no_broadcast(id: str | None, access: Access) -> bytes:
    """The progress of a broadcast, which this server never has."""
    counted = (
        *("total_chats", "sent_chats", "failed_chats", "pending_chats", "total_delivered_count", "total_read_count"),
        *("total_member_count", "delivered_percentage", "read_percentage"),
    )
    named = {} if id is None else {"broadcast_id": id}
    counts = dict.fromkeys(counted, 0)
    return encode({**named, "org_id": access.org.id, **counts, "broadcast_status": None, "logs": []})


def _listed(name: str, rows: list[bytes], offset: int, total: int, options: Options) -> bytes:
    count = total if options.count == "total" else len(rows)
    head = f'{{"from":{offset + 1},"to":{offset + len(rows)},"count":{count},"{name}":['.encode()
    if not rows:
        return head + b"]}"
    parts = [head + rows[0], *rows[1:]]
    parts[-1] += b"]}"
    # One join: a full page is three megabytes, which is worth copying only once.
    return b",".join(parts)
