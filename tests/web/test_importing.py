"""Importing in a real browser: files dropped or chosen, interrupted uploads, questions, the report, undo."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from web.archive import MARA, World
from web.browsing import Reader, until, violations

CHAT = "".join(
    f"0{n}/0{n + 1}/2024, 10:0{n} - {who}: line {n}\n" for n, who in enumerate(["Ana", "Rob"] * 4, 1) if n < 9
)
DROP = """([name, text]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], name));
  for (const type of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: carried }));
}"""


def importer(browser: Browser, world: World, base: str) -> Reader:
    scopes = frozenset({"read", "write"})
    return Reader(browser, base, world.store.create_token(world.org.no, "Importer", None, scopes).secret)


def answer(page: Page) -> None:
    """The questions of an ambiguous export."""
    form = page.locator(".questions")
    form.get_by_label("Mara").check()
    form.get_by_label("1 February 2024").check()
    form.get_by_role("button", name="Continue").click()


def test_a_dropped_chat_is_shown_asked_about_imported_and_taken_back(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    somebody = importer(browser, world, base)
    page = somebody.go("/")
    expect(page.locator(".chat-list .chat").first).to_be_visible()
    before = page.locator(".chat-list .chat").count()
    page.evaluate(DROP, ["WhatsApp Chat with Ana.txt", CHAT])
    expect(page.locator(".questions legend").first).to_be_visible()
    assert violations(page) == []
    expect(page.locator(".question", has_text="time zone").locator("input[type=text]")).to_have_value("Europe/Berlin")
    answer(page)
    expect(page.get_by_role("heading", name="Ready to import")).to_be_visible()
    expect(page.locator(".samples li").first).to_contain_text("1 February 2024 at 10:01")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="8 new messages")).to_be_visible()
    page.get_by_role("link", name="Go to chats").click()
    expect(page.locator(".chat-list .chat")).to_have_count(before + 1)
    page.go_back()
    page.get_by_role("button", name="Undo").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This takes 8 messages")
    dialog.get_by_role("button", name="Undo").click()
    expect(page.locator(".import .state")).to_have_text("Undone")
    assert violations(page) == []
    assert not somebody.faults
    somebody.close()


def test_an_upload_that_is_cut_goes_on_by_itself_and_after_the_page_was_closed(
    browser: Browser, own_world: tuple[World, str], tmp_path: Path
) -> None:
    world, base = own_world
    file = tmp_path / "WhatsApp Chat with Ana.txt"
    file.write_text(CHAT + "".join(f"01/02/2025, 10:00 - Ana: {n:06} {'x' * 90}\n" for n in range(9000)))
    somebody = importer(browser, world, base)
    # 404 is expected: the page may request the import's state while it is being removed.
    somebody.expected = ("ERR_FAILED", "404")
    page = somebody.go("/read/imports")
    cuts: list[str] = []
    left = False

    def cut(route: Route) -> None:
        cuts.append(route.request.headers["upload-offset"])
        if len(cuts) == 2:
            route.abort()
        elif len(cuts) < 4 or left:
            route.continue_()
        # The fourth request is held, so that it never reaches the server, whenever the page is left.

    somebody.context.route(
        "**/files/1", lambda route: cut(route) if route.request.method == "PATCH" else route.fallback()
    )
    page.locator("input[type=file]").set_input_files(file)
    until(page, lambda: len(cuts) == 4)
    page.goto("about:blank")
    left = True
    # The interrupted part was sent again from the server's offset.
    assert cuts[1] == cuts[2]
    (job,) = json.loads(somebody.context.request.get(f"{base}/api/imports").text())["items"]
    assert 0 < job["files"][0]["received"] < file.stat().st_size
    page = somebody.go(f"/read/imports/{job['id']}")
    expect(page.locator(".drop")).to_contain_text("The upload was interrupted")
    other = tmp_path / "other.txt"
    other.write_text("not this one")
    page.locator("input[type=file]").set_input_files(other)
    expect(page.get_by_role("alert")).to_contain_text("not the files that are missing")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator(".questions")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".import .state")).to_have_text("Canceled")
    page.get_by_role("button", name="Remove from the list").click()
    expect(page.locator(".blank")).to_contain_text("Nothing has been imported yet")
    assert not somebody.faults
    somebody.close()


def test_what_is_no_chat_is_refused_in_words(browser: Browser, own_world: tuple[World, str], tmp_path: Path) -> None:
    world, base = own_world
    somebody = importer(browser, world, base)
    page = somebody.go("/read/imports")
    file = tmp_path / "<b>notes.txt"
    file.write_text("nothing of interest\n")
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator(".import .alert, .import .trouble").first).to_be_visible()
    expect(page.locator("h1")).to_have_text("<b>notes.txt")
    assert violations(page) == []
    assert not somebody.faults
    somebody.close()


@pytest.mark.parametrize("bound", [False, True])
def test_importing_is_offered_to_whom_it_is_allowed(
    browser: Browser, own_world: tuple[World, str], bound: bool
) -> None:
    world, base = own_world
    phones = (world.store.find_phone(world.org.no, MARA).no,) if bound else None
    scopes = frozenset({"read", "write"} if bound else {"read"})
    somebody = Reader(browser, base, world.store.create_token(world.org.no, "Guest", phones, scopes).secret)
    page = somebody.go("/read/sources")
    expect(page.locator(".phone").first).to_be_visible()
    expect(page.get_by_role("link", name="Import files")).to_have_count(0)
    page.evaluate(DROP, ["WhatsApp Chat with Ana.txt", CHAT])
    expect(page).to_have_url(re.compile("/read/sources$"))
    assert not somebody.faults
    somebody.close()
