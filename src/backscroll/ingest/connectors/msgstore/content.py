"""The content of a message of msgstore.db, from the rows that belong to it."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from backscroll.core import ids
from backscroll.core.events import Target
from backscroll.core.limits import LATEST
from backscroll.core.model import (
    MEDIA_KINDS,
    Call,
    Details,
    Kind,
    Location,
    Media,
    Message,
    MessageKey,
    Notice,
    Poll,
    Quote,
)
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.foreign.pieces import LocalFile
from backscroll.ingest.connectors.foreign.rows import Row, Unusable
from backscroll.ingest.connectors.msgstore.records import Jids, Record

KINDS: dict[int, Kind] = {
    0: "text",
    1: "image",
    2: "audio",
    3: "video",
    4: "contact",
    5: "location",
    7: "notice",
    9: "document",
    10: "call",
    11: "ciphertext",
    13: "video",
    14: "contacts",
    15: "text",
    16: "live_location",
    20: "sticker",
    23: "product",
    24: "group_invite",
    25: "interactive",
    26: "interactive",
    27: "interactive",
    28: "interactive",
    29: "interactive",
    30: "interactive",
    32: "interactive",
    36: "notice",
    42: "image",
    43: "video",
    44: "order",
    45: "interactive",
    46: "interactive",
    49: "interactive",
    55: "interactive",
    62: "interactive",
    64: "text",
    66: "poll",
    81: "video_note",
    82: "voice",
    90: "call",
    92: "event",
    99: "album",
}
"""WhatsApp's own numbers; what is missing here is ``unknown`` and keeps its number as ``type_name``."""
SYSTEM, GIF, EPHEMERAL_SETTING, CALL_LOG = 7, 13, 36, 90
DELETED = (15, 64)
"""Placeholders of messages that were deleted for everyone, by their author or by an admin of the group."""
VIEW_ONCE = (42, 43, 82)
VOICE_ORIGIN = 1
MAX_THUMBNAIL = 256 << 10

NOTICES = {
    1: "subject",
    4: "add",
    5: "leave",
    6: "picture",
    7: "remove",
    10: "change_number",
    11: "create",
    12: "add",
    13: "leave",
    14: "remove",
    15: "promote",
    16: "demote",
    18: "security_code",
    19: "e2e",
    20: "invite",
    27: "desc",
    28: "change_number",
    29: "restrict",
    30: "restrict",
    32: "restrict",
    56: "ephemeral",
    58: "block",
    59: "ephemeral",
    67: "e2e",
    68: "ephemeral",
    118: "pin",
}
"""``action_type`` of system messages, where it is known. The number is kept in the metadata of every notice."""
_WORDED = ("subject", "desc")
"""Notices whose text is what somebody wrote; of others it is data."""
_ACKS = {0: 1, 1: 1, 2: 1, 4: 2, 5: 3, 7: -1, 8: 5, 13: 4}
_CALLS = {2: "missed", 3: "unavailable", 4: "rejected", 5: "connected", 7: "busy", 8: "connected"}
_TOLD_BY_TABLE: tuple[tuple[str, Kind], ...] = (
    ("message_poll", "poll"),
    ("message_event", "event"),
    ("message_group_invite", "group_invite"),
    ("message_order", "order"),
    ("message_product", "product"),
    ("message_template", "interactive"),
    ("message_ui_elements_reply", "interactive"),
)
"""Tables that tell the kind of a message whose number is not known, or has meant several things."""


def moment(row: Row | None, *columns: str) -> int | None:
    """The first of some times in milliseconds, as microseconds; 0 and -1 stand for none."""
    for column in columns:
        value = None if row is None else row.values.get(column)
        if isinstance(value, int) and 0 < value <= LATEST // 1000:
            return value * 1000
    return None


def is_from_me(record: Record) -> bool:
    return record.row.values.get("from_me") == 1


def type_of(record: Record) -> int:
    """WhatsApp's number for the kind of message; 0, a text, where the column holds none."""
    value = record.row.values.get("message_type")
    return value if isinstance(value, int) else 0


def author_of(record: Record, phone: str) -> str | None:
    """Who wrote it: the phone's owner, the one other in a chat of two, or who is named."""
    if is_from_me(record):
        return phone
    return record.sender or (record.chat if ids.is_person(record.chat) else None)


def id_of(record: Record) -> str:
    """The id under which it was sent: an edit or a deletion gives the row that of its own."""
    for table, column in (("message_edit_info", "original_key_id"), ("message_revoked", "revoked_key_id")):
        part = record.part(table)
        told = part.values.get(column) if part else None
        if isinstance(told, str) and told.strip() and "\0" not in told:
            return told
    return record.row.key("key_id")


