"""Plain functions on an event loop: the loop runs while they wait, and each gets the result that it waits for."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import psycopg
import pytest
from greenlet import getcurrent, greenlet
from psycopg.waiting import Ready, Wait

from backscroll.concurrency import greenlets
from backscroll.core.errors import NotFound, StorageBusy
from backscroll.database.postgres.connection import Connection
from backscroll.database.postgres.engine import PostgresEngine
from backscroll.database.postgres.pool import Exhausted, Pool
from backscroll.storage.store import open_store
from postgres_server import Databases

T = TypeVar("T")


SOON = 60.0


class Loop:
    """Runs functions on an event loop, and counts its iterations meanwhile."""

    def __init__(self) -> None:
        self.turns = 0
        self.at_turn: dict[int, Callable[[], object]] = {}

    def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the loop, and return its result."""

        async def both() -> T:
            counting = asyncio.ensure_future(self._count())
            result = await asyncio.wait_for(greenlets.start(work), SOON)
            counting.cancel()
            return result

        return asyncio.run(both())

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(0.001)
            self.turns += 1
            self.at_turn.get(self.turns, lambda: None)()


def on_a_loop(work: Callable[[], T]) -> T:
    return Loop().run(work)


# ------------------------------------------------------------------ waiting


def test_the_loop_goes_on_while_a_function_sleeps() -> None:
    loop = Loop()

    def work() -> str:
        assert greenlets.here()
        while loop.turns < 6:
            greenlets.sleep(0.01)
        return "rested"

    assert loop.run(work) == "rested"
    assert not greenlets.here()


def test_functions_that_wait_are_at_it_together() -> None:
    gate: Future[None] = Future()
    waiting = 0

    def work() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 50:
            gate.set_result(None)
        greenlets.wait(gate, SOON)

    async def all_of_them() -> None:
        await asyncio.gather(*(greenlets.start(work) for _ in range(50)))

    asyncio.run(all_of_them())


def test_an_error_goes_to_whoever_waits_for_the_function() -> None:
    def work() -> None:
        greenlets.sleep(0)
        raise NotFound("chat", "x")

    with pytest.raises(NotFound):
        on_a_loop(work)


@pytest.mark.parametrize("waits", [False, True])
def test_an_error_that_no_future_takes_is_told_all_the_same(waits: bool) -> None:
    def work() -> object:
        if waits:
            greenlets.sleep(0)
        return next(iter(()))

    with pytest.raises(RuntimeError):
        on_a_loop(work)


def test_a_function_goes_on_to_its_end_when_nobody_waits_any_more() -> None:
    done: list[str] = []

    def work() -> None:
        greenlets.sleep(0.02)
        done.append("all of it")

    async def leave() -> None:
        waiting = asyncio.ensure_future(asyncio.wait_for(greenlets.start(work), 10))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0.1)

    asyncio.run(leave())
    assert done == ["all of it"]


@pytest.mark.parametrize("on", [on_a_loop, lambda work: work()], ids=["loop", "thread"])
def test_a_future_of_a_thread_gives_its_result_its_error_or_the_time(on: Callable[..., Any]) -> None:
    told, failed, never = Future[str](), Future[str](), Future[str]()
    threading.Timer(0.02, told.set_result, ["here"]).start()
    threading.Timer(0.02, failed.set_exception, [NotFound("chat", "x")]).start()
    assert on(lambda: greenlets.wait(told)) == "here"
    assert on(lambda: greenlets.wait(told)) == "here"
    with pytest.raises(NotFound):
        on(lambda: greenlets.wait(failed, SOON))
    with pytest.raises(TimeoutError):
        on(lambda: greenlets.wait(never, 0.02))


def test_a_descriptor_is_waited_for_until_it_can_be_used() -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    loop = Loop()
    loop.at_turn[6] = lambda: far.send(b"x")

    def work() -> tuple[int, int, bytes]:
        writable = greenlets.ready(near.fileno(), greenlets.READ | greenlets.WRITE)
        readable = greenlets.ready(near.fileno(), greenlets.READ)
        return writable, readable, near.recv(1)

    assert loop.run(work) == (greenlets.WRITE, greenlets.READ, b"x")
    near.close()
    far.close()


