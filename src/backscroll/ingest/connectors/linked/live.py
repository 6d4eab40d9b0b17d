"""Live messages, their changes, receipts, and messages that could not be decrypted."""

from __future__ import annotations

import base64
import binascii

from msgspec import structs

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.ids import is_person
from backscroll.core.model import Details, Message, MessageKey, Quote
from backscroll.ingest.connectors.linked.told import SOURCE, STATUS, Key, Told, hashed, key_of_source, target_of
from backscroll.ingest.connectors.webhooks import pins, proto_json, wire
from backscroll.ingest.connectors.webhooks.proto_json import Content, Node

_RECEIPTS = {"SENDER": 2, "DELIVERED": 3, "INACTIVE": 3, "READ": 4, "PLAYED": 5}
_READ_HERE = ("READ_SELF", "PLAYED_SELF")
_SILENT_ACTIONS = ("encReactionMessage", "encCommentMessage", "secretEncryptedMessage", "pollUpdateMessage")


def message(told: Told) -> list[Event]:
    """A message, or a message that changes another one. Nothing for the housekeeping between devices."""
    info = told.data.node("Info")
    key = key_of_source(told, info.node("MessageSource"), info.text("ID"))
    at = wire.instant(info.number("Timestamp") or 0, SOURCE, "Info.Timestamp")
    content = proto_json.read(told.data.raw("Message"))
    if content is None:
        return list(key.mapped)
    if content.action is not None:
        changes = action(told, key, content, at, id=info.text("ID"))
        return [*key.mapped, *changes] if changes else []
    return [*key.mapped, MessageSeen(_seen(told, key, content, at))]


def _seen(told: Told, key: Key, content: Content, at: int) -> Message:
    info, flag = told.data.node("Info"), told.data.flag
    once = flag("IsViewOnce") or flag("IsViewOnceV2") or flag("IsViewOnceV2Extension")
    details = content.details
    details = structs.replace(
        details,
        is_ephemeral=True if flag("IsEphemeral") else details.is_ephemeral,
        is_view_once=True if once else details.is_view_once,
        is_status=True if key.chat == STATUS else None,
        broadcast=True if key.broadcast else details.broadcast,
        push_name=None if key.from_me else info.text("Pushname"),
    )
    return Message(
        key=MessageKey(told.phone, key.chat, key.id, key.sender),
        sent_at=at,
        from_me=key.from_me,
        kind=content.kind,
        text=content.text,
        ack=2 if key.from_me else None,
        details=details,
    )


def action(told: Told, key: Key, content: Content, at: int, id: str | None) -> list[Event]:
    """What a message does to another one; nothing where that is none of the archive's business, or still encrypted."""
    node: Node = content.node
    match content.action:
        case "reactionMessage":
            return [_reaction(told, key, node, at, id)]
        case "protocolMessage":
            return _protocol(told, key, node, at)
        case proto_json.PIN:
            target = target_of(told, key, node.node("key"), "pinInChatMessage.key")
            return list(pins.pin_of(SOURCE, target, key.sender, node, at, content.lasts))
        case "pollUpdateMessage" if told.was_opened:
            return [_vote(told, key, node, at)]
        case "encReactionMessage" if told.was_opened:
            opened = Node({"key": node.node("targetMessageKey").value, **told.opened.value})
            return [_reaction(told, key, opened, at, id)]
        case "encCommentMessage" | "secretEncryptedMessage" if told.was_opened:
            return _opened(told, key, node, at, content.action == "encCommentMessage")
    return []


def is_kept(told: Told) -> bool:
    """Whether a payload that gave no event is kept, as a later version may read it, such as what is encrypted."""
    content = proto_json.read(told.data.raw("Message"))
    return content is not None and content.action != "protocolMessage"


def _reaction(told: Told, key: Key, node: Node, at: int, id: str | None) -> ReactionSet:
    if key.sender is None:
        raise Unreadable(SOURCE, "Info.MessageSource.Sender", "does not say who reacted")
    target = target_of(told, key, node.node("key"), "reactionMessage.key")
    when = node.number("senderTimestampMS")
    happened = wire.instant(when, SOURCE, "senderTimestampMS") if when else at
    return ReactionSet(target=target, by=key.sender, emoji=node.text("text") or "", at=happened, id=id)


