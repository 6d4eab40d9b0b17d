"""Small rules of what is shown that other tests, which compare whole pages, do not check."""

from __future__ import annotations

from itertools import product

import pytest

from backscroll.core.events import ChatSeen, ContactSeen, NumberMapped, ReceiptSet
from backscroll.core.model import Member, Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.storage.store import Store
from conftest import CHAT, MORNING, MakeMessage, MakeTarget, Tell

GROUP = "120363231636311517@g.us"
LID, BEN = "22222222222@lid", "4915112345678@s.whatsapp.net"
OTHERS = ("4915112345671@s.whatsapp.net", "4915112345672@s.whatsapp.net", "4915112345673@s.whatsapp.net")


@pytest.mark.parametrize(("saved", "push", "business"), list(product((None, "A"), (None, "B"), (None, "C"))))
def test_a_contact_goes_by_the_saved_name_else_the_own_one_else_the_business(
    store: Store,
    org: Org,
    phone: Phone,
    tell: Tell,
    make_message: MakeMessage,
    saved: str | None,
    push: str | None,
    business: str | None,
) -> None:
    tell(make_message("M1"), ContactSeen(jid=CHAT, name=saved, push_name=push, business_name=business, at=MORNING))
    (message,) = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,))).messages
    assert message.sender_name == (saved or push or business)


def test_a_name_that_is_told_without_value_takes_none_away(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message("M1"), ContactSeen(jid=CHAT, name="Ana", at=MORNING))
    tell(ContactSeen(jid=CHAT, push_name="ana!", at=MORNING + 5), source="linked")
    (message,) = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,))).messages
    assert message.sender_name == "Ana"


@pytest.mark.parametrize(("readers", "ack"), [(0, 1), (1, 2), (2, 2), (3, 4)])
def test_a_group_message_is_read_when_every_other_member_has_read_it(
    store: Store,
    org: Org,
    phone: Phone,
    tell: Tell,
    make_message: MakeMessage,
    target: MakeTarget,
    readers: int,
    ack: int,
) -> None:
    members = tuple(Member(jid=jid) for jid in (phone.jid, *OTHERS))
    tell(
        ChatSeen(phone=phone.jid, chat=GROUP, members=members, at=MORNING),
        make_message("M1", chat=GROUP, from_me=True, ack=1),
        *(ReceiptSet(target=target("M1", GROUP), ack=4, participant=jid, at=MORNING) for jid in OTHERS[:readers]),
    )
    (message,) = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,))).messages
    assert message.ack == ack


def test_a_message_of_a_merged_contact_keeps_its_row_when_it_is_told_again(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    query = MessageQuery(org=org.no, phones=(phone.no,))
    tell(make_message("M1", chat=GROUP, sender=BEN), make_message("M2", chat=GROUP, sender=LID))
    before = {m.message.key.id: m.no for m in store.list_messages(query).messages}
    tell(
        NumberMapped(lid=LID, jid=BEN), make_message("M2", chat=GROUP, sender=BEN, text="told better"), source="linked"
    )
    after = {m.message.key.id: m.no for m in store.list_messages(query).messages}
    assert after == before
    assert not [change for change in store.feed.places_changed_since(org.no, 0, 1000) if change.what == "gone"]


@pytest.mark.parametrize("ben_first", [True, False])
def test_which_message_an_id_means_does_not_depend_on_which_came_first(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, ben_first: bool
) -> None:
    both = [make_message("M1", chat=GROUP, sender=sender) for sender in (BEN, OTHERS[0])]
    for message in both if ben_first else reversed(both):
        tell(message)
    found = store.find_message(org.no, (phone.no,), "M1")
    assert found is not None
    assert found.message.key.sender == OTHERS[0]
