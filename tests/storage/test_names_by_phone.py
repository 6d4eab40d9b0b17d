"""A name that only some phones' sources gave is shown only to readers of these phones."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_chat_lists import Counting

from backscroll.core.answers import ContactCard
from backscroll.core.events import Batch, ContactSeen, Event, NumberMapped, PhoneSeen
from backscroll.core.imports import NewImport
from backscroll.core.model import Org, Phone
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery, SearchQuery
from backscroll.database.protocol import Txn
from backscroll.ingest.jsonl import export_jsonl, import_jsonl
from backscroll.storage.files.media import MediaStore
from backscroll.storage.read.changes import changes_after
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.names import ContactCache, Names
from backscroll.storage.read.pages import read_page
from backscroll.storage.search.reader import PartCache
from backscroll.storage.store import Store, open_store
from conftest import CHAT, MORNING, MakeMessage

LID, GROUP = "22222222222@lid", "120363041234567890@g.us"
SECRET, OPEN, BOTH = "Boss from hell", "Bharat", "Bharat K."


class Readers:
    """Asks the same as a reader of one phone, of the other phone, and of the whole organisation."""

    def __init__(self, store: Store, org: Org, phone: Phone, other: Phone) -> None:
        self.store = store
        self.org = org.no
        self.phone = phone
        self.other = other
        self._all = (phone.no, other.no)

    def tell(self, *events: Event, import_id: int | None = None) -> None:
        self.store.apply(self.org, Batch(source="gowa", events=events, import_id=import_id))

    def names(self, jid: str = CHAT) -> tuple[str | None, str | None, str | None]:
        """The contact's name for a reader of this phone, of the other phone, and of the whole organisation."""
        first, second, whole = (self.name_for(viewer, jid) for viewer in ([self.phone.no], [self.other.no], None))
        return first, second, whole

    def name_for(self, viewer: Iterable[int] | None, jid: str) -> str | None:
        """The name that every list shows; the lists must agree."""
        archive = self.store.seen_by(viewer)
        found = archive.find_contact(self.org, self._all, jid)
        assert found is not None
        everybody = archive.list_contacts(ContactQuery(org=self.org, phones=self._all)).contacts
        listed = {contact.jid: contact for contact in everybody}
        card = self.card(viewer, jid)
        assert listed[found.jid] == found == card.contact
        name = found.name or found.push_name or found.business_name
        saved = archive.list_contacts(ContactQuery(org=self.org, phones=self._all, saved_only=True))
        assert (found.jid in {contact.jid for contact in saved.contacts}) == (name is not None)
        assert saved.total == len(saved.contacts)
        assert {known.name for known in card.names} >= ({name} if name else set())
        return name

    def card(self, viewer: Iterable[int] | None, jid: str = CHAT) -> ContactCard:
        archive = self.store.seen_by(viewer)
        card = archive.ask(self.org, lambda reading: Lists.of(reading).card(self._all, jid))
        assert card is not None
        return card

    def is_sound(self) -> bool:
        assert list(map(str, self.store.check())) == []
        return True


@pytest.fixture
def readers(store: Store, org: Org, phone: Phone, other_phone: Phone) -> Readers:
    return Readers(store, org, phone, other_phone)


def saved(phone: Phone, name: str, jid: str = CHAT, at: int | None = MORNING) -> ContactSeen:
    return ContactSeen(jid=jid, phone=phone.jid, name=name, at=at)


def test_each_reader_sees_what_its_phones_told_and_the_organisation_the_latest(readers: Readers) -> None:
    readers.tell(ContactSeen(jid=CHAT))
    assert readers.names() == (None, None, None)
    readers.tell(saved(readers.other, SECRET, at=MORNING + 5))
    assert readers.names() == (None, SECRET, SECRET)
    readers.tell(saved(readers.phone, OPEN))
    assert readers.names() == (OPEN, SECRET, SECRET)
    readers.tell(saved(readers.phone, BOTH, at=MORNING + 9))
    assert readers.names() == (BOTH, SECRET, BOTH)
    assert readers.is_sound()


def test_a_card_says_when_and_by_whom_a_name_was_last_told(readers: Readers) -> None:
    """Also to a process that has read the contact before: the same name from another source changes nothing else."""
    viewers = ([readers.phone.no], [readers.other.no], None)
    readers.tell(saved(readers.phone, OPEN), saved(readers.other, OPEN, at=MORNING + 1))
    cards = [readers.card(viewer).names for viewer in viewers]
    assert [[(known.source, known.at) for known in names] for names in cards] == [
        [("gowa", MORNING)],
        [("gowa", MORNING + 1)],
        [("gowa", MORNING + 1)],
    ]
    later = Batch(source="backup", events=[saved(readers.phone, OPEN, at=MORNING + 7)])
    readers.store.apply(readers.org, later)
    cards = [readers.card(viewer).names for viewer in viewers]
    assert [[(known.source, known.at) for known in names] for names in cards] == [
        [("backup", MORNING + 7)],
        [("gowa", MORNING + 1)],
        [("backup", MORNING + 7)],
    ]


