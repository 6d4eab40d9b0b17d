"""The whole measurement: loads archives or finds kept ones, starts servers, prints a table."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from msgspec import Struct, structs

from bench import fairness, reading, report, written
from bench.measuring import Bench, Line, say
from bench.places import CACHE, ENGINES, Engine, archive_of, passing
from bench.served import Rival, beside_archive, beside_nginx, served
from bench.servers import Kept
from bench.targets import TARGETS

SMALL, USUAL, LARGE = 10_000, 1_000_000, 10_000_000


class Options(Struct, frozen=True, kw_only=True):
    engine: str = "sqlite"
    messages: int = USUAL
    rounds: int = 3
    seconds: int = 2
    fresh: bool = False
    only: str = ""
    report: bool = False


PARTS = ("read", "warm", "growth", "cached", "live", "fair", "search", "write")


def measure(engine: Engine, options: Options) -> list[Line]:
    parts = options.only.split(",") if options.only else PARTS
    lines: list[Line] = []
    with ExitStack() as stack:
        for part in parts_of(engine, options, stack):
            if part.name in parts:
                say(f"{part.title} …")
                for line in part.lines():
                    line = structs.replace(line, facts=line.facts | {"load": os.getloadavg()[0]})
                    say(f"  {line.what}: {line.reached}")
                    lines.append(line)
    return lines


class Part(Struct, frozen=True):
    name: str
    title: str
    lines: Callable[[], Iterable[Line]]


def parts_of(engine: Engine, options: Options, stack: ExitStack) -> list[Part]:
    """The archives are loaded here, even if no part of the measurement is selected."""
    small, large = (archive_of(engine, messages, options.fresh) for messages in (SMALL, options.messages))
    bench, targets = Bench(options.rounds, options.seconds), TARGETS[engine.name]
    beside = rivals(engine, options, stack)

    def read() -> Iterable[Line]:
        with served(large, "nothing") as archive, beside("nothing") as rival:
            yield from reading.first_pages(bench, rival, archive, "off", targets.newest, targets.across)
            yield from reading.further_pages(bench, archive)
            yield from reading.crowded(bench, archive, "off", targets.crowds)

    def warm() -> Iterable[Line]:
        with served(large, "messages") as archive, beside("messages") as rival:
            state = "off, messages kept"
            yield from reading.first_pages(bench, rival, archive, state, targets.warm_newest, targets.warm_across)
        with passing(engine, small) as place:
            yield from reading.while_changed(bench, place, small.loaded, engine)

    def growth() -> Iterable[Line]:
        for messages in sizes(options.messages):
            many = large if messages == options.messages else archive_of(engine, messages, options.fresh)
            with served(small, "nothing") as few, served(many, "nothing") as archive:
                yield from reading.growth(bench, few, archive, 1.2 if messages <= USUAL else 1.5)

    def cached() -> Iterable[Line]:
        with served(large, "pages") as archive, beside("pages") as rival:
            yield from reading.first_pages(bench, rival, archive, "on", targets.cached_newest, targets.cached_across)
            yield from reading.unchanged(bench, archive)
            yield from reading.crowded(bench, archive, "on", targets.crowds)

    def live() -> Iterable[Line]:
        with passing(engine, small) as place:
            yield from reading.while_written(bench, place, small.loaded, engine)

    def fair() -> Iterable[Line]:
        with served(large, "nothing") as archive:
            yield from fairness.beside_big_pages(bench, archive)
        with passing(engine, small) as place:
            yield from fairness.beside_import(bench, place, small.loaded, engine)

    def search() -> Iterable[Line]:
        with served(large, "nothing") as archive:
            yield from reading.searched(bench, archive, targets.search)

    return [
        Part("read", "Reading with the page cache off", read),
        Part("warm", "Reading with the page cache off and rendered messages kept", warm),
        Part("growth", "Comparing a small archive with larger ones", growth),
        Part("cached", "Reading with the page cache on", cached),
        Part("live", "Reading while messages arrive", live),
        Part("fair", "Reading and writing beside heavy work", fair),
        Part("search", "Searching", search),
        Part("write", "Writing", lambda: written.written(small, large, targets)),
    ]


def sizes(messages: int) -> list[int]:
    """Powers of ten above the small archive, up to the measured one."""
    found = [min(messages, SMALL * 10)]
    while found[-1] < messages:
        found.append(min(messages, found[-1] * 10))
    return found


def rivals(engine: Engine, options: Options, stack: ExitStack) -> Callable[[Kept], AbstractContextManager[Rival]]:
    """nginx for SQLite, and SQLite for the other engine. The returned function takes what is cached in memory."""
    if engine.name == "sqlite":
        return beside_nginx
    other = stack.enter_context(ENGINES["sqlite"]())
    return partial(beside_archive, archive_of(other, options.messages, options.fresh))


def main(options: Options) -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing; install it (Debian: apt-get install wrk) and run this again")
    # So that the servers are stopped too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    CACHE.mkdir(exist_ok=True)
    with ENGINES[options.engine]() as engine:
        lines = measure(engine, options)
        if lines:
            told = report.Run(lines, engine.name, engine.title, options.messages)
            report.record(told)
            print(report.table(told))
            if options.report:
                report.write_page(told)
