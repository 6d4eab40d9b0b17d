"""What receiving webhooks costs: single signed payloads over HTTP, on many connections, each acknowledged durably."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from datetime import UTC, datetime
from multiprocessing.queues import SimpleQueue

import msgspec

from backscroll.ingest.signatures import sign
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from bench.data import PHONES
from bench.places import Place
from bench.servers import backscroll

WRITERS = 16
PROCESSES = 2
_SECRET = "a secret of some length"
_CHAT = "919537851844@s.whatsapp.net"


def push_singly(place: Place, seconds: float) -> float:
    """GOWA payloads a second that the server acknowledges when 16 connections send one after the other."""
    number = PHONES[0][0]
    path = _add_source(place, number)
    with backscroll(place.environ, "nothing", list) as server:
        context = multiprocessing.get_context("spawn")
        told: SimpleQueue[tuple[int, float]] = context.SimpleQueue()
        arguments = [(server.port, path, number, first, seconds, told) for first in range(PROCESSES)]
        clients = [context.Process(target=_clients, args=each) for each in arguments]
        for client in clients:
            client.start()
        outcomes = [told.get() for _ in clients]
        for client in clients:
            client.join()
    return sum(acknowledged / took for acknowledged, took in outcomes)


def _add_source(place: Place, number: str) -> str:
    store = place.open()
    org = store.list_orgs()[0].no
    phone = store.find_phone(org, number)
    source = LiveSource(org=org, id=make_source_id(org), kind="gowa", phone=phone.no)
    store.sources.add(source, SourceSecrets(_SECRET))
    store.close()
    return f"/ingest/gowa/{source.id}"


def _clients(
    port: int, path: str, number: str, process: int, seconds: float, told: SimpleQueue[tuple[int, float]]
) -> None:
    counts = [0] * (WRITERS // PROCESSES)
    end = time.monotonic() + seconds

    def push(at: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.monotonic() < end:
                _push(connection, path, _payload(number, f"W{process}-{at}-{counts[at]:08}"))
                counts[at] += 1

    threads = [threading.Thread(target=push, args=(at,)) for at in range(len(counts))]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.put((sum(counts), time.monotonic() - began))


def _payload(number: str, id: str) -> bytes:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    payload = {"id": id, "chat_id": _CHAT, "from": _CHAT, "from_name": "Ana", "timestamp": at, "body": f"message {id}"}
    device = f"{number}@s.whatsapp.net"
    return msgspec.json.encode({"event": "message", "device_id": device, "payload": {**payload, "is_from_me": False}})


def _push(connection: socket.socket, path: str, body: bytes) -> None:
    ((name, value),) = sign("gowa", _SECRET, body).items()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\n{name}: {value}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    answer = b""
    while b'"quarantined":' not in answer:
        part = connection.recv(65_536)
        if not part:
            raise SystemExit(f"the server hung up: {answer[:200]!r}")
        answer += part
    if not answer.startswith(b"HTTP/1.1 200 ") or b"true" in answer.rpartition(b"\r\n\r\n")[2]:
        raise SystemExit(f"a payload was not taken: {answer[:300]!r}")
