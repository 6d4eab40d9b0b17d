"""Every screen in two sizes, light and dark, LTR and RTL: no fault from axe, the content policy or the console."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from web.archive import HOSTILE, HOUSE, KINDS, MARA, PEOPLE, World
from web.browsing import NARROW, WIDE, settle, shown, violations

pytestmark = pytest.mark.full

CHAT = f"/read/chat/{MARA}/{KINDS}"
SCREENS: dict[str, tuple[str, tuple[str, ...]]] = {
    "chats": ("/", ()),
    "chat": (f"/read/chat/{MARA}/{HOUSE}", ()),
    "kinds": (CHAT, ()),
    "message": (CHAT, ("k", "k", "Enter")),
    "date": (CHAT, ("g",)),
    "hostile": (f"/read/chat/{MARA}/{quote(shown(HOSTILE), safe='')}", ()),
    "switch": ("/", ("Control+k",)),
    "keys": ("/", ("?",)),
    "media": ("/read/media", ()),
    "voice": (f"{CHAT}/media?kind=voice", ()),
    "documents": (f"{CHAT}/media?kind=document", ()),
    "links": ("/read/media?kind=link", ()),
    "contacts": ("/read/contacts", ()),
    "contact": (f"/read/contacts/{quote(shown(PEOPLE['Oma Ruth']), safe='')}", ()),
    "sources": ("/read/sources", ()),
    "imports": ("/read/imports", ()),
    "settings": ("/read/manage", ()),
    "exports": ("/read/manage/exports", ()),
    "health": ("/read/manage/health", ()),
    "webhooks": ("/read/manage/webhooks", ()),
    "tokens": ("/read/manage/tokens", ()),
    "orgs": ("/read/manage/orgs", ()),
    "search": ("/read/search?q=map", ()),
    "phone": (f"/read/sources/{MARA}", ()),
    "nowhere": ("/read/nowhere", ()),
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"size": WIDE},
    "dark": {"size": WIDE, "color_scheme": "dark"},
    "phone": {"size": NARROW, "has_touch": True},
    "phone dark": {"size": NARROW, "color_scheme": "dark"},
    "from right": {"size": WIDE, "direction": "rtl"},
    "phone from right": {"size": NARROW, "direction": "rtl"},
    "forced colours": {"size": WIDE, "forced_colors": "active"},
    "still": {"size": WIDE, "reduced_motion": "reduce"},
}


def opened(page: Page, keys: tuple[str, ...]) -> None:
    page.locator("h1").first.wait_for(state="attached")
    page.wait_for_timeout(300)
    settle(page)
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(150)
    settle(page)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen_is_open_to_everybody_in_every_look(reader: Any, screen: str, look: str) -> None:
    address, keys = SCREENS[screen]
    page = reader(**LOOKS[look]).go(address)
    opened(page, keys)
    assert violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "page wider than the window"


def test_text_that_is_twice_as_large_stays_within_the_window(reader: Any, world: World) -> None:
    page = reader(size=(720, 450)).go(CHAT)
    opened(page, ())
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(
        "() => { for (const one of document.querySelectorAll('*')) one.style.setProperty('letter-spacing', '0.12em'); }"
    )
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
