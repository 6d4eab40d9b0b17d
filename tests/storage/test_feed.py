"""Pruning of the change feed: old lines are deleted in small steps, the kept ones have no gap, and caches notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from backscroll.core.answers import ChangedPlace
from backscroll.core.events import Batch
from backscroll.core.model import Org, Phone
from backscroll.http.last_changes import LastChanges, Shown
from backscroll.jobs.runner import go_round
from backscroll.storage.records.counters import DAY_US
from backscroll.storage.store import Store, open_store
from backscroll.storage.write import feed as feed_module
from conftest import MakeMessage

BEGIN = 20_000 * DAY_US + DAY_US // 2


class Calendar:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> int:
        return self.now

    def pass_days(self, days: int) -> None:
        self.now += days * DAY_US


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def store(tmp_path: Path, database_url: str | None, calendar: Calendar) -> Iterator[Store]:
    opened = open_store(database_url, tmp_path, calendar)
    yield opened
    opened.close()


def tell(store: Store, org: Org, make_message: MakeMessage, *ids: str) -> int:
    store.apply(org.no, Batch(source="gowa", events=[make_message(id) for id in ids]))
    return store.version(org.no)


def kept(store: Store, org: Org) -> list[int]:
    return [change.seq for change in store.feed.places_changed_since(org.no, 0, 1000)]


def test_the_feed_is_kept_for_some_days_without_a_gap(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, calendar: Calendar
) -> None:
    before = tell(store, org, make_message, "A", "B")
    for day in range(5):
        assert store.feed.run(org.no, 5) == 0
        tell(store, org, make_message, f"C{day}")
        calendar.pass_days(1)
    # No server ran on that day.
    calendar.pass_days(1)
    head = store.version(org.no)
    assert store.feed.run(org.no, 5) == before
    assert kept(store, org) == list(range(before + 1, head + 1))
    bounds = store.feed.bounds(org.no)
    assert (bounds.pruned, bounds.seq) == (before, head)
    assert [bounds.reach(place) for place in (before - 1, before, head, head + 1)] == [False, True, True, False]
    assert list(store.check()) == []


def test_a_feed_is_pruned_in_steps_and_once_a_day(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, calendar: Calendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "LINES", 2)
    before = tell(store, org, make_message, *"ABCDEFG")
    store.feed.run(org.no, 1)
    calendar.pass_days(2)
    asked = iter([False, False])
    assert store.feed.run(org.no, 1, lambda: next(asked, True)) == 4
    assert store.feed.bounds(org.no).pruned == 4
    assert list(store.check()) == []
    go_round(store, lambda: False, lambda _: None, changes_days=1)
    assert kept(store, org) == []
    assert store.feed.bounds(org.no).pruned == before
    assert list(store.check()) == []
    tell(store, org, make_message, "H")
    assert store.feed.run(org.no, 1) == 0
    assert len(kept(store, org)) == store.version(org.no) - before > 0


def test_a_chore_that_fails_does_not_prevent_the_others(
    store: Store,
    org: Org,
    phone: Phone,
    make_message: MakeMessage,
    calendar: Calendar,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    for chore in ("finish_merges", "tend_search"):
        monkeypatch.setattr(store, chore, fail)
    tell(store, org, make_message, "A")
    go_round(store, lambda: False, lambda _: None, changes_days=1)
    calendar.pass_days(4)
    go_round(store, lambda: False, lambda _: None, changes_days=1)
    assert kept(store, org) == []
    assert "merging contacts failed" in caplog.text
    assert "maintaining the search index failed" in caplog.text


def test_a_feed_can_be_kept_for_good(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, calendar: Calendar
) -> None:
    before = tell(store, org, make_message, "A")
    for _ in range(3):
        assert store.feed.run(org.no, 0) == 0
        calendar.pass_days(400)
    assert kept(store, org) == list(range(1, before + 1))
    # A limit that is set later applies at once: the days were recorded all the time.
    assert store.feed.run(org.no, 30) == before


def test_several_processes_may_prune_at_the_same_time(
    store: Store,
    org: Org,
    phone: Phone,
    make_message: MakeMessage,
    calendar: Calendar,
    database_url: str | None,
    tmp_path: Path,
) -> None:
    before = tell(store, org, make_message, "A", "B")
    store.feed.run(org.no, 1)
    calendar.pass_days(2)
    other = open_store(database_url, tmp_path, calendar)
    assert [store.feed.run(org.no, 1), other.feed.run(org.no, 1)] == [before, 0]
    other.close()


def test_what_is_known_of_a_pruned_feed_counts_as_changed(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage, calendar: Calendar
) -> None:
    async def run(read: Callable[[], Sequence[ChangedPlace]]) -> Sequence[ChangedPlace]:
        return read()

    async def work() -> None:
        known = LastChanges(store.feed.places_changed_since, run)
        known.begin(org.no, tell(store, org, make_message, "A"))
        later = tell(store, org, make_message, "B")
        store.feed.run(org.no, 1)
        calendar.pass_days(2)
        assert store.feed.run(org.no, 1) == later
        # No line is about this phone, but a pruned line may have been.
        assert await known.of(org.no, Shown((phone.no + 1,)), later) == later

    asyncio.run(work())
