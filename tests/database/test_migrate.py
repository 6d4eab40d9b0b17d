"""Opening data of other versions: older data is migrated, newer data is refused."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from backscroll.core.errors import NewerData, StorageError
from backscroll.database import migrate
from backscroll.database.migrate import Migration, migrations
from backscroll.database.sqlite import SqliteEngine
from backscroll.storage.store import open_store


def schema_of(file: Path) -> list[tuple[str, ...]]:
    connection = apsw.Connection(str(file))
    found = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    connection.close()
    return [tuple(map(str, row)) for row in found]


def test_a_fresh_database_equals_one_brought_up_version_by_version(tmp_path: Path) -> None:
    open_store(None, tmp_path / "fresh").close()
    known = migrations("sqlite")
    engine = SqliteEngine(tmp_path / "old.db")
    for upto in range(1, len(known) + 1):
        ran = migrate.migrate(engine, 1, known[:upto])
        assert [m.version for m in ran] == [known[upto - 1].version]
    engine.close()
    assert schema_of(tmp_path / "old.db") == schema_of(tmp_path / "fresh" / "backscroll.db")


def test_opening_again_runs_nothing(tmp_path: Path) -> None:
    open_store(None, tmp_path).close()
    store = open_store(None, tmp_path)
    assert store.migrate() == []
    store.close()


def test_data_of_a_newer_version_is_refused_with_a_remedy_and_left_as_it_is(tmp_path: Path) -> None:
    open_store(None, tmp_path).close()
    file = tmp_path / "backscroll.db"
    connection = apsw.Connection(str(file))
    connection.execute("INSERT INTO migrations (version, name, applied_at) VALUES (99, 'later', 1)")
    connection.execute("DELETE FROM meta WHERE key = 'compatible_from'")
    connection.close()
    before = schema_of(file)
    with pytest.raises(NewerData, match="upgrade Backscroll"):
        open_store(None, tmp_path)
    assert schema_of(file) == before


def test_a_migration_that_fails_leaves_nothing_behind_and_can_be_run_again(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "backscroll.db")
    known = migrations("sqlite")
    migrate.migrate(engine, 1, known)
    before = schema_of(tmp_path / "backscroll.db")
    broken = Migration(98, "broken", "CREATE TABLE half (org BIGINT); CREATE TABLE half (org BIGINT)")
    with pytest.raises(StorageError):
        migrate.migrate(engine, 1, [*known, broken])
    assert schema_of(tmp_path / "backscroll.db") == before
    mended = Migration(98, "broken", "CREATE TABLE half (org BIGINT NOT NULL PRIMARY KEY)")
    assert migrate.migrate(engine, 1, [*known, mended]) == [mended]
    engine.close()


def test_what_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "backscroll.db").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StorageError):
        open_store(None, tmp_path)
