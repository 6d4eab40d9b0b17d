"""The search index: rebuilding it."""

from __future__ import annotations

import time

import click

from backscroll.cli.common import (
    Archive,
    json_option,
    open_archive,
    org_option,
    progress,
    settings_of,
    shared_options,
    show,
)
from backscroll.cli.common import org_of as find_org
from backscroll.core.model import Org

WAIT_SECONDS = 0.5
"""Seconds between checks of an index that another process is working on."""


@click.command()
@click.option(
    "--from-nothing",
    is_flag=True,
    help="Delete the index first, as check --repair does for a damaged one. Searches miss messages until it is "
    "rebuilt.",
)
@org_option
@json_option
@shared_options
@click.pass_context
def reindex(ctx: click.Context, from_nothing: bool, org: str | None, as_json: bool) -> None:
    """Rebuild the search index, while the archive can still be written and searched.

    If it is interrupted and run again, it continues where it stopped. It is not needed after an upgrade: servers
    rebuild the index by themselves.

    \b
    Example:
      backscroll reindex
      backscroll reindex --from-nothing --org Sample
    """
    with open_archive(settings_of(ctx)) as archive:
        orgs = [find_org(archive.store, org)] if org is not None else archive.store.list_orgs()
        for one in orgs:
            if from_nothing or archive.store.search_progress(one.no).is_complete:
                archive.store.remake_search(one.no, from_nothing)
            _finish(archive, one)
    names = [one.name for one in orgs]
    show({"reindexed": names}, as_json, lambda: f"The search index was rebuilt: {', '.join(names) or 'nothing to do'}.")


def _finish(archive: Archive, org: Org) -> None:
    """Work on the index, or wait for the process that does, until it is complete."""
    with progress(org.name) as report:
        begun = archive.store.search_progress(org.no)
        whole = begun.messages or begun.segments
        is_done = begun.is_complete

        def stop() -> bool:
            now = archive.store.search_progress(org.no)
            left = now.messages if begun.messages else now.segments
            report(max(whole - left, 0), whole)
            return now.is_complete

        while not is_done:
            archive.store.tend_search(org.no, stop)
            is_done = archive.store.search_progress(org.no).is_complete
            if not is_done:
                time.sleep(WAIT_SECONDS)