def test_waiting_for_a_descriptor_elsewhere_is_a_mistake() -> None:
    with pytest.raises(RuntimeError):
        greenlets.ready(0, greenlets.READ)


# ------------------------------------------------------------------ reused greenlets


def test_functions_that_follow_one_another_share_a_greenlet_on_any_loop_of_the_thread() -> None:
    def fails() -> None:
        raise NotFound("chat", "x")

    first = on_a_loop(getcurrent)
    with pytest.raises(NotFound):
        on_a_loop(fails)
    on_a_loop(lambda: greenlets.sleep(0))
    assert on_a_loop(getcurrent) is first


def test_each_of_many_functions_at_once_has_its_own_greenlet_and_result() -> None:
    def work(n: int) -> tuple[int, greenlet]:
        for _ in range(n % 7):
            greenlets.sleep(0)
        return n, getcurrent()

    async def all_of_them(count: int) -> list[tuple[int, greenlet]]:
        begun = [greenlets.start(partial(work, 6 + 7 * n)) for n in range(count)]
        return await asyncio.gather(*begun)

    for count in (greenlets.MAX_IDLE * 2, 3, greenlets.MAX_IDLE * 3):
        results = asyncio.run(all_of_them(count))
        assert [n for n, _ in results] == [6 + 7 * n for n in range(count)]
        assert len({green for _, green in results}) == count
        assert len(greenlets._idle.greens) <= greenlets.MAX_IDLE


def test_an_idle_greenlet_keeps_nothing_of_what_it_ran() -> None:
    class Large:
        pass

    large = Large()
    seen = weakref.ref(large)

    def work(large: Large) -> None:
        greenlets.sleep(0)

    on_a_loop(partial(work, large))
    del large
    gc.collect()
    assert seen() is None


def test_a_function_does_not_see_the_context_of_the_one_before() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="not set")
    on_a_loop(lambda: variable.set("by the first"))
    assert on_a_loop(variable.get) == "not set"


def test_a_wait_that_cannot_begin_wakes_nobody_later(tmp_path: Path) -> None:
    # A plain file can always be read, so the loop cannot watch it.
    file = (tmp_path / "file").open("wb")

    def fails() -> None:
        greenlets.ready(file.fileno(), greenlets.READ, 0.02)

    def rest() -> float:
        begun = time.monotonic()
        greenlets.sleep(0.1)
        return time.monotonic() - begun

    async def both() -> float:
        with pytest.raises(PermissionError):
            await greenlets.start(fails)
        return await greenlets.start(rest)

    assert asyncio.run(both()) >= 0.09
    file.close()


def test_a_thread_takes_its_greenlets_with_it() -> None:
    greens: list[weakref.ref[Any]] = []

    def work() -> None:
        greenlets.sleep(0)
        greens.append(weakref.ref(getcurrent()))

    def begin() -> None:
        for _ in range(2):
            on_a_loop(work)

    for _ in range(5):
        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
    on_a_loop(work)
    gc.collect()
    alive = {id(green()) for green in greens if green() is not None}
    assert len(alive) == 1


# ------------------------------------------------------------------ PostgreSQL


class Answers:
    """In place of a connection: one that waits for a byte on a socket, as psycopg's generators do."""

    def __init__(self, near: socket.socket) -> None:
        self.pgconn = SimpleNamespace(socket=near.fileno())
        self._near = near

    def answer(self) -> Generator[Wait, Ready, bytes]:
        while True:
            assert (yield Wait.R) == Ready.R
            with suppress(BlockingIOError):
                return self._near.recv(1)

    def wait(self) -> bytes:
        return Connection._let_go(self, self.answer(), SOON)  # type: ignore[arg-type]


@pytest.mark.parametrize("turns", [0, 5])
def test_the_loop_watches_a_socket_only_if_the_answer_takes_longer_than_a_turn(turns: int) -> None:
    near, far = socket.socketpair()
    near.setblocking(False)
    watched: list[int] = []

    async def ask() -> bytes:
        loop = asyncio.get_running_loop()
        add_reader = loop.add_reader

        def noted(fd: int, *callback: Any) -> None:
            watched.append(fd)
            add_reader(fd, *callback)

        loop.add_reader = noted  # type: ignore[method-assign, assignment]
        answer = greenlets.start(Answers(near).wait)
        for _ in range(turns):
            await asyncio.sleep(0)
        far.send(b"x")
        return await answer

    assert asyncio.run(ask()) == b"x"
    assert watched == ([near.fileno()] if turns else [])
    near.close()
    far.close()


