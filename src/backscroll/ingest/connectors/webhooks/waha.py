"""Payloads of WAHA with any of its engines (WEBJS, NOWEB, GOWS). See waha.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
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
from backscroll.core.ids import canonical, is_person
from backscroll.core.kinds import periskope_kind
from backscroll.core.model import Details, Kind, Location, Media, Member, Message, MessageKey, Quote
from backscroll.formats.periskope_ids import MessageRef, decode_message_id
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.pushed import Connection, ConnectionState, Observed, Setup, nothing
from backscroll.ingest.connectors.webhooks import proto_json, wire
from backscroll.ingest.connectors.webhooks.proto_json import Node

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


class _Me(Struct):
    id: str | None = None


class _Envelope(Struct):
    event: str
    payload: Raw = Raw(b"null")
    timestamp: wire.Time | None = None
    me: _Me | None = None


class _MediaFile(Struct):
    url: str | None = None
    mimetype: str | None = None
    filename: str | None = None


class _Place(Struct):
    latitude: str | float
    longitude: str | float
    description: str | None = None


class _Reply(Struct):
    id: str | None = None
    participant: str | None = None
    body: str | None = None


class _Message(Struct, rename="camel"):
    id: str
    timestamp: wire.Time | None = None
    from_: str | None = field(default=None, name="from")
    from_me: bool = False
    participant: str | None = None
    author: str | None = None
    body: str | None = None
    has_media: bool | None = None
    media: _MediaFile | None = None
    media_url: str | None = None
    ack: wire.Whole | None = None
    location: _Place | None = None
    v_cards: list[str] | None = field(default=None, name="vCards")
    reply_to: _Reply | None = None
    edited_message_id: str | None = None
    data: Any = field(default=None, name="_data")


class _ReactionBody(Struct, rename="camel"):
    message_id: str
    text: str | None = None


class _Reaction(_Message):
    reaction: _ReactionBody | None = None


class _Ack(Struct, rename="camel"):
    id: str
    ack: wire.Whole
    participant: str | None = None
    from_me: bool | None = None


class _Revoked(Struct, rename="camel"):
    after: _Message | None = None
    before: _Message | None = None
    revoked_message_id: str | None = None


class _Vote(Struct, rename="camel"):
    from_: str | None = field(default=None, name="from")
    from_me: bool = False
    participant: str | None = None
    selected_options: list[str] | None = None
    timestamp: Any = None


class _Poll(Struct):
    id: str


class _PollVote(Struct):
    vote: _Vote
    poll: _Poll


class _Participant(Struct):
    id: str
    pn: str | None = None
    role: str | None = None


class _GroupInfo(Struct):
    id: str
    subject: str | None = None
    description: str | None = None
    participants: list[_Participant] | None = None
    invite: str | None = None


class _Group(Struct):
    group: _GroupInfo
    timestamp: wire.Time | None = None
    type: str | None = None
    participants: list[_Participant] | None = None


class _Archive(Struct):
    id: str
    archived: bool
    timestamp: wire.Time | None = None


class _Call(Struct, rename="camel"):
    id: str
    from_: str | None = field(default=None, name="from")
    timestamp: wire.Time | None = None
    is_video: bool | None = None


class _Status(Struct):
    status: str


def observe(body: bytes, setup: Setup) -> Observed:
    """The events of one payload; raises ``Unreadable`` if it is not one of WAHA's."""
    envelope = wire.decode(SOURCE, body, _Envelope)
    if envelope.event in _PASSING:
        return nothing()
    own = envelope.me.id if envelope.me else None
    phone = wire.required_jid(own or setup.phone, SOURCE, "me.id")
    delivery = _Delivery(phone, envelope)
    if envelope.event == "session.status":
        state = _STATES.get(delivery.payload(_Status).status)
        return Observed(connections=[Connection(phone, state, delivery.event_time())] if state else [])
    handler = _HANDLERS.get(envelope.event) or _family(envelope.event)
    if handler is None:
        raise Unreadable(SOURCE, "event", f"this version does not know the event {envelope.event[:80]!r}")
    return Observed(events=wire.unrepeated(handler(delivery)), raw=body)


