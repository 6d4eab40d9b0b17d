"""Socket.IO, packet by packet: handshakes, namespaces, resuming after a lost connection, and invalid clients."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Scope

from backscroll.core.events import ReactionSet
from backscroll.http import live, socketio
from contract.world import SECOND, Teller, World, micros, user

NOON = micros("2026-03-01T12:00:00+00:00")
CHAT = user("4915550002001")
WEBSOCKET = "EIO=4&transport=websocket"


_PORTS = itertools.count(5000)


class Socket:
    """One connection to the app, in process."""

    def __init__(self, app: ASGIApp, secret: str | None, query: str = WEBSOCKET, **headers: str) -> None:
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self._coming: asyncio.Queue[Message] = asyncio.Queue()
        self._coming.put_nowait({"type": "websocket.connect"})
        told = {"host": "archive.test", **headers} | ({} if secret is None else {"authorization": f"Bearer {secret}"})
        scope: Scope = {
            "type": "websocket",
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/socket.io/",
            "raw_path": b"/socket.io/",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in told.items()],
            "client": ("10.2.2.3", next(_PORTS)),
            "extensions": {"websocket.http.response": {}},
        }
        self._task = asyncio.ensure_future(app(scope, self._coming.get, self._sent.put))

    async def next(self) -> Message:
        """The next message from the server."""
        return await asyncio.wait_for(self._sent.get(), 60)

    async def packet(self) -> str:
        """The next packet, or "" if the server closes the connection."""
        message = await self.next()
        return str(message["text"]) if message["type"] == "websocket.send" else ""

    def say(self, packet: str) -> None:
        self._coming.put_nowait({"type": "websocket.receive", "text": packet})

    async def begin(self, connect: str = "40") -> dict[str, Any]:
        """Connect, and return the server's answer."""
        assert (await self.next())["type"] == "websocket.accept"
        assert json.loads((await self.packet())[1:])["pingInterval"] == 25000
        self.say(connect)
        answer = await self.packet()
        assert answer.startswith("40")
        told: dict[str, Any] = json.loads(answer[2:])
        return told

    async def event(self, name: str) -> list[Any]:
        """The next event with this name, as its name, object and place in the feed."""
        while True:
            packet = await self.packet()
            assert packet.startswith("42"), packet
            told: list[Any] = json.loads(packet[2:])
            if told[0] == name:
                return told

    async def leave(self) -> None:
        """Close the connection."""
        self._coming.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await asyncio.wait_for(self._task, 60)


def run(world: World, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    secret = world.store.create_token(world.org.no, "live").secret

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work(secret)

    world.runner.run(bounded())


@pytest.mark.parametrize(
    ("query", "code"),
    [("", 0), ("EIO=4&transport=polling", 0), (f"{WEBSOCKET}&sid=x", 1), ("EIO=3&transport=websocket", 5)],
)
def test_a_handshake_of_another_kind_is_refused_in_socket_ios_own_words(world: World, query: str, code: int) -> None:
    async def work(secret: str) -> None:
        socket = Socket(world.app, secret, query)
        start, body = await socket.next(), await socket.next()
        assert (start["status"], json.loads(body["body"])["code"]) == (400, code)

    run(world, work)
    polled = world.guest().ask("/socket.io/?EIO=4&transport=polling")
    assert (polled.status_code, polled.json()["code"]) == (400, 0)


def test_a_token_without_the_right_to_read_is_refused(world: World) -> None:
    writer = world.store.create_token(world.org.no, "w", scopes=frozenset({"write"})).secret

    async def work(_: str) -> None:
        assert (await Socket(world.app, writer).next())["status"] == 403

    run(world, work)


def test_a_browsers_session_opens_no_socket(world: World) -> None:
    """A page of any site could open a socket, and the browser would send the cookie with it."""
    session = world.store.sessions.sign_in(world.store.create_token(world.org.no, "t").secret)

    async def work(_: str) -> None:
        socket = Socket(world.app, None, cookie=f"backscroll_session={session.secret}")
        assert (await socket.next())["type"] == "websocket.accept"
        await socket.packet()
        socket.say("40")
        assert (await socket.packet()).startswith('44{"message":"Invalid bearer auth token"')
        await socket.leave()

    run(world, work)


def test_a_socket_of_a_busy_archive_ends_with_its_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.3)
    teller = Teller(world.phone("4915550001001"))
    expires_at = time.time_ns() // 1000 + 2 * SECOND
    short = world.store.create_token(world.org.no, "s", expires_at=expires_at).secret

    async def work(_: str) -> None:
        socket = Socket(world.app, short)
        await socket.begin()
        for n in itertools.count():
            await asyncio.to_thread(world.tell, teller.message(CHAT, f"B{n}", NOON + n * SECOND, f"line {n}"))
            if (packet := await socket.packet()).startswith('42["error"'):
                break
            assert packet.startswith("42")
        assert await socket.packet() == "41"
        await socket.leave()

    run(world, work)


