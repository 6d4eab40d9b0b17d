"""GOWA's objects: messages, chats, devices, contacts, and the envelope around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, Literal

from msgspec import Struct

from backscroll.core.errors import NotFound
from backscroll.core.ids import clean_text, is_person, user_part
from backscroll.core.kinds import gowa_media_type
from backscroll.core.model import (
    NO_DETAILS,
    Access,
    ArchivedMessage,
    Chat,
    ChatPage,
    ContactPage,
    Message,
    Phone,
    PlainMessage,
    Reaction,
    Render,
    RenderedPage,
    Shown,
)
from backscroll.dialects.gowa.content import content_of, file_name
from backscroll.dialects.gowa.envelope import NEVER, chat_label, success
from backscroll.dialects.links import Links
from backscroll.formats.jsontext import encode_lines, escaped, go_json
from backscroll.formats.timestamps import go_text


class Options(Struct, frozen=True, kw_only=True):
    """``empty_values``: shown where there is no media: null, or the zero values that GOWA's code sends."""

    empty_values: Literal["null", "zero"] = "null"


class _Row(Struct, frozen=True, omit_defaults=True, gc=False):
    """A message as shown, with its keys in GOWA's order; the last two are present only if they have content."""

    id: str
    chat_jid: str
    sender_jid: str
    content: str
    timestamp: str
    is_from_me: bool
    media_type: str | None
    filename: str | None
    url: str | None
    file_length: int | None
    created_at: str
    updated_at: str
    sender_display_name: str
    reactions: list[dict[str, Any]] | None = None
    call_metadata: str | None = None


_ShownMedia = tuple[str | None, str | None, str | None, int | None]
"""Type, file name, address, size."""

_SHOWN_EMPTY: dict[str, _ShownMedia] = {"null": (None, None, None, None), "zero": ("", "", "", 0)}


_START_OF_MESSAGES = success("Success get chat messages", {"data": ()}).removesuffix(b"]}}")


def render_messages(page: RenderedPage, chat_jid: str) -> bytes:
    """A page of one chat, its messages as ``rows_renderer`` renders them.

    ``chat_jid``, as requested, is shown if the archive does not know the chat.
    """
    rest = {
        "pagination": {"limit": page.limit, "offset": page.offset, "total": page.total},
        "chat_info": _unknown_chat(chat_jid) if page.chat is None else _chat(page.chat),
    }
    # The rows are escaped already.
    return b"".join((_START_OF_MESSAGES, b",".join(page.rows), b"],", go_json(rest)[1:], b"}"))


def rows_renderer(links: Links, options: Options, access: Access) -> Render:
    """A function that renders messages as JSON text."""
    no_media = _SHOWN_EMPTY[options.empty_values]
    no_type, no_name, no_url, no_size = no_media

    def plain_row(plain: PlainMessage) -> _Row:
        if plain.from_me:
            sender, name = plain.phone.jid, plain.phone.name
        else:
            sender, name = plain.sender or plain.chat, plain.sender_name
        stored_at, changed_at = plain.stored_at, plain.changed_at
        created = _changed(stored_at)
        return _Row(
            plain.id,
            plain.chat,
            sender,
            plain.text or "",
            go_text(plain.sent_at),
            plain.from_me,
            no_type,
            no_name,
            no_url,
            no_size,
            created,
            created if changed_at == stored_at else _changed(changed_at),
            name or _nameless(sender),
        )

    def full_row(archived: ArchivedMessage) -> _Row:
        message = archived.message
        key, details, kind = message.key, message.details, message.kind
        if message.from_me:
            sender, name = archived.phone.jid, archived.phone.name
        else:
            sender, name = key.sender or key.chat, archived.sender_name
        stored_at, changed_at = archived.stored_at, archived.changed_at
        media, call_metadata = no_media, None
        if details is not NO_DETAILS:
            stored_at = stored_at if details.created_at is None else details.created_at
            changed_at = changed_at if details.updated_at is None else details.updated_at
            if details.call is not None and details.call.metadata:
                call_metadata = go_json(details.call.metadata).decode()
        if kind != "text" and (shown_type := gowa_media_type(kind)) is not None:
            media = _media(message, shown_type, access.org.no, links, no_media)
        media_type, filename, url, size = media
        created = _changed(stored_at)
        return _Row(
            key.id,
            key.chat,
            sender,
            message.text or content_of(message),
            go_text(message.sent_at),
            message.from_me,
            media_type,
            filename,
            url,
            size,
            created,
            created if changed_at == stored_at else _changed(changed_at),
            name or _nameless(sender),
            [_reaction(reaction, archived.phone) for reaction in archived.reactions] if archived.reactions else None,
            call_metadata,
        )

    def rows(messages: Sequence[Shown]) -> list[bytes]:
        # Together, because every call costs more than a message. JSON text has no line breaks of its own; reading lines
        # of a file is faster than `split`.
        shown = [plain_row(one) if isinstance(one, PlainMessage) else full_row(one) for one in messages]
        return list(map(bytes.rstrip, BytesIO(escaped(encode_lines(shown)))))

    return rows


_changed = lru_cache(maxsize=4096)(go_text)
"""For times when rows were created or changed: an import creates many at the same time."""


def _media(message: Message, media_type: str, org_no: int, links: Links, empty: _ShownMedia) -> _ShownMedia:
    media = message.details.media
    _, no_name, no_url, no_size = empty
    if media is None:
        return media_type, no_name, no_url, no_size
    url = links.media_url(org_no, media) or media.url or no_url
    return media_type, file_name(message, media, media_type), url, no_size if media.size is None else media.size


