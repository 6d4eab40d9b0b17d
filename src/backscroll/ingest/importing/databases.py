"""Databases of phones and of other programs, as kinds of import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from msgspec import structs

from backscroll.core.errors import BadField, Candidate, Question, Unreadable
from backscroll.core.events import Batch, MessageSeen, PhoneSeen
from backscroll.core.ids import user_part
from backscroll.core.import_jobs import Asked, Preview, Sample
from backscroll.core.model import Phone
from backscroll.ingest.connectors.foreign.pieces import Piece
from backscroll.ingest.connectors.ios import database as ios
from backscroll.ingest.connectors.msgstore import database as msgstore
from backscroll.ingest.connectors.msgstore.encryption import (
    Header,
    Key,
    header_of,
    is_encrypted,
    key_of_digits,
    read_key,
)
from backscroll.ingest.connectors.wacli import database as wacli
from backscroll.ingest.connectors.waha_store import database as waha
from backscroll.ingest.connectors.whatsapp_mcp import database as whatsapp_mcp
from backscroll.ingest.databases import files, iphone
from backscroll.ingest.databases import msgstore as backups
from backscroll.ingest.databases.files import FileKind
from backscroll.ingest.databases.local_files import LocalFiles
from backscroll.ingest.databases.taking import ImportOutcome, report_of, summary, take
from backscroll.ingest.importing.kind import UNKNOWN_PHONE, ImportKind, Outcome, Plan, Recognised, Task, Work, asked_of
from backscroll.ingest.importing.walking import columns_of, files_at
from backscroll.ingest.pipeline import apply_with_retry

_SAMPLES = 3
_SHOWN = 200
"""Maximum characters of a sample."""
_HEAD = 512
_KEY_NAMES = ("key", "encrypted_backup.key")
_MAX_KEY = 4096
SCRATCH = ".scratch"

LooksLike = Callable[[set[str], set[str]], bool]


def _outcome(taken: ImportOutcome) -> Outcome:
    return Outcome(report=report_of(taken), files=taken.files, notes=tuple(taken.problems))


def _told(outcome: Outcome) -> str:
    """What an import did, without the number of messages, which is shown beside it."""
    known = ImportOutcome(
        **{name: value for name, value in outcome.report.items() if name in ImportOutcome.__struct_fields__}
    )
    return "\n".join([summary(known), *(f"Note: {note}" for note in outcome.notes)])


def _preview(pieces: Iterator[Piece], rows: int, phones: tuple[str, ...]) -> Preview:
    """The number of rows, and the first messages."""
    samples: list[Sample] = []
    for piece in pieces:
        for event in piece.batch.events:
            if isinstance(event, MessageSeen) and event.message.text and len(samples) < _SAMPLES:
                message = event.message
                author = None if message.key.sender is None else user_part(message.key.sender)
                samples.append(Sample(sent_at=message.sent_at, author=author, text=(message.text or "")[:_SHOWN]))
        if samples or piece.rows:
            break
    first_at = samples[0].sent_at if samples else None
    return Preview(phones=phones, messages=rows, first_at=first_at, samples=tuple(samples))


def _phones(task: Task) -> tuple[Candidate, ...]:
    return tuple(Candidate(phone.number, phone.name) for phone in task.store.list_phones(task.org.no))


def _folder(found: Recognised) -> Path | None:
    """The media folder that was recognised beside a database."""
    return next((path for path in found.also if path.is_dir()), None)


def _also_file(found: Recognised, is_wanted: Callable[[Path], bool]) -> Path | None:
    return next((path for path in found.also if path.is_file() and is_wanted(path)), None)


# ---------------------------------------------------------------------- wacli, the whatsapp-mcp bridges, WAHA


def _kind_of_files(name: str, label: str, looked_for: str, looks_like: LooksLike) -> ImportKind:
    kind = files.KINDS[name]
    return ImportKind(
        name=name,
        label=label,
        looked_for=looked_for,
        find=lambda path: list(_find_files(kind, looks_like, path)),
        plan=lambda task: _plan_files(kind, task),
        run=lambda work: _run_files(kind, work),
        told=_told,
        options=("phone",),
    )


def _find_files(kind: FileKind, looks_like: LooksLike, path: Path) -> Iterator[Recognised]:
    for file in files_at(path):
        columns = columns_of(file)
        if columns and looks_like(set(columns), set(columns.get("messages", ()))):
            beside = files.beside_of(kind, file)
            yield Recognised(kind=kind.name, path=file, also=(beside,) if beside else ())


def _plan_files(kind: FileKind, task: Task) -> Plan:
    """Check that the files can be read, and determine whose they are."""
    path, beside = task.found.path, _also_file(task.found, lambda path: True)
    given = task.answers.get("phone")
    source = files.source_of(kind, path, beside, str(given or ""), None)
    try:
        found = kind.look(path, beside, given)
    except Question as question:
        if not task.asks:
            raise
        asked = structs.replace(asked_of(question), candidates=_phones(task))
        return Plan(source=source, preview=Preview(), questions=[asked])
    number = user_part(found.phone)
    pieces = kind.read(path, beside, phone=found.phone, on_skip=lambda row: None)
    source = files.source_of(kind, path, beside, found.phone, None)
    return Plan(source=source, preview=_preview(pieces, found.rows, (number,)), decided={"phone": found.phone})


def _run_files(kind: FileKind, work: Work) -> Outcome:
    """Import everything. Files that the program downloaded are searched below the database's folder."""
    task, phone = work.task, work.decided.get("phone")
    path, beside = task.found.path, _also_file(task.found, lambda path: True)
    taken = take(
        task.store,
        task.org.no,
        kind.name,
        work.import_id,
        lambda after, on_skip: kind.read(path, beside, phone=phone, after=after, on_skip=on_skip),
        ImportOutcome(import_id=work.import_id, resumed=work.resumed),
        whole=kind.look(path, beside, phone).rows,
        files=LocalFiles(task.media, task.org.no, path.parent, task.max_media_bytes, files.tails_of),
        progress=work.progress,
    )
    return _outcome(taken)


