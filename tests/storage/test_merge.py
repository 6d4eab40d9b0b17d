"""A LID turns out to be a number: one chat at once, rows moved in small steps, nothing lost, and a cut goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from backscroll.events import Batch, Event, MediaHeld, MessageSeen, NumberMapped, ReactionSet, Target
from backscroll.model import Details, Media, Message, MessageKey, Org, Phone
from backscroll.query import ChatQuery, MessageQuery
from backscroll.storage import merge
from backscroll.storage.engine import Txn
from backscroll.storage.sqlite import SqliteEngine
from backscroll.storage.store import MERGE_ROWS, Store, open_store
from backscroll.storage.writer import apply_batch
from conftest import MORNING

T = TypeVar("T")
LID, NUMBER, GROUP = "22222222222@lid", "4915112345678@s.whatsapp.net", "120363041234567890@g.us"
SECOND = 1_000_000
TABLES = ("messages", "tellings", "addons", "tallies", "chats")


def messages(phone: Phone, chat: str, count: int, prefix: str, late: int = 0) -> list[Event]:
    """Every tenth has a file, every twentieth a reaction; times of two chats lie between each other."""
    events: list[Event] = []
    for i in range(count):
        id = f"{prefix}{i:06}"
        details = Details(media=Media(file=f"{i:064x}", mimetype="image/png")) if i % 10 == 0 else Details()
        key = MessageKey(phone.jid, chat, id, LID if chat == GROUP else None)
        at = MORNING + (2 * i + late) * SECOND
        kind: Any = "image" if i % 10 == 0 else "text"
        events.append(
            MessageSeen(Message(key=key, sent_at=at, from_me=i % 3 == 0, kind=kind, text=f"word {i}", details=details))
        )
        if i % 20 == 0:
            events.append(ReactionSet(target=Target(phone.jid, chat, id), by=LID, emoji="👍", at=at))
    return events


def fill(store: Store, org: Org, phone: Phone, count: int) -> None:
    for chat, prefix, late in ((LID, "L", 0), (NUMBER, "N", 1)):
        events = messages(phone, chat, count, prefix, late)
        for start in range(0, len(events), 5000):
            store.apply(org.no, Batch(source="backup", events=events[start : start + 5000]))


def only_map(store: Store, org: Org) -> None:
    """Let the two be one, without moving any row."""
    batch = Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)])
    store._engine.write(lambda tx: apply_batch(tx, org.no, batch, MORNING, lambda: "phone-x"), org.no)


def step(store: Store, org: Org, limit: int) -> bool:
    return store._engine.write(lambda tx: merge.merge_step(tx, org.no, MORNING, limit), org.no)


def seen_as_one(store: Store, org: Org, phone: Phone, count: int) -> None:
    """What a reader sees at any moment after the mapping."""
    base: dict[str, Any] = {"org": org.no, "phones": (phone.no,)}
    for jid in (LID, NUMBER, "4915112345678@c.us"):
        page = store.list_messages(MessageQuery(chat=jid, limit=40, **base))
        assert page.total == 2 * count
        assert [m.message.sent_at for m in page.messages] == [
            MORNING + i * SECOND for i in range(2 * count - 1, 2 * count - 41, -1)
        ]
        assert {m.message.key.chat for m in page.messages} == {NUMBER}
    deep = store.list_messages(MessageQuery(chat=LID, offset=2 * count - 3, limit=10, **base))
    assert [m.message.key.id for m in deep.messages] == ["L000001", "N000000", "L000000"]
    assert store.list_messages(MessageQuery(chat=LID, media_only=True, **base)).total == 2 * -(-count // 10)
    chats = store.list_chats(ChatQuery(**base))
    assert [(c.jid, c.lid, c.messages, c.last_message_at) for c in chats.chats] == [
        (NUMBER, LID, 2 * count, MORNING + (2 * count - 1) * SECOND)
    ]
    assert chats.total == 1


def test_readers_see_one_chat_with_exact_counts_before_during_and_after_the_move(
    store: Store, org: Org, phone: Phone
) -> None:
    fill(store, org, phone, 300)
    only_map(store, org)
    seen_as_one(store, org, phone, 300)
    steps = 0
    while step(store, org, 50):
        steps += 1
        seen_as_one(store, org, phone, 300)
        assert list(store.check()) == []
    assert steps > 6
    found = store.find_message(org.no, (phone.no,), "L000020")
    assert found is not None
    assert [r.sender for r in found.reactions] == [NUMBER]
    assert found.message.details.media == Media(file=f"{20:064x}", mimetype="image/png")


def test_messages_that_arrive_during_the_move_are_one_with_those_that_were_there(
    store: Store, org: Org, phone: Phone
) -> None:
    fill(store, org, phone, 100)
    only_map(store, org)
    step(store, org, 30)
    again = [*messages(phone, LID, 100, "L"), *messages(phone, NUMBER, 100, "L")]
    applied = store.apply(org.no, Batch(source="gowa", events=again))
    assert applied.changed > 0
    seen_as_one(store, org, phone, 100)
    store.finish_merges(org.no)
    seen_as_one(store, org, phone, 100)
    assert list(store.check()) == []


def test_a_message_under_both_ids_is_one_after_the_move(store: Store, org: Org, phone: Phone) -> None:
    for chat in (LID, NUMBER):
        store.apply(org.no, Batch(source="backup", events=messages(phone, chat, 40, "M")))
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), chat=LID, limit=100))
    assert page.total == len(page.messages) == len({m.message.key.id for m in page.messages}) == 40
    assert list(store.check()) == []


def test_the_latest_time_of_a_chat_is_that_of_its_rows_when_a_merge_makes_two_of_them_one(
    store: Store, org: Org, phone: Phone
) -> None:
    def said(chat: str, at: int, version: int) -> MessageSeen:
        details = Details(updated_at=version)
        key = MessageKey(phone.jid, chat, "A")
        return MessageSeen(Message(key=key, sent_at=at, from_me=False, text="word", details=details))

    store.apply(org.no, Batch(source="linked", events=[said(NUMBER, MORNING, 2)]))
    store.apply(org.no, Batch(source="linked", events=[said(LID, MORNING + 5 * SECOND, 1)]))
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    assert list(store.check()) == []
    (chat,) = store.list_chats(ChatQuery(org=org.no, phones=(phone.no,))).chats
    assert chat.last_message_at == MORNING


def test_what_a_lid_wrote_and_did_in_a_group_becomes_the_numbers(store: Store, org: Org, phone: Phone) -> None:
    events = messages(phone, GROUP, 60, "G")
    held = MediaHeld(target=Target(phone.jid, GROUP, "G000001", LID), media=Media(file="ef" * 32))
    store.apply(org.no, Batch(source="linked", events=[*events, held, NumberMapped(lid="1@lid", jid=NUMBER)]))
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), chat=GROUP, limit=100))
    assert {m.message.key.sender for m in page.messages} == {NUMBER, phone.jid}
    assert {r.sender for m in page.messages for r in m.reactions} == {NUMBER}
    assert list(store.check()) == []


def test_a_merge_that_was_cut_goes_on_in_a_new_process(tmp_path: Path, database_url: str | None) -> None:
    first = open_store(database_url, tmp_path)
    org = first.create_org("Sample")
    phone = first.add_phone(org.no, "918527184400")
    fill(first, org, phone, 120)
    only_map(first, org)
    step(first, org, 50)
    first.close()
    second = open_store(database_url, tmp_path)
    seen_as_one(second, org, phone, 120)
    second.finish_merges()
    seen_as_one(second, org, phone, 120)
    assert not step(second, org, 50)
    assert list(second.check()) == []
    second.close()


class Watched(SqliteEngine):
    """Notes how long each writing transaction took and how many rows it changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seconds: list[float] = []
        self.rows: list[int] = []

    def write(self, work: Callable[[Txn], T], org: int | None = None) -> T:
        changed, start = self._writer.total_changes(), time.perf_counter()
        result = super().write(work, org)
        self.seconds.append(time.perf_counter() - start)
        self.rows.append(self._writer.total_changes() - changed)
        return result


