"""A long query of another thread is interrupted, on both engines, and the archive works as before."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from backscroll.concurrency.interruption import Interruption
from backscroll.core.errors import StorageBusy
from backscroll.core.model import Org
from backscroll.database.protocol import Txn
from backscroll.storage.store import Store

LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0",
    "postgres": "SELECT pg_sleep(100)",
}


@pytest.fixture
def long_question(store: Store) -> str:
    """The name of a statement that takes minutes."""
    store._engine._statements["long"] = LONG[store._engine.name]  # type: ignore[attr-defined]
    return "long"


def test_a_long_statement_is_ended(store: Store, org: Org, long_question: str) -> None:
    interruption, begun = Interruption(), threading.Event()

    def work(tx: Txn) -> None:
        begun.set()
        tx.all(long_question, {})

    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(interruption.run, lambda: store._engine.read(work, org.no))
        assert begun.wait(30)
        time.sleep(0.2)
        interruption.stop()
        with pytest.raises(StorageBusy, match="took too long"):
            asked.result(30)
        # The same thread reads again, with its old connection or with a new one.
        for _ in range(3):
            assert thread.submit(store.list_orgs).result(30) == [org]


def test_work_between_statements_ends_at_the_next_one(store: Store, org: Org) -> None:
    interruption = Interruption()

    def work(tx: Txn) -> None:
        tx.all("list_orgs", {})
        interruption.stop()
        tx.all("list_orgs", {})

    with pytest.raises(StorageBusy, match="took too long"):
        interruption.run(lambda: store._engine.read(work, org.no))
    assert store.list_orgs() == [org]


def test_an_interruption_after_the_end_harms_nobody(store: Store, org: Org) -> None:
    interruption = Interruption()
    assert interruption.run(store.list_orgs) == [org]
    interruption.stop()
    assert store.list_orgs() == [org]
