"""Every table fits Citus, checked without a cluster: by catalog, statement texts, and plans on a shadow schema."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import shadow as shadowing
from backscroll.database.protocol import load_statements
from backscroll.database.tables import TENANT
from backscroll.storage.store import open_store
from citus_rules import plan_faults, schema_faults, statement_faults
from postgres_server import Databases

Connection = psycopg.Connection[tuple[Any, ...]]

STATEMENTS = load_statements("postgres")
DDL = {name for name, text in STATEMENTS.items() if text.startswith(("CREATE ", "ANALYZE "))}


@pytest.fixture(scope="module")
def plain(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    name = databases.create()
    open_store(databases.url(name), tmp_path_factory.mktemp("plain")).close()
    with psycopg.connect(databases.url(name), autocommit=True) as connection:
        yield connection
    databases.drop(name)


@pytest.fixture(scope="module")
def shadow(databases: Databases) -> Iterator[Connection]:
    name = databases.create()
    shadowing.make_shadow(databases.url(name))
    with psycopg.connect(databases.url(name), autocommit=True) as connection:
        yield connection
    databases.drop(name)


# ------------------------------------------------------------------ the schema


def test_the_schema_keeps_every_rule_of_a_cluster(plain: Connection) -> None:
    assert schema_faults(plain) == []


def test_the_partitioned_schema_keeps_them_too(shadow: Connection) -> None:
    assert schema_faults(shadow) == []


@pytest.mark.parametrize(
    ("fault", "observed"),
    [
        ("ALTER TABLE merges DROP CONSTRAINT merges_pkey; ALTER TABLE merges ALTER org DROP NOT NULL", "org must be"),
        ("CREATE TABLE extra (org BIGINT NOT NULL PRIMARY KEY)", "extra: is not in database/tables.py"),
        ("DROP TABLE merges", "merges: is declared and not there"),
        ("ALTER TABLE merges ADD COLUMN note TEXT", "merges: columns differ from tenancy.py: ['note']"),
        ("ALTER TABLE merges DROP CONSTRAINT merges_pkey", "merges: has no primary key"),
        (
            "ALTER TABLE merges DROP CONSTRAINT merges_pkey; ALTER TABLE merges ADD PRIMARY KEY (contact, org)",
            "merges: index merges_pkey does not begin with org",
        ),
        ("CREATE UNIQUE INDEX bad ON phones (device_id)", "phones: index bad does not begin with org"),
        ("CREATE INDEX bad ON phones (name)", "phones: index bad does not begin with org"),
        (
            "CREATE UNIQUE INDEX target ON phones (org, phone, contact); "
            "ALTER TABLE chats ADD CONSTRAINT bad FOREIGN KEY (org) REFERENCES orgs (org)",
            "chats: foreign key bad does not stay in its organisation",
        ),
        (
            "ALTER TABLE chats ADD CONSTRAINT bad FOREIGN KEY (phone, org) REFERENCES phones (org, phone)",
            "chats: foreign key bad does not stay in its organisation",
        ),
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
            "CREATE TRIGGER bad BEFORE INSERT ON chats FOR EACH ROW EXECUTE FUNCTION f()",
            "chats: trigger bad",
        ),
        ("CREATE SEQUENCE bad", "sequence bad"),
        (
            "ALTER TABLE merges ALTER created_at ADD GENERATED ALWAYS AS IDENTITY",
            "merges: created_at takes its numbers from a sequence",
        ),
        (
            "CREATE SEQUENCE bad; ALTER TABLE merges ALTER created_at SET DEFAULT nextval('bad')",
            "merges: created_at takes its numbers from a sequence",
        ),
        ("ALTER TABLE merges ADD CONSTRAINT bad EXCLUDE (created_at WITH =)", "merges: exclusion bad"),
    ],
)
def test_a_planted_fault_in_the_schema_is_found(plain: Connection, fault: str, observed: str) -> None:
    with plain.transaction(force_rollback=True):
        plain.execute(fault)
        assert [found for found in schema_faults(plain) if observed in found] != []


def test_a_foreign_key_inside_an_organisation_is_left_alone(plain: Connection) -> None:
    with plain.transaction(force_rollback=True):
        plain.execute("ALTER TABLE chats ADD FOREIGN KEY (org, phone) REFERENCES phones (org, phone)")
        assert schema_faults(plain) == []


# ------------------------------------------------------------------ words


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_statement_says_what_a_cluster_refuses(name: str) -> None:
    assert statement_faults(STATEMENTS[name]) == []


@pytest.mark.parametrize(
    ("statement", "observed"),
    [
        ("MERGE INTO chats c USING phones p ON c.org = p.org WHEN MATCHED THEN DELETE", "MERGE"),
        ("UPDATE chats SET org = :other WHERE org = :org AND phone = :phone", "sets org"),
        ("UPDATE chats SET last_at = 1, org = :other WHERE org = :org", "sets org"),
        ("SELECT set_config('app.org', :org, true)", "set_config"),
        (
            "INSERT INTO chats (org, phone) VALUES (:org, :phone) ON CONFLICT (org) DO UPDATE SET last_at = now()",
            "now in DO UPDATE",
        ),
        (
            "INSERT INTO chats (org, phone) VALUES (:org, :phone) "
            "ON CONFLICT (org) DO UPDATE SET last_at = coalesce(chats.last_at, clock_timestamp())",
            "clock_timestamp in DO UPDATE",
        ),
        (
            "INSERT INTO chats (org) VALUES (:org) ON CONFLICT (org) DO UPDATE SET last_at = CURRENT_TIMESTAMP",
            "CURRENT_TIMESTAMP in DO UPDATE",
        ),
        ("SELECT no FROM messages WHERE no = :no FOR UPDATE", "locks rows of several"),
        ("SELECT no FROM messages ORDER BY no LIMIT 1 FOR UPDATE SKIP LOCKED", "locks rows of several"),
        ("SELECT no FROM messages WHERE id = :id", "messages is not narrowed"),
        ("SELECT no FROM messages WHERE org IN (:orgs*)", "messages is not narrowed"),
        ("SELECT no FROM messages WHERE id = 'org = :org'", "messages is not narrowed"),
        ("SELECT no FROM messages -- org = :org", "messages is not narrowed"),
        ("DELETE FROM messages", "messages is not narrowed"),
        (
            "SELECT m.no FROM messages m JOIN contacts c ON c.contact = m.chat WHERE m.org = :org",
            "contacts is not narrowed",
        ),
        (
            "SELECT m.no FROM messages m JOIN contacts c ON c.org = m.org AND c.contact = m.chat WHERE m.no = :no",
            "messages is not narrowed",
        ),
        (
            "SELECT m.no FROM messages m WHERE m.org = :org UNION SELECT m.no FROM messages m WHERE m.no = :no",
            "messages is not narrowed",
        ),
        (
            "SELECT no FROM messages WHERE org = :org AND chat IN (SELECT contact FROM contacts WHERE name = :name)",
            "contacts is not narrowed",
        ),
        (
            "SELECT a.id FROM addons a WHERE a.org = :org AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = a.id)",
            "messages is not narrowed",
        ),
        ("INSERT INTO chats (phone, org) VALUES (:phone, :org)", "inserts into chats"),
        ("INSERT INTO chats (org, phone) VALUES (:other, :phone)", "inserts into chats"),
    ],
)
def test_a_planted_word_that_a_cluster_refuses_is_found(statement: str, observed: str) -> None:
    assert [found for found in statement_faults(statement) if observed in found] != []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT no FROM messages WHERE org = :org AND no = :no FOR UPDATE SKIP LOCKED",
        "SELECT a.id FROM addons a WHERE a.org = :org AND EXISTS (SELECT 1 FROM messages m WHERE m.org = a.org)",
        "SELECT org FROM orgs WHERE name = :name",
        "INSERT INTO chats (org, n) VALUES (:org, 1) ON CONFLICT (org) DO UPDATE SET n = chats.n + excluded.n",
        "SAVEPOINT s",
    ],
)
def test_what_a_cluster_takes_is_left_alone(statement: str) -> None:
    assert statement_faults(statement) == []


def test_the_program_never_sets_the_tenant_by_a_function() -> None:
    """Strings in the code can be statements too."""
    source = Path(__file__).parents[2] / "src" / "backscroll"
    for file in source.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"\bset_config\s*\(|\bMERGE INTO\b", node.value), f"{file}:{node.lineno}"


# ------------------------------------------------------------------ plans


def test_every_tenant_table_of_the_shadow_is_partitioned(shadow: Connection) -> None:
    rows = shadow.execute("SELECT relname FROM pg_class WHERE relkind = 'p'").fetchall()
    assert {row[0] for row in rows} == set(TENANT)


def test_the_tests_of_this_run_stand_on_the_shadow_when_that_is_wanted(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relkind = 'p'").fetchall()
    assert {row[0] for row in rows} == (set(TENANT) if shadowing.WANTED else set())


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - DDL))
def test_a_statement_reads_one_partition_of_each_table(shadow: Connection, name: str) -> None:
    assert plan_faults(shadow, STATEMENTS[name]) == []


@pytest.mark.parametrize(
    ("statement", "observed"),
    [
        ("SELECT no FROM messages WHERE id = :id", "messages: reads 8 partitions"),
        ("UPDATE chats SET last_at = :at WHERE phone = :phone", "chats: reads 8 partitions"),
        (
            "SELECT m.no FROM messages m JOIN contacts c ON c.contact = m.chat WHERE m.org = :org",
            "contacts: reads 8 partitions",
        ),
        ("SELECT no FROM messages WHERE org = :org OR id = :id", "messages: reads 8 partitions"),
        ("SELECT no FROM messages WHERE org + 0 = :org", "messages: reads 8 partitions"),
    ],
)
def test_a_planted_statement_of_several_partitions_is_found(shadow: Connection, statement: str, observed: str) -> None:
    assert plan_faults(shadow, statement) == [observed]
