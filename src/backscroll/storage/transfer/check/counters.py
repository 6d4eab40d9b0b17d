"""Counters and the columns of chats that are kept in step with messages, compared with the messages themselves.

The database counts, chat by chat and month by month, so that memory does not grow with the archive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

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
from backscroll.storage.records.registers import decode_registers
from backscroll.storage.records.rows import MEDIA, NOTICE, phone_rows
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

Place = tuple[int, int]
"""Phone and chat."""
Buckets = Counter[tuple[int, int, int]]
"""Messages by level, bucket and column."""
ChatState = tuple[int | None, bool]
"""The latest message that is no notice, and whether any has media."""
_LEVELS = (MONTH, DAY, HOUR)
_WIDEST = 2**40
COUNTER = "counter"


def counters(scan: Scan) -> Iterator[Finding]:
    """Counters of chats and phones, and what the rows of chats say of their messages."""
    params = {"org": scan.org}
    places = {(row[0], row[1]) for row in scan.tx.all("places_of_messages", params)}
    states: dict[Place, ChatState] = {}
    merging: dict[int, int] = {row[0]: row[1] for row in scan.tx.all("pending_merges", params)}
    for phone, chat in sorted(places | _counted(scan)):
        counted, state = counts_of_chat(scan.tx, scan.org, phone, chat)
        yield from _compare(scan, phone, chat, counted, _WHOLE)
        if (phone, chat) in places:
            for shown in {chat, merging.get(chat, chat)}:
                states[phone, shown] = both(state, states.get((phone, shown)))
    for phone in sorted({phone for phone, _ in places} | {row[0] for row in scan.tx.all("places_of_counters", params)}):
        yield from _phone(scan, phone)
    yield from _chats(scan, states, merging)


_WHOLE = {MONTH: (-_WIDEST, _WIDEST), DAY: (-_WIDEST, _WIDEST), HOUR: (-_WIDEST, _WIDEST)}


def _counted(scan: Scan) -> set[Place]:
    return {(row[0], row[1]) for row in scan.tx.all("places_of_counters", {"org": scan.org}) if row[1]}


def both(one: ChatState, other: ChatState | None) -> ChatState:
    """What the row of a chat is to say that two numbers of one contact lead to."""
    if other is None:
        return one
    times = [at for at in (one[0], other[0]) if at is not None]
    return max(times, default=None), one[1] or other[1]


def counts_of_chat(tx: Txn, org: int, phone: int, chat: int) -> tuple[Buckets, ChatState]:
    """What the counters of a chat are to be, and what its row is to say."""
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
    """Month by month what the counters of a phone are to be."""
    since: int = EARLIEST
    while (row := tx.one("next_time", {"org": org, "phone": phone, "since": since})) and row[0] is not None:
        if row[0] > LATEST:
            return
        month = buckets_of(row[0])[0]
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
    """Chats that are being merged into others are not shown, so they may say what they like."""
    head = scan.tx.one("read_org_state", {"org": scan.org})
    phones = {row.phone for row in phone_rows(scan.tx, scan.org)}
    missing = dict(states)
    place: dict[str, Any] = {"phone": -1, "chat": -1}
    while rows := scan.tx.all("chats_after", {"org": scan.org, "limit": PAGE} | place):
        known = contacts_there(scan.tx, scan.org, {row[1] for row in rows})
        for phone, chat, last_at, has_media, exported, facts, seq, *_ in rows:
            where = f"phone {phone} chat {chat}"
            state = missing.pop((phone, chat), (None, False))
            if chat not in merging and last_at != state[0]:
                detail = f"{where}: {last_at}, rows {state[0]}"
                yield scan.finding("latest message of a chat", detail, repairable=True)
            if chat not in merging and has_media != int(state[1]):
                yield scan.finding("chat has media", where, repairable=True)
            if phone not in phones or chat not in known:
                yield scan.finding("chat has a contact and a phone", where)
            if exported not in (0, 1) or head is None or not 0 <= seq <= head[0] + 1:
                yield scan.finding("chat can be decoded", where)
            if problem := problem_of_registers(facts):
                yield scan.finding("chat can be decoded", f"{where}: {problem}")
        place = {"phone": rows[-1][0], "chat": rows[-1][1]}
    known = contacts_there(scan.tx, scan.org, {chat for _, chat in missing})
    for phone, chat in sorted(missing):
        may_have = phone in phones and chat in known
        yield scan.finding("chat has a row", f"phone {phone} chat {chat}", repairable=may_have)


def contacts_there(tx: Txn, org: int, wanted: set[int]) -> set[int]:
    """Those of ``wanted`` that have a row."""
    listed = sorted(wanted)
    return {
        row[0]
        for start in range(0, len(listed), 500)
        for row in tx.all("rows_of_contacts", {"org": org, "contacts": listed[start : start + 500]})
    }


def problem_of_registers(text: Any) -> str | None:
    """What makes the facts of a chat or contact unreadable; None for sound ones."""
    try:
        registers = decode_registers(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:
        return f"its facts cannot be decoded ({error})"
    for field, observed in registers.items():
        if len(observed) != 3 or not all(isinstance(number, int) for number in observed[:2]):
            return f"its {field} has no time and rank"
    return None
