"""Files of messages, stored on disk under the SHA-256 of their content, and signed links to them.

<root>/<org>/<ab>/<sha256>                    the file
<root>/.thumbnails/<org>/<ab>/<sha256>.jpg    a small picture of it, or .png; .none where none can be made;
                                              may be deleted at any time
<root>/.incoming/                             files on their way; leftovers of a crash go after a day
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

import msgspec
from msgspec import Struct

from backscroll.core.errors import BadField, NotFound, StorageError
from backscroll.storage.files.cache import Cache
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing
from backscroll.storage.files.image_info import dimensions, duration, shrink
from backscroll.storage.files.keys import derive_key
from backscroll.storage.files.media_types import HEAD_BYTES, extension_of, mimetype_of
from backscroll.storage.files.objects import ObjectFolder

CHUNK = 1 << 20
LEFTOVER_SECONDS = 24 * 60 * 60
THUMBNAIL = "thumbnail"
"""The ending of a link to the small picture, where the file itself has its own ending."""

NO_THUMBNAIL = ".none"
"""The ending of an empty file that says: of this one no small picture can be made."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class StoredFile(Struct, frozen=True, kw_only=True):
    """A file that is safely on disk, and what was read from its content."""

    sha256: str
    size: int
    mimetype: str
    width: int | None = None
    """Pixels, as shown: a photo's turn is applied."""
    height: int | None = None
    duration: float | None = None
    """Seconds."""


