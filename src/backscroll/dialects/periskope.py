"""Periskope's shapes: parse(params) → query, render(page) → bytes, render_error(error).

The words are Periskope's, the promises are in contracts: 52 keys of a message in the order of its
database plus ``interactive``, PostgreSQL's timestamps, JavaScript's JSON.
"""

from __future__ import annotations

from backscroll.dialects.links import Links, NoLinks, first_values
from backscroll.dialects.periskope_errors import render_error
from backscroll.dialects.periskope_ids import MessageRef, decode_message_id, encode_message_id, shown_jid
from backscroll.dialects.periskope_objects import (
    Options,
    render_chat,
    render_chats,
    render_contact,
    render_contacts,
    render_empty,
    render_message,
    render_messages,
    render_notifications,
    render_phone,
    render_phones,
    render_reactions,
    render_status,
)
from backscroll.dialects.periskope_requests import (
    parse_chats,
    parse_contacts,
    parse_messages,
    parse_notifications,
    parse_page,
    parse_phones,
    parse_reactions,
    require_phone,
)

__all__ = [
    "Links",
    "MessageRef",
    "NoLinks",
    "Options",
    "decode_message_id",
    "encode_message_id",
    "first_values",
    "parse_chats",
    "parse_contacts",
    "parse_messages",
    "parse_notifications",
    "parse_page",
    "parse_phones",
    "parse_reactions",
    "render_chat",
    "render_chats",
    "render_contact",
    "render_contacts",
    "render_empty",
    "render_error",
    "render_message",
    "render_messages",
    "render_notifications",
    "render_phone",
    "render_phones",
    "render_reactions",
    "render_status",
    "require_phone",
    "shown_jid",
]
