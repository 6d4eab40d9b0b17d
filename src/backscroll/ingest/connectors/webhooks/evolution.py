"""Payloads of Evolution API: Baileys' events in an envelope that contains the instance's API key. See evolution.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.ids import GROUP, LID, canonical, is_person, kind_of, user_part
from backscroll.core.model import Details, Member, Message, MessageKey
from backscroll.ingest.connectors.pushed import (
    UNKNOWN_CHAT,
    Connection,
    ConnectionState,
    FileGiven,
    Observed,
    Setup,
    nothing,
)
from backscroll.ingest.connectors.webhooks import pins, proto_json, wire
from backscroll.ingest.connectors.webhooks.proto_json import Content, Node
from backscroll.ingest.connectors.webhooks.wamid import opened_id

SOURCE = "evolution"
CREDENTIALS = ("apikey", "destination")
"""Fields of the envelope that are not kept: the instance's key, and our own address with its secret."""

_STATES: dict[str, ConnectionState] = {"open": "CONNECTED", "connecting": "CONNECTING", "close": "DISCONNECTED"}
_ACKS = {"ERROR": -1, "PENDING": 1, "SERVER_ACK": 2, "DELIVERY_ACK": 3, "READ": 4, "PLAYED": 5}
_META_ACKS = {"FAILED": -1, "SENT": 2, "DELIVERED": 3}
"""The words of instances on Meta's Cloud API; of these ``fromMe`` is always false."""
_NOTICES = {"add": "add", "remove": "remove", "promote": "promote", "demote": "demote", "leave": "leave"}
_CALLS = {"reject": "rejected", "timeout": "missed", "accept": "connected"}


class _Envelope(Struct):
    event: str
    data: Raw = Raw(b"null")
    sender: str | None = None
    date_time: str | None = None


def observe(body: bytes, setup: Setup) -> Observed:
    """The events of one payload; raises ``Unreadable`` if it is not one of Evolution's."""
    envelope = wire.decode(SOURCE, body, _Envelope)
    event = envelope.event.lower().replace("_", ".").replace("-", ".")
    if event in _PASSING:
        return nothing()
    phone = wire.required_jid(envelope.sender or setup.phone, SOURCE, "sender")
    at = wire.instant_or_none(envelope.date_time, SOURCE, "date_time")
    data = wire.decode_part(SOURCE, "data", bytes(envelope.data), Any)
    if event == "connection.update":
        return _connection(Node(data), phone, at)
    handler = _HANDLERS.get(event)
    if handler is None:
        raise Unreadable(SOURCE, "event", f"this version does not know the event {envelope.event[:80]!r}")
    rows = data if isinstance(data, list) else [data]
    named = (("data" if row is data else f"data[{at}]", Node(row)) for at, row in enumerate(rows))
    delivery = _Delivery(phone, at)
    events, problems = wire.each(SOURCE, named, lambda row: handler(delivery, row))
    return Observed(
        events=wire.unrepeated(events), raw=without_credentials(body), problems=problems, files=delivery.files
    )


