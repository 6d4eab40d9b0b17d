"""A gateway on loopback, behind a server under test: it records the requests and answers as the test sets it up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from local_servers import LocalServer

Act = Callable[["Handler"], None]


class Asked:
    """A request as it reached the gateway."""

    def __init__(self, handler: Handler, body: bytes) -> None:
        self.method = handler.command
        self.target = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = body


class Gateway(LocalServer):
    """Answers each request with the next of ``acts``, or with ``usual`` if none is left."""

    def __init__(self, usual: Act) -> None:
        self.usual = usual
        self.acts: list[Act] = []
        self.asked: list[Asked] = []
        self.go_on = threading.Event()
        """The event that ``waiting`` waits for."""
        gateway = self

        class Own(Handler):
            world = gateway

        super().__init__(Own)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.go_on.set()
        super().__exit__(kind, error, at)


class Handler(BaseHTTPRequestHandler):
    world: Gateway
    protocol_version = "HTTP/1.1"

    def _take(self) -> None:
        self.world.asked.append(Asked(self, self._body()))
        act = self.world.acts.pop(0) if self.world.acts else self.world.usual
        act(self)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815 -- the library's names

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def log_message(self, *_: object) -> None:
        return


def answering(value: Any, status: int = 200, **headers: str) -> Act:
    """A whole JSON answer."""
    body = json.dumps(value).encode()

    def act(handler: Handler) -> None:
        _head(handler, status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers})
        handler.wfile.write(body)

    return act


def large(size: int) -> Act:
    """A file of so many bytes."""

    def act(handler: Handler) -> None:
        _head(handler, 200, {"Content-Type": "image/png", "Content-Length": str(size)})
        for _ in range(size // 1000):
            handler.wfile.write(b"0123456789" * 100)

    return act


def redirecting(to: str) -> Act:
    return answering({}, 302, Location=to)


def dying(said: bytes, promised: int | None) -> Act:
    """Sends only the beginning of an answer of ``promised`` bytes, or of a chunked one, then closes the connection."""

    def act(handler: Handler) -> None:
        length = {"Transfer-Encoding": "chunked"} if promised is None else {"Content-Length": str(promised)}
        _head(handler, 200, {"Content-Type": "application/json", **length})
        handler.wfile.write(said if promised is not None else b"%x\r\n%s\r\n" % (len(said), said))
        hang_up(handler)

    return act


def hang_up(handler: Handler) -> None:
    """Closes the connection without an answer, or without the rest of it."""
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def waiting(then: Act) -> Act:
    """Answers once ``go_on`` is set."""

    def act(handler: Handler) -> None:
        handler.world.go_on.wait(30)
        then(handler)

    return act


def _head(handler: Handler, status: int, headers: dict[str, str]) -> None:
    handler.send_response_only(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
