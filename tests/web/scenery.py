"""Drawn landscapes: pictures for tests and documentation that show something and have no owner."""

from __future__ import annotations

import io
import math
import random

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((157, 195, 226), (226, 238, 240)),
    ((243, 178, 134), (250, 226, 190)),
    ((196, 160, 190), (240, 210, 204)),
    ((40, 50, 92), (92, 88, 140)),
    ((178, 204, 214), (232, 236, 222)),
)
HILLS: tuple[Colour, ...] = ((150, 174, 160), (116, 146, 128), (160, 168, 120), (122, 100, 138), (96, 128, 136))


def landscape(seed: int, width: int = 1200, height: int = 800) -> bytes:
    """A JPEG of sky, sun, hills and water; the same for the same seed."""
    draws = random.Random(seed)
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    high, low = draws.choice(SKIES)
    horizon = int(height * draws.uniform(0.52, 0.66))
    for y in range(horizon):
        pen.line(((0, y), (width, y)), _between(high, low, y / horizon))
    _sun(pen, draws, width, horizon)
    for layer in range(3):
        _hills(pen, draws, width, horizon, layer)
    water = _between(low, draws.choice(HILLS), 0.6)
    for y in range(horizon, height):
        pen.line(((0, y), (width, y)), _between(water, (40, 70, 96), (y - horizon) / (height - horizon)))
    for _ in range(draws.randint(1, 3)):
        _boat(
            pen,
            draws.randint(width // 8, width * 7 // 8),
            int(horizon + (height - horizon) * draws.uniform(0.1, 0.8)),
            width // 40,
        )
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()


def _between(one: Colour, other: Colour, part: float) -> Colour:
    r, g, b = (round(a + (z - a) * part) for a, z in zip(one, other, strict=True))
    return r, g, b


def _sun(pen: ImageDraw.ImageDraw, draws: random.Random, width: int, horizon: int) -> None:
    x, y, r = draws.randint(width // 6, width * 5 // 6), draws.randint(horizon // 5, horizon // 2), width // 24
    pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 240, 205))


def _hills(pen: ImageDraw.ImageDraw, draws: random.Random, width: int, horizon: int, layer: int) -> None:
    colour = _between(draws.choice(HILLS), (70, 96, 88), layer * 0.3)
    height, phase, wave = horizon * (0.30 - layer * 0.08), draws.uniform(0, 6), draws.uniform(150, 320)
    top = [(x, horizon - height * (0.6 + 0.4 * math.sin(x / wave + phase + layer))) for x in range(0, width + 9, 8)]
    pen.polygon([(0, horizon), *top, (width, horizon)], fill=colour)


def _boat(pen: ImageDraw.ImageDraw, x: int, y: int, size: int) -> None:
    pen.polygon([(x, y - 2 * size), (x, y), (x + size, y)], fill=(250, 248, 240))
    pen.polygon(
        [(x - size, y + 4), (x + size + 6, y + 4), (x + size, y + size // 2), (x - size + 6, y + size // 2)],
        fill=(146, 62, 48),
    )


def tone(seconds: int = 3) -> bytes:
    """A WAV file with a quiet tone: a file that a browser can play."""
    rate = 8000
    samples = b"".join(
        round(2500 * math.sin(n / 6) * (0.4 + 0.6 * abs(math.sin(n / 1900)))).to_bytes(2, "little", signed=True)
        for n in range(rate * seconds)
    )
    head = b"WAVEfmt " + (16).to_bytes(4, "little") + (1).to_bytes(2, "little") * 2
    head += rate.to_bytes(4, "little") + (rate * 2).to_bytes(4, "little") + (2).to_bytes(2, "little")
    head += (16).to_bytes(2, "little") + b"data" + len(samples).to_bytes(4, "little")
    return b"RIFF" + (len(head) + len(samples)).to_bytes(4, "little") + head + samples
