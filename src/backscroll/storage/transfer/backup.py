"""Backing up an archive that is in use, from either engine, to a folder that is verified before it counts as a
backup.
"""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from backscroll.core.errors import BadField, Conflict, StorageError
from backscroll.database.migrate import applied, migrations, read_meta
from backscroll.database.protocol import Engine
from backscroll.database.sqlite import SqliteEngine
from backscroll.storage.accounts import accounts
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing
from backscroll.storage.files.keys import KEY_FILE, Sealer, load_key
from backscroll.storage.files.media import MediaStore
from backscroll.storage.transfer.backup_files import (
    FORMAT,
    MANIFEST,
    MEDIA,
    SESSIONS,
    Manifest,
    Report,
    copy_file,
    digest_of,
    read_manifest,
    sync_file,
    whole_file,
    write_manifest,
)
from backscroll.storage.transfer.backup_uploads import UPLOADS, Job, pack, place_of, replacing
from backscroll.storage.transfer.copy import count_rows, snapshot_rows

SECOND = 1_000_000
LOCK = ".lock"
_SESSION_FILES = ("session.db", "local.db", "account.json")
_OURS = re.compile(
    r"manifest\.json|media|imports|\.lock|\.?(database|SHA256SUMS|secret|linked)-\S+|\.manifest\.json\.part"
)


class Stages(Struct, frozen=True):
    """Progress callbacks for the parts of the work."""

    database: Report
    media: Report
    verifying: Report


