"""The archive's own format for programs."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    LabelSeen,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Details, Location, Media, Message, MessageKey, Poll, Quote
from backscroll.ingest.connectors.pushed import Observed, Setup
from backscroll.ingest.connectors.webhooks import events

OWN, CHAT = "628987654321@s.whatsapp.net", "628123456789@s.whatsapp.net"
AT, MICROS = "2026-03-12T09:00:00Z", 1_773_306_000_000_000
OF = {"chat": CHAT, "id": "AAAA"}
TARGET = Target(OWN, CHAT, "AAAA")


def body(*rows: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"events": list(rows)})


FULL = {
    "type": "message",
    **OF,
    "phone": "628987654321",
    "sender": "628123456789",
    "sender_name": "John",
    "timestamp": AT,
    "kind": "image",
    "text": "look",
    "media": {"mimetype": "image/jpeg", "size": 7, "filename": "a.jpg", "sha256": "ab" * 32, "duration": 1.5},
    "quoted": {"id": "BBBB", "sender": "1", "text": "before"},
    "mentions": ["2"],
    "location": {"latitude": 1.5, "longitude": -2, "name": "here"},
    "vcards": ["BEGIN:VCARD"],
    "poll": {"name": "q", "options": ["a"], "selectable": 1},
    "is_forwarded": True,
}
EXAMPLES: list[tuple[dict[str, Any], Event]] = [
    (
        FULL,
        MessageSeen(
            Message(
                key=MessageKey(OWN, CHAT, "AAAA", "628123456789"),
                sent_at=MICROS,
                from_me=False,
                kind="image",
                text="look",
                details=Details(
                    media=Media(mimetype="image/jpeg", size=7, filename="a.jpg", sha256="ab" * 32, duration=1.5),
                    has_media=True,
                    quoted=Quote(id="BBBB", sender="1", text="before"),
                    mentions=("2",),
                    location=Location(latitude=1.5, longitude=-2, name="here"),
                    vcards=("BEGIN:VCARD",),
                    poll=Poll(name="q", options=("a",), selectable=1),
                    push_name="John",
                    is_forwarded=True,
                ),
            )
        ),
    ),
    (
        {"type": "message", **OF, "timestamp": 1_773_306_000_000, "from_me": True, "ack": "read"},
        MessageSeen(Message(key=MessageKey(OWN, CHAT, "AAAA", OWN), sent_at=MICROS, from_me=True, ack=4)),
    ),
    (
        {"type": "edit", **OF, "text": "new", "timestamp": 1_773_306_000, "edit_id": "EEEE"},
        MessageEdited(target=TARGET, text="new", at=MICROS, id="EEEE"),
    ),
    ({"type": "revoke", **OF}, MessageRevoked(target=TARGET)),
    (
        {"type": "reaction", **OF, "by": "1", "emoji": "👍", "timestamp": AT},
        ReactionSet(target=TARGET, by="1", emoji="👍", at=MICROS),
    ),
    (
        {"type": "receipt", **OF, "ack": "delivered", "participant": "1", "timestamp": AT},
        ReceiptSet(target=TARGET, ack=3, participant="1", at=MICROS),
    ),
    (
        {"type": "vote", **OF, "by": "1", "options": ["a"], "timestamp": AT},
        PollVoted(target=TARGET, by="1", options=("a",), at=MICROS),
    ),
    (
        {"type": "pin", **OF, "by": "1", "timestamp": AT, "until": 1_773_392_400},
        MessagePinned(target=TARGET, pinned=True, by="1", at=MICROS, until=MICROS + 86_400_000_000),
    ),
    (
        {"type": "pin", **OF, "timestamp": AT, "pinned": False},
        MessagePinned(target=TARGET, pinned=False, at=MICROS),
    ),
    (
        {"type": "chat", "chat": CHAT, "name": "Team", "labels": ["x"], "archived": True},
        ChatSeen(phone=OWN, chat=CHAT, name="Team", labels=("x",), archived=True),
    ),
    (
        {"type": "label", "id": "9", "name": "Lead", "color": 2, "deleted": True, "timestamp": AT},
        LabelSeen(phone=OWN, id="9", at=MICROS, name="Lead", color=2, deleted=True),
    ),
    (
        {"type": "chat_label", "chat": CHAT, "label": "9", "labeled": False, "timestamp": AT},
        ChatLabeled(phone=OWN, chat=CHAT, label="9", labeled=False, at=MICROS),
    ),
    ({"type": "contact", "jid": CHAT, "name": "John"}, ContactSeen(jid=CHAT, phone=OWN, name="John", is_saved=True)),
    ({"type": "number", "lid": "1@lid", "jid": CHAT}, NumberMapped(lid="1@lid", jid=CHAT)),
]


@pytest.mark.parametrize(("row", "event"), EXAMPLES, ids=[row["type"] for row, _ in EXAMPLES])
def test_each_type_says_what_its_fields_say(row: dict[str, Any], event: Event) -> None:
    assert events.observe(body(row), Setup(phone=OWN)).events == [event]
    jsonschema.validate({"events": [row]}, events.schema())


def test_nothing_is_kept_of_an_empty_request() -> None:
    assert events.observe(body(), Setup()) == Observed(events=[])


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ({"type": "message", **OF, "timestamp": "soon"}, "events[0].timestamp"),
        ({"type": "message", **OF}, "events[0]"),
        ({"type": "message", **OF, "timestamp": 1, "txet": "x"}, "events[0]"),
        ({"type": "message", **OF, "timestamp": 1, "kind": "novel"}, "events[0].kind"),
        ({"type": "message", "chat": CHAT, "id": "", "timestamp": 1}, "events[0].id"),
        ({"type": "message", **OF, "timestamp": 1, "media": {"sha256": "x"}}, "events[0].media.sha256"),
        (
            {"type": "message", **OF, "timestamp": 1, "location": {"latitude": 91, "longitude": 0}},
            "events[0].location.latitude",
        ),
        ({"type": "label", "id": ""}, "events[0].id"),
        ({"type": "label", "id": "9", "name": ""}, "events[0].name"),
        ({"type": "label", "id": "9", "color": -1}, "events[0].color"),
        ({"type": "chat_label", "chat": CHAT}, "events[0]"),
        ({"type": "novel"}, "events[0].type"),
        ({}, "events[0]"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(row: dict[str, Any], where: str) -> None:
    with pytest.raises(Unreadable) as caught:
        events.observe(body(row), Setup(phone=OWN))
    assert caught.value.where == where


def test_without_a_phone_of_the_source_each_event_names_one() -> None:
    row = {"type": "chat", "chat": CHAT, "name": "x"}
    with pytest.raises(Unreadable, match=r"events\[1\]\.phone: is missing"):
        events.observe(body(row | {"phone": "1"}, row), Setup())


def test_a_thousand_events_fit_and_no_more() -> None:
    row = {"type": "contact", "jid": CHAT, "name": "x"}
    assert len(events.observe(body(*[row] * 1000), Setup()).events) == 1000
    with pytest.raises(Unreadable, match="length <= 1000"):
        events.observe(body(*[row] * 1001), Setup())
