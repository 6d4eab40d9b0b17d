"""A page of chats shows each as the single chat, and takes as many statements for a long page as for a short one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MessageSeen,
    NumberMapped,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import ChatPage, Details, Member, Message, MessageKey, Org, Phone, Quote, ReactionRow
from backscroll.core.query import ChatQuery, MessageQuery, ReactionQuery
from backscroll.database.protocol import Ask, Row, Txn, load_statements
from backscroll.database.sqlite import configure
from backscroll.database.sqlite_parameters import bound
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.names import ContactCache, Names
from backscroll.storage.records.rows import NOTIFICATION
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.batch import apply_batch
from conftest import MORNING
from merging import SECOND, step

HOUR = 3600 * SECOND
LATECOMER = "30000000001@lid"
"""The author of quoted messages, in no list of contacts."""


def person(i: int) -> str:
    return f"4915100{i:06}@s.whatsapp.net"


def hidden(i: int) -> str:
    return f"20000{i:06}@lid"


def group(i: int) -> str:
    return f"120363000000{i:06}@g.us"


def said(phone: Phone, chat: str, id: str, at: int, **more: Any) -> MessageSeen:
    details = Details(mentions=more.pop("mentions", ()), quoted=more.pop("quoted", None))
    key = MessageKey(phone.jid, chat, id, more.pop("sender", None))
    more.setdefault("from_me", False)
    more.setdefault("text", f"word {id}")
    return MessageSeen(Message(key=key, sent_at=at, details=details, **more))


def answered(phone: Phone, chat: str, i: int, at: int) -> Iterator[Event]:
    """A message of ours that others have read and reacted to, and a call after it."""
    meant = Target(phone.jid, chat, f"A{i}")
    yield said(phone, chat, f"A{i}", at, from_me=True, ack=2)
    yield ReactionSet(target=meant, by=person(i), emoji="👍", at=at)
    yield ReactionSet(target=meant, by=hidden(900 + i), emoji="👎", at=at)
    yield ReceiptSet(target=meant, ack=4, participant=person(i), at=at)
    yield ReceiptSet(target=meant, ack=3, participant=person(i + 1), at=at)
    yield said(phone, chat, f"C{i}", at + SECOND, kind="call", text=None)


def talk(phone: Phone, i: int) -> Iterator[Event]:
    """One chat, or one of two contacts that will be merged; each kind in turn."""
    at = MORNING + i * HOUR
    match i % 5:
        case 0:
            quoted = Quote(id="Q", sender=LATECOMER)
            yield said(phone, person(i), f"M{i}", at, mentions=(hidden(i), person(3)), quoted=quoted)
            yield from (said(phone, person(i), f"{letter}{i}", at) for letter in "ZAB")
        case 1:
            members = (Member(jid=person(i), is_admin=True), Member(jid=hidden(i)), Member(jid=phone.jid))
            yield ChatSeen(phone=phone.jid, chat=group(i), at=at, name=f"Group {i}", members=members)
            yield from answered(phone, group(i), i, at)
        case 2:
            yield said(phone, person(i), f"A{i}", at)
            yield said(phone, hidden(i), f"B{i}", at + {2: SECOND, 7: 0}.get(i, -SECOND))
            yield said(phone, hidden(i), f"C{i}", at - 40 * 24 * HOUR)
            for chat, id in ((person(i), f"A{i}"), (hidden(i), f"A{i}"), (hidden(i), f"B{i}")):
                yield ReactionSet(target=Target(phone.jid, chat, id), by=person(i + 1), emoji=chat[0], at=at)
        case 3:
            yield from answered(phone, person(i), i, at)
        case _:
            yield ChatSeen(phone=phone.jid, chat=person(i), at=at, name=f"Silent {i}")
            yield said(phone, group(i), f"N{i}", at, kind="notice", sender=person(i))


def fill(store: Store, org: Org, phone: Phone, count: int) -> None:
    events = [event for i in range(count) for event in talk(phone, i)]
    events += [ContactSeen(jid=person(i), name=f"Name {i}") for i in range(0, count, 2)]
    store.apply(org.no, Batch(source="webhook", events=events))


def only_map(store: Store, org: Org, chats: Iterable[int]) -> None:
    """Map LIDs to numbers, without moving any row."""
    batch = Batch(source="linked", events=[NumberMapped(lid=hidden(i), jid=person(i)) for i in chats])
    store._engine.write(lambda tx: apply_batch(tx, org.no, batch, MORNING, lambda: "phone-x"), org.no)


class Counting:
    """A reading transaction that notes the names of its statements."""

    def __init__(self, tx: Txn) -> None:
        self._tx = tx
        self.asked: list[str] = []

    def all(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        self.asked.append(name)
        return self._tx.all(name, params)

    def one(self, name: str, params: Mapping[str, Any]) -> Row | None:
        self.asked.append(name)
        return self._tx.one(name, params)

    def several(self, asks: Sequence[Ask]) -> list[list[Row]]:
        self.asked += [name for name, _ in asks]
        return self._tx.several(asks)

    def run(self, name: str, params: Mapping[str, Any]) -> None:
        raise AssertionError(name)

    def many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        raise AssertionError(name)


def listed(store: Store, query: ChatQuery) -> tuple[ChatPage, list[str]]:
    """The page, read while no contact is cached, and the statements it took."""

    def work(tx: Txn) -> tuple[ChatPage, list[str]]:
        counting = Counting(tx)
        page = Lists(counting, query.org, Names(counting, query.org, ContactCache())).chats(query)
        return page, counting.asked

    return store._engine.read(work, query.org)


def alike(store: Store, org: Org, page: ChatPage) -> None:
    """Assert that each chat of the page equals the single chat, and agrees with the chat's own messages."""
    for chat in page.chats:
        phones = (chat.phone.no,)
        assert chat == store.find_chat(org.no, phones, chat.jid)
        own = store.list_messages(MessageQuery(org=org.no, phones=phones, chat=chat.jid, limit=1))
        assert (chat.messages, [chat.last_message] if chat.last_message else []) == (own.total, own.messages)


