"""Care of the archive: check that it is whole, bring its database up to date."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from backscroll.cli.common import FAILED, json_option, media_of, opened_store, settings_of, shared_options, show
from backscroll.core.errors import StorageError

if TYPE_CHECKING:
    from backscroll.config import Settings
    from backscroll.database.migrate import Migration
    from backscroll.storage.store import Store
    from backscroll.storage.transfer.check.findings import Finding


@click.command()
@click.option("--media", is_flag=True, help="Read every media file too, and compare its SHA-256.")
@click.option("--repair", is_flag=True, help="Make anew what follows from the rest: indexes, counters, search rows.")
@json_option
@shared_options
@click.pass_context
def check(ctx: click.Context, media: bool, repair: bool, as_json: bool) -> None:
    """Check that everything in the archive fits together. Exit code 1 when something does not.

    Every row is read and compared with what was told: a million messages take some minutes.

    \b
    Examples:
      backscroll check
      backscroll check --media
      backscroll check --repair
    """
    settings = settings_of(ctx)
    with opened_store(settings) as store:
        if repair:
            store.repair()
        files = settings.data / "media" if settings.media is None else media_of(settings, bytes(32))
        findings = [*store.check(files, media), *_key_findings(settings, store)]
        _keep(settings, findings, media)
    show(findings, as_json, lambda: "\n".join(map(str, findings)) or "The archive is whole.")
    if findings:
        ctx.exit(FAILED)


def _keep(settings: Settings, findings: list[Finding], media: bool) -> None:
    """For the web page. A directory that may only be read, as of a mounted backup, can be checked all the same."""
    from backscroll.storage.transfer.check.last import keep_check

    with suppress(StorageError):
        keep_check(settings.data, findings, media, time.time_ns() // 1000)


def _key_findings(settings: Settings, store: Store) -> list[Finding]:
    """A key that is missing beside an archive in use. The check itself goes on without it."""
    from backscroll.storage.files.keys import KEY_FILE
    from backscroll.storage.transfer.check.findings import Finding

    path = settings.data / KEY_FILE
    if path.is_file() or not store.list_orgs():
        return []
    return [Finding(0, "the archive's key is there", f"{path} is missing; put it back from the backup")]


@click.command()
@json_option
@shared_options
@click.pass_context
def migrate(ctx: click.Context, as_json: bool) -> None:
    """Bring the database up to this version and name what was run. Other commands do so too, silently.

    \b
    Example:
      backscroll migrate --database postgresql://backscroll@db/archive
    """
    from backscroll.storage.files.opening import bring_up_to_date

    settings = settings_of(ctx)
    ran = bring_up_to_date(settings.database, settings.data, time.time_ns() // 1000)
    rows = [{"version": migration.version, "name": migration.name} for migration in ran]
    show({"migrated": rows}, as_json, lambda: _migrated(ran))


def _migrated(ran: Sequence[Migration]) -> str:
    if not ran:
        return "The database was up to date; nothing was run."
    lines = [f"Ran {migration.version:04} {migration.name.replace('_', ' ')}" for migration in ran]
    return "\n".join([*lines, "The database is up to date."])