def watched(tmp_path: Path, count: int) -> tuple[Watched, Store, Org, Phone]:
    engine = Watched(tmp_path / "backscroll.db")
    store = Store(engine, tmp_path)
    store.migrate()
    org = store.create_org("Sample")
    phone = store.add_phone(org.no, "918527184400")
    fill(store, org, phone, count)
    engine.seconds.clear()
    engine.rows.clear()
    return engine, store, org, phone


def test_each_step_of_a_move_changes_a_bounded_number_of_rows(tmp_path: Path) -> None:
    engine, store, org, phone = watched(tmp_path, 3000)
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    # Of a row: itself, a line in the feed, the search index, and its share of counters and add-ons.
    assert max(engine.rows) <= 12 * MERGE_ROWS
    assert len(engine.rows) > 6
    seen_as_one(store, org, phone, 3000)
    assert list(store.check()) == []
    store.close()


@pytest.mark.full
def test_two_chats_of_100_000_merge_without_holding_the_writer_for_a_second(tmp_path: Path) -> None:
    engine, store, org, phone = watched(tmp_path, 100_000)
    start = time.perf_counter()
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    figures = {
        "merge_seconds": round(time.perf_counter() - start, 1),
        "longest_write_ms": round(max(engine.seconds) * 1000),
        "transactions": len(engine.seconds),
    }
    print(json.dumps(figures))
    assert max(engine.seconds) < 1.0
    seen_as_one(store, org, phone, 100_000)
    assert list(store.check()) == []
    store.close()
