"""The archive's own key, which signs media links and encrypts what must not be readable in the database."""

from __future__ import annotations

import click

from backscroll.cli.common import (
    Commands,
    confirmed,
    json_option,
    opened_store,
    settings_of,
    shared_options,
    show,
)
from backscroll.core.errors import Conflict


@click.group(cls=Commands)
def key() -> None:
    """The key of the archive, the file secret.key in the data directory."""


@key.command("create")
@click.option("--yes", is_flag=True, help="Do it without confirmation.")
@json_option
@shared_options
@click.pass_context
def create_key(ctx: click.Context, yes: bool, as_json: bool) -> None:
    """Create a new key for an archive whose key is lost for good. If there is a backup, restore the old key instead.

    Existing media links stop working, and input in quarantine can no longer be read. Messages, media and tokens are not
    affected. Servers on other machines need a copy of the new file.

    \b
    Example:
      backscroll key create --data /srv/backscroll
    """
    from backscroll.storage.files.keys import KEY_FILE, Sealer, load_or_make_key

    settings = settings_of(ctx)
    path = settings.data / KEY_FILE
    with opened_store(settings):
        if path.exists():
            raise Conflict(f"There is already a key: {path}; move it away first if it belongs to another archive")
        confirmed(yes, "Create a new key? Existing media links will stop working.")
        made = Sealer(load_or_make_key(path)).key_id
    show({"file": str(path), "key": made}, as_json, lambda: f"Created the key {made} in {path}; back it up.")
