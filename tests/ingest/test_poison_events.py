"""Only an event that the archive cannot store goes to quarantine; the rest of its batch is stored."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backscroll.core import limits
from backscroll.core.errors import BadField
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MediaHeld,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Details, Media, Message, MessageKey, Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest.connectors.periskope.answers import messages
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.storage.store import Store
from conftest import CHAT, MORNING, MakeMessage
from standin_periskope import wire_message, wire_time

LONG = "9" * 600 + "@s.whatsapp.net"
LATE = 10**18
OWN = "918527184400@s.whatsapp.net"
AIM = Target(OWN, CHAT, "M1")


def seen(**fields: Any) -> MessageSeen:
    key = MessageKey(
        fields.pop("phone", OWN), fields.pop("chat", CHAT), fields.pop("id", "M9"), fields.pop("sender", None)
    )
    return MessageSeen(Message(key=key, from_me=False, **({"sent_at": MORNING} | fields)))


POISON: list[tuple[Event, str]] = [
    (seen(id="X" * 600), "id"),
    (seen(id=""), "id"),
    (seen(chat=LONG), "chat"),
    (seen(sender=LONG), "sender"),
    (seen(sender=" "), "sender"),
    (seen(sent_at=LATE), "timestamp"),
    (seen(ack=9), "ack"),
    (seen(text="x" * (limits.MAX_TEXT + 1)), "text"),
    (seen(details=Details(updated_at=-LATE)), "updated_at"),
    (seen(details=Details(created_at=LATE)), "created_at"),
    (seen(details=Details(client_ref="x" * 600)), "client_ref"),
    (seen(details=Details(media=Media(file="../../etc/passwd"))), "file"),
    (ChatSeen(phone=OWN, chat=LONG), "chat"),
    (ChatSeen(phone=OWN, chat=CHAT, at=LATE), "at"),
    (ChatSeen(phone=OWN, chat=CHAT, muted_until=LATE), "muted_until"),
    (ContactSeen(jid=LONG), "jid"),
    (ContactSeen(jid=CHAT, at=LATE), "at"),
    (NumberMapped(lid="1" * 600 + "@lid", jid=CHAT), "lid"),
    (PhoneSeen(jid="12036@g.us"), "number"),
    (PhoneSeen(jid=OWN, phone_id="phone-\r\nx"), "phone_id"),
    (PhoneSeen(jid=OWN, phone_id="phone-€"), "phone_id"),
    (PhoneSeen(jid=OWN, device_id="a\nb"), "device_id"),
    (PhoneSeen(jid=OWN, device_id="x" * 600), "device_id"),
    (MessageEdited(target=AIM, text="x", at=LATE), "at"),
    (MessageEdited(target=AIM, text="x", at=MORNING, id="x" * 600), "edit id"),
    (MessageEdited(target=AIM, text="x", at=MORNING, by=LONG), "by"),
    (MessageRevoked(target=AIM, at=LATE), "at"),
    (ReactionSet(target=AIM, by=LONG, emoji="x"), "by"),
    (ReceiptSet(target=AIM, ack=9), "ack"),
    (ReceiptSet(target=AIM, ack=3, participant=LONG), "participant"),
    (PollVoted(target=AIM, by=CHAT, options=("a",), at=LATE), "at"),
    (MessagePinned(target=AIM, pinned=True, at=LATE), "at"),
    (MessagePinned(target=AIM, pinned=True, at=MORNING, until=LATE), "until"),
    (MessagePinned(target=AIM, pinned=True, at=MORNING, by=LONG), "by"),
    (MediaHeld(target=AIM, media=Media(file="a/b")), "file"),
    (MediaHeld(target=Target(OWN, LONG, "M1"), media=Media()), "chat"),
]


@pytest.mark.parametrize(("event", "field"), POISON, ids=range(len(POISON)))
def test_a_bad_event_is_named_by_its_field(event: Event, field: str) -> None:
    with pytest.raises(BadField) as raised:
        limits.check(event)
    assert raised.value.field == field
    assert len(str(raised.value)) < 400


def test_bad_events_are_put_in_quarantine_one_by_one_and_the_others_are_kept(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage
) -> None:
    events: list[Event] = [make_message("FIRST"), *(event for event, _ in POISON), make_message("LAST")]
    applied = apply_with_retry(store, org.no, Batch(source="webhook", events=events, position=("stream", "here")))
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=10))
    assert {m.message.key.id for m in page.messages} == {"FIRST", "LAST"}
    assert store.position(org.no, "stream") == "here"
    assert len(applied.refused) == len(POISON)
    kept = store.quarantined(org.no)
    assert [entry.payload for entry in kept] == [msgspec.json.encode(event) for event, _ in POISON]
    assert {entry.problem for entry in kept} == set(applied.refused)
    assert all(field in entry.problem for entry, (_, field) in zip(kept, POISON, strict=True))
    again = apply_with_retry(store, org.no, Batch(source="webhook", events=events))
    assert (again.changed, len(store.quarantined(org.no))) == (0, len(POISON))
    assert list(store.check()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("chat_id", "1" * 1_000_000 + "@c.us"), ("unique_id", "X" * 600), ("sender_phone", "1" * 600), ("ack", 9)],
)
def test_a_bad_row_of_periskope_is_left_out_by_itself(field: str, value: object) -> None:
    rows = [wire_message(number, wire_time(1_741_856_400)) for number in range(3)]
    rows[1][field] = value
    page = messages(msgspec.json.encode({"messages": rows}))
    assert [e.message.key.id for e in page.events if isinstance(e, MessageSeen)] == [
        rows[0]["unique_id"],
        rows[2]["unique_id"],
    ]
    (bad,) = page.unreadable
    assert "messages[1]." in str(bad.error)
    assert msgspec.json.decode(bad.payload)[field] == value
