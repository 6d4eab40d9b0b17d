"""Rows of a foreign database with what belongs to them, within a bound of memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backscroll.ingest.connectors.foreign.rows import OnSkip, Row
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile

MAX_BYTES = 64 << 20
"""Of one piece, with all that belongs to its rows; one that holds more is read in smaller ones."""


MAX_CHILDREN = 100_000
"""Rows of one table that belong to the messages of one piece."""


class TooMuch(Exception):
    """What belongs to some rows is more than a piece may hold."""


class Tables:
    """Reads rows of one file; what is too large in it is named to ``on_skip`` and left out."""

    def __init__(self, file: ForeignFile, on_skip: OnSkip) -> None:
        self.file = file
        self.on_skip = on_skip
        self.bytes = 0
        self.is_whole = True

    def begin(self, is_whole: bool) -> None:
        """Count what is read from here on. ``is_whole``: it cannot be made smaller, so rows are left out instead."""
        self.bytes, self.is_whole = 0, is_whole

    def rows(self, table: str, numbers: Sequence[int]) -> Iterator[Row]:
        """The rows with these rowids; none where the file has no such table."""
        columns = self.file.columns(table)
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
                row.report("row", "is one of too many that belong to one message", kept=False)
                return
            yield row

    def by_number(self, table: str, numbers: Iterable[int]) -> dict[int, Row]:
        """The rows with these rowids, by rowid."""
        return {row.no: row for row in self.rows(table, sorted(set(numbers)))}

    def belonging(self, table: str, column: str, parents: Sequence[int]) -> dict[int, list[Row]]:
        """The rows of ``table`` whose ``column`` names one of ``parents``, by parent and in their order."""
        pairs = self.file.children(table, column, parents, MAX_CHILDREN + 1)
        if len(pairs) > MAX_CHILDREN:
            if not self.is_whole:
                raise TooMuch
            Row(table, pairs[-1][1], {}, self.on_skip).report("row", "is one of too many of a message", kept=False)
            pairs = pairs[:MAX_CHILDREN]
        rows = self.by_number(table, (no for _, no in pairs))
        found: dict[int, list[Row]] = {}
        for parent, no in pairs:
            if no in rows:
                found.setdefault(parent, []).append(rows[no])
        return found
