"""The archive's own schema on plain PostgreSQL, with its tenant tables hash-partitioned by organisation.

PostgreSQL then refuses a unique key without org, as Citus does, and plans show which partitions a statement reads.
With ``BACKSCROLL_TEST_SHADOW=1`` every test of the store runs on it.
"""

from __future__ import annotations

import os
import re

from msgspec import structs

from backscroll.database.migrate import Migration, migrate, migrations
from backscroll.database.postgres.engine import PostgresEngine
from backscroll.database.tables import TENANT

PARTITIONS = 8
WANTED = os.environ.get("BACKSCROLL_TEST_SHADOW") == "1"

_TABLE = re.compile(rf"CREATE TABLE ({'|'.join(TENANT)}) \((.*?)^\)( WITHOUT ROWID)?;", re.S | re.M)


def shadowed(migration: Migration) -> Migration:
    """The migration with its tenant tables partitioned. Indexes are not built concurrently: PostgreSQL refuses that."""
    text = migration.text.removeprefix("-- concurrently\n").replace(" CONCURRENTLY", "")
    return structs.replace(migration, text=_TABLE.sub(_partitioned, text))


def _partitioned(match: re.Match[str]) -> str:
    table = match[1]
    parts = [
        f"CREATE TABLE {table}_p{n} PARTITION OF {table} FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {n});"
        for n in range(PARTITIONS)
    ]
    return "\n".join([f"CREATE TABLE {table} ({match[2]}) PARTITION BY HASH (org);", *parts])


def make_shadow(url: str) -> None:
    """Give an empty database the partitioned schema; when it is opened as an archive, it counts as up to date."""
    engine = PostgresEngine(url, size=2)
    try:
        migrate(engine, 0, known=[shadowed(migration) for migration in migrations("postgres")])
    finally:
        engine.close()


def as_wanted(url: str) -> str:
    """An empty database for the tests of this run: as it is, or with the partitioned schema."""
    if WANTED:
        make_shadow(url)
    return url
