"""SQLite through apsw: WAL, every commit synced, one writer at a time, one reading connection per thread."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import apsw

from backscroll.concurrency import interruption
from backscroll.core.errors import Conflict, StorageBusy, StorageError, StorageFull
from backscroll.database.protocol import Ask, Row, Txn, load_statements, without_named_index
from backscroll.database.sqlite_parameters import bound, values_for
from backscroll.database.sqlite_turns import LOOK_SECONDS, Turns

T = TypeVar("T")

MINIMUM = 3_045_000
"""Contentless FTS5 tables with deletion came with 3.43; 3.45 fixed them."""

BUSY_MS = 30_000
"""Of readers, which wait only while a file is being recovered."""
CHECKPOINT_PAGES, IMPORT_PAGES = 1_000, 16_000
"""Pages of the log after which they are copied into the database file: usually, and while an import goes on. The import
writes the same pages of the indexes again and again, and each copy takes them once."""
SAVED_PAGES = 4096
"""Pages that a backup copies between two reports."""
STEPS = 20_000
"""Of SQLite's machine, about a millisecond; a reader is asked after them whether it is to stop."""
_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -32768",
    "PRAGMA mmap_size = 8589934592",
    "PRAGMA temp_store = MEMORY",
)


class SqliteTxn:
    """A transaction on one connection, opened and ended by the engine."""

    def __init__(self, connection: apsw.Connection, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = statements

    def all(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        """Every row; one whose text is not UTF-8 gives its bytes there, so that one damaged row costs no page."""
        interruption.check()
        sql, values = bound(self._statements[name], params)
        try:
            return self._execute(sql, values).fetchall()
        except UnicodeDecodeError:
            return self._as_far_as_it_is_text(sql, values)

    def _execute(self, sql: str, values: Sequence[Any]) -> apsw.Cursor:
        try:
            return self._connection.execute(sql, values)
        except apsw.SQLError as error:
            if "no such index" not in str(error):
                raise
            # `backscroll check` reports it. Without it the statement takes longer.
            return self._connection.execute(without_named_index(sql), values)

    def _as_far_as_it_is_text(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """The rows of a read with damaged text among them: such values come as bytes, and no other row is lost."""
        columns = [f"c{number}" for number in range(len(self._execute(sql, values).get_description()))]
        shown = ", ".join(
            f"CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END, typeof({c})" for c in columns
        )
        wrapped = f"WITH damaged ({', '.join(columns)}) AS ({sql}) SELECT {shown} FROM damaged"  # noqa: S608
        return [
            tuple(_text_of(value) if kind == "text" else value for value, kind in zip(row[::2], row[1::2], strict=True))
            for row in self._execute(wrapped, values)
        ]

    def several(self, asks: Sequence[Ask]) -> list[list[Row]]:
        return [self.all(name, params) for name, params in asks]

    def one(self, name: str, params: Mapping[str, Any]) -> Row | None:
        """The first row, None when there is none; text that is not UTF-8 comes as bytes."""
        sql, values = bound(self._statements[name], params)
        cursor = self._execute(sql, values)
        try:
            row: Row | None = cursor.fetchone()
        except UnicodeDecodeError:
            row = next(iter(self._as_far_as_it_is_text(sql, values)), None)
        cursor.close()
        return row

    def run(self, name: str, params: Mapping[str, Any]) -> None:
        self.all(name, params)

    def many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        sql = self._statements[name]
        self._connection.executemany(sql, map(values_for(sql), rows)).fetchall()


class SqliteEngine:
    """The archive in one file. ``path`` is created if missing; its folder must exist."""

    name = "sqlite"

    def __init__(self, path: Path) -> None:
        if apsw.SQLITE_VERSION_NUMBER < MINIMUM:
            raise StorageError(f"SQLite {apsw.sqlite_lib_version()} is too old; install the apsw wheel, it brings 3.54")
        self._path = path
        self._statements = load_statements(self.name)
        self._local = threading.local()
        self._bulks = 0
        self._connections: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        """A reader's belongs to its thread, and closes when that ends."""
        _make_private(path)
        self._turns = Turns(path.absolute().parent)
        with _translated():
            self._writer = self._connect(first=True)
            self._writer.set_busy_handler(self._turns.wait)

    def _connect(self, first: bool = False) -> apsw.Connection:
        connection = apsw.Connection(str(self._path), statementcachesize=512)
        connection.set_busy_timeout(BUSY_MS)
        if first:
            connection.execute("PRAGMA page_size = 8192")
            if _start_log(connection) != ("wal",):
                raise StorageError(f"{self._path}: this file system cannot hold a WAL database; use a local disk")
        configure(connection)
        self._connections.add(connection)
        return connection

    def read(self, work: Callable[[Txn], T], org: int | None = None) -> T:
        with _translated():
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                return work(SqliteTxn(connection, self._statements))
            finally:
                connection.execute("COMMIT")

    def _reader(self) -> apsw.Connection:
        """This thread's own."""
        connection: apsw.Connection | None = getattr(self._local, "reader", None)
        if connection is None:
            connection = self._local.reader = self._connect()
            connection.set_progress_handler(interruption.is_interrupted, STEPS)
        return connection

    def write(self, work: Callable[[Txn], T], org: int | None = None, *, can_wait: bool = False) -> T:
        with self._turns.taken(can_wait), _translated():
            self._writer.execute("BEGIN IMMEDIATE")
            self._turns.arrived()
            try:
                result = work(SqliteTxn(self._writer, self._statements))
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            return result

    def read_one(self, name: str, params: Mapping[str, int], org: int) -> Row | None:
        """One row, read outside a transaction: one statement sees one state anyway."""
        with _translated():
            found: Row | None = self._reader().execute(self._statements[name], params).fetchone()
        return found

    def script(self, text: str) -> None:
        with self._turns.taken(), _translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                self._writer.execute(text).fetchall()
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def is_wanted(self) -> bool:
        return self._turns.is_wanted()

    def let_others_write(self) -> None:
        with contextlib.suppress(StorageError), _translated():
            reader = self._reader()
            self._turns.let_others_write(lambda: reader.execute("PRAGMA data_version").fetchone())

    @contextlib.contextmanager
    def bulk(self) -> Iterator[None]:
        """The log may grow larger meanwhile before it is copied."""
        self._change_bulks(1)
        try:
            yield
        finally:
            self._change_bulks(-1)

    def _change_bulks(self, by: int) -> None:
        with self._turns.taken(), _translated():
            self._bulks += by
            pages = IMPORT_PAGES if self._bulks else CHECKPOINT_PAGES
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall()

    def build(self, record: str, statements: Sequence[str]) -> None:
        self.script(";\n".join([record, *(s.replace(" CONCURRENTLY", "") for s in statements)]))

    def save_file(self, path: Path, report: Callable[[int, int], None]) -> bool:
        """Copy the database to ``path``, mode 0600, as it was when the copy began; writers go on. Always True."""
        _make_private(path)
        with _translated(), closing(self._connect()) as source, closing(apsw.Connection(str(path))) as target:
            # An open reader keeps its state, so that writers in between do not make the copy begin again.
            source.execute("BEGIN")
            source.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()
            with target.backup("main", source, "main") as pages:
                while not pages.done:
                    pages.step(SAVED_PAGES)
                    report(pages.page_count - pages.remaining, pages.page_count)
            source.execute("COMMIT")
        return True

    def use_app_role(self) -> None:
        """SQLite has no roles."""

    def close(self) -> None:
        """Close the connections of all threads; one in use by another thread closes when that thread ends."""
        for connection in list(self._connections):
            # Another thread may be reading still; its connection goes with its thread.
            with contextlib.suppress(apsw.Error):
                connection.close()
        self._connections.clear()
        self._turns.close()


def configure(connection: apsw.Connection) -> None:
    """Set up a connection as all connections to an archive are."""
    # Otherwise SQLite plans some statements anew each time that a parameter is bound, even to the value that it had.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    for pragma in _PRAGMAS:
        connection.execute(pragma).fetchall()


def _start_log(connection: apsw.Connection) -> Any:
    """Switch a new database to WAL. SQLite does not wait for others that are just doing the same."""
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            return connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except apsw.BusyError:
            if time.monotonic() > until:
                raise
        time.sleep(LOOK_SECONDS)


def holds_archive(path: Path) -> bool:
    """Whether the file is an archive's database, determined without changing it. Also True if it cannot be determined:
    opening it then gives the reason.
    """
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            found = connection.execute(load_statements("sqlite")["count_directory"]).fetchone()
    except apsw.NotADBError:
        return False
    except apsw.Error:
        return True
    return found == (2,)


def _text_of(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _make_private(path: Path) -> None:
    """A new database is its owner's alone, as the files beside it then are."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"{path} cannot be created ({error.strerror}); name another place") from error


class _translated:  # noqa: N801 -- a context manager, and a class because every small read pays for it
    """Raises the archive's own errors for SQLite's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        match error:
            case apsw.BusyError() | apsw.LockedError():
                raise StorageBusy("The database is busy; send the same request again") from error
            case apsw.InterruptError():
                raise StorageBusy("The database took too long; ask for less, or try again") from error
            case apsw.FullError():
                told = "No space is left for the database; free some, then send the same request again"
                raise StorageFull(told) from error
            case apsw.ConstraintError():
                raise Conflict("This clashes with what is stored already") from error
            case apsw.ReadOnlyError() | apsw.CantOpenError():
                raise StorageError(
                    f"The database cannot be opened for writing ({error}): its file or folder belongs to another "
                    "user, or the disk is mounted read-only; run the command as the owner of the archive, or change "
                    "the owner with chown"
                ) from error
            case apsw.CorruptError() | apsw.NotADBError():
                raise StorageError(
                    f"The database is damaged ({error}); restore the backup with: backscroll restore DIR"
                ) from error
            case apsw.IOError():
                raise StorageError(
                    f"The disk refused to read or write the database ({error}); check the disk and the system's log"
                ) from error
            case apsw.Error():
                raise StorageError(f"The database refused a statement: {error}") from error
            case _:
                pass
