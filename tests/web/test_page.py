"""The page's shell and assets over ASGI: headers for browsers, and which paths belong to the page."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import click
import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from backscroll.cli.main import main
from backscroll.web.page import PageApp

SHELL = b"<!doctype html><title>Backscroll</title>"
SCRIPT = b"console.log(1)" * 100


@pytest.fixture
def static(tmp_path: Path) -> Path:
    assets = tmp_path / "static" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_bytes(SHELL)
    script = assets / "main-AB12.js"
    script.write_bytes(SCRIPT)
    (assets / "main-AB12.js.br").write_bytes(brotli.compress(SCRIPT))
    (assets / "main-AB12.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "licences.txt").write_text("MIT")
    return tmp_path / "static"


async def api(scope: Scope, receive: Receive, send: Send) -> None:
    """The app behind the page; it answers with the path of the request."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def ask(app: ASGIApp, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://archive.test") as client:
            return await client.request(method, path, headers={"accept-encoding": "identity", **headers})

    return asyncio.run(once())


@pytest.mark.parametrize("path", ["/", "/read/chat/49/1%40c.us?at=x", "/read/sign-in", "/read"])
def test_every_address_of_the_page_answers_the_shell(static: Path, path: str) -> None:
    answer = ask(PageApp(api, static), path)
    assert (answer.status_code, answer.content) == (200, SHELL)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_the_shell_lets_no_script_but_its_own_run_and_makes_no_html_of_text(static: Path) -> None:
    policy = ask(PageApp(api, static), "/").headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "trusted-types 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in " ".join(policy)


@pytest.mark.parametrize("path", ["/v1/chats", "/api/chats", "/chats", "/reading", "/assetsx", "/chat/x/messages"])
def test_other_addresses_are_left_to_the_api(static: Path, path: str) -> None:
    answer = ask(PageApp(api, static), path)
    assert (answer.status_code, answer.text) == (299, path)


def test_an_asset_is_kept_for_good_because_its_name_changes_with_it(static: Path) -> None:
    answer = ask(PageApp(api, static), "/assets/main-AB12.js")
    assert answer.content == SCRIPT
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ask(PageApp(api, static), "/assets/licences.txt").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip", "gzip"), ("deflate", None), ("", None)],
)
def test_an_asset_goes_out_as_small_as_the_browser_can_take_it(static: Path, accept: str, encoding: str | None) -> None:
    answer = ask(PageApp(api, static), "/assets/main-AB12.js", **{"accept-encoding": accept})
    assert answer.headers.get("content-encoding") == encoding
    assert answer.content == SCRIPT
    assert answer.headers["vary"] == "Accept-Encoding"


def test_what_the_browser_holds_is_not_sent_again(static: Path) -> None:
    app = PageApp(api, static)
    etag = ask(app, "/").headers["etag"]
    again = ask(app, "/", **{"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/assets/none.js", "/assets/%2e%2e/index.html", "/assets/"])
def test_there_are_no_files_but_those_of_the_page(static: Path, path: str) -> None:
    assert ask(PageApp(api, static), path).status_code == 404


def test_only_reading_is_possible(static: Path) -> None:
    answer = ask(PageApp(api, static), "/", "POST")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    head = ask(PageApp(api, static), "/", "HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(SHELL)))


def test_a_server_without_a_built_page_says_how_to_build_it(tmp_path: Path) -> None:
    app = PageApp(api, tmp_path / "none")
    answer = ask(app, "/read/search")
    assert answer.status_code == 503
    assert "make web" in answer.text
    assert ask(app, "/v1/chats").status_code == 299


def test_the_commands_that_the_page_names_are_there() -> None:
    sources = Path(__file__).parents[2] / "web/src"
    words = "".join(file.read_text("utf-8") for file in (sources / "words.ts", *(sources / "words").iterdir()))
    named = set(re.findall(r"\bbackscroll ([a-z]+) ([a-z]+)", words))
    assert len(named) > 3
    for group, command in named:
        found = main.commands[group]
        assert isinstance(found, click.Group)
        assert command in found.commands
