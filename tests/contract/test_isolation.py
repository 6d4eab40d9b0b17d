"""Two organisations in one archive: neither sees any data of the other, nor whether the other has something."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from backscroll.core.events import ChatLabeled, LabelSeen, MediaHeld, ReactionSet
from backscroll.core.import_jobs import JobFile, NewJob
from backscroll.core.model import Call, Media, Member, Notice, Org, Phone
from backscroll.http.app import ROUTES
from backscroll.http.router import Route
from backscroll.http.routes import imports
from backscroll.ingest.signatures import sign
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from conftest import OwnDatabase
from contract.bakery import DAY, JPEG
from contract.world import Client, Teller, World, known_as, micros, user

SHARED = user("6289685028129")
"""A person who writes with both organisations, with the same message id in both."""
STREAMS = ["/api/events"]
"""Streams, which have no end; test_live.py checks that they show nothing foreign."""
READS = [
    route
    for route in ROUTES
    if route.method == "GET" and route.scope and 501 not in route.answers and route.path not in STREAMS
]
PUSHES = [route for route in ROUTES if route.path.startswith("/ingest/")]
SECRET = "a secret of some length"


class Side:
    """One organisation with its phone, chats, people and files; every text contains its canary."""

    def __init__(self, world: World, org: Org, number: str) -> None:
        self.world = world
        self.org = org
        self.number = number
        self.canary = f"canary{number}"
        self.phone: Phone = world.store.add_phone(org.no, number, f"slot-{number}", f"phone {self.canary}")
        self.friend, self.group = user(f"{number}01"), f"12036{number}@g.us"
        self.ref = f"ref-{number}"
        told = Teller(self.phone)
        file = world.media.put(
            org.no, JPEG + number.encode(), max_bytes=9999, declared_mimetype="image/jpeg", filename="x"
        )
        self.file = file.sha256
        one, two, three, four, five = (self.id(text) for text in "12345")
        at, text = f"{DAY}10:00:00+00:00", self.canary
        told_again = told.target(self.friend, two)
        small = base64.b64encode(JPEG + number.encode()).decode()
        world.tell(
            told.message(SHARED, "SHARED", at, f"shared {text}"),
            told.message(self.friend, one, at, text, client_ref=self.ref),
            told.message(self.friend, two, at, text, kind="image", media=Media(filename="x.jpg", thumbnail=small)),
            told.message(self.group, three, at, text, sender=self.friend),
            told.message(self.group, four, at, text, kind="notice", notice=Notice(type="add")),
            told.message(self.friend, five, at, text, kind="call", call=Call(result="missed")),
            ReactionSet(target=told.target(self.friend, one), by=self.friend, emoji=text, at=micros(at)),
            known_as(self.friend, f"friend {text}"),
            known_as(SHARED, f"shared {text}"),
            told.chat(self.group, name=f"group {text}", labels=(text,), members=(Member(jid=self.friend),)),
            LabelSeen(phone=self.phone.jid, id="9", name=f"label {text}"),
            ChatLabeled(phone=self.phone.jid, chat=self.friend, label="9"),
            ChatLabeled(phone=self.phone.jid, chat=SHARED, label="9"),
            MediaHeld(target=told_again, media=Media(file=file.sha256, size=file.size)),
            org=org,
            raw=json.dumps({"payload": text}).encode(),
        )
        self.sources = {kind: self._source(world, kind) for kind in ("gowa", "waha", "periskope", "cloud", "evolution")}
        self.sources["events"] = self._source(world, "events")
        self.link = self._source(world, "linked")
        world.store.sources.links.add(org.no, self.link, f"linked {self.canary}", None)
        upload = JobFile(no=1, name=f"{self.canary}.txt", size=4711)
        new_job = NewJob(origin="api", name=self.canary, files=(upload,), request_key=self.number)
        self.job = world.store.import_jobs.create(org.no, new_job)[0].id
        self.client: Client = world.client([self.phone], org=org)
        self.everywhere: Client = world.client(org=org)

    def _source(self, world: World, kind: str) -> str:
        wanted = LiveSource(org=self.org.no, id=make_source_id(self.org.no), kind=kind, phone=self.phone.no)
        token = None if kind == "evolution" else f"token of {self.number}"
        return world.store.sources.add(wanted, SourceSecrets(f"{SECRET} {self.number}", token)).id

    def id(self, text: str) -> str:
        return f"3EB0{self.number}{text}"

    def key(self, text: str, phone: str | None = None) -> str:
        """The native key of a message from the friend, optionally with another phone in it."""
        return f"{phone or self.number}:false_{self.friend}_{self.id(text)}"


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[tuple[Side, Side, Side]]:
    """Our organisation, the other one, and one whose names do not exist in this archive."""
    world = World(tmp_path_factory.mktemp("two"), database=own_database())
    ours = Side(world, world.org, "918527184400")
    theirs = Side(world, world.store.create_org("Others"), "628111111111")
    elsewhere = World(tmp_path_factory.mktemp("elsewhere"), database=own_database())
    nobody = Side(elsewhere, elsewhere.org, "777777777777")
    yield ours, theirs, nobody
    world.close()
    elsewhere.close()


def addresses(route: Route, of: Side, asker: Side) -> list[tuple[str, dict[str, str]]]:
    """Requests for a route with names that only ``of`` has: in the path, in parameters, in headers."""
    given = {
        "chat_id": [of.friend, of.group, of.friend.replace("s.whatsapp.net", "c.us")],
        "chat_jid": [of.friend, of.group],
        "message_id": [of.id("1"), of.id("2"), of.ref, f"false_{of.friend}_{of.id('1')}"],
        "contact_id": [of.friend],
        "device_id": [f"slot-{of.number}", of.phone.jid],
        "id": [of.friend, of.job],
        "file": ["1"],
        # The last one combines the asker's own phone with things of the other side.
        "phone": [of.number, of.phone.jid, asker.number],
        "jid": [of.friend, of.group],
        "link": [of.link],
        "key": [of.key("1"), of.key("2"), of.key("1", asker.number)],
    }
    paths = [route.path]
    for name, values in given.items():
        paths = [path.replace(f"{{{name}}}", value) for path in paths for value in values]
    assert not [path for path in paths if "{" in path], "a parameter of the path is missing in the dictionary above"
    asked = {
        "phone": of.number if route.dialect == "backscroll" else of.friend,
        "device_id": f"slot-{of.number}",
        "chat_id": of.friend,
        "group_id": of.group,
        "message_id": of.id("1"),
        "label": of.canary,
        "search": of.canary,
        "q": of.canary,
        "chat": f"{of.friend}&phone={asker.number}",
        "around": of.key("1"),
        "before": of.key("1"),
        "after": of.key("1") if "/chats/" in route.path else "0",
    }
    known = {param.name for param in route.params if param.where == "query"}
    queries = ["", *(f"?{name}={value}" for name, value in asked.items() if name in known)]
    headers = [{}, {"x-phone": of.number, "x-device-id": f"slot-{of.number}"}, {"x-device-id": of.phone.jid}]
    # The native API reads nothing from headers.
    headers = headers[:1] if route.dialect == "backscroll" else headers
    return [(path + query, header) for path in dict.fromkeys(paths) for query in queries for header in headers]


def shape(response: httpx.Response, of: Side) -> tuple[int, str]:
    """Status and body, with placeholders for the names in the request."""
    body = unpacked(response.content) if response.content.startswith(b"PK") else response.text
    for name in ("canary", "number", "link", "job"):
        body = body.replace(getattr(of, name), name.upper())
    return response.status_code, body


def unpacked(content: bytes) -> str:
    """What is in a zip, without the time at which it was made."""
    with zipfile.ZipFile(io.BytesIO(content)) as read:
        return "\n".join(f"{name}: {read.read(name).decode(errors='replace')}" for name in read.namelist())


@pytest.mark.parametrize("route", READS, ids=lambda route: route.path)
def test_foreign_things_are_answered_like_absent_ones(sides: tuple[Side, Side, Side], route: Route) -> None:
    ours, theirs, nobody = sides
    for client in (ours.client, ours.everywhere):
        for (foreign, headers), (absent, others) in zip(
            addresses(route, theirs, ours), addresses(route, nobody, ours), strict=True
        ):
            seen, unseen = client.ask(foreign, headers=headers), client.ask(absent, headers=others)
            assert theirs.org.id not in seen.text
            if theirs.canary not in foreign:
                assert theirs.canary not in seen.text
            assert shape(seen, theirs) == shape(unseen, nobody), (foreign, headers)


@pytest.mark.parametrize("route", READS, ids=lambda route: route.path)
def test_own_lists_hold_nothing_foreign(sides: tuple[Side, Side, Side], route: Route) -> None:
    for mine, other in (sides[:2], sides[:2][::-1]):
        named = {"x-phone": mine.number}
        bodies = [mine.client.ask(path, headers=named | headers).text for path, headers in addresses(route, mine, mine)]
        assert not [body for body in bodies if other.canary in body or other.number in body or other.org.id in body]


def test_the_archive_does_show_each_side_its_own(sides: tuple[Side, Side, Side]) -> None:
    for side in sides[:2]:
        for path in ("/v1/chats/messages", "/v1/chats", "/v1/contacts", "/v1/reactions", "/v1/chats/notifications"):
            assert side.canary in side.client.ask(path).text
        chat = f"/api/chats/{side.number}/{side.friend}"
        native = ("/api/chats", chat, f"{chat}/messages", "/api/media", "/api/contacts", f"/api/contacts/{side.friend}")
        message = f"/api/messages/{side.key('2')}"
        for path in (*native, message, f"{message}/original", "/api/phones", "/api/session"):
            assert side.canary in side.client.ask(path).text, path
        assert side.number.encode() in side.client.ask(f"{message}/thumbnail").content
        assert side.client.json(f"{chat}/spine")["months"]
        assert side.key("1").replace("s.whatsapp.net", "c.us") in side.client.ask("/api/changes?limit=1000").text
        groups = ("/user/my/groups", f"/group/info?group_id={side.group}", f"/group/participants?group_id={side.group}")
        for path in ("/chats", "/devices", "/user/my/contacts", f"/chat/{SHARED}/messages", *groups):
            assert side.canary in side.client.ask(path).text


def test_every_route_is_asked_for_what_is_foreign_or_holds_nothing_of_anybody() -> None:
    asked = {(route.method, route.path) for route in (*READS, *PUSHES)}
    left = {(route.method, route.path) for route in ROUTES if 501 not in route.answers} - asked
    own = {("POST", "/api/session"), ("DELETE", "/api/session")}
    tried_below = {("POST", "/api/tokens"), ("DELETE", "/api/tokens/{id}")}
    tried_below |= {("POST", "/api/sources"), ("DELETE", "/api/sources/{id}")}
    tried_below |= {("DELETE", "/api/links/{link}")}
    hooks = [("POST", "/api/webhooks"), *((verb, "/api/webhooks/{id}") for verb in ("PATCH", "DELETE"))]
    hooks += [("POST", f"/api/webhooks/{{id}}/{act}") for act in ("rotate", "test", "redeliver")]
    hooks += [("POST", "/api/webhooks/{id}/deliveries/{event}/redeliver"), ("POST", "/v1/webhooks")]
    tried_elsewhere = {*hooks, *((verb, "/v1/webhooks/{id}") for verb in ("PATCH", "DELETE"))}
    tried_elsewhere |= {(route.method, route.path) for route in imports.ROUTES if route.method != "GET"}
    """tests/contract/test_webhooks.py, tests/contract/test_imports.py"""
    tried_elsewhere |= {("PATCH", "/api/sources/{id}"), ("POST", "/api/sources/{id}/rotate")}
    """tests/contract/test_sources_api.py"""
    tried_elsewhere |= {("POST", "/api/orgs"), ("PATCH", "/api/orgs/{id}")}
    """tests/contract/test_orgs.py"""
    tried_elsewhere |= {("GET", "/socket.io"), ("POST", "/mcp")}
    """tests/contract/test_sockets.py, tests/contract/test_mcp.py"""
    the_servers = {("GET", path) for path in ("/", "/health", "/docs", "/openapi.json")}
    assert left == own | tried_below | tried_elsewhere | the_servers | {("GET", path) for path in STREAMS}


def test_whoever_manages_tokens_reaches_those_of_the_own_organisation_alone(
    sides: tuple[Side, Side, Side],
) -> None:
    ours, theirs, _ = sides
    store = ours.world.store
    manager = ours.world.client(org=ours.org, scopes=frozenset({"read", "admin"}))
    foreign = store.create_token(theirs.org.no, theirs.canary)
    listed = manager.ask("/api/tokens").text
    assert foreign.id not in listed
    assert theirs.canary not in listed
    refused, absent = (manager.ask(f"/api/tokens/{id}", "DELETE") for id in (foreign.id, "bsk2x0000000000"))
    assert refused.status_code == absent.status_code == 404
    assert refused.text.replace(foreign.id, "ID") == absent.text.replace("bsk2x0000000000", "ID")
    assert all(token.revoked_at is None for token in store.list_tokens(theirs.org.no) if token.id == foreign.id)
    body = json.dumps({"name": "made", "phones": [theirs.number]}).encode()
    assert manager.ask("/api/tokens", "POST", content=body).status_code == 404


def test_whoever_manages_sources_reaches_those_of_the_own_organisation_alone(
    sides: tuple[Side, Side, Side],
) -> None:
    ours, theirs, _ = sides
    store = ours.world.store
    manager = ours.world.client(org=ours.org, scopes=frozenset({"read", "admin"}))
    foreign = theirs.sources["gowa"]
    assert foreign not in manager.ask("/api/sources").text
    refused, absent = (manager.ask(f"/api/sources/{id}", "DELETE") for id in (foreign, "src2x0000000000000000"))
    assert refused.status_code == absent.status_code == 404
    assert refused.text.replace(foreign, "ID") == absent.text.replace("src2x0000000000000000", "ID")
    assert store.sources.find(foreign).org == theirs.org.no
    body = json.dumps({"kind": "events"}).encode()
    made = manager.ask("/api/sources", "POST", content=body).json()
    assert store.sources.find(made["id"]).org == ours.org.no
    assert manager.ask(f"/api/sources/{made['id']}", "DELETE").status_code == 204


def test_whoever_links_phones_reaches_devices_of_the_own_organisation_alone(sides: tuple[Side, Side, Side]) -> None:
    ours, theirs, _ = sides
    manager = ours.world.client(org=ours.org, scopes=frozenset({"read", "admin"}))
    assert theirs.link not in manager.ask("/api/links").text
    for method, path in (("DELETE", ""), ("POST", "/retry"), ("GET", ""), ("GET", "/qr.svg"), ("GET", "/qr.png")):
        refused, absent = (manager.ask(f"/api/links/{id}{path}", method) for id in (theirs.link, "src9x0000"))
        assert (refused.status_code, absent.status_code) == (404, 404)
        assert refused.text.replace(theirs.link, "ID") == absent.text.replace("src9x0000", "ID")
    body = json.dumps({"phone": theirs.number}).encode()
    assert manager.ask("/api/links", "POST", content=body).status_code == 404
    assert [link.id for link in ours.world.store.sources.links.of(theirs.org.no)] == [theirs.link]


@pytest.mark.parametrize("route", PUSHES, ids=lambda route: f"{route.method} {route.path}")
def test_a_sources_secret_opens_no_source_of_another(sides: tuple[Side, Side, Side], route: Route) -> None:
    ours, theirs, nobody = sides
    kind = route.path.split("/")[2]
    body = json.dumps({"event": "message", "events": []}).encode()
    for held, where in ((ours, theirs), (theirs, ours), (ours, nobody)):
        secret, id = f"{SECRET} {held.number}", where.sources[kind]
        named = {"source": id, "secret": secret.replace(" ", "%20"), "event": "messages-upsert"}
        path = route.path
        for name, value in named.items():
            path = path.replace(f"{{{name}}}", value)
        if route.method == "GET":
            path += f"?hub.mode=subscribe&hub.challenge=1&hub.verify_token=token%20of%20{held.number}"
        headers = {"authorization": f"Bearer {id}_{secret}"} if kind == "events" else sign(kind, secret, body)
        before = where.client.ask("/v1/chats/messages").content
        refused = held.client.ask(path, route.method, headers, content=body)
        assert refused.status_code == (403 if route.method == "GET" and where is not nobody else 401), refused.text
        assert where.canary not in refused.text
        assert where.client.ask("/v1/chats/messages").content == before


def test_a_link_to_a_file_opens_no_file_of_another(sides: tuple[Side, Side, Side]) -> None:
    ours, theirs, _ = sides

    def link(side: Side) -> str:
        rows: list[Any] = side.client.json(f"/chat/{side.friend}/messages?media_only=true")["results"]["data"]
        return str(rows[0]["url"]).removeprefix("http://archive.test")

    assert ours.client.ask(link(ours)).status_code == 200
    prefix = f"/media/{ours.org.no}/"
    for forged in (
        link(ours).replace(prefix, f"/media/{theirs.org.no}/"),
        link(ours).replace(ours.file, theirs.file),
        link(ours).replace(prefix, f"/media/{theirs.org.no}/").replace(ours.file, theirs.file),
    ):
        assert ours.client.ask(forged).status_code == 404


def test_an_org_made_of_nothing_sees_nothing(world: World) -> None:
    client = world.client()
    for path in ("/v1/chats/messages", "/v1/chats", "/v1/contacts", "/v1/reactions", "/v1/chats/notifications"):
        assert client.json(path)["count"] == 0
    assert client.json("/v1/phones/all") == []
    assert client.json("/devices")["results"] is None
