"""Message ids in the spellings of Periskope's API."""

from __future__ import annotations

import re

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.periskope.values import (
    SOURCE,
    first_known,
    jid_of,
    jid_or_none,
)
from backscroll.ingest.connectors.periskope.wire import WireId

_SERIALIZED = re.compile(r"(true|false)_([^@_]*@[a-z.]+|[^_]+)_(.+)", re.S)
_PARTICIPANT = re.compile(r"(.+)_([^_@]*@[a-z.]+)", re.S)


class Parts(Struct, frozen=True):
    """What ``<true|false>_<chat>_<id>[_<participant>]`` and its unpacked form say together."""

    chat: str
    id: str
    from_me: bool | None
    participant: str | None


def parts_of(serialized: str | None, bare: str | None, unpacked: WireId | str | None, chat: str | None) -> Parts:
    """All spellings of a message's id taken together; ``Unreadable`` when they name no chat or no message."""
    wire_id = unpacked if isinstance(unpacked, WireId) else WireId(serialized=unpacked)
    serialized = serialized or wire_id.serialized or wire_id.underscored
    spoken, told_chat, told_id, participant = split_message_id(serialized or "", chat or wire_id.remote)
    chat = chat or wire_id.remote or told_chat
    id = bare or wire_id.id or told_id
    if not chat:
        raise Unreadable(SOURCE, "chat_id", "the row names no chat")
    if not id:
        raise Unreadable(SOURCE, "unique_id", "the row names no message")
    from_me = first_known(spoken, wire_id.from_me, wire_id.camel_from_me)
    return Parts(jid_of(chat), id, from_me, jid_or_none(participant))


def split_message_id(text: str, chat: str | None = None) -> tuple[bool | None, str | None, str, str | None]:
    """(from me, chat, bare id, participant) of a serialized id; of a bare one only the id.

    Ids are chosen by senders and may hold underscores. Chats of two name no participant.
    """
    found = _SERIALIZED.fullmatch(text)
    if found is None:
        return None, None, text, None
    from_me, told_chat, rest = found[1] == "true", found[2], found[3]
    prefix = f"{found[1]}_{chat}_"
    if chat and text.startswith(prefix):
        told_chat, rest = chat, text[len(prefix) :]
    named = None if told_chat.endswith(("@c.us", "@s.whatsapp.net", "@lid")) else _PARTICIPANT.fullmatch(rest)
    return (from_me, told_chat, named[1], named[2]) if named else (from_me, told_chat, rest, None)