@lru_cache(maxsize=4096)
def _nameless(jid: str) -> str:
    """What a sender without a name is called."""
    return user_part(jid) or jid


def _reaction(reaction: Reaction, phone: Phone) -> dict[str, Any]:
    own_name = phone.name if reaction.from_me else None
    return {
        "emoji": reaction.emoji,
        "sender_jid": reaction.sender,
        "sender_display_name": own_name or reaction.sender_name or user_part(reaction.sender),
        "is_from_me": reaction.from_me,
        "timestamp": NEVER if reaction.at is None else go_text(reaction.at),
    }


def render_chats(page: ChatPage) -> bytes:
    """A page of chats, latest message first."""
    results = {
        "data": [_chat(chat) for chat in page.chats],
        "pagination": {"limit": page.limit, "offset": page.offset, "total": page.total},
    }
    return success("Success get chat list", results)


def _chat(chat: Chat) -> dict[str, Any]:
    return {
        "jid": chat.jid,
        "name": chat.name or chat_label(chat.jid),
        "last_message_time": NEVER if chat.last_message_at is None else go_text(chat.last_message_at),
        "ephemeral_expiration": chat.ephemeral_seconds or 0,
        "created_at": go_text(chat.stored_at if chat.created_at is None else chat.created_at),
        "updated_at": go_text(chat.changed_at if chat.updated_at is None else chat.updated_at),
        "archived": chat.archived or False,
    }


def _unknown_chat(asked_for: str) -> dict[str, Any]:
    jid = clean_text(asked_for)[0]
    return {
        "jid": jid,
        "name": chat_label(jid),
        "last_message_time": "",
        "ephemeral_expiration": 0,
        "created_at": "",
        "updated_at": "",
        "archived": False,
    }


_STATES = {"CONNECTED": "logged_in", "CONNECTING": "connecting"}


def render_devices(phones: Iterable[Phone]) -> bytes:
    """All devices, oldest first; ``results`` is null when there are none, as in GOWA."""
    return success("List devices", [_device(phone) for phone in phones] or None)


def render_device(phone: Phone) -> bytes:
    return success("Device info", _device(phone))


def _device(phone: Phone) -> dict[str, Any]:
    named = {} if phone.name is None else {"display_name": phone.name}
    return {
        "id": device_id(phone),
        **named,
        "state": _STATES.get(phone.state or "", "disconnected"),
        "jid": phone.jid,
        "created_at": go_text(phone.created_at),
    }


def device_id(phone: Phone) -> str:
    """The slot id, or the JID of a phone that has none."""
    return phone.device_id or phone.jid


def render_device_status(phone: Phone) -> bytes:
    """``GET /devices/{device_id}/status``: both flags are derived from the phone's last known state."""
    connected = phone.state == "CONNECTED"
    results = {"device_id": device_id(phone), "is_connected": connected, "is_logged_in": connected}
    return success("Device status", results)


def render_device_webhook(phone: Phone) -> bytes:
    """The webhook of a device: none, as for a GOWA device without a webhook."""
    results = {
        "device_id": device_id(phone),
        "webhook_url": "",
        "webhook_secret": "",
        "webhook_events": "",
        "webhook_insecure_skip_verify": False,
    }
    return success("Device webhook retrieved", results)


def render_app_devices(phones: Iterable[Phone]) -> bytes:
    """``GET /app/devices``: ``results`` is null if there are none, as in GOWA."""
    rows = [{"name": phone.name or phone.number, "device": device_id(phone), "jid": phone.jid} for phone in phones]
    return success("Fetch device success", rows or None)


def render_app_status(phone: Phone) -> bytes:
    """``GET /app/status``: both flags are derived from the phone's last known state."""
    connected = phone.state == "CONNECTED"
    results = {
        "is_connected": connected,
        "is_logged_in": connected,
        "device_id": device_id(phone),
        "jid": phone.jid,
    }
    return success("Connection status retrieved", results)


def render_app_info(version: str, base_path: str = "", max_file_size: int = 0) -> bytes:
    """Information about the server. An archive sends nothing, so all three limits show the same size."""
    results = {
        "version": version,
        "os": "Backscroll",
        "base_path": base_path,
        "max_file_size": max_file_size,
        "max_video_size": max_file_size,
        "max_image_size": max_file_size,
        "chatwoot_enabled": False,
    }
    return success("Fetch app info success", results)


def render_contacts(page: ContactPage) -> bytes:
    """People by name; ``data`` is null when there are none, as in GOWA."""
    people = [contact for contact in page.contacts if is_person(contact.jid)]
    rows = [{"jid": contact.jid, "name": contact.display_name or user_part(contact.jid)} for contact in people]
    return success("Success get list contacts", {"data": rows or None})


def render_download(archived: ArchivedMessage, access: Access, links: Links) -> bytes:
    """The location of a message's file; NotFound if the archive does not have it."""
    message = archived.message
    media = message.details.media
    url = None if media is None else links.media_url(access.org.no, media)
    if media is None or url is None:
        raise NotFound("file of this message", message.key.id)
    path = links.media_path(access.org.no, media) or url
    status, media_type = f"Media downloaded successfully to {path}", gowa_media_type(message.kind)
    results = {
        "message_id": message.key.id,
        "status": status,
        "media_type": media_type or "",
        "filename": file_name(message, media, media_type) if media_type else "",
        "file_path": path,
        "file_url": url,
        "file_size": media.size or 0,
    }
    return success(status, results)
