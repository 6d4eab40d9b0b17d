"""Uploaded files: kept below the data directory until their job is finished.

<data>/imports/<org>/<job>/<name>     as given, folders included; 0600 in folders of 0700

They are no part of a backup, but for those of an import that is taking the place of another (``Spool.precious``).
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
"""Bytes of one part of a name."""
MAX_NAME = 1024
MAX_DEPTH = 16
ORPHAN_SECONDS = 24 * 3600
KEPT_FREE = 256 << 20
"""Bytes of the disk that uploads leave to the archive."""
_CHUNK = 1 << 20
_FICLONE = 0x40049409


def safe_name(name: str) -> str:
    """The name of a file, or its path in a folder that was given, as it may stand below ours.

    ``BadField`` for one that would lead elsewhere, or that no file can have.
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
        """What was given: the only file or folder, or the folder that several files were put in."""
        folder = self.folder(org, job)
        # Hidden files are what systems leave in folders, and what a kind of import needs while it runs.
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
        return entries[0] if len(entries) == 1 else folder

    def path(self, org: int, job: str, name: str) -> Path:
        """Where a file of a job is; ``name`` as ``safe_name`` gave it."""
        return self.folder(org, job) / safe_name(name)

    def make(self, org: int, job: str, names: Sequence[str]) -> None:
        """Make empty files, on the disk for good."""
        with writing("the upload"):
            for name in names:
                path = self.path(org, job, name)
                make_folder(path.parent)
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
            for folder in {self.path(org, job, name).parent for name in names}:
                sync_folder(folder)

    def check_space(self, wanted: int) -> None:
        """``StorageFull`` when the disk has no room for so many bytes more."""
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
        """A file to write to, made where it is not there yet. ``Busy`` while another request writes to it."""
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
        """A copy of what lies elsewhere, on the disk for good, so that the job can go on whatever becomes of that."""
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
        """Take the files of a job away."""
        shutil.rmtree(self.folder(org, job), ignore_errors=True)
        with suppress(OSError):
            (self.root / str(org)).rmdir()

    def jobs(self) -> Iterator[tuple[int, str, float]]:
        """Organisation, job and age in seconds of every folder that is there."""
        now = time.time()
        for org in sorted(self.root.iterdir()) if self.root.is_dir() else []:
            if org.name.isdigit() and org.is_dir():
                for job in sorted(org.iterdir()):
                    with suppress(OSError):
                        yield int(org.name), job.name, now - job.stat().st_mtime


class Appender:
    """A file that grows, written by nobody else until ``close``. What was written counts when ``sync`` has returned."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.at = 0
        """Where the next byte goes."""

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Let others write."""
        os.close(self._descriptor)

    def write(self, data: bytes) -> None:
        """Behind what was written before."""
        with writing("the upload"):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._descriptor, view, self.at)
                view, self.at = view[written:], self.at + written

    def sync(self) -> int:
        """Bring it to the disk; how many bytes are there."""
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
