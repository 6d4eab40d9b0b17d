"""Ids of group notices from sources that give them none."""

from __future__ import annotations

import hashlib

from backscroll.core.model import Message

PREFIX = "notice:"
_SAME_CHANGE = {"remove": "leave"}
"""Most gateways do not say whether somebody left or was removed."""


def notice_id(chat: str, type: str, at: int) -> str:
    """The id of a change of a group (JID) at a time in microseconds: the same from every source that tells it.

    The people are no part of it, because one source names them by LID and another by number.
    """
    return _id_of(chat, _SAME_CHANGE.get(type, type), str(at // 1_000_000))


def earlier_id(message: Message) -> str | None:
    """The id that version 0.1.0 gave to a notice, of which the people were a part; None for other messages."""
    notice = message.details.notice
    if notice is None or notice.type is None or not message.key.id.startswith(PREFIX):
        return None
    return _id_of(message.key.chat, notice.type, str(message.sent_at // 1_000_000), *sorted(notice.recipients))


def _id_of(*told: str) -> str:
    return PREFIX + hashlib.sha256("\n".join(told).encode("utf-8", "replace")).hexdigest()[:24]