def without_credentials(body: bytes) -> bytes:
    """The payload without the instance's key and our own secret address; all else stays as it came."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        fields = wire.decode(SOURCE, body, dict[str, Any])
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in CREDENTIALS})


def _connection(data: Node, phone: str, at: int | None) -> Observed:
    state = _STATES.get(data.text("state") or "")
    own = data.text("wuid")
    return Observed(connections=[Connection(canonical(own) if own else phone, state, at)] if state else [])


class _Delivery(Struct):
    """The envelope that a row came in."""

    phone: str
    at: int | None
    files: list[FileGiven] = []


class _Key(Struct):
    """Whose message and which. ``participant`` is who wrote it in a group."""

    chat: str
    id: str
    from_me: bool
    participant: str | None
    mapped: list[NumberMapped]
    broadcast: bool = False
    """It came through a broadcast list of the sender."""


def _key(delivery: _Delivery, key: Node) -> _Key:
    """Baileys gives a hidden id and, beside it, the phone number, under a name that changed from version to version."""
    remote = key.text("remoteJid")
    if remote is None or not (id := key.text("id")):
        raise Unreadable(SOURCE, "key", "has no chat or no message id")
    chat, from_me, participant = canonical(remote), bool(key.flag("fromMe")), key.text("participant")
    beside = [jid for name in _BESIDE_CHAT if (jid := key.text(name))]
    if is_person(chat):
        return _key_of_two(delivery, chat, id, from_me, [canonical(jid) for jid in beside])
    others = [jid for name in _BESIDE_AUTHOR if (jid := key.text(name))]
    if not chat.endswith(f"@{GROUP}"):
        # Of a status or a list it is the author's number that stands beside the chat.
        others += beside
    mapped = [event for jid in others for event in wire.same_person(participant, jid)]
    author = wire.number_first(participant, *others)
    if wire.is_list(chat) and author is not None and not from_me:
        return _Key(author, id, from_me, author, mapped, broadcast=True)
    return _Key(chat, id, from_me, author, mapped)


_BESIDE_CHAT = ("remoteJidAlt", "senderPn", "senderLid", "previousRemoteJid")
_BESIDE_AUTHOR = ("participantAlt", "participantPn", "participantLid")


def _key_of_two(delivery: _Delivery, chat: str, id: str, from_me: bool, beside: list[str]) -> _Key:
    """Of a chat with one person: the account's own number is never theirs.

    An instance on Meta's API answers several requests at once and may name the chat of another; the id knows better.
    """
    bare, number = opened_id(id)
    if number is not None and number not in (chat, delivery.phone):
        chat, beside = number, []
    others = [jid for jid in beside if jid != delivery.phone]
    mapped = [event for jid in others for event in wire.same_person(chat, jid)]
    return _Key(wire.number_first(chat, *others) or chat, bare, from_me, None, mapped)


def _author(delivery: _Delivery, key: _Key) -> str | None:
    if key.from_me:
        return delivery.phone
    return key.participant or (key.chat if is_person(key.chat) else None)


# Messages


def _message(delivery: _Delivery, row: Node) -> Iterable[Event]:
    key = _key(delivery, row.node("key"))
    at = _message_time(row)
    content = proto_json.read(row.raw("message"))
    if content is None:
        return _placeholder(delivery, key, row, at)
    if content.action is not None:
        return [*key.mapped, *_action(delivery, key, content, at)]
    seen = _seen(delivery, key, row, content, at)
    packed = row.node("message").text("base64") or row.text("base64")
    if packed and seen.details.media is not None:
        target = Target(delivery.phone, key.chat, key.id, seen.key.sender)
        delivery.files.append(FileGiven(target, seen.details.media, packed))
    return [*key.mapped, MessageSeen(seen)]


def _message_time(row: Node) -> int:
    seconds = row.number("messageTimestamp")
    if seconds is None:
        raise Unreadable(SOURCE, "messageTimestamp", "is missing")
    return wire.instant(seconds, SOURCE, "messageTimestamp")


def _placeholder(delivery: _Delivery, key: _Key, row: Node, at: int) -> list[Event]:
    """A message that could not be decrypted, until a later copy fills it; or one to be seen once on the phone only."""
    once = row.node("key").flag("isViewOnce")
    if row.raw("messageStubType") not in (2, "CIPHERTEXT") and not once:
        return list(key.mapped)
    key_ = MessageKey(delivery.phone, key.chat, key.id, _author(delivery, key))
    details = Details(is_view_once=True if once else None, broadcast=True if key.broadcast else None)
    seen = Message(key=key_, sent_at=at, from_me=key.from_me, kind="ciphertext", details=details)
    return [*key.mapped, MessageSeen(seen)]


def _seen(delivery: _Delivery, key: _Key, row: Node, content: Content, at: int) -> Message:
    details = content.details
    push_name = _chosen_name(row)
    changes: dict[str, Any] = {"is_status": True if key.chat == "status@broadcast" else None}
    changes["broadcast"] = True if key.broadcast else details.broadcast
    if not key.from_me and push_name:
        changes["push_name"] = push_name
    if (base64_url := row.node("message").text("mediaUrl")) and details.media is not None:
        changes["media"] = msgspec.structs.replace(details.media, url=base64_url)
    return Message(
        key=MessageKey(delivery.phone, key.chat, key.id, _author(delivery, key)),
        sent_at=at,
        from_me=key.from_me,
        kind=content.kind,
        text=content.text,
        ack=_ACKS.get(row.text("status") or "") if key.from_me else None,
        details=msgspec.structs.replace(_with_context(details, row), **changes),
    )


def _chosen_name(row: Node) -> str | None:
    """The push name, for which Evolution may write a JID of the sender, or its digits, when it knows none."""
    name = row.text("pushName")
    jids = [canonical(jid) for jid in row.node("key").value.values() if isinstance(jid, str)]
    if name is None or (kind_of(canonical(name)) != "unknown" and (canonical(name) in jids or "@" in name)):
        return None
    return None if name in map(user_part, jids) else name


def _with_context(details: Any, row: Node) -> Any:
    """Evolution turns an extended text into a plain one and leaves its context beside the message."""
    context = row.node("contextInfo")
    if not context or details.quoted is not None or details.mentions:
        return details
    read = proto_json.read({"extendedTextMessage": {"text": "-", "contextInfo": context.value}})
    if read is None:
        return details
    known = {name: getattr(read.details, name) for name in ("quoted", "mentions", "is_forwarded", "forwarding_score")}
    known |= {"is_ephemeral": read.details.is_ephemeral, "expires_after": read.details.expires_after}
    return msgspec.structs.replace(details, **{n: v for n, v in known.items() if v not in (None, ())})


def _action(delivery: _Delivery, key: _Key, content: Content, at: int) -> list[Event]:
    """A message that changes another one."""
    node: Node = content.node
    actor = _author(delivery, key)
    if content.action == "reactionMessage":
        target = _target(delivery, key, node.node("key"))
        if actor is None:
            raise Unreadable(SOURCE, "key.participant", "does not say who reacted")
        return [ReactionSet(target=target, by=actor, emoji=node.text("text") or "", at=at, id=key.id)]
    if content.action == "pollUpdateMessage":
        return [_vote(delivery, key, node, at)]
    if content.action == "protocolMessage":
        return [*_setting(delivery, node, key.chat, at), *_protocol(delivery, node, at, key.chat, actor)]
    if content.action == proto_json.PIN:
        target = _target(delivery, key, node.node("key"))
        target = msgspec.structs.replace(target, sender=pins.pinned_author(key.chat, node.node("key"), actor))
        return list(pins.pin_of(SOURCE, target, actor, node, at, content.lasts))
    return []


def _vote(delivery: _Delivery, key: _Key, node: Node, at: int) -> Event:
    """A vote that Evolution decrypted (from 2.3.7 on). One without options was taken back or could not be decrypted."""
    options, voter = node.node("vote").texts("selectedOptions"), _author(delivery, key)
    if not options or voter is None:
        raise Unreadable(SOURCE, "message.pollUpdateMessage", "does not say who voted, or for what")
    cast_at = node.number("senderTimestampMs")
    at = wire.instant(cast_at, SOURCE, "senderTimestampMs") if cast_at else at
    target = _target(delivery, key, node.node("pollCreationMessageKey"))
    return PollVoted(target=target, by=voter, options=tuple(options), at=at)


def _setting(delivery: _Delivery, node: Node, chat: str, at: int | None) -> list[Event]:
    """How long messages of a chat stay."""
    seconds = proto_json.expiration_set(node)
    if seconds is None:
        return []
    return [ChatSeen(phone=delivery.phone, chat=chat, at=at, ephemeral_seconds=seconds)]


def _target(delivery: _Delivery, outer: _Key, key: Node) -> Target:
    """The message that is meant. In chats of two its chat is the one of the message that tells it."""
    id = key.text("id")
    if id is None:
        raise Unreadable(SOURCE, "key.id", "is missing")
    if key.flag("fromMe"):
        sender: str | None = delivery.phone
    elif is_person(outer.chat):
        sender = None
    else:
        participant = key.text("participant")
        sender = canonical(participant) if participant else None
    return Target(delivery.phone, outer.chat, opened_id(id)[0], sender)


def _protocol(delivery: _Delivery, node: Node, at: int | None, chat: str, by: str | None) -> list[Event]:
    """An edit or a deletion; other protocol messages are housekeeping between devices."""
    kind, id = node.raw("type"), node.node("key").text("id")
    if kind not in (*proto_json.EDIT, *proto_json.REVOKE):
        return []
    if id is None:
        raise Unreadable(SOURCE, "key.id", "is missing")
    when = node.number("timestampMs")
    happened = wire.instant(when, SOURCE, "timestampMs") if when else at
    if kind in proto_json.REVOKE:
        # The key is written from the side of who deletes: of somebody else's message it names the author.
        author = wire.jid_or_none(node.text("key.participant")) if not node.node("key").flag("fromMe") else None
        by = None if by == author else by
        target = Target(delivery.phone, chat, id, author)
        return [MessageRevoked(target=target, at=happened, by=by, by_admin=author is not None)]
    content = proto_json.read(node.raw("editedMessage"))
    if content is None or content.text is None or happened is None:
        return []
    target = Target(delivery.phone, chat, id, by)
    return [MessageEdited(target=target, text=content.text, at=happened, by=by)]


def _edited(delivery: _Delivery, row: Node) -> list[Event]:
    """``messages.edited`` holds the bare protocol message, whose key is written from its author's side.

    So ``fromMe`` is always true, and the chat of two in which somebody else edited is named after the own phone, or its
    hidden id, which Evolution does not tell.
    """
    key = row.node("key")
    remote, participant = key.text("remoteJid"), key.text("participant")
    chat = canonical(remote) if remote else UNKNOWN_CHAT
    if chat == delivery.phone or chat.endswith(f"@{LID}"):
        chat = UNKNOWN_CHAT
    told = _protocol(delivery, row, delivery.at, chat, wire.jid_or_none(participant))
    return told if chat == UNKNOWN_CHAT else [*_setting(delivery, row, chat, delivery.at), *told]


def _edited_here(delivery: _Delivery, row: Node) -> list[Event]:
    """``send.message.update``: the same, of an edit made through Evolution itself."""
    key = _key(delivery, row.node("key"))
    return [*key.mapped, *_protocol(delivery, row, delivery.at, key.chat, delivery.phone)]


def _deleted(delivery: _Delivery, row: Node) -> list[Event]:
    """The key of a deletion names who deleted, and the message that is gone."""
    if inner := row.node("key"):
        # Deleted through Evolution itself: the whole message as it was.
        key = _key(delivery, inner)
        target = Target(delivery.phone, key.chat, key.id, _author(delivery, key))
        return [*key.mapped, MessageRevoked(target=target, at=delivery.at, by=delivery.phone, by_admin=not key.from_me)]
    key = _key(delivery, row)
    by = _author(delivery, key)
    revoke = MessageRevoked(
        target=Target(delivery.phone, key.chat, key.id), at=delivery.at, by=by, by_admin=not is_person(key.chat)
    )
    return [*key.mapped, revoke]


def _updated(delivery: _Delivery, row: Node) -> list[Event]:
    """The state of a message. Of a received one ``READ`` means that we read it, which is no acknowledgement.

    ``DELETED`` is no deletion: versions 2.3.0 to 2.3.4 write it with edits and votes. Deletions have their own event.
    """
    remote, id, status = row.text("remoteJid"), row.text("keyId") or row.text("id"), row.text("status")
    if remote is None or id is None:
        raise Unreadable(SOURCE, "keyId", "has no chat or no message id")
    chat, from_me = canonical(remote), bool(row.flag("fromMe"))
    id, number = opened_id(id)
    if number is not None:
        # An instance on Meta's API: only of one's own messages is anything told.
        target = Target(delivery.phone, number, id, delivery.phone)
        ack = _META_ACKS.get(status or "") or _ACKS.get(status or "")
        return [] if ack is None else [ReceiptSet(target=target, ack=ack, at=delivery.at)]
    events = list(_votes(delivery, row, Target(delivery.phone, chat, id)))
    ack = _ACKS.get(status or "")
    if from_me and ack is not None:
        target = Target(delivery.phone, chat, id, delivery.phone)
        events.append(ReceiptSet(target=target, ack=ack, at=delivery.at))
    elif not from_me and status in ("READ", "PLAYED") and delivery.at is not None:
        events.append(ChatSeen(phone=delivery.phone, chat=chat, at=delivery.at, unread=0))
    return events


def _votes(delivery: _Delivery, row: Node, target: Target) -> Iterable[Event]:
    """Evolution adds the votes up: for each option, who chose it."""
    chosen: dict[str, list[str]] = {}
    for option in row.nodes("pollUpdates"):
        name = option.text("name")
        for voter in option.texts("voters") if name else ():
            chosen.setdefault(delivery.phone if voter == "me" else canonical(voter), []).append(name or "")
    if delivery.at is not None:
        yield from (
            PollVoted(target=target, by=voter, options=tuple(options), at=delivery.at)
            for voter, options in chosen.items()
        )


# Chats, contacts, groups, calls


def _chat(delivery: _Delivery, row: Node) -> list[Event]:
    """Evolution stores one name for a chat of two, the person's push name: that is no name of the chat.

    It writes 0 for unread also where it does not know the number, such as after each receipt.
    """
    jid = row.text("remoteJid") or row.text("id")
    if jid is None or "@" not in jid:
        return []
    chat, unread = canonical(jid), row.number("unreadMessages") or None
    name = None if is_person(chat) else row.text("name")
    if name is None and unread is None:
        return []
    return [ChatSeen(phone=delivery.phone, chat=chat, at=delivery.at, name=name, unread=unread)]


def _contact(delivery: _Delivery, row: Node) -> list[Event]:
    jid = row.text("remoteJid") or row.text("id")
    if jid is None:
        return []
    contact, push_name, image = canonical(jid), row.text("pushName"), row.text("profilePicUrl")
    if push_name == contact.partition("@")[0]:
        push_name = None
    if not is_person(contact) or not (push_name or image):
        return []
    return [ContactSeen(jid=contact, phone=delivery.phone, at=delivery.at, push_name=push_name, image=image)]


def _group(delivery: _Delivery, row: Node) -> list[Event]:
    jid = row.text("id")
    if jid is None:
        raise Unreadable(SOURCE, "id", "has no group")
    members = [_member(node) for node in row.nodes("participants")]
    created = row.number("creation")
    seen = ChatSeen(
        phone=delivery.phone,
        chat=canonical(jid),
        at=delivery.at,
        name=row.text("subject"),
        description=row.text("desc"),
        ephemeral_seconds=row.number("ephemeralDuration"),
        members=tuple(member for member, _ in members) if members else None,
        created_at=wire.instant(created, SOURCE, "creation") if created else None,
    )
    return [*(event for _, mapped in members for event in mapped), seen]


def _member(node: Node) -> tuple[Member, list[NumberMapped]]:
    jids = [node.text(name) for name in ("id", "jid", "phoneNumber", "lid")]
    jid = wire.number_first(*jids) or ""
    role = node.text("admin")
    member = Member(jid=jid, is_admin=role in ("admin", "superadmin"), is_super_admin=role == "superadmin")
    return member, [event for other in jids if other for event in wire.same_person(jid, other)]


def _participants(delivery: _Delivery, row: Node) -> list[Event]:
    jid, action = row.text("id"), row.text("action")
    if jid is None or action is None or delivery.at is None:
        raise Unreadable(SOURCE, "id", "has no group or no change")
    people = [told for value in _told_of(row) if (told := _spellings(value))]
    named = [person for told in people if (person := wire.number_first(*told))]
    mapped = [event for told in people for one in told for event in wire.same_person(wire.number_first(*told), one)]
    author = row.text("authorPn"), row.text("author")
    by, mapped = wire.number_first(*author), [*mapped, *wire.same_person(*author)]
    if action == "remove" and named == [by]:
        action = "leave"
    chat, change = canonical(jid), _NOTICES.get(action, action)
    notice = wire.notice_of(delivery.phone, chat, change, delivery.at, named, by)
    return [*mapped, notice, *wire.membership(delivery.phone, chat, change, delivery.at, named)]


def _told_of(row: Node) -> list[Any]:
    """The people of a change, each as Baileys and as Evolution name them."""
    told = row.raw("participantsData") or row.raw("participants")
    return told if isinstance(told, list) else []


def _spellings(value: object) -> list[str]:
    """All JIDs of a person: text in older versions, an object in newer ones, with another inside of Evolution's own."""
    if isinstance(value, str):
        return [value] if value else []
    node = Node(value)
    inner = node.raw("jid")
    told = [node.text(name) for name in ("phoneNumber", "id", "lid")]
    return [jid for jid in told if jid] + (_spellings(inner) if inner is not None else [])


