"""500 messages within five seconds, read page by page while others arrive: each is returned exactly once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backscroll.core.events import MessageSeen
from conftest import OwnDatabase
from contract.world import SECOND, Client, Teller, World, micros, user

CHAT = user("6289685028129")
START = micros("2025-01-24T05:11:00+00:00")
END = "2025-01-24T05:11:04Z"
"""All 500 messages are from this second or before; all that arrive during the test are from after it."""

Page = Callable[[int, int], list[str]]
SIZES = (1, 2, 3, 7, 10, 33, 49, 50, 51, 64, 99, 100)
"""Sizes near the default and the maximum, and some that do not divide 500; the full suite tries all sizes."""


class Busy(World):
    def __init__(self, folder: Path, database: str | None) -> None:
        super().__init__(folder, database=database)
        self.random = random.Random(20250124)
        self.told = Teller(self.phone("918527184400"))
        self.arrived = 0
        sent = {f"{self.random.getrandbits(80):020X}": START + self.random.randrange(5) * SECOND for _ in range(500)}
        self.tell(*(self._message(id, at) for id, at in sent.items()))
        self.in_order = sorted(sent, key=lambda id: (sent[id], id), reverse=True)
        self.reader: Client = self.client()

    def _message(self, id: str, at: int) -> MessageSeen:
        return self.told.message(CHAT, id, at, "hello", from_me=self.random.random() < 0.5)

    def arrive(self, count: int) -> None:
        """Messages from after the pinned end arrive."""
        self.arrived += count
        timestamps = (START + 5 * SECOND + n * SECOND // 10 for n in range(self.arrived - count, self.arrived))
        self.tell(*(self._message(f"LATE{timestamp}", timestamp) for timestamp in timestamps))

    def walk(self, page: Page, size: int) -> list[str]:
        met: list[str] = []
        arrivals = 50
        while rows := page(size, len(met)):
            met += rows
            if arrivals:
                self.arrive(10)
                arrivals -= 10
        return met


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Busy]:
    made = Busy(tmp_path_factory.mktemp("busy"), own_database())
    yield made
    made.close()


@pytest.mark.parametrize(
    "size", [size if size in SIZES else pytest.param(size, marks=pytest.mark.full) for size in range(1, 101)]
)
def test_gowa_shows_each_message_once_with_every_page_size(busy: Busy, size: int) -> None:
    def page(limit: int, offset: int) -> list[str]:
        results = busy.reader.json(f"/chat/{CHAT}/messages?end_time={END}&limit={limit}&offset={offset}")["results"]
        assert results["pagination"]["total"] == 500
        return [row["id"] for row in results["data"]]

    assert busy.walk(page, size) == busy.in_order


@pytest.mark.parametrize("path", ["/v1/chats/messages", f"/v1/chats/{CHAT}/messages"])
@pytest.mark.parametrize("size", [1, 7, 50, 100, 499, 500, 2000])
def test_periskope_shows_each_message_once(busy: Busy, path: str, size: int) -> None:
    def page(limit: int, offset: int) -> list[str]:
        body = busy.reader.json(f"{path}?end_time={END}&limit={limit}&offset={offset}")
        assert (body["count"], body["from"]) == (500, offset + 1)
        return [row["unique_id"] for row in body["messages"]]

    assert busy.walk(page, size) == busy.in_order
