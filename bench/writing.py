"""What writing costs: an import through its connector, and single messages from many threads."""

from __future__ import annotations

import datetime
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct, structs

from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message
from backscroll.formats.timestamps import go_text
from bench.data import PHONES, events_of, memory_of
from bench.places import Place

GOWA_MESSAGES = 60_000
EXPORT_LINES = 60_000
WRITERS = 16

_GOWA = """
CREATE TABLE schema_info (version INTEGER PRIMARY KEY, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE chats (jid VARCHAR(255) NOT NULL, device_id VARCHAR(255) NOT NULL DEFAULT '', name VARCHAR(255) NOT NULL,
    last_message_time TIMESTAMP NOT NULL, ephemeral_expiration INTEGER DEFAULT 0, created_at TIMESTAMP,
    updated_at TIMESTAMP, PRIMARY KEY (jid, device_id));
CREATE TABLE messages (id VARCHAR(255) NOT NULL, chat_jid VARCHAR(255) NOT NULL,
    device_id VARCHAR(255) NOT NULL DEFAULT '', sender VARCHAR(255) NOT NULL, content TEXT,
    timestamp TIMESTAMP NOT NULL, is_from_me BOOLEAN DEFAULT FALSE, media_type VARCHAR(50), filename VARCHAR(255),
    url TEXT, media_key BLOB, file_sha256 BLOB, file_enc_sha256 BLOB, file_length INTEGER DEFAULT 0,
    created_at TIMESTAMP, updated_at TIMESTAMP, PRIMARY KEY (id, chat_jid, device_id));
CREATE TABLE devices (device_id VARCHAR(255) PRIMARY KEY, display_name VARCHAR(255) DEFAULT '',
    jid VARCHAR(255) DEFAULT '', created_at TIMESTAMP, updated_at TIMESTAMP);
"""


class Imported(Struct, frozen=True):
    messages: int
    seconds: float
    cpu: float
    most_memory: int
    """Bytes of its own (not mapped files) at most, sampled."""


def import_gowa(place: Place) -> Imported:
    """``backscroll import gowa`` of a database in the format of GOWA v8, from the start of the program to its end."""
    with TemporaryDirectory(prefix="backscroll-bench-") as name:
        given = Path(name) / "chatstorage.db"
        write_gowa(given)
        _run(["org", "create", "Bench"], place)
        began = time.perf_counter()
        usage = _run(["import", "gowa", str(given)], place)
        seconds = time.perf_counter() - began
        return Imported(GOWA_MESSAGES, seconds, usage.cpu, usage.most_memory)


def import_export(place: Place, lines: int = EXPORT_LINES) -> Imported:
    """``backscroll import export`` of one chat's text file, from the start of the program to its end."""
    with TemporaryDirectory(prefix="backscroll-bench-") as name:
        given = Path(name) / "WhatsApp Chat with Ana.txt"
        _write_export(given, lines)
        _run(["org", "create", "Bench"], place)
        _run(["phone", "add", "--number", "918527184400"], place)
        began = time.perf_counter()
        told = ["--phone", "918527184400", "--chat", "4915112345678", "--me", "Rob", "--timezone", "UTC", "--day-first"]
        usage = _run(["import", "export", str(given), *told], place)
        seconds = time.perf_counter() - began
        return Imported(lines, seconds, usage.cpu, usage.most_memory)


def _write_export(path: Path, lines: int) -> None:
    """A conversation between two people, seven lines a minute."""
    began = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    with path.open("w", encoding="utf-8") as file:
        for line in range(lines):
            at = began + datetime.timedelta(minutes=line // 7)
            file.write(f"{at:%d/%m/%Y, %H:%M} - {'Ana' if line % 3 else 'Rob'}: line {line} of a long conversation\n")


class Usage(Struct, frozen=True):
    cpu: float
    """Seconds."""
    most_memory: int


def _run(arguments: list[str], place: Place) -> Usage:
    command = [sys.executable, "-m", "backscroll", *arguments]
    process = subprocess.Popen(command, env=place.environ, stdout=subprocess.DEVNULL)
    most = 0
    while True:
        most = max(most, memory_of(process.pid)[0])
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.02)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return Usage(usage.ru_utime + usage.ru_stime, most)


def write_gowa(path: Path, first: int = 0) -> None:
    """GOWA's database with the generator's messages from ``first`` on; those from 10**9 on are in no archive."""
    with sqlite3.connect(path) as db:
        db.executescript(_GOWA)
        for number, device in PHONES:
            db.execute("INSERT INTO devices VALUES (?, ?, ?, NULL, NULL)", (device, device, f"{number}@s.whatsapp.net"))
        told = [event.message for at in range(first, first + GOWA_MESSAGES, 1000) for event in _seen(at)]
        db.executemany(f"INSERT INTO messages VALUES ({', '.join('?' * 16)})", map(_gowa_row, told))
        met = {(message.key.chat, _device(message)): go_text(message.sent_at) for message in told}
        chats = [(*where, where[0], at, 0, at, at) for where, at in met.items()]
        db.executemany("INSERT INTO chats VALUES (?, ?, ?, ?, ?, ?, ?)", chats)
    db.close()


def _seen(first: int) -> Iterator[MessageSeen]:
    return (event for event in events_of(first, 1000, max(GOWA_MESSAGES, 2 * first)) if isinstance(event, MessageSeen))


def _device(message: Message) -> str:
    return next(device for number, device in PHONES if number == message.key.phone)


def _gowa_row(message: Message) -> tuple[Any, ...]:
    key, media, at = message.key, message.details.media, go_text(message.sent_at)
    kind = None if media is None else {"voice": "audio"}.get(message.kind, message.kind)
    filename = None if media is None else media.filename
    hashes = (None, None, None) if media is None else (b"k" * 32, bytes.fromhex(media.sha256 or ""), b"e" * 32)
    size = 0 if media is None else media.size
    url = None if media is None else f"https://mmg.whatsapp.net{media.direct_path}"
    who = (key.id, key.chat, _device(message), key.sender, message.text or "")
    return (*who, at, message.from_me, kind, filename, url, *hashes, size, at, at)


def index_anew(place: Place) -> float:
    """Processor seconds of this program to make the search index of an archive from its messages."""
    with closing(place.open()) as store:
        org = store.list_orgs()[0].no
        store.remake_search(org, from_nothing=True)
        began = time.process_time()
        while store.tend_search(org):
            pass
        return time.process_time() - began


def write_singly(place: Place, seconds: float) -> float:
    """Messages a second that ``Store.apply`` acknowledges when 16 threads pass one at a time."""
    store = place.open()
    org = store.list_orgs()[0].no
    # Generated with another seed than the archive's, so that all are new.
    events = itertools.chain.from_iterable(map(_fresh, itertools.count(1)))
    lock, end, written = threading.Lock(), time.monotonic() + seconds, [0] * WRITERS

    def write(at: int) -> None:
        while time.monotonic() < end:
            with lock:
                event = next(events)
            store.apply(org, Batch(source="linked", events=[event]))
            written[at] += 1

    threads = [threading.Thread(target=write, args=(at,)) for at in range(WRITERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    store.close()
    return sum(written) / took


def _fresh(first: int) -> Iterator[MessageSeen]:
    for event in events_of(10**9 + first, 500, 2 * 10**9):
        if isinstance(event, MessageSeen):
            message = event.message
            named = structs.replace(message.details, push_name=None if message.from_me else "Someone")
            yield MessageSeen(structs.replace(message, details=named))
