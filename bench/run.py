"""The whole measurement: archives made or found, servers started, a table printed."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench import data, writing
from bench.data import Loaded
from bench.load import Ask, Client, Rate, drive
from bench.questions import PAGE, Questions
from bench.servers import WORKERS, Nginx, Server, backscroll, nginx

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".bench"
SMALL, USUAL, LARGE = 10_000, 1_000_000, 10_000_000
CONNECTIONS, FEW_CONNECTIONS = 16, 4
OFFSET_IN_CHAT, OFFSET_ACROSS = 0.15, 0.9
"""Of all messages: 150,000 and 900,000 of a million."""
MB = 1_000_000


class Options(Struct, frozen=True, kw_only=True):
    messages: int = USUAL
    rounds: int = 3
    seconds: int = 2
    fresh: bool = False
    only: str = ""


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
        }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------- archives


def schema_key() -> str:
    """Another one when archives must be made anew: the tables or what is generated changed."""
    storage = files("backscroll.storage")
    sources = sorted((storage / "sql" / "migrations").iterdir(), key=lambda file: file.name)
    digest = hashlib.sha256(Path(data.__file__).read_bytes())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def archive_of(messages: int, fresh: bool) -> tuple[Path, Loaded]:
    folder = CACHE / f"{messages}-{schema_key()}"
    if fresh or not (folder / data.FILE).is_file():
        for old in CACHE.glob(f"{messages}-*"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        say(f"Loading {messages:,} messages; kept in {folder.relative_to(ROOT)} for the next time …")
        # In a process of its own, so that its memory is the load's.
        subprocess.run([sys.executable, "-m", "bench.data", str(folder), str(messages)], check=True, stdout=sys.stderr)
    return folder, msgspec.json.decode((folder / data.FILE).read_bytes(), type=Loaded)


# ---------------------------------------------------------------------- measuring


class Bench:
    """Compares in turns: what disturbs the machine then disturbs both sides."""

    def __init__(self, options: Options, beside: Nginx) -> None:
        self._options = options
        self._beside = beside

    def turns(self, one: Callable[[int], Rate], other: Callable[[int], Rate]) -> Compared:
        ones: list[Rate] = []
        others: list[Rate] = []
        for seed in range(self._options.rounds):
            ones.append(one(seed))
            others.append(other(seed))
        return Compared(middle(ones), middle(others))

    def beside_nginx(self, server: Server, asks: list[Ask], connections: int) -> Compared:
        """The same bodies from both."""
        client = Client(server)
        same = [Ask(f"/{n}.json", ask.headers) for n, ask in enumerate(asks)]
        for ask, file in zip(asks, same, strict=True):
            self._beside.publish(file.path, client.get(ask)[0])
        return self.turns(
            lambda seed: drive(server, asks, self._options.seconds, connections, seed),
            lambda seed: drive(self._beside, same, self._options.seconds, connections, seed),
        )

    def pair(self, one: tuple[Server, list[Ask]], other: tuple[Server, list[Ask]], connections: int) -> Compared:
        seconds = self._options.seconds
        return self.turns(
            lambda seed: drive(*one, seconds, connections, seed), lambda seed: drive(*other, seconds, connections, seed)
        )


def middle(rates: Iterable[Rate]) -> Rate:
    known = list(rates)
    return Rate(statistics.median(r.per_second for r in known), statistics.median(r.cpu_us for r in known))


def to_nginx(what: str, compared: Compared, least: float) -> Line:
    one = compared.one
    rates = f"{one.per_second:,.0f}/s, {one.cpu_us:,.0f} µs"
    reached = f"{compared.speed:.2f} of nginx ({1 / compared.cost:.2f} by CPU)   {rates}"
    return Line(what=what, reached=reached, target=f"≥ {least:.2f}", met=compared.speed >= least, facts=compared.facts)


def to_first_page(what: str, compared: Compared, most: float) -> Line:
    one = compared.one
    reached = f"{compared.cost:.2f}x the CPU   {one.per_second:,.0f}/s, {one.cpu_us:,.0f} µs"
    return Line(what=what, reached=reached, target=f"≤ {most:g}x", met=compared.cost <= most, facts=compared.facts)


# ---------------------------------------------------------------------- the lines


def uncached(bench: Bench, server: Server, loaded: Loaded) -> Iterable[Line]:
    ask = Questions(loaded)
    newest, across = ask.newest(), ask.across()
    in_chat, in_all = int(loaded.messages * OFFSET_IN_CHAT), int(loaded.messages * OFFSET_ACROSS)
    yield to_nginx("newest 50 of a chat, page cache off", bench.beside_nginx(server, newest, CONNECTIONS), 0.10)
    yield to_nginx("2,000 across chats, page cache off", bench.beside_nginx(server, across, FEW_CONNECTIONS), 0.15)
    for what, asks, most in (
        (f"offset {in_chat:,} in the big chat", ask.deep_in_chat(in_chat), 1.5),
        ("time range with its total", ask.ranges(), 2.0),
        ("media only with its total", ask.media(), 2.0),
        ("from me with its total", ask.own(), 2.0),
    ):
        yield to_first_page(what, bench.pair((server, asks), (server, newest), CONNECTIONS), most)
    compared = bench.pair((server, ask.deep_across(in_all)), (server, across), FEW_CONNECTIONS)
    yield to_first_page(f"offset {in_all:,} across chats", compared, 1.5)
    yield memory("memory of a worker, page cache off", server)


def cached(bench: Bench, server: Server, loaded: Loaded) -> Iterable[Line]:
    ask = Questions(loaded)
    newest = ask.newest()
    yield to_nginx("newest 50 of a chat, page cache on", bench.beside_nginx(server, newest, CONNECTIONS), 0.40)
    across = bench.beside_nginx(server, ask.across(), FEW_CONNECTIONS)
    yield to_nginx("2,000 across chats, page cache on", across, 0.60)
    client = Client(server)
    known = [Ask(a.path, a.headers | {"If-None-Match": client.get(a)[1]["etag"]}) for a in newest]
    client.get(known[0], 304)
    rate = bench.pair((server, known), (server, newest), CONNECTIONS).one
    facts = {"per_second": rate.per_second, "cpu_us": rate.cpu_us}
    reached = f"{rate.per_second:,.0f}/s, {rate.cpu_us:,.0f} µs"
    yield Line(what="304 by ETag, page cache on", reached=reached, target="", met=None, facts=facts)
    yield memory("memory of a worker, page cache full", server)


def memory(what: str, server: Server) -> Line:
    own, mapped = server.worker_memory()
    reached = f"{own / MB:.0f} MB of its own, {mapped / MB:.0f} MB of files mapped"
    return Line(
        what=what, reached=reached, target="≤ 120 MB", met=own <= 120 * MB, facts={"own": own, "mapped": mapped}
    )


def growth(bench: Bench, small: tuple[Server, Loaded], large: tuple[Server, Loaded], most: float) -> Iterable[Line]:
    """The same questions to both archives: chats that fill a page in the small one."""
    jids = Questions(small[1]).chats_with(messages=PAGE)
    names = f"{small[1].messages:,} → {large[1].messages:,}"
    pages = [(server, Questions(loaded).newest_of(jids)) for server, loaded in (large, small)]
    yield to_first_page(f"growth {names}, newest 50", bench.pair(pages[0], pages[1], CONNECTIONS), most)
    across = [(server, Questions(loaded).across()) for server, loaded in (large, small)]
    yield to_first_page(f"growth {names}, 2,000 across", bench.pair(across[0], across[1], FEW_CONNECTIONS), most)


def written(small: Path, loaded: Loaded) -> Iterable[Line]:
    say("Importing a GOWA database …")
    yield imported(writing.import_gowa())
    yield stored(loaded)
    say(f"Writing single messages from {writing.WRITERS} threads …")
    rate = writing.write_singly(small, 5)
    what = f"single messages from {writing.WRITERS} threads, each durable"
    yield Line(what=what, reached=f"{rate:,.0f}/s", target="≥ 1,500/s", met=rate >= 1500, facts={"per_second": rate})
    each = loaded.disk / loaded.messages
    reached = f"{each:,.0f} bytes a message ({loaded.disk / MB:,.0f} MB)"
    what = "disk, everything included"
    yield Line(what=what, reached=reached, target="≤ 1,600 bytes", met=each <= 1600, facts={"bytes": each})


def imported(done: writing.Imported) -> Line:
    rate = done.messages / done.seconds
    cpu = done.cpu / done.messages * 1e6
    reached = f"{rate:,.0f}/s, {cpu:,.0f} µs of CPU each; {done.most_memory / MB:.0f} MB at most"
    facts = {"per_second": rate, "cpu_us": cpu, "most_memory": done.most_memory}
    what = "import of GOWA's database, parsing to commit"
    return Line(what=what, reached=reached, target="≥ 5,000/s", met=rate >= 5000, facts=facts)


def stored(loaded: Loaded) -> Line:
    rate = loaded.messages / loaded.apply_seconds
    more = (loaded.late_rss - loaded.early_rss) / MB
    cpu = loaded.apply_cpu / loaded.messages * 1e6
    reached = f"{rate:,.0f}/s, {cpu:,.0f} µs of CPU each; memory {more:+.0f} MB from a tenth to the end"
    facts = {"per_second": rate, "cpu_us": cpu, "early_rss": loaded.early_rss, "late_rss": loaded.late_rss}
    what = f"the store alone, loading {loaded.messages:,}"
    return Line(what=what, reached=reached, target="≥ 8,000/s", met=rate >= 8000, facts=facts)


def measure(options: Options) -> list[Line]:
    small, few = archive_of(SMALL, options.fresh)
    large, many = archive_of(options.messages, options.fresh)
    lines: list[Line] = []

    def keep(some: Iterable[Line]) -> None:
        for line in some:
            say(f"  {line.what}: {line.reached}")
            lines.append(line)

    parts = options.only.split(",") if options.only else ["read", "cached", "growth", "write"]
    with ExitStack() as stack:
        bench = Bench(options, stack.enter_context(nginx()))
        if "read" in parts or "growth" in parts:
            with backscroll(large, page_cache=False) as server:
                if "read" in parts:
                    say("Reading with the page cache off …")
                    keep(uncached(bench, server, many))
                if "growth" in parts:
                    say("Comparing a small archive with a large one …")
                    with backscroll(small, page_cache=False) as other:
                        most = 1.2 if options.messages <= USUAL else 1.5
                        keep(growth(bench, (other, few), (server, many), most))
        if "cached" in parts:
            say("Reading with the page cache on …")
            with backscroll(large, page_cache=True) as server:
                keep(cached(bench, server, many))
        if "write" in parts:
            keep(written(small, many))
    return lines


# ---------------------------------------------------------------------- telling


def table(lines: list[Line], options: Options) -> str:
    verdicts = {True: "reached", False: "MISSED", None: "–"}
    wide, far = max(len(line.what) for line in lines), max(len(line.reached) for line in lines)
    aim = max(len(line.target) for line in lines)
    rows = [f"{x.what:<{wide}}  {x.reached:<{far}}  {x.target:<{aim}}  {verdicts[x.met]}" for x in lines]
    head = f"{'what':<{wide}}  {'measured':<{far}}  {'target':<{aim}}  verdict"
    about = (
        f"{options.messages:,} messages, SQLite, {WORKERS} workers, rate limit off, wrk on the same {os.cpu_count()} "
        f"processors, load {os.getloadavg()[0]:.1f}.\nTimes on a shared machine waver; CPU per request wavers less. "
        "See bench/README.md."
    )
    return "\n".join([head, *rows, "", about])


def record(lines: list[Line], options: Options) -> None:
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    shared: dict[str, Any] = {"at": at, "messages": options.messages, "load": os.getloadavg()[0]}
    with (CACHE / "results.jsonl").open("ab") as file:
        for line in lines:
            file.write(msgspec.json.encode(shared | msgspec.to_builtins(line)) + b"\n")


def main(options: Options) -> None:
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing; install it (Debian: apt-get install wrk) and run this again")
    # So that servers are stopped with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    CACHE.mkdir(exist_ok=True)
    lines = measure(options)
    record(lines, options)
    print(table(lines, options))
