"""What was sent through GOWA: messages, including forwarded ones, edits, reactions and deletions.

GOWA's webhook reports none of these.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct, structs

from backscroll.core.events import Event, MediaHeld, MessageEdited, MessageSeen, ReactionSet, Target
from backscroll.core.ids import canonical
from backscroll.core.model import Details, Kind, Location, Media, Message, MessageKey, Poll, Quote
from backscroll.ingest.sent.forms import Fields
from backscroll.ingest.sent.sending import Sent, Understood, coordinate, revoked, texts

Precision = Literal["minute"] | None
_TIME = re.compile(
    r"server timestamp: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,9})? ([+-])(\d\d)(\d\d)[ )]",
)
"""The format in which Go prints a time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FILES: dict[str, tuple[Kind, str]] = {
    "/send/image": ("image", "image"),
    "/send/audio": ("audio", "audio"),
    "/send/file": ("document", "file"),
    "/send/sticker": ("sticker", "sticker"),
    "/send/video": ("video", "video"),
}
_OTHERS: dict[str, Kind] = {
    "/send/message": "text",
    "/send/link": "text",
    "/send/contact": "contact",
    "/send/location": "location",
    "/send/poll": "poll",
}
_FORWARD = "/message/{message_id}/forward"
SENDING = frozenset(
    {
        *_FILES,
        *_OTHERS,
        _FORWARD,
        "/message/{message_id}/update",
        "/message/{message_id}/reaction",
        "/message/{message_id}/revoke",
    }
)
"""Routes whose effect the archive records."""


class _Results(Struct):
    message_id: str = ""
    status: str = ""


class _Answer(Struct):
    results: _Results


def understood(sent: Sent) -> Understood | None:
    """The events; None if request and answer do not contain enough."""
    try:
        results = msgspec.json.decode(sent.answer, type=_Answer).results
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    recipient = sent.fields.text("phone")
    if recipient is None:
        return None
    chat = canonical(recipient)
    if sent.path not in _FILES and sent.path not in _OTHERS and sent.path != _FORWARD:
        return _change(sent, chat, results)
    if not results.message_id:
        return None
    told_at = _time_of(results.status)
    key = MessageKey(sent.phone, chat, results.message_id, sent.phone)
    at = sent.at if told_at is None else told_at
    precision: Precision = "minute" if told_at is None else None
    if sent.path == _FORWARD:
        return Understood(_forwarded(sent, key, at, precision), results.message_id)
    message = Message(
        key=key,
        sent_at=at,
        from_me=True,
        kind=_kind(sent),
        text=_text(sent),
        details=_details(sent, precision),
    )
    return Understood([MessageSeen(message)], results.message_id)


def _forwarded(sent: Sent, key: MessageKey, at: int, precision: Precision) -> list[Event]:
    """A forwarded message. Its content is copied from the original named in the request, if the archive has it."""
    details = Details(precision=precision, is_forwarded=True)
    if sent.known is None:
        return [MessageSeen(Message(key=key, sent_at=at, from_me=True, kind="unknown", details=details))]
    original = sent.known.message
    file = original.details.media
    if file is not None:
        details = structs.replace(details, media=_copied(file), has_media=True)
    seen = Message(key=key, sent_at=at, from_me=True, kind=original.kind, text=original.text, details=details)
    if file is None or file.file is None:
        return [MessageSeen(seen)]
    target = Target(key.phone, key.chat, key.id, key.sender)
    return [MessageSeen(seen), MediaHeld(target=target, media=structs.replace(_copied(file), file=file.file))]


def _copied(file: Media) -> Media:
    """The same file for another message, without its address, which may be valid only for the first message."""
    return structs.replace(
        file, file=None, url=None, thumbnail_url=None, media_key=None, direct_path=None, enc_sha256=None, omitted=None
    )


