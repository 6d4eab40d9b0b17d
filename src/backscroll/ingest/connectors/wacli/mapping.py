"""Rows of wacli's tables as events."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    PollVoted,
    ReactionSet,
    Target,
)
from backscroll.core.model import (
    MEDIA_KINDS,
    Call,
    Details,
    Kind,
    Location,
    Media,
    Member,
    Message,
    MessageKey,
    Poll,
    Quote,
)
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.foreign.pieces import LocalFile
from backscroll.ingest.connectors.foreign.rows import Row, Unusable
from backscroll.ingest.connectors.gowa.mapping import MUTED_FOREVER

_KINDS: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "gif": "video",
    "audio": "audio",
    "voice": "voice",
    "ptt": "voice",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "live_location": "live_location",
    "contact": "contact",
}
_CALLS = {
    "connected": "connected",
    "accepted": "connected",
    "accepted_elsewhere": "connected",
    "missed": "missed",
    "rejected": "rejected",
    "canceled": "missed",
    "failed": "failed",
}
_LOGGED = "call_log"
"""The event that tells a call as a whole; others are steps of one that goes on."""


class Entry(Struct):
    """A row of ``messages``, the rows that belong to it, and the own number."""

    row: Row
    parts: dict[str, list[Row]]
    phone: str

    def part(self, table: str) -> Row | None:
        """The first row of a table that belongs to the message; None when there is none."""
        found = self.parts.get(table)
        return found[0] if found else None


def _jid(row: Row, column: str) -> str | None:
    value = row.values.get(column)
    return ids.canonical(value) if isinstance(value, str) and "@" in value and "\0" not in value else None


def _set(row: Row, column: str) -> bool:
    value = row.values.get(column)
    return isinstance(value, int) and value != 0


def _time(row: Row | None, column: str) -> int | None:
    """0 stands for none."""
    return row.time(column) if row is not None and row.values.get(column) else None


# People and chats


def contact_of(row: Row, phone: str) -> ContactSeen | None:
    """A contact with the names that wacli knows; None where it knows none."""
    name = row.text("system_name") or row.text("full_name") or row.text("first_name")
    push_name, business_name = row.text("push_name"), row.text("business_name")
    if not (name or push_name or business_name):
        return None
    return ContactSeen(
        jid=ids.canonical(row.key("jid")),
        phone=phone,
        at=_time(row, "updated_at"),
        name=name,
        push_name=push_name,
        business_name=business_name,
        is_business=True if business_name else None,
        is_saved=True if name else None,
    )


def alias_of(row: Row, phone: str) -> ContactSeen | None:
    """A name that wacli's user gave somebody there."""
    told = {"wacli_alias": row.text("alias"), "wacli_notes": row.text("notes")}
    extras = {name: value for name, value in told.items() if value}
    if not extras:
        return None
    return ContactSeen(jid=ids.canonical(row.key("jid")), phone=phone, at=_time(row, "updated_at"), extras=extras)


def chat_of(row: Row, phone: str) -> ChatSeen:
    """A chat with its state."""
    chat = ids.canonical(row.key("jid"))
    name, user, unread = row.text("name"), ids.user_part(chat), row.values.get("unread_count")
    muted = row.values.get("muted_until")
    return ChatSeen(
        phone=phone,
        chat=chat,
        name=None if name in (chat, user, f"+{user}") else name,
        archived=row.flag("archived"),
        pinned=row.flag("pinned"),
        muted_until=MUTED_FOREVER if muted == -1 else _time(row, "muted_until"),
        unread=unread if isinstance(unread, int) and unread >= 0 else None,
        last_message_at=_time(row, "last_message_ts"),
    )


def group_of(row: Row, phone: str, members: Iterable[Row]) -> ChatSeen:
    """A group with its members."""
    found = tuple(_member(member) for member in members if _jid(member, "user_jid"))
    told = {"owner": _jid(row, "owner_jid"), "community": _jid(row, "linked_parent_jid")}
    return ChatSeen(
        phone=phone,
        chat=ids.canonical(row.key("jid")),
        at=_time(row, "updated_at"),
        name=row.text("name"),
        members=found or None,
        is_exited=True if _set(row, "left_at") else None,
        created_at=_time(row, "created_ts"),
        extras={name: value for name, value in told.items() if value} or None,
    )


def _member(row: Row) -> Member:
    role = row.text("role")
    jid = ids.canonical(row.key("user_jid"))
    return Member(jid=jid, is_admin=role in ("admin", "superadmin"), is_super_admin=role == "superadmin")


