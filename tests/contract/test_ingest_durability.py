"""Each acknowledged message is stored exactly once, however often the server is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from backscroll.core.model import Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest.signatures import sign
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from contract.test_server import wait_until_ready
from gateways import ANA, ME, net
from served import free_port, is_open

SECRET = "a secret of some length"
WRITERS = 4


def message(id: str, n: int) -> bytes:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_773_306_000 + n))
    payload: dict[str, Any] = {"id": id, "chat_id": net(ANA), "from": net(ANA), "timestamp": at, "body": id}
    return msgspec.json.encode({"event": "message", "device_id": net(ME), "payload": payload | {"is_from_me": False}})


class Gateway(threading.Thread):
    """Pushes one message after another, each until it is acknowledged, and every fifth twice."""

    def __init__(self, url: str, name: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.url, self.prefix, self.stop = url, name, stop
        self.acknowledged: list[str] = []
        self.statuses: set[int] = set()

    def run(self) -> None:
        with httpx.Client(timeout=10) as client:
            n = 0
            while not self.stop.is_set():
                id = f"{self.prefix}{n:06}"
                body = message(id, n)
                if self._push(client, body):
                    self.acknowledged.append(id)
                    if n % 5 == 0:
                        self._push(client, body)
                    n += 1

    def _push(self, client: httpx.Client, body: bytes) -> bool:
        try:
            answer = client.post(self.url, content=body, headers=sign("gowa", SECRET, body))
        except httpx.TransportError:
            time.sleep(0.05)
            return False
        self.statuses.add(answer.status_code)
        return answer.status_code == 200


class Served:
    """``backscroll serve`` that can be killed and started again on the same port."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.port = free_port()
        self.command = [sys.executable, "-m", "backscroll", "serve", "--port", str(self.port), "--data", str(folder)]
        self.command += ["--database", database] if database else []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
        self.process = subprocess.Popen(
            self.command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}") as client:
            wait_until_ready(client, self.process)

    def kill(self) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # Its workers are in its process group and were killed too; the port is free once they are reaped.
        give_up = time.monotonic() + 30
        while is_open(self.port):
            assert time.monotonic() < give_up, "something still listens on the port"
            time.sleep(0.01)


@pytest.fixture
def served(tmp_path: Path, database_url: str | None) -> Iterator[Served]:
    server = Served(tmp_path, database_url)
    yield server
    if server.process is not None and server.process.poll() is None:
        server.kill()


def new_source(store: Store) -> tuple[Org, Phone, LiveSource]:
    org = store.create_org("Under fire")
    phone = store.add_phone(org.no, ME)
    wanted = LiveSource(org=org.no, id=make_source_id(org.no), kind="gowa", phone=phone.no)
    return org, phone, store.sources.add(wanted, SourceSecrets(SECRET))


def _kill_under_load(served: Served, tmp_path: Path, database_url: str | None, kills: int, seed: int) -> None:
    store = open_store(database_url, tmp_path)
    org, phone, source = new_source(store)
    store.close()
    chance, stop = random.Random(seed), threading.Event()
    url = f"http://127.0.0.1:{served.port}/ingest/gowa/{source.id}"
    served.start()
    gateways = [Gateway(url, f"{name}-", stop) for name in "abcd"[:WRITERS]]
    for gateway in gateways:
        gateway.start()
    for _ in range(kills):
        before = sum(len(gateway.acknowledged) for gateway in gateways)
        give_up = time.monotonic() + 120
        while sum(len(gateway.acknowledged) for gateway in gateways) < before + 40:
            assert time.monotonic() < give_up, "no further message is acknowledged"
            time.sleep(0.005)
        time.sleep(chance.random() * 0.05)
        served.kill()
        served.start()
    stop.set()
    for gateway in gateways:
        gateway.join()
    served.kill()
    store = open_store(database_url, tmp_path)
    try:
        page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), limit=1_000_000))
        stored = [m.message.key.id for m in page.messages]
        acknowledged = {id for gateway in gateways for id in gateway.acknowledged}
        assert len(acknowledged) >= 40 * kills
        assert acknowledged - set(stored) == set(), f"messages lost, seed {seed}"
        assert len(stored) == len(set(stored)) == page.total, f"messages doubled, seed {seed}"
        assert {status for gateway in gateways for status in gateway.statuses} <= {200, 503}
        assert list(store.check()) == []
        assert store.list_quarantined(org.no) == []
    finally:
        store.close()


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(
    served: Served, tmp_path: Path, database_url: str | None
) -> None:
    _kill_under_load(served, tmp_path, database_url, kills=2, seed=9)


@pytest.mark.full
def test_nothing_acknowledged_is_lost_or_doubled_by_twenty_kills(
    served: Served, tmp_path: Path, database_url: str | None
) -> None:
    _kill_under_load(served, tmp_path, database_url, kills=20, seed=20)
