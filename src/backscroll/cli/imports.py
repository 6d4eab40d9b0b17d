"""Importing history: exported chats, GOWA's databases, servers with Periskope's API, our own JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import convert, to_builtins

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
from backscroll.core.model import Org
from backscroll.core.text import counted

if TYPE_CHECKING:
    from backscroll.core.import_jobs import JobProgress
    from backscroll.ingest.exports.folder import FolderSummary
    from backscroll.ingest.exports.importer import ExportSummary
    from backscroll.ingest.importing.kind import Recognised
    from backscroll.ingest.importing.worker import Worker
    from backscroll.ingest.periskope.pull import PullSummary

EXISTING = click.Path(exists=True, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TOKEN_VARIABLE = "BACKSCROLL_PERISKOPE_TOKEN"  # noqa: S105 -- the name of a variable


ANY = "any"


class ImportCommands(Commands):
    """A group that treats any argument that is not a command as a file or folder whose kind is recognised."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, after inserting the omitted command."""
        return super().parse_args(ctx, self.with_command(ctx, args))

    def with_command(
        self, ctx: click.Context, args: list[str], exists: Callable[[str], bool] = os.path.exists
    ) -> list[str]:
        """The arguments with ``any`` in front if they begin with a file, or with an option and so have no command."""
        if not args or args[0] in self.commands or args[0] in ctx.help_option_names:
            return args
        if not args[0].startswith("-") and not exists(args[0]):
            problem = f"{args[0]} is neither a file or folder nor one of the commands: {', '.join(self.commands)}"
            raise click.UsageError(problem, ctx)
        return [ANY, *args]


@click.group("import", cls=ImportCommands)
def import_() -> None:
    """Import history. Every import can be run again: what is already there stays as it is.

    `backscroll import FILE` and `backscroll import FOLDER` recognise the kind of input by its content; the commands
    below are for one kind each. Each import has a number, by which it can be undone: `backscroll import list`,
    `backscroll import undo ID`.

    \b
    Example:
      backscroll import "WhatsApp Chat with Ana.zip" --phone 919876543210 --timezone Europe/Berlin
    """


for command in (import_list, import_show, import_undo, *DATABASES):
    import_.add_command(command)


