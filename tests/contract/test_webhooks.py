"""Webhooks over the native API and over Periskope's: who may manage them, what is refused, what is answered."""

from __future__ import annotations

import time
from typing import Any

import pytest

from backscroll.core.model import Org
from backscroll.storage.write.outbox import Health
from contract.world import Client, Teller, World

NOW = time.time_ns() // 1000
HOOK = "https://example.com/hook"
ADMIN = frozenset({"read", "admin"})


@pytest.fixture
def phone(world: World) -> str:
    return world.phone("4915550001001", name="Desk").number


def client_of(world: World, org: Org | None = None, **token: Any) -> Client:
    made = world.store.create_token((org or world.org).no, **token)
    return world.guest({"authorization": f"Bearer {made.secret}"})


def manager(world: World, **more: Any) -> Client:
    return client_of(world, **({"scopes": ADMIN} | more))


def made(client: Client, **fields: Any) -> dict[str, Any]:
    answer = client.ask("/api/webhooks", "POST", json={"url": HOOK} | fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


EVERY = [
    ("GET", "/api/webhooks"),
    ("POST", "/api/webhooks"),
    ("GET", "/api/webhooks/parked"),
    ("GET", "/api/webhooks/{id}"),
    ("PATCH", "/api/webhooks/{id}"),
    ("DELETE", "/api/webhooks/{id}"),
    ("POST", "/api/webhooks/{id}/rotate"),
    ("POST", "/api/webhooks/{id}/test"),
    ("GET", "/api/webhooks/{id}/deliveries"),
    ("POST", "/api/webhooks/{id}/deliveries/evt_0/redeliver"),
    ("POST", "/api/webhooks/{id}/redeliver"),
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("GET", "/v1/webhooks/{id}"),
    ("PATCH", "/v1/webhooks/{id}"),
    ("DELETE", "/v1/webhooks/{id}"),
]


def test_without_a_credential_or_the_scope_nothing_is_told(world: World, phone: str) -> None:
    for method, path in EVERY:
        address = path.replace("{id}", "whk1x0")
        assert world.guest({}).ask(address, method).status_code == 401, path
        refused = client_of(world).ask(address, method)
        assert refused.status_code == 403, path
        assert "admin" in refused.json()["message"]


def test_what_others_have_is_answered_like_what_nobody_has(world: World, phone: str) -> None:
    others = world.store.create_org("Others")
    theirs = made(client_of(world, others, scopes=ADMIN))
    bodies = {"PATCH": {"enabled": False}}
    for method, path in EVERY:
        if "{id}" in path and not path.startswith("/v1"):
            seen, unseen = (
                manager(world).ask(path.replace("{id}", id), method, json=bodies.get(method))
                for id in (theirs["id"], "whk2x0000000000000000")
            )
            assert (seen.status_code, unseen.status_code) == (404, 404), path
            assert seen.text.replace(theirs["id"], "") == unseen.text.replace("whk2x0000000000000000", "")
    assert manager(world).json("/api/webhooks")["items"] == []


def test_a_secret_is_shown_once(world: World, phone: str) -> None:
    client = manager(world)
    first = made(client, name="CRM", types=["message.created", "reaction.created"], phones=[phone])
    assert first["secret"].startswith("whsec_")
    shown = client.json(f"/api/webhooks/{first['id']}")
    assert shown == {name: value for name, value in first.items() if name != "secret"}
    assert (shown["types"], shown["phones"]) == (["message.created", "reaction.created"], [phone])
    assert client.json("/api/webhooks")["items"] == [shown]
    rotated = client.ask(f"/api/webhooks/{first['id']}/rotate", "POST", json={"grace_hours": 2}).json()
    assert rotated["secret"] not in (first["secret"], None)
    assert rotated["previous_secret_until"] > rotated["changed_at"]
    at_once = client.ask(f"/api/webhooks/{first['id']}/rotate", "POST", json={"grace_hours": 0}).json()
    assert at_once["previous_secret_until"] is None
    _, secrets = world.store.webhooks.open(first["id"])
    assert (secrets.secret, secrets.previous) == (at_once["secret"], None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": 5}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "https://user:pass@example.com/"}, "url"),
        ({"url": HOOK, "types": []}, "types"),
        ({"url": HOOK, "types": ["nonsense"]}, "types"),
        ({"url": HOOK, "types": ["org.phone.updated"]}, "types"),
        ({"url": HOOK, "format": "xml"}, "format"),
        ({"url": HOOK, "phones": []}, "phones"),
        ({"url": HOOK, "name": " "}, "name"),
        ({"url": HOOK, "secret": "mine"}, "secret"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(world: World, phone: str, body: dict[str, Any], field: str) -> None:
    answer = manager(world).ask("/api/webhooks", "POST", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_FIELD"), answer.text
    assert answer.json()["field"] == field
    assert world.store.webhooks.of(world.org.no) == []


def test_an_organisation_has_so_many_and_no_more(world: World, phone: str) -> None:
    client = manager(world)
    for _ in range(50):
        made(client)
    answer = client.ask("/api/webhooks", "POST", json={"url": HOOK})
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


def test_an_endpoint_is_changed_and_removed(world: World, phone: str) -> None:
    client = manager(world)
    hook = made(client)
    path = f"/api/webhooks/{hook['id']}"
    after = client.ask(path, "PATCH", json={"enabled": False, "name": "Till", "types": ["message.created"]}).json()
    assert (after["state"], after["name"], after["types"]) == ("off", "Till", ["message.created"])
    assert client.ask(path, "PATCH", json={}).status_code == 422
    assert client.ask(path, "PATCH", json={"format": "periskope"}).status_code == 422
    assert client.ask(path, "PATCH", json={"url": "http://10.0.0.1/"}).json()["field"] == "url"
    assert client.ask(path, "DELETE").status_code == 204
    assert client.ask(path, "DELETE").status_code == 404


def test_a_token_of_some_phones_manages_the_endpoints_of_these(world: World, phone: str) -> None:
    other = world.phone("4915550001009").number
    no = world.store.find_phone(world.org.no, phone).no
    bound = manager(world, phones=(no,))
    wide, narrow = made(manager(world)), made(manager(world), phones=[other])
    own = made(bound)
    assert own["phones"] == [phone]
    assert [hook["id"] for hook in bound.json("/api/webhooks")["items"]] == [own["id"]]
    for hook in (wide, narrow):
        assert bound.ask(f"/api/webhooks/{hook['id']}", "DELETE").status_code == 404
    assert bound.ask("/api/webhooks", "POST", json={"url": HOOK, "phones": [other]}).status_code == 404


def test_deliveries_are_listed_page_by_page_and_queued_again(world: World, phone: str) -> None:
    client = manager(world)
    hook = made(client, types=["message.created"])
    told = Teller(world.store.find_phone(world.org.no, phone))
    for at in range(5):
        world.tell(told.message("4915550001002@s.whatsapp.net", f"M{at}", NOW + at, "a secret word"))
    lease = world.store.outbox.take_turn(world.org.no)
    assert lease is not None
    world.store.outbox.queue(lease)
    path = f"/api/webhooks/{hook['id']}/deliveries"
    first = client.json(f"{path}?limit=3")
    rest = client.json(f"{path}?limit=3&cursor={first['next']}")
    assert [len(first["items"]), len(rest["items"]), rest["next"]] == [3, 2, None]
    items = [*first["items"], *rest["items"]]
    assert [item["key"].rpartition("_")[2] for item in items] == ["M4", "M3", "M2", "M1", "M0"]
    assert {item["state"] for item in items} == {"waiting"}
    assert "a secret word" not in str(items)
    assert client.json(f"{path}?state=delivered")["items"] == []
    assert client.ask(f"{path}?state=nonsense").status_code == 422
    assert client.ask(f"{path}?state=parked&cursor={first['next']}").json()["code"] == "BAD_CURSOR"
    world.store.outbox.park_old(lease, hook["id"], 2**62, "nobody answered")
    parked = client.json("/api/webhooks/parked?limit=2")
    assert [item["error"] for item in parked["items"]] == ["nobody answered"] * 2
    assert len(client.json(f"/api/webhooks/parked?limit=2&cursor={parked['next']}")["items"]) == 2
    assert client.json("/api/webhooks")["items"][0]["counts"] == {"waiting": 0, "parked": 5}
    again = client.ask(f"{path}/{items[0]['event']}/redeliver", "POST")
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    assert client.ask(f"{path}/evt_0/redeliver", "POST").status_code == 404
    assert client.ask(f"/api/webhooks/{hook['id']}/redeliver", "POST").json() == {"queued": 4, "more": False}
    assert client.json("/api/webhooks")["items"][0]["counts"] == {"waiting": 5, "parked": 0}


def test_a_test_of_a_receiver_that_cannot_be_asked_is_a_sentence(world: World, phone: str) -> None:
    hook = made(manager(world), url="http://nobody.invalid/")
    told = manager(world).ask(f"/api/webhooks/{hook['id']}/test", "POST").json()
    assert (told["ok"], told["status"], told["error"]) == (False, None, "the name has no address")


def test_periskopes_rows_are_one_for_each_event_type_and_share_a_key(world: World, phone: str) -> None:
    client = manager(world)
    both = client.ask(
        "/v1/webhooks", "POST", json={"hookUrl": HOOK, "integrationName": ["message.created", "message.updated"]}
    )
    assert both.status_code == 201
    first, second = both.json()
    assert first["integration_id"] == second["integration_id"]
    assert first["signing_key"] == second["signing_key"]
    one = client.ask("/v1/webhooks", "POST", json={"hookUrl": HOOK, "integrationName": "note.created"}).json()
    assert (one["integration_name"], "signing_key" in one) == ("note.created", False)
    assert [row["integration_name"] for row in client.json("/v1/webhooks")] == [
        "message.created",
        "message.updated",
        "note.created",
    ]
    assert len(world.store.webhooks.of(world.org.no)) == 1
    off = client.ask(f"/v1/webhooks/{first['id']}", "PATCH", json={"isSubscribed": False}).json()
    assert off["is_subscribed"] is False
    assert [row["id"] for row in client.json("/v1/webhooks?is_subscribed=false")] == [first["id"]]
    assert world.store.webhooks.of(world.org.no)[0].types == ("message.updated", "note.created")
    moved = client.ask(f"/v1/webhooks/{second['id']}", "PATCH", json={"hookUrl": f"{HOOK}/2"}).json()
    assert (moved["id"], moved["hook_url"]) == (second["id"], f"{HOOK}/2")
    opened = [world.store.webhooks.open(hook.id)[1].secret for hook in world.store.webhooks.of(world.org.no)]
    assert opened == [first["signing_key"]] * 2
    for row in (first, second, one):
        assert client.json(f"/v1/webhooks/{row['id']}")["id"] == row["id"]
        assert client.ask(f"/v1/webhooks/{row['id']}", "DELETE").status_code == 204
    assert client.json("/v1/webhooks") == []
    assert world.store.webhooks.of(world.org.no) == []
    missing = client.ask(f"/v1/webhooks/{first['id']}")
    assert (missing.status_code, missing.json()["message"]) == (404, "Webhook not found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"integrationName": "message.created"}, "hookUrl"),
        ({"hookUrl": HOOK}, "integrationName"),
        ({"hookUrl": HOOK, "integrationName": 5}, "integrationName"),
        ({"hookUrl": HOOK, "integrationName": []}, "integrationName"),
        ({"hookUrl": HOOK, "integrationName": ["message.erased"]}, "integrationName"),
        ({"hookUrl": "http://localhost:3000/", "integrationName": "message.created"}, "hookUrl"),
        ({"hookUrl": "http://169.254.169.254/", "integrationName": "message.created"}, "hookUrl"),
    ],
)
def test_periskope_names_the_field_that_cannot_be_used(
    world: World, phone: str, body: dict[str, Any], field: str
) -> None:
    answer = manager(world).ask("/v1/webhooks", "POST", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR"), answer.text
    assert list(answer.json()["fields"]) == [field]


def test_what_needs_somebody_is_told_in_the_archives_health(world: World, phone: str) -> None:
    client = manager(world)
    hook = made(client, name="Till", types=["message.created"])
    told = Teller(world.store.find_phone(world.org.no, phone))
    world.tell(told.message("4915550001002@s.whatsapp.net", "M1", NOW, "hello"))
    lease = world.store.outbox.take_turn(world.org.no)
    assert lease is not None
    world.store.outbox.queue(lease)
    failed = Health(hook["id"], failures=9, retry_at=0, succeeded_at=None, failed_at=1, error="the connection failed")
    world.store.outbox.settle(lease, [], [failed])
    world.store.outbox.park_old(lease, hook["id"], 2**62, "the connection failed")
    problems = {one["code"]: one for one in client.json("/api/health")["problems"]}
    assert "Till" in problems["webhook_failing"]["text"]
    assert "the connection failed" in problems["webhook_failing"]["text"]
    assert problems["webhook_parked"]["text"].startswith("1 event was given up")
    assert client.json("/api/webhooks")["items"][0]["state"] == "failing"
