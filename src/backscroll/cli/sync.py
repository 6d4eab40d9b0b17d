"""``backscroll sync``: asking gateways for messages that their webhooks missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    Failure,
    json_option,
    open_archive,
    org_option,
    owners_of,
    progress,
    settings_of,
    shared_options,
    show,
)
from backscroll.core.gateways import ASKED
from backscroll.core.text import counted

if TYPE_CHECKING:
    from backscroll.storage.store import Store
    from backscroll.storage.write.live_sources import LiveSource


@click.command()
@click.option("--source", "id", metavar="ID", help="Only this source; by default all that have an upstream.")
@click.option("--full", is_flag=True, help="Ask for everything again, not only what is new since the last run.")
@click.option("--no-media", is_flag=True, help="periskope: do not fetch media files.")
@org_option
@json_option
@shared_options
@click.pass_context
def sync(ctx: click.Context, id: str | None, full: bool, no_media: bool, org: str | None, as_json: bool) -> None:
    """Ask the upstream of sources (GOWA, Periskope) for missing messages.

    The server does the same by itself for sources that were added with --every.

    \b
    Example:
      backscroll sync --source SOURCE_ID
    """
    from backscroll.ingest.sync import sync as ask

    settings = settings_of(ctx)
    done: list[dict[str, Any]] = []
    with open_archive(settings) as archive, progress("Asking") as report:
        for found in _wanted(archive.store, id, org):
            synced = ask(
                archive.store,
                None if no_media else archive.media,
                found.id,
                report=lambda count: report(count, None),
                full=full,
                max_media_bytes=settings.max_media_bytes,
            )
            if synced.summary is None:
                raise Failure(f"Another process is asking {found.upstream} at the moment; try again when it is done")
            done.append({"id": found.id, "kind": found.kind, **synced.summary})
    show(done, as_json, lambda: "\n".join(_told(row) for row in done))


def _wanted(store: Store, id: str | None, org: str | None) -> list[LiveSource]:
    if id is not None:
        return [store.sources.find(id)]
    sources = (source for owner in owners_of(store, org) for source in store.sources.of(owner.no))
    found = [source for source in sources if source.upstream and source.kind in ASKED]
    if not found:
        raise Failure("No source has an upstream; add one with: backscroll source add gowa --upstream URL …")
    return found


def _told(row: dict[str, Any]) -> str:
    rows = row.get("rows") or {name: row[name] for name in ("chats", "messages") if name in row}
    read = ", ".join(counted(count, what.removesuffix("s")) for what, count in rows.items()) or "nothing"
    told = f"{row['id']} ({row['kind']}): read {read}; {counted(row['changed'], 'row')} changed."
    if row["quarantined"]:
        told += f" In quarantine: {counted(row['quarantined'], 'unreadable row')}."
    return told
