"""The whole measurement: archives made or found, servers started, a table printed."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct, structs

from bench import living, webhooks, writing
from bench.data import Loaded
from bench.load import Ask, Client, Rate, drive
from bench.places import CACHE, ENGINES, Archive, Engine, Place, archive_of, passing
from bench.questions import PAGE, Questions
from bench.servers import WORKERS, Nginx, Server, backscroll, nginx

SMALL, USUAL, LARGE = 10_000, 1_000_000, 10_000_000
CONNECTIONS, FEW_CONNECTIONS = 16, 4
OFFSET_IN_CHAT, OFFSET_ACROSS = 0.15, 0.9
"""Of all messages: 150,000 and 900,000 of a million."""
MB = 1_000_000


class Options(Struct, frozen=True, kw_only=True):
    engine: str = "sqlite"
    messages: int = USUAL
    rounds: int = 3
    seconds: int = 2
    fresh: bool = False
    only: str = ""


class Targets(Struct, frozen=True, kw_only=True):
    """What differs between the engines: the least of a rival's requests, cached or not, and the least of writing."""

    newest: float
    across: float
    cached_newest: float
    cached_across: float
    search: float
    """Times the milliseconds that a search may cost on SQLite."""
    imported: int | None = None
    stored: int | None = None
    singly: int | None = None
    pushed: int | None = 1000
    disk: int | None = None


TARGETS = {
    "sqlite": Targets(
        newest=0.10,
        across=0.15,
        cached_newest=0.40,
        cached_across=0.60,
        search=1,
        imported=5_000,
        stored=8_000,
        singly=1_500,
        disk=1_600,
    ),
    "postgres": Targets(newest=0.30, across=0.30, cached_newest=0.60, cached_across=0.60, search=2),
}
"""SQLite's rival is nginx, PostgreSQL's is SQLite."""


class Line(Struct, frozen=True, kw_only=True):
    """One line of the table. ``met`` None: there is nothing to reach, the number is for the reader."""

    what: str
    reached: str
    target: str
    met: bool | None
    facts: dict[str, float] = {}


class Compared(Struct, frozen=True):
    """Two servers or two questions measured in turns."""

    one: Rate
    other: Rate

    @property
    def speed(self) -> float:
        return self.one.per_second / self.other.per_second

    @property
    def cost(self) -> float:
        return self.one.cpu_us / self.other.cpu_us

    @property
    def facts(self) -> dict[str, float]:
        one, other = self.one, self.other
        return {"per_second": one.per_second, "cpu_us": one.cpu_us} | {
            "beside_per_second": other.per_second,
            "beside_cpu_us": other.cpu_us,
            "database_us": one.database_us,
        }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------- measuring


class Served(Struct, frozen=True):
    """An archive behind its server."""

    server: Server
    loaded: Loaded

    @property
    def ask(self) -> Questions:
        return Questions(self.loaded)


Which = Callable[[Questions], list[Ask]]


class Rival(Struct, frozen=True):
    """What gives the same pages beside an archive. ``same`` tells how to ask it for them."""

    name: str
    server: Server
    same: Callable[[Served, Which], list[Ask]]


@contextmanager
def served(archive: Archive, page_cache: bool) -> Iterator[Served]:
    with backscroll(archive.place.environ, page_cache, archive.engine.pids) as server:
        ready = Served(server, archive.loaded)
        if page_cache:
            fill(server, [*ready.ask.newest(), *ready.ask.across()])
        yield ready


def fill(server: Server, asks: list[Ask]) -> None:
    """On several connections, so that every worker has the pages in its cache."""
    for _ in range(WORKERS * 4):
        client = Client(server)
        for ask in asks:
            client.get(ask)


@contextmanager
def beside_nginx(page_cache: bool) -> Iterator[Rival]:
    with nginx() as server:
        yield Rival("nginx", server, partial(_published, server))


def _published(beside: Nginx, archive: Served, which: Which) -> list[Ask]:
    client, asks = Client(archive.server), which(archive.ask)
    same = [Ask(f"/{n}.json", ask.headers) for n, ask in enumerate(asks)]
    for ask, file in zip(asks, same, strict=True):
        beside.publish(file.path, client.get(ask)[0])
    return same


@contextmanager
def beside_archive(archive: Archive, page_cache: bool) -> Iterator[Rival]:
    with served(archive, page_cache) as other:
        yield Rival(archive.engine.title.split()[0], other.server, lambda _, which: which(other.ask))


