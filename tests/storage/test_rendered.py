"""Cached rendered messages: no page of them differs from one rendered anew, whichever process wrote meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from test_kept_pages import CHATS, Desk, try_histories
from test_properties import ANNA, ANNA_LID, BEN, GROUP, ONE, TWO

from backscroll.core.events import (
    Batch,
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
from backscroll.core.imports import NewImport
from backscroll.core.model import (
    Details,
    Member,
    Message,
    MessageKey,
    Org,
    Phone,
    RenderedPage,
    Shown,
)
from backscroll.core.query import MessageQuery
from backscroll.database.protocol import Txn
from backscroll.storage import store as store_module
from backscroll.storage.read import rendered as rendered_module
from backscroll.storage.read.names import ContactCache, Names, Reading
from backscroll.storage.read.pages import list_places
from backscroll.storage.read.rendered import Way, read_rendered
from backscroll.storage.read.rendered_cache import RenderedMessages
from backscroll.storage.store import Store, open_store
from conftest import OwnDatabase
from plain_messages import whole

EXAMPLES = {"sqlite": 12, "postgres": 4}
MANY = {"sqlite": 500, "postgres": 250}
"""Enough for some minutes on each."""
MB = 1_000_000
MINUTE = 60_000_000
NOON = 1_741_867_200_000_000


def in_full(messages: Sequence[Shown]) -> list[bytes]:
    """Renders every field that a dialect could show."""
    return [repr(whole(message)).encode() for message in messages]


def kept_page(store: Store, kept: RenderedMessages, query: MessageQuery) -> RenderedPage:
    way = Way(kept, "whole", in_full)
    return store.ask(query.org, lambda reading: read_rendered(reading, query, way))


class RenderingDesk(Desk):
    """Compares pages of a handle that writes, and of one that only reads what others write."""

    def ready(self, folder: Path) -> None:
        self._reader = open_store(self.database, folder)

    def close(self) -> None:
        self._reader.close()
        super().close()

    def comparing(
        self, loop: asyncio.Runner, org: int, phones: list[Phone], chance: random.Random
    ) -> Callable[[], None]:
        nos = [phone.no for phone in phones]
        queries = [
            MessageQuery(org=org, phones=phones, chat=chat, limit=limit, offset=offset, shows=shows)
            for phones in ((nos[0],), tuple(nos))
            for chat in (None, *CHATS)
            for limit, offset in ((2, 0), (50, 0), (2, 1))
            for shows in ("messages", "messages_and_calls")
        ]
        asked = [(query, chance.choice((None, query.phones))) for query in chance.sample(queries, 8)]
        handles = [(store, RenderedMessages(MB)) for store in (self.store, self._reader)]
        handles.append((self._reader, RenderedMessages(0)))

        def compare() -> None:
            for query, viewer in asked:
                self._second._contact_cache = ContactCache()
                anew = self._second.seen_by(viewer).list_messages(query).rendered(in_full)
                for store, kept in handles:
                    assert kept_page(store.seen_by(viewer), kept, query) == anew, query

        return compare


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Desk]:
    made = RenderingDesk(tmp_path_factory.mktemp("desk"), own_database())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_module, "UNDO_ROWS", 1)
        yield made
    made.close()


def test_no_page_of_kept_messages_differs_from_one_rendered_anew(desk: Desk) -> None:
    try_histories(desk, EXAMPLES[desk.store._engine.name])


@pytest.mark.full
def test_no_page_of_many_histories_differs_from_one_rendered_anew(desk: Desk) -> None:
    try_histories(desk, MANY[desk.store._engine.name])


# ------------------------------------------------------------------ by example


class Room:
    """A group and a direct chat, read through a second handle on the archive that caches messages."""

    def __init__(self, store: Store, reader: Store, org: Org, phone: Phone) -> None:
        self.store, self.reader, self.org, self.phone = store, reader, org.no, phone
        self.kept = RenderedMessages(MB)
        self.statements: list[str] = []
        self.number = 0

    def tell(self, *told: Event, import_id: int | None = None) -> None:
        self.store.apply(self.org, Batch(source="gowa", events=list(told), import_id=import_id))

    def say(self, chat: str, sender: str, **details: Any) -> MessageSeen:
        self.number += 1
        key = MessageKey(self.phone.jid, chat, f"3EB{self.number:03}", sender)
        told = Message(
            key=key, sent_at=NOON + self.number * MINUTE, from_me=sender == ONE, text="hi", details=Details(**details)
        )
        return MessageSeen(told)

    def target(self, number: int, chat: str, sender: str) -> Target:
        return Target(self.phone.jid, chat, f"3EB{number:03}", sender)

    def query(self, chat: str | None, **fields: Any) -> MessageQuery:
        return MessageQuery(org=self.org, phones=(self.phone.no,), chat=chat, **fields)

    def read(self, query: MessageQuery) -> list[str]:
        """Compare a page with one that is rendered anew; returns the statements that it took."""
        anew = self.store.list_messages(query).rendered(in_full)
        way, asked = Way(self.kept, "whole", in_full), list[str]()

        def work(tx: Txn) -> RenderedPage:
            counting: Any = Counting(tx, asked)
            reading = Reading(tx=counting, org=self.org, names=Names(counting, self.org, self.reader._contact_cache))
            return read_rendered(reading, query, way)

        assert self.reader._engine.read(work, self.org) == anew
        return asked


class Counting:
    """A reading transaction that notes its statements."""

    def __init__(self, tx: Txn, asked: list[str]) -> None:
        self._tx = tx
        self._asked = asked

    def all(self, name: str, params: Any) -> Any:
        self._asked.append(name)
        return self._tx.all(name, params)

    def one(self, name: str, params: Any) -> Any:
        self._asked.append(name)
        return self._tx.one(name, params)

    def several(self, asks: Any) -> Any:
        self._asked += [name for name, _ in asks]
        return self._tx.several(asks)


@pytest.fixture
def room(store: Store, org: Org, phone: Phone, database_url: str | None, tmp_path: Path) -> Iterator[Room]:
    reader = open_store(database_url, tmp_path)
    made = Room(store, reader, org, phone)
    members = tuple(Member(jid=jid) for jid in (ONE, ANNA, BEN))
    made.tell(
        ChatSeen(phone=phone.jid, chat=GROUP, name="Group", members=members, at=NOON),
        *(ContactSeen(jid=jid, name=name, at=NOON) for jid, name in ((ANNA, "Anna"), (BEN, "Ben"))),
        *(made.say(GROUP, sender) for sender in (ANNA, BEN, ONE, ANNA, BEN, ONE)),
        made.say(ANNA, ANNA),
        made.say(ANNA, ONE),
    )
    for chat in (GROUP, ANNA, None):
        made.read(made.query(chat))
    yield made
    reader.close()


def everywhere(room: Room) -> None:
    for chat in (GROUP, ANNA, ANNA_LID, BEN, None):
        room.read(room.query(chat))
        room.read(room.query(chat, limit=2, offset=1))


TO_LIST = ["total_messages", "chat_of_phones"]
"""Read besides the messages of a chat's page."""
CAUGHT_UP = ["read_org_state", "places_changed_since"]


