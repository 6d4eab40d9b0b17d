"""Uploaded files: kept below the data directory until their job is finished.

<data>/imports/<org>/<job>/<name>     as given, including folders; mode 0600 in folders of mode 0700

They are not part of a backup, except for those of an import that is replacing another (transfer/backup_uploads.py).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from backscroll.core.errors import BadField, Conflict, StorageFull
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing

FOLDER = "imports"
MAX_PART = 255
"""Maximum bytes of one part of a path."""
MAX_NAME = 1024
MAX_DEPTH = 16
ORPHAN_SECONDS = 24 * 3600
KEPT_FREE = 256 << 20
"""Bytes of free disk space that uploads leave for the archive."""
_CHUNK = 1 << 20
_FICLONE = 0x40049409


def safe_name(name: str) -> str:
    """The name of a file, or its path within an uploaded folder, in a form that is safe below the spool's folder.

    ``BadField`` for a name that would lead elsewhere, or that is not valid for a file.
    """
    parts = name.replace("\\", "/").split("/")
    if (
        not name
        or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME
        or len(parts) > MAX_DEPTH
        or any(not part.strip() or part in (".", "..") for part in parts)
        or any(len(part.encode("utf-8", "surrogatepass")) > MAX_PART for part in parts)
        or any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) < 0xE000 for letter in name)
    ):
        remedy = f"must be the name of a file, of at most {MAX_PART} bytes, without .. and control characters"
        raise BadField("files", ascii(name[:80]).strip("'"), remedy)
    return "/".join(parts)


class Busy(Conflict):
    """Another request writes to this file."""


class Spool:
    """The files of the jobs of one archive."""

    def __init__(self, data: Path) -> None:
        self.root = data / FOLDER

    def folder(self, org: int, job: str) -> Path:
        """Where the files of a job are."""
        return self.root / str(org) / job

    def root_of(self, org: int, job: str) -> Path:
        """The uploaded input: the only file or folder, or the folder that contains several files."""
        folder = self.folder(org, job)
        # Hidden files are left by operating systems, or are temporary files of a kind of import.
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
        return entries[0] if len(entries) == 1 else folder

    def path(self, org: int, job: str, name: str) -> Path:
        """The path of a file of a job; ``name`` is a result of ``safe_name``."""
        return self.folder(org, job) / safe_name(name)

    def make(self, org: int, job: str, names: Sequence[str]) -> None:
        """Create empty files durably."""
        with writing("the upload"):
            for name in names:
                path = self.path(org, job, name)
                make_folder(path.parent)
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
            for folder in {self.path(org, job, name).parent for name in names}:
                sync_folder(folder)

    def check_space(self, wanted: int) -> None:
        """``StorageFull`` if the disk has no room for ``wanted`` more bytes."""
        folder = self.root
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if wanted + KEPT_FREE > free:
            raise StorageFull(
                f"The disk has {max(0, free - KEPT_FREE) >> 20} MiB left for uploads, and this takes "
                f"{wanted >> 20} MiB: free some space and send again"
            )

    def append(self, org: int, job: str, name: str) -> Appender:
        """Open a file for appending, created if missing. ``Busy`` while another request writes to it."""
        path = self.path(org, job, name)
        with writing("the upload"):
            is_new = not path.exists()
            make_folder(path.parent)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            if is_new:
                sync_folder(path.parent)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Busy("Another request is sending this file; wait for it to end") from None
        return Appender(descriptor)

    def adopt(self, org: int, job: str, given: Path) -> None:
        """Copy input from elsewhere durably, so that the job can continue even if the original is deleted."""
        folder = self.folder(org, job)
        target = folder / given.absolute().name
        with writing("the copy of what is imported"):
            make_folder(folder)
            if given.is_dir():
                for source in sorted(given.rglob("*")):
                    if source.is_file() and not source.is_symlink():
                        _copy(source, target / source.relative_to(given))
            else:
                _copy(given, target)
            sync_folder(folder)

    def remove(self, org: int, job: str) -> None:
        """Delete the files of a job."""
        shutil.rmtree(self.folder(org, job), ignore_errors=True)
        with suppress(OSError):
            (self.root / str(org)).rmdir()

    def jobs(self) -> Iterator[tuple[int, str, float]]:
        """Organisation, job and age in seconds of every existing folder."""
        now = time.time()
        for org in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            if org.name.isdigit() and org.is_dir():
                for job in sorted(org.iterdir()):
                    with suppress(OSError):
                        yield int(org.name), job.name, now - job.stat().st_mtime


class Appender:
    """A file opened exclusively for appending until ``close``. Written bytes are durable once ``sync`` has returned."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.at = 0
        """The offset of the next byte."""

    @property
    def size(self) -> int:
        """The current size of the file in bytes."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Let others write."""
        os.close(self._descriptor)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with writing("the upload"):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._descriptor, view, self.at)
                view, self.at = view[written:], self.at + written

    def sync(self) -> int:
        """Flush the file to the disk; returns its size in bytes."""
        with writing("the upload"):
            os.fsync(self._descriptor)
        return self.at


def _copy(source: Path, target: Path) -> None:
    make_folder(target.parent)
    with source.open("rb") as read, open(target, "wb", opener=_private) as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:
            # Only some file systems can share the bytes.
            shutil.copyfileobj(read, write, _CHUNK)
        write.flush()
        os.fsync(write.fileno())
    sync_folder(target.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
