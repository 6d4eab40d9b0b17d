"""Packets of Socket.IO over a WebSocket (Engine.IO 4, Socket.IO protocol 5), for a server that only sends events.

An interrupted session continues where it was: each event carries its position in the feed, which the official client
sends back when it reconnects ("connection state recovery"). So no server process has to keep any state.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.errors import Error
from backscroll.dialects.periskope.events import Event
from backscroll.formats.jsontext import encode

PROTOCOL = "4"
"""The version of Engine.IO, ``EIO`` in the address."""
PING_SECONDS = 25
PONG_SECONDS = 20
MAX_PACKET = 16 * 1024
"""Maximum characters of a packet that is read."""

PING, PONG, CLOSE = "2", "3", "1"
DISCONNECT = "41"

_CONNECT = re.compile(r"40(?:(/[^,?]*)[^,]*,?)?(\{.*\})?", re.S)
_SESSION = re.compile(r"([0-9a-f]{12})-([0-9]{1,15})")
_PLACE = re.compile(r"([0-9]{1,15})\.([0-9]{1,6})")
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class NoPacket(Error):
    """A client sent something that is not a Socket.IO packet."""


class Place(Struct, frozen=True, order=True):
    """The last event that a client knows: ``at`` of ``seq``; -1 if it knows all events of that change."""

    seq: int
    at: int = -1

    @property
    def after(self) -> int:
        """The change after which the feed is to be read."""
        return self.seq if self.at < 0 else self.seq - 1


class Connect(Struct, frozen=True):
    """A client's request to connect to a namespace, possibly with its earlier position."""

    namespace: str = "/"
    session: str | None = None
    offset: str | None = None


def opening(sid: str) -> str:
    """The first packet of a connection."""
    told = {
        "sid": sid,
        "upgrades": [],
        "pingInterval": PING_SECONDS * 1000,
        "pingTimeout": PONG_SECONDS * 1000,
        "maxPayload": MAX_PACKET,
    }
    return "0" + encode(told).decode()


def parse_connect(packet: str) -> Connect | None:
    """The content of a CONNECT packet; None for any other packet. Raises ``NoPacket`` if it is invalid."""
    if not packet.startswith("40"):
        return None
    match = _CONNECT.fullmatch(packet)
    if match is None:
        raise NoPacket("this is not a CONNECT packet of Socket.IO")
    try:
        told = _OBJECT.decode(match[2] or "{}")
    except msgspec.DecodeError as error:
        raise NoPacket("the CONNECT packet of Socket.IO is not JSON") from error
    session, offset = told.get("pid"), told.get("offset")
    return Connect(
        match[1] or "/",
        session if isinstance(session, str) else None,
        offset if isinstance(offset, str) else None,
    )


def resumed(connect: Connect, org: str, head: int, begin: int = 0) -> tuple[str, Place]:
    """The session and its position: where the client was if it has been connected before, otherwise ``head``.

    ``org`` is the organisation's id. A position in the future, as from an archive before it was restored, is not
    accepted, nor is one before ``begin``, where the feed begins.
    """
    mark = org.replace("-", "")[:12]
    session, place = _SESSION.fullmatch(connect.session or ""), _PLACE.fullmatch(connect.offset or "")
    if session is not None and session[1] == mark:
        known = Place(int(place[1]), int(place[2])) if place else Place(int(session[2]))
        if begin <= known.after and known.seq <= head:
            return session[0], known
    return f"{mark}-{head}", Place(head)


def connected(sid: str, session: str) -> str:
    """The answer to an accepted CONNECT."""
    return "40" + encode({"sid": sid, "pid": session}).decode()


def refused(message: str, data: Any = None, namespace: str = "/") -> str:
    """The answer to a refused CONNECT: the client's ``connect_error``, after which it does not try again."""
    where = "" if namespace == "/" else f"{namespace},"
    return f"44{where}{encode({'message': message, 'data': data}).decode()}"


def event(told: Event) -> str:
    """An event with its object and, as the last argument, its position."""
    return f'42["{told.name}",{told.body.decode()},"{told.seq}.{told.at}"]'


def problem(data: Any) -> str:
    """The event ``error``, which the official client prints."""
    return f'42["error",{encode(data).decode()}]'
