"""Backing up the archive and restoring a backup."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import to_builtins

from backscroll.cli.common import (
    json_option,
    media_of,
    opened_store,
    progress,
    settings_of,
    shared_options,
    show,
)
from backscroll.core.text import counted

if TYPE_CHECKING:
    from backscroll.config import Settings
    from backscroll.database.protocol import Engine
    from backscroll.storage.transfer.backup_files import Manifest

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--sessions", is_flag=True, help="Include the keys of linked devices, which can read the accounts' messages."
)
@json_option
@shared_options
@click.pass_context
def backup(ctx: click.Context, folder: Path, sessions: bool, as_json: bool) -> None:
    """Back up the whole archive to DIR: database, media and key, while servers keep running.

    Everything is read back before the backup counts as complete. A later backup to the same DIR writes only new media,
    and the earlier backup stays until the new one is complete. Anyone who has the backup can read all messages.

    \b
    Examples:
      backscroll backup /backup/archive
      backscroll backup /backup/archive --database postgresql://backscroll@db/archive
    """
    from backscroll.storage.files.opening import open_engine
    from backscroll.storage.transfer.backup import Backup, Stages

    settings = settings_of(ctx)
    with closing(open_engine(settings.database, settings.data, create=False)) as engine, ExitStack() as stack:
        _write_what_waits(engine, settings)
        stages = Stages(*(stack.enter_context(progress(label)) for label in ("Database", "Media", "Verifying")))
        media = None if settings.media is None else media_of(settings, bytes(32))
        made = Backup(engine, settings.data, folder.absolute(), time.time_ns() // 1000, media, sessions=sessions)
        manifest = made.take(stages)
    show({"folder": str(folder), **to_builtins(manifest)}, as_json, lambda: _taken(folder, manifest))


def _write_what_waits(engine: Engine, settings: Settings) -> None:
    """Store messages that were sent while the database was unavailable, because their senders were told that they are
    kept.
    """
    from backscroll.core.errors import StorageError
    from backscroll.database.migrate import applied, migrations
    from backscroll.ingest.sent.keeping import FOLDER, how_many_wait, write_waiting

    folder = settings.data / FOLDER
    if not how_many_wait(folder):
        return
    # Opening the store would migrate, and an archive is backed up before that.
    if {migration.version for migration in migrations(engine.name)} <= applied(engine):
        with suppress(StorageError), opened_store(settings) as store:
            write_waiting(store, folder)
    if left := how_many_wait(folder):
        click.echo(
            f"Not in this backup: {counted(left, 'sent message')} in {folder}, which the database does not take now. "
            "Start the server, and back up again when the folder is empty.",
            err=True,
        )


def _taken(folder: Path, manifest: Manifest) -> str:
    lines = [
        f"Backed up to {folder}: {_contents(manifest)}, {counted(manifest.bytes, 'byte')}; every byte was read back."
    ]
    if manifest.media_missing:
        missing = counted(manifest.media_missing, "media file")
        lines.append(f"Missing from the archive, although the database refers to them: {missing}.")
    if manifest.media_damaged:
        lines.append(
            f"Damaged in the archive, and backed up unchanged: {counted(manifest.media_damaged, 'media file')}; "
            "list them with: backscroll check --media"
        )
    return "\n".join(lines)


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@json_option
@shared_options
@click.pass_context
def restore(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Restore the backup in DIR into an empty data directory, and with PostgreSQL into an empty database.

    The whole backup is verified before anything is written. The archive cannot be used until the restore is complete;
    if it is interrupted, run the command again to continue. A backup made from either engine can be restored to either.

    \b
    Examples:
      backscroll restore /backup/archive --data /srv/restored
      backscroll restore /backup/archive --data /srv/restored --database postgresql://backscroll@db/restored
    """
    from backscroll.storage.files.opening import make_engine, sqlite_file
    from backscroll.storage.transfer.restoring import Restore, RestoreStages

    settings = settings_of(ctx)
    work = Restore(folder.absolute(), settings.data, time.time_ns() // 1000)
    file = sqlite_file(settings.database, settings.data)
    with ExitStack() as stack:
        stages = RestoreStages(*(stack.enter_context(progress(label)) for label in ("Verifying", "Files", "Database")))
        if file is not None:
            work.to_file(file, stages)
        else:
            work.to_engine(stack.enter_context(closing(make_engine(settings.database, settings.data))), stages)
    row = {"data": str(settings.data), "resumed": work.resumed, **to_builtins(work.manifest)}
    show(row, as_json, lambda: _restored(settings.data, work.manifest))


def _restored(data: Path, manifest: Manifest) -> str:
    return (
        f"Restored the backup of {manifest.taken_at} to {data}: {_contents(manifest)}.\n"
        f"Check it with: backscroll check --data {data}"
    )


def _contents(manifest: Manifest) -> str:
    kinds = ((manifest.orgs, "organisation"), (manifest.messages, "message"), (manifest.media, "media file"))
    return ", ".join(counted(number, noun) for number, noun in kinds)
