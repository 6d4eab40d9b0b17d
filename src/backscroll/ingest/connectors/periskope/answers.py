"""What a server that speaks Periskope's API tells: its answers as events, without asking anything itself.

Each function takes the body of one answer and gives a ``PulledPage``. A row that cannot be read is reported
beside the good ones; only a body that is no such answer at all raises ``Unreadable``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.ids import canonical, clean_text
from backscroll.core.kinds import periskope_kind, periskope_type_name
from backscroll.core.model import Call, Details, Location, Media, Member, Message, MessageKey, Notice, Poll, Quote

SOURCE = "periskope"

Number = int | float | str
"""Periskope writes some numbers as text, and older pages the same ones as numbers."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_SECONDS = 10**11
"""An epoch number above this is meant as milliseconds (as seconds it would be the year 5138)."""

_PHONE_ID = re.compile(r"phone-[a-z0-9]+")
_AT = re.compile(r" - at `\$\.?(.*)`$")
_SERIALIZED = re.compile(r"(true|false)_([^@_]*@[a-z.]+|[^_]+)_(.+)", re.S)
_PARTICIPANT = re.compile(r"(.+)_([^_@]*@[a-z.]+)", re.S)
_LAST_TIMESTAMP = 253_402_300_800_000_000
"""The end of the year 9999."""

T = TypeVar("T")


class UnreadableRow(Struct, frozen=True):
    """A row that was left out of the page, for quarantine."""

    error: Unreadable
    payload: bytes


class PulledPage(Struct, frozen=True, kw_only=True):
    """One answer of the server, as events in the order in which they can be applied."""

    events: list[Event]
    rows: int
    """How many rows the answer had, readable or not."""
    times: list[int]
    """When the readable rows happened, in the order of the answer; empty where rows have no time."""
    unreadable: list[UnreadableRow]
    count: int | None = None
    """As the server says: rows of the page or of all pages, servers differ."""

    @property
    def oldest(self) -> int | None:
        return min(self.times, default=None)

    @property
    def newest(self) -> int | None:
        return max(self.times, default=None)

    @property
    def newest_first(self) -> bool:
        return self.times == sorted(self.times, reverse=True)

    def repeats(self, other: PulledPage | None) -> bool:
        """Whether it has the very rows of another page, whatever the server calls their places."""
        if other is None or self.rows != other.rows or self.events != other.events:
            return False
        return [row.payload for row in self.unreadable] == [row.payload for row in other.unreadable]


class _WireId(Struct):
    """Spelled in three ways: the list's, the webhook's and the notification's."""

    id: str | None = None
    remote: str | None = None
    from_me: bool | None = None
    camel_from_me: bool | None = field(default=None, name="fromMe")
    serialized: str | None = None
    underscored: str | None = field(default=None, name="_serialized")


class _WireDimensions(Struct):
    width: float | None = None
    height: float | None = None


class _WireMedia(Struct):
    path: str | None = None
    size: int | float | None = None
    filename: str | None = None
    mimetype: str | None = None
    thumbnail: str | None = None
    dimensions: _WireDimensions | None = None


class _WireDelivery(Struct):
    read: dict[str, Number | None] | None = None
    pending: list[str] | None = None
    delivered: dict[str, Number | None] | None = None


class _WirePlace(Struct):
    """Shown as it is sent: numbers as text, the rest under ``options``; other servers keep it flat."""

    latitude: Number | None = None
    longitude: Number | None = None
    name: str | None = None
    address: str | None = None
    url: str | None = None
    options: _WirePlace | None = None


class _WirePollOption(Struct):
    name: str


class _WirePollOptions(Struct):
    several: bool | None = field(default=None, name="allowMultipleAnswers")


class _WirePoll(Struct, rename="camel"):
    poll_name: str
    poll_options: list[str | _WirePollOption] = []
    options: _WirePollOptions | None = None


class _WireReaction(Struct):
    message_id: str
    sender_id: str
    org_phone: str
    chat_id: str | None = None
    reaction: str | None = None
    reaction_id: str | None = None
    timestamp: Number | None = None


