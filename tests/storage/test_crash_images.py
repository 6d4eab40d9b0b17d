"""The disk holds a valid archive at any moment; messages are on it, and synced, before they are acknowledged."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import apsw
import pytest

from backscroll.storage.store import Store, open_store

IMAGES = 25
MANY_IMAGES = 100
SYNCS = 100
WRITER = """
import os, sys
from pathlib import Path
from backscroll.core.events import Batch, MediaHeld, MessageSeen, Target
from backscroll.core.model import Media, Message, MessageKey
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import open_store

folder, count, with_files = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "files"
store, media = open_store(sys.argv[4] or None, folder), MediaStore(folder / "media", b"k" * 32)
org, phone, chat = store.find_org("Sample").no, "918527184400", "919537851844"
for n in range(count):
    events = []
    for i in range(3):
        key = MessageKey(phone, chat, f"{n}-{i}")
        events.append(MessageSeen(Message(key=key, sent_at=1741856400000000 + n, from_me=False, text=key.id)))
    if with_files:
        file = media.put(org, os.urandom(20000), max_bytes=10**6, declared_mimetype=None, filename=None)
        events.append(MediaHeld(target=Target(phone, chat, f"{n}-0"), media=Media(file=file.sha256, size=file.size)))
    store.apply(org, Batch(source="webhook", events=events))
    print(n, flush=True)
"""


def make_archive(folder: Path, database: str | None = None) -> Store:
    store = open_store(database, folder)
    org = store.create_org("Sample").no
    store.add_phone(org, "918527184400")
    return store


def command(folder: Path, count: int, files: str, database: str | None = None) -> list[str]:
    return [sys.executable, "-c", WRITER, str(folder), str(count), files, database or ""]


def test_a_copy_of_the_disk_at_any_moment_is_a_whole_archive_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    take_images(tmp_path, IMAGES)


@pytest.mark.full
def test_a_hundred_copies_of_the_disk_are_whole_archives_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    take_images(tmp_path, MANY_IMAGES)


def take_images(tmp_path: Path, images: int) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    live = tmp_path / "live"
    make_archive(live).close()
    process = subprocess.Popen(command(live, 10**9, "files"), stdout=subprocess.PIPE, text=True)
    acknowledged: list[int] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: acknowledged.extend(map(int, process.stdout or ())))
    reader.start()
    try:
        while not acknowledged:
            time.sleep(0.01)
        for number in range(images):
            time.sleep(chance.uniform(0.0, 0.08))
            # The writer is stopped while the image is checked, so that the archive stays small.
            process.send_signal(signal.SIGSTOP)
            image, told = take_image(live, tmp_path / f"image{number}", acknowledged)
            check_image(image, told, f"seed {seed}, image {number}", thorough=number % 8 == 0)
            shutil.rmtree(image)
            process.send_signal(signal.SIGCONT)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def take_image(live: Path, image: Path, acknowledged: list[int]) -> tuple[Path, int]:
    """Copy the files while the writer is stopped; returns the copy and the last number printed by then."""
    time.sleep(0.02)  # What it printed before it was stopped is in the pipe; the reader needs time to read it.
    told = acknowledged[-1]
    # The -shm file does not survive a crash.
    shutil.copytree(live, image, ignore=shutil.ignore_patterns("*-shm"))
    return image, told


def check_image(image: Path, told: int, where: str, thorough: bool) -> None:
    db = apsw.Connection(str(image / "backscroll.db"))
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
    stored = db.execute("SELECT count(*) FROM messages WHERE CAST(id AS INTEGER) <= ?", (told,)).fetchall()
    assert stored == [(3 * (told + 1),)], where
    named = [file for (file,) in db.execute("SELECT file FROM files")]
    db.close()
    for file in (path for path in (image / "media").rglob("*") if path.is_file() and ".incoming" not in path.parts):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name, where
    assert all((image / "media" / "1" / file[:2] / file).is_file() for file in named), where
    if thorough:
        store = open_store(None, image)
        assert list(store.check(image / "media", read_files=True)) == [], where
        store.close()


def test_a_batch_is_acknowledged_after_its_log_is_synced(tmp_path: Path) -> None:
    """Checked by the system calls: killing a process does not show what was synced to disk."""
    make_archive(tmp_path).close()
    lines = traced(tmp_path, "write,fsync,fdatasync")
    assert acknowledged_without(lines, r"f(?:data)?sync\(\d+<[^>]*backscroll\.db-wal>\)\s+= 0") == []


def test_a_batch_on_postgresql_is_acknowledged_after_the_server_said_that_it_is_committed(
    tmp_path: Path, postgres_url: str
) -> None:
    store = make_archive(tmp_path, postgres_url)
    store._engine._statements["asked"] = "SHOW synchronous_commit"  # type: ignore[attr-defined]
    assert store._engine.write(lambda tx: tx.one("asked", {})) == ("on",)
    store.close()
    lines = traced(tmp_path, "write,read,recvfrom,recvmsg", postgres_url)
    # The server answers that rows were inserted, then that COMMIT is complete and no transaction is open.
    committed = r'"C\\0\\0\\0\\vCOMMIT\\0[^"]*Z\\0\\0\\0\\5I"'
    assert acknowledged_without(lines, r"INSERT 0 [1-9]", committed) == []


def traced(folder: Path, calls: str, database: str | None = None) -> list[str]:
    """The system calls of a writer that acknowledges ``SYNCS`` batches."""
    trace = folder / "trace"
    strace = ["strace", "-f", "-y", "-s", "4096", "-e", f"trace={calls}", "-o", str(trace)]
    run = [*strace, *command(folder, SYNCS, "", database)]
    told = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert told == [str(n) for n in range(SYNCS)]
    return trace.read_text(errors="replace").splitlines()


def acknowledged_without(lines: list[str], *steps: str) -> list[int]:
    """Numbers of the batches that were acknowledged without these calls, in this order, since the batch before."""
    done, acknowledged, found = 0, 0, []
    for line in lines:
        if told := re.search(r'write\(1<[^>]*>, "(\d+)', line):
            acknowledged += 1
            if done < len(steps):
                found.append(int(told[1]))
            done = 0
        elif done < len(steps) and re.search(steps[done], line):
            done += 1
    assert acknowledged == SYNCS
    return found
