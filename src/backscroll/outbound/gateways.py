"""Forwarding a request to the gateway named by an operator, and streaming its answer back.

The connection goes to the host and port of the configured address and to nowhere else; redirects are not followed.
Each request has its own connection: a gateway may just be closing a reused one, and a message must neither be lost nor
sent twice to find that out.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote_to_bytes

import httpcore
import httpx
from msgspec import Struct

from backscroll.core.errors import BadField
from backscroll.outbound.addresses import PORTS, Allowed, Refused, Resolve, checked_addresses, host_of, resolve

CONNECT_SECONDS = 15.0
WRITE_SECONDS = 60.0
_PIECE = 1 << 16

Body = Callable[[Callable[[], None]], AsyncIterator[bytes]]
"""Makes the body of a request; it calls what it is given when all of the body has been handed over."""


class GatewayFailed(Exception):
    """The gateway did not answer. ``late``: it did not answer in time. What it did with the request is unknown, unless
    ``connected`` is False.
    """

    def __init__(self, problem: str, *, late: bool = False, connected: bool = True) -> None:
        super().__init__(problem)
        self.late = late
        self.connected = connected


class AnswerCut(Exception):
    """The gateway closed the connection, or stopped sending, before its answer was complete."""


class GatewayAnswer(Struct):
    """Status and headers of an answer; ``chunks`` gives the rest once. ``close`` it, also when it was read."""

    status: int
    headers: list[tuple[bytes, bytes]]
    chunks: AsyncIterator[bytes]
    close: Callable[[], Any]

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, its name in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Target(Struct, frozen=True):
    """Where a request goes: the address that the operator named, and what is asked below it."""

    base: str
    path: str
    """Below the base address, as it was sent, still percent-encoded."""
    query: bytes = b""

    def url(self) -> httpcore.URL:
        """What is asked, byte for byte."""
        base = httpx.URL(self.base)
        target = base.raw_path.rstrip(b"/") + self.path.encode("latin-1")
        target += b"?" + self.query if self.query else b""
        return httpcore.URL(
            scheme=base.raw_scheme, host=base.raw_host, port=base.port or PORTS[base.scheme], target=target
        )


def check_path(path: str) -> None:
    """``BadField`` for a path that another server could read as another one: ``..``, a hidden slash, odd bytes."""
    for segment in path.split("/")[1:]:
        plain = unquote_to_bytes(segment.encode("latin-1"))
        if plain in (b".", b"..") or re.search(rb"[/\\\x00-\x20\x7f?#%]", plain):
            raise BadField(
                "path", None, "must not contain a part that is only dots, or slashes or spaces inside a part"
            )


async def ask(
    method: str,
    target: Target,
    headers: Iterable[tuple[str, str]],
    body: Body | None,
    seconds: float,
    resolve: Resolve = resolve,
) -> GatewayAnswer:
    """Send a request and return when the head of its answer is there.

    ``seconds``: so long the gateway may take once it has all of the request, and for each piece of its answer. Raises
    ``GatewayFailed``, and what ``body`` raises.
    """
    url = target.url()
    stack = AsyncExitStack()
    try:
        backend = _Backend(Allowed.parse(_entry(url)), resolve)
        pool = await stack.enter_async_context(
            httpcore.AsyncConnectionPool(
                ssl_context=_tls(),
                max_connections=1,
                network_backend=backend,
            )
        )
        response = await _answered(pool, method, url, _head(target, headers), body, seconds)
    except BaseException as error:
        await stack.aclose()
        failure = _failure(error, seconds)
        if failure is None:
            raise
        raise failure from error
    stack.push_async_callback(response.aclose)
    return GatewayAnswer(response.status, list(response.headers), _chunks(response, seconds), stack.aclose)


def _head(target: Target, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("Host", httpx.URL(target.base).netloc.decode("ascii")), *headers, ("Connection", "close")]


async def _answered(
    pool: httpcore.AsyncConnectionPool,
    method: str,
    url: httpcore.URL,
    headers: list[tuple[str, str]],
    body: Body | None,
    seconds: float,
) -> httpcore.Response:
    timeouts: Mapping[str, float] = {"connect": CONNECT_SECONDS, "read": seconds, "write": WRITE_SECONDS, "pool": 1.0}
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def has_all() -> None:
            limit.reschedule(loop.time() + seconds)

        if body is None:
            limit.reschedule(loop.time() + CONNECT_SECONDS + seconds)
        request = httpcore.Request(
            method,
            url,
            headers=headers,
            content=b"" if body is None else body(has_all),
            extensions={"timeout": timeouts},
        )
        return await pool.handle_async_request(request)


def _failure(error: BaseException, seconds: float) -> GatewayFailed | None:
    """What it means for the request; None for what the body of the request raised."""
    late = f"it did not answer within {seconds:g} seconds"
    match error:
        case Refused():
            return GatewayFailed(str(error), connected=False)
        case httpcore.ConnectTimeout():
            return GatewayFailed("it cannot be reached", late=True, connected=False)
        case httpcore.ConnectError():
            return GatewayFailed("the connection was refused, or its certificate is not valid", connected=False)
        case httpcore.TimeoutException() | TimeoutError():
            return GatewayFailed(late, late=True)
        case httpcore.NetworkError() | httpcore.ProtocolError() | OSError():
            return GatewayFailed("the connection broke before an answer came")
    return None


async def _chunks(response: httpcore.Response, seconds: float) -> AsyncIterator[bytes]:
    """The body; ``AnswerCut`` where it ends before it is whole."""
    try:
        async for chunk in response.aiter_stream():
            for at in range(0, len(chunk), _PIECE):
                yield chunk[at : at + _PIECE]
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
        raise AnswerCut(type(error).__name__) from error


def _entry(url: httpcore.URL) -> str:
    """The only host and port that may be connected to, as an operator would allow it."""
    host = host_of(url.host.decode("ascii"))
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Public authorities, and those of SSL_CERT_FILE for gateways in the own network."""
    return httpx.create_ssl_context()


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects to the addresses of one host and port, each of them checked before."""

    def __init__(self, allowed: Allowed, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._dial = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of ``host`` that answers."""
        addresses = await asyncio.to_thread(partial(checked_addresses, host, port, self._resolve, self._allowed))
        for address in addresses[:-1]:
            try:
                return await self._dial.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._dial.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
