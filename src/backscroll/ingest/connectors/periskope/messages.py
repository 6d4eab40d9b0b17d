"""Messages of an answer as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    Event,
    MessageSeen,
    PhoneSeen,
    ReceiptSet,
    Target,
)
from backscroll.core.kinds import periskope_kind, periskope_type_name
from backscroll.core.model import Details, Location, Media, Message, MessageKey, Notice, Poll, Quote
from backscroll.formats.periskope_ids import decode_message_id
from backscroll.ingest.connectors.periskope.ids import Parts, parts_of
from backscroll.ingest.connectors.periskope.listings import tell_reaction
from backscroll.ingest.connectors.periskope.pages import Observed, ReadInPart
from backscroll.ingest.connectors.periskope.values import (
    SOURCE,
    ack_of,
    cut,
    finite,
    first_known,
    jid_of,
    jid_or_none,
    number_of,
    rounded,
    score_of,
    seconds_of,
    size_of,
    time_of,
)
from backscroll.ingest.connectors.periskope.wire import (
    WireDelivery,
    WireDimensions,
    WireMedia,
    WireMessage,
    WirePlace,
    WirePoll,
)


def tell_message(wire: WireMessage, altered: bool) -> Observed:
    """A message with its receipts and reactions, and when it was sent."""
    parts = parts_of(wire.message_id, wire.unique_id, wire.id, wire.chat_id)
    phone = jid_of(wire.org_phone)
    from_me = bool(first_known(wire.from_me, parts.from_me))
    sender = _sender(wire, parts, phone, from_me)
    sent_at = time_of(wire.timestamp, "timestamp")
    key = MessageKey(phone, parts.chat, parts.id, sender)
    word = wire.message_type or "chat"
    message = Message(
        key=key,
        sent_at=sent_at,
        from_me=from_me,
        kind="notice" if wire.is_private_note else periskope_kind(word),
        text=wire.body,
        ack=ack_of(wire.ack),
        details=_details(wire, periskope_type_name(word), altered, key),
    )
    events: list[Event] = [PhoneSeen(jid=phone), MessageSeen(message)]
    events += _receipts(wire.delivery_info, Target(key.phone, key.chat, key.id, key.sender))
    for reaction in wire.reactions or ():
        events += tell_reaction(reaction)[0]
    if wire.media is not None and wire.media.size is not None and size_of(wire.media.size) is None:
        problem = f"{cut(wire.media.size)} is not a size; the message was kept without it"
        raise ReadInPart((events, sent_at), Unreadable(SOURCE, "media.size", problem))
    return events, sent_at


def _sender(wire: WireMessage, parts: Parts, phone: str, from_me: bool) -> str | None:
    """Who wrote it. In a chat of two that follows from the direction, in a group it must be told."""
    told = jid_or_none(wire.sender_phone or wire.author) or parts.participant
    if told:
        return told
    if from_me:
        return phone
    return parts.chat if parts.chat.endswith(("@s.whatsapp.net", "@lid")) else None


def _details(wire: WireMessage, type_name: str | None, altered: bool, key: MessageKey) -> Details:
    return Details(
        media=_media(wire.media, seconds_of(wire.duration)),
        quoted=_quote(wire.quoted_message_id, key),
        mentions=tuple(map(jid_of, wire.mentioned_ids or ())),
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
        updated_at=None if wire.updated_at is None else time_of(wire.updated_at, "updated_at"),
        is_forwarded=wire.is_forwarded,
        forwarding_score=score_of(wire.forwarding_score),
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
        flag_response_time=number_of(wire.flag_response_time, "flag_response_time"),
        device_type=wire.device_type,
        author=jid_or_none(wire.author),
        recipient=jid_or_none(wire.to),
        origin=jid_or_none(wire.from_),
        links=wire.links,
        invite=wire.invite_v4,
        order_id=wire.order_id,
        order_token=wire.token,
        interactive=wire.interactive,
        raw_data=wire.raw_data,
        media_key=wire.media_key,
        pending=_pending(wire.delivery_info),
    )


def _media(wire: WireMedia | None, seconds: float | None) -> Media | None:
    if wire is None:
        return None if seconds is None else Media(duration=seconds)
    size = wire.dimensions or WireDimensions()
    linked = wire.thumbnail is not None and wire.thumbnail.startswith(("http://", "https://", "/"))
    return Media(
        mimetype=wire.mimetype,
        size=size_of(wire.size),
        filename=wire.filename,
        width=rounded(size.width),
        height=rounded(size.height),
        duration=seconds,
        url=wire.path,
        thumbnail_url=wire.thumbnail if linked else None,
        thumbnail=None if linked else wire.thumbnail,
    )


def _quote(message_id: str | None, key: MessageKey) -> Quote | None:
    """The quoted message. Where the id does not name the author, the direction does in a chat of two."""
    if not message_id:
        return None
    told = decode_message_id(message_id)
    if told.sender is not None or told.chat is None:
        return Quote(id=told.id, sender=told.sender)
    other = told.chat if told.chat.endswith(("net", "lid")) else None
    return Quote(id=told.id, sender=key.phone if told.from_me else other)


def _location(value: Any) -> Location | None:
    """Latitude and longitude where they are both told; the source's own shape is kept beside."""
    try:
        wire = msgspec.convert(value, WirePlace)
        more = wire.options or WirePlace()
        return Location(
            latitude=finite("" if wire.latitude is None else wire.latitude),
            longitude=finite("" if wire.longitude is None else wire.longitude),
            name=wire.name or more.name,
            address=wire.address or more.address,
            url=wire.url or more.url,
        )
    except (ValueError, OverflowError):
        return None


def _poll(value: Any) -> Poll | None:
    try:
        wire = msgspec.convert(value, WirePoll)
    except msgspec.ValidationError:
        return None
    options = tuple(option if isinstance(option, str) else option.name for option in wire.poll_options)
    several = wire.options.several if wire.options else None
    return Poll(name=wire.poll_name, options=options, selectable=None if several is None else int(not several))


def _pending(wire: WireDelivery | None) -> tuple[str, ...] | None:
    return None if wire is None or wire.pending is None else tuple(map(jid_of, wire.pending))


def _receipts(wire: WireDelivery | None, target: Target) -> Iterator[Event]:
    if wire is None:
        return
    for ack, times in ((3, wire.delivered), (4, wire.read)):
        for participant, at in (times or {}).items():
            when = None if at is None else time_of(at, f"delivery_info.{participant}")
            yield ReceiptSet(target=target, ack=ack, participant=jid_of(participant), at=when)
