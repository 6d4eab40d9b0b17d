"""The archive's statements in PostgreSQL's words: numbered parameters, arrays for lists, many rows at once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from backscroll.core.errors import StorageError

_PARAMETER = re.compile(r"IN \(:(\w+)\*\)|(?<![:\w]):(\w+)")
_ONE_ROW = re.compile(r"\bVALUES\s*(\([^()]*\))")
_STATEMENT = re.compile(r"(?:\$\$.*?\$\$|[^;])+", re.S)


class Prepared(Struct, frozen=True):
    """A statement in PostgreSQL's words. ``lists`` are the names whose values go over as one array."""

    text: str
    names: tuple[str, ...]
    lists: frozenset[str]

    def values(self, params: Mapping[str, Any]) -> list[Any]:
        """In the order of the statement's numbers."""
        return [_array(params[name]) if name in self.lists else _only(params[name]) for name in self.names]


@lru_cache(maxsize=4096)
def _lists_in(sql: str) -> tuple[str, ...]:
    return tuple(sorted({match[1] for match in _PARAMETER.finditer(sql) if match[1]}))


def prepared(sql: str, params: Mapping[str, Any]) -> Prepared:
    """``IN (:name*)`` becomes equality for one value, which keeps an index in order, and one array for several."""
    return _prepared(sql, frozenset(name for name in _lists_in(sql) if len(params[name]) > 1))


@lru_cache(maxsize=4096)
def _prepared(sql: str, several: frozenset[str]) -> Prepared:
    names: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        number = names.setdefault(name, len(names) + 1)
        if match[1]:
            return f"= ANY(${number})" if name in several else f"= ${number}"
        return f"${number}"

    text = _PARAMETER.sub(numbered, sql)
    return Prepared(text, tuple(names), several)


@lru_cache(maxsize=512)
def rows_of(sql: str, count: int) -> Prepared:
    """An INSERT of one row, with room for ``count``."""
    match = _ONE_ROW.search(sql)
    if match is None:
        raise StorageError("Only INSERT … VALUES can take many rows")
    names = tuple(m[2] for m in _PARAMETER.finditer(match[1]))
    numbers = itertools.count(1)
    rows = [_PARAMETER.sub(lambda _: f"${next(numbers)}", match[1]) for _ in range(count)]
    return Prepared(sql[: match.start(1)] + ", ".join(rows) + sql[match.end(1) :], names, frozenset())


@lru_cache(maxsize=4096)
def _pieces(text: str) -> list[str]:
    return re.split(r"\$(\d+)", text)


def written_out(text: str, values: Sequence[int]) -> str:
    """Whole numbers may stand in the text itself."""
    pieces = _pieces(text)
    pieces = [pieces[0], *(f"({values[int(n) - 1]}){rest}" for n, rest in zip(pieces[1::2], pieces[2::2], strict=True))]
    return "".join(pieces)


def apart(script: str) -> list[str]:
    """The statements of a migration, which has no semicolons or dashes in its texts."""
    return [statement for statement in _STATEMENT.findall(re.sub("--.*", "", script)) if statement.strip()]


def _only(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return value[0] if value else None
    return value


def _array(values: Sequence[Any]) -> str:
    if isinstance(values[0], int):
        return "{" + ",".join(map(str, values)) + "}"
    return "{" + ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values) + "}"
