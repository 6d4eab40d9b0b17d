"""Migrations: servers one version apart on one database, index builds during writes, simultaneous starts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from backscroll.core.errors import NewerData, StorageError
from backscroll.database.migrate import Migration, applied, breaks_older, migrate, migrations, read_meta
from backscroll.database.protocol import Engine
from backscroll.storage.store import Store, make_engine
from postgres_server import Databases

ENGINES = ("sqlite", "postgres")


@pytest.fixture(params=ENGINES)
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


def newer(engine: Engine, *texts: str) -> list[Migration]:
    """The migrations of this program, and some of later versions."""
    known = migrations(engine.name)
    newest = max(m.version for m in known)
    return known + [Migration(newest + n, f"later{n}", text) for n, text in enumerate(texts, 1)]


def newest(engine: Engine) -> int:
    return max(m.version for m in migrations(engine.name))


def test_a_program_goes_on_with_data_that_is_one_version_ahead(engine: Engine, tmp_path: Path) -> None:
    text = f"-- compatible from: {newest(engine)}\nALTER TABLE phones ADD COLUMN note TEXT;"
    migrate(engine, 0, known=newer(engine, text))
    assert migrate(engine, 0) == []
    store = Store(engine, tmp_path)
    store.migrate()
    org = store.create_org("Bakery").no
    assert store.add_phone(org, "919876543210") == store.find_phone(org, "919876543210")
    assert list(store.check()) == []


def test_data_that_says_nothing_of_older_programs_is_refused(engine: Engine) -> None:
    migrate(engine, 0, known=newer(engine, "ALTER TABLE phones ADD COLUMN note TEXT;"))
    with pytest.raises(NewerData, match="upgrade Backscroll"):
        migrate(engine, 0)


def test_data_that_is_two_versions_ahead_is_refused_by_the_older_and_taken_by_the_newer(engine: Engine) -> None:
    one = f"-- compatible from: {newest(engine)}\nALTER TABLE phones ADD COLUMN note TEXT;"
    two = f"-- compatible from: {newest(engine) + 1}\nALTER TABLE phones ADD COLUMN mood TEXT;"
    migrate(engine, 0, known=newer(engine, one, two))
    assert migrate(engine, 0, known=newer(engine, one)) == []
    with pytest.raises(NewerData):
        migrate(engine, 0)


def test_an_older_program_does_not_forget_what_a_newer_one_said(engine: Engine) -> None:
    text = f"-- compatible from: {newest(engine)}\nALTER TABLE phones ADD COLUMN note TEXT;"
    migrate(engine, 0, known=newer(engine, text))
    migrate(engine, 0)
    assert read_meta(engine, "compatible_from") == str(newest(engine))
    assert max(applied(engine)) == newest(engine) + 1


@pytest.mark.parametrize("name", ENGINES)
def test_each_migration_that_lets_older_programs_go_on_only_adds(name: str) -> None:
    assert [(m.name, reason) for m in migrations(name) for reason in breaks_older(m)] == []


@pytest.mark.parametrize("name", ENGINES)
def test_a_program_that_a_migration_lets_go_on_has_a_schema_that_this_engine_had(name: str) -> None:
    """A version number that only the other engine has would lock out the program of the version before."""
    known = migrations(name)
    for before, after in itertools.pairwise(known):
        assert after.compatible_from == after.version or after.compatible_from <= before.version, after.name


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE merges;",
        "ALTER TABLE phones DROP COLUMN name;",
        "ALTER TABLE phones RENAME name TO title;",
        "ALTER TABLE phones ALTER COLUMN name SET NOT NULL;",
        "ALTER TABLE phones ALTER name TYPE BIGINT;",
        "ALTER TABLE phones ADD COLUMN note TEXT NOT NULL;",
        "ALTER TABLE phones ADD note TEXT, ADD COLUMN mood TEXT NOT NULL;",
        "CREATE UNIQUE INDEX one ON phones (org, name);",
        "ALTER TABLE phones ADD CONSTRAINT one CHECK (name <> '');",
    ],
)
def test_a_planted_migration_that_older_programs_cannot_bear_is_found(text: str) -> None:
    assert list(breaks_older(Migration(9, "planted", f"-- compatible from: 8\n{text}")))
    assert not list(breaks_older(Migration(9, "planted", text)))


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE moods (org BIGINT NOT NULL, mood TEXT NOT NULL, PRIMARY KEY (org, mood));",
        "ALTER TABLE phones ADD COLUMN note TEXT;",
        "ALTER TABLE phones ADD COLUMN note BIGINT NOT NULL DEFAULT 0;",
        "CREATE INDEX phones_name ON phones (org, name);",
        "-- DROP nothing\nCREATE INDEX phones_name ON phones (org, name);",
    ],
)
def test_a_migration_that_only_adds_is_left_alone(text: str) -> None:
    assert list(breaks_older(Migration(9, "fine", f"-- compatible from: 8\n{text}"))) == []


# ------------------------------------------------------------------ index builds

BUILD = """-- concurrently
-- compatible from: 1
CREATE INDEX CONCURRENTLY IF NOT EXISTS extra ON phones (org, name);
CREATE INDEX CONCURRENTLY IF NOT EXISTS extra_too ON phones (org, created_at) WHERE created_at > 0;
"""


def indexes(url: str) -> dict[str, bool]:
    """The extra indexes of a PostgreSQL database, and whether each is valid."""
    with psycopg.connect(url) as connection:
        query = (
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indexrelid::regclass::text LIKE 'extra%'"
        )
        return dict(connection.execute(query).fetchall())


def test_index_builds_are_run_once_on_either_engine(engine: Engine) -> None:
    known = newer(engine, BUILD)
    assert migrate(engine, 0, known=known) == known
    assert migrate(engine, 0, known=known) == []
    assert max(applied(engine)) == newest(engine) + 1


def test_a_file_of_index_builds_holds_nothing_else(engine: Engine) -> None:
    with pytest.raises(StorageError, match="may only hold CREATE INDEX CONCURRENTLY"):
        migrate(engine, 0, known=newer(engine, "-- concurrently\nDELETE FROM phones;"))
    assert max(applied(engine)) == newest(engine)


@pytest.fixture
def postgres(databases: Databases, tmp_path: Path) -> Iterator[str]:
    name = databases.create()
    engine = make_engine(databases.url(name), tmp_path)
    migrate(engine, 0)
    engine.close()
    yield databases.url(name)
    databases.drop(name)


def test_a_build_that_was_cut_is_done_again(postgres: str, tmp_path: Path) -> None:
    insert = "INSERT INTO phones (org, phone, jid, contact, phone_id, created_at) VALUES (1, %s, %s, 1, %s, 0)"
    with psycopg.connect(postgres, autocommit=True) as connection:
        for n in ("1", "2"):
            connection.execute(insert, (int(n), n, n))
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY extra ON phones (org, created_at)")
    assert indexes(postgres) == {"extra": False}
    engine = make_engine(postgres, tmp_path)
    migrate(engine, 0, known=newer(engine, BUILD))
    engine.close()
    assert indexes(postgres) == {"extra": True, "extra_too": True}


def test_writers_go_on_while_an_index_is_built(postgres: str, tmp_path: Path) -> None:
    engine = make_engine(postgres, tmp_path)
    store = Store(engine, tmp_path)
    org = store.create_org("Bakery").no
    store.add_phone(org, "919876543210")
    with psycopg.connect(postgres) as slow, ThreadPoolExecutor(1) as notifications:
        # The build waits for this transaction; writers that come after the build must not wait.
        slow.execute("UPDATE phones SET name = 'slow'")
        built = notifications.submit(migrate, engine, 0, newer(engine, BUILD))
        while indexes(postgres) == {} and not built.done():
            pass
        store.add_phone(org, "4915112345678")
        assert not built.done()
        slow.commit()
        assert [m.name for m in built.result(timeout=30)] == ["later1"]
    engine.close()
    assert indexes(postgres) == {"extra": True, "extra_too": True}


def test_of_several_that_start_at_once_one_migrates(url: str, tmp_path: Path) -> None:
    starters = 4
    barrier = threading.Barrier(starters, timeout=30)

    def start() -> list[str]:
        engine = make_engine(url, tmp_path)
        barrier.wait()
        ran = [m.name for m in migrate(engine, 0, known=newer(engine, BUILD))]
        engine.close()
        return ran

    with ThreadPoolExecutor(starters) as pool:
        ran = [name for future in [pool.submit(start) for _ in range(starters)] for name in future.result(timeout=60)]
    engine = make_engine(url, tmp_path)
    known = newer(engine, BUILD)
    assert sorted(ran) == sorted(m.name for m in known)
    assert migrate(engine, 0, known=known) == []
    engine.close()
