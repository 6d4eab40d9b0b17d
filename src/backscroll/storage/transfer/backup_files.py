"""The files of a backup: a folder with one database file, the key, the media, and a manifest that is written last.

<backup>/manifest.json                     what the backup holds; a folder without one is no backup
<backup>/SHA256SUMS-<id>                   every file with its SHA-256, as ``sha256sum --check`` reads it
<backup>/database-<id>.db                  the whole archive as one SQLite file, whatever engine it came from
<backup>/secret-<id>.key                   the archive's key
<backup>/linked-<id>/<link>/<file>         the keys of linked devices, when they were asked for
<backup>/media/<org>/<ab>/<sha256>         the files of messages, as in the data directory

Files that the manifest names never change. A later backup to the same folder adds its own and only then replaces the
manifest, so an interrupted one leaves the earlier backup intact.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from backscroll.core.errors import StorageError, Unreadable
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing

Report = Callable[[int, int], None]
"""(bytes or rows done so far, of how many)"""

FORMAT = 1
MANIFEST = "manifest.json"
MEDIA = "media"
SESSIONS = "linked"
"""Folder of the keys of linked devices in the data directory. In a backup, its name includes the backup's id."""
CHUNK = 1 << 20
PART = ".part"
_SUM = re.compile(r"([0-9a-f]{64})  (\S.*)")
_PLACE = re.compile(r"(?!\.)[A-Za-z0-9._-]+(?:/(?!\.)[A-Za-z0-9._-]+)*")
"""Paths that stay inside the folder."""


class Manifest(Struct, frozen=True, kw_only=True):
    """A complete backup. ``id`` is part of the names of its own files; ``key`` is the public name of its key."""

    format: int
    id: str
    archive: str
    schema: int
    taken_at: str
    engine: str
    key: str
    database: str
    key_file: str
    sums: str
    sums_sha256: str
    files: int
    bytes: int
    orgs: int
    messages: int
    media: int
    media_missing: int
    media_damaged: int


class _Sealed(Struct, frozen=True):
    """The manifest with the SHA-256 of its own text, so that a changed byte in it is found too."""

    sha256: str
    backup: msgspec.Raw


class Sum(Struct, frozen=True):
    """A file of the backup by its path inside the folder."""

    sha256: str
    path: str


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest; None if there is none. Raises ``Unreadable`` if it was altered or has a newer format."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    remedy = "use another backup"
    try:
        sealed = msgspec.json.decode(text, type=_Sealed)
        manifest = msgspec.json.decode(sealed.backup, type=Manifest)
    except msgspec.DecodeError as error:
        raise Unreadable("backup", str(folder / MANIFEST), f"is damaged ({error}); {remedy}") from None
    if manifest.format > FORMAT:
        raise Unreadable(
            "backup", str(folder / MANIFEST), "was made by a newer Backscroll; restore it with that version"
        )
    if hashlib.sha256(bytes(sealed.backup)).hexdigest() != sealed.sha256:
        raise Unreadable("backup", str(folder / MANIFEST), f"was altered; {remedy}")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step; from here on the folder is this backup."""
    inner = msgspec.json.encode(manifest)
    text = msgspec.json.encode(_Sealed(hashlib.sha256(inner).hexdigest(), msgspec.Raw(inner)))
    with whole_file(folder / MANIFEST) as path:
        path.write_bytes(text)


def read_sums(folder: Path, manifest: Manifest) -> Iterator[Sum]:
    """Every file of the backup. ``Unreadable`` when the list itself was altered."""
    path = folder / manifest.sums
    try:
        if digest_of(path) != manifest.sums_sha256:
            raise Unreadable("backup", str(path), "was altered; use another backup")
    except FileNotFoundError:
        raise Unreadable("backup", str(path), "is missing; use another backup") from None
    with path.open(encoding="ascii") as lines:
        for line in lines:
            match = _SUM.fullmatch(line.rstrip("\n"))
            if match is None or not _PLACE.fullmatch(match[2]):
                raise Unreadable("backup", str(path), "has a line that is not a checksum; use another backup")
            yield Sum(match[1], match[2])


def verify(folder: Path, manifest: Manifest, report: Report) -> None:
    """Read every file of a backup. Raises ``Unreadable`` for the first one that is missing or altered."""
    done = 0
    for file in read_sums(folder, manifest):
        path = folder / file.path
        try:
            found = digest_of(path)
            done += path.stat().st_size
        except FileNotFoundError:
            raise Unreadable("backup", str(path), "is missing; use another backup") from None
        if found != file.sha256:
            raise Unreadable("backup", str(path), "was altered; use another backup")
        report(done, manifest.bytes)


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class whole_file:  # noqa: N801 -- a context manager
    """A file that appears only when it is complete and on disk, readable only by its owner. Write to the path that this
    yields.
    """

    def __init__(self, final: Path) -> None:
        self._final = final
        self._part = final.with_name(f".{final.name}{PART}")

    def __enter__(self) -> Path:
        self._part.unlink(missing_ok=True)
        os.close(os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return self._part

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._part.unlink(missing_ok=True)
            return
        sync_file(self._part)
        self._part.replace(self._final)
        sync_folder(self._final.parent)


def copy_file(source: Path, final: Path) -> str:
    """Copy the bytes durably and return their SHA-256 as they were read."""
    with writing(str(final)):
        make_folder(final.parent)
        digest = hashlib.sha256()
        with whole_file(final) as part, source.open("rb") as read, part.open("wb") as written:
            while chunk := read.read(CHUNK):
                digest.update(chunk)
                written.write(chunk)
    return digest.hexdigest()


def sync_file(path: Path) -> None:
    """Flush a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checked(folder: Path) -> Manifest:
    """The manifest of a backup. ``StorageError`` if the folder is not a backup, or an unfinished one."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise StorageError(
            f"{folder} contains no finished backup: it has no {MANIFEST}. Name the folder that backscroll backup "
            "wrote; if that was interrupted, run it again or use an earlier backup"
        )
    return manifest
