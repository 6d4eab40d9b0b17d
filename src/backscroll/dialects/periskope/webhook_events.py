"""Events as Periskope's webhooks send them: its envelope around the objects of its events."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from backscroll.core.model import Access
from backscroll.core.webhooks import TEST, WebhookEvent, shown_type
from backscroll.dialects.links import Links
from backscroll.dialects.periskope.events import message_body, reaction_body
from backscroll.dialects.periskope.messages import prev_text
from backscroll.dialects.periskope.objects import notification_object, render_chat, render_phone
from backscroll.formats.jsontext import encode
from backscroll.formats.timestamps import postgres_text


def render_event(webhook_event: WebhookEvent, access: Access, links: Links) -> bytes:
    """The body of a request. JavaScript that parses and serialises it again gets the same bytes, which some programs
    sign.
    """
    event = webhook_event.event
    return _envelope(
        shown_type(event.type, "periskope"),
        Raw(_data(webhook_event, access, links)),
        access,
        previous_attributes(webhook_event),
        event.at,
    )


def _envelope(type: str, data: Any, access: Access, previous: dict[str, Any], at: int) -> bytes:
    return encode(
        {
            "event": type,
            "data": data,
            "org_id": access.org.id,
            "previous_attributes": previous,
            "timestamp": postgres_text(at),
            # Periskope uses this name in its event logs, and some receivers look for it.
            "event_type": type,
        }
    )


def render_test(access: Access, at: int) -> bytes:
    """The request that tests an endpoint."""
    return _envelope(TEST, {"message": "This is a test."}, access, {}, at)


def _data(webhook_event: WebhookEvent, access: Access, links: Links) -> bytes:
    message = webhook_event.message
    if message is not None:
        if webhook_event.reaction is not None:
            return reaction_body(webhook_event.reaction, message, access)
        if webhook_event.event.type == "chat.notification.created":
            return encode(notification_object(message, access))
        return message_body(message, access, links)
    if webhook_event.chat is not None:
        return render_chat(webhook_event.chat, access, links)
    assert webhook_event.phone is not None, "all other events are about a phone"
    return render_phone(webhook_event.phone, access)


def previous_attributes(webhook_event: WebhookEvent) -> dict[str, Any]:
    """The earlier values of the object, as far as the archive knows them."""
    event, message = webhook_event.event, webhook_event.message
    if message is None:
        return {}
    if event.type == "message.updated" and event.ref == "body":
        return {"body": prev_text(message)}
    if event.type == "message.ack.updated" and event.ref is not None:
        return {"ack": event.ref}
    return {"is_deleted": None} if event.type == "message.deleted" else {}
