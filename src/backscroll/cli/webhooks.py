"""``backscroll webhook``: receivers of events, and the delivery status of each event."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    SECOND,
    UNITS,
    Commands,
    Failure,
    json_option,
    open_archive,
    org_of,
    org_option,
    owners_of,
    phone_of,
    settings_of,
    shared_options,
    show,
    show_rows,
    timestamp,
)
from backscroll.core.errors import BadField, NotFound
from backscroll.core.text import counted
from backscroll.core.webhooks import ALL, STATES, Delivery, Webhook, resubscribed, shown_type, types_of

if TYPE_CHECKING:
    from backscroll.core.model import Org
    from backscroll.storage.store import Store

MIN_SECRET = 16
MAX_SHOWN = 1000


@click.group(cls=Commands)
def webhook() -> None:
    """Webhooks: addresses that receive events, signed, in order, and repeated until they are accepted."""


@webhook.command("add")
@click.argument("address", metavar="URL")
@org_option
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only these events; all by default.")
@click.option(
    "--phone", "phones", multiple=True, metavar="NUMBER", help="Only events of these phones of yours; all by default."
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(("native", "periskope")),
    default="native",
    show_default=True,
    help="Format of the requests.",
)
@click.option("--name", metavar="TEXT", help="What the webhook is for.")
@click.option("--secret", metavar="TEXT", help="Secret for signing requests; one is created by default.")
@click.option(
    "--imports", is_flag=True, help="Also send events about history: imports, and messages older than a week."
)
@json_option
@shared_options
@click.pass_context
def add_webhook(
    ctx: click.Context,
    address: str,
    org: str | None,
    types: tuple[str, ...],
    phones: tuple[str, ...],
    shape: str,
    name: str | None,
    secret: str | None,
    imports: bool,
    as_json: bool,
) -> None:
    """Add the address URL and print the secret for verifying requests.

    \b
    Example:
      backscroll webhook add https://example.com/hook --type message.created
    """
    from backscroll.outbound.addresses import allowed_by, check_url

    settings = settings_of(ctx)
    check_url(address, "URL", allowed_by(settings.webhook_allow))
    if secret is not None and not re.fullmatch(r"[\x21-\x7e]+", secret):
        raise BadField("--secret", None, "use ASCII characters without spaces")
    if secret is not None and len(secret) < MIN_SECRET:
        raise BadField("--secret", None, f"give at least {MIN_SECRET} characters, or leave it out to have one created")
    with open_archive(settings) as archive:
        owner = org_of(archive.store, org)
        numbers = tuple(phone_of(archive.store, owner, number).no for number in phones)
        wanted = Webhook(
            org=owner.no,
            id="",
            name=name,
            url=address,
            format="periskope" if shape == "periskope" else "native",
            types=(),
            phones=numbers or None,
            imports=imports,
        )
        wanted = resubscribed(wanted, _types(types, wanted), time.time_ns() // 1000)
        made, key = archive.store.webhooks.add(wanted, secret)
        row = _row(archive.store, made, owner) | {"secret": key}
    show(row, as_json, lambda: _told(row, secret is None))


def _types(types: tuple[str, ...], wanted: Webhook) -> tuple[str, ...]:
    known = types_of(wanted.format)
    odd = [type for type in types if type not in (ALL, *known)]
    if odd:
        raise BadField("--type", odd[0], f"must be one of {', '.join(known)}")
    return types or (ALL,)


def _told(row: dict[str, Any], is_made: bool) -> str:
    lines = [f"{name:8} {row[name]}" for name in ("id", "url", "secret")]
    if is_made:
        lines += [
            "",
            "Keep the secret now: it is not shown again. docs/webhooks.md explains how to verify requests with it.",
        ]
    return "\n".join(lines)


def _row(store: Store, webhook: Webhook, owner: Org) -> dict[str, Any]:
    counts = store.outbox.counts(webhook.org, webhook.id)
    numbers = {phone.no: phone.number for phone in store.list_phones(webhook.org)}
    return {
        "id": webhook.id,
        "org": owner.name,
        "name": webhook.name,
        "url": webhook.url,
        "format": webhook.format,
        "types": list(webhook.types),
        "phones": None if webhook.phones is None else [numbers.get(no, "?") for no in webhook.phones],
        "imports": webhook.imports,
        "state": "off" if not webhook.enabled else "failing" if webhook.failures else "ok",
        "failing_since": timestamp(webhook.failing_since),
        "last_success_at": timestamp(webhook.last_success_at),
        "last_error": webhook.last_error,
        "waiting": counts.waiting,
        "parked": counts.parked,
        "created_at": timestamp(webhook.created_at),
    }


@webhook.command("list")
@org_option
@json_option
@shared_options
@click.pass_context
def list_webhooks(ctx: click.Context, org: str | None, as_json: bool) -> None:
    """List webhooks with the number of waiting events, without their secrets.

    \b
    Example:
      backscroll webhook list --json
    """
    with open_archive(settings_of(ctx)) as archive:
        owners = owners_of(archive.store, org)
        rows = [_row(archive.store, found, o) for o in owners for found in archive.store.webhooks.of(o.no)]
    shown = ("id", "url", "format", "state", "waiting", "parked", "last_success_at")
    show_rows(rows, as_json, "There is no webhook yet; add one with: backscroll webhook add URL", shown)


@webhook.command("test")
@click.argument("webhook_id", metavar="ID")
@json_option
@shared_options
@click.pass_context
def test_webhook(ctx: click.Context, webhook_id: str, as_json: bool) -> None:
    """Send a signed test event to the webhook ID, and show the answer.

    \b
    Example:
      backscroll webhook test WEBHOOK_ID
    """
    from backscroll.jobs.sending import send_test
    from backscroll.outbound.addresses import allowed_by
    from backscroll.outbound.posting import Poster

    settings = settings_of(ctx)
    with open_archive(settings) as archive, Poster(allowed_by(settings.webhook_allow)) as poster:
        found = archive.store.webhooks.find(webhook_id)
        event, posted, milliseconds = send_test(archive.store, found, poster)
    if posted.error is not None:
        raise Failure(f"{found.url}: {posted.error}. See docs/webhooks.md")
    row = {"id": webhook_id, "ok": True, "status": posted.status, "milliseconds": milliseconds, "event": event}
    show(row, as_json, lambda: f"{found.url} answered {posted.status} after {milliseconds} ms.")


@webhook.command("rotate")
@click.argument("webhook_id", metavar="ID")
@click.option(
    "--grace", default="24h", show_default=True, metavar="SPAN", help="How long the old secret remains valid."
)
@json_option
@shared_options
@click.pass_context
def rotate_secret(ctx: click.Context, webhook_id: str, grace: str, as_json: bool) -> None:
    """Give the webhook ID a new secret. During the grace period requests carry signatures with both.

    \b
    Example:
      backscroll webhook rotate WEBHOOK_ID --grace 48h
    """
    match = re.fullmatch(r"0|([1-9][0-9]{0,3})([mhdw])", grace)
    if match is None:
        raise BadField("--grace", grace, "give a duration such as 24h or 2d, or 0 if the old secret has leaked")
    span = int(match[1]) * UNITS[match[2]] * SECOND if match[1] else 0
    with open_archive(settings_of(ctx)) as archive:
        found, secret = archive.store.webhooks.rotate(webhook_id, span)
    until = timestamp(found.previous_secret_until)
    row = {"id": webhook_id, "secret": secret, "previous_secret_until": until}
    rest = f"The old one is valid until {until}." if until else "The old one is no longer valid."
    show(row, as_json, lambda: f"secret   {secret}\n\nKeep it now: it is not shown again. {rest}")


@webhook.command("remove")
@click.argument("webhook_id", metavar="ID")
@json_option
@shared_options
@click.pass_context
def remove_webhook(ctx: click.Context, webhook_id: str, as_json: bool) -> None:
    """Remove the webhook ID and its waiting events.

    \b
    Example:
      backscroll webhook remove WEBHOOK_ID
    """
    with open_archive(settings_of(ctx)) as archive:
        archive.store.webhooks.remove(webhook_id)
    show({"id": webhook_id, "removed": True}, as_json, lambda: f"Removed webhook {webhook_id}.")


@webhook.command("deliveries")
@click.argument("webhook_id", metavar="ID")
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_SHOWN), default=50, show_default=True, help="Maximum number of rows to show."
)
@json_option
@shared_options
@click.pass_context
def list_deliveries(ctx: click.Context, webhook_id: str, state: str | None, limit: int, as_json: bool) -> None:
    """List the delivery status of the events for the webhook ID, newest first.

    \b
    Example:
      backscroll webhook deliveries WEBHOOK_ID --state parked
    """
    with open_archive(settings_of(ctx)) as archive:
        found = archive.store.webhooks.find(webhook_id)
        rows = _deliveries(archive.store, found, state, limit)
    _show_deliveries(rows, as_json)


@webhook.command("parked")
@org_option
@click.option(
    "--limit", type=click.IntRange(1, MAX_SHOWN), default=50, show_default=True, help="Maximum number of rows to show."
)
@json_option
@shared_options
@click.pass_context
def list_parked(ctx: click.Context, org: str | None, limit: int, as_json: bool) -> None:
    """List events that were not accepted for three days, newest first.

    \b
    Example:
      backscroll webhook parked
    """
    with open_archive(settings_of(ctx)) as archive:
        known = [found for owner in owners_of(archive.store, org) for found in archive.store.webhooks.of(owner.no)]
        rows = [row for found in known for row in _deliveries(archive.store, found, "parked", limit)]
    _show_deliveries(sorted(rows, key=lambda row: str(row["created_at"]), reverse=True)[:limit], as_json)


def _deliveries(store: Store, found: Webhook, state: str | None, limit: int) -> list[dict[str, Any]]:
    from backscroll.storage.read.webhook_events import list_deliveries as listed

    number = None if state is None else STATES.index(state)
    page = store.ask(found.org, lambda reading: listed(reading, found.id, number, 2**62, limit))
    return [_delivery(item.delivery, found) for item in page.items]


def _delivery(delivery: Delivery, found: Webhook) -> dict[str, Any]:
    return {
        "webhook": found.id,
        "event": delivery.id,
        "type": shown_type(delivery.event.type, found.format),
        "state": delivery.state,
        "attempts": delivery.attempts,
        "created_at": timestamp(delivery.event.at),
        "next_attempt_at": timestamp(delivery.next_attempt_at),
        "status": delivery.status,
        "error": delivery.error,
    }


def _show_deliveries(rows: list[dict[str, Any]], as_json: bool) -> None:
    shown = ("webhook", "event", "type", "state", "attempts", "created_at", "error")
    show_rows(rows, as_json, "There are none.", shown)


@webhook.command("redeliver")
@click.argument("webhook_id", metavar="ID")
@click.argument("event", required=False)
@click.option("--parked", is_flag=True, help="All parked events.")
@json_option
@shared_options
@click.pass_context
def redeliver(ctx: click.Context, webhook_id: str, event: str | None, parked: bool, as_json: bool) -> None:
    """Queue an EVENT of the webhook ID again, or all parked events. The running server sends them.

    \b
    Example:
      backscroll webhook redeliver WEBHOOK_ID --parked
    """
    if (event is None) == (not parked):
        raise BadField("EVENT", event, "name one event, or give --parked for all parked events")
    with open_archive(settings_of(ctx)) as archive:
        found = archive.store.webhooks.find(webhook_id)
        queued = 0
        if event is not None:
            try:
                archive.store.outbox.redeliver(found.org, found.id, event)
            except NotFound:
                raise Failure(f"{event} is not stored for this webhook; see: webhook deliveries {found.id}") from None
            queued = 1
        more = parked
        while more:
            count, more = archive.store.outbox.redeliver_parked(found.org, found.id)
            queued += count
    show({"id": webhook_id, "queued": queued}, as_json, lambda: f"Queued {counted(queued, 'event')}.")
