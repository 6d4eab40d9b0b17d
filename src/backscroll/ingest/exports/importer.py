"""Taking in an exported chat: whose lines they are, which of them are new, and the files that came along."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, convert, to_builtins

from backscroll.core.errors import Unreadable
from backscroll.core.model import Phone
from backscroll.ingest import imports
from backscroll.ingest.connectors.export.archive import ExportArchive, open_export
from backscroll.ingest.connectors.export.chat import ExportedChat, parse
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

    import_id: int | None = None
    """The import that this was, or that told the same before."""
    replaces: tuple[int, ...] = ()
    """Imports of the same lines, read otherwise, that were taken back."""
    is_repeated: bool = False
    """The same file was imported with the same answers before: nothing was done."""

    def __str__(self) -> str:
        if self.is_repeated:
            return f"Nothing new: import {self.import_id} took in this file with the same answers."
        told = f"{self.lines} lines of {self.chat}: {self.added} new, {self.known} known, {self.files} files kept."
        told += f" This is import {self.import_id}"
        told += f"; it replaces import {', '.join(map(str, self.replaces))}." if self.replaces else "."
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
    answers = {"phone": phone.number, "chat": chat, "timezone": timezone, "day_first": day_first, "me": me}
    source = imports.source_of("export", path, answers, archive.text)
    known = imports.same_import(store, org, source)
    if known is not None and known.report is not None:
        return convert(known.report | {"added": 0, "known": len(parsed.lines), "is_repeated": True}, ExportSummary)
    # Whatever has to be asked is asked before anything is taken back.
    asked = People(store, org, phone, archive, parsed, chat, me)
    replaced = imports.replaced_by(store, org, source, archive.text)
    if replaced and not imports.is_made_up(asked.chat):
        chat = asked.chat
    gone = sum(imports.undo(store, media, org, import_id).messages for import_id in replaced)
    with imports.importing(store, org, source, replaced) as running:
        people = People(running.store, org, phone, archive, parsed, chat, me)
        files = Files(media, org, archive.attachments, max_media_bytes, people.warnings)
        work = LineImport(running.store, org, phone, archive.text, parsed, people, files)
        work.check_zone(timezone)
        _take_in(work, people, files, archive, parsed, timezone, progress)
        summary = _summary(people, files, parsed, max(0, work.added - gone), running.entry.id, replaced)
        running.report = to_builtins(summary)
    return summary


def _summary(
    people: People, files: Files, parsed: ExportedChat, added: int, import_id: int, replaced: tuple[int, ...]
) -> ExportSummary:
    phone = people.phone
    return ExportSummary(
        chat=people.chat,
        phone=phone.number,
        lines=len(parsed.lines),
        added=added,
        known=len(parsed.lines) - added,
        files=files.kept,
        authors={name: "me" if jid == phone.jid else jid for name, jid in people.authors.items()},
        warnings=people.warnings,
        import_id=import_id,
        replaces=replaced,
    )


def _take_in(
    work: LineImport,
    people: People,
    files: Files,
    archive: ExportArchive,
    parsed: ExportedChat,
    timezone: str | None,
    progress: Progress,
) -> None:
    people.warnings += doubts_of(parsed)
    if timezone is None:
        people.warnings.append(
            "times were read as UTC; give --timezone, such as Europe/Berlin, if the phone was elsewhere"
        )
    work.run(progress)
    files.keep_unnamed(parsed.attachments, only_whatsapps=archive.is_folder)
    if people.phone.jid not in people.authors.values() and people.is_group:
        people.warnings.append(
            "nothing tells which author is the phone's owner; import again with --me NAME to mark your own messages"
        )
