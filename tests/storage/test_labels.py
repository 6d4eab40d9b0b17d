"""Labels that sources report by id: their names, their chats, and what becomes of both."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from backscroll.core.errors import BadField
from backscroll.core.events import Batch, ChatLabeled, ChatSeen, Event, LabelSeen, NumberMapped, PhoneSeen
from backscroll.core.imports import NewImport
from backscroll.core.model import Access, Chat, Label, Org, Phone
from backscroll.core.query import ChatQuery
from backscroll.dialects.periskope.objects import chat_object
from backscroll.storage.read.changes import changes_after
from backscroll.storage.store import Store
from conftest import CHAT, MORNING, MakeMessage, Tell
from merging import LID, NUMBER, step

GROUP = "120363231636311517@g.us"
LATER = MORNING + 5_000_000


def label(phone: Phone, id: str = "12", at: int | None = MORNING, **facts: Any) -> LabelSeen:
    return LabelSeen(phone=phone.jid, id=id, at=at, **facts)


def labeled(phone: Phone, chat: str = CHAT, id: str = "12", at: int | None = MORNING, on: bool = True) -> ChatLabeled:
    return ChatLabeled(phone=phone.jid, chat=chat, label=id, labeled=on, at=at)


def shown(store: Store, org: Org, phone: Phone, chat: str = CHAT) -> Chat:
    found = store.find_chat(org.no, (phone.no,), chat)
    assert found is not None
    (listed,) = [one for one in store.list_chats(ChatQuery(org=org.no, phones=(phone.no,))).chats if one.jid == chat]
    assert (listed.labels, listed.phone_labels) == (found.labels, found.phone_labels)
    return found


def found_by(store: Store, org: Org, phone: Phone, label: str) -> list[str]:
    page = store.list_chats(ChatQuery(org=org.no, phones=(phone.no,), label=label))
    assert page.total == len(page.chats)
    return sorted(chat.jid for chat in page.chats)


def changed_chats(store: Store, org: Org, phone: Phone, after: int) -> list[str | None]:
    read = partial(changes_after, phones=[phone.no], after=after, limit=500)
    return [line.jid for line in store.ask(org.no, read).lines if line.what == "chat"]


def label_ids(chat: Chat, org: Org, phone: Phone) -> Any:
    return chat_object(chat, Access(org=org, phones=(phone,)), lambda message: b"null")["label_ids"]


def test_a_label_without_a_name_waits_for_it(store: Store, org: Org, phone: Phone, tell: Tell) -> None:
    tell(labeled(phone))
    chat = shown(store, org, phone)
    assert (chat.labels, chat.phone_labels) == ((), (Label(id="12"),))
    assert (label_ids(chat, org, phone), found_by(store, org, phone, "12")) == ({"12": True}, [CHAT])
    seq = tell(label(phone, name="Lead", color=3)).seq
    chat = shown(store, org, phone)
    assert (chat.labels, chat.phone_labels) == (("Lead",), (Label(id="12", name="Lead", color=3),))
    assert (found_by(store, org, phone, "Lead"), found_by(store, org, phone, "12")) == ([CHAT], [CHAT])
    assert changed_chats(store, org, phone, seq - 1) == [CHAT]


def test_names_of_periskope_come_first_and_each_name_once(store: Store, org: Org, phone: Phone, tell: Tell) -> None:
    extras = {"label_ids": {"label-abc": True}}
    tell(
        ChatSeen(phone=phone.jid, chat=CHAT, at=MORNING, labels=("VIP", "Lead"), extras=extras),
        *(labeled(phone, id=id) for id in ("10", "9", "2")),
        *(label(phone, id, name=name) for id, name in (("2", "Lead"), ("10", "Ten"), ("9", "Nine"))),
    )
    chat = shown(store, org, phone)
    assert chat.labels == ("VIP", "Lead", "Nine", "Ten")
    assert label_ids(chat, org, phone) == {"2": True, "9": True, "10": True, "label-abc": True}
    for wanted in ("VIP", "Ten", "9", "label-abc"):
        assert found_by(store, org, phone, wanted) == [CHAT]
    assert found_by(store, org, phone, "1") == []


def test_a_deleted_label_vanishes_and_comes_back_with_its_chats(
    store: Store, org: Org, phone: Phone, tell: Tell
) -> None:
    tell(labeled(phone), labeled(phone, GROUP), label(phone, name="Lead"))
    seq = tell(label(phone, at=LATER, deleted=True)).seq
    assert (shown(store, org, phone).phone_labels, shown(store, org, phone, GROUP).labels) == ((), ())
    assert found_by(store, org, phone, "Lead") == found_by(store, org, phone, "12") == []
    assert label_ids(shown(store, org, phone), org, phone) == {}
    tell(labeled(phone, GROUP, at=LATER, on=False))
    seq = tell(label(phone, at=LATER + 1, deleted=False)).seq
    assert (shown(store, org, phone).labels, found_by(store, org, phone, "Lead")) == (("Lead",), [CHAT])
    assert changed_chats(store, org, phone, seq - 1) == [CHAT]


def test_only_what_shows_differently_is_a_change_of_chats(store: Store, org: Org, phone: Phone, tell: Tell) -> None:
    tell(labeled(phone), label(phone, name="Lead"))
    assert tell(label(phone, at=LATER, name="Lead")).changed == 0
    assert tell(label(phone, name="Earlier")).changed == 0
    assert tell(label(phone, id="99", name="Of no chat")).changed == 0
    before = shown(store, org, phone)
    assert tell(label(phone, at=LATER, color=5)).changed == 1
    assert shown(store, org, phone).phone_labels == (Label(id="12", name="Lead", color=5),)
    assert before.changed_at <= shown(store, org, phone).changed_at


def test_each_phone_has_labels_of_its_own(store: Store, org: Org, phone: Phone, other_phone: Phone, tell: Tell) -> None:
    for own, name in ((phone, "Lead"), (other_phone, "Paid")):
        tell(labeled(own), label(own, name=name))
    assert shown(store, org, phone).labels == ("Lead",)
    assert shown(store, org, other_phone).labels == ("Paid",)
    page = store.list_chats(ChatQuery(org=org.no, phones=(phone.no, other_phone.no)))
    assert sorted(chat.labels for chat in page.chats) == [("Lead",), ("Paid",)]
    elsewhere = store.create_org("Other")
    own = store.add_phone(elsewhere.no, phone.jid)
    store.apply(elsewhere.no, Batch(source="webhook", events=[labeled(own)]))
    assert shown(store, elsewhere, own).labels == ()


def test_labels_of_a_person_under_two_ids_are_one_chats(store: Store, org: Org, phone: Phone, tell: Tell) -> None:
    tell(labeled(phone, LID), labeled(phone, NUMBER, "7"), labeled(phone, LID, "3", LATER, on=False))
    tell(labeled(phone, NUMBER, "3"), *(label(phone, id, name=f"L{id}") for id in ("12", "7", "3")))
    tell(NumberMapped(lid=LID, jid=NUMBER))
    assert shown(store, org, phone, NUMBER).labels == ("L7", "L12")
    seq = tell(label(phone, at=LATER, name="Renamed")).seq
    assert NUMBER in changed_chats(store, org, phone, seq - 2)
    while step(store, org, 100):
        pass
    assert shown(store, org, phone, NUMBER).labels == ("L7", "Renamed")
    assert list(store.check()) == []


def test_what_an_import_reports_of_labels_goes_with_it(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message("M1"), labeled(phone), label(phone, name="Live"))
    entry = store.begin_import(org.no, NewImport(kind="waha"))
    new = "919876500001@s.whatsapp.net"
    told: list[Event] = [
        labeled(phone, at=LATER, on=False),
        labeled(phone, GROUP),
        label(phone, at=LATER, name="Imported", color=4),
        label(phone, "7", name="Only there"),
        PhoneSeen(jid=new),
        LabelSeen(phone=new, id="7", name="Of a new phone"),
    ]
    store.apply(org.no, Batch(source="database", events=told, import_id=entry.id))
    assert (shown(store, org, phone).labels, shown(store, org, phone, GROUP).labels) == ((), ("Imported",))
    store.undo_import(org.no, entry.id)
    chat = shown(store, org, phone)
    assert (chat.labels, chat.phone_labels) == (("Live",), (Label(id="12", name="Live"),))
    assert store.find_chat(org.no, (phone.no,), GROUP) is None
    assert found_by(store, org, phone, "Imported") == []
    assert [one.jid for one in store.list_phones(org.no)] == [phone.jid]
    assert list(store.check()) == []


@pytest.mark.parametrize(
    ("facts", "field"), [({"id": ""}, "id"), ({"id": "1" * 257}, "id"), ({"color": -1}, "color"), ({"at": 2**62}, "at")]
)
def test_a_label_that_cannot_be_stored_is_named_by_its_field(phone: Phone, tell: Tell, facts: Any, field: str) -> None:
    with pytest.raises(BadField) as caught:
        tell(label(phone, **facts))
    assert caught.value.field == field


def test_ids_are_taken_as_they_are(store: Store, org: Org, phone: Phone, tell: Tell) -> None:
    """Also those that mean something to SQL or JSON."""
    odd = "a\"%_:'é"
    tell(labeled(phone, id=odd), label(phone, odd, name='Le"ad'))
    seq = tell(label(phone, odd, at=LATER, name="New")).seq
    assert (shown(store, org, phone).labels, changed_chats(store, org, phone, seq - 1)) == (("New",), [CHAT])
    assert found_by(store, org, phone, odd) == [CHAT]