def target_of(record: Record, phone: str) -> Target:
    return Target(phone, record.chat, id_of(record), author_of(record, phone))


def is_placeholder(record: Record) -> bool:
    """The row without meaning at the head of old files, and calls that the log of calls tells better."""
    number = record.row.values.get("key_id")
    return number == "-1" or (type_of(record) == CALL_LOG and record.part("message_call_log") is not None)


def message_of(record: Record, phone: str, jids: Jids) -> Message:
    """The message. ``Unusable`` where what it needs is missing."""
    if not record.chat:
        raise Unusable("chat_row_id", "refers to no chat")
    row = record.row
    kind = kind_of(record)
    sent_at = moment(row, "timestamp", "received_timestamp", "receipt_server_timestamp")
    if sent_at is None:
        raise Unusable("timestamp", "is unknown")
    if kind == "call":
        return _call_message(record, phone, sent_at)
    deleted = type_of(record) in DELETED
    return Message(
        key=MessageKey(phone, record.chat, id_of(record), author_of(record, phone)),
        sent_at=sent_at,
        from_me=is_from_me(record),
        kind=kind,
        text=None if deleted or record.part("message_edit_info") else text_of(record, kind),
        ack=_ack(record),
        details=_details(record, kind, jids, deleted),
    )


def kind_of(record: Record) -> Kind:
    """The kind by WhatsApp's number, told apart further by which tables have a row for the message, and by its file."""
    number = type_of(record)
    kind = KINDS.get(number, "unknown")
    if kind in ("unknown", "interactive", "product", "group_invite", "order"):
        kind = next((told for table, told in _TOLD_BY_TABLE if record.part(table)), kind)
    if kind == "audio" and _is_voice(record):
        return "voice"
    if kind in ("unknown", "interactive") and (media := record.part("message_media")) is not None:
        return _kind_of_file(media) or kind
    return kind


def _is_voice(record: Record) -> bool:
    media = record.part("message_media")
    path = media.values.get("file_path") if media else None
    named = isinstance(path, str) and ("Voice Notes" in path or path.rpartition("/")[2].startswith("PTT-"))
    return record.row.values.get("origin") == VOICE_ORIGIN or named


def _kind_of_file(media: Row) -> Kind | None:
    if not any(media.values.get(name) for name in ("file_path", "file_hash", "direct_path")):
        return None
    family = str(media.values.get("mime_type") or "").partition("/")[0]
    kinds: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio", "application": "document"}
    return kinds.get(family)


def text_of(record: Record, kind: Kind) -> str | None:
    """What stands in the bubble: the text, the caption, or what an interactive message says."""
    text = record.row.text("text_data")
    if kind == "notice":
        return text if NOTICES.get(_action(record) or 0) in _WORDED else None
    if kind in ("contact", "contacts"):
        return None
    places = (
        ("message_media", "media_caption"),
        ("message_template", "content_text_data"),
        ("message_ui_elements_reply", "reply_description"),
        ("message_order", "message"),
        ("message_event", "name"),
        ("message_product", "body"),
        ("message_product", "title"),
        ("message_group_invite", "group_name"),
    )
    for table, column in places:
        part = record.part(table)
        text = text or (part.text(column) if part else None)
    return text


def _ack(record: Record) -> int | None:
    status = record.row.values.get("status")
    return _ACKS.get(status) if is_from_me(record) and isinstance(status, int) else None


def _details(record: Record, kind: Kind, jids: Jids, deleted: bool) -> Details:
    row, forwarded = record.row, record.part("message_forwarded")
    number = type_of(record)
    view_once = number in VIEW_ONCE or record.part("message_view_once_media") is not None
    lasts = _positive(record.part("message_ephemeral"), "duration")
    has_media = kind in MEDIA_KINDS
    return Details(
        media=media_of(record) if has_media and not deleted else None,
        quoted=_quote(record, jids),
        mentions=tuple(jid for part in record.parts("message_mentions") if (jid := _mentioned(part, jids))),
        location=_location(record) if kind in ("location", "live_location", "event") else None,
        vcards=_vcards(record) if kind in ("contact", "contacts") else None,
        poll=_poll(record) if kind == "poll" else None,
        notice=_notice(record, jids) if kind == "notice" else None,
        is_forwarded=_forwarded(row, forwarded),
        forwarding_score=_positive(forwarded, "forward_score"),
        is_ephemeral=True if lasts else None,
        expires_after=lasts,
        is_view_once=True if view_once else None,
        is_gif=True if number == GIF else None,
        is_starred=True if row.values.get("starred") == 1 else None,
        is_status=True if record.chat == "status@broadcast" else None,
        is_deleted=True if deleted else None,
        is_edited=True if record.part("message_edit_info") else None,
        broadcast=True if row.values.get("broadcast") == 1 else None,
        has_media=has_media if kind != "notice" else None,
        altered=True if "text_data" in row.altered else None,
        type_name=str(number) if kind == "unknown" else None,
        order_id=_text(record.part("message_order"), "order_id"),
        order_token=_text(record.part("message_order"), "token"),
        invite=_invite(record, jids),
        interactive=_interactive(record) if kind in ("interactive", "product") else None,
    )


