"""A cache of answers, valid while nothing that they show has changed, with a limit in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from msgspec import Struct

from backscroll.http.encoding import MIN_COMPRESSED, Encoding, compress, etag_of, is_compressible
from backscroll.http.last_changes import Shown
from backscroll.http.messages import Header, Reply

_PRIVATE: Header = (b"cache-control", b"private, no-cache")
_OVERHEAD = 1024
"""Approximate bytes that an entry costs besides its bodies."""


class Packed:
    """A complete reply with its ETag; compressed forms are created at the first request, and kept if they save
    space.
    """

    __slots__ = ("etag", "head", "is_compressible", "reply", "variants")

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.etag = etag_of(reply.body)
        self.head = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
        if all(name != b"cache-control" for name, _ in self.head):
            self.head.append(_PRIVATE)
        self.is_compressible = len(reply.body) > MIN_COMPRESSED and is_compressible(reply.content_type)
        self.variants: dict[Encoding, bytes] = {}

    @property
    def size(self) -> int:
        """The approximate maximum of bytes that it can take."""
        return _OVERHEAD + len(self.reply.body) * (2 if self.is_compressible else 1)

    def has(self, encoding: Encoding) -> bool:
        return encoding in self.variants

    def body(self, encoding: Encoding) -> bytes:
        """The body in this encoding. It is kept only if all kept encodings together are no larger than the body."""
        packed = self.variants.get(encoding)
        if packed is None:
            packed = compress(self.reply.body, encoding)
            if sum(map(len, self.variants.values())) + len(packed) <= len(self.reply.body):
                self.variants[encoding] = packed
        return packed


class Kept(Struct):
    """A page, what it shows, and the last version of the organisation at which it was known to be current."""

    packed: Packed
    shown: Shown
    version: int


class PageCache:
    """The least recently used pages are evicted first.

    ``max_bytes`` 0 switches it off. Belongs to one event loop: not for use from several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._entries: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()

    def get(self, key: Hashable) -> Kept | None:
        """The entry for a key, whether valid or not."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        kept, _ = entry
        return kept

    def put(self, key: Hashable, kept: Kept) -> None:
        """Store a page, replacing an older one. A page larger than a quarter of the cache is not stored."""
        self.drop(key)
        size = kept.packed.size
        if size * 4 > self.max_bytes:
            return
        self._entries[key] = (kept, size)
        self.bytes += size
        while self.bytes > self.max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: Hashable) -> None:
        """Remove a page, if it exists."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry[1]
