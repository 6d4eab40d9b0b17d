"""Moving the archive: to another database, or onto several machines."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click

from backscroll.cli.common import Commands, confirmed, json_option, progress, settings_of, shared_options, show
from backscroll.core.errors import BadField
from backscroll.core.text import counted


@click.command()
@click.option("--from", "source", metavar="URL", help="The database to copy; by default the one in the settings.")
@click.option("--to", "target", metavar="URL", required=True, help="An empty database, or one with an unfinished copy.")
@json_option
@shared_options
@click.pass_context
def copy(ctx: click.Context, source: str | None, target: str, as_json: bool) -> None:
    """Copy the whole archive to another database: SQLite to PostgreSQL, or back.

    Stop the servers first. All organisations are copied with their numbers, tokens and change feed; then every row is
    compared. An interrupted copy continues when the command is run again. Media and secret.key stay in the data
    directory: use the same directory with the new database.

    \b
    Examples:
      backscroll copy --from sqlite:backscroll-data/backscroll.db --to postgresql://backscroll@db/archive
      backscroll copy --from postgresql://backscroll@db/archive --to sqlite:back.db
    """
    from backscroll.storage.files.opening import make_engine
    from backscroll.storage.transfer.copy import Copy

    settings = settings_of(ctx)
    origin = source or settings.database
    _check_ends(origin, target)
    with (
        closing(make_engine(origin, settings.data)) as from_engine,
        closing(make_engine(target, settings.data)) as to_engine,
    ):
        work = Copy(from_engine, to_engine, time.time_ns() // 1000)
        with progress("Copying") as report:
            work.run(report)
        with progress("Comparing") as report:
            copied = work.verify(report)
    row = {
        "archive": copied.archive,
        "orgs": copied.orgs,
        "rows": copied.rows,
        "digest": copied.digest,
        "resumed": copied.found == "unfinished",
        "was_there": copied.found == "whole",
        "key": _key_of(settings.data),
    }
    show(
        row,
        as_json,
        lambda: (
            f"{'Was copied already' if copied.found == 'whole' else 'Copied'}: {counted(copied.orgs, 'organisation')}, "
            f"{counted(copied.rows['messages'], 'message')}, {counted(sum(copied.rows.values()), 'row')} in all; "
            "every row is the same.\n"
            f"{_what_stays(settings.data)}"
        ),
    )


def _key_of(data: Path) -> str | None:
    """The public name of the key in a data directory; None if there is no key."""
    from backscroll.storage.files.keys import KEY_FILE, Sealer, load_key

    file = data / KEY_FILE
    return Sealer(load_key(file)).key_id if file.exists() else None


def _what_stays(data: Path) -> str:
    key = _key_of(data)
    if key is None:
        return (
            f"There is no secret.key in {data}: put media and secret.key of the archive there before you serve it, "
            "because what is encrypted in the database needs that key."
        )
    return (
        f"Serve it with --database and the same --data {data}: its media, and its secret.key ({key}), which is needed "
        "for what is encrypted in the database."
    )


def _check_ends(source: str, target: str) -> None:
    for option, url in (("--from", source), ("--to", target)):
        if not url.startswith(("sqlite:", "postgresql:", "postgres:")):
            raise BadField(option, None, "must begin with sqlite: or postgresql:")
    if source == target:
        raise BadField("--to", None, "is the database to copy from; name another one")
    origin = source.removeprefix("sqlite:").removeprefix("//")
    if source.startswith("sqlite:") and not Path(origin).is_file():
        raise BadField("--from", None, f"names no database: there is no file {origin}")


@click.group(cls=Commands)
def db() -> None:
    """The database itself."""


@db.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Do it without confirmation.")
@json_option
@shared_options
@click.pass_context
def distribute(ctx: click.Context, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Distribute the archive over the workers of a Citus cluster, by organisation. Stop the servers first.

    The database must be on the cluster's coordinator. Tables that are already distributed stay as they are, so the
    command can be run again: after an interruption, and after each upgrade that adds tables.

    \b
    Example:
      backscroll db distribute --database postgresql://backscroll@coordinator/archive --dry-run
    """
    from backscroll.database.postgres import citus as spreading
    from backscroll.storage.files.opening import bring_up_to_date

    settings = settings_of(ctx)
    if not settings.database.startswith(("postgresql:", "postgres:")):
        raise BadField("database", None, "must be a postgresql: URL of a Citus coordinator")
    bring_up_to_date(settings.database, settings.data, time.time_ns() // 1000)
    with spreading.connect(settings.database) as connection:
        steps = spreading.plan(connection)
        if steps and not as_json:
            click.echo("\n".join(step.sentence for step in steps))
        if steps and not dry_run:
            confirmed(yes, "Do this step now?" if len(steps) == 1 else f"Do these {len(steps)} steps now?")
            with progress("Spreading") as report:
                spreading.carry_out(connection, steps, report)
    done = not dry_run
    show(
        {"steps": [{"table": s.table, "what": s.what} for s in steps], "done": done},
        as_json,
        lambda: _outcome(len(steps), done),
    )


def _outcome(steps: int, done: bool) -> str:
    if not steps:
        return "Everything is already distributed."
    return f"Done: {counted(steps, 'table')}. Start the servers again." if done else "Nothing was changed."
