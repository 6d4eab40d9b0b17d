"""Rows of a foreign database with the rows that belong to them, within a memory limit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from backscroll.ingest.connectors.foreign.rows import OnSkip, Row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile

MAX_BYTES = 64 << 20
"""Of one piece, with all that belongs to its rows; one that holds more is read in smaller ones."""


MAX_CHILDREN = 100_000
"""Rows of one table that belong to the messages of one piece."""


class TooMuch(Exception):
    """What belongs to some rows is more than a piece may hold."""


def rowids(values: Iterable[object]) -> set[int]:
    """Those of some values that may be numbers of rows."""
    return {value for value in values if isinstance(value, int) and value > 0}


class Tables:
    """Reads rows of one file; what is too large in it is named to ``on_skip`` and left out.

    ``only`` names for some tables the columns that may be read, where the others are secrets.
    """

    def __init__(self, file: ForeignFile, on_skip: OnSkip, only: Mapping[str, Sequence[str]] | None = None) -> None:
        self.file = file
        self.on_skip = on_skip
        self.only = only or {}
        self.bytes = 0
        self.is_whole = True

    def begin(self, is_whole: bool) -> None:
        """Count what is read from here on. ``is_whole``: it cannot be made smaller, so rows are left out instead."""
        self.bytes, self.is_whole = 0, is_whole

    def columns(self, table: str) -> tuple[str, ...]:
        """Those of a table that are read; none where it is not there."""
        there = self.file.columns(table)
        return tuple(name for name in self.only[table] if name in there) if table in self.only else there

    def rows(self, table: str, numbers: Sequence[int]) -> Iterator[Row]:
        """The rows with these rowids; none where the file has no such table."""
        columns = self.columns(table)
        if not columns or not numbers:
            return
        for no, values in self.file.picked(table, columns, numbers):
            row = Row(table, no, dict(zip(columns, values or (), strict=False)), self.on_skip)
            if values is None:
                row.report("row", "is too large", kept=False)
                continue
            self.bytes += row.size
            if self.bytes > MAX_BYTES:
                if not self.is_whole:
                    raise TooMuch
                row.report("row", "belongs to a message with too many of them", kept=False)
                return
            yield row

    def by_number(self, table: str, numbers: Iterable[int]) -> dict[int, Row]:
        """The rows with these rowids, by rowid."""
        return {row.no: row for row in self.rows(table, sorted(set(numbers)))}

    def belonging(self, table: str, column: str, parents: Sequence[int]) -> dict[int, list[Row]]:
        """The rows of ``table`` whose ``column`` names one of ``parents``, by parent and in their order."""
        return self._by_parent(table, self.file.children(table, column, parents, MAX_CHILDREN + 1))

    def joined(
        self, parent: str, child: str, pairs: Sequence[tuple[str, str]], parents: Sequence[int]
    ) -> dict[int, list[Row]]:
        """The rows of ``child`` by the rowid of the ``parent`` that they name by several columns, told as pairs."""
        if any(theirs not in self.file.columns(child) for _, theirs in pairs):
            return {}
        same = " AND ".join(f"c.{theirs} = p.{ours}" for ours, theirs in pairs)
        sql = f"""
            SELECT p.rowid, c.rowid FROM {parent} AS p CROSS JOIN {child} AS c ON {same}
            WHERE p.rowid IN (SELECT value FROM json_each(?)) ORDER BY c.rowid LIMIT ?
        """  # noqa: S608
        found_pairs = list(self.file.rows(sql, json.dumps(list(parents)), MAX_CHILDREN + 1))
        return self._by_parent(child, found_pairs)

    def _by_parent(self, table: str, pairs: list[tuple[int, int]]) -> dict[int, list[Row]]:
        if len(pairs) > MAX_CHILDREN:
            if not self.is_whole:
                raise TooMuch
            Row(table, pairs[-1][1], {}, self.on_skip).report(
                "row", "belongs to a message with too many of them", kept=False
            )
            pairs = pairs[:MAX_CHILDREN]
        rows = self.by_number(table, (no for _, no in pairs))
        found: dict[int, list[Row]] = {}
        for parent, no in pairs:
            if no in rows:
                found.setdefault(parent, []).append(rows[no])
        return found
