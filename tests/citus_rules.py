"""Checks of a schema and of statements against the rules of Citus, without a cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from backscroll.database.tables import REFERENCE, TABLES, TENANT

Connection = psycopg.Connection[tuple[Any, ...]]

# ------------------------------------------------------------------ the schema, by its own catalog

_COLUMNS = """
SELECT c.relname, a.attname, a.attnotnull, format_type(a.atttypid, NULL), a.attidentity <> '', a.attgenerated <> '',
    coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname, a.attnum
"""
_INDEXES = """
SELECT t.relname, i.relname, x.indisprimary, x.indisunique, m.amname,
    (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = x.indkey[0])
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_am m ON m.oid = i.relam
WHERE t.relnamespace = current_schema()::regnamespace AND NOT t.relispartition
"""
_CONSTRAINTS = """
SELECT t.relname, k.conname, k.contype, f.relname,
    ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY place),
    ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY place)
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid LEFT JOIN pg_class f ON f.oid = k.confrelid
WHERE t.relnamespace = current_schema()::regnamespace AND k.contype IN ('f', 'x') AND k.conparentid = 0
    AND NOT t.relispartition
"""
_TRIGGERS = """
SELECT t.relname, g.tgname FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
WHERE t.relnamespace = current_schema()::regnamespace AND NOT g.tgisinternal
"""
_SEQUENCES = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S'"


def schema_faults(connection: Connection) -> list[str]:
    """Faults that keep this schema off a cluster, and differences from database/tables.py; empty if there are none."""
    columns: dict[str, dict[str, tuple[Any, ...]]] = {}
    for table, column, *about in connection.execute(_COLUMNS):
        columns.setdefault(table, {})[column] = tuple(about)
    return [
        *_undeclared(columns),
        *(fault for table in TENANT if table in columns for fault in _column_faults(table, columns[table])),
        *_index_faults(connection, columns),
        *_constraint_faults(connection),
        *(f"{table}: trigger {name}" for table, name in connection.execute(_TRIGGERS)),
        *(f"sequence {name}" for (name,) in connection.execute(_SEQUENCES)),
    ]


def _undeclared(columns: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    yield from (f"{table}: is not in database/tables.py" for table in columns.keys() - {*TENANT, *REFERENCE})
    yield from (f"{table}: is declared and not there" for table in {*TENANT, *REFERENCE} - columns.keys())
    for table in TABLES:
        found = set(columns.get(table.name, table.columns)) - set(table.kept_out)
        if found != set(table.columns):
            yield f"{table.name}: columns differ from tenancy.py: {sorted(found ^ set(table.columns))}"


def _column_faults(table: str, columns: Mapping[str, tuple[Any, ...]]) -> Iterator[str]:
    if "org" not in columns:
        yield f"{table}: has no org"
    elif columns["org"][:2] != (True, "bigint"):
        yield f"{table}: org must be bigint and not null"
    for column, (_, _, identity, _, default) in columns.items():
        if identity or "nextval" in default:
            yield f"{table}: {column} takes its numbers from a sequence"


def _index_faults(connection: Connection, columns: Mapping[str, object]) -> Iterator[str]:
    keyed = set()
    for table, index, primary, unique, method, first in connection.execute(_INDEXES).fetchall():
        if primary:
            keyed.add(table)
        # Each shard has its own GIN index of words: it need not begin with the organisation, and cannot be unique.
        if table in TENANT and first != "org" and (unique or method != "gin"):
            yield f"{table}: index {index} does not begin with org"
    yield from (f"{table}: has no primary key" for table in columns.keys() - keyed)


def _constraint_faults(connection: Connection) -> Iterator[str]:
    for table, name, kind, target, here, there in connection.execute(_CONSTRAINTS).fetchall():
        if kind == "x":
            yield f"{table}: exclusion {name}"
        elif ("org", "org") not in zip(here, there, strict=True) or target not in TENANT:
            yield f"{table}: foreign key {name} does not stay in its organisation"


# ------------------------------------------------------------------ statements, by their words

_NOISE = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_REF = re.compile(
    r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+(?:AS\s+)?(?!(?:ON|WHERE|SET|JOIN|LEFT|INNER|CROSS|ORDER|GROUP|LIMIT|UNION|"
    r"VALUES|FOR|HAVING|RETURNING|DEFAULT|USING|AS)\b)([a-z]\w*))?",
    re.I,
)
_EQUAL = re.compile(r"(?:\b(\w+)\.)?\borg\s*=\s*(?::org\b|(\w+)\.org\b)", re.I)
_SET_OPERATION = re.compile(r"\b(?:UNION(?:\s+ALL)?|INTERSECT|EXCEPT)\b", re.I)
_UPSERT = re.compile(r"\bDO\s+UPDATE\s+SET\b(.*?)(?:\bRETURNING\b|$)", re.S | re.I)
_CALL = re.compile(r"\b(\w+)\s*\(|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b", re.I)
_IMMUTABLE = {
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "cast",
    "and",
    "or",
    "in",
    "not",
    "when",
    "then",
    "else",
    "set",
}
_LOCKING = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE|KEY\s+SHARE)\b|\bSKIP\s+LOCKED\b", re.I)
_SET_ORG = re.compile(r"\bSET\b(?:(?!\bWHERE\b|\bFROM\b).)*?(?<![.\w])org\s*=", re.S | re.I)
_INSERT = re.compile(
    r"\bINSERT\s+INTO\s+(\w+)\s*\(\s*(\w+)[^)]*\)\s*(?:VALUES\s*\(\s*(:?\w+)|SELECT\s+(:?[\w.]+))", re.I
)


def statement_faults(statement: str) -> list[str]:
    """What Citus would refuse though partitions allow it, and tenant tables not restricted to one organisation."""
    text = _NOISE.sub(" ", statement)
    return [*_word_faults(text), *_insert_faults(text), *_astray(text, frozenset())]


def _word_faults(text: str) -> Iterator[str]:
    if re.search(r"\bMERGE\b", text, re.I):
        yield "MERGE"
    if re.search(r"\bset_config\s*\(", text, re.I):
        yield "set_config does not reach the workers"
    if _SET_ORG.search(text):
        yield "sets org"
    for upsert in _UPSERT.findall(text):
        for call, word in _CALL.findall(upsert):
            if (call or word).lower() not in _IMMUTABLE:
                yield f"{call or word} in DO UPDATE"
    if _LOCKING.search(text) and not re.search(r"\borg\s*=\s*:org\b", text):
        yield "locks rows of several organisations"


def _insert_faults(text: str) -> Iterator[str]:
    for table in re.findall(r"\bINSERT\s+INTO\s+(\w+)", text, re.I):
        found = _INSERT.search(text)
        if table in TENANT and (found is None or found[2] != "org" or (found[3] or found[4]) != ":org"):
            yield f"inserts into {table} without org = :org first"


def _astray(text: str, known: frozenset[str]) -> Iterator[str]:
    """Tenant tables that no chain of ``org = org`` ties to ``:org``; ``known`` are names tied in an outer query."""
    bare, nested = _unnested(text)
    for part in _SET_OPERATION.split(bare):
        tied = set(known)
        if not re.match(r"\s*INSERT\b", part, re.I):
            refs = [(table, alias or table) for table, alias in _REF.findall(part) if table in TENANT]
            tied = _tied(part, refs, known)
            yield from (f"{table} is not narrowed to one organisation" for table, alias in refs if alias not in tied)
        for inner in nested:
            if f"\0{inner[0]}\0" in part:
                yield from _astray(inner[1], frozenset(tied))


def _tied(part: str, refs: list[tuple[str, str]], known: frozenset[str]) -> set[str]:
    equal = _EQUAL.findall(part)
    tied = {alias for alias, other in equal if alias and not other} | set(known)
    if len(refs) == 1 and any(not alias and not other for alias, other in equal):
        tied.add(refs[0][1])
    for _ in equal:
        for alias, other in equal:
            if other in tied and alias:
                tied.add(alias)
            elif alias in tied and other:
                tied.add(other)
    return tied


def _unnested(text: str) -> tuple[str, list[tuple[int, str]]]:
    """The text with a mark in place of each sub-select, and the sub-selects."""
    nested: list[tuple[int, str]] = []
    while start := re.search(r"\(\s*SELECT\b", text, re.I):
        depth, at = 0, start.start()
        for at in range(start.start(), len(text)):
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            if depth == 0:
                break
        nested.append((len(nested), text[start.start() + 1 : at]))
        text = f"{text[: start.start()]} \0{len(nested) - 1}\0 {text[at + 1 :]}"
    return text, nested


# ------------------------------------------------------------------ statements, by their plans on the shadow

_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_SAMPLES = {"bigint": "1", "text": "'x'", "bytea": "'\\x00'", "json": "'[]'"}
_PARTITION = re.compile(r"(\w+)_p\d+")


def numbered(statement: str) -> tuple[str, list[str]]:
    """The statement for PREPARE (``:name`` becomes ``$1``, a list gets two members), and the names in their order."""
    text = re.sub(r"\(:(\w+)\*\)", r"(:\1_0, :\1_1)", statement)
    names: dict[str, int] = {}
    text = _PARAMETER.sub(lambda m: f"${names.setdefault(m[1], len(names) + 1)}", text)
    return text, [*names]


def partitions_read(connection: Connection, statement: str) -> dict[str, set[str]]:
    """The partitions of each tenant table that a statement's plans touch, for every setting of its switches."""
    text, names = numbered(statement)
    connection.execute("SET plan_cache_mode = force_custom_plan")
    connection.execute(f"PREPARE probe AS {text}", prepare=False)
    row = connection.execute(
        "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'probe'"
    ).fetchone()
    assert row is not None
    read: dict[str, set[str]] = {}
    for switch in ("0", "1"):
        values = [_sample(name, type, switch) for name, type in zip(names, row[0], strict=True)]
        for relation in _relations(_plan(connection, values)):
            match = _PARTITION.fullmatch(relation)
            if match and match[1] in TENANT:
                read.setdefault(match[1], set()).add(relation)
    connection.execute("DEALLOCATE probe")
    return read


def _sample(name: str, type: str, switch: str) -> str:
    return switch if type in ("bigint", "integer") and name != "org" else _SAMPLES[type]


def _plan(connection: Connection, values: list[str]) -> Any:
    call = f"probe({', '.join(values)})" if values else "probe"
    row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {call}", prepare=False).fetchone()
    assert row is not None
    return row[0]


def _relations(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan["Relation Name"]
        for value in plan.values():
            yield from _relations(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from _relations(value)


def plan_faults(connection: Connection, statement: str) -> list[str]:
    """Tenant tables of which a statement reads more or fewer partitions than one. Inserted rows are routed by org."""
    text = _NOISE.sub(" ", statement)
    named = {table for table, _ in _REF.findall(text) if table in TENANT}
    named -= set(re.findall(r"\bINSERT\s+INTO\s+(\w+)", text, re.I))
    read = partitions_read(connection, statement)
    return [
        f"{table}: reads {len(read.get(table, ()))} partitions"
        for table in sorted(named | read.keys())
        if len(read.get(table, ())) != 1
    ]
