"""Linking a phone in a real browser: the code to scan or to type, the state of a linked device, unlinking it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from web.archive import MARA, World
from web.browsing import NARROW, WIDE, Reader, violations

LINK: dict[str, Any] = {
    "id": "src1xlinked00000000000",
    "phone": None,
    "phone_name": "Sales",
    "state": "pairing",
    "message": "Scan the code.",
    "since": "2026-11-29T00:12:00Z",
    "retry_at": None,
    "pairing": {
        "method": "qr",
        "qr": "2@x",
        "rows": ["0000", "0110", "0100", "0000"],
        "code": None,
        "expires_at": "2026-11-29T00:13:00Z",
    },
    "history_progress": None,
    "silent_after_seconds": None,
    "last_event_at": None,
    "created_at": "2026-11-29T00:12:00Z",
}
"""A link in the form of the API; the device is simulated here because no phone is available."""


class Device:
    """Answers the page's requests about links, and records its changes."""

    def __init__(self, somebody: Reader) -> None:
        self.links: list[dict[str, Any]] = []
        self.told: list[tuple[str, str, Any]] = []
        somebody.context.route("**/api/links**", self.answer)

    def answer(self, route: Route) -> None:
        request = route.request
        path = request.url.partition("/api/links")[2]
        if request.method != "GET":
            self.told.append((request.method, path, json.loads(request.post_data or "null")))
        if request.method == "DELETE":
            self.links = []
            route.fulfill(status=204)
        elif request.method == "POST":
            self.links = self.links or [LINK]
            route.fulfill(status=201, json=self.links[0])
        elif path:
            route.fulfill(json=self.links[0])
        else:
            route.fulfill(json={"available": True, "install": None, "links": self.links})


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_phone_is_linked_by_the_code_that_is_shown(
    browser: Browser, own_world: tuple[World, str], size: tuple[int, int]
) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret, size=size)
    device = Device(somebody)
    page = somebody.go("/read/sources")
    page.get_by_role("button", name="Link a phone").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("What to call it").fill("Sales")
    dialog.get_by_role("button", name="Show the code").click()
    expect(dialog.get_by_role("img", name="QR code")).to_be_visible()
    assert dialog.locator(".code path").get_attribute("d") == "M1 1h1v1h-1zM2 1h1v1h-1zM1 2h1v1h-1z"
    assert violations(page) == []
    assert device.told == [
        ("POST", "", {"phone": None, "phone_name": "Sales", "pair_code_for": None, "silent_after": None})
    ]
    connected = {**LINK, "state": "connected", "phone": MARA, "message": None, "pairing": None, "history_progress": 40}
    device.links = [connected]
    expect(page.locator(".toast")).to_have_text("The phone is linked")
    card = page.locator(".phone", has_text="Mara")
    expect(card.locator(".srcs")).to_contain_text("Connected, history 40 %")
    card.get_by_role("button", name="Unlink the phone").click()
    page.get_by_role("dialog").get_by_role("button", name="Unlink the phone").click()
    expect(card).to_contain_text("No live source is set up")
    assert device.told[-1][:2] == ("DELETE", f"/{LINK['id']}")
    assert not somebody.faults
    somebody.close()


def test_what_went_wrong_is_told_in_words_and_a_code_can_be_typed(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    device = Device(somebody)
    expired = {**LINK, "state": "expired", "message": "Nobody scanned the code in time.", "pairing": None}
    device.links = [expired]
    page = somebody.go("/read/sources")
    line = page.locator(".srcs li", has_text="Sales")
    expect(line).to_contain_text("Nobody scanned the code in time.")
    device.links = [{**LINK, "pairing": {**LINK["pairing"], "method": "code", "rows": None, "code": "ABCD-EFGH"}}]
    line.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog")).to_contain_text("ABCD-EFGH")
    assert violations(page) == []
    assert not somebody.faults
    somebody.close()


def test_a_server_without_the_library_says_what_to_install(reader: Any) -> None:
    somebody = reader()
    message = "Install it with: pip install backscroll[linked]"
    answer = {"available": False, "install": message, "links": []}
    somebody.context.route("**/api/links", lambda route: route.fulfill(json=answer))
    page = somebody.go("/read/sources")
    page.get_by_role("button", name="Link a phone").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(message)
