"""SQLite files of other programs, opened so that nothing is written to them or left beside them.

The file is not trusted: only real tables are read, nothing in it can run code, and the memory and time of each row and
statement are limited.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.foreign.times import sort_key


class Product(Struct, frozen=True):
    """The program whose files are read, as error messages name it."""

    program: str
    """GOWA, wacli …"""
    place: str = ""
    """What stands before a file's usual name where a person is told to name it: "GOWA's storages/"."""

    @property
    def database(self) -> str:
        """What one of its files is called."""
        return f"{self.program} database"


class BrokenText(bytes):
    """A TEXT value that is not UTF-8."""


def _decoded(raw: bytes) -> str | BrokenText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return BrokenText(raw)


Values = list[Any] | None


def quoted_columns(columns: Iterable[str], alias: str) -> str:
    """The columns of ``alias`` as SQL; a file may name them as it likes."""
    return ", ".join(f'{alias}."{column.replace(chr(34), chr(34) * 2)}"' for column in columns)


class TooLarge(Unreadable):
    """A row that holds more bytes than any row of the program's."""

    def __init__(self, product: Product, name: str) -> None:
        problem = f"a row holds more than {_MAX_ROW >> 20} MiB; no file of {product.program} has such rows"
        super().__init__(product.database, name, problem)


