"""When too many ask at once: a short no to some, and no page that is ready is lost."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any, cast

import pytest
from small_world import ONE, SmallArchive, connect

from backscroll.concurrency import greenlets
from backscroll.http import workers
from backscroll.http.app import Server
from backscroll.http.dialect_http import DIALECT_HTTP
from backscroll.http.messages import Reply
from backscroll.http.page_cache import Packed
from backscroll.http.responses import LARGE_BODY, Exchange, deliver
from backscroll.http.workers import Workers


@pytest.fixture(autouse=True)
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MAX_WAITING", 0)


def test_who_is_turned_away_is_told_when_to_come_again_and_costs_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = SmallArchive(ONE)
    response = connect(archive, tmp_path).ask("/v1/contacts")
    assert (response.status_code, response.headers["retry-after"], archive.asked) == (503, "1", 0)
    told = [record for record in caplog.records if record.name == "backscroll.http"]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert "\n" not in told[0].getMessage()


@pytest.mark.parametrize("size", [LARGE_BODY // 2, LARGE_BODY * 2])
def test_a_page_that_is_ready_goes_out_however_many_wait(size: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"accept-encoding": "gzip"}
    exchange = Exchange("GET", "/", headers, client=None, dialect=DIALECT_HTTP["periskope"], trace_id="x", head=[])
    asyncio.run(deliver(exchange, Packed(Reply(200, b"x" * size)), Workers(local=False), send))
    is_large = size > LARGE_BODY
    assert sent[0]["status"] == 200
    assert ((b"content-encoding", b"gzip") in sent[0]["headers"]) is not is_large
    assert (len(sent[1]["body"]) == size) is is_large


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
