"""Small requests and single writes beside heavy work."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import living, writing
from bench.data import Loaded
from bench.load import driving
from bench.measuring import FEW_CONNECTIONS, Bench, Line, say, told, waits
from bench.places import Engine, Place
from bench.questions import Questions
from bench.reading import CONNECTIONS, to_reader
from bench.served import Served
from bench.servers import backscroll

WRITES = 20
"""Single messages a second during an import."""
SLOWEST_WRITE_MS = 300


def beside_big_pages(bench: Bench, archive: Served) -> Iterable[Line]:
    """Small pages alone, then while four connections read pages of 2,000."""
    newest = archive.ask.newest()
    alone = bench.alone(archive.server, newest, CONNECTIONS)
    yield to_reader("newest 50, page cache off, nothing beside", alone)
    with driving(archive.server, archive.ask.across(), FEW_CONNECTIONS):
        rate = bench.alone(archive.server, newest, CONNECTIONS)
    # The processor time includes both kinds of pages, so it is not shown here.
    facts = {"per_second": rate.per_second, "p50_ms": rate.p50_ms, "p99_ms": rate.p99_ms}
    reached = f"{waits(rate)}   {rate.per_second:,.0f}/s"
    what = f"newest 50, page cache off, beside {FEW_CONNECTIONS} connections that read 2,000 rows"
    yield Line(what=what, reached=reached, target="", met=None, facts=facts)


def beside_import(bench: Bench, place: Place, loaded: Loaded, engine: Engine) -> Iterable[Line]:
    """Small pages and single writes while ``backscroll import gowa`` fills the same archive."""
    asks = Questions(loaded).newest()
    with backscroll(place.environ, "nothing", engine.pids) as server, importing(place) as process:
        took: list[float] = []
        with living.arriving(place, WRITES, took):
            rate = bench.alone(server, asks, CONNECTIONS)
        if process.poll() is not None:
            say("  (the import ended before the measurement did)")
    what = "newest 50, page cache off, during an import"
    facts = {"per_second": rate.per_second, "p50_ms": rate.p50_ms, "p99_ms": rate.p99_ms}
    yield Line(what=what, reached=f"{waits(rate)}   {told(rate)}", target="", met=None, facts=facts)
    p50, p99 = (1000 * statistics.quantiles(took, n=100, method="inclusive")[at] for at in (49, 98))
    yield Line(
        what=f"single messages during an import, {WRITES} a second and {CONNECTIONS} readers",
        reached=f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms, {1000 * max(took):,.0f} ms at most, of {len(took)}",
        target=f"p99 ≤ {SLOWEST_WRITE_MS} ms",
        met=p99 <= SLOWEST_WRITE_MS,
        facts={"p50_ms": p50, "p99_ms": p99},
    )


@contextmanager
def importing(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """An import of messages that are new to the archive; it is stopped at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="backscroll-bench-") as name:
        given = Path(name) / "chatstorage.db"
        writing.write_gowa(given, first=10**9)
        command = [sys.executable, "-m", "backscroll", "import", "gowa", str(given)]
        process = subprocess.Popen(command, env=place.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