@pytest.mark.parametrize("pending", [False, True])
def test_a_long_page_takes_as_many_statements_as_a_short_one(
    store: Store, org: Org, phone: Phone, pending: bool
) -> None:
    fill(store, org, phone, 100)
    if pending:
        only_map(store, org, range(2, 100, 5))
    short, few = listed(store, ChatQuery(org=org.no, phones=(phone.no,), limit=5, offset=5))
    long, many = listed(store, ChatQuery(org=org.no, phones=(phone.no,), limit=60, offset=5))
    assert (len(short.chats), len(long.chats)) == (5, 60)
    assert sorted(few) == sorted(many)
    assert len(many) <= 20


def test_a_page_of_chats_by_name_takes_few_statements(store: Store, org: Org, phone: Phone) -> None:
    fill(store, org, phone, 200)
    only_map(store, org, range(2, 200, 5))
    page, asked = listed(store, ChatQuery(org=org.no, phones=(phone.no,), search="e", limit=60))
    assert len(page.chats) == 60
    assert len(asked) <= 20
    alike(store, org, page)


def test_a_page_shows_each_chat_as_it_is_told_by_itself(
    store: Store, org: Org, phone: Phone, other_phone: Phone
) -> None:
    fill(store, org, phone, 30)
    fill(store, org, other_phone, 20)
    query = ChatQuery(org=org.no, phones=(phone.no, other_phone.no), limit=200)
    before, _ = listed(store, query)
    alike(store, org, before)
    only_map(store, org, range(2, 30, 5))
    page, _ = listed(store, query)
    assert page.total == len(page.chats) == before.total - 10
    alike(store, org, page)
    while step(store, org, 3):
        alike(store, org, listed(store, query)[0])
    again, _ = listed(store, query)
    assert [(c.jid, c.messages, c.last_message_at) for c in again.chats] == [
        (c.jid, c.messages, c.last_message_at) for c in page.chats
    ]


