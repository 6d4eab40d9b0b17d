"""Index builds on PostgreSQL while others go on writing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backscroll.database.postgres.connection import Connection
from backscroll.database.postgres.pool import Pool

_NAME = re.compile(r"INDEX CONCURRENTLY IF (?:NOT )?EXISTS (\w+)")


def build(pool: Pool, record: str, statements: Sequence[str]) -> None:
    """Run each statement outside of a transaction; ``record`` is committed when all are done.

    What ``record`` locks is the lock: another process that comes with the same one waits, and finds it there. That
    holds behind pgbouncer, where a session's advisory lock does not. Neither has a snapshot while it waits, or the
    build would wait for it.
    """
    with pool.connection() as holder:
        holder.execute("BEGIN ISOLATION LEVEL READ COMMITTED", prepare=False)
        try:
            holder.execute(record, prepare=False)
            with pool.connection() as builder:
                for statement in statements:
                    _drop_ruin(builder, statement)
                    builder.execute(statement, prepare=False)
            holder.execute("COMMIT", prepare=False)
        except BaseException:
            if not holder.closed:
                holder.execute("ROLLBACK", prepare=False)
            raise


def _drop_ruin(connection: Connection, statement: str) -> None:
    """A build that was cut leaves an index that is written and never read, and IF NOT EXISTS would keep it."""
    match = _NAME.search(statement)
    if match is None:
        return
    query = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid"
    if connection.execute(query, (match[1],), prepare=False).fetchone():
        connection.execute(f"DROP INDEX CONCURRENTLY {match[1]}", prepare=False)
