"""The messages next to a place in a chat, on either side of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from msgspec import Struct

from backscroll.database.protocol import Row, Txn
from backscroll.storage.records.rows import MessageRow

Statement = Literal["thread_older", "thread_newer", "context_before", "context_after"]
_LATEST_FIRST = frozenset({"thread_older", "context_before"})


class Side(Struct, frozen=True):
    """The messages on one side of a place, nearest first. ``params`` are those of the statement but for its chat."""

    statement: Statement
    params: Mapping[str, Any]
    chats: Sequence[int]
    """The numbers of the chat: a contact that is being merged has several."""


def read_sides(tx: Txn, sides: Sequence[Side]) -> list[list[MessageRow]]:
    """The rows of each side, up to the limit in its parameters, also those that cannot be shown.

    Each number of a chat is read by itself, because an index has the rows of one in order.
    """
    asks = [(side.statement, {**side.params, "chat": chat}) for side in sides for chat in side.chats]
    found = iter(tx.several(asks))
    return [_nearest(side, [next(found) for _ in side.chats]) for side in sides]


def _nearest(side: Side, found: Sequence[Sequence[Row]]) -> list[MessageRow]:
    rows = [MessageRow(*row) for row in chain.from_iterable(found)]
    if len(found) > 1:
        rows.sort(key=_place, reverse=side.statement in _LATEST_FIRST)
    return rows[: side.params["limit"]]


def _place(row: MessageRow) -> tuple[tuple[int, Any], ...]:
    return tuple(map(_in_order, (row.sent_at, row.id, row.sender, row.chat)))


def _in_order(value: Any) -> tuple[int, Any]:
    """Numbers before texts before bytes, as SQLite orders them: a damaged row may have any of them."""
    return (0, value) if isinstance(value, int | float) else (1, value) if isinstance(value, str) else (2, value or b"")
