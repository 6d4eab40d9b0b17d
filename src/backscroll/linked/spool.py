"""Events from the library, on disk before anything else happens, until the server has committed them.

Each frame is a file of its own, named by its number: the time of arrival, the library's number of the kind of event, a
checksum, and the event's bytes. It is synced before ``append`` returns, and removed by ``remove``. A file that was
truncated by a power cut while it was written was never acknowledged and is dropped.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

_HEAD = struct.Struct("<4sHQIQ")
_MAGIC = b"bsf1"
ENDING = ".frame"


class Entry(Struct, frozen=True):
    """A frame. ``code`` is the library's number of its kind; ``at`` when it came, microseconds UTC."""

    no: int
    code: int
    at: int
    payload: bytes


class Spool:
    """The frames in ``folder``; one process has it."""

    def __init__(self, folder: Path, clock: Callable[[], int]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._added = threading.Condition()
        self._waiting = sorted(int(file.stem) for file in folder.glob(f"*{ENDING}"))
        self._last = self._waiting[-1] if self._waiting else 0
        _sync(folder)

    def __len__(self) -> int:
        with self._added:
            return len(self._waiting)

    def append(self, code: int, payload: bytes) -> int:
        """Keep a frame; on the disk when this returns. Its number. ``OSError`` when it could not be kept."""
        with self._lock:
            no = self._last = max(self._last + 1, self._clock())
            head = _HEAD.pack(_MAGIC, code, self._clock(), zlib.crc32(payload), len(payload))
            descriptor = os.open(self._path(no), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                _write(descriptor, head)
                _write(descriptor, payload)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _sync(self._folder)
        with self._added:
            self._waiting.append(no)
            self._added.notify_all()
        return no

    def next(self, timeout: float | None = None) -> Entry | None:
        """The oldest frame, which stays until it is removed; None when there is none within ``timeout`` seconds."""
        while True:
            with self._added:
                if not self._added.wait_for(lambda: bool(self._waiting), timeout):
                    return None
                no = self._waiting[0]
            entry = self._read(no)
            if entry is not None:
                return entry
            self.remove(no)

    def remove(self, no: int) -> None:
        """Forget a frame that is committed elsewhere. That it is gone need not be on the disk: it may come twice."""
        with self._added, suppress(ValueError):
            self._waiting.remove(no)
        self._path(no).unlink(missing_ok=True)

    def _read(self, no: int) -> Entry | None:
        """None for a frame that was cut while it was written."""
        try:
            # A history may be large: its bytes are here once.
            with self._path(no).open("rb", buffering=0) as file:
                magic, code, at, checksum, size = _HEAD.unpack(file.read(_HEAD.size))
                payload = file.readall()
        except (FileNotFoundError, struct.error):
            return None
        if magic != _MAGIC or len(payload) != size or zlib.crc32(payload) != checksum:
            return None
        return Entry(no, code, at, payload)

    def _path(self, no: int) -> Path:
        return self._folder / f"{no:020d}{ENDING}"


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
