"""Backups of iPhones: the folder that Finder, iTunes or libimobiledevice made, or WhatsApp's own files.

In such a folder each file is named by the SHA-1 of its domain and path, by which it is found.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from backscroll.core.errors import Question, Unreadable
from backscroll.core.imports import NewImport
from backscroll.ingest import imports
from backscroll.ingest.connectors.foreign.sqlite import ForeignFile
from backscroll.ingest.connectors.foreign.sqlite import opened as open_foreign
from backscroll.ingest.connectors.ios import database
from backscroll.ingest.connectors.ios.database import IPHONE, Files
from backscroll.ingest.connectors.ios.encryption import MAX_PLIST, Keys, decrypt, unlock
from backscroll.ingest.databases.local_files import LocalFiles
from backscroll.ingest.databases.scratch import check_space, new_file, scratch_folder
from backscroll.ingest.databases.taking import ImportOutcome, Progress, importing, take
from backscroll.storage.files.durable_files import writing
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

KIND = "ios"
CHATS, CONTACTS, NUMBERS, CALLS = "ChatStorage.sqlite", "ContactsV2.sqlite", "LID.sqlite", "CallHistory.sqlite"
DOMAINS = (
    "AppDomainGroup-group.net.whatsapp.WhatsApp.shared",
    "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared",
)
"""WhatsApp and WhatsApp Business."""
MANIFEST = "Manifest.db"
PASSWORD_HINT = "backscroll import ios BACKUP --password PASSWORD"  # noqa: S105 - a command to show
_MANIFESTS = (MANIFEST, "Manifest.plist", "Manifest.mbdb")
_SQLITE = b"SQLite format 3\0"
_LOG = "-wal"


class Place(Struct, frozen=True):
    """Where a phone's files are. ``domain`` is set for a backup, in which files do not have their own names."""

    chats: Path
    folder: Path
    domain: str | None = None

    def find(self, name: str) -> Path | None:
        """A file of the app, by its path within the app."""
        return next((found for path in self.candidates(name) if (found := self.folder / path).is_file()), None)

    def candidates(self, name: str) -> list[str]:
        """Possible paths of a file below the folder. Before iOS 10, backups had no subfolders."""
        if self.domain is None:
            return [name]
        hashed = _hashed(self.domain, name)
        return [f"{hashed[:2]}/{hashed}", hashed]

    def media_candidates(self, path: str) -> list[str]:
        """Possible paths of a message's file, whose path in the database is relative to the folder Message."""
        return [place for name in (f"Message/{path}", path) for place in self.candidates(name)]


