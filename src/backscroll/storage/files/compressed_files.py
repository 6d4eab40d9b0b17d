"""Files that may be compressed: gzip and zstd, written by the name's ending and read by the first bytes."""

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
"""What reading compressed bytes raises when they are cut or changed."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@contextmanager
def packed_file(path: Path) -> Iterator[BinaryIO]:
    """A new file at ``path`` that is there only once it is whole and on the disk; readable by the owner only.

    The endings ``.gz`` and ``.zst`` compress. The same bytes in make the same file.
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
    """A pipe or device that is there, for writing; it stays what it is. Endings compress as for ``packed_file``."""
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
    """The plain bytes of a file that stands at its beginning; see ``DAMAGED`` for what reading may raise."""
    head = file.read(4)
    file.seek(0)
    if head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if head.startswith(_ZSTD):
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False)
        return io.BufferedReader(cast(io.RawIOBase, stream), 1 << 20)
    return cast(io.BufferedIOBase, file)
