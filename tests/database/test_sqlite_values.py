"""``many`` hands SQLite the values of a row in the order in which the statement names them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from backscroll.database.protocol import load_statements
from backscroll.database.sqlite import SqliteEngine, _values_for
from backscroll.storage.store import open_store

INSERTS = {
    name: text
    for name, text in load_statements("sqlite").items()
    if text.startswith(("INSERT", "UPDATE", "DELETE")) and not re.search(r":\w+\*", text)
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteEngine]:
    store = open_store(None, tmp_path_factory.mktemp("archive"))
    assert isinstance(store._engine, SqliteEngine)
    yield store._engine
    store.close()


@pytest.mark.parametrize("name", sorted(INSERTS))
def test_values_are_in_the_order_of_sqlites_own_parameters(engine: SqliteEngine, name: str) -> None:
    cursor = engine._writer.cursor()
    named: list[tuple[str | None, ...]] = []

    def stop(cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        named.append(cursor.bindings_names)
        return False

    cursor.exec_trace = stop
    every = re.findall(r"(?<!:):(\w+)", INSERTS[name])
    with pytest.raises(apsw.ExecTraceAbort):
        cursor.execute(INSERTS[name], dict.fromkeys(every))
    assert _values_for(INSERTS[name])({name: name for name in every}) == named[0]


def test_rows_may_have_one_value_and_name_it_twice(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "one.db")
    engine.script("CREATE TABLE t (a, b)")
    engine._statements = {"one": "INSERT INTO t (a) VALUES (:a)", "twice": "INSERT INTO t VALUES (:a, :a || :b)"}
    engine.write(lambda tx: tx.many("one", [{"a": 1}, {"a": 2, "unused": 0}]))
    engine.write(lambda tx: tx.many("twice", [{"b": "y", "a": "x"}]))
    assert engine._writer.execute("SELECT a, b FROM t").fetchall() == [(1, None), (2, None), ("x", "xy")]
    engine.close()
