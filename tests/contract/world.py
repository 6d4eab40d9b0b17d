"""An archive on disk, an app for it, and clients that call the app in process."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import itertools
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backscroll.config import Settings, load
from backscroll.core import model
from backscroll.core.events import Batch, ChatSeen, ContactSeen, Event, MessageSeen, NumberMapped, Target
from backscroll.core.model import Details, MessageKey, Org, Phone, Source
from backscroll.http.app import build_app
from backscroll.storage.files.keys import load_or_make_key
from backscroll.storage.files.media import MediaStore
from backscroll.storage.records.counters import DAY_US
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.feed import FeedUpkeep

SECOND = 1_000_000


def micros(text: str) -> int:
    """The microsecond of an ISO 8601 time with a zone."""
    timestamp = datetime.fromisoformat(text)
    return int(timestamp.replace(microsecond=0).timestamp()) * SECOND + timestamp.microsecond


def user(number: str) -> str:
    return f"{number}@s.whatsapp.net"


class Teller:
    """Short ways to build the events of one of our phones."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone.jid

    def message(
        self, chat: str, id: str, at: str | int, text: str | None = None, sender: str | None = None, **more: Any
    ) -> MessageSeen:
        """A message; fields of ``Details`` may be given by name like those of ``Message``."""
        fields = {name: more.pop(name) for name in ("kind", "ack") if name in more}
        from_me = more.pop("from_me", False)
        author = sender or (self.phone if from_me else chat)
        key = MessageKey(self.phone, chat, id, author)
        sent_at = at if isinstance(at, int) else micros(at)
        return MessageSeen(
            model.Message(key=key, sent_at=sent_at, from_me=from_me, text=text, details=Details(**more), **fields)
        )

    def target(self, chat: str, id: str, sender: str | None = None) -> Target:
        return Target(self.phone, chat, id, sender)

    def chat(self, jid: str, **observed: Any) -> ChatSeen:
        return ChatSeen(phone=self.phone, chat=jid, **observed)


_ADDRESSES = itertools.count(1)


class Client:
    """Sends requests to an app in process, by default with a credential."""

    def __init__(self, app: ASGIApp, runner: asyncio.Runner, headers: dict[str, str]) -> None:
        self.app = app
        self._runner = runner
        self._headers = headers
        self._path = "/"
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._with_raw_path),
            base_url="http://archive.test",
            headers={"accept-encoding": "identity"},
        )

    @property
    def secret(self) -> str:
        """The secret of its token."""
        return self._headers["authorization"].removeprefix("Bearer ")

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Send a request; ``path`` is sent as it is written, escapes included."""
        self._path = path
        return self._runner.run(self._http.request(method, "/", headers={**self._headers, **(headers or {})}, **more))

    async def _with_raw_path(self, scope: Scope, receive: Receive, send: Send) -> None:
        target, _, query = self._path.partition("?")
        # Each request comes from another address, because failed logins are counted by address.
        address = str(ipaddress.ip_address("10.0.0.0") + next(_ADDRESSES))
        given = {
            "path": unquote(target),
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "client": (address, 5000),
        }
        await self.app({**scope, **given}, receive, send)

    def raw(self, path: str, headers: dict[str, str]) -> bytes:
        """The body as it came over the wire, compressed or not."""
        sent: list[bytes] = []
        given = {"host": "archive.test", **self._headers, **headers}
        scope: Scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("10.1.1.1", 5000),
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(event: Message) -> None:
            sent.append(event.get("body", b""))

        async def call() -> None:
            await self.app(scope, receive, send)

        self._runner.run(call())
        return b"".join(sent)

    def json(self, path: str, headers: dict[str, str] | None = None) -> Any:
        """The JSON body of an answer that must have status 200."""
        response = self.ask(path, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()


class World:
    """The archive in a folder, created if it is missing, with one organisation. The user must close it."""

    def __init__(self, folder: Path, org_id: str | None = None, database: str | None = None, **flags: object) -> None:
        self.folder = folder
        self.database = database
        self.runner = asyncio.Runner()
        self.store: Store = open_store(database, folder)
        self.media = MediaStore(folder / "media", load_or_make_key(folder / "secret.key"))
        known = self.store.list_orgs()
        self.org: Org = known[0] if known else self.store.create_org("Hill Street Bakery", org_id)
        self.app = self.make_app(**flags)

    def close(self) -> None:
        self.runner.close()
        self.store.close()

    def settings(self, **flags: object) -> Settings:
        kept_in = {} if self.database is None else {"database": self.database}
        return load({}, {"rate_limit": 0, **kept_in, **flags}, directory=self.folder)

    def make_app(self, **flags: object) -> ASGIApp:
        return build_app(self.store, self.media, self.settings(**flags))

    def phone(self, number: str, device_id: str | None = None, name: str | None = None) -> Phone:
        return self.store.add_phone(self.org.no, number, device_id, name)

    def tell(self, *events: Event, source: Source = "linked", org: Org | None = None, raw: bytes | None = None) -> None:
        self.store.apply((org or self.org).no, Batch(source=source, events=list(events), raw=raw))

    def prune_feed(self) -> int:
        """Drop the whole change feed, as if it were old; returns the place where it now begins."""
        now = time.time_ns() // 1000
        for at in (now, now + 3 * DAY_US):
            FeedUpkeep(self.store._engine, lambda at=at: at).run(self.org.no, 1)  # type: ignore[misc]
        return self.store.feed.bounds(self.org.no).pruned

    def client(
        self,
        phones: Iterable[Phone] | None = None,
        *,
        app: ASGIApp | None = None,
        org: Org | None = None,
        expires_at: int | None = None,
        scopes: frozenset[str] = frozenset({"read"}),
    ) -> Client:
        """A client whose token covers these phones, or the whole organisation if None."""
        numbers = None if phones is None else tuple(phone.no for phone in phones)
        token = self.store.create_token((org or self.org).no, "test", numbers, scopes, expires_at)
        return Client(app or self.app, self.runner, {"authorization": f"Bearer {token.secret}"})

    def guest(self, headers: dict[str, str] | None = None, app: ASGIApp | None = None) -> Client:
        return Client(app or self.app, self.runner, headers or {})


def basic(user: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def known_as(jid: str, name: str | None = None, **observed: Any) -> ContactSeen:
    return ContactSeen(jid=jid, name=name, **observed)


def same_person(lid: str, jid: str) -> NumberMapped:
    return NumberMapped(lid=lid, jid=jid)
