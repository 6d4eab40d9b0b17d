"""Archives of other programs in SQLite files: which files belong together, and where their media are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from backscroll.core.imports import NewImport
from backscroll.ingest import imports
from backscroll.ingest.connectors.foreign.pieces import Found, Piece
from backscroll.ingest.connectors.foreign.rows import OnSkip
from backscroll.ingest.connectors.wacli import database as wacli
from backscroll.ingest.connectors.waha_store import database as waha
from backscroll.ingest.connectors.whatsapp_mcp import database as whatsapp_mcp
from backscroll.ingest.databases.local_files import LocalFiles
from backscroll.ingest.databases.taking import ImportOutcome, Progress, importing, take
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

MAX_TAIL = 6
"""Maximum trailing parts of a path that are searched below a folder."""


class Look(Protocol):
    """Determines whose messages the files contain, and how many; ``Question`` if the own number is needed."""

    def __call__(self, path: Path, beside: Path | None = None, /, phone: str | None = None) -> Found: ...


class Read(Protocol):
    """Reads everything in the files, from the position ``after`` on."""

    def __call__(
        self,
        path: Path,
        beside: Path | None = None,
        /,
        *,
        phone: str | None = None,
        after: str | None = None,
        on_skip: OnSkip,
    ) -> Iterator[Piece]: ...


class FileKind(Struct, frozen=True):
    """A program whose files can be imported. ``beside`` is the usual name of the file with numbers and names."""

    name: str
    look: Look
    read: Read
    beside: str


KINDS: dict[str, FileKind] = {
    kind.name: kind
    for kind in (
        FileKind("wacli", wacli.look, wacli.read, "session.db"),
        FileKind("waha", waha.look, waha.read, "creds.json"),
        FileKind("whatsapp-mcp", whatsapp_mcp.look, whatsapp_mcp.read, "whatsapp.db"),
    )
}


def import_files(
    store: Store,
    media: MediaStore,
    org: int,
    kind: FileKind,
    path: Path,
    *,
    beside: Path | None = None,
    phone: str | None = None,
    folder: Path | None = None,
    max_media_bytes: int,
    progress: Progress = lambda done, whole: None,
) -> ImportOutcome:
    """Import a program's archive. ``beside`` is found by its usual name if it is not given.

    ``folder`` contains the program's media files. Raises ``Question`` if the own number is needed, ``Unreadable`` if
    the files are not of this program.
    """
    beside = beside or beside_of(kind, path)
    found = kind.look(path, beside, phone)
    with importing(store, org, source_of(kind, path, beside, found.phone, folder)) as (entry, as_import, taken):
        return take(
            as_import,
            org,
            kind.name,
            entry.id,
            lambda after, on_skip: kind.read(path, beside, phone=found.phone, after=after, on_skip=on_skip),
            taken,
            whole=found.rows,
            files=LocalFiles(media, org, folder, max_media_bytes, tails_of) if folder else None,
            progress=progress,
        )


def beside_of(kind: FileKind, path: Path) -> Path | None:
    """The file with numbers and names, if it is beside the other file under its usual name."""
    found = path.with_name(kind.beside)
    return found if found.is_file() and not found.samefile(path) else None


def source_of(kind: FileKind, path: Path, beside: Path | None, phone: str, folder: Path | None) -> NewImport:
    """The key by which a repeated import is recognised."""
    answers: dict[str, Any] = {
        "phone": phone.partition("@")[0],
        "beside": beside.name if beside else None,
        "media": str(folder) if folder else None,
    }
    return imports.source_of(kind.name, path, answers)


def tails_of(path: str) -> list[str]:
    """Possible paths of a file below a folder that was copied from elsewhere: the last parts of its original path."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    return ["/".join(parts[-length:]) for length in range(min(MAX_TAIL, len(parts)), 0, -1)]