def test_what_no_phone_in_particular_told_is_for_everybody(readers: Readers) -> None:
    readers.tell(ContactSeen(jid=CHAT, name=OPEN, at=MORNING))
    assert readers.names() == (OPEN, OPEN, OPEN)
    readers.tell(saved(readers.other, SECRET, at=MORNING + 5))
    assert readers.names() == (OPEN, SECRET, SECRET)
    assert readers.is_sound()


def test_a_name_inside_a_message_is_seen_by_who_may_read_the_message(
    readers: Readers, make_message: MakeMessage
) -> None:
    readers.tell(make_message("M1", chat=GROUP, sender=CHAT, phone=readers.other.jid, push_name="bharat!"))
    assert readers.names() == (None, "bharat!", "bharat!")
    readers.tell(make_message("M1", chat=GROUP, sender=CHAT, push_name="bharat", at=MORNING - 5))
    assert readers.names() == ("bharat", "bharat!", "bharat!")


def test_names_of_chats_messages_searches_and_changes_are_those_of_the_phone(
    readers: Readers, make_message: MakeMessage
) -> None:
    for phone, name in ((readers.phone, OPEN), (readers.other, SECRET)):
        readers.tell(saved(phone, name), make_message("M1", chat=CHAT, phone=phone.jid, text="two loaves"))
        readers.tell(make_message("M2", chat=GROUP, phone=phone.jid, sender=CHAT, mentions=(CHAT,)))
    for phone, name, other in ((readers.phone, OPEN, SECRET), (readers.other, SECRET, OPEN)):
        archive, phones = readers.store.seen_by([phone.no]), (phone.no,)
        page = archive.list_messages(MessageQuery(org=readers.org, phones=phones, limit=9))
        assert {m.sender_name for m in page.messages} == {name}
        chats = archive.list_chats(ChatQuery(org=readers.org, phones=phones)).chats
        assert [chat.name for chat in chats if chat.jid == CHAT] == [name]
        assert not archive.list_chats(ChatQuery(org=readers.org, phones=phones, search=other)).chats
        assert not archive.list_contacts(ContactQuery(org=readers.org, phones=phones, search=other)).contacts
        assert archive.list_contacts(ContactQuery(org=readers.org, phones=phones, search=name)).total == 1
        mine = archive.search(SearchQuery(org=readers.org, phones=phones, text=f'from:"{name}"'))
        assert {hit.message.message.key.id for hit in mine.hits} == {"M1", "M2"}
        assert mine.around.names[CHAT] == name
        assert archive.search(SearchQuery(org=readers.org, phones=phones, text=f'from:"{other}"')).total == 0
        changes = archive.ask(readers.org, partial(changes_after, phones=phones, after=0, limit=99))
        assert changes.around.names[CHAT] == name
        assert {line.message.sender_name for line in changes.lines if line.message} == {name}


def test_contacts_that_become_one_keep_what_each_phone_told(readers: Readers) -> None:
    readers.tell(saved(readers.other, SECRET, jid=LID, at=MORNING + 5), saved(readers.phone, OPEN))
    readers.tell(NumberMapped(lid=LID, jid=CHAT))
    assert readers.names(LID) == readers.names(CHAT) == (OPEN, SECRET, SECRET)
    assert readers.is_sound()


@pytest.mark.parametrize("told", ["imported", "both"])
def test_an_undone_import_takes_back_the_names_of_its_phone(readers: Readers, told: str) -> None:
    readers.tell(saved(readers.phone, OPEN))
    wrong = readers.store.begin_import(readers.org, NewImport(kind="gowa")).id
    readers.tell(saved(readers.other, SECRET, at=MORNING + 5), import_id=wrong)
    if told == "both":
        readers.tell(saved(readers.other, SECRET, at=MORNING + 5))
    assert readers.names() == (OPEN, SECRET, SECRET)
    readers.store.undo_import(readers.org, wrong)
    assert readers.names() == ((OPEN, None, OPEN) if told == "imported" else (OPEN, SECRET, SECRET))
    assert readers.is_sound()


