"""Two server processes on one archive; the one that does a piece of upkeep is killed in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from backscroll.core.model import Org, Phone
from backscroll.storage.accounts.leases import Held
from backscroll.storage.store import Store
from contract.test_server import wait_until_ready
from merging import fill, only_map, seen_as_one
from served import free_port

MOVE_SECONDS = 60.0
MESSAGES = 4000
"""In each of two chats that become one: some seconds of work."""


@contextmanager
def serving(folder: Path, database: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """A running server that is ready; it and its workers have their own process group."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    command = [sys.executable, "-m", "backscroll", "serve", "--port", str(port), "--data", str(folder)]
    command += ["--database", database] if database else []
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                wait_until_ready(client, process)
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def held(store: Store, org: Org) -> Held | None:
    """The lease that is held now, or None."""
    return next((lease for lease in store.held_leases(org.no) if lease.ends_at), None)


def is_pending(store: Store, org: Org) -> bool:
    return store._engine.read_one("pending_merges", {"org": org.no}, org.no) is not None


def wait_for_holder(store: Store, org: Org, other_than: str, seconds: float) -> str:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        lease = held(store, org)
        if lease is not None and lease.holder != other_than:
            return lease.holder
        time.sleep(0.01)
    raise AssertionError("nobody took the lease")


def test_the_work_of_a_killed_server_moves_to_another(
    store: Store, org: Org, phone: Phone, tmp_path: Path, database_url: str | None
) -> None:
    fill(store, org, phone, MESSAGES)
    with serving(tmp_path, database_url) as one, serving(tmp_path, database_url) as other:
        only_map(store, org)
        holder = wait_for_holder(store, org, "", 30)
        worker = int(holder.split(":")[1])
        kill(one if os.getpgid(worker) == one.pid else other)
        killed = time.monotonic()
        assert is_pending(store, org), "the work was done before the server could be killed"
        seen_as_one(store, org, phone, MESSAGES)
        second = wait_for_holder(store, org, holder, MOVE_SECONDS)
        moved = time.monotonic() - killed
        assert os.getpgid(int(second.split(":")[1])) in (one.pid, other.pid)
        give_up = time.monotonic() + 120
        while is_pending(store, org):
            assert time.monotonic() < give_up
            time.sleep(0.1)
    seen_as_one(store, org, phone, MESSAGES)
    assert list(store.check()) == []
    print(json.dumps({"moved_after": round(moved, 1)}))
