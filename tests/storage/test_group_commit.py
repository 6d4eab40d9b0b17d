"""Batches that several threads write at once share a transaction, and each has the same outcome as alone."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_properties import ONE, TWO, Observed, histories, shuffled

from backscroll.core.errors import BadField, Conflict, NotFound, StorageBusy
from backscroll.core.events import Batch, ContactSeen, Event, MessageSeen, PhoneSeen, ReactionSet, Target
from backscroll.core.model import Message, MessageKey, Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.database.protocol import Txn
from backscroll.database.tables import SEARCH, TENANT
from backscroll.storage.records.counters import COLUMNS
from backscroll.storage.records.org_state import Applied
from backscroll.storage.store import Store, open_store
from backscroll.storage.transfer.check.run import findings_of_org
from backscroll.storage.write import group_commit
from backscroll.storage.write.batch import Session, apply_batch
from backscroll.storage.write.group_commit import GroupCommit
from conftest import CHAT, MORNING, OwnDatabase
from plain_sql import PlainSql
from thorough import examples

T = TypeVar("T")
SOON = 60.0
"""Seconds after which a wait fails the test."""


def said(phone: str, *ids: str, **fields: Any) -> Batch:
    keys = [MessageKey(phone, CHAT, id) for id in ids]
    events: list[Event] = [MessageSeen(Message(key=key, sent_at=MORNING, from_me=False, text=key.id)) for key in keys]
    return Batch(source="webhook", events=events, **fields)


def stored(store: Store, org: Org, phone: Phone) -> dict[str, int]:
    """Every message's id and number."""
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=1_000_000))
    ids = {m.message.key.id: m.no for m in page.messages}
    assert len(ids) == len(page.messages) == page.total
    return ids


def assert_sound(store: Store, org: Org) -> None:
    assert list(store.check()) == []
    feed = store.feed.places_changed_since(org.no, 0, 1_000_000)
    assert [change.seq for change in feed] == list(range(1, store.version(org.no) + 1))


class Gate:
    """Wraps the engine: it counts transactions, and can delay one or make it fail."""

    def __init__(self, store: Store) -> None:
        self.name = store._engine.name
        self.transactions = 0
        self._engine = store._engine
        self._go = threading.Event()
        self._go.set()
        self._wrong: BaseException | None = None
        self._after_commit = False
        self._store = store
        store._engine = self
        store._group_commit = GroupCommit(self, lambda: "phone-x")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def write(self, work: Callable[[Txn], T], org: int | None = None, *, can_wait: bool = False) -> T:
        self.transactions += 1
        assert self._go.wait(SOON)
        wrong, self._wrong = self._wrong, None
        if wrong is None:
            return self._engine.write(work, org, can_wait=can_wait)
        if self._after_commit:
            self._engine.write(work, org, can_wait=can_wait)
            raise wrong

        def fail(tx: Txn) -> T:
            work(tx)
            raise wrong

        return self._engine.write(fail, org)

    def go_wrong(self, error: BaseException, after_commit: bool = False) -> None:
        """Make the next transaction fail after all is written, before its commit or after it."""
        self._wrong, self._after_commit = error, after_commit

    @contextmanager
    def shut(self) -> Iterator[None]:
        self._go.clear()
        try:
            yield
        finally:
            self._go.set()

    def waiting(self, org: Org) -> int:
        """How many callers wait, the leader included."""
        queue = self._store._group_commit._queues.get(org.no)
        if queue is None:
            return 0
        with queue._lock:
            return len({*queue._waiting, queue._leader} - {None})


@pytest.fixture
def gate(store: Store) -> Gate:
    return Gate(store)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as executor:
        yield executor


@pytest.fixture
def at_once(store: Store, org: Org, gate: Gate, pool: ThreadPoolExecutor) -> Callable[[Sequence[Batch]], list[Any]]:
    """Give batches to the store in order, so that all wait together; returns what each call returned or raised."""

    def apply(batches: Sequence[Batch]) -> list[Any]:
        futures: list[Future[Applied]] = []
        with gate.shut():
            for batch in batches:
                before = gate.waiting(org)
                futures.append(pool.submit(store.apply, org.no, batch))
                until(lambda before=before: gate.waiting(org) > before)  # type: ignore[misc]
        return [future.exception(SOON) or future.result(SOON) for future in futures]

    return apply


def until(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.001)


# ---------------------------------------------------------------------- what each caller hears


