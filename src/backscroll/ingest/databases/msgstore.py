"""Backups of Android phones: decrypting them with their key, and reading them with names and files beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backscroll.core.errors import BadField, Question
from backscroll.core.imports import NewImport
from backscroll.core.model import Phone
from backscroll.ingest import imports
from backscroll.ingest.connectors.msgstore import database
from backscroll.ingest.connectors.msgstore.encryption import (
    Header,
    Key,
    check_key,
    decrypt,
    header_of,
    is_encrypted,
    read_key,
)
from backscroll.ingest.databases.local_files import LocalFiles
from backscroll.ingest.databases.scratch import check_space, new_file, scratch_folder
from backscroll.ingest.databases.taking import ImportOutcome, Progress, importing, take
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

KIND = "msgstore"
WHOLE_SCALE = 1000
"""Number of steps in which the progress of decryption is reported."""


def import_msgstore(
    store: Store,
    media: MediaStore,
    org: int,
    phone: Phone,
    path: Path,
    *,
    key: str | None = None,
    wa_db: Path | None = None,
    folder: Path | None = None,
    scratch: Path,
    max_media_bytes: int,
    progress: Progress = lambda done, whole: None,
    decrypting: Progress = lambda done, whole: None,
) -> ImportOutcome:
    """Import a backup, decrypted in ``scratch``. ``folder`` is the phone's WhatsApp or Media folder.

    Raises ``Question`` if a key is needed, ``BadField`` if it does not fit, ``Unreadable`` if it is not a backup.
    """
    opens = read_key(key) if key else None
    with plain(path, opens, scratch, phone, decrypting) as found, _plain_names(wa_db, opens, scratch) as names:
        whole = database.count(found)
        with importing(store, org, source_of(path, phone, wa_db, folder)) as (entry, as_import, taken):
            return take(
                as_import,
                org,
                KIND,
                entry.id,
                lambda after, on_skip: database.read(found, names, phone=phone.jid, after=after, on_skip=on_skip),
                taken,
                whole=whole,
                files=LocalFiles(media, org, folder, max_media_bytes, paths_of) if folder else None,
                progress=progress,
            )


def source_of(path: Path, phone: Phone, wa_db: Path | None, folder: Path | None) -> NewImport:
    """The key by which a repeated import is recognised. With other names or media files it is a different import."""
    answers = {"phone": phone.number, "media": str(folder) if folder else None}
    if wa_db is not None:
        with wa_db.open("rb") as file:
            answers["wa_db"] = f"{wa_db.name} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    return imports.source_of(KIND, path, answers)


def paths_of(path: str) -> list[str]:
    """Possible paths of a file below the folder, which may be WhatsApp's folder, its Media, or a copy of either."""
    _, found, inside = path.replace("\\", "/").rpartition("Media/")
    return [f"Media/{inside}", inside, f"WhatsApp/Media/{inside}"] if found else [path.lstrip("/")]


@contextmanager
def plain(
    path: Path,
    key: Key | None,
    scratch: Path,
    phone: Phone | None = None,
    progress: Progress = lambda done, whole: None,
) -> Iterator[Path]:
    """The database as a readable file: ``path`` itself, or a decrypted copy that is deleted afterwards."""
    head = _head(path)
    if not is_encrypted(head):
        yield path
        return
    header = header_of(head)
    if header is not None and phone is not None:
        _check_number(header, phone)
    if key is None:
        scheme = header.scheme if header else "crypt15"
        question = f"{path.name} is encrypted ({scheme}). With which key?"
        raise Question(question, "--key, with the 64 digits or the path of the key file", name="key")
    with scratch_folder(scratch) as folder:
        target = folder / "decrypted.db"
        with new_file(target) as write:
            decrypt(
                path,
                key,
                write,
                may_hold=lambda size: check_space(scratch, size),
                progress=lambda done, whole: progress(done * WHOLE_SCALE // max(whole, 1), WHOLE_SCALE),
            )
        yield target


def probe(path: Path, key: Key, phone: Phone | None) -> None:
    """Check the key and the number against the beginning of a backup; ``BadField`` if they do not fit."""
    header = check_key(path, key)
    if phone is not None:
        _check_number(header, phone)


@contextmanager
def _plain_names(wa_db: Path | None, key: Key | None, scratch: Path) -> Iterator[Path | None]:
    """A readable ``wa.db``, which WhatsApp may also back up encrypted."""
    if wa_db is None:
        yield None
        return
    with plain(wa_db, key, scratch) as found:
        yield found


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _check_number(header: Header, phone: Phone) -> None:
    """Check the last two digits of the number, which a backup contains."""
    ending = header.number_ends_in
    if ending and ending.isdigit() and not phone.number.endswith(ending):
        raise BadField("phone", phone.number, f"is not the number of this backup, which ends in {ending}")
