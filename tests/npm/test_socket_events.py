"""Events over Socket.IO from two server processes, received by the unmodified official npm client."""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from backscroll.core.events import (
    Batch,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Details, Message, MessageKey, Org
from backscroll.storage.store import Store, open_store
from conftest import OwnDatabase
from npm.official import node_command, not_of_their_types
from served import Served, serving

ONE, TWO = "918527184400", "6289685028129"
ANA = "4915550002001@s.whatsapp.net"
NOON = 1_764_072_000_000_000
SECOND = 1_000_000
Line = dict[str, Any]


class Archive(Struct):
    """An archive of two phones, open for writing, with a server of two processes."""

    store: Store
    org: Org
    served: Served
    folder: Path

    def tell(self, *events: Event) -> None:
        self.store.apply(self.org.no, Batch(source="webhook", events=events))

    def new_phone(self) -> tuple[str, int]:
        """A phone of which nothing is known: its number, and its number in the archive."""
        number = f"1555{secrets.randbelow(10**7):07}"
        return number, self.store.add_phone(self.org.no, number).no


@pytest.fixture(scope="module")
def archive(client: Path, own_database: OwnDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    data, database = tmp_path_factory.mktemp("archive"), own_database()
    store = open_store(database, data)
    org = store.create_org("Sockets")
    for number in (ONE, TWO):
        store.add_phone(org.no, number)
    with serving(data, database, workers=2) as served:
        yield Archive(store, org, served, client)
    store.close()


def message(id: str, at: int = 0, text: str | None = "hello", phone: str = ONE, **more: Any) -> MessageSeen:
    key = MessageKey(f"{phone}@s.whatsapp.net", more.pop("chat", ANA), id, None)
    told = {name: more.pop(name) for name in ("kind", "ack", "from_me") if name in more}
    told.setdefault("from_me", False)
    return MessageSeen(Message(key=key, sent_at=NOON + at * SECOND, text=text, details=Details(**more), **told))


class Listener:
    """The official client in its own process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[Line | None] = queue.Queue()
        self.heard: list[Line] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def end(self) -> None:
        """Stop the client, and read its output to the end before closing it."""
        self._process.kill()
        self._reader.join()

    def until(self, wanted: Callable[[Line], bool]) -> Line:
        """Wait for the next line of a kind; fails if it does not come."""
        while True:
            try:
                line = self._lines.get(timeout=60)
            except queue.Empty:
                pytest.fail(f"the expected line did not come; heard {[_named(line) for line in self.heard]}")
            assert line is not None, "the client ended before the expected line"
            self.heard.append(line)
            if wanted(line):
                return line

    def event(self, name: str) -> Line:
        return self.until(lambda line: line["heard"] == "event" and line["name"] == name)

    @property
    def events(self) -> list[Line]:
        return [line for line in self.heard if line["heard"] == "event"]


def _named(line: Line) -> str:
    """A line in a few words."""
    return f"{line['heard']} {line.get('name', '')} {line.get('place', '')}"


@contextmanager
def listening(
    archive: Archive, token: str, phone: str = ONE, answer: str = "connect", **more: Any
) -> Iterator[Listener]:
    """A client that has connected, or that was refused with the answer ``connect_error``."""
    config = archive.folder / f"listen-{os.urandom(4).hex()}.json"
    config.write_text(json.dumps({"token": token, "phone": phone, **more}))
    environment = os.environ | {"PORT": str(archive.served.port)}
    with subprocess.Popen(
        node_command("listen.cjs", config.name),
        cwd=archive.folder,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        listener = Listener(process)
        try:
            listener.until(lambda line: line["heard"] == answer)
            yield listener
        finally:
            listener.end()


def token_of(archive: Archive) -> tuple[str, str]:
    made = archive.store.create_token(archive.org.no, "sockets")
    return made.id, made.secret


def test_each_change_comes_as_the_event_that_the_client_types(archive: Archive) -> None:
    number, phone = archive.new_phone()
    t1 = Target(f"{number}@s.whatsapp.net", ANA, "T1")
    with listening(archive, token_of(archive)[1], number) as listener:
        archive.tell(message("T1", ack=1, from_me=True, phone=number))
        archive.tell(MessageEdited(target=t1, text="better words", at=NOON + SECOND))
        archive.tell(ReceiptSet(target=t1, ack=3, participant=ANA, at=NOON + 2 * SECOND))
        archive.tell(ReactionSet(target=t1, by=ANA, emoji="👍", at=NOON + 3 * SECOND))
        archive.tell(ReactionSet(target=t1, by=ANA, emoji="", at=NOON + 4 * SECOND))
        archive.tell(MessageRevoked(target=t1, at=NOON + 5 * SECOND))
        missed = Details(call=Call(video=False, outgoing=False, result="MISSED"))
        archive.tell(message("C1", 6, None, kind="call", call=missed.call, phone=number))
        archive.store.sources.connect(archive.org.no, phone, "CONNECTED")
        listener.event("org.phone.connected")
    names = [line["name"] for line in listener.events]
    assert names == [
        *("chat.created", "message.created", "message.updated", "message.ack.updated", "reaction.created"),
        *("reaction.updated", "message.deleted", "chat.notification.created"),
        *("org.phone.updated", "org.phone.connected"),
    ]
    values = [
        (f"{n} {line['name']}", f"Events['{line['name']}']", line["data"]) for n, line in enumerate(listener.events)
    ]
    wrong = not_of_their_types(archive.folder, values)
    # Only these two may differ from the types; test_client_types describes how.
    assert {name: found for name, found in wrong.items() if "chat.created" not in name} == {}
    assert all(".members." in problem or "delivery_info" in problem for found in wrong.values() for problem in found)
    assert listener.events[2]["data"]["body"] == "better words"


def test_a_client_that_is_cut_at_random_hears_every_change_once_and_in_order(archive: Archive) -> None:
    run = os.urandom(4).hex()
    expected = [f"R{run}{n:03}" for n in range(200)]
    with listening(archive, token_of(archive)[1], cut_every=9, seed=7) as listener:
        for start in range(0, 200, 4):
            archive.tell(*(message(id, 100 + start) for id in expected[start : start + 4]))
        listener.until(lambda line: line["heard"] == "event" and line["data"].get("unique_id") == expected[-1])
    told = [line["data"]["unique_id"] for line in listener.events if line["name"] == "message.created"]
    assert told == expected
    places = [tuple(map(int, line["place"].split("."))) for line in listener.events]
    assert places == sorted(set(places))
    connected = [line["recovered"] for line in listener.heard if line["heard"] == "connect"]
    assert len(connected) > 5
    assert connected == [False] + [True] * (len(connected) - 1)


def test_a_client_hears_only_of_the_phone_that_it_names(archive: Archive) -> None:
    secret, run = token_of(archive)[1], os.urandom(4).hex()
    with listening(archive, secret, ONE) as one, listening(archive, secret, "") as both:
        archive.tell(message(f"S2{run}", 1000, phone=TWO), message(f"S1{run}", 1001, phone=ONE))
        one.event("message.created")
        both.event("message.created")
        both.event("message.created")
    assert {line["data"]["org_phone"] for line in one.events} == {f"{ONE}@c.us"}
    assert {line["data"]["unique_id"] for line in both.events if line["name"] == "message.created"} == {
        f"S1{run}",
        f"S2{run}",
    }


def test_a_client_whose_token_is_revoked_is_told_and_disconnected(archive: Archive) -> None:
    id, secret = token_of(archive)
    with listening(archive, secret) as listener:
        archive.store.revoke_token(archive.org.no, id)
        told = listener.until(lambda line: line["heard"] == "error")
        assert told["error"]["code"] == "UNAUTHORIZED_ERROR"
        assert listener.until(lambda line: line["heard"] == "disconnect")["reason"] == "io server disconnect"


@pytest.mark.parametrize(
    ("wrong", "word"), [({"token": "nonsense"}, "Invalid bearer"), ({"phone": "15550000"}, "phone")]
)
def test_a_client_that_is_not_let_in_is_told_why_and_stops(archive: Archive, wrong: dict[str, str], word: str) -> None:
    given = {"token": token_of(archive)[1], "phone": ONE} | wrong
    with listening(archive, given["token"], given["phone"], "connect_error") as listener:
        (told,) = listener.heard
        assert (told["heard"], told["data"]["status"]) == ("connect_error", 401)
        assert word in told["message"]
