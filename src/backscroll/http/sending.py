"""Answers on their way to clients who may read slowly: in pieces, each within a time, and not too much at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import Message, Send

from backscroll.core.errors import StorageBusy

PIECE = 256 * 1024
"""Smaller bodies are handed over whole."""


class TooSlow(Exception):
    """The client took too long to take a piece of its answer, and was cut off."""


class Sender:
    """Sends bodies. ``seconds``: within which a client must take a piece. ``max_unsent``: bytes that may be on their
    way to the clients of one token. ``cut`` ends a client's connection."""

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
        """Raises StorageBusy while the clients of a token leave too much unread for ``size`` bytes more."""
        unsent = self._unsent.get(token, 0)
        if unsent and unsent + size > self._max_unsent:
            raise StorageBusy("too many answers to this token are still being read; read those first")

    async def whole(self, body: bytes, send: Send, client: Any, token: str) -> None:
        """Send a body that is there. Raises TooSlow."""
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
        """Meanwhile so many bytes are on their way to a client of a token. Raises StorageBusy as ``check``."""
        self.check(token, size)
        self._unsent[token] = self._unsent.get(token, 0) + size
        try:
            yield
        finally:
            self._unsent[token] -= size
            if self._unsent[token] <= 0:
                del self._unsent[token]

    async def stream(self, chunks: AsyncIterator[bytes], send: Send, client: Any) -> None:
        """Send a body as it is made. Raises TooSlow."""
        async for chunk in chunks:
            for at in range(0, len(chunk), PIECE):
                piece = chunk[at : at + PIECE]
                await self.in_time(send, {"type": "http.response.body", "body": piece, "more_body": True}, client)
        await self.in_time(send, {"type": "http.response.body", "body": b""}, client)

    def cut(self, client: Any) -> None:
        """End a client's connection, whatever is left to send."""
        self._cut(client)

    async def in_time(self, send: Send, message: Message, client: Any) -> None:
        """Send one event of the server's. Raises TooSlow."""
        try:
            async with asyncio.timeout(self._seconds):
                await send(message)
        except TimeoutError:
            self._cut(client)
            raise TooSlow from None
