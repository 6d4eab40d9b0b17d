"""A batch queries the database for all of its messages together, from however many chats they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from backscroll.core.events import Batch, Event, MessageEdited, MessageSeen, ReactionSet, ReceiptSet, Target
from backscroll.core.imports import NewImport
from backscroll.core.model import Message, MessageKey, Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.database.protocol import Ask, Row, Txn
from backscroll.storage.accounts.accounts import make_phone_id
from backscroll.storage.store import Store
from backscroll.storage.write.batch import apply_batch
from conftest import MORNING

CHATS = 40


class Counted:
    """A transaction that counts the statements by name; in ``several``, each name counts once."""

    def __init__(self, tx: Txn) -> None:
        self._tx = tx
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()

    def all(self, name: str, params: Mapping[str, Any]) -> list[Row]:
        self.reads[name] += 1
        return self._tx.all(name, params)

    def one(self, name: str, params: Mapping[str, Any]) -> Row | None:
        self.reads[name] += 1
        return self._tx.one(name, params)

    def several(self, asks: Sequence[Ask]) -> list[list[Row]]:
        self.reads.update({name for name, _ in asks})
        return self._tx.several(asks)

    def run(self, name: str, params: Mapping[str, Any]) -> None:
        self.writes[name] += 1
        self._tx.run(name, params)

    def many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        self.writes[name] += 1
        self._tx.many(name, rows)


def history(phone: str) -> list[Event]:
    """Three messages from each of many chats, some with additions."""
    events: list[Event] = []
    for no in range(CHATS):
        chat = f"1203630{no:011d}@g.us"
        for nth in range(3):
            key = MessageKey(phone, chat, f"3EB0{no:02d}{nth}", f"4917{no:08d}@s.whatsapp.net")
            at = MORNING + (nth * CHATS + no) * 1_000_000
            events.append(MessageSeen(Message(key=key, sent_at=at, from_me=False, text=f"{nth} of {no}")))
            target = Target(phone, chat, key.id, key.sender)
            if nth == 1:
                events.append(ReactionSet(target=target, by=f"4918{no:08d}@s.whatsapp.net", emoji="👍", at=at))
                events.append(ReceiptSet(target=target, ack=3, participant=f"4919{no:08d}@s.whatsapp.net", at=at))
            elif nth == 2:
                events.append(MessageEdited(target=target, text="said otherwise", at=at + 1))
    return events


def told(store: Store, org: Org, batch: Batch) -> Counted:
    counted: list[Counted] = []

    def work(tx: Txn) -> None:
        counted.append(Counted(tx))
        apply_batch(counted[-1], org.no, batch, MORNING, make_phone_id)

    store._engine.write(work, org.no)
    return counted[-1]


@pytest.mark.parametrize("times", [1, 2])
def test_a_batch_looks_everything_up_once(store: Store, org: Org, phone: Phone, times: int) -> None:
    entry = store.begin_import(org.no, NewImport(kind="test", file="x", sha256=None, size=None, answers={}))
    batch = Batch(source="backup", events=history(phone.number), vouches=True, import_id=entry.id)
    for _ in range(times):
        counted = told(store, org, batch)
    assert max(counted.reads.values()) <= 2, counted.reads
    assert sum(counted.reads.values()) < CHATS, counted.reads
    once = ("add_message", "save_annotation", "add_observation", "touch_chat", "save_span", "add_counts")
    assert all(counted.writes[name] <= 1 for name in once), counted.writes
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=1000))
    assert page.total == 3 * CHATS
    assert sum(message.message.text == "said otherwise" for message in page.messages) == CHATS
    assert store.apply(org.no, batch).changed == 0
    assert list(store.check()) == []
