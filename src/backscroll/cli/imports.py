"""History from elsewhere: exported chats, GOWA's databases, servers that speak Periskope's API, our own JSONL."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct, structs, to_builtins

from backscroll.cli.common import (
    FAILED,
    Archive,
    Commands,
    Report,
    json_option,
    open_archive,
    org_of,
    org_option,
    phone_of,
    progress,
    settings_of,
    shared_options,
    show,
)
from backscroll.cli.import_databases import DATABASES
from backscroll.cli.import_entries import import_list, import_show, import_undo
from backscroll.core.errors import BadField
from backscroll.core.events import MessageSeen, PhoneSeen
from backscroll.core.ids import user_part
from backscroll.core.model import Org

if TYPE_CHECKING:
    from backscroll.ingest.periskope.pull import PullSummary
    from backscroll.storage.store import Store

EXISTING = click.Path(exists=True, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FILE_OR_DASH = click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True)
TOKEN_VARIABLE = "BACKSCROLL_PERISKOPE_TOKEN"  # noqa: S105 -- the name of a variable


@click.group("import", cls=Commands)
def import_() -> None:
    """Take history in. Every import may be run again: what is there already stays as it is.

    Each has a number, and can be taken back by it: `backscroll import list`, `backscroll import undo ID`.
    """


for command in (import_list, import_show, import_undo, *DATABASES):
    import_.add_command(command)


@import_.command("export")
@click.argument("path", metavar="FILE|DIR", type=EXISTING)
@org_option
@click.option("--phone", metavar="NUMBER", required=True, help="The own number that the chat was exported from.")
@click.option("--chat", metavar="JID|NUMBER|TITLE", help="The chat, where the file's name does not tell it.")
@click.option("--timezone", metavar="ZONE", help="The phone's time zone, such as Europe/Berlin; UTC unless given.")
@click.option("--day-first/--month-first", default=None, help="How to read 03/04, where the file does not tell.")
@click.option("--me", metavar="NAME", help="Your own name in the export.")
@json_option
@shared_options
@click.pass_context
def import_chat_export(
    ctx: click.Context,
    path: Path,
    org: str | None,
    phone: str,
    chat: str | None,
    timezone: str | None,
    day_first: bool | None,
    me: str | None,
    as_json: bool,
) -> None:
    """Import what WhatsApp's "Export chat" made: a .txt, a .zip, or a folder with either, or with many of them.

    Importing a file again with other answers replaces what it told before; with the same ones nothing is done.

    \b
    Examples:
      backscroll import export "WhatsApp Chat with Ana.zip" --phone 919876543210 --timezone Europe/Berlin
      backscroll import export _chat.txt --phone 919876543210 --chat 4915112345678 --day-first
      backscroll import export exports/ --phone 919876543210 --timezone Europe/Berlin
    """
    from backscroll.ingest.exports.folder import FolderSummary, exports_in, import_folder
    from backscroll.ingest.exports.importer import ExportSummary, import_export

    settings = settings_of(ctx)
    paths = _one_chat_only(exports_in(path), chat)
    with open_archive(settings) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        own = phone_of(archive.store, owner, phone)

        def take(path: Path) -> ExportSummary:
            return import_export(
                archive.store,
                archive.media,
                owner.no,
                own,
                path,
                chat=chat,
                timezone=timezone,
                day_first=day_first,
                me=me,
                max_media_bytes=settings.max_media_bytes,
                progress=report if len(paths) == 1 else quiet,
            )

        result = take(paths[0]) if len(paths) == 1 else import_folder(paths, take, report)
    show(result, as_json, lambda: str(result))
    if isinstance(result, FolderSummary) and result.failed:
        ctx.exit(FAILED)


def _one_chat_only(paths: list[Path], chat: str | None) -> list[Path]:
    if len(paths) > 1 and chat is not None:
        raise BadField("chat", chat, "names one chat, but the folder holds several exports; import them one by one")
    return paths


@import_.command("gowa")
@click.argument("chatstorage", metavar="CHATSTORAGE.DB", type=EXISTING_FILE)
@click.option("--whatsapp-db", type=EXISTING_FILE, metavar="FILE", help="GOWA's whatsapp.db: names, LIDs, settings.")
@click.option("--account", metavar="NUMBER", help="Whose messages they are, where the files do not tell.")
@org_option
@json_option
@shared_options
@click.pass_context
def import_gowa(
    ctx: click.Context, chatstorage: Path, whatsapp_db: Path | None, account: str | None, org: str | None, as_json: bool
) -> None:
    """Import the databases of GOWA (go-whatsapp-web-multidevice), v7 and later. Its phones and device ids come along.

    \b
    Example:
      backscroll import gowa storages/chatstorage.db --whatsapp-db storages/whatsapp.db
    """
    with open_archive(settings_of(ctx)) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        taken = take_gowa(archive, owner, chatstorage, whatsapp_db, account, report)
    for row in taken.problems:
        click.echo(row, err=True)
    show(
        {"org": owner.name, **to_builtins(taken)},
        as_json,
        lambda: (
            f"{owner.name}: {taken.messages} messages read, of phones {', '.join(taken.phones)}; "
            f"{taken.changed} rows changed."
        ),
    )


def quiet(done: int, whole: int | None) -> None:
    """Progress of one of many files: the bar counts files."""


class Imported(Struct, frozen=True):
    """What an import of databases found there, and how many rows of the archive it changed."""

    phones: list[str]
    messages: int
    changed: int
    problems: list[str]


def take_gowa(
    archive: Archive, org: Org, chatstorage: Path, whatsapp_db: Path | None, account: str | None, report: Report
) -> Imported:
    """Read GOWA's databases into an organisation, batch by batch; what could not be read is in ``problems``."""
    from backscroll.ingest import imports

    answers = {"account": account, "whatsapp_db": whatsapp_db.name if whatsapp_db else None}
    source = imports.source_of("gowa", chatstorage, answers)
    with imports.importing(archive.store, org.no, source) as running:
        taken = _read_gowa(running.store, org, chatstorage, whatsapp_db, account, report)
        running.report = to_builtins(taken)
    return taken


