"""An organisation as JSON lines: export and import without loss. The format is described in docs/jsonl.md."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
from msgspec import Struct, structs, to_builtins

from backscroll.concurrency.retry import retry
from backscroll.core.errors import BadField, Conflict, NewerData, NotFound, Unreadable
from backscroll.core.events import ChatLabeled, ChatSeen, ContactSeen, LabelSeen, MediaHeld, MessageSeen
from backscroll.core.imports import NewImport
from backscroll.core.model import Org
from backscroll.core.text import counted
from backscroll.ingest import imports
from backscroll.storage.files.compressed_files import DAMAGED, unpacked
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.transfer.dump import About, Dump, Dumped, FileKept, Line, RawKept

VERSION = 1
BATCH = 1000
"""Maximum lines per transaction."""
BATCH_BYTES = 64 << 20
MAX_LINE = 256 << 20
MAX_RATIO = 200
MAX_FREE = 1 << 30
"""Limit of a decompressed file: this many times the compressed size, plus this many bytes."""
SHOWN = 5
"""Maximum missing files that are named."""

Progress = Callable[[int, int | None], None]


class HeaderOrg(Struct, frozen=True):
    id: str
    name: str
    created_at: int


class Header(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line."""

    backscroll: Literal["jsonl"]
    version: int
    created_at: int
    org: HeaderOrg
    chat: str | None = None
    """The only chat that was exported, if not all were."""


class End(Struct, frozen=True, tag="end"):
    """The last line: the number of lines before it, how many of them are about messages, and their SHA-256."""

    lines: int
    messages: int
    sha256: str


class ExportSummary(Struct, frozen=True):
    org: str
    lines: int
    messages: int
    """Messages as the archive shows them. One that several sources reported has several lines."""
    sha256: str
    left_out: list[str] = []
    """What could not be read."""

    def __str__(self) -> str:
        told = f'Wrote {counted(self.messages, "message")} of "{self.org}", {counted(self.lines, "line")} in all.'
        if self.left_out:
            told += (
                f"\nNot in it: {counted(len(self.left_out), 'row')} that could not be read, such as "
                f"{self.left_out[0]}. `backscroll check` names them all; a backup may still have them."
            )
        return told


class ImportSummary(Struct, frozen=True):
    org: str
    lines: int
    messages: int
    """Lines about messages."""
    changed: int
    missing_files: int
    """Number of media files of messages that are missing in the media folder."""
    missing: list[str]
    """The first of the missing files."""
    media_folder: str
    refused: list[str] = []
    """Lines that could not be stored and went to quarantine, each with its reason."""

    def __str__(self) -> str:
        told = f'Read {counted(self.lines, "line")} into "{self.org}"; {counted(self.changed, "row")} changed.'
        if self.missing_files:
            told += (
                f"\nNot here yet: {counted(self.missing_files, 'media file')}, such as {self.missing[0]}:"
                f" copy the folder of the archive they come from into {self.media_folder}."
            )
        if self.refused:
            named = "".join(f"\n  {problem}" for problem in self.refused[:SHOWN])
            told += f"\nIn quarantine: {counted(len(self.refused), 'line')} that could not be kept, such as:{named}"
        return told


LINE = "row jsonl"
"""``via`` of a line in quarantine (quarantined_rows.py)."""
_BEGINNING = b'{"backscroll":"jsonl"'
_ENCODER = msgspec.json.Encoder()
_HEADER = msgspec.json.Decoder(Header)
_VERSION = msgspec.json.Decoder(dict[str, msgspec.Raw])
_END = msgspec.json.Decoder(End)
_EVENT = msgspec.json.Decoder(Dumped)
_ABOUT = msgspec.json.Decoder(About)


def _quiet(done: int, whole: int | None) -> None:
    """Ignore the progress."""


# ---------------------------------------------------------------------- export


def export_jsonl(
    store: Store,
    out: BinaryIO,
    *,
    org: Org,
    chat: str | None = None,
    raws: bool = False,
    phones: tuple[int, ...] | None = None,
    progress: Progress = _quiet,
) -> ExportSummary:
    """Write one organisation, or one chat of it (only of ``phones``, if they are given), as it is at this moment.

    Tokens and quarantine are not included.

    For the same archive, the lines between the first and the last are the same.
    """
    return store.dump(org.no, lambda dump: _write(dump, out, progress), chat=chat, raws=raws, phones=phones)


def _write(dump: Dump, out: BinaryIO, progress: Progress) -> ExportSummary:
    digest = hashlib.sha256()
    lines = told = messages = 0
    for encoded, line in _encoded(dump):
        digest.update(encoded)
        out.write(encoded)
        lines += 1
        if line is not None and isinstance(line.event, MessageSeen):
            told += 1
            messages += line.about.stored_at is not None
            if not messages % BATCH:
                progress(messages, dump.messages)
    end = End(lines, told, digest.hexdigest())
    out.write(_ENCODER.encode(end) + b"\n")
    progress(messages, dump.messages)
    return ExportSummary(dump.org.name, lines + 1, messages, end.sha256, dump.left_out)