def test_parting_what_an_import_had_joined_gives_each_its_own_names(readers: Readers) -> None:
    readers.tell(saved(readers.other, SECRET, jid=LID, at=MORNING + 5), saved(readers.phone, OPEN))
    wrong = readers.store.begin_import(readers.org, NewImport(kind="gowa")).id
    readers.tell(NumberMapped(lid=LID, jid=CHAT), import_id=wrong)
    assert readers.names() == (OPEN, SECRET, SECRET)
    readers.store.undo_import(readers.org, wrong)
    assert readers.names() == (OPEN, None, OPEN)
    assert readers.names(LID) == (None, SECRET, SECRET)
    assert readers.is_sound()


def test_a_phone_that_others_told_names_for_stays_when_the_import_that_brought_it_goes(
    store: Store, org: Org, phone: Phone, other_phone: Phone
) -> None:
    third = "4915550009999@s.whatsapp.net"
    wrong = store.begin_import(org.no, NewImport(kind="gowa")).id
    store.apply(org.no, Batch(source="gowa", events=[PhoneSeen(jid=third)], import_id=wrong))
    store.apply(org.no, Batch(source="gowa", events=[ContactSeen(jid=CHAT, phone=third, name=OPEN)]))
    store.undo_import(org.no, wrong)
    assert third in {known.jid for known in store.list_phones(org.no)}
    assert list(map(str, store.check())) == []


def test_an_export_carries_names_by_phone(readers: Readers, tmp_path: Path, other_database_url: str | None) -> None:
    readers.tell(saved(readers.other, SECRET, at=MORNING + 5), saved(readers.phone, OPEN))
    readers.tell(ContactSeen(jid=CHAT, push_name="bharat"), saved(readers.other, SECRET, jid=LID))
    out = io.BytesIO()
    export_jsonl(readers.store, out, org=readers.store.list_orgs()[0])
    out.seek(0)
    folder = tmp_path / "other"
    copy = open_store(other_database_url, folder)
    import_jsonl(copy, MediaStore(folder / "media", b"k" * 32), out)
    first, second = copy.list_phones(1)
    there = Readers(copy, copy.list_orgs()[0], first, second)
    assert there.names() == readers.names() == (OPEN, SECRET, SECRET)
    assert there.names(LID) == (None, SECRET, SECRET)
    again = io.BytesIO()
    export_jsonl(copy, again, org=copy.list_orgs()[0])
    assert again.getvalue().splitlines()[1:-1] == out.getvalue().splitlines()[1:-1]
    copy.close()


def asked(store: Store, query: MessageQuery, viewer: frozenset[int] | None) -> list[str]:
    """The statements that a page of messages takes while no contact is cached."""

    def work(tx: Txn) -> list[str]:
        counting: Any = Counting(tx)
        read_page(counting, query, Names(counting, query.org, ContactCache(), viewer), PartCache())
        return [name.replace("_seen", "") for name in counting.asked]

    return store._engine.read(work, query.org)


@pytest.mark.parametrize("people", [3, 40])
def test_a_page_takes_no_more_statements_for_a_reader_of_some_phones(
    readers: Readers, make_message: MakeMessage, people: int
) -> None:
    for phone, name in ((readers.phone, OPEN), (readers.other, SECRET)):
        for at in range(people):
            jid = f"49151000{at:05}@s.whatsapp.net"
            readers.tell(
                saved(phone, f"{name} {at}", jid=jid), make_message(f"M{at}", chat=GROUP, sender=jid, phone=phone.jid)
            )
    query = MessageQuery(org=readers.org, phones=(readers.phone.no,), chat=GROUP, limit=50)
    one = asked(readers.store, query, frozenset({readers.phone.no}))
    assert sorted(one) == sorted(asked(readers.store, query, None))
    assert one.count("read_contacts") == 2


def test_readers_of_all_phones_share_what_is_remembered(readers: Readers) -> None:
    readers.tell(saved(readers.phone, OPEN), saved(readers.other, SECRET, at=MORNING + 5))
    everything = [readers.phone.no, readers.other.no]
    assert readers.name_for(everything, CHAT) == readers.name_for(None, CHAT) == SECRET


def test_cached_names_are_bounded(readers: Readers) -> None:
    jids = [f"49151000{at:05}@s.whatsapp.net" for at in range(10)]
    readers.tell(*(ContactSeen(jid=jid, name=OPEN) for jid in jids))
    cache = ContactCache(most=30)

    def sizes(tx: Txn) -> list[int]:
        found = []
        for viewer in (None, frozenset({readers.phone.no}), frozenset({readers.other.no})):
            names = Names(tx, readers.org, cache, viewer)
            names.meet(jids)
            found.append(cache.of(readers.org, names.named).size)
        return found

    # Ten JIDs and ten contacts, the contacts once more for another reader; then the cache is full and emptied.
    assert readers.store._engine.read(sizes, readers.org) == [20, 30, 0]
