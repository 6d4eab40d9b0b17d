"""Local copies of files in an object store, kept while there is space.

A copy is removed only after checking that the store has the file: files left in the folder by an earlier archive or a
restored backup are uploaded first.
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
"""Minimum interval between measurements of the folder."""
YOUNG_SECONDS = 600.0
"""Files used this recently are kept, however little space there is."""
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
        """Upload a file to the store unless it is there; returns whether it was uploaded."""
        found = self._remote.head(self.key(path))
        if found is not None and found.size == path.stat().st_size:
            return False
        self._remote.put(self.key(path), path)
        self.prune()
        return True

    def pull(self, path: Path, temporary: Path) -> None:
        """Download a file; does nothing if the store does not have it. Simultaneous requests for the same file share
        one download.
        """
        with self._locks[hash(path) % _LOCKS]:
            if not path.is_file() and self._remote.fetch(self.key(path), path, temporary):
                self.prune()

    def remote_size(self, path: Path) -> int | None:
        """Size of a file in the store; None if it is not there."""
        found = self._remote.head(self.key(path))
        return None if found is None else found.size

    def changed_at(self, path: Path) -> int | None:
        """When the file was stored, in microseconds UTC."""
        found = self._remote.head(self.key(path))
        return None if found is None else found.changed_at

    def delete(self, path: Path) -> None:
        """Delete a file from the store."""
        self._remote.delete(self.key(path))

    def names(self, org: int) -> Iterator[str]:
        """Names of an organisation's files in the store."""
        for found in self._remote.keys(f"{org}/"):
            yield found.key.rpartition("/")[2]

    def digest(self, path: Path) -> str:
        """SHA-256 of the stored content; raises ``NotFound`` if there is none."""
        hashed = hashlib.sha256()
        try:
            for chunk in self._remote.read(self.key(path)):
                hashed.update(chunk)
        except FileNotFoundError:
            raise NotFound("media", path.name) from None
        return hashed.hexdigest()

    def prune(self) -> None:
        """Free space: the least recently used copies are removed first."""
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
