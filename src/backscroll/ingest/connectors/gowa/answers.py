"""Answers of a running GOWA (v8 and later) about its chats and messages. See gowa.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import ChatSeen, Event, MessageSeen, ReactionSet, Target
from backscroll.core.ids import canonical, is_person
from backscroll.core.model import Message
from backscroll.ingest.connectors.foreign.rows import Row, Skipped, Unusable
from backscroll.ingest.connectors.gowa.mapping import chat_of, message_of

SOURCE = "gowa"


class BadRow(Struct, frozen=True):
    """A row that could not be told, and why; its bytes are JSON."""

    payload: bytes
    problem: str


class ChatRow(Struct, frozen=True):
    """A chat in GOWA's own spelling, which its addresses need, and when GOWA last wrote to it."""

    jid: str
    touched_at: int | None


class Chats(Struct, frozen=True):
    """A page of chats."""

    rows: int
    chats: list[ChatRow]
    events: list[Event]
    bad: list[BadRow]


class Messages(Struct, frozen=True):
    """A page of a chat's messages, newest first; ``oldest`` is None when none of them tells a time."""

    rows: int
    oldest: int | None
    events: list[Event]
    bad: list[BadRow]


class _Answer(Struct):
    results: _Results


class _Results(Struct):
    data: list[dict[str, Any]] | None = None


def read_chats(body: bytes, phone: str) -> Chats:
    """The answer to GET /chats; ``Unreadable`` when it is none."""
    page = Chats(rows=0, chats=[], events=[], bad=[])
    rows = _rows(body, "chats")
    for row in rows:
        _read(row, page.bad, lambda row=row: page.events.append(_chat(row, phone, page.chats)))  # type: ignore[misc]
    return msgspec.structs.replace(page, rows=len(rows))


def read_messages(body: bytes, phone: str) -> Messages:
    """The answer to GET /chat/{chat}/messages; ``Unreadable`` when it is none."""
    page = Messages(rows=0, oldest=None, events=[], bad=[])
    rows = _rows(body, "messages")
    for row in rows:
        _read(row, page.bad, lambda row=row: _message(row, phone, page.events))  # type: ignore[misc]
    times = [event.message.sent_at for event in page.events if isinstance(event, MessageSeen)]
    return msgspec.structs.replace(page, rows=len(rows), oldest=min(times, default=None))


def _rows(body: bytes, table: str) -> list[Row]:
    try:
        found = msgspec.json.decode(body, type=_Answer).results.data or []
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unreadable(SOURCE, table, str(error)[:200]) from None
    return [Row(table, no, values, _ignore) for no, values in enumerate(found)]


def _ignore(skipped: Skipped) -> None:
    """Of a message that is told otherwise, the raw answer keeps what one column lacked."""


def _read(row: Row, bad: list[BadRow], tell: Callable[[], None]) -> None:
    try:
        tell()
    except Unusable as error:
        bad.append(BadRow(msgspec.json.encode(row.values), f"{row.table}.{error.column}: {error.problem}"))


def _chat(row: Row, phone: str, chats: list[ChatRow]) -> ChatSeen:
    jid = row.key("jid")
    times = [at for name in ("last_message_time", "updated_at") if (at := row.time(name)) is not None]
    chats.append(ChatRow(jid, max(times, default=None)))
    return chat_of(row, phone, canonical(jid), None)


def _message(row: Row, phone: str, events: list[Event]) -> None:
    """A reaction that cannot be told does not cost its message."""
    row.values["sender"] = row.values.get("sender_jid")
    message = message_of(row, phone, person_of)
    events.append(MessageSeen(message))
    found = row.values.get("reactions")
    for values in found if isinstance(found, list) else []:
        events.append(_reaction(Row("reactions", row.no, values if isinstance(values, dict) else {}, _ignore), message))


def person_of(sender: str, chat: str | None = None) -> str | None:
    """The JID of a sender as GOWA writes it; None where that names no person."""
    jid = canonical(sender)
    return jid if is_person(jid) else None


def _reaction(row: Row, message: Message) -> ReactionSet:
    key = message.key
    by = key.phone if row.flag("is_from_me") else person_of(row.key("sender_jid"), key.chat)
    at = row.time("timestamp")
    if by is None or at is None:
        raise Unusable("reactions", "has no person or no time")
    return ReactionSet(target=Target(key.phone, key.chat, key.id, key.sender), by=by, emoji=row.key("emoji"), at=at)
