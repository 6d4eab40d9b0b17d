"""Notifications, chats, contacts, reactions and phones of an answer as events."""

from __future__ import annotations

from typing import Any

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    Target,
)
from backscroll.core.model import Call, Details, Member, Message, MessageKey, Notice
from backscroll.formats.periskope_ids import decode_message_id, is_phone_id
from backscroll.ingest.connectors.periskope.ids import parts_of
from backscroll.ingest.connectors.periskope.pages import Observed
from backscroll.ingest.connectors.periskope.values import (
    SOURCE,
    jid_of,
    jid_or_none,
    time_of,
)
from backscroll.ingest.connectors.periskope.wire import (
    WireChat,
    WireContact,
    WireMember,
    WireNotification,
    WirePhone,
    WireReaction,
)


def tell_notification(wire: WireNotification) -> Observed:
    """A group event or a call as a message of its chat."""
    parts = parts_of(wire.notification_id, wire.unique_id, wire.id, wire.chat_id)
    phone = jid_of(wire.org_phone)
    author = jid_or_none(wire.author)
    at = time_of(wire.timestamp, "timestamp")
    call = _call(wire.metadata or {}) if wire.type == "call" else None
    notice = Notice(type=wire.type, recipients=tuple(map(jid_of, wire.recipients or ())), metadata=wire.metadata)
    message = Message(
        key=MessageKey(phone, parts.chat, parts.id, author),
        sent_at=at,
        from_me=author == phone,
        kind="call" if call else "notice",
        text=wire.body,
        details=Details(call=call, notice=notice),
    )
    return [PhoneSeen(jid=phone), MessageSeen(message)], at


def _call(metadata: dict[str, Any]) -> Call:
    video, outgoing, result = (metadata.get(name) for name in ("isVideo", "isOutgoing", "call_result"))
    return Call(
        video=video if isinstance(video, bool) else None,
        outgoing=outgoing if isinstance(outgoing, bool) else None,
        result=result.lower() if isinstance(result, str) else None,
        metadata=metadata or None,
    )


def tell_chat(wire: WireChat, extras: dict[str, Any] | None) -> Observed:
    """A chat as each phone that has it sees it."""
    phones = dict.fromkeys(jid_of(phone) for phone in (wire.org_phone, *(wire.chat_org_phones or ())) if phone)
    if not phones:
        raise Unreadable(SOURCE, "org_phone", "the chat does not say which phone has it")
    updated_at = None if wire.updated_at is None else time_of(wire.updated_at, "updated_at")
    created_at = None if wire.created_at is None else time_of(wire.created_at, "created_at")
    events: list[Event] = [PhoneSeen(jid=phone) for phone in phones]
    events += [
        ChatSeen(
            phone=phone,
            chat=jid_of(wire.chat_id),
            at=updated_at,
            name=wire.chat_name or None,
            image=wire.chat_image or None,
            unread=_unread(wire, phone),
            archived=wire.is_archived,
            pinned=wire.is_pinned,
            description=wire.group_description or None,
            invite_link=wire.invite_link or None,
            members=_members(wire.members),
            is_exited=wire.is_exited,
            created_at=created_at,
            updated_at=updated_at,
            labels=_labels(wire),
            extras=extras,
        )
        for phone in phones
    ]
    return events, None


def _unread(wire: WireChat, phone: str) -> int | None:
    if isinstance(wire.unread_count, dict):
        by_phone = {jid_of(own): number for own, number in wire.unread_count.items()}
        return by_phone.get(phone, wire.message_unread_count)
    return wire.unread_count if wire.unread_count is not None else wire.message_unread_count


def _members(wire: dict[str, WireMember | None] | list[WireMember] | None) -> tuple[Member, ...] | None:
    if wire is None:
        return None
    named = wire.items() if isinstance(wire, dict) else ((member.contact_id or "", member) for member in wire)
    return tuple(_member(jid, member or WireMember()) for jid, member in named if jid)


def _member(jid: str, wire: WireMember) -> Member:
    return Member(
        jid=jid_of(wire.contact_id or jid),
        is_admin=bool(wire.is_admin),
        is_super_admin=bool(wire.is_super_admin),
        name=wire.contact_name or None,
    )


def _labels(wire: WireChat) -> tuple[str, ...] | None:
    if wire.labels is not None:
        return tuple(wire.labels)
    if wire.chat_labels is not None:
        return tuple(label.strip() for label in wire.chat_labels.split(",") if label.strip())
    return None


def tell_contact(wire: WireContact, extras: dict[str, Any] | None) -> Observed:
    """A contact, and its LID where one is told."""
    jid = jid_of(wire.contact_id)
    contact = ContactSeen(
        jid=jid,
        at=None if wire.updated_at is None else time_of(wire.updated_at, "updated_at"),
        name=wire.contact_name or None,
        push_name=wire.pushname or None,
        business_name=wire.verified_name or None,
        image=wire.contact_image or None,
        is_business=wire.is_business,
        is_saved=wire.is_my_contact,
        labels=None if wire.labels is None else tuple(wire.labels),
        extras=extras,
    )
    lid = jid_or_none(wire.contact_lid)
    mapped: list[Event] = [NumberMapped(lid=lid, jid=jid)] if lid and lid != jid and lid.endswith("@lid") else []
    return [*mapped, contact], None


def tell_reaction(wire: WireReaction) -> Observed:
    """A reaction, and when it was given."""
    told = decode_message_id(wire.message_id, wire.chat_id)
    chat, phone = wire.chat_id or told.chat, jid_of(wire.org_phone)
    if not chat:
        raise Unreadable(SOURCE, "chat_id", "the reaction has no chat")
    sender = told.sender or (phone if told.from_me else None)
    at = None if wire.timestamp is None else time_of(wire.timestamp, "timestamp")
    reaction = ReactionSet(
        target=Target(phone, jid_of(chat), told.id, sender),
        by=jid_of(wire.sender_id),
        emoji=wire.reaction or "",
        at=at,
        id=wire.reaction_id,
    )
    return [PhoneSeen(jid=phone), reaction], at


def tell_phone(wire: WirePhone) -> Observed:
    """An own phone."""
    ours = wire.phone_id if wire.phone_id and is_phone_id(wire.phone_id) else None
    created_at = None if wire.created_at is None else time_of(wire.created_at, "created_at")
    name = wire.phone_name or None
    return [PhoneSeen(jid=jid_of(wire.org_phone), name=name, phone_id=ours, created_at=created_at)], None