class Bench:
    """Compares in turns: what disturbs the machine then disturbs both sides."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def pair(self, one: tuple[Server, list[Ask]], other: tuple[Server, list[Ask]], connections: int) -> Compared:
        ones: list[Rate] = []
        others: list[Rate] = []
        for seed in range(self._options.rounds):
            ones.append(drive(*one, self._options.seconds, connections, seed))
            others.append(drive(*other, self._options.seconds, connections, seed))
        return Compared(middle(ones), middle(others))

    def alone(self, server: Server, asks: list[Ask]) -> Rate:
        """What takes long, by few at a time."""
        seeds = range(self._options.rounds)
        return middle([drive(server, asks, self._options.seconds, FEW_CONNECTIONS, seed) for seed in seeds])

    def beside(self, rival: Rival, archive: Served, which: Which, connections: int) -> Compared:
        """The same pages from both."""
        same = rival.same(archive, which)
        return self.pair((archive.server, which(archive.ask)), (rival.server, same), connections)


def middle(rates: list[Rate]) -> Rate:
    return Rate(*map(statistics.median, zip(*map(structs.astuple, rates), strict=True)))


def told(rate: Rate) -> str:
    part = f" ({rate.database_us:,.0f} of them PostgreSQL's)" if rate.database_us else ""
    return f"{rate.per_second:,.0f}/s, {rate.cpu_us:,.0f} µs{part}"


def to_rival(what: str, compared: Compared, rival: str, least: float) -> Line:
    reached = f"{compared.speed:.2f} of {rival} ({1 / compared.cost:.2f} by CPU)   {told(compared.one)}"
    return Line(what=what, reached=reached, target=f"≥ {least:.2f}", met=compared.speed >= least, facts=compared.facts)


def to_first_page(what: str, compared: Compared, most: float) -> Line:
    reached = f"{compared.cost:.2f}x the CPU   {told(compared.one)}"
    return Line(what=what, reached=reached, target=f"≤ {most:g}x", met=compared.cost <= most, facts=compared.facts)


# ---------------------------------------------------------------------- the lines


def first_pages(
    bench: Bench, rival: Rival, archive: Served, state: str, newest: float, across: float
) -> Iterable[Line]:
    compared = bench.beside(rival, archive, Questions.newest, CONNECTIONS)
    yield to_rival(f"newest 50 of a chat, page cache {state}", compared, rival.name, newest)
    compared = bench.beside(rival, archive, Questions.across, FEW_CONNECTIONS)
    yield to_rival(f"2,000 across chats, page cache {state}", compared, rival.name, across)


def further_pages(bench: Bench, archive: Served) -> Iterable[Line]:
    server, ask, messages = archive.server, archive.ask, archive.loaded.messages
    newest = ask.newest()
    in_chat, in_all = int(messages * OFFSET_IN_CHAT), int(messages * OFFSET_ACROSS)
    for what, asks, most in (
        (f"offset {in_chat:,} in the big chat", ask.deep_in_chat(in_chat), 1.5),
        ("time range with its total", ask.ranges(), 2.0),
        ("media only with its total", ask.media(), 2.0),
        ("from me with its total", ask.own(), 2.0),
    ):
        yield to_first_page(what, bench.pair((server, asks), (server, newest), CONNECTIONS), most)
    compared = bench.pair((server, ask.deep_across(in_all)), (server, ask.across()), FEW_CONNECTIONS)
    yield to_first_page(f"offset {in_all:,} across chats", compared, 1.5)
    yield memory("memory of a worker, page cache off", server)


def unchanged(bench: Bench, archive: Served) -> Iterable[Line]:
    server, newest = archive.server, archive.ask.newest()
    client = Client(server)
    known = [Ask(a.path, a.headers | {"If-None-Match": client.get(a)[1]["etag"]}) for a in newest]
    client.get(known[0], 304)
    compared = bench.pair((server, known), (server, newest), CONNECTIONS)
    reached = told(compared.one)
    yield Line(what="304 by ETag, page cache on", reached=reached, target="", met=None, facts=compared.facts)
    yield memory("memory of a worker, page cache full", server)


WRITES = ((5, 0.8), (50, 0.6))
"""Writes a second, and the part of the requests that must be left."""


def while_written(options: Options, place: Place, loaded: Loaded, engine: Engine) -> Iterable[Line]:
    """Kept pages of chats in which nothing happens, while messages arrive in others."""
    with backscroll(place.environ, True, engine.pids) as server:
        asks = Questions(loaded).newest()
        fill(server, asks)
        for per_second, least in WRITES:
            quiet: list[Rate] = []
            lively: list[Rate] = []
            for seed in range(options.rounds):
                for rates, writes in ((quiet, 0), (lively, per_second)):
                    with living.arriving(place, writes):
                        rates.append(drive(server, asks, options.seconds, CONNECTIONS, seed))
            compared = Compared(middle(lively), middle(quiet))
            what = f"newest 50, page cache on, {per_second} writes a second to other chats"
            yield to_rival(what, compared, "the rate without", least)


def memory(what: str, server: Server) -> Line:
    own, mapped = server.worker_memory()
    reached = f"{own / MB:.0f} MB of its own, {mapped / MB:.0f} MB of files mapped"
    return Line(
        what=what, reached=reached, target="≤ 120 MB", met=own <= 120 * MB, facts={"own": own, "mapped": mapped}
    )


def growth(bench: Bench, small: Served, large: Served, most: float) -> Iterable[Line]:
    """The same questions to both archives: chats that fill a page in the small one."""
    jids = small.ask.chats_with(messages=PAGE)
    names = f"{small.loaded.messages:,} → {large.loaded.messages:,}"
    pages = [(archive.server, archive.ask.newest_of(jids)) for archive in (large, small)]
    yield to_first_page(f"growth {names}, newest 50", bench.pair(pages[0], pages[1], CONNECTIONS), most)
    across = [(archive.server, archive.ask.across()) for archive in (large, small)]
    yield to_first_page(f"growth {names}, 2,000 across", bench.pair(across[0], across[1], FEW_CONNECTIONS), most)


def searched(bench: Bench, archive: Served, most: float) -> Iterable[Line]:
    """Searches of all chats and of the big one; the first page of 50 with its total, marks and facets."""
    for what, asks, limit in archive.ask.searches():
        rate = bench.alone(archive.server, asks)
        target = f"≤ {limit * most:g} ms of CPU"
        reached = f"{rate.cpu_us / 1000:,.1f} ms of CPU   {told(rate)}"
        facts = {"per_second": rate.per_second, "cpu_us": rate.cpu_us, "database_us": rate.database_us}
        met = rate.cpu_us <= limit * most * 1000
        yield Line(what=f"search: {what}", reached=reached, target=target, met=met, facts=facts)


def written(small: Archive, large: Archive, targets: Targets) -> Iterable[Line]:
    engine, loaded = large.engine, large.loaded
    say("Importing a GOWA database …")
    with passing(engine) as place:
        yield imported("import of GOWA's database, parsing to commit", writing.import_gowa(place), targets.imported)
    say("Importing an exported chat …")
    with passing(engine) as place:
        tenth = writing.import_export(place, writing.EXPORT_LINES // 10)
    with passing(engine) as place:
        done = writing.import_export(place)
        yield imported("import of an exported chat's lines, parsing to commit", done, None, tenth)
    yield stored(loaded, targets.stored)
    say(f"Writing single messages from {writing.WRITERS} threads …")
    with passing(engine, small) as place:
        rate = writing.write_singly(place, 5)
    what = f"single messages from {writing.WRITERS} threads, each durable"
    yield to_rate(what, rate, f"{rate:,.0f}/s", targets.singly, {})
    say(f"Pushing single webhooks over {webhooks.WRITERS} connections …")
    with passing(engine, small) as place:
        rate = webhooks.push_singly(place, 5)
    what = f"signed webhooks over {webhooks.WRITERS} connections, each acknowledged after its commit"
    yield to_rate(what, rate, f"{rate:,.0f}/s", targets.pushed, {})
    each = engine.disk(large.place) / loaded.messages
    reached = f"{each:,.0f} bytes a message ({each * loaded.messages / MB:,.0f} MB)"
    target, met = ("", None) if targets.disk is None else (f"≤ {targets.disk:,} bytes", each <= targets.disk)
    yield Line(what="disk, everything included", reached=reached, target=target, met=met, facts={"bytes": each})


def to_rate(what: str, rate: float, reached: str, least: int | None, facts: dict[str, float]) -> Line:
    target, met = ("", None) if least is None else (f"≥ {least:,}/s", rate >= least)
    return Line(what=what, reached=reached, target=target, met=met, facts={"per_second": rate} | facts)


def imported(what: str, done: writing.Imported, least: int | None, tenth: writing.Imported | None = None) -> Line:
    rate = done.messages / done.seconds
    cpu = done.cpu / done.messages * 1e6
    reached = f"{rate:,.0f}/s, {cpu:,.0f} µs of CPU each; {done.most_memory / MB:.0f} MB at most"
    facts = {"cpu_us": cpu, "most_memory": done.most_memory}
    if tenth is not None:
        facts["more_memory"] = done.most_memory - tenth.most_memory
        reached += f", {facts['more_memory'] / MB:+.0f} MB from a tenth of them to all"
    return to_rate(what, rate, reached, least, facts)


def stored(loaded: Loaded, least: int | None) -> Line:
    rate = loaded.messages / loaded.apply_seconds
    more = (loaded.late_rss - loaded.early_rss) / MB
    cpu = loaded.apply_cpu / loaded.messages * 1e6
    reached = f"{rate:,.0f}/s, {cpu:,.0f} µs of CPU each; memory {more:+.0f} MB from a tenth to the end"
    facts = {"cpu_us": cpu, "early_rss": loaded.early_rss, "late_rss": loaded.late_rss}
    return to_rate(f"the store alone, loading {loaded.messages:,}", rate, reached, least, facts)


PARTS = ("read", "growth", "cached", "live", "search", "write")


def measure(engine: Engine, options: Options) -> list[Line]:
    parts = options.only.split(",") if options.only else PARTS
    small, large = (archive_of(engine, messages, options.fresh) for messages in (SMALL, options.messages))
    bench, targets, lines = Bench(options), TARGETS[engine.name], list[Line]()

    def keep(some: Iterable[Line]) -> None:
        for line in some:
            say(f"  {line.what}: {line.reached}")
            lines.append(line)

    with ExitStack() as stack:
        beside = rivals(engine, options, stack)
        if "read" in parts:
            say("Reading with the page cache off …")
            with served(large, page_cache=False) as archive, beside(False) as rival:
                keep(first_pages(bench, rival, archive, "off", targets.newest, targets.across))
                keep(further_pages(bench, archive))
        if "growth" in parts:
            say("Comparing a small archive with a large one …")
            with served(small, page_cache=False) as few, served(large, page_cache=False) as many:
                keep(growth(bench, few, many, 1.2 if options.messages <= USUAL else 1.5))
        if "cached" in parts:
            say("Reading with the page cache on …")
            with served(large, page_cache=True) as archive, beside(True) as rival:
                keep(first_pages(bench, rival, archive, "on", targets.cached_newest, targets.cached_across))
                keep(unchanged(bench, archive))
        if "live" in parts:
            say("Reading while messages arrive …")
            with passing(engine, small) as place:
                keep(while_written(options, place, small.loaded, engine))
        if "search" in parts:
            say("Searching …")
            with served(large, page_cache=False) as archive:
                keep(searched(bench, archive, targets.search))
        if "write" in parts:
            keep(written(small, large, targets))
    return lines


def rivals(engine: Engine, options: Options, stack: ExitStack) -> Callable[[bool], AbstractContextManager[Rival]]:
    """nginx beside SQLite, and SQLite beside the other engine. What comes back takes whether pages are cached."""
    if engine.name == "sqlite":
        return beside_nginx
    other = stack.enter_context(ENGINES["sqlite"]())
    return partial(beside_archive, archive_of(other, options.messages, options.fresh))


# ---------------------------------------------------------------------- telling


def table(lines: list[Line], engine: Engine, options: Options) -> str:
    verdicts = {True: "reached", False: "MISSED", None: "–"}
    wide, far = max(len(line.what) for line in lines), max(len(line.reached) for line in lines)
    aim = max(len(line.target) for line in lines)
    rows = [f"{x.what:<{wide}}  {x.reached:<{far}}  {x.target:<{aim}}  {verdicts[x.met]}" for x in lines]
    head = f"{'what':<{wide}}  {'measured':<{far}}  {'target':<{aim}}  verdict"
    about = (
        f"{options.messages:,} messages, {engine.title}, {WORKERS} workers, rate limit off, wrk on the same "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}.\n"
        "Times on a shared machine waver; CPU per request wavers less. See bench/README.md."
    )
    return "\n".join([head, *rows, "", about])


def record(lines: list[Line], engine: Engine, options: Options) -> None:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    shared: dict[str, Any] = {"at": at, "engine": engine.name, "version": engine.title, "messages": options.messages}
    shared["load"] = os.getloadavg()[0]
    with (CACHE / "results.jsonl").open("ab") as file:
        for line in lines:
            file.write(msgspec.json.encode(shared | msgspec.to_builtins(line)) + b"\n")


def main(options: Options) -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing; install it (Debian: apt-get install wrk) and run this again")
    # So that servers are stopped with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    CACHE.mkdir(exist_ok=True)
    with ENGINES[options.engine]() as engine:
        lines = measure(engine, options)
        if lines:
            record(lines, engine, options)
            print(table(lines, engine, options))
