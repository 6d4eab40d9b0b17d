"""Too many requests at once: some are refused quickly, and no finished page is lost."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from small_world import ONE, SmallArchive, connect

from backscroll.concurrency import greenlets, interruption
from backscroll.core.errors import StorageBusy
from backscroll.http import workers
from backscroll.http.app import Server
from backscroll.http.body import ClientGone
from backscroll.http.dialect_http import DIALECT_HTTP
from backscroll.http.messages import Reply
from backscroll.http.page_cache import Packed
from backscroll.http.responses import LARGE_BODY, Exchange, deliver
from backscroll.http.sending import Sender
from backscroll.http.workers import Workers


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAX_WAITING", 0)


@pytest.mark.usefixtures("crowded")
def test_who_is_turned_away_is_told_when_to_come_again_and_costs_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = SmallArchive(ONE)
    response = connect(archive, tmp_path).ask("/v1/contacts")
    assert (response.status_code, response.headers["retry-after"], archive.asked) == (503, "1", 0)
    told = [record for record in caplog.records if record.name == "backscroll.http"]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert "\n" not in told[0].getMessage()


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("size", [LARGE_BODY // 2, LARGE_BODY * 2])
def test_a_page_that_is_ready_goes_out_however_many_wait(size: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"accept-encoding": "gzip"}
    exchange = Exchange("GET", "/", headers, None, "1.1", DIALECT_HTTP["periskope"], trace_id="x", head=[])
    asyncio.run(deliver(exchange, Packed(Reply(200, b"x" * size)), Workers(local=False), Sender(), send))
    is_large = size > LARGE_BODY
    assert sent[0]["status"] == 200
    assert ((b"content-encoding", b"gzip") in sent[0]["headers"]) is not is_large
    assert (sum(len(event["body"]) for event in sent[1:]) == size) is is_large


class SlowArchive(SmallArchive):
    def version(self, org: int) -> int:
        greenlets.sleep(0.05)
        return self.head


def test_a_read_of_the_version_is_waited_for_when_the_server_ends(tmp_path: Path) -> None:
    server = cast(Server, connect(SlowArchive(ONE), tmp_path).app)

    async def end() -> None:
        asked = server._versions.of(1)
        await asyncio.sleep(0)
        await server._app.workers.close()
        assert asked.done()

    asyncio.run(end())


# fairness in threads


class Turns:
    """Work for several organisations that runs until it is released."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.begun: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        self.asked: dict[str, asyncio.Task[str]] = {}

    def ask(self, name: str, org: int) -> None:
        gate = self.gates[name] = threading.Event()

        def work() -> str:
            self.begun.append(name)
            while not gate.wait(0.01):
                interruption.check()
            return name

        self.asked[name] = asyncio.ensure_future(self._workers.run(work, org=org, heavy=True))

    async def until_begun(self, *names: str) -> None:
        async with asyncio.timeout(30):
            while set(self.begun) != set(names):
                await asyncio.sleep(0.005)
        # No other work begins after a moment either.
        await asyncio.sleep(0.05)
        assert set(self.begun) == set(names)

    async def let_go(self, name: str) -> None:
        self.gates[name].set()
        assert await self.asked[name] == name


@pytest.fixture
def uncrowded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAX_WAITING", 3)


@pytest.mark.usefixtures("uncrowded")
def test_threads_are_shared_among_organisations_and_each_has_its_order() -> None:
    async def run() -> None:
        pool = Workers(threads=4)
        turns = Turns(pool)
        for name in ("a1", "a2", "a3", "a4", "a5"):
            turns.ask(name, 1)
            await asyncio.sleep(0)
        with pytest.raises(StorageBusy):
            await pool.run(lambda: None, org=1, heavy=True)
        await turns.until_begun("a1", "a2")
        for name, org in (("b1", 2), ("b2", 2), ("b3", 2), ("c1", 3)):
            turns.ask(name, org)
            await asyncio.sleep(0)
        await turns.until_begun("a1", "a2", "b1", "b2")
        await turns.let_go("a1")
        # The organisation with the least running work is next, even if it came last.
        await turns.until_begun("a1", "a2", "b1", "b2", "c1")
        await turns.let_go("b1")
        await turns.until_begun("a1", "a2", "b1", "b2", "c1", "a3")
        for name in ("a2", "a3", "b2", "c1", "a4", "b3", "a5"):
            await turns.let_go(name)
        await pool.close()

    asyncio.run(run())


@pytest.mark.usefixtures("uncrowded")
def test_work_whose_client_has_gone_is_ended_and_its_turn_given_to_another() -> None:
    async def run() -> None:
        pool, hang_up = Workers(threads=1), asyncio.Event()
        turns = Turns(pool)

        async def receive() -> dict[str, str]:
            await hang_up.wait()
            return {"type": "http.disconnect"}

        begun, ended = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            while not interruption.is_interrupted():
                time.sleep(0.005)
            ended.set()

        left = asyncio.ensure_future(pool.run(work, org=1, heavy=True, receive=receive))
        while not begun.is_set():
            await asyncio.sleep(0.005)
        turns.ask("next", 1)
        waited = asyncio.ensure_future(pool.run(lambda: None, org=1, heavy=True, receive=receive))
        await asyncio.sleep(0.05)
        hang_up.set()
        for gone in (left, waited):
            with pytest.raises(ClientGone):
                await gone
        await turns.until_begun("next")
        assert ended.is_set()
        await turns.let_go("next")
        await pool.close()

    asyncio.run(run())


@pytest.mark.usefixtures("uncrowded")
def test_work_that_takes_too_long_is_ended_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "HEAVY_SECONDS", 0.1)

    async def run() -> None:
        pool = Workers(threads=1)
        turns = Turns(pool)
        turns.ask("long", 1)
        with pytest.raises(StorageBusy, match="took longer"):
            await turns.asked["long"]
        monkeypatch.setattr(workers, "HEAVY_SECONDS", 60.0)
        turns.ask("next", 1)
        await turns.until_begun("long", "next")
        await turns.let_go("next")
        await pool.close()

    asyncio.run(run())


@pytest.mark.usefixtures("uncrowded")
def test_a_stopping_server_ends_what_runs_and_refuses_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "STOP_SECONDS", 0.1)

    async def run() -> None:
        pool = Workers(threads=1)
        turns = Turns(pool)
        for name in ("running", "waiting"):
            turns.ask(name, 1)
            await asyncio.sleep(0)
        await turns.until_begun("running")
        pool.stop()
        for name in ("running", "waiting"):
            with pytest.raises(StorageBusy):
                await turns.asked[name]
        with pytest.raises(StorageBusy):
            await pool.run(lambda: None, heavy=True)
        await pool.close()

    asyncio.run(run())


@pytest.mark.usefixtures("uncrowded")
def test_whether_the_server_is_well_is_known_however_much_waits() -> None:
    async def run() -> None:
        pool = Workers(threads=1)
        turns = Turns(pool)
        for name in ("one", "two", "three"):
            turns.ask(name, 1)
        await turns.until_begun("one")
        assert await pool.run_apart(lambda: "well") == "well"
        for name in ("one", "two", "three"):
            await turns.let_go(name)
        await pool.close()

    asyncio.run(run())
