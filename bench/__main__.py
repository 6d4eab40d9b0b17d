"""``python -m bench``: see README.md in this folder."""

from __future__ import annotations

import argparse

from bench.places import ENGINES
from bench.run import LARGE, PARTS, USUAL, Options, main

parser = argparse.ArgumentParser(
    prog="make bench", description="Measure the archive, on SQLite beside nginx, on PostgreSQL beside SQLite."
)
parser.add_argument("--engine", choices=ENGINES, default="sqlite", help="what keeps it (default: %(default)s)")
parser.add_argument("--messages", type=int, default=USUAL, help="how many the archive holds (default: %(default)s)")
parser.add_argument("--large", action="store_true", help=f"the same with {LARGE:,} messages; loading takes long")
parser.add_argument("--fresh", action="store_true", help="load the archives again")
parser.add_argument("--rounds", type=int, default=3, help="how often each pair is measured (default: %(default)s)")
parser.add_argument("--seconds", type=int, default=2, help="for how long each time (default: %(default)s)")
parser.add_argument("--only", default="", help=f"parts, comma between: {','.join(PARTS)}, or load to measure nothing")
parser.add_argument("--report", action="store_true", help="also write the table and the plot to docs/performance.md")
given = parser.parse_args()
main(
    Options(
        engine=given.engine,
        messages=LARGE if given.large else given.messages,
        rounds=given.rounds,
        seconds=given.seconds,
        fresh=given.fresh,
        only=given.only,
        report=given.report,
    )
)
