"""Periskope's message object, 53 keys in the order of its database, assembled from cached pieces.

A page holds up to 2,000 of them, and most repeat what others contain: who wrote to whom (``_Who``) and the kind of
message (``_Told``). Together these form a frame of nine pieces, which is cached; a usual row is its frame with eight
texts of its own in between.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from backscroll.core.ids import is_person
from backscroll.core.kinds import periskope_type
from backscroll.core.model import (
    NO_DETAILS,
    Access,
    ArchivedMessage,
    Details,
    Kind,
    Location,
    Media,
    PlainMessage,
    Quote,
    Receipt,
    Render,
    Shown,
)
from backscroll.dialects.links import Links
from backscroll.formats.jsontext import encode, jsonb, jsonb_text, number, quote
from backscroll.formats.periskope_ids import encode_message_id, has_participants, shown_jid
from backscroll.formats.timestamps import postgres_text

_FLAG: dict[bool | None, str] = {None: "null", True: "true", False: "false"}

Row = Callable[[Shown], bytes]


_Frame = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""The text around unique id, text, unique id, unique id, time, time of change, unique id and fts."""


class _Who(Struct, frozen=True, gc=False):
    """The parts of a row that depend on chat, own phone and sender, in order."""

    message_id: str
    end_of_id: str
    from_me: str
    remote: str
    end_of_serialized: str
    chat: str
    own_phone: str
    sender: str


class _Observed(Struct, frozen=True, gc=False):
    """The parts between those, in order: the kind of message, and what only its source could know."""

    author: str
    broadcast: str
    duration: str
    score: str
    has: str
    facts: str
    mentioned: str
    orders: str
    broadcast_id: str
    media: str
    performed: str
    prev_body: str
    quoted: str
    reference: str
    delivery: str
    ticket: str
    flag: str
    end: str


@lru_cache(maxsize=4096)
def _changed(at: int) -> bytes:
    """Times when rows were changed: an import changes many at the same time."""
    return postgres_text(at).encode()


def row_renderer(access: Access, links: Links) -> Row:
    """A function that renders one message as JSON text."""
    org_no, org_id = access.org.no, quote(access.org.id)

    def frame_of(archived: ArchivedMessage) -> _Frame:
        message = archived.message
        key, from_me = message.key, message.from_me
        among = (org_id, key.chat, archived.phone.jid, key.sender, from_me)
        if message.details is NO_DETAILS and archived.prev_text is None and not (archived.receipts or archived.votes):
            return _usual_frame(*among, archived.ack or 0, message.kind, archived.deleted)
        return _frame(_who(*among), archived.ack or 0, _told(archived, org_no, links))

    def row(shown: Shown) -> bytes:
        if isinstance(shown, PlainMessage):
            chat, phone, sender, from_me = shown.chat, shown.phone.jid, shown.sender, shown.from_me
            frame = _usual_frame(org_id, chat, phone, sender, from_me, shown.ack or 0, "text", False)
            told_id, told_at, told_text, changed_at = shown.id, shown.sent_at, shown.text, shown.changed_at
        else:
            frame = frame_of(shown)
            message, changed_at = shown.message, updated_at(shown)
            told_id, told_at, told_text = message.key.id, message.sent_at, message.text
        start, author, broadcast, remote, serialized, own_phone, ticket, flag, end = frame
        unique_id, sent_at = encode(told_id)[1:-1], postgres_text(told_at).encode()
        text, fts, changed = encode(told_text), encode(shown.fts), _changed(changed_at)
        # fmt: off
        return b"".join((
            start, unique_id, author, text, broadcast, unique_id, remote, unique_id, serialized, sent_at,
            own_phone, changed, ticket, unique_id, flag, fts, end,
        ))
        # fmt: on

    return row


def rows_renderer(access: Access, links: Links) -> Render:
    """A function that renders messages as JSON text."""
    row = row_renderer(access, links)
    return lambda messages: list(map(row, messages))


@lru_cache(maxsize=4096)
def _usual_frame(
    org_id: str, chat: str, phone: str, sender: str | None, from_me: bool, ack: int, kind: Kind, deleted: bool
) -> _Frame:
    """The frame of a message without details."""
    told = _told_in_full(kind, from_me, deleted, NO_DETAILS)
    return _frame(_who(org_id, chat, phone, sender, from_me), ack, told)


