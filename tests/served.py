"""``backscroll serve`` in a separate process, and tools for clients that misbehave."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from msgspec import Struct

READY_SECONDS = 120
PORTS = range(10_240, 32_768)


class Served(Struct, frozen=True):
    """A running server that is ready to answer."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, source: str = "127.0.0.1", receive_buffer: int | None = None) -> socket.socket:
        """Connect from one of this machine's own addresses."""
        connection = socket.socket()
        connection.settimeout(30)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            connection.bind((source, 0))
            connection.connect(("127.0.0.1", self.port))
        except OSError:
            connection.close()
            raise
        return connection

    def own_bytes(self) -> int:
        """Total memory of the server's processes, without mapped files, which the system can take back at any time."""
        family = [self.process.pid, *children(self.process.pid)]
        lines = (line for pid in family for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines())
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [found for child in map(int, listed) for found in (child, *children(child))]


def free_port() -> int:
    """A port on which nothing listens; outgoing connections do not take it, since systems give them higher ports."""
    for _ in range(1000):
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def is_open(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(data: Path, database: str | None = None, **settings: object) -> Iterator[Served]:
    """Serve the archive in ``data`` and end it with SIGTERM. Other tests check how a server stops."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    # A machine that is busy with other tests can be slow to stop the server.
    given: dict[str, object] = {"data": data, "port": port, "shutdown_timeout": 30}
    given |= {**({"database": database} if database else {}), **settings}
    environment |= {f"BACKSCROLL_{name.upper()}": str(value) for name, value in given.items()}
    command = [sys.executable, "-m", "backscroll", "serve"]
    # A file, since a pipe that nobody reads holds up the server once it is full.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log, text=True) as made,
    ):
        served = Served(made, port)
        try:
            wait_until_ready(served)
            yield served
        finally:
            made.send_signal(signal.SIGTERM)
            made.wait(timeout=60)
            log.seek(0)
            told = log.read()
            # Shown beside a test that failed.
            sys.stderr.write(told)
            assert made.returncode == 0
            assert "Traceback" not in told, told
            assert "Killing" not in told, told


def wait_until_ready(served: Served) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        assert served.process.poll() is None, "the server ended before it was ready"
        try:
            if httpx.get(f"{served.url}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the server closes the connection within so many seconds; what it sends before is read and discarded."""
    give_up = time.monotonic() + seconds
    while (left := give_up - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(65_536):
                return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


def allow_many_files() -> None:
    """Raise this process's limit of open files, for many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 8192:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
