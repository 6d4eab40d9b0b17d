"""A small archive for tests of HTTP: an organisation, two phones, a message, and a client that calls the app."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, cast

import httpx
from starlette.types import ASGIApp, Message, Receive, Send

from backscroll.config import load
from backscroll.core.answers import ChangedPlace
from backscroll.core.errors import Unauthorised
from backscroll.core.model import (
    Access,
    ArchivedMessage,
    Chat,
    ChatPage,
    Contact,
    ContactPage,
    MessageKey,
    Org,
    Page,
    Phone,
    ReactionPage,
    RenderedPage,
)
from backscroll.core.model import (
    Message as ToldMessage,
)
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery, ReactionQuery
from backscroll.http.app import build_app
from backscroll.storage.read.rendered import Way
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource

ORG = Org(no=1, id="2997dd64-89bf-48d3-9a22-b314fca017e5", name="Sample", created_at=0)
ONE = Phone(no=1, jid="918527184400@s.whatsapp.net", phone_id="phone-bqzvyibhmwkaergr", device_id="my-device")
TWO = Phone(no=2, jid="6289685028129@s.whatsapp.net", phone_id="phone-abcdefghijklmnop")
CHAT = "919537851844@s.whatsapp.net"
SECRET = "secret-of-the-token"
BEARER = {"authorization": f"Bearer {SECRET}"}


def message(text: str = "hello") -> ArchivedMessage:
    key = MessageKey(phone=ONE.jid, chat=CHAT, id="3EB0C62861626B2D8BD4A3", sender=CHAT)
    told = ToldMessage(key=key, sent_at=1_737_695_468_000_000, from_me=False, text=text)
    return ArchivedMessage(no=1, message=told, phone=ONE, ack=0)


class SmallArchive:
    """Answers with what it was given, and counts how often it was read."""

    def __init__(self, *phones: Phone) -> None:
        self.phones = phones
        self.messages = [message()]
        self.head = 1
        self.changes: list[ChangedPlace] = []
        self.asked = 0
        self.trouble: Exception | None = None
        self.looked_up = 0
        self.scopes = frozenset({"read"})
        self.revoked = False
        self.token = "tok"
        self.any_secret = False
        self.slow = 0.0

    @property
    def sources(self) -> SmallArchive:
        return self

    @property
    def feed(self) -> SmallArchive:
        return self

    def of(self, _: int) -> list[LiveSource]:
        """No live sources, and so no upstream."""
        return []

    def _ask(self) -> None:
        self.asked += 1
        if self.trouble:
            raise self.trouble

    def seen_by(self, _: object) -> SmallArchive:
        return self

    def list_messages(self, query: MessageQuery) -> Page:
        self._ask()
        return Page(messages=self.messages, total=len(self.messages), offset=query.offset, limit=query.limit)

    def list_rendered(self, query: MessageQuery, way: Way) -> RenderedPage:
        return self.list_messages(query).rendered(way.render)

    def find_message(self, *_: object) -> ArchivedMessage | None:
        self._ask()
        return None

    def find_by_client_ref(self, *_: object) -> ArchivedMessage | None:
        return None

    def list_chats(self, query: ChatQuery) -> ChatPage:
        return ChatPage(chats=[], total=0, offset=0, limit=query.limit)

    def find_chat(self, org: int, phones: tuple[int, ...], jid: str) -> Chat | None:
        return None

    def list_contacts(self, query: ContactQuery) -> ContactPage:
        time.sleep(self.slow)
        return ContactPage(contacts=[], total=0, offset=0, limit=0)

    def find_contact(self, org: int, phones: tuple[int, ...], jid: str) -> Contact | None:
        return None

    def list_reactions(self, query: ReactionQuery) -> ReactionPage:
        return ReactionPage(reactions=[], total=0, offset=0, limit=query.limit)

    def version(self, org: int) -> int:
        return self.head

    def write(self, what: str, phone: int = 0, chat: int = 0) -> None:
        """Record a change."""
        self.head += 1
        self.changes.append(ChangedPlace(self.head, what, phone, chat))

    def places_changed_since(self, org: int, seq: int, limit: int) -> list[ChangedPlace]:
        return [change for change in self.changes if change.seq > seq][:limit]

    def list_orgs(self) -> list[Org]:
        self._ask()
        return [ORG]

    def access_of_token(self, token_id: str) -> Access:
        if token_id != "bsk1xsample":
            raise Unauthorised
        return Access(org=ORG, phones=self.phones)

    def list_phones(self, org: int) -> tuple[Phone, ...]:
        return self.phones

    def authenticate(self, secret: str) -> Access:
        self.looked_up += 1
        if (secret != SECRET and not self.any_secret) or self.revoked:
            raise Unauthorised
        return Access(org=ORG, phones=self.phones, scopes=self.scopes, token_id="tok")

    def authenticate_basic(self, token_id: str, secret: str) -> Access:
        if token_id != self.token:
            raise Unauthorised
        return self.authenticate(secret)


class Client:
    """Sends one request at a time, by default with the token."""

    def __init__(self, app: ASGIApp, address: str = "203.0.113.7", host: str = "archive.test") -> None:
        self.app = app
        self.address = address
        self.host = host

    def call(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        async def run() -> None:
            await self.app(scope, receive, send)

        asyncio.run(run())

    def status(self, path: str, headers: list[tuple[bytes, bytes]], http_version: str = "1.1") -> int:
        """The status of a GET with exactly these headers, without those that a client library would add."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(event: Message) -> None:
            sent.append(event)

        target, _, query = path.partition("?")
        scope: dict[str, Any] = {"type": "http", "http_version": http_version, "method": "GET", "scheme": "http"}
        scope |= {"headers": headers, "path": target, "query_string": query.encode(), "client": (self.address, 5000)}
        self.call(scope, receive, send)
        return int(sent[0]["status"])

    def ask(self, path: str, method: str = "GET", headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(self.address, 5000))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{self.host}") as client:
                client.headers["accept-encoding"] = "identity"
                return await client.request(method, path, headers=BEARER if headers is None else headers, **more)

        return asyncio.run(send())


def connect(
    archive: SmallArchive, folder: Path, address: str = "203.0.113.7", host: str = "archive.test", **flags: object
) -> Client:
    return Client(build_app(cast(Store, archive), None, load({}, flags, directory=folder)), address, host)