class _WireMessage(Struct):
    org_phone: str
    timestamp: Number
    message_id: str | None = None
    ack: int | str | None = None
    author: str | None = None
    body: str | None = None
    broadcast: bool | None = None
    device_type: str | None = None
    duration: Number | None = None
    forwarding_score: Number | None = None
    from_: str | None = field(default=None, name="from")
    from_me: bool | None = None
    has_media: bool | None = None
    has_quoted_msg: bool | None = None
    has_reaction: bool | None = None
    id: _WireId | str | None = None
    invite_v4: Any = None
    is_ephemeral: bool | None = None
    is_forwarded: bool | None = None
    is_gif: bool | None = None
    is_starred: bool | None = None
    is_status: bool | None = None
    links: Any = None
    location: Any = None
    media_key: str | None = None
    mentioned_ids: list[str] | None = None
    order_id: str | None = None
    raw_data: Any = None
    to: str | None = None
    token: str | None = None
    message_type: str | None = None
    vcards: list[str] | None = None
    chat_id: str | None = None
    broadcast_id: str | None = None
    is_deleted: bool | None = None
    media: _WireMedia | None = None
    performed_by: str | None = None
    prev_body: str | None = None
    quoted_message_id: str | None = None
    sender_phone: str | None = None
    sent_message_id: str | None = None
    delivery_info: _WireDelivery | None = None
    updated_at: Number | None = None
    message_ticket_id: str | None = None
    unique_id: str | None = None
    flag_metadata: Any = None
    flag_response_time: Number | None = None
    flag_status: bool | None = None
    poll_info: Any = None
    poll_results: Any = None
    interactive: Any = None
    is_private_note: bool | None = None
    reactions: list[_WireReaction] | None = None
    """Only in the answer to a question for one message."""


class _WireNotification(Struct):
    org_phone: str
    timestamp: Number
    notification_id: str | None = None
    unique_id: str | None = None
    id: _WireId | str | None = None
    chat_id: str | None = None
    author: str | None = None
    body: str | None = None
    type: str | None = None
    recipients: list[str] | None = field(default=None, name="recipientids")
    metadata: dict[str, Any] | None = None


class _WireMember(Struct):
    contact_id: str | None = None
    is_admin: bool | None = None
    is_super_admin: bool | None = None
    contact_name: str | None = None


class _WireChat(Struct):
    chat_id: str
    org_phone: str | None = None
    chat_org_phones: list[str] | None = None
    chat_name: str | None = None
    chat_image: str | None = None
    created_at: Number | None = None
    updated_at: Number | None = None
    members: dict[str, _WireMember | None] | list[_WireMember] | None = None
    unread_count: dict[str, int | None] | int | None = None
    message_unread_count: int | None = None
    labels: list[str] | None = None
    chat_labels: str | None = None
    is_archived: bool | None = None
    is_pinned: bool | None = None
    is_exited: bool | None = None
    invite_link: str | None = None
    group_description: str | None = None


class _WireContact(Struct):
    contact_id: str
    contact_lid: str | None = None
    contact_name: str | None = None
    contact_image: str | None = None
    pushname: str | None = None
    verified_name: str | None = None
    is_my_contact: bool | None = None
    is_business: bool | None = None
    labels: list[str] | None = None
    updated_at: Number | None = None
    org_phone: str | None = None


class _WirePhone(Struct):
    org_phone: str
    phone_id: str | None = None
    phone_name: str | None = None
    created_at: Number | None = None


_CHAT_HELD = frozenset(_WireChat.__struct_encode_fields__) | {
    "org_id",
    "latest_message",
    "latest_message_timestamp",
    "member_count",
}
_CONTACT_HELD = frozenset(_WireContact.__struct_encode_fields__) | {"org_id", "chat_ids"}

Observed = tuple[list[Event], int | None]
"""What a row tells, and when it happened."""


def messages(body: bytes) -> PulledPage:
    """The answer of ``GET /chats/messages`` or of the list of one chat."""
    return _page(body, ("messages",), lambda raw, altered: _tell_message(_typed(raw, _WireMessage), altered))


