"""Following the archive: the change feed by request, and streams of events, interrupted at random."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from starlette.types import Message, Scope

from backscroll.core.events import Batch, MessageEdited, MessageRevoked
from backscroll.core.imports import NewImport
from backscroll.http import live
from contract.world import SECOND, Teller, World, known_as, micros, same_person, user

NOON = micros("2026-03-01T12:00:00+00:00")
CHAT = user("4915550002001")
LID, GROUP = "77700011122233@lid", "120363041234567890@g.us"


def walk(client: Any, after: int = 0, limit: int = 7) -> list[dict[str, Any]]:
    """The whole feed, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = client.json(f"/api/changes?after={after}&limit={limit}")
        found += page["items"]
        after = page["next"]
        if not page["more"]:
            return found


def test_the_feed_says_what_came_changed_and_was_deleted(world: World) -> None:
    phone = world.phone("4915550001001")
    teller, client = Teller(phone), world.client()
    begin = client.json("/api/changes")["next"]
    world.tell(teller.message(CHAT, "A", NOON, "one"), teller.message(CHAT, "B", NOON + SECOND, "two"))
    world.tell(MessageEdited(target=teller.target(CHAT, "A"), text="uno", at=NOON + 2 * SECOND))
    world.tell(MessageRevoked(target=teller.target(CHAT, "B"), at=NOON + 3 * SECOND))
    world.tell(known_as(CHAT, "Ana"))
    changes = [(line["type"], line["chat_id"], line["key"]) for line in walk(client, begin)]
    key = "4915550001001:false_4915550002001@c.us_"
    told = [change for change in changes if change[0].startswith("message")]
    assert told == [
        ("message.created", "4915550002001@c.us", f"{key}A"),
        ("message.created", "4915550002001@c.us", f"{key}B"),
        ("message.updated", "4915550002001@c.us", f"{key}A"),
        ("message.deleted", "4915550002001@c.us", f"{key}B"),
    ]
    assert ("contact.updated", "4915550002001@c.us", None) in changes


def test_the_feed_of_a_scoped_token_holds_nothing_of_other_phones(world: World) -> None:
    one, two = world.phone("4915550001001"), world.phone("4915550001003")
    other = user("4915550002002")
    world.tell(Teller(one).message(CHAT, "A", NOON, "mine"), Teller(two).message(other, "B", NOON, "theirs"))
    world.tell(known_as(other, "Secret name"))
    seen = walk(world.client([one]))
    assert {line["phone"] for line in seen} == {one.number, None}
    assert {line["chat_id"] for line in seen} <= {"4915550002001@c.us", None}


def erased(lines: list[dict[str, Any]]) -> list[tuple[str | None, str | None, str | None]]:
    return [(line["phone"], line["chat_id"], line["key"]) for line in lines if line["type"] == "message.erased"]


def test_an_erased_message_is_named_as_it_was_before(world: World) -> None:
    """Rows of merged contacts that are one message: the one that stays must not be taken for the one that goes."""
    phone, other = world.phone("4915550001001"), world.phone("4915550001003")
    teller, client = Teller(phone), world.client()
    world.tell(teller.message(LID, "A", NOON, "hello"), teller.message(CHAT, "A", NOON, "hello"))
    world.tell(*(teller.message(GROUP, "B", NOON, "all", sender=sender) for sender in (LID, CHAT)))
    keys = {line["key"] for line in walk(client) if line["type"] == "message.created"}
    begin = world.store.version(world.org.no)
    world.tell(same_person(LID, CHAT))
    world.store.finish_merges(world.org.no)
    lid, group = LID.replace("s.whatsapp.net", "c.us"), GROUP
    gone = erased(walk(client, begin))
    assert sorted(gone) == [
        (phone.number, group, f"{phone.number}:false_{group}_B_{lid}"),
        (phone.number, lid, f"{phone.number}:false_{lid}_A"),
    ]
    assert erased(walk(world.client([phone]), begin)) == gone
    assert erased(walk(world.client([other]), begin)) == []
    left = keys - {key for _, _, key in gone}
    assert {client.json(f"/api/messages/{key}")["key"] for key in left} == left
    assert len(left) == 2


def test_an_erased_message_is_named_when_its_contacts_are_gone_too(world: World) -> None:
    phone, client = world.phone("4915550001001"), world.client()
    begun = world.store.begin_import(
        world.org.no, NewImport(kind="export", file="x.txt", sha256="0" * 64, size=1, answers={})
    )
    message = Teller(phone).message(CHAT, "A", NOON, "hello")
    world.store.as_import(begun.id).apply(world.org.no, Batch(source="export", events=[message]))
    world.store.finish_import(world.org.no, begun.id, None)
    world.store.undo_import(world.org.no, begun.id)
    shown = "4915550002001@c.us"
    assert erased(walk(client)) == [(phone.number, shown, f"{phone.number}:false_{shown}_A")]


