"""Distributing an archive over Citus: the whole flow with stand-ins for Citus's functions, or a given real cluster.

The stand-ins are real functions in a schema of the test's database: they record their calls, and keep the records
that Citus keeps in ``citus_tables``.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from msgspec import structs
from psycopg.conninfo import conninfo_to_dict

from backscroll.cli.main import main
from backscroll.core.errors import Conflict, StorageError
from backscroll.core.events import Batch, Event, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import MessageQuery
from backscroll.database.postgres import engine as postgres
from backscroll.database.postgres import parameters
from backscroll.database.postgres.citus import carry_out, connect, plan
from backscroll.database.postgres.connection import Connection
from backscroll.database.postgres.engine import PostgresEngine, PostgresTxn
from backscroll.database.protocol import Txn
from backscroll.database.tables import REFERENCE, TENANT
from backscroll.storage.store import Store, open_store
from postgres_server import Databases

CITUS = os.environ.get("TEST_CITUS_DSN")

STAND_IN = """
CREATE SCHEMA citus_stand_in;
CREATE TABLE citus_stand_in.placed (place serial, table_name regclass, kind text, col text, grp int);
CREATE TABLE citus_stand_in.asked (place serial, what text, forced boolean, mode text);
CREATE VIEW citus_stand_in.citus_tables AS SELECT table_name, kind AS citus_table_type, col AS distribution_column,
    grp AS colocation_id FROM citus_stand_in.placed;
CREATE FUNCTION citus_stand_in.note(what text, t regclass) RETURNS void LANGUAGE sql AS $$
    INSERT INTO citus_stand_in.asked (what, forced, mode) SELECT what, c.relforcerowsecurity,
        current_setting('citus.multi_shard_modify_mode', true) FROM pg_class c WHERE c.oid = t $$;
CREATE FUNCTION citus_stand_in.citus_is_coordinator() RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION citus_stand_in.create_reference_table(t regclass) RETURNS void LANGUAGE sql AS $$
    SELECT citus_stand_in.note('reference ' || t, t);
    INSERT INTO citus_stand_in.placed (table_name, kind, col, grp) VALUES (t, 'reference', NULL, 1) $$;
CREATE FUNCTION citus_stand_in.create_distributed_table(t regclass, col text, colocate_with text DEFAULT 'default')
RETURNS void LANGUAGE sql AS $$
    SELECT citus_stand_in.note('distributed ' || t || ' by ' || col || ' with ' || colocate_with, t);
    INSERT INTO citus_stand_in.placed (table_name, kind, col, grp) VALUES (t, 'distributed', col,
        CASE colocate_with WHEN 'none' THEN 2 ELSE
            (SELECT grp FROM citus_stand_in.placed WHERE table_name = colocate_with::regclass) END) $$;
CREATE FUNCTION citus_stand_in.truncate_local_data_after_distributing_table(t regclass) RETURNS void LANGUAGE sql AS $$
    SELECT citus_stand_in.note('truncated ' || t, t) $$;
"""


CATALOG = (
    "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY 1, 2",
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    "SELECT tablename, policyname, qual, with_check FROM pg_policies WHERE schemaname = 'public' ORDER BY 1, 2",
    "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace "
    "ORDER BY 1",
    "SELECT version, name FROM migrations ORDER BY 1",
)


@pytest.fixture
def plain(databases: Databases, tmp_path: Path) -> Iterator[str]:
    """An archive with some data, on PostgreSQL without Citus."""
    name = databases.create()
    fill(databases.url(name), tmp_path)
    yield databases.url(name)
    databases.drop(name)


def fill(url: str, data: Path) -> None:
    store = open_store(url, data)
    for org in (store.create_org(f"Bakery {n}").no for n in range(3)):
        phone = store.add_phone(org, "919876543210")
        key = MessageKey(phone.jid, "4915112345678@s.whatsapp.net", "A1")
        message = Message(key=key, sent_at=1, from_me=False, text="Two loaves")
        store.apply(org, Batch(source="webhook", events=(MessageSeen(message),)))
    store.close()


@pytest.fixture
def cluster(plain: str) -> str:
    """The same, with the stand-ins for Citus's functions."""
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(STAND_IN)
        connection.execute(
            f'ALTER DATABASE "{conninfo_to_dict(plain)["dbname"]}" SET search_path = public, citus_stand_in'
        )
    return plain


def run(url: str, data: Path, *arguments: str, stdin: str | None = None) -> Result:
    environ = {"BACKSCROLL_DATA": str(data), "BACKSCROLL_DATABASE": url}
    return CliRunner().invoke(main, ["db", "distribute", *arguments], env=environ, input=stdin)


