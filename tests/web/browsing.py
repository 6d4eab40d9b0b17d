"""A real server and a real browser for the tests of the page."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request

from served import free_port
from web.archive import World

ROOT = Path(__file__).parents[2]
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--autoplay-policy=no-user-gesture-required"),
)
WIDE, NARROW = (1440, 900), (390, 844)
START_SECONDS = 120
PATIENCE = 60
"""The longest wait in seconds: a busy machine is slow and must not fail a test."""
_LOOK = """() => new Promise((resolve) => {
  const place = () => {
    const scroller = document.querySelector(".scroller");
    const row = scroller?.querySelector(".row");
    resolve([location.href, document.title, scroller?.scrollTop, scroller?.scrollHeight, row?.dataset.id].join());
  };
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(place, 75)));
})"""
_asked: WeakKeyDictionary[Page, set[Request]] = WeakKeyDictionary()
"""The requests that the scripts of each page wait for."""


def chromium() -> str:
    """The path of the browser's program; ``tools/require.sh chromium`` installs it."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    assert found, "no Chromium on this machine; install it with: bash tools/require.sh chromium"
    return found


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))


@contextmanager
def serving(data: Path, **settings: str) -> Iterator[str]:
    """``backscroll serve`` on an archive, as a separate process; yields its address."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}
    environ |= {"BACKSCROLL_DATA": str(data), "BACKSCROLL_RATE_LIMIT": "0"}
    environ |= {f"BACKSCROLL_{name.upper()}": value for name, value in settings.items()}
    server, base = started(environ)
    try:
        yield base
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=START_SECONDS)


def started(environ: dict[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    """Start a server; returns it and its address. If another program takes the port first, another one is tried."""
    told = b""
    for _ in range(5):
        port = str(free_port())
        server = subprocess.Popen(
            [sys.executable, "-m", "backscroll", "serve"],
            env=environ | {"BACKSCROLL_PORT": port},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        if is_up(f"http://127.0.0.1:{port}", server):
            return server, f"http://127.0.0.1:{port}"
        _, told = server.communicate(timeout=30)
    raise AssertionError(told.decode())


def is_up(base: str, server: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; False if it has ended instead."""
    give_up = time.monotonic() + START_SECONDS
    while server.poll() is None:
        try:
            if httpx.get(f"{base}/health").status_code == 200:
                return True
        except httpx.TransportError:
            pass
        assert time.monotonic() < give_up, "the server did not start"
        time.sleep(0.05)
    return False


class Reader:
    """A signed-in user with a browser. Errors of the page are collected in ``faults``."""

    def __init__(
        self, browser: Browser, base: str, secret: str | None, size: tuple[int, int] = WIDE, **options: Any
    ) -> None:
        self.base, self.faults = base, list[str]()
        self.expected: tuple[str, ...] = ()
        width, height = size
        told = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "viewport": {"width": width, "height": height}}
        direction = options.pop("direction", "ltr")
        self.context: BrowserContext = browser.new_context(**{**told, **options})
        self.context.set_default_timeout(PATIENCE * 1000)
        if direction != "ltr":
            self.context.add_init_script(
                f"addEventListener('DOMContentLoaded', () => document.documentElement.dir = '{direction}')"
            )
        # A violation of the content policy is reported as an event of the document.
        self.context.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " (event) => console.error('policy: ' + event.violatedDirective))"
        )
        if secret:
            answer = self.context.request.post(f"{base}/api/session", data={"token": secret}, headers={"origin": base})
            assert answer.ok, answer.text()
        self.page = self.open()

    def open(self) -> Page:
        page = self.context.new_page()
        asked = _asked[page] = set()
        page.on("request", lambda request: asked.add(request) if request.resource_type == "fetch" else None)
        page.on("requestfinished", lambda request: asked.discard(request))
        page.on("requestfailed", lambda request: asked.discard(request))
        page.on("console", lambda message: self._hear(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._hear(f"thrown: {error}"))
        page.on(
            "request", lambda request: None if request.url.startswith(self.base) else self._hear(f"asked {request.url}")
        )
        return page

    def _hear(self, fault: str) -> None:
        if not any(expected in fault for expected in self.expected):
            self.faults.append(fault)

    def go(self, address: str) -> Page:
        self.page.goto(self.base + address)
        return self.page

    def chat(self, phone: str, chat: str, **query: str) -> Page:
        """Open a chat and wait until its rows and its timeline are shown."""
        tail = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        page = self.go(f"/read/chat/{phone}/{quote(shown(chat), safe='')}" + (f"?{tail}" if tail else ""))
        page.wait_for_selector(".row")
        page.wait_for_selector(".spine[role=slider]")
        return page

    def close(self) -> None:
        self.context.close()


def shown(jid: str) -> str:
    """A JID as the native API writes it."""
    return jid.replace("@s.whatsapp.net", "@c.us")


def top_of(page: Page, key: str) -> float | None:
    """Pixels from the top of the visible area to a message's row; None if the row does not exist."""
    script = (
        "(key) => { const row = document.querySelector(`.rows > [data-id='${CSS.escape(key)}']`);"
        " const top = document.querySelector('.scroller').getBoundingClientRect().top;"
        " return row && row.getBoundingClientRect().top - top; }"
    )
    found: float | None = page.evaluate(script, key)
    return found


def key_of(world: World, page: Page, text: str) -> str:
    """The key of the message with this ``text``."""
    key = page.locator(".row", has_text=text).first.get_attribute("data-id")
    assert key
    return key


def until(page: Page, condition: Callable[[], bool]) -> None:
    """Wait for a condition. The test's own handlers run meanwhile, so that it may depend on what they record."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "the condition did not become true in time"
        page.wait_for_timeout(25)


def settle(page: Page) -> None:
    """Wait until the page expects no answer and has not changed for some frames."""
    seen: list[str] = []

    def is_still() -> bool:
        seen.append(page.evaluate(_LOOK))
        return not _asked[page] and seen[-2:-1] == seen[-1:]

    until(page, is_still)


def violations(page: Page) -> list[str]:
    """The faults that axe finds in what is shown; none is allowed."""
    # The page's content policy would refuse a script element.
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [f"{fault['id']}: {node['html'][:160]}" for fault in found["violations"] for node in fault["nodes"][:3]]