def _text(part: Row | None, column: str) -> str | None:
    return None if part is None else part.text(column)


def _positive(part: Row | None, column: str) -> int | None:
    return None if part is None else part.number(column)


def _forwarded(row: Row, forwarded: Row | None) -> bool | None:
    return True if forwarded is not None or row.values.get("forwarded") == 1 else None


def _mentioned(part: Row, jids: Jids) -> str | None:
    told = part.values.get("jid")
    return ids.canonical(told) if isinstance(told, str) else jids.get(part.values.get("jid_row_id"))


def media_of(record: Record) -> Media:
    """The file as the database describes it."""
    part, thumbnail = record.part("message_media"), record.part("message_thumbnail")
    sound = record.part("audio_data")
    if part is None:
        return Media(thumbnail=_base64(thumbnail, "thumbnail"))
    duration = part.values.get("media_duration")
    return Media(
        mimetype=part.text("mime_type"),
        size=part.number("file_length") or part.number("file_size"),
        filename=part.text("media_name"),
        sha256=_hex(part, "file_hash"),
        width=part.number("width"),
        height=part.number("height"),
        duration=float(duration) if isinstance(duration, int) and duration > 0 else None,
        pages=part.number("page_count"),
        url=part.text("message_url"),
        thumbnail=_base64(thumbnail, "thumbnail"),
        waveform=_base64(sound, "waveform"),
        media_key=_base64(part, "media_key"),
        direct_path=part.text("direct_path"),
        enc_sha256=_hex(part, "enc_file_hash"),
    )


def file_of(record: Record, message: Message) -> LocalFile | None:
    """Where the phone kept the file of a message."""
    part = record.part("message_media")
    path = part.values.get("file_path") if part else None
    media = message.details.media
    if media is None or not isinstance(path, str) or not path.strip() or "\0" in path:
        return None
    key = message.key
    return LocalFile(Target(key.phone, key.chat, key.id, key.sender), path, media)


def _hex(part: Row, column: str) -> str | None:
    """A hash, which WhatsApp writes in Base64."""
    value = part.values.get(column)
    if not isinstance(value, str):
        return None
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 32 else None


def _base64(part: Row | None, column: str) -> str | None:
    raw = part.blob(column) if part else None
    return base64.b64encode(raw).decode() if raw and len(raw) <= MAX_THUMBNAIL else None


def _quote(record: Record, jids: Jids) -> Quote | None:
    part = record.part("message_quoted")
    if part is None:
        return None
    id, number = part.text("key_id"), part.values.get("message_type")
    kind = KINDS.get(number) if isinstance(number, int) and number not in DELETED else None
    sender = part.values.get("sender") or jids.person(part.values.get("sender_jid_row_id"))
    return Quote(id=id, sender=sender or _quoted_person(record, part), text=part.text("text_data"), kind=kind)


def _quoted_person(record: Record, part: Row) -> str | None:
    """In a chat of two the other one, where it was not the phone's owner."""
    return record.chat if part.values.get("from_me") == 0 and ids.is_person(record.chat) else None


def _location(record: Record) -> Location | None:
    part, columns = record.part("message_location"), ("latitude", "longitude", "place_name", "place_address")
    if part is None:
        part = record.part("message_event")
        columns = ("location_latitude", "location_longitude", "location_name", "location_address")
    if part is None:
        return None
    latitude, longitude = (part.values.get(name) for name in columns[:2])
    if latitude == 0 and longitude == 0:
        return None
    return place_at(
        latitude,
        longitude,
        name=part.text(columns[2]),
        address=part.text(columns[3]),
        url=part.text("url") if "url" in part.values else None,
    )


def _vcards(record: Record) -> tuple[str, ...] | None:
    cards = [card for part in record.parts("message_vcard") if (card := part.text("vcard"))]
    return tuple(cards) or None


