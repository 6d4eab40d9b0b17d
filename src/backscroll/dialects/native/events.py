"""Webhook events in the native format: an envelope around the objects that the routes show."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from backscroll.core.answers import Surroundings
from backscroll.core.model import Access, ArchivedMessage, Phone
from backscroll.core.webhooks import TEST, QuietSource, WebhookEvent
from backscroll.dialects.links import Links
from backscroll.dialects.native.messages import erased_key, key_of, message_renderer, time_text
from backscroll.dialects.native.objects import chat_object, contact_object
from backscroll.dialects.periskope.webhook_events import previous_attributes
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import shown_jid

NOTHING = Surroundings(names={}, lids={}, quoted={}, sizes={})


def render_event(webhook_event: WebhookEvent, access: Access, links: Links) -> bytes:
    """The body of a request. ``seq`` rises from event to event of a chat."""
    event = webhook_event.event
    head = {
        "id": webhook_event.id,
        "type": event.type,
        "timestamp": time_text(event.at),
        "org_id": access.org.id,
        "seq": event.no,
        "phone": webhook_event.phone.number if webhook_event.phone else None,
        "chat_id": shown_jid(webhook_event.chat_jid) if webhook_event.chat_jid else None,
        "key": _key(webhook_event),
        "previous_attributes": previous_attributes(webhook_event),
    }
    return encode(head | {"data": _data(webhook_event, access, links)})


def render_test(access: Access, id: str, at: int) -> bytes:
    """The request that tests an endpoint."""
    head: dict[str, Any] = {"id": id, "type": TEST, "timestamp": time_text(at), "org_id": access.org.id, "seq": 0}
    head |= {"phone": None, "chat_id": None, "key": None, "previous_attributes": {}}
    return encode(head | {"data": {"message": "This is a test."}})


def _key(webhook_event: WebhookEvent) -> str | None:
    if webhook_event.message is not None:
        return key_of(webhook_event.message)
    if webhook_event.erased is not None and webhook_event.phone is not None:
        return erased_key(webhook_event.erased, webhook_event.phone)
    return None


def _data(webhook_event: WebhookEvent, access: Access, links: Links) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if webhook_event.message is not None:
        data["message"] = _message(webhook_event.message, webhook_event.around, access, links)
    if webhook_event.reaction is not None:
        reaction = webhook_event.reaction
        data["reaction"] = {
            "emoji": reaction.emoji,
            "sender": {"jid": shown_jid(reaction.sender), "name": reaction.sender_name},
            "from_me": reaction.from_me,
            "at": time_text(reaction.at),
        }
    if webhook_event.chat is not None:
        data["chat"] = chat_object(webhook_event.chat)
    if webhook_event.contact is not None:
        data["contact"] = contact_object(webhook_event.contact)
    if webhook_event.source is not None:
        data["source"] = source_object(webhook_event.source)
    if webhook_event.event.type.startswith("phone.") and webhook_event.phone is not None:
        data["phone"] = _phone(webhook_event.phone)
    return data


def _message(message: ArchivedMessage, around: Surroundings | None, access: Access, links: Links) -> Raw:
    return Raw(message_renderer(access, links, around or NOTHING)(message))


def _phone(phone: Phone) -> dict[str, Any]:
    return {
        "phone": phone.number,
        "jid": shown_jid(phone.jid),
        "phone_id": phone.phone_id,
        "device_id": phone.device_id,
        "name": phone.name,
        "state": phone.state,
    }


def source_object(source: QuietSource) -> dict[str, Any]:
    """A source that has become silent or is heard again. ``silent_after`` is in seconds."""
    return {
        "id": source.id,
        "kind": source.kind,
        "last_event_at": time_text(source.last_event_at),
        "silent_since": time_text(source.silent_since),
        "silent_after": None if source.silent_after is None else source.silent_after // 1_000_000,
    }
