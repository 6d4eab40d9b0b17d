"""Backups of iPhones: the folder that Finder, iTunes or libimobiledevice made, or WhatsApp's own files.

In such a folder each file lies under the SHA-1 of its domain and path, and that is how it is found.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from backscroll.core.errors import Unreadable
from backscroll.core.imports import NewImport
from backscroll.ingest import imports
from backscroll.ingest.connectors.ios import database
from backscroll.ingest.connectors.ios.database import Files
from backscroll.ingest.databases.local_files import LocalFiles
from backscroll.ingest.databases.taking import Progress, Taken, importing, take
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

KIND = "ios"
CHATS, CONTACTS, NUMBERS, CALLS = "ChatStorage.sqlite", "ContactsV2.sqlite", "LID.sqlite", "CallHistory.sqlite"
DOMAINS = (
    "AppDomainGroup-group.net.whatsapp.WhatsApp.shared",
    "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared",
)
"""WhatsApp and WhatsApp Business."""
_SQLITE = b"SQLite format 3\0"
_LOG = "-wal"


class Place(Struct, frozen=True):
    """Where a phone's files are. ``domain`` is set in a backup, where nothing lies under its own name."""

    chats: Path
    folder: Path
    domain: str | None = None

    def find(self, name: str) -> Path | None:
        """A file of the app by its path there."""
        return next((found for path in self.candidates(name) if (found := self.folder / path).is_file()), None)

    def candidates(self, name: str) -> list[str]:
        """Where below the folder it may be; before iOS 10 a backup had no folders in it."""
        if self.domain is None:
            return [name]
        hashed = _hashed(self.domain, name)
        return [f"{hashed[:2]}/{hashed}", hashed]

    def media_candidates(self, path: str) -> list[str]:
        """The same for a file of a message, which the database names below the folder Message."""
        return [place for name in (f"Message/{path}", path) for place in self.candidates(name)]


def _hashed(domain: str, name: str) -> str:
    return hashlib.sha1(f"{domain}-{name}".encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def place_of(path: Path) -> Place | None:
    """What a folder or file is; None for no backup of an iPhone. An encrypted backup is a place too."""
    if path.is_file():
        domain = next((domain for domain in DOMAINS if path.name == _hashed(domain, CHATS)), None)
        is_below = domain is not None and path.parent.name == path.name[:2]
        return Place(chats=path, folder=path.parent.parent if is_below else path.parent, domain=domain)
    if (plain := path / CHATS).is_file():
        return Place(chats=plain, folder=path)
    for domain in DOMAINS:
        place = Place(chats=path, folder=path, domain=domain)
        if (chats := place.find(CHATS)) is not None:
            return structs.replace(place, chats=chats)
    return None


def check(place: Place) -> None:
    """``Unreadable`` for an encrypted backup."""
    with place.chats.open("rb") as file:
        is_plain = file.read(len(_SQLITE)) == _SQLITE
    if place.domain is not None and not is_plain:
        problem = (
            "this backup is encrypted, which Backscroll does not read: turn off 'Encrypt local backup' in Finder or "
            "iTunes and back the phone up again, or decrypt it with another tool and name ChatStorage.sqlite"
        )
        raise Unreadable("iPhone backup", place.folder.name, problem)


@contextmanager
def files_of(place: Place) -> Iterator[Files]:
    """The databases under their own names. In a backup their logs lie elsewhere, so links stand in for them."""
    check(place)
    found = {name: place.find(name) for name in (CONTACTS, NUMBERS, CALLS)}
    if place.domain is None:
        yield Files(place.chats, *found.values())
        return
    with tempfile.TemporaryDirectory(prefix="backscroll-import-") as folder:
        linked: dict[str, Path] = {}
        for name, path in ({CHATS: place.chats} | found).items():
            if path is None:
                continue
            linked[name] = Path(folder) / name
            linked[name].symlink_to(path.resolve())
            if (log := place.find(name + _LOG)) is not None:
                (Path(folder) / (name + _LOG)).symlink_to(log.resolve())
        yield Files(linked[CHATS], *(linked.get(name) for name in (CONTACTS, NUMBERS, CALLS)))


def media_of(place: Place, media: MediaStore, org: int, folder: Path | None, max_bytes: int) -> LocalFiles:
    """The files of messages: those of the backup, or of ``folder``, which may be WhatsApp's own or its Message."""
    if folder is None:
        return LocalFiles(media, org, place.folder, max_bytes, place.media_candidates)
    return LocalFiles(media, org, folder, max_bytes, lambda path: [f"Message/{path}", path])


def source_of(place: Place, phone: str, folder: Path | None) -> NewImport:
    """By what the import is known again."""
    answers: dict[str, Any] = {"phone": phone.partition("@")[0], "media": str(folder) if folder else None}
    return imports.source_of(KIND, place.chats, answers)


def import_ios(
    store: Store,
    media: MediaStore,
    org: int,
    path: Path,
    *,
    phone: str | None = None,
    folder: Path | None = None,
    max_media_bytes: int,
    progress: Progress = lambda done, whole: None,
) -> Taken:
    """Take in a backup, or the files of the app itself.

    Raises ``Question`` where the own number must be told, ``Unreadable`` for what is no backup or an encrypted one.
    """
    place = place_of(path)
    if place is None:
        problem = f"there is no WhatsApp in it; name the backup's folder (with Manifest.db) or {CHATS}"
        raise Unreadable("iPhone backup", path.name, problem)
    with files_of(place) as files:
        found = database.look(files, phone)
        with importing(store, org, source_of(place, found.phone, folder)) as (entry, telling, taken):
            return take(
                telling,
                org,
                KIND,
                entry.id,
                lambda after, on_skip: database.read(files, phone=found.phone, after=after, on_skip=on_skip),
                taken,
                whole=found.rows,
                files=media_of(place, media, org, folder, max_media_bytes),
                progress=progress,
            )
