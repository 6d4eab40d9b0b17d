"""Steps of merges and undos are bounded by time, however long a row takes."""

from __future__ import annotations

from typing import Any

import pytest

from backscroll.core.events import Batch, NumberMapped
from backscroll.core.imports import NewImport
from backscroll.core.model import Org, Phone
from backscroll.storage.store import Store
from backscroll.storage.write.message_writer import MessageWriter
from backscroll.storage.write.pace import FIRST_ROWS, STEP_SECONDS, Pace
from merging import LID, NUMBER, fill, seen_as_one

ROW_SECONDS = 0.004
"""What a row takes: 100 of them, with which a step begins, take four times as long as intended."""


class Watch:
    """Time that passes only where rows are written; ``took`` are the seconds of each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store, method: str) -> None:
        self.now = 1000.0
        self.took: list[float] = []
        work, begin, end = getattr(MessageWriter, method), Pace.begin, Pace.end

        def slow(*arguments: Any) -> Any:
            self.now += ROW_SECONDS
            return work(*arguments)

        def watched_end(pace: Pace) -> None:
            self.took.append(self.now - pace._began)
            end(pace)

        def begin_late(pace: Pace, *arguments: Any) -> None:
            # Waiting for the organisation is no part of a step.
            self.now += 5.0
            begin(pace, *arguments)

        monkeypatch.setattr(MessageWriter, method, slow)
        monkeypatch.setattr(Pace, "begin", begin_late)
        monkeypatch.setattr(Pace, "end", watched_end)
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr(store._engine, "let_others_write", lambda: None)

    def check(self) -> None:
        """Only the first step that has rows may take much longer."""
        took = [seconds for seconds in self.took if seconds]
        assert len(took) > 6
        assert took[0] > STEP_SECONDS >= max(took[1:]) / 1.25
        assert max(took[1:]) > STEP_SECONDS / 2


def test_steps_of_a_merge_are_short_where_rows_take_long(
    store: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, org, phone, 300)
    watch = Watch(monkeypatch, store, "relocate")
    store.apply(org.no, Batch(source="linked", events=[NumberMapped(lid=LID, jid=NUMBER)]))
    watch.check()
    seen_as_one(store, org, phone, 300)
    assert list(store.check()) == []


def test_steps_of_an_undo_are_short_where_rows_take_long(
    store: Store, org: Org, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = store.begin_import(org.no, NewImport(kind="test", file="x", sha256=None, size=None, answers={}))
    fill(store.as_import(entry.id), org, phone, 200)
    watch = Watch(monkeypatch, store, "remove")
    done = store.undo_import(org.no, entry.id)
    watch.check()
    assert done.messages == 400
    assert list(store.check()) == []


def test_steps_grow_to_their_maximum_while_they_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("backscroll.storage.write.pace.lock_org_state", lambda tx, org: None)
    pace = Pace(400)
    tx: Any = None
    rows: list[int] = []
    for seconds in (0.02, 0.02, 0.02, 0.4, 0.09, 0.001, 100.0, 0.02):
        rows.append(pace.rows)
        pace.begin(tx, 1)
        now[0] += seconds
        pace.end()
    assert rows == [FIRST_ROWS, 200, 400, 400, 100, 100, 100, 1]
    assert Pace(7).rows == 7
