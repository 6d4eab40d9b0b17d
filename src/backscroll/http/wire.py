"""Bytes in and out: bodies, queries, ETags, compression, CORS, request ids, limits on how often."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
import secrets
import time
import zlib
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote_plus

import brotli  # type: ignore[import-untyped]
import zstandard
from starlette.types import Message, Receive

from backscroll.core.errors import RateLimited
from backscroll.core.ids import clean_text

MAX_URL_BYTES = 16 * 1024
MAX_HEADER_BYTES = 64 * 1024
MIN_COMPRESSED = 1024
"""Smaller bodies fit into one packet anyway."""

Header = tuple[bytes, bytes]
Encoding = Literal["zstd", "br", "gzip"]


class BodyTooLarge(Exception):
    """The body is larger than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")
        self.limit = limit


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class ClientGone(Exception):
    """The client has hung up: nobody waits for the answer."""


async def read_body(receive: Receive, limit: int, seconds: float, declared: str | None = None) -> bytes:
    """The whole body; raises BodyTooLarge, BodyTooSlow or ClientGone."""
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ClientGone
                part: bytes = event.get("body", b"")
                size += len(part)
                if size > limit:
                    raise BodyTooLarge(limit)
                parts.append(part)
                if not event.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise BodyTooSlow from None


class Incoming:
    """A ``receive`` that knows whether the body has come to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_over = False

    async def __call__(self) -> Message:
        event = await self._receive()
        self.is_over = event["type"] == "http.disconnect" or not event.get("more_body", False)
        return event


async def drain(incoming: Incoming, limit: int, seconds: float) -> bool:
    """Read what nobody wanted of a body, within limits; whether that was all of it.

    A connection that is answered and closed while the client still sends is reset, and the answer is lost.
    """
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while not incoming.is_over and size <= limit:
                size += len((await incoming()).get("body", b""))
    except TimeoutError:
        return False
    return incoming.is_over


def parse_query(raw: bytes) -> list[tuple[str, str]]:
    """Names and values in their order, repeats kept. ``+`` is a space, bytes that are not UTF-8 are replaced."""
    if not raw:
        return []
    pairs = (part.partition("=") for part in raw.decode("utf-8", "replace").split("&") if part)
    return [(_plain(name), _plain(value)) for name, _, value in pairs]


def _plain(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return clean_text(unquote_plus(text, errors="replace"))[0]


def headers_of(raw: list[Header]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}


def etag_of(body: bytes) -> str:
    """Express's weak ETag, as Periskope sends it."""
    digest = b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode("ascii")
    return f'W/"{len(body):x}-{digest[:27]}"'


def is_fresh(etag: str, if_none_match: str | None, cache_control: str | None = None) -> bool:
    """Whether the client already holds what ``etag`` names (weak comparison)."""
    if if_none_match is None or (cache_control and "no-cache" in cache_control):
        return False
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))


_CHEAPEST_FIRST: tuple[Encoding, ...] = ("zstd", "br", "gzip")
_COMPRESSIBLE = re.compile(r"text/|application/(json|xml|javascript|manifest\+json|x-ndjson)|image/svg")


@lru_cache(maxsize=256)
def choose_encoding(accept: str) -> Encoding | None:
    """The cheapest encoding among those that the client likes best; None sends the body as it is."""
    quality: dict[str, float] = {}
    for item in accept.lower().split(","):
        name, _, parameters = item.partition(";")
        quality[name.strip()] = _quality(parameters)
    rest = quality.get("*", 0.0)
    likes = {name: quality.get(name, rest) for name in _CHEAPEST_FIRST}
    best = max(likes.values())
    if best <= 0 or best < quality.get("identity", 0.0):
        return None
    return next(name for name in _CHEAPEST_FIRST if likes[name] == best)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


@lru_cache(maxsize=256)
def is_compressible(content_type: str) -> bool:
    return _COMPRESSIBLE.match(content_type) is not None


def compress(body: bytes, encoding: Encoding) -> bytes:
    """At levels that cost about as little as sending the bytes saved."""
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(body)
    if encoding == "br":
        packed: bytes = brotli.compress(body, quality=2)
        return packed
    gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
    return gzip.compress(body) + gzip.flush()


class TraceIds:
    """UUIDs version 1, like Periskope's trace ids, from a random node so that no network card is named."""

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        self._now = now
        self._last = 0
        clock = secrets.randbits(14) | 0x8000
        node = secrets.randbits(48) | 0x010000000000
        self._tail = f"-{clock:04x}-{node:012x}"

    def next(self) -> str:
        stamp = self._now() // 100 + 0x01B21DD213814000
        self._last = stamp = max(stamp, self._last + 1)
        return f"{stamp & 0xFFFFFFFF:08x}-{stamp >> 32 & 0xFFFF:04x}-1{stamp >> 48 & 0xFFF:03x}{self._tail}"


class RateLimit:
    """So many requests per second and key, in windows of one second; 0 allows any number.

    Each server process counts for itself.
    """

    def __init__(self, per_second: int, now: Callable[[], float] = time.time) -> None:
        self.per_second = per_second
        self._now = now
        self._window = 0
        self._counts: dict[str, int] = {}

    def count(self, key: str, head: list[Header]) -> None:
        """Count one request and add the X-RateLimit headers; raises RateLimited when it is one too many."""
        limit = self.per_second
        if not limit:
            return
        window = int(self._now())
        if window != self._window:
            self._window = window
            self._counts = {}
        used = self._counts.get(key, 0) + 1
        self._counts[key] = used
        head += (
            (b"x-ratelimit-limit", b"%d" % limit),
            (b"x-ratelimit-remaining", b"%d" % max(limit - used, 0)),
            (b"x-ratelimit-reset", b"%d" % (window + 1)),
        )
        if used > limit:
            raise RateLimited(limit, window + 1)


class TooManyFailures(RateLimited):
    """Too many failed logins from one address; allowed again at ``reset``."""

    def __init__(self, limit: int, reset: int) -> None:
        super().__init__(limit, reset)
        self.args = ("Too many failed logins from this address; try again later",)


class FailedLogins:
    """Slows down guessing: after so many failures in a minute an address may only use credentials known to be good."""

    MAX_ADDRESSES = 10_000

    def __init__(self, most: int = 30, seconds: int = 60, now: Callable[[], float] = time.time) -> None:
        self._most = most
        self._seconds = seconds
        self._now = now
        self._failures: dict[str, tuple[float, int]] = {}

    def check(self, address: str | None) -> None:
        """Raises TooManyFailures while the address has failed too often."""
        began, failures = self._failures.get(network_of(address), (0.0, 0))
        if failures >= self._most and self._now() < began + self._seconds:
            raise TooManyFailures(self._most, int(began + self._seconds) + 1)

    def failed(self, address: str | None) -> None:
        network, now = network_of(address), self._now()
        began, failures = self._failures.get(network, (now, 0))
        if now >= began + self._seconds:
            began, failures = now, 0
        if len(self._failures) >= self.MAX_ADDRESSES:
            self._failures.clear()
        self._failures[network] = (began, failures + 1)


@lru_cache(maxsize=1024)
def network_of(address: str | None) -> str:
    """The address, or the /64 of an IPv6 one: whoever has one address there has them all."""
    try:
        ip = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))


@lru_cache(maxsize=1024)
def is_loopback(address: str | None) -> bool:
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return ip.is_loopback or bool(ip.version == 6 and ip.ipv4_mapped and ip.ipv4_mapped.is_loopback)
