"""Backing up the files of imports that are replacing others, so that a restored archive can complete them.

Each job's folder is one tar in the backup, because users' file names may not fit into a list of checksums.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from backscroll.core.errors import Unreadable
from backscroll.core.import_jobs import Item
from backscroll.database.protocol import Engine
from backscroll.storage.accounts import accounts
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing
from backscroll.storage.transfer.backup_files import CHUNK, digest_of, sync_file, whole_file

UPLOADS = "imports"
_ITEMS = msgspec.json.Decoder(list[Item])


class Job(NamedTuple):
    """The key of a job across all organisations."""

    org: int
    id: str


def replacing(engine: Engine) -> set[Job]:
    """Unfinished jobs that have begun to replace another import."""
    return {Job(org.no, id) for org in engine.read(accounts.list_orgs) for id in _of_org(engine, org.no)}


def _of_org(engine: Engine, org: int) -> Iterator[str]:
    for id, items in engine.read(lambda tx: tx.all("running_import_items", {"org": org}), org):
        if any(item.state == "running" and item.replaces for item in _ITEMS.decode(items)):
            yield id


def place_of(job: Job) -> str:
    """The path of a job's files in a backup."""
    return f"{UPLOADS}/{job.org}/{job.id}.tar"


def pack(data: Path, job: Job, folder: Path) -> str | None:
    """Write the files of a job to a backup; returns the tar's SHA-256, or None if the files no longer exist."""
    given = data / UPLOADS / str(job.org) / job.id
    if not given.is_dir():
        return None
    final = folder / place_of(job)
    with writing(f"The backup in {folder}"):
        make_folder(final.parent)
        try:
            with whole_file(final) as part, tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
                for path in sorted(given.rglob("*")):
                    if path.is_file() and not path.is_symlink():
                        archive.add(path, path.relative_to(given).as_posix(), recursive=False)
        except FileNotFoundError:
            return None
    return digest_of(final)


def unpack_all(data: Path) -> None:
    """Restore the files of every such job to the spool."""
    for packed in sorted((data / UPLOADS).glob("*/*.tar")):
        folder = packed.with_suffix("")
        shutil.rmtree(folder, ignore_errors=True)
        with writing(f"The data directory {data}"):
            make_folder(folder)
            try:
                with tarfile.open(packed) as archive:
                    for member in archive:
                        _put(archive, member, folder)
            except tarfile.TarError as error:
                raise Unreadable("backup", packed.name, f"is no tar ({error}); use another backup") from error
            sync_folder(folder)
            packed.unlink()
            sync_folder(packed.parent)


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    place = PurePosixPath(member.name)
    content = archive.extractfile(member) if member.isreg() else None
    if content is None or place.is_absolute() or ".." in place.parts:
        raise Unreadable("backup", ascii(member.name[:80]), "is no file of an import; use another backup")
    final = folder / place
    make_folder(final.parent)
    final.touch(0o600)
    with content, final.open("wb") as written:
        shutil.copyfileobj(content, written, CHUNK)
    sync_file(final)
    sync_folder(final.parent)