class Backup:
    """One run of ``backscroll backup``. ``data`` is the archive's data directory, ``folder`` where the backup goes.

    ``media`` is the store of its files if they are not in the data directory.

    Raises ``BadField`` if the folder holds anything but a backup of this archive, ``Conflict`` while another backup
    writes to it. If a run is interrupted or refused, the earlier backup in the folder stays intact.
    """

    def __init__(
        self,
        engine: Engine,
        data: Path,
        folder: Path,
        now: int,
        media: MediaStore | None = None,
        *,
        sessions: bool = False,
    ) -> None:
        """``media`` is for files in an object store; ``sessions``: include the keys of linked devices."""
        self._sessions = sessions
        self._engine = engine
        self._media = media
        self._data = data
        self._folder = folder
        self._now = now
        moment = datetime.datetime.fromtimestamp(now // SECOND, datetime.UTC)
        self._id = f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self._taken_at = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        self._sums: dict[str, str] = {}
        self._written: list[str] = []
        """Paths of ``_sums`` that this run wrote and has not read back yet."""

    def take(self, stages: Stages) -> Manifest:
        """Write the backup, read it back, and make it valid."""
        key = load_key(self._data / KEY_FILE)
        _prepare(self._folder, read_meta(self._engine, "archive") or "")
        with _alone(self._folder):
            try:
                replaced = self._save_uploads(replacing(self._engine))
                facts = self._save_database(stages.database)
                self._settle_uploads(facts.replacing, replaced)
                self._save_key()
                if self._sessions:
                    self._save_sessions()
                media = self._save_media(facts.files, stages.media)
                self._verify(stages.verifying)
                manifest = self._finish(facts, media, Sealer(key).key_id)
            except BaseException:
                self._sweep(self._id)
                raise
            self._sweep_others(manifest)
        return manifest

    # ------------------------------------------------------------------ the three parts

    def _save_database(self, report: Report) -> _Facts:
        name = f"database-{self._id}.db"
        path = self._folder / name
        with writing(f"The backup in {self._folder}"):
            if not self._engine.save_file(path, report):
                _copy_rows(self._engine, path, self._now, report)
            facts = _facts_of(path)
            sync_file(path)
        self._sums[name] = digest_of(path)
        return facts

    def _save_uploads(self, jobs: set[Job]) -> set[Job]:
        """Save files of imports that are replacing others, before the database: they are deleted when such an import
        ends.
        """
        saved = set()
        for job in sorted(jobs):
            sha256 = pack(self._data, job, self._folder)
            if sha256 is not None:
                self._sums[place_of(job)] = sha256
                self._written.append(place_of(job))
                saved.add(job)
        return saved

    def _settle_uploads(self, wanted: set[Job], saved: set[Job]) -> None:
        """Keep exactly the uploads that the saved database needs."""
        for job in saved - wanted:
            del self._sums[place_of(job)]
            self._written.remove(place_of(job))
        if self._save_uploads(wanted - saved) != wanted - saved:
            raise StorageError("An import replaced another while this ran, so the earlier backup is kept; run it again")

    def _save_key(self) -> None:
        self._copy(self._data / KEY_FILE, f"secret-{self._id}.key")

    def _save_sessions(self) -> None:
        """Save the keys of linked devices, each in a consistent state, while their processes continue."""
        for folder in sorted((self._data / SESSIONS).glob("*/")):
            target = self._folder / f"{SESSIONS}-{self._id}" / folder.name
            with writing(f"The backup in {self._folder}"):
                make_folder(target)
                for name in _SESSION_FILES:
                    if not (folder / name).is_file():
                        continue
                    if name.endswith(".db"):
                        _save_database_of(folder / name, target / name)
                    else:
                        shutil.copyfile(folder / name, target / name)
                    (target / name).chmod(0o600)
                    sync_file(target / name)
                    self._sums[(target / name).relative_to(self._folder).as_posix()] = digest_of(target / name)

    def _copy(self, source: Path, place: str) -> str:
        self._sums[place] = copy_file(source, self._folder / place)
        self._written.append(place)
        return self._sums[place]

    def _save_media(self, named: dict[int, set[str]], report: Report) -> _Media:
        """Copy files that the folder lacks. The database is already saved, so files it names exist or were deleted."""
        source = self._media or MediaStore(self._data / MEDIA, bytes(32))
        target = MediaStore(self._folder / MEDIA, bytes(32))
        files = [(org, file) for org in source.orgs() for file in source.files(org)]
        damaged, gone = 0, 0
        for at, (org, file) in enumerate(files, 1):
            final = target.path(org, file)
            place = final.relative_to(self._folder).as_posix()
            try:
                if final.is_file() and digest_of(final) == file:
                    self._sums[place] = file
                else:
                    damaged += self._copy(source.local(org, file), place) != file
            except FileNotFoundError:
                # Deleted from the archive while this ran; the next backup will not include it.
                gone += 1
            report(at, len(files))
        missing = sum(len(wanted - set(source.files(org))) for org, wanted in named.items())
        return _Media(len(files) - gone, missing, damaged)

    # ------------------------------------------------------------------ the end

    def _verify(self, report: Report) -> None:
        """Read back what was written and compare it with what was read from the archive."""
        for at, place in enumerate(self._written, 1):
            path = self._folder / place
            if digest_of(path) != self._sums[place]:
                raise StorageError(f"{path} reads back different from what was written; look at that disk")
            report(at, len(self._written))

    def _bytes(self) -> int:
        return sum((self._folder / place).stat().st_size for place in self._sums)

    def _finish(self, facts: _Facts, media: _Media, key: str) -> Manifest:
        sums = self._folder / f"SHA256SUMS-{self._id}"
        with writing(f"The backup in {self._folder}"):
            with whole_file(sums) as part:
                part.write_text("".join(f"{sha256}  {place}\n" for place, sha256 in self._sums.items()), "ascii")
            manifest = Manifest(
                format=FORMAT,
                id=self._id,
                archive=facts.archive,
                schema=facts.schema,
                taken_at=self._taken_at,
                engine=self._engine.name,
                key=key,
                database=f"database-{self._id}.db",
                key_file=f"secret-{self._id}.key",
                sums=sums.name,
                sums_sha256=digest_of(sums),
                files=len(self._sums),
                bytes=self._bytes(),
                orgs=facts.orgs,
                messages=facts.messages,
                media=media.files,
                media_missing=media.missing,
                media_damaged=media.damaged,
            )
            write_manifest(self._folder, manifest)
        return manifest

    def _sweep(self, id: str) -> None:
        for leftover in self._folder.glob(f"*-{id}*"):
            _remove(leftover)

    def _sweep_others(self, manifest: Manifest) -> None:
        """Delete what earlier backups, complete or not, left behind, including media no longer in the archive."""
        own = {manifest.database, manifest.key_file, manifest.sums, f"{SESSIONS}-{manifest.id}"}
        own |= {MANIFEST, MEDIA, UPLOADS, LOCK}
        for entry in self._folder.iterdir():
            if entry.name not in own and _OURS.fullmatch(entry.name):
                _remove(entry)
        for path in (*(self._folder / MEDIA).rglob("*"), *(self._folder / UPLOADS).rglob("*")):
            if path.is_file() and path.relative_to(self._folder).as_posix() not in self._sums:
                path.unlink(missing_ok=True)
        sync_folder(self._folder)


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def _save_database_of(source: Path, target: Path) -> None:
    """Copy a database of the linked device's library, to which its process may be writing."""
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as read,
        closing(sqlite3.connect(target)) as made,
    ):
        read.backup(made)


