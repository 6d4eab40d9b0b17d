"""Rates measured alternately, and the lines of the table made from them."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

from msgspec import Struct, structs

from bench.load import Ask, Rate, drive
from bench.servers import Server

FEW_CONNECTIONS = 4
UNSTEADY = 1.25
"""When the rounds of a line differ by more than this factor, it is measured again."""
REPEATS = 2
"""How often at most."""
MB = 1_000_000


class Line(Struct, frozen=True, kw_only=True):
    """One line of the table. ``met`` None: there is no target, the number is for information."""

    what: str
    reached: str
    target: str
    met: bool | None
    facts: dict[str, float] = {}


class Compared(Struct, frozen=True):
    """Two servers or two questions measured alternately."""

    one: Rate
    other: Rate
    spread: float = 1.0
    """The largest ratio of a round to the smallest."""

    @property
    def speed(self) -> float:
        return self.one.per_second / self.other.per_second

    @property
    def cost(self) -> float:
        return self.one.cpu_us / self.other.cpu_us

    @property
    def facts(self) -> dict[str, float]:
        one, other = self.one, self.other
        return {"per_second": one.per_second, "cpu_us": one.cpu_us, "spread": self.spread} | {
            "beside_per_second": other.per_second,
            "beside_cpu_us": other.cpu_us,
            "database_us": one.database_us,
        }


class Share(Struct, frozen=True):
    """A target: at least this part of the rival's requests per second."""

    least: float

    @property
    def text(self) -> str:
        return f"≥ {self.least:.2f}"

    def is_reached(self, compared: Compared) -> bool:
        return compared.speed >= self.least


class Cost(Struct, frozen=True):
    """A target: at most this much CPU per request, in microseconds."""

    most: float

    @property
    def text(self) -> str:
        return f"≤ {self.most:,.0f} µs of CPU"

    def is_reached(self, compared: Compared) -> bool:
        return compared.one.cpu_us <= self.most


Target = Share | Cost
Turn = Callable[[int], Rate]
"""Measures one round; it takes the seed of the requests."""


class Bench:
    """Measures alternately, so that whatever disturbs the machine affects both sides."""

    def __init__(self, rounds: int, seconds: float) -> None:
        self.rounds = rounds
        self.seconds = seconds

    def turns(self, one: Turn, other: Turn) -> Compared:
        """Measure the two alternately. Rounds that differ much are repeated; the result is the median of all."""
        ones: list[Rate] = []
        others: list[Rate] = []
        for _ in range(1 + REPEATS):
            for _ in range(self.rounds):
                ones.append(one(len(ones)))
                others.append(other(len(others)))
            ratios = [a.per_second / b.per_second for a, b in zip(ones, others, strict=True)][-self.rounds :]
            spread = max(ratios) / min(ratios)
            if spread <= UNSTEADY:
                break
            say(f"  (the rounds differ by {spread - 1:.0%})")
        return Compared(middle(ones), middle(others), spread)

    def pair(self, one: tuple[Server, list[Ask]], other: tuple[Server, list[Ask]], connections: int) -> Compared:
        def turn(server: Server, asks: list[Ask]) -> Turn:
            return lambda seed: drive(server, asks, self.seconds, connections, seed)

        return self.turns(turn(*one), turn(*other))

    def alone(self, server: Server, asks: list[Ask], connections: int = FEW_CONNECTIONS) -> Rate:
        """Measure one server alone; by default with few connections, for slow requests."""
        rates: list[Rate] = []
        for _ in range(1 + REPEATS):
            rates += [drive(server, asks, self.seconds, connections, len(rates) + n) for n in range(self.rounds)]
            latest = [rate.per_second for rate in rates[-self.rounds :]]
            if max(latest) <= min(latest) * UNSTEADY:
                break
            say(f"  (the rounds differ by {max(latest) / min(latest) - 1:.0%})")
        return middle(rates)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def middle(rates: list[Rate]) -> Rate:
    return Rate(*map(statistics.median, zip(*map(structs.astuple, rates), strict=True)))


def told(rate: Rate) -> str:
    part = f" ({rate.database_us:,.0f} of them PostgreSQL's)" if rate.database_us else ""
    return f"{rate.per_second:,.0f}/s, {rate.cpu_us:,.0f} µs{part}"


def waits(rate: Rate) -> str:
    """The time from request to answer: median and 99th percentile."""
    return f"p50 {rate.p50_ms:,.1f} ms, p99 {rate.p99_ms:,.1f} ms"


def to_rival(what: str, compared: Compared, rival: str, target: Target | None) -> Line:
    reached = f"{compared.speed:.2f} of {rival} ({1 / compared.cost:.2f} by CPU)   {told(compared.one)}"
    text, met = ("", None) if target is None else (target.text, target.is_reached(compared))
    return Line(what=what, reached=reached, target=text, met=met, facts=compared.facts)


def to_first_page(what: str, compared: Compared, most: float) -> Line:
    reached = f"{compared.cost:.2f}x the CPU   {told(compared.one)}"
    return Line(what=what, reached=reached, target=f"≤ {most:g}x", met=compared.cost <= most, facts=compared.facts)
