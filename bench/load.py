"""Requests drawn at random from a list, sent by wrk as fast as they are answered."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from bench.servers import Server


class Ask(Struct, frozen=True):
    """One GET."""

    path: str
    headers: dict[str, str] = {}


class Rate(Struct, frozen=True):
    """The result of a run of wrk."""

    per_second: float
    cpu_us: float
    """CPU of the server per request, in microseconds."""
    database_us: float = 0.0
    """The database server's part of that."""
    p50_ms: float = 0.0
    """From request to answer: half of them took no longer."""
    p99_ms: float = 0.0


_LUA = """
local asks = {{ {asks} }}
local ready = {{}}
init = function(args)
  math.randomseed({seed})
  for i, ask in ipairs(asks) do ready[i] = wrk.format("GET", ask[1], ask[2]) end
end
request = function() return ready[math.random(#ready)] end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{{"requests": %d, "us": %d, "errors": %d, "p50": %d, "p99": %d}}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def drive(server: Server, asks: list[Ask], seconds: float, connections: int, seed: int = 1) -> Rate:
    """Send random requests of ``asks`` for that many seconds; every answer must be a good one."""
    before, before_database = server.cpu_seconds(), server.database_cpu_seconds()
    with driving(server, asks, connections, seconds, seed) as wrk:
        out, _ = wrk.communicate()
    cpu, database = server.cpu_seconds() - before, server.database_cpu_seconds() - before_database
    told = json.loads(out.strip().splitlines()[-1])
    if told["errors"] or not told["requests"]:
        raise SystemExit(f"{told['errors']} of {told['requests']} requests failed, such as {asks[0].path}")
    requests = told["requests"]
    return Rate(
        per_second=requests / told["us"] * 1e6,
        cpu_us=(cpu + database) / requests * 1e6,
        database_us=database / requests * 1e6,
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
    )


@contextmanager
def driving(
    server: Server, asks: list[Ask], connections: int, seconds: float = 3600, seed: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """A running wrk, which is stopped at the end of the block if it has not ended by then."""
    with TemporaryDirectory() as folder:
        script = Path(folder) / "asks.lua"
        script.write_text(_LUA.format(asks=", ".join(map(_lua, asks)), seed=seed))
        address = f"http://127.0.0.1:{server.port}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s", str(script), address]
        wrk = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            yield wrk
        finally:
            wrk.kill()
            wrk.wait()


def _lua(ask: Ask) -> str:
    headers = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in ask.headers.items())
    return f"{{{json.dumps(ask.path)}, {{{headers}}}}}"


class Client:
    """Sends single requests."""

    def __init__(self, server: Server) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)

    def get(self, ask: Ask, status: int = 200) -> tuple[bytes, dict[str, str]]:
        self._connection.request("GET", ask.path, headers=ask.headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status != status:
            raise SystemExit(f"{ask.path} was answered with {response.status}: {body[:300]!r}")
        return body, {name.lower(): value for name, value in response.getheaders()}
