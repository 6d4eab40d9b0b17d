"""Payloads of WAHA with any of its engines (WEBJS, WPP, NOWEB, GOWS). See waha.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
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
from backscroll.core.ids import call_id, canonical, is_person
from backscroll.core.model import Call, Details, Kind, Location, Media, Member, Message, MessageKey, Quote
from backscroll.formats.periskope_ids import MessageRef, decode_message_id
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.pushed import Connection, ConnectionState, Observed, Setup, nothing
from backscroll.ingest.connectors.webhooks import pins, proto_json, waha_web, wire
from backscroll.ingest.connectors.webhooks import waha_shapes as shapes
from backscroll.ingest.connectors.webhooks.proto_json import Content, Node

SOURCE = "waha"

_STATES: dict[str, ConnectionState] = {
    "WORKING": "CONNECTED",
    "STARTING": "CONNECTING",
    "SCAN_QR_CODE": "DISCONNECTED",
    "STOPPED": "DISCONNECTED",
    "FAILED": "DISCONNECTED",
    "PASSKEY_REQUIRED": "DISCONNECTED",
    "PASSKEY_CONFIRMATION_REQUIRED": "DISCONNECTED",
}
_ACKS = {-1: -1, 0: 1, 1: 2, 2: 3, 3: 4, 4: 5}
"""WAHA counts as whatsapp-web.js does, one lower than the archive."""
_NOTICES = {"join": "add", "leave": "leave", "promote": "promote", "demote": "demote"}
_CALLS = {"call.accepted": "connected", "call.rejected": "rejected"}
_WEB = ("WEBJS", "WPP")
"""Engines that show an edited message as it is now, with the time at which it was sent."""


def observe(body: bytes, setup: Setup) -> Observed:
    """The events of one payload; raises ``Unreadable`` if it is not one of WAHA's."""
    envelope = wire.decode(SOURCE, body, shapes.Envelope)
    if envelope.event in _PASSING:
        return nothing()
    own = envelope.me.id if envelope.me else None
    phone = wire.required_jid(own or setup.phone, SOURCE, "me.id")
    lid = wire.jid_or_none(waha_web.jid(envelope.me.lid)) if envelope.me else None
    delivery = _Delivery(phone, envelope, lid)
    if envelope.event == "session.status":
        state = _STATES.get(delivery.payload(shapes.Status).status)
        return Observed(connections=[Connection(phone, state, delivery.event_time())] if state else [])
    handler = _HANDLERS.get(envelope.event) or _family(envelope.event)
    if handler is None:
        raise Unreadable(SOURCE, "event", f"this version does not know the event {envelope.event[:80]!r}")
    return Observed(events=wire.unrepeated(_with_own(delivery, handler(delivery))), raw=body)


def _with_own(delivery: _Delivery, events: list[Event]) -> list[Event]:
    """What a payload tells, and the hidden id of the account itself, by which groups name it."""
    return [*wire.same_person(delivery.lid, delivery.phone), *events] if events else events


class _Delivery(Struct):
    """One payload on its way to events. ``lid`` is the account's own hidden id."""

    phone: str
    envelope: shapes.Envelope
    lid: str | None = None

    def payload(self, shape: type[wire.T]) -> wire.T:
        return wire.decode_part(SOURCE, "payload", bytes(self.envelope.payload), shape)

    def event_time(self) -> int | None:
        return wire.instant_or_none(self.envelope.timestamp, SOURCE, "timestamp")

    def at(self, timestamp: wire.Time | None) -> int:
        """The payload's own time, else the envelope's."""
        at = wire.instant_or_none(timestamp, SOURCE, "payload.timestamp")
        at = self.event_time() if at is None else at
        if at is None:
            raise Unreadable(SOURCE, "payload.timestamp", "is missing")
        return at


def _ref(id: str, beside: shapes.Wid) -> MessageRef:
    """``true_<chat>_<id>[_<participant>]`` taken apart; of a bare id the chat must be told beside."""
    ref = decode_message_id(id)
    chat = ref.chat or wire.jid_or_none(waha_web.jid(beside))
    if not chat or not ref.id:
        raise Unreadable(SOURCE, "payload.id", "has no chat or no message id")
    return msgspec.structs.replace(ref, chat=chat)


class _Who(Struct):
    """Chat and author of a message, by their phone numbers where WAHA tells these."""

    chat: str
    sender: str | None
    mapped: list[NumberMapped]
    broadcast: bool = False
    """It came through a broadcast list of the sender."""


