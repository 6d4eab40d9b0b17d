"""Dimensions and duration of pictures, sound and video, and thumbnails. The result for hostile files is None.

Whatever a parser does with hostile bytes (and it may raise nearly anything), the result is None, and the file is stored
anyway. Steps and pixels are limited, so that a small file cannot cost much time or memory.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageOps
from tinytag import TinyTag

SIDE = 320
"""Pixels of a thumbnail's longer side."""
MAX_PIXELS = 30_000_000
"""Decoded for a thumbnail, after a JPEG's own scaling down: about 120 MB."""

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
_HEADER_STEPS = 10_000
_BODY_STEPS = 200_000
_ORIENTATION = 0x0112
_MAX_SECONDS = 10_000_000.0

T = TypeVar("T")

# Between one and two times MAX_IMAGE_PIXELS Pillow only warns; such a picture is refused here.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def dimensions(path: Path) -> tuple[int, int] | None:
    """Width and height as shown (a photo's turn is applied), from the header alone."""
    return _or_none(lambda: _dimensions(path))


def duration(path: Path) -> float | None:
    """Seconds of sound or video."""
    return _or_none(lambda: _duration(path))


def shrink(path: Path) -> tuple[str, bytes] | None:
    """The first frame, upright, at most 320 pixels a side: ``("jpg", body)``, or ``("png", body)`` if see-through."""
    return _or_none(lambda: _shrink(path))


class _Frugal(io.BufferedReader):
    """A file that refuses to be read on and on: a few bytes can ask a parser for millions of steps."""

    def __init__(self, path: Path, steps: int) -> None:
        super().__init__(io.FileIO(path))
        self._steps = steps

    def read(self, size: int | None = -1, /) -> bytes:
        """``ValueError`` after too many reads: a file built to keep its decoder busy."""
        self._steps -= 1
        if self._steps < 0:
            raise ValueError("too many steps")
        return super().read(size)


def _or_none(ask: Callable[[], T | None]) -> T | None:
    try:
        return ask()
    except Exception:  # see the top of this file
        return None


def _dimensions(path: Path) -> tuple[int, int]:
    with _Frugal(path, _HEADER_STEPS) as file, Image.open(file, formats=_FORMATS) as image:
        # Only a JPEG has its orientation in the header for sure; a PNG would be decoded to look for it.
        turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else (image.width, image.height)


def _duration(path: Path) -> float | None:
    with _Frugal(path, _BODY_STEPS) as file:
        seconds = TinyTag.get(file_obj=file, tags=False, duration=True).duration
    return round(seconds, 3) if seconds is not None and 0 < seconds < _MAX_SECONDS else None


def _shrink(path: Path) -> tuple[str, bytes] | None:
    with _Frugal(path, _BODY_STEPS) as file, Image.open(file, formats=_FORMATS) as image:
        drafted = image.draft(None, (2 * SIDE, 2 * SIDE)) is not None
        if image.width * image.height > MAX_PIXELS:
            return None
        small = image.convert("RGBA") if image.mode in ("1", "P", "PA") else image
        # A second draft inside `thumbnail` would undo the first, so it is told not to when there was one.
        small.thumbnail((SIDE, SIDE), reducing_gap=None if drafted else 2.0)
        return _encode(ImageOps.exif_transpose(small))


def _encode(image: Image.Image) -> tuple[str, bytes]:
    body = io.BytesIO()
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        image.convert("RGBA").save(body, "PNG", optimize=True)
        return "png", body.getvalue()
    image.convert("RGB").save(body, "JPEG", quality=80, optimize=True, comment=b"")
    return "jpg", body.getvalue()
