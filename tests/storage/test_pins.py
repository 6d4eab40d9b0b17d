"""Messages that are pinned in their chat for everyone."""

from __future__ import annotations

from functools import partial

import pytest

from backscroll.core.answers import ChangeLine
from backscroll.core.events import Batch, ContactSeen, Event, MessagePinned, NumberMapped, Target
from backscroll.core.imports import NewImport
from backscroll.core.model import Org, Phone, Pin
from backscroll.core.query import MessageQuery
from backscroll.storage.read.changes import changes_after
from backscroll.storage.store import Store
from conftest import CHAT, MORNING, MakeMessage, MakeTarget, Tell

BEN, CEM, LID = "4915112345678@s.whatsapp.net", "4915112345679@s.whatsapp.net", "12345678901234@lid"
GROUP = "120363041234567890@g.us"
END = MORNING + 86_400_000_000


def pinned(target: Target, at: int = 0, by: str | None = BEN, until: int | None = END) -> MessagePinned:
    return MessagePinned(target=target, pinned=True, at=MORNING + at, by=by, until=until)


def unpinned(target: Target, at: int, by: str | None = BEN) -> MessagePinned:
    return MessagePinned(target=target, pinned=False, at=MORNING + at, by=by)


def shown(store: Store, org: Org, phone: Phone) -> Pin | None:
    (message,) = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), chat=GROUP)).messages
    assert store.find_message(org.no, (phone.no,), "M1") is not None
    return message.pinned


def lines(store: Store, org: Org, phone: Phone, after: int) -> list[ChangeLine]:
    return store.ask(org.no, partial(changes_after, phones=[phone.no], after=after, limit=100)).lines


@pytest.mark.parametrize("first", ["message", "pin"])
def test_a_pin_says_who_pinned_when_and_until_when_whether_it_or_its_message_came_first(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget, first: str
) -> None:
    told = [make_message(chat=GROUP, sender=BEN), pinned(target("M1", GROUP), by=CEM)]
    for event in told if first == "message" else reversed(told):
        tell(event)
    assert shown(store, org, phone) == Pin(at=MORNING, by=CEM, until=END)
    assert list(store.check()) == []


def test_the_latest_pin_or_unpin_counts_whoever_it_is_from_and_in_whatever_order(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(make_message(chat=GROUP, sender=BEN))
    of = target("M1", GROUP)
    tell(pinned(of, 5, by=CEM))
    tell(unpinned(of, 3), pinned(of, 1))
    assert shown(store, org, phone) == Pin(at=MORNING + 5, by=CEM, until=END)
    tell(unpinned(of, 7, by=None))
    assert shown(store, org, phone) is None
    tell(pinned(of, 6, by=CEM))
    assert shown(store, org, phone) is None


@pytest.mark.parametrize("reverse", [False, True])
def test_of_what_is_told_for_the_same_time_most_is_kept(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget, reverse: bool
) -> None:
    tell(make_message(chat=GROUP, sender=BEN))
    of = target("M1", GROUP)
    told = [unpinned(of, 0), pinned(of, until=None), pinned(of, by=None), pinned(of), pinned(of, by=CEM, until=END - 1)]
    for event in reversed(told) if reverse else told:
        tell(event)
    assert shown(store, org, phone) == Pin(at=MORNING, by=BEN, until=END)


def test_a_pin_by_a_hidden_id_is_by_its_number_and_by_no_second_person(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(make_message(chat=GROUP, sender=LID), pinned(target("M1", GROUP, LID), by=LID))
    tell(NumberMapped(lid=LID, jid=BEN), pinned(target("M1", GROUP, BEN)))
    assert shown(store, org, phone) == Pin(at=MORNING, by=BEN, until=END)
    assert list(store.check()) == []


def test_a_pin_that_only_an_import_told_goes_with_it(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(make_message(chat=GROUP, sender=BEN), pinned(target("M1", GROUP)))
    made = store.begin_import(org.no, NewImport(kind="backup")).id
    told: list[Event] = [unpinned(target("M1", GROUP), 5, by=CEM), pinned(target("M1", GROUP), until=END + 1)]
    store.apply(org.no, Batch(source="backup", events=told, import_id=made))
    assert shown(store, org, phone) is None
    store.undo_import(org.no, made)
    assert shown(store, org, phone) == Pin(at=MORNING, by=BEN, until=END)


def test_the_feed_tells_each_change_of_a_pin_once_with_the_name_of_who_pinned(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(make_message(chat=GROUP, sender=CHAT), ContactSeen(jid=BEN, name="Ben"))
    for event in (pinned(target("M1", GROUP)), pinned(target("M1", GROUP), 1), unpinned(target("M1", GROUP), 2)):
        seq = store.version(org.no)
        tell(event)
        assert [(line.what, line.aspects) for line in lines(store, org, phone, seq)] == [("update", ("pinned",))]
        assert tell(event).changed == 0
    # Neither shows anything that was not shown.
    for event in (pinned(target("M1", GROUP)), unpinned(target("M1", GROUP), 3, by=CEM)):
        seq = store.version(org.no)
        tell(event)
        assert [line.aspects for line in lines(store, org, phone, seq) if line.aspects] == []
    seq = store.version(org.no)
    tell(pinned(target("M1", GROUP), 4))
    told = store.ask(org.no, partial(changes_after, phones=[phone.no], after=seq, limit=100))
    assert told.around.names[BEN] == "Ben"
