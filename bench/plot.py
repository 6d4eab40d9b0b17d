"""A plot of CPU per request against the size of the archive, as SVG. Both axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from msgspec import Struct

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 90, 150, 50, 60
COLORS = ("#1f6f54", "#b3541e", "#3b5b92", "#7a3b69")


class Point(Struct, frozen=True):
    messages: int
    cpu_us: float


def draw(title: str, series: dict[str, list[Point]]) -> str:
    """Draw ``series`` by name, on a white background so that the plot is readable on a dark page."""
    points = [point for some in series.values() for point in some]
    sizes = _powers(point.messages for point in points)
    costs = _powers(point.cpu_us for point in points)

    def x(messages: float) -> float:
        return LEFT + _share(messages, sizes) * (WIDTH - LEFT - RIGHT)

    def y(cost: float) -> float:
        return HEIGHT - BOTTOM - _share(cost, costs) * (HEIGHT - TOP - BOTTOM)

    parts = [_text(LEFT, 26, f"CPU per request, {title}", "start", 16)]
    for size in sizes:
        parts += [_line(x(size), TOP, x(size), HEIGHT - BOTTOM), _text(x(size), HEIGHT - BOTTOM + 20, f"{size:,.0f}")]
    for cost in costs:
        parts += [_line(LEFT, y(cost), WIDTH - RIGHT, y(cost)), _text(LEFT - 8, y(cost) + 4, _time(cost), "end")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "messages in the archive"))
    for color, (what, some) in zip(COLORS, series.items(), strict=False):
        path = " ".join(f"{x(point.messages):.1f},{y(point.cpu_us):.1f}" for point in some)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>')
        for point in some:
            told = escape(f"{what}: {point.messages:,} messages, {_time(point.cpu_us)}")
            at = f'cx="{x(point.messages):.1f}" cy="{y(point.cpu_us):.1f}"'
            parts.append(f'<circle {at} r="4" fill="{color}"><title>{told}</title></circle>')
        last = some[-1]
        parts.append(_text(x(last.messages) + 10, y(last.cpu_us) + 4, what, "start", 13, color))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif">'
        f"<title>CPU per request against the size of the archive, {escape(title)}</title>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _powers(values: Iterable[float]) -> list[float]:
    """The powers of ten from just below the smallest value to just above the largest."""
    logs = [math.log10(value) for value in values]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _share(value: float, powers: list[float]) -> float:
    low, high = math.log10(powers[0]), math.log10(powers[-1])
    return (math.log10(value) - low) / (high - low)


def _time(us: float) -> str:
    return f"{us:,.0f} µs" if us < 1000 else f"{us / 1000:,.3g} ms"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 12, color: str = "#333") -> str:
    at = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{color}"'
    return f"<text {at}>{escape(text)}</text>"
