"""Writing files durably: their bytes are synced, and so are the folders that contain them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backscroll.core.errors import StorageError, StorageFull

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_REMEDIES = {
    errno.EACCES: "run the command as the owner of the archive, or change the owner with chown",
    errno.EPERM: "run the command as the owner of the archive, or change the owner with chown",
    errno.EROFS: "that disk is mounted read-only; name another place",
    errno.ENOSPC: "free some space and run the command again",
    errno.EDQUOT: "free some space and run the command again",
    errno.EEXIST: "a file stands where a directory is needed; name another place, or move the file away",
    errno.ENOTDIR: "a file stands where a directory is needed; name another place, or move the file away",
    errno.EISDIR: "there is a directory where a file is needed; name a file",
    errno.ENOENT: "check the name; the folder that it is in must exist",
    errno.EIO: "the disk failed to read or write; look at the disk and the system's log",
}


def remedy_of(error: OSError) -> str:
    """The remedy for an error of the operating system."""
    return _REMEDIES.get(error.errno or 0, "look at the system's log, then try again")


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn errors of the operating system into ours: ``StorageFull`` if the disk is full, ``StorageError`` for the
    rest.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise StorageFull(f"{what} cannot be written, the disk is full: free some space and send again") from error
        raise StorageError(f"{what} cannot be written ({error.strerror or error}); {remedy_of(error)}") from error


def make_folder(folder: Path) -> None:
    """Make the folder and its missing parents, readable by the owner only, and sync each new name to disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to disk; without this a power cut may undo an earlier rename."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
