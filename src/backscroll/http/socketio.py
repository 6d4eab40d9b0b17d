"""Socket.IO at ``/socket.io/``, for Periskope's official client: a WebSocket that follows the change feed.

Each connection keeps its position in the feed and at most one page of events, so a slow client costs no more than that,
and an interrupted one can continue at any server process (dialects/periskope/packets.py).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct, structs
from starlette.types import Receive, Scope, Send

from backscroll.core.errors import Error, PhoneNotInScope, StorageError, Unauthorised, story_of
from backscroll.core.model import Access
from backscroll.dialects.links import Links, NoLinks
from backscroll.dialects.periskope import packets
from backscroll.dialects.periskope.events import Event, render_events
from backscroll.dialects.periskope.packets import Connect, NoPacket, Place
from backscroll.dialects.periskope.requests import parse_phones
from backscroll.http.connections import Connections
from backscroll.http.dialect_http import DIALECT_HTTP, Refused
from backscroll.http.links import SignedLinks
from backscroll.http.live import BUSY_SECONDS, Feeds, Heartbeat, Way, reason_to_end
from backscroll.http.messages import AppState, Reply, base_url_of
from backscroll.http.responses import Exchange
from backscroll.http.sending import Sender, TooSlow
from backscroll.http.upgrades import refuse_upgrade
from backscroll.storage.read.changes import changes_after
from backscroll.storage.read.names import Reading

log = logging.getLogger("backscroll.http")

PATHS = frozenset({"/socket.io", "/socket.io/"})
PAGE = 50
"""Number of lines of the feed that one connection holds at a time."""
CONNECT_SECONDS = 10.0
"""Seconds within which a client must send its first packet after the handshake."""
LEAVE_SECONDS = 2.0
"""Seconds that a refused client gets to disconnect by itself."""
MAX_PACKETS = 120
"""Packets that a client may send in a minute; it needs three."""
NORMAL, GOING_AWAY, POLICY, FAILED, TRY_LATER = 1000, 1001, 1008, 1011, 1013
"""Close codes of WebSockets."""

Admit = Callable[[], Awaitable[Access]]


class EventPage(Struct, frozen=True):
    """Events of some lines of the feed."""

    events: list[Event]
    upto: int
    touches_tokens: bool


class Sockets:
    """All connections of a server process."""

    def __init__(self, app: AppState, connections: Connections, sender: Sender) -> None:
        self._app = app
        self._connections = connections
        self._sender = sender

    async def __call__(self, exchange: Exchange, admit: Admit, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a handshake, and handle the connection after it. ``admit`` looks up the credential."""
        # The first event only announces the connection.
        await receive()
        refusal: Reply | None = None
        access: Access | None = None
        # A browser would send the page's cookie from any site.
        exchange.headers.pop("cookie", None)
        try:
            check_address(scope)
            access = await admit()
            self._check_crowd(exchange)
            phones = parse_phones(access, exchange.headers.get("x-phone"))
        except (Unauthorised, PhoneNotInScope) as error:
            phones, refusal = (), DIALECT_HTTP["periskope"].dress(error)
        except Exception as error:
            await refuse_upgrade(scope, send, self._explained(error, exchange))
            return
        await send({"type": "websocket.accept"})
        socket = _Socket(self._app, exchange, self._sender, receive, send)
        if refusal is not None or access is None:
            ending = await socket.run(partial(socket.refuse, refusal))
        else:
            base = base_url_of(self._app.settings, scope.get("scheme", "ws").replace("ws", "http"), exchange.headers)
            ending = await socket.run(partial(socket.follow, access, structs.replace(access, phones=phones), base))
        await socket.close(ending)

    def _check_crowd(self, exchange: Exchange) -> None:
        """A connection stays open, so their number per address is limited."""
        if self._connections.is_crowded(exchange.peer):
            raise Refused(429, "RATE_LIMIT", "too many connections from this address; close some and try again")

    def _explained(self, error: Exception, exchange: Exchange) -> Reply:
        if not isinstance(error, Error | Refused):
            log.error("%s WebSocket: %s", exchange.trace_id, story_of(error))
        reply = DIALECT_HTTP["periskope"].dress(error)
        if isinstance(error, BadAddress):
            return Reply(400, msgspec.json.encode({"code": error.number, "message": error.message}))
        return reply


