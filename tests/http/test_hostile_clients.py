"""Clients that hold connections, read slowly or request too much, and well-behaved ones beside them."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest

from backscroll.core.events import Batch, Event, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.storage.store import Store, open_store
from conftest import OwnDatabase
from served import Served, allow_many_files, children, is_closed, serving

PHONE = "918527184400"
FRIEND = "4915112345678@s.whatsapp.net"
PAGE = "/v1/chats/messages?limit=2000"
SEARCH = f"/chat/{FRIEND}/messages?limit=100&search="


class Crowd:
    """An archive with two organisations, each with a chat of 2,000 long messages and a token."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.folder, self.database = folder, database
        with closing(open_store(database, folder)) as store:
            self.noisy, self.quiet = (fill(store, name) for name in ("Noisy", "Quiet"))


def fill(store: Store, name: str) -> dict[str, str]:
    """Create an organisation with messages; returns the Authorization header of its token."""
    org = store.create_org(name).no
    phone = store.add_phone(org, PHONE)
    for start in range(0, 2000, 500):
        told: list[Event] = [message(phone.jid, n) for n in range(start, start + 500)]
        store.apply(org, Batch(source="linked", events=told))
    return {"authorization": f"Bearer {store.create_token(org).secret}"}


def message(phone: str, n: int) -> MessageSeen:
    key = MessageKey(phone, FRIEND, f"3EB0{n:06}", FRIEND)
    return MessageSeen(
        Message(key=key, sent_at=n * 1_000_000, from_me=False, text=f"message {n} " + "long words " * 250)
    )


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Crowd:
    allow_many_files()
    return Crowd(tmp_path_factory.mktemp("crowd"), own_database())


