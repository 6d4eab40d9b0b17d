"""Rows of GOWS's store, which are whatsmeow's events in JSON, as events of ours."""

from __future__ import annotations

from typing import Any

from backscroll.core import ids
from backscroll.core.errors import Unreadable
from backscroll.core.events import ChatLabeled, ChatSeen, Event, MessageSeen
from backscroll.core.model import Member
from backscroll.ingest.connectors.foreign.stages import Told
from backscroll.ingest.connectors.waha_store.files import file_of
from backscroll.ingest.connectors.webhooks import evolution, wire
from backscroll.ingest.connectors.webhooks.proto_json import Node

SOURCE = "waha"


def message_of(data: dict[str, Any], phone: str) -> Told:
    """A stored event: a message, or a change of one. ``Unreadable`` where it makes no sense."""
    node = Node(data)
    if not node.node("Info") and node.node("Message").node("Info"):
        node = node.node("Message")
    told = Told(evolution.message_events(phone, Node(_as_baileys(node))))
    for event in told.events:
        if isinstance(event, MessageSeen) and (file := file_of(event.message)) is not None:
            told.files.append(file)
    return told


def _as_baileys(node: Node) -> dict[str, Any]:
    """The event under the names that Baileys gives the same things."""
    info = node.node("Info")
    chat, at = info.text("Chat"), info.text("Timestamp")
    if chat is None or at is None:
        raise Unreadable(SOURCE, "Info", "has no chat or no time")
    from_me = info.flag("IsFromMe") or False
    key: dict[str, Any] = {"remoteJid": chat, "id": info.text("ID"), "fromMe": from_me}
    if ids.is_person(ids.canonical(chat)):
        key["remoteJidAlt"] = info.text("RecipientAlt" if from_me else "SenderAlt")
    else:
        key |= {"participant": info.text("Sender"), "participantAlt": info.text("SenderAlt")}
    seconds = wire.instant(at, SOURCE, "Info.Timestamp") // 1_000_000
    return {
        "key": key,
        "pushName": info.text("PushName"),
        "message": node.raw("Message"),
        "messageTimestamp": seconds,
    }


def chat_of(data: dict[str, Any], phone: str) -> list[Event]:
    """A chat that the history sync named; ``data`` is its conversation."""
    node = Node(data)
    jid = node.text("ID") or node.text("Jid")
    if jid is None or "@" not in jid:
        return []
    chat, name, unread = ids.canonical(jid), node.text("name"), node.number("unreadCount")
    mapped: list[Event] = [*wire.same_person(jid, node.text("lidJID")), *wire.same_person(jid, node.text("pnJID"))]
    seen = ChatSeen(
        phone=phone,
        chat=chat,
        name=None if ids.is_person(chat) else name,
        unread=unread if unread is not None and unread >= 0 else None,
        archived=node.flag("archived"),
        ephemeral_seconds=node.number("ephemeralExpiration") or None,
    )
    return [*mapped, seen]


def labeled_of(data: dict[str, Any], phone: str) -> list[Event]:
    """That a chat has a label."""
    node = Node(data)
    chat, label = node.text("jid"), node.text("label_id")
    if chat is None or "@" not in chat or label is None:
        return []
    return [ChatLabeled(phone=phone, chat=ids.canonical(chat), label=label)]


def group_of(data: dict[str, Any], phone: str) -> list[Event]:
    """A group with its members, as whatsmeow's ``GroupInfo`` tells them."""
    node = Node(data)
    jid = node.text("JID")
    if jid is None:
        return []
    people = node.nodes("Participants")
    mapped = [event for person in people for event in wire.same_person(person.text("LID"), person.text("PhoneNumber"))]
    members = tuple(member for person in people if (member := _member(person)))
    created = node.text("GroupCreated")
    known = created is not None and not created.startswith("0001")
    seen = ChatSeen(
        phone=phone,
        chat=ids.canonical(jid),
        name=node.text("Name"),
        description=node.text("Topic"),
        members=members or None,
        created_at=wire.instant(created, SOURCE, "GroupCreated") if created and known else None,
        ephemeral_seconds=node.number("DisappearingTimer") or None,
    )
    return [*mapped, seen]


def _member(person: Node) -> Member | None:
    jid = wire.number_first(person.text("JID"), person.text("PhoneNumber"))
    if jid is None:
        return None
    chief = person.flag("IsSuperAdmin") or False
    return Member(jid=jid, is_admin=chief or person.flag("IsAdmin") or False, is_super_admin=chief)
