"""Measurements of writing, and of the disk space that it takes."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from msgspec import structs

from bench import webhooks, writing
from bench.data import Loaded
from bench.measuring import MB, Line, say
from bench.places import Archive, passing
from bench.targets import Targets

FLAT = 1.25
"""So much more the last two tenths of a load may cost than the first two."""
MAX_MEMORY = 150 * MB
"""Bytes of memory that an import may use at most."""


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
    yield by_tenths(loaded)
    say("Making a search index …")
    yield indexed(small, large)
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


def indexed(small: Archive, large: Archive) -> Line:
    """What the search index costs: to make it for the small archive, and its place on the disk of the large one."""
    with passing(small.engine, small) as place:
        cpu = writing.index_anew(place) / small.loaded.messages * 1e6
    disk = large.engine.index_disk(large.place)
    each = disk / large.loaded.messages
    reached = f"{cpu:,.0f} µs of CPU a message; {each:,.0f} bytes a message ({disk / MB:,.0f} MB)"
    return Line(what="the search index", reached=reached, target="", met=None, facts={"cpu_us": cpu, "bytes": each})


def to_rate(what: str, rate: float, reached: str, least: int | None, facts: dict[str, float]) -> Line:
    target, met = ("", None) if least is None else (f"≥ {least:,}/s", rate >= least)
    return Line(what=what, reached=reached, target=target, met=met, facts={"per_second": rate} | facts)


def imported(what: str, done: writing.Imported, least: int | None, tenth: writing.Imported | None = None) -> Line:
    """``least`` messages a second are to be reached within ``MAX_MEMORY``; None: the figures are for information."""
    rate = done.messages / done.seconds
    cpu = done.cpu / done.messages * 1e6
    reached = f"{rate:,.0f}/s, {cpu:,.0f} µs of CPU each; {done.most_memory / MB:.0f} MB of its own at most"
    facts = {"cpu_us": cpu, "most_memory": done.most_memory}
    if tenth is not None:
        facts["more_memory"] = done.most_memory - tenth.most_memory
        reached += f", {facts['more_memory'] / MB:+.0f} MB from a tenth of them to all"
    line = to_rate(what, rate, reached, least, facts)
    if least is None:
        return line
    met = rate >= least and done.most_memory <= MAX_MEMORY
    return structs.replace(line, target=f"{line.target}, ≤ {MAX_MEMORY / MB:.0f} MB", met=met)


def by_tenths(loaded: Loaded) -> Line:
    """Whether storing slows down as the archive grows; by processor time, which other load affects less."""
    each = [cpu / loaded.messages * 10 * 1e6 for _, cpu in loaded.tenths]
    rates = [loaded.messages / 10 / seconds for seconds, _ in loaded.tenths]
    growth = statistics.fmean(each[-2:]) / statistics.fmean(each[:2])
    listed = " ".join(f"{cost:.0f}" for cost in each)
    return Line(
        what=f"the store alone, tenth by tenth of {loaded.messages:,}",
        reached=f"{listed} µs of CPU each, {growth:.2f} x at the end; {rates[0]:,.0f}/s, then {rates[-1]:,.0f}/s",
        target=f"≤ {FLAT:g} x",
        met=growth <= FLAT,
        facts={"growth": growth} | {f"cpu_us_{at}": cost for at, cost in enumerate(each, 1)},
    )


def stored(loaded: Loaded, least: int | None) -> Line:
    rate = loaded.messages / loaded.apply_seconds
    more = (loaded.late_rss - loaded.early_rss) / MB
    cpu = loaded.apply_cpu / loaded.messages * 1e6
    reached = f"{rate:,.0f}/s, {cpu:,.0f} µs of CPU each; memory {more:+.0f} MB from a tenth to the end"
    facts = {"cpu_us": cpu, "early_rss": loaded.early_rss, "late_rss": loaded.late_rss}
    return to_rate(f"the store alone, loading {loaded.messages:,}", rate, reached, least, facts)
