"""Checks that every message's row can be read and agrees with what sources reported about the message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import starmap
from typing import Any, NamedTuple

import msgspec

from backscroll.core.model import SOURCE_RANK, Message
from backscroll.core.pgtext.tsvector import tsvector
from backscroll.database.protocol import Row
from backscroll.storage.records.damage import UNREADABLE, annotation_problem
from backscroll.storage.records.org_state import OrgState, read_org_state
from backscroll.storage.records.resolve import ACK_ORDER, observation
from backscroll.storage.records.rows import (
    ANNOTATED,
    CLASS,
    DELETED,
    EXPORT_PREFIX,
    EXPORTED,
    FROM_ME,
    MEDIA,
    NOTIFICATION,
    OBSERVED,
    MessageRow,
    decode_details,
    kind_flags,
    phone_rows,
    problem_of,
)
from backscroll.storage.transfer.check.contacts import contacts_there
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan
from backscroll.storage.write.batch import Writer
from backscroll.storage.write.export_matching import MATCHED
from backscroll.storage.write.message_writer import Values

_MESSAGE = msgspec.json.Decoder(Message)
_ANNOTATIONS = frozenset({"edit", "revoke", "reaction", "receipt", "vote", "pin", "media", MATCHED})
_SHOWN = (
    "sender",
    "sent_at",
    "flags",
    "kind",
    "text",
    "details",
    "ack",
    "deleted_at",
    "edited_at",
    "prev_text",
    "source",
)
"""Columns that are derived from what was reported."""
TOLD = "message differs from what was reported"
DERIVED = "derived columns of a message are wrong"


def messages(scan: Scan) -> Iterator[Finding]:
    """Rows that cannot be read, that belong nowhere, or that differ from what was reported."""
    merging = {contact for contact, _ in scan.tx.all("pending_merges", {"org": scan.org})}
    for rows in pages_of_messages(scan):
        sound = []
        for row in rows:
            if problem := unreadable(row):
                yield scan.finding("message cannot be decoded", f"message {row.no} ({row.id!r:.60}): {problem}")
            else:
                sound.append(row)
        lost = yield from _homeless(scan, sound)
        there = [row for row in sound if row.no not in lost]
        own = {row.phone: row.contact for row in phone_rows(scan.tx, scan.org)}
        for row in there:
            if wrong := wrong_columns(row, own[row.phone]):
                yield scan.finding(DERIVED, f"message {row.no}: {', '.join(wrong)}", key=(row.no,))
        settled = [row for row in there if row.chat not in merging and row.sender not in merging]
        yield from _told_otherwise(scan, settled)
        yield from _lost_files(scan, there)
        yield from _lost_raws(scan, there)
    yield from _references(scan)
    for phone, chat, id, sender in scan.tx.all("stored_twice", {"org": scan.org}):
        yield scan.finding("message is stored more than once", f"phone {phone} chat {chat} sender {sender}: {id!r:.60}")


def pages_of_messages(scan: Scan) -> Iterator[list[MessageRow]]:
    """All rows, a page at a time, in the order of their numbers."""
    after = -(2**63)
    while rows := scan.tx.all("rows_after", {"org": scan.org, "after": after, "limit": PAGE}):
        yield list(starmap(MessageRow, rows))
        after = rows[-1][0]


def unreadable(row: MessageRow) -> str | None:
    """Why a row cannot be shown; None if it can."""
    if problem := problem_of(row):
        return problem
    if row.ack is not None and row.ack not in ACK_ORDER:
        return f"ack {row.ack} is unknown"
    return None


def derived(row: MessageRow, own: int) -> Values:
    """Flags, search words and reference as the rest of the row has them; ``own`` is the phone's contact."""
    details = decode_details(row.details)
    flags = row.flags & ~(CLASS | MEDIA | NOTIFICATION) | kind_flags(row.kind)
    if not row.flags & (OBSERVED | ANNOTATED):
        told = {
            FROM_ME: row.sender == own,
            DELETED: bool(details.is_deleted),
            EXPORTED: row.id.startswith(EXPORT_PREFIX) and row.source == "export",
        }
        for flag, is_set in told.items():
            flags = flags | flag if is_set else flags & ~flag
    fts = None if row.text is None else tsvector(row.text)
    return {"flags": flags, "fts": fts, "client_ref": details.client_ref}


