"""Limits on requests, tokens and addresses: size, rate and origin."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from backscroll.core.errors import RateLimited
from backscroll.http.messages import Header

MAX_URL_BYTES = 16 * 1024
MAX_HEADER_BYTES = 64 * 1024


class RateLimit:
    """So many requests per second and key, in windows of one second; 0 allows any number.

    Each server process counts separately.
    """

    def __init__(self, per_second: int, now: Callable[[], float] = time.time) -> None:
        self.per_second = per_second
        self._now = now
        self._window = 0
        self._counts: dict[str, int] = {}

    def count(self, key: str, head: list[Header]) -> None:
        """Count one request and add the X-RateLimit headers; raises RateLimited if it exceeds the limit."""
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
    """Too many failed logins from one address; allowed again at ``reset`` (epoch seconds)."""

    def __init__(self, limit: int, reset: int) -> None:
        super().__init__(limit, reset)
        self.args = ("Too many failed logins from this address; try again later",)


class FailedLogins:
    """Slows down guessing: after a number of failures within a minute an address has to wait."""

    MAX_ADDRESSES = 10_000

    def __init__(self, most: int = 30, seconds: int = 60, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._now = now
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """Time of the first failure, and the number since; the address that failed last comes last."""

    def check(self, address: str | None) -> None:
        """Raises TooManyFailures while the address has failed too often."""
        began, failures = self._failures.get(network_of(address), (0.0, 0))
        left = began + self._seconds - self._now()
        if failures >= self._most and left > 0:
            raise TooManyFailures(self._most, int(time.time() + left) + 1)

    def failed(self, address: str | None) -> None:
        """Count a failure."""
        network, now = network_of(address), self._now()
        began, failures = self._failures.pop(network, (now, 0))
        if now >= began + self._seconds:
            began, failures = now, 0
        self._failures[network] = (began, failures + 1)
        if len(self._failures) > self.MAX_ADDRESSES:
            self._failures.popitem(last=False)


@lru_cache(maxsize=1024)
def network_of(address: str | None) -> str:
    """The address, or the /64 of an IPv6 address, because its owner can use all addresses in it."""
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
    """Whether a connection from this address comes from the same machine."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return ip.is_loopback or bool(ip.version == 6 and ip.ipv4_mapped and ip.ipv4_mapped.is_loopback)


def is_loopback_name(host: str) -> bool:
    """Whether a host name or address refers to this machine on any system."""
    return host == "localhost" or is_loopback(host)


def is_address(host: str) -> bool:
    """Whether a host is given by its IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_HOST = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@lru_cache(maxsize=1024)
def is_host(text: str) -> bool:
    """Whether a Host header is a valid host, from which addresses can be built."""
    return _HOST.fullmatch(text) is not None
