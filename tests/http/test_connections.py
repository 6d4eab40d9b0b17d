"""What the upkeep of connections must not disturb."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

import gateways
from backscroll.config import load
from backscroll.http.app import build_app
from backscroll.http.connections import accepted_on
from backscroll.ingest.signatures import sign
from backscroll.storage.store import open_store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from gateways import ME

SECRET = "a-secret-of-some-length"


def test_looking_at_connections_keeps_the_locks_on_the_database(tmp_path: Path) -> None:
    """If the locks were lost, the next program that opens the database would delete its journal."""
    store = open_store(None, tmp_path)
    try:
        store.create_org("ACME")
        assert list(accepted_on(1)) == []
        program = "import apsw, sys; c = apsw.Connection(sys.argv[1]); [*c.execute('SELECT * FROM orgs')]; c.close()"
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "backscroll.db")], check=True, timeout=60)
        assert (tmp_path / "backscroll.db-wal").exists()
    finally:
        store.close()


@pytest.mark.parametrize("kind", ["gowa", "evolution", "events"])
def test_a_gateways_connection_is_in_use_as_long_as_it_pushes(tmp_path: Path, kind: str) -> None:
    """A webhook has no token. If its connection were closed before the answer, it would be sent again or lost."""
    with ExitStack() as held:
        store = open_store(None, tmp_path)
        held.callback(store.close)
        org = store.create_org("ACME")
        wanted = LiveSource(org=org.no, id=make_source_id(org.no), kind=kind, phone=store.add_phone(org.no, ME).no)
        source = store.sources.add(wanted, SourceSecrets(SECRET))
        listening = held.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listening.getsockname()[1]
        client = held.enter_context(socket.create_connection(("127.0.0.1", port)))
        accepted, _ = listening.accept()
        held.enter_context(accepted)
        app = build_app(store, None, load({"BACKSCROLL_DATA": str(tmp_path), "BACKSCROLL_PORT": str(port)}))
        connections = app._connections
        begun = time.monotonic()
        assert connections.sweep(begun) == 0
        body = gateways.payloads(kind)[0]
        path = f"/ingest/{kind}/{source.id}" + (f"/{SECRET}" if kind == "evolution" else "")
        headers = {"authorization": f"Bearer {SECRET}"} if kind == "events" else sign(kind, SECRET, body)
        transport = httpx.ASGITransport(app, client=client.getsockname())

        async def push() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://archive.test") as pushing:
                return await pushing.post(path, content=body, headers=headers)

        answer = asyncio.run(push())
        assert answer.status_code == 200, answer.text
        used_at = connections._known[client.getsockname()].used_at
        assert used_at > begun
        assert connections.sweep(used_at + connections._idle_seconds - 1) == 0
        assert connections.sweep(used_at + connections._idle_seconds + 1) == 1