def _frame(who: _Who, ack: int, told: _Observed) -> _Frame:
    return (
        who.message_id.encode(),
        f'{who.end_of_id}"ack":"{ack}",{told.author}'.encode(),
        f"{told.broadcast}{told.duration}{told.score}{who.from_me}{told.has}".encode(),
        who.remote.encode(),
        f"{who.end_of_serialized}{told.facts}{told.mentioned}{told.orders}{who.chat}".encode(),
        (
            f"{who.own_phone}{told.broadcast_id}{told.media}{told.performed}{told.prev_body}{told.quoted}{who.sender}"
            f"{told.reference}{told.delivery}"
        ).encode(),
        told.ticket.encode(),
        told.flag.encode(),
        told.end.encode(),
    )


@lru_cache(maxsize=4096)
def _who(org_id: str, chat_jid: str, phone_jid: str, told_sender: str | None, from_me: bool) -> _Who:
    sender = _sender(chat_jid, phone_jid, told_sender, from_me)
    chat, own, mine = quote(shown_jid(chat_jid)), quote(shown_jid(phone_jid)), "true" if from_me else "false"
    writer = "null" if sender is None else quote(shown_jid(sender))
    participant = f"_{writer[1:-1]}" if sender is not None and has_participants(chat_jid) else ""
    start_of_id = f"{mine}_{chat[1:-1]}_"
    return _Who(
        message_id=f'{{"message_id":"{start_of_id}',
        end_of_id=f'{participant}","org_id":{org_id},',
        from_me=f'"from_me":{mine},',
        remote=f'","remote":{chat},"from_me":{mine},"serialized":"{start_of_id}',
        end_of_serialized=f'{participant}"}},',
        chat=f'"chat_id":{chat},"timestamp":"',
        own_phone=f'","org_phone":{own},',
        sender=f'"sender_phone":{writer},',
    )


def sender_of(archived: ArchivedMessage) -> str | None:
    """The author: the own phone, the sender reported by a source, or the only other person in the chat."""
    key = archived.message.key
    return _sender(key.chat, archived.phone.jid, key.sender, archived.message.from_me)


def _sender(chat: str, phone: str, told: str | None, from_me: bool) -> str | None:
    if from_me:
        return phone
    if told is not None:
        return told
    return chat if is_person(chat) else None


def message_id_of(archived: ArchivedMessage) -> str:
    """Periskope's ``message_id``: direction, chat, id, and the sender if several people write in the chat."""
    key = archived.message.key
    return encode_message_id(archived.message.from_me, key.chat, key.id, sender_of(archived))


def updated_at(archived: ArchivedMessage) -> int:
    """When the source last changed it, or the time of a later edit or deletion; otherwise when it changed here."""
    told = archived.message.details.updated_at
    if told is None:
        return archived.changed_at
    return max(told, archived.edited_at or told, archived.deleted_at or told)


def prev_text(archived: ArchivedMessage) -> str | None:
    return archived.prev_text if archived.prev_text is not None else archived.message.details.prev_text


_FLAG_NAMES = (
    *("broadcast", "has_media", "has_quoted", "has_reaction", "is_deleted", "is_ephemeral"),
    *("is_forwarded", "is_gif", "is_starred", "is_status", "flag_status"),
)
_RARE_NAMES = (
    *("author", "device_type", "forwarding_score", "origin", "invite", "links", "location", "location_data"),
    *("media_key", "order_id", "raw_data", "recipient", "order_token", "vcards", "broadcast_id", "performed_by"),
    *("client_ref", "ticket_id", "flag_metadata", "flag_response_time", "poll", "poll_info", "interactive"),
    *("type_name", "poll_results"),
)
"""Together with the flags, media, mentions, quote, pending and previous text, these are all details that a row shows.
"""
_flags_of, _rare_of = attrgetter(*_FLAG_NAMES), attrgetter(*_RARE_NAMES)
_NO_RARE = _rare_of(NO_DETAILS)