def notifications(body: bytes) -> PulledPage:
    """The answer of ``GET /chats/notifications``: group events and calls. Servers differ on the list's name."""
    keys = ("notifications", "messages", "notifictions")
    return _page(body, keys, lambda raw, _: _tell_notification(_typed(raw, _WireNotification)))


def chats(body: bytes) -> PulledPage:
    """The answer of ``GET /chats``. What no field of ours holds is kept by its own name."""
    return _page(body, ("chats",), lambda raw, _: _tell_chat(_typed(raw, _WireChat), _others(raw, _CHAT_HELD)))


def contacts(body: bytes) -> PulledPage:
    """The answer of ``GET /contacts``."""
    keys = ("contacts",)
    return _page(body, keys, lambda raw, _: _tell_contact(_typed(raw, _WireContact), _others(raw, _CONTACT_HELD)))


def reactions(body: bytes) -> PulledPage:
    """The answer of ``GET /reactions``."""
    return _page(body, ("reactions",), lambda raw, _: _tell_reaction(_typed(raw, _WireReaction)))


def phones(body: bytes) -> PulledPage:
    """The answer of ``GET /phones/all``, a bare list."""
    return _page(body, ("phones",), lambda raw, _: _tell_phone(_typed(raw, _WirePhone)))


# Pages and rows


def _page(body: bytes, keys: tuple[str, ...], tell: Callable[[bytes, bool], Observed]) -> PulledPage:
    name, rows, count = _rows(body, keys)
    events: list[Event] = []
    times: list[int] = []
    unreadable: list[UnreadableRow] = []
    for number, raw in enumerate(rows):
        try:
            told, at = tell(*_storable(raw))
        except (msgspec.MsgspecError, UnicodeError, RecursionError, Unreadable) as error:
            unreadable.append(UnreadableRow(_named(error, f"{name}[{number}]"), raw))
            continue
        events += told
        if at is not None:
            times.append(at)
    return PulledPage(events=_unrepeated(events), rows=len(rows), times=times, unreadable=unreadable, count=count)


def _unrepeated(events: list[Event]) -> list[Event]:
    """Each own phone once, first: the messages of a page all name it."""
    seen = dict.fromkeys(event for event in events if isinstance(event, PhoneSeen))
    return [*seen, *(event for event in events if not isinstance(event, PhoneSeen))]


