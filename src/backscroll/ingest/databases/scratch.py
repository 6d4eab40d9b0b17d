"""Temporary decrypted copies in the archive's data directory, readable only by its owner."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backscroll.core.errors import StorageFull
from backscroll.storage.files.durable_files import make_folder, writing

KEPT_FREE = 256 << 20
"""Bytes of free disk space left for the archive."""
LEFTOVER_SECONDS = 24 * 60 * 60
_PREFIX = "decrypted-"

Write = Callable[[bytes], object]


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder that is deleted afterwards."""
    with writing("the decrypted backup"):
        make_folder(parent)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[Write]:
    """A new file in such a folder, to be written piece by piece."""
    with writing("the decrypted backup"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:

        def write(piece: bytes) -> None:
            with writing("the decrypted backup"):
                file.write(piece)
                file.flush()

        yield write


def check_space(folder: Path, size: int) -> None:
    """``StorageFull`` if a copy of this size would fill the disk."""
    left = max(0, shutil.disk_usage(folder).free - KEPT_FREE)
    if size > left:
        problem = f"The decrypted database takes {size >> 20} MiB, and {folder} has {left >> 20} MiB left"
        raise StorageFull(f"{problem}: free some space")


def _sweep(parent: Path) -> None:
    """Delete what crashes left behind, if it is more than a day old."""
    for leftover in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
