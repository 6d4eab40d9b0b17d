"""Rows of Evolution API's tables (v2, PostgreSQL) as events, using the mapper for its webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    Target,
)
from backscroll.core.model import Media
from backscroll.ingest.connectors.webhooks import evolution, wire
from backscroll.ingest.connectors.webhooks.proto_json import Node, whole_number

SOURCE = "evolution"
JSON_COLUMNS = ("key", "message", "contextInfo", "pollUpdates", "labels")
_EDITED, _DELETED = "EDITED", "DELETED"

Row = Mapping[str, str | None]
"""A row of a table: every column as PostgreSQL's text."""


class Told(Struct):
    """What a row of ``Message`` tells. ``target`` and ``media`` are of the message, where it is one with a file."""

    events: list[Event] = []
    target: Target | None = None
    media: Media | None = None


def decoded(row: Row) -> dict[str, Any]:
    """The row with its JSON decoded. ``Unreadable`` names an invalid column."""
    found: dict[str, Any] = dict(row)
    for name in JSON_COLUMNS:
        text = row.get(name)
        if text is not None:
            found[name] = wire.decode_part(SOURCE, name, text.encode("utf-8", "surrogatepass"), Any)
    return found


def contact_of(row: Row, phone: str) -> list[Event]:
    """A row of ``Contact``: push name and picture of a person; of a group its subject stands there too."""
    jid, name = row.get("remoteJid"), row.get("pushName")
    if jid and name and "@" in jid and ids.kind_of(ids.canonical(jid)) == "group":
        return [ChatSeen(phone=phone, chat=ids.canonical(jid), name=name)]
    return evolution.contact_events(phone, None, Node(row))


def number_of(row: Row) -> list[Event]:
    """A row of ``IsOnWhatsapp``: a number, and the hidden id of the same person, under whichever column it stands."""
    told = [row.get("remoteJid"), row.get("lid"), *(row.get("jidOptions") or "").split(",")]
    jids = [
        ids.canonical(jid if "@" in jid else f"{jid}@lid") for jid in told if jid and jid.strip() not in ("", "lid")
    ]
    number = next((jid for jid in jids if ids.kind_of(jid) == "user"), None)
    lids = dict.fromkeys(jid for jid in jids if ids.kind_of(jid) == "lid")
    return [NumberMapped(lid=lid, jid=number) for lid in lids] if number else []


def label_of(row: Row, phone: str) -> list[Event]:
    """A row of ``Label``, without its time: Evolution keeps only the ASCII part of a name, so any dated report wins."""
    id, color = row.get("labelId"), row.get("color")
    if not id:
        return []
    return [wire.label_of(phone, id, None, (row.get("name") or "").strip(), whole_number(color))]


def chat_of(row: Mapping[str, Any], phone: str) -> list[Event]:
    """A row of ``Chat``, decoded: its name, where it is no person's, how much is unread, and its labels by id.

    Its time is that of the database's own clock or of another, so none is told.
    """
    jid, unread = row.get("remoteJid"), row.get("unreadMessages")
    if not jid or "@" not in jid:
        return []
    chat = ids.canonical(jid)
    return [
        *(ChatLabeled(phone=phone, chat=chat, label=label) for label in Node(row).texts("labels")),
        ChatSeen(
            phone=phone,
            chat=chat,
            name=None if ids.is_person(chat) else row.get("name") or None,
            unread=int(unread) if unread and unread.isdecimal() else None,
        ),
    ]


def message_of(row: Mapping[str, Any], phone: str) -> Told:
    """A row of ``Message``, decoded: a message, or a change of one. ``Unreadable`` where it makes no sense."""
    seconds, status = row.get("messageTimestamp"), row.get("status")
    node = Node({**row, "messageTimestamp": int(seconds) if isinstance(seconds, str) and seconds.isdecimal() else None})
    events = evolution.message_events(phone, node)
    seen = next((event.message for event in events if isinstance(event, MessageSeen)), None)
    if seen is None:
        return Told(events)
    target = Target(phone, seen.key.chat, seen.key.id, seen.key.sender)
    if status == _EDITED:
        # Evolution puts the new text and the time of the edit in the place of the first ones.
        details = msgspec.structs.replace(seen.details, is_edited=True, precision="minute")
        plain = msgspec.structs.replace(seen, text=None, details=details)
        events = [MessageSeen(plain) if isinstance(event, MessageSeen) else event for event in events]
        events.append(MessageEdited(target=target, text=seen.text, at=seen.sent_at))
    if status == _DELETED or Node(row.get("key")).flag("deleted"):
        events.append(MessageRevoked(target=target))
    return Told(events, target, seen.details.media)


def update_of(row: Mapping[str, Any], phone: str, polled_at: int | None) -> list[Event]:
    """A row of ``MessageUpdate``, decoded: how far a message came, or the votes of a poll.

    There is no time; votes get the time of their poll (``polled_at``, microseconds).
    """
    if row.get("status") == _EDITED:
        return []
    fields = {**row, "fromMe": row.get("fromMe") in ("true", "t")}
    votes = {**fields, "status": None}
    if fields.get("pollUpdates") and fields.get("status") == _DELETED:
        # So versions 2.3.0 to 2.3.4 store votes.
        fields["status"] = None
    events = evolution.update_events(phone, None, Node({**fields, "pollUpdates": None}))
    if fields.get("pollUpdates") and polled_at is not None:
        events += evolution.update_events(phone, polled_at, Node(votes))
    return events


def name_of(row: Row) -> str:
    """What a person finds a row by."""
    return str(row.get("id") or "?")[:80]
