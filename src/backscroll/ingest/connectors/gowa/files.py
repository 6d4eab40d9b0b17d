"""Foreign SQLite files, opened so that nothing is written to them or left beside them."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.gowa.times import sort_key


class BrokenText(bytes):
    """A TEXT value that is not UTF-8."""


def _decoded(raw: bytes) -> str | BrokenText:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return BrokenText(raw)


class ForeignFile:
    """A foreign SQLite file, seen as it was at the moment of opening."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self.db = db

    def one(self, sql: str, *values: Any) -> Any:
        return next(self.rows(sql, *values))[0]

    def rows(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self.db.execute(sql, values)
        except sqlite3.DatabaseError as error:
            raise Unreadable("GOWA database", self.path.name, f"{error}; copy the file again") from error

    def columns(self, table: str) -> tuple[str, ...]:
        return tuple(name for (name,) in self.rows("SELECT name FROM pragma_table_info(?)", table))

    def has_rows(self, table: str) -> bool:
        return bool(self.columns(table)) and bool(self.one(f"SELECT EXISTS (SELECT 1 FROM {table})"))  # noqa: S608


_NEEDED = {"messages": {"id", "chat_jid", "sender", "timestamp"}, "whatsmeow_device": {"jid"}}


@contextmanager
def opened(path: Path | None, usual: str, *, needed: str) -> Iterator[ForeignFile]:
    """The file, which must hold the table ``needed``; without a path, an empty one."""
    with ExitStack() as stack:
        db = _empty(stack) if path is None else _connect(path, usual, stack)
        file = ForeignFile(path or Path(usual), db)
        if path is not None and not _NEEDED[needed].issubset(file.columns(needed)):
            _refuse(file, usual)
        yield file


def _refuse(file: ForeignFile, usual: str) -> NoReturn:
    tables = {str(name) for (name,) in file.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "whatsmeow_device" in tables:
        problem = "this is GOWA's whatsapp.db, which holds no messages"
    elif usual == "whatsapp.db" and {"messages", "chats"} <= tables:
        problem = "this is GOWA's chatstorage.db"
    else:
        problem = "no database of GOWA"
    raise Unreadable("GOWA database", file.path.name, f"{problem}; name the file {usual}")


def _empty(stack: ExitStack) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    stack.callback(db.close)
    return db


def _connect(path: Path, usual: str, stack: ExitStack) -> sqlite3.Connection:
    """A connection to the file as it is, or to a copy where reading it in place would leave a trace."""
    write_ahead = _check_header(path, usual)
    wal, shm, journal = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))
    if not write_ahead or shm.exists():
        try:
            return _connection(f"{path.resolve().as_uri()}?mode=ro", stack)
        except sqlite3.OperationalError:
            # A log that has to be played back first, or a folder that SQLite may not use.
            return _copied(path, (wal, journal), stack)
    if _size(wal):
        return _copied(path, (wal,), stack)
    return _connection(f"{path.resolve().as_uri()}?mode=ro&immutable=1", stack)


def _connection(uri: str, stack: ExitStack) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        db.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise Unreadable("GOWA database", Path(uri.partition("?")[0]).name, f"{error}; copy the file again") from error
    stack.callback(db.close)
    db.text_factory = _decoded
    db.create_function("instant", 1, sort_key, deterministic=True)
    return db


def _copied(path: Path, logs: Iterable[Path], stack: ExitStack) -> sqlite3.Connection:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="backscroll-gowa-")))
    for file in (path, *(log for log in logs if log.exists())):
        shutil.copyfile(file, folder / file.name)
    try:
        return _connection((folder / path.name).as_uri(), stack)
    except sqlite3.OperationalError as error:
        raise Unreadable("GOWA database", path.name, f"{error}; stop GOWA and copy the files again") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_header(path: Path, usual: str) -> bool:
    """Whether the database keeps a write-ahead log; refuses what is no whole SQLite file."""

    def refuse(problem: str) -> NoReturn:
        raise Unreadable("GOWA database", path.name, f"{problem}; name GOWA's storages/{usual}")

    if not path.is_file():
        refuse("there is no such file")
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        refuse("the file is empty")
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        refuse("this is no SQLite database")
    page_size = int.from_bytes(header[16:18], "big")
    whole = int.from_bytes(header[28:32], "big") * (65536 if page_size == 1 else page_size)
    trusted = header[24:28] == header[92:96]
    if trusted and _size(path) < whole and not _size(path.with_name(path.name + "-wal")):
        refuse(f"the file is cut off ({_size(path)} of {whole} bytes)")
    return header[18] == 2
