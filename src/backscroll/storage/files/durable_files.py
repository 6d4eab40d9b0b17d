"""What it takes for a file to be on the disk for good: its bytes synced, and every folder that names it synced too."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backscroll.core.errors import StorageError, StorageFull

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn the system's errors into ours: ``StorageFull`` when space is out, ``StorageError`` for the rest."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise StorageFull(f"{what} cannot be written, the disk is full: free some space and send again") from error
        raise StorageError(f"{what} cannot be written: {error.strerror or error}") from error


def make_folder(folder: Path) -> None:
    """Make the folder and its missing parents, readable by the owner only, and sync each new name to disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; a rename before this may be undone by a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
