"""What the process of a linked device has to remember itself, in a small SQLite file in the session's folder.

The secrets of messages, with which polls' votes and other additions to them are encrypted; additions that came before
the message that they belong to; calls that are not over; and files that are still to be fetched.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from backscroll.linked.spool import Entry

FIRST_PAUSE_US = 60_000_000
LAST_PAUSE_US = 6 * 3600 * 1_000_000
MAX_ATTEMPTS = 8
MAX_HELD = 10_000
MAX_CALL_SECONDS = 7 * 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS secrets (
    id TEXT NOT NULL, sender TEXT NOT NULL, secret BLOB NOT NULL, PRIMARY KEY (id, sender)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL, code INTEGER NOT NULL, at INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS held_for ON held (id);
CREATE TABLE IF NOT EXISTS files (
    no INTEGER PRIMARY KEY, chat TEXT NOT NULL, id TEXT NOT NULL, sender TEXT, live INTEGER NOT NULL, size INTEGER,
    sha256 TEXT NOT NULL, mimetype TEXT, filename TEXT, content BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0, UNIQUE (chat, id, sha256)
);
CREATE TABLE IF NOT EXISTS calls (id TEXT PRIMARY KEY, began INTEGER NOT NULL, video INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_next ON files (live DESC, next_at);
"""


class Secret(Struct, frozen=True):
    """The key that additions to the message ``id`` of ``sender`` are encrypted with."""

    id: str
    sender: str
    secret: bytes


class Wanted(Struct, frozen=True, kw_only=True):
    """A file of a message. ``content`` is the part of the message's protobuf that describes it."""

    no: int = 0
    chat: str
    id: str
    sender: str | None
    live: bool
    """It came just now, and not with old history: it is fetched first."""
    size: int | None
    sha256: str
    mimetype: str | None
    filename: str | None
    content: bytes
    attempts: int = 0


class Local:
    """The file ``local.db``. Its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def learn(self, secrets: Iterable[Secret], wanted: Iterable[Wanted]) -> None:
        """Keep secrets and files to fetch, in one transaction; what is known is left as it is."""
        secrets, wanted = list(secrets), list(wanted)
        if not secrets and not wanted:
            return
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO secrets (id, sender, secret) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(secret.id, secret.sender, secret.secret) for secret in secrets],
            )
            self._db.executemany(
                "INSERT INTO files (chat, id, sender, live, size, sha256, mimetype, filename, content) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(w.chat, w.id, w.sender, w.live, w.size, w.sha256, w.mimetype, w.filename, w.content) for w in wanted],
            )

    def secrets_of(self, id: str) -> list[Secret]:
        """Those of messages with this id: several senders may have chosen the same."""
        with self._lock:
            rows = self._db.execute("SELECT id, sender, secret FROM secrets WHERE id = ?", (id,)).fetchall()
        return [Secret(*row) for row in rows]

    def hold(self, id: str, entry: Entry) -> None:
        """Keep an addition until the message ``id`` brings its secret; the oldest goes when there are too many."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "INSERT INTO held (id, code, at, payload) VALUES (?, ?, ?, ?)",
                (id, entry.code, entry.at, entry.payload),
            )
            self._db.execute(
                "DELETE FROM held WHERE no <= (SELECT no FROM held ORDER BY no DESC LIMIT 1 OFFSET ?)", (MAX_HELD,)
            )

    def held_for(self, ids: Iterable[str]) -> list[tuple[int, Entry]]:
        """Additions that waited for one of these messages, with the number to forget each by."""
        found = []
        with self._lock:
            for id in ids:
                rows = self._db.execute("SELECT no, code, at, payload FROM held WHERE id = ?", (id,)).fetchall()
                found += [(no, Entry(0, code, at, payload)) for no, code, at, payload in rows]
        return found

    def forget_held(self, no: int) -> None:
        with self._lock:
            self._db.execute("DELETE FROM held WHERE no = ?", (no,))

    def call_began(self, id: str, began: int, video: bool) -> None:
        """Remember a call, whose end tells neither when it began nor what kind it was."""
        with self._lock:
            self._db.execute("INSERT INTO calls VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (id, began, video))
            self._db.execute("DELETE FROM calls WHERE began < ?", (began - MAX_CALL_SECONDS,))

    def beginning_of(self, id: str) -> tuple[int, bool] | None:
        """When a call began, in seconds, and whether it was a video call; None for one that is not known."""
        with self._lock:
            row = self._db.execute("SELECT began, video FROM calls WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        began, video = row
        return int(began), bool(video)

    def told(self, name: str) -> bytes | None:
        """The digest of what was told last under a name; None when nothing was."""
        with self._lock:
            row = self._db.execute("SELECT digest FROM told WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        (digest,) = row
        return bytes(digest)

    def note_told(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Remember the digests of what is being told."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO told (name, digest) VALUES (?, ?)", list(entries))

    def next_file(self, now: int) -> Wanted | None:
        """The file to fetch next: what came live before old history; None while none is due."""
        with self._lock:
            row = self._db.execute(
                "SELECT no, chat, id, sender, live, size, sha256, mimetype, filename, content, attempts FROM files "
                "WHERE next_at <= ? ORDER BY live DESC, attempts, no LIMIT 1",
                (now,),
            ).fetchone()
        if row is None:
            return None
        no, chat, id, sender, live, size, sha256, mimetype, filename, content, attempts = row
        return Wanted(
            no=no,
            chat=chat,
            id=id,
            sender=sender,
            live=bool(live),
            size=size,
            sha256=sha256,
            mimetype=mimetype,
            filename=filename,
            content=content,
            attempts=attempts,
        )

    def fetched(self, no: int) -> None:
        """The file is in the archive, or will never be had."""
        with self._lock:
            self._db.execute("DELETE FROM files WHERE no = ?", (no,))

    def put_off(self, wanted: Wanted, now: int) -> None:
        """Fetching failed: try later, each time after a longer pause, and give up after some."""
        if wanted.attempts + 1 >= MAX_ATTEMPTS:
            self.fetched(wanted.no)
            return
        pause = min(FIRST_PAUSE_US << (2 * wanted.attempts), LAST_PAUSE_US)
        with self._lock:
            self._db.execute(
                "UPDATE files SET attempts = attempts + 1, next_at = ? WHERE no = ?", (now + pause, wanted.no)
            )

    def files(self) -> int:
        """How many are still to be fetched."""
        with self._lock:
            (count,) = self._db.execute("SELECT COUNT(*) FROM files").fetchone()
        return int(count)
