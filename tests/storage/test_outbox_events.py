"""Which events a change of the archive makes, and what is sent for each, in both formats."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

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
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Access, Details, Media, Message, MessageKey, Notice, Org, Phone, Poll
from backscroll.core.webhooks import EVENT_TYPES, Format, OutboxEvent, Webhook, resubscribed
from backscroll.database.protocol import Txn
from backscroll.dialects.links import NoLinks
from backscroll.jobs.sending import body_of
from backscroll.storage.read.webhook_events import webhook_events
from backscroll.storage.store import Store
from conftest import CHAT

MORNING = time.time_ns() // 1000
GROUP = "120363000000000001@g.us"
ANA = CHAT


def message(phone: Phone, id: str, chat: str = CHAT, **about: Any) -> MessageSeen:
    fields = {name: about.pop(name) for name in ("from_me", "kind", "text", "ack", "sender") if name in about}
    key = MessageKey(phone.jid, chat, id, fields.pop("sender", None))
    fields.setdefault("from_me", False)
    return MessageSeen(Message(key=key, sent_at=MORNING, details=Details(**about), **fields))


class Told:
    """Applies batches and returns the events that each made."""

    def __init__(self, store: Store, org: Org, shape: Format = "native", **fields: Any) -> None:
        self.store, self.org = store, org
        wanted = Webhook(org=org.no, id="", name=None, url="https://example.com/", format=shape, types=(), **fields)
        self.webhook, _ = store.webhooks.add(resubscribed(wanted, ("*",), 1))
        self.after = self.webhook.position

    def events(self) -> list[tuple[str, OutboxEvent]]:
        """The events since the last call, with their ids."""
        rows = self.store.ask(
            self.org.no,
            lambda reading: reading.tx.all("events_after", {"org": reading.org, "after": self.after, "limit": 500}),
        )
        found = [OutboxEvent(**dict(zip(NAMES, row, strict=True))) for row in rows]
        self.after = max([self.after, *(event.no for event in found)])
        return [(f"evt_{event.no}", event) for event in found]

    def apply(self, *events: Event) -> list[str]:
        self.store.apply(self.org.no, Batch(source="webhook", events=events))
        return [event.type for _, event in self.events()]

    def bodies(self, *events: Event) -> list[dict[str, Any]]:
        """Apply a batch; returns what is sent for its events."""
        self.store.apply(self.org.no, Batch(source="webhook", events=events))
        access = Access(org=self.org, phones=self.store.list_phones(self.org.no))
        queued = self.events()
        found = self.store.ask(self.org.no, lambda reading: webhook_events(reading, queued))
        return [json.loads(body_of(one, self.webhook, access, NoLinks())) for one in found if one is not None]


NAMES = ("no", "type", "at", "phone", "chat", "message", "ref", "imported")


def test_each_change_is_the_events_that_it_is(store: Store, org: Org, phone: Phone) -> None:
    told = Told(store, org)
    target = Target(phone.jid, CHAT, "M1")
    assert told.apply(message(phone, "M1", text="one", from_me=True)) == ["chat.created", "message.created"]
    assert told.apply(message(phone, "M1", text="one", from_me=True)) == []
    assert told.apply(MessageEdited(target=target, text="two", at=MORNING + 1)) == ["message.updated"]
    assert told.apply(ReactionSet(target=target, by=ANA, emoji="👍", at=5)) == ["reaction.created"]
    assert told.apply(ReactionSet(target=target, by=ANA, emoji="❤️", at=6)) == ["reaction.updated"]
    assert told.apply(ReactionSet(target=target, by=ANA, emoji="", at=7)) == ["reaction.updated"]
    assert told.apply(ReactionSet(target=target, by=ANA, emoji="", at=7)) == []
    assert told.apply(ReceiptSet(target=target, ack=3, at=8)) == ["message.ack.updated"]
    pin = MessagePinned(target=target, pinned=True, at=MORNING, by=ANA)
    assert told.apply(pin) == ["message.updated"]
    both = MessageEdited(target=target, text="three", at=MORNING + 2), replace(pin, pinned=False, at=MORNING + 2)
    assert told.apply(*both) == ["message.updated"]
    assert told.apply(MessageRevoked(target=target, at=MORNING + 9)) == ["message.deleted"]
    assert told.apply(message(phone, "P1", kind="poll", poll=Poll(name="?", options=("a", "b")))) == ["message.created"]
    vote = PollVoted(target=Target(phone.jid, CHAT, "P1"), by=ANA, options=("a",), at=MORNING)
    assert told.apply(vote) == ["message.updated"]
    assert told.apply(message(phone, "V1", kind="image", media=Media(mimetype="image/jpeg"))) == ["message.created"]
    held = MediaHeld(target=Target(phone.jid, CHAT, "V1"), media=Media(file="a" * 64, size=5))
    assert told.apply(held) == ["message.updated"]
    notice = message(phone, "N1", GROUP, kind="notice", notice=Notice(type="add"))
    assert told.apply(notice) == ["chat.created", "chat.notification.created"]
    assert told.apply(ChatSeen(phone=phone.jid, chat=GROUP, at=1, name="Team")) == ["chat.updated", "contact.updated"]
    assert told.apply(ContactSeen(jid=ANA, name="Ana")) == ["contact.updated"]
    store.sources.connect(org.no, phone.no, "CONNECTED")
    store.sources.connect(org.no, phone.no, "DISCONNECTED")
    assert [event.type for _, event in told.events()] == ["phone.connected", "phone.disconnected"]


def test_what_waits_for_its_message_comes_with_it(store: Store, org: Org, phone: Phone) -> None:
    told = Told(store, org)
    target = Target(phone.jid, CHAT, "M1")
    assert told.apply(ReactionSet(target=target, by=ANA, emoji="👍", at=5)) == []
    assert told.apply(message(phone, "M1", text="one")) == ["chat.created", "message.created", "reaction.created"]


def test_what_was_said_long_ago_is_told_to_those_who_want_history(store: Store, org: Org, phone: Phone) -> None:
    key = MessageKey(phone.jid, CHAT, "OLD")
    old = Message(key=key, sent_at=MORNING - 8 * 86_400_000_000, from_me=False, text="one")
    told = Told(store, org)
    edited = MessageEdited(target=Target(phone.jid, CHAT, "OLD"), text="two", at=MORNING)
    assert told.apply(MessageSeen(old)) == ["chat.created"]
    assert told.apply(edited) == ["message.updated"]
    everything = Told(store, org, imports=True)
    other = structs.replace(old, key=MessageKey(phone.jid, CHAT, "OLDER"))
    store.apply(org.no, Batch(source="webhook", events=[MessageSeen(other)]))
    (_, event), *rest = everything.events()
    assert (event.type, event.imported, rest) == ("message.created", True, [])


def test_joining_contacts_is_no_event_of_their_messages(store: Store, org: Org, phone: Phone) -> None:
    told = Told(store, org)
    lid = "22222222222@lid"
    told.apply(message(phone, "M1", text="one"), message(phone, "M2", lid, text="two"))
    joined = told.apply(NumberMapped(lid=lid, jid=CHAT))
    assert not [type for type in joined if type.startswith(("message.", "reaction."))]


PARTS = {
    "message.created": ("message_id", "false_919537851844@c.us_M1"),
    "reaction.created": ("reaction", "👍"),
    "chat.created": ("chat_id", CHAT.replace("s.whatsapp.net", "c.us")),
    "chat.notification.created": ("type", "add"),
    "message.updated": ("body", "two"),
}


def test_periskopes_envelope_holds_the_objects_of_its_routes(store: Store, org: Org, phone: Phone) -> None:
    told = Told(store, org, "periskope")
    target = Target(phone.jid, CHAT, "M1")
    sent = told.bodies(message(phone, "M1", text="one"), message(phone, "N1", kind="notice", notice=Notice(type="add")))
    sent += told.bodies(
        MessageEdited(target=target, text="two", at=MORNING + 1), ReactionSet(target=target, by=ANA, emoji="👍", at=5)
    )
    assert {body["event"] for body in sent} == set(PARTS)
    for body in sent:
        assert list(body) == ["event", "data", "org_id", "previous_attributes", "timestamp", "event_type"]
        assert body["event_type"] == body["event"]
        name, value = PARTS[body["event"]]
        if body["event"] != "message.created" or body["data"]["body"] == "one":
            assert body["data"][name] == value
    (edited,) = [body for body in sent if body["event"] == "message.updated"]
    assert edited["previous_attributes"] == {"body": "one"}
    assert len(edited["data"]) == 53


def test_the_native_envelope_names_phone_chat_and_message(store: Store, org: Org, phone: Phone) -> None:
    told = Told(store, org, imports=True)
    _, created = told.bodies(message(phone, "M1", text="one"))
    assert (created["type"], created["phone"]) == ("message.created", phone.number)
    assert created["key"] == created["data"]["message"]["key"]
    assert created["seq"] > 0
    (named, contact) = told.bodies(ContactSeen(jid=ANA, name="Ana"), ChatSeen(phone=phone.jid, chat=CHAT, unread=2))
    assert {named["type"], contact["type"]} == {"chat.updated", "contact.updated"}
    store.sources.connect(org.no, phone.no, "CONNECTED")
    (connected,) = told.bodies()
    assert connected["data"]["phone"]["state"] == "CONNECTED"


class Watched:
    """Records the statements of every transaction."""

    def __init__(self, tx: Txn, names: list[str]) -> None:
        self._tx, self._names = tx, names

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._tx, attribute)

        def call(name: Any, *rest: Any) -> Any:
            self._names.extend([ask[0] for ask in name] if isinstance(name, list) else [str(name)])
            return found(name, *rest)

        return call if attribute in ("all", "one", "run", "many", "several") else found


@pytest.fixture
def statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of all statements that run on the store's engine."""
    names: list[str] = []
    write = store._engine.write

    def watched(work: Callable[[Any], Any], org: int | None = None) -> Any:
        return write(lambda tx: work(Watched(tx, names)), org)

    monkeypatch.setattr(store._engine, "write", watched)
    return names


def test_webhooks_cost_a_writer_one_statement_and_none_where_nobody_wants_the_event(
    store: Store, org: Org, phone: Phone, statements: list[str]
) -> None:
    def run(id: str) -> list[str]:
        statements.clear()
        store.apply(org.no, Batch(source="webhook", events=[message(phone, f"{id}{n}", text="x") for n in range(50)]))
        return list(statements)

    run("A")
    without = run("B")
    assert not [name for name in without if "event" in name or "webhook" in name or "lane" in name]
    wanted = Webhook(
        org=org.no, id="", name=None, url="https://example.com/", format="native", types=("phone.updated",)
    )
    store.webhooks.add(wanted)
    assert run("C") == without
    for _ in range(5):
        Told(store, org)
    more = run("D")
    more.remove("add_event")
    assert more == without


def test_every_type_has_a_bit_of_its_own() -> None:
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES) < 40