def _call(delivery: _Delivery, row: Node) -> list[Event]:
    spellings = row.text("callerPn"), row.text("from")
    caller, id = wire.number_first(*spellings), row.text("id")
    if caller is None or id is None:
        raise Unreadable(SOURCE, "id", "has no call id or no caller")
    date = row.raw("date")
    at = wire.instant(date, SOURCE, "date") if isinstance(date, str | int) else delivery.at
    if at is None:
        raise Unreadable(SOURCE, "date", "is missing")
    other = wire.jid_or_none(row.text("chatId")) if caller == delivery.phone else caller
    chat = wire.jid_or_none(row.text("groupJid")) or other
    if chat in (None, delivery.phone):
        # A call of the own phone that does not name who was called.
        return [*wire.same_person(*spellings)]
    result = _CALLS.get(row.text("status") or "")
    call = wire.call_of(delivery.phone, chat, id, at, caller, video=row.flag("isVideo"), result=result)
    return [*wire.same_person(*spellings), call]


def _label(delivery: _Delivery, row: Node) -> list[Event]:
    """The whole label as it is now: Baileys leaves out ``deleted`` where it is false."""
    id = row.text("id")
    if id is None:
        raise Unreadable(SOURCE, "id", "is missing")
    deleted = row.flag("deleted") or False
    return [wire.label_of(delivery.phone, id, delivery.at, row.text("name"), row.number("color"), deleted)]