# ---------------------------------------------------------------------- Android


def _find_backups(path: Path) -> list[Recognised]:
    """Backups of messages, plain and encrypted, with the names and files found beside them."""
    found = list(files_at(path))
    stores = [file for file in found if _is_store(file)]
    beside = found if path.is_dir() else [path.with_name(name) for name in ("wa.db", "wa.db.crypt15", *_KEY_NAMES)]
    names = [file for file in beside if file.is_file() and _is_list_of_names(file)]
    keys = [file for file in beside if file.is_file() and file.name in _KEY_NAMES and file.stat().st_size <= _MAX_KEY]
    folders = [folder for folder in (path / "Media", path / "WhatsApp" / "Media") if folder.is_dir()]
    also = (*names[:1], *keys[:1], *folders[:1])
    return [Recognised(kind=backups.KIND, path=store, also=also) for store in stores]


def _is_store(file: Path) -> bool:
    header = _header(file)
    if header is not None:
        return header.is_of_messages and not file.name.lower().startswith("wa.db")
    return msgstore.looks_like(set(columns_of(file)))


def _is_list_of_names(file: Path) -> bool:
    return "wa_contacts" in columns_of(file) or (file.name.lower().startswith("wa.db") and _is_sealed(file))


def _header(file: Path) -> Header | None:
    """The header of an encrypted backup; None for any other file."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError:
        return None
    return header_of(head) if is_encrypted(head) else None


def _is_sealed(file: Path) -> bool:
    return _header(file) is not None


def _plan_backup(task: Task) -> Plan:
    """Determine whose it is and whether the key fits. An encrypted backup is read completely only when imported."""
    path = task.found.path
    questions = [asked for asked in (_number_question(task), _key_question(task)) if asked is not None]
    if questions:
        nobody = Phone(no=UNKNOWN_PHONE, jid="", phone_id="")
        source = backups.source_of(path, nobody, None, None)
        return Plan(source=source, preview=_sealed_preview(path), questions=questions)
    phone, names = task.phone(), _also_file(task.found, _is_list_of_names)
    source = backups.source_of(path, phone, names, _folder(task.found))
    key = _key(task)
    if key is not None:
        backups.probe(path, key, phone)
        return Plan(source=source, preview=structs.replace(_sealed_preview(path), phones=(phone.number,)))
    pieces = msgstore.read(path, phone=phone.jid, on_skip=lambda row: None)
    return Plan(source=source, preview=_preview(pieces, msgstore.count(path), (phone.number,)))


def _sealed_preview(path: Path) -> Preview:
    header = _header(path)
    if header is None:
        return Preview()
    told = [f"encrypted ({header.scheme})"]
    told += [f"made by WhatsApp {header.app_version}"] if header.app_version else []
    told += [f"of a number that ends in {header.number_ends_in}"] if header.number_ends_in else []
    return Preview(notes=tuple(told))


def _number_question(task: Task) -> Asked | None:
    if task.answers.get("phone"):
        return None
    question = Question(
        "Which of your own numbers is this a backup of?", "--phone NUMBER", name="phone", candidates=_phones(task)
    )
    if not task.asks:
        raise question
    return asked_of(question)


def _key_question(task: Task) -> Asked | None:
    """The question for the key, asked again if the key is wrong, with the reason."""
    path = task.found.path
    if not _is_sealed(path):
        return None
    problem: str | None = None
    try:
        if (key := _key(task)) is not None:
            backups.probe(path, key, None)
            return None
    except BadField as error:
        if not task.asks:
            raise
        problem = str(error)
    question = Question(
        f"{path.name} is encrypted. Which key opens it? (64 digits, or upload the phone's key file)",
        "backscroll import msgstore FILE --phone NUMBER --key KEY",
        name="key",
        evidence=(problem,) if problem else (),
    )
    if not task.asks:
        raise question
    return asked_of(question, type="secret")


def _key(task: Task) -> Key | None:
    """The key that was typed, or else from a given key file; None for a database that is not encrypted.

    A typed key is never interpreted as a file name.
    """
    if not _is_sealed(task.found.path):
        return None
    if given := task.answers.get("key"):
        return key_of_digits(str(given))
    file = _also_file(task.found, lambda path: path.name in _KEY_NAMES)
    return read_key(str(file)) if file is not None else None


@contextmanager
def _opened(work: Work) -> Iterator[tuple[Path, Path | None]]:
    """The database and the list of names as readable files."""
    task = work.task
    scratch, key = task.media.root.parent / SCRATCH, _key(task)
    names = _also_file(task.found, _is_list_of_names)
    with backups.plain(task.found.path, key, scratch) as store:
        if names is None or (key is None and _is_sealed(names)):
            yield store, None
            return
        with backups.plain(names, key, scratch) as opened:
            yield store, opened


def _run_backup(work: Work) -> Outcome:
    """Decrypt the backup, and import everything with the given names and files."""
    task = work.task
    phone = task.phone()
    if phone.no == UNKNOWN_PHONE:
        apply_with_retry(task.store, task.org.no, Batch(source="backup", events=[PhoneSeen(jid=phone.jid)]))
    media = _folder(task.found)
    folder = LocalFiles(task.media, task.org.no, media, task.max_media_bytes, backups.paths_of) if media else None
    with _opened(work) as (store, names):
        taken = take(
            task.store,
            task.org.no,
            backups.KIND,
            work.import_id,
            lambda after, on_skip: msgstore.read(store, names, phone=phone.jid, after=after, on_skip=on_skip),
            ImportOutcome(import_id=work.import_id, resumed=work.resumed),
            whole=msgstore.count(store),
            files=folder,
            progress=work.progress,
        )
    return _outcome(taken)


# ---------------------------------------------------------------------- iPhones


def _find_iphones(path: Path) -> list[Recognised]:
    """Backups in a folder or one level below it, or else WhatsApp's own files. A backup is claimed as a whole."""
    found = [Recognised(kind=iphone.KIND, path=folder) for folder in _folders_at(path) if _is_iphone(folder)]
    if found:
        return found
    for file in files_at(path):
        if ios.looks_like(set(columns_of(file))):
            beside = file.parent / "Message"
            found.append(Recognised(kind=iphone.KIND, path=file, also=(beside,) if beside.is_dir() else ()))
    return found


