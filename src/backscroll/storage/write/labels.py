"""What is reported of own phones' labels. The chats that have a label change with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backscroll.database.protocol import Txn
from backscroll.storage.records.damage import registers_of
from backscroll.storage.records.labels import LABELED, labels_in, values
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.registers import Registers, decode_registers, encode_registers, join, tell


class LabelWriter:
    """The labels of one writing transaction. The rows of chats must have been written before each call."""

    def __init__(self, tx: Txn, state: OrgState) -> None:
        self._tx = tx
        self._state = state

    def tell(
        self, phone: int, label: str, facts: Mapping[str, Any], at: int | None, rank: int, teller: int, now: int
    ) -> None:
        """Record what an import (0: a live source) reports about a label."""
        where = {"org": self._state.org, "phone": phone, "label": label}
        told = {by: decode_registers(text) for by, text in self._tx.all("read_label", where)}
        before = _joined(told)
        own = told.setdefault(teller, {})
        if tell(own, facts, at, rank):
            self._tx.run("save_label", where | {"import": teller, "facts": encode_registers(own)})
            self._note(phone, label, before, _joined(told), now)

    def forget(self, import_id: int, limit: int, now: int) -> int:
        """Remove what an import reported about up to ``limit`` labels; returns how many there were."""
        base = {"org": self._state.org, "import": import_id}
        rows = self._tx.all("labels_of_import", base | {"limit": limit})
        for phone, label in rows:
            where = base | {"phone": phone, "label": label}
            told = {by: decode_registers(text) for by, text in self._tx.all("read_label", where)}
            self._tx.run("delete_label", where)
            left = {by: registers for by, registers in told.items() if by != import_id}
            self._note(phone, label, _joined(told), _joined(left), now)
        return len(rows)

    def _note(self, phone: int, label: str, before: Registers, after: Registers, now: int) -> None:
        """Report the chats that have a label as changed, if the label is shown differently."""
        if values(before) == values(after):
            return
        org = self._state.org
        for chat, facts in self._tx.all("labeled_chats", {"org": org, "phone": phone, "pattern": LABELED}):
            if label in labels_in(registers_of(facts, "chat", org, chat)):
                params = {"org": org, "phone": phone, "chat": chat, "seq": self._state.seq + 1, "now": now}
                self._tx.run("note_chat_changed", params)
                self._state.change("chat", chat, phone=phone, chat=chat)
                self._state.tell("chat.updated", now, phone=phone, chat=chat)


def _joined(told: Mapping[int, Registers]) -> Registers:
    registers: Registers = {}
    for some in told.values():
        join(registers, some)
    return registers
