"""The index over time: archives older than the index, new rules, deletion, several processes at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.core.events import Batch, Event, MessageEdited, MessageSeen, Target
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import MessageQuery, SearchQuery
from backscroll.database.tables import SEARCH
from backscroll.storage.accounts import leases
from backscroll.storage.search import terms
from backscroll.storage.search.index_writer import SegmentHead, heads_of
from backscroll.storage.search.maintenance import Limits, _tasks
from backscroll.storage.search.segments import FRESH
from backscroll.storage.store import Store, now_us, open_store
from backscroll.storage.write.index_upkeep import LEASE, IndexUpkeep
from conftest import CHAT, MORNING
from plain_sql import PlainSql

SECOND = 1_000_000
SMALL = Limits(tiny=4, max_tiny=4, max_small=4, young=32, full=128, half_empty=64)


class Archive:
    """One organisation with one phone, and a connection for the test's own SQL."""

    def __init__(self, store: Store, sql: PlainSql) -> None:
        self.store = store
        self.sql = sql
        self.org = store.create_org("Sample").no
        self.phone = store.add_phone(self.org, "918527184400")

    def tell(self, first: int, count: int, text: str = "apple") -> None:
        events: list[Event] = [
            MessageSeen(
                Message(
                    key=MessageKey(self.phone.jid, CHAT, f"M{n:04}"),
                    sent_at=MORNING + n * SECOND,
                    from_me=False,
                    text=f"{text} {n}",
                )
            )
            for n in range(first, first + count)
        ]
        self.store.apply(self.org, Batch(source="webhook", events=events))

    def edit(self, n: int, text: str) -> None:
        target = Target(self.phone.jid, CHAT, f"M{n:04}")
        event = MessageEdited(target=target, text=text, at=MORNING + n * SECOND + 1)
        self.store.apply(self.org, Batch(source="webhook", events=[event]))

    def search(self, text: str) -> tuple[int, bool]:
        """How many messages are found, and whether the index is complete."""
        page = self.store.search(SearchQuery(org=self.org, phones=(self.phone.no,), text=text, limit=2000))
        assert page.total == len(page.hits)
        return page.total, page.complete

    def substring(self, text: str) -> int:
        query = MessageQuery(org=self.org, phones=(self.phone.no,), chat=CHAT, search=text)
        return self.store.list_messages(query).total

    def levels(self) -> list[int]:
        heads = self.store._engine.read(lambda tx: heads_of(tx, self.org), self.org)
        return sorted(head.level for head in heads)

    def bytes_of_index(self) -> bytes:
        """Everything that the index holds."""
        rows = [row for table in SEARCH for row in self.sql.rows(f"SELECT * FROM {table} WHERE org = ?", [self.org])]
        return b"".join(bytes(value) for row in rows for value in row if isinstance(value, bytes | memoryview))


@pytest.fixture
def archive(store: Store, database_url: str | None, tmp_path: Path) -> Iterator[Archive]:
    sql = PlainSql(database_url, tmp_path)
    yield Archive(store, sql)
    sql.close()


def test_an_archive_from_before_the_index_is_taken_in_by_and_by(archive: Archive) -> None:
    archive.tell(0, 1200)
    for table in SEARCH:
        archive.sql.change(f"DELETE FROM {table}")
    archive.sql.change("UPDATE heads SET indexed_from = NULL")
    assert archive.search("apple") == (0, False)
    archive.tell(1200, 3)
    archive.edit(7, "pear")
    assert archive.search("apple") == (3, False)
    assert archive.substring("pple 11") == 111
    assert archive.store.search_progress(archive.org).messages == 1200
    assert archive.store.tend_search(archive.org)
    assert archive.search("apple") == (1202, True)
    assert archive.search("pear") == (1, True)
    assert list(archive.store.check()) == []


def test_segments_made_by_older_rules_are_made_anew_while_they_are_searched(archive: Archive) -> None:
    archive.tell(0, 40)
    IndexUpkeep(archive.store._engine, now_us, SMALL).run(archive.org)
    archive.sql.change(f"UPDATE search_segments SET version = {terms.version() - 1}")
    assert archive.search("apple") == (40, False)
    assert archive.substring("pple 3") == 11
    assert archive.store.tend_search(archive.org)
    assert archive.search("apple") == (40, True)
    assert list(archive.store.check()) == []


@pytest.mark.parametrize("from_nothing", [False, True])
def test_an_index_is_made_anew_on_request(archive: Archive, from_nothing: bool) -> None:
    archive.tell(0, 700)
    before = archive.levels()
    archive.store.remake_search(archive.org, from_nothing)
    assert archive.search("apple") == (0 if from_nothing else 700, False)
    archive.edit(3, "pear")
    archive.store.tend_search(archive.org)
    assert (archive.search("apple"), archive.search("pear")) == ((699, True), (1, True))
    assert before == [0]
    assert list(archive.store.check()) == []