# Messages


def _author(entry: Entry, chat: str) -> str | None:
    if _set(entry.row, "from_me"):
        return entry.phone
    sender = _jid(entry.row, "sender_jid")
    if sender is not None and ids.is_person(sender):
        return sender
    return chat if ids.is_person(chat) else None


def _chat(entry: Entry) -> str:
    return ids.canonical(entry.row.key("chat_jid"))


def reaction_of(entry: Entry) -> ReactionSet | None:
    """Reactions stand among the messages, and name the one that they belong to."""
    row = entry.row
    reacted = row.text("reaction_to_id")
    if reacted is None:
        return None
    chat = _chat(entry)
    by = _author(entry, chat)
    if by is None:
        raise Unusable("sender_jid", "does not say who reacted")
    return ReactionSet(
        target=Target(entry.phone, chat, reacted),
        by=by,
        emoji=row.text("reaction_emoji") or "",
        at=_time(row, "ts"),
        id=row.key("msg_id"),
    )


def is_told_elsewhere(entry: Entry) -> bool:
    """Whether a row is the bubble of a call that the table of calls tells, or of nothing at all."""
    row = entry.row
    empty = not any(row.values.get(name) for name in ("text", "media_type", "media_caption", "revoked", "buttons"))
    return empty and "call_events" in entry.parts


def message_of(entry: Entry) -> Message:
    """The message. ``Unusable`` where what it needs is missing."""
    row = entry.row
    chat, sent_at = _chat(entry), _time(row, "ts")
    if sent_at is None:
        raise Unusable("ts", "is unknown")
    kind = _kind(entry)
    return Message(
        key=MessageKey(entry.phone, chat, row.key("msg_id"), _author(entry, chat)),
        sent_at=sent_at,
        from_me=_set(row, "from_me"),
        kind=kind,
        text=None if _was_edited(row) else _text(entry, kind),
        details=_details(entry, kind, chat),
    )


def _kind(entry: Entry) -> Kind:
    row = entry.row
    media_type = (row.text("media_type") or "").lower()
    if media_type:
        kind = _KINDS.get(media_type, "unknown")
        opus = (row.text("mime_type") or "").replace(" ", "").startswith("audio/ogg;codecs=opus")
        return "voice" if kind == "audio" and opus else kind
    if "polls" in entry.parts:
        return "poll"
    if "message_locations" in entry.parts:
        return "location"
    if row.text("text") is None:
        return "interactive" if row.text("buttons") else "text" if _set(row, "revoked") else "unknown"
    return "text"


def _text(entry: Entry, kind: Kind) -> str | None:
    poll = entry.part("polls")
    if kind == "poll" and poll is not None:
        return poll.text("question")
    return entry.row.text("text") or entry.row.text("media_caption")


def _was_edited(row: Row) -> bool:
    return _set(row, "edited") and _set(row, "edited_ts") and not _set(row, "revoked")


def _details(entry: Entry, kind: Kind, chat: str) -> Details:
    row = entry.row
    score = row.number("forwarding_score")
    has_media = kind in MEDIA_KINDS
    return Details(
        media=_media(row) if has_media else None,
        quoted=_quote(row),
        location=_location(entry.part("message_locations")),
        poll=_poll(entry.part("polls")) if kind == "poll" else None,
        is_forwarded=True if _set(row, "is_forwarded") else None,
        forwarding_score=score,
        is_gif=True if row.text("media_type") == "gif" else None,
        is_starred=True if "starred" in entry.parts else None,
        is_status=True if chat == "status@broadcast" else None,
        is_edited=True if _set(row, "edited") else None,
        is_deleted=True if _set(row, "revoked") else None,
        has_media=has_media,
        altered=True if "text" in row.altered else None,
        interactive=_buttons(row),
        type_name=row.text("media_type") if kind == "unknown" else None,
    )


def _media(row: Row) -> Media:
    media_key, sha256, enc_sha256 = (row.blob(name) for name in ("media_key", "file_sha256", "file_enc_sha256"))
    return Media(
        mimetype=row.text("mime_type"),
        size=row.number("file_length"),
        filename=row.text("filename"),
        sha256=sha256.hex() if sha256 else None,
        media_key=base64.b64encode(media_key).decode() if media_key else None,
        direct_path=row.text("direct_path"),
        enc_sha256=enc_sha256.hex() if enc_sha256 else None,
    )


