"""Webhooks over the native API: creating, changing and monitoring them, for managers of the organisation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from backscroll.core.errors import NotFound
from backscroll.core.webhooks import Counts, Webhook
from backscroll.dialects.links import first_values
from backscroll.dialects.native.webhooks import (
    NEWEST,
    changed,
    is_visible,
    parse_change,
    parse_deliveries,
    parse_event,
    parse_grace,
    parse_new,
    render_deliveries,
    render_delivery,
    render_trial,
    render_webhook,
    render_webhooks,
)
from backscroll.dialects.parameters import Param
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Handler, Route
from backscroll.http.routes.tokens import NO_STORE
from backscroll.jobs.sending import send_test
from backscroll.outbound.addresses import allowed_by, check_url
from backscroll.outbound.posting import Poster
from backscroll.storage.read.names import Reading
from backscroll.storage.read.webhook_events import list_deliveries, shown
from backscroll.storage.records.webhook_rows import PARKED

TAG = "backscroll: webhooks"
MAX_TRIALS = 4
"""Number of receiver tests that one process runs at the same time; each may take fifteen seconds."""
_trials = asyncio.Semaphore(MAX_TRIALS)


def found(request: Request) -> Webhook:
    """The endpoint in the path; ``NotFound`` for one that the token may not see. Runs in a worker thread."""
    webhook = request.app.store.webhooks.find(request.path_params["id"])
    if not is_visible(webhook, request.granted):
        raise NotFound("webhook", request.path_params["id"][:80])
    return webhook


def shown_webhook(request: Request, webhook: Webhook, secret: str | None = None) -> bytes:
    """An endpoint with its waiting events; with its secret if it was just created."""
    counts = request.app.store.outbox.counts(webhook.org, webhook.id)
    return render_webhook(webhook, counts, request.granted, secret)


async def answer(request: Request, make: Callable[[], bytes], status: int = 200) -> Reply:
    """The result of ``make``, run in a worker thread; it is not cached."""
    body = await request.app.workers.run(make, org=request.granted.org.no, heavy=request.method != "GET")
    return Reply(status, body, (NO_STORE,))


def check_address(request: Request, url: str) -> None:
    check_url(url, allowed=allowed_by(request.app.settings.webhook_allow))


async def list_webhooks(request: Request) -> Reply:
    """All endpoints that the token may see."""
    store, access = request.app.store, request.granted

    def make() -> bytes:
        seen = [webhook for webhook in store.webhooks.of(access.org.no) if is_visible(webhook, access)]
        items = [(webhook, store.outbox.counts(webhook.org, webhook.id)) for webhook in seen]
        return render_webhooks(items, access, request.app.settings.webhook_delivery == "on")

    return await answer(request, make)


async def create_webhook(request: Request) -> Reply:
    """A new endpoint with its secret."""
    store, access = request.app.store, request.granted
    wanted = parse_new(access, request.body, _now())
    check_address(request, wanted.url)

    def make() -> bytes:
        webhook, secret = store.webhooks.add(wanted)
        return render_webhook(webhook, Counts(0, 0), access, secret)

    return await answer(request, make, 201)


async def get_webhook(request: Request) -> Reply:
    """One endpoint; ``NotFound``."""
    return await answer(request, lambda: shown_webhook(request, found(request)))


async def change_webhook(request: Request) -> Reply:
    """An endpoint with some fields changed."""
    given = parse_change(request.granted, request.body)
    if "url" in given:
        check_address(request, given["url"])

    def make() -> bytes:
        store, now = request.app.store, _now()
        return shown_webhook(request, store.webhooks.change(found(request).id, lambda w: changed(w, given, now)))

    return await answer(request, make)


async def remove_webhook(request: Request) -> Reply:
    """Remove an endpoint and its waiting events."""

    def make() -> bytes:
        request.app.store.webhooks.remove(found(request).id)
        return b""

    await answer(request, make)
    return Reply(204)


async def rotate_secret(request: Request) -> Reply:
    """A new secret; for a time the old one remains valid too."""
    grace = parse_grace(request.body)

    def make() -> bytes:
        webhook, secret = request.app.store.webhooks.rotate(found(request).id, grace)
        return shown_webhook(request, webhook, secret)

    return await answer(request, make)


async def try_webhook(request: Request) -> Reply:
    """Send a test and return the result."""
    webhook = await request.app.workers.run(lambda: found(request), org=request.granted.org.no)
    allowed = allowed_by(request.app.settings.webhook_allow)

    def trial() -> bytes:
        with Poster(allowed) as poster:
            event, posted, milliseconds = send_test(request.app.store, webhook, poster)
        return render_trial(event, posted.status, posted.error, milliseconds)

    async with _trials:
        # Not in a worker thread: those are needed for reading archives while a receiver takes its time.
        return Reply(200, await asyncio.to_thread(trial), (NO_STORE,))


async def list_of_webhook(request: Request) -> Reply:
    """A page of an endpoint's deliveries."""
    values = first_values(request.query)

    def make() -> bytes:
        webhook = found(request)
        state, before, limit, filters = parse_deliveries(values, webhook.id)
        page = request.app.store.ask(webhook.org, lambda r: list_deliveries(r, webhook.id, state, before, limit))
        return render_deliveries(page.items, {webhook.id: webhook}, page.more, filters)

    return await answer(request, make)


