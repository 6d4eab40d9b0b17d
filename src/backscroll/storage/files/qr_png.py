"""The picture of a QR code, for programs that show nothing but PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image


def png_of(rows: Sequence[str], scale: int = 8) -> bytes:
    """Rows of ``0`` and ``1`` as black and white squares of ``scale`` pixels."""
    side = len(rows)
    picture = Image.new("1", (side, side), 1)
    picture.putdata([module == "0" for row in rows for module in row])
    out = io.BytesIO()
    picture.resize((side * scale, side * scale), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()
