"""Numbered files, each run once, in order.

Servers one version apart run on one database: a file that leaves everything in place that the version before it reads
and writes says so in a line ``-- compatible from: N``, N being the oldest schema whose program may go on. Data of which
nothing of the kind is known is from the future and refused. Such a file only adds: tables, indexes, and columns that
may be absent or have a default (``breaks_older``). What is left over goes a version later, in a file without the line.

A file that begins with ``-- concurrently`` holds nothing but index builds. PostgreSQL runs each of them by itself, so
that writers go on; cut and run again, it ends the same.
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
"""SQLite has one writer anyway. Who waits here has no snapshot yet; an index build would wait for that in turn."""
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
    """Those that ``engine`` runs, oldest first."""
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

    ``NewerData`` when it is so far ahead that this program cannot use it. ``copying`` is for whoever completes an
    unfinished copy (copy.py); others must keep out of it.
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
        # A user that may not make tables can still open an archive that another has made.
        if tx.one("count_directory", {}) != (2,):
            tx.run("create_migrations", {})
            tx.run("create_meta", {})

    try:
        engine.write(work)
    except Conflict:
        # PostgreSQL lets two IF NOT EXISTS collide; the other one has made the tables.
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
    """Whether it was this program that ran it, and not another that started at the same time."""
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
    """Comes before the migration itself: whoever writes it first has the migration to itself until it is done."""
    return (
        f"INSERT INTO migrations (version, name, applied_at) VALUES ({migration.version}, '{migration.name}', {now});\n"  # noqa: S608 - our own file
        f"INSERT INTO meta (key, value) VALUES ('compatible_from', '{oldest}') "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    )


def _settle(engine: Engine, copying: bool) -> None:
    """The database has an id of its own, and nobody works on a copy that is half there."""
    if read_meta(engine, "archive") is None:
        engine.write(lambda tx: tx.run("keep_meta", {"key": "archive", "value": str(uuid.uuid4())}))
    if not copying and read_meta(engine, "copying") is not None:
        raise StorageError(
            "This database holds an unfinished copy of another archive; run backscroll copy again, it goes on where it "
            "was cut, or use another database"
        )


def holds_archive(engine: Engine) -> bool:
    """Whether an archive was made in this database, of whatever version."""
    made = engine.read(lambda tx: tx.one("count_directory", {})) == (2,)
    return made and read_meta(engine, "archive") is not None


def read_meta(engine: Engine, key: str) -> str | None:
    """What holds for the database as a whole under this key; None when nothing does."""
    (value,) = engine.read(lambda tx: tx.one("read_meta", {"key": key})) or (None,)
    return None if value is None else str(value)


def applied(engine: Engine) -> set[int]:
    """Versions that have been run here."""
    return {int(version) for (version,) in engine.read(lambda tx: tx.all("list_migrations", {}))}


def breaks_older(migration: Migration) -> Iterator[str]:
    """Why the program of the version before could not go on after it, though it says so; nothing when it could."""
    if migration.compatible_from < migration.version:
        text = _COMMENT.sub("", migration.text)
        yield from (reason for pattern, reason in _BREAKING if pattern.search(text))
