"""PostgreSQL killed in the middle of everything: what was acknowledged is there, once, and nobody needs to restart."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from backscroll.errors import StorageBusy
from backscroll.events import Batch, MessageSeen
from backscroll.model import Message, MessageKey
from backscroll.query import MessageQuery
from backscroll.storage.store import Store, open_store
from contract.test_server import free_port, wait_until_ready
from postgres_server import Cluster, Databases, running_cluster

PHONE = "918527184400"
RESUME_SECONDS = 5.0


class Writer:
    """Tells small batches until it is stopped; one that was not acknowledged is told again as it was."""

    def __init__(self, store: Store, org: int, name: str, chance: random.Random) -> None:
        self._store = store
        self._org = org
        self._name = name
        self._chance = chance
        self.acknowledged: list[str] = []
        self.last = 0.0
        self.busy = 0

    def work(self, stop: threading.Event) -> None:
        numbers = itertools.count()
        while not stop.is_set():
            ids = [f"3EB0{self._name}{next(numbers):06}" for _ in range(self._chance.choice((1, 1, 5, 20)))]
            batch = Batch(source="linked", events=[self._message(id) for id in ids])
            while not self._told(batch):
                self.busy += 1
            self.acknowledged += ids
            self.last = time.monotonic()

    def _told(self, batch: Batch) -> bool:
        try:
            self._store.apply(self._org, batch)
        except StorageBusy:
            return False
        return True

    def _message(self, id: str) -> MessageSeen:
        chat = f"49151{self._chance.randrange(20):08}@s.whatsapp.net"
        key = MessageKey(f"{PHONE}@s.whatsapp.net", chat, id, chat)
        return MessageSeen(Message(key=key, sent_at=self._chance.randrange(10**15), from_me=False, text=f"text {id}"))


class Follower:
    """Reads the change feed while it grows."""

    def __init__(self, store: Store, org: int) -> None:
        self._store = store
        self._org = org
        self.seqs: list[int] = []

    def work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.read()
            except StorageBusy:
                continue
            time.sleep(0.005)

    def read(self) -> None:
        after = self.seqs[-1] if self.seqs else 0
        self.seqs += [change.seq for change in self._store.changes_since(self._org, after, 500)]


class Visitor:
    """Asks over HTTP and counts the answers."""

    def __init__(self, base_url: str, secret: str, path: str) -> None:
        self._client = httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {secret}"}, timeout=60)
        self._path = path
        self.answers: Counter[tuple[int, bool]] = Counter()

    def work(self, stop: threading.Event) -> None:
        with self._client:
            for number in itertools.count():
                if stop.is_set():
                    return
                # Every other answer may come out of the page cache.
                response = self._client.get(f"{self._path}{number // 2 % 20}")
                self.answers[(response.status_code, "retry-after" in response.headers)] += 1


class Crowd:
    """Works in threads of their own until stopped; a work that fails fails the test."""

    def __init__(self, works: list[Callable[[threading.Event], None]]) -> None:
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]

    def _run(self, work: Callable[[threading.Event], None]) -> None:
        try:
            work(self._stop)
        except BaseException as error:
            self._errors.append(error)

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert self._errors == []


def stored_ids(store: Store, org: int) -> list[str]:
    phones = tuple(phone.no for phone in store.list_phones(org))
    found: list[str] = []
    while True:
        page = store.list_messages(MessageQuery(org=org, phones=phones, limit=2000, offset=len(found)))
        found += [shown.message.key.id for shown in page.messages]
        if not page.messages:
            assert page.total == len(found)
            return found


def assert_nothing_lost_or_doubled(store: Store, org: int, writers: list[Writer], follower: Follower) -> None:
    told = sorted(id for writer in writers for id in writer.acknowledged)
    assert told
    assert sorted(stored_ids(store, org)) == told
    assert list(store.check()) == []
    while len(follower.seqs) < store.version(org):
        follower.read()
    assert follower.seqs == list(range(1, store.version(org) + 1))


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster() as running:
        yield running


@pytest.fixture
def served(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Store, str, str]]:
    """A store, and a server over the same database: its address and a secret."""
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
