"""Live sources over the native API: who sees and manages them, what is refused, what state they show."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import gateways
from backscroll.ingest.signatures import sign
from backscroll.ingest.webhooks import Ingestor
from contract.world import Client, World
from gateways import HELLO, ME

OTHER = "4915550001009"


@pytest.fixture
def admin(world: World) -> Client:
    return world.client(scopes=frozenset({"read", "admin"}))


def add(client: Client, **asked: Any) -> Any:
    answer = client.ask("/api/sources", "POST", json={"kind": "gowa", "phone": ME, **asked})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    body = answer.json()
    return answer.status_code, body["code"], body["field"]


def test_nobody_without_a_credential_sees_sources_and_no_reader_adds_one(world: World) -> None:
    assert world.guest({}).ask("/api/sources").status_code == 401
    reader = world.client()
    assert reader.json("/api/sources")["items"] == []
    assert reader.ask("/api/sources", "POST", json={"kind": "gowa", "phone": ME}).status_code == 403
    assert reader.ask("/api/sources/src1x0000000000000000", "DELETE").status_code == 403


def test_a_token_of_some_phones_sees_their_sources_and_adds_none(world: World, admin: Client) -> None:
    mine, _ = add(admin), add(admin, phone=OTHER)
    add(admin, kind="events", phone=None)
    phone = world.store.find_phone(world.org.no, ME)
    bound = world.client([phone], scopes=frozenset({"read", "admin"}))
    assert [source["id"] for source in bound.json("/api/sources")["items"]] == [mine["id"]]
    answer = bound.ask("/api/sources", "POST", json={"kind": "gowa", "phone": ME})
    assert answer.status_code == 403
    assert "limited to some phones" in answer.json()["message"]
    assert bound.ask(f"/api/sources/{mine['id']}", "DELETE").status_code == 403


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "kind"),
        ({"kind": 7}, "kind"),
        ({"kind": "gowa", "upstream": "http://h"}, "upstream"),
        ({"kind": "novel"}, "kind"),
        ({"kind": "gowa"}, "phone"),
        ({"kind": "gowa", "phone": "x"}, "phone"),
        ({"kind": "gowa", "phone": ME, "secret": "secret"}, "secret"),
        ({"kind": "cloud", "phone": ME, "verify_token": "with a space"}, "verify_token"),
        ({"kind": "gowa", "phone": ME, "silent_after": "soon"}, "silent_after"),
    ],
)
def test_what_cannot_be_a_source_is_refused_by_its_field(
    world: World, admin: Client, asked: dict[str, Any], field: str
) -> None:
    assert refusal(admin.ask("/api/sources", "POST", json=asked)) == (422, "BAD_FIELD", field)
    assert admin.json("/api/sources")["items"] == []
    assert world.store.list_phones(world.org.no) == ()


def test_the_address_and_the_secret_are_shown_once_and_open_the_way_in(world: World, admin: Client) -> None:
    made = add(admin, silent_after="6h")
    assert made["url"] == f"http://archive.test/ingest/gowa/{made['id']}"
    assert (made["phone"], made["silent_after_seconds"], made["state"]) == (ME, 21_600, "waiting")
    assert made["secret"] in made["how"]
    listed = admin.ask("/api/sources")
    assert made["secret"] not in listed.text
    (source,) = listed.json()["items"]
    assert {"url", "secret", "verify_token", "how"}.isdisjoint(source)
    assert (source["id"], source["type"], source["problem"]) == (made["id"], "gowa", None)
    body = gateways.gowa(HELLO)
    assert body is not None
    signed = sign("gowa", made["secret"], body)
    path = made["url"].removeprefix("http://archive.test")
    assert world.guest({}).ask(path, "POST", headers=signed, content=body).status_code == 200
    (heard,) = admin.json("/api/sources")["items"]
    assert (heard["state"], heard["last_event_at"] is None) == ("live", False)


def test_a_source_that_cannot_be_understood_says_so_with_a_remedy(world: World, admin: Client) -> None:
    made = add(admin)
    source = world.store.sources.find(made["id"])
    Ingestor(world.store).take(source, b'{"event":"message.unheard","payload":{}}')
    (listed,) = admin.json("/api/sources")["items"]
    assert (listed["state"], listed["refused"]) == ("failing", 1)
    assert listed["problem"]["code"] == "refused"
    assert "backscroll quarantine list" in listed["problem"]["remedy"]


def test_what_is_named_changes_and_the_rest_stays(world: World, admin: Client) -> None:
    operator = world.client(scopes=frozenset({"read", "admin", "operator"}))
    path = f"/api/sources/{add(admin, silent_after='6h')['id']}"
    asked = {"upstream": "http://127.0.0.1:3000/", "upstream_token": "ana:open sesame", "every": "15m"}
    answer = operator.ask(path, "PATCH", json=asked)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    shown = answer.json()
    assert (shown["upstream"], shown["every_seconds"]) == ("http://127.0.0.1:3000", 900)
    assert shown["silent_after_seconds"] == 21_600
    assert "sesame" not in answer.text + admin.ask("/api/sources").text
    assert admin.ask(path, "PATCH", json={"silent_after": None}).json()["silent_after_seconds"] is None
    assert admin.ask(path, "PATCH", json={}).json()["every_seconds"] == 900
    (source,) = world.store.sources.of(world.org.no)
    assert world.store.sources.open(source.id)[1].upstream_token == "ana:open sesame"
    gone = operator.ask(path, "PATCH", json={"upstream": None}).json()
    assert (gone["upstream"], gone["every_seconds"]) == (None, None)
    assert world.store.sources.open(source.id)[1].upstream_token is None


def test_another_upstream_is_not_shown_the_credential_that_is_kept(world: World, admin: Client) -> None:
    operator = world.client(scopes=frozenset({"read", "admin", "operator"}))
    made = add(admin)["id"]
    first = {"upstream": "http://127.0.0.1:3000", "upstream_token": "ana:open sesame"}
    assert operator.ask(f"/api/sources/{made}", "PATCH", json=first).status_code == 200
    operator.ask(f"/api/sources/{made}", "PATCH", json={"upstream": "http://127.0.0.1:3000"})
    assert world.store.sources.open(made)[1].upstream_token == "ana:open sesame"
    operator.ask(f"/api/sources/{made}", "PATCH", json={"upstream": "http://elsewhere.test"})
    assert world.store.sources.open(made)[1].upstream_token is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"kind": "waha"}, "kind"),
        ({"silent_after": 6}, "silent_after"),
        ({"silent_after": "soon"}, "silent_after"),
        ({"every": "15m"}, "every"),
        ({"upstream": "ftp://h"}, "upstream"),
        ({"upstream": "http://user:secret@h"}, "upstream"),
        ({"upstream_token": "t"}, "upstream_token"),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_its_field(
    world: World, admin: Client, asked: dict[str, Any], field: str
) -> None:
    operator = world.client(scopes=frozenset({"read", "admin", "operator"}))
    path = f"/api/sources/{add(admin)['id']}"
    assert refusal(operator.ask(path, "PATCH", json=asked)) == (422, "BAD_FIELD", field)


def test_whom_the_server_asks_is_for_an_operator_to_say(world: World, admin: Client) -> None:
    path = f"/api/sources/{add(admin)['id']}"
    for asked in ({"upstream": "http://169.254.169.254"}, {"upstream": None}, {"upstream_token": "t"}):
        answer = admin.ask(path, "PATCH", json=asked)
        assert answer.status_code == 403
        assert "operator" in answer.json()["message"]
    reader = world.client()
    assert reader.ask(path, "PATCH", json={"silent_after": "1h"}).status_code == 403
    assert reader.ask(f"{path}/rotate", "POST", json={}).status_code == 403


def pushed(world: World, source: dict[str, Any], secret: str) -> int:
    """Push a payload signed with ``secret`` to the source's address, in a new app; returns the status."""
    body = gateways.gowa(HELLO)
    assert body is not None
    path = source["url"].removeprefix("http://archive.test")
    return world.guest({}).ask(path, "POST", headers=sign("gowa", secret, body), content=body).status_code


