"""The command ``backscroll``."""

from __future__ import annotations

from importlib.metadata import version

import click

from backscroll.cli.backups import backup, restore
from backscroll.cli.common import RootCommands, shared_options
from backscroll.cli.coverage import coverage
from backscroll.cli.database import copy, db
from backscroll.cli.exports import export
from backscroll.cli.imports import import_
from backscroll.cli.keys import key
from backscroll.cli.links import link
from backscroll.cli.maintenance import check, migrate
from backscroll.cli.mcp import mcp
from backscroll.cli.media import media
from backscroll.cli.orgs import org, phone, token
from backscroll.cli.quarantine import quarantine
from backscroll.cli.search import reindex
from backscroll.cli.serve import serve
from backscroll.cli.sources import source
from backscroll.cli.status import status
from backscroll.cli.sync import sync
from backscroll.cli.webhooks import webhook


@click.group(cls=RootCommands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@shared_options
@click.version_option(version("backscroll"), message="%(prog)s %(version)s")
def main() -> None:
    """A self-hosted archive for WhatsApp messages that serves Periskope's and GOWA's APIs.

    Settings come from a file (backscroll.toml here, or --config), then from BACKSCROLL_… variables, then from flags.

    \b
    Exit codes: 0 success, 1 failure, 2 the command line or a setting is wrong, 130 stopped with Ctrl-C. With --json an
    error is a JSON object on standard error.
    """


COMMANDS = (
    serve,
    status,
    org,
    phone,
    token,
    source,
    link,
    sync,
    coverage,
    webhook,
    media,
    quarantine,
    mcp,
    import_,
    export,
    backup,
    restore,
    check,
    reindex,
    migrate,
    copy,
    db,
    key,
)
for command in COMMANDS:
    main.add_command(command)
