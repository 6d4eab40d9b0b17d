"""Rows that can no longer be read: they are left out of results, and logged once.

Reading continues without them; ``backscroll check`` finds them all. Totals are counters and still include them, so that
offsets of pages do not change.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from backscroll.core.limits import EARLIEST, LATEST
from backscroll.core.model import Media
from backscroll.storage.records.pins import PIN, end_of_pin
from backscroll.storage.records.registers import Registers, decode_registers, decode_registers_except
from backscroll.storage.records.resolve import ACK_ORDER
from backscroll.storage.records.rows import ListedRow, are_sound, problem_of

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError)
"""Errors when decoding a damaged value."""

AnyRow = TypeVar("AnyRow", bound=ListedRow)

_log = logging.getLogger(__name__)
_MAX_NAMED = 10_000
_named: set[tuple[str, int, object]] = set()
_ACKS = frozenset(str(ack) for ack in ACK_ORDER)
_OPTIONS = msgspec.json.Decoder(tuple[str, ...])
_MEDIA = msgspec.json.Decoder(Media)


def leave_out(what: str, org: int, key: object, problem: str) -> None:
    """Log a damaged row, the first time that it is seen. ``problem`` must not quote the row."""
    if len(_named) < _MAX_NAMED and (what, org, key) not in _named:
        _named.add((what, org, key))
        _log.warning(
            "%s %s of organisation %d is left out: %s; run `backscroll check`, and restore it from a backup",
            what,
            key,
            org,
            problem,
        )


def readable(org: int, rows: Iterable[AnyRow]) -> list[AnyRow]:
    """The rows that can be shown as messages."""
    found = []
    for row in rows:
        problem = problem_of(row)
        if problem is None:
            found.append(row)
        else:
            leave_out("message", org, row.no, problem.partition(" (")[0])
    return found


def sound(org: int, rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
    """The same without decoding the rows' details; nearly always the same list."""
    return rows if are_sound(rows) else readable(org, rows)


def registers_of(text: Any, what: str, org: int, key: object, without: str | None = None) -> Registers:
    """Facts of a chat or contact, optionally without one of them; empty if they cannot be read."""
    try:
        return decode_registers(text) if without is None else decode_registers_except(without, text)
    except UNREADABLE:
        leave_out(what, org, key, "its facts cannot be decoded")
        return {}


def annotation_problem(kind: Any, ref: Any, at: Any, value: Any) -> str | None:
    """What makes an annotation unreadable; None for a sound one."""
    if type(kind) is not str or type(ref) is not str or not (value is None or type(value) is str):
        return "it is no text"
    if at is not None and not (type(at) is int and EARLIEST <= at <= LATEST):
        return "its time lies outside the years 1 to 9999"
    if kind == "receipt":
        return None if ref in _ACKS else f"its ack {ref!r:.40} is unknown"
    if kind == PIN:
        return _problem_of_pin(at, value)
    try:
        if kind == "vote":
            _OPTIONS.decode(value or "[]")
        elif kind == "media":
            _MEDIA.decode(value or "{}")
    except UNREADABLE:
        return "its value cannot be decoded"
    return None


def _problem_of_pin(at: int | None, value: str | None) -> str | None:
    if at is None:
        return "it has no time"
    try:
        end = end_of_pin(value or "")
    except ValueError:
        return "its value cannot be decoded"
    return None if end is None or EARLIEST <= end <= LATEST else "it ends outside the years 1 to 9999"
