"""Live sources over the native API: who sees and manages them, what is refused, how they stand."""

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
        ({}, "body"),
        ({"kind": 7}, "body"),
        ({"kind": "gowa", "upstream": "http://h"}, "body"),
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


def test_a_removed_source_takes_nothing_more_and_another_organisations_is_not_there(
    world: World, admin: Client
) -> None:
    made = add(admin)
    stranger = world.client(org=world.store.create_org("Another"), scopes=frozenset({"read", "admin"}))
    assert stranger.ask(f"/api/sources/{made['id']}", "DELETE").status_code == 404
    assert stranger.json("/api/sources")["items"] == []
    assert admin.ask(f"/api/sources/{made['id']}", "DELETE").status_code == 204
    assert admin.json("/api/sources")["items"] == []
    assert refusal(admin.ask(f"/api/sources/{made['id']}", "DELETE"))[:2] == (404, "NOT_FOUND")
    body = gateways.gowa(HELLO)
    signed = sign("gowa", made["secret"], body or b"")
    path = made["url"].removeprefix("http://archive.test")
    assert world.guest({}).ask(path, "POST", headers=signed, content=body).status_code == 401
