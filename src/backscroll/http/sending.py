"""Sending answers to clients that may read slowly: in pieces, each within a time limit, and with a limit on unread
bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import Message, Send

from backscroll.core.errors import StorageBusy

PIECE = 256 * 1024
"""Smaller bodies are sent in one piece."""


class TooSlow(Exception):
    """The client took too long to read a piece of its answer, and was disconnected."""


class Sender:
    """Sends bodies. ``seconds``: the time limit for a client to read a piece. ``max_unsent``: limit on bytes being sent
    to the clients of one token. ``cut`` closes a client's connection.
    """

    def __init__(
        self,
        seconds: float = 15.0,
        max_unsent: int = 64 * 2**20,
        cut: Callable[[Any], None] = lambda client: None,
    ) -> None:
        self._seconds = seconds
        self._max_unsent = max_unsent
        self._cut = cut
        self._unsent: dict[str, int] = {}

    def check(self, token: str, size: int = 0) -> None:
        """Raises StorageBusy if the clients of a token have too much unread to send ``size`` more bytes."""
        unsent = self._unsent.get(token, 0)
        if unsent and unsent + size > self._max_unsent:
            raise StorageBusy("too many answers to this token are still being read; read those first")

    async def whole(self, body: bytes, send: Send, client: Any, token: str) -> None:
        """Send a complete body. Raises TooSlow."""
        if len(body) <= PIECE:
            await send({"type": "http.response.body", "body": body})
            return
        left = len(body)
        self._unsent[token] = self._unsent.get(token, 0) + left
        try:
            for at in range(0, len(body), PIECE):
                piece = body[at : at + PIECE]
                await self.in_time(send, {"type": "http.response.body", "body": piece, "more_body": True}, client)
                left -= len(piece)
                self._unsent[token] -= len(piece)
            await self.in_time(send, {"type": "http.response.body", "body": b""}, client)
        finally:
            self._unsent[token] -= left
            if self._unsent[token] <= 0:
                del self._unsent[token]

    @contextmanager
    def held(self, token: str, size: int) -> Iterator[None]:
        """Context in which this many bytes are being sent to a client of a token. Raises StorageBusy like ``check``."""
        self.check(token, size)
        self._unsent[token] = self._unsent.get(token, 0) + size
        try:
            yield
        finally:
            self._unsent[token] -= size
            if self._unsent[token] <= 0:
                del self._unsent[token]

    async def stream(self, chunks: AsyncIterator[bytes], send: Send, client: Any) -> None:
        """Send a body while it is produced. Raises TooSlow."""
        async for chunk in chunks:
            for at in range(0, len(chunk), PIECE):
                piece = chunk[at : at + PIECE]
                await self.in_time(send, {"type": "http.response.body", "body": piece, "more_body": True}, client)
        await self.in_time(send, {"type": "http.response.body", "body": b""}, client)

    def cut(self, client: Any) -> None:
        """Close a client's connection, discarding unsent data."""
        self._cut(client)

    async def in_time(self, send: Send, message: Message, client: Any) -> None:
        """Send one ASGI event. Raises TooSlow."""
        try:
            async with asyncio.timeout(self._seconds):
                await send(message)
        except TimeoutError:
            self._cut(client)
            raise TooSlow from None
