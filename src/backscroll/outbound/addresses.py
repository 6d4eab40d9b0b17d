"""Which addresses may be contacted if a user or source supplied them: those on the public internet.

An operator may allow others (``Allowed``): a receiver in the local network, or a port other than 80 and 443.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

from backscroll.core.errors import BadField, Error

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], list[str]]
"""All addresses of a host name; raises OSError if it has none."""

PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that the internet routes."""
_NOT_GLOBAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20", "192.31.196.0/24"),
    )
)
"""Special address blocks that older Pythons treat as public, or that lead to a relay."""
_METADATA = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
"""Metadata addresses from which clouds hand out credentials to any program on the machine. A name may never lead there.
"""
_NUMBERS = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", re.I)
"""What the system's resolver reads as an IPv4 address, in any of its old spellings."""
_DOTTED = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")
_NAME = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?"
)


class Refused(Error):
    """An address that must not be contacted; the reason is for people and contains no secret."""


def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address is public, also for an IPv6 address that only wraps an IPv4 one."""
    ip = _parsed(address)
    return ip is not None and _is_public(ip)


def _parsed(address: str) -> Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _is_public(ip: Address) -> bool:
    if isinstance(ip, ipaddress.IPv6Address):
        inner = _inner(ip)
        if inner is not None:
            return _is_public(inner)
        if ip not in _UNICAST or ip.scope_id is not None:
            return False
    odd = ip.is_multicast or ip.is_reserved or any(ip in network for network in _NOT_GLOBAL)
    return ip.is_global and not odd


def _inner(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to this one are sent on to."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


class _Entry(Struct, frozen=True):
    """A host or network that is allowed; ``port`` None is any."""

    name: str | None
    network: Network | None
    port: int | None

    def covers(self, host: str, port: int, ip: Address) -> bool:
        """Whether a connection to this address of this host is meant."""
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return ip in self.network
        odd = ip.is_link_local or ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback)
        return host == self.name and not odd and ip not in _METADATA


class Allowed(Struct, frozen=True):
    """What an operator allows besides ports 80 and 443 of the public internet."""

    entries: tuple[_Entry, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """From ``192.168.1.20, 10.0.0.0/8:8080, n8n.lan:5678, [fd00::/8]:443``; ``ValueError`` for anything else."""
        return cls(tuple(_entry(word) for word in re.split(r"[\s,]+", text.strip()) if word))

    def is_open(self, host: str, port: int, ip: Address) -> bool:
        """Whether the operator allows this address, or it is allowed for everybody."""
        inner = _inner(ip) if isinstance(ip, ipaddress.IPv6Address) else None
        found = any(entry.covers(host, port, inner or ip) for entry in self.entries)
        return found or (port in PORTS.values() and _is_public(ip))


@lru_cache(maxsize=8)
def allowed_by(setting: str) -> Allowed:
    """The parsed setting ``webhook_allow``; raises ``BadField`` if it is invalid."""
    try:
        return Allowed.parse(setting)
    except ValueError as error:
        raise BadField(
            "webhook_allow",
            setting,
            f"{error} cannot be read; name hosts and networks, with a port or without: n8n.lan:5678, 192.168.1.0/24",
        ) from None


def _entry(word: str) -> _Entry:
    match = re.fullmatch(
        r"\[(?P<six>[0-9a-f:.]+(/[0-9]+)?)\](:(?P<port6>[0-9]+))?|(?P<rest>.+?)(:(?P<port>[0-9]+))?", word, re.I
    )
    if match is None:
        raise ValueError(word)
    given = match["port6"] or match["port"]
    port = None if given is None else int(given)
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(word)
    place = (match["six"] or match["rest"]).lower()
    if match["six"] or _NUMBERS.fullmatch(place.partition("/")[0]):
        return _Entry(None, ipaddress.ip_network(place), port)
    if not _NAME.fullmatch(place):
        raise ValueError(word)
    return _Entry(place.rstrip("."), None, port)


def check_url(url: str, field: str = "url", allowed: Allowed | None = None) -> str:
    """The address in the form to be stored; raises ``BadField`` for one that can never be contacted.

    Names are not looked up: what they lead to is checked whenever a connection is made.
    """
    if len(url) > 2000 or any(ord(letter) <= 32 or ord(letter) == 127 or letter == "\\" for letter in url):
        raise BadField(field, url[:80], "must be an address of at most 2,000 characters without spaces")
    try:
        parts = urlsplit(url)
        host, port = host_of(parts.hostname or ""), parts.port or PORTS.get(parts.scheme, 0)
    except (ValueError, Refused):
        raise BadField(field, url[:80], "must be an address such as https://example.com/hook") from None
    if parts.scheme not in PORTS or not host or not port:
        raise BadField(field, url[:80], "must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadField(field, None, "must contain neither a user name nor a fragment")
    ip = _parsed(host)
    allowed = allowed or Allowed()
    if ip is not None and not allowed.is_open(host, port, ip):
        raise BadField(field, url[:80], f"{host} port {port} is not on the public internet; {_REMEDY}")
    if port not in PORTS.values() and not any(entry.port in (None, port) for entry in allowed.entries):
        raise BadField(field, url[:80], f"only ports 80 and 443 are contacted; {_REMEDY}")
    return url


_REMEDY = "the operator of this server can allow it with the setting webhook_allow"


def host_of(host: str) -> str:
    """A host in the form that is resolved; ``Refused`` for spellings of numbers that hide which address they mean."""
    bare = host.strip("[]").lower()
    if ":" in bare:
        if _parsed(bare) is None or "%" in bare:
            raise Refused("the host is not an IPv6 address")
        return bare
    try:
        bare = bare.encode("idna").decode("ascii").lower() if not bare.isascii() else bare
    except UnicodeError:
        raise Refused("the host is not a valid name") from None
    if _NUMBERS.fullmatch(bare):
        if not _DOTTED.fullmatch(bare) or _parsed(bare) is None:
            raise Refused("the host is an unusual spelling of an address")
        return bare
    if not _NAME.fullmatch(bare):
        raise Refused("the host is not a valid name")
    return bare


def checked_addresses(host: str, port: int, resolve: Resolve, allowed: Allowed) -> list[str]:
    """The addresses of a host, looked up once, every one of them allowed; ``Refused`` otherwise."""
    name = host_of(host)
    try:
        addresses = resolve(name, port)
    except (OSError, UnicodeError):
        raise Refused("the name has no address") from None
    if not addresses:
        raise Refused("the name has no address")
    if not all(_fits(name, port, address, allowed) for address in addresses):
        raise Refused("it leads to a private address, or to a port that is not allowed")
    return addresses


def _fits(host: str, port: int, address: str, allowed: Allowed) -> bool:
    ip = _parsed(address)
    return ip is not None and allowed.is_open(host, port, ip)
