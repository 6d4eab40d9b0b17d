"""The documentation agrees with the program: its answers, commands, settings, tables and link targets."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from msgspec import Struct
from starlette.types import ASGIApp

from backscroll.cli.common import open_archive
from backscroll.cli.imports import ImportCommands
from backscroll.cli.main import main
from backscroll.cli.sample import fill
from backscroll.config import OTHER_VARIABLES, SETTINGS, load
from backscroll.http.app import ROUTES, build_app
from backscroll.http.router import Route

ROOT = Path(__file__).parent.parent
SQL = ROOT / "src" / "backscroll" / "database" / "sql"
WRITTEN_BY_THE_PROGRAM = {"cli.md", "settings.md", "routes.md"}
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in WRITTEN_BY_THE_PROGRAM),
]
MORE = "…"
"""A placeholder for what is left out and for what differs each time."""

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


class Example(Struct, frozen=True):
    """A request that a page shows, and the answer under it."""

    page: str
    command: str
    answer: str


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def examples() -> Iterator[Example]:
    for page in PAGES:
        blocks = [(found[1], found[2]) for found in BLOCK.finditer(page.read_text("utf-8"))]
        for (kind, command), (next_kind, answer) in pairwise(blocks):
            if kind == "sh" and command.startswith("curl ") and next_kind == "json":
                yield Example(named(page), command.replace("\\\n", " ").strip(), answer)


class Sample(Struct, frozen=True):
    """The sample that `make serve` imports, with the server in front of it."""

    app: ASGIApp
    variables: dict[str, str]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    settings = load({}, {"data": str(tmp_path_factory.mktemp("sample"))})
    with open_archive(settings, create=True) as archive:
        told = fill(archive)
        credential = dict(re.findall(r"^Token (id|secret) +(\S+)$", told, re.M))
        variables = {"ID": credential["id"], "SECRET": credential["secret"], "URL": settings.url}
        yield Sample(build_app(archive.store, archive.media, settings), variables)


def ask(sample: Sample, command: str) -> httpx.Response:
    """Run a curl command against the app; a flag that this function does not know fails the test."""
    words = iter(shlex.split(re.sub(r"\$(\w+)", lambda found: sample.variables[found[1]], command))[1:])
    method, url, headers = "GET", "", {}
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-u":
            headers["Authorization"] = "Basic " + base64.b64encode(next(words).encode()).decode()
        elif word == "-X":
            method = next(words)
        else:
            assert not word.startswith("-"), f"curl {word}"
            url = word

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=sample.app)
        async with httpx.AsyncClient(transport=transport) as client:
            return await client.request(method, url, headers=headers)

    return asyncio.run(send())


def difference(shown: Any, real: Any, where: str = "") -> str | None:
    """The first place where the answer differs from what is shown, or None."""
    if isinstance(shown, dict) and isinstance(real, dict):
        wanted = {name: value for name, value in shown.items() if name != MORE}
        if missing := wanted.keys() - real.keys():
            return f"{where}: {missing} is not there"
        if MORE not in shown and (hidden := real.keys() - wanted.keys()):
            return f"{where}: {hidden} is not shown"
        return next(filter(None, (difference(wanted[name], real[name], f"{where}.{name}") for name in wanted)), None)
    if isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        pairs = zip(shown, real, strict=True)
        return next(filter(None, (difference(one, other, f"{where}[]") for one, other in pairs)), None)
    if isinstance(shown, str) and MORE in shown and isinstance(real, str):
        pattern = ".+".join(map(re.escape, shown.split(MORE)))
        return None if re.fullmatch(pattern, real, re.S) else f"{where}: {real!r}"
    return None if type(shown) is type(real) and shown == real else f"{where}: {real!r}"


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: f"{example.page}: {example.command[-60:]}")
def test_an_answer_that_is_shown_is_the_answer(sample: Sample, example: Example) -> None:
    assert difference(json.loads(example.answer), ask(sample, example.command).json()) is None


def test_every_request_of_the_reference_page_succeeds_on_the_sample(sample: Sample) -> None:
    page = ask(sample, 'curl "$URL/docs"').text
    requests = [html.unescape(found) for found in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.S)]
    shown = [route for route in ROUTES if route.listed and ":" not in (route.tag or route.dialect)]
    shown = [route for route in shown if route.tag != "ingest"]
    assert len(requests) == len(shown)
    answers = {request: ask(sample, request).status_code for request in requests}
    assert {request: status for request, status in answers.items() if status != 200} == {}


def test_both_apis_are_shown_in_the_readme() -> None:
    shown = [example.command for example in examples() if example.page == "README.md"]
    assert any("/v1/chats/messages" in command for command in shown)
    assert any("/chat/" in command for command in shown)


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": 1, MORE: MORE}, {"b": 1}),
        ([1], [1, 2]),
        ({"a": f"x{MORE}"}, {"a": "y"}),
        ({"a": None}, {"a": False}),
        ({"a": 0}, {"a": False}),
    ],
)
def test_a_wrong_example_is_found(shown: Any, real: Any) -> None:
    assert difference(shown, real) is not None


def shell_commands(first: str) -> list[tuple[str, list[str]]]:
    """(page, words) of each line of a shell block that begins with ``first``, up to a pipe or redirection."""
    found = []
    for page in PAGES:
        for kind, block in BLOCK.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines() if kind == "sh" else ():
                for part in re.split(r" [|>] ", line):
                    if part.startswith(f"{first} "):
                        found.append((named(page), shlex.split(part)[1:]))
    return found


@pytest.mark.parametrize(("page", "words"), shell_commands("backscroll"), ids=lambda given: str(given))
def test_a_command_that_is_shown_is_understood(page: str, words: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        if isinstance(command, ImportCommands):
            # A word that is not one of these commands is a file name; the file need not exist.
            words = command.with_command(context, list(words), exists=lambda path: True)
        _, words, _ = command.make_parser(context).parse_args(list(words))
        if not words and command.invoke_without_command:
            return
        found = command.get_command(context, words[0])
        assert found is not None, f"{page}: there is no command {words[0]}"
        command, words, context = found, words[1:], click.Context(found, parent=context)
    _, rest, _ = command.make_parser(context).parse_args(words)
    assert rest == [], page


def test_make_targets_that_are_shown_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    shown = {words[0] for _, words in shell_commands("make")}
    inline = {target for page in PAGES for target in re.findall(r"`make ([a-z-]+)", page.read_text("utf-8"))}
    assert shown
    assert shown | inline <= targets


def test_variables_that_are_named_exist() -> None:
    known = {setting.variable for setting in SETTINGS} | OTHER_VARIABLES
    used = {name for page in PAGES for name in re.findall(r"\bBACKSCROLL_[A-Z_]+\b", page.read_text("utf-8"))}
    assert used
    assert used <= known


def reads(dialect: str) -> Callable[[Route], bool]:
    return lambda route: route.dialect == dialect and route.listed and 501 not in route.answers


@pytest.mark.parametrize("dialect", ["periskope", "gowa"])
def test_a_page_of_an_api_names_each_route_that_reads_and_no_other(dialect: str) -> None:
    page = (ROOT / "docs" / f"{dialect}-api.md").read_text("utf-8")
    shown = set(re.findall(r"`(GET /[^`]*)`", page)) - {"GET /health"}
    assert shown == {f"GET {route.path}" for route in filter(reads(dialect), ROUTES) if route.method == "GET"}


def test_each_setting_that_is_linked_stands_on_the_page_of_settings() -> None:
    names = {setting.name for setting in SETTINGS}
    linked = {name for page in PAGES for name in re.findall(r"settings\.md#(\w+)", page.read_text("utf-8"))}
    assert linked
    assert linked <= names


def test_each_table_is_described() -> None:
    sql = "\n".join(file.read_text("utf-8") for file in SQL.rglob("*.sql"))
    tables = set(re.findall(r"CREATE (?:VIRTUAL )?TABLE (?:IF NOT EXISTS )?(\w+)", sql))
    tables -= set(re.findall(r"DROP TABLE (\w+)", sql))
    described = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert tables
    assert [name for name in sorted(tables) if f"`{name}`" not in described] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them from the headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_link_to_a_heading_leads_to_one() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
            goal = page.parent / target if target else page
            assert anchor in anchors(goal), f"{named(page)} links to {target}#{anchor}"


def test_each_source_and_each_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = [*(ROOT / "docs" / "sources").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")]
    missing = [
        str(page.relative_to(ROOT / "docs")) for page in pages if f"({page.relative_to(ROOT / 'docs')}" not in index
    ]
    assert missing == []
