"""Signing in and out with a browser: a token's secret becomes a cookie."""

from __future__ import annotations

from importlib.metadata import version

from msgspec import Struct

from backscroll.core.errors import BadField, Unauthorised
from backscroll.core.model import Access
from backscroll.dialects.native.bodies import decoded
from backscroll.dialects.native.objects import render_session
from backscroll.http.cookies import clear_cookies, is_same_origin, session_of, set_cookie
from backscroll.http.dialect_http import Refused
from backscroll.http.limits import is_loopback
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.http.routes.native import get
from backscroll.storage.accounts.accounts import id_of_secret
from backscroll.storage.accounts.sessions import SESSION_US, NewSession
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.names import Reading

NO_STORE = ("cache-control", "no-store")


class _SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    token: str | None = None
    once: str | None = None


async def sign_in(request: Request) -> Reply:
    """A wrong secret slows down the address that it comes from, as with every credential."""
    if "sec-fetch-site" in request.headers and not is_same_origin(request.headers):
        raise Refused(403, "CROSS_SITE", "a page of another site may not sign in here")
    asked, store, failed = _asked(request.body), request.app.store, request.app.failed_logins
    # Even for an address with too many failures a well-formed secret is looked up: other clients may share the address.
    if asked.token is None or id_of_secret(asked.token.strip()) is None:
        failed.check(request.client)
    try:
        session = await request.app.workers.run(lambda: _session(request, asked), heavy=True)
    except Unauthorised:
        failed.failed(request.client)
        raise
    opened = await request.app.workers.run(lambda: store.sessions.open(session.secret))
    reply = await _about(request, opened.access, opened.expires_at)
    cookie = set_cookie(session.secret, SESSION_US // 1_000_000, request.base_url.startswith("https:"))
    return Reply(200, reply.body, (cookie, NO_STORE))


def _asked(body: bytes) -> _SignIn:
    asked = decoded(body, _SignIn, '{"token": "the secret of a token"}')
    if (asked.token is None) == (asked.once is None):
        raise BadField("token", None, "must be given, or `once` instead")
    return asked


def _session(request: Request, asked: _SignIn) -> NewSession:
    store = request.app.store
    if asked.token is not None:
        return store.sessions.sign_in(asked.token.strip())
    if not is_loopback(request.client):
        # A sign-in link is only for the machine on which it was printed.
        raise Unauthorised
    return store.sessions.sign_in_once(asked.once or "")


async def get_session(request: Request) -> Reply:
    """Who is signed in, what the token gives access to, and until when if by a cookie."""
    secret, store = session_of(request.headers), request.app.store
    expires_at = None
    if "authorization" not in request.headers and secret is not None:
        expires_at = (await request.app.workers.run(lambda: store.sessions.open(secret))).expires_at
    return await _about(request, request.granted, expires_at)


async def _about(request: Request, access: Access, expires_at: int | None) -> Reply:
    phones = tuple(phone.no for phone in access.phones)

    def question(reading: Reading) -> bytes:
        summaries = Lists.of(reading).phone_summaries(phones)
        return render_session(access, summaries, expires_at, version("backscroll"), reading.names.seq)

    body = await request.app.workers.run(lambda: request.app.store.ask(access.org.no, question))
    return Reply(200, body, (NO_STORE,))


async def sign_out(request: Request) -> Reply:
    """End the session of the cookie and delete the cookie. Without one nothing happens."""
    secret, store = session_of(request.headers), request.app.store
    if secret is not None:
        await request.app.workers.run(lambda: store.sessions.end(secret), org=request.granted.org.no, heavy=True)
    return Reply(204, headers=clear_cookies())


ROUTES: tuple[Route, ...] = (
    get("/api/session", "Show who is signed in", get_session, "Session", errors=(401, 429)),
    Route(
        method="POST",
        path="/api/session",
        dialect="backscroll",
        summary="Sign in with a token",
        description="Sets a cookie, which a browser sends with later requests. It gives the same access as the token.",
        handler=sign_in,
        scope=None,
        body="bytes",
        accepts=Answer(
            description="A token's secret",
            schema={"type": "object", "properties": {"token": {"type": "string"}}},
            example={"token": "the secret of a token"},
        ),
        answers={200: Answer(description="Signed in", schema="backscroll.Session")},
        errors=(401, 403, 422, 429),
        tag="backscroll: archive",
    ),
    Route(
        method="DELETE",
        path="/api/session",
        dialect="backscroll",
        summary="Sign out",
        handler=sign_out,
        answers={204: Answer(description="Signed out")},
        errors=(401, 403, 429),
        tag="backscroll: archive",
    ),
)
