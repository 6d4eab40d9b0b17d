"""Finding and opening an archive's database: never creating one by mistake, never opening one that is partly
restored.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from backscroll.core.errors import BadField, NotFound, StorageError
from backscroll.database import migrate, sqlite
from backscroll.database.protocol import Engine
from backscroll.database.sqlite import SqliteEngine
from backscroll.storage.files.durable_files import make_folder, writing
from backscroll.storage.files.media import MediaStore
from backscroll.storage.files.objects import ObjectFolder

SQLITE_FILE = "backscroll.db"
MEDIA_FOLDER = "media"
RESTORE_MARK = "restore-unfinished"
"""A file in the data directory while a restore is in progress, or after it was interrupted."""


def refuse_unfinished(data: Path) -> None:
    """Raise ``StorageError`` if the data directory holds an interrupted restore or one in progress."""
    if (data / RESTORE_MARK).exists():
        raise StorageError(
            f"{data} contains a restore that is not finished; run the same backscroll restore again, it continues "
            "where it was cut, or empty the directory"
        )


def bring_up_to_date(url: str | None, data: Path, now: int) -> list[migrate.Migration]:
    """Migrate the archive and close it again, possibly as a user without read access. Returns the migrations that were
    run.
    """
    with closing(open_engine(url, data, create=False)) as engine:
        return migrate.migrate(engine, now)


def open_engine(url: str | None, data: Path, create: bool) -> Engine:
    """The archive's database, not migrated. Raises ``NotFound`` if there is none and ``create`` is not set.

    Nothing is written before it is known that an archive exists, or is to be created.
    """
    refuse_unfinished(data)
    file = sqlite_file(url, data)
    if not create and file is not None and not sqlite.holds_archive(file):
        raise _no_archive(file)
    if create:
        with writing(f"The data directory {data}"):
            make_folder(data)
    engine = make_engine(url, data)
    if not create and not migrate.holds_archive(engine):
        engine.close()
        raise _no_archive(file)
    return engine


def _no_archive(file: Path | None) -> NotFound:
    return NotFound(
        "archive",
        f"{file or 'the database of that URL'}; check --data and --database (BACKSCROLL_DATA, BACKSCROLL_DATABASE), or "
        "begin a new archive there with: backscroll org create NAME",
    )


def sqlite_file(url: str | None, data: Path) -> Path | None:
    """The file of an archive on SQLite; None for one on PostgreSQL."""
    if not url:
        return data / SQLITE_FILE
    scheme, _, rest = url.partition(":")
    # Three slashes and four lead to the same absolute path.
    return Path(re.sub("^//+", "/", rest.removeprefix("//"))) if scheme == "sqlite" else None


def open_media(url: str | None, data: Path, key: bytes, cache_bytes: int) -> MediaStore:
    """The media files of an archive: in its data directory, or in the object store that ``url`` names."""
    remote = None if url is None else ObjectFolder(url)
    return MediaStore(data / MEDIA_FOLDER, key, remote, cache_bytes)


def make_engine(url: str | None, data: Path) -> Engine:
    """The engine that a URL names; see ``open_store``. ``BadField`` for another scheme."""
    file = sqlite_file(url, data)
    if file is not None:
        return SqliteEngine(file)
    scheme = url.partition(":")[0] if url else ""
    if url and scheme in ("postgresql", "postgres"):
        from backscroll.database.postgres.engine import PostgresEngine

        return PostgresEngine(url)
    raise BadField("database", scheme, "must begin with sqlite: or postgresql:")