def _folders_at(path: Path) -> list[Path]:
    try:
        return [path, *sorted(folder for folder in path.iterdir() if folder.is_dir())] if path.is_dir() else []
    except OSError:
        return []


def _is_iphone(folder: Path) -> bool:
    place = iphone.place_of(folder)
    return place is not None and place.domain is not None


def _place(task: Task) -> iphone.Place:
    place = iphone.place_of(task.found.path)
    if place is None:
        raise Unreadable("iPhone backup", task.found.path.name, "it is gone; give the file again")
    return place


def _iphone(task: Task) -> AbstractContextManager[iphone.Opened]:
    password = task.answers.get("password")
    return iphone.opened(_place(task), str(password) if password else None, task.media.root.parent / SCRATCH)


def _plan_iphone(task: Task) -> Plan:
    """Check that it can be read, and determine whose it is."""
    place, given = _place(task), task.answers.get("phone")
    try:
        with _iphone(task) as backup:
            found = ios.look(backup.files, str(given) if given else None)
            pieces = ios.read(backup.files, phone=found.phone, on_skip=lambda row: None)
            preview = _preview(pieces, found.rows, (user_part(found.phone),))
    except Question as question:
        if not task.asks:
            raise
        is_password = question.name == "password"
        asked = asked_of(question, type="secret") if is_password else asked_of(question)
        asked = asked if is_password else structs.replace(asked, candidates=_phones(task))
        return Plan(source=iphone.source_of(place, "", None), preview=Preview(), questions=[asked])
    except BadField as error:
        if not task.asks or error.field != "password":
            raise
        evidence = (str(error),)
        again = Question("Which password opens it?", iphone.PASSWORD_HINT, name="password", evidence=evidence)
        asked = asked_of(again, type="secret")
        return Plan(source=iphone.source_of(place, "", None), preview=Preview(), questions=[asked])
    return Plan(source=iphone.source_of(place, found.phone, None), preview=preview, decided={"phone": found.phone})


