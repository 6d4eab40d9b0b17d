"""Copies of files that an object store keeps, on this machine for as long as there is room.

A copy is removed only when the store is seen to have the file: what an earlier archive, or a restored backup, left in
the folder is brought to the store first.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from backscroll.core.errors import NotFound
from backscroll.storage.files.objects import ObjectFolder

PRUNE_SECONDS = 60.0
"""So often the folder is measured, at most."""
YOUNG_SECONDS = 600.0
"""What was used this recently is kept, however little room there is."""
_LOCKS = 64


class Cache:
    """The folder ``root`` as a copy of ``remote``; the key of a file is its path below the folder."""

    def __init__(self, root: Path, remote: ObjectFolder, max_bytes: int) -> None:
        self._root = root
        self._remote = remote
        self._max_bytes = max_bytes
        self._pruned_at = 0.0
        self._pruning = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def key(self, path: Path) -> str:
        """Under which the store keeps a file."""
        return path.relative_to(self._root).as_posix()

    def push(self, path: Path) -> bool:
        """Bring a file to the store unless it is there; whether it was brought."""
        found = self._remote.head(self.key(path))
        if found is not None and found.size == path.stat().st_size:
            return False
        self._remote.put(self.key(path), path)
        self.prune()
        return True

    def pull(self, path: Path, temporary: Path) -> None:
        """Bring a file here; nothing happens when the store has none. Those who want the same wait for one of them."""
        with self._locks[hash(path) % _LOCKS]:
            if not path.is_file() and self._remote.fetch(self.key(path), path, temporary):
                self.prune()

    def remote_size(self, path: Path) -> int | None:
        """Bytes that the store has of a file; None when it has none."""
        found = self._remote.head(self.key(path))
        return None if found is None else found.size

    def changed_at(self, path: Path) -> int | None:
        """When the store got the file, in microseconds UTC."""
        found = self._remote.head(self.key(path))
        return None if found is None else found.changed_at

    def delete(self, path: Path) -> None:
        """Forget a file in the store."""
        self._remote.delete(self.key(path))

    def names(self, org: int) -> Iterator[str]:
        """Names of an organisation's files in the store."""
        for found in self._remote.keys(f"{org}/"):
            yield found.key.rpartition("/")[2]

    def digest(self, path: Path) -> str:
        """SHA-256 of what the store has; ``NotFound`` when it has nothing."""
        hashed = hashlib.sha256()
        try:
            for chunk in self._remote.read(self.key(path)):
                hashed.update(chunk)
        except FileNotFoundError:
            raise NotFound("media", path.name) from None
        return hashed.hexdigest()

    def prune(self) -> None:
        """Make room: the copies that were used longest ago go first."""
        if time.monotonic() - self._pruned_at < PRUNE_SECONDS or not self._pruning.acquire(blocking=False):
            return
        try:
            self._pruned_at = time.monotonic()
            self._make_room()
        finally:
            self._pruning.release()

    def _make_room(self) -> None:
        copies = []
        for path in self._root.glob("[0-9]*/??/*"):
            with suppress(FileNotFoundError):
                stat = path.stat()
                copies.append((max(stat.st_atime, stat.st_mtime), stat.st_size, path))
        left = sum(size for _, size, _ in copies)
        for used, size, path in sorted(copies):
            if left <= self._max_bytes or time.time() - used < YOUNG_SECONDS:
                return
            found = self._remote.head(self.key(path))
            if found is None or found.size != size:
                self._remote.put(self.key(path), path)
            path.unlink(missing_ok=True)
            left -= size