class _Facts(Struct, frozen=True):
    """Facts read from the saved database. ``files`` are the media that it refers to, by organisation.

    ``replacing`` are the import jobs whose files it needs.
    """

    archive: str
    schema: int
    orgs: int
    messages: int
    files: dict[int, set[str]]
    replacing: set[Job]


class _Media(Struct, frozen=True):
    files: int
    missing: int
    damaged: int


def _facts_of(path: Path) -> _Facts:
    """Read the saved database after SQLite's integrity check; ``StorageError`` if it is damaged."""
    with closing(SqliteEngine(path)) as saved:
        (problem,), *_ = saved.read(lambda tx: tx.all("quick_check", {}))
        if problem != "ok":
            raise StorageError(
                f"The archive's database is damaged ({problem}), so the earlier backup is kept and no new one is made; "
                "examine it with: backscroll check"
            )
        orgs = [org.no for org in saved.read(accounts.list_orgs)]
        return _Facts(
            read_meta(saved, "archive") or "",
            max(applied(saved), default=0),
            len(orgs),
            sum(count_rows(saved, org, "messages") for org in orgs),
            {org: set(_files_of(saved, org)) for org in orgs},
            replacing(saved),
        )


def _files_of(engine: Engine, org: int) -> Iterator[str]:
    after = ""
    while page := engine.read(
        lambda tx, after=after: tx.all("dump_files", {"org": org, "after": after, "limit": 1000})  # type: ignore[misc]
    ):
        yield from (file for file, _, _ in page)
        after, _, _ = page[-1]


def _copy_rows(engine: Engine, path: Path, now: int, report: Report) -> None:
    newest = max(migration.version for migration in migrations(engine.name))
    if max(applied(engine), default=0) != newest:
        raise StorageError(
            "The database is of another version than this program: back up with the Backscroll that wrote it, or bring "
            "it up to date first with: backscroll migrate"
        )
    with closing(SqliteEngine(path)) as target:
        snapshot_rows(engine, target, now, report)


def _prepare(folder: Path, archive: str) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadField("DIR", str(folder), f"{folder} is a file; name a folder")
    previous = read_manifest(folder)
    if previous is not None and previous.archive != archive:
        raise BadField("DIR", str(folder), f"{folder} holds a backup of another archive; name another folder")
    foreign = sorted(e.name for e in folder.iterdir() if not _OURS.fullmatch(e.name)) if folder.is_dir() else []
    if foreign:
        raise BadField(
            "DIR",
            str(folder),
            f"{folder} contains other files ({foreign[0]}); name an empty folder, or that of an earlier backup",
        )
    with writing(f"The folder {folder}"):
        make_folder(folder)
        folder.chmod(0o700)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder against other backups. The lock ends with the process, however that ends."""
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"Another backup is being written to {folder}; wait for it, or name another folder") from None
    finally:
        os.close(descriptor)
