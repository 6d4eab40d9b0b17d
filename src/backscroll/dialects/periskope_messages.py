"""Periskope's message object, 53 keys in the order of its database, built as text.

A page holds up to 2,000 of them, so the keys that only ``Details`` can fill come in ready-made segments
and a message without details costs a dozen short strings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

from backscroll.dialects.jsontext import encode, jsonb, jsonb_text, number, quote
from backscroll.dialects.links import Links, NoLinks
from backscroll.dialects.moments import postgres_text
from backscroll.dialects.periskope_ids import encode_message_id, has_participants, shown_jid
from backscroll.ids import is_person
from backscroll.kinds import periskope_type
from backscroll.model import NO_DETAILS, Access, ArchivedMessage, Details, Location, Media, Quote, Receipt

_FLAG: dict[bool | None, str] = {None: "null", True: "true", False: "false"}
_RECEIVED = '{"pending":[],"read_count":0,"delivered_count":0}'
_SENT = '{"read":{},"pending":[],"delivered":{},"read_count":0,"delivered_count":0}'

Row = Callable[[ArchivedMessage], bytes]


class _Shown(dict[str, str]):
    """JIDs as they stand inside a JSON string, each escaped once a page."""

    def __missing__(self, jid: str) -> str:
        text = quote(shown_jid(jid))[1:-1]
        self[jid] = text
        return text


class _Several(dict[str, bool]):
    """Whether a chat's message ids name the participant, found once a page."""

    def __missing__(self, chat: str) -> bool:
        several = has_participants(chat)
        self[chat] = several
        return several


class _Moments(dict[int, str]):
    """Times when rows were changed, each put into words once a page: an import changes many at a time."""

    def __missing__(self, at: int) -> str:
        text = postgres_text(at)
        self[at] = text
        return text


def row_renderer(access: Access, links: Links) -> Row:
    """A function that renders one message as JSON text; it remembers what the messages of a page share.

    What people wrote is joined in as bytes: letters beyond ASCII would make all of the row dear to encode.
    """
    org_no, org_id = access.org.no, quote(access.org.id)
    shown, several, moments = _Shown(), _Several(), _Moments()

    def row(archived: ArchivedMessage) -> bytes:
        message = archived.message
        key, details, from_me = message.key, message.details, message.from_me
        chat, own = shown[key.chat], shown[archived.phone.jid]
        mine = "true" if from_me else "false"
        unique_id = quote(key.id)[1:-1]
        sender = archived.phone.jid if from_me else key.sender or sender_of(archived)
        writer = "null" if sender is None else f'"{shown[sender]}"'
        message_id = f"{mine}_{chat}_{unique_id}"
        if sender is not None and several[key.chat]:
            message_id = f"{message_id}_{shown[sender]}"
        if details is NO_DETAILS:
            told, prev, changed_at = _NOTHING_TOLD, archived.prev_text, archived.changed_at
        else:
            told, prev, changed_at = _told(archived, org_no, links), prev_text(archived), updated_at(archived)
        author, broadcast, duration, score, has, facts, mentioned, orders, cards = told[:_HALF]
        broadcast_id, media, performed, quoted, ref, ticket, flag, poll, end = told[_HALF:]
        deleted = "true" if archived.deleted else _FLAG[details.is_deleted]
        kind = '"chat"' if message.kind == "text" and details.type_name is None else _type(archived)
        delivery = _delivery(archived) if archived.receipts or details.pending else _SENT if from_me else _RECEIVED
        votes = "null"
        if archived.votes or details.poll_results is not None:
            votes = jsonb_text(_poll_results(archived))
        head = f'{{"message_id":"{message_id}","org_id":{org_id},"ack":"{archived.ack or 0}",{author}"body":'
        middle = (
            f',{broadcast}{duration}{score}"from_me":{mine},{has}"id":{{"id":"{unique_id}","remote":"{chat}","from_me":{mine},'
            f'"serialized":"{message_id}"}},{facts}{mentioned}{orders}"message_type":{kind},{cards}"chat_id":"{chat}",'
            f'"timestamp":"{postgres_text(message.sent_at)}","org_phone":"{own}",{broadcast_id}'
            f'"is_deleted":{deleted},{media}{performed}"prev_body":{"null" if prev is None else quote(prev)},{quoted}'
            f'"sender_phone":{writer},{ref}"delivery_info":{delivery},'
            f'"updated_at":"{moments[changed_at]}",{ticket}"unique_id":"{unique_id}",{flag}"fts":'
        )
        tail = f',{poll}"poll_results":{votes},{end}}}'
        return b"".join((head.encode(), encode(message.text), middle.encode(), encode(archived.fts), tail.encode()))

    return row