class _Delivery(Struct):
    """One payload on its way to events."""

    phone: str
    envelope: _Envelope

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


def _ref(id: str, chat: str | None) -> MessageRef:
    """``true_<chat>_<id>[_<participant>]`` taken apart; of a bare id the chat must be told beside."""
    ref = decode_message_id(id)
    chat = ref.chat or (canonical(chat) if chat else None)
    if not chat or not ref.id:
        raise Unreadable(SOURCE, "payload.id", "has no chat or no message id")
    return msgspec.structs.replace(ref, chat=chat)


class _Who(Struct):
    """Chat and author of a message, by their phone numbers where WAHA tells these."""

    chat: str
    sender: str | None
    mapped: list[NumberMapped]


def _who(delivery: _Delivery, message: _Message, ref: MessageRef) -> _Who:
    node = Node(message.data)
    chat = ref.chat or ""
    info, key = node.node("Info"), node.node("key")
    others = [info.text(name) for name in ("SenderAlt", "RecipientAlt")]
    in_key = ("remoteJidAlt", "senderPn") if is_person(chat) else ("participantAlt", "participantPn")
    others += [key.text(name) for name in in_key]
    told_sender = wire.number_first(message.participant, message.author, ref.sender)
    if is_person(chat):
        mapped = [event for other in others if other != delivery.phone for event in wire.same_person(chat, other)]
        chat = wire.number_first(chat, *(event.jid for event in mapped)) or chat
        return _Who(chat, delivery.phone if message.from_me else chat, mapped)
    if message.from_me:
        return _Who(chat, delivery.phone, [])
    mapped = [event for other in others for event in wire.same_person(told_sender, other)]
    sender = wire.number_first(told_sender, *(event.jid for event in mapped))
    return _Who(chat, sender, mapped)


# Messages


def _message(delivery: _Delivery) -> list[Event]:
    message = delivery.payload(_Message)
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    node = Node(message.data)
    content = proto_json.read(node.raw("message"))
    if content is not None and content.action is not None:
        return list(who.mapped)
    kind, details = (content.kind, content.details) if content is not None else _web_content(message, node)
    seen = Message(
        key=MessageKey(delivery.phone, who.chat, ref.id, who.sender),
        sent_at=delivery.at(message.timestamp),
        from_me=message.from_me,
        kind=_more_exact(kind, message),
        text=message.body or (content.text if content is not None else None),
        ack=_ACKS.get(message.ack) if message.from_me and message.ack is not None else None,
        details=_details(message, details, node, who.chat),
    )
    return [*who.mapped, MessageSeen(seen)]


def _more_exact(kind: Kind, message: _Message) -> Kind:
    """The kind, or what WAHA's own fields say where the engine's raw message does not tell it."""
    if kind != "unknown":
        return kind
    if message.location is not None:
        return "location"
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


def _web_content(message: _Message, node: Node) -> tuple[Kind, Details]:
    """The kind that whatsapp-web.js names, and what it tells of the file."""
    word = node.text("type")
    kind = periskope_kind(word) if word else "unknown"
    if not (message.has_media or message.media):
        return kind, Details()
    filehash, key = node.bytes("filehash"), node.text("mediaKey")
    file = Media(
        mimetype=node.text("mimetype"),
        size=node.number("size"),
        filename=node.text("filename"),
        sha256=filehash.hex() if filehash else None,
        width=node.number("width"),
        height=node.number("height"),
        media_key=key,
        direct_path=node.text("directPath"),
    )
    return kind, Details(media=file)


