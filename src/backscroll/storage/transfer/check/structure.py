"""The database itself: its own integrity check, and that no table or index has gone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backscroll.database.migrate import migrations
from backscroll.database.protocol import Txn
from backscroll.storage.transfer.check.findings import Finding

_TABLE = re.compile(r"CREATE (?:VIRTUAL )?TABLE (?:IF NOT EXISTS )?(\w+)")
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?(\w+) ON [^;]+", re.S)
_DROPPED = re.compile(r"DROP (?:TABLE|INDEX) (?:CONCURRENTLY )?(?:IF EXISTS )?(\w+)")
INDEX = "index is there"


def structure(tx: Txn, engine: str) -> Iterator[Finding]:
    """Damage of the database file, and tables or indexes that are missing."""
    for (told,) in tx.all("integrity_check", {}):
        if told != "ok":
            is_index = "index" in str(told)
            yield Finding(0, "integrity of the database", str(told), repairable=is_index)
    there = {row[0] for row in tx.all("list_tables", {})}
    for name in sorted(_names(engine, _TABLE) - there):
        yield Finding(0, "table is there", name)
    there = {row[0] for row in tx.all("list_indexes", {})}
    for name in sorted(_names(engine, _INDEX) - there):
        yield Finding(0, INDEX, name, repairable=True, key=(name,))


def _names(engine: str, shape: re.Pattern[str]) -> set[str]:
    texts = [migration.text for migration in migrations(engine)]
    dropped = {name for text in texts for name in _DROPPED.findall(text)}
    return {match[1] for text in texts for match in shape.finditer(text)} - dropped


def index_statement(engine: str, name: str) -> str:
    """The statement that makes an index."""
    found = [match[0] for m in migrations(engine) for match in _INDEX.finditer(m.text) if match[1] == name]
    return found[-1].replace(" CONCURRENTLY", "")