def test_another_namespace_is_refused_and_the_own_one_still_opens(world: World) -> None:
    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        await socket.next()
        await socket.packet()
        socket.say('40/admin,{"token":"x"}')
        assert await socket.packet() == '44/admin,{"message":"Invalid namespace","data":null}'
        socket.say("40")
        assert (await socket.packet()).startswith("40")
        socket.say("2probe")
        assert await socket.packet() == "3probe"
        await socket.leave()

    run(world, work)


@pytest.mark.parametrize("packet", ["", "40nonsense", "40{", "40[]", '40{"pid":1}x', "x" * 20_000])
def test_what_makes_no_sense_ends_the_connection(world: World, packet: str) -> None:
    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        await socket.next()
        await socket.packet()
        socket.say(packet)
        assert await socket.next() == {"type": "websocket.close", "code": 1008}
        await socket.leave()

    run(world, work)


def test_a_client_that_talks_too_much_is_cut(world: World) -> None:
    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        await socket.begin()
        for _ in range(socketio.MAX_PACKETS):
            socket.say('42["hello"]')
        assert await socket.next() == {"type": "websocket.close", "code": 1008}

    run(world, work)


def test_a_client_that_says_nothing_is_cut(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketio, "CONNECT_SECONDS", 0.05)

    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        await socket.next()
        await socket.packet()
        assert await socket.next() == {"type": "websocket.close", "code": 1008}

    run(world, work)


def test_one_address_may_hold_only_so_many(world: World) -> None:
    app = world.make_app(max_connections_per_address=8)

    async def work(secret: str) -> None:
        held = [Socket(app, secret) for _ in range(8)]
        for socket in held:
            await socket.begin()
        assert (await Socket(app, secret).next()).get("status") == 429
        await held.pop().leave()
        await Socket(app, secret).begin()

    run(world, work)


def test_a_change_that_is_several_events_goes_on_in_the_middle(world: World) -> None:
    teller = Teller(world.phone("4915550001001"))
    target = teller.target(CHAT, "A")

    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        session = (await socket.begin())["pid"]
        await asyncio.to_thread(
            world.tell,
            teller.message(CHAT, "A", NOON, "hello"),
            ReactionSet(target=target, by=CHAT, emoji="👍", at=NOON + SECOND),
        )
        _, message, place = await socket.event("message.created")
        await socket.leave()
        assert message["unique_id"] == "A"
        again = Socket(world.app, secret)
        told = await again.begin(f"40{json.dumps({'pid': session, 'offset': place})}")
        assert told["pid"] == session
        name, reaction, further = json.loads((await again.packet())[2:])
        assert (name, reaction["reaction"]) == ("reaction.created", "👍")
        assert further.split(".")[0] == place.split(".")[0]
        await again.leave()

    run(world, work)


def test_a_client_that_was_cut_before_it_heard_anything_misses_nothing(world: World) -> None:
    teller = Teller(world.phone("4915550001001"))

    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        session = (await socket.begin())["pid"]
        await socket.leave()
        await asyncio.to_thread(world.tell, teller.message(CHAT, "A", NOON, "meanwhile"))
        again = Socket(world.app, secret)
        await again.begin(f'40{{"pid":"{session}"}}')
        assert (await again.event("message.created"))[1]["body"] == "meanwhile"
        await again.leave()

    run(world, work)


@pytest.mark.parametrize(
    "connect", ['40{"pid":"ffffffffffff-1","offset":"1.0"}', '40{"pid":"MARK-1","offset":"999999.0"}']
)
def test_a_place_of_another_archive_begins_a_new_session(world: World, connect: str) -> None:
    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        mark = world.org.id.replace("-", "")[:12]
        told = await socket.begin(connect.replace("MARK", mark))
        assert told["pid"] == f"{mark}-{world.store.version(world.org.no)}"
        await socket.leave()

    run(world, work)


def test_a_place_from_before_what_is_kept_begins_a_new_session(world: World) -> None:
    mark, begin = world.org.id.replace("-", "")[:12], world.prune_feed()

    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        told = await socket.begin(f'40{{"pid":"{mark}-1","offset":"{begin}.0"}}')
        assert told["pid"] == f"{mark}-{world.store.version(world.org.no)}"
        await socket.leave()

    run(world, work)


def test_a_stopping_server_sends_its_clients_elsewhere(world: World) -> None:
    async def work(secret: str) -> None:
        socket = Socket(world.app, secret)
        await socket.begin()
        world.app.stop()  # type: ignore[attr-defined]
        assert await socket.next() == {"type": "websocket.close", "code": 1001}

    run(world, work)
