"""Care of the archive: check that it is whole, bring its database up to date."""

from __future__ import annotations

import click

from backscroll.cli.common import FAILED, json_option, open_archive, settings_of, shared_options, show


@click.command()
@json_option
@shared_options
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Check that everything in the archive fits together. Exit code 1 when something does not.

    \b
    Example:
      backscroll check
    """
    with open_archive(settings_of(ctx)) as archive:
        findings = list(archive.store.check())
    show(findings, as_json, lambda: "\n".join(map(str, findings)) or "The archive is whole.")
    if findings:
        ctx.exit(FAILED)


@click.command()
@json_option
@shared_options
@click.pass_context
def migrate(ctx: click.Context, as_json: bool) -> None:
    """Bring the database up to this version. Every other command does so too; this one does only that.

    \b
    Example:
      backscroll migrate --database postgresql://backscroll@db/archive
    """
    from backscroll.storage.store import bring_up_to_date

    settings = settings_of(ctx)
    bring_up_to_date(settings.database, settings.data)
    show({"migrated": True}, as_json, lambda: "The database is up to date.")