def wrong_columns(row: MessageRow, own: int) -> list[str]:
    """Those of ``derived`` that the row has otherwise; the reference is compared elsewhere."""
    values = derived(row, own)
    return [name for name in ("flags", "fts") if values[name] != getattr(row, name)]


def _homeless(scan: Scan, rows: Sequence[MessageRow]) -> Generator[Finding, None, set[int]]:
    """Rows without chat, sender or phone; returned so that no more is asked about them."""
    phones = {row.phone for row in phone_rows(scan.tx, scan.org)}
    wanted = {row.chat for row in rows} | {row.sender for row in rows if row.sender}
    known = contacts_there(scan.tx, scan.org, wanted)
    pending = {contact for contact, _ in scan.tx.all("pending_merges", {"org": scan.org})}
    lost: set[int] = set()
    for row in rows:
        contacts = {row.chat, row.sender} - {0} if row.sender else {row.chat}
        if row.phone not in phones or not contacts <= known.keys():
            lost.add(row.no)
            yield scan.finding("message has no chat or no phone", f"message {row.no}")
        elif any(known[contact] is not None and contact not in pending for contact in contacts):
            lost.add(row.no)
            yield scan.finding("merged contact still has messages", f"message {row.no}")
    return lost


def _told_otherwise(scan: Scan, rows: Iterable[MessageRow]) -> Iterator[Finding]:
    """Rows with several observations, or with annotations, that differ from the combination of these."""
    marked: dict[tuple[int, int], dict[str, list[MessageRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.flags & (OBSERVED | ANNOTATED):
            marked[row.phone, row.chat][row.id].append(row)
    head = read_org_state(scan.tx, scan.org)
    writer = Writer(scan.tx, OrgState(scan.org, 0, head.next_no if head else 0, 0), 0, "linked")
    for (phone, chat), wanted in marked.items():
        try:
            expected = writer.expected(phone, chat, sorted(wanted))
        except (*UNREADABLE, KeyError, ValueError) as error:
            detail = f"phone {phone} chat {chat}: what was told cannot be read ({type(error).__name__})"
            yield scan.finding(TOLD, detail)
            continue
        for id, found in wanted.items():
            for row in found:
                values = next((v for v in expected[id] if v["no"] == row.no), None)
                if values is None:
                    yield scan.finding(TOLD, f"message {row.no} ({id}): nothing tells of it")
                elif wrong := [name for name in _SHOWN if not _same(name, values[name], getattr(row, name))]:
                    yield scan.finding(TOLD, f"message {row.no} ({id}): {', '.join(wrong)}", key=(phone, chat, id))


def _same(name: str, one: Any, other: Any) -> bool:
    return bool(one == other) or (name == "details" and decode_details(one) == decode_details(other))


def _lost_files(scan: Scan, rows: Iterable[MessageRow]) -> Iterator[Finding]:
    """Messages with a file that the archive does not list."""
    named = {}
    for row in rows:
        media = decode_details(row.details).media
        if media is not None and media.file is not None:
            named[media.file] = row.no
    yield from _not_listed(scan, named, "files_named", "files", "file of a message is not listed")


def _lost_raws(scan: Scan, rows: Iterable[MessageRow]) -> Iterator[Finding]:
    named = {row.raw: row.no for row in rows if row.raw is not None}
    yield from _not_listed(scan, named, "raws_named", "raws", "payload of a message is missing")


def _not_listed(scan: Scan, named: dict[Any, int], statement: str, list: str, what: str) -> Iterator[Finding]:
    wanted = sorted(named)
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        known = {name for (name,) in scan.tx.all(statement, {"org": scan.org, list: some})}
        for name in some:
            if name not in known:
                yield scan.finding(what, f"message {named[name]}: {name}")


def _references(scan: Scan) -> Iterator[Finding]:
    """The column by which senders find their messages again."""
    after = -(2**63)
    while rows := scan.tx.all("refs_after", {"org": scan.org, "after": after, "limit": PAGE}):
        for no, client_ref, details in rows:
            try:
                told = decode_details(details).client_ref
            except UNREADABLE:
                continue
            if told != client_ref:
                yield scan.finding(DERIVED, f"message {no}: client_ref", key=(no,))
        after = rows[-1][0]


# What was told


class _ObservationRow(NamedTuple):
    """A row of ``observations_after``, whatever types its values have."""

    phone: int
    chat: int
    id: str
    sender: int
    source: str
    digest: str
    message: str


class _AnnotationRow(NamedTuple):
    """A row of ``annotations_after``, whatever types its values have."""

    phone: int
    chat: int
    id: str
    kind: str
    actor: int
    target: int
    ref: str
    at: int | None
    value: str | None


def observation_rows(scan: Scan) -> Iterator[Finding]:
    """What sources told: that it can be read, is what it was, and has its message."""
    place: dict[str, Any] = {"phone": -1, "chat": -1, "id": "", "sender": -1, "source": "", "digest": ""}
    while values := scan.tx.all("observations_after", {"org": scan.org, "limit": PAGE} | place):
        rows = [_ObservationRow(*row) for row in values]
        last: _ObservationRow | None = None
        for row in rows:
            if not _has_types(row, (int, int, str, int, str, str)):
                yield scan.finding("observation cannot be decoded", f"one of chat {row.chat}")
                continue
            last = row
            if problem := _problem_of_observation(row):
                yield scan.finding("observation cannot be decoded", f"{row.id} in chat {row.chat}: {problem}")
        yield from _unmarked(scan, {(row.phone, row.chat, row.id, 0) for row in rows}, OBSERVED)
        if last is None:
            return
        place = dict(zip(place, last, strict=False))


def _has_types(row: Row, types: Sequence[type]) -> bool:
    """Whether the first columns, those of the key, can be compared."""
    return all(isinstance(value, kind) for value, kind in zip(row, types, strict=False))


def _problem_of_observation(row: _ObservationRow) -> str | None:
    source: Any = row.source
    if source not in SOURCE_RANK:
        return "its source is unknown"
    try:
        message = _MESSAGE.decode(row.message)
    except UNREADABLE as error:
        return str(error)
    is_whole = observation(row.sender, source, message).digest == row.digest
    return None if is_whole else "it has another digest than it had"


def annotation_rows(scan: Scan) -> Iterator[Finding]:
    """Edits, receipts, reactions and their like: that they can be read, and that their message knows of them."""
    place: dict[str, Any] = {"phone": -1, "chat": -1, "id": "", "kind": "", "actor": -1, "target": -1, "ref": ""}
    while values := scan.tx.all("annotations_after", {"org": scan.org, "limit": PAGE} | place):
        rows = [_AnnotationRow(*row) for row in values]
        last: _AnnotationRow | None = None
        for row in rows:
            if problem := _problem_of_annotation(row):
                yield scan.finding("annotation cannot be decoded", f"{row.id!r:.60} in chat {row.chat}: {problem}")
            if _has_types(row, (int, int, str, str, int, int, str)):
                last = row
        told = {(row.phone, row.chat, row.id, row.target) for row in rows if row.kind != MATCHED}
        yield from _unmarked(scan, told, ANNOTATED)
        if last is None:
            return
        place = dict(zip(place, last, strict=False))


def _problem_of_annotation(row: _AnnotationRow) -> str | None:
    if type(row.id) is not str:
        return "its id is no text"
    if row.kind not in _ANNOTATIONS:
        return f"its kind {row.kind!r:.40} is unknown"
    return annotation_problem(row.kind, row.ref, row.at, row.value)


def _unmarked(scan: Scan, told: set[tuple[Any, ...]], mark: int) -> Iterator[Finding]:
    """Messages with observations or annotations but without the flag for this, so that these would not be read.

    ``told`` are phones, chats, ids and senders (0: any sender). An observation is stored under the id of a message;
    an annotation may wait for its message, or be meant for another sender's.
    """
    wanted = sorted({id for _, _, id, _ in told if isinstance(id, str)})
    marks: dict[tuple[int, int, str], list[tuple[int, int]]] = defaultdict(list)
    for start in range(0, len(wanted), 500):
        params = {"org": scan.org, "ids": wanted[start : start + 500]}
        for phone, chat, id, sender, flags in scan.tx.all("marks_of_messages", params):
            marks[phone, chat, id].append((sender, flags))
    for phone, chat, id, target in sorted(told, key=repr):
        found = marks.get((phone, chat, id), [])
        if mark == OBSERVED and not found and not str(id).startswith(EXPORT_PREFIX):
            yield scan.finding("observation has no message", f"{id} in chat {chat}", key=(phone, chat, id))
        # If an id has several senders, it is unknown which of them is meant.
        elif len(found) == 1:
            [(sender, flags)] = found
            if target in (0, sender) and not flags & mark:
                yield scan.finding(TOLD, f"{id} in chat {chat}: flags", key=(phone, chat, id))