def test_a_place_of_the_future_is_gone(world: World) -> None:
    answer = world.client().ask("/api/changes?after=999999")
    assert (answer.status_code, answer.json()["code"]) == (410, "RESET")
    assert world.client().ask("/api/changes?after=x").status_code == 422


def test_a_place_from_before_what_is_kept_is_gone(world: World) -> None:
    world.tell(Teller(world.phone("4915550001001")).message(CHAT, "A", NOON, "one"))
    client, begin = world.client(), world.prune_feed()
    world.tell(known_as(CHAT, "Ana"))
    head = world.store.version(world.org.no)
    for query in ("", f"?after={begin - 1}"):
        answer = client.ask(f"/api/changes{query}")
        assert (answer.status_code, answer.json()["code"]) == (410, "RESET")
        assert f"up to seq {begin}" in answer.text
        assert f"follow from its seq, {head}" in answer.text
    assert [line["seq"] for line in walk(client, begin)][-1] == head


class Stream:
    """One open stream of events, read in process."""

    def __init__(self, world: World, headers: dict[str, str], query: str = "") -> None:
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._left = asyncio.Event()
        self._begun = False
        self._text = self.whole = ""
        scope: Scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/api/events",
            "raw_path": b"/api/events",
            "query_string": query.encode(),
            "headers": [(b"host", b"archive.test"), *((n.encode(), v.encode()) for n, v in headers.items())],
            "client": ("10.2.2.2", 5000),
        }
        self._task = asyncio.ensure_future(world.app(scope, self._receive, self._sent.put))

    async def _receive(self) -> Message:
        if not self._begun:
            self._begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def events(self) -> AsyncIterator[dict[str, str]]:
        """The fields of each event as it arrives, until the stream ends."""
        while True:
            message = await asyncio.wait_for(self._sent.get(), 60)
            told = message.get("body", b"").decode()
            self._text += told
            self.whole += told
            while "\n\n" in self._text:
                block, _, self._text = self._text.partition("\n\n")
                fields = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":"))
                if fields:
                    yield fields
            if message["type"] == "http.response.body" and not message.get("more_body"):
                return

    async def leave(self) -> None:
        """Close the connection."""
        self._left.set()
        await asyncio.wait_for(self._task, 60)


def run(world: World, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    world.runner.run(bounded())


def test_a_message_arrives_whole_and_by_itself(world: World) -> None:
    phone = world.phone("4915550001001")
    secret = world.store.create_token(world.org.no, "live").secret

    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {secret}"})
        events = stream.events()
        assert (await anext(events))["event"] == "hello"
        await asyncio.to_thread(world.tell, Teller(phone).message(CHAT, "A", NOON, "hello there"))
        async for event in events:
            line = json.loads(event["data"])
            if line["type"] == "message.created":
                break
        assert (line["key"], line["message"]["body"]) == ("4915550001001:false_4915550002001@c.us_A", "hello there")
        await stream.leave()

    run(world, work)


def test_a_follower_that_is_cut_at_random_sees_every_change_once_and_in_order(world: World) -> None:
    phone = world.phone("4915550001001")
    teller, dice = Teller(phone), random.Random(7)
    secret = world.store.create_token(world.org.no, "live").secret
    begin = world.store.version(world.org.no)

    def write() -> None:
        for n in range(60):
            world.tell(teller.message(user(f"49155500020{n % 7:02}"), f"M{n:03}", NOON + n * SECOND, f"line {n}"))

    async def work() -> None:
        writing = asyncio.ensure_future(asyncio.to_thread(write))
        seen: list[tuple[int, str]] = []
        place = begin
        while sum(type == "message.created" for _, type in seen) < 60:
            stream = Stream(world, {"authorization": f"Bearer {secret}", "last-event-id": str(place)})
            left = dice.randint(1, 25)
            unfinished: list[tuple[int, str]] = []
            async for event in stream.events():
                if event["event"] != "change":
                    continue
                line = json.loads(event["data"])
                unfinished.append((line["seq"], line["type"]))
                if "id" in event:
                    place = int(event["id"])
                    seen += unfinished
                    unfinished = []
                left -= 1
                done = sum(type == "message.created" for _, type in seen) == 60
                if left <= 0 or done:
                    break
            await stream.leave()
        await writing
        assert seen == sorted(seen, key=lambda line: line[0])
        assert len(set(seen)) == len(seen)

    run(world, work)


def test_a_revoked_token_is_told_and_disconnected(world: World) -> None:
    world.phone("4915550001001")
    token = world.store.create_token(world.org.no, "live")

    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {token.secret}"})
        events = stream.events()
        await anext(events)
        await asyncio.to_thread(world.store.revoke_token, world.org.no, token.id)
        last = [event async for event in events][-1]
        assert (last["event"], json.loads(last["data"])) == ("bye", {"reason": "revoked"})
        await stream.leave()

    run(world, work)


class Bustle:
    """Messages that arrive all the time."""

    def __init__(self, world: World, number: str) -> None:
        self._teller, self._world = Teller(world.phone(number)), world
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for n in itertools.count():
            if self._stopping.wait(0.02):
                return
            self._world.tell(self._teller.message(CHAT, f"B{n}", NOON + n * SECOND, f"line {n}"))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.3)