def _details(message: _Message, details: Details, node: Node, chat: str) -> Details:
    changes: dict[str, Any] = {
        "media": _media(message, details.media),
        "has_media": message.has_media,
        "quoted": details.quoted or _quote(message.reply_to),
        "location": details.location or _location(message.location),
        "vcards": details.vcards or (tuple(message.v_cards) if message.v_cards else None),
        "is_status": True if chat == "status@broadcast" else None,
    }
    if details.is_forwarded is None:
        changes["is_forwarded"] = node.flag("isForwarded")
    if not message.from_me:
        names = (node.text("pushName"), node.node("Info").text("PushName"), node.text("notifyName"))
        changes["push_name"] = next(filter(None, names), None)
    return msgspec.structs.replace(details, **changes)


def _media(message: _Message, media: Media | None) -> Media | None:
    """The file as WAHA serves it, over what the engine tells of it."""
    if not (message.has_media or message.media or media):
        return None
    file, known = message.media or _MediaFile(), media or Media()
    return msgspec.structs.replace(
        known,
        mimetype=known.mimetype or file.mimetype or None,
        filename=known.filename or file.filename or None,
        url=file.url or message.media_url or known.url,
    )


def _quote(reply: _Reply | None) -> Quote | None:
    if reply is None or not (reply.id or reply.body):
        return None
    ref = decode_message_id(reply.id or "")
    return Quote(id=ref.id or None, sender=wire.number_first(reply.participant, ref.sender), text=reply.body or None)


def _location(place: _Place | None) -> Location | None:
    return place_at(place.latitude, place.longitude, name=place.description or None) if place else None


def _reaction(delivery: _Delivery) -> list[Event]:
    message = delivery.payload(_Reaction)
    if message.reaction is None:
        raise Unreadable(SOURCE, "payload.reaction", "is missing")
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    if who.sender is None:
        raise Unreadable(SOURCE, "payload.participant", "does not say who reacted")
    reaction = ReactionSet(
        target=_target(delivery, _ref(message.reaction.message_id, who.chat), who.chat),
        by=who.sender,
        emoji=message.reaction.text or "",
        at=delivery.at(message.timestamp),
        id=ref.id,
    )
    return [*who.mapped, reaction]


def _target(delivery: _Delivery, ref: MessageRef, chat: str | None = None) -> Target:
    sender = delivery.phone if ref.from_me else ref.sender
    return Target(delivery.phone, chat or ref.chat or "", ref.id, sender)


def _ack(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Ack)
    ref = _ref(payload.id, None)
    from_me = payload.from_me if payload.from_me is not None else ref.from_me
    at, chat = delivery.event_time(), ref.chat or ""
    ack = _ACKS.get(payload.ack)
    if not from_me:
        read = ack is not None and ack >= 4 and at is not None
        return [ChatSeen(phone=delivery.phone, chat=chat, at=at, unread=0)] if read else []
    if ack is None:
        return []
    reader = None if is_person(chat) or ack < 3 else wire.jid_or_none(payload.participant)
    participant = None if reader == delivery.phone else reader
    target = Target(delivery.phone, chat, ref.id, delivery.phone)
    return [ReceiptSet(target=target, ack=ack, participant=participant, at=at)]


def _revoked(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Revoked)
    told_by = payload.after or payload.before
    if told_by is None:
        raise Unreadable(SOURCE, "payload.after", "has no chat")
    ref = _ref(told_by.id, told_by.from_)
    who = _who(delivery, told_by, ref)
    original = _ref(payload.before.id, who.chat) if payload.before else None
    id = payload.revoked_message_id or (original.id if original else ref.id)
    target = Target(delivery.phone, who.chat, decode_message_id(id).id)
    # Without ``after`` nothing says who deleted it.
    by = who.sender if payload.after else None
    at = delivery.at(payload.after.timestamp if payload.after else None)
    revoke = MessageRevoked(target=target, at=at, by=by, by_admin=by is not None and not is_person(who.chat))
    return [*who.mapped, revoke]


def _edited(delivery: _Delivery) -> list[Event]:
    message = delivery.payload(_Message)
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    id = decode_message_id(message.edited_message_id).id if message.edited_message_id else ref.id
    if message.body is None:
        return list(who.mapped)
    # whatsapp-web.js shows the message itself with its new text: its time is when it was sent.
    edited_at = None if ref.id == id and delivery.event_time() is not None else message.timestamp
    edit = MessageEdited(
        target=Target(delivery.phone, who.chat, id, who.sender),
        text=message.body,
        at=delivery.at(edited_at),
        id=ref.id if ref.id != id else None,
        by=who.sender,
    )
    return [*who.mapped, edit]


