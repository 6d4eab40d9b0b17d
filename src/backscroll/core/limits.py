"""Limits on input from outside. They are the same for every source and are checked when input arrives."""

from __future__ import annotations

import datetime
import re

from backscroll.core import events, ids
from backscroll.core.coverage import Coverage
from backscroll.core.errors import BadField
from backscroll.core.model import Message

DAY_US = 86_400_000_000
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
EARLIEST = (1 - _EPOCH_DAY) * DAY_US
LATEST = (datetime.date.max.toordinal() - _EPOCH_DAY + 1) * DAY_US - 1
"""No message has a time outside the years 1 to 9999. Microseconds since 1970 UTC."""

MAX_ID = 512
"""Characters of a message id. WhatsApp's own have about thirty."""
MAX_JID = 512
"""Characters of the id of a contact, group or channel."""
MAX_NAME = 256
"""Characters of a phone's id or a device's."""
MAX_COLOR = 2**31 - 1
"""Largest number of a label's colour."""
MAX_TEXT = 4 << 20
"""Characters of a message. WhatsApp itself allows 65,536."""

_ACKS = frozenset(range(-1, 6))
_FILE = re.compile(r"[0-9A-Za-z_-]{1,128}")
_PHONE_ID = re.compile(r"[!-~]{1,256}")


def check(event: events.Event) -> None:
    """Raise ``BadField``, naming the field, for an event that the archive could not store or not find again."""
    match event:
        case events.MessageSeen(message):
            _check_message(message)
        case events.ChatSeen(phone=phone, chat=chat):
            _check_jids(phone=phone, chat=chat)
            names = ("at", "created_at", "updated_at", "muted_until", "last_message_at")
            _check_times(**{name: getattr(event, name) for name in names})
        case events.LabelSeen(phone=phone, id=label, at=at, color=color):
            _check_jids(phone=phone)
            _check_label("id", label)
            if color is not None and not 0 <= color <= MAX_COLOR:
                raise BadField("color", str(color)[:80], f"must be a number from 0 to {MAX_COLOR}")
            _check_times(at=at)
        case events.ChatLabeled(phone=phone, chat=chat, label=label, at=at):
            _check_jids(phone=phone, chat=chat)
            _check_label("label", label)
            _check_times(at=at)
        case events.ContactSeen(phone=phone, jid=jid, at=at):
            _check_jids(phone=phone, jid=jid)
            _check_times(at=at)
        case events.NumberMapped(lid=lid, jid=jid):
            _check_jids(lid=lid, jid=jid)
        case events.PhoneSeen():
            _check_phone(event)
        case _:
            _check_annotation(event)


def check_coverage(told: Coverage) -> None:
    """Raise ``BadField`` for a span that the archive could not store."""
    _check_jids(phone=told.phone, chat=told.chat)
    _check_times(since=told.since, until=told.until)
    _check_text("origin", told.origin, MAX_ID)
    if told.since > told.until:
        raise BadField("until", str(told.until), "must not be before since")


def _check_message(message: Message) -> None:
    key, details = message.key, message.details
    _check_id("id", key.id)
    _check_jid("phone", key.phone)
    _check_jid("chat", key.chat)
    _check_jid("sender", key.sender)
    _check_time("timestamp", message.sent_at)
    _check_time("created_at", details.created_at)
    _check_time("updated_at", details.updated_at)
    _check_ack(message.ack)
    _check_text("text", message.text, MAX_TEXT)
    _check_text("prev_text", details.prev_text, MAX_TEXT)
    _check_text("client_ref", details.client_ref, MAX_ID)
    if details.media is not None:
        _check_file(details.media.file)


def _check_annotation(event: events.AnnotationEvent) -> None:
    target = event.target
    _check_id("id", target.id)
    _check_jids(phone=target.phone, chat=target.chat, sender=target.sender, by=getattr(event, "by", None))
    match event:
        case events.MessageEdited(text=text, at=at, id=id):
            _check_text("text", text, MAX_TEXT)
            _check_text("edit id", id, MAX_ID)
            _check_times(at=at)
        case events.ReactionSet(emoji=emoji, at=at):
            _check_text("emoji", emoji, MAX_TEXT)
            _check_times(at=at)
        case events.ReceiptSet(ack=ack, participant=participant, at=at):
            _check_ack(ack)
            _check_jids(participant=participant)
            _check_times(at=at)
        case events.MessagePinned(at=at, until=until):
            _check_times(at=at, until=until)
        case events.MediaHeld(media=media):
            _check_file(media.file)
        case events.MessageRevoked(at=at) | events.PollVoted(at=at):
            _check_times(at=at)


def _check_phone(event: events.PhoneSeen) -> None:
    _check_jids(number=event.jid)
    if ids.kind_of(ids.canonical(event.jid)) != "user":
        raise BadField("number", event.jid[:80], "must be digits with the country code, such as 919876543210")
    _check_times(created_at=event.created_at)
    _check_text("device_id", event.device_id, MAX_NAME)
    if event.device_id is not None and any(ord(letter) < 32 for letter in event.device_id):
        raise BadField("device_id", event.device_id[:80], "must not contain control characters")
    if event.phone_id is not None and not _PHONE_ID.fullmatch(event.phone_id):
        # It is sent in the header x-phone.
        raise BadField("phone_id", event.phone_id[:80], f"must be 1 to {MAX_NAME} visible ASCII characters")


def _check_id(field: str, id: str) -> None:
    if not id or len(id) > MAX_ID:
        raise BadField(field, id[:80], f"must be a WhatsApp message id of 1 to {MAX_ID} characters")


def _check_label(field: str, label: str) -> None:
    if not label or len(label) > MAX_NAME:
        raise BadField(field, label[:80], f"must be the id of a label, of 1 to {MAX_NAME} characters")


def _check_jids(**jids: str | None) -> None:
    for field, jid in jids.items():
        _check_jid(field, jid)


def _check_jid(field: str, jid: str | None) -> None:
    if jid is not None and (len(jid) > MAX_JID or not jid.strip()):
        remedy = f"must be a WhatsApp id such as 919876543210@s.whatsapp.net, of at most {MAX_JID} characters"
        raise BadField(field, jid[:80], remedy)


def _check_times(**times: int | None) -> None:
    for field, at in times.items():
        _check_time(field, at)


def _check_time(field: str, at: int | None) -> None:
    if at is not None and not EARLIEST <= at <= LATEST:
        raise BadField(field, str(at)[:80], "must be between the years 1 and 9999")


def _check_ack(ack: int | None) -> None:
    if ack is not None and ack not in _ACKS:
        raise BadField("ack", str(ack)[:80], "must be a number from -1 to 5")


def _check_text(field: str, text: str | None, most: int) -> None:
    if text is not None and len(text) > most:
        raise BadField(field, text[:80], f"must have at most {most} characters")


def _check_file(file: str | None) -> None:
    if file is not None and not _FILE.fullmatch(file):
        raise BadField("file", file[:80], "must be the SHA-256 of a file in the archive")
