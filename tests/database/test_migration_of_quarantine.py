"""Migration 82: what older archives have in quarantine stays, and the same bytes may be there once for each source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backscroll.core.errors import StorageError
from backscroll.database.migrate import migrate, migrations
from backscroll.database.protocol import Engine
from backscroll.storage.store import Store, make_engine
from plain_sql import PlainSql
from postgres_server import Databases

VERSION = 82
BEFORE = "INSERT INTO quarantine (org, no, source, problem, digest, payload, stored_at, via, waits) VALUES "
ROWS = [
    (1, 5, "gowa", "event: unknown", "aa", "src1xa", None),
    (1, 9, "wacli", "row 3: no id", "bb", None, None),
    (1, 12, "waha", "waits for message: A", "cc", "src1xb", 1),
    (2, 5, "gowa", "event: unknown", "aa", None, 0),
]


@pytest.fixture(params=("sqlite", "postgres"))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path}/backscroll.db"
        return
    databases: Databases = request.getfixturevalue("databases")
    name = databases.create()
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
def engine(url: str, tmp_path: Path) -> Iterator[Engine]:
    made = make_engine(url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def sql(engine: Engine, url: str, tmp_path: Path) -> Iterator[PlainSql]:
    migrate(engine, 0, [one for one in migrations(engine.name) if one.version < VERSION])
    opened = PlainSql(None if engine.name == "sqlite" else url, tmp_path)
    yield opened
    opened.close()


def literal(value: object) -> str:
    return "NULL" if value is None else repr(value)


def insert(sql: PlainSql, *row: object) -> None:
    org, no, source, problem, digest, via, waits = map(literal, row)
    sql.change(f"{BEFORE}({org}, {no}, {source}, {problem}, {digest}, '', 7, {via}, {waits})")


def test_every_row_of_an_older_archive_stays(engine: Engine, sql: PlainSql, tmp_path: Path) -> None:
    for row in ROWS:
        insert(sql, *row)
    ran = migrate(engine, 0)
    assert VERSION in {one.version for one in ran}
    kept = "SELECT org, no, source, problem, digest, via, waits FROM quarantine WHERE stored_at = 7 ORDER BY org, no"
    assert sql.rows(kept) == ROWS
    assert migrate(engine, 0) == []
    store = Store(engine, tmp_path)
    assert store.waiting_in_quarantine(1) == [12]
    assert [row.no for row in store.list_quarantined(1)] == [5, 9, 12]


@pytest.mark.parametrize(("source", "via"), [("gowa", "src1xa"), ("wacli", None)])
def test_then_the_same_bytes_are_there_once_for_each_source(
    engine: Engine, sql: PlainSql, source: str, via: str | None
) -> None:
    migrate(engine, 0)
    insert(sql, 1, 1, source, "unreadable", "aa", via, 0)
    insert(sql, 1, 2, source, "unreadable", "aa", "src1xother", 0)
    insert(sql, 1, 3, "another kind", "unreadable", "aa", via, 0)
    insert(sql, 2, 1, source, "unreadable", "aa", via, 0)
    with pytest.raises(Exception, match=r"(?i)unique"):
        insert(sql, 1, 4, source, "unreadable", "aa", via, 0)


def test_a_migration_that_was_cut_is_run_again(engine: Engine, sql: PlainSql) -> None:
    insert(sql, *ROWS[0])
    (step,) = (one for one in migrations(engine.name) if one.version == VERSION)
    with pytest.raises(StorageError):
        engine.script(f"{step.text}\nDROP TABLE nothing_here;")
    assert sql.rows("SELECT no FROM quarantine") == [(5,)]
    with pytest.raises(Exception, match=r"(?i)unique"):
        insert(sql, 1, 6, "waha", "unreadable", "aa", "src1xb", 0)
    migrate(engine, 0)
    insert(sql, 1, 6, "waha", "unreadable", "aa", "src1xb", 0)
    assert sql.rows("SELECT no FROM quarantine ORDER BY no") == [(5,), (6,)]
