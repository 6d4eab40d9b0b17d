"""Connections to addresses supplied by users or sources.

A name is resolved once for a connection, every address behind it is checked, and the connection goes to the address
that was checked. Time is limited for the whole answer, its headers included, and not only for one read.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from backscroll.outbound.addresses import Refused, Resolve

Check = Callable[[str, int, Resolve], list[str]]
"""The addresses of a host and port that may be connected to; ``Refused``."""


class Deadline(threading.local):
    """When the answer that a thread waits for must be there; of the monotonic clock."""

    end: float = 0.0

    def wait(self, timeout: float | None) -> float:
        """``timeout``, or what is left of the time for the whole answer."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time limit for the whole answer is over")
        return left if timeout is None else min(timeout, left)


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to addresses that ``check`` gives, and to no others. ``dial`` makes the connections themselves."""

    def __init__(
        self, check: Check, resolve: Resolve, deadline: Deadline, dial: httpcore.NetworkBackend | None = None
    ) -> None:
        self._check = check
        self._resolve = resolve
        self._deadline = deadline
        self._dial = dial or httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of ``host`` that answers, all of them checked before."""
        addresses = self._check(host, port, self._resolve)
        for left, address in enumerate(addresses, start=1 - len(addresses)):
            try:
                limit = self._deadline.wait(timeout)
                stream = self._dial.connect_tcp(address, port, limit, local_address, socket_options)
                return _Stream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 0:
                    raise
        raise Refused("the name has no address")


class _Stream(httpcore.NetworkStream):
    """A connection on which no read or write outlasts the time for the whole answer."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.wait(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.wait(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted."""
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.wait(timeout))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
