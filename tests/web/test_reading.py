"""Reading in a real browser: signing in, chats, every kind of message, jumps, and messages that arrive meanwhile."""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import APIResponse, Browser, Page, Route, expect

from backscroll.core.errors import Unauthorised
from backscroll.core.events import MessageEdited, MessagePinned, MessageRevoked, NumberMapped, ReactionSet
from backscroll.core.query import MessageQuery
from web import archive
from web.archive import HOSTILE, HOUSE, KINDS, MARA, MINUTE, PEOPLE, World, moment, say, target
from web.browsing import Reader, key_of, serving, settle, shown, top_of, until, violations

ANSWER_IN_VIEW = (
    "(all) => { const box = document.querySelector('.scroller').getBoundingClientRect();"
    " const seen = (a) => a.getBoundingClientRect().top > box.top + 50 &&"
    " a.getBoundingClientRect().bottom < box.bottom;"
    " const one = all.find(seen);"
    " return one && [one.closest('.row').dataset.id, one.dataset.quoted]; }"
)


def said(page: Page, text: str) -> Any:
    return page.locator(".said", has_text=text)


SCROLL_UP = """(scroller) => {
  scroller.scrollBy({ top: -1900, behavior: "instant" });
  const top = scroller.getBoundingClientRect().top;
  const row = [...scroller.querySelectorAll(".row")].find((one) => one.getBoundingClientRect().bottom > top);
  return [row.dataset.id, row.getBoundingClientRect().top - top];
}"""
"""Scroll back; returns the row at the top of the view and where it is."""


def test_whoever_is_not_signed_in_is_asked_for_a_token_and_then_sees_what_was_asked_for(
    reader: Any, world: World
) -> None:
    somebody = reader(secret=None)
    somebody.expected = ("401",)
    page = somebody.go(f"/read/chat/{MARA}/{KINDS}")
    page.fill("input[name=token]", "not a token")
    page.click("button[type=submit]")
    expect(page.locator("[role=alert]")).to_contain_text("not valid")
    page.fill("input[name=token]", world.secret)
    page.click("button[type=submit]")
    expect(page.locator("h1")).to_have_text("Every kind of message")
    assert page.url.endswith(f"/read/chat/{MARA}/{KINDS}")
    assert "token" not in page.evaluate("() => JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")


def test_chats_are_listed_newest_first_and_narrowed_by_kind_and_name(reader: Any) -> None:
    page = reader().go("/")
    names = page.locator(".chat-list .chat b")
    expect(names.first).to_have_text(re.compile("Summer house|Every kind of message"))
    page.get_by_role("button", name="People").click()
    expect(names.filter(has_text="Summer house")).to_have_count(0)
    expect(names.filter(has_text="Oma Ruth")).to_have_count(1)
    page.get_by_role("button", name="Groups").click()
    expect(names.filter(has_text="Oma Ruth")).to_have_count(0)
    page.get_by_role("button", name="All", exact=True).click()
    page.fill("[data-search]", "oma r")
    expect(names).to_have_text(["Search messages for “oma r”", "Oma Ruth"])


