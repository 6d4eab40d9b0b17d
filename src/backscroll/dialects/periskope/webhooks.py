"""Webhooks as in Periskope's API: one row for each event type; several rows share an integration."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from backscroll.core.errors import BadField, NotFound
from backscroll.core.ids import clean_text
from backscroll.core.model import Access
from backscroll.core.webhooks import Subscription, Webhook, types_of, with_subscriptions
from backscroll.formats.jsontext import encode
from backscroll.formats.timestamps import postgres_text


class Row(NamedTuple):
    """A row of Periskope's table of webhooks: an endpoint, and one thing that it subscribed to."""

    webhook: Webhook
    subscription: Subscription


class _Created(Struct, frozen=True, rename="camel"):
    """Other fields are specific to Periskope and are ignored here."""

    hook_url: str
    integration_name: str | tuple[str, ...]
    name: str | None = None


class _Updated(Struct, frozen=True, rename="camel"):
    hook_url: str | UnsetType = UNSET
    integration_name: str | UnsetType = UNSET
    is_subscribed: bool | UnsetType = UNSET
    name: str | UnsetType | None = UNSET


class Creation(Struct, frozen=True):
    """The rows to create for an address; ``is_list`` if the answer has to be a list."""

    url: str
    subscriptions: tuple[Subscription, ...]
    is_list: bool


class Update(Struct, frozen=True):
    """The new values of a row; None for those that stay unchanged."""

    url: str | None
    type: str | None
    subscribed: bool | None
    name: str | None


def parse_creation(body: bytes, now: int) -> Creation:
    """The content of ``POST /v1/webhooks``, with its address unchecked."""
    asked = _decoded(body, _Created)
    wanted = asked.integration_name
    names = (wanted,) if isinstance(wanted, str) else tuple(dict.fromkeys(wanted))
    if not names:
        raise BadField("integrationName", "[]", f"name one of {', '.join(types_of('periskope'))}")
    integration, name = str(uuid.uuid4()), _name(asked.name)
    made = tuple(
        Subscription(id=str(uuid.uuid4()), integration_id=integration, type=_known(type), subscribed_at=now, name=name)
        for type in names
    )
    return Creation(asked.hook_url, made, not isinstance(wanted, str))


def parse_update(body: bytes) -> Update:
    """The content of ``PATCH /v1/webhooks/{id}``."""
    asked = _decoded(body, _Updated)
    type = None if asked.integration_name is UNSET else _known(asked.integration_name)
    return Update(
        url=None if asked.hook_url is UNSET else asked.hook_url,
        type=type,
        subscribed=None if asked.is_subscribed is UNSET else asked.is_subscribed,
        name=None if asked.name is UNSET else _name(asked.name),
    )


def _decoded(body: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        told = str(error)
        field = next(
            (name for name in shape.__struct_encode_fields__ if f"`{name}`" in told or f"`$.{name}" in told), "body"
        )
        problem = f"{field} is missing" if "missing required" in told else f"{field} has the wrong type"
        raise BadField(field, None, problem) from None


def _known(type: str) -> str:
    if type not in types_of("periskope"):
        raise BadField("integrationName", type[:80], f"must be one of {', '.join(types_of('periskope'))}")
    return type


def _name(name: str | None) -> str | None:
    return clean_text(name)[0].strip()[:100] or None if name else None


# ---------------------------------------------------------------------- rows of endpoints


def rows_of(webhooks: Sequence[Webhook]) -> Iterator[Row]:
    """All rows of endpoints in Periskope's format, oldest endpoint first."""
    for webhook in webhooks:
        yield from (Row(webhook, subscription) for subscription in webhook.subscriptions)


def find_row(webhooks: Sequence[Webhook], id: str) -> Row:
    """The row with this id; raises ``NotFound``."""
    for row in rows_of(webhooks):
        if row.subscription.id == id:
            return row
    raise NotFound("webhook", id[:80])


def updated(subscription: Subscription, update: Update, now: int) -> Subscription:
    """A row with its new values."""
    after = subscription
    if update.type is not None:
        after = structs.replace(after, type=update.type)
    if update.name is not None:
        after = structs.replace(after, name=update.name)
    if update.subscribed is not None and update.subscribed != after.subscribed:
        after = structs.replace(after, subscribed=update.subscribed, subscribed_at=now)
    return after


def without(webhook: Webhook, id: str) -> Webhook:
    """An endpoint without a row."""
    return with_subscriptions(webhook, tuple(s for s in webhook.subscriptions if s.id != id))


def replaced(webhook: Webhook, row: Subscription) -> Webhook:
    """An endpoint in which the row with the same id is replaced."""
    return with_subscriptions(webhook, tuple(row if s.id == row.id else s for s in webhook.subscriptions))


def filtered(rows: Iterator[Row], values: Mapping[str, str]) -> list[Row]:
    """Rows that match the filters of ``GET /v1/webhooks``; unknown filters are ignored, as everywhere."""
    wanted = {name: values[name] for name in _FILTERS if values.get(name)}
    return [row for row in rows if all(_FILTERS[name](row) == value.lower() for name, value in wanted.items())]


_FILTERS: dict[str, Callable[[Row], str]] = {
    "integration_name": lambda row: row.subscription.type,
    "type": lambda row: "webhook",
    "is_subscribed": lambda row: str(_is_on(row)).lower(),
    "integration_id": lambda row: row.subscription.integration_id,
    "hook_url": lambda row: row.webhook.url.lower(),
}


def _is_on(row: Row) -> bool:
    webhook, subscription = row
    return webhook.enabled and subscription.subscribed


def render_rows(rows: Sequence[Row], access: Access, secret: str | None = None) -> bytes:
    """A bare array."""
    return encode([_row(row, access, secret) for row in rows])


def render_row(row: Row, access: Access, secret: str | None = None) -> bytes:
    """One row; with the signing key if it was just created."""
    return encode(_row(row, access, secret))


def _row(row: Row, access: Access, secret: str | None) -> dict[str, Any]:
    webhook, subscription = row
    shown = {
        "id": subscription.id,
        "subscribed_at": postgres_text(subscription.subscribed_at),
        "is_subscribed": _is_on(row),
        "integration_name": subscription.type,
        "integration_type": "webhook",
        "type": "webhook",
        "integration_metadata": {"id": webhook.id, "name": subscription.name},
        "org_id": access.org.id,
        "hook_url": webhook.url,
        "integration_id": subscription.integration_id,
    }
    return shown if secret is None else shown | {"signing_key": secret}
