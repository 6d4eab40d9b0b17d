"""Periskope's id formats: ``@c.us`` for people, and message ids that contain chat and sender."""

from __future__ import annotations

import re

from msgspec import Struct

from backscroll.core.ids import USER, canonical, kind_of

_SERVERS = r"(?:c\.us|s\.whatsapp\.net|g\.us|lid|newsletter|broadcast|bot|hosted(?:\.lid)?)"
_SERIALIZED = re.compile(rf"(true|false)_([^@]*@{_SERVERS}|.+?@export)_(.+)", re.S)
_PARTICIPANT = re.compile(rf"(.+)_([^_@]*@{_SERVERS})|(.+?)_(.+@export)", re.S)
_USER_SUFFIX = "@" + USER


_PHONE_ID = re.compile(r"phone-[a-z0-9]{1,64}")


class MessageRef(Struct, frozen=True):
    """The parts of a message id given by a client; only ``id`` is certain. JIDs are canonical."""

    id: str
    chat: str | None = None
    sender: str | None = None
    from_me: bool | None = None


def shown_jid(jid: str) -> str:
    """``jid`` as Periskope shows it: people end in ``@c.us``, all others as they are."""
    return jid.removesuffix(_USER_SUFFIX) + "@c.us" if jid.endswith(_USER_SUFFIX) else jid


def decode_message_id(text: str, chat: str | None = None) -> MessageRef:
    """``<true|false>_<chat>_<id>[_<participant>]`` taken apart; anything else is a bare id.

    Ids are chosen by senders and may hold underscores. Only chats of several people carry a participant. ``chat``,
    where it is known from elsewhere, is recognised in ``text`` whatever its form.
    """
    mine, _, rest = text.partition("_")
    if chat and mine in ("true", "false") and rest.startswith(f"{chat}_"):
        told, rest = chat, rest[len(chat) + 1 :]
    elif found := _SERIALIZED.fullmatch(text):
        mine, told, rest = found[1], found[2], found[3]
    else:
        return MessageRef(text)
    place = canonical(told)
    named = _PARTICIPANT.fullmatch(rest) if has_participants(place) else None
    if named is None:
        return MessageRef(rest, place, None, mine == "true")
    return MessageRef(named[1] or named[3], place, canonical(named[2] or named[4]), mine == "true")


def encode_message_id(from_me: bool, chat: str, message_id: str, sender: str | None) -> str:
    """The reverse of ``decode_message_id``."""
    head = f"{'true' if from_me else 'false'}_{shown_jid(chat)}_{message_id}"
    return f"{head}_{shown_jid(sender)}" if sender is not None and has_participants(chat) else head


def has_participants(chat: str) -> bool:
    """Whether several people write in ``chat``, so that its message ids contain one of them."""
    return kind_of(chat) in ("group", "broadcast", "status", "export")


def is_phone_id(text: str) -> bool:
    """Whether this is the form of a ``phone_id``."""
    return _PHONE_ID.fullmatch(text) is not None
