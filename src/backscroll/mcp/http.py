"""The protocol over HTTP, one request at a time: no client state is kept, so any server process can answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from msgspec import Struct
from starlette.types import Message, Scope

from backscroll.mcp.answers import Answers
from backscroll.mcp.server import Caller, Context, Run, make_server

_CALLER = "backscroll.caller"


class Spoken(Struct, frozen=True):
    """An answer."""

    status: int
    content_type: str
    body: bytes


class HttpServer:
    """Belongs to one event loop. Call ``start`` before the first request."""

    def __init__(self, max_body: int) -> None:
        server = make_server(_caller_of)
        self._manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=max_body
        )
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when it is ready for requests."""
        ready = asyncio.Event()

        async def run() -> None:
            async with self._manager.run():
                ready.set()
                await asyncio.Event().wait()

        self._running = asyncio.ensure_future(run())
        await ready.wait()

    async def stop(self) -> None:
        """End requests in progress."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def answer(self, headers: Mapping[str, str], body: bytes, answers: Callable[[], Answers], run: Run) -> Spoken:
        """The protocol's answer to an authenticated POST. ``answers`` provides it, and ``run`` runs the work."""
        sent: list[Message] = []
        coming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if coming:
                return coming.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/mcp",
            "raw_path": b"/mcp",
            "query_string": b"",
            "headers": raw,
            _CALLER: Caller(answers, run),
        }
        await self._manager.handle_request(scope, receive, send)
        head = next(message for message in sent if message["type"] == "http.response.start")
        content_type = next((value.decode() for name, value in head["headers"] if name.lower() == b"content-type"), "")
        whole = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
        return Spoken(head["status"], content_type or "application/json", whole)


def _caller_of(context: Context) -> Caller:
    assert context.request is not None
    caller: Caller = context.request.scope[_CALLER]
    return caller