def _hashed(domain: str, name: str) -> str:
    return hashlib.sha1(f"{domain}-{name}".encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def place_of(path: Path) -> Place | None:
    """The place at a folder or file; None if it is not a backup of an iPhone. Encrypted backups are recognised too."""
    if path.is_file():
        domain = next((domain for domain in DOMAINS if path.name == _hashed(domain, CHATS)), None)
        is_below = domain is not None and path.parent.name == path.name[:2]
        return Place(chats=path, folder=path.parent.parent if is_below else path.parent, domain=domain)
    if (plain := path / CHATS).is_file():
        return Place(chats=plain, folder=path)
    if not any((path / name).is_file() for name in _MANIFESTS):
        return None
    for domain in DOMAINS:
        place = Place(chats=path, folder=path, domain=domain)
        if (chats := place.find(CHATS)) is not None:
            return structs.replace(place, chats=chats)
    return None


def is_sealed(place: Place) -> bool:
    """Whether it is an encrypted backup."""
    with place.chats.open("rb") as file:
        return place.domain is not None and file.read(len(_SQLITE)) != _SQLITE


class _Sealed(Struct, frozen=True):
    """The keys of an encrypted backup, and its list of files."""

    keys: Keys
    manifest: ForeignFile

    def key_of(self, hashed: str) -> bytes | None:
        """The key of a file by its name in the backup."""
        row = next(self.manifest.rows("SELECT file FROM Files WHERE fileID = ? LIMIT 1", hashed), None)
        if row is None:
            return None
        (file,) = row
        return self.keys.of_file(file)


class Opened(Struct, frozen=True):
    """The databases under their own names, while they are open."""

    files: Files
    place: Place
    scratch: Path
    sealed: _Sealed | None = None

    def media(self, media: MediaStore, org: int, folder: Path | None, max_bytes: int) -> LocalFiles:
        """The files of messages: those of the backup, or of ``folder``, which is WhatsApp's folder or its Message."""
        if folder is not None:
            return LocalFiles(media, org, folder, max_bytes, lambda path: [f"Message/{path}", path])
        root, candidates = self.place.folder, self.place.media_candidates
        if self.sealed is None:
            return LocalFiles(media, org, root, max_bytes, candidates)
        return _SealedFiles(media, org, root, max_bytes, candidates, sealed=self.sealed, scratch=self.scratch)


class _SealedFiles(LocalFiles):
    """Files of an encrypted backup, decrypted one at a time."""

    def __init__(self, *given: Any, sealed: _Sealed, scratch: Path) -> None:
        super().__init__(*given)
        self._sealed = sealed
        self._scratch = scratch

    def _opened(self, path: str) -> io.BufferedReader | io.BufferedRandom | None:
        source, key = super()._opened(path), self._sealed.key_of(path.rpartition("/")[2])
        if source is None:
            return None
        with source:
            if key is None:
                return None
            plain = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115 - the caller closes it
            try:
                with writing("a decrypted file"):
                    decrypt(source, key, plain.write)
                    plain.seek(0)
            except Unreadable:
                plain.close()
                return None
        return plain


@contextmanager
def opened(place: Place, password: str | None, scratch: Path) -> Iterator[Opened]:
    """The databases of a phone. Those of an encrypted backup are decrypted in the folder ``scratch``.

    ``Question`` if a password is needed, ``BadField`` for a wrong one.
    """
    if is_sealed(place):
        with _unsealed(place, password, scratch) as backup:
            yield backup
        return
    found = {name: place.find(name) for name in (CONTACTS, NUMBERS, CALLS)}
    if place.domain is None:
        yield Opened(Files(place.chats, *found.values()), place, scratch)
        return
    with tempfile.TemporaryDirectory(prefix="backscroll-import-") as folder:
        yield Opened(_linked(place, Path(folder)), place, scratch)


def _linked(place: Place, folder: Path) -> Files:
    """Link a backup's databases and logs under their own names, because SQLite needs matching names."""
    for name in (CHATS, CONTACTS, NUMBERS, CALLS):
        for part in (name, name + _LOG):
            if (path := place.find(part)) is not None:
                (folder / part).symlink_to(path.resolve())
    return _named(folder)


def _named(folder: Path) -> Files:
    there = {name: path if (path := folder / name).exists() else None for name in (CONTACTS, NUMBERS, CALLS)}
    return Files(folder / CHATS, *there.values())


@contextmanager
def _unsealed(place: Place, password: str | None, scratch: Path) -> Iterator[Opened]:
    if not password:
        question = f"The backup {place.folder.name} is encrypted. With which password? (It is Finder's or iTunes's.)"
        raise Question(question, PASSWORD_HINT, name="password")
    keys = unlock(_plist(place.folder), password)
    with scratch_folder(scratch) as folder, ExitStack() as stack:
        _decrypted(place.folder / MANIFEST, keys.manifest, folder / MANIFEST)
        manifest = stack.enter_context(open_foreign(folder / MANIFEST, IPHONE, MANIFEST))
        if not {"fileID", "file"}.issubset(manifest.columns("Files")):
            raise manifest.unreadable("this is not a list of files; copy the backup again")
        sealed = _Sealed(keys, manifest)
        for name in (CHATS, CONTACTS, NUMBERS, CALLS):
            for part in (name, name + _LOG):
                if (path := place.find(part)) is not None and (key := sealed.key_of(path.name)) is not None:
                    _decrypted(path, key, folder / part)
        yield Opened(_named(folder), place, folder, sealed)


def _plist(folder: Path) -> bytes:
    path = folder / "Manifest.plist"
    if not path.is_file() or path.stat().st_size > MAX_PLIST or not (folder / MANIFEST).is_file():
        problem = "it is encrypted, and has no Manifest.plist or Manifest.db; copy the whole folder"
        raise Unreadable("iPhone backup", folder.name, problem)
    return path.read_bytes()


def _decrypted(path: Path, key: bytes, target: Path) -> None:
    check_space(target.parent, path.stat().st_size)
    with path.open("rb") as source, new_file(target) as write:
        decrypt(source, key, write)


def source_of(place: Place, phone: str, folder: Path | None) -> NewImport:
    """The key by which a repeated import is recognised."""
    answers: dict[str, Any] = {"phone": phone.partition("@")[0], "media": str(folder) if folder else None}
    source = imports.source_of(KIND, place.chats, answers)
    return source if place.domain is None else structs.replace(source, file=f"{place.folder.name}/{CHATS}")


def import_ios(
    store: Store,
    media: MediaStore,
    org: int,
    path: Path,
    *,
    phone: str | None = None,
    password: str | None = None,
    folder: Path | None = None,
    scratch: Path,
    max_media_bytes: int,
    progress: Progress = lambda done, whole: None,
) -> ImportOutcome:
    """Import a backup, or the files of the app itself. An encrypted backup is decrypted in ``scratch``.

    Raises ``Question`` if the number or password is needed, ``BadField`` if it is wrong, ``Unreadable`` if it is not a
    backup.
    """
    place = place_of(path)
    if place is None:
        problem = f"there is no WhatsApp in it; name the backup's folder (with Manifest.db) or {CHATS}"
        raise Unreadable("iPhone backup", path.name, problem)
    with opened(place, password, scratch) as backup:
        found = database.look(backup.files, phone)
        with importing(store, org, source_of(place, found.phone, folder)) as (entry, as_import, taken):
            return take(
                as_import,
                org,
                KIND,
                entry.id,
                lambda after, on_skip: database.read(backup.files, phone=found.phone, after=after, on_skip=on_skip),
                taken,
                whole=found.rows,
                files=backup.media(media, org, folder, max_media_bytes),
                progress=progress,
            )
