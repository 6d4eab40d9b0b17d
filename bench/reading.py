"""Measurements of reading and searching."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import structs

from bench import living
from bench.data import Loaded
from bench.load import Ask, Client, Rate, drive
from bench.measuring import FEW_CONNECTIONS, MB, Bench, Line, Share, Target, Turn, to_first_page, to_rival, told, waits
from bench.places import Engine, Place
from bench.questions import PAGE, Questions
from bench.served import Rival, Served, beside, fill
from bench.servers import Server, backscroll

CONNECTIONS = 16
NEWEST, ACROSS = "newest 50", "2,000 across"
OFFSET_IN_CHAT, OFFSET_ACROSS = 0.15, 0.9
"""Of all messages: 150,000 and 900,000 of a million."""


def first_pages(
    bench: Bench, rival: Rival, archive: Served, state: str, newest: Target, across: Target
) -> Iterable[Line]:
    compared = beside(bench, rival, archive, Questions.newest, CONNECTIONS)
    yield to_rival(f"newest 50 of a chat, page cache {state}", compared, rival.name, newest)
    compared = beside(bench, rival, archive, Questions.across, FEW_CONNECTIONS)
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


def while_written(bench: Bench, place: Place, loaded: Loaded, engine: Engine) -> Iterable[Line]:
    """Cached pages of chats in which nothing changes, while messages arrive in others."""
    with backscroll(place.environ, "pages", engine.pids) as server:
        asks = Questions(loaded).newest()
        fill(server, asks)

        def turn(writes: int) -> Turn:
            def measured(seed: int) -> Rate:
                with living.arriving(place, writes):
                    return drive(server, asks, bench.seconds, CONNECTIONS, seed)

            return measured

        for per_second, least in WRITES:
            compared = bench.turns(turn(per_second), turn(0))
            what = f"newest 50, page cache on, {per_second} writes a second to other chats"
            yield to_rival(what, compared, "the rate without", Share(least))


CHANGES = 50
"""Changes a second in chats that are read."""


def while_changed(bench: Bench, place: Place, loaded: Loaded, engine: Engine) -> Iterable[Line]:
    """Pages from cached messages while receipts or messages arrive in the same chats."""
    questions = Questions(loaded)
    jids = questions.chats_with(messages=PAGE)
    asks = questions.newest_of(jids)
    with backscroll(place.environ, "messages", engine.pids) as server:
        fill(server, asks)

        def turn(writes: int, tell: living.Tell) -> Turn:
            def measured(seed: int) -> Rate:
                with living.arriving(place, writes, tell=tell):
                    return drive(server, asks, bench.seconds, CONNECTIONS, seed)

            return measured

        for what, tell in (
            ("receipts", living.receipts_in(place, jids)),
            ("messages", living.messages_in(loaded, jids)),
        ):
            compared = bench.turns(turn(CHANGES, tell), turn(0, tell))
            what = f"newest 50, page cache off, messages kept, {CHANGES} {what} a second in {len(jids)} chats"
            yield to_rival(what, compared, "the rate without", None)


def crowded(bench: Bench, archive: Served, state: str, crowds: tuple[int, ...]) -> Iterable[Line]:
    """How long requests wait on each of many connections that all send them as fast as they are answered."""
    for connections in crowds:
        rate = bench.alone(archive.server, archive.ask.newest(), connections)
        what = f"newest 50, page cache {state}, {connections} connections at once"
        yield to_reader(what, rate)


def to_reader(what: str, rate: Rate) -> Line:
    facts = {"per_second": rate.per_second, "cpu_us": rate.cpu_us, "p50_ms": rate.p50_ms, "p99_ms": rate.p99_ms}
    return Line(what=what, reached=f"{waits(rate)}   {told(rate)}", target="", met=None, facts=facts)


def memory(what: str, server: Server) -> Line:
    own, mapped = server.worker_memory()
    reached = f"{own / MB:.0f} MB of its own, {mapped / MB:.0f} MB of files mapped"
    return Line(
        what=what, reached=reached, target="≤ 120 MB", met=own <= 120 * MB, facts={"own": own, "mapped": mapped}
    )


def growth(bench: Bench, small: Served, large: Served, most: float) -> Iterable[Line]:
    """The same requests to both archives: chats that fill a page in the small one."""
    jids = small.ask.chats_with(messages=PAGE)
    size = large.loaded.messages
    names = f"{small.loaded.messages:,} → {size:,}"
    for what, which, connections in (
        (NEWEST, lambda ask: ask.newest_of(jids), CONNECTIONS),
        (ACROSS, Questions.across, FEW_CONNECTIONS),
    ):
        one, other = ((archive.server, which(archive.ask)) for archive in (large, small))
        line = to_first_page(f"growth {names}, {what}", bench.pair(one, other, connections), most)
        yield structs.replace(line, facts=line.facts | {"size": size, "beside_size": small.loaded.messages})


def searched(bench: Bench, archive: Served, most: float) -> Iterable[Line]:
    """Searches of all chats and of the big one; the first page of 50 with its total, marks and facets."""
    for what, asks, limit in archive.ask.searches():
        rate = bench.alone(archive.server, asks)
        target = f"≤ {limit * most:g} ms of CPU"
        reached = f"{rate.cpu_us / 1000:,.1f} ms of CPU   {told(rate)}"
        facts = {"per_second": rate.per_second, "cpu_us": rate.cpu_us, "database_us": rate.database_us}
        met = rate.cpu_us <= limit * most * 1000
        yield Line(what=f"search: {what}", reached=reached, target=target, met=met, facts=facts)