def test_sixteen_threads_hear_each_what_their_own_batch_did(store: Store, org: Org, phone: Phone) -> None:
    store.apply(org.no, said(phone.jid, "first"))
    begin = threading.Barrier(16)

    def work(thread: int) -> list[tuple[Batch, Applied]]:
        begin.wait(SOON)
        batches = [said(phone.jid, *(f"{thread}-{n}-{i}" for i in range(1 + n % 3))) for n in range(12)]
        return [(batch, store.apply(org.no, batch)) for batch in batches]

    with ThreadPoolExecutor(16) as executor:
        heard = list(itertools.chain.from_iterable(executor.map(work, range(16))))
    numbers = stored(store, org, phone)
    assert len(numbers) == 1 + 16 * 24
    for batch, applied in heard:
        feed = store.feed.places_changed_since(org.no, applied.seq - applied.changed, applied.changed)
        observed = [event.message.key.id for event in batch.events if isinstance(event, MessageSeen)]
        assert {(change.what, change.no) for change in feed} == {("message", numbers[id]) for id in observed}
    assert_sound(store, org)


def test_those_that_wait_are_written_in_one_transaction_and_in_their_order(
    store: Store, org: Org, phone: Phone, gate: Gate, at_once: Callable[[Sequence[Batch]], list[Any]]
) -> None:
    before = gate.transactions
    applied = at_once([said(phone.jid, f"M{n}", raw=b"raw %d" % n, position=("stream", str(n))) for n in range(20)])
    assert gate.transactions == before + 1
    assert [one.seq for one in applied] == sorted({one.seq for one in applied})
    assert applied[-1].seq == store.version(org.no)
    assert store.position(org.no, "stream") == "19"
    assert len(stored(store, org, phone)) == 20
    assert_sound(store, org)


def test_what_is_told_twice_in_a_group_is_stored_once(
    store: Store, org: Org, phone: Phone, at_once: Callable[[Sequence[Batch]], list[Any]]
) -> None:
    reaction = ReactionSet(target=Target(phone.jid, CHAT, "M1"), by=CHAT, emoji="👍", at=MORNING)
    batches = [said(phone.jid, "M1"), said(phone.jid, "M1", "M2"), Batch(source="webhook", events=[reaction])]
    applied = at_once([*batches, *batches])
    assert [one.changed for one in applied[1:]] == [1, 1, 0, 0, 0]
    assert set(stored(store, org, phone)) == {"M1", "M2"}
    assert_sound(store, org)


