"""The ASGI app for all dialects, each of which formats its own errors.

Order of processing: size limits, CORS preflight, route, credential, rate limit, page cache, handler.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from backscroll.config import Settings
from backscroll.core.errors import Error, StorageBusy, StorageError, story_of
from backscroll.core.model import Access
from backscroll.http.auth import Admission, Authenticator, Caller, sent_credential
from backscroll.http.body import ClientGone, Incoming, drain, read_body
from backscroll.http.connections import Connections
from backscroll.http.cookies import is_same_origin, session_of
from backscroll.http.dialect_http import DIALECT_HTTP, Refused, as_refusal
from backscroll.http.last_changes import LastChanges, Shown
from backscroll.http.limits import MAX_HEADER_BYTES, MAX_URL_BYTES, FailedLogins, RateLimit, is_host, network_of
from backscroll.http.live import Feeds
from backscroll.http.mcp_host import McpHost
from backscroll.http.messages import AppState, Reply, Request, headers_of, parse_query
from backscroll.http.page_cache import Kept, Packed, PageCache
from backscroll.http.responses import Exchange, deliver
from backscroll.http.router import BadPath, Match, Route, Router
from backscroll.http.routes import (
    coverage,
    exports,
    gowa,
    health,
    imports,
    ingest,
    links,
    live,
    mcp,
    native,
    ops,
    orgs,
    periskope,
    periskope_webhooks,
    search,
    session,
    sources,
    tokens,
    unsupported,
    webhooks,
)
from backscroll.http.routes.media import MediaApp
from backscroll.http.sending import Sender, TooSlow
from backscroll.http.socketio import PATHS, Sockets
from backscroll.http.trace_ids import TraceIds
from backscroll.http.upgrades import refuse_upgrade
from backscroll.http.versions import Versions
from backscroll.http.workers import Workers
from backscroll.ingest.importing.desk import Desk
from backscroll.ingest.importing.spool import Spool
from backscroll.ingest.webhooks import Ingestor
from backscroll.outbound.gateways import AnswerCut
from backscroll.storage.files.media import MediaStore
from backscroll.storage.read.rendered_cache import RenderedMessages
from backscroll.storage.store import Store

log = logging.getLogger("backscroll.http")

BODY_SECONDS = 60.0
MAX_UNWANTED = 8 * 2**20
UNWANTED_SECONDS = 10.0
"""How much of an unwanted body is read nevertheless (bytes), and for how long (seconds)."""
SAFE_METHODS = frozenset({"GET", "HEAD"})
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"

Lifespan = Callable[[AppState], AbstractAsyncContextManager[None]]
ROUTES: tuple[Route, ...] = (
    *ops.ROUTES,
    *ingest.ROUTES,
    *session.ROUTES,
    *native.ROUTES,
    *health.ROUTES,
    *tokens.ROUTES,
    *orgs.ROUTES,
    *sources.ROUTES,
    *exports.ROUTES,
    *imports.ROUTES,
    *search.ROUTES,
    *coverage.ROUTES,
    *links.ROUTES,
    *live.ROUTES,
    *webhooks.ROUTES,
    *periskope_webhooks.ROUTES,
    *mcp.ROUTES,
    *periskope.ROUTES,
    *gowa.ROUTES,
    *unsupported.ROUTES,
)


def build_app(
    store: Store,
    media: MediaStore | None,
    settings: Settings,
    *,
    routes: Iterable[Route] = ROUTES,
    mounts: Mapping[str, ASGIApp] | None = None,
    lifespans: Iterable[Lifespan] = (),
) -> Server:
    """The whole server as an ASGI app. It does not close ``store``.

    ``mounts`` passes the paths below a prefix, including WebSockets, to other ASGI apps; ``lifespans`` are entered
    while the server runs.
    """
    idle_seconds = float(settings.header_timeout + settings.send_timeout)
    connections = Connections(
        settings.port, settings.max_concurrent, settings.max_connections_per_address, idle_seconds
    )
    sender = Sender(settings.send_timeout, settings.max_unsent_bytes, connections.cut)
    mounted: dict[str, ASGIApp] = {}
    if media is not None:
        # GOWA's programs request files below the same base address as its routes.
        mounted = dict.fromkeys(("/media", f"{settings.gowa_base_path}/media"), MediaApp(media, sender))
    workers = Workers(local=not settings.database.startswith("postgres"))
    app = AppState(
        store=store,
        media=media,
        settings=settings,
        workers=workers,
        failed_logins=FailedLogins(),
        feeds=Feeds(store, workers),
        routes=tuple(routes),
        ingestor=Ingestor(store, media=media, max_media_bytes=settings.max_media_bytes),
        imports=Desk(store, Spool(settings.data), settings.max_import_bytes),
        mcp=McpHost(),
        rendered=RenderedMessages(settings.message_cache_bytes),
    )
    return Server(app, mounted | dict(mounts or {}), tuple(lifespans), connections, sender)


class Server:
    """The ASGI app that ``build_app`` makes."""

    def __init__(
        self,
        app: AppState,
        mounts: Mapping[str, ASGIApp],
        lifespans: tuple[Lifespan, ...],
        connections: Connections,
        sender: Sender,
    ) -> None:
        settings = app.settings
        self._app = app
        self._connections = connections
        self._sender = sender
        self._mounts = [(prefix.rstrip("/"), mounted) for prefix, mounted in mounts.items()]
        self._lifespans = lifespans
        self._router = Router(app.routes, settings.gowa_base_path)
        self._authenticator = Authenticator(app.store, settings.open_access, app.failed_logins)
        self._limit = RateLimit(settings.rate_limit)
        self._pages = PageCache(settings.page_cache_bytes)
        self._traces = TraceIds()
        self._sockets = Sockets(app, connections, sender)
        self._versions = Versions(app.store, app.workers.start)
        self._last_changes = LastChanges(app.store.feed.places_changed_since, partial(app.workers.run, prompt=True))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif (mounted := self._mounted(scope["path"])) is not None:
            with self._connections.request(scope.get("client")):
                await mounted(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["path"] in PATHS:
            await self._listen(scope, receive, send)
        else:
            await refuse_upgrade(scope, send, self._no_websocket(scope))

    def stop(self) -> None:
        """Called when the server is to stop: streams end, and requests in progress are still answered."""
        self._app.workers.stop()
        self._app.feeds.end()

    def _mounted(self, path: str) -> ASGIApp | None:
        for prefix, mounted in self._mounts:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", ""):
                return mounted
        return None

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._app.workers.close)
            stack.push_async_callback(self._app.feeds.close)
            stack.push_async_callback(self._app.mcp.close)
            await receive()
            try:
                for lifespan in self._lifespans:
                    await stack.enter_async_context(lifespan(self._app))
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
                raise
            watching = asyncio.ensure_future(self._connections.watch())
            stack.callback(watching.cancel)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _listen(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._welcome({**scope, "method": "GET"})

        async def admit() -> Access:
            check_head(exchange, scope)
            return await self._admit(exchange, "read")

        try:
            await self._sockets(exchange, admit, scope, receive, send)
        finally:
            self._let_go(exchange)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._welcome(scope)
        try:
            await self._answer_to(exchange, scope, receive, send)
        finally:
            self._let_go(exchange)

    async def _answer_to(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(receive) if has_body(exchange.headers) else None
        try:
            packed = await self._serve(exchange, scope, incoming or receive)
            if packed.reply.chunks is None:
                # A streamed answer has begun: a message that a gateway has sent must not be answered with an error.
                self._sender.check(exchange.token, len(packed.reply.body))
        except ClientGone:
            return
        except Exception as error:
            packed = Packed(self._explain(error, exchange))
        if incoming is not None and not await drain(incoming, MAX_UNWANTED, UNWANTED_SECONDS):
            exchange.keeps_alive = False
            exchange.head.append((b"connection", b"close"))
        try:
            await deliver(exchange, packed, self._app.workers, self._sender, send)
        except TooSlow:
            log.warning("%s %s: the client took too long to read its answer", exchange.trace_id, exchange.method)
        except AnswerCut:
            log.warning("%s %s: the upstream's answer was cut off", exchange.trace_id, exchange.method)
            self._connections.cut(exchange.peer)

    def _welcome(self, scope: Scope) -> Exchange:
        path, version, peer = raw_path(scope), scope.get("http_version", "1.1"), scope.get("client")
        return Exchange(
            method=scope["method"],
            path=path,
            headers=headers_of(scope["headers"]),
            peer=peer,
            http_version=version,
            dialect=DIALECT_HTTP[self._router.owner(path)],
            trace_id=self._traces.next(),
            head=[],
            # Until the token is known, the address is used instead.
            token=network_of(peer[0]) if peer else "",
            keeps_alive=version.startswith("1"),
        )

    async def _serve(self, exchange: Exchange, scope: Scope, receive: Receive) -> Packed:
        check_head(exchange, scope)
        if exchange.method == "OPTIONS":
            return Packed(self._preflight(exchange))
        match = await self._match(exchange)
        exchange.dialect = DIALECT_HTTP[match.route.dialect]
        if match.route.scope is None:
            reply = await match.route.handler(await self._request(exchange, match, None, scope, receive))
            if reply.status < 400:
                self._let_in(exchange)
            return Packed(reply)
        access = await self._admit(exchange, match.route.scope)
        return await self._kept_or_made(exchange, match, access, scope, receive)

    async def _match(self, exchange: Exchange) -> Match:
        """The requested route. Only authenticated clients learn which addresses exist, as in GOWA."""
        try:
            match = self._router.find(exchange.method, exchange.path)
        except BadPath as error:
            problem: Exception = error
        else:
            if match is not None:
                return match
            problem = self._no_route(exchange)
        if exchange.dialect.name != "backscroll":
            await self._admit(exchange, None)
        raise problem

    async def _admit(self, exchange: Exchange, needed: str | None) -> Access:
        admission = await self._admission(exchange)
        access, exchange.version = admission.access, admission.version
        exchange.org, exchange.org_id = access.org.no, access.org.id.encode()
        exchange.token = access.token_id or access.org.id
        self._let_in(exchange)
        self._limit.count(exchange.token, exchange.head)
        self._sender.check(exchange.token)
        if is_forged(exchange):
            raise Refused(403, "CROSS_SITE", "a page of another site may not do this with your session")
        if needed is not None and needed not in access.scopes:
            raise Refused(403, "FORBIDDEN", f"this token lacks the scope {needed!r}")
        return access

    def _let_in(self, exchange: Exchange) -> None:
        """A connection that is used is not closed, until the answer is out."""
        if exchange.connection is None:
            exchange.connection = self._connections.begin(exchange.peer)

    def _let_go(self, exchange: Exchange) -> None:
        if exchange.connection is not None:
            self._connections.end(exchange.connection)

    async def _admission(self, exchange: Exchange) -> Admission:
        known = self._authenticator.remembered(sent_credential(exchange.headers))
        if known is not None:
            version = await self._version(known.access.org.no)
            if await self._last_changes.of_accounts(known.access.org.no, version) <= known.version:
                return Admission(known.access, version)
        caller = Caller(exchange.headers, exchange.client, exchange.http_version)
        # A cached page must not queue behind pages that have to be rendered.
        admission = await self._app.workers.run(lambda: self._authenticator.admit(caller), prompt=True)
        self._last_changes.begin(admission.access.org.no, admission.version)
        return admission

    async def _version(self, org: int) -> int:
        return self._app.store.version(org) if self._app.workers.local else await self._versions.of(org)

    async def _kept_or_made(
        self, exchange: Exchange, match: Match, access: Access, scope: Scope, receive: Receive
    ) -> Packed:
        """The cached answer if nothing that it shows has changed since, otherwise the handler's."""
        route, version = match.route, exchange.version
        if not (route.cached and self._pages.max_bytes):
            return Packed(await route.handler(await self._request(exchange, match, access, scope, receive)))
        key = self._key(exchange, route, access, scope)
        kept = self._pages.get(key)
        if kept is not None and await self._is_valid(kept, access.org.no, version):
            return kept.packed
        # The version is read before the handler reads data: after a write in between, the page merely counts as
        # outdated.
        packed = Packed(await route.handler(await self._request(exchange, match, access, scope, receive)))
        if packed.reply.status == 200 and packed.reply.chunks is None:
            shown = Shown(tuple([phone.no for phone in access.phones]), packed.reply.chats)
            self._pages.put(key, Kept(packed, shown, version))
        else:
            self._pages.drop(key)
        return packed

    async def _is_valid(self, kept: Kept, org: int, version: int) -> bool:
        if kept.version < version:
            if await self._last_changes.of(org, kept.shown, version) > kept.version:
                return False
            kept.version = max(kept.version, version)
        return True

    def _key(self, exchange: Exchange, route: Route, access: Access, scope: Scope) -> Hashable:
        headers = exchange.headers
        host = None if self._app.settings.public_url else (scope.get("scheme"), headers.get("host"))
        varying = tuple([headers.get(name) for name in route.vary])
        # All other changes to a phone change the version too.
        phones = tuple([phone.no for phone in access.phones])
        return exchange.path, scope["query_string"], access.org.no, access.scoped, phones, varying, host

    async def _request(
        self, exchange: Exchange, match: Match, access: Access | None, scope: Scope, receive: Receive
    ) -> Request:
        body = b""
        if match.route.body == "bytes":
            settings = self._app.settings
            declared = exchange.headers.get("content-length")
            body = await read_body(receive, settings.max_body_bytes, BODY_SECONDS, declared)
        return Request(
            method=exchange.method,
            path=exchange.path,
            path_params=match.params,
            query=parse_query(scope["query_string"]),
            raw_query=scope["query_string"],
            headers=exchange.headers,
            body=body,
            access=access,
            app=self._app,
            scheme=scope.get("scheme", "http"),
            client=exchange.client,
            trace_id=exchange.trace_id,
            receive=receive,
            let_in=partial(self._let_in, exchange),
        )

    def _preflight(self, exchange: Exchange) -> Reply:
        allow = self._router.allowed(exchange.path)
        if not allow:
            raise self._no_route(exchange)
        headers = (
            ("allow", ", ".join(allow)),
            ("access-control-allow-methods", METHODS),
            ("access-control-allow-headers", exchange.dialect.allow_headers),
            ("access-control-max-age", "600"),
        )
        return Reply(204, headers=headers)

    def _no_route(self, exchange: Exchange) -> Refused:
        allow = ", ".join(self._router.allowed(exchange.path))
        if allow:
            return Refused(405, "METHOD_NOT_ALLOWED", f"this address answers {allow}", {"allow": allow})
        return Refused(404, "NOT_FOUND", "there is nothing at this address")

    def _no_websocket(self, scope: Scope) -> Reply:
        path = raw_path(scope)
        match = self._router.find("GET", path)
        dialect = DIALECT_HTTP[match.route.dialect if match else self._router.owner(path)]
        if match is not None and 501 in match.route.answers:
            return dialect.dress(Refused(501, "NOT_IMPLEMENTED", match.route.description))
        return dialect.dress(Refused(404, "NOT_FOUND", "there is no WebSocket at this address"))

    def _explain(self, error: Exception, exchange: Exchange) -> Reply:
        """The error in the dialect's format; an unexpected one is logged."""
        if isinstance(error, StorageBusy):
            log.warning("%s %s: %s", exchange.trace_id, exchange.method, error)
        elif isinstance(error, StorageError) or not (isinstance(error, Error) or as_refusal(error)):
            log.error("%s %s: %s", exchange.trace_id, exchange.method, story_of(error))
        return exchange.dialect.dress(error)


