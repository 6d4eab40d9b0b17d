"""PostgreSQL is killed during work: acknowledged messages are stored once, and no process needs a restart."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from backscroll.storage.store import Store, open_store
from contract.test_server import wait_until_ready
from crowd import PHONE, Crowd, Follower, Writer, assert_nothing_lost_or_doubled
from postgres_server import Cluster, Databases, running_cluster
from served import free_port

RESUME_SECONDS = 60.0


class Visitor:
    """Sends requests over HTTP and counts the answers."""

    def __init__(self, base_url: str, secret: str, path: str) -> None:
        self._client = httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {secret}"}, timeout=60)
        self._path = path
        self.answers: Counter[tuple[int, bool]] = Counter()

    def work(self, stop: threading.Event) -> None:
        with self._client:
            for number in itertools.count():
                if stop.is_set():
                    return
                # Every second answer may come from the page cache.
                response = self._client.get(f"{self._path}{number // 2 % 20}")
                self.answers[(response.status_code, "retry-after" in response.headers)] += 1


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster() as running:
        yield running


@pytest.fixture
def served(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Store, str, str]]:
    """A store, and the address and a secret of a server on the same database."""
    databases = Databases(cluster.url("postgres"))
    url = cluster.url(databases.create())
    databases.close()
    store = open_store(url, tmp_path)
    org = store.create_org("Sample").no
    store.add_phone(org, PHONE)
    secret = store.create_token(org).secret
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    environment |= {"BACKSCROLL_RATE_LIMIT": "0", "BACKSCROLL_DATABASE": url}
    command = [sys.executable, "-m", "backscroll", "serve", "--port", str(port), "--data", str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            base_url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=base_url) as client:
                wait_until_ready(client, process)
            yield store, base_url, secret
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            store.close()


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.full)])
def test_nothing_is_lost_or_doubled_when_postgresql_is_killed(
    cluster: Cluster, served: tuple[Store, str, str], kills: int
) -> None:
    store, base_url, secret = served
    org = store.list_orgs()[0].no
    chance = random.Random(kills)
    writers = [Writer(store, org, name, random.Random(name)) for name in "ABCD"]
    follower = Follower(store, org)
    paths = ("/v1/chats/messages?limit=20&offset=", "/v1/chats?limit=20&offset=")
    visitors = [Visitor(base_url, secret, path) for path in paths]
    gaps = []
    with Crowd([follower.work, *(w.work for w in writers), *(v.work for v in visitors)]):
        for kill in range(kills):
            time.sleep(chance.uniform(0.5, 1.0))
            if kill % 3 == 1:
                os.kill(chance.choice(cluster.children()), signal.SIGKILL)
                time.sleep(0.05)
                cluster.wait()
            else:
                cluster.kill()
                time.sleep(chance.uniform(0, 0.5))
                cluster.start()
            back = time.monotonic()
            while not all(writer.last > back for writer in writers):
                assert time.monotonic() < back + RESUME_SECONDS, "writes did not resume"
                time.sleep(0.01)
            gaps.append(time.monotonic() - back)
    assert_nothing_lost_or_doubled(store, org, writers, follower)
    answers = sum((visitor.answers for visitor in visitors), Counter())
    assert answers.keys() <= {(200, False), (503, True)}
    assert answers[(200, False)] > 20
    figures = {
        "resumed_after": [round(gap, 2) for gap in gaps],
        "messages": sum(len(writer.acknowledged) for writer in writers),
        "told_again": sum(writer.busy for writer in writers),
        "answers": {f"{status}": count for (status, _), count in answers.items()},
    }
    print(json.dumps(figures))


def test_eight_writers_of_two_programs_leave_a_feed_without_gaps(database_url: str | None, tmp_path: Path) -> None:
    with ExitStack() as stack:
        stores = [open_store(database_url, tmp_path) for _ in range(3)]
        for store in stores:
            stack.callback(store.close)
        org = stores[0].create_org("Sample").no
        stores[0].add_phone(org, PHONE)
        writers = [Writer(stores[n % 2], org, name, random.Random(name)) for n, name in enumerate("ABCDEFGH")]
        follower = Follower(stores[2], org)
        with Crowd([follower.work, *(writer.work for writer in writers)]):
            time.sleep(2.0)
        assert_nothing_lost_or_doubled(stores[0], org, writers, follower)
