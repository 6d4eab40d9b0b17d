"""Tokens over the native API: who may manage them, what is refused, and that a secret is shown once."""

from __future__ import annotations

from typing import Any

import pytest

from contract.world import Client, World


@pytest.fixture
def phone(world: World) -> str:
    return world.phone("4915550001001", name="Desk").number


def manager(world: World, **more: Any) -> Client:
    return client_of(world, scopes=frozenset({"read", "admin"}), **more)


def client_of(world: World, **token: Any) -> Client:
    made = world.store.create_token(world.org.no, **token)
    return world.guest({"authorization": f"Bearer {made.secret}"})


def test_without_a_credential_or_the_scope_nothing_is_told(world: World, phone: str) -> None:
    assert world.guest({}).ask("/api/tokens").status_code == 401
    refused = client_of(world, scopes=frozenset({"read"})).ask("/api/tokens")
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")


def test_a_token_of_some_phones_may_not_manage_tokens(world: World, phone: str) -> None:
    no = world.store.find_phone(world.org.no, phone).no
    answer = manager(world, phones=(no,)).ask("/api/tokens", "POST", json={"name": "more"})
    assert answer.status_code == 403
    assert "limited to some phones" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "must be JSON"),
        ({"name": " "}, 422, "1 to 100 characters"),
        ({"name": "x" * 101}, 422, "1 to 100 characters"),
        ({"name": "x", "scopes": []}, 422, "the scopes of this token"),
        ({"name": "x", "scopes": ["write"]}, 422, "the scopes of this token"),
        ({"name": "x", "phones": []}, 422, "name a phone"),
        ({"name": "x", "phones": ["49000"]}, 404, "phone"),
        ({"name": "x", "expires_at": "2001-01-01"}, 422, "in the future"),
        ({"name": "x", "expires_at": "soon"}, 422, "expires_at"),
        ({"name": "x", "secret": "mine"}, 422, "must be JSON"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(
    world: World, phone: str, body: dict[str, Any], status: int, words: str
) -> None:
    answer = manager(world).ask("/api/tokens", "POST", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]
    assert len(world.store.list_tokens(world.org.no)) == len(manager(world).json("/api/tokens")["items"]) - 1


def test_a_secret_is_shown_once_and_opens_what_was_asked_for(world: World, phone: str) -> None:
    admin = manager(world)
    asked = {"name": "Laptop", "scopes": ["read"], "phones": [phone], "expires_at": "2100-01-01T00:00:00Z"}
    answer = admin.ask("/api/tokens", "POST", json=asked)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert (made["name"], made["scopes"], made["phones"]) == ("Laptop", ["read"], [phone])
    assert made["expires_at"] == "2100-01-01T00:00:00+00:00"
    reader = world.guest({"authorization": f"Bearer {made['secret']}"})
    assert [one["phone"] for one in reader.json("/api/session")["phones"]] == [phone]
    assert reader.ask("/api/tokens").status_code == 403
    listed = admin.ask("/api/tokens")
    assert made["secret"] not in listed.text
    mine = {token["id"]: token["current"] for token in listed.json()["items"]}
    assert mine[made["id"]] is False
    assert sum(mine.values()) == 1


def test_a_revoked_token_opens_nothing_and_stays_listed(world: World, phone: str) -> None:
    admin = manager(world)
    made = admin.ask("/api/tokens", "POST", json={"name": "Old phone"}).json()
    reader = world.guest({"authorization": f"Bearer {made['secret']}"})
    assert reader.ask("/api/session").status_code == 200
    for _ in range(2):
        assert admin.ask(f"/api/tokens/{made['id']}", "DELETE").status_code == 204
    assert reader.ask("/api/session").status_code == 401
    revoked = next(token for token in admin.json("/api/tokens")["items"] if token["id"] == made["id"])
    assert revoked["revoked_at"] is not None


@pytest.mark.parametrize("token", ["bsk1xnothing000", "nonsense", "%00"])
def test_an_unknown_token_cannot_be_revoked(world: World, phone: str, token: str) -> None:
    assert manager(world).ask(f"/api/tokens/{token}", "DELETE").status_code == 404


def test_tokens_of_another_organisation_are_not_there(world: World, phone: str) -> None:
    other = world.store.create_org("Another")
    theirs = world.store.create_token(other.no, name="theirs")
    admin = manager(world)
    assert theirs.id not in [token["id"] for token in admin.json("/api/tokens")["items"]]
    assert admin.ask(f"/api/tokens/{theirs.id}", "DELETE").status_code == 404