@import_.command(ANY)
@click.argument("path", metavar="FILE|DIR", type=EXISTING)
@org_option
@click.option("--phone", metavar="NUMBER", help="Your own number that it is from, if the input does not contain it.")
@click.option("--chat", metavar="JID|NUMBER|TITLE", help="Exported chat: which one it is.")
@click.option("--timezone", metavar="ZONE", help="Exported chat: the phone's time zone; UTC by default.")
@click.option("--day-first/--month-first", "day_first", default=None, help="Exported chat: how its dates are written.")
@click.option("--me", metavar="NAME", help="Exported chat: the author who is the phone's owner.")
@click.option("--account", metavar="NUMBER", help="Databases: whose messages they are, if they do not say so.")
@json_option
@shared_options
@click.pass_context
def import_any(
    ctx: click.Context,
    path: Path,
    org: str | None,
    phone: str | None,
    chat: str | None,
    timezone: str | None,
    day_first: bool | None,
    me: str | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Import a file or folder of any kind: it is recognised by its content.

    The word `any` can be omitted.

    \b
    Examples:
      backscroll import "WhatsApp Chat with Ana.zip" --phone 919876543210 --timezone Europe/Berlin
      backscroll import storages/chatstorage.db
      backscroll import exports/ --phone 919876543210
    """
    from backscroll.ingest.importing.registry import recognise
    from backscroll.ingest.jsonl import looks_like_lines

    if path.is_file() and looks_like_lines(path):
        # JSON lines contain their organisation, and the archive need not exist yet.
        ctx.invoke(import_jsonl, path=str(path), org=org, as_json=as_json)
        return
    answers = {"chat": chat, "timezone": timezone, "me": me, "date_order": _order(day_first), "account": account}
    with open_archive(settings_of(ctx)) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        found = tuple(recognise(path))
        if chat is not None:
            _one_chat_only([one.path for one in found if one.kind == "export"], chat)
        if phone is not None:
            answers["phone"] = phone_of(archive.store, owner, phone).number
        worker = taken(archive, owner, path, answers, report, found=found)
    show(_rows(worker), as_json, lambda: "\n".join(_told(worker)))
    if worker.errors:
        ctx.exit(FAILED)


def _rows(worker: Worker) -> dict[str, Any]:
    """A job in its JSON form."""
    job = worker.job
    items = [
        {
            "kind": item.kind,
            "file": Path(item.path).name or job.name,
            "import": item.import_id or item.repeats,
            "state": item.state,
            "new": item.added,
            "known": item.known,
            "report": worker.outcomes[item.no].report if item.no in worker.outcomes else None,
            "error": item.error,
        }
        for item in job.found
    ]
    return {"job": job.id, "state": job.state, "items": items}


def _told(worker: Worker) -> Iterator[str]:
    from backscroll.ingest.importing.registry import kind_of

    for item in worker.job.found:
        kind = kind_of(item.kind)
        name = Path(item.path).name or worker.job.name
        if item.no in worker.outcomes:
            yield f"{name} ({kind.label}): {kind.told(worker.outcomes[item.no])}"
        else:
            yield f"Not imported: {name} ({kind.label}): {item.error or item.state}"


@import_.command("export")
@click.argument("path", metavar="FILE|DIR", type=EXISTING)
@org_option
@click.option("--phone", metavar="NUMBER", required=True, help="Your own number that the chat was exported from.")
@click.option("--chat", metavar="JID|NUMBER|TITLE", help="The chat, if the file's name does not identify it.")
@click.option("--timezone", metavar="ZONE", help="The phone's time zone, such as Europe/Berlin; UTC by default.")
@click.option("--day-first/--month-first", default=None, help="How to read 03/04, if the file does not show it.")
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
    """Import chats written by WhatsApp's "Export chat": a .txt, a .zip, or a folder with one or many of them.

    Importing a file again with different answers replaces what it brought in before; with the same answers nothing is
    done.

    \b
    Examples:
      backscroll import export "WhatsApp Chat with Ana.zip" --phone 919876543210 --timezone Europe/Berlin
      backscroll import export _chat.txt --phone 919876543210 --chat 4915112345678 --day-first
      backscroll import export exports/ --phone 919876543210 --timezone Europe/Berlin
    """
    from backscroll.ingest.exports.folder import exports_in

    _one_chat_only(exports_in(path), chat)
    with open_archive(settings_of(ctx)) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        own = phone_of(archive.store, owner, phone)
        answers = {"phone": own.number, "chat": chat, "timezone": timezone, "me": me, "date_order": _order(day_first)}
        worker = taken(archive, owner, path, answers, report, kind="export")
    result = _summary_of_exports(worker)
    show(result, as_json, lambda: str(result))
    if worker.errors:
        ctx.exit(FAILED)


def _order(day_first: bool | None) -> str | None:
    return None if day_first is None else "day_first" if day_first else "month_first"


def _one_chat_only(paths: list[Path], chat: str | None) -> None:
    if len(paths) > 1 and chat is not None:
        raise BadField("chat", chat, "names one chat, but the folder holds several exports; import them one by one")


def _summary_of_exports(worker: Worker) -> ExportSummary | FolderSummary:
    from backscroll.ingest.exports.folder import Failed, FolderSummary
    from backscroll.ingest.exports.importer import ExportSummary

    summaries = {no: convert(outcome.report, ExportSummary) for no, outcome in worker.outcomes.items()}
    if len(worker.job.found) == 1:
        return next(iter(summaries.values()))
    failed = [Failed(Path(item.path).name, item.error or "") for item in worker.job.found if item.state == "failed"]
    return FolderSummary(list(summaries.values()), failed)


def taken(
    archive: Archive,
    org: Org,
    path: Path,
    answers: Mapping[str, Any],
    report: Report,
    kind: str | None = None,
    found: tuple[Recognised, ...] | None = None,
) -> Worker:
    """Import a file or folder in this process, as a job that is also visible to ``import list`` and the server."""
    from backscroll.ingest.importing.spool import Spool
    from backscroll.ingest.importing.working import ImportContext, import_here

    context = ImportContext(
        store=archive.store,
        media=archive.media,
        spool=Spool(archive.settings.data),
        max_media_bytes=archive.settings.max_media_bytes,
    )

    def watch(at: JobProgress) -> None:
        if at.items > 1:
            report(at.item - 1, at.items)
        else:
            report(at.done, at.total)

    return import_here(context, org, path, answers, kind=kind, found=found, watch=watch)


@import_.command("gowa")
@click.argument("chatstorage", metavar="CHATSTORAGE.DB", type=EXISTING_FILE)
@click.option("--whatsapp-db", type=EXISTING_FILE, metavar="FILE", help="GOWA's whatsapp.db: names, LIDs, settings.")
@click.option("--account", metavar="NUMBER", help="Whose messages they are, if the files do not say so.")
@org_option
@json_option
@shared_options
@click.pass_context
def import_gowa(
    ctx: click.Context, chatstorage: Path, whatsapp_db: Path | None, account: str | None, org: str | None, as_json: bool
) -> None:
    """Import the databases of GOWA (go-whatsapp-web-multidevice), v7 and later, with its phones and device ids.

    \b
    Example:
      backscroll import gowa storages/chatstorage.db --whatsapp-db storages/whatsapp.db
    """
    from backscroll.ingest.importing.gowa_databases import KIND, Imported
    from backscroll.ingest.importing.kind import Recognised

    found = Recognised(kind=KIND, path=chatstorage, also=() if whatsapp_db is None else (whatsapp_db.absolute(),))
    with open_archive(settings_of(ctx)) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        worker = taken(archive, owner, chatstorage, {"account": account}, report, KIND, (found,))
    result = convert(worker.outcomes[1].report, Imported)
    for row in result.problems:
        click.echo(row, err=True)
    show({"org": owner.name, **to_builtins(result)}, as_json, lambda: f"{owner.name}: {result}")


@import_.command("periskope")
@click.option("--url", metavar="URL", help="The server; Periskope's own by default.")
@click.option("--token", metavar="TOKEN", help=f"Its API token; safer in {TOKEN_VARIABLE}, or typed when asked.")
@org_option
@click.option("--phone", metavar="NUMBER", help="Only this phone.")
@click.option("--no-media", is_flag=True, help="Do not fetch media files.")
@click.option("--full", is_flag=True, help="Read everything again, not only what is new since the last run.")
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
    """Pull all history from Periskope, or from any server with its API. An interrupted import continues when run again.

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
    rows = ", ".join(counted(count, what.removesuffix("s")) for what, count in summary.rows.items()) or "nothing"
    changed, held = counted(summary.changed, "row"), counted(summary.media_held, "media file")
    lines = [f"Read {rows}; {changed} changed, {held} kept."]
    if summary.quarantined:
        lines.append(f"In quarantine: {counted(summary.quarantined, 'row')} that could not be read, or not in full:")
        lines += [f"  {named}" for named in summary.refused]
    lines += [
        f"{counted(count, 'media file')} could not be fetched: {why}." for why, count in summary.media_failed.items()
    ]
    lines += [f"The server did not provide {what}: {why}" for what, why in summary.skipped.items()]
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
@click.option("--org", metavar="NAME", help="Import into this organisation; by default the file's own.")
@json_option
@shared_options
@click.pass_context
def import_jsonl(ctx: click.Context, path: str, org: str | None, as_json: bool) -> None:
    """Import a file written by `backscroll export jsonl`, with its organisation and phones. FILE - is standard input.

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
