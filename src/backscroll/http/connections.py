"""The connections of one server process: idle ones are closed, and no address can occupy all of them.

The HTTP server accepts connections and has no limits per address, so their sockets are looked up among the process's
own file descriptors, on systems that list them in a folder (Linux, macOS, the BSDs).
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
"""Seconds between checks of the connections, when there are many of them and when there are few."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Peer = tuple[str, int]
"""Address and port of a client."""
NOBODY: Peer = ("", 0)
MAPPED = "::ffff:"
"""Precedes an IPv4 address if a socket accepts both kinds."""


class Connection(Struct):
    """State of an open connection: the number of its requests in progress, and the time of the last one."""

    requests: int
    used_at: float


class Connections:
    """The open connections. Admitted requests are counted; a connection without any may be closed at any time."""

    def __init__(self, port: int, most: int, max_per_address: int, idle_seconds: float) -> None:
        """Tracks connections accepted on ``port``: at most ``most`` in total, ``max_per_address`` from one address.

        ``idle_seconds`` has to be longer than the time limits for clients in the HTTP server and in ``Sender``.
        """
        self._port = port
        self._most = most
        self._max_per_address = max_per_address
        self._idle_seconds = idle_seconds
        self._known: dict[Peer, Connection] = {}

    @contextmanager
    def request(self, client: Any) -> Iterator[None]:
        """Context in which a request of this client (from an ASGI scope) is in progress."""
        connection = self.begin(client)
        try:
            yield
        finally:
            self.end(connection)

    def begin(self, client: Any) -> Connection:
        """The same without a context, which takes time in every request. Has to be followed by ``end``."""
        peer = peer_of(client)
        connection = self._known.get(peer)
        if connection is None:
            connection = self._known[peer] = Connection(0, 0.0)
        connection.requests += 1
        return connection

    def end(self, connection: Connection) -> None:
        """A request of this connection has been answered."""
        connection.requests -= 1
        connection.used_at = time.monotonic()

    def is_crowded(self, client: Any) -> bool:
        """Whether this client's address already has the maximum number of requests in progress."""
        network = network_of(peer_of(client)[0])
        used = sum(known.requests > 0 and network_of(peer[0]) == network for peer, known in self._known.items())
        return used > self._max_per_address

    def cut(self, client: Any) -> None:
        """Close the client's connection, discarding unsent data."""
        peer = peer_of(client)
        for sock in accepted_on(self._port):
            with closing(sock):
                if _peer(sock) == peer:
                    _cut(sock)

    async def watch(self) -> None:
        """Monitor the connections, until cancelled."""
        looked_at = 0.0
        while DESCRIPTORS.is_dir():
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            if len(os.listdir(DESCRIPTORS)) > self._max_per_address or now > looked_at + IDLE_SWEEP_SECONDS:
                looked_at = now
                self.sweep(now)

    def sweep(self, now: float) -> int:
        """Close connections that are idle for too long, or too many; returns the number closed."""
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
        """Connections without requests that have been idle for too long, or that exceed a limit: oldest first."""
        idle = sorted(
            (peer for peer, known in self._known.items() if not known.requests),
            key=lambda peer: self._known[peer].used_at,
        )
        excess = _excess(self._known, self._max_per_address)
        # Connections are closed before the HTTP server stops accepting new ones.
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
    """By how many connections each address exceeds its limit; negative for some."""
    counts: dict[str, int] = {}
    for address, _ in known:
        network = network_of(address)
        counts[network] = counts.get(network, 0) + 1
    return {network: count - most for network, count in counts.items()}


def peer_of(client: Any) -> Peer:
    """The client in an ASGI scope, in which the port may be text."""
    return (str(client[0]).removeprefix(MAPPED), int(client[1])) if client else NOBODY


def accepted_on(port: int) -> Iterator[socket.socket]:
    """Duplicates of this process's sockets that are connected to a client on ``port``; the caller closes each."""
    for name in os.listdir(DESCRIPTORS) if DESCRIPTORS.is_dir() else ():
        sock = _copy(int(name))
        if sock is None:
            continue
        if sock.family in (socket.AF_INET, socket.AF_INET6) and _port(sock) == port and _peer(sock) != NOBODY:
            yield sock
        else:
            sock.close()


def _copy(descriptor: int) -> socket.socket | None:
    """A duplicate of the socket, so that its number cannot be reused while it is examined.

    Files are not duplicated: closing a duplicate of the database file would release every lock that this process has on
    it.
    """
    with suppress(OSError):
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        copy = os.dup(descriptor)
        # Another thread may have opened a file under this number in between. The duplicate of a file stays open:
        # closing it would release the locks, and this happens too rarely to run out of descriptors.
        return socket.socket(fileno=copy) if stat.S_ISSOCK(os.fstat(copy).st_mode) else None
    return None


def _port(sock: socket.socket) -> int:
    with suppress(OSError):
        return int(sock.getsockname()[1])
    return 0


def _peer(sock: socket.socket) -> Peer:
    """The peer's address; None for a listening socket."""
    with suppress(OSError):
        address = sock.getpeername()
        return address[0].removeprefix(MAPPED), address[1]
    return NOBODY


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        # Data that the client has not read is discarded.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        sock.shutdown(socket.SHUT_RDWR)
    with suppress(OSError, AttributeError):
        # After a shutdown the socket would remain until the client has read what was sent, which it may never do.
        _disconnect(sock)


_UNSPECIFIED = bytes(16)
"""An address without a family: connecting a TCP socket to it disconnects it and discards its data (Linux)."""


def _disconnect(sock: socket.socket) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).connect(sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED))
