"""Fetching from addresses supplied by sources.

A name is resolved once for a connection, every address behind it must be public, and the connection goes to the
address that was checked. So no name, redirect or odd spelling leads into the network that Backscroll runs in. Time
and size are limited for the whole answer, its headers included, and not only for one read.
"""

from __future__ import annotations

import re
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

import httpcore
import httpx
from msgspec import Struct

from backscroll.outbound.addresses import PORTS, Refused, Resolve, is_public, resolve
from backscroll.outbound.connections import Deadline, GuardedBackend

Origin = tuple[str, str, int]
"""Scheme, host and port."""

_CONNECT_SECONDS = 15.0
_READ_SECONDS = 60.0
_MAX_REDIRECTS = 3
_CHUNK = 1 << 16
_WHOLE_NUMBER = re.compile("[0-9]{1,15}")


class NotFetched(Refused):
    """It could not be fetched; the reason is for people and contains no secret."""


class Fetched(Struct):
    """An answer whose bytes are still on their way."""

    chunks: Iterator[bytes]
    mimetype: str | None
    size: int | None


def whole_number(text: str) -> int | None:
    """The number that a header holds; None when it is none, or longer than any that is meant seriously."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port, the port also where the address leaves it out."""
    return url.scheme, url.host, url.port or PORTS.get(url.scheme, 0)


class Fetcher:
    """Asks over http and https. The origin of ``trusted`` may be private: the user named it.

    It is trusted at the addresses that its name had first; later ones must be public like those of anybody else.
    """

    def __init__(self, *, trusted: httpx.URL | None = None, seconds: float = 300.0, resolve: Resolve = resolve) -> None:
        self._trusted = None if trusted is None else origin_of(trusted)
        self._seconds = seconds
        trust = _Trust()
        self._request = trust.request
        timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        # No proxy from the environment for strangers: it would choose the address itself, after the check.
        self._client = httpx.Client(
            transport=_Transport(GuardedBackend(trust.addresses, resolve, self._request)),
            timeout=timeout,
            trust_env=False,
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
        if url.scheme not in PORTS or not url.host:
            raise NotFetched("only http and https addresses are fetched")
        if url.userinfo:
            raise NotFetched("the address contains a user name")
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


class _Trust:
    """Whom a fetcher may ask: strangers at public addresses, and its trusted origin where its name led first."""

    def __init__(self) -> None:
        self.request = _Request()
        self._first: frozenset[str] | None = None

    def addresses(self, host: str, port: int, resolve: Resolve) -> list[str]:
        """All addresses of a host, each of them allowed; ``NotFetched`` otherwise."""
        try:
            addresses = resolve(host, port)
        except (OSError, UnicodeError):
            raise NotFetched("the name has no address") from None
        if self.request.trusted:
            self._first = frozenset(addresses) if self._first is None else self._first
        known = self._first if self.request.trusted and self._first else frozenset()
        if not addresses:
            raise NotFetched("the name has no address")
        if not all(address in known or is_public(address) for address in addresses):
            raise NotFetched("it leads to a private address")
        return addresses


class _Request(Deadline):
    """What holds for the request that a thread is making."""

    trusted: bool = False


class _Transport(httpx.HTTPTransport):
    """httpx's own transport, with connections made by ``backend``; httpx has no option for that."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        super().__init__(trust_env=False)
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=backend
        )
