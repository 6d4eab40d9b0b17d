"""Importing an exported chat: its authors, which of its lines are new, and its files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from msgspec import Struct, convert, to_builtins

from backscroll.core.errors import Unreadable
from backscroll.core.imports import Import, NewImport
from backscroll.core.model import Phone
from backscroll.core.text import counted
from backscroll.ingest import imports
from backscroll.ingest.connectors.export.archive import ExportArchive, open_export
from backscroll.ingest.connectors.export.chat import ExportedChat, parse
from backscroll.ingest.exports.doubts import doubts_of
from backscroll.ingest.exports.files import Files
from backscroll.ingest.exports.lines import Count, LineImport, Progress
from backscroll.ingest.exports.people import Decided, People
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
            return f"Nothing new: import {self.import_id} has imported this file with the same answers."
        told = f"{counted(self.lines, 'line')} of {self.chat}: {self.added:,} new, {self.known:,} known, "
        told += f"{counted(self.files, 'file')} kept."
        told += f" This is import {self.import_id}"
        told += f"; it replaces import {', '.join(map(str, self.replaces))}." if self.replaces else "."
        return "\n".join([told, *(f"Note: {warning}" for warning in self.warnings)])


class Options(Struct, frozen=True, kw_only=True):
    """How an export is to be read, as far as a person said."""

    chat: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    me: str | None = None


class PlannedExport(Struct, kw_only=True):
    """An export that was read, with everything that could be asked about it answered."""

    phone: Phone
    options: Options
    archive: ExportArchive
    parsed: ExportedChat
    source: NewImport
    people: Decided
    title: str | None
    replaces: tuple[int, ...]
    repeats: Import | None


def read_export(path: Path, options: Options, people: Collection[str] = ()) -> tuple[ExportArchive, ExportedChat]:
    """The whole file, read. ``people`` are names that the archive knows in the chat.

    Raises ``Question`` about the order of day and month, ``Unreadable`` for what is no export.
    """
    archive = open_export(path)
    parsed = _parsed(archive, options, people)
    if not parsed.lines:
        raise Unreadable("export", path.name, "there is no message in it")
    return archive, parsed


def _parsed(archive: ExportArchive, options: Options, people: Collection[str]) -> ExportedChat:
    titles = [sign.title for sign in archive.signs if sign.is_whatsapps]
    return parse(
        archive.text,
        timezone=zone_of(options.timezone),
        day_first=options.day_first,
        names=archive.attachments,
        people=[*people, *titles, *([options.me] if options.me else [])],
    )


def plan_export(
    store: Store,
    org: int,
    phone: Phone,
    path: Path,
    options: Options,
    read: tuple[ExportArchive, ExportedChat] | None = None,
) -> PlannedExport:
    """Work out everything that an import needs, without writing anything.

    Raises ``Question`` if only the user can decide, ``Unreadable`` for anything but an export.
    """
    archive, parsed = read or read_export(path, options)
    answers = {
        "phone": phone.number,
        "chat": options.chat,
        "timezone": options.timezone,
        "day_first": options.day_first,
        "me": options.me,
    }
    source = imports.source_of("export", path, answers, archive.text)
    people = People(store, org, phone, archive, parsed, options.chat, options.me)
    if named := people.known_among(parsed.possible_authors):
        parsed = _parsed(archive, options, named)
        people = People(store, org, phone, archive, parsed, options.chat, options.me, named=named)
    known = imports.same_import(store, org, source)
    replaces = () if known is not None else imports.replaced_by(store, org, source, archive.text)
    if known is None:
        files = Files(None, org, archive.attachments, 0, [])
        check = LineImport(store, org, phone, archive.text, parsed, people, files)
        check.check_zone(options.timezone, ignoring=replaces)
        if replaces:
            check.check_lines()
    return PlannedExport(
        phone=phone,
        options=options,
        archive=archive,
        parsed=parsed,
        source=source,
        people=people.decided(),
        title=people.title,
        replaces=replaces,
        repeats=known,
    )


def take_export(
    store: Store,
    media: MediaStore,
    org: int,
    planned: PlannedExport,
    entry: int,
    taken_back: int = 0,
    max_media_bytes: int = MAX_MEDIA_BYTES,
    progress: Progress = lambda done, whole: None,
    count: Count = lambda new, known: None,
) -> ExportSummary:
    """Import a planned export. ``store`` records the import ``entry`` as the source; nothing is asked any more.

    ``taken_back`` messages were those of imports that this one replaces, and so count as known.
    """
    archive, parsed = planned.archive, planned.parsed
    people = People(store, org, planned.phone, archive, parsed, decided=planned.people)
    files = Files(media, org, archive.attachments, max_media_bytes, people.warnings)
    work = LineImport(store, org, planned.phone, archive.text, parsed, people, files, count)
    _take_in(work, people, files, archive, parsed, planned.options, progress)
    return _summary(people, files, parsed, max(0, work.added - taken_back), entry, planned.replaces)


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

    Raises ``Question`` if only the user can decide, ``Unreadable`` for anything but an export. Cut while it replaces
    another import, neither is whole until it is run again: a job (ingest/importing) goes on by itself.
    """
    options = Options(chat=chat, timezone=timezone, day_first=day_first, me=me)
    planned = plan_export(store, org, phone, path, options)
    if planned.repeats is not None:
        return repeated(planned, planned.repeats)
    gone = sum(imports.undo(store, media, org, import_id).messages for import_id in planned.replaces)
    with imports.importing(store, org, planned.source, planned.replaces) as running:
        summary = take_export(running.store, media, org, planned, running.entry.id, gone, max_media_bytes, progress)
        running.report = to_builtins(summary)
    return summary


def repeated(planned: PlannedExport, known: Import) -> ExportSummary:
    """The summary of an import that has nothing to do, because an earlier one told the very same."""
    lines = len(planned.parsed.lines)
    return convert((known.report or {}) | {"added": 0, "known": lines, "is_repeated": True}, ExportSummary)


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
    options: Options,
    progress: Progress,
) -> None:
    people.warnings += doubts_of(parsed)
    if options.timezone is None:
        people.warnings.append(
            "times were read as UTC; give --timezone, such as Europe/Berlin, if the phone was elsewhere"
        )
    work.run(progress)
    files.keep_unnamed(parsed.attachments, only_whatsapps=archive.is_folder)
    if people.is_group and options.me is None and people.phone.jid not in people.authors.values():
        people.warnings.append(
            "it is not known which author is the phone's owner; import again with --me NAME to mark your own messages"
        )
