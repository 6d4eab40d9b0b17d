"""The archive's invariants, compared with the rows themselves. Reads everything: for operators, not for requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from msgspec import Struct

from backscroll.storage import search
from backscroll.storage.engine import Txn
from backscroll.storage.rows import MEDIA, NOTICE, MessageRow, row_of
from backscroll.storage.tallies import COLUMNS, DAY, HOUR, MONTH, buckets_of, column_of

_BATCH = 5000


class Finding(Struct, frozen=True):
    """Something that does not hold. ``what`` names the invariant."""

    org: int
    what: str
    detail: str


def findings(tx: Txn, org: int) -> Iterator[Finding]:
    """All that does not hold in one organisation; nothing in a sound archive."""
    return iter([*_counters(tx, org), *_changes(tx, org), *_parties(tx, org), *_search_index(tx, org)])


def _rows(tx: Txn, org: int) -> Iterator[MessageRow]:
    after = 0
    while rows := tx.all("rows_after", {"org": org, "after": after, "limit": _BATCH}):
        yield from map(row_of, rows)
        after = rows[-1][0]


def _counters(tx: Txn, org: int) -> Iterator[Finding]:
    counted: Counter[tuple[int, int, int, int, int]] = Counter()
    latest: dict[tuple[int, int], int] = {}
    media: set[tuple[int, int]] = set()
    chats: set[tuple[int, int]] = set()
    keys: set[tuple[int, int, str, int]] = set()
    for row in _rows(tx, org):
        month, day, hour = buckets_of(row.sent_at)
        column = column_of(row.flags)
        for chat, level, bucket in (
            (row.chat, MONTH, month),
            (row.chat, DAY, day),
            (0, MONTH, month),
            (0, DAY, day),
            (0, HOUR, hour),
        ):
            counted[(row.phone, chat, level, bucket, column)] += 1
        where = (row.phone, row.chat)
        chats.add(where)
        if not row.flags & NOTICE:
            latest[where] = max(latest.get(where, row.sent_at), row.sent_at)
        if row.flags & MEDIA:
            media.add(where)
        key = (row.phone, row.chat, row.id, row.sender)
        if key in keys:
            yield Finding(org, "message stored once", f"{row.id} is stored twice in chat {row.chat}")
        keys.add(key)
    yield from _tallies(tx, org, counted)
    stored = {(r[0], r[1]): (r[2], r[3]) for r in tx.all("every_chat", {"org": org})}
    for where in sorted(chats - stored.keys()):
        yield Finding(org, "chat has a row", f"phone {where[0]} chat {where[1]}")
    for where, (last_at, has_media) in sorted(stored.items()):
        if last_at != latest.get(where):
            yield Finding(org, "latest message of a chat", f"phone {where[0]} chat {where[1]}: {last_at}")
        if where in media and not has_media:
            yield Finding(org, "chat has media", f"phone {where[0]} chat {where[1]}")


def _tallies(tx: Txn, org: int, counted: Counter[tuple[int, int, int, int, int]]) -> Iterator[Finding]:
    kept: dict[tuple[int, int, int, int, int], int] = defaultdict(int)
    for phone, chat, level, bucket, *counts in tx.all("every_tally", {"org": org}):
        for column, n in enumerate(counts):
            if n:
                kept[(phone, chat, level, bucket, column)] = n
    for key in sorted(kept.keys() | counted.keys()):
        if kept.get(key, 0) != counted[key]:
            where = f"phone {key[0]} chat {key[1]} level {key[2]} bucket {key[3]} {COLUMNS[key[4]]}"
            yield Finding(org, "counter", f"{where}: counter {kept.get(key, 0)}, rows {counted[key]}")


def _changes(tx: Txn, org: int) -> Iterator[Finding]:
    head = tx.one("read_head", {"org": org})
    found = tx.one("count_changes", {"org": org})
    if head is not None and found is not None and (found[0], found[1] or 0) != (head[0], head[0]):
        yield Finding(org, "change feed without gaps", f"head {head[0]}, {found[0]} changes up to {found[1]}")


def _parties(tx: Txn, org: int) -> Iterator[Finding]:
    for jid, contact in tx.all("astray_aliases", {"org": org}):
        yield Finding(org, "JID leads to a standing party", f"{jid} leads to {contact}")
    for (no,) in tx.all("astray_messages", {"org": org}):
        yield Finding(org, "message has a chat and a phone", f"message {no}")


def _search_index(tx: Txn, org: int) -> Iterator[Finding]:
    low, high = search.rowid(org, 0), search.rowid(org + 1, 0) - 1
    for (no,) in tx.all("unindexed", {"org": org, "low": low, "high": high, "base": low}):
        yield Finding(org, "text can be searched", f"message {no} is not in the search index")
