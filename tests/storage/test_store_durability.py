"""Acknowledged messages are stored: after SIGKILL, with another process writing, and when the disk is full."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backscroll.core.errors import StorageFull
from backscroll.core.events import Batch, Event, MessageSeen
from backscroll.core.model import Message, MessageKey, Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.database.sqlite import SqliteEngine
from backscroll.storage.store import Store, open_store
from conftest import CHAT, MORNING

NUMBER = "918527184400"
WRITER = """
import sys
from pathlib import Path
from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.storage.store import open_store

url, folder, prefix, count = sys.argv[1] or None, Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
store = open_store(url, folder)
org = store.find_org("Sample").no
for n in range(count):
    keys = [MessageKey("918527184400", "919537851844", f"{prefix}{n}-{i}") for i in range(5)]
    events = [MessageSeen(Message(key=k, sent_at=1741856400000000 + n, from_me=False, text=k.id)) for k in keys]
    # Each batch is said twice, as by a client that heard no answer.
    for _ in range(2):
        store.apply(org, Batch(source="webhook", events=events))
    print(n, flush=True)
store.close()
"""


def writer(url: str | None, folder: Path, prefix: str, count: int = 1_000_000) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, url or "", str(folder), prefix, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def batch(phone: Phone, prefix: str, count: int, text: str = "hello") -> Batch:
    keys = [MessageKey(phone.jid, CHAT, f"{prefix}-{i}") for i in range(count)]
    events: list[Event] = [MessageSeen(Message(key=k, sent_at=MORNING, from_me=False, text=text)) for k in keys]
    return Batch(source="webhook", events=events)


def stored_ids(store: Store, org: Org, phone: Phone) -> list[str]:
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=1_000_000))
    assert page.total == len(page.messages)
    return [m.message.key.id for m in page.messages]


def test_every_acknowledged_batch_is_there_once_after_kill_9(
    store: Store, org: Org, phone: Phone, tmp_path: Path, database_url: str | None
) -> None:
    chance = random.Random(11)
    acknowledged: set[str] = set()
    for kill in range(5):
        process = writer(database_url, tmp_path, f"k{kill}-")
        assert process.stdout is not None
        heard = 0
        wanted = chance.randrange(3, 25)
        while heard < wanted:
            heard = int(process.stdout.readline()) + 1
        time.sleep(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        heard = max([heard, *(int(line) + 1 for line in process.stdout.read().splitlines())])
        process.stdout.close()
        process.wait()
        acknowledged |= {f"k{kill}-{n}-{i}" for n in range(heard) for i in range(5)}
    found = stored_ids(store, org, phone)
    assert len(found) == len(set(found))
    assert acknowledged <= set(found)
    assert len(found) % 5 == 0
    assert list(store.check()) == []


def test_two_processes_and_a_follower_miss_nothing(
    store: Store, org: Org, phone: Phone, tmp_path: Path, database_url: str | None
) -> None:
    """The feed has no gap and no number twice, whichever process writes."""
    start = store.version(org.no)
    seen: list[tuple[int, str, int]] = []
    writers = [writer(database_url, tmp_path, prefix, 40) for prefix in ("a", "b")]
    at = start
    deadline = time.monotonic() + 60
    while any(w.poll() is None for w in writers) or at < store.version(org.no):
        assert time.monotonic() < deadline
        changes = store.feed.places_changed_since(org.no, at, 37)
        seen += [(c.seq, c.what, c.no) for c in changes]
        at = changes[-1].seq if changes else at
    for w in writers:
        assert w.stdout is not None
        w.stdout.close()
    assert [seq for seq, _, _ in seen] == list(range(start + 1, store.version(org.no) + 1))
    observed = [no for _, what, no in seen if what == "message"]
    assert len(observed) == len(set(observed)) == 2 * 40 * 5
    assert list(store.check()) == []


def test_threads_that_write_at_once_share_one_feed(store: Store, org: Org, phone: Phone) -> None:
    def work(prefix: str) -> None:
        for n in range(10):
            store.apply(org.no, batch(phone, f"{prefix}{n}", 3))

    threads = [threading.Thread(target=work, args=(prefix,)) for prefix in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored_ids(store, org, phone)) == 4 * 10 * 3
    assert [c.seq for c in store.feed.places_changed_since(org.no, 0, 1000)] == list(
        range(1, store.version(org.no) + 1)
    )


# ---------------------------------------------------------------------- SQLite's own promises


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[tuple[Store, SqliteEngine]]:
    engine = SqliteEngine(tmp_path / "backscroll.db")
    store = Store(engine, tmp_path)
    store.migrate()
    yield store, engine
    store.close()


def test_every_commit_is_synced_to_a_write_ahead_log(lite: tuple[Store, SqliteEngine]) -> None:
    _, engine = lite
    assert engine._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert engine._writer.execute("PRAGMA synchronous").fetchone() == (2,)


def mounted(folder: Path, megabytes: int) -> bool:
    """Mount a small disk at ``folder``; returns whether this user may do so."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    return subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is on a disk of 8 MiB."""
    folder = tmp_path / "small"
    is_mounted = mounted(folder, 8)
    yield folder, is_mounted
    if is_mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_loses_nothing_and_writing_goes_on_after(small_disk: tuple[Path, bool]) -> None:
    folder, is_mounted = small_disk
    engine = SqliteEngine(folder / "backscroll.db")
    store = Store(engine, folder)
    store.migrate()
    org = store.create_org("Sample")
    phone = store.add_phone(org.no, NUMBER)
    if not is_mounted:
        # If no small disk can be mounted, a page limit makes SQLite report a full disk.
        engine._writer.execute("PRAGMA max_page_count = 400").fetchall()
    acknowledged = fill_up(store, org, phone)
    assert set(stored_ids(store, org, phone)) == acknowledged
    assert list(store.check()) == []
    if is_mounted:
        subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
    else:
        engine._writer.execute("PRAGMA max_page_count = 1073741823").fetchall()
    store.apply(org.no, batch(phone, "after", 5))
    assert len(stored_ids(store, org, phone)) == len(acknowledged) + 5
    assert list(store.check()) == []
    store.close()


