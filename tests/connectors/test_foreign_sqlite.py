from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.foreign.sqlite import Product, opened

PRODUCT = Product("Elsewhere")


def made(path: Path, script: str) -> Path:
    with sqlite3.connect(path) as db:
        db.executescript(script)
    db.close()
    return path


@pytest.mark.parametrize("index", ["", "CREATE INDEX by_parent ON child (parent, word)"])
def test_rows_that_belong_to_others_are_found_with_and_without_an_index(tmp_path: Path, index: str) -> None:
    script = f"""
        CREATE TABLE child (_id INTEGER PRIMARY KEY, parent INTEGER, word TEXT);
        INSERT INTO child VALUES (1, 7, 'a'), (2, 8, 'b'), (3, 7, 'c'), (4, 'x', 'd'), (5, NULL, 'e');
        {index};
    """
    path = made(tmp_path / "some.db", script)
    before = path.read_bytes()
    with opened(path, PRODUCT, "some.db") as file:
        assert file.children("child", "parent", [7, 9]) == [(7, 1), (7, 3)]
        assert file.children("child", "parent", [8]) == [(8, 2)]
        assert file.children("child", "none", [8]) == []
        assert file.children("nobody", "parent", [8]) == []
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["some.db"]


def test_rows_are_walked_by_number_and_from_any_place(tmp_path: Path) -> None:
    script = "CREATE TABLE t (_id INTEGER PRIMARY KEY); INSERT INTO t VALUES (-3), (1), (5), (9), (12)"
    with opened(made(tmp_path / "some.db", script), PRODUCT, "some.db") as file:
        assert list(file.chunks("t", 2)) == [[1, 5], [9, 12]]
        assert list(file.chunks("t", 2, after=5)) == [[9, 12]]


def test_a_view_in_the_place_of_a_table_is_not_read(tmp_path: Path) -> None:
    script = "CREATE VIEW message AS WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x FROM n) SELECT x FROM n"
    with opened(made(tmp_path / "some.db", script), PRODUCT, "some.db") as file:
        assert (file.columns("message"), file.tables()) == ((), set())


def test_what_is_no_database_is_named_with_its_program(tmp_path: Path) -> None:
    (tmp_path / "some.db").write_bytes(b"not at all" * 30)
    problem = r"^Elsewhere database: some\.db: this is not an SQLite database; name some\.db$"
    with pytest.raises(Unreadable, match=problem), opened(tmp_path / "some.db", PRODUCT, "some.db"):
        pass
