"""Fetching a file from an address that somebody else chose.

The name is resolved once, every address behind it must be public, and the connection goes to the address that
was checked. So no name, redirect or odd spelling leads into the network that Backscroll runs in.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

import httpx
from msgspec import Struct

from backscroll.core.errors import Error

Resolve = Callable[[str, int], list[str]]

_CONNECT_SECONDS = 15.0
_READ_SECONDS = 60.0
_PORTS = {"http": 80, "https": 443}
_MAX_REDIRECTS = 3
_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class NotFetched(Error):
    """The file could not be had; the reason is for a person and names no secret."""


class Fetched(Struct):
    """An answer whose bytes are still on their way."""

    chunks: Iterator[bytes]
    mimetype: str | None
    size: int | None


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """Gets files over http and https. ``trusted_host`` may be private: the user named it."""

    def __init__(self, *, trusted_host: str | None = None, seconds: float = 300.0, resolve: Resolve = resolve) -> None:
        self._trusted_host = trusted_host
        self._seconds = seconds
        self._resolve = resolve
        # No proxy from the environment: it would choose the address itself, after the check.
        timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        self._client = httpx.Client(timeout=timeout, trust_env=False, follow_redirects=False)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    @contextmanager
    def get(self, url: str, headers: Callable[[httpx.URL], Mapping[str, str]] = lambda url: {}) -> Iterator[Fetched]:
        """The file at ``url``; ``headers`` says what to send along to each address on the way.

        Raises ``NotFetched``, also later while the chunks are read.
        """
        try:
            target = httpx.URL(url)
            for _ in range(_MAX_REDIRECTS + 1):
                with self._open(target, headers(target)) as response:
                    if not response.has_redirect_location:
                        yield self._fetched(response)
                        return
                    target = target.join(response.headers["location"])
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotFetched(f"the connection failed ({type(error).__name__})") from error
        raise NotFetched("too many redirects")

    def _fetched(self, response: httpx.Response) -> Fetched:
        if response.status_code != httpx.codes.OK:
            raise NotFetched(f"the server answered {response.status_code}")
        size = response.headers.get("content-length", "")
        return Fetched(
            chunks=self._in_time(response.iter_bytes(1 << 16)),
            mimetype=response.headers.get("content-type"),
            size=int(size) if size.isdecimal() else None,
        )

    def _in_time(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """A server that sends a byte now and then never meets the time limit of a single read."""
        end = time.monotonic() + self._seconds
        for chunk in chunks:
            if time.monotonic() > end:
                raise NotFetched(f"it took longer than {self._seconds:.0f} seconds")
            yield chunk

    @contextmanager
    def _open(self, url: httpx.URL, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        addresses = self._addresses(url)
        named = {**headers, "Host": url.netloc.decode(), "Accept-Encoding": "identity"}
        for left, address in enumerate(addresses, start=1 - len(addresses)):
            request = self._client.build_request(
                "GET", url.copy_with(host=address), headers=named, extensions={"sni_hostname": url.host}
            )
            try:
                response = self._client.send(request, stream=True)
            except httpx.ConnectError:
                if left == 0:
                    raise
                continue
            try:
                yield response
            finally:
                response.close()
            return

    def _addresses(self, url: httpx.URL) -> list[str]:
        if url.scheme not in _PORTS or not url.host:
            raise NotFetched("only http and https addresses are fetched")
        if url.userinfo:
            raise NotFetched("the address holds a user name")
        try:
            addresses = self._resolve(url.host, url.port or _PORTS[url.scheme])
        except (OSError, UnicodeError):
            raise NotFetched("the name has no address") from None
        if url.host != self._trusted_host and not all(map(is_public, addresses)):
            raise NotFetched("it leads to a private address")
        if not addresses:
            raise NotFetched("the name has no address")
        return addresses


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
