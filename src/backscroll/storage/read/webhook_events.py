"""The objects of outbox events in their current state; the events themselves hold only numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.answers import ErasedMessage
from backscroll.core.model import ArchivedMessage, Phone, Reaction
from backscroll.core.webhooks import Delivery, OutboxEvent, QuietSource, WebhookEvent
from backscroll.storage.accounts.accounts import phones_of
from backscroll.storage.read.changes import messages_by_no
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.names import Reading
from backscroll.storage.read.surroundings import surroundings_of
from backscroll.storage.records.aspects import Erased
from backscroll.storage.records.identity import ContactRow
from backscroll.storage.records.rows import FROM_ME
from backscroll.storage.records.webhook_rows import delivery_of


class DeliveryPage(Struct, frozen=True):
    """Deliveries with the identity of each message; ``more`` if older ones follow."""

    items: list[ShownDelivery]
    more: bool


class ShownDelivery(Struct, frozen=True):
    """A delivery, and its message, phone and chat if they still exist."""

    delivery: Delivery
    phone: Phone | None
    chat_jid: str | None
    message: ArchivedMessage | None


def webhook_events(reading: Reading, queued: Sequence[tuple[str, OutboxEvent]]) -> list[WebhookEvent | None]:
    """Events with their ids, each with its object; None if that no longer exists."""
    return _WebhookEvents(reading, [event for _, event in queued]).all([id for id, _ in queued])


class _WebhookEvents:
    def __init__(self, reading: Reading, events: Sequence[OutboxEvent]) -> None:
        self._reading = reading
        self._events = events
        self._phones = reading.names.phones
        if any(event.type.startswith("phone.") for event in events):
            # Cached data about phones does not include whether they are connected now.
            self._phones = phones_of(reading.tx, reading.org)
        nos = {event.message for event in events if event.message and event.type != "message.erased"}
        self._messages = messages_by_no(reading, set(self._phones), nos)

    def all(self, ids: Sequence[str]) -> list[WebhookEvent | None]:
        """One for each event, in their order."""
        return [self._with_object(id, event) for id, event in zip(ids, self._events, strict=True)]

    def _with_object(self, id: str, event: OutboxEvent) -> WebhookEvent | None:
        phone = self._phones[event.phone].phone if event.phone in self._phones else None
        row = self._contact(event.chat)
        place: dict[str, Any] = {"event": event, "id": id, "phone": phone, "chat_jid": row.jid if row else None}
        subject, _, _ = event.type.partition(".")
        if event.type == "message.erased":
            about = self._erased(event, row) if phone else None
        elif event.message:
            about = self._about_message(event)
        elif subject == "source":
            about = self._about_source(event)
        elif subject == "phone":
            about = {} if phone else None
        elif subject == "chat":
            chat = Lists.of(self._reading).chat((event.phone,), row.jid) if row and phone else None
            about = {"chat": chat} if chat else None
        else:
            contact = Lists.of(self._reading).contact(tuple(self._phones), row.jid) if row else None
            about = {"contact": contact, "chat_jid": None} if contact else None
        return None if about is None else WebhookEvent(**(place | about))

    def _contact(self, contact: int) -> ContactRow | None:
        if not contact:
            return None
        try:
            return self._reading.names.contact_row(contact)
        except KeyError:
            return None

    def _about_message(self, event: OutboxEvent) -> dict[str, Any] | None:
        message = self._messages.get(event.message)
        if message is None:
            return None
        about: dict[str, Any] = {"message": message, "chat_jid": message.message.key.chat}
        if event.type.startswith("reaction."):
            actor = self._contact(int(event.ref or 0))
            if actor is None:
                return None
            standing = (reaction for reaction in message.reactions if reaction.sender == actor.jid)
            about["reaction"] = next(standing, Reaction(sender=actor.jid, emoji="", at=event.at))
        about["around"] = surroundings_of(self._reading, [message])
        return about

    def _erased(self, event: OutboxEvent, chat: ContactRow | None) -> dict[str, Any] | None:
        if event.ref is None:
            return None
        told = msgspec.json.decode(event.ref, type=Erased)
        erased = told.message
        if erased is None:
            # Of an event that an earlier version queued.
            sender, from_me = self._contact(told.sender), bool(told.flags & FROM_ME)
            if chat is None:
                return None
            erased = ErasedMessage(told.id, chat.jid, sender.jid if sender else None, from_me)
        return {"erased": erased, "chat_jid": erased.chat}

    def _about_source(self, event: OutboxEvent) -> dict[str, Any] | None:
        row = self._reading.tx.one("source_by_no", {"org": self._reading.org, "no": event.message})
        return None if row is None else {"source": QuietSource(*row)}


def list_deliveries(reading: Reading, webhook: str, state: int | None, before: int, limit: int) -> DeliveryPage:
    """Deliveries of an endpoint, newest first, of events before a number."""
    params: dict[str, Any] = {"org": reading.org, "webhook": webhook, "before": before, "limit": limit + 1}
    if state is None:
        rows = reading.tx.all("deliveries_before", params)
    else:
        rows = reading.tx.all("deliveries_in_state_before", params | {"state": state})
    return DeliveryPage(shown(reading, [delivery_of(row) for row in rows[:limit]]), len(rows) > limit)


def shown(reading: Reading, deliveries: Collection[Delivery]) -> list[ShownDelivery]:
    """Deliveries with their objects, as far as these still exist."""
    events = [delivery.event for delivery in deliveries]
    about = webhook_events(reading, [("", event) for event in events])
    phones = reading.names.phones
    return [
        ShownDelivery(
            delivery,
            phones[delivery.event.phone].phone if delivery.event.phone in phones else None,
            webhook_event.chat_jid if webhook_event else None,
            webhook_event.message if webhook_event else None,
        )
        for delivery, webhook_event in zip(deliveries, about, strict=True)
    ]
