"""The archive's invariants, compared with the rows themselves. Reads everything: for operators, not for requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from backscroll.database.protocol import Txn
from backscroll.storage.records.counters import COLUMNS, DAY, HOUR, MONTH, buckets_of, column_of
from backscroll.storage.records.rows import MEDIA, NOTICE, MessageRow, row_of
from backscroll.storage.search import substring

_BATCH = 5000
ChatKey = tuple[int, int]
CounterKey = tuple[int, int, int, int, int]
"""Phone, chat, level, bucket, column."""


class Finding(Struct, frozen=True):
    """Something that does not hold. ``what`` names the invariant."""

    org: int
    what: str
    detail: str

    def __str__(self) -> str:
        remedy = "restore a backup, or export to JSONL and import it into a new archive, which counts anew"
        return f"{self.what} does not hold in organisation {self.org}: {self.detail}; {remedy}"


def findings(tx: Txn, org: int) -> Iterator[Finding]:
    """All that does not hold in one organisation; nothing in a sound archive."""
    return iter([*_counters(tx, org), *_changes(tx, org), *_resolver(tx, org), *_search_index(tx, org)])


def _rows(tx: Txn, org: int) -> Iterator[MessageRow]:
    after = 0
    while rows := tx.all("rows_after", {"org": org, "after": after, "limit": _BATCH}):
        yield from map(row_of, rows)
        after = rows[-1][0]


def _counters(tx: Txn, org: int) -> Iterator[Finding]:
    """One walk over all rows; memory grows with the chats and days of an archive, and with the ids told twice."""
    counted: Counter[CounterKey] = Counter()
    chats: dict[ChatKey, tuple[int | None, bool]] = {}
    merging = {row[0]: row[1] for row in tx.all("pending_merges", {"org": org})}
    for row in _rows(tx, org):
        counted.update(_buckets(row))
        for chat in {row.chat, merging.get(row.chat, row.chat)}:
            last_at, has_media = chats.get((row.phone, chat), (None, False))
            if not row.flags & NOTICE and (last_at is None or row.sent_at > last_at):
                last_at = row.sent_at
            chats[(row.phone, chat)] = (last_at, has_media or bool(row.flags & MEDIA))
    yield from _wrong_counters(tx, org, counted)
    yield from _chats(tx, org, chats, merging)
    for phone, chat, id, sender in tx.all("stored_twice", {"org": org}):
        yield Finding(org, "message stored once", f"phone {phone} chat {chat} sender {sender}: {id}")


def _buckets(row: MessageRow) -> Iterator[CounterKey]:
    month, day, hour = buckets_of(row.sent_at)
    column = column_of(row.flags)
    for chat, level, bucket in (
        (row.chat, MONTH, month),
        (row.chat, DAY, day),
        (0, MONTH, month),
        (0, DAY, day),
        (0, HOUR, hour),
    ):
        yield (row.phone, chat, level, bucket, column)


def _chats(
    tx: Txn, org: int, chats: dict[ChatKey, tuple[int | None, bool]], merging: dict[int, int]
) -> Iterator[Finding]:
    """Chats that are being merged into others are not shown, so they may say what they like."""
    stored = {(r[0], r[1]): (r[2], bool(r[3])) for r in tx.all("every_chat", {"org": org})}
    for phone, chat in sorted(chats.keys() | stored.keys()):
        where = f"phone {phone} chat {chat}"
        last_at, has_media = chats.get((phone, chat), (None, False))
        kept = stored.get((phone, chat))
        if kept is None:
            yield Finding(org, "chat has a row", where)
        elif chat not in merging and kept[0] != last_at:
            yield Finding(org, "latest message of a chat", f"{where}: {kept[0]}, rows {last_at}")
        elif chat not in merging and kept[1] != has_media:
            yield Finding(org, "chat has media", where)


def _wrong_counters(tx: Txn, org: int, counted: Counter[CounterKey]) -> Iterator[Finding]:
    kept: dict[CounterKey, int] = {}
    for phone, chat, level, bucket, *counts in tx.all("every_counter", {"org": org}):
        for column, n in enumerate(counts):
            if n:
                kept[(phone, chat, level, bucket, column)] = n
    for key in sorted(kept.keys() | counted.keys()):
        if kept.get(key, 0) != counted[key]:
            where = f"phone {key[0]} chat {key[1]} level {key[2]} bucket {key[3]} {COLUMNS[key[4]]}"
            yield Finding(org, "counter", f"{where}: counter {kept.get(key, 0)}, rows {counted[key]}")


def _changes(tx: Txn, org: int) -> Iterator[Finding]:
    head = tx.one("read_org_state", {"org": org})
    found = tx.one("count_changes", {"org": org})
    if head is not None and found is not None and (found[0], found[1] or 0) != (head[0], head[0]):
        yield Finding(org, "change feed without gaps", f"head {head[0]}, {found[0]} changes up to {found[1]}")


def _resolver(tx: Txn, org: int) -> Iterator[Finding]:
    for jid, contact in tx.all("astray_aliases", {"org": org}):
        yield Finding(org, "JID leads to a standing party", f"{jid} leads to {contact}")
    for (no,) in tx.all("astray_messages", {"org": org}):
        yield Finding(org, "message has a chat and a phone", f"message {no}")
    for (no,) in tx.all("left_behind", {"org": org}):
        yield Finding(org, "merged parties hold nothing", f"message {no}")


def _search_index(tx: Txn, org: int) -> Iterator[Finding]:
    low, high = substring.rowid(org, 0), substring.rowid(org + 1, 0) - 1
    for (no,) in tx.all("unindexed", {"org": org, "low": low, "high": high, "base": low}):
        yield Finding(org, "text can be searched", f"message {no} is not in the search index")
