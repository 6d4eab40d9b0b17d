"""One archive and one server for tests that only read; tests that change something create their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from web import archive
from web.archive import World
from web.browsing import PATIENCE, Reader, launch, serving

ReaderOf = Callable[..., Reader]

expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Open for one module only: meanwhile an event loop runs in this thread, and no test can start its own."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = archive.fill(archive.create(tmp_path_factory.mktemp("page")), archive.hostile())
    yield world
    world.store.close()


@pytest.fixture(scope="session")
def base(world: World) -> Iterator[str]:
    with serving(world.data) as base:
        yield base


@pytest.fixture
def reader(browser: Browser, base: str, world: World) -> Iterator[ReaderOf]:
    """Creates readers; at the end of the test none may have found a fault in the page."""
    made: list[Reader] = []

    def make(secret: str | None = world.secret, **options: Any) -> Reader:
        made.append(Reader(browser, base, secret, **options))
        return made[-1]

    yield make
    faults = [fault for reader in made for fault in reader.faults]
    for one in made:
        one.close()
    assert not faults


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A separate archive with a server, for tests that write."""
    world = archive.create(tmp_path)
    world.apply(*archive.people())
    world.apply(*archive.every_kind(world))
    with serving(world.data) as base:
        yield world, base
    world.store.close()