def _told(archived: ArchivedMessage, org_no: int, links: Links) -> _Observed:
    """Most messages have at most flags, which repeat; for the others a few pieces are replaced."""
    message, details, deleted = archived.message, archived.message.details, archived.deleted
    if _rare_of(details) == _NO_RARE:
        told = _flags_as_told(message.kind, message.from_me, deleted, _flags_of(details))
    else:
        told = _told_in_full(message.kind, message.from_me, deleted, details)
    if archived.votes or details.poll_results is not None or (details.poll is not None and details.poll.counts):
        told = replace(told, end=_end(details, _poll_results(archived)))
    if archived.receipts or details.pending:
        told = replace(told, delivery=_delivery(archived))
    if (prev := prev_text(archived)) is not None:
        told = replace(told, prev_body=_prev_body(prev))
    if (media := details.media) is not None:
        told = replace(told, duration=_duration(media), media=_media(media, org_no, links))
    if details.mentions:
        told = replace(told, mentioned=_mentioned(details.mentions))
    if details.quoted is not None:
        told = replace(told, quoted=_quoted(details.quoted, message.key.chat, archived.phone.jid))
    return told


@lru_cache(maxsize=1024)
def _flags_as_told(kind: Kind, from_me: bool, deleted: bool, flags: tuple[bool | None, ...]) -> _Observed:
    told: dict[str, Any] = dict(zip(_FLAG_NAMES, flags, strict=True))
    return _told_in_full(kind, from_me, deleted, Details(**told))


def _told_in_full(kind: Kind, from_me: bool, deleted: bool, d: Details) -> _Observed:
    """All pieces for a message without media, mentions, quote, votes, receipts and an earlier text."""
    return _Observed(
        author=f'"author":{_jid(d.author)},"body":',
        broadcast=f',"broadcast":{_FLAG[d.broadcast]},"device_type":{_text(d.device_type)},',
        duration=_NO_DURATION,
        score=f'"forwarding_score":{jsonb_text(d.forwarding_score)},"from":{_jid(d.origin)},',
        has=(
            f'"has_media":{_FLAG[d.has_media]},"has_quoted_msg":{_FLAG[d.has_quoted]},'
            f'"has_reaction":{_FLAG[d.has_reaction]},"id":{{"id":"'
        ),
        facts=(
            f'"invite_v4":{jsonb_text(d.invite)},"is_ephemeral":{_FLAG[d.is_ephemeral]},'
            f'"is_forwarded":{_FLAG[d.is_forwarded]},"is_gif":{_FLAG[d.is_gif]},"is_starred":{_FLAG[d.is_starred]},'
            f'"is_status":{_FLAG[d.is_status]},"links":{jsonb_text(d.links)},"location":{jsonb_text(_location(d))},'
            f'"media_key":{_text(d.media_key)},'
        ),
        mentioned=_mentioned(()),
        orders=(
            f'"order_id":{_text(d.order_id)},"raw_data":{jsonb_text(d.raw_data)},"to":{_jid(d.recipient)},'
            f'"token":{_text(d.order_token)},"message_type":{quote(periskope_type(kind, d.type_name))},'
            f'"vcards":{"null" if d.vcards is None else encode(d.vcards).decode()},'
        ),
        broadcast_id=(
            f'"broadcast_id":{_text(d.broadcast_id)},"is_deleted":{"true" if deleted else _FLAG[d.is_deleted]},'
        ),
        media='"media":null,',
        performed=f'"performed_by":{_text(d.performed_by)},',
        prev_body=_prev_body(None),
        quoted='"quoted_message_id":null,',
        reference=f'"sent_message_id":{_text(d.client_ref)},',
        delivery=_SENT if from_me else _RECEIVED,
        ticket=f'","message_ticket_id":{_text(d.ticket_id)},"unique_id":"',
        flag=(
            f'","flag_metadata":{jsonb_text(d.flag_metadata)},'
            f'"flag_response_time":{jsonb_text(d.flag_response_time)},"fts":'
        ),
        end=_end(d, None),
    )


def _end(d: Details, votes: Any) -> str:
    return (
        f',"flag_status":{_FLAG[d.flag_status]},"poll_info":{jsonb_text(_poll_info(d))},'
        f'"poll_results":{jsonb_text(votes)},"interactive":{jsonb_text(d.interactive)}}}'
    )


def _prev_body(text: str | None) -> str:
    return f'"prev_body":{_text(text)},'


def _text(value: str | None) -> str:
    return "null" if value is None else quote(value)


def _jid(jid: str | None) -> str:
    return "null" if jid is None else quote(shown_jid(jid))


