"""Concurrent requests share one read of the version, but never one that began before the request."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backscroll.concurrency import greenlets
from backscroll.core.errors import StorageBusy
from backscroll.database.sqlite import SqliteEngine
from backscroll.http.versions import Versions
from backscroll.storage.store import Store


class SlowStore(Store):
    """The version is the number of reads that have begun, and a read takes some iterations of the loop."""

    reads = 0
    fails: Exception | None = None

    def version(self, org: int) -> int:
        self.reads += 1
        begun = self.reads
        for _ in range(20):
            greenlets.sleep(0)
        if self.fails:
            raise self.fails
        return begun


@pytest.fixture
def slow(tmp_path: Path) -> SlowStore:
    return SlowStore(SqliteEngine(tmp_path / "backscroll.db"), tmp_path)


def test_a_hundred_who_ask_cost_a_few_reads(slow: SlowStore) -> None:
    async def ask(versions: Versions, turns: int) -> bool:
        for _ in range(turns):
            await asyncio.sleep(0)
        begun = slow.reads
        return await versions.of(1) > begun

    async def all_of_them() -> list[bool]:
        versions = Versions(slow)
        return await asyncio.gather(*(ask(versions, n) for n in range(100)))

    assert all(asyncio.run(all_of_them()))
    assert slow.reads <= 10
    slow.close()


@pytest.mark.parametrize(("error", "told"), [(StorageBusy("away"), StorageBusy), (StopIteration(), RuntimeError)])
def test_a_failed_read_fails_those_who_waited_and_nobody_else(
    slow: SlowStore, error: Exception, told: type[Exception]
) -> None:
    async def ask() -> None:
        versions = Versions(slow)
        slow.fails = error
        answers = await asyncio.gather(*(versions.of(1) for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [told] * 3
        slow.fails = None
        assert await versions.of(1) == slow.reads

    asyncio.run(ask())
    slow.close()


def test_who_goes_away_leaves_the_others_their_answer(slow: SlowStore) -> None:
    async def ask() -> None:
        versions = Versions(slow)
        first = versions.of(1)
        await asyncio.sleep(0)
        gone, stays = (asyncio.ensure_future(asyncio.wait_for(versions.of(1), 5)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await first == 1
        assert await stays == 2

    asyncio.run(ask())
    slow.close()