def sender_of(archived: ArchivedMessage) -> str | None:
    """Who wrote it: the own phone, the sender that a source told, or the only other person of the chat."""
    message = archived.message
    if message.from_me:
        return archived.phone.jid
    key = message.key
    if key.sender is not None:
        return key.sender
    return key.chat if is_person(key.chat) else None


def message_id_of(archived: ArchivedMessage) -> str:
    key = archived.message.key
    return encode_message_id(archived.message.from_me, key.chat, key.id, sender_of(archived))


def updated_at(archived: ArchivedMessage) -> int:
    """When the source changed it last, or an edit or deletion that came later; else when it changed here."""
    told = archived.message.details.updated_at
    if told is None:
        return archived.changed_at
    return max(told, archived.edited_at or told, archived.deleted_at or told)


def prev_text(archived: ArchivedMessage) -> str | None:
    return archived.prev_text if archived.prev_text is not None else archived.message.details.prev_text


def _type(archived: ArchivedMessage) -> str:
    message = archived.message
    return quote(periskope_type(message.kind, message.details.type_name))


_FLAG_NAMES = (
    *("broadcast", "has_media", "has_quoted", "has_reaction", "is_ephemeral"),
    *("is_forwarded", "is_gif", "is_starred", "is_status", "flag_status"),
)
_RARE_NAMES = (
    *("author", "device_type", "forwarding_score", "origin", "invite", "links", "location", "location_data"),
    *("media_key", "order_id", "raw_data", "recipient", "order_token", "vcards", "broadcast_id", "performed_by"),
    *("client_ref", "ticket_id", "flag_metadata", "flag_response_time", "poll", "poll_info", "interactive"),
)
"""With the flags, media, quote and mentions all that ``_segments`` shows."""
_flags_of, _rare_of = attrgetter(*_FLAG_NAMES), attrgetter(*_RARE_NAMES)
_NO_RARE = _rare_of(NO_DETAILS)


def _told(archived: ArchivedMessage, org_no: int, links: Links) -> tuple[str, ...]:
    """The keys that only details fill. Most messages have flags at most, and those repeat."""
    details = archived.message.details
    chat, own = archived.message.key.chat, archived.phone.jid
    if _rare_of(details) != _NO_RARE:
        return _segments(details, chat, own, org_no, links)
    told = _told_by_flags(_flags_of(details))
    media, quoted, mentions = details.media, details.quoted, details.mentions
    if media is None and quoted is None and not mentions:
        return told
    segments = list(told)
    if media is not None:
        segments[_DURATION], segments[_MEDIA] = _duration(media), _media(media, org_no, links)
    if mentions:
        segments[_MENTIONED] = _mentioned(mentions)
    if quoted is not None:
        segments[_QUOTED] = _quoted(quoted, chat, own)
    return tuple(segments)


@lru_cache(maxsize=1024)
def _told_by_flags(flags: tuple[bool | None, ...]) -> tuple[str, ...]:
    told: dict[str, Any] = dict(zip(_FLAG_NAMES, flags, strict=True))
    return _segments(Details(**told), "", "", 0, NoLinks())


_DURATION, _MENTIONED, _MEDIA, _QUOTED, _HALF = 2, 6, 10, 12, 9


