"""Group notices: one change is one notice, whether its people are named by LID or by number, and in any order."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec import structs

from backscroll.core.events import Batch, Event, MessageSeen, NumberMapped
from backscroll.core.model import ArchivedMessage, Org, Phone, Source
from backscroll.core.notices import earlier_id
from backscroll.core.query import MessageQuery
from backscroll.ingest.connectors.webhooks.wire import notice_of
from backscroll.storage.store import Store
from conftest import MORNING

GROUP = "120363041234567890@g.us"
ANA, BEN, CY = (f"{number}@s.whatsapp.net" for number in ("919537851844", "4915112345678", "4915112345679"))
ANA_LID = "251556368777322@lid"


@pytest.fixture
def told(phone: Phone) -> list[tuple[Source, Event]]:
    """The same change by a linked device, which knows who made it, and by two gateways; and whose the LID is."""
    return [
        ("linked", notice_of(phone.jid, GROUP, "remove", MORNING, [ANA_LID], BEN)),
        ("webhook", notice_of(phone.jid, GROUP, "leave", MORNING + 999, [ANA])),
        ("webhook", NumberMapped(lid=ANA_LID, jid=ANA)),
    ]


def notices(store: Store, org: Org) -> list[ArchivedMessage]:
    phones = tuple(phone.no for phone in store.list_phones(org.no))
    return store.list_messages(MessageQuery(org=org.no, phones=phones, limit=100, shows="notices")).messages


def shown(store: Store, org: Org) -> list[tuple[str | None, str | None, tuple[str, ...]]]:
    """Type, actor and people of each notice."""
    known = [(found.message.details.notice, found.message.key.sender) for found in notices(store, org)]
    return [(notice.type, sender, notice.recipients) for notice, sender in known if notice is not None]


def test_sources_that_name_people_differently_tell_one_notice(store: Store, told: list[tuple[Source, Event]]) -> None:
    for number, order in enumerate(permutations(told)):
        org = store.create_org(f"Order {number}")
        store.add_phone(org.no, "918527184400")
        for source, event in order:
            store.apply(org.no, Batch(source=source, events=[event]))
        store.finish_merges(org.no)
        assert shown(store, org) == [("remove", BEN, (ANA,))], order
        assert list(store.check()) == []


def test_people_whom_one_source_names_one_by_one_are_all_kept(store: Store, org: Org, phone: Phone) -> None:
    for who in (ANA, CY, ANA):
        store.apply(org.no, Batch(source="webhook", events=[notice_of(phone.jid, GROUP, "add", MORNING, [who])]))
    ((type, sender, people),) = shown(store, org)
    assert (type, sender, set(people)) == ("add", None, {ANA, CY})


def test_changes_by_several_admins_stay_apart(store: Store, org: Org, phone: Phone) -> None:
    for by in (BEN, CY):
        store.apply(org.no, Batch(source="webhook", events=[notice_of(phone.jid, GROUP, "add", MORNING, [ANA], by)]))
    assert {sender for _, sender, _ in shown(store, org)} == {BEN, CY}


def test_a_notice_that_an_earlier_version_stored_keeps_its_id(store: Store, org: Org, phone: Phone) -> None:
    seen = notice_of(phone.jid, GROUP, "add", MORNING, [ANA])
    earlier = earlier_id(seen.message)
    assert earlier is not None
    assert earlier != seen.message.key.id
    message = structs.replace(seen.message, key=structs.replace(seen.message.key, id=earlier))
    for event in (MessageSeen(message), seen, seen):
        store.apply(org.no, Batch(source="webhook", events=[event]))
    assert [found.message.key.id for found in notices(store, org)] == [earlier]
