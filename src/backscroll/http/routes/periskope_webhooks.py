"""Periskope's routes for webhooks: one row for each event type of an address."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import structs

from backscroll.core.model import Access
from backscroll.core.webhooks import Subscription, Webhook, with_subscriptions
from backscroll.dialects.links import first_values
from backscroll.dialects.native.webhooks import is_visible
from backscroll.dialects.parameters import Param
from backscroll.dialects.periskope.parameters import ID
from backscroll.dialects.periskope.webhooks import (
    Creation,
    Row,
    filtered,
    find_row,
    parse_creation,
    parse_update,
    render_row,
    render_rows,
    replaced,
    rows_of,
    updated,
    without,
)
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Handler, Route
from backscroll.outbound.addresses import allowed_by, check_url
from backscroll.storage.write.webhooks import Webhooks

TAG = "periskope: webhooks"


async def answer(request: Request, make: Callable[[], bytes], status: int = 200) -> Reply:
    """The result of ``make``, run in a worker thread."""
    body = await request.app.workers.run(make, org=request.granted.org.no, heavy=request.method != "GET")
    return Reply(status, body)


def seen(request: Request) -> list[Webhook]:
    """Endpoints in Periskope's format that the token may see."""
    webhooks = request.app.store.webhooks.of(request.granted.org.no)
    return [webhook for webhook in webhooks if webhook.format == "periskope" and is_visible(webhook, request.granted)]


async def list_webhooks(request: Request) -> Reply:
    """An array of all matching rows."""
    values = first_values(request.query)
    return await answer(request, lambda: render_rows(filtered(rows_of(seen(request)), values), request.granted))


async def get_webhook(request: Request) -> Reply:
    """One row; ``NotFound``."""
    return await answer(
        request, lambda: render_row(find_row(seen(request), request.path_params["id"]), request.granted)
    )


async def create_webhook(request: Request) -> Reply:
    """One row for each event type; rows of a known address share its key and its queue."""
    creation, access = parse_creation(request.body, _now()), request.granted
    check_url(creation.url, "hookUrl", allowed_by(request.app.settings.webhook_allow))

    def make() -> bytes:
        webhook, secret = _joined(request.app.store.webhooks, seen(request), creation, access)
        rows = [Row(webhook, subscription) for subscription in creation.subscriptions]
        return render_rows(rows, access, secret) if creation.is_list else render_row(rows[0], access, secret)

    return await answer(request, make, 201)


def _joined(webhooks: Webhooks, known: list[Webhook], creation: Creation, access: Access) -> tuple[Webhook, str | None]:
    for webhook in known:
        if webhook.url == creation.url:
            return webhooks.change(webhook.id, lambda w: _with(w, creation.subscriptions)), None
    phones = tuple(phone.no for phone in access.phones) if access.scoped else None
    made = Webhook(org=access.org.no, id="", name=None, url=creation.url, format="periskope", types=(), phones=phones)
    return webhooks.add(_with(made, creation.subscriptions))


def _with(webhook: Webhook, rows: tuple[Subscription, ...]) -> Webhook:
    return with_subscriptions(structs.replace(webhook, enabled=True), (*webhook.subscriptions, *rows))


async def update_webhook(request: Request) -> Reply:
    """A row with changed values; with another address it moves to that address's endpoint."""
    update, access = parse_update(request.body), request.granted
    if update.url is not None:
        check_url(update.url, "hookUrl", allowed_by(request.app.settings.webhook_allow))

    def make() -> bytes:
        webhooks, known = request.app.store.webhooks, seen(request)
        webhook, row = find_row(known, request.path_params["id"])
        after = updated(row, update, _now())
        if update.url is None or update.url == webhook.url:
            return render_row(Row(webhooks.change(webhook.id, lambda w: replaced(w, after)), after), access)
        if len(webhook.subscriptions) == 1:
            moved = webhooks.change(webhook.id, lambda w: replaced(structs.replace(w, url=update.url or w.url), after))
            return render_row(Row(moved, after), access)
        webhooks.change(webhook.id, lambda w: without(w, row.id))
        # The key with which a receiver verifies requests stays the same.
        _, secrets = webhooks.open(webhook.id)
        apart = structs.replace(webhook, url=update.url, subscriptions=(), enabled=True)
        made, _ = webhooks.add(with_subscriptions(apart, (after,)), secrets.secret)
        return render_row(Row(made, after), access)

    return await answer(request, make)


async def delete_webhook(request: Request) -> Reply:
    """Delete a row; the endpoint is deleted with its last row."""

    def make() -> bytes:
        webhooks = request.app.store.webhooks
        webhook, row = find_row(seen(request), request.path_params["id"])
        if len(webhook.subscriptions) == 1:
            webhooks.remove(webhook.id)
        else:
            webhooks.change(webhook.id, lambda w: without(w, row.id))
        return b""

    await answer(request, make)
    return Reply(204)


def _now() -> int:
    return time.time_ns() // 1000


def _route(
    method: str,
    path: str,
    summary: str,
    handler: Handler,
    status: int,
    schema: str | None,
    params: tuple[Param, ...] = (),
    example: dict[str, object] | None = None,
) -> Route:
    body = None if example is None else Answer(description="camelCase", schema={"type": "object"}, example=example)
    return Route(
        method=method,
        path=path,
        dialect="periskope",
        summary=summary,
        handler=handler,
        scope="admin",
        params=params,
        body="bytes" if body else "none",
        accepts=body,
        answers={status: Answer(description="OK", schema=schema and f"periskope.{schema}")},
        errors=(401, 403, 404, 409, 422, 429),
        tag=TAG,
    )


ROUTES: tuple[Route, ...] = (
    _route(
        "GET",
        "/v1/webhooks",
        "List webhooks",
        list_webhooks,
        200,
        "Webhooks",
        tuple(
            Param(name=name, description="Only rows with this value.")
            for name in ("integration_name", "type", "is_subscribed", "integration_id", "hook_url")
        ),
    ),
    _route("GET", "/v1/webhooks/{id}", "Show a webhook", get_webhook, 200, "Webhook", (ID,)),
    _route(
        "POST",
        "/v1/webhooks",
        "Subscribe to events",
        create_webhook,
        201,
        "CreatedWebhook",
        example={"hookUrl": "https://example.com/hook", "integrationName": ["message.created", "message.updated"]},
    ),
    _route(
        "PATCH",
        "/v1/webhooks/{id}",
        "Change a subscription",
        update_webhook,
        200,
        "Webhook",
        (ID,),
        example={"isSubscribed": False},
    ),
    _route("DELETE", "/v1/webhooks/{id}", "End a subscription", delete_webhook, 204, None, (ID,)),
)
