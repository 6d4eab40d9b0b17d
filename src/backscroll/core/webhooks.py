"""Outbound webhooks: event types, endpoints, and deliveries. Times are microseconds UTC."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from typing import Literal

from msgspec import Struct, structs

from backscroll.core.answers import ErasedMessage, Surroundings
from backscroll.core.model import ArchivedMessage, Chat, Contact, Phone, Reaction

Format = Literal["native", "periskope"]
State = Literal["waiting", "delivered", "parked", "dropped"]
STATES: tuple[State, ...] = ("waiting", "delivered", "parked", "dropped")
"""In the order of the numbers stored in the database."""

EVENT_TYPES = (
    "message.created",
    "message.updated",
    "message.deleted",
    "message.erased",
    "message.ack.updated",
    "reaction.created",
    "reaction.updated",
    "chat.created",
    "chat.updated",
    "chat.notification.created",
    "contact.updated",
    "phone.updated",
    "phone.connected",
    "phone.disconnected",
    "source.silent",
    "source.recovered",
    "message.flagged",
    "message.unflagged",
    "message.ticket.attached",
)
"""Native names. Their positions are bits in ``heads.hooks``, so new ones go to the end."""
ALL = "*"
SECRET_PREFIX = "whsec_"  # noqa: S105 -- what every secret begins with, as in Standard Webhooks
TEST = "webhook.test"
"""Sent on demand and never subscribed to."""

_PERISKOPE = {
    "phone.updated": "org.phone.updated",
    "phone.connected": "org.phone.connected",
    "phone.disconnected": "org.phone.disconnected",
}
_NATIVE_ONLY = frozenset({"message.erased", "contact.updated", "source.silent", "source.recovered"})
PERISKOPE_TYPES = tuple(_PERISKOPE.get(type, type) for type in EVENT_TYPES if type not in _NATIVE_ONLY)
"""Events of Periskope that an archive can produce."""
PERISKOPE_UNKNOWN = (
    "ticket.created",
    "ticket.updated",
    "ticket.deleted",
    "note.created",
    "org.phone.qr",
    "chat.custom_properties.updated",
)
"""Events that programs for Periskope also subscribe to; they never occur here."""

IMPORTS = 1 << 40
"""The bit in ``heads.hooks`` which says that some endpoint also wants events of imported history."""
_BITS = {type: 1 << at for at, type in enumerate(EVENT_TYPES)}


def bit_of(type: str) -> int:
    """The bit of a native event type."""
    return _BITS[type]


def shown_type(type: str, format: Format) -> str:
    """The name of a native event type in a format."""
    return _PERISKOPE.get(type, type) if format == "periskope" else type


def types_of(format: Format) -> tuple[str, ...]:
    """The event types that endpoints of this format may subscribe to, under its own names."""
    return EVENT_TYPES if format == "native" else (*PERISKOPE_TYPES, *PERISKOPE_UNKNOWN)


def wanted_bits(types: Iterable[str], format: Format) -> int:
    """The bits of the subscribed event types, given under the names of a format."""
    wanted = set(types)
    sendable = (type for type in EVENT_TYPES if format == "native" or type not in _NATIVE_ONLY)
    return sum(_BITS[type] for type in sendable if ALL in wanted or shown_type(type, format) in wanted)


class OutboxEvent(Struct, frozen=True, kw_only=True):
    """An event, written in the same transaction as the change. It holds no text: the body is read at the time of
    sending.

    ``phone``, ``chat`` and ``message`` are numbers, 0 for none; ``ref`` is what the type needs besides.
    """

    no: int
    type: str
    at: int
    phone: int = 0
    chat: int = 0
    message: int = 0
    ref: str | None = None
    imported: bool = False


class Subscription(Struct, frozen=True, kw_only=True):
    """One event type of an endpoint, as Periskope's API counts webhooks."""

    id: str
    integration_id: str
    type: str
    subscribed: bool = True
    subscribed_at: int = 0
    name: str | None = None


