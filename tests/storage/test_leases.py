"""One process at a time does a piece of work; if it dies, another continues, and the first cannot resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from backscroll.core.errors import Conflict, StorageBusy
from backscroll.core.model import Org, Phone
from backscroll.database.pauses import PAUSE_SECONDS
from backscroll.database.protocol import Engine, Txn
from backscroll.jobs.runner import go_round
from backscroll.storage.accounts import leases
from backscroll.storage.accounts.leases import LEASE_US, Lease, LeaseLost
from backscroll.storage.store import Store, make_engine, open_store
from backscroll.storage.write import merge as merge_module
from backscroll.storage.write.merge import MERGING
from merging import fill, only_map, seen_as_one

T = TypeVar("T")


class Clock:
    """A clock that only the test sets, for the database's time too."""

    def __init__(self) -> None:
        self.now = 10**15

    def __call__(self, tx: Txn, now: int) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "_time", clock)
    return clock


def take(store: Store, org: Org, name: str = "work") -> Lease | None:
    return store._engine.write(lambda tx: leases.take(tx, org.no, name, store._clock()), org.no)


def keep(store: Store, lease: Lease) -> None:
    store._engine.write(lambda tx: leases.keep(tx, lease, store._clock()), lease.org)


def give_back(store: Store, lease: Lease) -> None:
    store._engine.write(lambda tx: leases.give_back(tx, lease), lease.org)


def test_one_has_it_until_it_is_given_back(store: Store, org: Org, clock: Clock) -> None:
    first = take(store, org)
    assert first is not None
    assert take(store, org) is None
    assert take(store, org, "other work") is not None
    give_back(store, first)
    second = take(store, org)
    assert second is not None
    assert second.term == first.term + 1
    assert [(held.name, held.holder, held.ends_at) for held in store.held_leases(org.no)][1] == (
        "work",
        second.holder,
        clock.now + LEASE_US,
    )


def test_a_holder_that_renews_keeps_it_and_a_silent_one_loses_it(store: Store, org: Org, clock: Clock) -> None:
    first = take(store, org)
    assert first is not None
    clock.now += LEASE_US - 1
    keep(store, first)
    clock.now += LEASE_US - 1
    assert take(store, org) is None
    clock.now += 1
    second = take(store, org)
    assert second is not None
    with pytest.raises(LeaseLost):
        keep(store, first)
    # The first holder has lost the lease, so that giving it back changes nothing.
    give_back(store, first)
    assert take(store, org) is None
    keep(store, second)


def test_a_clock_that_is_set_back_strands_no_lease(store: Store, org: Org, clock: Clock) -> None:
    assert take(store, org) is not None
    clock.now -= 1_000_000
    assert take(store, org) is None
    clock.now -= 3_600_000_000
    assert take(store, org) is not None


def test_nothing_of_a_transaction_stays_whose_lease_was_lost(store: Store, org: Org, clock: Clock) -> None:
    lost = take(store, org)
    assert lost is not None
    clock.now += LEASE_US
    assert take(store, org) is not None

    def work(tx: Txn) -> None:
        tx.run("save_position", {"org": org.no, "stream": "s", "place": "p", "told": None})
        leases.keep(tx, lost, 0)

    with pytest.raises(LeaseLost):
        store._engine.write(work, org.no)
    assert store.position(org.no, "s") is None


def test_organisations_have_leases_of_their_own(store: Store, org: Org) -> None:
    other = store.create_org("Other")
    assert take(store, org) is not None
    assert take(store, other) is not None
    assert len(store.held_leases(org.no)) == 1


def test_postgresqls_clock_counts_and_not_the_machines(postgres_url: str, tmp_path: Path) -> None:
    wrong = open_store(postgres_url, tmp_path, clock=lambda: 10**18)
    org = wrong.create_org("Sample")
    lease = take(wrong, org)
    assert lease is not None
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute(
            "SELECT abs(ends_at - %s - extract(epoch FROM clock_timestamp()) * 1000000) < 60000000 FROM leases",
            (LEASE_US,),
        ).fetchone()
    assert row == (True,)
    wrong.close()


# ------------------------------------------------------------------ merging under a lease


def test_what_another_process_moves_is_left_to_it(store: Store, org: Org, phone: Phone) -> None:
    fill(store, org, phone, 30)
    only_map(store, org)
    lease = take(store, org, MERGING)
    assert lease is not None
    assert not store.finish_merges(org.no)
    seen_as_one(store, org, phone, 30)
    give_back(store, lease)
    assert store.finish_merges(org.no)
    assert not store.finish_merges(org.no)
    seen_as_one(store, org, phone, 30)
    assert [held.ends_at for held in store.held_leases(org.no)] == [0]
    assert list(store.check()) == []


