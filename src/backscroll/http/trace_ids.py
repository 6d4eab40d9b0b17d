"""Ids that identify a request in answers and in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable


class TraceIds:
    """UUIDs version 1, like Periskope's trace ids, with a random node so that no network card is identified."""

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        self._now = now
        self._last = 0
        clock = secrets.randbits(14) | 0x8000
        node = secrets.randbits(48) | 0x010000000000
        self._tail = f"-{clock:04x}-{node:012x}"

    def next(self) -> str:
        """A UUID of version 1, later than the previous one even if the clock stands still."""
        stamp = self._now() // 100 + 0x01B21DD213814000
        self._last = stamp = max(stamp, self._last + 1)
        return f"{stamp & 0xFFFFFFFF:08x}-{stamp >> 32 & 0xFFFF:04x}-1{stamp >> 48 & 0xFFF:03x}{self._tail}"