def test_a_key_and_a_few_letters_lead_to_a_chat(reader: Any) -> None:
    page = reader().go("/")
    page.locator(".chat-list .chat").first.wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("summer")
    expect(page.locator("#switch-list [role=option]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Summer house")


def test_every_kind_of_message_says_what_it_is(reader: Any) -> None:
    page = reader().chat(MARA, KINDS)
    for text in (
        *("Passed on", "Do not tell anyone", "Deleted", "The text is kept", "Could not be decrypted", "view once"),
        *("Which evening for the long table?", "Old boathouse", "Freya Lund", "INV-2026-0042 mooring fee.pdf"),
        *("The export was made without media", "A kind of message that Backscroll does not know"),
        *("Oma Ruth called · video · 24 min", "Missed voice call from Karim", "Ines added ليلى حداد"),
        *("Where is this?", "Forwarded many times", "Not sent"),
    ):
        expect(page.locator(".rows")).to_contain_text(re.compile(text))
    expect(page.locator(".said strong").first).to_have_text("Bold")
    expect(page.locator(".said a[href='https://example.org/coast?map=2']")).to_have_attribute(
        "rel", "noreferrer noopener"
    )
    expect(page.locator(".poll .leads")).to_have_text("Saturday")
    expect(page.locator(".quote", has_text="From the terrace")).to_be_visible()
    assert (
        page.locator("img").evaluate_all("(all) => all.filter((one) => one.complete && !one.naturalWidth).length") == 0
    )


def test_a_picture_has_its_room_before_it_is_there(reader: Any) -> None:
    somebody = reader()
    somebody.context.route("**/media/**", lambda route: route.abort())
    somebody.expected = ("ERR_FAILED",)
    page = somebody.go(f"/read/chat/{MARA}/{KINDS}")
    picture = page.locator(".row", has_text="From the terrace").locator(".picture").first
    picture.wait_for(state="attached")
    box = picture.bounding_box()
    assert box is None or abs(box["width"] / box["height"] - 1.5) < 0.05


def test_the_panel_tells_sources_versions_and_receipts_of_a_message(reader: Any) -> None:
    page = reader().chat(MARA, HOUSE)
    row = page.locator(".row", has_text="Olives, wine, and the good map of the coast.")
    row.locator(".at").click()
    panel = page.locator(".about-panel")
    expect(panel.locator(".told li").first).to_contain_text("Linked phone")
    expect(row.locator(".at")).to_be_in_viewport(ratio=1)
    expect(panel.locator(".versions li")).to_have_count(3)
    expect(panel.locator(".versions del")).to_have_text("whine")
    expect(panel.locator(".versions ins").first).to_have_text(" of the coast")
    expect(panel.locator(".told li").first).not_to_contain_text("a different text")
    expect(panel.locator(".seen")).to_contain_text("Oma Ruth")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_pinned_message_says_so_until_its_pin_ends(
    browser: Browser, own_world: tuple[World, str], scheme: str
) -> None:
    world, base = own_world
    now = time.time_ns() // 1000
    news = [say(KINDS, id, now, "Karim", text) for id, text in (("N1", "Still up"), ("N2", "Long over"))]
    world.apply(*news)
    pin = partial(MessagePinned, pinned=True, at=now - 2 * MINUTE)
    world.apply(
        pin(target=target(news[0]), by=f"{MARA}@s.whatsapp.net"),
        pin(target=target(news[1]), by=PEOPLE["Ines"], until=now - MINUTE),
    )
    somebody = Reader(browser, base, world.secret, color_scheme=scheme)
    page = somebody.chat(MARA, KINDS)
    standing, over = (page.locator(".row", has_text=text) for text in ("Still up", "Long over"))
    note = standing.get_by_role("button", name="Pinned", exact=True)
    expect(note).to_be_visible()
    expect(over.get_by_text("Pinned")).to_have_count(0)
    assert violations(page) == []
    line = page.locator(".about-panel p", has_text="Pinned by")
    note.click()
    expect(line).to_have_text(re.compile("^Pinned by you on [^.]+[.]$"))
    over.locator(".at").click()
    expect(line).to_have_text(re.compile("^Pinned by Ines on [^.]+[.] It stayed pinned until [^.]+[.]$"))
    world.apply(MessagePinned(target=target(news[0]), pinned=False, at=now, by=PEOPLE["Ines"]))
    expect(note).to_have_count(0)
    assert not somebody.faults
    somebody.close()


def test_a_link_to_a_message_opens_its_chat_there_and_reading_goes_on_both_ways(reader: Any, world: World) -> None:
    somebody = reader()
    page = somebody.chat(MARA, HOUSE)
    page.keyboard.press("Home")
    settle(page)
    for _ in range(5):
        page.locator(".scroller").evaluate("(s) => s.scrollBy(0, 5000)")
        settle(page)
    key = page.locator(".row").nth(60).get_attribute("data-id")
    page = somebody.chat(MARA, HOUSE, at=key)
    expect(page.locator(".m.here")).to_be_visible()
    settle(page)
    first = top_of(page, key)
    page.wait_for_timeout(600)
    assert top_of(page, key) == pytest.approx(first, abs=0.5)
    for way in (-1, 1):
        until(page, partial(has_read_on, page, way, set[str]()))


def has_read_on(page: Page, way: int, seen: set[str]) -> bool:
    """Scroll a little; returns whether more rows have been seen by now than one window has."""
    page.locator(".scroller").evaluate("(s, way) => s.scrollBy(0, way * 800)", way)
    seen |= set(page.locator(".row").evaluate_all("(rows) => rows.map((row) => row.dataset.id)"))
    return len(seen) > 150


def test_rows_do_not_move_by_a_fraction_of_a_pixel_while_pages_come_in(reader: Any) -> None:
    page = reader().chat(MARA, HOUSE)
    settle(page)
    for _ in range(8):
        key, top = page.locator(".scroller").evaluate(SCROLL_UP)
        settle(page)
        assert top_of(page, key) == pytest.approx(top, abs=1 / 64)


def test_a_row_that_grows_while_the_reader_scrolls_does_not_push_what_is_read(reader: Any) -> None:
    page = reader().chat(MARA, HOUSE)
    settle(page)
    key, top = page.locator(".scroller").evaluate(SCROLL_UP)
    settle(page)
    # The event of the scrolling comes before any observer sees the new height.
    page.locator(f".row:has(+ .row[data-id={json_text(key)}])").evaluate(
        """(above) => {
          above.style.paddingBottom = "10.3px";
          const scroller = above.closest(".scroller");
          scroller.scrollBy({ top: -40, behavior: "instant" });
          scroller.dispatchEvent(new Event("scroll"));
        }"""
    )
    settle(page)
    assert top_of(page, key) == pytest.approx(top + 40, abs=1 / 32)


def test_a_quote_leads_to_its_message_and_back_to_the_same_place(reader: Any) -> None:
    page = reader().chat(MARA, HOUSE)
    page.keyboard.press("Home")
    settle(page)
    link: list[str] | None = None
    for _ in range(40):
        page.locator(".scroller").evaluate("(s) => s.scrollBy(0, 700)")
        settle(page)
        link = page.locator("a[data-quoted]").evaluate_all(ANSWER_IN_VIEW)
        if link:
            break
    assert link, "no message with a quote came into view"
    row, quoted = link
    before = top_of(page, row)
    page.locator(f".row[data-id={json_text(row)}] a[data-quoted]").click()
    expect(page.locator(f".row[data-id={json_text(quoted)}] .here")).to_be_visible()
    settle(page)
    page.keyboard.press("b")
    expect(page.locator(".m.here")).to_have_count(0)
    settle(page)
    assert top_of(page, row) == pytest.approx(before, abs=2)


def json_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_a_date_leads_to_the_first_message_of_that_day(reader: Any) -> None:
    page = reader().chat(MARA, HOUSE)
    page.keyboard.press("g")
    page.fill("input[name=day]", "2019-03-12")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page).to_have_url(re.compile(r"\?on=2019-03-12$"))
    settle(page)
    day = page.locator(".row").evaluate_all(
        "(rows) => { const top = document.querySelector('.scroller').getBoundingClientRect().top;"
        " const first = rows.find((row) => row.getBoundingClientRect().bottom > top + 5);"
        " return first?.querySelector('.day')?.dataset.day; }"
    )
    assert day is not None
    assert day >= "2019-03-12"
    expect(page.locator(".spine .now")).to_contain_text(re.compile("2019"))
    page.keyboard.press("End")
    expect(page.locator(".row", has_text="Then Saturday it is")).to_be_visible()


