"""Lines of exported chats are written many batches to a transaction; others come between, and a cut loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backscroll.core.model import Org
from backscroll.core.query import MessageQuery
from backscroll.ingest.exports import lines as lines_module
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write import bulk
from export_desk import BEN, Desk

LINES = 60
TALK = [f"{9 + at // 60:02}:{at % 60:02} - {'Ben' if at % 3 else 'Mara'}: line number {at}" for at in range(LINES)]


@pytest.fixture
def desk(store: Store, org: Org, tmp_path: Path) -> Desk:
    phone = store.add_phone(org.no, "4915550001001", name="Mara")
    return Desk(store, MediaStore(tmp_path / "media", bytes(32)), org, phone, tmp_path)


class Transactions:
    """Batches of ten lines; ``sizes`` are those that each transaction completed, ``seen`` the messages after each."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.seen: list[int] = []
        self.cut_after: int | None = None
        write = bulk.BulkWriter.write

        def watched(writer: bulk.BulkWriter) -> Any:
            if len(self.sizes) == self.cut_after:
                raise KeyboardInterrupt
            done = write(writer)
            self.sizes.append(len(done))
            query = MessageQuery(org=desk.org.no, phones=(desk.phone.no,), limit=1000)
            self.seen.append(desk.store.list_messages(query).total or 0)
            return done

        monkeypatch.setattr(bulk.BulkWriter, "write", watched)
        monkeypatch.setattr(lines_module, "BATCH", 10)
        monkeypatch.setattr(bulk, "ALONE_SECONDS", 60.0)
        self.wanted = False
        monkeypatch.setattr(desk.store._engine, "is_wanted", lambda: self.wanted)


def test_batches_of_lines_share_transactions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Transactions(desk, monkeypatch)
    monkeypatch.setattr(bulk, "LARGEST", 30)
    taken = desk.android(*TALK, chat=BEN)
    assert (made.sizes, made.seen) == ([3, 3], [30, 60])
    assert (taken.added, taken.known) == (LINES, 0)
    assert desk.said(BEN) == [f"line number {at}" for at in range(LINES)]
    assert list(desk.store.check()) == []
    assert desk.android(*TALK, "11:00 - Ben: bye", chat=BEN).added == 1


def test_a_transaction_of_lines_ends_when_somebody_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Transactions(desk, monkeypatch)
    made.wanted = True
    monkeypatch.setattr(bulk, "WANTED_SECONDS", 0.0)
    assert desk.android(*TALK, chat=BEN).added == LINES
    assert made.sizes == [1] * 6


def test_no_more_is_read_than_fits_in_a_transaction_while_others_write(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two imports at once end each other's transactions early; what they read meanwhile must not pile up."""
    made = Transactions(desk, monkeypatch)
    made.wanted = True
    for name, value in (("LARGEST", 20), ("LEAST", 2), ("PART_SECONDS", 0.0), ("WANTED_SECONDS", 0.0)):
        monkeypatch.setattr(bulk, name, value)
    waiting: list[int] = []
    add = bulk.BulkWriter.add

    def counted(writer: bulk.BulkWriter, batch: Any) -> None:
        add(writer, batch)
        waiting.append(writer._events)

    monkeypatch.setattr(bulk.BulkWriter, "add", counted)
    assert desk.android(*TALK, chat=BEN).added == LINES
    assert len(made.sizes) == LINES / 2
    assert max(waiting) < 20 + 10
    assert desk.said(BEN) == [f"line number {at}" for at in range(LINES)]


def test_lines_that_were_cut_off_come_with_the_next_import(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Transactions(desk, monkeypatch)
    monkeypatch.setattr(bulk, "LARGEST", 20)
    made.cut_after = 2
    path = desk.write(*(f"14/03/2026, {line}" for line in TALK))
    with pytest.raises(KeyboardInterrupt):
        desk.take(path, chat=BEN)
    assert made.seen == [20, 40]
    made.cut_after = None
    again = desk.take(path, chat=BEN)
    assert (again.added, again.known) == (20, 40)
    assert desk.said(BEN) == [f"line number {at}" for at in range(LINES)]
    assert list(desk.store.check()) == []
