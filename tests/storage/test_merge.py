"""A LID is mapped to a number: one chat at once, rows moved in small steps, nothing lost, also when interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import structs

from backscroll.core.events import Batch, MediaHeld, MessageSeen, NumberMapped, Target
from backscroll.core.model import Details, Media, Message, MessageKey, Org, Phone
from backscroll.core.query import ChatQuery, MessageQuery, Position, SearchQuery, ThreadQuery
from backscroll.database.protocol import Txn
from backscroll.database.sqlite import SqliteEngine
from backscroll.storage.records import damage
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.merge import MERGE_ROWS
from conftest import MORNING
from merging import GROUP, LID, NUMBER, SECOND, fill, messages, only_map, read, seen_as_one, step, threads_as_one
from plain_sql import PlainSql

T = TypeVar("T")
TABLES = ("messages", "tellings", "addons", "tallies", "chats")


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


def test_search_shows_what_surrounds_a_hit_while_the_move_goes_on(store: Store, org: Org, phone: Phone) -> None:
    fill(store, org, phone, 40)
    only_map(store, org)
    for _ in range(2):
        page = store.search(SearchQuery(org=org.no, phones=(phone.no,), text='"word 7"', context=2))
        shown = [[m.message.key.id for m in hit.context] for hit in page.hits]
        assert shown == [
            ["N000006", "L000007", "L000008", "N000008"],
            ["L000006", "N000006", "N000007", "L000008"],
        ]
        assert step(store, org, 30)


def test_damaged_rows_hide_no_others_while_the_move_goes_on(
    store: Store, org: Org, phone: Phone, database_url: str | None, tmp_path: Path
) -> None:
    fill(store, org, phone, 20)
    only_map(store, org)
    damaged = ("N000015", "N000016", "L000019", "N000019")
    sql = PlainSql(database_url, tmp_path)
    for id in damaged:
        assert sql.change(f"UPDATE messages SET kind = 'nonsense' WHERE id = '{id}'") == 1
    sql.close()
    left = [f"{side}{i:06}" for i in range(20) for side in "LN" if f"{side}{i:06}" not in damaged]
    for limit in (1, 2, 3, 50):
        query = ThreadQuery(org=org.no, phone=phone.no, chat=LID, limit=limit)
        parts = [read(store, query)]
        while not parts[-1].found_oldest:
            parts.append(read(store, structs.replace(query, before=parts[-1].oldest)))
        assert [m.message.key.id for part in reversed(parts) for m in part.messages] == left
        parts = [read(store, structs.replace(query, after=Position(0)))]
        while not parts[-1].found_newest:
            parts.append(read(store, structs.replace(query, after=parts[-1].newest)))
        assert [m.message.key.id for part in parts for m in part.messages] == left


def test_a_damaged_row_keeps_only_its_own_contact_from_being_moved(
    store: Store, org: Org, phone: Phone, database_url: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage._named.clear()
    other_lid, other_number = "33333333333@lid", "4915112345699@s.whatsapp.net"
    fill(store, org, phone, 20)
    store.apply(org.no, Batch(source="backup", events=messages(phone, other_lid, 20, "O")))
    sql = PlainSql(database_url, tmp_path)
    sql.change("UPDATE messages SET details = '{' WHERE id = 'L000007'")
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=other_lid, jid=other_number)]))
    ((stuck,),) = sql.rows("SELECT contact FROM merges")
    assert f"merge of contact {stuck} of organisation {org.no} is left out" in caplog.text
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), chat=NUMBER, limit=100))
    assert (page.total, len(page.messages)) == (40, 39)
    sql.change("UPDATE messages SET details = NULL WHERE id = 'L000007'")
    assert store.finish_merges(org.no)
    assert sql.rows("SELECT contact FROM merges") == []
    sql.close()
    threads_as_one(store, org, phone, 20)
    assert list(store.check()) == []


def test_the_message_at_a_place_is_on_one_side_of_it(store: Store, org: Org, phone: Phone) -> None:
    fill(store, org, phone, 3)
    query = ThreadQuery(org=org.no, phone=phone.no, chat=NUMBER, limit=1)
    newest = read(store, query)
    second = read(store, structs.replace(query, before=newest.oldest))
    assert (second.found_newest, second.found_oldest) == (False, False)
    assert read(store, structs.replace(query, after=second.newest)).messages == newest.messages
    first = read(store, structs.replace(query, before=second.oldest))
    assert (first.found_newest, first.found_oldest) == (False, True)
    again = read(store, structs.replace(query, after=first.newest))
    assert again.messages == second.messages
    assert (again.found_newest, again.found_oldest) == (False, False)


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

    def write(self, work: Callable[[Txn], T], org: int | None = None, *, can_wait: bool = False) -> T:
        changed, start = self._writer.total_changes(), time.perf_counter()
        result = super().write(work, org, can_wait=can_wait)
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
    # For each message: its row, a line in the feed, the search index, and its share of counters and annotations.
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


def test_a_move_lets_others_write_after_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, store, org, _ = watched(tmp_path, 3000)
    paused_after: list[int] = []
    monkeypatch.setattr(engine, "let_others_write", lambda: paused_after.append(len(engine.rows)))
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    assert len(paused_after) > 6
    assert sorted(set(paused_after)) == paused_after
    store.close()
