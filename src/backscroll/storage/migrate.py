"""Numbered files, each run once, in order. Data from the future is refused."""

from __future__ import annotations

import re
from importlib.resources import files

from msgspec import Struct

from backscroll.errors import Conflict, NewerData
from backscroll.storage.engine import Engine

_FILE = re.compile(r"(\d{4})_(\w+?)(?:\.(sqlite|postgres))?\.sql")


class Migration(Struct, frozen=True, order=True):
    version: int
    name: str
    text: str


def migrations(engine: str) -> list[Migration]:
    """Those that ``engine`` runs, oldest first."""
    found = []
    for file in (files("backscroll.storage") / "sql" / "migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match and match[3] in (None, engine):
            found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    return sorted(found)


def migrate(engine: Engine, now: int) -> list[Migration]:
    """Bring the database up to date and return what was run; ``NewerData`` when it is ahead of this program."""
    known = migrations(engine.name)
    try:
        engine.write(lambda tx: tx.run("create_migrations", {}))
    except Conflict:
        # PostgreSQL lets two IF NOT EXISTS collide.
        pass
    done = applied(engine)
    newest = max((m.version for m in known), default=0)
    if done and max(done) > newest:
        raise NewerData(
            f"This archive was written by a newer Backscroll (schema {max(done)}, this program knows {newest}); "
            "upgrade Backscroll, or restore a backup made by this version"
        )
    ran = []
    for migration in (m for m in known if m.version not in done):
        try:
            engine.script(_recorded(migration, now))
        except Conflict:
            # Another process that starts at the same time was first.
            if migration.version not in applied(engine):
                raise
        else:
            ran.append(migration)
    return ran


def _recorded(migration: Migration, now: int) -> str:
    """The record comes first: whoever writes it has the migration to itself until it is done."""
    return (
        f"INSERT INTO migrations (version, name, applied_at) VALUES ({migration.version}, '{migration.name}', {now});\n"  # noqa: S608 - our own file
        f"{migration.text}"
    )


def applied(engine: Engine) -> set[int]:
    return {int(row[0]) for row in engine.read(lambda tx: tx.all("list_migrations", {}))}
