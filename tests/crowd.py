"""Writers, a follower and others that work at the same time while a database has failures."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable

from backscroll.core.errors import StorageBusy
from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.core.query import MessageQuery
from backscroll.storage.store import Store

PHONE = "918527184400"


class Writer:
    """Writes small batches until it is stopped; a batch that was not acknowledged is written again unchanged."""

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
            batch = Batch(source="linked", events=[self.message(id) for id in ids])
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

    def message(self, id: str) -> MessageSeen:
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
        self.seqs += [change.seq for change in self._store.feed.places_changed_since(self._org, after, 500)]


class Crowd:
    """Runs each worker in its own thread until stopped; a worker that fails makes the test fail."""

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
