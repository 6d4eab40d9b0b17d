"""Webhooks, as the native API accepts and shows them. A secret is shown once, in the answer when it is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import UNSET, Struct, UnsetType, structs

from backscroll.core.errors import BadField, NotFound
from backscroll.core.ids import clean_text
from backscroll.core.model import Access, ArchivedMessage, Phone
from backscroll.core.webhooks import ALL, STATES, Counts, Delivery, Format, Webhook, resubscribed, shown_type, types_of
from backscroll.dialects.native.bodies import decoded
from backscroll.dialects.native.cursors import decode_cursor, encode_cursor
from backscroll.dialects.native.messages import key_of, time_text
from backscroll.dialects.native.requests import Values, parse_limit, parse_phone
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import shown_jid

MAX_NAME = 100
MAX_GRACE_HOURS = 168
HOUR_US = 3600 * 1_000_000
NEWEST = 2**62


class Shown(Protocol):
    """A delivery and the object that it is about."""

    @property
    def delivery(self) -> Delivery: ...
    @property
    def phone(self) -> Phone | None: ...
    @property
    def chat_jid(self) -> str | None: ...
    @property
    def message(self) -> ArchivedMessage | None: ...


class _New(Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    types: tuple[str, ...] = (ALL,)
    format: Literal["native", "periskope"] = "native"
    phones: tuple[str, ...] | None = None
    name: str | None = None
    imports: bool = False
    enabled: bool = True


class _Changed(Struct, frozen=True, forbid_unknown_fields=True):
    url: str | UnsetType = UNSET
    types: tuple[str, ...] | UnsetType = UNSET
    phones: tuple[str, ...] | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    imports: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class _Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    grace_hours: int = 24


def parse_new(access: Access, body: bytes, now: int) -> Webhook:
    """The requested endpoint, with its address unchecked. Raises ``BadField``, or ``NotFound`` for a phone without
    access.
    """
    asked = decoded(body, _New, '{"url": "https://example.com/hook", "types": ["message.created"]}')
    made = Webhook(
        org=access.org.no,
        id="",
        name=_name(asked.name),
        url=asked.url,
        format=asked.format,
        types=_types(asked.types, asked.format),
        phones=_phones(access, asked.phones),
        imports=asked.imports,
        enabled=asked.enabled,
    )
    return resubscribed(made, made.types, now)


def parse_change(access: Access, body: bytes) -> Mapping[str, Any]:
    """The fields to change."""
    asked = decoded(body, _Changed, '{"enabled": false}')
    given = {name: value for name, value in structs.asdict(asked).items() if value is not UNSET}
    if not given:
        raise BadField("body", None, f"must name what to change: {', '.join(_Changed.__struct_fields__)}")
    if "name" in given:
        given["name"] = _name(given["name"])
    if "phones" in given:
        given["phones"] = _phones(access, given["phones"])
    return given


def changed(webhook: Webhook, given: Mapping[str, Any], now: int) -> Webhook:
    """An endpoint with some fields changed."""
    rest = {name: value for name, value in given.items() if name != "types"}
    after = structs.replace(webhook, **rest)
    if "types" not in given:
        return after
    return resubscribed(after, _types(given["types"], webhook.format), now)


def parse_grace(body: bytes) -> int:
    """How long the old secret remains valid beside the new one, in microseconds."""
    asked = decoded(body or b"{}", _Rotation, '{"grace_hours": 24}')
    if not 0 <= asked.grace_hours <= MAX_GRACE_HOURS:
        raise BadField("grace_hours", str(asked.grace_hours), f"must be a whole number from 0 to {MAX_GRACE_HOURS}")
    return asked.grace_hours * HOUR_US


def _name(name: str | None) -> str | None:
    if name is None:
        return None
    clean = clean_text(name)[0].strip()
    if not 0 < len(clean) <= MAX_NAME:
        raise BadField("name", name[:80], f"must have 1 to {MAX_NAME} characters, or be null")
    return clean


def _types(types: Sequence[str], format: Format) -> tuple[str, ...]:
    known = types_of(format)
    odd = [type for type in types if type != ALL and type not in known]
    if odd or not types:
        raise BadField("types", odd[0][:80] if odd else None, f"must be {ALL}, or some of: {', '.join(known)}")
    return (ALL,) if ALL in types else tuple(type for type in known if type in types)


def _phones(access: Access, phones: Sequence[str] | None) -> tuple[int, ...] | None:
    """The phones of the endpoint: limited to those of the token, if it is limited."""
    if phones is None:
        return tuple(phone.no for phone in access.phones) if access.scoped else None
    if not phones:
        raise BadField("phones", "[]", "must name a phone, or be null for all of them")
    return tuple(dict.fromkeys(parse_phone(access, text).no for text in phones))


def is_visible(webhook: Webhook, access: Access) -> bool:
    """Whether a token may see and manage an endpoint: all of its phones are the token's."""
    if webhook.org != access.org.no:
        return False
    own = {phone.no for phone in access.phones}
    return not access.scoped or (webhook.phones is not None and set(webhook.phones) <= own)


