"""The database itself: its own integrity check, and that no table or index has gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backscroll.database.migrate import migrations
from backscroll.database.protocol import Txn
from backscroll.storage.transfer.check.findings import Finding

_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+) ON [^;]+", re.S)
_STEP = re.compile(
    r"CREATE (?:VIRTUAL )?TABLE (?:IF NOT EXISTS )?(?P<table>\w+)"
    r"|CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(?P<index>\w+) ON (?P<of>\w+)"
    r"|DROP (?:TABLE|INDEX) (?:CONCURRENTLY )?(?:IF EXISTS )?(?P<gone>\w+)"
)
INDEX = "index is missing"


def structure(tx: Txn, engine: str) -> Iterator[Finding]:
    """Damage of the database file, and tables or indexes that are missing."""
    for (told,) in tx.all("integrity_check", {}):
        if told != "ok":
            is_index = "index" in str(told)
            yield Finding(0, "database is damaged", str(told), repairable=is_index)
    tables, indexes = _migrated(engine)
    there = {name for (name,) in tx.all("list_tables", {})}
    for name in sorted(tables - there):
        yield Finding(0, "table is missing", name)
    there = {name for (name,) in tx.all("list_indexes", {})}
    for name in sorted(indexes - there):
        yield Finding(0, INDEX, name, repairable=True, key=(name,))


def _migrated(engine: str) -> tuple[set[str], set[str]]:
    """The tables and indexes that all migrations leave, one after the other. With a table go its indexes."""
    tables: set[str] = set()
    indexes: dict[str, str] = {}
    for step in (step for migration in migrations(engine) for step in _STEP.finditer(migration.text)):
        if step["table"]:
            tables.add(step["table"])
        elif step["index"]:
            indexes[step["index"]] = step["of"]
        else:
            tables.discard(step["gone"])
            indexes = {name: table for name, table in indexes.items() if step["gone"] not in (name, table)}
    return tables, set(indexes)


def index_statement(engine: str, name: str) -> str:
    """The statement that makes an index."""
    found = [match[0] for m in migrations(engine) for match in _INDEX.finditer(m.text) if match[1] == name]
    return found[-1].replace(" CONCURRENTLY", "")
