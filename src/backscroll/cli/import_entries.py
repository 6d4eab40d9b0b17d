"""Past imports: listing them, showing one, undoing one."""

from __future__ import annotations

from typing import Any

import click
from msgspec import to_builtins

from backscroll.cli.common import (
    json_option,
    open_archive,
    org_of,
    org_option,
    progress,
    settings_of,
    shared_options,
    show,
    table,
    timestamp,
)
from backscroll.core.imports import Import, Undone, UndoPlan
from backscroll.core.text import counted
from backscroll.storage.store import Store

NONE_YET = (
    "No imports yet. What was imported by a Backscroll without numbered imports is not listed, and cannot be undone "
    "by itself: restore a backup instead."
)


def shown(entry: Import) -> dict[str, Any]:
    """An import in its JSON form; times are ISO 8601 in UTC."""
    fields = to_builtins(entry)
    fields |= {"started_at": timestamp(entry.started_at), "finished_at": timestamp(entry.finished_at)}
    del fields["sketch"]
    return dict(fields)


@click.command("list")
@org_option
@json_option
@shared_options
@click.pass_context
def import_list(ctx: click.Context, org: str | None, as_json: bool) -> None:
    """List all imports, oldest first, including undone ones.

    \b
    Example:
      backscroll import list --org "Hill Street Bakery"
    """
    with open_archive(settings_of(ctx)) as archive:
        owner = org_of(archive.store, org)
        found = archive.store.list_imports(owner.no)
    show([shown(entry) for entry in found], as_json, lambda: _table(found) if found else NONE_YET)


def _table(found: list[Import]) -> str:
    head = ("ID", "KIND", "STATE", "STARTED", "FILE", "ANSWERS")
    return table(head, [(i.id, i.kind, i.state, timestamp(i.started_at), i.file, _answers(i)) for i in found])


def _answers(entry: Import) -> str:
    return ", ".join(f"{name} {answer}" for name, answer in entry.answers.items())


@click.command("show")
@click.argument("import_id", metavar="ID", type=int)
@org_option
@json_option
@shared_options
@click.pass_context
def import_show(ctx: click.Context, import_id: int, org: str | None, as_json: bool) -> None:
    """Show one import: its file, its answers, its report.

    \b
    Example:
      backscroll import show 3
    """
    with open_archive(settings_of(ctx)) as archive:
        owner = org_of(archive.store, org)
        entry = archive.store.find_import(owner.no, import_id)
    show(shown(entry), as_json, lambda: _told(entry))


def _told(entry: Import) -> str:
    lines = [
        f"Import {entry.id}: {entry.kind}, {entry.state}",
        f"File: {entry.file or 'none'}" + (f" ({counted(entry.size, 'byte')})" if entry.size is not None else ""),
        f"SHA-256: {entry.sha256 or 'none'}",
        f"Answers: {_answers(entry) or 'none'}",
        f"Started: {timestamp(entry.started_at)}, finished: {timestamp(entry.finished_at) or 'not'}",
    ]
    if entry.replaces:
        lines.append(f"Replaces: import {', '.join(map(str, entry.replaces))}")
    for name, value in (entry.report or {}).items():
        lines += [f"Note: {note}" for note in value] if name == "warnings" else [f"{name}: {value}"]
    return "\n".join(lines)


@click.command("undo")
@click.argument("import_id", metavar="ID", type=int)
@org_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@shared_options
@click.pass_context
def import_undo(ctx: click.Context, import_id: int, org: str | None, yes: bool, as_json: bool) -> None:
    """Remove what only this import brought in; what other sources also reported stays. Shows first what it will do, and
    asks.

    \b
    Examples:
      backscroll import undo 3
      backscroll import undo 3 --org "Hill Street Bakery" --yes
    """
    from backscroll.ingest import imports

    with open_archive(settings_of(ctx)) as archive, progress("Taking back") as report:
        owner = org_of(archive.store, org)
        entry = archive.store.find_import(owner.no, import_id)
        if entry.state == "undone":
            done = imports.undo(archive.store, archive.media, owner.no, import_id)
            show(_outcome(entry, done), as_json, lambda: f"Import {import_id} has already been undone; nothing to do.")
            return
        plan = _ask(archive.store, owner.no, entry, yes)
        whole = plan.messages + plan.kept
        done = imports.undo(archive.store, archive.media, owner.no, import_id, lambda count: report(count, whole))
    show(_outcome(entry, done), as_json, lambda: _done(import_id, done))


def _ask(store: Store, org: int, entry: Import, yes: bool) -> UndoPlan:
    plan = store.plan_undo(org, entry.id)
    click.echo(_plan(entry, plan), err=True)
    if not yes:
        click.confirm("Undo it?", abort=True, err=True)
    return plan


def _plan(entry: Import, plan: UndoPlan) -> str:
    begun = " An earlier undo was interrupted and will be continued." if entry.state == "undoing" else ""
    stay = "stays because other sources reported it too" if plan.kept == 1 else "stay because others reported them too"
    return (
        f"Import {entry.id} ({entry.kind}, {entry.file or 'no file'}, {timestamp(entry.started_at)}): "
        f"{counted(plan.messages, 'message')} will be removed, {plan.kept:,} {stay}. {counted(plan.chats, 'chat')}, "
        f"{counted(plan.contacts, 'contact')} and {counted(plan.files, 'file')} are known only from it.{begun}"
    )


def _outcome(entry: Import, done: Undone) -> dict[str, Any]:
    return {"import": entry.id, "file": entry.file, **to_builtins(done)}


def _done(import_id: int, done: Undone) -> str:
    told = (
        f"Import {import_id} was undone: {counted(done.messages, 'message')}, {counted(done.chats, 'chat')}, "
        f"{counted(done.contacts, 'contact')} and {counted(done.files, 'file')} were removed."
    )
    if done.mappings:
        were = "was" if done.mappings == 1 else "were"
        told += f" {counted(done.mappings, 'pair')} of JIDs that only it had joined {were} separated again."
    return told