def file_of(entry: Entry, message: Message) -> LocalFile | None:
    """Where wacli put the file of a message that it downloaded."""
    path, media, key = entry.row.text("local_path"), message.details.media, message.key
    if path is None or media is None:
        return None
    return LocalFile(Target(key.phone, key.chat, key.id, key.sender), path, media)


def _quote(row: Row) -> Quote | None:
    id = row.text("quoted_msg_id")
    return Quote(id=id, sender=_jid(row, "quoted_sender_jid")) if id else None


def _location(part: Row | None) -> Location | None:
    if part is None:
        return None
    return place_at(
        part.values.get("latitude"), part.values.get("longitude"), name=part.text("name"), address=part.text("address")
    )


def _poll(part: Row | None) -> Poll | None:
    if part is None:
        return None
    count = part.values.get("selectable_count")
    selectable = count if isinstance(count, int) and count >= 0 else None
    return Poll(name=part.text("question") or "", options=_texts(part, "options_json"), selectable=selectable)


def _texts(part: Row, column: str) -> tuple[str, ...]:
    """A list of texts, bare or as ``selected`` of an object."""
    text = part.text(column)
    if text is None:
        return ()
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        part.report(column, "is not JSON", kept=True)
        return ()
    items = value.get("selected") if isinstance(value, dict) else value
    return tuple(item for item in items if isinstance(item, str)) if isinstance(items, list) else ()


def _buttons(row: Row) -> Any:
    text = row.text("buttons")
    if text is None:
        return None
    try:
        return {"buttons": msgspec.json.decode(text)}
    except msgspec.DecodeError:
        row.report("buttons", "is not JSON", kept=True)
        return None


def changes_of(entry: Entry, message: Message) -> Iterator[Event]:
    """Edit, deletion and votes of a message."""
    row, key = entry.row, message.key
    target = Target(key.phone, key.chat, key.id, key.sender)
    at = _time(row, "edited_ts")
    if _was_edited(row) and at is not None:
        yield MessageEdited(target=target, text=_text(entry, message.kind), at=at)
    if _set(row, "revoked"):
        yield MessageRevoked(target=target, at=_time(row, "deleted_at"))
    for vote in entry.parts.get("poll_votes", ()):
        voter, voted_at = _jid(vote, "voter_jid"), _time(vote, "ts")
        if voter is None or voted_at is None:
            vote.report("voter_jid", "does not say who voted, or when", kept=False)
        else:
            yield PollVoted(target=target, by=voter, options=_texts(vote, "selected_options_json"), at=voted_at)


def status_of(row: Row, phone: str) -> MessageSeen:
    """A status, which wacli keeps apart."""
    sent_at, from_me = _time(row, "ts"), _set(row, "from_me")
    if sent_at is None:
        raise Unusable("ts", "is unknown")
    kind = _KINDS.get((row.text("media_type") or "").lower(), "text")
    has_media = kind in MEDIA_KINDS
    details = Details(media=_media(row) if has_media else None, is_status=True, has_media=has_media)
    sender = phone if from_me else _jid(row, "sender_jid")
    return MessageSeen(
        Message(
            key=MessageKey(phone, "status@broadcast", row.key("msg_id"), sender),
            sent_at=sent_at,
            from_me=from_me,
            kind=kind,
            text=row.text("text") or row.text("media_caption"),
            details=details,
        )
    )


def call_of(row: Row, phone: str) -> MessageSeen | None:
    """A call that is over; steps of calls are left out."""
    if row.text("event_type") != _LOGGED:
        return None
    chat, sent_at = ids.canonical(row.key("chat_jid")), _time(row, "ts")
    if sent_at is None:
        raise Unusable("ts", "is unknown")
    outgoing = row.text("direction") in ("outbound", "outgoing")
    other = _jid(row, "sender_jid") or (chat if ids.is_person(chat) else None)
    outcome, duration = row.text("outcome") or "", row.number("duration_secs")
    call = Call(
        video=(row.text("media") == "video") if row.text("media") else None,
        outgoing=outgoing,
        result=_CALLS.get(outcome.lower()),
        duration=float(duration) if duration else None,
        metadata={"outcome": outcome} if outcome else None,
    )
    key = MessageKey(phone, chat, ids.call_id(row.key("call_id")), phone if outgoing else other)
    details = Details(call=call, has_media=False)
    return MessageSeen(Message(key=key, sent_at=sent_at, from_me=outgoing, kind="call", details=details))