def _poll(record: Record) -> Poll:
    options = record.parts("message_poll_option")
    names = [part.text("option_name") or "" for part in options]
    totals = [part.number("vote_total") or 0 for part in options]
    return Poll(
        name=record.row.text("text_data") or "",
        options=tuple(names),
        selectable=_count(record.part("message_poll"), "selectable_options_count"),
        counts=dict(zip(names, totals, strict=True)) if any(totals) and not record.votes else None,
    )


def _count(part: Row | None, column: str) -> int | None:
    value = part.values.get(column) if part else None
    return value if isinstance(value, int) and value >= 0 else None


def _action(record: Record) -> int | None:
    part = record.part("message_system")
    value = part.values.get("action_type") if part else None
    return value if isinstance(value, int) else None


def _notice(record: Record, jids: Jids) -> Notice:
    action = _action(record)
    number = record.part("message_system_number_change")
    people = [part.values.get("user_jid_row_id") for part in record.parts("message_system_chat_participant")]
    told = {
        "action_type": action,
        "text": record.row.text("text_data"),
        "old": _text(record.part("message_system_value_change"), "old_data"),
        "old_number": jids.person(number.values.get("old_jid_row_id")) if number else None,
        "new_number": jids.person(number.values.get("new_jid_row_id")) if number else None,
    }
    kind = "ephemeral" if type_of(record) == EPHEMERAL_SETTING else NOTICES.get(action or 0)
    return Notice(
        type=kind,
        recipients=tuple(jid for no in people if (jid := jids.person(no))),
        metadata={name: value for name, value in told.items() if value is not None} or None,
    )


def _invite(record: Record, jids: Jids) -> dict[str, Any] | None:
    part = record.part("message_group_invite")
    if part is None:
        return None
    told = {
        "group": jids.get(part.values.get("group_jid_row_id")),
        "name": part.text("group_name"),
        "code": part.text("invite_code"),
        "admin": jids.person(part.values.get("admin_jid_row_id")),
        "expiration": part.number("expiration"),
    }
    return {name: value for name, value in told.items() if value is not None} or None


_SHOWN = {
    "message_template": ("content_text_data", "footer_text_data"),
    "message_ui_elements_reply": ("reply_values", "reply_description"),
    "message_product": ("product_id", "title", "description", "currency_code", "amount_1000", "url", "footer"),
}


def _interactive(record: Record) -> dict[str, Any] | None:
    """What an interactive message or a product shows, by WhatsApp's own names."""
    told: dict[str, Any] = {}
    for table, columns in _SHOWN.items():
        part = record.part(table)
        if part is not None:
            values = {name: part.values.get(name) for name in columns}
            told |= {name: value for name, value in values.items() if isinstance(value, str | int) and value != ""}
    for table, name in (("message_template_button", "buttons"), ("message_ui_elements", "elements")):
        column = "text_data" if name == "buttons" else "element_content"
        texts = [text for part in record.parts(table) if (text := part.text(column))]
        if texts:
            told[name] = texts
    return told or None


# Calls


def _call_message(record: Record, phone: str, sent_at: int) -> Message:
    """A missed call that only stands in the chat."""
    key = MessageKey(phone, record.chat, ids.call_id(id_of(record)), author_of(record, phone))
    missed = record.part("missed_call_logs")
    video = missed.flag("video_call") if missed else None
    call = Call(video=video, outgoing=is_from_me(record), result=None if is_from_me(record) else "missed")
    return Message(
        key=key, sent_at=sent_at, from_me=is_from_me(record), kind="call", details=Details(call=call, has_media=False)
    )


def call_of(row: Row, phone: str, jids: Jids) -> Message:
    """A row of the log of calls."""
    sent_at = moment(row, "timestamp")
    if sent_at is None:
        raise Unusable("timestamp", "is unknown")
    other = jids.person(row.values.get("jid_row_id"))
    chat = jids.get(row.values.get("group_jid_row_id")) or jids.get(row.values.get("jid_row_id"))
    if chat is None:
        raise Unusable("jid_row_id", "refers to no chat")
    outgoing, number = row.values.get("from_me") == 1, row.values.get("call_result")
    result = _CALLS.get(number) if isinstance(number, int) else None
    duration = row.number("duration")
    call = Call(
        video=row.flag("video_call"),
        outgoing=outgoing,
        result="unanswered" if outgoing and result == "missed" else result,
        duration=float(duration) if duration else None,
        metadata={"call_result": number} if isinstance(number, int) else None,
    )
    return Message(
        key=MessageKey(phone, chat, ids.call_id(row.key("call_id")), phone if outgoing else other),
        sent_at=sent_at,
        from_me=outgoing,
        kind="call",
        details=Details(call=call, has_media=False),
    )