def test_a_page_that_is_known_reads_one_row(room: Room) -> None:
    assert room.read(room.query(GROUP)) == ["read_org_state"]
    assert room.read(room.query(None)) == ["read_org_state"]
    room.tell(room.say(ANNA, ANNA))
    assert room.read(room.query(GROUP)) == CAUGHT_UP


def test_another_page_of_known_messages_reads_only_its_list(room: Room) -> None:
    asked = room.read(room.query(GROUP, limit=3))
    assert sorted(asked) == sorted(["read_org_state", *TO_LIST, "keys_in_chats"])
    asked = room.read(room.query(None, limit=3))
    assert sorted(asked) == sorted(["read_org_state", "total_messages", "numbers_in_phone"])


def test_after_a_new_message_its_row_and_the_list_are_read(room: Room) -> None:
    room.tell(room.say(GROUP, BEN))
    asked = room.read(room.query(GROUP))
    assert sorted(asked) == sorted([*CAUGHT_UP, *TO_LIST, "keys_in_chats", "rows_by_id"])
    asked = room.read(room.query(None))
    assert sorted(asked) == sorted(["read_org_state", "total_messages", "numbers_in_phone"])
    assert room.read(room.query(GROUP)) == room.read(room.query(None)) == ["read_org_state"]


def test_after_a_receipt_or_a_reaction_only_the_message_is_read(room: Room) -> None:
    target = room.target(3, GROUP, ONE)
    read_again = ["rows_by_no", "facts_of_chats", "read_annotations"]
    for told in (
        ReceiptSet(target=target, participant=ANNA, ack=3, at=NOON + MINUTE),
        ReactionSet(target=target, by=BEN, emoji="👍", at=NOON + 2 * MINUTE),
        MessagePinned(target=target, pinned=True, at=NOON + 3 * MINUTE, by=BEN, until=NOON + 9 * MINUTE),
    ):
        room.tell(told)
        assert sorted(room.read(room.query(GROUP))) == sorted([*CAUGHT_UP, *read_again])
        assert room.read(room.query(None)) == ["read_org_state"]


