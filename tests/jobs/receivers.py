"""A receiver of webhooks on loopback that can fail, hang or cut connections, and records what it accepted."""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct

from backscroll.outbound.signing import periskope_signature, standard_signature

Behaviour = Callable[[str], str]
"""Gives the outcome of a request from the id of its event: take, fail, hang or cut."""


class Taken(Struct, frozen=True):
    """A request as it arrived, accepted or not."""

    id: str
    headers: dict[str, str]
    raw: bytes
    outcome: str

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


class Receiver:
    """Answers in threads; a request that hangs does so until the sender gives up."""

    def __init__(self, behave: Behaviour = lambda id: "take") -> None:
        self.behave = behave
        self.requests: list[Taken] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    @property
    def taken(self) -> list[Taken]:
        """The requests that were answered with 2xx."""
        with self._lock:
            return [request for request in self.requests if request.outcome == "take"]

    def note(self, request: Taken) -> None:
        """Record a request."""
        with self._lock:
            self.requests.append(request)

    def hang(self) -> None:
        """Do not answer until the test ends."""
        self._over.wait(30)

    def close(self) -> None:
        """Stop answering."""
        self._over.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore errors: the sender may be killed at any time."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            raw = self.rfile.read(length)
            if len(raw) < length:
                # The sender was killed while it sent the body.
                self.close_connection = True
                return
            id = self.headers["webhook-id"]
            outcome = receiver.behave(id)
            receiver.note(Taken(id, {name.lower(): value for name, value in self.headers.items()}, raw, outcome))
            if outcome == "hang":
                receiver.hang()
            if outcome in ("hang", "cut"):
                self.close_connection = True
                return
            self.send_response(204 if outcome == "take" else 500)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    return Handler


@contextmanager
def receiving(behave: Behaviour = lambda id: "take") -> Iterator[Receiver]:
    """A receiver that is closed at the end of the block."""
    receiver = Receiver(behave)
    try:
        yield receiver
    finally:
        receiver.close()


def unsteady(seed: int, fail: float = 0.3, hang: float = 0.1, cut: float = 0.05) -> Behaviour:
    """Fails, hangs or cuts the connection at random, independently for each request."""
    dice, lock = random.Random(seed), threading.Lock()

    def behave(id: str) -> str:
        with lock:
            rolled = dice.random()
        if rolled < fail:
            return "fail"
        if rolled < fail + hang:
            return "hang"
        return "cut" if rolled < fail + hang + cut else "take"

    return behave


def unsigned(requests: list[Taken], *secrets: str) -> list[str]:
    """Ids of requests without a valid signature by one of these secrets."""
    found = []
    for request in requests:
        at = int(request.headers["webhook-timestamp"])
        given = request.headers["webhook-signature"].split(" ")
        standard = any(f"v1,{standard_signature(secret, request.id, at, request.raw)}" in given for secret in secrets)
        told = request.headers["x-periskope-signature"]
        if not standard or told not in [periskope_signature(secret, request.raw) for secret in secrets]:
            found.append(request.id)
    return found


def out_of_order(requests: list[Taken]) -> list[str]:
    """Chats whose events were first accepted in another order than that in which they happened."""
    last: dict[str, int] = defaultdict(int)
    seen: set[str] = set()
    found = []
    for request in requests:
        if request.id not in seen:
            seen.add(request.id)
            lane, seq = str(request.body["chat_id"]), int(request.headers["x-backscroll-seq"])
            if seq < last[lane]:
                found.append(lane)
            last[lane] = max(last[lane], seq)
    return found
