"""Who told something: numbers of imports, and 0 for all sources that are no imports and for what is older than these.

What only one import told goes when that import is taken back (storage/write/undo.py).
"""

from __future__ import annotations

import msgspec

Tellers = tuple[int, ...]
"""In ascending order; never empty."""
NOBODY = 0
"""No import: a live source, or an archive from before imports had numbers."""
LIVE: Tellers = (NOBODY,)

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(tuple[int, ...])


def together(one: Tellers, other: Tellers) -> Tellers:
    """All who told either of two things that are the same."""
    return tuple(sorted({*one, *other}))


def without(tellers: Tellers, teller: int) -> Tellers:
    """The others; may be empty."""
    return tuple(t for t in tellers if t != teller)


def encode_tellers(tellers: Tellers) -> str | None:
    """For a column ``told``, where NULL is ``LIVE``."""
    return None if tellers == LIVE else _ENCODER.encode(tellers).decode()


def decode_tellers(text: str | None) -> Tellers:
    """``encode_tellers`` the other way round."""
    return LIVE if text is None else _DECODER.decode(text)