@pytest.mark.parametrize(("asked", "old"), [(None, 200), ({"grace_hours": 0}, 401)])
def test_a_new_secret_is_shown_once_and_the_old_one_counts_for_its_grace(
    world: World, admin: Client, asked: dict[str, Any] | None, old: int
) -> None:
    made = add(admin)
    answer = admin.ask(f"/api/sources/{made['id']}/rotate", "POST", json=asked)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    rotated = answer.json()
    assert rotated["secret"] not in (made["secret"], None)
    assert rotated["secret"] in rotated["how"]
    assert (rotated["url"], rotated["phone"]) == (made["url"], ME)
    (listed,) = admin.json("/api/sources")["items"]
    assert (listed["previous_secret_until"] is not None) == (old == 200)
    assert pushed(world, made, rotated["secret"]) == 200
    assert pushed(world, made, made["secret"]) == old
    assert pushed(world, made, "neither of the two") == 401


def test_after_its_grace_the_old_secret_opens_nothing(world: World, admin: Client) -> None:
    made = add(admin)
    before = world.store.sources.open(made["id"])[1].secret
    world.store.sources.rotate(made["id"], "another secret of some length", grace_us=-1)
    given = world.store.sources.open(made["id"])[1]
    assert given.accepted == ("another secret of some length",)
    assert before not in given.accepted


