"""Rows of a whatsapp-mcp bridge as events."""

from __future__ import annotations

import base64
import re

from backscroll.core import ids
from backscroll.core.events import ChatSeen, Event, MessageRevoked, MessageSeen, ReactionSet, Target
from backscroll.core.model import MEDIA_KINDS, Call, Details, Kind, Media, Message, MessageKey, Quote
from backscroll.ingest.connectors.foreign.pieces import LocalFile
from backscroll.ingest.connectors.foreign.rows import Row, Unusable
from backscroll.ingest.connectors.foreign.stages import Told
from backscroll.ingest.connectors.gowa.mapping import JidOf

_KINDS: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "document": "document",
    "sticker": "sticker",
}
_ENDINGS = {"image": ".jpg", "video": ".mp4", "audio": ".ogg", "sticker": ".webp"}
_CALLS = {"answered": "connected", "ended": "connected", "rejected": "rejected", "missed": "missed"}
_REACTION = "reaction"
_CLOCK = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)")


def chat_of(row: Row, phone: str) -> ChatSeen:
    """A chat under its name, where it has one."""
    chat = ids.canonical(row.key("jid"))
    name, user = row.text("name"), ids.user_part(chat)
    return ChatSeen(
        phone=phone,
        chat=chat,
        name=None if name in (chat, user, f"+{user}", f"Group {user}") else name,
        ephemeral_seconds=row.number("ephemeral_expiration"),
        last_message_at=row.time("last_message_time"),
    )


def told_of(row: Row, phone: str, person: JidOf) -> Told:
    """What a row of ``messages`` tells: a message with its file, or a reaction; ``Unusable`` where that is neither."""
    chat, id, at = ids.canonical(row.key("chat_jid")), row.key("id"), row.time("timestamp")
    if at is None:
        raise Unusable("timestamp", "is unknown")
    from_me = row.flag("is_from_me") or False
    sender = phone if from_me else _sender(row, chat, person)
    if row.values.get("media_type") == _REACTION:
        return Told([_reaction(row, Target(phone, chat, row.key("filename")), sender, at)])
    message = _message(row, MessageKey(phone, chat, id, sender), at, from_me)
    events: list[Event] = [MessageSeen(message)]
    target = Target(phone, chat, id, sender)
    if (deleted_at := row.time("deleted_at")) is not None:
        events.append(MessageRevoked(target=target, at=deleted_at))
    media = message.details.media
    return Told(events, files=[_file(row, target, media)] if media is not None else [])


def _sender(row: Row, chat: str, person: JidOf) -> str | None:
    """The bridges keep the user part alone, without saying whether it is a number or a hidden id."""
    text = row.text("sender")
    return (person(text, chat) if text else None) or (chat if ids.is_person(chat) else None)


def _reaction(row: Row, target: Target, by: str | None, at: int) -> ReactionSet:
    """The emoji stands as the text, and the message that it belongs to as the file's name."""
    if by is None:
        raise Unusable("sender", "does not say who reacted")
    return ReactionSet(target=target, by=by, emoji=row.text("content") or "", at=at, id=row.key("id"))


def _message(row: Row, key: MessageKey, at: int, from_me: bool) -> Message:
    media_type = row.text("media_type")
    kind = _KINDS.get(media_type, "unknown") if media_type else "text"
    quoted = row.text("quoted_message_id")
    return Message(
        key=key,
        sent_at=at,
        from_me=from_me,
        kind=kind,
        text=row.text("content"),
        details=Details(
            media=_media(row, kind) if kind in MEDIA_KINDS else None,
            quoted=Quote(id=quoted) if quoted else None,
            is_status=True if key.chat == "status@broadcast" else None,
            is_deleted=True if row.values.get("deleted_at") else None,
            has_media=kind in MEDIA_KINDS,
            altered=True if "content" in row.altered else None,
            type_name=media_type if kind == "unknown" else None,
        ),
    )


def _media(row: Row, kind: Kind) -> Media:
    media_key, sha256, enc_sha256 = (row.blob(name) for name in ("media_key", "file_sha256", "file_enc_sha256"))
    name = row.text("filename")
    # Other names were made by the bridge.
    is_real = kind == "document" and name is not None and not name.startswith("document_")
    return Media(
        size=row.number("file_length"),
        filename=name if is_real else None,
        sha256=sha256.hex() if sha256 else None,
        url=row.text("url"),
        media_key=base64.b64encode(media_key).decode() if media_key else None,
        enc_sha256=enc_sha256.hex() if enc_sha256 else None,
    )


def _file(row: Row, target: Target, media: Media) -> LocalFile:
    """Where the bridge puts a file when it is asked for it: a folder for each chat, by time and id or by its name."""
    folder = str(row.values.get("chat_jid")).replace(":", "_")
    kind, stamp = row.text("media_type") or "", _CLOCK.match(str(row.values.get("timestamp")))
    clock = "{}{}{}_{}{}{}".format(*stamp.groups()) if stamp else ""
    made = f"{folder}/{kind}_{clock}_{target.id}{_ENDINGS.get(kind, '')}"
    name = row.text("filename")
    return LocalFile(target, made, media, also=(f"{folder}/{name}",) if name else ())


def call_of(row: Row, phone: str, person: JidOf) -> MessageSeen:
    """A call as a message of its chat, under the id that GOWA gives it."""
    chat, at = ids.canonical(row.key("chat_jid")), row.time("timestamp")
    if at is None:
        raise Unusable("timestamp", "is unknown")
    outgoing, told = row.flag("is_from_me") or False, row.text("from_jid")
    caller = phone if outgoing else person(told, chat) if told else None
    result, duration = row.text("result"), row.number("duration_sec")
    call = Call(
        video=row.text("call_type") == "video" if row.text("call_type") else None,
        outgoing=outgoing,
        result=_CALLS.get(result or ""),
        duration=float(duration) if duration else None,
        metadata={"result": result} if result else None,
    )
    key = MessageKey(phone, chat, ids.call_id(row.key("call_id")), caller)
    details = Details(call=call, has_media=False)
    return MessageSeen(Message(key=key, sent_at=at, from_me=outgoing, kind="call", details=details))
