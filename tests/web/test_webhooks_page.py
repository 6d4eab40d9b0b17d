"""Webhooks in a real browser: created with a secret shown once, tested, watched, switched off and deleted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from web import archive
from web.archive import KINDS, World, say
from web.browsing import Reader, serving, settle, until, violations


class Receiver(HTTPServer):
    """Accepts what is sent to it, or answers 500 while it is ``broken``."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.broken = False
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(500 if self.server.broken else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def served(tmp_path: Path, receiver: Receiver) -> Iterator[tuple[World, str]]:
    """An archive with a server that may send to the receiver on this machine."""
    world = archive.create(tmp_path)
    world.apply(*archive.people())
    with serving(world.data, webhook_allow="127.0.0.0/8") as base:
        yield world, base
    world.store.close()


def test_a_webhook_is_made_tried_watched_and_deleted(
    browser: Browser, served: tuple[World, str], receiver: Receiver
) -> None:
    world, base = served
    somebody = Reader(browser, base, world.secret)
    page = somebody.go("/read/manage/webhooks")
    page.get_by_role("button", name="Add a webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Address").fill(f"http://127.0.0.1:{receiver.server_port}/hook")
    dialog.get_by_label("Name").fill("CRM")
    dialog.get_by_label("message.created").check()
    assert violations(page) == []
    dialog.get_by_role("button", name="Add a webhook").click()
    expect(page.locator(".secret code")).to_contain_text("whsec_")
    page.get_by_role("button", name="Done").click()
    hook = page.locator(".hooks > li", has_text="CRM")
    receiver.broken = True
    hook.get_by_role("button", name="Send a test").click()
    expect(hook.get_by_role("status")).to_contain_text("500")
    receiver.broken = False
    hook.get_by_role("button", name="Send a test").click()
    expect(hook.get_by_role("status")).to_contain_text("The receiver answered 204")
    # The message is new because this webhook does not get old ones, which count as history.
    world.apply(say(KINDS, "W1", time.time_ns() // 1000, "Karim", "Sent on"))
    hook.get_by_role("button", name="Deliveries").click()
    delivery = hook.locator(".delivery", has_text="message.created")
    reload = hook.get_by_role("button", name="Reload")

    def is_delivered() -> bool:
        reload.click()
        settle(page)
        return delivery.locator(".state", has_text="Delivered").count() > 0

    until(page, is_delivered)
    assert any(b"message.created" in body for body in receiver.bodies)
    assert violations(page) == []
    hook.get_by_role("button", name="Switch off").click()
    expect(hook).to_contain_text("Switched off")
    hook.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".none")).to_have_text("No webhooks yet.")
    assert not somebody.faults
    somebody.close()
