"""Rules of the SQLite schema and of every statement, and the indexes that the reads of a page use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from backscroll.core.events import Batch, Event, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.database.protocol import LISTED_COLUMNS, MESSAGE_COLUMNS, load_statements
from backscroll.database.sqlite import configure
from backscroll.database.sqlite_parameters import bound
from backscroll.storage.records.rows import ListedRow, MessageRow
from backscroll.storage.store import open_store
from conftest import CHAT, MORNING

GLOBAL = {"orgs", "migrations", "meta", "sqlite_schema", "sqlite_master"}
"""Tables that belong to no organisation: they have few rows and are never joined to messages."""
SEARCH = re.compile(r"\bsearch\b")
STATEMENTS = load_statements("sqlite")
ALL_ORGS = {"add_org", "list_orgs", "database_size"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    """An archive of two phones, two chats and enough rows for the planner's statistics."""
    folder = tmp_path_factory.mktemp("schema")
    store = open_store(None, folder)
    org = store.create_org("Sample").no
    phones = [store.add_phone(org, number).jid for number in ("918527184400", "6289685028129")]
    for phone in phones:
        events: list[Event] = []
        for i in range(400):
            key = MessageKey(phone, CHAT if i % 2 else "4915112345678", f"M{i}")
            kind: Any = "image" if i % 9 == 0 else "text"
            events.append(MessageSeen(Message(key=key, sent_at=MORNING + i, from_me=False, kind=kind, text="hello")))
        store.apply(org, Batch(source="backup", events=events))
    store.close()
    connection = apsw.Connection(str(folder / "backscroll.db"))
    configure(connection)
    yield connection
    connection.close()


# ---------------------------------------------------------------------- organisation first in every key


def schema_faults(connection: apsw.Connection) -> list[str]:
    """Tables without a key, and keys and indexes that do not begin with the organisation."""
    wanted = (
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'search*' AND name NOT GLOB 'sqlite*'"
    )
    tables = {str(row[0]) for row in connection.execute(wanted)} - GLOBAL
    faults = [fault for table in sorted(tables) for fault in table_faults(connection, table)]
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view')").fetchall()
    return faults + [f"{name}: there are no triggers and no views" for (name,) in triggers]


def table_faults(connection: apsw.Connection, table: str) -> Iterator[str]:
    columns: list[Any] = connection.execute(f"PRAGMA table_info({table})").fetchall()
    key = [name for place, name in sorted((place, name) for _, name, _, _, _, place in columns) if place]
    if key[:1] != ["org"]:
        yield f"{table}: the primary key begins with {key[:1]}"
    for _, name, _, not_null, *_ in columns:
        if name == "org" and not not_null:
            yield f"{table}: org may be null"
    for _, index, _, origin, _ in connection.execute(f"PRAGMA index_list({table})").fetchall():
        first: Any = connection.execute(f"PRAGMA index_info({index})").fetchone()
        if origin != "pk" and first[2] != "org":
            yield f"{table}: index {index} begins with {first[2]}"


def test_the_organisation_comes_first_in_every_key_and_index(database: apsw.Connection) -> None:
    assert schema_faults(database) == []


@pytest.mark.parametrize(
    "fault",
    [
        "CREATE TABLE odd (id TEXT PRIMARY KEY, org BIGINT NOT NULL)",
        "CREATE TABLE odd (org BIGINT NOT NULL, id TEXT)",
        "CREATE TABLE odd (org BIGINT, id TEXT, PRIMARY KEY (org, id))",
        "CREATE TABLE odd (org BIGINT NOT NULL, id TEXT UNIQUE, PRIMARY KEY (org, id))",
        "CREATE INDEX odd ON messages (id, org)",
        "CREATE TRIGGER odd AFTER INSERT ON messages BEGIN SELECT 1; END",
    ],
)
def test_a_planted_fault_in_the_schema_is_found(database: apsw.Connection, fault: str) -> None:
    database.execute("BEGIN")
    try:
        database.execute(fault)
        assert len(schema_faults(database)) == 1
    finally:
        database.execute("ROLLBACK")


@pytest.mark.parametrize(("columns", "row"), [(LISTED_COLUMNS, ListedRow), (MESSAGE_COLUMNS, MessageRow)])
def test_the_columns_of_a_message_come_in_the_order_of_its_row(columns: str, row: type[ListedRow]) -> None:
    names = [re.sub(r"CASE WHEN :terms = 1 THEN (\w+) END", r"\1", column) for column in columns.split(", ")]
    assert names == list(row.__struct_fields__)