def _encoded(dump: Dump) -> Iterator[tuple[bytes, Line | None]]:
    org = HeaderOrg(dump.org.id, dump.org.name, dump.org.created_at)
    header = Header(backscroll="jsonl", version=VERSION, created_at=dump.created_at, org=org, chat=dump.chat)
    yield _ENCODER.encode(header) + b"\n", None
    for line in dump.lines:
        yield encode_line(line), line


def encode_line(line: Line) -> bytes:
    """The fields of the event, followed by the data beside it."""
    event, about = _ENCODER.encode(line.event), _ENCODER.encode(line.about)
    return event + b"\n" if about == b"{}" else event[:-1] + b"," + about[1:] + b"\n"


# ---------------------------------------------------------------------- import


def import_jsonl(
    store: Store,
    media: MediaStore,
    source: BinaryIO | Path,
    *,
    org: str | None = None,
    progress: Progress = _quiet,
) -> ImportSummary:
    """Import what ``export_jsonl`` wrote, plain or compressed. Nothing is written unless the file is complete.

    The organisation is that of the file, created if needed, unless ``org`` names another. Running an interrupted
    import again continues it: what is already here does not change.
    """
    with _spooled(source) as (name, file):
        reader = Reader(name, file)
        header, end = reader.verify()
        target = _target(store, header, org)
        with imports.importing(store, target.no, source_of(name, file)) as running:
            summary = take_lines(running.store, media, target, reader, end, progress)
            running.report = to_builtins(summary)
    return summary


def source_of(name: str, file: BinaryIO) -> NewImport:
    """A file of lines as the source of an import."""
    file.seek(0)
    sha256, size = imports.digest(file)
    return NewImport(kind="jsonl", file=name, sha256=sha256, size=size)


