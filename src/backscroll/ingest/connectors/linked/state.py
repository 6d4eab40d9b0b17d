"""Contacts, groups, settings of chats, channels and calls, as the account's other devices have them."""

from __future__ import annotations

from typing import Any

from backscroll.core.errors import Unreadable
from backscroll.core.events import ChatSeen, ContactSeen, Event
from backscroll.core.ids import canonical, is_person
from backscroll.core.model import Member
from backscroll.ingest.connectors.linked.told import SOURCE, Told
from backscroll.ingest.connectors.webhooks import wire
from backscroll.ingest.connectors.webhooks.proto_json import Node

_PEOPLE = (("Join", "add"), ("Leave", "leave"), ("Promote", "promote"), ("Demote", "demote"))
_REASONS = {"timeout": "missed", "reject": "rejected", "hangup": "missed", "accepted_elsewhere": "connected"}
_NEVER = 2**53


def contacts(told: Told, rows: list[Any]) -> list[Event]:
    """The address book, and names that people gave themselves."""
    events: list[Event] = []
    for row in map(Node, rows):
        jid, info = row.text("JID"), row.node("Info")
        if jid is None or not is_person(canonical(jid)):
            continue
        saved = info.text("FullName") or info.text("FirstName")
        push_name, business = info.text("PushName"), info.text("BusinessName")
        if saved or push_name or business:
            contact = ContactSeen(
                jid=canonical(jid),
                phone=told.phone,
                at=told.at,
                name=saved,
                push_name=None if told.is_own(jid) else push_name,
                business_name=business,
                is_business=True if business else None,
                is_saved=True if saved else None,
            )
            events.append(contact)
    return events


def settings(told: Told, rows: list[Any]) -> list[Event]:
    """Which chats are archived, pinned or muted."""
    events: list[Event] = []
    for row in map(Node, rows):
        jid = row.text("JID")
        if jid is None:
            continue
        until = row.real("MutedUntil") or 0.0
        events.append(
            ChatSeen(
                phone=told.phone,
                chat=canonical(jid),
                at=told.at,
                archived=bool(row.flag("Archived")),
                pinned=bool(row.flag("Pinned")),
                muted_until=wire.instant(until, SOURCE, "MutedUntil") if 0 < until < _NEVER else None,
            )
        )
    return events


def group(told: Told, node: Node) -> list[Event]:
    """A group with all its members. Its time of creation comes too coarse to be kept."""
    jid = node.text("JID")
    if jid is None:
        raise Unreadable(SOURCE, "JID", "has no group")
    mapped: list[Event] = []
    members = []
    for row in node.nodes("Participants"):
        spellings = row.text("PhoneNumber"), row.text("JID"), row.text("LID")
        person = told.person(*spellings)
        mapped += [event for other in spellings for event in wire.same_person(person, other)]
        if person is not None:
            admin, owner = bool(row.flag("IsAdmin")), bool(row.flag("IsSuperAdmin"))
            members.append(Member(jid=person, is_admin=admin or owner, is_super_admin=owner))
    ephemeral = node.node("GroupEphemeral")
    seen = ChatSeen(
        phone=told.phone,
        chat=canonical(jid),
        at=told.at,
        name=node.node("GroupName").text("Name"),
        description=node.node("GroupTopic").text("Topic"),
        ephemeral_seconds=(ephemeral.number("DisappearingTimer") or 0) if ephemeral else None,
        members=tuple(members) if members else None,
        is_exited=False,
    )
    return [*wire.unrepeated(mapped), seen]


def joined(told: Told) -> list[Event]:
    """The account came into a group."""
    return group(told, told.data.node("GroupInfo"))


def changed(told: Told) -> list[Event]:
    """A group changed: its name, description, people, or how it works."""
    data = told.data
    jid = data.text("JID")
    if jid is None:
        raise Unreadable(SOURCE, "JID", "has no group")
    at = wire.instant(data.number("Timestamp") or told.at // 1_000_000, SOURCE, "Timestamp")
    chat, by = canonical(jid), told.person(data.text("Sender"))
    name, topic, ephemeral = data.node("Name"), data.node("Topic"), data.node("Ephemeral")
    invite = data.text("NewInviteLink")
    events: list[Event] = []
    if name or topic or ephemeral or invite:
        seen = ChatSeen(
            phone=told.phone,
            chat=chat,
            at=at,
            name=name.text("Name"),
            description=(topic.text("Topic") or "") if topic else None,
            ephemeral_seconds=(ephemeral.number("DisappearingTimer") or 0) if ephemeral else None,
            invite_link=invite,
        )
        events.append(seen)
    lines = [("subject", bool(name)), ("description", bool(topic)), ("ephemeral", bool(ephemeral))]
    lines += [("restrict", bool(data.node("Locked"))), ("announce", bool(data.node("Announce")))]
    lines += [("delete", bool(data.node("Delete"))), ("invite_link", invite is not None)]
    events += [wire.notice_of(told.phone, chat, type, at, (), by) for type, told_so in lines if told_so]
    for field, type in _PEOPLE:
        people = [told.person(text) or text for text in data.texts(field)]
        if people:
            # Who is taken out by somebody else was removed, and did not leave.
            removed = type == "leave" and by is not None and by not in people
            events.append(wire.notice_of(told.phone, chat, "remove" if removed else type, at, people, by))
    if told.phone in [told.person(text) for text in data.texts("Leave")] or data.node("Delete"):
        events.append(ChatSeen(phone=told.phone, chat=chat, at=at, is_exited=True))
    return events


def channel(told: Told) -> list[Event]:
    """The account follows a channel."""
    node = told.data.node("NewsletterMetadata")
    jid = node.text("ID")
    if jid is None:
        raise Unreadable(SOURCE, "NewsletterMetadata.ID", "has no channel")
    meta = node.node("ThreadMeta")
    name, description = meta.node("Name").text("Text"), meta.node("Description").text("Text")
    chat = canonical(jid)
    return [
        ChatSeen(phone=told.phone, chat=chat, at=told.at, name=name, description=description, is_exited=False),
    ]


def left_channel(told: Told) -> list[Event]:
    """The account no longer follows a channel; ``Unreadable`` when none is named."""
    jid = told.data.text("ID")
    if jid is None:
        raise Unreadable(SOURCE, "ID", "has no channel")
    return [ChatSeen(phone=told.phone, chat=canonical(jid), at=told.at, is_exited=True)]


def call(told: Told) -> list[Event]:
    """Somebody calls, or a call is over. Both are told as one message, whose time is that of the call's beginning."""
    meta = told.data.node("basicCallMeta")
    id, at = meta.text("callID"), meta.number("timestamp")
    caller = told.person(meta.text("callCreator"), meta.text("callCreatorAlt")) or told.person(meta.text("from"))
    if id is None or caller is None or not at:
        raise Unreadable(SOURCE, "basicCallMeta", "has no call id or no caller")
    mapped = wire.same_person(meta.text("callCreator"), meta.text("callCreatorAlt"))
    other = told.person(meta.text("from"))
    chat = (other if told.is_own(caller) else caller) or caller
    if told.is_own(chat):
        return list(mapped)
    began = told.data.number("began") or at
    reason = told.data.text("reason")
    seen = wire.call_of(
        told.phone,
        chat,
        id,
        wire.instant(began, SOURCE, "basicCallMeta.timestamp"),
        caller,
        video=told.data.flag("video"),
        result=_REASONS.get(reason) if reason else None,
    )
    return [*mapped, seen]
