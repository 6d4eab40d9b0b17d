"""Events as Periskope's webhooks send them: its envelope around the objects of its events."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from backscroll.core.model import Access
from backscroll.core.webhooks import TEST, Happened, shown_type
from backscroll.dialects.links import Links
from backscroll.dialects.periskope.events import message_body, reaction_body
from backscroll.dialects.periskope.messages import prev_text
from backscroll.dialects.periskope.objects import notification_object, render_chat, render_phone
from backscroll.formats.jsontext import encode
from backscroll.formats.timestamps import postgres_text


def render_event(happened: Happened, access: Access, links: Links) -> bytes:
    """The body of a request. JavaScript that parses and serialises it again gets the same bytes, which some programs
    sign.
    """
    event = happened.event
    return _envelope(
        shown_type(event.type, "periskope"),
        Raw(_data(happened, access, links)),
        access,
        previous_attributes(happened),
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


def _data(happened: Happened, access: Access, links: Links) -> bytes:
    message = happened.message
    if message is not None:
        if happened.reaction is not None:
            return reaction_body(happened.reaction, message, access)
        if happened.event.type == "chat.notification.created":
            return encode(notification_object(message, access))
        return message_body(message, access, links)
    if happened.chat is not None:
        return render_chat(happened.chat, access, links)
    assert happened.phone is not None, "all other events are about a phone"
    return render_phone(happened.phone, access)


def previous_attributes(happened: Happened) -> dict[str, Any]:
    """The earlier values of the object, as far as the archive knows them."""
    event, message = happened.event, happened.message
    if message is None:
        return {}
    if event.type == "message.updated" and event.ref == "body":
        return {"body": prev_text(message)}
    if event.type == "message.ack.updated" and event.ref is not None:
        return {"ack": event.ref}
    return {"is_deleted": None} if event.type == "message.deleted" else {}