def is_forged(exchange: Exchange) -> bool:
    """Whether a page of another site may have made the browser send this request with its session."""
    headers = exchange.headers
    by_cookie = "authorization" not in headers and session_of(headers) is not None
    return by_cookie and exchange.method not in SAFE_METHODS and not is_same_origin(headers)


def has_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def raw_path(scope: Scope) -> str:
    """The path as sent, with its percent-encoding."""
    raw: bytes | None = scope.get("raw_path")
    return raw.partition(b"?")[0].decode("latin-1") if raw else quote(scope["path"])


def check_head(exchange: Exchange, scope: Scope) -> None:
    """Raise Refused if the request head is too large, repeats a header that must be unique, or is malformed."""
    if len(exchange.path) + len(scope["query_string"]) > MAX_URL_BYTES:
        raise Refused(414, "URI_TOO_LONG", f"the address is longer than {MAX_URL_BYTES} bytes")
    headers = scope["headers"]
    if sum([len(name) + len(value) for name, value in headers]) > MAX_HEADER_BYTES:
        raise Refused(431, "HEADERS_TOO_LARGE", f"the headers are larger than {MAX_HEADER_BYTES} bytes")
    if len(headers) != len(exchange.headers):
        names = [name for name, _ in headers]
        for name in (b"authorization", b"host"):
            if names.count(name) > 1:
                raise Refused(400, "BAD_REQUEST", f"send one {name.decode().capitalize()} header, not several")
    host = exchange.headers.get("host")
    if host and not is_host(host):
        raise Refused(400, "BAD_REQUEST", "the Host header is not a host name with or without a port")
