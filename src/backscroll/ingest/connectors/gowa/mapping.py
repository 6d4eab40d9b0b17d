"""Rows of GOWA's tables as events."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

from backscroll.core import ids
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageSeen,
    NumberMapped,
    ReactionSet,
)
from backscroll.core.model import MEDIA_KINDS, Call, Details, Kind, Location, Media, Message, MessageKey, Quote
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.foreign.rows import Row, Unusable, what_it_is

JidOf = Callable[[str, str], str | None]
"""The person that a sender column means in a chat; None when it is none."""

MUTED_FOREVER = 253_402_300_799_000_000
"""The last second of the year 9999, for WhatsApp's "always"."""


def number_mapping(row: Row) -> NumberMapped:
    """The LID and the phone number of one person."""
    lid, number = row.key("lid"), row.key("pn")
    return NumberMapped(lid=ids.canonical(lid if "@" in lid else f"{lid}@lid"), jid=ids.canonical(number))


def contact_of(row: Row, phone: str | None) -> ContactSeen | None:
    """A contact of the account; None if nothing is known. ``phone`` None makes it visible to everybody."""
    name = row.text("full_name") or row.text("first_name")
    push_name, business_name = row.text("push_name"), row.text("business_name")
    redacted = row.text("redacted_phone")
    if not (name or push_name or business_name or redacted):
        return None
    return ContactSeen(
        jid=ids.canonical(row.key("their_jid")),
        phone=phone,
        name=name,
        push_name=push_name,
        business_name=business_name,
        is_business=True if business_name else None,
        is_saved=True if name else None,
        extras={"redacted_phone": redacted} if redacted else None,
    )


def chat_of(row: Row, phone: str, chat: str, settings: Row | None) -> ChatSeen:
    """Settings come from the account itself, so they win over GOWA's copy."""
    name = row.text("name")
    updated_at = row.time("updated_at")
    return ChatSeen(
        phone=phone,
        chat=chat,
        at=updated_at,
        name=None if name in _made_up_names(chat) else name,
        archived=settings.flag("archived") if settings else row.flag("archived"),
        pinned=settings.flag("pinned") if settings else None,
        muted_until=_muted_until(settings) if settings else None,
        ephemeral_seconds=row.number("ephemeral_expiration"),
        created_at=row.time("created_at"),
        updated_at=updated_at,
        last_message_at=_since_1970(row.time("last_message_time")),
    )


def chat_of_settings(settings: Row) -> ChatSeen | None:
    """A chat that only the account's settings name; none when they are the usual ones."""
    if not any(settings.flag(name) for name in ("muted_until", "pinned", "archived")):
        return None
    return ChatSeen(
        phone=ids.canonical(settings.key("our_jid")),
        chat=ids.canonical(settings.key("chat_jid")),
        archived=settings.flag("archived"),
        pinned=settings.flag("pinned"),
        muted_until=_muted_until(settings),
    )


def _since_1970(at: int | None) -> int | None:
    """GOWA writes the year 1 where it knows no time."""
    return at if at is not None and at > 0 else None


def _made_up_names(chat: str) -> tuple[str, ...]:
    """What GOWA writes where it knows no name."""
    user = ids.user_part(chat)
    return (chat, user, f"+{user}", f"Group {user}", f"Newsletter {user}")


def _muted_until(settings: Row) -> int | None:
    if settings.values.get("muted_until") == -1:
        return MUTED_FOREVER
    seconds = settings.number("muted_until")
    return min(seconds * 1_000_000, MUTED_FOREVER) if seconds else None


_KINDS: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "video_note": "video_note",
    "audio": "audio",
    "ptt": "voice",
    "document": "document",
    "sticker": "sticker",
    "call": "call",
}
_CONTACT = re.compile(r"Contact: .+ \(\+?[\d\s().-]{4,}\)")
_CONTACTS = re.compile(r"Contacts: .+")
_MAP = "https://maps.google.com/?q="
_LOCATION = re.compile(r"(?:(.*) — )?(https://maps\.google\.com/\?q=(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?))", re.S)


