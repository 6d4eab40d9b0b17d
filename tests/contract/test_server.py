"""A few requests over a real socket, for what the HTTP server in front of the app could change."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from conftest import OwnDatabase
from contract.bakery import ANA, JPEG, Bakery
from served import free_port

READY_SECONDS = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[httpx.Client]:
    """``backscroll serve`` over a bakery's archive, and a client with a token for its shop."""
    archive = Bakery(tmp_path_factory.mktemp("served"), own_database())
    secret = archive.store.create_token(archive.org.no, "served", (archive.shop.no,)).secret
    archive.close()
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    command = [sys.executable, "-m", "backscroll", "serve", "--port", str(port), "--data", str(archive.folder)]
    command += ["--database", archive.database] if archive.database else []
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {secret}"}
            ) as client:
                wait_until_ready(client, process)
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        assert process.poll() is None, "the server ended before it was ready"
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server did not become ready")


def over_the_wire(server: httpx.Client, target: str, method: str = "GET") -> bytes:
    """The whole answer to a request whose target is sent as it is written."""
    host = server.base_url.host
    request = (
        f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        f"Authorization: {server.headers['authorization']}\r\n\r\n"
    )
    with socket.create_connection((host, server.base_url.port or 80), timeout=10) as connection:
        connection.sendall(request.encode())
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def test_both_apis_answer(server: httpx.Client) -> None:
    assert server.get("/v1/chats/messages?limit=1").json()["count"] == 22
    assert server.get(f"/chat/{ANA}/messages").json()["results"]["pagination"]["total"] == 16
    assert server.get("/health").text == "OK"


def test_an_escaped_path_is_decoded_once(server: httpx.Client) -> None:
    escaped = ANA.replace("@", "%40")
    assert b'"total":16' in over_the_wire(server, f"/chat/{escaped}/messages?limit=1")
    assert b'"total":0' in over_the_wire(server, f"/chat/{escaped.replace('%', '%25')}/messages?limit=1")
    assert b'"count":15' in over_the_wire(server, f"/v1/chats/{escaped}/messages?limit=1")
    assert b"404" in over_the_wire(server, "/v1/chats/a%2Fb/messages").partition(b"\r\n")[0]


def test_a_wrong_escape_reaches_the_program_as_it_is(server: httpx.Client) -> None:
    answer = over_the_wire(server, "/chat/%zz/messages")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(
        b'{"code":"BAD_REQUEST","message":"invalid chat_jid path parameter: invalid URL escape \\"%zz\\""}'
    )


def test_the_seeds_headers_survive_the_server(server: httpx.Client) -> None:
    headers = server.get("/v1/chats/messages?limit=1", headers={"accept-encoding": "identity"}).headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["keep-alive"] == "timeout=5"
    assert headers["x-powered-by"] == "Backscroll"
    assert headers["x-ratelimit-limit"] == "100"
    assert int(headers["content-length"]) > 1000
    assert "transfer-encoding" not in headers
    assert "date" in headers


def test_head_304_and_204_have_no_body(server: httpx.Client) -> None:
    got = server.get("/v1/chats/messages")
    head = over_the_wire(server, "/v1/chats/messages", "HEAD")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert head.endswith(b"\r\n\r\n")
    same = server.get("/v1/chats/messages", headers={"if-none-match": got.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    asked = {"origin": "https://app.example", "access-control-request-method": "GET"}
    assert server.options("/v1/chats/messages", headers=asked).status_code == 204


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_page_travels_compressed(server: httpx.Client, encoding: str) -> None:
    plain = server.get("/v1/chats/messages", headers={"accept-encoding": "identity"})
    packed = server.get("/v1/chats/messages", headers={"accept-encoding": encoding})
    assert packed.headers["content-encoding"] == encoding
    assert packed.content == plain.content


def test_files_are_served_in_parts(server: httpx.Client) -> None:
    rows = server.get(f"/chat/{ANA}/messages?media_only=true").json()["results"]["data"]
    address = next(row["url"] for row in rows if row["id"] == "M03")
    assert address.startswith(str(server.base_url))
    assert httpx.get(address).content == JPEG
    part = httpx.get(address, headers={"range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, JPEG[2:6])


def test_a_body_that_nobody_reads_does_no_harm(server: httpx.Client) -> None:
    for size in (100, 100_000, 1_000_000):
        for path, status in (("/send/message", 501), ("/v1/message/send", 501), ("/nowhere", 404)):
            assert server.post(path, content=b"x" * size).status_code == status
            assert server.get("/v1/phones/all").status_code == 200
    assert server.get("/v1/phones/all").status_code == 200
    too_much = server.post("/send/message", content=(b"x" * 100_000 for _ in range(20)))
    assert too_much.status_code == 501


def test_long_headers_are_taken_where_gowa_gave_up(server: httpx.Client) -> None:
    assert server.get("/chats", headers={"x-long": "x" * 8000}).status_code == 200
