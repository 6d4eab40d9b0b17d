"""Part of one chat around a position, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from backscroll.core.answers import Thread
from backscroll.core.errors import NotFound
from backscroll.core.limits import LATEST
from backscroll.core.query import Position, ThreadQuery
from backscroll.storage.read.messages import Assembler
from backscroll.storage.read.names import Reading
from backscroll.storage.read.neighbours import Side, Statement, read_sides
from backscroll.storage.read.surroundings import surroundings_of
from backscroll.storage.records.damage import sound
from backscroll.storage.records.rows import MessageRow, row_of

NEWEST = Position(LATEST + 1)


def place_of_message(query: ThreadQuery, side: str, row: MessageRow) -> ThreadQuery:
    """The query placed ``around``, ``before`` or ``after`` a message."""
    if side == "around":
        return structs.replace(query, around=row.no)
    place = position_of(row)
    return structs.replace(query, before=place) if side == "before" else structs.replace(query, after=place)


def position_of(row: MessageRow) -> Position:
    return Position(row.sent_at, row.id, row.sender)


def positions(rows: Iterable[MessageRow]) -> Iterator[Position]:
    """Of rows whose position can be read: the others cannot be returned to."""
    for row in rows:
        if type(row.sent_at) is int and type(row.id) is str and type(row.sender) is int:
            yield position_of(row)


class _Stretch(Struct):
    """Rows oldest first, and whether the chat ends there on either side."""

    rows: list[MessageRow]
    found_oldest: bool
    found_newest: bool
    target: int | None = None


class Threads:
    """Answers about one chat within one reading transaction."""

    def __init__(self, reading: Reading, query: ThreadQuery) -> None:
        self._reading = reading
        self._tx, self._names = reading.tx, reading.names
        self._query = query
        contact = reading.names.find(query.chat)
        self._chats = () if contact is None else reading.names.numbers_of(contact.contact)

    def read(self) -> Thread:
        """The part of the chat; empty if the phone has no such chat. Raises ``NotFound`` for a message that is not in
        it.
        """
        stretch = self._stretch() if self._chats else _Stretch([], True, True)
        org = self._query.org
        messages = Assembler(self._tx, org, self._names).messages(sound(org, stretch.rows))
        return Thread(
            messages=messages,
            found_oldest=stretch.found_oldest,
            found_newest=stretch.found_newest,
            target=stretch.target,
            seq=self._names.seq,
            oldest=next(positions(stretch.rows), None),
            newest=next(positions(stretch.rows[::-1]), None),
            around=surroundings_of(self._reading, messages),
        )

    def _stretch(self) -> _Stretch:
        query = self._query
        if query.before is not None:
            return self._older(query.before)
        if query.after is not None:
            return self._newer(query.after)
        if query.around is not None:
            return self._around(query.around)
        if query.at is not None:
            return self._from(query.at)
        return self._older(NEWEST)

    def _older(self, place: Position) -> _Stretch:
        rows, more = self._cut(self._read(self._side("thread_older", place)))
        # A message at the place itself is newer than these.
        just_below = structs.replace(place, sender=place.sender - 1)
        is_newest = place == NEWEST or not self._read(self._side("thread_newer", just_below, 1))
        return _Stretch(rows[::-1], not more, is_newest)

    def _newer(self, place: Position) -> _Stretch:
        rows, more = self._cut(self._read(self._side("thread_newer", place)))
        just_above = structs.replace(place, sender=place.sender + 1)
        return _Stretch(rows, not self._read(self._side("thread_older", just_above, 1)), not more)

    def _around(self, no: int) -> _Stretch:
        row = self._tx.one("rows_by_no", {"org": self._query.org, "nos": [no]})
        target = None if row is None else row_of(row)
        if target is None or target.phone != self._query.phone or target.chat not in self._chats:
            raise NotFound("message", "in this chat")
        return self._both_sides(target)

    def _from(self, at: int) -> _Stretch:
        """Around the first message at or after a time; after the last one, the newest messages."""
        first = self._read(self._side("thread_newer", Position(at), 1))
        return self._both_sides(first[0]) if first else self._older(NEWEST)

    def _both_sides(self, target: MessageRow) -> _Stretch:
        """About half on each side; if one side has too few, the other is longer."""
        place = position_of(target)
        older, newer = read_sides(self._tx, [self._side("thread_older", place), self._side("thread_newer", place)])
        room = self._query.limit - 1
        before = max(room // 2, room - len(newer))
        kept_older = older[: min(before, len(older))]
        kept_newer = newer[: room - len(kept_older)]
        rows = [*reversed(kept_older), target, *kept_newer]
        return _Stretch(rows, len(kept_older) == len(older), len(kept_newer) == len(newer), target.no)

    def _cut(self, rows: list[MessageRow]) -> tuple[list[MessageRow], bool]:
        """The rows of a page, and whether there was one more."""
        limit = self._query.limit
        return rows[:limit], len(rows) > limit

    def _read(self, side: Side) -> list[MessageRow]:
        (rows,) = read_sides(self._tx, [side])
        return rows

    def _side(self, statement: Statement, place: Position, limit: int | None = None) -> Side:
        params = {
            "org": self._query.org,
            "phone": self._query.phone,
            "at": place.sent_at,
            "id": place.id,
            "sender": place.sender,
            "limit": self._query.limit + 1 if limit is None else limit,
        }
        return Side(statement, params, self._chats)
