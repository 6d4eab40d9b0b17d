"""Fetching from an address that somebody else chose.

A name is resolved once for a connection, every address behind it must be public, and the connection goes to the
address that was checked. So no name, redirect or odd spelling leads into the network that Backscroll runs in. Time
and size are limited for the whole answer, its headers included, and not only for one read.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import httpcore
import httpx
from msgspec import Struct

from backscroll.core.errors import Error

Resolve = Callable[[str, int], list[str]]
Origin = tuple[str, str, int]
"""Scheme, host and port."""

_CONNECT_SECONDS = 15.0
_READ_SECONDS = 60.0
_PORTS = {"http": 80, "https": 443}
_MAX_REDIRECTS = 3
_CHUNK = 1 << 16
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_WHOLE_NUMBER = re.compile("[0-9]{1,15}")


class NotFetched(Error):
    """It could not be had; the reason is for a person and names no secret."""


class Fetched(Struct):
    """An answer whose bytes are still on their way."""

    chunks: Iterator[bytes]
    mimetype: str | None
    size: int | None


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def whole_number(text: str) -> int | None:
    """The number that a header holds; None when it is none, or longer than any that is meant seriously."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port, the port also where the address leaves it out."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme, 0)


class Fetcher:
    """Asks over http and https. The origin of ``trusted`` may be private: the user named it.

    It is trusted at the addresses that its name had first; later ones must be public like those of anybody else.
    """

    def __init__(self, *, trusted: httpx.URL | None = None, seconds: float = 300.0, resolve: Resolve = resolve) -> None:
        self._trusted = None if trusted is None else origin_of(trusted)
        self._seconds = seconds
        self._request = _Request()
        timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        # No proxy from the environment for strangers: it would choose the address itself, after the check.
        self._client = httpx.Client(
            transport=_Transport(_Backend(resolve, self._request)), timeout=timeout, trust_env=False
        )
        proxied = trusted is not None and _has_proxy(trusted)
        self._trusted_client = httpx.Client(timeout=timeout) if proxied else self._client

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()
        self._trusted_client.close()

    @contextmanager
    def get(self, url: str, headers: Callable[[httpx.URL], Mapping[str, str]] = lambda url: {}) -> Iterator[Fetched]:
        """The file at ``url``; ``headers`` says what to send along to each address on the way.

        Raises ``NotFetched``, also later while the chunks are read.
        """
        end = time.monotonic() + self._seconds
        try:
            target = httpx.URL(url)
            for _ in range(_MAX_REDIRECTS + 1):
                with self.open(target, headers(target), end) as response:
                    if not response.has_redirect_location:
                        yield _fetched(response)
                        return
                    target = target.join(response.headers["location"])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if time.monotonic() >= end:
                raise NotFetched(f"it took longer than {self._seconds:.0f} seconds") from error
            raise NotFetched(f"the connection failed ({type(error).__name__})") from error
        raise NotFetched("too many redirects")

    @contextmanager
    def open(self, url: httpx.URL, headers: Mapping[str, str], end: float | None = None) -> Iterator[httpx.Response]:
        """The answer to one GET, its body unread (``body_of``), all of it before ``end`` of the monotonic clock.

        Redirects are not followed. Raises ``NotFetched`` for an address that must not be asked, else httpx's errors.
        """
        if url.scheme not in _PORTS or not url.host:
            raise NotFetched("only http and https addresses are fetched")
        if url.userinfo:
            raise NotFetched("the address holds a user name")
        self._request.end = time.monotonic() + self._seconds if end is None else end
        self._request.trusted = origin_of(url) == self._trusted
        client = self._trusted_client if self._request.trusted else self._client
        with client.stream("GET", url, headers={**headers, "Accept-Encoding": "identity"}) as response:
            yield response


def _has_proxy(url: httpx.URL) -> bool:
    """Whether the environment sends requests for this address through a proxy."""
    proxies = urllib.request.getproxies()
    return bool(proxies.get(url.scheme) or proxies.get("all")) and not urllib.request.proxy_bypass(url.host)


def _fetched(response: httpx.Response) -> Fetched:
    if response.status_code != httpx.codes.OK:
        raise NotFetched(f"the server answered {response.status_code}")
    return Fetched(
        chunks=body_of(response),
        mimetype=response.headers.get("content-type"),
        size=whole_number(response.headers.get("content-length", "")),
    )


def body_of(response: httpx.Response) -> Iterator[bytes]:
    """The bytes of an answer in chunks of at most 64 KiB, however tightly the server packed them.

    Servers are asked not to compress; one that does it all the same is understood. ``NotFetched`` for other codings.
    """
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    raw = response.iter_raw(_CHUNK)
    if coding in ("", "identity"):
        yield from raw
    elif coding in ("gzip", "x-gzip", "deflate"):
        yield from _inflated(raw)
    else:
        raise NotFetched("the server compresses its answers, although it was asked not to")


def _inflated(packed: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for rest in packed:
            while rest and not inflater.eof:
                yield inflater.decompress(rest, _CHUNK)
                rest = inflater.unconsumed_tail
    except zlib.error:
        raise NotFetched("what the server compressed is damaged") from None
    if not inflater.eof:
        raise NotFetched("what the server compressed is cut off")


# Connections


class _Request(threading.local):
    """What holds for the request that a thread is making."""

    end: float = 0.0
    trusted: bool = False

    def wait(self, timeout: float | None) -> float:
        """``timeout``, or what is left of the time for the whole answer."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for the whole answer is over")
        return left if timeout is None else min(timeout, left)


class _Transport(httpx.HTTPTransport):
    """httpx's own transport, with connections made by ``backend``; httpx has no option for that."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=backend
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self, resolve: Resolve, request: _Request) -> None:
        self._inner = httpcore.SyncBackend()
        self._resolve = resolve
        self._request = request
        self._first: frozenset[str] | None = None

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of ``host`` that answers, all of them checked before."""
        addresses = self._addresses(host, port)
        for left, address in enumerate(addresses, start=1 - len(addresses)):
            try:
                limit = self._request.wait(timeout)
                stream = self._inner.connect_tcp(address, port, limit, local_address, socket_options)
                return _Stream(stream, self._request)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 0:
                    raise
        raise NotFetched("the name has no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NotFetched("the name has no address") from None
        if self._request.trusted:
            self._first = frozenset(addresses) if self._first is None else self._first
        known = self._first if self._request.trusted and self._first else frozenset()
        if not all(address in known or is_public(address) for address in addresses):
            raise NotFetched("it leads to a private address")
        return addresses


class _Stream(httpcore.NetworkStream):
    """A connection on which no read or write outlasts the time for the whole answer."""

    def __init__(self, inner: httpcore.NetworkStream, request: _Request) -> None:
        self._inner = inner
        self._request = request

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._request.wait(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._request.wait(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted."""
        inner = self._inner.start_tls(ssl_context, server_hostname, self._request.wait(timeout))
        return _Stream(inner, self._request)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def is_public(address: str) -> bool:
    """Whether an IP address lies on the open internet, also when an IPv6 address only wraps an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if any(ip in net for net in _NAT64):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
