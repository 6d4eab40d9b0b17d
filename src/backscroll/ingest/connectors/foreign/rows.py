"""Rows of a foreign table, and reports about unreadable ones."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct

from backscroll.core import events, ids, limits
from backscroll.core.errors import BadField
from backscroll.core.model import Message
from backscroll.ingest.connectors.foreign.sqlite import BrokenText
from backscroll.ingest.connectors.foreign.times import instant, instant_of_unix

_T = TypeVar("_T")
_ENCODER = msgspec.json.Encoder()
_BYTES = frozenset({bytes, BrokenText})


class Skipped(Struct, frozen=True, kw_only=True):
    """An unreadable row, or one unreadable value of it. The row itself is in the raw payload of its batch."""

    table: str
    row: int
    """SQLite's rowid."""
    name: str | None
    """The message id, JID or slot id of the row, where it can be read."""
    column: str
    problem: str
    kept: bool
    """True if the rest of the row was used."""
    payload: bytes = b""
    """The row as a line of JSON; empty where it is too large to be read."""

    def __str__(self) -> str:
        named = f" ({self.name})" if self.name else ""
        return f"{self.table} row {self.row}{named}: {self.column} {self.problem}"


OnSkip = Callable[[Skipped], None]


class Unusable(Exception):
    def __init__(self, column: str, problem: str) -> None:
        super().__init__(column, problem)
        self.column = column
        self.problem = problem


class Row:
    """One row of a foreign table; an unreadable value is reported when it is accessed."""

    def __init__(self, table: str, no: int, values: dict[str, Any], on_skip: OnSkip) -> None:
        self.table = table
        self.no = no
        self.values = values
        self.altered: set[str] = set()
        self._on_skip = on_skip
        self._reported: set[str] = set()
        self._raw: bytes | None = None

    def report(self, column: str, problem: str, *, kept: bool) -> None:
        """Report an unreadable value, once, or the row with ``kept`` False."""
        if kept and column in self._reported:
            return
        self._reported.add(column)
        name = next(iter(self.values.values()), None)
        skipped = Skipped(
            table=self.table,
            row=self.no,
            name=name if isinstance(name, str) else None,
            column=column,
            problem=problem,
            kept=kept,
            payload=b"" if kept or not self.values else self.raw(),
        )
        self._on_skip(skipped)

    def key(self, column: str) -> str:
        """Text that the row makes no sense without."""
        value = self.values.get(column)
        if not isinstance(value, str):
            raise Unusable(column, what_it_is(value))
        if not value.strip() or "\0" in value:
            raise Unusable(column, "holds NUL" if value.strip() else "is empty")
        return value

    def text(self, column: str) -> str | None:
        """Clean text; None where there is none. Damaged text is kept as far as it can be read."""
        value = self.values.get(column)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            cleaned, changed = ids.clean_text(value)
        else:
            self.report(column, f"{what_it_is(value)}; kept as far as it can be read", kept=True)
            raw = value if isinstance(value, bytes) else str(value).encode()
            cleaned, changed = ids.clean_text(raw.decode(errors="replace"))[0], True
        if changed:
            self.altered.add(column)
        return cleaned

    def time(self, column: str) -> int | None:
        """Microseconds UTC; None where there is none, or none that can be read."""
        value = self.values.get(column)
        if value is None or value == "":
            return None
        try:
            if isinstance(value, str):
                return instant(value.strip())
            if isinstance(value, int) and 0 < value < 10**14:
                return instant_of_unix(value)
        except ValueError:
            pass
        self.report(column, "is not a time", kept=True)
        return None

    def number(self, column: str) -> int | None:
        """A whole number above 0; None for anything else."""
        value = self.values.get(column)
        return value if isinstance(value, int) and value > 0 else None

    def flag(self, column: str) -> bool | None:
        """Whether it is set; None where the column is empty."""
        value = self.values.get(column)
        if isinstance(value, str):
            return value.strip().lower() in ("1", "t", "true")
        return None if value is None else bool(value)

    def blob(self, column: str) -> bytes | None:
        """Bytes; None where there are none."""
        value = self.values.get(column)
        if value is None or value in ("", b""):
            return None
        if isinstance(value, bytes) and not isinstance(value, BrokenText):
            return value
        self.report(column, "is not bytes", kept=True)
        return None

    def object(self, column: str) -> dict[str, Any] | None:
        """A JSON object; None where there is none, or none that can be read."""
        text = self.text(column)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            self.report(column, "is not a JSON object", kept=True)
            return None

    @property
    def size(self) -> int:
        """Bytes or letters of its texts and blobs."""
        return sum([len(value) for value in self.values.values() if isinstance(value, (str, bytes))])

    def raw(self) -> bytes:
        """The row as a line of JSON. Bytes are ``{"base64": …}``, text that is not UTF-8 ``{"broken_text": …}``.

        Its values must not change afterwards.
        """
        if self._raw is None:
            row = self.values
            if not _BYTES.isdisjoint(map(type, row.values())):
                row = {name: _json_value(value) for name, value in row.items()}
            self._raw = _ENCODER.encode({"table": self.table, "rowid": self.no, "row": row})
        return self._raw


def what_it_is(value: object) -> str:
    """What a value is that should have been text."""
    if value is None:
        return "is missing"
    if isinstance(value, BrokenText):
        return "is not UTF-8"
    return "is a blob, not text" if isinstance(value, bytes) else "is a number, not text"


def _json_value(value: object) -> object:
    if isinstance(value, bytes):
        name = "broken_text" if isinstance(value, BrokenText) else "base64"
        return {name: base64.b64encode(value).decode()}
    return value


def read_row(row: Row, told: Callable[[Row], _T]) -> _T | None:
    """What ``told`` makes of a row; None where it makes nothing, and where the row is reported as unusable."""
    try:
        event = told(row)
        if event is not None:
            limits.check(events.MessageSeen(event) if isinstance(event, Message) else cast(events.Event, event))
    except Unusable as error:
        row.report(error.column, error.problem, kept=False)
    except BadField as error:
        row.report(error.field, error.remedy, kept=False)
    else:
        return event
    return None


def read_rows(rows: Iterable[Row], told: Callable[[Row], _T]) -> list[tuple[Row, _T]]:
    """The same of several rows, each beside what it tells."""
    return [(row, event) for row in rows if (event := read_row(row, told)) is not None]


def raw_lines(rows: Iterable[Row]) -> bytes:
    """Rows as a payload to keep: a line of JSON each."""
    return b"\n".join(row.raw() for row in rows)
