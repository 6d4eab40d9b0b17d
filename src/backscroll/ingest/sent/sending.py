"""Converting requests to a gateway and their answers into events, depending on the gateway's API.

None means that they do not identify the message, which will then come from the gateway's webhook or the next pull.
"""

from __future__ import annotations

import re

from msgspec import Struct

from backscroll.core.events import Event, MessageRevoked, Target
from backscroll.core.model import ArchivedMessage
from backscroll.ingest.sent.forms import Fields

_NUMBER = re.compile("[+-]?[0-9]{1,9}(\\.[0-9]{1,12})?")


class Sent(Struct, frozen=True):
    """A request that a gateway has answered successfully.

    ``path`` is the route, such as ``/send/message``; ``params`` are the values of its parts in braces. ``phone`` is the
    JID of the own phone. ``at`` is when the answer came, in microseconds UTC. ``known`` is the message named in the
    path, if the archive has it.
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
    """A deletion by the gateway, of an own message or, as an admin, of another person's message."""
    sender = None if sent.known is None else sent.known.message.key.sender
    return MessageRevoked(
        target=Target(sent.phone, chat, id, sender), at=at, by=sent.phone, by_admin=sender != sent.phone
    )


def coordinate(value: object, limit: float) -> float | None:
    """Latitude or longitude, given as a number or text; None for anything else."""
    text = str(value).strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) <= limit else None


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list; empty for anything else."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