def _digits(value: float) -> str:
    """A number as text; Periskope stores durations and coordinates that way."""
    return encode(number(value)).decode()


def _location(details: Details) -> Any:
    """As the source had it, otherwise in the format in which Periskope's clients send locations."""
    if details.location_data is not None or details.location is None:
        return details.location_data
    place: Location = details.location
    options = {"url": place.url, "name": place.name, "address": place.address}
    told = {name: value for name, value in options.items() if value is not None}
    shown = {"latitude": _digits(place.latitude), "longitude": _digits(place.longitude)}
    return {"options": told, **shown} if told else shown


_NO_DURATION = '"duration":null,'


def _duration(media: Media) -> str:
    if media.duration is None:
        return _NO_DURATION
    return f'"duration":{quote(_digits(media.duration))},'


def _mentioned(mentions: tuple[str, ...]) -> str:
    return f'"mentioned_ids":[{",".join([quote(shown_jid(jid)) for jid in mentions])}],'


def _media(media: Media, org_no: int, links: Links) -> str:
    told = {
        "path": links.media_url(org_no, media) or media.url,
        "size": media.size,
        "filename": media.filename,
        "mimetype": media.mimetype,
        "thumbnail": links.thumbnail_url(org_no, media) or media.thumbnail_url,
        "dimensions": _dimensions(media.width, media.height),
    }
    return f'"media":{encode(told).decode()},'


def _dimensions(width: int | None, height: int | None) -> dict[str, Any] | None:
    if width is None or height is None:
        return None
    return {"ar": number(width / height) if height else None, "width": width, "height": height}


def _quoted(quoted: Quote, chat: str, own: str) -> str:
    """The quoted message's full id if its author is known, otherwise the bare one."""
    shown = quoted.id
    if shown is not None and quoted.sender is not None:
        shown = encode_message_id(quoted.sender == own, chat, shown, quoted.sender)
    return f'"quoted_message_id":{_text(shown)},'


def _delivery(archived: ArchivedMessage) -> str:
    """Received messages have no ``read`` and ``delivered`` maps; own ones have both."""
    pending = [shown_jid(jid) for jid in archived.message.details.pending or ()]
    if not archived.message.from_me:
        return _delivery_info({"pending": pending, "read_count": 0, "delivered_count": 0})
    read: dict[str, int] = {}
    delivered: dict[str, int] = {}
    for receipt in archived.receipts:
        jid, read_at = shown_jid(receipt.participant), seen_at(receipt)
        if read_at is not None:
            read[jid] = read_at // 1000
        if receipt.delivered_at is not None:
            delivered[jid] = receipt.delivered_at // 1000
    info = {
        "read": jsonb(read),
        "pending": pending,
        "delivered": jsonb(delivered),
        "read_count": len(read),
        "delivered_count": len(delivered),
    }
    return _delivery_info(info)


def _delivery_info(info: dict[str, Any]) -> str:
    return f'"delivery_info":{encode(info).decode()},"updated_at":"'


_RECEIVED = _delivery_info({"pending": [], "read_count": 0, "delivered_count": 0})
_SENT = _delivery_info({"read": {}, "pending": [], "delivered": {}, "read_count": 0, "delivered_count": 0})


def seen_at(receipt: Receipt) -> int | None:
    """When the participant read it, or otherwise played it."""
    return receipt.played_at if receipt.read_at is None else receipt.read_at


def _poll_info(details: Details) -> Any:
    poll = details.poll
    if details.poll_info is not None or poll is None:
        return details.poll_info
    info: dict[str, Any] = {"pollName": poll.name, "pollOptions": poll.options}
    if poll.selectable is not None:
        info["options"] = {"allowMultipleAnswers": poll.selectable != 1}
    return info


def _poll_results(archived: ArchivedMessage) -> Any:
    """Who chose an option and when, from the known votes; otherwise as the source gave it.

    If only counts are known (exported chats), an option's value is the number of votes.
    """
    details = archived.message.details
    if not archived.votes:
        return details.poll.counts if details.poll_results is None and details.poll else details.poll_results
    results: dict[str, dict[str, str]] = {name: {} for name in (details.poll.options if details.poll else ())}
    for vote in archived.votes:
        for option in vote.options:
            results.setdefault(option, {})[shown_jid(vote.voter)] = postgres_text(vote.at)
    return jsonb(results)