def test_a_large_batch_goes_alone_and_nobody_is_passed_over(
    store: Store,
    org: Org,
    phone: Phone,
    gate: Gate,
    at_once: Callable[[Sequence[Batch]], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "MAX_EVENTS", 10)
    large = [said(phone.jid, *(f"{name}{n}" for n in range(30))) for name in "LM"]
    small = [said(phone.jid, f"S{n}") for n in range(14)]
    before = gate.transactions
    applied = at_once([*small[:2], large[0], *small[2:], large[1]])
    # The transactions have two batches, the large one, ten, two more, the other large one.
    assert gate.transactions == before + 5
    assert [one.seq for one in applied] == sorted({one.seq for one in applied})
    assert len(stored(store, org, phone)) == 14 + 60


# ---------------------------------------------------------------------- what goes wrong


def test_one_bad_batch_fails_alone(
    store: Store, org: Org, phone: Phone, at_once: Callable[[Sequence[Batch]], list[Any]]
) -> None:
    stranger = said("4915199999999@s.whatsapp.net", "X1", "X2")
    half = Batch(source="webhook", events=[*said(phone.jid, "H1").events, *stranger.events], position=("half", "1"))
    good = [said(phone.jid, f"M{n}") for n in range(6)]
    heard = at_once([*good[:3], stranger, half, *good[3:]])
    assert [type(one) for one in heard] == [Applied] * 3 + [NotFound] * 2 + [Applied] * 3
    assert set(stored(store, org, phone)) == {f"M{n}" for n in range(6)}
    assert store.position(org.no, "half") is None
    assert_sound(store, org)


def test_a_field_that_cannot_be_stored_holds_up_nobody(
    store: Store, org: Org, phone: Phone, gate: Gate, at_once: Callable[[Sequence[Batch]], list[Any]]
) -> None:
    before = gate.transactions
    with pytest.raises(BadField):
        store.apply(org.no, said(phone.jid, ""))
    assert gate.transactions == before
    assert [type(one) for one in at_once([said(phone.jid, "M1"), said(phone.jid, "M2")])] == [Applied, Applied]
    assert gate.transactions == before + 1


def test_when_a_group_cannot_be_committed_each_is_written_by_itself(
    store: Store, org: Org, phone: Phone, gate: Gate, at_once: Callable[[Sequence[Batch]], list[Any]]
) -> None:
    gate.go_wrong(Conflict("clash"))
    heard = at_once([said(phone.jid, f"M{n}") for n in range(5)])
    assert [type(one) for one in heard] == [Applied] * 5
    assert len(stored(store, org, phone)) == 5
    assert_sound(store, org)


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_commit_in_doubt_is_in_doubt_for_all_and_may_be_repeated(
    store: Store,
    org: Org,
    phone: Phone,
    gate: Gate,
    at_once: Callable[[Sequence[Batch]], list[Any]],
    after_commit: bool,
) -> None:
    batches = [said(phone.jid, f"M{n}") for n in range(5)]
    gate.go_wrong(StorageBusy("gone"), after_commit)
    heard = at_once(batches)
    assert [str(one) for one in heard] == ["gone"] * 5
    assert len({id(one) for one in heard}) == 5
    assert len(stored(store, org, phone)) == (5 if after_commit else 0)
    again = [store.apply(org.no, batch) for batch in batches]
    assert [one.changed == 0 for one in again] == [after_commit] * 5
    assert len(stored(store, org, phone)) == 5
    assert_sound(store, org)


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_leader_that_is_interrupted_leaves_nobody_waiting(
    store: Store,
    org: Org,
    phone: Phone,
    gate: Gate,
    at_once: Callable[[Sequence[Batch]], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    after_commit: bool,
) -> None:
    monkeypatch.setattr(group_commit, "MAX_EVENTS", 4)
    gate.go_wrong(KeyboardInterrupt(), after_commit)
    heard = at_once([said(phone.jid, f"M{n}") for n in range(10)])
    # Batches in the interrupted transaction have an unknown outcome; the next leader writes those behind them.
    assert [type(one) for one in heard] == [KeyboardInterrupt] + [StorageBusy] * 3 + [Applied] * 6
    assert len(stored(store, org, phone)) == (10 if after_commit else 6)
    assert type(store.apply(org.no, said(phone.jid, "after"))) is Applied
    assert_sound(store, org)


def test_who_is_interrupted_while_waiting_is_not_written(
    store: Store, org: Org, phone: Phone, gate: Gate, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    with gate.shut():
        first = pool.submit(store.apply, org.no, said(phone.jid, "M1"))
        until(lambda: gate.waiting(org) == 1)
        with monkeypatch.context() as patch:
            patch.setattr(group_commit, "Event", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.apply(org.no, said(phone.jid, "M2"))
        last = pool.submit(store.apply, org.no, said(phone.jid, "M3"))
        until(lambda: gate.waiting(org) == 2)
    assert [type(future.result(SOON)) for future in (first, last)] == [Applied, Applied]
    assert set(stored(store, org, phone)) == {"M1", "M3"}


def test_an_organisation_that_is_not_there_is_said_to_each(store: Store, org: Org, phone: Phone) -> None:
    with ThreadPoolExecutor(8) as executor:
        futures = [executor.submit(store.apply, 999, said(phone.jid, f"M{n}")) for n in range(8)]
    assert {type(future.exception(SOON)) for future in futures} == {NotFound}


# ---------------------------------------------------------------------- together as alone


class Pair:
    """One database for all histories, with two archives for each."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.store = open_store(database, folder)
        self._sql = PlainSql(database, folder)
        self._names = itertools.count()
        # Search segments depend on how writes are grouped into transactions; ``check`` verifies them.
        self._tables = [table for table in TENANT if table not in SEARCH]

    def close(self) -> None:
        self._sql.close()
        self.store.close()

    def new(self) -> int:
        org = self.store.create_org(f"org {next(self._names)}").no
        phones: list[Event] = [
            PhoneSeen(jid=jid, phone_id=f"phone-{jid.partition('@')[0]}", created_at=1) for jid in (ONE, TWO)
        ]
        batch = Batch(source="linked", events=phones)
        self.store._engine.write(lambda tx: apply_batch(tx, org, batch, 1, str), org)
        return org

    def contents(self, org: int) -> dict[str, list[str]]:
        """Every row of an organisation, column by column."""
        found = {}
        for table in self._tables:
            rows = self._sql.dicts(f"SELECT * FROM {table} WHERE org = ?", [org])
            if table == "tallies":
                # A bucket that was emptied again has a row, one that was never filled has none.
                rows = [row for row in rows if any(row[column] for column in COLUMNS)]
            found[table] = sorted(str(row | {"org": 0, "next_segment": 0}) for row in rows)
        assert self.store.version(org) == len(found["changes"])
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("pair"), own_database())
    yield made
    made.close()


def in_groups(batches: list[Batch], chance: random.Random) -> Iterator[list[Batch]]:
    left = list(batches)
    while left:
        size = chance.randrange(1, 7)
        yield left[:size]
        left = left[size:]


@settings(
    max_examples=examples(15, 100),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase is not Phase.shrink],
    print_blob=True,
)
@given(history=histories(), chance=st.randoms(use_true_random=False))
def test_a_group_leaves_what_its_batches_would_leave_one_by_one(
    pair: Pair, history: list[Observed], chance: random.Random
) -> None:
    """Compared row by row: numbers, times, the feed, the payloads, and what each caller receives."""
    observed = shuffled(history, chance)
    batches = [
        Batch(source=source, events=events, raw=b"%d" % chance.randrange(3), position=("at", str(n)))
        for n, (source, events) in enumerate(observed)
    ]
    engine, alone, grouped = pair.store._engine, pair.new(), pair.new()
    heard = [
        engine.write(lambda tx, batch=batch, n=n: apply_batch(tx, alone, batch, n, str), alone)  # type: ignore[misc]
        for n, batch in enumerate(batches)
    ]
    now = itertools.count()
    heard_together: list[Applied] = []
    for group in in_groups(batches, chance):
        heard_together += engine.write(lambda tx, group=group: write_group(tx, grouped, group, now), grouped)  # type: ignore[misc]
    assert heard_together == heard
    assert pair.contents(grouped) == pair.contents(alone)
    assert engine.read(lambda tx: findings_of_org(tx, grouped), grouped) == []


def write_group(tx: Txn, org: int, group: list[Batch], now: Iterator[int]) -> list[Applied]:
    session = Session(tx, org, str)
    session.expect(group)
    applied = [session.write(batch, next(now)) for batch in group]
    session.finish()
    return applied


def test_a_contact_was_changed_when_its_name_was_and_not_when_it_was_told_again(store: Store, org: Org) -> None:
    observed = [(5, "Anna"), (7, "Anne"), (9, "Anne")]
    seen = [ContactSeen(jid=CHAT, at=MORNING + now, push_name=name) for now, name in observed]
    batches = [Batch(source="webhook", events=[event]) for event in seen]
    store._engine.write(lambda tx: write_group(tx, org.no, batches, iter([5, 7, 9])), org.no)
    contact = store.find_contact(org.no, (), CHAT)
    assert contact is not None
    assert (contact.push_name, contact.stored_at, contact.changed_at) == ("Anne", 5, 7)


def test_a_chat_was_changed_when_its_messages_were_and_not_by_what_is_not_shown_yet(
    store: Store, org: Org, phone: Phone
) -> None:
    # That a chat has lines of an export is stored in its row, and shown to nobody; the reaction waits for its message.
    early = ReactionSet(target=Target(phone.jid, CHAT, "exp_1"), by=CHAT, emoji="👍", at=MORNING)
    batches = [said(phone.jid, "A"), said(phone.jid, "B"), Batch(source="webhook", events=[early])]
    store._engine.write(lambda tx: write_group(tx, org.no, batches, iter([5, 7, 9])), org.no)
    chat = store.find_chat(org.no, (phone.no,), CHAT)
    assert chat is not None
    assert (chat.stored_at, chat.changed_at) == (5, 7)


# ---------------------------------------------------------------------- kill -9

WRITERS = """
import sys, threading
from pathlib import Path
from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.storage.store import open_store

store = open_store(None, Path(sys.argv[1]))
org = store.find_org("Sample").no

def write(thread):
    for n in range(1_000_000):
        key = MessageKey("918527184400", "919537851844", f"{sys.argv[2]}-{thread}-{n}")
        message = Message(key=key, sent_at=1741856400000000 + n, from_me=False, text=key.id)
        applied = store.apply(org, Batch(source="webhook", events=[MessageSeen(message)]))
        sys.stdout.write(f"{key.id} {applied.seq}\\n")
        sys.stdout.flush()

for thread in range(16):
    threading.Thread(target=write, args=(thread,)).start()
"""


def test_every_acknowledged_message_of_sixteen_threads_is_there_after_kill_9(tmp_path: Path) -> None:
    store = open_store(None, tmp_path)
    org = store.create_org("Sample")
    phone = store.add_phone(org.no, "918527184400")
    acknowledged: dict[str, int] = {}
    for kill in range(4):
        command = [sys.executable, "-c", WRITERS, str(tmp_path), f"k{kill}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(50 + 70 * kill)]
        process.send_signal(signal.SIGKILL)
        heard += process.stdout.read().splitlines(keepends=True)
        process.stdout.close()
        process.wait()
        # The last line may be incomplete.
        observed = [line.split() for line in heard if line.endswith("\n")]
        acknowledged |= {id: int(seq) for id, seq in observed}
    numbers = stored(store, org, phone)
    feed = {
        change.no: change.seq
        for change in store.feed.places_changed_since(org.no, 0, 1_000_000)
        if change.what == "message"
    }
    assert len(acknowledged) >= 4 * 50
    assert {id: feed[numbers[id]] for id in acknowledged} == acknowledged
    assert len(feed) == len(numbers)
    assert_sound(store, org)
    store.close()