def _who(delivery: _Delivery, message: shapes.Message, ref: MessageRef) -> _Who:
    chat = ref.chat or ""
    if is_person(chat):
        others = [jid for jid in _spellings(message) if canonical(jid) not in (delivery.phone, delivery.lid)]
        mapped = [event for other in others for event in wire.same_person(chat, other)]
        chat = wire.number_first(chat, *(event.jid for event in mapped)) or chat
        return _Who(chat, delivery.phone if message.from_me else chat, mapped)
    if message.from_me:
        return _Who(chat, delivery.phone, [])
    told_sender = wire.number_first(waha_web.jid(message.participant), waha_web.jid(message.author), ref.sender)
    mapped = [event for other in _spellings(message) for event in wire.same_person(told_sender, other)]
    sender = wire.number_first(told_sender, *(event.jid for event in mapped))
    if wire.is_list(chat) and sender is not None:
        return _Who(sender, sender, mapped, broadcast=True)
    return _Who(chat, sender, mapped)


def _spellings(message: shapes.Message) -> list[str]:
    """The other JIDs of the person who wrote, or in a chat of two of the other one, as the engines tell them.

    Baileys puts the author's number of a status beside the chat, although the chat is no person.
    """
    node = Node(message.data)
    info, key = node.node("Info"), node.node("key")
    told = [info.text("RecipientAlt" if message.from_me else "SenderAlt")]
    told += [key.text(name) for name in ("participantAlt", "participantPn", "remoteJidAlt", "senderPn")]
    return [jid for jid in told if jid]


def _sender_mapped(node: Node) -> list[NumberMapped]:
    """Who caused an event of GOWS, by both of their JIDs."""
    source = node.node("Info") or node
    return wire.same_person(source.text("Sender"), source.text("SenderAlt"))


def _exact_time(event: Node) -> int | None:
    """When an event of GOWS happened; the envelope tells when WAHA heard of it, after an outage much later.

    Go writes the year 1 for a time that is not known.
    """
    text = event.text("Timestamp")
    return None if text is None or text.startswith("0001-") else wire.instant(text, SOURCE, "payload._data.Timestamp")


# Messages


def _message(delivery: _Delivery) -> list[Event]:
    message = delivery.payload(shapes.Message)
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    node = Node(message.data)
    content = proto_json.read(node.raw("message"))
    if content is not None and content.action is not None:
        if content.action == proto_json.PIN:
            return [*who.mapped, *_pinned(delivery, message, who, content)]
        return [*who.mapped, *_setting(delivery, message, who, content.node)]
    if content is None and node.text("type") in waha_web.CHANGES:
        return [*who.mapped, *_change_in_web(delivery, message, who, node)]
    if node.node("message").node("call"):
        return [*who.mapped, _ringing(delivery, message, who, ref)]
    has_file = bool(message.has_media or message.media)
    web = waha_web.read(node, has_media=has_file) if content is None else None
    kind = _more_exact(content.kind if content is not None else web.kind if web else "unknown", message)
    details = content.details if content is not None else web.details if web else Details()
    text = content.text if content is not None else web.text if web else None
    told = None if web is not None and kind in waha_web.WITHOUT_TEXT else message.body
    id = call_id(ref.id) if web is not None and kind == "call" else ref.id
    seen = Message(
        key=MessageKey(delivery.phone, who.chat, id, who.sender),
        sent_at=delivery.at(message.timestamp),
        from_me=message.from_me,
        kind=kind,
        text=told or text,
        ack=_ACKS.get(message.ack) if message.from_me and message.ack is not None else None,
        details=_details(message, details, node, who),
    )
    return [*who.mapped, MessageSeen(seen)]


def _ringing(delivery: _Delivery, message: shapes.Message, who: _Who, ref: MessageRef) -> MessageSeen:
    """A call of a group, of which Baileys makes a message too: its id is that of the call, and it names no caller."""
    key = MessageKey(delivery.phone, who.chat, call_id(ref.id), who.sender)
    at, details = delivery.at(message.timestamp), Details(call=Call())
    return MessageSeen(Message(key=key, sent_at=at, from_me=message.from_me, kind="call", details=details))


