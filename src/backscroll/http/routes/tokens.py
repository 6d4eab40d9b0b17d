"""Tokens over the native API: listing, creating and revoking them, for managers of the whole organisation."""

from __future__ import annotations

import time

from backscroll.core.errors import NotFound
from backscroll.core.model import Access
from backscroll.dialects.native.tokens import parse_token, render_new_token, render_tokens
from backscroll.dialects.parameters import Param
from backscroll.http.dialect_http import Refused
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Route

NO_STORE = ("cache-control", "no-store")
TAG = "backscroll: tokens"
_ERRORS = (401, 403, 429)


def manager(request: Request, what: str = "tokens") -> Access:
    """The organisation, if the token may manage it. A token limited to some phones could otherwise create one
    for all.
    """
    access = request.granted
    if access.scoped:
        raise Refused(403, "FORBIDDEN", f"a token that is limited to some phones may not manage {what}")
    return access


async def list_tokens(request: Request) -> Reply:
    """All tokens of the organisation, without their secrets."""
    access, store = manager(request), request.app.store
    body = await request.app.workers.run(lambda: render_tokens(store.list_tokens(access.org.no), access))
    return Reply(200, body, (NO_STORE,))


async def create_token(request: Request) -> Reply:
    """A new token with its secret; it never has more rights than the requesting token."""
    access, store = manager(request), request.app.store
    wanted = parse_token(access, request.body, time.time_ns() // 1000)

    def make() -> bytes:
        org = access.org.no
        made = store.create_token(org, wanted.name, wanted.phones, wanted.scopes, wanted.expires_at)
        token = next(token for token in store.list_tokens(org) if token.id == made.id)
        return render_new_token(token, access, made.secret)

    return Reply(201, await request.app.workers.run(make, heavy=True), (NO_STORE,))


async def revoke_token(request: Request) -> Reply:
    """Revoke a token, even repeatedly; ``NotFound`` if the organisation has none with this id."""
    access, store, token = manager(request), request.app.store, request.path_params["id"]
    if all(known.id != token for known in await request.app.workers.run(lambda: store.list_tokens(access.org.no))):
        raise NotFound("token", token[:80])
    await request.app.workers.run(lambda: store.revoke_token(access.org.no, token), heavy=True)
    return Reply(204)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/tokens",
        dialect="backscroll",
        summary="List tokens",
        handler=list_tokens,
        scope="admin",
        answers={200: Answer(description="OK", schema="backscroll.Tokens")},
        errors=_ERRORS,
        tag=TAG,
    ),
    Route(
        method="POST",
        path="/api/tokens",
        dialect="backscroll",
        summary="Create a token",
        description="Its secret is only in this answer. It can have at most the rights of the requesting token.",
        handler=create_token,
        scope="admin",
        body="bytes",
        accepts=Answer(
            description="Its purpose, scopes, phones (null: all), and expiry",
            schema={"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            example={"name": "Laptop", "scopes": ["read"], "phones": None, "expires_at": None},
        ),
        answers={201: Answer(description="Created", schema="backscroll.NewToken")},
        errors=(401, 403, 404, 422, 429),
        tag=TAG,
    ),
    Route(
        method="DELETE",
        path="/api/tokens/{id}",
        dialect="backscroll",
        summary="Revoke a token",
        description="Programs and browsers that use it lose access immediately. Repeating the request has no further "
        "effect.",
        handler=revoke_token,
        scope="admin",
        params=(
            Param(name="id", where="path", required=True, example="bsk1x0000000000", description="The token's id."),
        ),
        answers={204: Answer(description="Revoked")},
        errors=(401, 403, 404, 429),
        tag=TAG,
    ),
)
