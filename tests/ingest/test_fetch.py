"""Fetches from hostile servers: whatever these send or do not send, time, memory and reachable hosts are limited."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc

import httpx
import pytest

from backscroll.ingest.fetch import Fetcher, NotFetched
from local_servers import Speak, speaker


def answer(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def fetched(url: str, seconds: float = 60.0, at_most: int | None = None) -> bytes:
    """The file at a loopback address that the user named; reading ends after ``at_most`` bytes."""
    parts, size = [], 0
    with Fetcher(trusted=httpx.URL(url), seconds=seconds) as fetcher, fetcher.get(url) as found:
        for chunk in found.chunks:
            size += len(chunk)
            parts.append(chunk)
            if at_most is not None and size > at_most:
                break
    return b"".join(parts)


def drip(opening: bytes, drop: bytes) -> Speak:
    def speak(connection: socket.socket) -> None:
        connection.sendall(opening)
        for _ in range(200):
            connection.sendall(drop)
            time.sleep(0.05)

    return speak


@pytest.mark.parametrize(
    "speak",
    [
        drip(b"HTTP/1.1 200 OK\r\n", b"X-Drop: 1\r\n"),
        drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["headers", "one header", "body", "chunks"],
)
def test_a_server_that_sends_a_little_now_and_then_is_left_when_the_time_is_over(speak: Speak) -> None:
    with speaker(speak) as origin, pytest.raises(NotFetched, match="longer than"):
        fetched(f"{origin}/x", seconds=0.5)


def test_a_redirect_does_not_begin_the_time_anew() -> None:
    def speak(connection: socket.socket) -> None:
        time.sleep(0.3)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with speaker(speak) as origin, pytest.raises(NotFetched, match="longer than"):
        fetched(f"{origin}/x", seconds=0.5)


def test_a_compressed_answer_is_unpacked_in_small_pieces() -> None:
    packed = gzip.compress(bytes(64 << 20))
    with speaker(lambda connection: connection.sendall(answer(packed, "Content-Encoding: gzip"))) as origin:
        tracemalloc.start()
        try:
            got = fetched(f"{origin}/x", at_most=1 << 20)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert 1 << 20 < len(got) < 2 << 20
    assert peak < 8 << 20


def test_a_compressed_answer_comes_out_whole() -> None:
    plain = b"what was sent" * 50_000
    speak = [answer(gzip.compress(plain), "Content-Encoding: gzip")]
    with speaker(lambda connection: connection.sendall(speak[0])) as origin:
        assert fetched(f"{origin}/x") == plain
        speak[0] = answer(gzip.compress(plain)[:-20], "Content-Encoding: gzip")
        with pytest.raises(NotFetched, match="cut off"):
            fetched(f"{origin}/x")
        speak[0] = answer(b"no gzip at all", "Content-Encoding: gzip")
        with pytest.raises(NotFetched, match="damaged"):
            fetched(f"{origin}/x")


def test_an_unknown_compression_is_refused() -> None:
    packed = answer(b"x", "Content-Encoding: br")
    with (
        speaker(lambda connection: connection.sendall(packed)) as origin,
        pytest.raises(NotFetched, match="compresses"),
    ):
        fetched(f"{origin}/x")


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "\u0663"])
def test_an_odd_length_is_an_answer_that_failed(length: str) -> None:
    speak = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\nabc".encode()
    with speaker(lambda connection: connection.sendall(speak)) as origin, pytest.raises(NotFetched):
        fetched(f"{origin}/x")


def port_of(origin: str) -> int:
    return httpx.URL(origin).port or 80


def test_another_port_of_the_trusted_host_is_a_strangers() -> None:
    ok = answer(b"inner")
    with (
        speaker(lambda c: c.sendall(ok)) as origin,
        speaker(lambda c: c.sendall(ok)) as other,
        Fetcher(trusted=httpx.URL(origin)) as fetcher,
    ):
        with fetcher.get(f"{origin}/x") as found:
            assert b"".join(found.chunks) == b"inner"
        for url in (f"{other}/x", f"https://127.0.0.1:{port_of(origin)}/x"):
            with pytest.raises(NotFetched, match="private"), fetcher.get(url):
                raise AssertionError


def test_a_trusted_name_that_moves_into_the_private_network_is_not_followed() -> None:
    answers = iter([["127.0.0.2"], ["127.0.0.1"]])
    hits: list[str] = []

    def speak(connection: socket.socket) -> None:
        hits.append(connection.getsockname()[0])
        connection.sendall(answer(b"x"))

    with speaker(speak) as origin:
        url = f"http://api.example:{port_of(origin)}/x"
        with Fetcher(trusted=httpx.URL(url), resolve=lambda host, port: next(answers)) as fetcher:
            # Nothing listens at the first address; the name did not resolve to the second when the user gave it.
            with pytest.raises(NotFetched, match="connection failed"), fetcher.get(url):
                raise AssertionError
            with pytest.raises(NotFetched, match="private"), fetcher.get(url):
                raise AssertionError
    assert hits == []


def test_the_address_that_was_checked_is_the_one_that_is_asked() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"] if len(asked) > 1 else ["127.0.0.1"]

    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak_once() -> None:
            connection, _ = listener.accept()
            with connection:
                heads.append(connection.recv(65536))
                connection.sendall(answer(b"x"))

        thread = threading.Thread(target=speak_once, daemon=True)
        thread.start()
        url = f"http://api.example:{listener.getsockname()[1]}/x"
        with Fetcher(trusted=httpx.URL(url), resolve=resolve) as fetcher, fetcher.get(url) as found:
            assert b"".join(found.chunks) == b"x"
        thread.join(5)
    assert asked == ["api.example"]
    assert f"Host: {httpx.URL(url).netloc.decode()}".encode().lower() in heads[0].lower()
    assert b"accept-encoding: identity" in heads[0].lower()
