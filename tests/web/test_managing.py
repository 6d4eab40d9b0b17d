"""Managing in a real browser: sources, health, and what each user is offered."""

from __future__ import annotations

import gzip
import zipfile
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

import gateways
from backscroll.core.imports import NewImport
from backscroll.ingest.signatures import sign
from backscroll.ingest.source_setup import SourceWish, add_source
from web.archive import KINDS, MARA, World
from web.browsing import Reader, violations


def test_a_source_is_added_heard_of_and_removed_in_the_page(browser: Browser, own_world: tuple[World, str]) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    page = somebody.go("/read/sources")
    page.get_by_role("button", name="Add a source").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("WAHA").check()
    dialog.get_by_label("Number of the phone").fill(f"+{gateways.ME}")
    dialog.get_by_label("Report it as silent after").select_option("6h")
    dialog.get_by_role("button", name="Add source").click()
    expect(dialog.locator(".secret code")).to_have_count(2)
    url, secret = dialog.locator(".secret code").all_inner_texts()
    assert violations(page) == []
    dialog.get_by_role("button", name="Done").click()
    card = page.locator(".phone", has_text=f"+{gateways.ME}")
    expect(card).to_contain_text("Waiting for the first event")
    body = gateways.waha(gateways.HELLO)
    assert body is not None
    assert httpx.post(url, content=body, headers=sign("waha", secret, body)).status_code == 200
    page.reload()
    expect(card).to_contain_text("last event")
    assert secret not in page.content()
    card.get_by_role("button", name="Remove the source WAHA").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove source").click()
    expect(card).to_contain_text("No live source is set up")
    assert world.store.sources.of(world.org.no) == []
    assert not somebody.faults
    somebody.close()


def test_a_source_is_changed_and_given_a_new_secret_in_the_page(browser: Browser, own_world: tuple[World, str]) -> None:
    world, base = own_world
    added = add_source(world.store, world.org.no, SourceWish(kind="gowa", phone=MARA))
    somebody = Reader(browser, base, world.secret)
    page = somebody.go("/read/sources")
    page.get_by_role("button", name="Change the source GOWA").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Report it as silent after").select_option("6h")
    dialog.get_by_label("Where the gateway itself answers").fill("http://127.0.0.1:3000")
    dialog.get_by_label("What opens it").fill("ana:open sesame")
    dialog.get_by_label("Ask it for what was missed").select_option("1h")
    assert violations(page) == []
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".srcs .upstream")).to_contain_text("http://127.0.0.1:3000")
    page.get_by_role("button", name="Change the source GOWA").click()
    expect(dialog.get_by_label("What opens it")).to_have_value("")
    expect(dialog.get_by_label("Report it as silent after")).to_have_value("6h")
    dialog.get_by_role("button", name="Make a new secret").click()
    shown = dialog.locator(".secret code").nth(1).inner_text()
    given = world.store.sources.open(added.source.id)[1]
    assert (given.secret, given.previous, given.upstream_token) == (shown, added.given.secret, "ana:open sesame")
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)
    assert shown not in page.content()
    assert not somebody.faults
    somebody.close()


def test_organisations_are_made_and_renamed_by_an_operator_alone(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    page = somebody.go("/read/manage/orgs")
    page.get_by_label("Name").fill("Choir <b>of</b> the harbour")
    page.get_by_role("button", name="Create organisation").click()
    dialog = page.get_by_role("dialog")
    first = dialog.locator(".secret code").inner_text()
    dialog.get_by_role("button", name="Done").click()
    line = page.locator(".rows-list li", has_text="Choir <b>of</b> the harbour")
    line.get_by_role("button", name="Rename").click()
    dialog.get_by_label("Name").fill("Choir")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator(".rows-list")).to_contain_text("Choir")
    expect(dialog).to_have_count(0)
    assert first not in page.content()
    assert not somebody.faults
    somebody.close()
    theirs = Reader(browser, base, first)
    page = theirs.go("/read/manage")
    expect(page.locator(".settings")).to_contain_text("Choir")
    expect(page.get_by_role("link", name="Tokens")).to_have_count(1)
    expect(page.get_by_role("link", name="Organisations")).to_have_count(0)
    assert not theirs.faults
    theirs.close()


