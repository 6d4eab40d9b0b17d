"""A server on loopback that answers for chats and messages as GOWA does (contracts/gowa.md), faults included."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local_servers import LocalServer

Wire = dict[str, Any]
Fault = Callable[["_Handler"], None]
LOGIN = "desk:open sesame"


def go_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def wire_message(id: str, chat: str, at: int, **fields: Any) -> Wire:
    """A message on the wire, with the empty values that GOWA writes."""
    return {
        "id": id,
        "chat_jid": chat,
        "sender_jid": chat,
        "sender_display_name": chat.partition("@")[0],
        "content": f"message {id}",
        "timestamp": go_time(at),
        "is_from_me": False,
        "media_type": "",
        "filename": "",
        "url": "",
        "file_length": 0,
        "created_at": go_time(at + 1),
        "updated_at": go_time(at + 1),
        **fields,
    }


class StandIn(LocalServer):
    """Serves ``chats`` (JID → messages) of one device. Change them while it runs."""

    def __init__(self, phone: str, chats: dict[str, list[Wire]], names: dict[str, str] | None = None) -> None:
        self.phone = phone
        self.chats = chats
        self.names = names or {}
        self.faults: list[Fault | None] = []
        """One for each coming request; None means no fault."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        standin = self

        class Handler(_Handler):
            world = standin

        super().__init__(Handler)

    def chat_rows(self) -> list[Wire]:
        rows = []
        for jid, messages in self.chats.items():
            last = max((message["timestamp"] for message in messages), default="0001-01-01T00:00:00Z")
            name = self.names.get(jid, jid.partition("@")[0])
            times = {"last_message_time": last, "created_at": last, "updated_at": last}
            rows.append({"jid": jid, "name": name, **times, "ephemeral_expiration": 0, "archived": False})
        return sorted(rows, key=lambda row: str(row["last_message_time"]), reverse=True)

    def message_rows(self, chat: str, params: dict[str, str]) -> list[Wire]:
        """Newest first, both bounds inclusive; times are compared as text, as GOWA does."""
        rows = sorted(self.chats.get(chat, []), key=lambda row: str(row["timestamp"]), reverse=True)
        start, end = params.get("start_time", ""), params.get("end_time", "~")
        return [row for row in rows if start <= str(row["timestamp"]) <= end]


class _Handler(BaseHTTPRequestHandler):
    world: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        params = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self.world.lock:
            self.world.requests.append((unquote(parts.path), params))
            fault = self.world.faults.pop(0) if self.world.faults else None
            if fault is not None:
                fault(self)
            else:
                self._answer(unquote(parts.path), params)

    def _answer(self, path: str, params: dict[str, str]) -> None:
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(LOGIN.encode()).decode():
            return self.send(401, b"Unauthorized", "text/plain; charset=utf-8")
        if self.headers.get("X-Device-Id") != self.world.phone:
            return self.send(404, b'{"code":"DEVICE_NOT_FOUND","message":"device not found","results":{}}')
        limit, offset = int(params.get("limit", "25")), int(params.get("offset", "0"))
        if limit > 100:
            return self.send(400, b'{"code":"VALIDATION_ERROR","message":"limit: must be no greater than 100."}')
        rows = self.world.chat_rows()
        if path != "/chats":
            rows = self.world.message_rows(path.removeprefix("/chat/").removesuffix("/messages"), params)
        page = {"limit": limit, "offset": offset, "total": len(rows)}
        results = {"data": rows[offset : offset + limit], "pagination": page}
        return self.send(200, json.dumps({"code": "SUCCESS", "message": "Success", "results": results}).encode())

    def send(self, status: int, body: bytes, content_type: str = "application/json; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def busy(handler: _Handler) -> None:
    handler.send(503, b'{"code":"DEVICE_MANAGER_UNAVAILABLE","message":"Device manager is not initialized"}')


def hang_up(handler: _Handler) -> None:
    handler.close_connection = True
    handler.connection.close()


def half_json(handler: _Handler) -> None:
    handler.send(200, b'{"code":"SUCCESS","results":{"data":[{"id":"3A')


def web_page(handler: _Handler) -> None:
    handler.send(200, b"<!doctype html><title>GOWA</title>", "text/html")