def parse_event(id: str) -> str:
    """The id of an event; raises ``NotFound`` for anything that cannot be one."""
    if not id.startswith("evt_") or len(id) > 60:
        raise NotFound("event", id[:80])
    return id


# ---------------------------------------------------------------------- what is shown


def webhook_object(webhook: Webhook, counts: Counts, access: Access) -> dict[str, Any]:
    """An endpoint, without its secret."""
    numbers = {phone.no: phone.number for phone in access.phones}
    state = "off" if not webhook.enabled else "failing" if webhook.failures else "ok"
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "format": webhook.format,
        "types": webhook.types,
        "phones": None if webhook.phones is None else [numbers[no] for no in webhook.phones if no in numbers],
        "imports": webhook.imports,
        "enabled": webhook.enabled,
        "created_at": time_text(webhook.created_at),
        "changed_at": time_text(webhook.changed_at),
        "previous_secret_until": time_text(webhook.previous_secret_until),
        "state": state,
        "failing_since": time_text(webhook.failing_since),
        "last_success_at": time_text(webhook.last_success_at),
        "last_failure_at": time_text(webhook.last_failure_at),
        "last_error": webhook.last_error,
        "counts": {"waiting": counts.waiting, "parked": counts.parked},
    }


def render_webhooks(items: Sequence[tuple[Webhook, Counts]], access: Access, delivering: bool) -> bytes:
    """All endpoints, oldest first, and the event types that they may subscribe to."""
    shown = [webhook_object(webhook, counts, access) for webhook, counts in items]
    types = {"native": types_of("native"), "periskope": types_of("periskope")}
    return encode({"items": shown, "next": None, "total": len(shown), "types": types, "delivering": delivering})


def render_webhook(webhook: Webhook, counts: Counts, access: Access, secret: str | None = None) -> bytes:
    """One endpoint; with its secret if it was just created."""
    told = {} if secret is None else {"secret": secret}
    return encode(webhook_object(webhook, counts, access) | told)


def render_trial(event: str, status: int | None, error: str | None, milliseconds: int) -> bytes:
    """The result of a test."""
    told = {"ok": error is None, "status": status, "error": error, "milliseconds": milliseconds, "event": event}
    return encode(told)


def parse_deliveries(values: Values, webhook: str) -> tuple[int | None, int, int, Any]:
    """State, upper bound of the event number, limit and filters for a list of deliveries."""
    state = values.get("state")
    if state is not None and state not in STATES:
        raise BadField("state", state[:80], f"must be one of {', '.join(STATES)}")
    filters = ["deliveries", webhook, state]
    cursor = values.get("cursor")
    before = NEWEST if cursor is None else decode_cursor(cursor, int, filters)
    return None if state is None else STATES.index(state), before, parse_limit(values, 50), filters


def render_deliveries(items: Sequence[Shown], webhooks: Mapping[str, Webhook], more: bool, filters: Any) -> bytes:
    """A page of deliveries, newest first."""
    shown = [delivery_object(item, webhooks[item.delivery.webhook].format) for item in items]
    cursor = encode_cursor(items[-1].delivery.event.no, filters) if more and items else None
    return encode({"items": shown, "next": cursor})


def render_delivery(item: Shown, format: Format) -> bytes:
    """The delivery of an event."""
    return encode(delivery_object(item, format))


def delivery_object(item: Shown, format: Format) -> dict[str, Any]:
    """The delivery of an event; it contains no message text."""
    delivery = item.delivery
    return {
        "webhook": delivery.webhook,
        "event": delivery.id,
        "type": shown_type(delivery.event.type, format),
        "seq": delivery.event.no,
        "state": delivery.state,
        "phone": item.phone.number if item.phone else None,
        "chat_id": shown_jid(item.chat_jid) if item.chat_jid else None,
        "key": key_of(item.message) if item.message else None,
        "created_at": time_text(delivery.event.at),
        "attempts": delivery.attempts,
        "last_attempt_at": time_text(delivery.last_attempt_at),
        "next_attempt_at": time_text(delivery.next_attempt_at),
        "status": delivery.status,
        "error": delivery.error,
    }
