"""What was sent through Periskope: messages, edits, reactions and deletions.

Periskope answers before WhatsApp has the message; its webhook reports the rest. The answer has one id for a whole
broadcast, and none for a forwarded message, so these are left to the webhook.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, structs

from backscroll.core.events import Event, MessageEdited, MessageSeen, ReactionSet, Target
from backscroll.core.ids import canonical
from backscroll.core.kinds import periskope_kind
from backscroll.core.model import Details, Kind, Location, Media, Message, MessageKey, Poll, Quote
from backscroll.formats.periskope_ids import decode_message_id
from backscroll.ingest.sent.forms import Fields
from backscroll.ingest.sent.sending import Sent, Understood, coordinate, revoked, texts

_CHANGE = "/v1/message/{id}/"
SENDING = frozenset(
    {
        "/v1/message/send",
        "/v1/message/send-sync",
        "/v1/messages/send",
        *(_CHANGE + change for change in ("edit", "react", "delete")),
    }
)
"""Routes whose effect the archive records."""


class _Answer(Struct):
    unique_id: str | None = None
    queue_id: str | None = None
    message_id: str | None = None


def understood(sent: Sent) -> Understood | None:
    """The event; None if request and answer do not contain enough."""
    if sent.path.startswith(_CHANGE):
        return _change(sent)
    try:
        answer = msgspec.json.decode(sent.answer, type=_Answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    recipient = sent.fields.text("chat_id") or sent.fields.text("phone")
    id = _id(answer)
    if recipient is None or id is None:
        return None
    kind, media = _file(sent.fields)
    message = Message(
        key=MessageKey(sent.phone, canonical(recipient), id, sent.phone),
        sent_at=sent.at,
        from_me=True,
        kind=kind,
        text=sent.fields.text("message"),
        details=_details(sent, answer, media),
    )
    return Understood([MessageSeen(message)], id)


def _change(sent: Sent) -> Understood | None:
    """A change of a message. The answer is empty; the path contains the message, or the job that sent it."""
    target = _target(sent)
    if target is None:
        return None
    told: Event
    if sent.path.endswith("/edit"):
        text = sent.fields.text("edited_body") or sent.fields.text("message")
        if text is None:
            return None
        target = structs.replace(target, sender=sent.phone)
        told = MessageEdited(target=target, text=text, at=sent.at, by=sent.phone)
    elif sent.path.endswith("/react"):
        emoji = sent.fields.values.get("reaction")
        if not isinstance(emoji, str):
            return None
        told = ReactionSet(target=target, by=sent.phone, emoji=emoji, at=sent.at)
    else:
        told = revoked(sent, target.chat, target.id, sent.at)
    return Understood([told], target.id)


def _target(sent: Sent) -> Target | None:
    """The message from the archive's row, or else as given by the id."""
    if sent.known is not None:
        key = sent.known.message.key
        return Target(sent.phone, key.chat, key.id, key.sender)
    ref = decode_message_id(sent.params.get("id", ""))
    if ref.chat is None or not ref.id:
        return None
    return Target(sent.phone, ref.chat, ref.id, ref.sender or (sent.phone if ref.from_me else None))


def _id(answer: _Answer) -> str | None:
    """WhatsApp's own id; None for a queue id, whose message is reported later."""
    if answer.unique_id:
        return answer.unique_id
    if answer.message_id and answer.message_id.startswith("true_"):
        return decode_message_id(answer.message_id).id or None
    return None


def _details(sent: Sent, answer: _Answer, media: Media | None) -> Details:
    fields = sent.fields
    quoted = fields.text("reply_to")
    return Details(
        # The time is this server's, because the message may still wait in a queue.
        precision="minute",
        media=media,
        has_media=None if media is None else True,
        quoted=Quote(id=decode_message_id(quoted).id) if quoted else None,
        client_ref=answer.queue_id or None,
        location=_location(fields.values.get("location")),
        poll=_poll(fields.values.get("poll")),
    )


def _file(fields: Fields) -> tuple[Kind, Media | None]:
    media = fields.values.get("media")
    if not isinstance(media, dict):
        return _kind_without_file(fields), None
    word = media.get("type")
    kind = periskope_kind(word) if isinstance(word, str) else "document"
    # An address given by the client is not stored, because this server would fetch it with the account's key.
    return kind, Media(filename=_text(media, "filename"), mimetype=_text(media, "mimetype"))


def _kind_without_file(fields: Fields) -> Kind:
    if isinstance(fields.values.get("poll"), dict):
        return "poll"
    return "location" if isinstance(fields.values.get("location"), dict) else "text"


def _text(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and found else None


def _location(value: Any) -> Location | None:
    if not isinstance(value, dict):
        return None
    latitude, longitude = coordinate(value.get("latitude"), 90), coordinate(value.get("longitude"), 180)
    more = value.get("options")
    more = more if isinstance(more, dict) else {}
    if latitude is None or longitude is None:
        return None
    return Location(latitude=latitude, longitude=longitude, name=_text(more, "name"), address=_text(more, "address"))


def _poll(value: Any) -> Poll | None:
    if not isinstance(value, dict):
        return None
    name = _text(value, "pollName") or _text(value, "poll_name") or _text(value, "name")
    options = value.get("pollOptions") or value.get("poll_options") or value.get("options")
    return None if name is None else Poll(name=name, options=texts(options))