@pytest.mark.parametrize("chat", [KINDS, HOUSE])
def test_no_label_of_the_timeline_is_covered_by_the_flag_of_the_present_place(reader: Any, chat: str) -> None:
    page = reader().chat(MARA, chat)
    for part in (0, 0.3, 0.7, 1):
        page.locator(".scroller").evaluate("(s, part) => s.scrollTo(0, part * s.scrollHeight)", part)
        settle(page)
        covered = page.evaluate(
            "() => { const flag = document.querySelector('.spine .now span').getBoundingClientRect();"
            " return [...document.querySelectorAll('.spine .year')]"
            "  .map((one) => [one.textContent, getComputedStyle(one).opacity, one.getBoundingClientRect()])"
            "  .filter(([, opacity, at]) => opacity > 0 && at.top < flag.bottom && at.bottom > flag.top"
            "   && at.right > flag.left).map(([text]) => text); }"
        )
        assert covered == []
    assert page.locator(".spine .year").evaluate_all("(all) => all.some((one) => getComputedStyle(one).opacity == 1)")


def test_a_chat_that_the_archive_does_not_know_says_so_whatever_is_answered_first(reader: Any) -> None:
    somebody = reader()
    somebody.expected = ("404",)
    address = f"/read/chat/{MARA}/{quote('4917000555@c.us', safe='')}"
    for late in ("messages", None):
        somebody.page.unroute_all()
        if late:
            somebody.page.route(f"**/{late}?*", lambda route: (somebody.page.wait_for_timeout(500), route.continue_()))
        page = somebody.go(address)
        expect(page.get_by_text("There is nothing at this address.")).to_be_visible()
        settle(page)
        expect(page.get_by_text("There is nothing at this address.")).to_be_visible()
        assert page.get_by_text("No messages in this chat.").count() == 0


