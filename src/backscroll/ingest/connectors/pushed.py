"""The interface of a connector for pushed payloads: ``observe(body, setup)`` returns the events of one payload."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import Event, Target
from backscroll.core.model import Media

UNKNOWN_CHAT = ""
"""The chat of an event that names only the message's id: it is the one in which the phone has that message."""

HASHED_OPTION = "sha256:"
"""Before the hash of a poll's option, which is all that WhatsApp sends with a vote; the archive has the names."""

ConnectionState = Literal["CONNECTED", "CONNECTING", "DISCONNECTED"]


class Setup(Struct, frozen=True, kw_only=True):
    """What is known about the source of a payload."""

    phone: str | None = None
    """JID of the own phone that is meant where a payload names none."""
    base_url: str | None = None
    """Where the gateway answers, for its relative links to files."""


class Connection(Struct, frozen=True):
    """Whether a gateway has an own phone connected to WhatsApp, since ``at``."""

    phone: str
    state: ConnectionState
    at: int | None = None


class FileGiven(Struct, frozen=True):
    """A file that came inside a payload, as Base64, and the message that it belongs to."""

    target: Target
    media: Media
    base64: str


class Observed(Struct, frozen=True, kw_only=True):
    """The content of a payload.

    ``problems`` name what could not be understood, for quarantine; the rest of the payload is in ``events`` all the
    same. ``raw`` is the payload without credentials, None when nothing in it is worth keeping (somebody is typing).
    """

    events: list[Event] = []
    raw: bytes | None = None
    problems: list[Unreadable] = []
    connections: list[Connection] = []
    files: list[FileGiven] = []
    sequence: int | None = None
    """Number of the payload, where its sender counts them one by one."""


def nothing() -> Observed:
    """The result for a payload that an archive does not need, such as a typing indicator or the image of a QR code."""
    return Observed()