# ---------------------------------------------------------------------- organisation in every statement


def tenant_tables(statement: str) -> list[tuple[str, str]]:
    """Tables that a statement reads or writes, each with its alias there. Lists given as JSON are no tables."""
    statement = re.sub(r"\bFROM (?:json_each|json_array_elements)\(", "(", statement)
    statement = re.sub(r"\bINDEXED BY \w+", "", statement)
    named = re.findall(
        r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)(?:\s+(?!WHERE|ON|SET|ORDER|GROUP|LEFT|JOIN)(\w+))?", statement
    )
    return [(table, alias or table) for table, alias in named if table not in GLOBAL and table.upper() != "SET"]


def statement_faults(statement: str) -> list[str]:
    """Tenant tables that a statement uses without restricting the organisation."""
    words = " ".join(statement.split())
    if words.startswith(("CREATE", "INSERT INTO orgs")):
        return []
    faults = []
    if words.startswith("INSERT"):
        columns = re.search(r"INSERT INTO (\w+) \(([^)]*)\)", words)
        if columns and columns[1] not in GLOBAL and not SEARCH.search(words) and not columns[2].startswith("org,"):
            faults.append(columns[1])
        return faults
    for part in re.split(r"\bUNION\b(?: ALL)?", words):
        for table, alias in tenant_tables(part):
            own = r"(?<!\.)\borg = :org\b" if alias == table else rf"\b{alias}\.org = :org\b"
            tied = rf"\b{alias}\.org = \w+\.org\b|\b\w+\.org = {alias}\.org\b"
            if table != "search" and not re.search(f"{own}|{tied}", part):
                faults.append(table)
    return faults


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_every_statement_says_which_organisation_it_is_about(name: str) -> None:
    assert name in ALL_ORGS or statement_faults(STATEMENTS[name]) == []


@pytest.mark.parametrize(
    "planted",
    [
        "SELECT no FROM messages WHERE id = :id",
        "SELECT m.no FROM messages m JOIN contacts c ON c.contact = m.chat WHERE m.org = :org",
        "UPDATE chats SET last_at = 1 WHERE chat = :chat",
        "DELETE FROM addons WHERE phone = :phone",
        "INSERT INTO changes (seq, org, what, no) VALUES (:seq, :org, :what, :no)",
        "SELECT no FROM messages WHERE org = :org UNION SELECT phone FROM phones",
    ],
)
def test_a_planted_statement_without_its_organisation_is_found(planted: str) -> None:
    assert len(statement_faults(planted)) == 1


# ---------------------------------------------------------------------- plans


def plan(connection: apsw.Connection, name: str, **params: Any) -> list[str]:
    base = {"org": 1, "low": 0, "high": 2**60, "mask": 256, "want": 0, "limit": 50, "offset": 0, "phone": 1, "terms": 1}
    sql, values = bound(STATEMENTS[name], base | {"phones": (1,), "chats": (1,), "ids": ("M1", "M2")} | params)
    return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()]


PLACE = {"at": 2**60, "id": "M1", "sender": 1, "chat": 1, "kinds": ("image",), "no": 2**60}
KNOWN = {"saved_only": 0, "everybody": 0, "sees_all": 0, "viewer": (1,)}