def test_hostile_words_and_names_are_only_words(reader: Any) -> None:
    somebody = reader()
    page = somebody.chat(MARA, HOSTILE)
    expect(page.locator(".row").first).to_be_attached()
    settle(page)
    assert "taken" not in page.title()
    assert page.locator(".rows script, .rows img").count() == 0
    hrefs = page.locator(".rows a").evaluate_all("(all) => all.map((one) => one.protocol)")
    assert set(hrefs) <= {"http:", "https:", "mailto:"}
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("button", name=re.compile("Show all"))).not_to_have_count(0)


def test_what_happens_meanwhile_appears_by_itself(browser: Browser, own_world: tuple[World, str]) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    page = somebody.chat(MARA, KINDS)
    settle(page)
    now = moment("2026-07-19T09:00:00")
    news = say(KINDS, "N1", now, "Karim", "A new message")
    world.apply(news)
    expect(said(page, "A new message")).to_be_visible()
    world.apply(MessageEdited(target=target(news), text="A changed message", at=now + MINUTE))
    expect(said(page, "A changed message")).to_be_visible()
    world.apply(ReactionSet(target=target(news), by=PEOPLE["Ines"], emoji="🍑", at=now + MINUTE))
    expect(page.locator(".rx", has_text="🍑")).to_be_visible()
    world.apply(MessageRevoked(target=target(news), at=now + 2 * MINUTE))
    expect(page.locator(".row", has_text="A changed message").locator(".gone")).to_be_visible()
    expect(page.locator(".chat-list .chat[aria-current]")).to_contain_text("A changed message")
    assert not somebody.faults
    somebody.close()