def _run_iphone(work: Work) -> Outcome:
    """Import everything with the files of the backup."""
    task, phone = work.task, work.decided.get("phone")
    with _iphone(task) as backup:
        taken = take(
            task.store,
            task.org.no,
            iphone.KIND,
            work.import_id,
            lambda after, on_skip: ios.read(backup.files, phone=phone, after=after, on_skip=on_skip),
            ImportOutcome(import_id=work.import_id, resumed=work.resumed),
            whole=ios.look(backup.files, phone).rows,
            files=backup.media(task.media, task.org.no, None, task.max_media_bytes),
            progress=work.progress,
        )
    return _outcome(taken)


DATABASES: tuple[ImportKind, ...] = (
    # First, because the backup of a phone may contain files of any other kind.
    ImportKind(
        name=iphone.KIND,
        label="backup of an iPhone",
        looked_for="a backup of an iPhone, or its ChatStorage.sqlite",
        find=_find_iphones,
        plan=_plan_iphone,
        run=_run_iphone,
        told=_told,
        options=("phone", "password"),
        secrets=("password",),
    ),
    ImportKind(
        name=backups.KIND,
        label="backup of an Android phone",
        looked_for="a backup of WhatsApp on Android (msgstore.db, msgstore.db.crypt15)",
        find=_find_backups,
        plan=_plan_backup,
        run=_run_backup,
        told=_told,
        options=("phone", "key"),
        secrets=("key",),
    ),
    _kind_of_files("wacli", "archive of wacli", "wacli's wacli.db", wacli.looks_like),
    _kind_of_files(
        "whatsapp-mcp",
        "archive of a whatsapp-mcp bridge",
        "messages.db of a whatsapp-mcp bridge",
        whatsapp_mcp.looks_like,
    ),
    _kind_of_files("waha", "store of WAHA", "WAHA's store.sqlite3 or gows.db", waha.looks_like),
)
"""All kinds of databases in files. ``evolution`` is not a file, so it has only a command."""