def _segments(d: Details, chat: str, own: str, org_no: int, links: Links) -> tuple[str, ...]:
    """Eighteen runs of keys; between some of them stand the keys that every row fills."""
    return (
        f'"author":{_jid(d.author)},',
        f'"broadcast":{_FLAG[d.broadcast]},"device_type":{_text(d.device_type)},',
        _duration(d.media),
        f'"forwarding_score":{jsonb_text(d.forwarding_score)},"from":{_jid(d.origin)},',
        f'"has_media":{_FLAG[d.has_media]},"has_quoted_msg":{_FLAG[d.has_quoted]},'
        f'"has_reaction":{_FLAG[d.has_reaction]},',
        f'"invite_v4":{jsonb_text(d.invite)},"is_ephemeral":{_FLAG[d.is_ephemeral]},'
        f'"is_forwarded":{_FLAG[d.is_forwarded]},"is_gif":{_FLAG[d.is_gif]},"is_starred":{_FLAG[d.is_starred]},'
        f'"is_status":{_FLAG[d.is_status]},"links":{jsonb_text(d.links)},"location":{jsonb_text(_location(d))},'
        f'"media_key":{_text(d.media_key)},',
        _mentioned(d.mentions),
        f'"order_id":{_text(d.order_id)},"raw_data":{jsonb_text(d.raw_data)},"to":{_jid(d.recipient)},'
        f'"token":{_text(d.order_token)},',
        f'"vcards":{"null" if d.vcards is None else encode(d.vcards).decode()},',
        f'"broadcast_id":{_text(d.broadcast_id)},',
        _media(d.media, org_no, links),
        f'"performed_by":{_text(d.performed_by)},',
        _quoted(d.quoted, chat, own),
        f'"sent_message_id":{_text(d.client_ref)},',
        f'"message_ticket_id":{_text(d.ticket_id)},',
        f'"flag_metadata":{jsonb_text(d.flag_metadata)},"flag_response_time":{jsonb_text(d.flag_response_time)},',
        f'"flag_status":{_FLAG[d.flag_status]},"poll_info":{jsonb_text(_poll_info(d))},',
        f'"interactive":{jsonb_text(d.interactive)}',
    )


def _text(value: str | None) -> str:
    return "null" if value is None else quote(value)


def _jid(jid: str | None) -> str:
    return "null" if jid is None else quote(shown_jid(jid))


def _digits(value: float) -> str:
    """A number as text; Periskope keeps durations and coordinates so."""
    return encode(number(value)).decode()


def _location(details: Details) -> Any:
    """As the source had it, else in the shape in which Periskope's clients send locations."""
    if details.location_data is not None or details.location is None:
        return details.location_data
    place: Location = details.location
    options = {"url": place.url, "name": place.name, "address": place.address}
    told = {name: value for name, value in options.items() if value is not None}
    shown = {"latitude": _digits(place.latitude), "longitude": _digits(place.longitude)}
    return {"options": told, **shown} if told else shown


def _duration(media: Media | None) -> str:
    if media is None or media.duration is None:
        return '"duration":null,'
    return f'"duration":{quote(_digits(media.duration))},'


def _mentioned(mentions: tuple[str, ...]) -> str:
    return f'"mentioned_ids":[{",".join([quote(shown_jid(jid)) for jid in mentions])}],'


def _media(media: Media | None, org_no: int, links: Links) -> str:
    if media is None:
        return '"media":null,'
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


def _quoted(quoted: Quote | None, chat: str, own: str) -> str:
    """The quoted message's full id where its author is known, else the bare one."""
    shown = None if quoted is None else quoted.id
    if shown is not None and quoted is not None and quoted.sender is not None:
        shown = encode_message_id(quoted.sender == own, chat, shown, quoted.sender)
    return f'"quoted_message_id":{_text(shown)},'


def _delivery(archived: ArchivedMessage) -> str:
    """Received messages have no ``read`` and ``delivered`` maps; own ones have both."""
    pending = archived.message.details.pending
    if not archived.message.from_me:
        return _RECEIVED if not pending else _RECEIVED.replace("[]", encode([shown_jid(p) for p in pending]).decode())
    if not archived.receipts and not pending:
        return _SENT
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
        "pending": [shown_jid(p) for p in pending or ()],
        "delivered": jsonb(delivered),
        "read_count": len(read),
        "delivered_count": len(delivered),
    }
    return encode(info).decode()


def seen_at(receipt: Receipt) -> int | None:
    """When the participant read it, or at least played it."""
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
    """Who chose an option and when, from the votes that are known; else as the source gave it."""
    details = archived.message.details
    if not archived.votes:
        return details.poll_results
    results: dict[str, dict[str, str]] = {name: {} for name in (details.poll.options if details.poll else ())}
    for vote in archived.votes:
        for option in vote.options:
            results.setdefault(option, {})[shown_jid(vote.voter)] = postgres_text(vote.at)
    return jsonb(results)


_NOTHING_TOLD = _segments(NO_DETAILS, "", "", 0, NoLinks())
