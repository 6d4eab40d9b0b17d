"""Moving the rows of a party that turned out to be another: a LID and a number, a name and a number.

The merge itself is done at once by ``Parties``: from then on every JID leads to the winner, and every read
takes in both. What is moved here, a bounded number of rows in each transaction, is where the rows stand.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from backscroll.storage.engine import Txn
from backscroll.storage.parties import decode_registers, join
from backscroll.storage.rows import ADDONS, FROM_ME, TOLD, MessageRow, row_of
from backscroll.storage.writer import Told, Writer, lock_head, save_head


def merge_step(tx: Txn, org: int, now: int, limit: int) -> bool:
    """Move up to ``limit`` rows of one pending merge; False when nothing is left to do."""
    head = lock_head(tx, org)
    writer = Writer(tx, head, now, "linked")
    if not writer.parties.pending:
        return False
    loser, winner = next(iter(writer.parties.pending.items()))
    mover = _Mover(tx, writer, loser, writer.parties.resolve(winner), limit)
    if not mover.move():
        tx.run("end_merge", {"org": org, "contact": loser})
        head.change("contact", loser)
        head.named = -1
    writer.finish()
    save_head(tx, head)
    return True


class _Mover:
    def __init__(self, tx: Txn, writer: Writer, loser: int, winner: int, limit: int) -> None:
        self._tx = tx
        self._writer = writer
        self._loser = loser
        self._winner = winner
        self._limit = limit

    def move(self) -> bool:
        """Move some rows; False when none stand under the loser any more."""
        base = {"org": self._writer.org, "limit": self._limit}
        for (phone,) in self._tx.all("phones_with_chat", base | {"chat": self._loser}):
            rows = [row_of(r) for r in self._tx.all("rows_of_chat", base | {"phone": phone, "chat": self._loser})]
            if rows:
                self._move(phone, self._winner, rows)
                return True
            waiting = self._tx.all("waiting_of_chat", base | {"phone": phone, "chat": self._loser})
            if waiting:
                self._resettle(phone, self._winner, [row[0] for row in waiting])
                return True
            self._move_chat(phone)
        rows = [row_of(r) for r in self._tx.all("rows_of_sender", base | {"sender": self._loser})]
        if rows:
            self._move_by_chat(rows)
            return True
        acted = self._tx.all("addons_of_actor", base | {"actor": self._loser})
        for phone, chat, id in acted:
            self._resettle(phone, self._writer.parties.resolve(chat), [id])
        return bool(acted)

    def _move_by_chat(self, rows: list[MessageRow]) -> None:
        by_chat: dict[tuple[int, int], list[MessageRow]] = defaultdict(list)
        for row in rows:
            by_chat[(row.phone, row.chat)].append(row)
        for (phone, chat), some in by_chat.items():
            self._move(phone, self._writer.parties.resolve(chat), some)

    def _move(self, phone: int, chat: int, rows: list[MessageRow]) -> None:
        """Rows alone under their id are moved as they are; the others are brought together with what is there."""
        alone, together = self._apart(phone, chat, rows)
        for start in range(0, len(together), 200):
            self._resettle(phone, chat, together[start : start + 200])
        writer = self._writer
        own = {contact for contact, number in writer.own_contacts().items() if number == phone}
        for row in alone:
            sender = writer.parties.resolve(row.sender)
            flags = row.flags | (FROM_ME if sender in own else 0)
            writer.relocate(row, chat, sender, flags)

    def _apart(self, phone: int, chat: int, rows: list[MessageRow]) -> tuple[list[MessageRow], list[str]]:
        chats = [c for c in self._writer.parties.standing_under(chat) if c != self._loser] or [chat]
        if rows[0].chat != self._loser:
            chats = [rows[0].chat]
        met: set[str] = set()
        wanted = sorted({row.id for row in rows})
        for start in range(0, len(wanted), 400):
            params: dict[str, Any] = {"org": self._writer.org, "phones": (phone,), "chats": chats}
            found = self._tx.all("rows_by_id", params | {"ids": wanted[start : start + 400]})
            here = {row.no for row in rows}
            met.update(r[4] for r in found if r[0] not in here)
        busy = {row.id for row in rows if row.flags & (TOLD | ADDONS)}
        seen: set[str] = set()
        twice = {row.id for row in rows if row.id in seen or seen.add(row.id)}  # type: ignore[func-returns-value]
        together = met | busy | twice
        return [row for row in rows if row.id not in together], sorted(together)

    def _resettle(self, phone: int, chat: int, wanted: list[str]) -> None:
        writer = self._writer
        known = writer.known(phone, writer.parties.standing_under(chat), wanted)
        for id in wanted:
            known[id].resettled = True
            writer.settle_one(phone, chat, id, known[id], Told())

    def _move_chat(self, phone: int) -> None:
        params = {"org": self._writer.org, "phone": phone, "chat": self._loser}
        row = self._tx.one("read_chat", params)
        if row is not None:
            facts = decode_registers(row[3])
            self._writer.tell_chat(phone, self._winner, lambda registers: join(registers, facts))
            self._tx.run("delete_chat", params)
