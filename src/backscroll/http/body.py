"""Request bodies, read within limits on size and time."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive


class BodyTooLarge(Exception):
    """The body is larger than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")
        self.limit = limit


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class ClientGone(Exception):
    """The client has closed the connection; there is no one to answer."""


async def read_body(receive: Receive, limit: int, seconds: float, declared: str | None = None) -> bytes:
    """The whole body; raises BodyTooLarge, BodyTooSlow or ClientGone."""
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ClientGone
                part: bytes = event.get("body", b"")
                size += len(part)
                if size > limit:
                    raise BodyTooLarge(limit)
                parts.append(part)
                if not event.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise BodyTooSlow from None


class Incoming:
    """A ``receive`` that records whether the end of the body has been read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_over = False

    async def __call__(self) -> Message:
        event = await self._receive()
        self.is_over = event["type"] == "http.disconnect" or not event.get("more_body", False)
        return event


async def drain(incoming: Incoming, limit: int, seconds: float) -> bool:
    """Read the rest of an unwanted body, within limits; returns whether its end was reached.

    A connection that is answered and closed while the client is still sending is reset, and the answer is lost.
    """
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while not incoming.is_over and size <= limit:
                size += len((await incoming()).get("body", b""))
    except TimeoutError:
        return False
    return incoming.is_over


async def hung_up(receive: Receive) -> None:
    """Return when the client has disconnected. The body must have been read to its end from ``receive``."""
    # First comes the end of the empty body, then nothing until the client disconnects.
    for _ in range(2):
        if (await receive())["type"] == "http.disconnect":
            return
    await asyncio.Event().wait()