@pytest.mark.parametrize(
    ("name", "params", "index"),
    [
        ("list_in_chats", {}, "messages_chat (org=? AND phone=? AND chat=? AND sent_at>? AND sent_at<?)"),
        ("list_in_chats", {"phones": (1, 2), "chats": (1, 2)}, "messages_chat (org=? AND phone=? AND chat=?"),
        ("list_in_phone", {}, "messages_phone (org=? AND phone=? AND sent_at>? AND sent_at<?)"),
        ("list_in_phones", {"phones": (1, 2)}, "messages_org (org=? AND sent_at>? AND sent_at<?)"),
        ("list_media_in_chats", {"mask": 264, "want": 8}, "messages_media (org=? AND phone=? AND chat=?"),
        ("list_media_in_chats", {"phones": (1, 2, 3)}, "messages_media (org=? AND phone=? AND chat=? AND sent_at>?"),
        ("list_media_in_chats", {"chats": (1, 2, 3)}, "messages_media (org=? AND phone=? AND chat=? AND sent_at>?"),
        ("keys_in_chats", {}, "COVERING INDEX messages_chat (org=? AND phone=? AND chat=? AND sent_at>?"),
        ("numbers_in_phone", {}, "messages_phone (org=? AND phone=? AND sent_at>? AND sent_at<?)"),
        ("numbers_in_phones", {"phones": (1, 2)}, "messages_org (org=? AND sent_at>? AND sent_at<?)"),
        ("keys_of_media_in_chats", {"mask": 264, "want": 8}, "messages_media (org=? AND phone=? AND chat=?"),
        ("keys_of_media_in_chats", {"phones": (1, 2, 3)}, "messages_media (org=? AND phone=? AND chat=? AND sent_at>?"),
        ("media_in_chats", PLACE | {"chats": (1, 2)}, "messages_media (org=? AND phone=? AND chat=? AND sent_at<?)"),
        ("thread_older", PLACE, "messages_chat (org=? AND phone=? AND chat=? AND sent_at<?)"),
        ("thread_newer", PLACE, "messages_chat (org=? AND phone=? AND chat=? AND sent_at>?)"),
        ("context_before", PLACE, "messages_chat (org=? AND phone=? AND chat=? AND sent_at<?)"),
        ("context_after", PLACE, "messages_chat (org=? AND phone=? AND chat=? AND sent_at>?)"),
        ("ends_of_chats", {"chats": (1, 2)}, "messages_chat (org=? AND phone=? AND chat=?)"),
        ("rows_of_sender", {"sender": 1}, "messages_sender (org=? AND sender=?)"),
        ("phones_in_chat", {"chat": 1}, "COVERING INDEX messages_chat (org=? AND phone=? AND chat=?)"),
        ("rows_by_id", {}, "messages_key (org=? AND id=? AND phone=? AND chat=?)"),
        ("rows_by_bare_id", {"id": "M1"}, "messages_key (org=? AND id=? AND phone=?)"),
        ("rows_by_client_ref", {"ref": "r"}, "messages_client_ref (org=? AND client_ref=?)"),
        ("count_in_chats", {}, "messages_chat (org=? AND phone=? AND chat=? AND sent_at>? AND sent_at<?)"),
        ("count_in_phones", {}, "messages_phone (org=? AND phone=? AND sent_at>? AND sent_at<?)"),
        ("last_in_chat", {"chat": 1}, "messages_chat (org=? AND phone=? AND chat=?)"),
        ("ids_said", {}, "messages_chat (org=? AND phone=? AND chat=? AND sent_at>? AND sent_at<?)"),
        ("rows_of_chat", {"chat": 1}, "messages_chat (org=? AND phone=? AND chat=?)"),
        ("count_contacts", KNOWN, "messages_sender (org=? AND sender=? AND phone=?)"),
        ("list_contacts", KNOWN, "messages_sender (org=? AND sender=? AND phone=?)"),
        ("list_contacts", KNOWN | {"saved_only": 1}, "PRIMARY KEY (org=? AND contact=? AND phone=?)"),
        ("read_contacts_seen", {"contacts": (1, 2)}, "PRIMARY KEY (org=? AND contact=? AND phone=?)"),
        ("is_known_to", {"contact": 7}, "messages_sender (org=? AND sender=? AND phone=?)"),
        ("with_chat", {}, "chats_1 (org=? AND phone=? AND chat=?)"),
        ("changes_since", {"seq": 5}, "PRIMARY KEY (org=? AND seq>?)"),
        ("read_annotations", {}, "PRIMARY KEY (org=? AND phone=? AND chat=? AND id=?)"),
        ("read_observations", {}, "PRIMARY KEY (org=? AND phone=? AND chat=? AND id=?)"),
    ],
)
def test_a_statement_goes_by_its_index(
    database: apsw.Connection, name: str, params: dict[str, Any], index: str
) -> None:
    steps = plan(database, name, **params)
    assert any(index in step for step in steps), steps
    assert not any(step.startswith("SCAN") for step in steps)


@pytest.mark.parametrize(
    "name",
    [
        *("list_in_chats", "list_in_phone", "list_in_phones", "list_media_in_chats"),
        *("keys_in_chats", "numbers_in_phone", "numbers_in_phones", "keys_of_media_in_chats"),
        *("thread_older", "thread_newer", "context_before", "context_after", "media_in_chats", "rows_of_sender"),
    ],
)
def test_a_page_is_never_sorted_as_a_whole(database: apsw.Connection, name: str) -> None:
    """The index gives the order of time; only ties may be sorted."""
    steps = plan(database, name, **PLACE)
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps


def test_what_belongs_to_a_merged_party_is_found_by_indexes(database: apsw.Connection) -> None:
    steps = plan(database, "annotations_of", contact=1)
    assert any("addons_actor (org=? AND actor=?)" in step for step in steps), steps
    assert any("addons_target (org=? AND target=?)" in step for step in steps), steps


