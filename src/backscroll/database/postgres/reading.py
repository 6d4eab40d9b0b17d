"""Another program's PostgreSQL, read and never written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from backscroll.core.errors import BadField, Unreadable

MAX_VALUE = 4 << 20
"""Bytes of a value that is taken as text."""
LARGE, FILE = "_large", "_file"
FILE_IN = "message"
"""The column, of the type jsonb, that may hold a file beside everything else."""
Rows = list[dict[str, Any]]
STATEMENT_SECONDS = 300
_CONNECT_SECONDS = 15
_OPTIONS = "-c default_transaction_read_only=on -c statement_timeout={} -c lock_timeout=10000 -c search_path={}"
_PRISMA = {"schema", "connection_limit", "pool_timeout", "pgbouncer", "sslidentity", "sslaccept", "socket_timeout"}
"""What Prisma allows in a URL and libpq does not."""


class ReadOnly:
    """A connection on which every statement is a reading transaction of its own, so that nothing is held up."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]], program: str, place: str) -> None:
        self._connection = connection
        self._program = program
        self.place = place
        """Host and name of the database, as they may be shown."""
        self._columns: dict[str, frozenset[str]] = {}

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table in the searched schemas; none where there is no such table."""
        if table not in self._columns:
            query = sql.SQL(
                "SELECT a.attname AS name FROM pg_attribute AS a "
                "WHERE a.attrelid = to_regclass(quote_ident(%(table)s)) AND a.attnum > 0 AND NOT a.attisdropped "
                "AND (SELECT relkind FROM pg_class WHERE oid = a.attrelid) IN ('r', 'p')"
            )
            found = self.rows(query, {"table": table})
            self._columns[table] = frozenset(row["name"] for row in found)
        return self._columns[table]

    def rows(self, query: sql.SQL | sql.Composed, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of a statement; ``Unreadable`` where the server does not give them."""
        try:
            with self._connection.cursor(row_factory=dict_row) as cursor:
                return list(cursor.execute(query, params).fetchall())
        except psycopg.Error as error:
            raise _unreadable(self._program, self.place, error) from error

    def ask(self, query: LiteralString, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows of a statement that is written out."""
        return self.rows(sql.SQL(query), params)

    def walk(
        self,
        table: str,
        key: str,
        columns: Sequence[str],
        *,
        size: int,
        after: str = "",
        only: tuple[str, Sequence[str]] | None = None,
    ) -> Iterator[Rows]:
        """The rows above ``after`` by their key, at most ``size`` at once; of ``columns`` those that there are.

        ``only`` names a column, and the values of it whose rows are wanted.
        Every value comes as text. One above ``MAX_VALUE`` is None, and then the row has a true ``LARGE``. Of a column
        that may hold a file in Base64 (``FILE_IN``) that is left out, and the row has a true ``FILE``.
        """
        there = [name for name in columns if name in self.columns(table)]
        while there:
            wanted = sql.SQL(" AND {} = ANY(%(only)s)").format(sql.Identifier("t", only[0])) if only else sql.SQL("")
            query = sql.SQL("SELECT {} FROM {} AS t WHERE {} > %(after)s{} ORDER BY {} LIMIT %(size)s").format(
                sql.SQL(", ").join(_shown(there)),
                sql.Identifier(table),
                sql.Identifier("t", key),
                wanted,
                sql.Identifier("t", key),
            )
            rows = self.rows(query, {"after": after, "size": size, "only": list(only[1]) if only else None})
            if not rows:
                return
            yield rows
            after = rows[-1][key]

    def file_of(self, table: str, key: str, value: str, most: int) -> str | None:
        """The file in Base64 that a row holds; None where it has more than ``most`` characters."""
        query = sql.SQL(
            "SELECT t.{0} ->> 'base64' AS file FROM {1} AS t WHERE {2} = %(value)s "
            "AND octet_length(t.{0} ->> 'base64') <= %(most)s"
        ).format(sql.Identifier(FILE_IN), sql.Identifier(table), sql.Identifier("t", key))
        rows = self.rows(query, {"value": value, "most": most})
        return rows[0]["file"] if rows else None


def _shown(columns: Sequence[str]) -> list[sql.Composable]:
    large: list[sql.Composable] = []
    shown: list[sql.Composable] = []
    for name in columns:
        value = sql.SQL("{} - 'base64'" if name == FILE_IN else "{}").format(sql.Identifier("t", name))
        text = sql.SQL("({})::text").format(value)
        large.append(sql.SQL("coalesce(octet_length({}) > {}, false)").format(text, sql.Literal(MAX_VALUE)))
        bounded = sql.SQL("CASE WHEN octet_length({0}) <= {1} THEN {0} END AS {2}")
        shown.append(bounded.format(text, sql.Literal(MAX_VALUE), sql.Identifier(name)))
    shown.append(sql.SQL("({}) AS {}").format(sql.SQL(" OR ").join(large), sql.Identifier(LARGE)))
    if FILE_IN in columns:
        has_file = sql.SQL("coalesce(jsonb_exists({}, 'base64'), false) AS {}")
        shown.append(has_file.format(sql.Identifier("t", FILE_IN), sql.Identifier(FILE)))
    return shown


@contextmanager
def reading(url: str, program: str) -> Iterator[ReadOnly]:
    """Connect to ``url``, which may be one that Prisma understands. ``BadField`` for another kind of URL.

    ``program`` is whose database it is, for the error that says that it cannot be read. No error names the password.
    """
    plain, schema = _plain(url)
    try:
        told = conninfo_to_dict(plain)
    except psycopg.Error:
        raise BadField(
            "url", None, "must be the URL of a database: postgresql://USER:PASSWORD@HOST:PORT/NAME"
        ) from None
    place = f"{told.get('host') or 'localhost'}/{told.get('dbname') or ''}"
    path = f'"{schema}"' if schema else '"$user",public'
    options = _OPTIONS.format(STATEMENT_SECONDS * 1000, path.replace("\\", "\\\\").replace(" ", "\\ "))
    extra: dict[str, Any] = {"options": options, "application_name": "backscroll", "connect_timeout": _CONNECT_SECONDS}
    try:
        connection = psycopg.connect(plain, autocommit=True, prepare_threshold=None, row_factory=dict_row, **extra)
    except psycopg.Error as error:
        raise _unreadable(program, place, error) from error
    with connection:
        connection.read_only = True
        yield ReadOnly(connection, program, place)


def _plain(url: str) -> tuple[str, str | None]:
    """The URL without what only Prisma understands, and the schema that it names."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("postgres", "postgresql"):
        raise BadField("url", None, "must begin with postgresql://; other databases are not read")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    schema = next((value for name, value in pairs if name == "schema"), None)
    if schema is not None and (not schema or not schema.replace("_", "a").replace("-", "a").isalnum()):
        raise BadField("url", None, "names a schema that is no plain name")
    kept = urlencode([(name, value) for name, value in pairs if name not in _PRISMA])
    base = url.strip().partition("?")[0]
    return f"{base}?{kept}" if kept else base, schema


def _unreadable(program: str, place: str, error: psycopg.Error) -> Unreadable:
    told = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return Unreadable(f"{program} database", place, f"{told[:300]}; check the URL and what its user may read")
