"""Cached pages, and pages made with cached names: whatever happens, none differs from a page that is made anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelves import trying
from starlette.types import ASGIApp, Message
from test_properties import ANNA, ANNA_BY_NAME, ANNA_LID, BEN, GROUP, ONE, TWO, Observed, histories
from test_undo_properties import Told, Undo, steps_of

from backscroll.config import load
from backscroll.core.events import Batch, ChatSeen, ContactSeen, MessageSeen, NumberMapped, ReactionSet, Target
from backscroll.core.imports import NewImport
from backscroll.core.model import Message as ToldMessage
from backscroll.core.model import MessageKey, Org, Phone
from backscroll.http.app import build_app
from backscroll.storage import store as store_module
from backscroll.storage.read.names import ContactCache
from backscroll.storage.read.search_pages import SearchCaches
from backscroll.storage.store import Store, open_store
from conftest import OwnDatabase

EXAMPLES = {"sqlite": 4, "postgres": 2}
MANY = {"sqlite": 300, "postgres": 90}
"""Enough for some minutes on each."""
CHATS = (ANNA, ANNA_LID, ANNA_BY_NAME, BEN, GROUP)
ROUTES = (
    *(f"/chat/{chat}/messages{query}" for chat in CHATS for query in ("", "?media_only=true&limit=1")),
    *(f"/v1/chats/{chat}/messages?limit=2" for chat in CHATS),
    *(f"/v1/chats/messages?chat_id={chat}" for chat in CHATS),
    *(f"/v1/chats/{chat}/notifications" for chat in CHATS),
    *(f"/v1/chats/{chat}" for chat in CHATS),
    *(f"/v1/contacts/{chat}" for chat in (ANNA, BEN)),
    "/v1/chats/messages?limit=3",
    "/v1/chats",
    "/v1/contacts",
    "/v1/reactions",
    "/v1/notifications",
    "/chats",
    "/user/my/contacts",
    "/user/my/groups",
    f"/group/info?group_id={GROUP}",
    "/devices",
    "/v1/phones/all",
)
NUMBER = ONE.partition("@")[0]
NATIVE = (
    *(f"/api/chats/{NUMBER}/{chat}{more}" for chat in CHATS for more in ("", "/messages", "/spine")),
    *(f"/api/contacts/{chat}" for chat in (ANNA, BEN)),
    "/api/chats",
    "/api/contacts",
    "/api/phones",
    "/api/media",
    "/api/changes?after=0&limit=1000",
    *(f"/api/search?q={words}" for words in ("a", "from:name", "in:anna", "has:reaction", "-zzz")),
)
"""These pages are not cached, but the names, phones and search index with which they are made."""
ASKED = 10
"""How many routes of each kind are requested again after each step of a history."""


class Desk:
    """One database for many archives, read through an app that caches pages and through one that does not."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.database = database
        self.store = open_store(database, folder)
        self._second = open_store(database, folder)
        self._made = 0
        self.ready(folder)

    def ready(self, folder: Path) -> None:
        """Make the two apps that are compared."""
        self._kept = build_app(self.store, None, load({}, {"rate_limit": 0}, directory=folder))
        nothing_kept = {"rate_limit": 0, "page_cache_bytes": 0, "message_cache_bytes": 0}
        self._anew = build_app(
            self._second,
            None,
            load({}, nothing_kept, directory=folder),
        )

    def close(self) -> None:
        self._second.close()
        self.store.close()

    def follow(self, loop: asyncio.Runner, steps: list[Told | Undo], chance: random.Random) -> None:
        """Compare some pages before the first step and after each."""
        self._made += 1
        org = self.store.create_org(f"org {self._made}").no
        phones = [self.store.add_phone(org, jid) for jid in (ONE, TWO)]
        compare = self.comparing(loop, org, phones, chance)
        ids = dict[int, int]()
        compare()
        for step in steps:
            self._take(org, step, ids, chance, compare)
            compare()

    def comparing(
        self, loop: asyncio.Runner, org: int, phones: list[Phone], chance: random.Random
    ) -> Callable[[], None]:
        """A function that compares some pages in their present state."""
        narrow = self.store.create_token(org, "narrow", (phones[0].no,)).secret
        wide = self.store.create_token(org, "wide").secret
        paths = chance.sample(ROUTES, ASKED) + chance.sample(NATIVE, ASKED)

        def compare() -> None:
            self._second._contact_cache, self._second._search_caches = ContactCache(), SearchCaches()
            for path in paths:
                for secret in (narrow, wide):
                    headers = [(b"authorization", f"Bearer {secret}".encode()), (b"host", b"archive.test")]
                    if not path.startswith("/v1"):
                        headers.append((b"x-device-id", ONE.partition("@")[0].encode()))
                    kept = loop.run(ask(self._kept, path, headers))
                    assert kept == loop.run(ask(self._anew, path, headers)), path

        return compare

    def _take(
        self, org: int, step: Told | Undo, ids: dict[int, int], chance: random.Random, compare: Callable[[], None]
    ) -> None:
        store = self.store
        if isinstance(step, Undo):
            store.undo_import(org, ids[step.teller], progress=lambda _: compare())
            return
        if step.teller and step.teller not in ids:
            ids[step.teller] = store.begin_import(org, NewImport(kind="gowa")).id
        store.apply(org, Batch(source=step.source, events=step.events, import_id=ids.get(step.teller)))
        if chance.random() < 0.1:
            name = ContactSeen(jid=chance.choice(CHATS), name=f"Name {chance.random()}", at=chance.randrange(10**6))
            store.apply(org, Batch(source="gowa", events=[name]))
        if chance.random() < 0.1:
            store.add_phone(org, ONE, name=f"Phone {chance.random()}")
        if chance.random() < 0.2:
            store.sources.connect(org, store.find_phone(org, ONE).no, chance.choice(["CONNECTED", "DISCONNECTED"]))
        if chance.random() < 0.5:
            store.finish_merges(org)


