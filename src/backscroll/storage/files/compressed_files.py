"""Files that may be compressed with gzip or zstd: chosen by extension when writing, detected from the first bytes when
reading.
"""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from backscroll.storage.files.durable_files import sync_folder

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
"""Errors when reading compressed bytes that are truncated or altered."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@contextmanager
def packed_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that appears at ``path`` only when it is complete and on disk; readable only by the owner.

    With the extension ``.gz`` or ``.zst`` it is compressed. The same input gives the same file.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with _packing(file, path.suffix) as out:
                yield out
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def written_through(path: Path) -> Iterator[BinaryIO]:
    """An existing pipe or device, opened for writing and never replaced. Extensions compress as for ``packed_file``."""
    with path.open("wb") as file, _packing(cast(BinaryIO, file), path.suffix) as out:
        yield out


@contextmanager
def _packing(file: BinaryIO, ending: str) -> Iterator[BinaryIO]:
    if ending == ".gz":
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed:
            yield cast(BinaryIO, packed)
    elif ending == ".zst":
        packer = zstandard.ZstdCompressor(level=6, write_checksum=True)
        with packer.stream_writer(file, closefd=False) as stream:
            yield stream
    else:
        yield file


def unpacked(file: BinaryIO) -> io.BufferedIOBase:
    """The uncompressed bytes of a file positioned at its start; see ``DAMAGED`` for errors when reading."""
    head = file.read(4)
    file.seek(0)
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if head.startswith(_ZSTD):
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
        return io.BufferedReader(cast(io.RawIOBase, stream), 1 << 20)
    return cast(io.BufferedIOBase, file)
