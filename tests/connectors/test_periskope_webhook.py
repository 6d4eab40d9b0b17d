"""Periskope's webhook: the twenty events of its client, flat and in an envelope."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import ChatSeen, Event, MessageRevoked, MessageSeen, PhoneSeen, ReactionSet, ReceiptSet
from backscroll.core.model import Notice
from backscroll.ingest.connectors.pushed import Connection, Observed, Setup
from backscroll.ingest.connectors.webhooks import periskope

OWN, JOHN = "628987654321@s.whatsapp.net", "628123456789@s.whatsapp.net"
AT = "2026-03-12T09:00:00+00:00"
MICROS = 1_773_306_000_000_000


def row(**more: Any) -> dict[str, Any]:
    fields = {"message_id": "false_628123456789@c.us_AAAA", "org_phone": "628987654321@c.us", "org_id": "o"}
    fields |= {"chat_id": "628123456789@c.us", "unique_id": "AAAA", "body": "hello", "ack": "0"}
    return {**fields, "from_me": False, "timestamp": AT, "message_type": "chat", **more}


def enveloped(event: str, data: dict[str, Any], key: str = "event") -> bytes:
    envelope = {key: event, "data": data, "org_id": "o", "previous_attributes": {}, "timestamp": "2026-03-12T09:05:00Z"}
    return msgspec.json.encode(envelope)


def flat(event: str, data: dict[str, Any], key: str = "event_type") -> bytes:
    return msgspec.json.encode({**data, key: event, "org_id": "o", "previous_attributes": {"body": "hell"}})


def both(event: str, data: dict[str, Any]) -> list[Event]:
    """The events of a payload, which must be the same in both forms."""
    told = [periskope.observe(body, Setup()) for body in (enveloped(event, data), flat(event, data))]
    assert told[0].events == told[1].events
    assert told[0].problems == told[1].problems == []
    return told[0].events


@pytest.mark.parametrize(
    "event", ["message.created", "message.updated", "message.ack.updated", "message.flagged", "message.unflagged"]
)
def test_a_message_is_told_with_its_phone(event: str) -> None:
    phone, seen = both(event, row())
    assert phone == PhoneSeen(jid=OWN)
    assert isinstance(seen, MessageSeen)
    assert (seen.message.key.chat, seen.message.key.id, seen.message.text) == (JOHN, "AAAA", "hello")


@pytest.mark.parametrize("key", ["event_type", "integration_name", "event"])
def test_the_event_is_found_under_each_name(key: str) -> None:
    assert len(periskope.observe(flat("message.created", row(), key), Setup()).events) == 2


def test_the_receipts_of_a_message_are_told_too() -> None:
    info = {"read": {"628123456789@c.us": 1_773_306_060_000}, "delivered": {}, "pending": []}
    told = both("message.ack.updated", row(from_me=True, ack="4", delivery_info=info))
    assert [event.ack for event in told if isinstance(event, ReceiptSet)] == [4]


def test_a_deletion_is_dated_by_the_event_where_it_has_a_time_of_its_own() -> None:
    told = periskope.observe(enveloped("message.deleted", row()), Setup()).events[-1]
    assert isinstance(told, MessageRevoked)
    assert told.at == MICROS + 300_000_000
    told = periskope.observe(flat("message.deleted", row()), Setup()).events[-1]
    assert isinstance(told, MessageRevoked)
    assert told.at is None


def test_reactions_notifications_and_chats() -> None:
    reaction = {"message_id": "false_628123456789@c.us_AAAA", "chat_id": "628123456789@c.us", "reaction": "👍"}
    reaction |= {"org_phone": "628987654321@c.us", "sender_id": "628123456789@c.us", "timestamp": AT}
    for event in ("reaction.created", "reaction.updated"):
        (told,) = [e for e in both(event, reaction) if isinstance(e, ReactionSet)]
        assert (told.by, told.emoji, told.at) == (JOHN, "👍", MICROS)
    notification_ids = {"notification_id": "true_1-2@g.us_N1_628123456789@c.us_add", "unique_id": "N1", "type": "add"}
    notification: dict[str, Any] = notification_ids | {
        "chat_id": "1-2@g.us",
        "org_phone": "628987654321@c.us",
        "timestamp": AT,
        "author": None,
    }
    (seen,) = [e for e in both("chat.notification.created", notification) if isinstance(e, MessageSeen)]
    assert seen.message.details.notice == Notice(type="add")
    chat = {"chat_id": "1-2@g.us", "org_phone": "628987654321@c.us", "chat_name": "Team", "assigned_to": "x@y"}
    for event in ("chat.created", "chat.custom_properties.updated"):
        (told_chat,) = [e for e in both(event, chat) if isinstance(e, ChatSeen)]
        assert (told_chat.name, told_chat.extras) == ("Team", {"assigned_to": "x@y"})


@pytest.mark.parametrize(
    "event", ["ticket.created", "ticket.updated", "ticket.deleted", "message.ticket.attached", "note.created"]
)
def test_tickets_are_kept_as_they_came(event: str) -> None:
    told = periskope.observe(enveloped(event, {"ticket_id": "t"}), Setup())
    assert told.events == []
    assert told.raw is not None


def test_a_note_is_a_message_of_its_chat() -> None:
    (_, seen) = both("note.created", row(is_private_note=True))
    assert isinstance(seen, MessageSeen)
    assert seen.message.kind == "notice"


@pytest.mark.parametrize(
    ("event", "wa_state", "state"),
    [
        ("org.phone.connected", None, "CONNECTED"),
        ("org.phone.disconnected", None, "DISCONNECTED"),
        ("org.phone.qr", None, "DISCONNECTED"),
        ("org.phone.updated", "CONNECTED", "CONNECTED"),
        ("org.phone.updated", "OPENING", "CONNECTING"),
    ],
)
def test_a_phones_events_are_its_state_and_the_qr_code_is_not_kept(event: str, wa_state: Any, state: Any) -> None:
    data = {"org_phone": "628987654321@c.us", "qr_code": "2@secret", "wa_state": wa_state}
    told = periskope.observe(enveloped(event, data), Setup())
    assert told.connections == [Connection(OWN, state, MICROS + 300_000_000)]
    assert told.raw is None


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "body"),
        (b"[]", "body"),
        (b"{}", "event"),
        (b'{"event":7}', "event"),
        (b'{"event":"message.unheard","data":{}}', "event"),
        (b'{"event":"org.phone.connected","data":{}}', "body"),
    ],
)
def test_what_is_no_payload_of_periskopes_is_named_by_its_place(body: bytes, where: str) -> None:
    with pytest.raises(Unreadable) as caught:
        periskope.observe(body, Setup())
    assert caught.value.where == where


def test_an_object_that_cannot_be_read_is_a_problem() -> None:
    told = periskope.observe(enveloped("message.created", row(ack="99")), Setup())
    assert told.events == []
    assert [problem.where for problem in told.problems] == ["data.ack"]


def test_an_object_that_passes_is_forgotten() -> None:
    assert periskope.observe(enveloped("org.updated", {}), Setup()) == Observed()