def _labeled(delivery: _Delivery, row: Node) -> list[Event]:
    """Evolution does not say whether it is a label of the chat or of a message, and notes both for the chat."""
    chat, label, type = row.text("chatId"), row.text("labelId"), row.text("type")
    if chat is None or label is None:
        raise Unreadable(SOURCE, "labelId", "has no label or no chat")
    if type not in ("add", "remove"):
        raise Unreadable(SOURCE, "type", "must be add or remove")
    return [ChatLabeled(phone=delivery.phone, chat=canonical(chat), label=label, labeled=type == "add", at=delivery.at)]


def _kept(delivery: _Delivery, row: Node) -> list[Event]:
    """Deleted chats: only the payload is kept."""
    return []


# The same rows, as Evolution's own database holds them


def message_events(phone: str, row: Node) -> list[Event]:
    """What a stored message tells: the message, or what it changes. ``Unreadable`` where it makes no sense."""
    return list(_message(_Delivery(phone, None), row))


def update_events(phone: str, at: int | None, row: Node) -> list[Event]:
    """What a stored update of a message tells. Evolution stores deletions here too, as ``DELETED``."""
    events = _updated(_Delivery(phone, at), row)
    id, chat = row.text("keyId"), row.text("remoteJid")
    if row.text("status") == "DELETED" and id and chat:
        events.append(MessageRevoked(target=Target(phone, canonical(chat), opened_id(id)[0]), at=at))
    return events


def contact_events(phone: str, at: int | None, row: Node) -> list[Event]:
    """What a stored contact tells."""
    return _contact(_Delivery(phone, at), row)


_PASSING = {
    "application.startup",
    "qrcode.updated",
    "status.instance",
    "instance.create",
    "instance.delete",
    "remove.instance",
    "logout.instance",
    "presence.update",
    "creds.update",
    "typebot.start",
    "typebot.change.status",
    "chats.update",
}
"""Gone when they are over, or credentials."""

_HANDLERS: dict[str, Callable[[_Delivery, Node], Iterable[Event]]] = {
    "messages.upsert": _message,
    "messages.set": _message,
    "send.message": _message,
    "messages.edited": _edited,
    "send.message.update": _edited_here,
    "messages.update": _updated,
    "messages.delete": _deleted,
    "chats.set": _chat,
    "chats.upsert": _chat,
    "chats.delete": _kept,
    "contacts.set": _contact,
    "contacts.upsert": _contact,
    "contacts.update": _contact,
    "groups.upsert": _group,
    "groups.update": _group,
    "group.participants.update": _participants,
    "call": _call,
    "labels.edit": _label,
    "labels.association": _labeled,
}
