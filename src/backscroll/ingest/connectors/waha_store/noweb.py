"""Rows of NOWEB's store, which are Baileys' objects in JSON, as events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from backscroll.core import ids
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Member, Message
from backscroll.ingest.connectors.foreign.rows import Row
from backscroll.ingest.connectors.foreign.stages import Told
from backscroll.ingest.connectors.waha_store.files import file_of
from backscroll.ingest.connectors.webhooks import evolution, pins, wire
from backscroll.ingest.connectors.webhooks.proto_json import Node, as_bytes

SOURCE = "waha"
_STATUSES = ("ERROR", "PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ", "PLAYED")
_RECEIPTS = (("receiptTimestamp", 3), ("readTimestamp", 4), ("playedTimestamp", 5))


def mapping_of(row: Row) -> NumberMapped | None:
    """A hidden id and its number."""
    lid, number = ids.canonical(row.key("id")), ids.canonical(row.key("pn"))
    if ids.kind_of(lid) != "lid" or ids.kind_of(number) != "user":
        return None
    return NumberMapped(lid=lid, jid=number)


def contact_of(data: dict[str, Any], phone: str) -> list[Event]:
    """A contact: ``name`` is what the phone saved, ``notify`` what the person chose."""
    node = Node(data)
    jid = node.text("id")
    if jid is None or not ids.is_person(ids.canonical(jid)):
        return []
    mapped: list[Event] = [*wire.same_person(jid, node.text("lid")), *wire.same_person(jid, node.text("phoneNumber"))]
    name, push_name, business = node.text("name"), node.text("notify"), node.text("verifiedName")
    image = node.text("imgUrl")
    image = image if image and image.startswith("https://") else None
    if not (name or push_name or business or image):
        return mapped
    seen = ContactSeen(
        jid=ids.canonical(jid),
        phone=phone,
        name=name,
        push_name=push_name,
        business_name=business,
        image=image,
        is_business=True if business else None,
        is_saved=True if name else None,
    )
    return [*mapped, seen]


def chat_of(data: dict[str, Any], phone: str) -> list[Event]:
    """A chat with its state."""
    node = Node(data)
    jid = node.text("id")
    if jid is None or "@" not in jid:
        return []
    chat, unread, pinned = ids.canonical(jid), node.number("unreadCount"), node.raw("pinned")
    name, at, muted = node.text("name"), node.number("conversationTimestamp"), node.number("muteEndTime")
    mapped: list[Event] = [*wire.same_person(jid, node.text("lidJid")), *wire.same_person(jid, node.text("pnJid"))]
    seen = ChatSeen(
        phone=phone,
        chat=chat,
        name=None if name in (chat, ids.user_part(chat)) or ids.is_person(chat) else name,
        unread=unread if unread is not None and unread >= 0 else None,
        archived=node.flag("archived"),
        pinned=bool(pinned) if pinned is not None else None,
        muted_until=wire.instant(muted, SOURCE, "muteEndTime") if muted and muted > 0 else None,
        ephemeral_seconds=node.number("ephemeralExpiration") or None,
        last_message_at=wire.instant(at, SOURCE, "conversationTimestamp") if at and at > 0 else None,
    )
    return [*mapped, seen]


def labeled_of(data: dict[str, Any], phone: str) -> list[Event]:
    """That a chat has a label; labels of messages are left out."""
    node = Node(data)
    chat, label = node.text("chatId"), node.text("labelId")
    if node.text("type") != "label_jid" or chat is None or "@" not in chat or label is None:
        return []
    return [ChatLabeled(phone=phone, chat=ids.canonical(chat), label=label)]


def group_of(data: dict[str, Any], phone: str) -> list[Event]:
    """A group with its members."""
    node = Node(data)
    jid = node.text("id")
    if jid is None:
        return []
    people = node.nodes("participants")
    mapped = [
        event
        for person in people
        for other in ("phoneNumber", "lid", "jid")
        for event in wire.same_person(person.text("id"), person.text(other))
    ]
    members = tuple(member for person in people if (member := _member(person)))
    created = node.number("creation")
    seen = ChatSeen(
        phone=phone,
        chat=ids.canonical(jid),
        name=node.text("subject"),
        description=node.text("desc"),
        members=members or None,
        created_at=wire.instant(created, SOURCE, "creation") if created and created > 0 else None,
        ephemeral_seconds=node.number("ephemeralDuration") or None,
    )
    return [*mapped, seen]


def _member(person: Node) -> Member | None:
    jid = wire.number_first(*(person.text(name) for name in ("id", "phoneNumber", "jid")))
    role = person.text("admin")
    if jid is None:
        return None
    return Member(jid=jid, is_admin=role in ("admin", "superadmin"), is_super_admin=role == "superadmin")


def message_of(data: dict[str, Any], phone: str) -> Told:
    """A ``WebMessageInfo``: the message, and what Baileys noted on it. ``Unreadable`` where it makes no sense."""
    status = data.get("status")
    named = _STATUSES[status] if isinstance(status, int) and 0 <= status < len(_STATUSES) else status
    node = Node({**data, "status": named})
    told = Told(evolution.message_events(phone, node))
    for at, event in enumerate(told.events):
        if isinstance(event, MessageSeen):
            message = _noted(event.message, node)
            key = message.key
            target = Target(phone, key.chat, key.id, key.sender)
            if message.details.is_edited and message.text is not None:
                # Baileys replaces text and time by those of the edit.
                told.events.append(MessageEdited(target=target, text=message.text, at=message.sent_at))
                details = msgspec.structs.replace(message.details, precision="minute")
                message = msgspec.structs.replace(message, text=None, details=details)
            told.events[at] = MessageSeen(message)
            told.events += _changes(node, message, target)
            if (file := file_of(message)) is not None:
                told.files.append(file)
            break
    return told


def _noted(message: Message, node: Node) -> Message:
    details = msgspec.structs.replace(
        message.details,
        is_starred=True if node.flag("starred") else None,
        is_edited=True if node.node("message").raw("editedMessage") else None,
    )
    return msgspec.structs.replace(message, details=details)


def _changes(node: Node, message: Message, target: Target) -> Iterator[Event]:
    phone, chat = target.phone, target.chat
    for reaction in node.nodes("reactions"):
        by = _person(reaction.node("key"), phone, chat)
        at = reaction.number("senderTimestampMs")
        if by is not None:
            when = wire.instant(at, SOURCE, "senderTimestampMs") if at else None
            yield ReactionSet(target=target, by=by, emoji=reaction.text("text") or "", at=when)
    if message.from_me:
        yield from _receipts(node, target)
    yield from _votes(node, message, target)
    yield from pins.noted_pins(SOURCE, target, node, lambda key: _person(key, phone, chat))


def _person(key: Node, phone: str, chat: str) -> str | None:
    """Who reacted, voted or pinned: the key is that of their own message."""
    if not key:
        return None
    if key.flag("fromMe"):
        return phone
    told = wire.number_first(key.text("participant"), key.text("participantAlt"))
    return told or (chat if ids.is_person(chat) else None)


def _receipts(node: Node, target: Target) -> Iterator[Event]:
    for receipt in node.nodes("userReceipt"):
        who = wire.jid_or_none(receipt.text("userJid"))
        for name, ack in _RECEIPTS:
            at = receipt.number(name)
            if at and at > 0:
                person = None if ids.is_person(target.chat) else who
                yield ReceiptSet(target=target, ack=ack, participant=person, at=wire.instant(at, SOURCE, name))


def _votes(node: Node, message: Message, target: Target) -> Iterator[Event]:
    """Votes name their options by hash."""
    poll = message.details.poll
    if poll is None:
        return
    names = {hashlib.sha256(option.encode("utf-8", "replace")).digest(): option for option in poll.options}
    for update in node.nodes("pollUpdates"):
        by = _person(update.node("pollUpdateMessageKey"), target.phone, target.chat)
        at = update.number("senderTimestampMs")
        chosen = update.node("vote").raw("selectedOptions")
        if by is None or not at or not isinstance(chosen, list):
            continue
        hashes = (as_bytes(item) for item in chosen)
        options = tuple(names[hash] for hash in hashes if hash in names)
        yield PollVoted(target=target, by=by, options=options, at=wire.instant(at, SOURCE, "senderTimestampMs"))