def line_of(text: bytes) -> Line:
    """Decode one line; ``Unreadable``."""
    try:
        return Line(_EVENT.decode(text), _ABOUT.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable("jsonl", "line", str(error)) from error


def looks_like_lines(path: Path) -> bool:
    """Whether a file, plain or compressed, begins like an export of Backscroll."""
    with path.open("rb") as file:
        try:
            start = unpacked(file).read(len(_BEGINNING) + 16)
        except DAMAGED:
            return False
    return start.startswith(_BEGINNING)


def take_lines(
    store: Store, media: MediaStore, target: Org, reader: Reader, end: End, progress: Progress = _quiet
) -> ImportSummary:
    """Import a verified file. ``store`` records its import as the source."""
    name = reader.name
    missing: dict[str, None] = {}
    changed = done = 0
    refused: list[str] = []
    for batch in reader.batches(end.lines):
        missing |= {
            sha256: None for sha256 in filter(None, map(_file_of, batch)) if not media.exists(target.no, sha256)
        }
        changed += _apply(store, target, batch, name, done + 2, refused)
        done += len(batch)
        progress(done, end.lines - 1)
        store.let_others_write()
    folder = str(media.root / str(target.no))
    return ImportSummary(
        target.name,
        end.lines + 1,
        end.messages,
        changed,
        len(missing),
        [*missing][:SHOWN],
        media_folder=folder,
        refused=refused,
    )


def _apply(store: Store, org: Org, batch: list[Line], name: str, first: int, refused: list[str]) -> int:
    """Returns how many rows changed. A line that cannot be stored goes to quarantine and is named in ``refused``."""
    try:
        return retry(lambda: store.restore(org.no, batch)).changed
    except NotFound as error:
        raise Unreadable(name, f"lines {first} to {first + len(batch) - 1}", str(error)) from error
    except BadField as error:
        if len(batch) > 1:
            alone = ([line] for line in batch)
            return sum(_apply(store, org, line, name, first + at, refused) for at, line in enumerate(alone))
        problem = f"line {first}: {error}"
        retry(lambda: store.quarantine(org.no, "jsonl", encode_line(batch[0]).rstrip(), problem, via=LINE))
        refused.append(problem)
        return 0


def _target(store: Store, header: Header, name: str | None) -> Org:
    if name is not None:
        return store.find_org(name)
    orgs = store.list_orgs()
    for org in orgs:
        if org.id == header.org.id.lower():
            return org
    if any(org.name == header.org.name for org in orgs):
        raise Conflict(
            f'An organisation called "{header.org.name}" is here already, but with another id than the file\'s; '
            f'to take the file in there all the same, name it: --org "{header.org.name}"'
        )
    return store.restore_org(Org(no=0, **structs.asdict(header.org)))


def _file_of(line: Line) -> str | None:
    match line.event:
        case FileKept(sha256):
            return sha256
        case MediaHeld(media=media):
            return media.file
        case MessageSeen(message) if message.details.media is not None:
            return message.details.media.file
        case _:
            return None


@contextmanager
def _spooled(source: BinaryIO | Path) -> Iterator[tuple[str, BinaryIO]]:
    """The input as a file that can be read twice. A stream is saved to a temporary file."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield source.name, file
        return
    with tempfile.TemporaryFile() as kept:
        while chunk := source.read(1 << 20):
            kept.write(chunk)
        yield "standard input", kept


class Reader:
    """Reads the file twice: once to verify that it is complete, and once to import it."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        self._file = file
        self._most = MAX_FREE + MAX_RATIO * file.seek(0, io.SEEK_END)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        self._file.seek(0)
        number = read = 0
        try:
            plain: io.BufferedIOBase = unpacked(self._file)
            while line := plain.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise self._bad(f"line {number}", f"is longer than {MAX_LINE >> 20} MiB")
                read += len(line)
                if read > self._most:
                    raise self._bad(f"line {number}", "the file unpacks to far more than it was packed from")
                yield number, line
        except DAMAGED as error:
            where = f"after line {number}"
            raise self._bad(where, "the compressed file is cut or damaged; copy or export it again") from error

    def _bad(self, where: str, problem: str) -> Unreadable:
        return Unreadable(self.name, where, problem)

    def verify(self, see: Callable[[Dumped], object] = lambda event: None) -> tuple[Header, End]:
        """The first and last line of a complete file; otherwise raises an error that says what is wrong.

        ``see`` is called with the event of every line between them.
        """
        digest = hashlib.sha256()
        header: Header | None = None
        problem: Unreadable | None = None
        messages = number = 0
        last = b""
        for number, line in self._lines():
            if header is None:
                header = self._header(line)
            else:
                digest.update(last)
                if number > 2 and problem is None:
                    try:
                        event = self._line(number - 1, last).event
                        see(event)
                        messages += isinstance(event, MessageSeen)
                    except Unreadable as error:
                        problem = error
            last = line
        if header is None:
            raise self._bad("line 1", "the file is empty; a Backscroll export was expected")
        end = self._end(number, last)
        self._compare(end, number - 1, digest.hexdigest())
        if problem is not None:
            raise problem
        if end.messages != messages:
            raise self._bad(
                "last line",
                f"tells of {counted(end.messages, 'message')}, but {messages:,} came before it; export it again",
            )
        return header, end

    def _header(self, line: bytes) -> Header:
        try:
            version = _VERSION.decode(line).get("version")
            if version is not None and msgspec.json.decode(version, type=int) > VERSION:
                raise NewerData(
                    f"{self.name} was written in version {bytes(version).decode()} of the format; this Backscroll "
                    f"reads version {VERSION}: take a newer Backscroll to import it"
                )
            return _HEADER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._bad("line 1", f"is not the beginning of a Backscroll export ({error})") from error

    def _end(self, number: int, line: bytes) -> End:
        try:
            end = _END.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            end = None
        if number < 2 or end is None or _ENCODER.encode(end) + b"\n" != line:
            raise self._bad(
                f"line {number}", "the file ends without its completion record: it was cut; copy or export it again"
            )
        return end

    def _compare(self, end: End, lines: int, sha256: str) -> None:
        remedy = "copy or export it again"
        if end.lines != lines:
            raise self._bad(
                "last line", f"tells of {counted(end.lines, 'line')} before it, but {lines:,} came; {remedy}"
            )
        if end.sha256 != sha256:
            raise self._bad("last line", f"has another SHA-256 than the lines before it: they were changed; {remedy}")

    def _line(self, number: int, line: bytes) -> Line:
        try:
            read = Line(_EVENT.decode(line), _ABOUT.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._bad(f"line {number}", str(error)) from error
        if read.about.source is None and _needs_source(read):
            raise self._bad(f"line {number}", "the field `source` is missing")
        return read

    def batches(self, lines: int) -> Iterator[list[Line]]:
        """The first ``lines`` lines without the header, in batches for one transaction each."""
        batch: list[Line] = []
        size = 0
        for number, text in self._lines():
            if number == 1:
                continue
            if number > lines:
                break
            line = self._line(number, text)
            full = len(batch) >= BATCH or size + len(text) > BATCH_BYTES
            if batch and full and _may_part(batch, line):
                yield batch
                batch, size = [], 0
            batch.append(line)
            size += len(text)
        if batch:
            yield batch


def _may_part(batch: list[Line], line: Line) -> bool:
    """Whether a transaction may end before ``line``, because lines about one message are best written together."""
    if line.key is None:
        return True
    return line.key != batch[-1].key and (line.about.stored_at is not None or len(batch) >= 2 * BATCH)


def _needs_source(line: Line) -> bool:
    """Whether the meaning of the line depends on who reported it."""
    match line.event:
        case MessageSeen() | LabelSeen() | ChatLabeled() | RawKept():
            return True
        case ContactSeen(jid=jid, phone=phone) as contact:
            return contact != ContactSeen(jid=jid, phone=phone)
        case ChatSeen(phone=phone, chat=chat) as told:
            return told != ChatSeen(phone=phone, chat=chat)
        case _:
            return False
