"""The archive's statements in SQLite's words: parameters by their position, lists written out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any

from msgspec import Struct

_LONGEST_PADDED = 1024
_PARAMETER = re.compile(r"\(:(\w+)\*\)|(?<![:\w]):(\w+)")


class _Names(Struct, frozen=True):
    """The parameters of a statement, in the order in which SQLite numbers them: that of their first occurrence."""

    values: Callable[[Mapping[str, Any]], Sequence[Any]]
    """All their values, in this order."""
    lists: tuple[int, ...]
    """The positions of lists, last first."""


def bound(sql: str, params: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """The statement with every ``(:name*)`` written out, and the values of its parameters in order.

    SQLite's driver would look up each parameter by name otherwise, at twice the cost. An empty list matches nothing.
    The last value of a list is repeated up to one of a few lengths: every length is another statement to SQLite, which
    would have to plan it.
    """
    names = _names_in(sql)
    if not names.lists:
        return sql, names.values(params)
    values = list(names.values(params))
    lengths = []
    for at in names.lists:
        members = tuple(values[at]) or (None,)
        length = _length_for(len(members))
        values[at : at + 1] = (*members, *repeat(members[-1], length - len(members)))
        lengths.append(length)
    return _written_out(sql, tuple(lengths)), values


def values_for(sql: str) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """A function that puts the parameters of a statement without lists in order."""
    return _names_in(sql).values


@lru_cache(maxsize=4096)
def _names_in(sql: str) -> _Names:
    is_list = {match[1] or match[2]: match[1] is not None for match in _PARAMETER.finditer(sql)}
    lists = [at for at, name in enumerate(is_list) if is_list[name]]
    return _Names(_in_order(tuple(is_list)), tuple(reversed(lists)))


def _in_order(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    return itemgetter(*names) if len(names) > 1 else lambda params: tuple(params[name] for name in names)


@lru_cache(maxsize=4096)
def _written_out(sql: str, lengths: tuple[int, ...]) -> str:
    """``lengths`` are those of the lists, last first."""
    names = dict.fromkeys(match[1] for match in _PARAMETER.finditer(sql) if match[1])
    members = dict(zip(names, reversed(lengths), strict=True))

    def written(match: re.Match[str]) -> str:
        name = match[1]
        return match[0] if name is None else "(" + ", ".join(f":{name}_{n}" for n in range(members[name])) + ")"

    return _PARAMETER.sub(written, sql)


@lru_cache(maxsize=1024)
def _length_for(count: int) -> int:
    """The next power of two, or three quarters of it where that suffices. Statements with long lists are rare."""
    if count > _LONGEST_PADDED:
        return count
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if count <= power * 3 // 4 else power