def asked(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT what FROM asked ORDER BY place")]


def test_reference_tables_come_first_and_every_tenant_table_lies_beside_the_first(cluster: str, tmp_path: Path) -> None:
    done = run(cluster, tmp_path, "--yes")
    assert done.exit_code == 0, done.output
    spread = [
        line
        for table in TENANT
        for line in (f"distributed {table} by org with {'none' if table == 'heads' else 'heads'}", f"truncated {table}")
    ]
    assert asked(cluster) == [f"reference {table}" for table in REFERENCE] + spread
    lines = done.stdout.splitlines()
    assert lines[0] == "orgs: keep a copy on every node"
    assert "heads: distribute by org" in lines
    assert "messages: distribute by org, beside heads" in lines
    assert lines[-1] == f"Done: {len(REFERENCE) + len(TENANT)} tables. Start the servers again."


def test_the_owner_is_bound_by_row_level_security_again_afterwards(cluster: str, tmp_path: Path) -> None:
    run(cluster, tmp_path, "--yes")
    with psycopg.connect(cluster) as connection:
        query = "SELECT count(*) FROM pg_class WHERE relname = ANY(%s) AND relforcerowsecurity"
        assert connection.execute(query, ([*TENANT],)).fetchone() == (len(TENANT),)
        moved = connection.execute("SELECT DISTINCT forced, mode FROM asked WHERE what LIKE 'distributed%%'")
        assert moved.fetchall() == [(False, "sequential")]


def test_a_second_run_finds_nothing_to_do(cluster: str, tmp_path: Path) -> None:
    run(cluster, tmp_path, "--yes")
    before = asked(cluster)
    assert run(cluster, tmp_path, "--yes").stdout == "Everything is already distributed.\n"
    assert json.loads(run(cluster, tmp_path, "--json").stdout) == {"steps": [], "done": True}
    assert asked(cluster) == before


def test_a_run_that_was_cut_is_gone_on_with(cluster: str, tmp_path: Path) -> None:
    with connect(cluster) as connection:
        carry_out_some(connection, 5)
    done = json.loads(run(cluster, tmp_path, "--yes", "--json").stdout)
    assert [step["table"] for step in done["steps"]] == [*REFERENCE, *TENANT][5:]
    assert len([what for what in asked(cluster) if not what.startswith("truncated")]) == len([*REFERENCE, *TENANT])


def carry_out_some(connection: psycopg.Connection[tuple[object, ...]], count: int) -> None:
    def stop(done: int, whole: int) -> None:
        if done == count:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        carry_out(connection, plan(connection), stop)


def test_a_table_that_an_upgrade_brought_is_spread_by_another_run(cluster: str, tmp_path: Path) -> None:
    run(cluster, tmp_path, "--yes")
    with psycopg.connect(cluster) as connection:
        connection.execute("DELETE FROM placed WHERE table_name = 'positions'::regclass")
    done = json.loads(run(cluster, tmp_path, "--yes", "--json").stdout)
    assert done["steps"] == [{"table": "positions", "what": "by organisation"}]
    assert asked(cluster)[-2:] == ["distributed positions by org with heads", "truncated positions"]


@pytest.mark.parametrize("arguments", [("--dry-run",), ("--dry-run", "--yes"), ()])
def test_nothing_is_done_without_being_told_so(cluster: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(cluster, tmp_path, *arguments)
    assert done.exit_code == (0 if arguments else 2)
    assert "messages: distribute by org, beside heads" in done.stdout
    assert asked(cluster) == []


def test_where_there_is_no_citus_a_sentence_says_so(plain: str, tmp_path: Path) -> None:
    done = run(plain, tmp_path, "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "has no Citus" in done.stderr
    assert "CREATE EXTENSION citus" in done.stderr


def test_sqlite_is_not_spread(tmp_path: Path) -> None:
    done = run(f"sqlite:{tmp_path}/a.db", tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "must be a postgresql: URL" in done.stderr


def test_a_worker_is_told_from_the_coordinator(cluster: str, tmp_path: Path) -> None:
    function = "citus_stand_in.citus_is_coordinator() RETURNS boolean LANGUAGE sql AS 'SELECT false'"
    execute(cluster, f"CREATE OR REPLACE FUNCTION {function}")
    assert "This is a worker" in run(cluster, tmp_path, "--yes").stderr
    assert asked(cluster) == []


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("placed", "observed"),
    [
        ("('chats', 'distributed', 'phone', 2)", "chats is already distributed by phone"),
        (
            "('heads', 'distributed', 'org', 2), ('chats', 'distributed', 'org', 7)",
            "chats is already distributed by org",
        ),
        ("('chats', 'reference', NULL, 1)", "chats is already a reference table"),
        ("('orgs', 'distributed', 'org', 2)", "orgs is already a distributed table"),
    ],
)
def test_a_table_that_is_placed_otherwise_is_left_alone(cluster: str, placed: str, observed: str) -> None:
    execute(cluster, f"INSERT INTO placed (table_name, kind, col, grp) VALUES {placed}")
    with connect(cluster) as connection, pytest.raises(Conflict, match=observed):
        plan(connection)
    assert asked(cluster) == []


def test_rows_that_would_be_lost_on_the_way_stop_everything(cluster: str) -> None:
    lossy = STAND_IN[STAND_IN.index("CREATE FUNCTION citus_stand_in.create_distributed_table") :]
    lossy = lossy[: lossy.index("CREATE FUNCTION citus_stand_in.truncate")].replace("CREATE F", "CREATE OR REPLACE F")
    execute(cluster, lossy.replace("$$;", "; DELETE FROM heads WHERE org = 1 $$;"))
    with connect(cluster) as connection, pytest.raises(StorageError, match="heads had 3 rows but has 2"):
        carry_out(connection, plan(connection), lambda done, whole: None)
    assert asked(cluster) == [f"reference {table}" for table in REFERENCE]
    with psycopg.connect(cluster) as connection:
        assert connection.execute("SELECT count(*) FROM heads").fetchone() == (3,)


def test_what_citus_refuses_is_told_in_its_words(cluster: str) -> None:
    execute(cluster, "DROP FUNCTION create_reference_table(regclass)")
    execute(
        cluster,
        "CREATE FUNCTION create_reference_table(t regclass) RETURNS void LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'no worker is there'; END $$",
    )
    with pytest.raises(StorageError, match="Citus refused: no worker is there"), connect(cluster) as connection:
        carry_out(connection, plan(connection), lambda done, whole: None)


def messages_to_server(url: str, is_citus: bool, log: Path) -> list[str]:
    """The messages that a read, a write and a read of the version send, from libpq's trace."""
    engine = PostgresEngine(url)
    with log.open("w") as file:
        with engine._pool.connection() as connection:
            connection.is_citus = is_citus
            connection.pgconn.trace(file.fileno())
        engine.read(lambda tx: tx.all("read_org_state", {"org": 2}), 2)
        engine.read(lambda tx: tx.all("find_by_name", {"org": 2, "name": "x"}), 2)
        engine.write(lambda tx: tx.run("save_position", {"org": 2, "stream": "s", "place": "p", "told": None}), 2)
        engine.read_one("read_org_state", {"org": 2}, 2)
        with engine._pool.connection() as connection:
            connection.pgconn.untrace()
    engine.close()
    return [line for line in log.read_text().splitlines() if re.search(r"\tF\t\d+\t(Query|Parse)\t", line)]


def test_on_citus_each_setting_is_a_message_of_its_own(plain: str, tmp_path: Path) -> None:
    """Citus sends the whole text that contains a SET LOCAL to its workers."""
    sent = messages_to_server(plain, True, tmp_path / "trace")
    settings = [line for line in sent if "SET LOCAL" in line]
    assert len([line for line in settings if "app.org = '2'" in line]) == 4
    assert len([line for line in settings if "citus.propagate_set_commands = 'local'" in line]) == 4
    assert not [line for line in settings if ";" in line]
    together = messages_to_server(plain, False, tmp_path / "trace")
    assert [line for line in together if "SET LOCAL" in line and ";" in line]
    assert not [line for line in together if "citus" in line]


def round_trips(store: Store, query: MessageQuery, log: Path) -> int:
    """How often a page waits for the server: each wait ends with a Sync. Contacts are already cached."""
    engine = store._engine
    assert isinstance(engine, PostgresEngine)
    store.list_messages(query)
    with log.open("w") as file:
        with engine._pool.connection() as connection:
            connection.is_citus = True
            connection.pgconn.trace(file.fileno())
        store.list_messages(query)
        with engine._pool.connection() as connection:
            connection.is_citus = False
            connection.pgconn.untrace()
    return len(re.findall(r"\tF\t\d+\tSync", log.read_text()))


def test_on_citus_a_page_waits_for_few_answers(plain: str, tmp_path: Path) -> None:
    with closing(open_store(plain, tmp_path)) as store:
        org = store.create_org("Trips")
        phone = store.add_phone(org.no, "4915550001001")
        texts: list[Event] = [
            said("4915550001001", "4915550001002", f"3EB0{n:04}", 1_700_000_000_000_000 + n) for n in range(5)
        ]
        store.apply(org.no, Batch(source="linked", events=texts))
        chat = MessageQuery(org=org.no, phones=(phone.no,), chat="4915550001002", limit=2)
        across = MessageQuery(org=org.no, phones=(phone.no,), limit=2)
        waits = {
            "a chat": round_trips(store, chat, tmp_path / "trace"),
            "a chat, by offset": round_trips(store, structs.replace(chat, offset=2), tmp_path / "trace"),
            "a chat, in a span": round_trips(store, structs.replace(chat, since=1, until=2**50), tmp_path / "trace"),
            "across chats": round_trips(store, across, tmp_path / "trace"),
        }
        assert waits == {"a chat": 2, "a chat, by offset": 5, "a chat, in a span": 2, "across chats": 2}


def said(phone: str, chat: str, id: str, at: int) -> MessageSeen:
    return MessageSeen(Message(key=MessageKey(phone, chat, id), sent_at=at, from_me=False, kind="text", text="x"))


def test_on_citus_each_statement_of_a_migration_goes_by_itself(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def catalog(name: str) -> list[list[Any]]:
        open_store(databases.url(name), tmp_path / name).close()
        with psycopg.connect(databases.url(name)) as connection:
            found = [connection.execute(query).fetchall() for query in CATALOG]
        databases.drop(name)
        return found

    expected = catalog(databases.create())
    set_up, sent = postgres._set_up, []

    def as_citus(connection: Connection) -> None:
        set_up(connection)
        connection.is_citus = True

    def noted(script: str) -> list[str]:
        sent.extend(statements := apart(script))
        return statements

    apart = parameters.apart
    monkeypatch.setattr(postgres, "_set_up", as_citus)
    monkeypatch.setattr(postgres, "apart", noted)
    assert catalog(databases.create()) == expected
    assert len(expected[0]) > 100
    assert len([statement for statement in sent if "CREATE TABLE" in statement]) > 15
    assert not [
        statement for statement in sent if len(re.findall(r"^(?:CREATE|ALTER|INSERT|GRANT)\\b", statement, re.M)) > 1
    ]


def test_on_citus_every_transaction_takes_its_organisation_along_to_the_workers(plain: str) -> None:
    engine = PostgresEngine(plain)
    with engine._pool.connection() as connection:
        connection.is_citus = True
    query = "SELECT current_setting('citus.propagate_set_commands'), current_setting('app.org')"

    def ask(tx: Txn) -> object:
        assert isinstance(tx, PostgresTxn)
        tx.all("read_org_state", {"org": 2})
        return tx._connection.execute(query).fetchone()

    assert engine.read(ask, 2) == engine.write(ask, 2) == ("local", "2")
    row = engine.read_one("read_org_state", {"org": 2}, 2)
    assert row is not None
    assert row[0] > 0
    engine.close()


def test_a_user_that_the_wall_does_not_bind_is_refused_once_the_tables_are_spread(cluster: str, tmp_path: Path) -> None:
    open_store(cluster, tmp_path).close()
    assert run(cluster, tmp_path, "--yes").exit_code == 0
    with pytest.raises(StorageError, match="not a superuser"):
        open_store(cluster, tmp_path)
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute("CREATE ROLE bound LOGIN PASSWORD 'x'")
        connection.execute("GRANT ALL ON SCHEMA public, citus_stand_in TO bound")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public, citus_stand_in TO bound")
    try:
        given = conninfo_to_dict(cluster) | {"user": "bound", "password": "x"}
        url = "postgresql:///?" + "&".join(f"{key}={value}" for key, value in given.items())
        open_store(url, tmp_path).close()
    finally:
        execute(cluster, "DROP OWNED BY bound; DROP ROLE bound")


@pytest.mark.skipif(CITUS is None, reason="TEST_CITUS_DSN names no cluster")
def test_a_real_cluster_holds_an_archive_that_answers_as_before(tmp_path: Path) -> None:
    """The test has its own schema, so that nothing else on the cluster is changed."""
    assert CITUS is not None
    schema = f"backscroll_{uuid.uuid4().hex[:12]}"
    execute(CITUS, f"CREATE SCHEMA {schema}")
    url = f"{CITUS}{'&' if '?' in CITUS else '?'}options=-csearch_path%3D{schema}%2Cpublic"
    try:
        fill(url, tmp_path)
        before = answers(url, tmp_path)
        done = run(url, tmp_path, "--yes")
        assert done.exit_code == 0, done.output
        assert answers(url, tmp_path) == before
        assert run(url, tmp_path).stdout == "Everything is already distributed.\n"
        with psycopg.connect(url) as connection:
            connection.execute("SET LOCAL citus.propagate_set_commands = 'local'")
            connection.execute("SET LOCAL app.org = '2'")
            assert connection.execute("SELECT DISTINCT org FROM messages").fetchall() == [(2,)]
    finally:
        execute(CITUS, f"DROP SCHEMA {schema} CASCADE")


def answers(url: str, data: Path) -> list[object]:
    store: Store = open_store(url, data)
    found: list[object] = [list(store.check())]
    for org in store.list_orgs():
        phones = tuple(phone.no for phone in store.list_phones(org.no))
        found += [org, store.version(org.no), store.list_messages(MessageQuery(org=org.no, phones=phones))]
        store.add_phone(org.no, "919876543210")
    store.close()
    return found
