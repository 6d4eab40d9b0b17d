"""The archive as files that other programs read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from backscroll.cli.common import (
    Commands,
    json_option,
    opened_store,
    org_of,
    org_option,
    progress,
    settings_of,
    shared_options,
    show,
)
from backscroll.core.errors import BadField
from backscroll.storage.files.compressed_files import packed_file, written_through


@click.group(cls=Commands)
def export() -> None:
    """Write the archive, or a part of it, to a file."""


@export.command("jsonl")
@org_option
@click.option("--chat", metavar="JID", help="Only this chat.")
@click.option("--with-raw", "raws", is_flag=True, help="Include the payloads as the sources sent them.")
@click.option("-o", "--output", required=True, metavar="FILE", help="Where to write; - is standard output.")
@json_option
@shared_options
@click.pass_context
def export_jsonl(ctx: click.Context, org: str | None, chat: str | None, raws: bool, output: str, as_json: bool) -> None:
    """Write an organisation as JSON lines: messages with their edits, reactions and receipts, chats, contacts, phones.

    The file appears only when it is complete; with the extension .gz or .zst it is compressed. A symbolic link is
    followed; pipes and devices are written to directly. Tokens are not exported; copy media files separately, with the
    media folder.

    \b
    Examples:
      backscroll export jsonl --org "Hill Street Bakery" -o bakery.jsonl
      backscroll export jsonl -o bakery.jsonl.zst
    """
    from backscroll.ingest import jsonl

    with opened_store(settings_of(ctx)) as store, progress("Exporting") as report, _whole(output) as out:
        owner = org_of(store, org)
        summary = jsonl.export_jsonl(store, out, org=owner, chat=chat, raws=raws, progress=report)
    if output != "-":
        show(summary, as_json, lambda: str(summary))


@contextmanager
def _whole(output: str) -> Iterator[BinaryIO]:
    """A file that gets its name only when all of it is written, so an interrupted export never looks complete.

    A symbolic link is followed. Anything but a regular file (a pipe, a device) is written to and never replaced.
    """
    if output == "-":
        yield sys.stdout.buffer
        return
    target = Path(output).resolve()
    if target.is_dir() or not target.parent.is_dir():
        raise BadField("output", output, "must be a file in an existing folder")
    with written_through(target) if target.exists() and not target.is_file() else packed_file(target) as out:
        yield out