class Webhook(Struct, frozen=True, kw_only=True):
    """A receiver of events. ``phones`` are values of ``Phone.no``, None for all."""

    org: int
    id: str
    name: str | None
    url: str
    format: Format
    types: tuple[str, ...]
    phones: tuple[int, ...] | None = None
    imports: bool = False
    enabled: bool = True
    subscriptions: tuple[Subscription, ...] = ()
    """Only for the format ``periskope``; ``types`` are those that are subscribed to."""
    created_at: int = 0
    changed_at: int = 0
    previous_secret_until: int | None = None
    position: int = 0
    """Events up to this number have been queued for it, or do not concern it."""
    failures: int = 0
    """Number of failed attempts since the last successful one."""
    failing_since: int | None = None
    retry_at: int = 0
    """The earliest time of the next attempt for a receiver that keeps failing."""
    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_error: str | None = None

    @property
    def bits(self) -> int:
        """The events that it wants, as bits of ``heads.hooks``; none while it is off."""
        return wanted_bits(self.types, self.format) | (IMPORTS if self.imports else 0) if self.enabled else 0

    def concerns(self, event: OutboxEvent, wanted: int) -> bool:
        """Whether an event is to be sent to it; ``wanted`` are its ``bits``."""
        if not wanted & _BITS.get(event.type, 0) or (event.imported and not self.imports):
            return False
        return event.no > self.position and (self.phones is None or event.phone in self.phones)


class Secrets(Struct, frozen=True):
    """The secrets for signing requests to an endpoint; ``previous`` is included while it is still valid."""

    secret: str
    previous: str | None = None


class Delivery(Struct, frozen=True, kw_only=True):
    """The delivery of an event to an endpoint."""

    webhook: str
    event: OutboxEvent
    id: str
    """Id of the event, the same with each repeat."""
    state: State
    attempts: int
    last_attempt_at: int | None
    next_attempt_at: int | None
    status: int | None
    error: str | None


class QuietSource(Struct, frozen=True):
    """A source that is or was silent. ``silent_since`` None: it is heard again."""

    id: str
    kind: str
    last_event_at: int | None
    silent_since: int | None
    silent_after: int | None


class WebhookEvent(Struct, frozen=True, kw_only=True):
    """An event with its object in the current state."""

    event: OutboxEvent
    id: str
    phone: Phone | None = None
    chat_jid: str | None = None
    message: ArchivedMessage | None = None
    reaction: Reaction | None = None
    chat: Chat | None = None
    contact: Contact | None = None
    erased: ErasedMessage | None = None
    source: QuietSource | None = None
    around: Surroundings | None = None
    """Of the message."""


class Counts(Struct, frozen=True):
    """Deliveries of an endpoint, counted up to ``MAX_COUNT``."""

    waiting: int
    parked: int


MAX_COUNT = 10_000
MAX_WEBHOOKS = 50
"""Endpoints of one organisation."""


def mask_of(webhooks: Collection[Webhook]) -> int:
    """The bits for ``heads.hooks``: the events that any endpoint of an organisation wants."""
    mask = 0
    for webhook in webhooks:
        mask |= webhook.bits
    return mask


def with_subscriptions(webhook: Webhook, subscriptions: tuple[Subscription, ...]) -> Webhook:
    """An endpoint of Periskope's format that has these rows."""
    types = tuple(dict.fromkeys(row.type for row in subscriptions if row.subscribed))
    return structs.replace(webhook, subscriptions=subscriptions, types=types)


def resubscribed(webhook: Webhook, types: tuple[str, ...], now: int) -> Webhook:
    """An endpoint that wants these types. In Periskope's format each has a row, which is kept with its type."""
    if webhook.format == "native":
        return structs.replace(webhook, types=types)
    wanted = PERISKOPE_TYPES if ALL in types else types
    known = {row.type: row for row in webhook.subscriptions}
    integration = next((row.integration_id for row in webhook.subscriptions), str(uuid.uuid4()))
    made = [
        structs.replace(known[type], subscribed=True)
        if type in known
        else Subscription(id=str(uuid.uuid4()), integration_id=integration, type=type, subscribed_at=now)
        for type in wanted
    ]
    return with_subscriptions(webhook, tuple(made))
