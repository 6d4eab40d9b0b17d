"""ETags and content encodings: answering unchanged requests without a body, and compression."""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64encode
from functools import lru_cache
from typing import Literal

import brotli  # type: ignore[import-untyped]
import zstandard

MIN_COMPRESSED = 1024
"""Smaller bodies fit into one packet anyway."""
Encoding = Literal["zstd", "br", "gzip"]


def etag_of(body: bytes) -> str:
    """Express's weak ETag, as Periskope sends it."""
    digest = b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode("ascii")
    return f'W/"{len(body):x}-{digest[:27]}"'


def is_fresh(etag: str, if_none_match: str | None, cache_control: str | None = None) -> bool:
    """Whether the client already has the version named by ``etag`` (weak comparison)."""
    if if_none_match is None or (cache_control and "no-cache" in cache_control):
        return False
    if if_none_match.strip() == "*":
        return True
    return etag.removeprefix("W/") in (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))


_CHEAPEST_FIRST: tuple[Encoding, ...] = ("zstd", "br", "gzip")
_COMPRESSIBLE = re.compile(r"text/|application/(json|xml|javascript|manifest\+json|x-ndjson)|image/svg")


@lru_cache(maxsize=256)
def choose_encoding(accept: str) -> Encoding | None:
    """The cheapest encoding among those that the client prefers; None sends the body uncompressed."""
    quality: dict[str, float] = {}
    for item in accept.lower().split(","):
        name, _, parameters = item.partition(";")
        quality[name.strip()] = _quality(parameters)
    rest = quality.get("*", 0.0)
    likes = {name: quality.get(name, rest) for name in _CHEAPEST_FIRST}
    best = max(likes.values())
    if best <= 0 or best < quality.get("identity", 0.0):
        return None
    return next(name for name in _CHEAPEST_FIRST if likes[name] == best)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


@lru_cache(maxsize=256)
def is_compressible(content_type: str) -> bool:
    return _COMPRESSIBLE.match(content_type) is not None


def compress(body: bytes, encoding: Encoding) -> bytes:
    """Compresses at levels that cost about as much as sending the saved bytes would."""
    if encoding == "zstd":
        return zstandard.ZstdCompressor(level=1).compress(body)
    if encoding == "br":
        packed: bytes = brotli.compress(body, quality=2)
        return packed
    gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
    return gzip.compress(body) + gzip.flush()