def _change(sent: Sent, chat: str, results: _Results) -> Understood | None:
    id = sent.params.get("message_id", "")
    at = _time_of(results.status)
    at = sent.at if at is None else at
    told: Event
    if sent.path.endswith("/update"):
        text = sent.fields.text("message")
        if text is None:
            return None
        told = MessageEdited(target=Target(sent.phone, chat, id, sent.phone), text=text, at=at, by=sent.phone)
    elif sent.path.endswith("/reaction"):
        emoji = sent.fields.values.get("emoji", "")
        if not isinstance(emoji, str):
            return None
        told = ReactionSet(target=Target(sent.phone, chat, id), by=sent.phone, emoji=emoji, at=at)
    else:
        told = revoked(sent, chat, id, at)
    return Understood([told], id)


def _kind(sent: Sent) -> Kind:
    if sent.path in _FILES:
        kind = _FILES[sent.path][0]
        return "voice" if kind == "audio" and sent.fields.truth("ptt") else kind
    return _OTHERS[sent.path]


def _text(sent: Sent) -> str | None:
    fields = sent.fields
    match sent.path:
        case "/send/message":
            return fields.text("message")
        case "/send/link":
            return "\n".join(filter(None, (fields.text("caption"), fields.text("link")))) or None
        case "/send/poll":
            return fields.text("question")
        case "/send/contact" | "/send/location":
            return None
    return fields.text("caption")


def _details(sent: Sent, precision: Precision) -> Details:
    fields = sent.fields
    quoted, media = fields.text("reply_message_id"), _media(sent)
    return Details(
        precision=precision,
        media=media,
        has_media=None if media is None else True,
        quoted=Quote(id=quoted) if quoted else None,
        location=_location(fields) if sent.path == "/send/location" else None,
        vcards=_cards(fields) if sent.path == "/send/contact" else None,
        poll=_poll(fields) if sent.path == "/send/poll" else None,
        is_view_once=fields.truth("view_once") or None,
        is_forwarded=fields.truth("is_forwarded") or None,
    )


def _media(sent: Sent) -> Media | None:
    """The file as it was given. GOWA may compress it, so neither its size nor its hash is recorded.

    An address given by the client is not stored, because this server would fetch it with the gateway's credential.
    """
    if sent.path not in _FILES:
        return None
    name = _FILES[sent.path][1]
    file = next((file for file in sent.fields.files if file.name == name), None)
    return Media() if file is None else Media(filename=file.filename or None, mimetype=file.mimetype)


def _location(fields: Fields) -> Location | None:
    latitude = coordinate(fields.values.get("latitude"), 90)
    longitude = coordinate(fields.values.get("longitude"), 180)
    return None if latitude is None or longitude is None else Location(latitude=latitude, longitude=longitude)


def _cards(fields: Fields) -> tuple[str, ...] | None:
    name, number = fields.text("contact_name"), fields.text("contact_phone")
    if name is None or number is None or "\n" in name + number:
        return None
    lines = ("BEGIN:VCARD", "VERSION:3.0", f"N:;{name};;;", f"FN:{name}", f"TEL;type=CELL;waid={number}:+{number}")
    return ("\n".join((*lines, "END:VCARD")),)


def _poll(fields: Fields) -> Poll | None:
    question, most = fields.text("question"), fields.values.get("max_answer")
    if question is None:
        return None
    selectable = most if isinstance(most, int) and not isinstance(most, bool) and 0 <= most <= 12 else None
    return Poll(name=question, options=texts(fields.values.get("options")), selectable=selectable)


def _time_of(status: str) -> int | None:
    """Microseconds of ``… (server timestamp: 2026-03-12 09:00:00 +0000 UTC)``; None without one."""
    found = _TIME.search(status)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    offset = timedelta(hours=int(found[4]), minutes=int(found[5]))
    moment += -offset if found[3] == "+" else offset
    return (moment - _EPOCH) // timedelta(microseconds=1) + int((found[2] or ".0")[1:7].ljust(6, "0"))
