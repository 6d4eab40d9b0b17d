"""Lets a test run its own SQL on an archive of either engine, without the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import psycopg


class PlainSql:
    """A connection for one thread. ``database`` None is SQLite's file in ``folder``, as it is for ``open_store``.

    Parameters in statements are written ``?``; each statement is a transaction of its own.
    """

    def __init__(self, database: str | None, folder: Path) -> None:
        self._connection: apsw.Connection | psycopg.Connection[tuple[Any, ...]]
        if database is None:
            self._connection = apsw.Connection(str(folder / "backscroll.db"))
        else:
            self._connection = psycopg.connect(database, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._run(sql, params)[1]

    def dicts(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        names, rows = self._run(sql, params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def change(self, sql: str) -> int:
        """Run statements without parameters; returns how many rows the last of them changed."""
        if isinstance(self._connection, apsw.Connection):
            self._connection.execute(sql).fetchall()
            return self._connection.changes()
        return self._connection.execute(sql.encode()).rowcount

    def tables(self) -> list[str]:
        if isinstance(self._connection, apsw.Connection):
            return [name for (name,) in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return [name for (name,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]

    def _run(self, sql: str, params: Sequence[Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        if isinstance(self._connection, apsw.Connection):
            cursor = self._connection.cursor()
            names: list[str] = []
            rows = []
            for row in cursor.execute(sql, tuple(params)):
                names = names or [column[0] for column in cursor.get_description()]
                rows.append(tuple(row))
            return names, rows
        found = self._connection.execute(sql.replace("?", "%s").encode(), params)
        return [column.name for column in found.description or ()], found.fetchall()