class BadAddress(Refused):
    """An invalid handshake, with the error numbers of Socket.IO's own servers."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(400, "BAD_REQUEST", message)
        self.number = code


def check_address(scope: Scope) -> None:
    """Raise Refused for a handshake with another version or transport."""
    asked = parse_qs(scope["query_string"].decode("latin-1"))
    if asked.get("transport") != ["websocket"]:
        raise BadAddress(0, "Transport unknown: this server speaks websocket only")
    if "sid" in asked:
        raise BadAddress(1, "Session ID unknown: begin with the transport websocket")
    if asked.get("EIO") != [packets.PROTOCOL]:
        raise BadAddress(5, "Unsupported protocol version: use Socket.IO 3 or newer (EIO=4)")


class _Socket:
    """One open connection."""

    def __init__(self, app: AppState, exchange: Exchange, sender: Sender, receive: Receive, send: Send) -> None:
        self._app = app
        self._feeds: Feeds = app.feeds
        self._exchange = exchange
        self._sender = sender
        self._receive = receive
        self._send = send
        self._sid = secrets.token_urlsafe(15)
        self._turn = asyncio.Lock()
        self._asked: asyncio.Future[Connect] = asyncio.get_running_loop().create_future()
        self._heard_at = time.monotonic()
        self._is_open = True

    async def run(self, talk: Callable[[], Awaitable[int]]) -> int:
        """Run until either side ends the connection; returns the close code."""
        tasks = [asyncio.ensure_future(work) for work in (talk(), self._listen(), self._ping(), self._until_stop())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        except TooSlow:
            self._is_open = False
            log.warning("%s Socket.IO: the client took too long to read", self._exchange.trace_id)
            return NORMAL
        except TimeoutError:
            return POLICY
        except StorageError as error:
            log.warning("%s Socket.IO: %s", self._exchange.trace_id, error)
            # Too much may already be unread: the rest is discarded. The client reconnects and continues where it was.
            self._is_open = False
            self._sender.cut(self._exchange.peer)
            return TRY_LATER
        except Exception as error:
            log.error("%s Socket.IO: %s", self._exchange.trace_id, story_of(error))
            return FAILED
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self, code: int) -> None:
        """End the connection, if the client has not."""
        if self._is_open:
            self._is_open = False
            with suppress(TooSlow):
                closing: dict[str, Any] = {"type": "websocket.close", "code": code}
                await self._sender.in_time(self._send, closing, self._exchange.peer)

    async def refuse(self, reply: Reply | None) -> int:
        """Say why the client is refused, and give it time to disconnect: if it is cut off, it reconnects."""
        await self._put(packets.opening(self._sid))
        await self._connect()
        told = msgspec.json.decode(reply.body) if reply is not None else {"message": "not allowed"}
        await self._put(packets.refused(told["message"], told))
        await asyncio.sleep(LEAVE_SECONDS)
        return POLICY

    async def follow(self, granted: Access, access: Access, base_url: str) -> int:
        """Send every change visible to ``access`` from now on, or from where the client was interrupted."""
        org = granted.org.no
        await self._put(packets.opening(self._sid))
        # Before any change can be missed.
        feed = await self._app.workers.run(partial(self._app.store.feed.bounds, org), prompt=True)
        session, place = packets.resumed(await self._connect(), granted.org.id, feed.seq, feed.pruned)
        await self._put(packets.connected(self._sid, session))
        links = NoLinks() if self._app.media is None else SignedLinks(self._app.media, base_url)
        way = Way(f"socket.io {base_url}", partial(_page, links=links))
        self._feeds.follow(org)
        try:
            return await self._tell(granted, access, way, place)
        finally:
            self._feeds.leave(org)

    async def _tell(self, granted: Access, access: Access, way: Way[EventPage], place: Place) -> int:
        after, heartbeat = place.after, Heartbeat()
        while not self._feeds.is_closed:
            if touched := not await self._feeds.news(granted.org.no, after, heartbeat):
                heartbeat.beat()
            else:
                try:
                    page = await self._feeds.read(access, after, way)
                except StorageError:
                    await asyncio.sleep(BUSY_SECONDS)
                    continue
                await self._put_all([event for event in page.events if Place(event.seq, event.at) > place])
                after, touched = page.upto, page.touches_tokens
            if touched and (reason := await reason_to_end(self._app, self._exchange.headers, granted)):
                return await self._end(reason)
        return GOING_AWAY

    async def _put_all(self, events: list[Event]) -> None:
        told = [packets.event(event) for event in events]
        with self._sender.held(self._exchange.token, sum(map(len, told))):
            for packet in told:
                await self._put(packet)

    async def _end(self, reason: str) -> int:
        if reason != "revoked":
            # If it is disconnected without a message, the client reconnects and is authenticated again.
            return TRY_LATER
        told = msgspec.json.decode(DIALECT_HTTP["periskope"].dress(Unauthorised()).body)
        await self._put(packets.problem(told))
        await self._put(packets.DISCONNECT)
        return POLICY

    async def _connect(self) -> Connect:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.shield(self._asked)

    async def _listen(self) -> int:
        """Read what the client sends, until it disconnects or sends something invalid."""
        began, count = time.monotonic(), 0
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                self._is_open = False
                return NORMAL
            now = time.monotonic()
            if now > began + 60:
                began, count = now, 0
            count += 1
            packet = message.get("text") or ""
            if count > MAX_PACKETS or not 0 < len(packet) <= packets.MAX_PACKET:
                return POLICY
            if packet in (packets.CLOSE, packets.DISCONNECT):
                return NORMAL
            try:
                await self._take(packet)
            except NoPacket:
                return POLICY

    async def _take(self, packet: str) -> None:
        if packet == packets.PONG:
            self._heard_at = time.monotonic()
        elif packet.startswith(packets.PING):
            await self._put(packets.PONG + packet[1:])
        elif (asked := packets.parse_connect(packet)) is not None:
            if asked.namespace != "/":
                await self._put(packets.refused("Invalid namespace", None, asked.namespace))
            elif not self._asked.done():
                self._asked.set_result(asked)

    async def _ping(self) -> int:
        asked_at = 0.0
        while True:
            await asyncio.sleep(packets.PING_SECONDS)
            if self._heard_at < asked_at:
                return NORMAL
            asked_at = time.monotonic()
            await self._put(packets.PING)

    async def _until_stop(self) -> int:
        await self._feeds.closed()
        return GOING_AWAY

    async def _put(self, packet: str) -> None:
        async with self._turn:
            message: dict[str, Any] = {"type": "websocket.send", "text": packet}
            await self._sender.in_time(self._send, message, self._exchange.peer)


def _page(reading: Reading, access: Access, after: int, links: Links) -> EventPage:
    phones = [phone.no for phone in access.phones]
    changes = changes_after(reading, phones, after, PAGE, with_chats=True)
    return EventPage(render_events(changes, access, links), changes.upto, changes.touches_tokens)