def fill_up(store: Store, org: Org, phone: Phone) -> set[str]:
    """Write until the disk is full; returns the ids of the acknowledged messages."""
    chance = random.Random(3)
    acknowledged: set[str] = set()
    for n in range(10_000):
        observed = batch(phone, f"n{n}", 10, "".join(chance.choices("abcdefghij ", k=3000)))
        try:
            store.apply(org.no, observed)
        except StorageFull:
            return acknowledged
        acknowledged |= {f"n{n}-{i}" for i in range(10)}
    raise AssertionError("the disk never was full")


@pytest.mark.full
def test_how_fast_batches_and_single_messages_are_written(tmp_path: Path) -> None:
    store = open_store(None, tmp_path)
    org = store.create_org("Sample")
    phone = store.add_phone(org.no, NUMBER)
    chance = random.Random(1)
    words = [chance.choice("bcdfgklmnprst") + chance.choice("aeiou") + chance.choice("lmnrst") for _ in range(400)]
    figures = {}
    for size, count in ((1000, 40), (50, 200), (1, 1000)):
        batches = [speak(phone, chance, words, f"{size}-{n}", size) for n in range(count)]
        start = time.perf_counter()
        for observed in batches:
            store.apply(org.no, observed)
        figures[f"messages_per_second_by_{size}"] = round(size * count / (time.perf_counter() - start))
    print(json.dumps(figures))
    assert list(store.check()) == []
    store.close()


def speak(phone: Phone, chance: random.Random, words: list[str], prefix: str, size: int) -> Batch:
    events: list[Event] = []
    for i in range(size):
        chat = f"4915{int(chance.paretovariate(0.6)) % 2000:08}@s.whatsapp.net"
        text = " ".join(chance.choices(words, k=chance.randrange(3, 20)))
        key = MessageKey(phone.jid, chat, f"{prefix}-{i}")
        at = MORNING + chance.randrange(86_400 * 365) * 1_000_000
        events.append(MessageSeen(Message(key=key, sent_at=at, from_me=chance.random() < 0.4, text=text)))
    return Batch(source="backup", events=events)
