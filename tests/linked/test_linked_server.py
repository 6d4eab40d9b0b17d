"""The real server with the real process of a device and the real library; only WhatsApp's servers are missing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from backscroll.core.query import MessageQuery
from backscroll.storage.store import open_store
from contract.test_ingest_durability import Served
from linked_events import OWN
from served import serving

HERE = Path(__file__).parent.parent
SECONDS = 90


class Desk:
    """Manages an archive over its native API. The user must close it."""

    def __init__(self, folder: Path, database: str | None) -> None:
        store = open_store(database, folder)
        try:
            org = store.create_org("Linked")
            self.org = org.no
            made = store.create_token(org.no, "desk", scopes=frozenset({"read", "admin"}))
        finally:
            store.close()
        # One client for all requests: creating one costs more than a request.
        self.http = httpx.Client(headers={"authorization": f"Bearer {made.secret}"}, timeout=30)
        self.url = ""

    def close(self) -> None:
        self.http.close()

    def ask(self, path: str, method: str = "GET", body: Any = None) -> httpx.Response:
        content = None if body is None else json.dumps(body).encode()
        return self.http.request(method, self.url + path, content=content)

    def link(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(f"/api/links/{id}").json()
        return found


def until(true: Callable[[], Any]) -> Any:
    """Wait until ``true`` returns a true value, and return it."""
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        try:
            if found := true():
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("this did not come about in time")


def test_a_device_that_reaches_nobody_is_started_again_and_the_server_goes_on(
    tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with closing(Desk(tmp_path, database_url)) as desk, serving(tmp_path, database_url) as served:
        desk.url = served.url
        assert desk.ask("/api/links").json() == {"available": True, "install": None, "links": []}
        made = desk.ask("/api/links", "POST", {"phone_name": "Sales"})
        assert (made.status_code, made.json()["state"]) == (201, "starting")
        id = made.json()["id"]
        pauses: dict[str, float] = {}

        def waits_longer() -> bool:
            link = desk.link(id)
            if link["state"] == "waiting":
                assert "WhatsApp cannot be reached" in link["message"]
                pauses[link["retry_at"]] = _seconds(link["retry_at"]) - _seconds(link["since"])
            return len(pauses) == 2

        until(waits_longer)
        first, second = pauses.values()
        assert (round(first), round(second)) == (1, 2)
        assert desk.ask("/v1/chats").status_code == 200
        session = tmp_path / "linked" / id / "session.db"
        assert session.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "linked" / id).stat().st_mode & 0o777 == 0o700
        assert desk.ask(f"/api/links/{id}", "DELETE").status_code == 204
        assert desk.ask("/api/links").json()["links"] == []
        until(lambda: not session.exists())


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_nothing_is_lost_or_doubled_when_the_device_or_the_server_is_killed(
    tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 240
    plan = {"count": count, "silent_after": [60, 180], "crash_after": [120]}
    monkeypatch.setenv("LINKED_PHONE", json.dumps(plan))
    monkeypatch.setenv("PYTHONPATH", f"{HERE / 'linked_phone'}:{HERE}")
    desk = Desk(tmp_path, database_url)
    served = Served(tmp_path, database_url)
    served.start()
    try:
        desk.url = f"http://127.0.0.1:{served.port}"
        until(lambda: desk.ask("/health").status_code == 200)
        id = desk.ask("/api/links", "POST", {"phone_name": "Sales"}).json()["id"]
        pushed = tmp_path / "linked" / id / "pushed"

        def told(number: int) -> bool:
            return bool(pushed.exists() and pushed.read_text() == str(number))

        until(lambda: told(60))
        os.kill(until(lambda: _device_of(pushed.parent)), signal.SIGKILL)
        until(lambda: told(180))
        served.kill()
        until(lambda: _device_of(pushed.parent) is None)
        served.start()
        until(lambda: told(count))
        until(lambda: desk.link(id)["state"] == "connected" and not list(pushed.parent.glob("spool/*.frame")))
        (phone,) = desk.ask("/v1/phones/all").json()
        assert (phone["org_phone"], phone["phone_name"]) == (f"{OWN}@c.us", "Sales")
        assert phone["wa_state"] == "CONNECTED"
        assert desk.link(id)["phone"] == OWN
    finally:
        served.kill()
        desk.close()
    until(lambda: _device_of(pushed.parent) is None)
    _holds(tmp_path, database_url, desk.org, count)


def _device_of(folder: Path) -> int | None:
    """The process id of the device whose keys are in this folder, or None."""
    for found in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{folder}\0".encode() in found.read_bytes():
                return int(found.parent.name)
        except OSError:
            continue
    return None


def _holds(folder: Path, database: str | None, org: int, count: int) -> None:
    store = open_store(database, folder)
    try:
        (phone,) = store.list_phones(org)
        page = store.list_messages(MessageQuery(org=org, phones=(phone.no,), limit=1000))
        assert page.total == count
        assert sorted(m.message.key.id for m in page.messages) == [f"L{number:06}" for number in range(count)]
        assert store.list_quarantined(org) == []
    finally:
        store.close()
