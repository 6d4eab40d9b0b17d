"""Numbered files, each run once, in order.

Servers of adjacent versions can run on one database: a migration that keeps everything that the previous version reads
and writes has a line ``-- compatible from: N``, where N is the oldest schema whose program may continue. Newer data
without such information is refused. Such a file only adds tables, indexes, and columns that may be absent or have a
default (``breaks_older``). Leftovers are removed one version later, in a file without the line.

A file that begins with ``-- concurrently`` contains only index builds. PostgreSQL runs each of them separately, so that
writers can continue; after an interruption it can be run again.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from importlib.resources import files

from msgspec import Struct

from backscroll.core.errors import Conflict, NewerData, StorageError
from backscroll.database.protocol import Engine, Txn

_FILE = re.compile(r"(\d{4})_(\w+?)(?:\.(sqlite|postgres))?\.sql")
_COMPATIBLE = re.compile(r"^-- compatible from: (\d+)$", re.M)
_COMMENT = re.compile(r"--.*$", re.M)
_BUILD = re.compile(
    r"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS \w+ ON \w+ .+|DROP INDEX CONCURRENTLY IF EXISTS \w+", re.S
)
_LOCKS = {"postgres": "LOCK TABLE migrations IN SHARE ROW EXCLUSIVE MODE;\n"}
"""SQLite has one writer anyway. A process that waits here has no snapshot yet, because an index build would wait for
that.
"""
_BREAKING = (
    (re.compile(r"\bDROP\b", re.I), "drops something"),
    (re.compile(r"\bRENAME\b", re.I), "renames something"),
    (re.compile(r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+NOT\s+NULL|TYPE|SET\s+DATA)", re.I), "narrows a column"),
    (
        re.compile(r"\bADD\s+(COLUMN\s+)?\w+[^,;]*NOT\s+NULL(?![^,;]*DEFAULT)", re.I),
        "adds a column that must be filled",
    ),
    (re.compile(r"\bCREATE\s+UNIQUE\b|\bADD\s+(CONSTRAINT|UNIQUE|PRIMARY|CHECK|FOREIGN)\b", re.I), "adds a rule"),
)


class Migration(Struct, frozen=True, order=True):
    """One numbered file."""

    version: int
    name: str
    text: str

    @property
    def compatible_from(self) -> int:
        """The oldest schema whose program may run after this."""
        match = _COMPATIBLE.search(self.text)
        return int(match[1]) if match else self.version

    @property
    def concurrent(self) -> bool:
        """Whether it holds nothing but index builds."""
        return self.text.startswith("-- concurrently\n")

    @property
    def builds(self) -> list[str]:
        """The statements of a file of index builds."""
        statements = [s.strip() for s in _COMMENT.sub("", self.text).split(";") if s.strip()]
        for statement in statements:
            if not _BUILD.fullmatch(statement):
                raise StorageError(
                    f"Migration {self.version} is run concurrently, so it may only hold CREATE INDEX CONCURRENTLY "
                    "IF NOT EXISTS and DROP INDEX CONCURRENTLY IF EXISTS"
                )
        return statements


def migrations(engine: str) -> list[Migration]:
    """The migrations for ``engine``, oldest first."""
    found = []
    for file in (files("backscroll.database") / "sql" / "migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match and match[3] in (None, engine):
            found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    return sorted(found)


def migrate(
    engine: Engine, now: int, known: Sequence[Migration] | None = None, copying: bool = False
) -> list[Migration]:
    """Bring the database up to date and return what was run.

    Raises ``NewerData`` if it is too new for this program. ``copying`` is for completing an unfinished copy (copy.py);
    other programs must not use such a database.
    """
    known = migrations(engine.name) if known is None else known
    _make_directory(engine)
    done = applied(engine)
    _refuse_future(engine, done, known)
    ran = [migration for migration in known if migration.version not in done and _run(engine, migration, known, now)]
    _settle(engine, copying)
    return ran


def _make_directory(engine: Engine) -> None:
    def work(tx: Txn) -> None:
        # A user without the right to create tables can still open an existing archive.
        if tx.one("count_directory", {}) != (2,):
            tx.run("create_migrations", {})
            tx.run("create_meta", {})

    try:
        engine.write(work)
    except Conflict:
        # In PostgreSQL two IF NOT EXISTS may collide; the other process has created the tables.
        engine.write(work)


def _refuse_future(engine: Engine, done: set[int], known: Sequence[Migration]) -> None:
    newest = max((m.version for m in known), default=0)
    if not done or max(done) <= newest:
        return
    oldest = read_meta(engine, "compatible_from")
    if oldest is None or int(oldest) > newest:
        raise NewerData(
            f"This archive was written by a newer Backscroll (schema {max(done)}, this program knows {newest}); "
            "upgrade Backscroll, or restore a backup made by this version"
        )


def _run(engine: Engine, migration: Migration, known: Sequence[Migration], now: int) -> bool:
    """Returns whether this process ran it, and not another that started at the same time."""
    oldest = max(m.compatible_from for m in known if m.version <= migration.version)
    record = _LOCKS.get(engine.name, "") + _record(migration, oldest, now)
    try:
        if migration.concurrent:
            engine.build(record, migration.builds)
        else:
            engine.script(f"{record};\n{migration.text}")
    except Conflict:
        if migration.version not in applied(engine):
            raise
        return False
    return True


def _record(migration: Migration, oldest: int, now: int) -> str:
    """Runs before the migration itself: the process that writes this first has the migration to itself until it is
    done.
    """
    return (
        f"INSERT INTO migrations (version, name, applied_at) VALUES ({migration.version}, '{migration.name}', {now});\n"  # noqa: S608 - our own file
        f"INSERT INTO meta (key, value) VALUES ('compatible_from', '{oldest}') "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    )


def _settle(engine: Engine, copying: bool) -> None:
    """Give the database its own id, and refuse an unfinished copy."""
    if read_meta(engine, "archive") is None:
        engine.write(lambda tx: tx.run("keep_meta", {"key": "archive", "value": str(uuid.uuid4())}))
    if not copying and read_meta(engine, "copying") is not None:
        raise StorageError(
            "This database contains an unfinished copy of another archive; run backscroll copy again to continue it, "
            "or use another database"
        )


def holds_archive(engine: Engine) -> bool:
    """Whether an archive was made in this database, of whatever version."""
    made = engine.read(lambda tx: tx.one("count_directory", {})) == (2,)
    return made and read_meta(engine, "archive") is not None


def read_meta(engine: Engine, key: str) -> str | None:
    """The value of this key for the database as a whole; None if there is none."""
    (value,) = engine.read(lambda tx: tx.one("read_meta", {"key": key})) or (None,)
    return None if value is None else str(value)


def applied(engine: Engine) -> set[int]:
    """Versions that have been run here."""
    return {int(version) for (version,) in engine.read(lambda tx: tx.all("list_migrations", {}))}


def breaks_older(migration: Migration) -> Iterator[str]:
    """Why the previous version could not continue after it, although it claims so; empty if it could."""
    if migration.compatible_from < migration.version:
        text = _COMMENT.sub("", migration.text)
        yield from (reason for pattern, reason in _BREAKING if pattern.search(text))
