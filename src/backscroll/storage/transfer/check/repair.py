"""Rebuilding what can be derived from intact data: indexes, counters, search rows, and redundant columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import starmap
from typing import Any

from msgspec import structs

from backscroll.core.errors import Conflict, StorageError
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.counters import COLUMNS
from backscroll.storage.records.identity import ContactRow
from backscroll.storage.records.org_state import OrgState, lock_org_state, save_org_state
from backscroll.storage.records.rows import ANNOTATED, OBSERVED, MessageRow, phone_rows
from backscroll.storage.search.checking import faults
from backscroll.storage.transfer.check.contacts import ALIAS, NAMES, contacts, contacts_there, named
from backscroll.storage.transfer.check.counters import (
    Buckets,
    ChatState,
    Place,
    both,
    counts_of_chat,
    months_of_phone,
    pages_of_chats,
)
from backscroll.storage.transfer.check.findings import Finding, Scan
from backscroll.storage.transfer.check.messages import DERIVED, annotation_rows, derived, messages, observation_rows
from backscroll.storage.transfer.check.structure import INDEX, index_statement, structure
from backscroll.storage.transfer.check.webhooks import repair_webhooks
from backscroll.storage.write.batch import Writer

_CHUNK = 400


def repair_structure(engine: Engine) -> None:
    """Create missing indexes, and rebuild all of them if the database reports a damaged one."""
    # By the writer, so that it hears of what another process dropped before it makes that anew.
    for finding in engine.write(lambda tx: list(structure(tx, engine.name))):
        # What the data does not allow, such as a unique index over rows stored twice, stays a finding.
        with suppress(StorageError, Conflict):
            if finding.what == INDEX:
                engine.script(index_statement(engine.name, str(finding.key[0])))
            elif finding.repairable and engine.name == "sqlite":
                engine.script("REINDEX")


def repair_org(tx: Txn, org: int, now: int) -> None:
    """Rebuild whatever can be rebuilt in one organisation, in one transaction; the rest is not changed."""
    state = lock_org_state(tx, org)
    # A repair causes no webhook events.
    state.hooks = 0
    scan = Scan(tx=tx, org=org)
    highest = [number for _, number in tx.all("highest_numbers", {"org": org}) if number is not None]
    state.next_no = max(state.next_no, max(highest, default=0) + 1)
    _repair_contacts(tx, org, list(contacts(scan)), now)
    state.named = -1
    writer = Writer(tx, state, now, "linked")
    _remove_doubles(tx, org, writer)
    _repair_rows(tx, org, [finding for finding in messages(scan) if finding.what == DERIVED])
    found = [*messages(scan), *observation_rows(scan), *annotation_rows(scan)]
    for (phone, chat), some in _places(found):
        _resettle(tx, org, writer, phone, chat, some)
    writer.finish()
    _rebuild_counters(tx, org, now, state.seq + 1)
    _reindex(tx, state)
    repair_webhooks(tx, org, now)
    state.change("contact", 0)
    save_org_state(tx, state)


def _remove_doubles(tx: Txn, org: int, writer: Writer) -> None:
    """Of rows that are the same but for their number, the first stays."""
    for phone, chat, id, sender in tx.all("stored_twice", {"org": org}):
        params = {"org": org, "phones": (phone,), "chats": (chat,), "ids": (id,)}
        rows = sorted(starmap(MessageRow, tx.all("rows_by_id", params)), key=lambda row: row.no)
        first, *others = [row for row in rows if row.sender == sender]
        for row in others:
            if structs.replace(row, no=first.no) == first:
                writer.message_writer.remove(row, is_double=True)
    writer.flush()


def _repair_contacts(tx: Txn, org: int, found: Iterable[Finding], now: int) -> None:
    for finding in found:
        if finding.what == ALIAS and finding.key:
            contact, jid = finding.key
            tx.run("set_alias", {"org": org, "contact": contact, "jid": jid})
        elif finding.what == NAMES:
            row = ContactRow(*tx.all("read_contacts", {"org": org, "contacts": finding.key})[0])
            tx.run("save_contact", structs.asdict(named(row)) | {"org": org, "now": now})


def _repair_rows(tx: Txn, org: int, found: Iterable[Finding]) -> None:
    nos = sorted({int(finding.key[0]) for finding in found})
    own = {row.phone: row.contact for row in phone_rows(tx, org)}
    for start in range(0, len(nos), _CHUNK):
        for row in starmap(MessageRow, tx.all("rows_by_no", {"org": org, "nos": nos[start : start + _CHUNK]})):
            tx.run("save_derived", derived(row, own[row.phone]) | {"org": org, "no": row.no})


def _places(found: Iterable[Finding]) -> Iterator[tuple[Place, list[str]]]:
    by_place: dict[Place, set[str]] = defaultdict(set)
    for finding in found:
        if len(finding.key) == 3:
            phone, chat, id = finding.key
            by_place[int(phone), int(chat)].add(str(id))
    for place, some in sorted(by_place.items()):
        wanted = sorted(some)
        for start in range(0, len(wanted), _CHUNK):
            yield place, wanted[start : start + _CHUNK]


def _resettle(tx: Txn, org: int, writer: Writer, phone: int, chat: int, wanted: list[str]) -> None:
    """Rewrite messages from what was reported about them. Flags come first: without them it would not be read."""
    params: dict[str, Any] = {"org": org, "phone": phone, "phones": (phone,), "chats": (chat,), "ids": wanted}
    told = {id for _, id, *_ in tx.all("read_observations", params)}
    added = {id for _, id, *_ in tx.all("read_annotations", params)}
    for row in starmap(MessageRow, tx.all("rows_by_id", params)):
        values = structs.asdict(row) | {"org": org, "client_ref": None}
        flags = row.flags | (OBSERVED if row.id in told else 0) | (ANNOTATED if row.id in added else 0)
        if flags != row.flags:
            tx.run("save_derived", values | {"flags": flags})
    writer.resettle(phone, chat, wanted)
    writer.flush()


def _rebuild_counters(tx: Txn, org: int, now: int, seq: int) -> None:
    tx.run("delete_counters", {"org": org})
    merging: dict[int, int] = dict(tx.all("pending_merges", {"org": org}))
    places = sorted(tx.all("places_of_messages", {"org": org}))
    states: dict[Place, ChatState] = {}
    for phone, chat in places:
        counted, state = counts_of_chat(tx, org, phone, chat)
        _add_counts(tx, org, phone, chat, counted)
        for shown in {chat, merging.get(chat, chat)}:
            states[phone, shown] = both(state, states.get((phone, shown)))
    for phone in sorted({phone for phone, _ in places}):
        for _, counted in months_of_phone(tx, org, phone):
            _add_counts(tx, org, phone, 0, counted)
    phones = {row.phone for row in phone_rows(tx, org)}
    known = contacts_there(tx, org, {chat for _, chat in states})
    for (phone, chat), (last_at, has_media) in sorted(states.items()):
        if phone not in phones or chat not in known:
            continue
        params = {"org": org, "phone": phone, "chat": chat, "last_at": last_at, "has_media": int(has_media)}
        tx.run("touch_chat", params | {"exported": 0, "imported": 0, "seq": seq, "stored_at": now, "now": now})
        tx.run("set_chat_last", params)
    for phone, chat in _chats_without(tx, org, states):
        tx.run("set_chat_last", {"org": org, "phone": phone, "chat": chat, "last_at": None, "has_media": 0})


def _chats_without(tx: Txn, org: int, states: dict[Place, ChatState]) -> list[Place]:
    """Chats that have no messages, but a row that says otherwise."""
    rows = (row for page in pages_of_chats(tx, org) for row in page)
    places = ((row.phone, row.chat) for row in rows if row.last_at is not None or row.has_media)
    return [place for place in places if place not in states]


def _add_counts(tx: Txn, org: int, phone: int, chat: int, counted: Buckets) -> None:
    rows: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * len(COLUMNS))
    for (level, bucket, column), n in counted.items():
        rows[level, bucket][column] = n
    base = {"org": org, "phone": phone, "chat": chat}
    tx.many(
        "add_counts",
        (
            base | {"level": level, "bucket": bucket} | dict(zip(COLUMNS, numbers, strict=True))
            for (level, bucket), numbers in sorted(rows.items())
        ),
    )


def _reindex(tx: Txn, state: OrgState) -> None:
    """Drop an index that differs from the messages; it is then rebuilt like that of an older archive."""
    if next(faults(tx, state.org), None) is not None:
        tx.run("leave_search", {"org": state.org})
        state.indexed_from = state.next_no