class ForeignFile:
    """A foreign SQLite file, seen as it was at the moment of opening. Only real tables of it are read."""

    def __init__(self, path: Path, db: sqlite3.Connection, product: Product) -> None:
        self.path = path
        self.db = db
        self.product = product
        self._columns: dict[str, tuple[str, ...]] = {}
        self._indexes: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._since = time.monotonic()
        db.set_progress_handler(lambda: time.monotonic() - self._since > _MAX_SECONDS, 1_000_000)

    def one(self, sql: str, *values: Any) -> Any:
        """The first value of the first row."""
        value, *_ = next(self.rows(sql, *values))
        return value

    def rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """``Unreadable`` where the file is damaged or asks for too much, ``TooLarge`` at a row that does."""
        self._since = time.monotonic()
        try:
            for row in self.db.execute(sql, values):
                yield row
                self._since = time.monotonic()
        except sqlite3.DataError as error:
            raise TooLarge(self.product, self.path.name) from error
        except sqlite3.DatabaseError as error:
            if "interrupted" in str(error):
                problem = f"reading it took longer than {_MAX_SECONDS} seconds without a row"
                raise self.unreadable(f"{problem}; it is not a file of {self.product.program}'s") from error
            raise self.unreadable(f"{error}; copy the file again") from error

    def unreadable(self, problem: str) -> Unreadable:
        """The error that names this file."""
        return Unreadable(self.product.database, self.path.name, problem)

    def tables(self) -> set[str]:
        """Names of the real tables and of what pretends to be one."""
        return {str(name) for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table; none of a view or a virtual table, which may do anything when they are read."""
        if table not in self._columns:
            real = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? AND sql NOT LIKE 'CREATE VIRTUAL%'"
            names = self.rows("SELECT name FROM pragma_table_info(?)", table) if any(self.rows(real, table)) else ()
            self._columns[table] = tuple(name for (name,) in names)
        return self._columns[table]

    def has_rows(self, table: str) -> bool:
        """Whether the table is there and not empty."""
        return bool(self.columns(table)) and bool(self.one(f"SELECT EXISTS (SELECT 1 FROM {table})"))  # noqa: S608

    def picked(self, table: str, columns: tuple[str, ...], numbers: Sequence[int]) -> Iterator[tuple[int, Values]]:
        """The rows with these rowids, in this order; None for a row that is too large."""
        sql = f"""
            SELECT o.value, {quoted_columns(columns, "t")}
            FROM json_each(?) AS o CROSS JOIN {table} AS t ON t.rowid = o.value
        """  # noqa: S608
        done = 0
        try:
            for number, *values in self.rows(sql, json.dumps(list(numbers))):
                done += 1
                yield number, values
        except TooLarge:
            # The driver reads one row ahead, so which one it was is found out by asking for each.
            for number in numbers[done:]:
                yield from self._alone(sql, number)

    def _alone(self, sql: str, number: int) -> Iterator[tuple[int, Values]]:
        try:
            for _, *values in list(self.rows(sql, json.dumps([number]))):
                yield number, values
        except TooLarge:
            yield number, None

    def chunks(self, table: str, size: int, after: int = 0) -> Iterator[list[int]]:
        """The rowids above ``after``, in order, at most ``size`` at once."""
        while numbers := [
            no
            for (no,) in self.rows(f"SELECT rowid FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {size}", after)  # noqa: S608
        ]:
            yield numbers
            after = numbers[-1]

    def children(self, table: str, column: str, parents: Iterable[int], limit: int = -1) -> list[tuple[int, int]]:
        """Pairs of parent and rowid: the rows of ``table`` whose ``column`` is one of ``parents``, in order.

        A table without an index on the column gets one beside it, made once: the file itself is never written to.
        """
        if column not in self.columns(table):
            return []
        where, key, child = self._index(table, column)
        sql = f"""
            SELECT {key}, {child} FROM {where}
            WHERE {key} IN (SELECT value FROM json_each(?)) ORDER BY {child} LIMIT ?
        """  # noqa: S608
        return [(parent, no) for parent, no in self.rows(sql, json.dumps(list(parents)), limit)]

    def _index(self, table: str, column: str) -> tuple[str, str, str]:
        """A table, and in it the names of the parent and of the child."""
        if (table, column) not in self._indexes:
            self._indexes[table, column] = self._made_index(table, column)
        return self._indexes[table, column]

    def _made_index(self, table: str, column: str) -> tuple[str, str, str]:
        own = "SELECT 1 FROM pragma_table_info(?) WHERE name = ? AND pk = 1 AND upper(type) = 'INTEGER'"
        whole = (
            "SELECT 1 FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i "
            "WHERE i.seqno = 0 AND i.name = ? AND NOT l.partial"
        )
        if any(self.rows(own, table, column)) or any(self.rows(whole, table, column)):
            return table, f'"{column}"', "rowid"
        name = f"temp.backscroll_{table}_{column}"
        list(self.rows(f"CREATE TABLE {name} (parent, child, PRIMARY KEY (parent, child)) WITHOUT ROWID"))
        filled = f'INSERT INTO {name} SELECT "{column}", rowid FROM {table} WHERE typeof("{column}") = \'integer\''  # noqa: S608
        list(self.rows(filled))
        return name, "parent", "child"


_MAX_ROW = 16 << 20
"""Bytes of a row. Messengers keep texts, keys and thumbnails in their databases, no files."""
_MAX_SECONDS = 600
"""That one statement may work without coming to a row."""


@contextmanager
def opened(path: Path | None, product: Product, usual: str) -> Iterator[ForeignFile]:
    """The file, whose usual name is ``usual``; without a path, an empty one. ``Unreadable`` for what is no database."""
    with ExitStack() as stack:
        db = _empty(stack) if path is None else _connect(path, product, usual, stack)
        yield ForeignFile(path or Path(usual), db, product)


def _empty(stack: ExitStack) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    stack.callback(db.close)
    return db


def _connect(path: Path, product: Product, usual: str, stack: ExitStack) -> sqlite3.Connection:
    """A connection to the file as it is, or to a copy where reading it in place would leave a trace."""
    write_ahead = _check_header(path, product, usual)
    wal, shm, journal = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))
    if not write_ahead or shm.exists():
        try:
            return _connection(f"{path.resolve().as_uri()}?mode=ro", product, stack)
        except sqlite3.OperationalError:
            # A log that has to be played back first, or a folder that SQLite may not use.
            return _copied(path, (wal, journal), product, stack)
    if _size(wal):
        return _copied(path, (wal,), product, stack)
    return _connection(f"{path.resolve().as_uri()}?mode=ro&immutable=1", product, stack)


def _connection(uri: str, product: Product, stack: ExitStack) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        db.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        name = Path(uri.partition("?")[0]).name
        raise Unreadable(product.database, name, f"{error}; copy the file again") from error
    stack.callback(db.close)
    db.text_factory = _decoded
    _limit(db)
    db.create_function("instant", 1, sort_key, deterministic=True)
    return db


def _limit(db: sqlite3.Connection) -> None:
    """Nothing in the file may run code or hold a value beyond all measure."""
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_ROW)
    db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)


def _copied(path: Path, logs: Iterable[Path], product: Product, stack: ExitStack) -> sqlite3.Connection:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backscroll-import-")))
    for file in (path, *(log for log in logs if log.exists())):
        shutil.copyfile(file, folder / file.name)
    try:
        return _connection((folder / path.name).as_uri(), product, stack)
    except sqlite3.OperationalError as error:
        problem = f"{error}; stop {product.program} and copy the files again"
        raise Unreadable(product.database, path.name, problem) from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_header(path: Path, product: Product, usual: str) -> bool:
    """Whether the database keeps a write-ahead log; refuses what is no whole SQLite file."""

    def refuse(problem: str) -> NoReturn:
        raise Unreadable(product.database, path.name, f"{problem}; name {product.place}{usual}")

    if not path.is_file():
        refuse("there is no such file")
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        refuse("the file is empty")
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        refuse("this is not an SQLite database")
    page_size = int.from_bytes(header[16:18], "big")
    whole = int.from_bytes(header[28:32], "big") * (65536 if page_size == 1 else page_size)
    trusted = header[24:28] == header[92:96]
    if trusted and _size(path) < whole and not _size(path.with_name(path.name + "-wal")):
        refuse(f"the file is cut off ({_size(path)} of {whole} bytes)")
    return header[18] == 2