def _setting(delivery: _Delivery, message: shapes.Message, who: _Who, node: Node) -> list[Event]:
    """How long messages of a chat stay; edits and deletions have events of their own."""
    seconds = proto_json.expiration_set(node)
    if seconds is None:
        return []
    at = delivery.at(message.timestamp)
    return [ChatSeen(phone=delivery.phone, chat=who.chat, at=at, ephemeral_seconds=seconds)]


def _pinned(delivery: _Delivery, message: shapes.Message, who: _Who, content: Content) -> list[Event]:
    """A message pinned or unpinned, by NOWEB and GOWS. No event of it is known with WEBJS and WPP."""
    key = content.node.node("key")
    if (id := key.text("id")) is None:
        raise Unreadable(SOURCE, "pinInChatMessage.key", "has no message id")
    target = Target(delivery.phone, who.chat, id, pins.pinned_author(who.chat, key, who.sender))
    at = delivery.at(message.timestamp)
    return list(pins.pin_of(SOURCE, target, who.sender, content.node, at, content.lasts))


def _change_in_web(delivery: _Delivery, message: shapes.Message, who: _Who, node: Node) -> list[Event]:
    """WhatsApp Web also lists what changes other messages: a deletion is one, the rest has events of its own."""
    original = node.node("protocolMessageKey").text("id")
    if original is None or node.text("type") != "revoked":
        return []
    target = Target(delivery.phone, who.chat, original)
    at, by_admin = delivery.at(message.timestamp), not is_person(who.chat)
    return [MessageRevoked(target=target, at=at, by=who.sender, by_admin=by_admin and who.sender is not None)]


def _more_exact(kind: Kind, message: shapes.Message) -> Kind:
    """The kind, or what WAHA's own fields say where the engine's raw message does not tell it."""
    if kind != "unknown":
        return kind
    if Node(message.data).node("key").flag("isViewOnce"):
        return "ciphertext"
    if message.location is not None:
        return "live_location" if message.location.live else "location"
    if message.v_cards:
        return "contact" if len(message.v_cards) == 1 else "contacts"
    if message.has_media or message.media:
        return _kind_of_mimetype(message.media.mimetype if message.media else None)
    return "text" if message.body else "unknown"


def _kind_of_mimetype(mimetype: str | None) -> Kind:
    family = (mimetype or "").partition("/")[0]
    if mimetype == "image/webp":
        return "sticker"
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio"}
    return kinds.get(family, "document" if mimetype else "unknown")


def _details(message: shapes.Message, details: Details, node: Node, who: _Who) -> Details:
    changes: dict[str, Any] = {
        "media": _media(message, details.media),
        "has_media": message.has_media,
        "quoted": details.quoted or _quote(message.reply_to),
        "location": details.location or _location(message.location),
        "vcards": details.vcards or (tuple(message.v_cards) if message.v_cards else None),
        "is_status": True if who.chat == "status@broadcast" else None,
        "is_view_once": True if node.node("key").flag("isViewOnce") else details.is_view_once,
        "broadcast": True if who.broadcast else details.broadcast,
    }
    if details.is_forwarded is None:
        changes["is_forwarded"] = node.flag("isForwarded")
    if not message.from_me:
        names = (node.text("pushName"), node.node("Info").text("PushName"), node.text("notifyName"))
        changes["push_name"] = next(filter(None, names), None)
    return msgspec.structs.replace(details, **changes)


def _media(message: shapes.Message, media: Media | None) -> Media | None:
    """The file as WAHA serves it, over what the engine tells of it."""
    if not (message.has_media or message.media or media):
        return None
    file, known = message.media or shapes.MediaFile(), media or Media()
    return msgspec.structs.replace(
        known,
        mimetype=known.mimetype or file.mimetype or None,
        filename=known.filename or file.filename or None,
        url=file.url or message.media_url or known.url,
    )


def _quote(reply: shapes.Reply | None) -> Quote | None:
    if reply is None or not (reply.id or reply.body):
        return None
    ref = decode_message_id(waha_web.jid(reply.id) or "")
    sender = wire.number_first(waha_web.jid(reply.participant), ref.sender)
    return Quote(id=ref.id or None, sender=sender, text=reply.body if isinstance(reply.body, str) else None)


def _location(place: shapes.Place | None) -> Location | None:
    if place is None:
        return None
    named = {"name": place.name or place.description or None, "address": place.address or None}
    return place_at(place.latitude, place.longitude, url=place.url or None, **named)


