"""The archive as files that other programs read."""

from __future__ import annotations

from pathlib import Path

import click

from backscroll.cli.shared import (
    Commands,
    json_option,
    open_archive,
    org_of,
    org_option,
    progress,
    settings_of,
    shared_options,
    show,
)


@click.group(cls=Commands)
def export() -> None:
    """Write the archive, or a part of it, to a file."""


@export.command("jsonl")
@org_option
@click.option("--chat", metavar="JID", help="Only this chat.")
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path), help="Where to write.")
@json_option
@shared_options
@click.pass_context
def export_jsonl(ctx: click.Context, org: str | None, chat: str | None, output: Path, as_json: bool) -> None:
    """Write one JSON object a line: messages with their edits, reactions and receipts, chats, contacts, phones.

    \b
    Example:
      backscroll export jsonl --org "Hill Street Bakery" -o archive.jsonl
    """
    from backscroll.ingest import jsonl

    with open_archive(settings_of(ctx)) as archive, progress("Exporting") as report:
        owner = org_of(archive.store, org)
        result = jsonl.export_jsonl(archive.store, archive.media, owner.no, output, chat=chat, progress=report)
    show(result, as_json, lambda: str(result))