def _undecrypted(delivery: _Delivery) -> list[Event]:
    """A message that WAHA waits for, until a later copy fills it."""
    message = delivery.payload(_Message)
    ref = _ref(message.id, message.from_)
    who = _who(delivery, message, ref)
    key = MessageKey(delivery.phone, who.chat, ref.id, who.sender)
    seen = Message(key=key, sent_at=delivery.at(message.timestamp), from_me=message.from_me, kind="ciphertext")
    return [*who.mapped, MessageSeen(seen)]


def _voted(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_PollVote)
    ref, vote = _ref(payload.poll.id, payload.vote.from_), payload.vote
    voter = delivery.phone if vote.from_me else wire.jid_or_none(vote.participant or vote.from_)
    if voter is None or vote.selected_options is None:
        raise Unreadable(SOURCE, "payload.vote", "does not say who voted, or for what")
    cast_at = proto_json.whole_number(vote.timestamp)
    options = tuple(option for option in vote.selected_options if option)
    return [PollVoted(target=_target(delivery, ref), by=voter, options=options, at=delivery.at(cast_at))]


def _lost_vote(delivery: _Delivery) -> list[Event]:
    raise Unreadable(SOURCE, "payload.vote", "WAHA could not decrypt this vote")


# Groups, chats, calls


def _group(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Group)
    group, at = payload.group, delivery.at(payload.timestamp)
    left = delivery.envelope.event == "group.v2.leave"
    members = group.participants
    seen = ChatSeen(
        phone=delivery.phone,
        chat=canonical(group.id),
        at=at,
        name=group.subject or None,
        description=group.description or None,
        invite_link=group.invite or None,
        members=tuple(_member(member) for member in members) if members else None,
        is_exited=True if left else None,
    )
    mapped = [event for member in members or () for event in wire.same_person(member.id, member.pn)]
    return [*mapped, seen]


def _member(person: _Participant) -> Member:
    admin, owner = person.role in ("admin", "superadmin"), person.role == "superadmin"
    return Member(jid=wire.number_first(person.id, person.pn) or person.id, is_admin=admin, is_super_admin=owner)


def _participants(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Group)
    type = payload.type or ""
    people = payload.participants or []
    jids = [jid for member in people if (jid := wire.number_first(member.id, member.pn))]
    mapped = [event for member in people for event in wire.same_person(member.id, member.pn)]
    chat, at = canonical(payload.group.id), delivery.at(payload.timestamp)
    return [*mapped, wire.notice_of(delivery.phone, chat, _NOTICES.get(type, type), at, jids)]


def _archived(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Archive)
    at = delivery.at(payload.timestamp)
    return [ChatSeen(phone=delivery.phone, chat=canonical(payload.id), at=at, archived=payload.archived)]


def _call(delivery: _Delivery) -> list[Event]:
    payload = delivery.payload(_Call)
    caller = wire.required_jid(payload.from_, SOURCE, "payload.from")
    at, result = delivery.at(payload.timestamp), _CALLS.get(delivery.envelope.event)
    sender = caller if is_person(caller) else None
    return [wire.call_of(delivery.phone, caller, payload.id, at, sender, video=payload.is_video, result=result)]


def _family(event: str) -> Callable[[_Delivery], list[Event]] | None:
    """Requests to join a group have events of their own below that of its members."""
    return _kept if event.startswith("group.v2.participants.") else None


def _kept(delivery: _Delivery) -> list[Event]:
    """Labels by number, old group events, answers to events: only the payload is kept."""
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
    "label.upsert": _kept,
    "label.deleted": _kept,
    "label.chat.added": _kept,
    "label.chat.deleted": _kept,
    "event.response": _kept,
    "event.response.failed": _kept,
}
