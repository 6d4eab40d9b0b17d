"""A chat as text for people, in the format of WhatsApp's own exports: a line for each message, oldest first."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from zoneinfo import ZoneInfo

from backscroll.core.model import ArchivedMessage, Message
from backscroll.dialects.native.vcards import cards_of

Attached = Callable[[ArchivedMessage], str | None]
"""The name of a message's file beside the text; None if it is missing."""

MARK = "\u200e"
"""Precedes text that no person wrote, as in WhatsApp's exports."""
_OMITTED = {
    "image": "image omitted",
    "video": "video omitted",
    "video_note": "video note omitted",
    "audio": "audio omitted",
    "voice": "audio omitted",
    "document": "document omitted",
    "sticker": "sticker omitted",
}
_TOLD = {
    "ciphertext": "Waiting for this message. This may take a while.",
    "unknown": "A message of a kind that Backscroll does not know",
    "event": "An event",
    "group_invite": "An invitation to a group",
    "order": "An order",
    "product": "A product",
    "album": "An album",
    "interactive": "An interactive message",
}
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def moment(micros: int, zone: ZoneInfo) -> datetime.datetime:
    """A local time in the time zone."""
    at = _EPOCH + datetime.timedelta(microseconds=micros)
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at


def render_line(archived: ArchivedMessage, zone: ZoneInfo, attached: Attached) -> str:
    """A message with its time and author; long texts keep their line breaks."""
    at = moment(archived.message.sent_at, zone)
    text = _text(archived, attached)
    edited = f" {MARK}<This message was edited>" if archived.edited_at is not None and not archived.deleted else ""
    return f"[{at:%Y-%m-%d, %H:%M:%S}] {_who(archived)}: {text}{edited}\n"


def _who(archived: ArchivedMessage) -> str:
    message, phone = archived.message, archived.phone
    if message.from_me:
        return _plain(phone.name or f"+{phone.number}")
    user, _, server = (message.key.sender or message.key.chat).partition("@")
    number = f"+{user}" if server == "s.whatsapp.net" else user
    return _plain(archived.sender_name or number)


def _plain(name: str) -> str:
    """A name without characters that would look like its end or like a new line."""
    return " ".join(name.replace(":", " ").split()) or "?"


def _text(archived: ArchivedMessage, attached: Attached) -> str:
    message = archived.message
    parts = [*_file(archived, attached), *_besides(message)]
    if message.text:
        parts.append(message.text)
    if not parts:
        if archived.deleted:
            return f"{MARK}This message was deleted."
        return MARK + _TOLD.get(message.kind, "")
    told = "\n".join(parts)
    return f"{told} {MARK}<This message was deleted>" if archived.deleted else told


def _file(archived: ArchivedMessage, attached: Attached) -> list[str]:
    message = archived.message
    if message.kind not in _OMITTED:
        return []
    name = attached(archived)
    if name is not None:
        return [f"{MARK}<attached: {name}>"]
    return [f"{MARK}{_OMITTED[message.kind]}"]


def _besides(message: Message) -> list[str]:
    details = message.details
    parts: list[str] = []
    if details.location is not None:
        place = details.location
        named = ", ".join(filter(None, (place.name, place.address)))
        spot = f"https://maps.google.com/?q={place.latitude:.6f},{place.longitude:.6f}"
        parts.append(f"{MARK}Location: {f'{named} ' if named else ''}{spot}")
    if details.poll is not None:
        parts.append(
            "\n".join([f"{MARK}POLL:", details.poll.name, *(f"OPTION: {one}" for one in details.poll.options)])
        )
    for card in cards_of(details.vcards or ()):
        parts.append(f"{MARK}Contact: {', '.join(filter(None, [card['name'], *card['numbers']]))}")
    if details.call is not None:
        kind = "Video call" if details.call.video else "Voice call"
        length = f", {round(details.call.duration)} s" if details.call.duration else ""
        result = f", {details.call.result}" if details.call.result else ""
        parts.append(f"{MARK}{kind}{result}{length}")
    if details.notice is not None and not message.text:
        parts.append(f"{MARK}{(details.notice.type or 'notice').replace('_', ' ')}")
    return parts
