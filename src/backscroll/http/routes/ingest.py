"""Where gateways push events. A 2xx means that they are on disk: as messages, or as bytes in quarantine."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import msgspec

from backscroll.core.errors import BadField, Conflict, Unauthorised
from backscroll.dialects.parameters import Param
from backscroll.http.body import read_body
from backscroll.http.dialect_http import Refused
from backscroll.http.messages import TEXT, Reply, Request
from backscroll.http.router import Answer, Handler, Route
from backscroll.ingest import signatures, webhooks
from backscroll.ingest.webhooks import Ingestor, Opened
from backscroll.storage.write.live_sources import SourceSecrets

BODY_SECONDS = 30.0
MAX_KEY = 255
_REFUSED = "No source with this address, or a missing or wrong signature"
_REPLAYED = ("idempotent-replayed", "true")


async def _opened(request: Request, kind: str, id: str) -> Opened:
    """The source named in the address, found before any of the body is read."""
    found = await request.app.workers.run(partial(webhooks.find, request.app.ingestor, kind, id), prompt=True)
    if found is None:
        raise Unauthorised(_REFUSED)
    return found


async def _body(request: Request) -> bytes:
    assert request.receive is not None, "a route that reads its body itself is declared with body='stream'"
    declared = request.headers.get("content-length")
    return await read_body(request.receive, request.app.settings.max_body_bytes, BODY_SECONDS, declared)


async def _take(request: Request, opened: Opened, body: bytes) -> Reply:
    request.let_in()
    ingestor: Ingestor = request.app.ingestor
    taken = await request.app.workers.write(lambda: ingestor.take(opened.source, body))
    return Reply(200, msgspec.json.encode({"events": taken.events, "quarantined": taken.quarantined is not None}))


def signed(kind: str) -> Handler:
    """The handler for senders that sign the raw body."""

    async def receive(request: Request) -> Reply:
        opened = await _opened(request, kind, request.path_params["source"])
        body = await _body(request)
        if not any(signatures.is_signed(kind, one, request.headers, body) for one in opened.secrets.accepted):
            raise Unauthorised(_REFUSED)
        return await _take(request, opened, body)

    return receive


def _is_one_of(secrets: SourceSecrets, shown: str) -> bool:
    return any(signatures.same(shown, one) for one in secrets.accepted)


async def receive_evolution(request: Request) -> Reply:
    """Evolution does not sign: the address is the secret. If the source has a key for JSON Web Tokens, one is required
    too.
    """
    opened = await _opened(request, "evolution", request.path_params["source"])
    if not _is_one_of(opened.secrets, request.path_params["secret"]):
        raise Unauthorised(_REFUSED)
    key = opened.secrets.verify_token
    if key is not None and not signatures.is_own_token(_bearer(request.headers), key, time.time()):
        raise Unauthorised(_REFUSED)
    return await _take(request, opened, await _body(request))


async def verify_cloud(request: Request) -> Reply:
    """Meta's verification request, sent once when the address is entered."""
    opened = await _opened(request, "cloud", request.path_params["source"])
    token, challenge = request.first("hub.verify_token") or "", request.first("hub.challenge")
    expected = opened.secrets.verify_token or ""
    if request.first("hub.mode") != "subscribe" or not challenge or not signatures.same(token, expected):
        raise Refused(403, "FORBIDDEN", "the verify token does not match this source")
    return Reply(200, challenge.encode(), content_type=TEXT)


# Events of any program