@pytest.fixture(scope="module")
def sqlite_crowd(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    allow_many_files()
    return Crowd(tmp_path_factory.mktemp("crowd"), None)


def reads(served: Served, headers: dict[str, str], path: str = "/v1/chats?limit=1") -> int:
    """The status that a client on a new connection gets."""
    return httpx.get(served.url + path, headers={"accept-encoding": "identity", **headers}, timeout=30).status_code


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition that must become true."""
    give_up = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.05)


# connections


@pytest.mark.parametrize("addresses", [1, 8])
def test_a_thousand_silent_connections_keep_nobody_out(sqlite_crowd: Crowd, addresses: int) -> None:
    with serving(sqlite_crowd.folder, header_timeout=2) as served, ExitStack() as held:
        silent = [held.enter_context(served.connect(source=f"127.0.0.{2 + n % addresses}")) for n in range(1024)]
        for _ in range(5):
            assert reads(served, sqlite_crowd.quiet) == 200
            assert reads(served, {}, "/health") == 200
        assert all(is_closed(connection, 30) for connection in silent)


def test_connections_of_one_address_are_bounded_and_idle_ones_go_first(sqlite_crowd: Crowd) -> None:
    with ExitStack() as held:
        served = held.enter_context(serving(sqlite_crowd.folder, header_timeout=60, max_connections_per_address=20))
        other = held.enter_context(served.connect(source="127.0.0.3"))
        idle = [held.enter_context(served.connect(source="127.0.0.2")) for _ in range(60)]
        # Any of the idle connections may be closed.
        until(lambda: sum(map(was_reset, idle)) >= 40)
        assert reads(served, sqlite_crowd.quiet) == 200
        assert not is_closed(other, 0.5)


@pytest.mark.parametrize("sent", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: half", b""])
def test_what_never_becomes_a_request_is_closed(sqlite_crowd: Crowd, sent: bytes) -> None:
    with serving(sqlite_crowd.folder, header_timeout=1) as served, served.connect() as connection:
        connection.sendall(sent)
        assert is_closed(connection, 20)


def test_a_body_that_stalls_after_its_answer_is_closed(sqlite_crowd: Crowd) -> None:
    with serving(sqlite_crowd.folder, header_timeout=1, send_timeout=1) as served, served.connect() as connection:
        connection.sendall(b"POST /send/message HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9\r\n\r\nx")
        assert is_closed(connection, 40)


# slow readers


def slow_reader(served: Served, headers: dict[str, str], path: str = PAGE) -> socket.socket:
    """A client that has requested a large page and does not read it."""
    connection = served.connect(receive_buffer=4096)
    lines = [f"GET {path} HTTP/1.1", "Host: archive.test", "Accept-Encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return connection


def test_who_does_not_read_is_cut_off(sqlite_crowd: Crowd) -> None:
    with serving(sqlite_crowd.folder, send_timeout=1) as served, slow_reader(served, sqlite_crowd.noisy) as slow:
        # The test must not read either: room in the buffers would let the server continue.
        until(lambda: was_reset(slow))


def test_who_listens_and_does_not_read_is_cut_off(sqlite_crowd: Crowd) -> None:
    with serving(sqlite_crowd.folder, send_timeout=1) as served:
        with listener(served, sqlite_crowd.noisy) as first:
            session = told(first, b'"pid":"')
        with listener(served, sqlite_crowd.noisy, session.partition("-")[0] + "-0") as slow:
            # This session begins at the start of the feed, with two thousand long messages.
            until(lambda: was_reset(slow))
        assert reads(served, sqlite_crowd.noisy) == 200


@pytest.mark.full
def test_a_hundred_listeners_who_do_not_read_cost_bounded_memory_and_are_all_closed(sqlite_crowd: Crowd) -> None:
    with serving(sqlite_crowd.folder, rate_limit=0, send_timeout=5) as served, ExitStack() as held:
        with listener(served, sqlite_crowd.noisy) as first:
            mark = told(first, b'"pid":"').partition("-")[0]
        before, sockets = served.own_bytes(), open_sockets(served)
        for n in range(100):
            held.enter_context(listener(served, sqlite_crowd.noisy, f"{mark}-{n * 3}"))
        most = [0]

        def all_are_closed() -> bool:
            most[0] = max(most[0], served.own_bytes())
            assert reads(served, {}, "/health") == 200
            return open_sockets(served) <= sockets + 5

        until(lambda: open_sockets(served) >= sockets + 95)
        until(all_are_closed, 120)
        assert most[0] - before < 250 * 2**20


def open_sockets(served: Served) -> int:
    """The number of all sockets of the server's processes."""
    found = 0
    for pid in children(served.process.pid):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found += os.readlink(descriptor).startswith("socket:")
    return found


@pytest.mark.parametrize("path", ["/", "/read/x", "/v1/chats", "/ws", "/mcp", "/api/events", "/media/1/x"])
def test_an_upgrade_that_is_not_served_is_answered_in_a_sentence(served_crowd: Served, path: str) -> None:
    answer = httpx.get(served_crowd.url + path, headers=HANDSHAKE)
    assert answer.status_code in (404, 501)
    body = answer.json()
    assert len((body.get("message") or body.get("error")).split()) > 3


@pytest.fixture(scope="module")
def served_crowd(sqlite_crowd: Crowd) -> Iterator[Served]:
    with serving(sqlite_crowd.folder) as served:
        yield served


HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def listener(served: Served, headers: dict[str, str], session: str | None = None) -> socket.socket:
    """A connected Socket.IO client; a session gives the place in the feed where it begins."""
    connection = served.connect(receive_buffer=4096)
    lines = ["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", "Host: archive.test"]
    lines += [f"{name}: {value}" for name, value in {**HANDSHAKE, **headers}.items()]
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    packet = b"40" if session is None else b'40{"pid":"%s"}' % session.encode()
    # A text frame, masked with zeros.
    connection.sendall(bytes([0x81, 0x80 | len(packet)]) + bytes(4) + packet)
    return connection


def told(connection: socket.socket, after: bytes) -> str:
    """Read from the server; returns what is between a text and the next quotation mark."""
    read = b""
    while (at := read.find(after)) < 0 or read.find(b'"', at + len(after)) < 0:
        read += connection.recv(4096)
    return read[at + len(after) :].partition(b'"')[0].decode()


def was_reset(connection: socket.socket) -> bool:
    """Whether the server has closed the connection of a client that does not read."""
    poll = select.poll()
    poll.register(connection, select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def test_unread_answers_of_one_token_are_bounded_and_others_are_served(sqlite_crowd: Crowd) -> None:
    with ExitStack() as held:
        served = held.enter_context(
            serving(sqlite_crowd.folder, max_unsent_bytes="10MiB", rate_limit=0, send_timeout=60)
        )
        for _ in range(6):
            held.enter_context(slow_reader(served, sqlite_crowd.noisy))
        until(lambda: reads(served, sqlite_crowd.noisy, PAGE) == 503)
        assert reads(served, sqlite_crowd.quiet, PAGE) == 200
        assert reads(served, {}, "/health") == 200


def was_refused(connection: socket.socket) -> bool:
    """Whether the answer begins with a 503; it is not read."""
    with suppress(BlockingIOError):
        return connection.recv(12, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"HTTP/1.1 503"
    return False


@pytest.mark.full
def test_a_hundred_slow_readers_cost_bounded_memory_and_are_all_cut(sqlite_crowd: Crowd) -> None:
    with ExitStack() as held:
        served = held.enter_context(
            serving(sqlite_crowd.folder, rate_limit=0, send_timeout=5, page_cache_bytes=0, message_cache_bytes=0)
        )
        assert reads(served, sqlite_crowd.noisy, PAGE) == 200
        before = served.own_bytes()
        paths = [f"{PAGE}&offset={n % 10}" for n in range(100)]
        slow = [held.enter_context(slow_reader(served, sqlite_crowd.noisy, path)) for path in paths]
        most = [0]

        def all_are_done() -> bool:
            most[0] = max(most[0], served.own_bytes())
            assert reads(served, {}, "/health") == 200
            return all(was_reset(one) or was_refused(one) for one in slow)

        until(all_are_done)
        # Most are cut. Those who asked while the others had too much unread were refused, and may ask again.
        assert sum(map(was_refused, slow)) < 100
        # 64 MiB of unread answers, and the pages that are made meanwhile.
        assert most[0] - before < 220 * 2**20
        assert reads(served, sqlite_crowd.noisy, PAGE) == 200


# a neighbour that requests too much


class Noise:
    """Repeats expensive requests on many connections; every third client disconnects without waiting."""

    def __init__(self, served: Served, headers: dict[str, str], clients: int) -> None:
        self._served, self._headers, self._clients = served, headers, clients
        self._stop = threading.Event()
        self.statuses: set[bytes] = set()

    def __enter__(self) -> Noise:
        self._threads = ThreadPoolExecutor(self._clients)
        for n in range(self._clients):
            self._threads.submit(self._ask, n)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads.shutdown()

    def _ask(self, n: int) -> None:
        path = f"{PAGE}&offset={n}" if n % 2 else f"{SEARCH}no+such+words+{n}"
        lines = [f"GET {path} HTTP/1.1", "Host: archive.test", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        buffer = bytearray(2**20)
        while not self._stop.is_set():
            with suppress(OSError), self._served.connect() as connection:
                connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
                if n % 3 and (size := connection.recv_into(buffer)):
                    self.statuses.add(bytes(buffer[:size]).split(b" ")[1])
                    while connection.recv_into(buffer):
                        pass
            self._stop.wait(0.05)


def test_a_noisy_neighbour_takes_nobody_elses_turn(crowd: Crowd) -> None:
    with serving(crowd.folder, crowd.database, workers=2, rate_limit=0) as served:
        with Noise(served, crowd.noisy, 9) as noise:
            time.sleep(1)
            for n in range(3):
                assert reads(served, crowd.quiet, f"{PAGE}&offset={n}") == 200
                assert reads(served, {}, "/health") == 200
        assert noise.statuses <= {b"200", b"503"}


def test_a_signal_ends_a_busy_server(crowd: Crowd) -> None:
    """``serving`` ends the server with SIGTERM, and fails if the server had to be killed."""
    with serving(crowd.folder, crowd.database, rate_limit=0) as served, Noise(served, crowd.noisy, 8):
        time.sleep(1)
        served.process.terminate()
        served.process.wait(30)
