"""PostgreSQL by psycopg: a pool, one transaction a call, commits synced, and row level security as a second wall."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import ConnectionPool, PoolTimeout

from backscroll.errors import BadField, Conflict, StorageBusy, StorageError, StorageFull
from backscroll.storage.builds import build
from backscroll.storage.engine import Row, Txn, expand, load_statements

T = TypeVar("T")
Connection = psycopg.Connection[Row]

MINIMUM = 150_000
APP_ROLE = "backscroll_app"
"""Taken on in every transaction by users who would bypass row level security."""
RETRY_SECONDS = 8.0
STATEMENT_SECONDS = 60
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_WORDS = ((re.compile(r"\bBLOB\b"), "BYTEA"), (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'))
_LOST = (
    pg.SerializationFailure,
    pg.DeadlockDetected,
    pg.AdminShutdown,
    pg.CrashShutdown,
    pg.CannotConnectNow,
    pg.ReadOnlySqlTransaction,
    pg.IdleInTransactionSessionTimeout,
)


class PostgresTxn:
    def __init__(self, connection: Connection, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = statements

    def all(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        cursor = self._execute(name, params)
        return cursor.fetchall() if cursor.description else []

    def one(self, name: str, params: Mapping[str, Any]) -> Row | None:
        cursor = self._execute(name, params)
        return cursor.fetchone() if cursor.description else None

    def run(self, name: str, params: Mapping[str, Any]) -> None:
        self._execute(name, params)

    def many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_translated_sql(self._statements[name]), rows)

    def _execute(self, name: str, params: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        sql, flat = expand(self._statements[name], params)
        return self._connection.execute(_translated_sql(sql), flat)


@lru_cache(maxsize=4096)
def _translated_sql(sql: str) -> str:
    """``:name`` as psycopg writes it. All text comes from our own files."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


class PostgresEngine:
    """The archive in a PostgreSQL database. ``url`` is a libpq URL; several hosts may be named."""

    name = "postgres"

    def __init__(self, url: str, size: int = 8) -> None:
        self._statements = load_statements(self.name)
        self._role = ""
        try:
            self._pool: ConnectionPool[Connection] = ConnectionPool(
                _with_defaults(url),
                min_size=1,
                max_size=size,
                timeout=RETRY_SECONDS,
                # Behind pgbouncer in transaction mode a prepared statement may meet another server connection.
                kwargs={"autocommit": True, "prepare_threshold": None if "pgbouncer=true" in url else 5},
                configure=_configure,
                check=ConnectionPool.check_connection if "pgbouncer=true" in url else None,
                open=True,
            )
            self._pool.wait(timeout=30)
        except PoolTimeout as error:
            raise StorageBusy(
                "The database cannot be reached; is it running, and is BACKSCROLL_DATABASE right?"
            ) from error
        except psycopg.ProgrammingError as error:
            raise BadField("database", None, f"is not a database URL: {error}") from error
        with self._pool.connection() as connection:
            _check_server(connection)

    def use_app_role(self) -> None:
        """Give up, in every transaction, a right to bypass row level security."""
        with self._pool.connection() as connection:
            bypass = connection.execute(
                "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (APP_ROLE,)).fetchone()
        self._role = f"SET LOCAL ROLE {APP_ROLE}" if bypass and bypass[0] and exists else ""

    def read(self, work: Callable[[Txn], T], org: int | None = None) -> T:
        return self._retry(lambda: self._transact(work, org, "ISOLATION LEVEL REPEATABLE READ READ ONLY"))

    def write(self, work: Callable[[Txn], T], org: int | None = None) -> T:
        return self._retry(lambda: self._transact(work, org, "READ WRITE"))

    def _transact(self, work: Callable[[Txn], T], org: int | None, mode: str) -> T:
        begin = [
            f"BEGIN {mode}",
            f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'",
            "SET LOCAL synchronous_commit = on" if mode == "READ WRITE" else "",
            # A literal, not set_config: that is what pgbouncer and Citus carry along.
            "" if org is None else f"SET LOCAL app.org = '{int(org)}'",
            self._role,
        ]
        with self._pool.connection() as connection:
            connection.execute(";".join(filter(None, begin)), prepare=False)
            try:
                result = work(PostgresTxn(connection, self._statements))
            except BaseException:
                if not connection.closed:
                    connection.execute("ROLLBACK", prepare=False)
                raise
            self._commit(connection)
            return result

    def _commit(self, connection: Connection) -> None:
        """A connection lost in the commit leaves its outcome unknown: whoever wrote sends the same again."""
        try:
            connection.execute("COMMIT", prepare=False)
        except psycopg.OperationalError as error:
            raise StorageBusy("The database went away during the commit; send the same request again") from error

    def _retry(self, attempt: Callable[[], T]) -> T:
        """Again and again while the database restarts or fails over, or another transaction won."""
        give_up = time.monotonic() + RETRY_SECONDS
        wait = 0.02
        while True:
            try:
                with _translated():
                    return attempt()
            except _Again as again:
                if time.monotonic() + wait > give_up:
                    raise StorageBusy("The database is not available now; send the same request again") from again
                time.sleep(wait)
                wait = min(wait * 2, 1.0)

    def script(self, text: str) -> None:
        for pattern, word in _WORDS:
            text = pattern.sub(word, text)
        text = text.replace(") WITHOUT ROWID;", ");")

        def work() -> None:
            with self._pool.connection() as connection, connection.transaction():
                connection.execute(text, prepare=False)

        self._retry(work)

    def build(self, record: str, statements: Sequence[str]) -> None:
        self._retry(lambda: build(self._pool, record, statements))

    def close(self) -> None:
        self._pool.close()


class _Again(Exception):
    """The same transaction may be run again from its beginning."""


def _configure(connection: Connection) -> None:
    # One width for all integers, so that a statement has one plan.
    connection.adapters.register_dumper(int, Int8Dumper)


def _with_defaults(url: str) -> str:
    """The primary among several hosts, unless the URL says otherwise; our own parameter is not libpq's."""
    url = re.sub(r"[?&]pgbouncer=true", lambda m: "?" if m[0][0] == "?" else "", url).replace("?&", "?").rstrip("?")
    if "target_session_attrs" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}target_session_attrs=read-write&connect_timeout=5"


def _check_server(connection: Connection) -> None:
    if connection.info.server_version < MINIMUM:
        raise StorageError(f"PostgreSQL {connection.info.server_version // 10000} is too old; 15 or newer is needed")
    encoding = connection.execute("SHOW server_encoding").fetchone()
    if encoding is None or encoding[0] != "UTF8":
        raise StorageError(
            "The database must be made with the encoding UTF8: createdb --encoding=UTF8 --template=template0"
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        raise _Again from error
    except (pg.DiskFull, pg.OutOfMemory, pg.InsufficientResources) as error:
        raise StorageFull("No space is left for the database; free some, then send the same request again") from error
    except (pg.UniqueViolation, pg.DuplicateTable) as error:
        raise Conflict("This clashes with what is stored already") from error
    except pg.QueryCanceled as error:
        raise StorageBusy("The database took too long; ask for less, or try again") from error
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise _Again from error
    except psycopg.Error as error:
        raise StorageError(f"The database refused a statement: {type(error).__name__}") from error