def _protocol(told: Told, key: Key, node: Node, at: int) -> list[Event]:
    kind = node.raw("type")
    if kind is None and node.node("key"):
        # REVOKE is the number 0, which protobuf leaves out.
        kind = "REVOKE"
    if kind == "EPHEMERAL_SETTING":
        seconds = node.number("ephemeralExpiration") or 0
        return [ChatSeen(phone=told.phone, chat=key.chat, at=at, ephemeral_seconds=seconds)]
    if kind in proto_json.REVOKE:
        target = target_of(told, key, node.node("key"), "protocolMessage.key")
        by_admin = not is_person(key.chat) and target.sender is not None and target.sender != key.sender
        return [MessageRevoked(target=target, at=at, by=key.sender, by_admin=by_admin)]
    if kind in proto_json.EDIT:
        return _edit(told, key, node, at)
    return []


def _edit(told: Told, key: Key, node: Node, at: int) -> list[Event]:
    content = proto_json.read(node.raw("editedMessage"))
    if content is None or content.text is None:
        return []
    when = node.number("timestampMS")
    happened = wire.instant(when, SOURCE, "timestampMS") if when else at
    target = target_of(told, key, node.node("key"), "protocolMessage.key")
    target = structs.replace(target, sender=key.sender)
    return [MessageEdited(target=target, text=content.text, at=happened, by=key.sender)]


def _vote(told: Told, key: Key, node: Node, at: int) -> PollVoted:
    if key.sender is None:
        raise Unreadable(SOURCE, "Info.MessageSource.Sender", "does not say who voted")
    target = target_of(told, key, node.node("pollCreationMessageKey"), "pollUpdateMessage.pollCreationMessageKey")
    when = node.number("senderTimestampMS")
    happened = wire.instant(when, SOURCE, "senderTimestampMS") if when else at
    options = hashed(hex_of(option) for option in told.opened.texts("selectedOptions"))
    return PollVoted(target=structs.replace(target, sender=None), by=key.sender, options=options, at=happened)


def hex_of(text: str) -> str:
    """Base64 as hexadecimal digits."""
    try:
        return base64.b64decode(text, validate=True).hex()
    except (binascii.Error, ValueError):
        raise Unreadable(SOURCE, "selectedOptions", "is not Base64") from None


def _opened(told: Told, key: Key, node: Node, at: int, is_comment: bool) -> list[Event]:
    """An edit that came encrypted, or a comment on a message, which is a message itself."""
    content = proto_json.read(told.opened.value)
    if content is None:
        return []
    if content.action == "protocolMessage":
        return _protocol(told, key, content.node, at)
    target = target_of(told, key, node.node("targetMessageKey"), "targetMessageKey")
    if is_comment:
        quoted = Quote(id=target.id, sender=target.sender)
        answer = structs.replace(content, details=structs.replace(content.details, quoted=quoted))
        return [MessageSeen(_seen(told, key, answer, at))]
    if content.text is None or content.action is not None:
        return []
    target = structs.replace(target, sender=key.sender)
    return [MessageEdited(target=target, text=content.text, at=at, by=key.sender)]


def undecryptable(told: Told) -> list[Event]:
    """A message of which only the envelope can be read; a copy that the sender sends again fills it."""
    if told.data.text("DecryptFailMode") == "DECRYPT_FAIL_HIDE":
        return []
    info = told.data.node("Info")
    key = key_of_source(told, info.node("MessageSource"), info.text("ID"))
    at = wire.instant(info.number("Timestamp") or 0, SOURCE, "Info.Timestamp")
    details = Details(
        is_status=True if key.chat == STATUS else None,
        push_name=None if key.from_me else info.text("Pushname"),
    )
    seen = Message(
        key=MessageKey(told.phone, key.chat, key.id, key.sender),
        sent_at=at,
        from_me=key.from_me,
        kind="ciphertext",
        details=details,
    )
    return [*key.mapped, MessageSeen(seen)]


def receipt(told: Told) -> list[Event]:
    """How far own messages came with whom; or that this account's own phone read a chat."""
    ids = told.data.texts("MessageIDs")
    kind = told.data.text("Type") or "DELIVERED"
    if not ids:
        raise Unreadable(SOURCE, "MessageIDs", "has no message id")
    source = told.data.node("MessageSource")
    key = key_of_source(told, source, ids[0])
    at = wire.instant(told.data.number("Timestamp") or 0, SOURCE, "Timestamp")
    if kind in _READ_HERE or (kind == "READ" and key.from_me):
        return [*key.mapped, ChatSeen(phone=told.phone, chat=key.chat, at=at, unread=0)]
    ack = _RECEIPTS.get(kind)
    if ack is None or (key.from_me and ack > 2):
        return []
    participant = None if is_person(key.chat) or key.from_me else key.sender
    targets = [Target(told.phone, key.chat, id, told.phone) for id in ids]
    return [
        *key.mapped,
        *(ReceiptSet(target=target, ack=ack, participant=participant, at=at) for target in targets),
    ]
