"""Counters and the columns of chats that are kept in step with messages, compared with the messages themselves.

The database counts, chat by chat and month by month, so that memory does not grow with the archive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from backscroll.core.limits import EARLIEST, LATEST
from backscroll.database.protocol import Txn
from backscroll.storage.records.counters import (
    COLUMNS,
    DAY,
    DAY_US,
    HOUR,
    HOUR_US,
    MONTH,
    buckets_of,
    column_of,
    start_of,
)
from backscroll.storage.records.org_state import read_org_state
from backscroll.storage.records.rows import MEDIA, NOTICE, phone_rows
from backscroll.storage.transfer.check.contacts import contacts_there
from backscroll.storage.transfer.check.facts import problem_of_registers
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

Place = tuple[int, int]
"""Phone and chat."""
Buckets = Counter[tuple[int, int, int]]
"""Messages by level, bucket and column."""
ChatState = tuple[int | None, bool]
"""The latest message that is no notice, and whether any has media."""


class ChatRow(NamedTuple):
    """A row of ``chats_after``."""

    phone: int
    chat: int
    last_at: int | None
    has_media: int
    exported: int
    facts: str | None
    seq: int
    stored_at: int
    changed_at: int


_LEVELS = (MONTH, DAY, HOUR)
_WIDEST = 2**40
COUNTER = "counter is wrong"


def counters(scan: Scan) -> Iterator[Finding]:
    """Counters of chats and phones, and what the rows of chats say of their messages."""
    params = {"org": scan.org}
    places: set[Place] = set(scan.tx.all("places_of_messages", params))
    counted_places: set[Place] = set(scan.tx.all("places_of_counters", params))
    states: dict[Place, ChatState] = {}
    merging: dict[int, int] = dict(scan.tx.all("pending_merges", params))
    for phone, chat in sorted(places | {(phone, chat) for phone, chat in counted_places if chat}):
        counted, state = counts_of_chat(scan.tx, scan.org, phone, chat)
        yield from _compare(scan, phone, chat, counted, _WHOLE)
        if (phone, chat) in places:
            for shown in {chat, merging.get(chat, chat)}:
                states[phone, shown] = both(state, states.get((phone, shown)))
    for phone in sorted({phone for phone, _ in places | counted_places}):
        yield from _phone(scan, phone)
    yield from _chats(scan, states, merging)


_WHOLE = {MONTH: (-_WIDEST, _WIDEST), DAY: (-_WIDEST, _WIDEST), HOUR: (-_WIDEST, _WIDEST)}


def both(one: ChatState, other: ChatState | None) -> ChatState:
    """The expected row of a chat to which two numbers of one contact lead."""
    if other is None:
        return one
    times, have_media = zip(one, other, strict=True)
    return max((at for at in times if at is not None), default=None), any(have_media)


def counts_of_chat(tx: Txn, org: int, phone: int, chat: int) -> tuple[Buckets, ChatState]:
    """The expected counters and row of a chat."""
    counted: Buckets = Counter()
    last_at, has_media = None, False
    for start, flags, n, latest in tx.all("counts_of_chat", {"org": org, "phone": phone, "chat": chat}):
        has_media |= bool(flags & MEDIA)
        if not flags & NOTICE and (last_at is None or latest > last_at):
            last_at = latest
        if EARLIEST <= start <= LATEST:
            month, day, _ = buckets_of(start)
            counted[MONTH, month, column_of(flags)] += n
            counted[DAY, day, column_of(flags)] += n
    return counted, (last_at, has_media)


def months_of_phone(tx: Txn, org: int, phone: int) -> Iterator[tuple[int, Buckets]]:
    """The expected counters of a phone, month by month."""
    since: int = EARLIEST
    while True:
        (at,) = tx.one("next_time", {"org": org, "phone": phone, "since": since}) or (None,)
        if at is None or at > LATEST:
            return
        month, _, _ = buckets_of(at)
        low, high = start_of(MONTH, month), start_of(MONTH, month + 1) - 1
        counted: Buckets = Counter()
        for start, flags, n in tx.all("counts_of_phone", {"org": org, "phone": phone, "low": low, "high": high}):
            for level, bucket in zip(_LEVELS, buckets_of(start), strict=True):
                counted[level, bucket, column_of(flags)] += n
        yield month, counted
        since = high + 1


def _phone(scan: Scan, phone: int) -> Iterator[Finding]:
    whole: Counter[int] = Counter()
    for month, counted in months_of_phone(scan.tx, scan.org, phone):
        low, high = start_of(MONTH, month), start_of(MONTH, month + 1) - 1
        spans = {
            MONTH: (month, month),
            DAY: (low // DAY_US, high // DAY_US),
            HOUR: (low // HOUR_US, high // HOUR_US),
        }
        yield from _compare(scan, phone, 0, counted, spans)
        for (level, _, column), n in counted.items():
            whole[column] += n if level == MONTH else 0
    for level, *sums in scan.tx.all("sums_of_counters", {"org": scan.org, "phone": phone, "chat": 0}):
        # Counters of months without messages; the others were compared one by one.
        wanted = [whole[column] for column in range(len(COLUMNS))] if level in _LEVELS else [0] * len(COLUMNS)
        if sums != wanted:
            yield scan.finding(COUNTER, f"phone {phone} level {level}: {sums} in all, rows {wanted}", repairable=True)


def _compare(
    scan: Scan, phone: int, chat: int, counted: Buckets, spans: dict[int, tuple[int, int]]
) -> Iterator[Finding]:
    kept: Buckets = Counter()
    for level, (low, high) in spans.items():
        params = {"org": scan.org, "phone": phone, "chat": chat, "level": level, "low": low, "high": high}
        for bucket, *numbers in scan.tx.all("counters_between", params):
            kept.update({(level, bucket, column): n for column, n in enumerate(numbers) if n})
    for key in sorted(kept.keys() | counted.keys()):
        if kept[key] != counted[key]:
            level, bucket, column = key
            where = f"phone {phone} chat {chat} level {level} bucket {bucket} {COLUMNS[column]}"
            yield scan.finding(COUNTER, f"{where}: counter {kept[key]}, rows {counted[key]}", repairable=True)


def _chats(scan: Scan, states: dict[Place, ChatState], merging: dict[int, int]) -> Iterator[Finding]:
    """Rows of chats. Those being merged into others are not shown, so their summaries are not compared."""
    head = read_org_state(scan.tx, scan.org)
    phones = {row.phone for row in phone_rows(scan.tx, scan.org)}
    missing = dict(states)
    for rows in pages_of_chats(scan.tx, scan.org):
        known = contacts_there(scan.tx, scan.org, {row.chat for row in rows})
        for row in rows:
            where = f"phone {row.phone} chat {row.chat}"
            last_at, has_media = missing.pop((row.phone, row.chat), (None, False))
            if row.chat not in merging and row.last_at != last_at:
                detail = f"{where}: {row.last_at}, rows {last_at}"
                yield scan.finding("time of a chat's latest message is wrong", detail, repairable=True)
            if row.chat not in merging and row.has_media != int(has_media):
                yield scan.finding("chat is wrongly marked as having media or none", where, repairable=True)
            if row.phone not in phones or row.chat not in known:
                yield scan.finding("chat has no contact or no phone", where)
            if row.exported not in (0, 1) or head is None or not 0 <= row.seq <= head.seq + 1:
                yield scan.finding("chat cannot be decoded", where)
            if problem := problem_of_registers(row.facts):
                yield scan.finding("chat cannot be decoded", f"{where}: {problem}")
    known = contacts_there(scan.tx, scan.org, {chat for _, chat in missing})
    for phone, chat in sorted(missing):
        may_have = phone in phones and chat in known
        yield scan.finding("chat has no row", f"phone {phone} chat {chat}", repairable=may_have)


def pages_of_chats(tx: Txn, org: int) -> Iterator[list[ChatRow]]:
    """All rows of chats, a page at a time."""
    place: dict[str, Any] = {"phone": -1, "chat": -1}
    while values := tx.all("chats_after", {"org": org, "limit": PAGE} | place):
        rows = [ChatRow(*row) for row in values]
        yield rows
        place = {"phone": rows[-1].phone, "chat": rows[-1].chat}
