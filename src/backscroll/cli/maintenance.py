"""Maintenance of the archive: checking its integrity, bringing its database up to date."""

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
@click.option("--media", is_flag=True, help="Also read every media file and compare its SHA-256.")
@click.option(
    "--repair", is_flag=True, help="Rebuild what can be derived from other data: indexes, counters, search rows."
)
@json_option
@shared_options
@click.pass_context
def check(ctx: click.Context, media: bool, repair: bool, as_json: bool) -> None:
    """Check the integrity of the archive. Exits with 1 if something is wrong.

    Every row is read and compared with what the sources reported: a million messages take some minutes.

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
    """Save the result for the web page. A read-only directory, such as a mounted backup, can be checked too."""
    from backscroll.storage.transfer.check.last import keep_check

    with suppress(StorageError):
        keep_check(settings.data, findings, media, time.time_ns() // 1000)


def _key_findings(settings: Settings, store: Store) -> list[Finding]:
    """Report a missing key of an archive that is in use. The check itself continues without it."""
    from backscroll.storage.files.keys import KEY_FILE
    from backscroll.storage.transfer.check.findings import Finding

    path = settings.data / KEY_FILE
    if path.is_file() or not store.list_orgs():
        return []
    return [Finding(0, "key of the archive is missing", f"{path} is missing; put it back from the backup")]


@click.command()
@json_option
@shared_options
@click.pass_context
def migrate(ctx: click.Context, as_json: bool) -> None:
    """Bring the database up to this version and list the migrations that were run. Other commands do this silently.

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
        return "The database was already up to date; nothing was run."
    lines = [f"Ran {migration.version:04} {migration.name.replace('_', ' ')}" for migration in ran]
    return "\n".join([*lines, "The database is up to date."])