class MediaStore:
    """The files of all organisations under ``root``. Organisations never share a file, so none learns what
    another has.
    """

    def __init__(self, root: Path, key: bytes, remote: ObjectFolder | None = None, cache_bytes: int = 2 << 30) -> None:
        """Delete what crashes left behind more than a day ago. The folder itself is created with the first file.

        With ``remote`` the files are stored there, and ``root`` holds copies of about ``cache_bytes``.
        """
        self.root = root
        self._remote = remote
        self._cache = None if remote is None else Cache(root, remote, cache_bytes)
        self._link_key = derive_key(key, "media link")
        self._incoming = root / ".incoming"
        self._thumbnails = root / ".thumbnails"
        self._named: set[Path] = set()
        # A hostile picture may take 120 MB while it is decoded; two at a time bound the sum.
        self._decoders = threading.BoundedSemaphore(2)
        if root.is_dir():
            with writing("media"):
                make_folder(self._incoming)
            _sweep(self._incoming, time.time() - LEFTOVER_SECONDS)

    def put(
        self,
        org: int,
        source: BinaryIO | Iterable[bytes] | bytes,
        *,
        max_bytes: int,
        declared_mimetype: str | None,
        filename: str | None,
        expected: str | None = None,
    ) -> StoredFile:
        """Store the bytes; when this returns they survive a power cut. Identical bytes are stored once.

        Raises ``BadField`` above ``max_bytes`` or for another SHA-256 than ``expected``, and ``StorageFull`` without
        space; neither leaves anything behind.
        """
        with writing("media"):
            make_folder(self._incoming)
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                sha256, size, head = _copy(_chunks(source), file, max_bytes)
                if expected is not None and sha256 != expected:
                    raise BadField("file", None, "its content does not match the SHA-256 from WhatsApp")
                stored = _describe(temporary, sha256, size, mimetype_of(head, declared_mimetype, filename))
                self._keep(file, temporary, self.path(org, sha256), size)
            if self._cache is not None:
                self._cache.push(self.path(org, sha256))
            return stored
        finally:
            temporary.unlink(missing_ok=True)

    def path(self, org: int, sha256: str) -> Path:
        """Where the file is or would be; ``NotFound`` for what cannot be the name of a file."""
        return self._place(self.root, org, sha256) / sha256

    def open(self, org: int, sha256: str) -> io.BufferedReader:
        """Open the file for reading; ``NotFound`` when this org does not have it."""
        try:
            return self.local(org, sha256).open("rb")
        except FileNotFoundError:
            raise NotFound("media", sha256) from None
        except OSError as error:
            raise StorageError(f"media cannot be read: {error.strerror or error}") from error

    def exists(self, org: int, sha256: str) -> bool:
        """Whether the bytes with this SHA-256 are here."""
        return _SHA256.fullmatch(sha256) is not None and self.stored_size(org, sha256) is not None

    def size(self, org: int, sha256: str) -> int:
        """Bytes of the file; ``NotFound`` when this org does not have it."""
        size = self.stored_size(org, sha256)
        if size is None:
            raise NotFound("media", sha256)
        return size

    def stored_size(self, org: int, sha256: str) -> int | None:
        """Bytes of the file; None when this org does not have it."""
        path = self.path(org, sha256)
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None if self._cache is None else self._cache.remote_size(path)

    def local(self, org: int, sha256: str) -> Path:
        """Where the file is on this machine; downloaded if it is stored elsewhere. The file may not exist."""
        path = self.path(org, sha256)
        if self._cache is not None and not path.is_file():
            with writing("media"):
                make_folder(self._incoming)
            self._cache.pull(path, self._incoming)
        return path

    def push(self, org: int, sha256: str) -> bool:
        """Upload a local file to the object store; returns False if it is already there, or no object store is used."""
        return self._cache is not None and self._cache.push(self.path(org, sha256))

    def delete(self, org: int, sha256: str) -> bool:
        """Remove the file and its thumbnail for good; False when there was none."""
        path = self.path(org, sha256)
        was_there = self.stored_size(org, sha256) is not None
        if self._cache is not None:
            self._cache.delete(path)
        with writing("media"):
            for gone in (path, *self._thumbnail_paths(org, sha256)):
                _remove(gone)
        return was_there

    def delete_unless_newer(self, org: int, sha256: str, kept_until: int) -> bool:
        """Remove the file, unless it was kept again after ``kept_until`` (microseconds UTC)."""
        try:
            path = self.path(org, sha256)
            kept_at: int | None = path.stat().st_mtime_ns // 1000
        except NotFound:
            return False
        except FileNotFoundError:
            kept_at = None if self._cache is None else self._cache.changed_at(path)
        return kept_at is not None and kept_at <= kept_until and self.delete(org, sha256)

    def orgs(self) -> Iterator[int]:
        """The orgs that have a folder here, in order."""
        names = {folder.name for folder in self.root.iterdir()} if self.root.is_dir() else set()
        names |= set(self._remote.folders()) if self._remote else set()
        yield from sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def files(self, org: int) -> Iterator[str]:
        """The SHA-256 names of an org's files, in order; files on their way are not among them."""
        if self._cache is None:
            yield from self.local_files(org)
        else:
            yield from sorted({*self.local_files(org), *self._cache.names(org)})

    def local_files(self, org: int) -> Iterator[str]:
        """Those that are on this machine."""
        folder = self.root / str(org)
        for part in sorted(folder.iterdir()) if folder.is_dir() else ():
            yield from sorted(file.name for file in part.iterdir() if _SHA256.fullmatch(file.name))

    def verify(self, org: int, sha256: str) -> bool:
        """Read the whole file and return whether it matches its name; raises ``NotFound`` if it is missing."""
        if self._cache is not None:
            # A local copy says nothing about the stored file.
            return self._cache.digest(self.path(org, sha256)) == sha256
        with self.open(org, sha256) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256

    def find_thumbnail(self, org: int, sha256: str) -> Path | None:
        """The small picture that was made before, or the file that says that none can be made; None when neither is."""
        return next((path for path in self._thumbnail_paths(org, sha256) if path.is_file()), None)

    def thumbnail(self, org: int, sha256: str) -> Path | None:
        """A JPEG or PNG of at most 320 pixels a side, upright, made on first use; None when the file is no picture.

        Creating it takes up to seconds and much memory; a failure is remembered too.
        """
        found = self.find_thumbnail(org, sha256)
        if found is not None:
            return None if found.suffix == NO_THUMBNAIL else found
        with self._decoders:
            small = shrink(self.local(org, sha256))
        extension, body = small or (NO_THUMBNAIL[1:], b"")
        path = self._keep_thumbnail(self._place(self._thumbnails, org, sha256) / f"{sha256}.{extension}", body)
        if not self.exists(org, sha256):
            # Deleted in the meantime: its thumbnail must not outlive it.
            _remove(path)
            return None
        return path if small else None

    def sign(
        self,
        org: int,
        sha256: str,
        *,
        thumbnail: bool = False,
        filename: str | None = None,
        mimetype: str | None = None,
    ) -> str:
        """A path with a signature that never expires, such as ``/media/7/9f86….jpg?filename=cat.jpg&s=…``.

        The ending says how the file will be served: from ``mimetype``, else from ``filename``, else ``.bin``. The disk
        is not asked, so links for files that are not there can be made too.
        """
        extension = THUMBNAIL if thumbnail else extension_of(mimetype, filename)
        name = _printable(filename) if filename else None
        query = f"filename={quote(name, safe='')}&" if name else ""
        return f"/media/{org}/{sha256}.{extension}?{query}s={self._signature(org, sha256, extension, name)}"

    def sign_path(self, org: int, sha256: str, *, filename: str | None = None, mimetype: str | None = None) -> str:
        """The same without a query, for programs that take a path for a file's: ``/media/7/<signature>/9f86….jpg``."""
        extension = extension_of(mimetype, filename)
        return f"/media/{org}/{self._signature(org, sha256, extension, None)}/{sha256}.{extension}"

    def check_signature(self, org: int, sha256: str, extension: str, filename: str | None, signature: str) -> bool:
        """Whether ``sign`` made this very link. Takes the same time however much of the signature is right."""
        expected = self._signature(org, sha256, extension, filename or None)
        return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))

    def _signature(self, org: int, sha256: str, extension: str, filename: str | None) -> str:
        claim = msgspec.json.encode([org, sha256, extension, _printable(filename) if filename else None])
        return base64.urlsafe_b64encode(hmac.digest(self._link_key, claim, hashlib.sha256)).decode().rstrip("=")

    def _place(self, root: Path, org: int, sha256: str) -> Path:
        if _SHA256.fullmatch(sha256) is None or org < 0:
            raise NotFound("media", sha256)
        return root / str(org) / sha256[:2]

    def _thumbnail_paths(self, org: int, sha256: str) -> list[Path]:
        folder = self._place(self._thumbnails, org, sha256)
        return [folder / f"{sha256}{ending}" for ending in (".jpg", ".png", NO_THUMBNAIL)]

    def _keep(self, file: io.FileIO, temporary: Path, final: Path, size: int) -> None:
        with writing("media"):
            self._name_folder(final.parent)
            # Known content is not written again, which makes repeating an import cheap.
            if not (final.is_file() and final.stat().st_size == size):
                os.fsync(file.fileno())
                temporary.replace(final)
            else:
                # The time of last use decides whether a file may be removed.
                os.utime(final)
            # Also for known content: the process that wrote it may not have come this far yet.
            sync_folder(final.parent)

    def _name_folder(self, folder: Path) -> None:
        """Make sure that a folder and its parents up to the root survive a power cut."""
        if folder in self._named or folder == self.root:
            return
        self._name_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        # Also when it was there: another process may have made it and not synced it yet.
        sync_folder(folder.parent)
        self._named.add(folder)

    def _keep_thumbnail(self, final: Path, body: bytes) -> Path:
        with writing("a thumbnail"):
            make_folder(final.parent)
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, final)
            finally:
                Path(name).unlink(missing_ok=True)
        return final