def test_a_chat_of_one_of_several_phones_takes_one_statement_more(room: Room) -> None:
    both = structs.replace(room.query(GROUP), phones=(room.phone.no, room.store.add_phone(room.org, TWO).no))
    everywhere(room)
    assert sorted(room.read(both)) == sorted([*room.read(room.query(GROUP, limit=4)), "phones_in_chat"])
    key = MessageKey(TWO, GROUP, "3EB900", BEN)
    room.tell(MessageSeen(Message(key=key, sent_at=NOON, from_me=False, text="to both")))
    for limit in (2, 50):
        room.read(structs.replace(both, limit=limit))
        room.read(structs.replace(both, limit=limit, offset=1))


def test_a_page_of_which_nothing_is_known_takes_one_statement_more_than_ever(room: Room) -> None:
    room.kept = RenderedMessages(MB)
    asked = room.read(room.query(GROUP))
    assert sorted(asked) == sorted(["read_org_state", *TO_LIST, "list_in_chats"])


@pytest.mark.parametrize("bytes_kept", [0, MB])
@pytest.mark.parametrize("chat", [None, GROUP])
def test_what_a_reader_shows_of_no_message_is_not_read(room: Room, chat: str | None, bytes_kept: int) -> None:
    def terms(messages: Sequence[Shown]) -> list[bytes]:
        return [repr(message.fts).encode() for message in messages]

    def shown(with_terms: bool) -> set[bytes]:
        way = Way(RenderedMessages(bytes_kept), "terms", terms, terms=with_terms)
        return set(room.reader.ask(room.org, lambda reading: read_rendered(reading, room.query(chat), way)).rows)

    assert shown(with_terms=False) == {b"None"}
    assert b"None" not in shown(with_terms=True)


@pytest.mark.parametrize("members", [(ONE, ANNA), (ONE, ANNA, BEN, "4915100000009@s.whatsapp.net")])
def test_who_is_in_a_group_decides_how_far_its_messages_came(room: Room, members: tuple[str, ...]) -> None:
    receipts = [
        ReceiptSet(target=room.target(3, GROUP, ONE), participant=jid, ack=4, at=NOON + n)
        for n, jid in enumerate((ANNA, BEN))
    ]
    room.tell(*receipts)
    everywhere(room)
    now = tuple(Member(jid=jid) for jid in members)
    room.tell(ChatSeen(phone=room.phone.jid, chat=GROUP, members=now, at=NOON + MINUTE))
    everywhere(room)


def test_what_becomes_of_a_message_is_shown_at_once(room: Room) -> None:
    target = room.target(1, GROUP, ANNA)
    for told in (
        MessageEdited(target=target, at=NOON + MINUTE, text="better words", by=ANNA),
        ReactionSet(target=target, by=BEN, emoji="👍", at=NOON + 2 * MINUTE),
        ReactionSet(target=target, by=BEN, emoji="", at=NOON + 3 * MINUTE),
        PollVoted(target=target, by=BEN, options=("one",), at=NOON + 3 * MINUTE),
        MessagePinned(target=target, pinned=True, at=NOON + 3 * MINUTE, by=BEN, until=NOON + 9 * MINUTE),
        MessageRevoked(target=target, at=NOON + 4 * MINUTE, by=ANNA),
        ReceiptSet(target=room.target(8, ANNA, ONE), participant=ANNA, ack=4, at=NOON + MINUTE),
    ):
        room.tell(told)
        everywhere(room)


def test_what_becomes_of_a_chat_is_shown_at_once(room: Room) -> None:
    own = room.phone.jid
    for told in (
        ChatSeen(phone=own, chat=GROUP, name="Gardeners", at=NOON + MINUTE),
        ChatLabeled(phone=own, chat=GROUP, label="7", at=NOON + MINUTE),
        LabelSeen(phone=own, id="7", name="VIP", at=NOON + MINUTE),
        LabelSeen(phone=own, id="7", name="Regulars", at=NOON + 2 * MINUTE),
        ChatLabeled(phone=own, chat=GROUP, label="7", labeled=False, at=NOON + 3 * MINUTE),
    ):
        room.tell(told)
        everywhere(room)


def changed_at(room: Room) -> int:
    """When the chat changed, on a page with it as cached, compared with one rendered anew."""
    room.read(room.query(GROUP))
    page = room.store.list_messages(room.query(GROUP))
    assert page.chat is not None
    return page.chat.changed_at


