"""The servers that are compared, and what their processes use."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from bench.data import memory_of

WORKERS = 2
Kept = Literal["nothing", "messages", "pages"]
"""What the server keeps in memory: nothing, rendered messages, or rendered pages as well."""
_TICK = os.sysconf("SC_CLK_TCK")

NGINX = """
worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  default_type application/json;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port} backlog=1024; root {folder}/www; }}
}}
"""


class Server:
    """A running server: its port, its processes, and those of its database."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, database: Callable[[], list[int]] = list) -> None:
        self.process = process
        self.port = port
        self._database = database

    @property
    def pids(self) -> list[int]:
        return family_of(self.process.pid)

    def cpu_seconds(self) -> float:
        """User and system time of all its processes."""
        return sum(map(_cpu_of, self.pids))

    def database_cpu_seconds(self) -> float:
        return sum(map(_cpu_of, self._database()))

    def worker_memory(self) -> tuple[int, int]:
        """Memory of the largest process in bytes: anonymous, and mapped from files."""
        return max(map(memory_of, self.pids))


def family_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for known in found:
        found += parents.get(known, [])
    return found


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process, including its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICK


@contextmanager
def backscroll(environ: Mapping[str, str], kept: Kept, database: Callable[[], list[int]]) -> Iterator[Server]:
    """The archive's own server, without rate limits: all requests come with one token and from one address."""
    port = free_port()
    unlimited = {"BACKSCROLL_RATE_LIMIT": "0", "BACKSCROLL_MAX_CONNECTIONS_PER_ADDRESS": "1024"}
    environ = {**environ, **unlimited, "BACKSCROLL_LOG_LEVEL": "warning"}
    if kept != "pages":
        environ["BACKSCROLL_PAGE_CACHE_BYTES"] = "0"
    if kept == "nothing":
        environ["BACKSCROLL_MESSAGE_CACHE_BYTES"] = "0"
    command = [sys.executable, "-m", "backscroll", "serve", "--port", str(port), "--workers", str(WORKERS)]
    with _running(command, port, environ, Path(environ["BACKSCROLL_DATA"])) as process:
        yield Server(process, port, database)


class Nginx(Server):
    """nginx serving static files."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        super().__init__(process, port)
        self._folder = folder

    def publish(self, path: str, body: bytes) -> None:
        file = self._folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


@contextmanager
def nginx() -> Iterator[Nginx]:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    with TemporaryDirectory(prefix="backscroll-bench-") as name:
        folder = Path(name)
        (folder / "www").mkdir()
        user = "user root;" if os.getuid() == 0 else ""
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(workers=WORKERS, folder=folder, port=port, user=user))
        with _running([program, "-p", name, "-c", str(config)], port, dict(os.environ), folder) as process:
            yield Nginx(process, port, folder / "www")


@contextmanager
def _running(command: list[str], port: int, environ: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=environ, cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(process, port)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            time.sleep(1.0)  # so that all workers listen
            return
    raise SystemExit(f"{process.args!r} did not begin to answer on port {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