@pytest.mark.parametrize(
    ("kind", "asked", "field"),
    [
        ("gowa", {"grace_hours": 169}, "grace_hours"),
        ("gowa", {"grace_hours": "1"}, "grace_hours"),
        ("gowa", {"secret": "secret"}, "secret"),
        ("periskope", {}, "secret"),
    ],
)
def test_a_secret_that_cannot_be_is_refused(admin: Client, kind: str, asked: dict[str, Any], field: str) -> None:
    made = add(admin, kind=kind, secret="a-secret-of-some-length")
    assert refusal(admin.ask(f"/api/sources/{made['id']}/rotate", "POST", json=asked)) == (422, "BAD_FIELD", field)


@pytest.mark.parametrize("kind", ["evolution", "events"])
def test_senders_that_show_their_secret_may_show_the_old_one_too(world: World, admin: Client, kind: str) -> None:
    made = add(admin, kind=kind)
    rotated = admin.ask(f"/api/sources/{made['id']}/rotate", "POST", json={}).json()
    for given in (made, rotated):
        path = given["url"].removeprefix("http://archive.test")
        headers = {"authorization": f"Bearer {given['secret']}"}
        body = b'{"events": []}' if kind == "events" else b'{"event": "unknown"}'
        assert world.guest({}).ask(path, "POST", headers=headers, content=body).status_code in (200, 422)
    wrong = made["url"].removeprefix("http://archive.test").replace(made["secret"], "wrong")
    assert world.guest({}).ask(wrong, "POST", headers={"authorization": "Bearer x"}, content=b"{}").status_code == 401


def test_a_removed_source_takes_nothing_more_and_another_organisations_is_not_there(
    world: World, admin: Client
) -> None:
    made = add(admin)
    stranger = world.client(org=world.store.create_org("Another"), scopes=frozenset({"read", "admin"}))
    assert stranger.ask(f"/api/sources/{made['id']}", "DELETE").status_code == 404
    assert stranger.ask(f"/api/sources/{made['id']}", "PATCH", json={"silent_after": "1h"}).status_code == 404
    assert stranger.ask(f"/api/sources/{made['id']}/rotate", "POST", json={}).status_code == 404
    assert stranger.json("/api/sources")["items"] == []
    assert admin.ask(f"/api/sources/{made['id']}", "DELETE").status_code == 204
    assert admin.json("/api/sources")["items"] == []
    assert refusal(admin.ask(f"/api/sources/{made['id']}", "DELETE"))[:2] == (404, "NOT_FOUND")
    body = gateways.gowa(HELLO)
    signed = sign("gowa", made["secret"], body or b"")
    path = made["url"].removeprefix("http://archive.test")
    assert world.guest({}).ask(path, "POST", headers=signed, content=body).status_code == 401
