"""What a line of the change feed says about its change, and the Periskope events that it becomes."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from backscroll.core.events import (
    Event,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    PollVoted,
    ReactionSet,
    ReceiptSet,
)
from backscroll.core.model import Access, Org, Phone
from backscroll.dialects.links import NoLinks
from backscroll.dialects.periskope.events import render_events
from backscroll.storage.read.changes import changes_after
from backscroll.storage.store import Store
from conftest import CHAT, MORNING, MakeMessage, MakeTarget, Tell


def names(store: Store, org: Org, phone: Phone, after: int = 0) -> list[str]:
    return [event[0] for event in events(store, org, phone, after)]


def events(store: Store, org: Org, phone: Phone, after: int = 0) -> list[tuple[str, dict[str, Any]]]:
    """The events after a place in the feed, with their objects."""
    access = Access(org=org, phones=(phone,), token_id="t", scopes=frozenset({"read"}))
    read = partial(changes_after, phones=[phone.no], after=after, limit=500, with_chats=True)
    rendered = render_events(store.ask(org.no, read), access, NoLinks())
    assert [(e.seq, e.at) for e in rendered] == sorted({(e.seq, e.at) for e in rendered})
    return [(e.name, msgspec.json.decode(e.body)) for e in rendered]


def test_a_chat_comes_before_its_first_message_and_once(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, tell: Tell
) -> None:
    tell(make_message("A"))
    tell(make_message("B"))
    found = events(store, org, phone)
    assert [name for name, _ in found] == ["org.phone.updated", "chat.created", "message.created", "message.created"]
    assert found[1][1]["chat_id"] == found[2][1]["chat_id"]


def edit(target: MakeTarget) -> list[Event]:
    return [MessageEdited(target=target("A"), text="other words", at=MORNING + 5)]


def delete(target: MakeTarget) -> list[Event]:
    return [MessageRevoked(target=target("A"), at=MORNING + 5)]


def receive(target: MakeTarget) -> list[Event]:
    return [ReceiptSet(target=target("A"), ack=3, participant=CHAT, at=MORNING + 5)]


def acknowledge(target: MakeTarget) -> list[Event]:
    return [ReceiptSet(target=target("A"), ack=4, at=MORNING + 5)]


def react(target: MakeTarget) -> list[Event]:
    return [ReactionSet(target=target("A"), by=CHAT, emoji="👍", at=MORNING + 5)]


def vote(target: MakeTarget) -> list[Event]:
    return [PollVoted(target=target("A"), by=CHAT, options=("yes",), at=MORNING + 5)]


def pin(target: MakeTarget) -> list[Event]:
    return [MessagePinned(target=target("A"), pinned=True, at=MORNING + 5, by=CHAT)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit, ["message.updated"]),
        (delete, ["message.deleted"]),
        (receive, ["message.ack.updated"]),
        (acknowledge, ["message.ack.updated"]),
        (react, ["reaction.created"]),
        (vote, ["message.updated"]),
        (pin, ["message.updated"]),
        (lambda target: [*pin(target), *edit(target)], ["message.updated"]),
        (
            lambda target: [*edit(target), *receive(target), *react(target)],
            [
                "message.updated",
                "message.ack.updated",
                "reaction.created",
            ],
        ),
    ],
)
def test_a_change_is_named(
    store: Store,
    org: Org,
    phone: Phone,
    make_message: MakeMessage,
    target: MakeTarget,
    tell: Tell,
    change: Any,
    expected: list[str],
) -> None:
    tell(make_message("A", from_me=True, ack=1))
    seq = store.version(org.no)
    tell(*change(target))
    assert names(store, org, phone, seq) == expected
    again = store.version(org.no)
    tell(*change(target))
    assert names(store, org, phone, again) == []


def test_reactions_come_change_and_go(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, target: MakeTarget, tell: Tell
) -> None:
    tell(make_message("A"))
    seq = store.version(org.no)
    for n, emoji in enumerate(("👍", "❤️", "")):
        tell(ReactionSet(target=target("A"), by=CHAT, emoji=emoji, at=MORNING + n))
    found = events(store, org, phone, seq)
    assert [name for name, _ in found] == ["reaction.created", "reaction.updated", "reaction.updated"]
    # Each event shows the present state.
    assert [made["reaction"] for _, made in found] == ["", "", ""]
    assert {made["msg_id"]["_serialized"] for _, made in found} == {found[0][1]["message_id"]}


def test_a_reaction_that_was_there_first_comes_after_its_message(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, target: MakeTarget, tell: Tell
) -> None:
    tell(*react(target))
    tell(make_message("A"))
    assert names(store, org, phone)[-2:] == ["message.created", "reaction.created"]


def test_flags_and_tickets_have_their_own_events(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, tell: Tell
) -> None:
    tell(make_message("A", flag_status=False))
    seq = store.version(org.no)
    tell(make_message("A", flag_status=True, ticket_id="ticket-1"))
    assert set(names(store, org, phone, seq)) == {"message.flagged", "message.ticket.attached"}


def test_a_phone_that_connects_is_told(store: Store, org: Org, phone: Phone) -> None:
    seq = store.version(org.no)
    store.sources.connect(org.no, phone.no, "CONNECTED")
    assert names(store, org, phone, seq) == ["org.phone.updated", "org.phone.connected"]
