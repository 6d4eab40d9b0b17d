"""Organisations over the native API: who sees, creates and renames them; none reads another's data."""

from __future__ import annotations

from typing import Any

import pytest

from backscroll.core.errors import Conflict
from backscroll.core.model import Org
from contract.world import Client, World

ADMIN = frozenset({"read", "admin"})
ALL = ADMIN | {"operator"}
NOWHERE = "2997dd64-89bf-48d3-9a22-b314fca017e5"


@pytest.fixture
def other(world: World) -> Org:
    return world.store.create_org("Another")


@pytest.fixture
def operator(world: World, other: Org) -> Client:
    return world.client(scopes=ALL)


def names(client: Client) -> list[str]:
    return [org["name"] for org in client.json("/api/orgs")["items"]]


def test_without_a_credential_or_the_scope_nothing_is_told(world: World, other: Org) -> None:
    assert world.guest({}).ask("/api/orgs").status_code == 401
    assert world.client().ask("/api/orgs").status_code == 403


def test_whoever_manages_an_organisation_sees_it_alone_and_names_none(world: World, other: Org) -> None:
    admin = world.client(scopes=ADMIN)
    (mine,) = admin.json("/api/orgs")["items"]
    assert (mine["id"], mine["name"], mine["current"]) == (world.org.id, world.org.name, True)
    for id in (world.org.id, other.id, NOWHERE):
        assert admin.ask(f"/api/orgs/{id}", "PATCH", json={"name": "Another"}).status_code == 403
    assert admin.ask("/api/orgs", "POST", json={"name": "Another"}).status_code == 403
    assert other.name not in admin.ask("/api/orgs").text


def test_a_token_of_some_phones_may_do_nothing_here(world: World) -> None:
    phone = world.phone("4915550001001")
    bound = world.client([phone], scopes=ALL)
    asked: dict[str, Any] = {"json": {"name": "New"}}
    for answer in (
        bound.ask("/api/orgs"),
        bound.ask("/api/orgs", "POST", **asked),
        bound.ask(f"/api/orgs/{world.org.id}", "PATCH", **asked),
    ):
        assert answer.status_code == 403
        assert "limited to some phones" in answer.json()["message"]


def test_an_operator_sees_names_alone_of_others(world: World, other: Org, operator: Client) -> None:
    listed = operator.json("/api/orgs")["items"]
    assert [(org["name"], org["current"]) for org in listed] == [(world.org.name, True), (other.name, False)]
    assert set(listed[1]) == {"id", "name", "created_at", "current"}
    theirs = world.store.create_token(other.no, "theirs")
    assert theirs.id not in operator.ask("/api/tokens").text


def test_a_new_organisation_is_opened_by_its_first_token_alone(world: World, operator: Client) -> None:
    answer = operator.ask("/api/orgs", "POST", json={"name": "  Bakery on the Hill "})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert (made["name"], made["current"]) == ("Bakery on the Hill", False)
    first = world.guest({"authorization": f"Bearer {made['secret']}"})
    opened = first.json("/api/session")
    assert (opened["org"]["id"], opened["token"]["id"]) == (made["id"], made["token"])
    assert opened["token"]["scopes"] == ["admin", "read", "write"]
    assert opened["messages"] == 0
    assert names(first) == ["Bakery on the Hill"]
    assert first.ask("/api/orgs", "POST", json={"name": "More"}).status_code == 403
    assert made["secret"] not in operator.ask("/api/orgs").text


def test_a_new_name_is_seen_by_every_token_and_keeps_the_id(world: World, other: Org, operator: Client) -> None:
    theirs = world.client(org=other, scopes=ADMIN)
    assert names(theirs) == ["Another"]
    answer = operator.ask(f"/api/orgs/{other.id.upper()}", "PATCH", json={"name": "Harbour"})
    assert (answer.status_code, answer.json()["id"], answer.json()["name"]) == (200, other.id, "Harbour")
    assert names(theirs) == ["Harbour"]
    assert theirs.json("/api/session")["org"] == {"id": other.id, "name": "Harbour"}
    assert operator.ask(f"/api/orgs/{other.id}", "PATCH", json={"name": "HARBOUR"}).json()["name"] == "HARBOUR"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "must be JSON"),
        ({"name": 7}, 422, "must be JSON"),
        ({"name": "x", "id": NOWHERE}, 422, "must be JSON"),
        ({"name": " "}, 422, "1 to 200 characters"),
        ({"name": "x" * 201}, 422, "1 to 200 characters"),
        ({"name": "aNOTHER"}, 409, "choose another name"),
    ],
)
def test_what_cannot_be_a_name_is_refused_in_words(
    world: World, operator: Client, body: dict[str, Any], status: int, words: str
) -> None:
    for path, method in (("/api/orgs", "POST"), (f"/api/orgs/{world.org.id}", "PATCH")):
        answer = operator.ask(path, method, json=body)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["message"]
    assert names(operator) == [world.org.name, "Another"]


@pytest.mark.parametrize("id", [NOWHERE, "nonsense", "%00"])
def test_an_organisation_that_is_not_there_cannot_be_named(operator: Client, id: str) -> None:
    assert operator.ask(f"/api/orgs/{id}", "PATCH", json={"name": "New"}).status_code == 404


def test_a_name_without_its_token_is_not_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Conflict("cut here")

    monkeypatch.setattr("backscroll.storage.accounts.accounts.create_token", refuse)
    with pytest.raises(Conflict):
        world.store.orgs.create_with_token("Half made", "First token")
    monkeypatch.undo()
    assert [org.name for org in world.store.list_orgs()] == [world.org.name]