def _reaction(delivery: _Delivery) -> list[Event]:
    message = delivery.payload(shapes.Reaction)
    if message.reaction is None:
        raise Unreadable(SOURCE, "payload.reaction", "is missing")
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    if who.sender is None:
        raise Unreadable(SOURCE, "payload.participant", "does not say who reacted")
    reaction = ReactionSet(
        target=_reacted(delivery, message, message.reaction, who),
        by=who.sender,
        emoji=message.reaction.text or "",
        at=delivery.at(message.timestamp),
        id=ref.id,
    )
    return [*who.mapped, reaction]


def _reacted(delivery: _Delivery, message: shapes.Message, reaction: shapes.ReactionBody, who: _Who) -> Target:
    """The message that somebody reacted to.

    GOWS may pass its key on as the one who reacts sees it: "own" then is either theirs or ours, and the id decides.
    """
    ref = _ref(reaction.message_id, who.chat)
    target = _target(delivery, ref, who.chat)
    if delivery.envelope.engine == "GOWS" and not message.from_me and ref.from_me:
        return msgspec.structs.replace(target, sender=None)
    return target


def _target(delivery: _Delivery, ref: MessageRef, chat: str | None = None) -> Target:
    sender = delivery.phone if ref.from_me else ref.sender
    return Target(delivery.phone, chat or ref.chat or "", ref.id, sender)


