"""Budgets of the page, measured on a chat of 200,000 messages. Figures are printed; those that depend on the page and
not of the machine fail above their budget."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from web import archive
from web.archive import LONG, MARA, World
from web.browsing import ROOT, Reader, serving, settle, top_of

KB = 1024
MESSAGES = 200_000
DISTANCE = 24_000
STEADINESS = Path(__file__).with_name("steadiness.js")


def compressed(output: str) -> int:
    return len(gzip.compress((ROOT / "src/backscroll/web/static/assets" / Path(output).name).read_bytes(), 9))


def needed_to_read(outputs: dict[str, Any]) -> set[str]:
    """The scripts that load before a chat can be read: the entry point and its static imports."""
    todo = [name for name, output in outputs.items() if output.get("entryPoint") == "src/main.tsx"]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in found or name not in outputs:
            continue
        found.add(name)
        todo += [one["path"] for one in outputs[name]["imports"] if one["kind"] == "import-statement"]
    return found


def test_the_page_is_small() -> None:
    outputs = json.loads((ROOT / "web/.build.json").read_text())
    scripts = [name for name in outputs if name.endswith(".js")]
    reading = sum(map(compressed, needed_to_read(outputs)))
    everything, styles = sum(map(compressed, scripts)), sum(compressed(one) for one in outputs if one.endswith(".css"))
    print(f"to read a chat {reading / KB:.1f} KB, all {everything / KB:.1f} KB, styles {styles / KB:.1f} KB")
    assert reading <= 45 * KB
    assert everything <= 80 * KB
    assert styles <= 12 * KB


@pytest.fixture(scope="module")
def long_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    world = archive.create(tmp_path_factory.mktemp("long"))
    world.apply(*archive.people())
    archive.fill_long(world, MESSAGES)
    with serving(world.data) as base:
        yield world, base
    world.store.close()


@pytest.fixture
def long_reader(browser: Browser, long_world: tuple[World, str]) -> Iterator[Reader]:
    world, base = long_world
    reader = Reader(browser, base, world.secret)
    yield reader
    reader.close()
    assert not reader.faults


def wheel(page: Page, way: int, speed: int) -> dict[str, Any]:
    """Turn the wheel over the messages; returns how they moved."""
    box = page.locator(".scroller").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate("() => steadiness.start(document.querySelector('.scroller'))")
    start, turned = time.monotonic(), 0
    while turned < DISTANCE:
        page.mouse.wheel(0, way * 100)
        turned += 100
        time.sleep(max(0, turned / speed - (time.monotonic() - start)))
    page.wait_for_timeout(700)
    told: dict[str, Any] = page.evaluate("() => steadiness.stop()")
    return told


@pytest.mark.full
def test_a_chat_of_200_000_messages_is_held_still_while_it_is_scrolled(long_reader: Reader) -> None:
    asked: list[str] = []
    started = time.monotonic()
    page = long_reader.chat(MARA, LONG)
    print(f"first message after {(time.monotonic() - started) * 1000:.0f} ms")
    page.on("request", lambda request: asked.append(request.url) if "/messages?" in request.url else None)
    settle(page)
    page.evaluate(STEADINESS.read_text())
    for speed in (4000, 12_000):
        for way in (-1, 1):
            asked.clear()
            seen = wheel(page, way, speed)
            print(speed, "up" if way < 0 else "down", seen, f"{len(asked)} requests")
            assert abs(seen["drift"]) < 0.1
            assert seen["idle"] == 0
            assert seen["wrongWay"] == 0
            assert seen["lost"] <= 0
            assert seen["nodes"] <= 6000
            assert seen["rows"] <= 250
            assert len(asked) <= 22


@pytest.mark.full
def test_a_jump_lands_and_stays_wherever_it_leads(long_reader: Reader) -> None:
    page = long_reader.chat(MARA, LONG)
    for on in ("2015-06-01", "2019-03-12", "2023-11-30", "2026-06-29"):
        page = long_reader.chat(MARA, LONG, on=on)
        settle(page)
        key = page.locator(".row").nth(page.locator(".row").count() // 2).get_attribute("data-id") or ""
        started = time.monotonic()
        page = long_reader.chat(MARA, LONG, at=key)
        page.wait_for_selector(".m.here")
        print(f"{on}: cold jump after {(time.monotonic() - started) * 1000:.0f} ms")
        settle(page)
        first = top_of(page, key)
        page.wait_for_timeout(1000)
        assert top_of(page, key) == pytest.approx(first, abs=0.5)