@pytest.fixture
def engine(postgres_url: str, tmp_path: Path) -> Iterator[PostgresEngine]:
    store = open_store(postgres_url, tmp_path)
    assert isinstance(store._engine, PostgresEngine)
    store._engine._statements["sleep"] = "SELECT CAST(:org AS BIGINT), pg_sleep(0.1)"
    store._engine._statements["letters"] = "SELECT repeat('x', CAST(:count AS INTEGER))"
    store._engine._statements["wrong"] = "SELECT 1 / CAST(:org AS BIGINT)"
    yield store._engine
    store.close()


def read(engine: PostgresEngine, org: int = 0, **params: object) -> Any:
    name = "letters" if "count" in params else "sleep"
    row = engine.read(lambda tx: tx.one("read_org_state", {"org": org}) or tx.one(name, {"org": org, **params}), org)
    return None if row is None else row[0]


def test_the_loop_goes_on_while_postgresql_works(engine: PostgresEngine) -> None:
    loop = Loop()

    def work() -> None:
        """The loop can only run while a read waits."""
        while loop.turns < 6:
            assert read(engine, 7) == 7

    loop.run(work)


def test_more_readers_than_connections_all_get_their_own_answer(engine: PostgresEngine) -> None:
    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(greenlets.start(lambda n=n: read(engine, n)) for n in range(40)))  # type: ignore[misc]

    assert asyncio.run(all_of_them()) == list(range(40))


def test_a_loop_and_threads_share_the_connections(engine: PostgresEngine) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda n=n: found.append(read(engine, n))) for n in range(20)]

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(greenlets.start(lambda n=n: read(engine, n)) for n in range(20, 40)))  # type: ignore[misc]

    for thread in threads:
        thread.start()
    found += asyncio.run(all_of_them())
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(40))


def test_an_answer_of_many_packets_comes_whole(engine: PostgresEngine) -> None:
    assert on_a_loop(lambda: read(engine, count=5_000_000)) == "x" * 5_000_000


def test_a_question_that_fails_leaves_its_connection_usable(engine: PostgresEngine) -> None:
    def work() -> object:
        for _ in range(20):
            with pytest.raises(Exception, match="refused"):
                engine.read(lambda tx: tx.one("wrong", {"org": 0}), 0)
        return read(engine, 3)

    assert on_a_loop(work) == 3


def test_a_reader_goes_on_when_its_connections_are_cut(engine: PostgresEngine, databases: Databases) -> None:
    def cut() -> None:
        time.sleep(0.03)
        with psycopg.connect(databases.url("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'backscroll' AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'"
            )

    async def all_of_them() -> list[int]:
        cutting = threading.Thread(target=cut)
        cutting.start()
        answers = await asyncio.gather(*(greenlets.start(lambda n=n: read(engine, n)) for n in range(16)))  # type: ignore[misc]
        cutting.join()
        return answers

    assert asyncio.run(all_of_them()) == list(range(16))


def test_the_loop_goes_on_while_there_is_no_database(tmp_path: Path, postgres_url: str) -> None:
    store = open_store(postgres_url, tmp_path)
    engine = store._engine
    assert isinstance(engine, PostgresEngine)
    engine._pool.close()
    engine._conninfo = "host=127.0.0.1 port=1 connect_timeout=1"
    engine._pool, engine._patience = Pool(engine._connect, 2, 0.5), 0.5

    loop = Loop()

    def work() -> None:
        while loop.turns < 6:
            with pytest.raises(StorageBusy):
                read(engine, 1)

    loop.run(work)
    store.close()


def test_a_loop_that_waits_too_long_for_a_connection_is_told(postgres_url: str) -> None:
    pool = Pool(lambda: Connection.connect(postgres_url, autocommit=True), size=1, patience=0.05)

    def work() -> None:
        with pytest.raises(Exhausted), pool.connection():
            pass

    with pool.connection():
        on_a_loop(work)
    with pool.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    pool.close()
