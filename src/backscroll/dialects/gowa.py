"""GOWA's shapes: parse(params) → query, render(page) → bytes, render_error(error).

The envelope is ``{code, message, results}`` in that order, JSON as Go's encoder prints it.
"""

from __future__ import annotations

from backscroll.dialects.gowa_errors import render_error
from backscroll.dialects.gowa_objects import (
    Options,
    chat_label,
    device_id,
    render_app_devices,
    render_app_info,
    render_app_status,
    render_chats,
    render_contacts,
    render_device,
    render_device_status,
    render_devices,
    render_download,
    render_messages,
)
from backscroll.dialects.gowa_requests import (
    find_device,
    parse_chat_jid,
    parse_chats,
    parse_contacts,
    parse_device,
    parse_download,
    parse_messages,
)
from backscroll.dialects.links import Links, NoLinks, first_values

__all__ = [
    "Links",
    "NoLinks",
    "Options",
    "chat_label",
    "device_id",
    "find_device",
    "first_values",
    "parse_chat_jid",
    "parse_chats",
    "parse_contacts",
    "parse_device",
    "parse_download",
    "parse_messages",
    "render_app_devices",
    "render_app_info",
    "render_app_status",
    "render_chats",
    "render_contacts",
    "render_device",
    "render_device_status",
    "render_devices",
    "render_download",
    "render_error",
    "render_messages",
]
