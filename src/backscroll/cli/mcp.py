"""``backscroll mcp``: access to the archive for a language model, over standard input and output."""

from __future__ import annotations

import os

import click

from backscroll.cli.common import Failure, Misuse, open_archive, settings_of, shared_options
from backscroll.http.mcp_host import MISSING

VARIABLE = "BACKSCROLL_TOKEN"


@click.command()
@click.option(
    "--token", metavar="SECRET", help=f"Secret of the token that decides what may be read; by default {VARIABLE}."
)
@shared_options
@click.pass_context
def mcp(ctx: click.Context, token: str | None) -> None:
    """Speak the Model Context Protocol on standard input and output, for a program that starts this command.

    Access is read-only and limited to what the token gives access to. Other users of the machine can see a secret on
    the command line: prefer BACKSCROLL_TOKEN. A running server speaks the protocol at /mcp.

    \b
    Example:
      BACKSCROLL_TOKEN=bsk1… backscroll mcp --data /srv/backscroll
    """
    secret = token or os.environ.get(VARIABLE)
    if not secret:
        raise Misuse(
            f"Which token? Put its secret into {VARIABLE}, or give --token; `backscroll token create` creates one"
        )
    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        archive.store.authenticate(secret)
        try:
            from backscroll.mcp.stdio import serve
        except ImportError as error:
            raise Failure(MISSING[0].upper() + MISSING[1:]) from error
        serve(archive.store, archive.media, secret, settings.mcp_max_bytes, settings.mcp_max_file_bytes)
