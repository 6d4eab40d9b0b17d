"""Shows what was measured: as a table, as lines of JSON, and in the generated part of docs/performance.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
import time
from typing import Any

import msgspec
from msgspec import Struct

from bench.measuring import Line
from bench.places import CACHE, ROOT
from bench.plot import Point, draw
from bench.servers import WORKERS

RESULTS = CACHE / "results.jsonl"
PAGE = ROOT / "docs" / "performance.md"
IMAGES = ROOT / "docs" / "images"
VERDICTS = {True: "reached", False: "MISSED", None: "–"}


class Run(Struct, frozen=True):
    lines: list[Line]
    engine: str
    title: str
    """The engine with its version."""
    messages: int

    @property
    def about(self) -> str:
        loads = [line.facts["load"] for line in self.lines]
        return (
            f"{self.messages:,} messages, {self.title}, {WORKERS} workers, rate limit off, wrk on the same "
            f"{os.cpu_count()} processors, load {min(loads):.1f} to {max(loads):.1f}. "
            f"Python {platform.python_version()}, {_million_calls():.0f} ms for a million calls of a function."
        )


def _million_calls() -> float:
    """Milliseconds. Machines and builds of Python differ, and most of a page's time is Python's."""

    def called(number: int) -> int:
        return number

    times = []
    for _ in range(5):
        began = time.process_time()
        for number in range(1_000_000):
            called(number)
        times.append(time.process_time() - began)
    return min(times) * 1000


def table(run: Run) -> str:
    lines = run.lines
    wide, far = max(len(line.what) for line in lines), max(len(line.reached) for line in lines)
    aim = max(len(line.target) for line in lines)
    rows = [f"{x.what:<{wide}}  {x.reached:<{far}}  {x.target:<{aim}}  {VERDICTS[x.met]}" for x in lines]
    head = f"{'what':<{wide}}  {'measured':<{far}}  {'target':<{aim}}  verdict"
    note = "Times on a shared machine vary; CPU per request varies less. See bench/README.md."
    return "\n".join([head, *rows, "", run.about, note])


def record(run: Run) -> None:
    """Appends to the kept results, one line of JSON for each."""
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    shared: dict[str, Any] = {"at": at, "engine": run.engine, "version": run.title, "messages": run.messages}
    with RESULTS.open("ab") as file:
        for line in run.lines:
            file.write(msgspec.json.encode(shared | msgspec.to_builtins(line)) + b"\n")


def write_page(run: Run) -> None:
    """Replaces the table for this engine and size in docs/performance.md, or adds it, and redraws the plot."""
    mark = f"{run.engine} {run.messages}"
    begin, end = f"<!-- begin {mark} -->", f"<!-- end {mark} -->"
    block = f"{begin}\n{_markdown(run)}\n{end}"
    text = PAGE.read_text()
    there = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    text = there.sub(lambda _: block, text) if there.search(text) else f"{text.rstrip()}\n\n{block}\n"
    PAGE.write_text(text)
    if points := _points(run.engine):
        IMAGES.mkdir(exist_ok=True)
        (IMAGES / f"cpu-per-request-{run.engine}.svg").write_text(draw(run.title, points))


def _markdown(run: Run) -> str:
    day = datetime.datetime.now(datetime.UTC).date()
    rows = [f"| {x.what} | {x.reached.replace('   ', '; ')} | {x.target} | {VERDICTS[x.met]} |" for x in run.lines]
    head = [f"### {run.title}, {run.messages:,} messages", "", f"Measured on {day.isoformat()}. {run.about}", ""]
    return "\n".join([*head, "| what | measured | target | |", "|---|---|---|---|", *rows])


def _points(engine: str) -> dict[str, list[Point]]:
    """The latest figure for each question and size, from all kept runs."""
    found: dict[str, dict[int, float]] = {}
    for told in map(msgspec.json.decode, RESULTS.read_bytes().splitlines()):
        facts = told["facts"]
        if told["engine"] != engine or "size" not in facts:
            continue
        sizes = found.setdefault(told["what"].rpartition(", ")[2], {})
        sizes[int(facts["size"])] = facts["cpu_us"]
        sizes[int(facts["beside_size"])] = facts["beside_cpu_us"]
    return {what: [Point(*pair) for pair in sorted(sizes.items())] for what, sizes in found.items()}
