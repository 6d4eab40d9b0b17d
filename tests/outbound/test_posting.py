"""Requests to receivers that users name never reach this machine or its network, whatever form the address has."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterable
from typing import Any

import httpcore
import pytest

from backscroll.core.errors import BadField
from backscroll.outbound.addresses import Allowed, check_url, is_public
from backscroll.outbound.posting import Posted, Poster
from local_servers import Speak, speaker

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
PUBLIC = "93.184.216.34"


class Dialled(httpcore.MockBackend):
    """Makes no connection; records the addresses, and gives a prepared answer."""

    def __init__(self, answer: bytes = OK) -> None:
        super().__init__([answer])
        self.to: list[tuple[str, int]] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Record the address."""
        self.to.append((host, port))
        return super().connect_tcp(host, port, timeout, local_address, socket_options)


def as_the_system(host: str, port: int) -> list[str]:
    """Resolve a name: numbers in any form are addresses, some names have internal addresses."""
    inside = {
        "localhost": "127.0.0.1",
        "ip6-localhost": "::1",
        "metadata.google.internal": "169.254.169.254",
        "router.lan": "192.168.1.1",
        "db": "10.0.0.5",
        "127.0.0.1.nip.io": "127.0.0.1",
        "localtest.me": "127.0.0.1",
        "mixed.example": "10.0.0.1",
    }
    name = host.rstrip(".")
    if name in inside:
        return [PUBLIC, inside[name]] if name == "mixed.example" else [inside[name]]
    try:
        return [str(ipaddress.ip_address(name))]
    except ValueError:
        pass
    try:
        return [socket.inet_ntoa(socket.inet_aton(name))]
    except OSError:
        return [PUBLIC]


