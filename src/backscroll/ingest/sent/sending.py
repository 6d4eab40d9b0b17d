"""What passed through a gateway, as events: a request and its answer, by the dialect that they are in.

None means that the two do not say which message it was: then it is left to the gateway's webhook, or to the next pull.
"""

from __future__ import annotations

import re

from msgspec import Struct

from backscroll.core.events import Event, MessageRevoked, Target
from backscroll.core.model import ArchivedMessage
from backscroll.ingest.sent.forms import Fields

_NUMBER = re.compile("[+-]?[0-9]{1,9}(\\.[0-9]{1,12})?")


class Sent(Struct, frozen=True):
    """A request that a gateway has answered with success.

    ``path`` is the route's own, such as ``/send/message``; ``params`` are its parts in braces. ``phone`` is the JID of
    the own phone. ``at`` is when the answer came, microseconds UTC. ``known`` is the message that the path names, where
    the archive has it.
    """

    path: str
    params: dict[str, str]
    fields: Fields
    answer: bytes
    phone: str
    at: int
    known: ArchivedMessage | None = None


class Understood(Struct, frozen=True):
    """What was sent: the events, and the id of the message for the log."""

    events: list[Event]
    id: str


def revoked(sent: Sent, chat: str, id: str, at: int) -> MessageRevoked:
    """A deletion that the gateway has done: of an own message, or of somebody else's as an admin."""
    sender = None if sent.known is None else sent.known.message.key.sender
    return MessageRevoked(
        target=Target(sent.phone, chat, id, sender), at=at, by=sent.phone, by_admin=sender != sent.phone
    )


def coordinate(value: object, limit: float) -> float | None:
    """Latitude or longitude, also as text; None for anything else."""
    text = str(value).strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) <= limit else None


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list; nothing for anything else."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