def _chunks(source: BinaryIO | Iterable[bytes] | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        return iter((source,))
    if hasattr(source, "read"):
        file = cast(BinaryIO, source)
        return iter(lambda: file.read(CHUNK), b"")
    return iter(source)


def _copy(chunks: Iterator[bytes], file: io.FileIO, max_bytes: int) -> tuple[str, int, bytes]:
    """Write the chunks and return their SHA-256, size and first bytes."""
    digest, size, head = hashlib.sha256(), 0, b""
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise BadField("file", None, f"must be at most {max_bytes} bytes")
        digest.update(chunk)
        if len(head) < HEAD_BYTES:
            head += chunk[:HEAD_BYTES]
        with writing("media"):
            _write_all(file, chunk)
    return digest.hexdigest(), size, head


def _write_all(file: io.FileIO, chunk: bytes) -> None:
    # A raw file may write less than it was given, for instance up to the last free block.
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _describe(path: Path, sha256: str, size: int, mimetype: str) -> StoredFile:
    width, height = (dimensions(path) if mimetype.startswith("image/") else None) or (None, None)
    seconds = duration(path) if mimetype.startswith(("audio/", "video/")) else None
    return StoredFile(sha256=sha256, size=size, mimetype=mimetype, width=width, height=height, duration=seconds)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def _sweep(folder: Path, before: float) -> None:
    for leftover in folder.iterdir():
        # Another process may sweep at the same moment.
        with suppress(FileNotFoundError):
            if leftover.stat().st_mtime < before:
                leftover.unlink()


def _printable(filename: str) -> str:
    """The name with lone surrogates replaced, as a link cannot carry them."""
    return filename.encode("utf-8", "replace").decode()
