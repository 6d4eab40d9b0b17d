"""Row-level security on PostgreSQL: what a wrong statement could read and write of other organisations."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from backscroll.core.errors import StorageError
from backscroll.core.events import Batch, ContactSeen, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery
from backscroll.database.postgres.engine import PostgresEngine
from backscroll.database.protocol import Row
from backscroll.database.tables import TENANT
from backscroll.storage.store import Store, open_store
from postgres_server import Databases

OWN, FOREIGN = "919876543210@s.whatsapp.net", "628111111111@s.whatsapp.net"
FRIEND = "4915112345678@s.whatsapp.net"
GRANTS = """
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
"""


def as_user(databases: Databases, database: str, role: str) -> str:
    given = conninfo_to_dict(databases.url(database)) | {"user": role, "password": "x"}
    return "postgresql:///?" + "&".join(f"{key}={value}" for key, value in given.items())


def make_role(connection: psycopg.Connection[Row], role: str) -> None:
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))


@pytest.fixture(params=["superuser", "owner", "granted"])
def walled(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[Store]:
    """An archive opened by the server's superuser, by its owner, or by a role with just enough rights."""
    database = databases.create()
    url = databases.url(database)
    owner, granted = f"{database}_owner", f"{database}_granted"
    if request.param != "superuser":
        with psycopg.connect(url, autocommit=True) as connection:
            make_role(connection, owner)
            make_role(connection, granted)
            names = {"database": sql.Identifier(database), "role": sql.Identifier(owner)}
            connection.execute(sql.SQL("ALTER DATABASE {database} OWNER TO {role}").format(**names))
            connection.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {role}").format(**names))
        url = as_user(databases, database, owner)
    if request.param == "granted":
        open_store(url, tmp_path).close()
        with psycopg.connect(url, autocommit=True) as connection:
            names = {"database": sql.Identifier(database), "role": sql.Identifier(granted)}
            connection.execute(sql.SQL(GRANTS).format(**names))
        url = as_user(databases, database, granted)
    store = open_store(url, tmp_path)
    for number, name in ((OWN, "Own"), (FOREIGN, "Foreign")):
        org = store.create_org(name).no
        phone = store.add_phone(org, number)
        key = MessageKey(phone.jid, FRIEND, f"3EB0{name.upper()}", FRIEND)
        store.apply(org, Batch(source="linked", events=[ContactSeen(jid=FRIEND, name=f"friend of {name}")], raw=b"raw"))
        said = Message(key=key, sent_at=1, from_me=False, text=f"canary of {name}")
        store.apply(org, Batch(source="linked", events=[MessageSeen(said)], position=("stream", name)))
    yield store
    store.close()
    databases.drop(database)


def engine_of(store: Store) -> PostgresEngine:
    assert isinstance(store._engine, PostgresEngine)
    return store._engine


def without_filter(store: Store) -> None:
    """Remove the organisation from every statement, as a programming mistake could."""
    statements = engine_of(store)._statements
    for name, text in statements.items():
        statements[name] = re.sub(r"\b((\w+\.)?org) = (:org|\w+\.org)\b", r"\1 IS NOT NULL", text)


def test_reads_that_forget_the_organisation_show_nothing_foreign(walled: Store) -> None:
    without_filter(walled)
    org, foreign = walled.list_orgs()
    phones = tuple(phone.no for phone in walled.list_phones(org.no))
    assert [phone.jid for phone in walled.list_phones(org.no)] == [OWN]
    page = walled.list_messages(MessageQuery(org=org.no, phones=phones))
    assert [(shown.message.text, shown.sender_name) for shown in page.messages] == [("canary of Own", "friend of Own")]
    assert page.total == 1
    assert walled.find_message(org.no, phones, "3EB0FOREIGN") is None
    assert walled.list_chats(ChatQuery(org=org.no, phones=phones)).total == 1
    names = [contact.name for contact in walled.list_contacts(ContactQuery(org=org.no, phones=phones)).contacts]
    assert "friend of Own" in names
    assert "friend of Foreign" not in names
    assert walled.position(org.no, "stream") == "Own"
    assert walled.version(foreign.no) != 0


def test_a_transaction_sees_its_own_rows_only_and_none_without_an_organisation(walled: Store) -> None:
    engine = engine_of(walled)
    own = walled.list_orgs()[0].no
    for table in TENANT:
        engine._statements["everything"] = f"SELECT DISTINCT org FROM {table}"
        assert engine.read(lambda tx: tx.all("everything", {}), own) in ([], [(own,)]), table
        assert engine.read(lambda tx: tx.all("everything", {})) == [], table
    engine._statements["everything"] = "SELECT COUNT(*) FROM messages"
    assert engine.read_one("everything", {}, own) == (1,)


def test_rows_of_others_are_neither_made_nor_changed_nor_taken(walled: Store) -> None:
    engine = engine_of(walled)
    own, foreign = (org.no for org in walled.list_orgs())
    statements = engine._statements
    statements["smuggle"] = "INSERT INTO positions (org, stream, place) VALUES (:org, 'smuggled', 'x')"
    statements["move"] = "UPDATE positions SET org = :org WHERE stream = 'stream'"
    for name in ("smuggle", "move"):
        with pytest.raises(StorageError):
            engine.write(lambda tx, name=name: tx.run(name, {"org": foreign}), own)  # type: ignore[misc]
    statements["forge"] = "UPDATE positions SET place = 'forged' RETURNING org"
    assert engine.write(lambda tx: tx.all("forge", {}), own) == [(own,)]
    statements["empty"] = "DELETE FROM positions RETURNING org"
    assert engine.write(lambda tx: tx.all("empty", {}), own) == [(own,)]
    assert walled.position(foreign, "stream") == "Foreign"
    assert walled.position(foreign, "smuggled") is None


def test_the_wall_stands_on_every_table_of_an_organisation(walled: Store) -> None:
    engine = engine_of(walled)
    engine._statements["tables"] = (
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'org' "
        "WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace "
        "AND NOT (relrowsecurity AND relforcerowsecurity)"
    )
    assert engine.read(lambda tx: tx.all("tables", {})) == [("orgs",)]


def test_pooled_connections_carry_no_organisation_over(postgres_url: str, tmp_path: Path) -> None:
    open_store(postgres_url, tmp_path).close()
    engine = PostgresEngine(postgres_url, size=5)
    engine.use_app_role()
    engine._statements["put"] = "INSERT INTO positions (org, stream, place) VALUES (:org, 'x', 'y')"
    engine._statements["look"] = "SELECT org FROM positions"
    for org in (1, 2, 3):
        engine.write(lambda tx, org=org: tx.run("put", {"org": org}), org)  # type: ignore[misc]
    wrong: list[object] = []

    def look(first: int) -> None:
        for i in range(first, first + 200):
            org = (None, 1, 2, 3)[i % 4]
            seen = engine.read(lambda tx: tx.all("look", {}), org)
            if seen != ([] if org is None else [(org,)]):
                wrong.append((org, seen))

    run_together([lambda i=i: look(i) for i in range(10)])  # type: ignore[misc]
    assert wrong == []
    engine.close()


def run_together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_restored_archive_gets_its_role_and_rights_back(postgres_url: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM backscroll_app")
    store = open_store(postgres_url, tmp_path)
    org = store.create_org("A").no
    assert store.version(org) == 0
    assert engine_of(store)._role
    store.close()