def test_a_chat_changes_with_its_texts_only(room: Room) -> None:
    own, anna = room.target(3, GROUP, ONE), room.target(1, GROUP, ANNA)
    before = changed_at(room)
    of_status: tuple[Event, ...] = (
        ReceiptSet(target=own, participant=ANNA, ack=3, at=NOON + MINUTE),
        ReceiptSet(target=own, participant=BEN, ack=3, at=NOON + MINUTE),
        ReactionSet(target=anna, by=BEN, emoji="👍", at=NOON + MINUTE),
    )
    of_text: tuple[Event, ...] = (
        MessageEdited(target=anna, at=NOON + MINUTE, text="better words", by=ANNA),
        MessageEdited(target=anna, at=NOON + 2 * MINUTE, text="the best words", by=ANNA),
        MessageRevoked(target=anna, at=NOON + 4 * MINUTE, by=ANNA),
    )
    for told in of_status:
        room.tell(told)
        assert changed_at(room) == before
    for told in of_text:
        room.tell(told)
        assert changed_at(room) > before
        before = changed_at(room)


def test_a_name_is_shown_everywhere_at_once(room: Room) -> None:
    room.tell(ReactionSet(target=room.target(1, GROUP, ANNA), by=BEN, emoji="👍", at=NOON))
    everywhere(room)
    room.tell(ContactSeen(jid=BEN, name="Benjamin", at=NOON + MINUTE))
    everywhere(room)
    room.store.add_phone(room.org, ONE, name="Desk")
    everywhere(room)


def test_whoever_is_mentioned_is_shown_by_number_as_soon_as_it_is_known(room: Room) -> None:
    room.tell(room.say(GROUP, BEN, mentions=(ANNA_LID,)))
    everywhere(room)
    room.tell(NumberMapped(lid=ANNA_LID, jid=ANNA))
    everywhere(room)
    assert ANNA_LID not in "".join(map(bytes.decode, kept_page(room.reader, room.kept, room.query(GROUP)).rows))


def test_whoever_is_mentioned_in_another_spelling_is_shown_as_soon_as_they_are_met(room: Room) -> None:
    room.tell(room.say(GROUP, BEN, mentions=(ANNA_LID.replace("@", ":12@"),)))
    everywhere(room)
    room.tell(room.say(GROUP, ANNA_LID))
    everywhere(room)


def test_readers_of_one_phone_see_no_name_of_another(room: Room) -> None:
    other = room.store.add_phone(room.org, TWO).no
    query = structs.replace(room.query(GROUP), phones=(room.phone.no, other))
    room.tell(
        ContactSeen(jid=BEN, name="Benjamin", phone=TWO, at=NOON + MINUTE),
        ContactSeen(jid=BEN, name="Ben B.", phone=ONE, at=NOON),
    )
    shown = []
    for viewer in (None, (room.phone.no,), (other,), None):
        store = room.reader.seen_by(viewer)
        shown.append(kept_page(store, room.kept, query))
        assert shown[-1] == store.list_messages(query).rendered(in_full)
    assert len({page.rows[1] for page in shown}) > 1


def test_a_merge_is_shown_while_it_goes_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.storage.write.merge.MERGE_ROWS", 1)
    room.tell(*(room.say(ANNA_LID, ANNA_LID) for _ in range(3)), room.say(GROUP, ANNA_LID))
    everywhere(room)
    monkeypatch.setattr(Store, "finish_merges", lambda *_: False)
    room.tell(NumberMapped(lid=ANNA_LID, jid=ANNA))
    everywhere(room)
    monkeypatch.undo()
    room.store.finish_merges(room.org, stop=Steps(2))
    everywhere(room)
    room.store.finish_merges(room.org)
    everywhere(room)