def wrapped(address: str) -> list[str]:
    """The IPv6 addresses that lead to an IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    return [
        f"[::ffff:{address}]",
        f"[::ffff:{high}:{low}]",
        f"[::{high}:{low}]",
        f"[2002:{high}:{low}::1]",
        f"[64:ff9b::{high}:{low}]",
        f"[64:ff9b:1::{high}:{low}]",
        f"[2001:0:4136:e378:8000:63bf:{0xFFFF - (number >> 16):x}:{0xFFFF - (number & 0xFFFF):x}]",
    ]


def spelled(address: str) -> list[str]:
    """An IPv4 address in every form that old resolvers accept."""
    a, b, c, d = (int(part) for part in address.split("."))
    number = int(ipaddress.IPv4Address(address))
    return [
        str(number),
        hex(number),
        f"0{number:o}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"{a}.{b}.{(c << 8) + d}",
        f"{a}.{(b << 16) + (c << 8) + d}",
        f"{a:03d}.{b:03d}.{c:03d}.{d:03d}",
        f"{address}.",
        address.replace(".", "\u3002"),
        "".join(chr(0xFF10 + int(digit)) if digit.isdigit() else digit for digit in address),
    ]


INSIDE = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254"),
    *("192.168.0.1", "192.168.255.254", "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.254"),
)
OTHERS = (
    *("0.1.2.3", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "100.100.100.200"),
    *("[::1]", "[::]", "[fe80::1]", "[febf::1]", "[fc00::1]", "[fd00:ec2::254]", "[fdff::1]", "[fec0::1]", "[ff02::1]"),
    *("[2001:db8::1]", "[3fff::1]", "[5f00::1]", "[100::1]", "[2001:2::1]", "[4000::1]", "[e000::1]", "[::2]"),
    *("localhost", "LOCALHOST", "localhost.", "ip6-localhost", "metadata.google.internal", "router.lan", "db"),
    *("127.0.0.1.nip.io", "localtest.me", "mixed.example", "LocalTest.me."),
)


def refused_urls() -> list[str]:
    """More than 300 URLs that must be refused."""
    urls = [f"http://{address}/" for address in (*INSIDE, *OTHERS)]
    urls += [f"http://{spelling}/" for address in INSIDE for spelling in spelled(address)]
    urls += [f"https://{wrapping}/" for address in INSIDE for wrapping in wrapped(address)]
    urls += [f"http://{PUBLIC}:{port}/" for port in (22, 25, 53, 81, 2375, 3306, 5432, 6379, 8080, 9200, 11211, 65535)]
    urls += [f"http://user:pass@{PUBLIC}/", "http://example.com@127.0.0.1/", "http://127.0.0.1@example.com/"]
    urls += ["http://127.0.0.1#@example.com/", "http://example.com:80@127.0.0.1/", "http://[::1%25lo]/"]
    urls += [f"{scheme}://{PUBLIC}/" for scheme in ("ftp", "file", "gopher", "ws", "unix", "dict", "ldap", "data")]
    urls += ["http:///x", "http://", "//example.com/", "example.com", "http://[127.0.0.1]/", "http://exa mple.com/"]
    urls += ["http://-.example/", "http://.example/", "http://a..b/", "http://" + "a" * 64 + ".example/"]
    urls += ["http://\u2460\u2461\u2466.0.0.1/", "http://0/", "http://1/", "http://0x/", "http://127.1/", "http://999/"]
    return list(dict.fromkeys(urls))


REFUSED = refused_urls()
GOOD = (
    *("http://example.com/", "https://example.com/hook", "http://example.com:80/", "https://example.com:443/a?b=c"),
    *("https://sub.domain.example.co.uk/x", "http://xn--bcher-kva.example/", "https://b\u00fccher.example/"),
    *(
        "https://EXAMPLE.com/",
        "https://example.com./",
        "https://a-b.example/",
        "https://_hook.example/",
        "http://8.8.8.8/",
    ),
    *(
        "http://93.184.216.34/",
        "http://1.1.1.1/dns",
        "https://172.15.255.255/",
        "https://172.32.0.1/",
        "http://11.0.0.1/",
    ),
    *(
        "http://9.255.255.255/",
        "http://100.63.255.255/",
        "http://100.128.0.1/",
        "http://169.253.1.1/",
        "http://192.167.1.1/",
    ),
    *("http://192.169.1.1/", "http://223.255.255.1/", "https://[2606:4700::1111]/", "https://[2a00:1450:4001::1]/x"),
    *(
        "https://[2001:4860:4860::8888]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[64:ff9b::808:808]/",
        "https://[2002:808:808::1]/",
    ),
    *("https://123.example/", "https://0x7f.example/", "https://127.0.0.1.example/"),
)


def posted(url: str, dialled: Dialled, allowed: str = "") -> Posted:
    with Poster(Allowed.parse(allowed), resolve=as_the_system, dial=dialled, seconds=5) as poster:
        return poster.post(url, {"content-type": "application/json"}, b"{}")


def test_there_are_as_many_as_promised() -> None:
    assert len(REFUSED) >= 300
    assert len(GOOD) >= 30


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_leads_inside_is_never_dialled(url: str) -> None:
    dialled = Dialled()
    answer = posted(url, dialled)
    assert dialled.to == []
    assert answer.status is None
    assert answer.error


@pytest.mark.parametrize("url", GOOD)
def test_an_address_of_the_open_internet_is_asked(url: str) -> None:
    dialled = Dialled()
    if url.startswith("https"):
        # The same checks apply to http, for which the test needs no certificate.
        url = url.replace("https://", "http://").replace(":443/", ":80/")
    assert posted(url, dialled).status == 204
    ((host, port),) = dialled.to
    assert is_public(host)
    assert port == 80
    assert check_url(url) == url


def test_the_address_that_was_checked_is_the_one_that_is_dialled() -> None:
    """A name that would resolve to another address the next time is looked up only once for a connection."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    dialled = Dialled()
    with Poster(Allowed(), resolve=rebinding, dial=dialled) as poster:
        assert poster.post("http://rebinding.example/", {}, b"").status == 204
    assert (asked, dialled.to) == (["rebinding.example"], [(PUBLIC, 80)])


@pytest.mark.parametrize("to", ["http://127.0.0.1/", "https://example.com/", "/other"])
def test_a_redirect_is_not_followed(to: str) -> None:
    dialled = Dialled(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())
    answer = posted("http://example.com/", dialled)
    assert (answer.status, answer.error) == (307, "the receiver answered 307; redirects are not followed")
    assert len(dialled.to) == 1


