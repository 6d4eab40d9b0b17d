"""A steady stream of webhooks: the server's memory does not grow, and readers do not wait meanwhile."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backscroll.core.query import MessageQuery
from backscroll.ingest.signatures import sign
from backscroll.storage.store import open_store
from contract.test_ingest_durability import SECRET, Served, message, new_source

CONNECTIONS = 16
MB = 2**20
MOST_GROWTH = 48 * MB
"""Bytes between the first fifth and the end, including the database's page caches as they fill."""


class Sender(threading.Thread):
    """Sends at a fixed rate; late requests are sent at once, to catch up after a stall."""

    def __init__(self, served: Served, path: str, name: str, rate: float, seconds: float) -> None:
        super().__init__(daemon=True)
        self.port, self.path, self.prefix, self.rate, self.seconds = served.port, path, name, rate, seconds
        self.acknowledged = 0

    def run(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            self._send(connection)

    def _send(self, connection: http.client.HTTPConnection) -> None:
        begun = time.monotonic()
        for n in range(int(self.rate * self.seconds)):
            time.sleep(max(0.0, begun + n / self.rate - time.monotonic()))
            body = message(f"{self.prefix}{n:07}", n)
            connection.request("POST", self.path, body, sign("gowa", SECRET, body))
            answer = connection.getresponse()
            answer.read()
            self.acknowledged += answer.status == 200


class Reader(threading.Thread):
    """Requests the newest messages ten times a second."""

    def __init__(self, served: Served, token: str) -> None:
        super().__init__(daemon=True)
        self.port, self.token, self.ended = served.port, token, threading.Event()
        self.took: list[float] = []

    def run(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            self._ask(connection)

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        while not self.ended.wait(0.1):
            begun = time.monotonic()
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request("GET", "/v1/chats/messages?limit=50", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            self.took.append(time.monotonic() - begun)


def _resident(pid: int) -> int:
    """Resident bytes of the process and its children, without shared memory."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(resident) - int(shared)) * 4096 + sum(_resident(int(child)) for child in children)


def _samples(pid: int, senders: list[Sender]) -> Iterator[int]:
    while any(sender.is_alive() for sender in senders):
        yield _resident(pid)
        time.sleep(0.5)


def _soak(tmp_path: Path, database_url: str | None, rate: int, seconds: float) -> tuple[list[int], list[float]]:
    """Memory over time, and the durations of reads."""
    store = open_store(database_url, tmp_path)
    org, phone, source = new_source(store)
    token = store.create_token(org.no).secret
    store.close()
    served = Served(tmp_path, database_url)
    served.start()
    try:
        assert served.process is not None
        path = f"/ingest/gowa/{source.id}"
        senders = [Sender(served, path, f"{n:02}-", rate / CONNECTIONS, seconds) for n in range(CONNECTIONS)]
        reader = Reader(served, token)
        for thread in (*senders, reader):
            thread.start()
        memory = list(_samples(served.process.pid, senders))
        reader.ended.set()
        reader.join(30)
    finally:
        served.kill()
    sent = int(rate / CONNECTIONS * seconds) * CONNECTIONS
    assert sum(sender.acknowledged for sender in senders) == sent
    store = open_store(database_url, tmp_path)
    try:
        assert store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=1)).total == sent
    finally:
        store.close()
    return memory, sorted(reader.took)


def test_a_stream_of_webhooks_is_taken_while_others_read(tmp_path: Path, database_url: str | None) -> None:
    memory, took = _soak(tmp_path, database_url, rate=48, seconds=4)
    assert memory
    assert took


@pytest.mark.full
def test_memory_is_flat_in_ten_minutes_of_500_a_second(tmp_path: Path, database_url: str | None) -> None:
    memory, took = _soak(tmp_path, database_url, rate=500, seconds=600)
    early, late = max(memory[: len(memory) // 5]), max(memory[-len(memory) // 5 :])
    p99 = took[int(len(took) * 0.99)]
    print(f"memory {early / MB:.0f} → {late / MB:.0f} MB; reads' p99 {p99 * 1000:.0f} ms of {len(took)}")
    assert late - early < MOST_GROWTH
    assert p99 < 1.0