def test_a_number_that_is_none_is_refused_beside_the_form(browser: Browser, own_world: tuple[World, str]) -> None:
    world, base = own_world
    somebody = Reader(browser, base, world.secret)
    somebody.expected = ("422",)
    page = somebody.go("/read/sources")
    page.get_by_role("button", name="Add a source").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Number of the phone").fill("nobody")
    dialog.get_by_role("button", name="Add source").click()
    expect(dialog.get_by_role("alert")).to_contain_text("give the number with its country code")
    assert not somebody.faults
    somebody.close()


def test_health_names_what_needs_attention_with_the_command_that_helps(
    browser: Browser, own_world: tuple[World, str]
) -> None:
    world, base = own_world
    failed = world.store.begin_import(world.org.no, NewImport(kind="export", file="<b>Ana</b>.zip"))
    world.store.finish_import(world.org.no, failed.id, None, "failed")
    somebody = Reader(browser, base, world.secret)
    page = somebody.go("/read/manage/health")
    expect(page.get_by_role("heading", name="One thing needs your attention")).to_be_visible()
    expect(page.locator(".trouble code")).to_have_text(f"backscroll import undo {failed.id}")
    expect(page.locator(".rows-list li")).to_contain_text("<b>Ana</b>.zip")
    expect(page.locator(".details")).to_contain_text("SQLite")
    assert violations(page) == []
    assert not somebody.faults
    somebody.close()


@pytest.mark.parametrize("bound", [False, True])
def test_what_a_token_may_not_manage_is_not_offered(
    browser: Browser, own_world: tuple[World, str], bound: bool
) -> None:
    world, base = own_world
    phones = (world.store.find_phone(world.org.no, MARA).no,) if bound else None
    scopes = frozenset({"read", "admin"} if bound else {"read"})
    somebody = Reader(browser, base, world.store.create_token(world.org.no, "Guest", phones, scopes).secret)
    page = somebody.go("/read/sources")
    expect(page.locator(".phone").first).to_be_visible()
    expect(page.get_by_role("button", name="Add a source")).to_have_count(0)
    page = somebody.go("/read/manage")
    expect(page.locator("h1")).to_have_text("Settings")
    for section in ("Health", "Tokens"):
        expect(page.get_by_role("link", name=section)).to_have_count(0)
    page.get_by_role("link", name="Exports").click()
    expect(page.locator(".way")).to_have_count(1 if bound else 2)
    assert not somebody.faults
    somebody.close()


def test_a_server_that_fails_is_told_and_asked_again(reader: Any) -> None:
    somebody = reader()
    somebody.expected = ("500",)
    somebody.context.route("**/api/sources", lambda route: route.fulfill(status=500, body="{}"))
    page = somebody.go("/read/sources")
    expect(page.get_by_role("alert")).to_contain_text("could not answer")
    somebody.context.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".phone").first).to_be_visible()


def test_a_chat_is_downloaded_from_the_panel_about_it_and_everything_from_the_settings(reader: Any) -> None:
    page = reader().chat(MARA, KINDS)
    page.get_by_role("button", name="About this chat").click()
    with page.expect_download() as chat:
        page.locator(".about-panel").get_by_role("link", name="Text and files").click()
    assert chat.value.suggested_filename == "Every kind of message (Backscroll).zip"
    with zipfile.ZipFile(chat.value.path()) as read:
        assert read.testzip() is None
        assert "Where is this?" in read.read("_chat.txt").decode()
        assert len(read.namelist()) > 3
    page.goto(f"{page.url.partition('/read/')[0]}/read/manage/exports")
    with page.expect_download() as everything:
        page.locator(".way", has_text="JSON lines").get_by_role("link", name="Download").click()
    with gzip.open(everything.value.path()) as lines:
        assert b'"backscroll":"jsonl"' in lines.readline()
    assert violations(page) == []
