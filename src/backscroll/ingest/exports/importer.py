"""Taking in an exported chat: whose lines they are, which of them are new, and the files that came along."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.model import Phone
from backscroll.ingest.connectors.export.archive import open_export
from backscroll.ingest.connectors.export.chat import parse
from backscroll.ingest.exports.doubts import doubts_of
from backscroll.ingest.exports.files import Files
from backscroll.ingest.exports.lines import LineImport, Progress
from backscroll.ingest.exports.people import People
from backscroll.ingest.exports.zones import zone_of
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

MAX_MEDIA_BYTES = 2 * 2**30


class ExportSummary(Struct, frozen=True, kw_only=True):
    """What an import found and did. ``known`` lines were in the archive before."""

    chat: str
    phone: str
    lines: int
    added: int
    known: int
    files: int
    authors: dict[str, str]
    """JIDs by the names in the export; the phone's owner is "me"."""
    warnings: list[str]

    def __str__(self) -> str:
        told = f"{self.lines} lines of {self.chat}: {self.added} new, {self.known} known, {self.files} files kept."
        return "\n".join([told, *(f"Note: {warning}" for warning in self.warnings)])


def import_export(
    store: Store,
    media: MediaStore,
    org: int,
    phone: Phone,
    path: Path,
    *,
    chat: str | None = None,
    timezone: str | None = None,
    day_first: bool | None = None,
    me: str | None = None,
    max_media_bytes: int = MAX_MEDIA_BYTES,
    progress: Progress = lambda done, whole: None,
) -> ExportSummary:
    """Import an export; the same, a longer or an overlapping one as often as one likes.

    Raises ``Question`` where only a person can decide, ``Unreadable`` for what is no export.
    """
    archive = open_export(path)
    parsed = parse(archive.text, timezone=zone_of(timezone), day_first=day_first, names=archive.attachments)
    if not parsed.lines:
        raise Unreadable("export", path.name, "there is no message in it")
    people = People(store, org, phone, archive, parsed, chat, me)
    people.warnings += doubts_of(parsed)
    files = Files(media, org, archive.attachments, max_media_bytes, people.warnings)
    work = LineImport(store, org, phone, archive.text, parsed, people, files)
    work.check_zone(timezone)
    if timezone is None:
        people.warnings.append(
            "times were read as UTC; give --timezone, such as Europe/Berlin, if the phone was elsewhere"
        )
    work.run(progress)
    files.keep_unnamed((line.attachment for line in parsed.lines), only_whatsapps=archive.is_folder)
    if phone.jid not in people.authors.values() and people.is_group:
        people.warnings.append(
            "nothing tells which author is the phone's owner; import again with --me NAME to mark your own messages"
        )
    return ExportSummary(
        chat=people.chat,
        phone=phone.number,
        lines=len(parsed.lines),
        added=work.added,
        known=len(parsed.lines) - work.added,
        files=files.kept,
        authors={name: "me" if jid == phone.jid else jid for name, jid in people.authors.items()},
        warnings=people.warnings,
    )
