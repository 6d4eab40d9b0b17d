"""A server on loopback that serves Periskope's API as the contract describes it, faults included."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local_servers import LocalServer

Wire = dict[str, Any]
Fault = Callable[["_Handler"], None]

TOKEN = "sk_periskope_standin"
LIMIT_REFUSED = (
    b'{"name":"Validation Error","code":"VALIDATION_ERROR","fields":{"limit":{'
    b'"message":"Limit should be less than 2000","value":"%s"}},'
    b'"message":"Limit should be less than ${MAX_LIMIT}","status":422}'
)
TOKEN_REFUSED = (
    b'{"name":"Unauthorised","code":"UNAUTHORIZED_ERROR","message":"Invalid bearer auth token","status":401}'
)
NOT_OFFERED = b'{"name":"Not Found","code":"NOT_FOUND_ERROR","message":"Not found","status":404}'

LISTS = {
    "/v1/chats/messages": "messages",
    "/v1/chats": "chats",
    "/v1/contacts": "contacts",
    "/v1/reactions": "reactions",
    "/v1/chats/notifications": "notifications",
}


def wire_message(number: int, at: str, **fields: Any) -> Wire:
    """A received message as it is on the wire, with the keys that matter here."""
    unique_id = f"3EB0{number:012X}"
    remote = fields.get("chat_id", "919537851844@c.us")
    serialized = f"false_{remote}_{unique_id}"
    return {
        "message_id": serialized,
        "org_id": "2997dd64-89bf-48d3-9a22-b314fca017e5",
        "ack": "0",
        "body": f"message {number}",
        "from_me": False,
        "id": {"id": unique_id, "remote": remote, "from_me": False, "serialized": serialized},
        "mentioned_ids": [],
        "message_type": "chat",
        "chat_id": remote,
        "timestamp": at,
        "org_phone": "918527184400@c.us",
        "sender_phone": "919537851844@c.us",
        "delivery_info": {"pending": [], "read_count": 0, "delivered_count": 0},
        "updated_at": at,
        "unique_id": unique_id,
        **fields,
    }


def wire_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


class StandIn(LocalServer):
    """Serves ``lists`` by name; a list that is missing is answered with 404. Change them while it runs."""

    def __init__(
        self,
        messages: list[Wire],
        *,
        count: str = "total",
        max_limit: int = 2000,
        capped_limit: int | None = None,
        honours_end: bool = True,
        honours_start: bool = True,
        honours_offset: bool = True,
        exclusive: bool = False,
        rate_limit: int | None = None,
        **lists: list[Wire],
    ) -> None:
        self.lists: dict[str, list[Wire]] = {"messages": messages, **lists}
        self.files: dict[str, tuple[bytes, str]] = {}
        self.faults: list[Fault | None] = []
        """One for each coming request; None means no fault."""
        self.before_request: Callable[[int], None] = lambda number: None
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.count = count
        self.max_limit = max_limit
        self.capped_limit = capped_limit
        self.honours_end = honours_end
        self.honours_start = honours_start
        self.honours_offset = honours_offset
        self.exclusive = exclusive
        self.rate_limit = rate_limit
        self.lock = threading.Lock()
        standin = self

        class Handler(_Handler):
            world = standin

        super().__init__(Handler)

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    def asked(self, path: str) -> list[dict[str, str]]:
        """The parameters of the requests for ``path``, in order."""
        return [params for asked, params, _ in self.requests if asked == path]

    def rows(self, name: str, params: dict[str, str]) -> tuple[list[Wire], int]:
        """The rows of a page, newest first, and the total number of matches."""
        rows = self.lists[name]
        if name in ("messages", "reactions", "notifications"):
            rows = sorted(rows, key=lambda row: (_seconds(row), row.get("message_id", "")), reverse=True)
            if self.honours_start and "start_time" in params:
                start = datetime.fromisoformat(params["start_time"]).timestamp()
                rows = [row for row in rows if (_seconds(row) > start if self.exclusive else _seconds(row) >= start)]
            if self.honours_end and "end_time" in params:
                end = datetime.fromisoformat(params["end_time"]).timestamp()
                rows = [row for row in rows if (_seconds(row) < end if self.exclusive else _seconds(row) <= end)]
        limit = min(int(params.get("limit", "2000")), self.capped_limit or 2000)
        offset = int(params.get("offset", "0")) if self.honours_offset else 0
        return rows[offset : offset + limit], len(rows)


def _seconds(row: Wire) -> float:
    try:
        return datetime.fromisoformat(row["timestamp"]).timestamp()
    except (ValueError, TypeError):
        return 0.0


class _Handler(BaseHTTPRequestHandler):
    world: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        params = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        with self.world.lock:
            self.world.before_request(len(self.world.requests))
            self.world.requests.append((parts.path, params, {k.lower(): v for k, v in self.headers.items()}))
            fault = self.world.faults.pop(0) if self.world.faults else None
            if fault is not None:
                fault(self)
            else:
                self._answer(unquote(parts.path), params)

    def _answer(self, path: str, params: dict[str, str]) -> None:
        if path in self.world.files:
            body, mimetype = self.world.files[path]
            return self.send(200, body, **{"Content-Type": mimetype})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.send(401, TOKEN_REFUSED)
        if path == "/v1/phones/all" and "phones" in self.world.lists:
            return self.send(200, json.dumps(self.world.lists["phones"]).encode())
        name = LISTS.get(path)
        if name is None or name not in self.world.lists:
            return self.send(404, NOT_OFFERED)
        limit = params.get("limit", "2000")
        if int(limit) > self.world.max_limit:
            return self.send(422, LIMIT_REFUSED % limit.encode())
        rows, total = self.world.rows(name, params)
        offset = int(params.get("offset", "0"))
        count = total if self.world.count == "total" else len(rows)
        page = {"from": offset + 1, "to": offset + len(rows), "count": count, name: rows}
        return self.send(
            200, json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        )

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        if self.world.rate_limit is not None:
            left = self.world.rate_limit - 1 - len(self.world.requests) % self.world.rate_limit
            self.send_header("X-RateLimit-Limit", str(self.world.rate_limit))
            self.send_header("X-RateLimit-Remaining", str(left))
            self.send_header("X-RateLimit-Reset", str(int(time.time()) + 2))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read ``requests`` instead."""


def busy(retry_after: str | None = None) -> Fault:
    body = b'{"name":"x","code":"RATE_LIMIT_ERROR","message":"You can only make 100 requests per second","status":429}'
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    return lambda handler: handler.send(429, body, **headers)


def broken(status: int = 500) -> Fault:
    return lambda handler: handler.send(status, b"<html>Bad gateway</html>", **{"Content-Type": "text/html"})


def web_page() -> Fault:
    return lambda handler: handler.send(200, b"<!doctype html><title>Login</title>", **{"Content-Type": "text/html"})


def half_json() -> Fault:
    return lambda handler: handler.send(200, b'{"from":1,"to":2,"count":2,"messages":[{"message_id":"fal')


def hang_up() -> Fault:
    def cut(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        handler.wfile.write(b'{"from":1')
        handler.close_connection = True

    return cut
