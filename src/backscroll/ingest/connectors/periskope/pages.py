"""Splitting an answer into rows, each of which is read separately."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from backscroll.core import limits
from backscroll.core.errors import BadField, Unreadable
from backscroll.core.events import (
    Event,
    PhoneSeen,
)
from backscroll.core.ids import clean_text
from backscroll.ingest.connectors.periskope.values import SOURCE

_AT = re.compile(r" - at `\$\.?(.*)`$")


T = TypeVar("T")


class UnreadableRow(Struct, frozen=True):
    """A row that was left out of the page, or read without one of its fields; for quarantine."""

    error: Unreadable
    payload: bytes


class PulledPage(Struct, frozen=True, kw_only=True):
    """One answer of the server, as events in the order in which they can be applied."""

    events: list[Event]
    rows: int
    """How many rows the answer had, readable or not."""
    times: list[int]
    """When the readable rows happened, in the order of the answer; empty where rows have no time."""
    unreadable: list[UnreadableRow]
    count: int | None = None
    """As the server says: rows of the page or of all pages, servers differ."""

    @property
    def oldest(self) -> int | None:
        return min(self.times, default=None)

    @property
    def newest(self) -> int | None:
        return max(self.times, default=None)

    @property
    def newest_first(self) -> bool:
        return self.times == sorted(self.times, reverse=True)

    def repeats(self, other: PulledPage | None) -> bool:
        """Whether it has the very rows of another page, whatever the server calls their places."""
        if other is None or self.rows != other.rows or self.events != other.events:
            return False
        return [row.payload for row in self.unreadable] == [row.payload for row in other.unreadable]


Observed = tuple[list[Event], int | None]
"""What a row tells, and when it happened."""


class ReadInPart(Exception):
    """A row that can be used without one of its fields, which is named for quarantine."""

    def __init__(self, observed: Observed, error: Unreadable) -> None:
        super().__init__(str(error))
        self.observed = observed
        self.error = error


def page_of(body: bytes, keys: tuple[str, ...], tell: Callable[[bytes, bool], Observed]) -> PulledPage:
    """The rows of the first list of ``keys`` that the answer has, each told by itself; see ``PulledPage``."""
    name, rows, count = _rows(body, keys)
    events: list[Event] = []
    times: list[int] = []
    unreadable: list[UnreadableRow] = []
    for number, raw in enumerate(rows):
        try:
            told, at = tell(*_storable(raw))
            for event in told:
                limits.check(event)
        except ReadInPart as part:
            told, at = part.observed
            unreadable.append(UnreadableRow(_named(part.error, f"{name}[{number}]"), raw))
        except (msgspec.MsgspecError, UnicodeError, RecursionError, Unreadable, BadField) as error:
            unreadable.append(UnreadableRow(_named(error, f"{name}[{number}]"), raw))
            continue
        events += told
        if at is not None:
            times.append(at)
    return PulledPage(events=_unrepeated(events), rows=len(rows), times=times, unreadable=unreadable, count=count)


def _unrepeated(events: list[Event]) -> list[Event]:
    """Each own phone once, first: the messages of a page all name it."""
    seen = dict.fromkeys(event for event in events if isinstance(event, PhoneSeen))
    return [*seen, *(event for event in events if not isinstance(event, PhoneSeen))]


def _rows(body: bytes, keys: tuple[str, ...]) -> tuple[str, list[bytes], int | None]:
    """The name of the list, its rows as bytes, and the count that the server gave."""
    try:
        answer = msgspec.json.decode(body, type=list[Raw] | dict[str, Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        answer = _lenient_answer(body, keys[0])
    if isinstance(answer, list):
        return keys[0], [bytes(raw) for raw in answer], None
    for key in keys:
        if key in answer:
            return key, _list(answer[key], key), _whole(answer.get("count"))
    raise Unreadable(SOURCE, keys[0], "there is no such list in the answer")


def _list(raw: Raw, key: str) -> list[bytes]:
    try:
        # An empty list is null at some servers.
        return [bytes(row) for row in msgspec.json.decode(raw, type=list[Raw] | None) or ()]
    except msgspec.DecodeError:
        raise Unreadable(SOURCE, key, "this is not a list") from None


def _whole(raw: Raw | None) -> int | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=int | None)
    except msgspec.DecodeError:
        return None


def _lenient_answer(body: bytes, key: str) -> list[Raw] | dict[str, Raw]:
    """The answer once more by a reader that lets lone surrogates pass; what it refuses too is not JSON."""
    try:
        answer = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(SOURCE, key, f"the answer is not whole JSON ({error})") from None
    if isinstance(answer, list):
        return [_escaped(row) for row in answer]
    if isinstance(answer, dict):
        return {name: _escaped(value) for name, value in answer.items()}
    raise Unreadable(SOURCE, key, "the answer is neither an object nor a list")


def _escaped(value: Any) -> Raw:
    # NUL takes the place of lone surrogates until _storable meets the row and says that it was altered.
    return Raw(json.dumps(_mended(value, lambda text: re.sub("[\ud800-\udfff]", "\0", text))).encode())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _storable(raw: bytes) -> tuple[bytes, bool]:
    """The row with text that both engines can keep, and whether it had to be altered."""
    if rb"\u0000" not in raw:
        return raw, False
    row = msgspec.json.decode(raw)
    mended = _mended(row, lambda text: clean_text(text)[0])
    return msgspec.json.encode(mended), mended != row


def _mended(value: Any, mend: Callable[[str], str]) -> Any:
    match value:
        case str():
            return mend(value)
        case list():
            return [_mended(item, mend) for item in value]
        case dict():
            return {mend(name): _mended(item, mend) for name, item in value.items()}
    return value


def typed(raw: bytes, shape: type[T]) -> T:
    return msgspec.json.decode(raw, type=shape)


def others(raw: bytes, held: frozenset[str]) -> dict[str, Any] | None:
    """What a row holds besides ``held``; None when that is nothing."""
    row: dict[str, Any] = msgspec.json.decode(raw)
    return {name: value for name, value in row.items() if name not in held and value is not None} or None


def _named(error: Exception, row: str) -> Unreadable:
    """``error`` with the place of the row put before the field."""
    if isinstance(error, Unreadable):
        return Unreadable(SOURCE, f"{row}.{error.where}", error.problem)
    if isinstance(error, BadField):
        return Unreadable(SOURCE, f"{row}.{error.field}", error.remedy)
    problem = str(error)
    place = _AT.search(problem)
    if place is None:
        return Unreadable(SOURCE, row, problem)
    return Unreadable(SOURCE, f"{row}.{place[1]}".rstrip("."), problem[: place.start()])
