"""Sending a reply: headers, ETag, 304, compression, HEAD."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from starlette.types import Send

from backscroll.core.errors import StorageBusy
from backscroll.http.connections import Connection
from backscroll.http.dialect_http import DialectHttp
from backscroll.http.encoding import Encoding, choose_encoding, is_fresh
from backscroll.http.messages import Header, Reply
from backscroll.http.page_cache import Packed
from backscroll.http.sending import Sender
from backscroll.http.workers import Workers

LARGE_BODY = 128 * 1024
"""Bodies of at least this many bytes are compressed in a worker thread."""

EXPOSED = (
    "ETag, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    "x-periskope-org-id, x-periskope-phone-id, x-periskope-trace-id, x-request-id"
)
COMMON: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", EXPOSED.encode()),
    (b"x-powered-by", b"Backscroll"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_VARY: Header = (b"vary", b"Accept-Encoding")


class Exchange(Struct):
    """One request while it is being answered; ``head`` collects headers that errors carry as well."""

    method: str
    path: str
    """As sent, still percent-encoded."""
    headers: dict[str, str]
    peer: Any
    """The client, as an ASGI scope names it."""
    http_version: str
    dialect: DialectHttp
    trace_id: str
    head: list[Header]
    connection: Connection | None = None
    """In use from when the request is admitted until the answer has been sent."""
    token: str = ""
    """Whose budget of unsent bytes the answer counts against."""
    org: int = 0
    org_id: bytes | None = None
    version: int = 0
    """The organisation's version when the caller was admitted."""
    keeps_alive: bool = True

    @property
    def client(self) -> str | None:
        """The address that the connection comes from."""
        return self.peer[0] if self.peer else None


async def deliver(exchange: Exchange, packed: Packed, workers: Workers, sender: Sender, send: Send) -> None:
    """Send an answer in the form that the client requested: compressed, without its body, or as 304.

    Raises TooSlow if the client does not read it in time.
    """
    reply, head = packed.reply, _head(exchange, packed)
    if reply.chunks is not None:
        await _stream(exchange, reply, head, sender, send)
    elif reply.status in (204, 304):
        await _send(send, reply.status, head, b"")
    elif _is_known(exchange, packed):
        await _send(send, 304, [*head, (b"etag", packed.etag.encode()), _VARY], b"")
    else:
        await _whole(exchange, packed, head, workers, sender, send)


def _head(exchange: Exchange, packed: Packed) -> list[Header]:
    dialect = exchange.dialect
    head = [*COMMON, (dialect.trace_header, exchange.trace_id.encode()), *exchange.head]
    if exchange.keeps_alive:
        head += dialect.extra
    if exchange.org_id and dialect.org_header:
        head.append((dialect.org_header, exchange.org_id))
        if packed.reply.status >= 400 and dialect.error_org_header:
            head.append((dialect.error_org_header, exchange.org_id))
    head += packed.head
    return head


def _is_known(exchange: Exchange, packed: Packed) -> bool:
    asked = exchange.headers
    return (
        packed.reply.status == 200
        and exchange.method in ("GET", "HEAD")
        and is_fresh(packed.etag, asked.get("if-none-match"), asked.get("cache-control"))
    )


async def _whole(
    exchange: Exchange, packed: Packed, head: list[Header], workers: Workers, sender: Sender, send: Send
) -> None:
    body = packed.reply.body
    if exchange.method in ("GET", "HEAD"):
        head.append((b"etag", packed.etag.encode()))
    if packed.is_compressible:
        head.append(_VARY)
        encoding = choose_encoding(exchange.headers.get("accept-encoding", ""))
        compressed = await _compressed(packed, encoding, exchange.org, workers) if encoding else None
        if encoding and compressed is not None:
            head.append((b"content-encoding", encoding.encode()))
            body = compressed
    head.append((b"content-type", packed.reply.content_type.encode("latin-1")))
    head.append((b"content-length", b"%d" % len(body)))
    if exchange.method == "HEAD":
        await _send(send, packed.reply.status, head, b"")
        return
    await send({"type": "http.response.start", "status": packed.reply.status, "headers": head})
    await sender.whole(body, send, exchange.peer, exchange.token)


async def _compressed(packed: Packed, encoding: Encoding, org: int, workers: Workers) -> bytes | None:
    """None if too many are waiting for a thread: the page is then sent uncompressed."""
    if len(packed.reply.body) <= LARGE_BODY or packed.has(encoding):
        return packed.body(encoding)
    try:
        return await workers.run(lambda: packed.body(encoding), org=org, heavy=True)
    except StorageBusy:
        return None


async def _stream(exchange: Exchange, reply: Reply, head: list[Header], sender: Sender, send: Send) -> None:
    assert reply.chunks is not None
    if reply.content_type:
        head.append((b"content-type", reply.content_type.encode("latin-1")))
    if reply.length is not None:
        head.append((b"content-length", b"%d" % reply.length))
    if exchange.method == "HEAD":
        await _send(send, reply.status, head, b"")
        return
    await send({"type": "http.response.start", "status": reply.status, "headers": head})
    await sender.stream(reply.chunks, send, exchange.peer)


async def _send(send: Send, status: int, head: list[Any], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
