"""Search in the page: filters as chips, facets, hits opened in their chat, moving from hit to hit."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

from web.browsing import settle, violations


def test_hits_are_marked_and_stand_with_their_chat_and_what_is_around_them(reader: Any) -> None:
    page = reader().go("/read/search?q=olives%20map")
    hit = page.locator(".hit", has_text="Olives, wine, and the good map of the coast.")
    expect(hit.locator("mark")).to_have_text(["Olives", "map"])
    expect(hit.locator(".ctx").first).to_contain_text("Bread is mine.")
    expect(page.locator(".hit-group h2", has_text="Summer house").first).to_be_visible()
    assert violations(page) == []


def test_what_is_found_is_shown_formatted_and_marked(reader: Any) -> None:
    page = reader().go("/read/search?q=bold%20struck")
    hit = page.locator(".hit", has=page.locator("mark", has_text="Bold")).first
    expect(hit.locator("strong mark")).to_have_text("Bold")
    expect(hit.locator("s mark")).to_have_text("struck")
    expect(hit.locator("em")).to_have_text("italic")
    expect(hit.locator("a")).to_have_count(0)
    expect(hit).not_to_contain_text("*")
    assert violations(page) == []


def test_filters_are_chips_that_can_be_set_and_taken_away(reader: Any) -> None:
    page = reader().go("/")
    page.fill("[data-search]", "kettle from:karim")
    page.keyboard.press("Enter")
    expect(page.locator(".op")).to_have_text(re.compile("from:karim"))
    expect(page.locator(".field.large input")).to_have_value("kettle")
    page.get_by_role("button", name="With media").click()
    expect(page.locator(".op")).to_have_count(2)
    expect(page.locator(".blank")).to_contain_text("Nothing found")
    page.get_by_role("button", name="Remove has:media").click()
    expect(page.locator(".hit").first).to_be_visible()
    page.locator(".facets").get_by_label("Summer house").check()
    expect(page.locator(".op", has_text="in:Summer house")).to_be_visible()


def test_a_hit_opens_where_it_stands_and_n_goes_to_the_next_one(reader: Any) -> None:
    page = reader().go("/read/search?q=dessert")
    page.locator(".hit").nth(1).click()
    expect(page.locator(".m.here")).to_contain_text("dessert")
    expect(page.locator(".hit-bar")).to_contain_text(re.compile(r"^\s*2 of \d+"))
    settle(page)
    page.keyboard.press("n")
    expect(page.locator(".hit-bar")).to_contain_text(re.compile(r"^\s*3 of \d+"))
    expect(page.locator(".m.here")).to_contain_text("dessert")
    page.keyboard.press("N")
    page.keyboard.press("N")
    expect(page.locator(".hit-bar")).to_contain_text(re.compile(r"^\s*1 of \d+"))


def test_a_search_for_nothing_says_what_was_searched(reader: Any) -> None:
    page = reader().go("/read/search?q=lighthouse%20on:2020")
    expect(page.locator(".blank")).to_contain_text("Nothing found for “lighthouse on:2020”")
    page.get_by_role("link", name="Search without dates").click()
    expect(page.locator(".op")).to_have_count(0)
    assert violations(page) == []


def test_no_input_breaks_the_search(reader: Any) -> None:
    somebody = reader()
    for typed in ('"', "a* (AND NEAR", "-x -y", "<script>", "from: in:", "%", "\\", "'; drop", "in:nobody@g.us x"):
        page = somebody.go("/read/search")
        page.locator(".field.large input").fill(typed)
        page.keyboard.press("Enter")
        page.locator(".blank, .hit").first.wait_for()