class Interrupted:
    """An engine that calls ``event`` once, after ``writes`` writes and before the next one."""

    def __init__(self, engine: Engine, writes: int, event: Callable[[], None]) -> None:
        self._engine = engine
        self._left = writes
        self._event = event

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def write(self, work: Callable[[Txn], T], org: int | None = None, *, can_wait: bool = False) -> T:
        self._left -= 1
        if self._left == -1:
            self._event()
        return self._engine.write(work, org, can_wait=can_wait)


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a merge take many small steps."""
    monkeypatch.setattr(merge_module, "MERGE_ROWS", 20)


@pytest.mark.usefixtures("few_rows")
def test_a_holder_that_slept_too_long_stops_and_the_next_one_ends_the_work(
    store: Store, org: Org, phone: Phone, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, org, phone, 60)
    only_map(store, org)
    taken: list[Lease | None] = []

    def oversleep() -> None:
        clock.now += LEASE_US
        taken.append(take(store, org, MERGING))

    with monkeypatch.context() as patch:
        patch.setattr(store, "_engine", Interrupted(store._engine, 3, oversleep))
        assert store.finish_merges(org.no)
    (second,) = taken
    assert second is not None
    keep(store, second)
    assert store._engine.read_one("pending_merges", {"org": org.no}, org.no) is not None
    seen_as_one(store, org, phone, 60)
    give_back(store, second)
    assert store.finish_merges(org.no)
    seen_as_one(store, org, phone, 60)
    assert list(store.check()) == []


@pytest.mark.usefixtures("few_rows")
def test_a_server_that_ends_gives_its_work_back_at_once(store: Store, org: Org, phone: Phone) -> None:
    fill(store, org, phone, 60)
    only_map(store, org)
    # For the organisation, three chores, the merges, and their first step.
    asked = iter([*[False] * 6, True])
    go_round(store, lambda: next(asked, True), lambda _: None)
    assert [held.ends_at for held in store.held_leases(org.no)] == [0]
    assert store._engine.read_one("pending_merges", {"org": org.no}, org.no) is not None
    go_round(store, lambda: False, lambda _: None)
    assert store._engine.read_one("pending_merges", {"org": org.no}, org.no) is None
    seen_as_one(store, org, phone, 60)


@pytest.mark.parametrize("error", [StorageBusy("away"), Conflict("clash"), ValueError("broken")])
def test_what_goes_wrong_with_one_organisation_does_not_keep_the_others_waiting(
    store: Store, org: Org, monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    other = store.create_org("Other")
    seen: list[int] = []

    def finish(no: int, stop: Callable[[], bool]) -> bool:
        seen.append(no)
        if no == org.no:
            raise error
        return False

    monkeypatch.setattr(store, "finish_merges", finish)
    go_round(store, lambda: False, lambda _: None)
    assert seen == [org.no, other.no]
    assert type(error).__name__ in caplog.text
    assert str(error) not in caplog.text


@pytest.mark.usefixtures("few_rows")
def test_a_database_that_goes_away_leaves_a_lease_that_ends_by_itself(
    store: Store, org: Org, phone: Phone, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, org, phone, 60)
    only_map(store, org)

    def go_away() -> None:
        raise StorageBusy("The database is not available now")

    with monkeypatch.context() as patch:
        engine = Interrupted(store._engine, 3, go_away)
        patch.setattr(store, "_engine", engine)
        patch.setattr(leases, "give_back", lambda *_: go_away())
        with pytest.raises(StorageBusy):
            store.finish_merges(org.no)
    assert not store.finish_merges(org.no)
    clock.now += LEASE_US
    assert store.finish_merges(org.no)
    seen_as_one(store, org, phone, 60)


def test_a_dump_waits_for_what_another_process_moves(tmp_path: Path, database_url: str | None) -> None:
    waited: list[float] = []
    store = Store(make_engine(database_url, tmp_path), tmp_path)
    store.migrate()
    org = store.create_org("Sample")
    phone = store.add_phone(org.no, "918527184400")
    fill(store, org, phone, 20)
    only_map(store, org)
    lease = take(store, org, MERGING)
    assert lease is not None

    def sleep(seconds: float) -> None:
        if seconds == PAUSE_SECONDS:
            # A pause between two steps of the merge, which goes on once the lease is given back.
            return
        waited.append(seconds)
        if len(waited) == 3:
            give_back(store, lease)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backscroll.storage.transfer.dump.time.sleep", sleep)
        assert store.dump(org.no, lambda dump: True)
    assert len(waited) == 3
    store.close()
