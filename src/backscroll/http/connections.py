"""The connections of one server process: none is held for nothing, and no address holds them all.

The HTTP server accepts connections and knows nothing of bounds per address, so their sockets are looked up among the
process's own file descriptors, where there is a folder of them (Linux, macOS, the BSDs).
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from backscroll.http.limits import network_of

log = logging.getLogger("backscroll.http")

DESCRIPTORS = Path("/dev/fd")
SWEEP_SECONDS = 0.25
IDLE_SWEEP_SECONDS = 2.0
"""How often connections are looked at, when there are many of them and when there are few."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Peer = tuple[str, int]
"""Address and port of a client."""
NOBODY: Peer = ("", 0)
MAPPED = "::ffff:"
"""Stands before an IPv4 address where a socket takes both kinds."""


class Connection(Struct):
    """What is known of an open connection: how many requests of it are being worked on, and when one was last."""

    requests: int
    used_at: float


class Connections:
    """Who is connected. Requests that were let in are counted; a connection without any may be closed at any time."""

    def __init__(self, port: int, most: int, max_per_address: int, idle_seconds: float) -> None:
        """Those that were accepted on ``port``: ``most`` in all, ``max_per_address`` from one address.

        ``idle_seconds``: longer than the HTTP server and the sender of answers themselves let a client take its time.
        """
        self._port = port
        self._most = most
        self._max_per_address = max_per_address
        self._idle_seconds = idle_seconds
        self._known: dict[Peer, Connection] = {}

    @contextmanager
    def request(self, client: Any) -> Iterator[None]:
        """Meanwhile a request of this client (an ASGI scope's) is being worked on."""
        peer = peer_of(client)
        connection = self._known.setdefault(peer, Connection(0, 0.0))
        connection.requests += 1
        try:
            yield
        finally:
            connection.requests -= 1
            connection.used_at = time.monotonic()

    def is_crowded(self, client: Any) -> bool:
        """Whether as many of this client's address are being worked on as one address may have."""
        network = network_of(peer_of(client)[0])
        used = sum(known.requests > 0 and network_of(peer[0]) == network for peer, known in self._known.items())
        return used > self._max_per_address

    def cut(self, client: Any) -> None:
        """Close the client's connection, whatever was left to send."""
        peer = peer_of(client)
        for sock in accepted_on(self._port):
            with closing(sock):
                if _peer(sock) == peer:
                    _cut(sock)

    async def watch(self) -> None:
        """Look after the connections, until cancelled."""
        looked_at = 0.0
        while DESCRIPTORS.is_dir():
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            if len(os.listdir(DESCRIPTORS)) > self._max_per_address or now > looked_at + IDLE_SWEEP_SECONDS:
                looked_at = now
                self.sweep(now)

    def sweep(self, now: float) -> int:
        """Close what is silent for too long, or too much; how many were closed."""
        sockets: dict[Peer, socket.socket] = {}
        for sock in accepted_on(self._port):
            # A copy may have the number of a descriptor that was listed and closed since, and be found once more.
            if sockets.setdefault(_peer(sock), sock) is not sock:
                sock.close()
        try:
            self._known = {peer: self._known.get(peer) or Connection(0, now) for peer in sockets}
            doomed = self._doomed(now)
            for peer in doomed:
                _cut(sockets[peer])
        finally:
            for sock in sockets.values():
                sock.close()
        if doomed:
            log.warning("closed %d connections that were idle too long, or too many of one address", len(doomed))
        return len(doomed)

    def _doomed(self, now: float) -> list[Peer]:
        """Those without requests that have been so for too long, or that are more than is allowed: oldest first."""
        idle = sorted(
            (peer for peer, known in self._known.items() if not known.requests),
            key=lambda peer: self._known[peer].used_at,
        )
        excess = _excess(self._known, self._max_per_address)
        # Room is made before the HTTP server stops accepting.
        too_many = len(self._known) - self._most * 9 // 10
        doomed = []
        for peer in idle:
            network = network_of(peer[0])
            if self._known[peer].used_at + self._idle_seconds < now or excess.get(network, 0) > 0 or too_many > 0:
                doomed.append(peer)
                excess[network] = excess.get(network, 0) - 1
                too_many -= 1
        return doomed


def _excess(known: Mapping[Peer, Connection], most: int) -> dict[str, int]:
    """How many connections more than allowed each address has; some have fewer."""
    counts: dict[str, int] = {}
    for address, _ in known:
        network = network_of(address)
        counts[network] = counts.get(network, 0) + 1
    return {network: count - most for network, count in counts.items()}


def peer_of(client: Any) -> Peer:
    """The client of an ASGI scope, where the port may be text."""
    return (str(client[0]).removeprefix(MAPPED), int(client[1])) if client else NOBODY


def accepted_on(port: int) -> Iterator[socket.socket]:
    """Copies of this process's sockets that are connected to a client on ``port``; close each."""
    for name in os.listdir(DESCRIPTORS) if DESCRIPTORS.is_dir() else ():
        sock = _copy(int(name))
        if sock is None:
            continue
        if sock.family in (socket.AF_INET, socket.AF_INET6) and _port(sock) == port and _peer(sock) != NOBODY:
            yield sock
        else:
            sock.close()


def _copy(descriptor: int) -> socket.socket | None:
    """The same socket under another number, so that it stays what it is while it is looked at.

    Files are left alone: closing a copy of the database's would end every lock that this process has on it.
    """
    with suppress(OSError):
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        copy = os.dup(descriptor)
        # Another thread may have opened a file under this number in between. A copy of one stays open: closing it costs
        # the locks, and this happens too rarely for the descriptors to run out.
        return socket.socket(fileno=copy) if stat.S_ISSOCK(os.fstat(copy).st_mode) else None
    return None


def _port(sock: socket.socket) -> int:
    with suppress(OSError):
        return int(sock.getsockname()[1])
    return 0


def _peer(sock: socket.socket) -> Peer:
    """Who is at the other end; nobody of a socket that listens."""
    with suppress(OSError):
        address = sock.getpeername()
        return address[0].removeprefix(MAPPED), address[1]
    return NOBODY


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        # What the client did not take is not kept for it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        sock.shutdown(socket.SHUT_RDWR)
    with suppress(OSError, AttributeError):
        # Shut down, a socket stays until the client has taken what it was sent, which it need never do.
        _disconnect(sock)


_UNSPECIFIED = bytes(16)
"""An address of no family: a TCP socket that is connected to it is connected to nobody, and keeps nothing (Linux)."""


def _disconnect(sock: socket.socket) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).connect(sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED))