def test_a_message_is_seen_that_arrives_while_an_answer_without_it_is_under_way(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    held: list[tuple[Route, APIResponse]] = []
    somebody.context.route(re.compile(r"/messages\?"), lambda route: held.append((route, route.fetch())))
    page = somebody.go(f"/read/chat/{MARA}/{KINDS}")
    until(page, lambda: bool(held))
    world.apply(say(KINDS, "N1", moment("2026-07-19T09:00:00"), "Karim", "Faster than the page"))
    expect(page.locator(".chat-list .chat[aria-current]")).to_contain_text("Faster than the page")
    for route, response in held:
        route.fulfill(response=response)
    expect(said(page, "Faster than the page")).to_be_visible()
    assert not somebody.faults
    somebody.close()


def test_a_new_message_does_not_move_what_is_read_but_raises_a_count(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    page = somebody.chat(MARA, KINDS)
    page.locator(".scroller").evaluate("(s) => { s.scrollTop = 400; }")
    settle(page)
    place = page.locator(".scroller").evaluate("(s) => s.scrollTop")
    world.apply(say(KINDS, "N1", moment("2026-07-19T09:00:00"), "Karim", "Somewhere below"))
    expect(page.locator(".newest")).to_contain_text("1 new message")
    assert page.locator(".scroller").evaluate("(s) => s.scrollTop") == place
    page.locator(".newest").click()
    expect(said(page, "Somewhere below")).to_be_in_viewport()
    somebody.close()


def test_two_tabs_share_one_stream(browser: Browser, own_world: tuple[World, str]) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    streams: list[str] = []
    somebody.context.on(
        "request", lambda request: streams.append(request.url) if "/api/events" in request.url else None
    )
    pages = [somebody.page, somebody.open()]
    for page in pages:
        page.goto(f"{base}/read/chat/{MARA}/{KINDS}")
        page.wait_for_selector(".row")
    world.apply(say(KINDS, "N1", moment("2026-07-19T09:00:00"), "Karim", "Heard by both"))
    for page in pages:
        expect(said(page, "Heard by both")).to_be_visible()
    assert len(streams) == 1
    somebody.close()


def test_a_token_that_is_revoked_asks_to_sign_in_again_at_the_same_place(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    token = world.store.create_token(world.org.no, name="Guest")
    somebody = Reader(browser, base, token.secret)
    somebody.expected = ("401",)
    page = somebody.chat(MARA, KINDS)
    world.store.revoke_token(world.org.no, token.id)
    expect(page.locator(".sign-in")).to_contain_text("You have been signed out")
    page.fill("input[name=token]", world.secret)
    page.click("button[type=submit]")
    expect(page.locator("h1")).to_have_text("Every kind of message")
    assert not somebody.faults
    somebody.close()


def test_an_edge_that_cannot_be_loaded_says_so_once_and_can_be_tried_again(reader: Any) -> None:
    somebody = reader()
    somebody.expected = ("ERR_FAILED",)
    page = somebody.chat(MARA, HOUSE, on="2019-03-12")
    settle(page)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    somebody.context.route("**/messages?before=*", refuse)
    page.locator(".scroller").evaluate("(s) => { s.scrollTop = 0; }")
    alert = page.locator(".scroller .alert")
    expect(alert).to_contain_text("Older messages could not be loaded")
    for way in (300, -300, 300, -300):
        page.locator(".scroller").evaluate("(s, way) => s.scrollBy(0, way)", way)
        settle(page)
    assert len(asked) == 1
    somebody.context.unroute_all()
    alert.get_by_role("button").click()
    expect(alert).to_have_count(0)


def test_events_orders_products_and_invitations_are_cards_that_say_what_is_known(reader: Any) -> None:
    page = reader().chat(MARA, KINDS)
    cards = page.locator(".topic")
    expect(cards).to_have_count(4)
    event, order, product, invite = cards.all_inner_texts()
    assert "25 July 2026 at 19:00 to 25 July 2026 at 23:00" in event
    assert "Old boathouse, Strandvägen 7" in event
    assert "2 × Rye bread" in order
    assert "24.90 EUR" in product
    assert "Regatta 2026" in invite
    expect(said(page, "The new edition")).to_contain_text("Chart of the coast")


def test_a_screen_reader_is_told_which_message_of_how_many_it_reads(reader: Any, world: World) -> None:
    page = reader().chat(MARA, KINDS)
    articles = page.locator(".rows article")
    expect(articles.first).to_have_attribute("aria-posinset", "1")
    total = articles.count()
    expect(articles.last).to_have_attribute("aria-posinset", str(total))
    expect(articles.last).to_have_attribute("aria-setsize", str(total))
    page = reader().chat(MARA, HOUSE, on="2019-03-12")
    expect(page.locator(".rows article[aria-posinset]").first).to_be_attached()
    number, key = page.evaluate(
        "() => { const one = document.querySelector('.rows article[aria-posinset]');"
        " return [one.getAttribute('aria-posinset'), one.closest('.row').dataset.id]; }"
    )
    message = world.store.find_message(world.org.no, (1,), key.split("_")[2], HOUSE)
    assert message is not None
    until = MessageQuery(org=world.org.no, phones=(1,), chat=HOUSE, until=message.message.sent_at, limit=1)
    assert world.store.list_messages(until).total == int(number)


def test_a_time_that_no_source_covers_is_told_between_the_messages_and_with_what_may_fill_it(reader: Any) -> None:
    page = reader().chat(MARA, HOUSE, on="2019-07-09")
    settle(page)
    gap = page.locator(".gap")
    expect(gap).to_have_count(1)
    expect(gap).to_contain_text("No source covers 9 to 14 July 2019")
    expect(page.locator(".spine .hole")).to_have_count(1)
    page.get_by_role("button", name="About this chat").click()
    expect(page.locator(".about-panel .gaps").get_by_role("link", name="Import files")).to_be_visible()
    assert violations(page) == []
    gap.get_by_role("link", name="How to fill it").click()
    expect(page.locator(".chat-gaps li", has_text="Summer house").first).to_contain_text("9 to 14 July 2019")
    expect(page.locator(".phone .cover")).to_contain_text("complete since 1 May 2024")
    assert violations(page) == []


def test_why_a_file_is_not_here_stands_beside_its_message(reader: Any) -> None:
    somebody = reader()
    fetch = {"tries": 3, "next_at": None, "problem": "The gateway answered 404.", "given_up": True}

    def with_fetch(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "fetch": fetch})

    somebody.context.route("**/api/messages/*", with_fetch)
    page = somebody.chat(MARA, KINDS)
    page.locator(".row", has_text="From the terrace").first.locator(".at").click()
    panel = page.locator(".about-panel")
    expect(panel).to_contain_text("The gateway answered 404.")
    expect(panel).to_contain_text("3 attempts. There will be no further attempt.")
    assert violations(page) == []


def test_links_of_a_chat_stand_together_with_their_words(reader: Any) -> None:
    page = reader().go(f"/read/chat/{MARA}/{quote(shown(HOSTILE), safe='')}/media?kind=link")
    expect(page.locator(".media-list li")).to_have_count(1)
    page.goto(page.url.replace(quote(shown(HOSTILE), safe=""), HOUSE))
    line = page.locator(".media-list li", has_text="Bread is mine")
    expect(line.locator(".url")).to_have_attribute("href", "https://mill.example/rolls")
    expect(line.locator(".url")).to_have_attribute("rel", "noreferrer noopener")
    assert violations(page) == []
    line.get_by_title("Show in chat").click()
    expect(page.locator(".m.here")).to_contain_text("Bread is mine")


def test_a_server_that_fails_is_told_in_words(reader: Any) -> None:
    somebody = reader()
    somebody.expected = ("500",)
    somebody.context.route("**/messages?*", lambda route: route.fulfill(status=500, body="{}"))
    page = somebody.go(f"/read/chat/{MARA}/{shown(KINDS)}")
    expect(page.locator("[role=alert]")).to_contain_text("could not answer")
    somebody.context.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".row").first).to_be_attached()


