"""Changes in the archive as Periskope's events: the name used by its official client, and the object in its types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from backscroll.core.answers import ChangeLine, Changes, ReactionChanged
from backscroll.core.model import Access, ArchivedMessage, Reaction
from backscroll.dialects.links import Links
from backscroll.dialects.periskope.messages import row_renderer
from backscroll.dialects.periskope.objects import chat_object, notification_object, phone_object, reaction_object
from backscroll.formats.jsontext import encode

_NAMES = {
    "content": "message.updated",
    "deleted": "message.deleted",
    "ack": "message.ack.updated",
    "pinned": "message.updated",
    "flagged": "message.flagged",
    "unflagged": "message.unflagged",
    "ticket": "message.ticket.attached",
}
_STATES = {"CONNECTED": "org.phone.connected", "DISCONNECTED": "org.phone.disconnected"}
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class Event(Struct, frozen=True):
    """``seq`` and ``at`` are its position in the feed: a change may produce several events, counted from 0."""

    seq: int
    at: int
    name: str
    body: bytes
    """The object, as JSON."""


def render_events(changes: Changes, access: Access, links: Links) -> list[Event]:
    """The events for some lines of the feed: one for most lines, none for those that Periskope has no event for."""
    events: list[Event] = []
    for line in changes.lines:
        at = events[-1].at + 1 if events and events[-1].seq == line.seq else 0
        named = _of_line(line, access, links)
        events += [Event(line.seq, at + n, name, body) for n, (name, body) in enumerate(named)]
    return events


def _of_line(line: ChangeLine, access: Access, links: Links) -> Iterator[tuple[str, bytes]]:
    if line.message is not None:
        yield from _of_message(line, line.message, access, links)
    elif line.what == "chat" and line.chat is not None:
        yield "chat.created", encode(chat_object(line.chat, access, row_renderer(access, links)))
    elif line.what == "phone" and line.phone is not None:
        body = encode(phone_object(line.phone, access))
        yield "org.phone.updated", body
        name = _STATES.get(line.phone.state or "")
        if name is not None and "state" in (line.aspects or ()):
            yield name, body


def _of_message(
    line: ChangeLine, archived: ArchivedMessage, access: Access, links: Links
) -> Iterator[tuple[str, bytes]]:
    if archived.message.kind in ("notice", "call"):
        if line.what == "message":
            yield "chat.notification.created", encode(notification_object(archived, access))
        return
    names = _names_of(line, archived)
    body = message_body(archived, access, links) if names else b""
    yield from ((name, body) for name in names)
    for change in line.reactions:
        yield _of_reaction(change, archived, access)


def _names_of(line: ChangeLine, archived: ArchivedMessage) -> list[str]:
    if line.what == "message":
        return ["message.created"]
    if line.aspects is None:
        # Written by an older version, which did not record it.
        return ["message.deleted" if archived.deleted else "message.updated"]
    return list(dict.fromkeys(_NAMES[aspect] for aspect in line.aspects if aspect in _NAMES))


def _of_reaction(change: ReactionChanged, archived: ArchivedMessage, access: Access) -> tuple[str, bytes]:
    name = "reaction.created" if change.is_first else "reaction.updated"
    return name, reaction_body(change.reaction, archived, access)


def reaction_body(reaction: Reaction, archived: ArchivedMessage, access: Access) -> bytes:
    """A reaction as events show it."""
    made = reaction_object(reaction, archived, access)
    made["id"] = _spelt_both_ways(made["id"] or {**made["msg_id"], "serialized": made["reaction_id"]})
    made["msg_id"] = _spelt_both_ways(made["msg_id"])
    return encode(made)


def message_body(archived: ArchivedMessage, access: Access, links: Links) -> bytes:
    """A message as events show it."""
    shown = _OBJECT.decode(row_renderer(access, links)(archived))
    shown["id"] = Raw(encode(_spelt_both_ways(msgspec.json.decode(shown["id"]))))
    return encode(shown)


def _spelt_both_ways(id: dict[str, Any]) -> dict[str, Any]:
    """Ids both as in the routes and as in the client's types for events."""
    return {**id, "fromMe": id["from_me"], "_serialized": id["serialized"]}