def _ack(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(shapes.Ack)
    ref, node = _ref(payload.id, None), Node(payload.data)
    from_me = payload.from_me if payload.from_me is not None else ref.from_me
    at, chat, mapped = _exact_time(node) or delivery.event_time(), ref.chat or "", _sender_mapped(node)
    ack = _ACKS.get(payload.ack)
    if not from_me:
        read = ack is not None and ack >= 4 and at is not None
        return [*mapped, ChatSeen(phone=delivery.phone, chat=chat, at=at, unread=0)] if read else []
    target = Target(delivery.phone, chat, ref.id, delivery.phone)
    if exact := _receipt_of_noweb(node.node("receipt")):
        who, ack, at = exact
        return [ReceiptSet(target=target, ack=ack, participant=None if is_person(chat) else who, at=at)]
    if ack is None:
        return []
    alternative = node.text("SenderAlt") if mapped else None
    told = wire.number_first(waha_web.jid(payload.participant), alternative)
    reader = None if is_person(chat) or ack < 3 else told
    participant = None if reader == delivery.phone else reader
    return [*mapped, ReceiptSet(target=target, ack=ack, participant=participant, at=at)]


_RECEIPTS = (("playedTimestamp", 5), ("readTimestamp", 4), ("receiptTimestamp", 3))


def _receipt_of_noweb(receipt: Node) -> tuple[str, int, int] | None:
    """Who received, read or played a message of a group, and when.

    NOWEB names itself as the participant, and what was delivered as sent.
    """
    who = receipt.text("userJid")
    found = ((ack, receipt.number(name)) for name, ack in _RECEIPTS)
    told = next(((ack, at) for ack, at in found if at), None)
    if who is None or told is None:
        return None
    return canonical(who), told[0], wire.instant(told[1], SOURCE, "payload._data.receipt")


def _revoked(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(shapes.Revoked)
    told_by, data = payload.after or payload.before, Node(payload.data)
    if told_by is None:
        raise Unreadable(SOURCE, "payload.after", "has no chat")
    # WPP takes the ids apart, and has them whole in its own event.
    ref = _ref(data.text("id") or told_by.id, told_by.from_)
    who = _who(delivery, msgspec.structs.replace(told_by, from_me=told_by.from_me or bool(ref.from_me)), ref)
    original = _ref(payload.before.id, who.chat) if payload.before else None
    id = payload.revoked_message_id or (original.id if original else ref.id)
    target = Target(delivery.phone, who.chat, decode_message_id(id).id)
    # Without ``after`` nothing says who deleted it.
    by = who.sender if payload.after else None
    at = delivery.at(payload.after.timestamp if payload.after else None)
    revoke = MessageRevoked(target=target, at=at, by=by, by_admin=by is not None and not is_person(who.chat))
    return [*who.mapped, revoke]


def _edited(delivery: _Delivery) -> list[Event]:
    """The new text of a message. NOWEB and GOWS send "" for one that they could not decrypt: then none is known."""
    message = delivery.payload(shapes.Message)
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    id = decode_message_id(message.edited_message_id).id if message.edited_message_id else ref.id
    if not message.body:
        return list(who.mapped)
    edit = MessageEdited(
        target=Target(delivery.phone, who.chat, id, who.sender),
        text=message.body,
        at=_edited_at(delivery, message, itself=ref.id == id),
        id=ref.id if ref.id != id else None,
        by=who.sender,
    )
    return [*who.mapped, edit]


def _edited_at(delivery: _Delivery, message: shapes.Message, *, itself: bool) -> int:
    """When a message was edited: WhatsApp Web shows the message itself, with the time at which it was sent."""
    data = message.data
    shown = Node(data[2] if isinstance(data, list) and len(data) > 2 else data)
    exact = next((at for node in (shown, shown.node("msg")) if (at := node.number(_LATEST_EDIT))), None)
    if exact:
        return wire.instant(exact, SOURCE, "payload._data")
    of_event = (itself or delivery.envelope.engine in _WEB) and delivery.event_time() is not None
    return delivery.at(None if of_event else message.timestamp)


_LATEST_EDIT = "latestEditSenderTimestampMs"


def _undecrypted(delivery: _Delivery) -> list[Event]:
    """A message that WAHA waits for, until a later copy fills it."""
    message = delivery.payload(shapes.Message)
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    key = MessageKey(delivery.phone, who.chat, ref.id, who.sender)
    seen = Message(key=key, sent_at=delivery.at(message.timestamp), from_me=message.from_me, kind="ciphertext")
    return [*who.mapped, MessageSeen(seen)]


def _voted(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(shapes.PollVote)
    ref, vote = _ref(payload.poll.id, payload.vote.from_), payload.vote
    told = waha_web.jid(vote.participant) or waha_web.jid(vote.from_)
    voter = delivery.phone if vote.from_me else wire.jid_or_none(told)
    if voter is None or vote.selected_options is None:
        raise Unreadable(SOURCE, "payload.vote", "does not say who voted, or for what")
    cast_at = proto_json.whole_number(vote.timestamp)
    options = tuple(option for option in vote.selected_options if option)
    voted = PollVoted(target=_poll_of(delivery, vote, ref, voter), by=voter, options=options, at=delivery.at(cast_at))
    return [*_sender_mapped(Node(payload.data)), voted]


def _poll_of(delivery: _Delivery, vote: shapes.Vote, ref: MessageRef, voter: str) -> Target:
    """The poll that somebody voted in.

    WAHA may pass its key on as the voter sees it: then the chat of two is named after the own phone, and "own" is the
    voter's. Where only the message's id is certain, it decides.
    """
    target = _target(delivery, ref)
    told = decode_message_id(vote.id or "").chat
    if is_person(target.chat):
        chat = told if told is not None and is_person(told) else target.chat
        return msgspec.structs.replace(target, chat=chat, sender=None)
    theirs = ref.from_me and not vote.from_me and ref.sender in (None, voter)
    return msgspec.structs.replace(target, sender=None) if theirs else target


def _lost_vote(delivery: _Delivery) -> list[Event]:
    raise Unreadable(SOURCE, "payload.vote", "WAHA could not decrypt this vote")


# Groups, chats, calls


def _group(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(shapes.Group)
    group, at = payload.group, _exact_time(Node(payload.data)) or delivery.at(payload.timestamp)
    members = group.participants
    seen = ChatSeen(
        phone=delivery.phone,
        chat=canonical(group.id),
        at=at,
        name=group.subject or None,
        description=group.description,
        invite_link=group.invite or None,
        members=tuple(_member(member) for member in members) if members else None,
        is_exited={"group.v2.join": False, "group.v2.leave": True}.get(delivery.envelope.event),
    )
    mapped = [event for member in members or () for event in wire.same_person(member.id, member.pn)]
    return [*mapped, seen]


def _member(person: shapes.Participant) -> Member:
    admin, owner = person.role in ("admin", "superadmin"), person.role == "superadmin"
    return Member(jid=wire.number_first(person.id, person.pn) or person.id, is_admin=admin, is_super_admin=owner)


def _participants(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(shapes.Group)
    type = payload.type or ""
    people = payload.participants or []
    jids = [jid for member in people if (jid := wire.number_first(member.id, member.pn))]
    mapped = [event for member in people for event in wire.same_person(member.id, member.pn)]
    node, chat = Node(payload.data), canonical(payload.group.id)
    at = _exact_time(node) or delivery.at(payload.timestamp)
    # GOWS and NOWEB pass on who made the change.
    author = [jid for name in ("SenderPN", "Sender", "authorPn", "author") if (jid := node.text(name))]
    if author:
        mapped += wire.same_person(author[0], author[-1])
    by = wire.number_first(*author)
    by = delivery.phone if by is not None and by == delivery.lid else by
    jids = [delivery.phone if jid == delivery.lid else jid for jid in jids]
    change = _NOTICES.get(type, type)
    if change == "leave" and by is not None and by not in jids:
        change = "remove"
    notice = wire.notice_of(delivery.phone, chat, change, at, jids, by)
    return [*mapped, notice, *wire.membership(delivery.phone, chat, change, at, jids)]


def _archived(delivery: _Delivery) -> list[Event]:
    """Whether a chat is archived; the time in the payload is that of its last message."""
    payload = delivery.payload(shapes.Archive)
    at = delivery.event_time()
    at = delivery.at(payload.timestamp) if at is None else at
    return [ChatSeen(phone=delivery.phone, chat=canonical(payload.id), at=at, archived=payload.archived)]


def _call(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(shapes.Call)
    node = Node(payload.data)
    creator = node.text("CallCreator"), node.text("CallCreatorAlt")
    told = wire.required_jid(payload.from_, SOURCE, "payload.from")
    number = node.text("callerPn")
    caller = wire.number_first(*creator) or wire.number_first(payload.from_, number) or told
    if caller == delivery.lid:
        caller = delivery.phone
    group = node.text("GroupJID")
    chat = canonical(group) if group else told if caller == delivery.phone or not is_person(told) else caller
    at, result = delivery.at(payload.timestamp), _CALLS.get(delivery.envelope.event)
    sender = caller if is_person(caller) else None
    mapped = [*wire.same_person(*creator), *wire.same_person(payload.from_, number)]
    if chat in (delivery.phone, delivery.lid):
        return list(mapped)
    return [*mapped, wire.call_of(delivery.phone, chat, payload.id, at, sender, video=payload.is_video, result=result)]


def _label(delivery: _Delivery) -> list[Event]:
    label, deleted = delivery.payload(shapes.Label), delivery.envelope.event == "label.deleted"
    return [wire.label_of(delivery.phone, label.id, delivery.event_time(), label.name, label.color, deleted)]


def _labeled(delivery: _Delivery) -> list[Event]:
    """WAHA tells the label too, if it knows it."""
    payload, at = delivery.payload(shapes.LabelChat), delivery.event_time()
    chat = wire.required_jid(waha_web.jid(payload.chat_id), SOURCE, "payload.chatId")
    labeled = delivery.envelope.event == "label.chat.added"
    told: list[Event] = [ChatLabeled(phone=delivery.phone, chat=chat, label=payload.label_id, labeled=labeled, at=at)]
    if payload.label is not None and payload.label.id == payload.label_id:
        label = payload.label
        told.append(wire.label_of(delivery.phone, label.id, at, label.name, label.color))
    return told


def _family(event: str) -> Callable[[_Delivery], list[Event]] | None:
    """Requests to join a group have events of their own below that of its members."""
    return _kept if event.startswith("group.v2.participants.") else None


def _kept(delivery: _Delivery) -> list[Event]:
    """Old group events, answers to events: only the payload is kept."""
    return []


_PASSING = {"presence.update", "state.change", "engine.event"}
"""Gone when they are over."""

_HANDLERS: dict[str, Callable[[_Delivery], list[Event]]] = {
    "message": _message,
    "message.any": _message,
    "message.reaction": _reaction,
    "message.ack": _ack,
    "message.ack.group": _ack,
    "message.revoked": _revoked,
    "message.edited": _edited,
    "message.waiting": _undecrypted,
    "poll.vote": _voted,
    "poll.vote.failed": _lost_vote,
    "group.v2.join": _group,
    "group.v2.leave": _group,
    "group.v2.update": _group,
    "group.v2.participants": _participants,
    "group.join": _kept,
    "group.leave": _kept,
    "chat.archive": _archived,
    "call.received": _call,
    "call.accepted": _call,
    "call.rejected": _call,
    "label.upsert": _label,
    "label.deleted": _label,
    "label.chat.added": _labeled,
    "label.chat.deleted": _labeled,
    "event.response": _kept,
    "event.response.failed": _kept,
}