def test_a_stream_of_a_busy_archive_ends_with_its_token(world: World, quick: None) -> None:
    expires_at = (time.time_ns() // 1000) + 2 * SECOND
    secret = world.store.create_token(world.org.no, "live", expires_at=expires_at).secret

    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {secret}"})
        last = [event async for event in stream.events()][-1]
        assert (last["event"], json.loads(last["data"])) == ("bye", {"reason": "revoked"})
        await stream.leave()

    with Bustle(world, "4915550001001"):
        run(world, work)


def test_a_quiet_phones_stream_stays_alive_and_moves_on_while_others_are_busy(world: World, quick: None) -> None:
    quiet = world.phone("4915550001003")
    secret = world.store.create_token(world.org.no, "live", (quiet.no,)).secret

    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {secret}"})
        events = stream.events()
        places = [int((await anext(events))["id"])]
        while len(places) < 4:
            event = await anext(events)
            assert event.keys() == {"id"}
            places.append(int(event["id"]))
        assert places == sorted(set(places))
        await stream.leave()
        assert f"id: {places[-1]}\n: still here\n\n" in stream.whole

    with Bustle(world, "4915550001001"):
        run(world, work)


def test_an_empty_last_event_id_is_none(world: World) -> None:
    secret = world.store.create_token(world.org.no, "live").secret

    async def work() -> None:
        headers = {"authorization": f"Bearer {secret}", "last-event-id": ""}
        for query, place in (("", world.store.version(world.org.no)), ("after=1", 1)):
            stream = Stream(world, headers, query)
            assert int((await anext(stream.events()))["id"]) == place
            await stream.leave()

    run(world, work)


def test_a_stream_at_a_place_that_is_not_there_begins_with_reset(world: World) -> None:
    secret = world.store.create_token(world.org.no, "live").secret

    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {secret}"}, "after=999999")
        events = stream.events()
        assert [(await anext(events))["event"], (await anext(events))["event"]] == ["hello", "reset"]
        await stream.leave()

    run(world, work)


def test_a_stream_from_before_what_is_kept_begins_with_reset(world: World) -> None:
    secret = world.store.create_token(world.org.no, "live").secret
    teller, begin = Teller(world.phone("4915550001001")), world.prune_feed()

    async def work() -> None:
        stream = Stream(world, {"authorization": f"Bearer {secret}", "last-event-id": str(begin - 1)})
        events = stream.events()
        assert [(await anext(events))["event"] for _ in range(2)] == ["hello", "reset"]
        await asyncio.to_thread(world.tell, teller.message(CHAT, "A", NOON, "later"))
        assert json.loads((await anext(events))["data"])["type"] in (
            "chat.updated",
            "message.created",
            "contact.updated",
        )
        await stream.leave()

    run(world, work)


@pytest.mark.full
def test_a_thousand_streams_all_hear_the_same(world: World) -> None:
    phone = world.phone("4915550001001")
    secret = world.store.create_token(world.org.no, "live").secret

    async def work() -> None:
        streams = []
        for _ in range(1000):
            stream = Stream(world, {"authorization": f"Bearer {secret}"})
            streams.append((stream, stream.events()))
            await anext(streams[-1][1])
        await asyncio.to_thread(world.tell, Teller(phone).message(CHAT, "A", NOON, "to all"))
        for _, events in streams:
            async for event in events:
                if json.loads(event["data"]).get("type") == "message.created":
                    break
        await asyncio.gather(*(stream.leave() for stream, _ in streams))

    run(world, work)
