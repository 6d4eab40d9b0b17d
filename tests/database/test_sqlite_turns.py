"""Writers of one SQLite file: long work notices that another writer waits, in any process."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from backscroll.core.errors import StorageBusy
from backscroll.database.protocol import Txn
from backscroll.database.sqlite import CHECKPOINT_PAGES, IMPORT_PAGES, SqliteEngine
from backscroll.database.sqlite_turns import Turns

SOON = 60.0
"""Seconds after which a wait fails the test."""


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers count only while they are waiting."""
    monkeypatch.setattr("backscroll.database.sqlite_turns.SHARED_SECONDS", 0.0)


def _write_when_free(path: str, waits: Any, wrote: Any) -> None:
    engine = SqliteEngine(Path(path))
    look = engine._turns.wait

    def wait(tried: int) -> bool:
        again = look(tried)
        waits.set()
        return again

    engine._writer.set_busy_handler(wait)
    engine.write(lambda tx: None)
    wrote.set()
    engine.close()


@pytest.mark.usefixtures("forgetful")
def test_who_waits_in_another_process_is_seen_and_comes_in_between(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "backscroll.db")
    spawn = multiprocessing.get_context("spawn")
    waits, wrote = spawn.Event(), spawn.Event()

    def work(tx: Txn) -> None:
        assert not engine.is_wanted()
        other.start()
        assert waits.wait(SOON)
        assert engine.is_wanted()

    other = spawn.Process(target=_write_when_free, args=(str(tmp_path / "backscroll.db"), waits, wrote))
    engine.write(work)
    assert wrote.wait(SOON)
    other.join(SOON)
    assert not engine.is_wanted()
    engine.close()


@pytest.mark.usefixtures("forgetful")
def test_who_waits_in_another_thread_is_seen(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "backscroll.db")
    began = threading.Event()

    def write() -> None:
        began.set()
        engine.write(lambda tx: None)

    other = threading.Thread(target=write)

    def work(tx: Txn) -> None:
        assert not engine.is_wanted()
        other.start()
        until(engine.is_wanted)

    engine.write(work)
    other.join(SOON)
    assert not engine.is_wanted()
    engine.close()


@pytest.mark.usefixtures("forgetful")
def test_for_a_writer_that_can_wait_no_work_is_shortened(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "backscroll.db")
    began = threading.Event()

    def write() -> None:
        began.set()
        engine.write(lambda tx: None, can_wait=True)

    other = threading.Thread(target=write)

    def work(tx: Txn) -> None:
        other.start()
        assert began.wait(SOON)
        for _ in range(5):
            assert not engine.is_wanted()
            other.join(0.01)
        assert other.is_alive()

    engine.write(work)
    other.join(SOON)
    assert not other.is_alive()
    engine.close()


def test_only_commits_of_writers_that_cannot_wait_prolong_a_pause(tmp_path: Path) -> None:
    turns, version = Turns(tmp_path), 1
    look = turns._others(lambda: version)
    assert look() == 0
    with turns.taken(can_wait=True):
        assert look() == 0
        version = 2
        assert look() == 0
    with turns.taken(can_wait=True):
        version = 3
    assert look() == 0
    with turns.taken():
        version = 4
        assert look() == 1
    version = 5
    assert look() == 2
    assert look() == 2
    turns.close()


def test_a_turn_that_ends_while_it_is_looked_for_prolongs_no_pause(tmp_path: Path) -> None:
    turns = Turns(tmp_path)
    versions = iter((1, 1, 2, 3))

    def version() -> int:
        found = next(versions)
        if found == 1 and look_is_made:
            # Commits after this version was read, and is done before anything else is looked at.
            with turns.taken(can_wait=True):
                pass
        return found

    look_is_made = False
    look = turns._others(version)
    look_is_made = True
    assert [look(), look(), look()] == [0, 0, 1]
    turns.close()


def until(is_so: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(SOON / 0.01)):
        if is_so():
            return
        waiting.wait(0.01)
    raise AssertionError("it never happened")


def test_a_writer_gives_up_when_another_process_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SqliteEngine(tmp_path / "backscroll.db")
    monkeypatch.setattr("backscroll.database.sqlite_turns.BUSY_SECONDS", 0.05)
    other = apsw.Connection(str(tmp_path / "backscroll.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageBusy):
        engine.write(lambda tx: None)
    assert not engine.is_wanted()
    other.execute("ROLLBACK")
    engine.write(lambda tx: None)
    engine.close()


def test_several_can_create_the_same_file_at_once(tmp_path: Path) -> None:
    """A program that does not wait for the others fails in about one round of thirty."""
    starters = 6
    barrier = threading.Barrier(starters, timeout=SOON)

    def start(number: int) -> None:
        barrier.wait()
        SqliteEngine(tmp_path / f"{number}.db").close()

    with ThreadPoolExecutor(starters) as pool:
        for number in range(100):
            for opened in [pool.submit(start, number) for _ in range(starters)]:
                opened.result()


def test_a_folder_that_cannot_be_locked_keeps_nobody_from_writing(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "none")
    with turns.taken():
        assert turns.wait(0)
    assert not turns.is_wanted()
    turns.close()


def test_the_log_grows_larger_only_while_an_import_goes_on(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "backscroll.db")

    def pages() -> Any:
        return engine._writer.execute("PRAGMA wal_autocheckpoint").fetchall()[0][0]

    assert pages() == CHECKPOINT_PAGES
    with engine.bulk(), engine.bulk():
        assert pages() == IMPORT_PAGES
    assert pages() == CHECKPOINT_PAGES
    engine.close()
