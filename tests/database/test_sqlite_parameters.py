"""How statements reach SQLite: values by position, lists written out, and nothing planned twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec import structs

from backscroll.core.events import Batch, ChatSeen, Event, MessageSeen, ReactionSet, Target
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.database.protocol import load_statements
from backscroll.database.sqlite import SqliteEngine
from backscroll.database.sqlite_parameters import bound, values_for
from backscroll.storage.store import Store, open_store
from conftest import CHAT, MORNING

STATEMENTS = load_statements("sqlite")
PHONE = "918527184400"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteEngine]:
    store = open_store(None, tmp_path_factory.mktemp("archive"))
    assert isinstance(store._engine, SqliteEngine)
    yield store._engine
    store.close()


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_values_are_in_the_order_of_sqlites_own_parameters(engine: SqliteEngine, name: str) -> None:
    every = re.findall(r"(?<![:\w]):(\w+)", STATEMENTS[name])
    lists = re.findall(r"\(:(\w+)\*\)", STATEMENTS[name])
    members = {name: tuple(f"{name}_{n}" for n in range(1 + at % 4)) for at, name in enumerate(lists)}
    sql, values = bound(STATEMENTS[name], {name: name for name in every} | members)
    cursor = engine._writer.cursor()
    named: list[tuple[str | None, ...]] = []

    def stop(cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        named.append(cursor.bindings_names)
        return False

    cursor.exec_trace = stop
    with pytest.raises(apsw.ExecTraceAbort):
        cursor.execute(sql, values)
    assert tuple(values) == named[0]
    if not lists:
        assert values_for(sql)({name: name for name in every}) == named[0]


def test_rows_may_have_one_value_and_name_it_twice(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "one.db")
    engine.script("CREATE TABLE t (a, b)")
    engine._statements = {"one": "INSERT INTO t (a) VALUES (:a)", "twice": "INSERT INTO t VALUES (:a, :a || :b)"}
    engine.write(lambda tx: tx.many("one", [{"a": 1}, {"a": 2, "unused": 0}]))
    engine.write(lambda tx: tx.many("twice", [{"b": "y", "a": "x"}]))
    assert engine._writer.execute("SELECT a, b FROM t").fetchall() == [(1, None), (2, None), ("x", "xy")]
    engine.close()


# ---------------------------------------------------------------------- lists

LISTED = "SELECT :left, n FROM numbers WHERE n IN (:some*) AND n NOT IN (:others*) AND n IN (:some*) AND n < :most"


@pytest.mark.parametrize("count", [*range(1, 70), 127, 128, 129, 499, 500, 501, 1024, 1025, 2000])
def test_lists_of_every_length_find_their_values(count: int) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE numbers (n)")
    connection.executemany("INSERT INTO numbers VALUES (?)", ((n,) for n in range(5000)))
    params = {"some": [*range(0, 2 * count, 2)], "others": (4, 6, 8), "most": 3000, "left": "x"}
    found = connection.execute(*bound(LISTED, params)).fetchall()
    assert found == [("x", n) for n in range(0, 2 * count, 2) if n not in (4, 6, 8) and n < 3000]
    connection.close()


def test_an_empty_list_matches_nothing() -> None:
    connection = apsw.Connection(":memory:")
    sql, values = bound("SELECT 1 WHERE 1 IN (:some*) OR NULL IN (:some*)", {"some": ()})
    assert connection.execute(sql, values).fetchall() == []
    connection.close()


def test_one_value_stays_alone() -> None:
    """SQLite then reads one range of the index in order; two equal values would have to be sorted."""
    assert bound("SELECT 1 WHERE 1 IN (:some*)", {"some": (7,)}) == ("SELECT 1 WHERE 1 IN (:some_0)", [7])


def test_lists_of_many_lengths_are_few_statements() -> None:
    texts = {bound("SELECT 1 WHERE 1 IN (:some*)", {"some": range(count)})[0] for count in range(1, 501)}
    assert len(texts) <= 18


# ---------------------------------------------------------------------- plans


def _fill(store: Store) -> int:
    org = store.create_org("Sample").no
    jid = store.add_phone(org, PHONE).jid
    events: list[Event] = [ChatSeen(phone=jid, chat=CHAT)]
    for at in range(60):
        key = MessageKey(jid, CHAT, f"M{at}")
        kind: Any = "image" if at % 5 == 0 else "text"
        events.append(MessageSeen(Message(key=key, sent_at=MORNING + at, from_me=at % 2 == 0, kind=kind, text="hello")))
        target = Target(jid, CHAT, f"M{at}")
        events.append(ReactionSet(target=target, by=CHAT, emoji="👍", at=MORNING + at))
    store.apply(org, Batch(source="backup", events=events))
    return org


def _read_pages(store: Store, org: int, shift: int) -> None:
    phones = tuple(phone.no for phone in store.list_phones(org))
    filters: list[dict[str, Any]] = [
        {},
        {"offset": 3 + shift},
        {"media_only": True},
        {"from_me": True},
        {"since": MORNING + shift},
    ]
    for chat in (CHAT, None):
        asked = MessageQuery(org=org, phones=phones, chat=chat, limit=5 + shift)
        for given in filters:
            assert store.list_messages(structs.replace(asked, **given)).messages
    assert store.list_chats(ChatQuery(org=org, phones=phones)).chats


def test_no_statement_of_a_page_is_planned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[str] = []

    def note(action: int, first: str | None, *_: str | None) -> int:
        """SQLite asks for every table and column whenever it plans a statement."""
        planned.append(f"{apsw.mapping_authorizer_function[action]} {first}")
        return apsw.SQLITE_OK

    def watch(connection: apsw.Connection) -> None:
        connection.authorizer = note

    monkeypatch.setattr(apsw, "connection_hooks", [*apsw.connection_hooks, watch])
    store = open_store(None, tmp_path)
    org = _fill(store)
    _read_pages(store, org, 0)
    assert "SQLITE_READ messages" in planned
    planned.clear()
    _read_pages(store, org, 1)
    assert planned == []
    store.close()


# ---------------------------------------------------------------------- named indexes

NAMED = {name: found[1] for name, text in STATEMENTS.items() if (found := re.search(r"INDEXED BY (\w+)", text))}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_statement_that_names_an_index_works_without_it(tmp_path: Path, name: str) -> None:
    store = open_store(None, tmp_path)
    assert isinstance(store._engine, SqliteEngine)
    store._engine.script(f"DROP INDEX {NAMED[name]}")
    every = re.findall(r"(?<![:\w]):(\w+)", STATEMENTS[name])
    lists = re.findall(r"\(:(\w+)\*\)", STATEMENTS[name])
    params = dict.fromkeys(every, 1) | dict.fromkeys(lists, (1, 2))
    assert store._engine.read(lambda tx: (tx.all(name, params), tx.one(name, params))) == ([], None)
    store.close()
