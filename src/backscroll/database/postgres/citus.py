"""Distributing an archive over a Citus cluster: reference tables everywhere, tenant tables by organisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import psycopg
from msgspec import Struct
from psycopg import errors as pg
from psycopg import sql

from backscroll.core.errors import Conflict, StorageBusy, StorageError
from backscroll.core.text import counted
from backscroll.database.postgres.engine import conninfo_of
from backscroll.database.protocol import Row
from backscroll.database.tables import REFERENCE, TENANT

Connection = psycopg.Connection[Row]

COLUMN = "org"
ANCHOR = TENANT[0]
"""The other tables are colocated with this one: an organisation's rows are together on one worker."""
_PLACED = """
SELECT c.relname, t.citus_table_type, t.distribution_column, t.colocation_id
FROM citus_tables t JOIN pg_class c ON c.oid = t.table_name
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema()
"""


class Step(Struct, frozen=True):
    """One table to be placed."""

    table: str
    what: Literal["everywhere", "by organisation"]

    @property
    def sentence(self) -> str:
        """For people, before it is done."""
        return {
            "everywhere": f"{self.table}: keep a copy on every node",
            "by organisation": f"{self.table}: distribute by {COLUMN}"
            + ("" if self.table == ANCHOR else f", beside {ANCHOR}"),
        }[self.what]


class Placed(Struct, frozen=True):
    """How Citus keeps a table."""

    kind: str
    column: str | None
    group: int | None


@contextmanager
def connect(url: str) -> Iterator[Connection]:
    """A separate connection to the coordinator, without the pool."""
    try:
        with psycopg.connect(conninfo_of(url), autocommit=True) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise StorageBusy(
            "The coordinator cannot be reached, or the connection was lost; what was done stays, run the command again"
        ) from error
    except pg.InsufficientPrivilege as error:
        raise StorageError(
            "This user may not distribute tables; use the owner of the archive's tables, or a superuser"
        ) from error
    except psycopg.Error as error:
        raise StorageError(f"Citus refused: {error.diag.message_primary or type(error).__name__}") from error


def plan(connection: Connection) -> list[Step]:
    """The remaining steps, in an order that works; empty if all tables are placed.

    ``StorageError`` where there is no Citus or this is not its coordinator, ``Conflict`` when a table is placed
    otherwise.
    """
    _check_citus(connection)
    placed = placements(connection)
    _check_placed(placed)
    steps = [Step(table, "everywhere") for table in REFERENCE if table not in placed]
    return steps + [Step(table, "by organisation") for table in TENANT if table not in placed]


def placements(connection: Connection) -> dict[str, Placed]:
    """The archive's tables that Citus keeps already. Those it only knows as local count as not placed."""
    rows = connection.execute(_PLACED).fetchall()
    ours = {*REFERENCE, *TENANT}
    return {
        table: Placed(kind, column, group) for table, kind, column, group in rows if table in ours and kind != "local"
    }


def _check_citus(connection: Connection) -> None:
    found = connection.execute(
        "SELECT to_regclass('citus_tables'), to_regproc('create_distributed_table'), to_regproc('citus_is_coordinator')"
    ).fetchone()
    if found is None or None in found:
        raise StorageError(
            "This database has no Citus: connect to a Citus coordinator and let its superuser run CREATE EXTENSION "
            "citus there (docs/citus.md)"
        )
    (is_coordinator,) = connection.execute("SELECT citus_is_coordinator()").fetchone() or (False,)
    if not is_coordinator:
        raise StorageError("This is a worker; name the cluster's coordinator as the database")


def _check_placed(placed: dict[str, Placed]) -> None:
    group = placed[ANCHOR].group if ANCHOR in placed else None
    for table, how in placed.items():
        wanted = "reference" if table in REFERENCE else "distributed"
        if how.kind != wanted:
            raise Conflict(
                f"Table {table} is already a {how.kind} table and should be {wanted}; call undistribute_table on it "
                "first"
            )
        if wanted == "distributed" and (how.column != COLUMN or how.group != group):
            raise Conflict(
                f"Table {table} is already distributed by {how.column}, not by {COLUMN} colocated with {ANCHOR}; "
                "undistribute_table it first"
            )


def carry_out(connection: Connection, steps: Sequence[Step], report: Callable[[int, int], None]) -> None:
    """Place each table in its own transaction. What was done before an error or an interruption stays."""
    for n, step in enumerate(steps, 1):
        with connection.transaction():
            # Citus refuses some mixtures of parallel and other work in one transaction; this is its remedy.
            connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
            if step.what == "everywhere":
                connection.execute("SELECT create_reference_table(%s::text::regclass)", (step.table,))
            else:
                _spread(connection, step.table)
        if step.what == "by organisation":
            # The rows on the workers are counted; those left on the coordinator are read by nobody.
            connection.execute("SELECT truncate_local_data_after_distributing_table(%s::text::regclass)", (step.table,))
        report(n, len(steps))
    left = plan(connection)
    if left:
        raise StorageError(f"Citus did not place {', '.join(step.table for step in left)}; see its log")


def _spread(connection: Connection, table: str) -> None:
    name = sql.Identifier(table)
    # The owner is to see all rows while they move; it is bound again in the same transaction.
    connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(name))
    before = _count(connection, name)
    connection.execute(
        "SELECT create_distributed_table(%s::text::regclass, %s::text, colocate_with => %s::text)",
        (table, COLUMN, "none" if table == ANCHOR else ANCHOR),
    )
    after = _count(connection, name)
    if before != after:
        raise StorageError(
            f"Table {table} had {counted(before, 'row')} but has {after:,} on the workers; it was not changed"
        )
    connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(name))


def _count(connection: Connection, table: sql.Identifier) -> int:
    (count,) = connection.execute(sql.SQL("SELECT COUNT(*) FROM {}").format(table)).fetchone() or (0,)
    return int(count)
