"""PostgreSQL through psycopg: one transaction per call, synced commits, and row level security as a second barrier."""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.numeric import Int8Dumper

from backscroll.concurrency import greenlets, interruption
from backscroll.core.errors import BadField, Conflict, StorageBusy, StorageError, StorageFull
from backscroll.database.pauses import QUIET_SECONDS, pause
from backscroll.database.postgres.connection import Connection
from backscroll.database.postgres.index_builds import build
from backscroll.database.postgres.parameters import apart, prepared, rows_of, written_out
from backscroll.database.postgres.pool import Exhausted, Pool
from backscroll.database.protocol import Ask, Row, Txn, load_statements

T = TypeVar("T")

MINIMUM = 150_000
CONNECTIONS = 12
"""Of one process, at most."""
APP_ROLE = "backscroll_app"
"""Role used in every transaction of users who would bypass row level security."""
RETRY_SECONDS = 8.0
STATEMENT_SECONDS = 60
NEVER = float("-inf")
SILENCE_SECONDS = STATEMENT_SECONDS + 5.0
COMMIT_SECONDS = 8.0
CANCEL_SECONDS = 5.0
WORTH_A_PIPELINE = 16
DEFAULTS: Mapping[str, Any] = {
    "application_name": "backscroll",
    "connect_timeout": 5,
    "target_session_attrs": "read-write",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Parameters for libpq unless the URL sets them: use the primary among several hosts, and notice dead ones soon."""

SESSION = "SET jit = off; SET random_page_cost = 1.1"
"""Suitable for short statements that use an index, on modern disks and caches."""
READING, WRITING = "ISOLATION LEVEL REPEATABLE READ READ ONLY", "READ WRITE"
PLAN_ONCE = "SET plan_cache_mode = force_generic_plan"
"""Planning a statement takes longer than running it. Citus must see the values, to know the shard."""
_WORDS = ((re.compile(r"\bBLOB\b"), "BYTEA"), (re.compile(r"\bTEXT\b"), 'TEXT COLLATE "C"'))
_ROWS_AT_ONCE = (64, 8, 1)
"""Few sizes, so that each is prepared once."""
_FOR_GOOD = re.compile(
    "authentication failed|does not exist|no pg_hba.conf entry|no password supplied|not permitted to log in"
)
"""The server refuses the connection, so waiting does not help."""

_GOING = (pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow, psycopg.OperationalError)
_LOST = (
    pg.AdminShutdown,
    pg.CrashShutdown,
    pg.CannotConnectNow,
    pg.IdleInTransactionSessionTimeout,
    pg.TransactionTimeout,
    pg.ReadOnlySqlTransaction,
)


class PostgresTxn:
    """BEGIN is sent with the first statement; writes are collected, and sent together before the next read and at the
    end.
    """

    def __init__(self, connection: Connection, statements: Mapping[str, str], begin: Sequence[str]) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._statements = statements
        self._begin = begin
        self._later: list[tuple[str, list[Any], bool | None]] = []

    def all(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        return self._ask(name, params)

    def one(self, name: str, params: Mapping[str, Any]) -> Row | None:
        """The first row, None when there is none; what was held back is written before."""
        rows = self._ask(name, params)
        return rows[0] if rows else None

    def several(self, asks: Sequence[Ask]) -> list[list[Row]]:
        """The rows of each, in order: in one round trip where they are many or on Citus, else one after the other."""
        # Only Citus, with workers behind a coordinator, takes long enough for a pipeline of few to be cheaper.
        if len(asks) < (2 if self._connection.is_citus else WORTH_A_PIPELINE):
            return [self._ask(name, params) for name, params in asks]
        self.flush()
        self._open()
        with self._connection.pipeline():
            cursors = []
            for name, params in asks:
                statement = prepared(self._statements[name], params)
                cursors.append(self._connection.execute(statement.text, statement.values(params)))
        return [cursor.fetchall() for cursor in cursors]

    def run(self, name: str, params: Mapping[str, Any]) -> None:
        """Hold a write back until the next read or the end, so that many are sent together."""
        statement = prepared(self._statements[name], params)
        self._later.append((statement.text, statement.values(params), None))

    def many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hold back an INSERT of many rows, several to a statement; their keys must differ."""
        sql, left = self._statements[name], list(rows)
        always = self._connection.prepare_threshold is not None or None
        for size in _ROWS_AT_ONCE:
            while len(left) >= size:
                statement = rows_of(sql, size)
                values = [row[column] for row in left[:size] for column in statement.names]
                self._later.append((statement.text, values, always))
                left = left[size:]

    def _ask(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        interruption.check()
        self.flush()
        statement = prepared(self._statements[name], params)
        values = statement.values(params)
        if self._begin and all(type(value) is int for value in values):
            begin, self._begin = self._begin, ()
            return self._connection.ask(*begin, written_out(statement.text, values))
        self._open()
        self._execute(statement.text, values, None)
        # Cheaper than to ask the cursor for its description.
        result = self._cursor.pgresult
        return self._cursor.fetchall() if result is not None and result.status == ExecStatus.TUPLES_OK else []

    def _open(self) -> None:
        if self._begin:
            begin, self._begin = self._begin, ()
            self._connection.ask(*begin)

    def flush(self) -> None:
        """Send what was gathered."""
        later, self._later = self._later, []
        if later:
            self._open()
        if len(later) > 1:
            with self._connection.pipeline():
                for what in later:
                    self._execute(*what)
        elif later:
            self._execute(*later[0])

    def _execute(self, text: str, values: list[Any], prepare: bool | None) -> None:
        try:
            self._cursor.execute(text, values, prepare=prepare)
        except psycopg.DataError as error:
            if error.sqlstate is not None or not any(isinstance(value, str) and "\0" in value for value in values):
                raise
            # PostgreSQL keeps no U+0000, so nothing stored has one; the batch was cleaned of them (cleaning.py).
            self._cursor.execute(text, [v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in values])


class PostgresEngine:
    """The archive in a PostgreSQL database. ``url`` is a libpq URL; several hosts may be named.

    A call survives restarts and failovers of up to ``patience`` seconds; after that, and if the outcome of a commit is
    unknown, it raises ``StorageBusy``, and the writer has to send the same again.
    """

    name = "postgres"

    def __init__(self, url: str, size: int = CONNECTIONS, patience: float = RETRY_SECONDS) -> None:
        self._statements = load_statements(self.name)
        self._role = ""
        self._patience = patience
        self._away_since = self._away_until = NEVER
        """When the database went away, and when it was last found so."""
        self._conninfo = conninfo_of(url)
        self._pool = Pool(self._connect, size, patience)
        try:
            self._retry(lambda: self._alone(lambda connection: None))
        except StorageBusy as busy:
            cause = busy.__cause__ and busy.__cause__.__cause__
            raise StorageBusy(f"The database cannot be reached: {cause}") from busy

    def _connect(self) -> Connection:
        connection = Connection.connect(self._conninfo, autocommit=True, cursor_factory=psycopg.RawCursor[Row])
        try:
            _set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def save_file(self, path: Path, report: Callable[[int, int], None]) -> bool:
        return False

    def use_app_role(self) -> None:
        """Give up, in every transaction, a right to bypass row level security."""
        state = self._retry(lambda: self._alone(_role_state))
        if state != "not needed" and self._retry(lambda: self._alone(_is_spread)):
            # Citus would go to its workers as that role, which may not log in anywhere.
            raise StorageError(
                "On Citus the archive's user must be subject to row level security: use one that is not a superuser "
                "and has no BYPASSRLS (docs/citus.md)"
            )
        if state == "to be made":
            self.script((files("backscroll.database") / "sql" / "app_role.postgres.sql").read_text("utf-8"))
        self._role = "" if state == "not needed" else f"SET LOCAL ROLE {APP_ROLE}"

    def read(self, work: Callable[[Txn], T], org: int | None = None) -> T:
        return self._retry(lambda: self._transact(work, org, READING))

    def write(self, work: Callable[[Txn], T], org: int | None = None, *, can_wait: bool = False) -> T:
        return self._retry(lambda: self._transact(work, org, WRITING))

    def is_wanted(self) -> bool:
        """Always: the server could tell, on Citus not even that, and here large transactions save next to nothing."""
        return True

    def let_others_write(self) -> None:
        """Who waits for an organisation's row gets it as soon as it is free, and a transaction number with it."""
        with suppress(StorageError):
            pause(self._snapshot, lambda: False, QUIET_SECONDS)

    def _snapshot(self) -> list[Row]:
        """The numbers of the transactions that are writing, and of the next one."""
        asked = "SELECT pg_current_snapshot()::text"
        return self._retry(lambda: self._bounded(lambda connection: connection.ask(asked)))

    def bulk(self) -> AbstractContextManager[None]:
        return nullcontext()

    def read_one(self, name: str, params: Mapping[str, int], org: int) -> Row | None:
        """One row in one round trip."""
        statement = prepared(self._statements[name], params)
        text = written_out(statement.text, [params[column] for column in statement.names])

        def work(connection: Connection) -> list[Row]:
            if connection.is_citus:
                return connection.ask(*self._begin(connection, "READ ONLY", org), text, "COMMIT")
            # Statements that go over together are a transaction of their own.
            return connection.ask(*self._settings(org), text)

        rows = self._retry(lambda: self._bounded(work))
        return rows[0] if rows else None

    def _bounded(self, work: Callable[[Connection], T]) -> T:
        """With a connection whose server may not be silent for much longer than its own timeout, or than a reader on
        the event loop has patience."""
        with self._pool.connection() as connection:
            connection.longest = self._patience if greenlets.here() else SILENCE_SECONDS
            try:
                with interruption.ended_by(connection.interrupt):
                    return work(connection)
            finally:
                connection.longest = None

    def _begin(self, connection: Connection, mode: str, org: int | None) -> list[str]:
        begin = [f"BEGIN {mode}", f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"]
        if mode == WRITING:
            begin.append("SET LOCAL synchronous_commit = on")
        if connection.is_citus:
            # Takes the settings that follow to the workers.
            begin.append("SET LOCAL citus.propagate_set_commands = 'local'")
        return begin + self._settings(org)

    def _settings(self, org: int | None) -> list[str]:
        """Literals, not set_config: that is what pgbouncer and Citus carry along."""
        settings = [] if org is None else [f"SET LOCAL app.org = '{int(org)}'"]
        return [*settings, self._role] if self._role else settings

    def _transact(self, work: Callable[[Txn], T], org: int | None, mode: str) -> T:
        return self._bounded(lambda connection: self._transact_on(connection, work, org, mode))

    def _transact_on(self, connection: Connection, work: Callable[[Txn], T], org: int | None, mode: str) -> T:
        tx = PostgresTxn(connection, self._statements, self._begin(connection, mode, org))
        try:
            result = work(tx)
            tx.flush()
        except (pg.ReadOnlySqlTransaction, pg.FeatureNotSupported) as error:
            # What was the primary is a standby now: another host is.
            connection.close()
            raise _Away from error
        except BaseException:
            _roll_back(connection)
            raise
        if connection.pgconn.transaction_status == TransactionStatus.IDLE:
            return result
        if mode == READING:
            connection.end_reading()
        else:
            self._commit(connection)
        return result

    def _commit(self, connection: Connection) -> None:
        """A connection lost in the commit leaves its outcome unknown."""
        warnings: list[str] = []
        connection.add_notice_handler(notice := lambda told: warnings.append(told.severity_nonlocalized or ""))
        try:
            result = _patient_commit(connection)
        except psycopg.OperationalError as error:
            connection.close()
            raise StorageBusy("The database went away during the commit; send the same request again") from error
        finally:
            connection.remove_notice_handler(notice)
        if result.status != ExecStatus.COMMAND_OK:
            refusal = psycopg.errors.error_from_result(result)
            if isinstance(refusal, _GOING):
                raise StorageBusy("The database went away during the commit; send the same request again") from refusal
            raise refusal
        if result.command_status != b"COMMIT":
            raise StorageError("The database rolled back the transaction instead of committing it")
        if "WARNING" in warnings:
            # That is how a server says that it no longer waits for its synchronous standby.
            raise StorageBusy("The commit has not reached the standby server; send the same request again")

    def _retry(self, attempt: Callable[[], T]) -> T:
        """Repeat while the database restarts or fails over, or another transaction won a conflict.

        If the database has been unavailable for so long that others gave up, further calls fail immediately.
        """
        began = time.monotonic()
        wait = 0.02
        while True:
            try:
                with _translated():
                    result = attempt()
                self._away_until = NEVER
                return result
            except _Again as again:
                now = time.monotonic()
                if isinstance(again, _Away):
                    began = min(began, self._note_absence(now))
                if now + wait > began + self._patience:
                    raise StorageBusy("The database is not available now; send the same request again") from again
                greenlets.sleep(wait)
                wait = min(wait * 2, 0.5)

    def _note_absence(self, now: float) -> float:
        """Since when the database has been away. It was there again if nobody missed it for a while."""
        if now - self._away_until > self._patience / 2:
            self._away_since = now
        self._away_until = now
        return self._away_since

    def script(self, text: str) -> None:
        """Run a migration, written for SQLite or for both, in one transaction."""
        for pattern, word in _WORDS:
            text = pattern.sub(word, text)
        text = text.replace(") WITHOUT ROWID;", ");")

        def work(connection: Connection) -> None:
            try:
                with connection.transaction():
                    # Citus takes a change of a table that is spread only by itself.
                    for statement in apart(text) if connection.is_citus else (text,):
                        connection.execute(statement, prepare=False)
            except pg.InternalError_ as error:
                # Two instances that start at once grant the same rights.
                raise _Again from error

        self._retry(lambda: self._alone(work))

    def build(self, record: str, statements: Sequence[str]) -> None:
        self._retry(lambda: build(self._pool, record, statements))

    def _alone(self, work: Callable[[Connection], T]) -> T:
        with self._pool.connection() as connection:
            return work(connection)

    def close(self) -> None:
        self._pool.close()


def conninfo_of(url: str) -> str:
    """The parameters for libpq: the URL, and ``DEFAULTS`` for what it does not set."""
    try:
        given = {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError as error:
        raise BadField("database", None, "must be a URL such as postgresql://user@host/database") from error
    return make_conninfo(**{**DEFAULTS, **given})


class _Again(Exception):
    """The same transaction may be run again from its beginning."""


class _Away(_Again):
    """It could not be run because the database was not to be had."""


def _patient_commit(connection: Connection) -> PGresult:
    """The answer to COMMIT. The server's own timeouts do not bound the wait for a standby, and locks are held then:
    after ``COMMIT_SECONDS`` it is told to wait no longer."""
    pgconn = connection.pgconn
    pgconn.send_query(b"COMMIT")
    pgconn.flush()
    if not _answered(pgconn, COMMIT_SECONDS):
        connection.cancel_safe(timeout=CANCEL_SECONDS)
        if not _answered(pgconn, CANCEL_SECONDS):
            raise psycopg.OperationalError("no answer to COMMIT")
    result = pgconn.get_result()
    while pgconn.get_result() is not None:
        pass
    if result is None:
        raise psycopg.OperationalError("no result of COMMIT")
    return result


def _answered(pgconn: PGconn, seconds: float) -> bool:
    """Whether a result is there within so many seconds."""
    give_up = time.monotonic() + seconds
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    while pgconn.is_busy():
        if not poll.poll(max(0.0, give_up - time.monotonic()) * 1000):
            return False
        pgconn.consume_input()
    return True


class _UntypedInt(Int8Dumper):
    oid = 0


def _set_up(connection: Connection) -> None:
    # Parameters go over without types, so that a statement with and without nulls is prepared once.
    connection.adapters.register_dumper(int, _UntypedInt)
    connection.prepared_max = 500
    _check_server(connection)
    connection.prepare_threshold = 1
    query = "SELECT pg_backend_pid(), EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')"
    pid, is_citus = connection.execute(query, prepare=False).fetchone() or (None, False)
    connection.is_citus = bool(is_citus)
    if pid != connection.info.backend_pid:
        # A pooler such as pgbouncer: the next transaction may meet a server process that prepared other things.
        connection.prepare_threshold = None
    else:
        connection.execute(SESSION if connection.is_citus else f"{SESSION};{PLAN_ONCE}", prepare=False)


def _role_state(connection: Connection) -> str:
    (state,) = connection.execute(
        "SELECT CASE WHEN NOT (rolsuper OR rolbypassrls) THEN 'not needed' "
        "WHEN to_regrole($1) IS NULL THEN 'to be made' "
        "WHEN NOT has_table_privilege($1, 'leases', 'INSERT') THEN 'to be made' ELSE 'ready' END "
        "FROM pg_roles WHERE rolname = current_user",
        (APP_ROLE,),
    ).fetchone() or ("not needed",)
    return str(state)


def _is_spread(connection: Connection) -> bool:
    """Whether the archive's tables lie on workers of Citus."""
    if connection.ask("SELECT to_regclass('citus_tables')") == [(None,)]:
        return False
    spread = "SELECT 1 FROM citus_tables WHERE table_name = to_regclass('heads') AND citus_table_type = 'distributed'"
    return bool(connection.ask(spread))


def _roll_back(connection: Connection) -> None:
    """What went wrong already is worth more than what goes wrong here; a broken connection is not used again."""
    try:
        if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
            # Not as a statement: psycopg would go on to believe in statements whose preparation was undone.
            connection.rollback()
    except psycopg.Error:
        connection.close()


def _check_server(connection: Connection) -> None:
    if connection.info.server_version < MINIMUM:
        raise StorageError(f"PostgreSQL {connection.info.server_version // 10000} is too old; 15 or newer is needed")
    (encoding,) = connection.execute("SHOW server_encoding", prepare=False).fetchone() or (None,)
    if encoding != "UTF8":
        raise StorageError(
            "The database must be made with the encoding UTF8: createdb --encoding=UTF8 --template=template0"
        )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (pg.SerializationFailure, pg.DeadlockDetected, Exhausted) as error:
        raise _Again from error
    except _LOST as error:
        raise _Away from error
    except (pg.DiskFull, pg.InsufficientResources) as error:
        raise StorageFull("No space is left for the database; free some, then send the same request again") from error
    except (pg.UniqueViolation, pg.DuplicateTable, pg.DuplicateObject) as error:
        raise Conflict("This conflicts with stored data") from error
    except pg.QueryCanceled as error:
        raise StorageBusy("The database took too long; ask for less, or try again") from error
    except psycopg.OperationalError as error:
        if _FOR_GOOD.search(str(error)):
            raise StorageError(f"The database refuses the connection: {str(error).splitlines()[-1]}") from error
        raise _Away from error
    except pg.InsufficientPrivilege as error:
        raise StorageError("The database user lacks a right; docs/postgresql.md says which it needs") from error
    except psycopg.Error as error:
        raise StorageError(f"The database refused a statement: {type(error).__name__}") from error