def test_the_words_can_be_read_without_a_mouse(reader: Any) -> None:
    page = reader().chat(MARA, KINDS)
    settle(page)
    page.keyboard.press("k")
    first = page.evaluate("() => document.activeElement.closest('.row').dataset.id")
    page.keyboard.press("k")
    second = page.evaluate("() => document.activeElement.closest('.row').dataset.id")
    assert first != second
    page.keyboard.press("Enter")
    expect(page.locator(".about-panel")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")


@pytest.mark.parametrize(
    "address", ["/", f"/read/chat/{MARA}/{KINDS}", "/read/media", "/read/contacts", "/read/sources"]
)
def test_the_main_screens_are_open_to_everybody(reader: Any, address: str) -> None:
    page = reader().go(address)
    page.locator("h1").first.wait_for(state="attached")
    settle(page)
    assert violations(page) == []


def test_the_key_of_a_message_is_in_its_link(reader: Any, world: World) -> None:
    somebody = reader()
    page = somebody.chat(MARA, KINDS)
    key = key_of(world, page, "Where is this?")
    page = somebody.chat(MARA, KINDS, at=key)
    expect(page.locator(".here", has_text="Where is this?")).to_be_visible()


def test_a_token_is_made_and_revoked_in_the_page(browser: Browser, own_world: tuple[World, str]) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    page = somebody.go("/read/manage/tokens")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_label("Phones").select_option(MARA)
    page.get_by_label("Expires").select_option("30")
    assert violations(page) == []
    page.get_by_role("button", name="Create token").click()
    secret = page.locator(".secret code").inner_text()
    opened = world.store.authenticate(secret)
    assert opened.scopes == {"read"}
    assert [phone.number for phone in opened.phones] == [MARA]
    (made,) = [token for token in world.store.list_tokens(world.org.no) if token.name == "Laptop"]
    assert made.expires_at is not None
    assert made.expires_at - made.created_at == pytest.approx(30 * archive.DAY, abs=archive.DAY)
    page.get_by_role("button", name="Done").click()
    page.locator("li", has_text="Laptop").get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator("li.over", has_text="Laptop")).to_be_visible()
    with pytest.raises(Unauthorised):
        world.store.authenticate(secret)
    assert not somebody.faults
    somebody.close()