def test_the_last_message_of_two_parties_that_become_one_is_the_newest_of_both(
    store: Store, org: Org, phone: Phone
) -> None:
    fill(store, org, phone, 13)
    only_map(store, org, (2, 7, 12))
    page, _ = listed(store, ChatQuery(org=org.no, phones=(phone.no,)))
    found = {chat.jid: chat for chat in page.chats}
    for i, newest in ((2, "B2"), (7, "B7"), (12, "A12")):
        chat = found[person(i)]
        assert chat.messages == 3
        assert chat.last_message is not None
        assert (chat.last_message.message.key.id, chat.last_message.message.key.chat) == (newest, person(i))


def test_a_silent_chat_and_one_of_notices_only_have_no_last_message(store: Store, org: Org, phone: Phone) -> None:
    fill(store, org, phone, 5)
    page, _ = listed(store, ChatQuery(org=org.no, phones=(phone.no,)))
    found = {chat.jid: chat for chat in page.chats}
    for jid in (person(4), group(4)):
        assert (found[jid].messages, found[jid].last_message) == (0, None)
    last = found[group(1)].last_message
    assert last is not None
    assert (last.message.key.id, last.ack, len(last.reactions)) == ("A1", 3, 2)
    assert [m.name for m in found[group(1)].members or ()][:2] == [None, None]


def test_a_long_page_of_reactions_takes_as_many_statements_as_a_short_one(store: Store, org: Org, phone: Phone) -> None:
    fill(store, org, phone, 40)

    def counted(limit: int) -> tuple[list[ReactionRow], list[str]]:
        query = ReactionQuery(org=org.no, phones=(phone.no,), limit=limit)

        def work(tx: Txn) -> tuple[list[ReactionRow], list[str]]:
            counting = Counting(tx)
            page = Lists(counting, org.no, Names(counting, org.no, ContactCache())).reactions(query)
            return page.reactions, counting.asked

        return store._engine.read(work, org.no)

    few, asked_for_few = counted(3)
    many, asked_for_many = counted(1000)
    assert (len(few), many[:3]) == (3, few)
    assert len(many) > 12
    assert len(asked_for_many) <= len(asked_for_few) + 3, " ".join(asked_for_many)


@pytest.mark.parametrize(
    ("name", "params", "indexes"),
    [
        (
            "glance_at_chats",
            {"phones": (1, 2), "chats": (5, 6, 7), "mask": NOTIFICATION},
            (
                "t USING PRIMARY KEY (org=? AND phone=? AND chat=? AND level=?)",
                "m USING INDEX messages_chat (org=? AND phone=? AND chat=?)",
            ),
        ),
        (
            "annotations_of_messages",
            {"nos": (1, 2, 3)},
            (
                "m USING INDEX sqlite_autoindex_messages_1 (org=? AND no=?)",
                "a USING PRIMARY KEY (org=? AND phone=? AND chat=? AND id=?)",
            ),
        ),
        (
            "read_annotations",
            {"phone": 1, "chats": (5, 6), "ids": ("A", "B")},
            ("addons USING PRIMARY KEY (org=? AND phone=? AND chat=? AND id=?)",),
        ),
    ],
)
def test_every_table_of_a_page_is_read_by_its_index(
    tmp_path: Path, name: str, params: dict[str, Any], indexes: tuple[str, ...]
) -> None:
    open_store(None, tmp_path).close()
    sql, values = bound(load_statements("sqlite")[name], {"org": 1} | params)
    connection = apsw.Connection(str(tmp_path / "backscroll.db"))
    configure(connection)
    steps = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    connection.close()
    read = [step for step in steps if step.startswith(("SEARCH", "SCAN"))]
    assert sorted(set(read)) == sorted(f"SEARCH {index}" for index in indexes), steps
    assert not any("ORDER BY" in step or step.startswith("SCAN") for step in steps), steps