# ---------------------------------------------------------------------- nothing reads a whole organisation unasked


LARGE = frozenset(
    {
        *("messages", "addons", "tellings", "changes", "tallies", "raws", "contacts", "aliases", "contact_facts"),
        *("chats", "files", "import_facts", "import_retold", "import_files", "outbox", "deliveries", "fetches"),
        *("import_numbers", "import_mappings", "quarantine", "spans"),
    }
)
"""Tables that grow with the archive."""


WHOLE = re.compile(r"org=\?( AND (phone[=<>]|webhook=)\?)?")
"""All rows of an organisation, of some phones or of a webhook."""


def whole_reads(connection: apsw.Connection, statement: str, members: int) -> set[str]:
    """Large tables of which a statement reads all rows of the organisation, or of one phone or webhook of it. Its lists
    have this many members.
    """
    lists = set(re.findall(r"\(:(\w+)\*\)", statement))
    every = set(re.findall(r"(?<![:\w]):(\w+)", statement))
    params = dict.fromkeys(every, 1) | {name: tuple(range(1, members + 1)) for name in lists}
    sql, values = bound(statement, params)
    tables = {alias: table for table, alias in tenant_tables(" ".join(statement.split()))}
    found = set()
    for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values):
        match = re.match(r"(SCAN|SEARCH) (\w+)(?:.*?\((.*)\))?", str(step[3]))
        if match and WHOLE.fullmatch(match[3] or "org=?"):
            found.add(tables.get(match[2], match[2]))
    return found & LARGE


READ_WHOLE = {
    "copies, exports and checks are for everything": {
        *("count_changes", "dump_actors", "dump_count", "import_references", "lost_import_files", "odd_changes"),
        *("odd_deliveries", "odd_events", "places_of_counters", "places_of_messages", "stored_twice", "stray_retold"),
        *(f"copy_{part}_{table}" for part in ("count", "first") for table in LARGE),
        *("delete_counters", "every_import_range"),
    },
    "the whole quarantine is asked for": {"index_of_quarantine", "list_quarantined"},
    "only the first or last rows of an index are read": {
        *("ends_of_phone", "forget_deliveries", "forget_outbox", "highest_numbers", "last_stored", "look_at_webhooks"),
        "latest_quarantined",
    },
    "lists of chats and contacts, whose filters no index has": {
        *("count_chats", "count_contacts", "facts_of_all_chats", "find_by_name", "labeled_chats"),
        *("list_chats", "list_contacts", "phones_stored", "search_facts_seen", "search_names", "search_names_told"),
    },
    "only for an own phone that is removed": {"phone_is_referred_to"},
    "only for contacts known by their name in an export": {"observations_of"},
    "only those that wait": {"count_fetches", "laneless_deliveries"},
    "reactions are listed and counted with what a filter leaves": {"count_reactions", "list_reactions"},
}
"""Statements that may read a large table as a whole, and why."""
MAY_READ_WHOLE = frozenset(name for names in READ_WHOLE.values() for name in names)


@pytest.mark.parametrize("name", sorted(name for name in STATEMENTS if not STATEMENTS[name].startswith("INSERT")))
def test_large_tables_are_read_by_more_than_the_organisation(database: apsw.Connection, name: str) -> None:
    """Without statistics SQLite assumes ten rows in every organisation, and may prefer to read all of them."""
    if STATEMENTS[name].startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
        found = whole_reads(database, STATEMENTS[name], 1) | whole_reads(database, STATEMENTS[name], 3)
        assert not found or name in MAY_READ_WHOLE


def test_whoever_may_read_a_table_as_a_whole_does(database: apsw.Connection) -> None:
    reading = {name for name in MAY_READ_WHOLE if whole_reads(database, STATEMENTS[name], 3)}
    assert reading == MAY_READ_WHOLE


@pytest.mark.parametrize(
    "planted",
    [
        "SELECT flags FROM messages WHERE org = :org AND id IN (:ids*)",
        "SELECT m.no FROM messages m WHERE m.org = :org AND m.sender = :sender AND m.sender <> m.chat ORDER BY m.no",
        "SELECT d.event FROM deliveries d WHERE d.org = :org AND d.webhook = :webhook AND d.chat = 2 ORDER BY d.event",
        "SELECT value FROM addons WHERE org = :org AND phone IN (:phones*) AND ref = 'x'",
    ],
)
def test_a_planted_statement_that_reads_all_rows_is_found(database: apsw.Connection, planted: str) -> None:
    assert len(whole_reads(database, planted, 3)) == 1