async def receive_events(request: Request) -> Reply:
    """Up to a thousand events in the archive's own format, all of them or none."""
    secret = _bearer(request.headers)
    # Secrets created by this server begin with their source's id.
    opened = await _opened(request, "events", request.path_params.get("source") or secret.partition("_")[0])
    if not _is_one_of(opened.secrets, secret):
        raise Unauthorised(_REFUSED)
    request.let_in()
    key = idempotency_key(request.headers)
    body = await _body(request)
    if key is None:
        return await _write_events(request, opened, body, None)
    with _alone(opened.source.id, key):
        return await _replayed(request, opened, body, key) or await _write_events(request, opened, body, key)


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, secret = headers.get("authorization", "").strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The key in a request; raises ``BadField`` for an invalid one."""
    key = headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise BadField("Idempotency-Key", None, f"must be 1 to {MAX_KEY} printable ASCII characters")
    return key


_in_flight: set[tuple[str, str]] = set()


@contextmanager
def _alone(source: str, key: str) -> Iterator[None]:
    """Allows one request per key at a time. Another process may also have one: the database lets only one of them
    write.
    """
    if (source, key) in _in_flight:
        raise Refused(409, "IN_FLIGHT", "a request with this Idempotency-Key is being processed; send it again later")
    _in_flight.add((source, key))
    try:
        yield
    finally:
        _in_flight.discard((source, key))


async def _replayed(request: Request, opened: Opened, body: bytes, key: str) -> Reply | None:
    known = await request.app.workers.run(lambda: request.app.store.sources.answer(opened.source, key), prompt=True)
    if known is None:
        return None
    if known.digest != hashlib.sha256(body).hexdigest():
        raise _reused()
    return Reply(known.status, known.body, (_REPLAYED,))


def _reused() -> Refused:
    message = "this Idempotency-Key was used for another request; choose a new key for a new request"
    return Refused(422, "IDEMPOTENCY_KEY_REUSED", message)


async def _write_events(request: Request, opened: Opened, body: bytes, key: str | None) -> Reply:
    ingestor: Ingestor = request.app.ingestor
    work = asyncio.ensure_future(
        request.app.workers.write(lambda: ingestor.take_request(opened.source, body, key, _accepted))
    )
    try:
        taken = await asyncio.shield(work)
    except Conflict:
        raise _reused() from None
    return Reply(200, _accepted(taken.events))


def _accepted(events: int) -> bytes:
    return msgspec.json.encode({"accepted": events})


# The table of routes

_ADDRESS = Param(name="source", where="path", required=True, description="Id of the source.", example="src1x…")
_RECEIVED = Answer(
    description="On disk. Anything that could not be understood is in quarantine",
    schema={
        "type": "object",
        "properties": {"events": {"type": "integer"}, "quarantined": {"type": "boolean"}},
        "required": ["events", "quarantined"],
    },
)


def _route(kind: str, name: str, handler: Handler, description: str, more: str = "", listed: bool = True) -> Route:
    named = [part[1:-1] for part in more.split("/") if part.startswith("{")]
    return Route(
        method="POST",
        path=f"/ingest/{kind}/{{source}}{more}",
        dialect="backscroll",
        summary=f"Receive events of {name}",
        description=description,
        handler=handler,
        params=(_ADDRESS, *(Param(name=param, where="path", required=True) for param in named)),
        answers={200: _RECEIVED},
        errors=(401, 408, 413, 503),
        tag="ingest",
        scope=None,
        body="stream",
        accepts=Answer(description=f"A payload of {name}", schema={"type": "object"}),
        listed=listed,
    )


_EVENTS = Route(
    method="POST",
    path="/ingest/events",
    dialect="backscroll",
    summary="Receive events of any program",
    description=(
        "Up to 1,000 events in the archive's own format, written together or not at all. The secret of the source is "
        "the Bearer token. An Idempotency-Key makes a request safe to repeat: it gets the first answer again, for 48 "
        "hours."
    ),
    handler=receive_events,
    params=(
        Param(
            name="Idempotency-Key",
            where="header",
            description="Chosen by the sender, up to 255 characters; different for each request.",
        ),
    ),
    answers={
        200: Answer(
            description="On disk",
            schema={"type": "object", "properties": {"accepted": {"type": "integer"}}, "required": ["accepted"]},
        )
    },
    errors=(401, 408, 409, 413, 422, 503),
    tag="ingest",
    scope=None,
    body="stream",
    accepts=Answer(description="The events", schema="events.Batch"),
)

_BY_ADDRESS = "The address contains the secret; a JSON Web Token is also checked if the source has a key for it."

ROUTES: tuple[Route, ...] = (
    _route("gowa", "GOWA", signed("gowa"), "Signed in X-Hub-Signature-256."),
    _route("waha", "WAHA", signed("waha"), "Signed in X-Webhook-Hmac (SHA-512)."),
    _route("periskope", "Periskope", signed("periskope"), "Signed in x-periskope-signature."),
    _route("cloud", "WhatsApp's Cloud API", signed("cloud"), "Signed in X-Hub-Signature-256."),
    _route("evolution", "Evolution API", receive_evolution, _BY_ADDRESS, "/{secret}"),
    _route("evolution", "Evolution API", receive_evolution, _BY_ADDRESS, "/{secret}/{event}", listed=False),
    _EVENTS,
    msgspec.structs.replace(_EVENTS, path="/ingest/events/{source}", params=(_ADDRESS, *_EVENTS.params), listed=False),
    Route(
        method="GET",
        path="/ingest/cloud/{source}",
        dialect="backscroll",
        summary="Answer Meta's verification request",
        handler=verify_cloud,
        params=(
            _ADDRESS,
            Param(name="hub.mode", required=True, example="subscribe"),
            Param(name="hub.verify_token", required=True),
            Param(name="hub.challenge", required=True),
        ),
        answers={200: Answer(description="The challenge, unchanged", content_type="text/plain")},
        errors=(401, 403),
        tag="ingest",
        scope=None,
    ),
)
