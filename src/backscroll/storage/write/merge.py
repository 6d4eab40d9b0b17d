"""Moving the rows of a contact that turned out to be another, such as a LID and a number, or a name and a number.

``ContactResolver`` does the merge itself immediately: from then on every JID resolves to the winner, and every read
includes both. This module moves the stored rows to the winner, a bounded number in each transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from backscroll.database.protocol import Engine, Row, Txn
from backscroll.storage.accounts import leases
from backscroll.storage.records.damage import UNREADABLE, leave_out
from backscroll.storage.records.org_state import OrgState, lock_org_state, save_org_state
from backscroll.storage.records.rows import ANNOTATED, OBSERVED, MessageRow, row_of
from backscroll.storage.write.batch import Writer
from backscroll.storage.write.export_matching import MINUTE_US
from backscroll.storage.write.line_joining import join_lines
from backscroll.storage.write.pace import Pace

MERGING = "merging"
MERGE_ROWS = 400
"""Maximum rows moved per transaction (pace.py). Other writers can write between transactions."""
_CHUNK = 200
Place = tuple[int, int]
"""Phone and chat."""


def finish_merges(engine: Engine, org: int, clock: Callable[[], int], stop: Callable[[], bool]) -> bool:
    """Move the rows of an organisation's merged contacts, under a lease; returns whether anything was moved.

    Does nothing while another process has the lease. ``stop`` is called after each transaction. A contact with a
    damaged row that cannot be moved is logged and left as it is: readers see both contacts as one all the same.
    """
    moved = False
    damaged: set[int] = set()
    # Check again after releasing the lease, because merges may have been added by a process that found it taken.
    while not stop() and not damaged and engine.read_one("pending_merges", {"org": org}, org) is not None:
        lease = engine.write(lambda tx: leases.take(tx, org, MERGING, clock()), org)
        if lease is None:
            break
        moved = _move_under(engine, lease, clock, stop, damaged) or moved
    return moved


def _move_under(
    engine: Engine, lease: leases.Lease, clock: Callable[[], int], stop: Callable[[], bool], damaged: set[int]
) -> bool:
    """Returns whether anything was moved. Contacts that cannot be moved are added to ``damaged``."""
    pace = Pace(MERGE_ROWS)

    def step(tx: Txn) -> bool:
        leases.keep(tx, lease, clock())
        pace.begin(tx, lease.org)
        return merge_step(tx, lease.org, clock(), pace.rows, damaged)

    moved = False
    try:
        while not stop():
            try:
                if not engine.write(step, lease.org):
                    break
            except _DamagedRow as error:
                damaged.add(error.contact)
                leave_out("merge of contact", lease.org, error.contact, f"a row cannot be read ({error.problem})")
                continue
            moved = True
            pace.end()
            engine.let_others_write()
    except leases.LeaseLost:
        return moved
    finally:
        leases.release(engine, lease)
    return moved


class _DamagedRow(Exception):
    """A row of the contact cannot be moved; ``problem`` does not quote it."""

    def __init__(self, contact: int, problem: str) -> None:
        super().__init__(contact, problem)
        self.contact = contact
        self.problem = problem


def merge_step(tx: Txn, org: int, now: int, limit: int, damaged: Collection[int] = ()) -> bool:
    """Move up to ``limit`` rows of one pending merge; False when nothing is left to do. Leaves out the contacts in
    ``damaged``.

    Raises ``_DamagedRow``; the transaction must not be committed then.
    """
    state = lock_org_state(tx, org)
    writer = Writer(tx, state, now, "linked")
    pending = next((merge for merge in writer.resolver.pending.items() if merge[0] not in damaged), None)
    if pending is None:
        return False
    loser, winner = pending
    try:
        _move(tx, writer, state, loser, winner, limit)
    except UNREADABLE as error:
        raise _DamagedRow(loser, type(error).__name__) from error
    return True


def _move(tx: Txn, writer: Writer, state: OrgState, loser: int, winner: int, limit: int) -> None:
    mover = _Mover(tx, writer, loser, writer.resolver.resolve(winner), limit)
    if not mover.move():
        tx.run("end_merge", {"org": writer.org, "contact": loser})
        state.change("contact", loser)
        state.named = -1
    writer.finish()
    save_org_state(tx, state)


class _Mover:
    def __init__(self, tx: Txn, writer: Writer, loser: int, winner: int, limit: int) -> None:
        self._tx = tx
        self._writer = writer
        self._loser = loser
        self._winner = winner
        self._limit = limit

    def move(self) -> bool:
        """Move some rows; False if none are stored under the loser any more."""
        return any(self._move_from_chat(phone) for phone in self._writer.phones.numbers()) or self._move_doings()

    def _move_from_chat(self, phone: int) -> bool:
        """Move rows of the loser's chat, then annotations waiting there for messages, then the chat itself."""
        where: dict[str, Any] = {"org": self._writer.org, "phone": phone, "chat": self._loser, "limit": self._limit}
        rows = self._whole_minutes([row_of(r) for r in self._tx.all("rows_of_chat", where)], where)
        if rows:
            if self._writer.message_writer.is_exported(phone, self._loser):
                join_lines(self._writer, phone, self._loser, self._winner, rows)
                rows = self._still_there(rows)
            self._move((phone, self._winner), rows)
            return True
        waiting = [id for (id,) in self._tx.all("waiting_of_chat", where)]
        if waiting:
            self._resettle((phone, self._winner), waiting)
            return True
        self._tx.run("delete_chat", where)
        return False

    def _whole_minutes(self, rows: list[MessageRow], where: dict[str, Any]) -> list[MessageRow]:
        """The rows without the minute that the limit split; if there is no other minute, all rows of that minute."""
        if len(rows) < self._limit:
            return rows
        last = rows[-1].sent_at // MINUTE_US
        before = [row for row in rows if row.sent_at // MINUTE_US < last]
        span = {"until": (last + 1) * MINUTE_US - 1}
        return before or [row_of(r) for r in self._tx.all("rows_of_chat_until", where | span)]

    def _still_there(self, rows: list[MessageRow]) -> list[MessageRow]:
        params = {"org": self._writer.org, "nos": [row.no for row in rows]}
        return [row_of(r) for r in self._tx.all("rows_by_no", params)]

    def _move_doings(self) -> bool:
        """Move what the loser sent, did or was addressed by in chats with others."""
        base = {"org": self._writer.org, "limit": self._limit}
        rows = [row_of(r) for r in self._tx.all("rows_of_sender", base | {"sender": self._loser})]
        by_chat: dict[Place, list[MessageRow]] = defaultdict(list)
        for row in rows:
            by_chat[(row.phone, self._writer.resolver.resolve(row.chat))].append(row)
        for place, some in by_chat.items():
            self._move(place, some)
        if rows:
            return True
        done: dict[Place, list[str]] = defaultdict(list)
        for phone, chat, id in self._done(base | {"contact": self._loser}):
            done[(phone, self._writer.resolver.resolve(chat))].append(id)
        for place, wanted in done.items():
            self._resettle(place, wanted)
        return bool(done)

    def _done(self, params: dict[str, Any]) -> list[Row]:
        """Ids of messages that the loser annotated, or where its observation was joined to another's message."""
        found = self._tx.all("annotations_of", params)
        if not found and self._writer.resolver.contact_row(self._loser).kind == "export":
            found = self._tx.all("observations_of", params)
        return found

    def _move(self, place: Place, rows: list[MessageRow]) -> None:
        """Move rows. Those that are alone under their id move unchanged; the others are combined with what is there."""
        together = self._told_more_than_once(place, rows)
        self._resettle(place, sorted(together))
        phone, chat = place
        own = self._writer.phones.contact_of(phone)
        for row in rows:
            if row.id not in together:
                sender = self._writer.resolver.resolve(row.sender)
                self._writer.message_writer.relocate(row, chat, sender, sender == own)

    def _told_more_than_once(self, place: Place, rows: list[MessageRow]) -> set[str]:
        """Ids of rows that were reported more than once or have annotations, in this chat or in the target chat."""
        phone, chat = place
        chats = self._writer.resolver.numbers_of(chat)
        if any(self._writer.message_writer.is_exported(phone, c) for c in chats):
            return {row.id for row in rows}
        here = {row.no for row in rows}
        wanted = sorted({row.id for row in rows})
        together = {row.id for row in rows if row.flags & (OBSERVED | ANNOTATED)}
        for start in range(0, len(wanted), _CHUNK):
            params: dict[str, Any] = {"org": self._writer.org, "phone": phone, "phones": (phone,), "chats": chats}
            params["ids"] = wanted[start : start + _CHUNK]
            together.update(r.id for r in map(row_of, self._tx.all("rows_by_id", params)) if r.no not in here)
            together.update(id for (id,) in self._tx.all("messages_with_annotations", params))
        seen: set[str] = set()
        for row in rows:
            if row.id in seen:
                together.add(row.id)
            seen.add(row.id)
        return together

    def _resettle(self, place: Place, wanted: list[str]) -> None:
        for start in range(0, len(wanted), _CHUNK):
            self._writer.resettle(*place, wanted[start : start + _CHUNK])