@pytest.mark.parametrize("tended", [False, True])
def test_what_is_forgotten_is_in_no_part_of_the_index(archive: Archive, tended: bool) -> None:
    archive.tell(0, 150)
    archive.edit(3, "my canaryword")
    if tended:
        IndexUpkeep(archive.store._engine, now_us, SMALL).run(archive.org)
        assert max(archive.levels()) == 2
    archive.edit(3, "nothing")
    assert b"canaryword" in archive.bytes_of_index()
    archive.store.forget_in_search(archive.org)
    assert b"canaryword" not in archive.bytes_of_index()
    assert archive.search("canaryword") == (0, True)
    assert archive.search("apple") == (149, True)


def test_what_nobody_merged_becomes_a_full_segment_at_once(archive: Archive) -> None:
    for first in range(0, 200, 20):
        archive.tell(first, 20)
    archive.edit(7, "pear")
    IndexUpkeep(archive.store._engine, now_us, SMALL).run(archive.org)
    heads = archive.store._engine.read(lambda tx: heads_of(tx, archive.org), archive.org)
    # Eleven segments were written, one of them tiny, and one built of the others.
    assert [(head.segment, head.level, head.alive) for head in heads] == [(11, 0, 1), (12, 2, 199)]
    assert (archive.search("apple"), archive.search("pear")) == ((199, True), (1, True))
    assert list(archive.store.check()) == []


def test_several_at_work_on_one_index_lose_nothing(archive: Archive) -> None:
    def write(part: int) -> None:
        for n in range(12):
            archive.tell(part * 1000 + n * 5, 5)

    def tend(_: int) -> None:
        for _ in range(6):
            IndexUpkeep(archive.store._engine, now_us, SMALL).run(archive.org)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda job: job[0](job[1]), [(write, 0), (tend, 0), (write, 1), (tend, 1), (write, 2)]))
    IndexUpkeep(archive.store._engine, now_us, SMALL).run(archive.org)
    assert archive.search("apple") == (180, True)
    assert list(archive.store.check()) == []
    assert archive.sql.rows("SELECT COUNT(*) FROM search_segments WHERE state <> 1") == [(0,)]


@pytest.mark.parametrize(
    ("sizes", "left"),
    [([20] * 10, 10), ([30] * 10, 10), ([3] * 10 + [20] * 5, 6), ([30] + [9] * 8, 4), ([31] + [3] * 8, 2)],
)
def test_who_may_not_merge_brings_together_what_fits_and_no_more(archive: Archive, sizes: list[int], left: int) -> None:
    """The segments are enough for a merge, which another process may be doing: its sources must not change for ever."""
    for place, size in enumerate(sizes):
        archive.tell(place * 100, size)
    steps: list[None] = []

    def is_enough() -> bool:
        steps.append(None)
        return len(steps) > 50

    engine = archive.store._engine
    lease = engine.write(lambda tx: leases.take(tx, archive.org, LEASE, now_us()), archive.org)
    assert lease is not None
    IndexUpkeep(engine, now_us, SMALL).run(archive.org, is_enough)
    assert len(steps) <= len(sizes)
    assert len(archive.levels()) == left
    leases.release(engine, lease)
    IndexUpkeep(engine, now_us, SMALL).run(archive.org)
    assert len(archive.levels()) < SMALL.max_small
    assert archive.search("apple") == (sum(sizes), True)
    assert list(archive.store.check()) == []


@given(st.lists(st.tuples(st.integers(1, 80), st.integers(0, 3)), max_size=30))
def test_a_task_leaves_fewer_segments_or_fewer_dead_messages(shapes: list[tuple[int, int]]) -> None:
    heads = [
        SegmentHead(n, FRESH, docs, n, n, terms.version(), b"", set(range(min(dead, docs))))
        for n, (docs, dead) in enumerate(shapes)
    ]
    for task in _tasks(heads, SMALL, purge=True):
        assert len(task.sources) > 1 or task.sources[0].dead or task.level > task.sources[0].level


def test_a_cut_off_builder_leaves_nothing_that_stays(archive: Archive) -> None:
    archive.tell(0, 100)
    archive.sql.change(
        "INSERT INTO search_segments (org, segment, level, state, docs, low, high, version, starts) "
        f"SELECT org, 900, 1, 0, 5, 1, 2, 1, starts FROM search_segments WHERE org = {archive.org}"
    )
    archive.sql.change(
        "INSERT INTO search_young (org, segment, part, body) "
        f"SELECT org, 900, 7, body FROM search_fresh WHERE org = {archive.org}"
    )
    assert archive.search("apple") == (100, True)
    IndexUpkeep(archive.store._engine, now_us, SMALL).run(archive.org)
    assert archive.sql.rows("SELECT COUNT(*) FROM search_young WHERE segment = 900") == [(0,)]
    assert archive.sql.rows("SELECT COUNT(*) FROM search_segments WHERE state <> 1") == [(0,)]


def test_the_next_process_goes_on_with_what_was_written(tmp_path: Path, database_url: str | None) -> None:
    first = open_store(database_url, tmp_path)
    sql = PlainSql(database_url, tmp_path)
    archive = Archive(first, sql)
    archive.tell(0, 10)
    first.close()
    archive.store = second = open_store(database_url, tmp_path)
    archive.tell(10, 10)
    assert archive.search("apple") == (20, True)
    second.close()
    sql.close()
