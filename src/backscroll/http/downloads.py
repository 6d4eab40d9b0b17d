"""Long downloads: limiting their number, and buffering one that is produced faster than it is read."""

from __future__ import annotations

import asyncio
import io
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from backscroll.core.errors import StorageBusy
from backscroll.storage.files.durable_files import writing

MAX_OF_ORG = 2
MAX_IN_ALL = 6
PIECE = 256 * 1024
ABANDONED_SECONDS = 120.0
"""Seconds without a read after which the client is considered gone."""


class Downloads:
    """Counts the downloads in progress in this process."""

    def __init__(self) -> None:
        self._going_on: Counter[int] = Counter()

    def check(self, org: int) -> None:
        """Raises ``StorageBusy`` while too many are in progress."""
        if self._going_on[org] >= MAX_OF_ORG or self._going_on.total() >= MAX_IN_ALL:
            raise StorageBusy("too many downloads are in progress; try again when one of them has ended")

    @contextmanager
    def counted(self, org: int) -> Iterator[None]:
        """Context in which a download is in progress."""
        self._going_on[org] += 1
        try:
            yield
        finally:
            self._going_on[org] -= 1


class _GivenUp(Exception):
    """Nobody reads what is written."""


class Spool:
    """A compressed temporary file that a thread writes and a request reads from the start at the same time.

    The reading transaction lasts only as long as the writing, however slowly the client reads. The file has no name and
    disappears with the process.
    """

    def __init__(self, folder: Path) -> None:
        with writing("a download"):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- closed by whoever reads
        self._written = 0
        self._is_over = False
        self._error: BaseException | None = None
        self._taken_at = time.monotonic()
        self._is_given_up = False
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()

    async def begin(self, work: Callable[[BinaryIO], object], first: int) -> None:
        """Run ``work`` in its own thread; return once ``first`` bytes are written. Raises what ``work`` raised before
        that.
        """
        threading.Thread(target=self._run, args=(work,), name="backscroll-download", daemon=True).start()
        while not self._is_over and self._written < first:
            await self._news.wait()
            self._news.clear()
        if self._error is not None:
            self._file.close()
            raise self._error

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Everything that is written, as it arrives. Raises what the work raised; the thread ends with the reader."""
        place = 0
        try:
            while True:
                is_over, until = self._is_over, self._written
                while place < until:
                    piece = await asyncio.to_thread(self._read, place, min(PIECE, until - place))
                    place += len(piece)
                    self._taken_at = time.monotonic()
                    yield piece
                if is_over:
                    break
                await self._news.wait()
                self._news.clear()
            if self._error is not None:
                raise self._error
        finally:
            self._is_given_up = True
            with self._lock:
                self._file.close()

    def _read(self, place: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(place)
            return self._file.read(length)

    def _run(self, work: Callable[[BinaryIO], object]) -> None:
        try:
            with io.BufferedWriter(_Packing(self._append), PIECE) as out:
                work(out)
        except _GivenUp:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._is_over = True
            self._tell()

    def _append(self, data: bytes) -> None:
        if self._is_given_up or time.monotonic() - self._taken_at > ABANDONED_SECONDS:
            raise _GivenUp
        with self._lock, writing("a download"):
            if self._file.closed:
                raise _GivenUp
            self._file.seek(self._written)
            self._file.write(data)
            self._file.flush()
        self._written += len(data)
        self._tell()

    def _tell(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)


class _Packing(io.RawIOBase):
    """Compresses what is written, as gzip."""

    def __init__(self, out: Callable[[bytes], None]) -> None:
        self._out = out
        self._packer = zlib.compressobj(1, zlib.DEFLATED, 31)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        """Compress some bytes and send the output; returns the number of bytes given."""
        view = memoryview(data)  # type: ignore[arg-type]
        if packed := self._packer.compress(view):
            self._out(packed)
        return view.nbytes

    def close(self) -> None:
        """Send what is left in the compressor. A second call does nothing."""
        if not self.closed:
            self._out(self._packer.flush())
        super().close()