@pytest.mark.parametrize(
    ("allowed", "url", "to"),
    [
        ("192.168.1.0/24", "http://192.168.1.20/", "192.168.1.20"),
        ("192.168.1.0/24:5678", "http://192.168.1.20:5678/", "192.168.1.20"),
        ("router.lan", "http://router.lan:9000/", "192.168.1.1"),
        ("127.0.0.1:8000", "http://localhost:8000/", "127.0.0.1"),
        ("[::1]:8000", "http://[::1]:8000/", "::1"),
        ("10.0.0.0/8, router.lan:81", "http://router.lan:81/", "192.168.1.1"),
        ("example.com:8443", "http://example.com:8443/", PUBLIC),
        ("127.0.0.0/8", "http://[::ffff:127.0.0.1]/", "::ffff:7f00:1"),
    ],
)
def test_what_the_operator_allows_is_asked(allowed: str, url: str, to: str) -> None:
    dialled = Dialled()
    assert posted(url, dialled, allowed).status == 204
    assert [host for host, _ in dialled.to] == [to]
    assert check_url(url, allowed=Allowed.parse(allowed)) == url


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("192.168.1.0/24", "http://192.168.2.1/"),
        ("192.168.1.0/24:5678", "http://192.168.1.20/"),
        ("router.lan:80", "http://router.lan:81/"),
        ("metadata.google.internal", "http://metadata.google.internal/"),
        ("router.lan", "http://db/"),
        ("10.0.0.0/8", "http://mixed.example:8080/"),
        ("10.0.0.0/8", "http://[2002:7f00:1::1]/"),
    ],
)
def test_what_the_operator_allows_opens_nothing_else(allowed: str, url: str) -> None:
    dialled = Dialled()
    assert posted(url, dialled, allowed).error
    assert dialled.to == []


@pytest.mark.parametrize("text", ["http://x", "10.0.0.0/40", "a b:99999", "x:0", "[::1", "10.1/16", "*"])
def test_an_allow_list_that_means_nothing_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        Allowed.parse(text)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://2130706433/", "http://[::1]/", "http://0x7f.1/", "https://example.com:8080/"),
        *(
            "ftp://example.com/",
            "https://u:p@example.com/",
            "https://example.com/#x",
            "https://exa mple.com/",
            "x" * 3000,
        ),
        *("https:\\\\example.com", "https://", "", "javascript:alert(1)"),
    ],
)
def test_an_address_that_can_never_be_asked_is_refused_when_it_is_entered(url: str) -> None:
    with pytest.raises(BadField):
        check_url(url)


# ---------------------------------------------------------------------- what receivers do


def sent_to(speak: Speak, seconds: float = 5.0) -> Posted:
    with speaker(speak) as url, Poster(Allowed.parse("127.0.0.1"), seconds=seconds) as poster:
        return poster.post(f"{url}/", {}, b"{}")


def test_an_answer_that_drips_is_left_when_the_time_is_over() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.02):
            connection.sendall(b"X-Drop: 1\r\n")

    try:
        assert sent_to(drip, seconds=0.5).error == "no answer within 0.5 seconds"
    finally:
        stop.set()


def test_an_answer_without_end_is_taken_and_not_read() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n")

    assert sent_to(flood) == Posted(200, None)


def test_a_cut_connection_is_told_apart_from_an_answer() -> None:
    assert sent_to(lambda connection: None) == Posted(None, "the connection broke before an answer came")
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
    assert sent_to(lambda connection: connection.sendall(half)).error


def test_a_receiver_may_ask_to_wait() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"
    assert sent_to(lambda connection: connection.sendall(busy)) == Posted(503, "the receiver answered 503", 120)


def test_a_receiver_that_is_not_there_is_a_sentence() -> None:
    with Poster(Allowed.parse("127.0.0.1"), seconds=5) as poster:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        assert poster.post(f"http://127.0.0.1:{port}/", {}, b"") == Posted(None, "the connection failed")
