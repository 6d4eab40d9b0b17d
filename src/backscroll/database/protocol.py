"""What the store needs from a database: transactions, and named statements.

Statements live in ``sql/queries.sql`` and its neighbours under ``-- name: …`` heads and use ``:name`` parameters.
``(:name*)`` takes a sequence and becomes as many parameters as it has. ``INDEXED BY`` names the index that SQLite is to
use: it has no statistics, assumes ten rows of each organisation in every table, and would read all of them. Where an
engine needs other words, its twin ``queries.<engine>.sql`` replaces the statement of that name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeVar

from backscroll.database.tables import copying_statements

T = TypeVar("T")
Row = tuple[Any, ...]
Ask = tuple[str, Mapping[str, Any]]
"""A statement's name and its parameters."""

_NAMED_INDEX = re.compile(r" INDEXED BY \w+")
_HEAD = re.compile(r"^-- name: (\w+)$", re.M)


class Txn(Protocol):
    """One transaction. Rows are tuples in the statement's order."""

    def all(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        """Every row that a read, or a write with RETURNING, gives."""
        ...

    def one(self, name: str, params: Mapping[str, Any]) -> Row | None:
        """The first row, None when there is none."""
        ...

    def several(self, asks: Sequence[Ask]) -> list[list[Row]]:
        """The rows of several reads that do not depend on each other, in one round trip where that is what costs."""
        ...

    def run(self, name: str, params: Mapping[str, Any]) -> None:
        """Write. The engine may hold it back until the next read or the end."""
        ...

    def many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run an INSERT of one row for each of ``rows``; no two of them may have the same key."""
        ...


class Engine(Protocol):
    """A database. Functions of a transaction are plain and synchronous; they may run again after a lost race."""

    name: str

    def read(self, work: Callable[[Txn], T], org: int | None = None) -> T:
        """Run ``work`` on one consistent snapshot. Where the engine can, only rows of ``org`` are to be seen."""
        ...

    def write(self, work: Callable[[Txn], T], org: int | None = None, *, can_wait: bool = False) -> T:
        """Run ``work`` alone and commit it to disk before returning; nothing of it stays on an error.

        ``can_wait``: long work of this process does not shorten its transactions for it.
        """
        ...

    def is_wanted(self) -> bool:
        """Whether another writer is waiting or was seen in the last second, as far as can be known: long work then
        keeps its transactions short."""
        ...

    def let_others_write(self) -> None:
        """Called between two transactions of long work: pauses while other writers wait and write."""
        ...

    def bulk(self) -> AbstractContextManager[None]:
        """Context for writing much in large transactions, as in an import."""
        ...

    def read_one(self, name: str, params: Mapping[str, int], org: int) -> Row | None:
        """One small statement read by itself, as cheaply as the engine can."""
        ...

    def script(self, text: str) -> None:
        """Run a migration's statements in one transaction; ``Conflict`` when another process ran it meanwhile."""
        ...

    def build(self, record: str, statements: Sequence[str]) -> None:
        """Run a migration's index builds without holding up writers, where the engine can.

        ``record`` is committed when all are done; its writer is alone meanwhile, and a process that waited gets
        ``Conflict``.
        """
        ...

    def save_file(self, path: Path, report: Callable[[int, int], None]) -> bool:
        """Write one consistent state of the whole database to a new SQLite file, while others write.

        False where the engine cannot: then rows are copied. ``report`` gets pages written so far and of how many.
        """
        ...

    def use_app_role(self) -> None:
        """After migrating: give up the right to see rows of all organisations, where the engine knows such."""
        ...

    def close(self) -> None:
        """Close all connections; the engine cannot be used afterwards."""
        ...


LISTED_COLUMNS = (
    "no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, "
    "CASE WHEN :terms = 1 THEN fts END, stored_at, changed_at"
)
"""Of a message in a page, in the order of ``rows.ListedRow``."""
MESSAGE_COLUMNS = (
    "no, phone, chat, sender, id, sent_at, flags, kind, text, details, ack, deleted_at, edited_at, prev_text, fts, "
    "stored_at, changed_at, source, raw"
)
"""Of a message, in the order of ``rows.MessageRow``."""


def load_statements(engine: str) -> dict[str, str]:
    """All statements that ``engine`` runs, by name."""
    folder = files("backscroll.database") / "sql"
    statements = copying_statements()
    for name in ("queries.sql", "checks.sql", "coverage.sql", "media.sql"):
        statements |= _parse((folder / name).read_text("utf-8"))
    twin = folder / f"queries.{engine}.sql"
    if twin.is_file():
        statements |= _parse(twin.read_text("utf-8"))
    if engine != "sqlite":
        return {name: without_named_index(text) for name, text in statements.items()}
    return statements


def without_named_index(sql: str) -> str:
    return _NAMED_INDEX.sub("", sql)


def _parse(text: str) -> dict[str, str]:
    pieces = _HEAD.split(text.replace("MESSAGE_COLUMNS", MESSAGE_COLUMNS).replace("LISTED_COLUMNS", LISTED_COLUMNS))
    return {name: _bare(body) for name, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def _bare(body: str) -> str:
    lines = (line for line in body.splitlines() if line.strip() and not line.lstrip().startswith("--"))
    return "\n".join(lines).rstrip().removesuffix(";")
