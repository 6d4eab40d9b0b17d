"""Restoring a backup into an empty place, completely or not at all.

A mark in the data directory is written first and removed last. While it is there, no command opens the archive, and the
same restore can be run again: it continues with what is missing.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from msgspec import Struct

from backscroll.core.errors import BadField, Conflict, Unreadable
from backscroll.database.protocol import Engine
from backscroll.database.sqlite import SqliteEngine
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing
from backscroll.storage.files.keys import KEY_FILE
from backscroll.storage.files.opening import RESTORE_MARK
from backscroll.storage.transfer.backup_files import (
    MEDIA,
    SESSIONS,
    Manifest,
    Report,
    checked,
    copy_file,
    digest_of,
    read_sums,
    verify,
    whole_file,
)
from backscroll.storage.transfer.backup_uploads import unpack_all
from backscroll.storage.transfer.copy import Copy, is_in_use

_DATABASE = ".restoring.db"


class RestoreStages(Struct, frozen=True):
    """Progress callbacks for the parts of the work."""

    verifying: Report
    files: Report
    database: Report


class Restore:
    """One run of ``backscroll restore``. Nothing is written before every byte of the backup was verified.

    ``BadField`` when the target is in use, ``Unreadable`` for an altered backup, ``StorageError`` for half a backup.
    """

    def __init__(self, folder: Path, data: Path, now: int) -> None:
        self._folder = folder
        self._data = data
        self._now = now
        self.manifest: Manifest = checked(folder)
        mark = data / RESTORE_MARK
        self.resumed = mark.exists()
        if self.resumed and mark.read_text("utf-8").strip() != self.manifest.sums_sha256:
            raise BadField(
                "DIR", str(folder), f"{data} holds an unfinished restore of another backup; empty that directory first"
            )

    def to_file(self, database: Path, stages: RestoreStages) -> None:
        """Restore an archive on SQLite, whose database will be the file ``database``."""
        if not self.resumed:
            self._refuse_used(database)
        verify(self._folder, self.manifest, stages.verifying)
        sha256 = self._sum_of_database()
        if database.exists() and digest_of(database) != sha256:
            raise Conflict(f"{database} was changed since the restore began; empty the directory and start again")
        self._begin()
        self._place_files(stages.files)
        if not database.exists():
            self._copy(self.manifest.database, database, sha256)
        stages.database(1, 1)
        self._end()

    def to_engine(self, target: Engine, stages: RestoreStages) -> None:
        """Restore an archive on another engine, row by row; every row is compared with the backup's."""
        if not self.resumed:
            self._refuse_used(None)
            if is_in_use(target):
                raise BadField("database", None, "already holds an archive; name an empty database")
        verify(self._folder, self.manifest, stages.verifying)
        self._begin()
        self._place_files(stages.files)
        copy = self._data / _DATABASE
        self._copy(self.manifest.database, copy, self._sum_of_database())
        with closing(SqliteEngine(copy)) as source:
            work = Copy(source, target, self._now)
            work.run(stages.database)
            work.verify(stages.database)
        for leftover in (copy, *(copy.with_name(copy.name + ending) for ending in ("-wal", "-shm"))):
            leftover.unlink(missing_ok=True)
        self._end()

    # ------------------------------------------------------------------ steps

    def _refuse_used(self, database: Path | None) -> None:
        taken = [self._data / KEY_FILE, *([database] if database else [])]
        media = self._data / MEDIA
        for path in (*(path for path in taken if path.exists()), *(media.rglob("*") if media.is_dir() else ())):
            if path.is_file():
                raise BadField("data", str(self._data), f"{path} already exists; restore into an empty directory")

    def _begin(self) -> None:
        with writing(f"The data directory {self._data}"):
            make_folder(self._data)
            with whole_file(self._data / RESTORE_MARK) as part:
                part.write_text(self.manifest.sums_sha256 + "\n", "utf-8")

    def _place_files(self, report: Report) -> None:
        """Write the key and the media. What an earlier run wrote is not written again."""
        done = 0
        for file in read_sums(self._folder, self.manifest):
            if file.path == self.manifest.database:
                continue
            final = self._data / self._place(file.path)
            if not (final.is_file() and digest_of(final) == file.sha256):
                self._copy(file.path, final, file.sha256)
            if final.is_relative_to(self._data / SESSIONS):
                final.chmod(0o600)
            done += final.stat().st_size
            report(done, self.manifest.bytes)
        unpack_all(self._data)

    def _place(self, path: str) -> str:
        """Where a file of the backup belongs in the data directory."""
        if path == self.manifest.key_file:
            return KEY_FILE
        sessions = f"{SESSIONS}-{self.manifest.id}/"
        return f"{SESSIONS}/{path.removeprefix(sessions)}" if path.startswith(sessions) else path

    def _copy(self, name: str, final: Path, sha256: str) -> None:
        if copy_file(self._folder / name, final) != sha256 or digest_of(final) != sha256:
            raise Unreadable("backup", str(self._folder / name), "changed while it was restored; use another backup")

    def _sum_of_database(self) -> str:
        name = self.manifest.database
        return next(file.sha256 for file in read_sums(self._folder, self.manifest) if file.path == name)

    def _end(self) -> None:
        (self._data / RESTORE_MARK).unlink()
        sync_folder(self._data)
