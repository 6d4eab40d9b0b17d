"""Rows of webhooks and of what is sent to them, as the rest of the store knows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from backscroll.core.webhooks import STATES, Delivery, OutboxEvent, Subscription, Webhook

_ENCODER = msgspec.json.Encoder()
_TYPES = msgspec.json.Decoder(tuple[str, ...])
_PHONES = msgspec.json.Decoder(tuple[int, ...])
_SUBSCRIPTIONS = msgspec.json.Decoder(tuple[Subscription, ...])
WAITING, DELIVERED, PARKED, DROPPED = range(len(STATES))


def webhook_of(org: int, row: Sequence[Any]) -> Webhook:
    """From the columns of ``list_webhooks``."""
    id, name, url, format, types, subscriptions, phones, imports, enabled, created_at, changed_at, until, *rest = row
    position, failures, failing_since, retry_at, last_success_at, last_failure_at, last_error = rest
    return Webhook(
        org=org,
        id=id,
        name=name,
        url=url,
        format=format,
        types=_TYPES.decode(types),
        phones=None if phones is None else _PHONES.decode(phones),
        imports=bool(imports),
        enabled=bool(enabled),
        subscriptions=() if subscriptions is None else _SUBSCRIPTIONS.decode(subscriptions),
        created_at=created_at,
        changed_at=changed_at,
        previous_secret_until=until,
        position=position,
        failures=failures,
        failing_since=failing_since,
        retry_at=retry_at,
        last_success_at=last_success_at,
        last_failure_at=last_failure_at,
        last_error=last_error,
    )


def values_of(webhook: Webhook) -> dict[str, Any]:
    """What is written of an endpoint, without its secrets and what became of its deliveries."""
    return {
        "org": webhook.org,
        "webhook": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "format": webhook.format,
        "types": _ENCODER.encode(webhook.types).decode(),
        "subscriptions": _ENCODER.encode(webhook.subscriptions).decode() if webhook.subscriptions else None,
        "phones": None if webhook.phones is None else _ENCODER.encode(webhook.phones).decode(),
        "imports": int(webhook.imports),
        "enabled": int(webhook.enabled),
        "position": webhook.position,
    }


def event_of(row: Sequence[Any]) -> OutboxEvent:
    """From event, type, at, phone, chat, message, ref and imported."""
    no, type, at, phone, chat, message, ref, imported = row
    return OutboxEvent(
        no=no, type=type, at=at, phone=phone, chat=chat, message=message, ref=ref, imported=bool(imported)
    )


def delivery_of(row: Sequence[Any]) -> Delivery:
    """From webhook, id, state, attempts, last_at, next_at, status and error, and then the event's columns."""
    webhook, id, state, attempts, last_at, next_at, status, error, *event = row
    return Delivery(
        webhook=webhook,
        event=event_of(event),
        id=id,
        state=STATES[state],
        attempts=attempts,
        last_attempt_at=last_at,
        next_attempt_at=next_at if state == WAITING else None,
        status=status,
        error=error,
    )