class Steps:
    """Stops a merge after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_what_an_import_told_is_gone_when_it_is_taken_back(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "UNDO_ROWS", 1)
    number = room.store.begin_import(room.org, NewImport(kind="gowa")).id
    room.tell(*(room.say(GROUP, BEN) for _ in range(3)), import_id=number)
    target = room.target(1, GROUP, ANNA)
    room.tell(ReactionSet(target=target, by=BEN, emoji="👍", at=NOON), import_id=number)
    everywhere(room)
    room.store.undo_import(room.org, number, progress=lambda _: everywhere(room))
    everywhere(room)


@pytest.fixture
def slow(room: Room, database_url: str | None, tmp_path: Path) -> Iterator[Store]:
    """A second handle, whose pages take so long that others write and read meanwhile."""
    opened = open_store(database_url, tmp_path)
    yield opened
    opened.close()


def test_a_page_keeps_nothing_that_has_changed_since_its_snapshot(room: Room, slow: Store) -> None:
    query = room.query(GROUP)
    was = room.store.list_messages(query).rendered(in_full)

    def work(reading: Reading) -> RenderedPage:
        room.tell(MessageEdited(target=room.target(1, GROUP, ANNA), at=NOON + MINUTE, text="better words", by=ANNA))
        # The cache now has the state after the edit, but without the message.
        room.read(room.query(ANNA))
        return read_rendered(reading, query, Way(room.kept, "whole", in_full))

    assert slow.ask(room.org, work) == was
    everywhere(room)


def test_a_page_takes_nothing_that_is_newer_than_its_snapshot(
    room: Room, slow: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The messages are cached, but not the list.
    query = room.query(GROUP, limit=5)
    was = room.store.list_messages(query).rendered(in_full)

    def interrupted(*asked: Any) -> Any:
        monkeypatch.setattr(rendered_module, "list_places", list_places)
        room.tell(MessageEdited(target=room.target(1, GROUP, ANNA), at=NOON + MINUTE, text="better words", by=ANNA))
        room.read(query)
        return list_places(*asked)

    monkeypatch.setattr(rendered_module, "list_places", interrupted)
    assert kept_page(slow, room.kept, query) == was
    everywhere(room)


def test_a_feed_that_goes_back_no_further_is_no_proof(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered_module, "MAX_LINES", 3)
    for number in range(6):
        target = room.target(1, GROUP, ANNA)
        room.tell(MessageEdited(target=target, at=NOON + number * MINUTE, text=f"words {number}", by=ANNA))
    everywhere(room)
    room.tell(MessageEdited(target=room.target(2, GROUP, BEN), at=NOON + MINUTE, text="other words", by=BEN))
    everything = {"org": room.org, "upto": room.store.version(room.org)}
    room.store._engine.write(lambda tx: tx.run("prune_changes", everything), room.org)
    everywhere(room)


def test_a_damaged_line_of_the_feed_breaks_no_page(room: Room) -> None:
    room.tell(ReceiptSet(target=room.target(3, GROUP, ONE), participant=ANNA, ack=3, at=NOON + MINUTE))
    engine: Any = room.store._engine
    if engine.name == "sqlite":
        # PostgreSQL stores nothing but text in this column.
        engine.script("UPDATE changes SET aspects = x'61' WHERE seq = (SELECT MAX(seq) FROM changes)")
    everywhere(room)


def test_a_row_whose_flags_were_damaged_is_listed_as_soon_as_they_are_mended(room: Room) -> None:
    told = room.say(GROUP, ANNA)
    message = structs.replace(told.message, kind="image")
    room.tell(structs.replace(told, message=message))
    engine: Any = room.store._engine
    engine.script(f"UPDATE messages SET flags = flags - 8 WHERE id = '{message.key.id}'")
    engine.script("UPDATE tallies SET plain_in = plain_in + 1, media_in = media_in - 1 WHERE media_in > 0")
    query = room.query(GROUP, media_only=True)
    room.read(query)
    target = room.target(room.number, GROUP, ANNA)
    room.tell(ReceiptSet(target=target, participant=BEN, ack=3, at=NOON + MINUTE))
    room.read(query)
    assert len(kept_page(room.reader, room.kept, query).rows) == 1


def test_a_list_counts_with_what_is_known_about_its_chat(room: Room) -> None:
    def most() -> int:
        room.read(room.query(GROUP))
        return max(listed.size for way in room.kept._ways.values() for listed, _ in way._lists.values())

    before = most()
    room.tell(ChatSeen(phone=room.phone.jid, chat=GROUP, description="Rules. " * 1000, at=NOON + MINUTE))
    assert most() > before + 7_000


@pytest.mark.parametrize("most", [3_000, 16_000])
def test_what_is_kept_has_its_bound(room: Room, most: int) -> None:
    room.kept = RenderedMessages(most)
    lists = set[int]()
    for _ in range(3):
        everywhere(room)
        assert 0 < room.kept.bytes <= most
        ways = room.kept._ways.values()
        assert room.kept.bytes == sum(way.bytes for way in ways)
        for way in ways:
            assert way._list_bytes == sum(listed.size for listed, _ in way._lists.values()) <= most // 8
            assert way._lists.keys() == {query for queries in way._lists_of.values() for query in queries}
            lists.add(len(way._lists))
        room.tell(room.say(GROUP, BEN))
    assert max(lists) == most * 3 // 16_000


def test_with_no_room_nothing_is_kept(room: Room) -> None:
    room.kept = RenderedMessages(0)
    everywhere(room)
    assert not room.kept._ways