def message_of(row: Row, phone: str, jid_of: JidOf) -> Message:
    """A message of the own number ``phone``. ``Unusable`` where what it needs is missing."""
    chat = ids.canonical(row.key("chat_jid"))
    from_me = row.flag("is_from_me") or False
    kind = _kind(row)
    text = row.text("content")
    location = _location(text) if kind == "text" else None
    if kind == "text" and text:
        kind = "location" if location else _summary_kind(text)
    created_at = row.time("created_at")
    return Message(
        key=MessageKey(phone, chat, row.key("id"), phone if from_me else _sender(row, chat, jid_of)),
        sent_at=_sent_at(row, created_at),
        from_me=from_me,
        kind=kind,
        text=text,
        details=Details(
            media=_media(row) if kind in MEDIA_KINDS else None,
            quoted=_quote(row),
            location=location,
            call=_call(row, from_me) if kind == "call" else None,
            has_media=kind in MEDIA_KINDS,
            is_status=True if chat == "status@broadcast" else None,
            created_at=created_at,
            updated_at=row.time("updated_at"),
            altered=True if "content" in row.altered else None,
            type_name=row.text("media_type") if kind == "unknown" else None,
            referral=row.object("referral_metadata"),
        ),
    )


def _kind(row: Row) -> Kind:
    media_type = row.text("media_type")
    return _KINDS.get(media_type, "unknown") if media_type else "text"


def _sender(row: Row, chat: str, jid_of: JidOf) -> str | None:
    """Old history rows name the group itself as the sender, which is nobody."""
    sender = row.values.get("sender")
    if sender is not None and not isinstance(sender, str):
        raise Unusable("sender", what_it_is(sender))
    jid = jid_of(sender, chat) if sender and "\0" not in sender else None
    return jid or (chat if ids.is_person(chat) else None)


def _sent_at(row: Row, created_at: int | None) -> int:
    sent_at = row.time("timestamp")
    if sent_at is not None:
        return sent_at
    if created_at is None:
        raise Unusable("timestamp", "is unknown")
    row.report("timestamp", "is unknown; dated by when GOWA stored the message", kept=True)
    return created_at


def _media(row: Row) -> Media:
    media_key, sha256, enc_sha256 = (row.blob(name) for name in ("media_key", "file_sha256", "file_enc_sha256"))
    return Media(
        size=row.number("file_length"),
        filename=row.text("filename"),
        sha256=sha256.hex() if sha256 else None,
        url=row.text("url"),
        media_key=base64.b64encode(media_key).decode() if media_key else None,
        direct_path=row.text("direct_path"),
        enc_sha256=enc_sha256.hex() if enc_sha256 else None,
    )


def _call(row: Row, from_me: bool) -> Call:
    metadata = row.object("call_metadata")
    rejected = metadata is not None and metadata.get("auto_rejected") is True
    return Call(outgoing=from_me, result="rejected" if rejected else None, metadata=metadata)


def _quote(row: Row) -> Quote | None:
    """Only GOWA after v9.2 keeps what a message answers, and only the id."""
    answered = (row.object("context_metadata") or {}).get("replied_to_id")
    return Quote(id=answered) if isinstance(answered, str) and answered else None


def _summary_kind(text: str) -> Kind:
    """GOWA keeps of contact cards only a line that a person could also have typed."""
    if not text.startswith("Contact"):
        return "text"
    if _CONTACT.fullmatch(text):
        return "contact"
    return "contacts" if _CONTACTS.fullmatch(text) else "text"


def _location(text: str | None) -> Location | None:
    found = _LOCATION.fullmatch(text) if text and _MAP in text else None
    if found is None:
        return None
    name, _, address = (found[1] or "").partition(" — ")
    return place_at(found[3], found[4], name=name or None, address=address or None, url=found[2])


def with_edits(message: Message, told: list[tuple[Row, MessageEdited]]) -> list[Event]:
    """The message with its first text, and every edit of it.

    The row holds the newest text. Where its history does not lead there, a last edit does; but a row that went
    back to the first text was only overwritten by a late history sync.
    """
    if not told:
        return [MessageSeen(message)]
    told = sorted(told, key=lambda pair: (pair[1].at, pair[0].no))
    first_text = told[0][0].text("previous_content")
    if first_text is None and message.kind not in MEDIA_KINDS:
        first_text = message.text
    edits = [aimed_at(edit, message) for _, edit in told]
    last = edits[-1]
    if message.text not in (first_text, last.text):
        at = max(message.details.updated_at or 0, last.at + 1)
        edits.append(MessageEdited(target=last.target, text=message.text, at=at))
    return [MessageSeen(msgspec.structs.replace(message, text=first_text)), *edits]


_Aimed = TypeVar("_Aimed", MessageEdited, ReactionSet)


def aimed_at(event: _Aimed, message: Message | None) -> _Aimed:
    """The event with its message's author, where that is known."""
    if message is None:
        return event
    return msgspec.structs.replace(event, target=msgspec.structs.replace(event.target, sender=message.key.sender))