def test_what_a_token_may_not_do_is_not_offered(browser: Browser, own_world: tuple[World, str]) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.store.create_token(world.org.no, name="Guest").secret)
    page = somebody.go("/read/manage")
    expect(page.locator("h1")).to_have_text("Settings")
    expect(page.get_by_role("link", name="Tokens")).to_have_count(0)
    page = somebody.go("/read/manage/tokens")
    expect(page.get_by_role("button", name="Create token")).to_have_count(0)
    assert not somebody.faults
    somebody.close()


def test_a_chat_that_turns_out_to_be_another_one_goes_on_under_its_number(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    start, lid = moment("2026-07-19T08:00:00"), "998877665544@lid"
    told = [say(lid, f"L{n}", start + n * MINUTE, "Karim", f"Hidden line {n}") for n in range(60)]
    world.apply(*told)
    somebody = Reader(browser, base, world.secret)
    page = somebody.chat(MARA, lid)
    page.locator(".scroller").evaluate("(s) => { s.scrollTop = 300; }")
    settle(page)
    seen = page.locator(".row").evaluate_all(
        "(rows) => { const box = document.querySelector('.scroller').getBoundingClientRect();"
        " const row = rows.find((one) => one.getBoundingClientRect().top > box.top);"
        " return [row.querySelector('.said p').innerText, row.getBoundingClientRect().top]; }"
    )
    number = PEOPLE["Karim"]
    world.apply(NumberMapped(lid=lid, jid=number))
    world.store.finish_merges()
    expect(page).to_have_url(re.compile(re.escape(quote(shown(number), safe=""))))
    settle(page)
    row = page.locator(".row", has=page.get_by_text(seen[0], exact=True))
    expect(row).to_be_visible()
    box = row.bounding_box()
    assert box
    assert box["y"] == pytest.approx(seen[1], abs=2)
    page.keyboard.press("End")
    world.apply(say(number, "after", start + 90 * MINUTE, "Karim", "Said under the number"))
    expect(said(page, "Said under the number")).to_be_visible()
    assert not somebody.faults
    somebody.close()


def test_an_empty_archive_says_how_to_fill_it_until_the_first_chat_is_there(browser: Browser, tmp_path: Path) -> None:
    world = archive.create(tmp_path)
    with serving(world.data) as base:
        somebody = Reader(browser, base, world.secret)
        page = somebody.go("/")
        expect(page.locator("h1")).to_have_text("Nothing here yet")
        expect(page.locator("code").first).to_contain_text("backscroll import export")
        assert violations(page) == []
        world.apply(say(KINDS, "N1", moment("2026-07-19T09:00:00"), "Karim", "The first message"))
        expect(page.locator(".chat-list .chat")).to_contain_text("The first message")
        assert not somebody.faults
        somebody.close()
    world.store.close()