async def list_parked(request: Request) -> Reply:
    """A page of parked events, for all endpoints that the token may see."""
    store, access, values = request.app.store, request.granted, first_values(request.query)
    _, before, limit, filters = parse_deliveries({**values, "state": "parked"}, "")

    def make() -> bytes:
        seen = {w.id: w for w in store.webhooks.of(access.org.no) if is_visible(w, access)}

        def question(reading: Reading) -> bytes:
            pages = [list_deliveries(reading, id, PARKED, before, limit) for id in seen]
            items = sorted(
                (item for page in pages for item in page.items),
                key=lambda item: (item.delivery.event.no, item.delivery.webhook),
                reverse=True,
            )
            # Deliveries of one event stay together: the cursor is the event's number.
            last = items[min(limit, len(items)) - 1].delivery.event.no if items else NEWEST
            some = [item for item in items if item.delivery.event.no >= last]
            more = len(items) > len(some) or any(page.more for page in pages)
            return render_deliveries(some, seen, more, filters)

        return store.ask(access.org.no, question)

    return await answer(request, make)


async def redeliver(request: Request) -> Reply:
    """Queue one event again."""
    event = parse_event(request.path_params["event"])

    def make() -> bytes:
        webhook = found(request)
        delivery = request.app.store.outbox.redeliver(webhook.org, webhook.id, event)
        (item,) = request.app.store.ask(webhook.org, lambda reading: shown(reading, [delivery]))
        return render_delivery(item, webhook.format)

    return await answer(request, make, 202)


async def redeliver_parked(request: Request) -> Reply:
    """Queue all parked events again."""

    def make() -> bytes:
        webhook = found(request)
        queued, more = request.app.store.outbox.redeliver_parked(webhook.org, webhook.id)
        return f'{{"queued":{queued},"more":{"true" if more else "false"}}}'.encode()

    return await answer(request, make, 202)


def _now() -> int:
    return time.time_ns() // 1000


ID = Param(name="id", where="path", required=True, example="whk1x0000000000000000", description="The webhook's id.")
EVENT = Param(name="event", where="path", required=True, example="evt_0123456789abcdef01234567")
STATE = Param(name="state", choices=("waiting", "delivered", "parked", "dropped"), description="Only these.")
CURSOR = Param(name="cursor", description="`next` from the previous answer, to continue from there.")
LIMIT = Param(
    name="limit", type="integer", default=50, minimum=1, maximum=200, description="Maximum number of rows to return."
)


def route(
    method: str,
    path: str,
    summary: str,
    handler: Handler,
    status: int,
    schema: str | None,
    *params: Param,
    body: Answer | None = None,
    description: str = "",
) -> Route:
    """A route for managers only."""
    return Route(
        method=method,
        path=path,
        dialect="backscroll",
        summary=summary,
        description=description,
        handler=handler,
        scope="admin",
        params=params,
        body="bytes" if body else "none",
        accepts=body,
        answers={status: Answer(description="OK", schema=schema and f"backscroll.{schema}")},
        errors=(401, 403, 404, 409, 422, 429) if body else (401, 403, 404, 422, 429),
        tag=TAG,
    )


def json_body(description: str, example: dict[str, object], *required: str) -> Answer:
    """A JSON object that a route accepts."""
    schema = {"type": "object", "required": list(required)} if required else {"type": "object"}
    return Answer(description=description, schema=schema, example=example)


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        "/api/webhooks",
        "List webhooks",
        list_webhooks,
        200,
        "Webhooks",
        description="Includes the event types that a webhook of each format may subscribe to.",
    ),
    route(
        "POST",
        "/api/webhooks",
        "Create a webhook",
        create_webhook,
        201,
        "NewWebhook",
        body=json_body(
            "The address, the event types and the format",
            {"url": "https://example.com/hook", "types": ["message.created"], "format": "native", "phones": None},
            "url",
        ),
        description="Its secret is only in this answer. It receives events from now on.",
    ),
    route(
        "GET", "/api/webhooks/parked", "List what could not be delivered", list_parked, 200, "Deliveries", LIMIT, CURSOR
    ),
    route("GET", "/api/webhooks/{id}", "Show a webhook", get_webhook, 200, "Webhook", ID),
    route(
        "PATCH",
        "/api/webhooks/{id}",
        "Change a webhook",
        change_webhook,
        200,
        "Webhook",
        ID,
        body=json_body("The fields to change", {"enabled": False}),
    ),
    route("DELETE", "/api/webhooks/{id}", "Remove a webhook", remove_webhook, 204, None, ID),
    route(
        "POST",
        "/api/webhooks/{id}/rotate",
        "Give a webhook a new secret",
        rotate_secret,
        200,
        "NewWebhook",
        ID,
        body=json_body("How long the old secret remains valid beside the new one", {"grace_hours": 24}),
    ),
    route("POST", "/api/webhooks/{id}/test", "Send a test", try_webhook, 200, "WebhookTrial", ID),
    route(
        "GET",
        "/api/webhooks/{id}/deliveries",
        "List deliveries of events",
        list_of_webhook,
        200,
        "Deliveries",
        ID,
        STATE,
        LIMIT,
        CURSOR,
    ),
    route(
        "POST",
        "/api/webhooks/{id}/deliveries/{event}/redeliver",
        "Deliver an event again",
        redeliver,
        202,
        "Delivery",
        ID,
        EVENT,
    ),
    route(
        "POST",
        "/api/webhooks/{id}/redeliver",
        "Deliver all parked events again",
        redeliver_parked,
        202,
        "Requeued",
        ID,
        description="At most 10,000 events at a time; `more` says whether there are others.",
    ),
)