async def ask(app: ASGIApp, path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Status and body of a GET."""
    target, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "headers": headers,
    }
    scope |= {"path": target, "query_string": query.encode(), "client": ("203.0.113.7", 5000)}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: Message) -> None:
        sent.append(event)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(event.get("body", b"") for event in sent)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk"), own_database())
    with pytest.MonkeyPatch.context() as patch:
        # With one row a transaction, pages are compared during an undo too.
        patch.setattr(store_module, "UNDO_ROWS", 1)
        yield made
    made.close()


def try_histories(desk: Desk, examples: int) -> None:
    @trying(examples)
    @given(history=histories(), chance=st.randoms(use_true_random=False))
    def each(history: list[Observed], chance: random.Random) -> None:
        with asyncio.Runner() as loop:
            desk.follow(loop, steps_of(history, chance), chance)

    each()


def test_no_kept_page_differs_from_one_made_anew(desk: Desk) -> None:
    try_histories(desk, EXAMPLES[desk.store._engine.name])


@pytest.mark.full
def test_no_kept_page_of_many_histories_differs_from_one_made_anew(desk: Desk) -> None:
    try_histories(desk, MANY[desk.store._engine.name])


def test_a_reaction_whose_message_never_came_changes_no_chat(store: Store, org: Org, phone: Phone) -> None:
    store.apply(org.no, Batch(source="gowa", events=[ChatSeen(phone=phone.jid, chat=ANNA, name="Anna")]))
    before = store.version(org.no)
    target = Target(phone.jid, ANNA, "never came")
    store.apply(org.no, Batch(source="gowa", events=[ReactionSet(target=target, by=ANNA, emoji="👍", at=1)]))
    lines = store.feed.places_changed_since(org.no, before, 100)
    assert [line.what for line in lines if line.chat and line.phone == phone.no] == []


def test_a_chat_that_messages_leave_has_changed(store: Store, org: Org, phone: Phone) -> None:
    chats: dict[str, int] = {}
    for jid in (ANNA, ANNA_LID):
        before = store.version(org.no)
        told = ToldMessage(
            key=MessageKey(phone.jid, jid, jid[:5], jid), sent_at=1_700_000_000_000_000, from_me=False, text="hello"
        )
        store.apply(org.no, Batch(source="gowa", events=[MessageSeen(told)]))
        lines = store.feed.places_changed_since(org.no, before, 100)
        chats[jid] = next(line.chat for line in lines if line.what == "message")
    before = store.version(org.no)
    store.apply(org.no, Batch(source="gowa", events=[NumberMapped(lid=ANNA_LID, jid=ANNA)]))
    store.finish_merges(org.no)
    lines = store.feed.places_changed_since(org.no, before, 100)
    moved = [line for line in lines if line.what == "update" and line.chat == chats[ANNA]]
    assert moved
    assert any(line.what == "chat" and line.chat == chats[ANNA_LID] and line.seq > moved[0].seq for line in lines)
