"""The backup drill of docs/operating.md with an archive of realistic size, on both engines."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.storage.files.media import MediaStore
from backscroll.storage.files.opening import RESTORE_MARK
from backscroll.storage.store import Store, open_store
from postgres_server import Databases

pytestmark = pytest.mark.full

MANY = 100_000
ROUNDS = 3
SECONDS = 120
FRIENDS = tuple(f"49151{n:08}@s.whatsapp.net" for n in range(40))
OWN = "918527184400@s.whatsapp.net"


def batch(start: int, many: int) -> Batch:
    return Batch(source="linked", events=tuple(said(n) for n in range(start, start + many)))


def said(n: int) -> MessageSeen:
    key = MessageKey(OWN, FRIENDS[n % len(FRIENDS)], f"3EB0{n:08}", None)
    words = f"message {n} about loaves, rolls and the weather of tomorrow"
    return MessageSeen(Message(key=key, sent_at=10**15 + n * 10**6, from_me=False, kind="text", text=words))


class Writer(threading.Thread):
    """Writes about 300 messages a second until it is stopped; ``acknowledged`` is how many are on disk."""

    def __init__(self, store: Store, first: int) -> None:
        super().__init__()
        self._store, self.acknowledged, self.stop = store, first, threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.1):
            self._store.apply(1, batch(self.acknowledged, 30))
            self.acknowledged += 30


def command(*arguments: str, kill_after: float | None = None) -> int:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    with subprocess.Popen(
        [sys.executable, "-m", "backscroll", *arguments], env=environ, stdout=subprocess.DEVNULL, text=True
    ) as process:
        if kill_after is not None:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        return process.wait(timeout=SECONDS)


def ids(store: Store) -> list[str]:
    """The ids of all messages in the archive."""
    return store.dump(
        1, lambda dump: [line.event.message.key.id for line in dump.lines if isinstance(line.event, MessageSeen)]
    )


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_nothing_acknowledged_is_lost_whatever_is_killed(engine: str, tmp_path: Path, databases: Databases) -> None:
    data, kept = tmp_path / "data", tmp_path / "kept"
    names = [databases.create() for _ in range(ROUNDS + 1)] if engine == "postgres" else []
    at = ["--database", databases.url(names[0])] if names else []
    store = open_store(at[1] if at else None, data)
    store.create_org("Bakery")
    store.add_phone(1, "918527184400")
    for start in range(0, MANY, 1000):
        store.apply(1, batch(start, 1000))
    media = MediaStore(data / "media", store.key())
    for n in range(200):
        media.put(1, hashlib.sha256(bytes([n])).digest() * 500, max_bytes=10**6, declared_mimetype=None, filename=None)
    writer = Writer(store, MANY)
    writer.start()
    try:
        for round in range(ROUNDS):
            command("backup", str(kept), "--data", str(data), *at, kill_after=0.6 + round * 0.2)
            before = writer.acknowledged
            assert command("backup", str(kept), "--data", str(data), *at) == 0
            target = tmp_path / f"restored{round}"
            to = ["--database", databases.url(names[round + 1])] if names else []
            command("restore", str(kept), "--data", str(target), *to, kill_after=0.5 + round * 0.2)
            if (target / RESTORE_MARK).exists():
                assert command("check", "--data", str(target), *to) == 1
            begun = time.monotonic()
            assert command("restore", str(kept), "--data", str(target), *to) in {0, 2}
            assert command("check", "--data", str(target), *to) == 0
            print(f"{engine}, round {round}: restored and checked in {time.monotonic() - begun:.1f} s")
            restored = open_store(to[1] if to else None, target, create=False)
            found = ids(restored)
            restored.close()
            assert len(found) == len(set(found))
            assert {f"3EB0{n:08}" for n in range(before)} <= set(found)
            shutil.rmtree(target)
    finally:
        writer.stop.set()
        writer.join()
        store.close()
        for name in names:
            databases.drop(name)
