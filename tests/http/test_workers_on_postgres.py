"""Small reads that share the event loop and the connections with all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import httpx
import pytest

from backscroll.concurrency import greenlets
from backscroll.config import load
from backscroll.core.errors import StorageBusy
from backscroll.http.app import Server, build_app
from backscroll.storage.store import Store, open_store


@pytest.fixture
def store(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(postgres_url, tmp_path)
    opened.create_org("Sample")
    yield opened
    opened.close()


@pytest.fixture
def server(store: Store, postgres_url: str, tmp_path: Path) -> Server:
    return build_app(store, None, load({"BACKSCROLL_DATABASE": postgres_url}, directory=tmp_path))


def holding(store: Store, gate: Future[None]) -> Callable[[], None]:
    """A read that keeps its connection until the gate is set."""

    def work() -> None:
        store._engine.read(lambda tx: (tx.one("read_org_state", {"org": 1}), greenlets.wait(gate, 60)), 1)

    return work


def test_versions_admissions_and_writing_do_not_queue_behind_small_reads(server: Server, store: Store) -> None:
    workers, versions = server._app.workers, server._versions

    async def all_of_them() -> None:
        gate = Future[None]()
        reads = [asyncio.ensure_future(workers.run(holding(store, gate))) for _ in range(40)]
        await asyncio.sleep(0)
        try:
            version = await versions.of(1)
            await asyncio.to_thread(store.add_phone, 1, "918527184400")
            assert await versions.of(1) > version
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(server), base_url="http://archive.test"
            ) as client:
                guess = await client.get("/v1/chats", headers={"authorization": "Bearer bsk1x"})
            assert guess.status_code == 401
        finally:
            gate.set_result(None)
            await asyncio.gather(*reads)
            await workers.close()

    asyncio.run(asyncio.wait_for(all_of_them(), 60))


def test_a_server_that_ends_lets_come_to_an_end_what_was_begun(server: Server, store: Store) -> None:
    workers, versions = server._app.workers, server._versions

    async def send(message: object) -> None:
        pass

    async def live() -> None:
        told, gate = asyncio.Queue[dict[str, str]](), Future[None]()
        living = asyncio.ensure_future(server({"type": "lifespan"}, told.get, send))
        await told.put({"type": "lifespan.startup"})
        begun = [asyncio.ensure_future(workers.run(holding(store, gate))) for _ in range(12)]
        await asyncio.sleep(0)
        # Reads in threads, which must wait for connections that reads on the loop hold.
        begun += [asyncio.ensure_future(workers.run(holding(store, gate), org=n, heavy=True)) for n in range(4)]
        version = versions.of(1)
        await asyncio.sleep(0)
        while workers._pool._work_queue.qsize():
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.1, gate.set_result, None)
        await told.put({"type": "lifespan.shutdown"})
        await living
        assert all(read.done() and read.exception() is None for read in begun)
        assert await version == store.version(1)
        with pytest.raises(StorageBusy):
            await workers.run(holding(store, gate))

    asyncio.run(live())
