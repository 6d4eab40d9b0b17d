"""``backscroll quarantine``: input that could not be understood, and reading it again."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    Commands,
    json_option,
    open_archive,
    org_of,
    org_option,
    owners_of,
    settings_of,
    shared_options,
    show,
    show_rows,
    timestamp,
)
from backscroll.core.errors import NotFound
from backscroll.core.model import Org

if TYPE_CHECKING:
    from backscroll.storage.store import Store
    from backscroll.storage.write.quarantine import Quarantined


@click.group(cls=Commands)
def quarantine() -> None:
    """Quarantine: input that could not be understood, stored encrypted for inspection."""


@quarantine.command("list")
@click.option("--source", "via", metavar="ID", help="Only what came through this live source (or one removed since).")
@org_option
@json_option
@shared_options
@click.pass_context
def list_quarantine(ctx: click.Context, via: str | None, org: str | None, as_json: bool) -> None:
    """List the quarantined input, oldest first, without the bytes. What several sources sent is listed for each of
    them.

    \b
    Examples:
      backscroll quarantine list
      backscroll quarantine list --source src1xab12cd34ef56gh78
    """
    with open_archive(settings_of(ctx)) as archive:
        owners = owners_of(archive.store, org)
        rows = [_row(found, owner) for owner in owners for found in archive.store.list_quarantined(owner.no, via)]
        if via is not None and not rows:
            # For a source that does not exist, an error instead of an empty list.
            archive.store.sources.find(via)
    show_rows(rows, as_json, "The quarantine is empty.")


def _row(found: Quarantined, owner: Org) -> dict[str, Any]:
    return {
        "no": found.no,
        "org": owner.name,
        "source": found.source,
        "via": found.via,
        "stored_at": timestamp(found.stored_at),
        "problem": found.problem,
    }


@quarantine.command("show")
@click.argument("number", type=int, metavar="NO")
@org_option
@json_option
@shared_options
@click.pass_context
def show_quarantined(ctx: click.Context, number: int, org: str | None, as_json: bool) -> None:
    """Write the bytes of NO to standard output, as received; with --json in Base64, together with the problem.

    \b
    Example:
      backscroll quarantine show 17 > payload.json
    """
    with open_archive(settings_of(ctx)) as archive:
        owner = org_of(archive.store, org)
        found = archive.store.find_quarantined(owner.no, number)
    if as_json:
        show(_row(found, owner) | {"payload": base64.b64encode(found.payload).decode()}, True, str)
    else:
        click.echo(found.payload, nl=False)


@quarantine.command("retry")
@click.argument("numbers", type=int, nargs=-1, metavar="[NO]...")
@org_option
@json_option
@shared_options
@click.pass_context
def retry_quarantined(ctx: click.Context, numbers: tuple[int, ...], org: str | None, as_json: bool) -> None:
    """Read quarantined input again, all of it or only NO, for example after an upgrade or when a missing phone was
    added.

    \b
    Example:
      backscroll quarantine retry
    """
    from backscroll.ingest.quarantine import retry

    with open_archive(settings_of(ctx)) as archive:
        owner = org_of(archive.store, org)
        wanted = _existing(archive.store, owner, numbers) if numbers else _all(archive.store, owner)
        outcomes = [(number, retry(archive.store, owner.no, number)) for number in wanted]
    rows = [{"no": number, "taken": outcome is None, "problem": outcome} for number, outcome in outcomes]
    taken = sum(bool(row["taken"]) for row in rows)
    left = [f"{row['no']}: {row['problem']}" for row in rows if not row["taken"]]
    show(rows, as_json, lambda: "\n".join([f"Processed {taken} of {len(rows)}.", *left]))


@quarantine.command("drop")
@click.argument("numbers", type=int, nargs=-1, required=True, metavar="NO...")
@org_option
@json_option
@shared_options
@click.pass_context
def drop_quarantined(ctx: click.Context, numbers: tuple[int, ...], org: str | None, as_json: bool) -> None:
    """Delete NO permanently.

    \b
    Example:
      backscroll quarantine drop 17
    """
    with open_archive(settings_of(ctx)) as archive:
        owner = org_of(archive.store, org)
        wanted = _existing(archive.store, owner, numbers)
        for number in wanted:
            archive.store.drop_quarantined(owner.no, number)
    rows = [{"no": number, "dropped": True} for number in wanted]
    show(rows, as_json, lambda: f"Deleted {len(wanted)}.")


def _all(store: Store, owner: Org) -> list[int]:
    return [found.no for found in store.list_quarantined(owner.no)]


def _existing(store: Store, owner: Org, numbers: tuple[int, ...]) -> list[int]:
    """Each number once; ``NotFound`` for the first that is missing, before anything is done with the others."""
    there = set(_all(store, owner))
    for number in numbers:
        if number not in there:
            raise NotFound("quarantined input", str(number))
    return list(dict.fromkeys(numbers))