def _rows(body: bytes, keys: tuple[str, ...]) -> tuple[str, list[bytes], int | None]:
    """The name of the list, its rows as bytes, and the count that the server gave."""
    try:
        answer = msgspec.json.decode(body, type=list[Raw] | dict[str, Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        answer = _lenient_answer(body, keys[0])
    if isinstance(answer, list):
        return keys[0], [bytes(raw) for raw in answer], None
    for key in keys:
        if key in answer:
            return key, _list(answer[key], key), _whole(answer.get("count"))
    raise Unreadable(SOURCE, keys[0], "there is no such list in the answer")


def _list(raw: Raw, key: str) -> list[bytes]:
    try:
        return [bytes(row) for row in msgspec.json.decode(raw, type=list[Raw])]
    except msgspec.DecodeError:
        raise Unreadable(SOURCE, key, "this is not a list") from None


def _whole(raw: Raw | None) -> int | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=int | None)
    except msgspec.DecodeError:
        return None


def _lenient_answer(body: bytes, key: str) -> list[Raw] | dict[str, Raw]:
    """The answer once more by a reader that lets lone surrogates pass; what it refuses too is no JSON."""
    try:
        answer = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(SOURCE, key, f"the answer is not whole JSON ({error})") from None
    if isinstance(answer, list):
        return [_escaped(row) for row in answer]
    if isinstance(answer, dict):
        return {name: _escaped(value) for name, value in answer.items()}
    raise Unreadable(SOURCE, key, "the answer is neither an object nor a list")


def _escaped(value: Any) -> Raw:
    # NUL takes the place of lone surrogates until _storable meets the row and says that it was altered.
    return Raw(json.dumps(_mended(value, lambda text: re.sub("[\ud800-\udfff]", "\0", text))).encode())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _storable(raw: bytes) -> tuple[bytes, bool]:
    """The row with text that both engines can keep, and whether it had to be altered."""
    if rb"\u0000" not in raw:
        return raw, False
    row = msgspec.json.decode(raw)
    mended = _mended(row, lambda text: clean_text(text)[0])
    return msgspec.json.encode(mended), mended != row


def _mended(value: Any, mend: Callable[[str], str]) -> Any:
    match value:
        case str():
            return mend(value)
        case list():
            return [_mended(item, mend) for item in value]
        case dict():
            return {mend(name): _mended(item, mend) for name, item in value.items()}
    return value


def _typed(raw: bytes, shape: type[T]) -> T:
    return msgspec.json.decode(raw, type=shape)


def _others(raw: bytes, held: frozenset[str]) -> dict[str, Any] | None:
    row: dict[str, Any] = msgspec.json.decode(raw)
    return {name: value for name, value in row.items() if name not in held and value is not None} or None


def _named(error: Exception, row: str) -> Unreadable:
    """``error`` with the place of the row put before the field."""
    if isinstance(error, Unreadable):
        return Unreadable(SOURCE, f"{row}.{error.where}", error.problem)
    problem = str(error)
    place = _AT.search(problem)
    if place is None:
        return Unreadable(SOURCE, row, problem)
    return Unreadable(SOURCE, f"{row}.{place[1]}".rstrip("."), problem[: place.start()])


# Messages


def _tell_message(wire: _WireMessage, altered: bool) -> Observed:
    parts = _parts(wire.message_id, wire.unique_id, wire.id, wire.chat_id)
    phone = _jid(wire.org_phone)
    from_me = bool(_first_known(wire.from_me, parts.from_me))
    sender = _sender(wire, parts, phone, from_me)
    sent_at = _time(wire.timestamp, "timestamp")
    key = MessageKey(phone, parts.chat, parts.id, sender)
    word = wire.message_type or "chat"
    message = Message(
        key=key,
        sent_at=sent_at,
        from_me=from_me,
        kind="notice" if wire.is_private_note else periskope_kind(word),
        text=wire.body,
        ack=_ack(wire.ack),
        details=_details(wire, periskope_type_name(word), altered, key),
    )
    events: list[Event] = [PhoneSeen(jid=phone), MessageSeen(message)]
    events += _receipts(wire.delivery_info, Target(key.phone, key.chat, key.id, key.sender))
    for reaction in wire.reactions or ():
        events += _tell_reaction(reaction)[0]
    return events, sent_at


class _Parts(Struct, frozen=True):
    """What ``<true|false>_<chat>_<id>[_<participant>]`` and its unpacked form say together."""

    chat: str
    id: str
    from_me: bool | None
    participant: str | None


def _parts(serialized: str | None, bare: str | None, unpacked: _WireId | str | None, chat: str | None) -> _Parts:
    wire_id = unpacked if isinstance(unpacked, _WireId) else _WireId(serialized=unpacked)
    serialized = serialized or wire_id.serialized or wire_id.underscored
    spoken, told_chat, told_id, participant = split_message_id(serialized or "", chat or wire_id.remote)
    chat = chat or wire_id.remote or told_chat
    id = bare or wire_id.id or told_id
    if not chat:
        raise Unreadable(SOURCE, "chat_id", "the row names no chat")
    if not id:
        raise Unreadable(SOURCE, "unique_id", "the row names no message")
    from_me = _first_known(spoken, wire_id.from_me, wire_id.camel_from_me)
    return _Parts(_jid(chat), id, from_me, _jid_or_none(participant))


def split_message_id(text: str, chat: str | None = None) -> tuple[bool | None, str | None, str, str | None]:
    """(from me, chat, bare id, participant) of a serialized id; of a bare one only the id.

    Ids are chosen by senders and may hold underscores. Chats of two name no participant.
    """
    found = _SERIALIZED.fullmatch(text)
    if found is None:
        return None, None, text, None
    from_me, told_chat, rest = found[1] == "true", found[2], found[3]
    prefix = f"{found[1]}_{chat}_"
    if chat and text.startswith(prefix):
        told_chat, rest = chat, text[len(prefix) :]
    named = None if told_chat.endswith(("@c.us", "@s.whatsapp.net", "@lid")) else _PARTICIPANT.fullmatch(rest)
    return (from_me, told_chat, named[1], named[2]) if named else (from_me, told_chat, rest, None)


def _sender(wire: _WireMessage, parts: _Parts, phone: str, from_me: bool) -> str | None:
    """Who wrote it. In a chat of two that follows from the direction, in a group it must be told."""
    told = _jid_or_none(wire.sender_phone or wire.author) or parts.participant
    if told:
        return told
    if from_me:
        return phone
    return parts.chat if parts.chat.endswith(("@s.whatsapp.net", "@lid")) else None


def _details(wire: _WireMessage, type_name: str | None, altered: bool, key: MessageKey) -> Details:
    return Details(
        media=_media(wire.media, _seconds(wire.duration)),
        quoted=_quote(wire.quoted_message_id, key),
        mentions=tuple(map(_jid, wire.mentioned_ids or ())),
        location=_location(wire.location),
        location_data=wire.location,
        vcards=None if wire.vcards is None else tuple(wire.vcards),
        poll=_poll(wire.poll_info),
        poll_info=wire.poll_info,
        poll_results=wire.poll_results,
        notice=Notice(type="private_note") if wire.is_private_note else None,
        type_name=type_name,
        altered=True if altered else None,
        prev_text=wire.prev_body,
        updated_at=None if wire.updated_at is None else _time(wire.updated_at, "updated_at"),
        is_forwarded=wire.is_forwarded,
        forwarding_score=_score(wire.forwarding_score),
        is_ephemeral=wire.is_ephemeral,
        is_gif=wire.is_gif,
        is_starred=wire.is_starred,
        is_status=wire.is_status,
        is_deleted=wire.is_deleted,
        broadcast=wire.broadcast,
        has_media=wire.has_media,
        has_quoted=wire.has_quoted_msg,
        has_reaction=wire.has_reaction,
        client_ref=wire.sent_message_id,
        performed_by=wire.performed_by,
        broadcast_id=wire.broadcast_id,
        ticket_id=wire.message_ticket_id,
        flag_status=wire.flag_status,
        flag_metadata=wire.flag_metadata,
        flag_response_time=_number(wire.flag_response_time, "flag_response_time"),
        device_type=wire.device_type,
        author=_jid_or_none(wire.author),
        recipient=_jid_or_none(wire.to),
        origin=_jid_or_none(wire.from_),
        links=wire.links,
        invite=wire.invite_v4,
        order_id=wire.order_id,
        order_token=wire.token,
        interactive=wire.interactive,
        raw_data=wire.raw_data,
        media_key=wire.media_key,
        pending=_pending(wire.delivery_info),
    )


def _media(wire: _WireMedia | None, seconds: float | None) -> Media | None:
    if wire is None:
        return None if seconds is None else Media(duration=seconds)
    size = wire.dimensions or _WireDimensions()
    linked = wire.thumbnail is not None and wire.thumbnail.startswith(("http://", "https://", "/"))
    return Media(
        mimetype=wire.mimetype,
        size=_rounded(wire.size),
        filename=wire.filename,
        width=_rounded(size.width),
        height=_rounded(size.height),
        duration=seconds,
        url=wire.path,
        thumbnail_url=wire.thumbnail if linked else None,
        thumbnail=None if linked else wire.thumbnail,
    )


def _quote(message_id: str | None, key: MessageKey) -> Quote | None:
    """The quoted message. Where the id does not name the author, the direction does in a chat of two."""
    if not message_id:
        return None
    from_me, chat, id, participant = split_message_id(message_id, None)
    if participant:
        return Quote(id=id, sender=_jid(participant))
    if from_me is None or chat is None:
        return Quote(id=id)
    other = _jid(chat)
    return Quote(id=id, sender=key.phone if from_me else other if other.endswith(("net", "lid")) else None)


def _location(value: Any) -> Location | None:
    """Latitude and longitude where they are both told; the source's own shape is kept beside."""
    try:
        wire = msgspec.convert(value, _WirePlace)
        more = wire.options or _WirePlace()
        return Location(
            latitude=_finite("" if wire.latitude is None else wire.latitude),
            longitude=_finite("" if wire.longitude is None else wire.longitude),
            name=wire.name or more.name,
            address=wire.address or more.address,
            url=wire.url or more.url,
        )
    except (ValueError, OverflowError):
        return None


def _poll(value: Any) -> Poll | None:
    try:
        wire = msgspec.convert(value, _WirePoll)
    except msgspec.ValidationError:
        return None
    options = tuple(option if isinstance(option, str) else option.name for option in wire.poll_options)
    several = wire.options.several if wire.options else None
    return Poll(name=wire.poll_name, options=options, selectable=None if several is None else int(not several))


def _pending(wire: _WireDelivery | None) -> tuple[str, ...] | None:
    return None if wire is None or wire.pending is None else tuple(map(_jid, wire.pending))


def _receipts(wire: _WireDelivery | None, target: Target) -> Iterator[Event]:
    if wire is None:
        return
    for ack, times in ((3, wire.delivered), (4, wire.read)):
        for participant, at in (times or {}).items():
            when = None if at is None else _time(at, f"delivery_info.{participant}")
            yield ReceiptSet(target=target, ack=ack, participant=_jid(participant), at=when)


# Everything else


def _tell_notification(wire: _WireNotification) -> Observed:
    parts = _parts(wire.notification_id, wire.unique_id, wire.id, wire.chat_id)
    phone = _jid(wire.org_phone)
    author = _jid_or_none(wire.author)
    at = _time(wire.timestamp, "timestamp")
    call = _call(wire.metadata or {}) if wire.type == "call" else None
    notice = Notice(type=wire.type, recipients=tuple(map(_jid, wire.recipients or ())), metadata=wire.metadata)
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


def _tell_chat(wire: _WireChat, extras: dict[str, Any] | None) -> Observed:
    phones = dict.fromkeys(_jid(phone) for phone in (wire.org_phone, *(wire.chat_org_phones or ())) if phone)
    if not phones:
        raise Unreadable(SOURCE, "org_phone", "the chat names no phone that sees it")
    updated_at = None if wire.updated_at is None else _time(wire.updated_at, "updated_at")
    created_at = None if wire.created_at is None else _time(wire.created_at, "created_at")
    events: list[Event] = [PhoneSeen(jid=phone) for phone in phones]
    events += [
        ChatSeen(
            phone=phone,
            chat=_jid(wire.chat_id),
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


def _unread(wire: _WireChat, phone: str) -> int | None:
    if isinstance(wire.unread_count, dict):
        by_phone = {_jid(own): number for own, number in wire.unread_count.items()}
        return by_phone.get(phone, wire.message_unread_count)
    return wire.unread_count if wire.unread_count is not None else wire.message_unread_count


def _members(wire: dict[str, _WireMember | None] | list[_WireMember] | None) -> tuple[Member, ...] | None:
    if wire is None:
        return None
    named = wire.items() if isinstance(wire, dict) else ((member.contact_id or "", member) for member in wire)
    return tuple(_member(jid, member or _WireMember()) for jid, member in named if jid)


def _member(jid: str, wire: _WireMember) -> Member:
    return Member(
        jid=_jid(wire.contact_id or jid),
        is_admin=bool(wire.is_admin),
        is_super_admin=bool(wire.is_super_admin),
        name=wire.contact_name or None,
    )


def _labels(wire: _WireChat) -> tuple[str, ...] | None:
    if wire.labels is not None:
        return tuple(wire.labels)
    if wire.chat_labels is not None:
        return tuple(label.strip() for label in wire.chat_labels.split(",") if label.strip())
    return None


def _tell_contact(wire: _WireContact, extras: dict[str, Any] | None) -> Observed:
    jid = _jid(wire.contact_id)
    contact = ContactSeen(
        jid=jid,
        at=None if wire.updated_at is None else _time(wire.updated_at, "updated_at"),
        name=wire.contact_name or None,
        push_name=wire.pushname or None,
        business_name=wire.verified_name or None,
        image=wire.contact_image or None,
        is_business=wire.is_business,
        is_saved=wire.is_my_contact,
        labels=None if wire.labels is None else tuple(wire.labels),
        extras=extras,
    )
    lid = _jid_or_none(wire.contact_lid)
    mapped: list[Event] = [NumberMapped(lid=lid, jid=jid)] if lid and lid != jid and lid.endswith("@lid") else []
    return [*mapped, contact], None


def _tell_reaction(wire: _WireReaction) -> Observed:
    from_me, told_chat, id, participant = split_message_id(wire.message_id, wire.chat_id)
    chat, phone = wire.chat_id or told_chat, _jid(wire.org_phone)
    if not chat:
        raise Unreadable(SOURCE, "chat_id", "the reaction names no chat")
    sender = _jid(participant) if participant else phone if from_me else None
    at = None if wire.timestamp is None else _time(wire.timestamp, "timestamp")
    reaction = ReactionSet(
        target=Target(phone, _jid(chat), id, sender),
        by=_jid(wire.sender_id),
        emoji=wire.reaction or "",
        at=at,
        id=wire.reaction_id,
    )
    return [PhoneSeen(jid=phone), reaction], at


def _tell_phone(wire: _WirePhone) -> Observed:
    ours = wire.phone_id if wire.phone_id and _PHONE_ID.fullmatch(wire.phone_id) else None
    created_at = None if wire.created_at is None else _time(wire.created_at, "created_at")
    name = wire.phone_name or None
    return [PhoneSeen(jid=_jid(wire.org_phone), name=name, phone_id=ours, created_at=created_at)], None


# Values


def _jid(text: str) -> str:
    return canonical(text)


def _jid_or_none(text: str | None) -> str | None:
    return canonical(text) if text else None


def _time(value: Number, name: str) -> int:
    """Microseconds of an ISO or PostgreSQL text (no zone means UTC), or of epoch seconds or milliseconds."""
    try:
        if isinstance(value, str) and not value.lstrip("-").isdecimal():
            timestamp = datetime.fromisoformat(value)
            return ((timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
        number = int(value) if isinstance(value, str) else value
        micros = round(number * (1_000_000 if abs(number) < _LAST_SECONDS else 1_000))
        if abs(micros) >= _LAST_TIMESTAMP:
            raise ValueError
        return micros
    except (ValueError, OverflowError):
        raise Unreadable(SOURCE, name, f"{_cut(value)} is not a time") from None


def _ack(value: int | str | None) -> int | None:
    if value is None:
        return None
    try:
        ack = int(value)
    except ValueError:
        ack = 99
    if not -1 <= ack <= 5:
        raise Unreadable(SOURCE, "ack", f"{_cut(value)} is not a number from -1 to 5")
    return ack


def _number(value: Number | None, name: str) -> float | None:
    try:
        return None if value is None else _finite(value)
    except (ValueError, OverflowError):
        raise Unreadable(SOURCE, name, f"{_cut(value)} is not a number") from None


def _finite(value: Number) -> float:
    number = float(value) if isinstance(value, str) else value
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _cut(value: object) -> str:
    """Enough of a wrong value to find it by, and no more: it may be anything."""
    return repr(value)[:40]


def _seconds(value: Number | None) -> float | None:
    return None if value == "" else _number(value, "duration")


def _score(value: Number | None) -> int | None:
    return _rounded(_number(value, "forwarding_score"))


def _rounded(value: float | None) -> int | None:
    return None if value is None or abs(value) >= 2**63 else round(value)


def _first_known(*values: bool | None) -> bool | None:
    return next((value for value in values if value is not None), None)
