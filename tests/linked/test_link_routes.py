"""Linking a phone over the native API, and with the requests of Periskope's and GOWA's clients."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from PIL import Image

from backscroll.core.model import Phone
from backscroll.http.routes import links as routes
from backscroll.jobs import linking
from backscroll.storage.write.links import Link
from contract.world import Client, World

NUMBER = "4915550001001"
ROWS = ("0110", "1001", "1001", "0110")
ADMIN = frozenset({"read", "admin"})


@pytest.fixture
def world(tmp_path: Path, database_url: str | None) -> Iterator[World]:
    made = World(tmp_path, database=database_url)
    yield made
    made.close()


@pytest.fixture
def phone(world: World) -> Phone:
    return world.store.add_phone(world.org.no, NUMBER, "sales", "Sales")


@pytest.fixture
def manager(world: World, phone: Phone) -> Client:
    return world.client(scopes=ADMIN)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "installed", lambda: None)


def asked(client: Client, path: str, method: str = "GET", body: Any = None, **headers: str) -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    return client.ask(path, method, {name.replace("_", "-"): value for name, value in headers.items()}, content=content)


def shows(world: World, link: Link, **changes: Any) -> Link:
    """Store these changes of the link, as the supervising process does; returns the link."""
    world.store.sources.links.write(structs.replace(link, **changes))
    return world.store.sources.links.find(link.org, link.id)


def begun(world: World, phone: Phone | None = None, code_for: str | None = None, **changes: Any) -> Link:
    link = linking.begin(world.store, world.org.no, phone, "Sales", code_for)
    return shows(world, link, **changes) if changes else link


def in_a_minute() -> int:
    return time.time_ns() // 1000 + 60_000_000


def test_a_link_is_begun_shown_and_forgotten(world: World, manager: Client) -> None:
    made = asked(manager, "/api/links", "POST", {"phone_name": "Till"})
    assert made.status_code == 201
    body = made.json()
    assert (body["state"], body["phone"], body["phone_name"], body["pairing"]) == ("starting", None, "Till", None)
    link = world.store.sources.links.find(world.org.no, body["id"])
    shows(world, link, state="pairing", qr="2@x", rows=ROWS, expires_at=in_a_minute())
    shown = asked(manager, f"/api/links/{link.id}").json()
    assert shown["pairing"]["method"] == "qr"
    assert shown["pairing"]["rows"] == list(ROWS)
    assert "Linked devices" in shown["message"]
    listed = asked(manager, "/api/links").json()
    assert (listed["available"], [row["id"] for row in listed["links"]]) == (True, [link.id])
    picture = asked(manager, f"/api/links/{link.id}/qr.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.text.count("h1v1h-1z") == sum(row.count("1") for row in ROWS)
    assert asked(manager, f"/api/links/{link.id}", "DELETE").status_code == 204
    assert asked(manager, f"/api/links/{link.id}").status_code == 404
    assert world.store.sources.of(world.org.no) == []


def test_a_device_may_be_called_silent(world: World, manager: Client) -> None:
    made = asked(manager, "/api/links", "POST", {"phone_name": "Till", "silent_after": "6h"}).json()
    assert made["silent_after_seconds"] == 6 * 3600
    assert world.store.sources.find(made["id"]).silent_after == 6 * 3600 * 1_000_000
    assert asked(manager, f"/api/links/{made['id']}").json()["silent_after_seconds"] == 6 * 3600
    assert asked(manager, "/api/links", "POST", {"phone_name": "Desk"}).json()["silent_after_seconds"] is None


def test_a_phone_that_waits_to_be_scanned_shows_its_code_to_managers(
    world: World, manager: Client, phone: Phone
) -> None:
    def codes(client: Client) -> list[str | None]:
        listed = asked(client, "/v1/phones/all").json()
        return [asked(client, "/v1/phones", x_phone=NUMBER).json()["qr_code"], *(row["qr_code"] for row in listed)]

    link = begun(world, phone)
    assert codes(manager) == [None, None]
    link = shows(world, link, state="pairing", qr="2@x", rows=ROWS, expires_at=in_a_minute())
    assert codes(manager) == ["2@x", "2@x"]
    assert codes(world.client()) == [None, None]
    assert codes(world.client([phone], scopes=ADMIN)) == [None, None]
    shows(world, link, state="connected", qr=None, rows=None)
    assert codes(manager) == [None, None]


def test_the_picture_has_the_very_modules(world: World, manager: Client) -> None:
    link = begun(world, state="pairing", qr="2@x", rows=ROWS)
    picture = Image.open(io.BytesIO(asked(manager, f"/api/links/{link.id}/qr.png").content)).convert("L")
    scale = picture.width // len(ROWS)
    for y, row in enumerate(ROWS):
        for x, module in enumerate(row):
            dark = picture.getpixel((x * scale + scale // 2, y * scale + scale // 2)) == 0
            assert dark == (module == "1")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "phone_name"),
        ({"phone_name": " "}, 422, "phone_name"),
        ({"phone_name": "x" * 101}, 422, "phone_name"),
        ({"phone_name": "x", "pair_code_for": "01234"}, 422, "pair_code_for"),
        ({"phone_name": "x", "silent_after": "soon"}, 422, "silent_after"),
        ({"phone_name": "x", "more": 1}, 422, "more"),
        ({"phone": "490000000"}, 404, None),
    ],
)
def test_what_cannot_be_linked_is_named(manager: Client, body: Any, status: int, field: str | None) -> None:
    answer = asked(manager, "/api/links", "POST", body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)


def test_a_phone_is_linked_once(world: World, manager: Client, phone: Phone) -> None:
    assert asked(manager, "/api/links", "POST", {"phone": NUMBER}).status_code == 201
    again = asked(manager, "/api/links", "POST", {"phone": NUMBER})
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")


def test_trying_again_asks_whoever_supervises(world: World, manager: Client) -> None:
    link = begun(world, state="expired")
    answer = asked(manager, f"/api/links/{link.id}/retry", "POST", {"pair_code_for": NUMBER})
    assert answer.status_code == 200
    found = world.store.sources.links.find(world.org.no, link.id)
    assert (found.asked, found.code_for) == ("start", NUMBER)
    assert asked(manager, f"/api/links/{link.id}/retry", "POST").status_code == 200
    assert world.store.sources.links.find(world.org.no, link.id).code_for is None


def test_who_may_do_what(world: World, phone: Phone) -> None:
    other = world.store.add_phone(world.org.no, "4915550009999")
    mine = begun(world, phone, state="pairing", qr="2@x", rows=ROWS)
    nobodys = begun(world)
    reader, bound = world.client(), world.client([other], scopes=ADMIN)
    seen = asked(reader, f"/api/links/{mine.id}")
    assert (seen.status_code, seen.json()["pairing"]) == (200, None)
    for method, path in (("POST", "/api/links"), ("DELETE", f"/api/links/{mine.id}")):
        assert asked(reader, path, method, {"phone_name": "x"}).status_code == 403
    assert asked(reader, f"/api/links/{mine.id}/qr.svg").status_code == 403
    assert asked(bound, "/api/links").json()["links"] == []
    for link in (mine, nobodys):
        assert asked(bound, f"/api/links/{link.id}").status_code == 404
    for method, path in (("POST", "/api/links"), ("DELETE", f"/api/links/{mine.id}")):
        assert asked(bound, path, method, {"phone_name": "x"}).status_code == 403
    assert asked(reader, "/v1/phones/qr", x_phone=NUMBER).status_code == 403
    assert asked(reader, "/app/login", x_device_id="sales").status_code == 403


def test_without_the_library_all_of_them_say_what_to_install(
    world: World, manager: Client, phone: Phone, lacking: None
) -> None:
    listed = asked(manager, "/api/links").json()
    assert listed["available"] is False
    assert "pip install 'backscroll[linked]'" in listed["install"]
    paths = (("/api/links", "POST"), ("/v1/phones/qr", "GET"), ("/app/login", "GET"), ("/app/reconnect", "GET"))
    for path, method in paths:
        answer = asked(manager, path, method, {"phone_name": "x"}, x_phone=NUMBER, x_device_id="sales")
        assert answer.status_code == 501
        assert "backscroll[linked]" in answer.text
    assert asked(manager, "/v1/chats").status_code == 200


def test_periskopes_route_gives_the_code_as_a_picture(world: World, manager: Client, phone: Phone) -> None:
    begun(world, phone, state="pairing", qr="2@x", rows=ROWS, expires_at=in_a_minute())
    answer = asked(manager, "/v1/phones/qr", x_phone=NUMBER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")


def test_gowas_routes_give_a_link_to_the_picture_and_a_code(world: World, manager: Client, phone: Phone) -> None:
    link = begun(world, phone, state="pairing", qr="2@x", rows=ROWS, expires_at=in_a_minute())
    for path in ("/app/login", "/devices/sales/login"):
        results = asked(manager, path, x_device_id="sales").json()["results"]
        assert list(results) == ["device_id", "qr_duration", "qr_link"]
        assert results["device_id"] == "sales"
        assert 50 <= results["qr_duration"] <= 60
        assert asked(manager, results["qr_link"].removeprefix("http://archive.test")).status_code == 200
    world.store.sources.remove(link.id)
    begun(world, phone, NUMBER, state="pairing", code="ABCD-EFGH", expires_at=in_a_minute())
    for path, method in (("/app/login-with-code", "GET"), ("/devices/sales/login/code", "POST")):
        answer = asked(manager, f"{path}?phone={NUMBER}", method, x_device_id="sales")
        assert answer.json()["results"] == {"device_id": "sales", "pair_code": "ABCD-EFGH"}
    wrong = asked(manager, "/app/login-with-code?phone=4900000000", x_device_id="sales")
    assert wrong.status_code == 400


def test_no_code_is_an_answer_with_the_reason(
    world: World, manager: Client, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "CODE_SECONDS", 0.05)
    link = begun(world, phone, state="connected")
    connected = asked(manager, "/app/login", x_device_id="sales")
    assert (connected.status_code, "already linked and connected" in connected.text) == (409, True)
    shows(world, link, state="starting")
    late = asked(manager, "/v1/phones/qr", x_phone=NUMBER)
    assert (late.status_code, late.json()["code"]) == (409, "CONFLICT_ERROR")


def test_gowas_logout_unlinks(world: World, manager: Client, phone: Phone) -> None:
    begun(world, phone, state="connected")
    assert asked(manager, "/app/logout", x_device_id="sales").json()["code"] == "SUCCESS"
    assert world.store.sources.links.of(world.org.no) == []
    assert asked(manager, "/app/logout", x_device_id="sales").status_code == 404


def test_a_source_that_is_a_device_is_unlinked(world: World, manager: Client) -> None:
    link = begun(world, state="expired")
    assert asked(manager, f"/api/sources/{link.id}", "DELETE").status_code == 204
    assert world.store.sources.links.of(world.org.no) == []


def test_older_history_is_refused_with_what_to_do_instead(manager: Client, phone: Phone) -> None:
    answer = asked(manager, "/chat/4915550001002/history", "POST", {}, x_device_id="sales")
    assert answer.status_code == 501
    assert "Export the chat" in answer.text