def _read_gowa(
    store: Store, org: Org, chatstorage: Path, whatsapp_db: Path | None, account: str | None, report: Report
) -> Imported:
    from backscroll.ingest.connectors.foreign.rows import Skipped
    from backscroll.ingest.connectors.gowa import database
    from backscroll.ingest.pipeline import apply_with_retry

    skipped: list[Skipped] = []
    refused: list[str] = []

    def put_aside(row: Skipped) -> None:
        if row.payload:
            store.quarantine(org.no, "gowa", row.payload, str(row))
        skipped.append(structs.replace(row, payload=b""))

    messages = changed = 0
    phones: dict[str, None] = {}
    whole = database.count(chatstorage)
    for batch in database.read(chatstorage, whatsapp_db, account=account, on_skip=put_aside):
        applied = apply_with_retry(store, org.no, batch)
        changed += applied.changed
        refused += applied.refused
        messages += sum(isinstance(event, MessageSeen) for event in batch.events)
        phones |= {user_part(event.jid): None for event in batch.events if isinstance(event, PhoneSeen)}
        report(messages, whole)
    problems = [f"Put in quarantine: {named}" for named in refused]
    problems += [f"{'Partly read' if row.kept else 'Left out'}: {row}" for row in skipped]
    return Imported([*phones], messages, changed, problems)


@import_.command("periskope")
@click.option("--url", metavar="URL", help="The server; Periskope's own unless given.")
@click.option("--token", metavar="TOKEN", help=f"Its API token; better in {TOKEN_VARIABLE}, or typed when asked.")
@org_option
@click.option("--phone", metavar="NUMBER", help="Only this phone.")
@click.option("--no-media", is_flag=True, help="Leave the media files where they are.")
@click.option("--full", is_flag=True, help="Walk everything again, not only what is new since the last run.")
@json_option
@shared_options
@click.pass_context
def import_periskope(
    ctx: click.Context,
    url: str | None,
    token: str | None,
    org: str | None,
    phone: str | None,
    no_media: bool,
    full: bool,
    as_json: bool,
) -> None:
    """Pull all history from Periskope, or from any server that speaks its API. An import that was cut goes on.

    \b
    Example:
      backscroll import periskope --org "Hill Street Bakery"
    """
    from backscroll.ingest.periskope.pull import pull

    secret = token or os.environ.get(TOKEN_VARIABLE) or _asked_for_token()
    settings = settings_of(ctx)
    with open_archive(settings) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        summary = pull(
            archive.store,
            owner.no,
            url,
            secret,
            phone=phone,
            media=None if no_media else archive.media,
            progress=lambda at: report(sum(at.summary.rows.values()), None),
            full=full,
            max_media_bytes=settings.max_media_bytes,
        )
    show({"org": owner.name, **to_builtins(summary)}, as_json, lambda: _pulled(summary))


def _pulled(summary: PullSummary) -> str:
    rows = ", ".join(f"{count} {what}" for what, count in summary.rows.items()) or "nothing"
    lines = [f"Read {rows}; {summary.changed} rows changed, {summary.media_held} media files kept."]
    if summary.quarantined:
        lines.append(f"{summary.quarantined} rows that could not be read, or not in full, are in quarantine:")
        lines += [f"  {named}" for named in summary.refused]
    lines += [f"{count} media files could not be had: {why}." for why, count in summary.media_failed.items()]
    lines += [f"The server did not give {what}: {why}" for what, why in summary.skipped.items()]
    return "\n".join(lines)


def _asked_for_token() -> str:
    if sys.stdin.isatty():
        typed: str = click.prompt("API token", hide_input=True, err=True)
    else:
        typed = sys.stdin.readline()
    if not typed.strip():
        raise BadField("token", None, f"give the API token in {TOKEN_VARIABLE}, on standard input, or with --token")
    return typed.strip()


@import_.command("jsonl")
@click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--org", metavar="NAME", help="Into this organisation; the file's own unless given.")
@json_option
@shared_options
@click.pass_context
def import_jsonl(ctx: click.Context, path: str, org: str | None, as_json: bool) -> None:
    """Import what `backscroll export jsonl` wrote; its organisation and phones come along. FILE - is standard input.

    \b
    Examples:
      backscroll import jsonl bakery.jsonl
      zstd -dc bakery.jsonl.zst | backscroll import jsonl -
    """
    from backscroll.ingest import jsonl

    with open_archive(settings_of(ctx), create=True) as archive, progress("Importing") as report:
        source = sys.stdin.buffer if path == "-" else Path(path)
        summary = jsonl.import_jsonl(archive.store, archive.media, source, org=org, progress=report)
    show(summary, as_json, lambda: str(summary))
