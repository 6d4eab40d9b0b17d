"""Importing history from the databases of other programs: phones, wacli, the whatsapp-mcp bridges, gateways."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backscroll.cli.common import (
    Archive,
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
from backscroll.core.errors import BadField
from backscroll.core.model import Org

if TYPE_CHECKING:
    from backscroll.ingest.databases.taking import ImportOutcome

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
KEY_VARIABLE = "BACKSCROLL_BACKUP_KEY"
PASSWORD_VARIABLE = "BACKSCROLL_BACKUP_PASSWORD"  # noqa: S105 - the name of a variable
EVOLUTION_VARIABLE = "BACKSCROLL_EVOLUTION_DATABASE"
SCRATCH = ".scratch"
"""Folder of the data directory where backups are decrypted."""

own_phone_option = click.option("--phone", metavar="NUMBER", required=True, help="Your own number whose history it is.")


def told(org: Org, taken: ImportOutcome, as_json: bool) -> None:
    """Show the result of an import; problems go to standard error."""
    from backscroll.ingest.databases.taking import report_of, summary

    for problem in taken.problems:
        click.echo(problem, err=True)
    show({"org": org.name, **report_of(taken)}, as_json, lambda: f"{org.name}: {summary(taken)}")


@click.command("msgstore")
@click.argument("path", metavar="MSGSTORE.DB[.CRYPT15]", type=EXISTING_FILE)
@own_phone_option
@click.option(
    "--key", metavar="FILE|DIGITS", help=f"Key of an encrypted backup; safer in {KEY_VARIABLE}, or typed when asked."
)
@click.option(
    "--wa-db", type=EXISTING_FILE, metavar="FILE", help="wa.db, with the names of contacts; may be encrypted too."
)
@click.option("--media", type=EXISTING_FOLDER, metavar="DIR", help="The phone's WhatsApp or Media folder.")
@org_option
@json_option
@shared_options
@click.pass_context
def import_msgstore(
    ctx: click.Context,
    path: Path,
    phone: str,
    key: str | None,
    wa_db: Path | None,
    media: Path | None,
    org: str | None,
    as_json: bool,
) -> None:
    """Import a backup of WhatsApp on Android: msgstore.db, also encrypted as crypt12, crypt14 or crypt15.

    The key for crypt15 is the 64 digits that WhatsApp showed when end-to-end encrypted backups were turned on; for
    crypt12 and crypt14 it is the phone's file /data/data/com.whatsapp/files/key. An interrupted import continues when
    the command is run again.

    \b
    Examples:
      backscroll import msgstore msgstore.db.crypt15 --phone 919876543210 --media WhatsApp/Media
      backscroll import msgstore msgstore.db.crypt14 --phone 919876543210 --key key --wa-db wa.db
    """
    from backscroll.ingest.databases import msgstore

    settings = settings_of(ctx)
    with open_archive(settings) as archive, progress("Importing") as report, progress("Decrypting") as decrypting:
        owner = org_of(archive.store, org)
        taken = msgstore.import_msgstore(
            archive.store,
            archive.media,
            owner.no,
            phone_of(archive.store, owner, phone),
            path,
            key=key or os.environ.get(KEY_VARIABLE) or _asked_for_key(path),
            wa_db=wa_db,
            folder=media,
            scratch=scratch_of(archive),
            max_media_bytes=settings.max_media_bytes,
            progress=report,
            decrypting=decrypting,
        )
    told(owner, taken, as_json)


@click.command("ios")
@click.argument("path", metavar="BACKUP|CHATSTORAGE", type=click.Path(exists=True, path_type=Path))
@click.option("--phone", metavar="NUMBER", help="Your own number, if the backup does not contain it.")
@click.option(
    "--password",
    metavar="TEXT",
    help=f"Password of an encrypted backup; safer in {PASSWORD_VARIABLE}, or typed when asked.",
)
@click.option(
    "--media",
    type=EXISTING_FOLDER,
    metavar="DIR",
    help="Folder of the files; by default BACKUP, or beside CHATSTORAGE.",
)
@org_option
@json_option
@shared_options
@click.pass_context
def import_ios(
    ctx: click.Context,
    path: Path,
    phone: str | None,
    password: str | None,
    media: Path | None,
    org: str | None,
    as_json: bool,
) -> None:
    """Import a backup of an iPhone as Finder and iTunes make it, also encrypted, or WhatsApp's ChatStorage.sqlite.

    BACKUP is the folder with Manifest.db. Names, LIDs, calls and files are read from it, or from beside CHATSTORAGE. A
    new phone is created. An interrupted import continues when the command is run again.

    \b
    Examples:
      backscroll import ios "MobileSync/Backup/00008101-000A1D3C0E92001E"
      backscroll import ios ChatStorage.sqlite --phone 919876543210
    """
    from backscroll.ingest.databases import iphone

    settings = settings_of(ctx)
    with open_archive(settings) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        taken = iphone.import_ios(
            archive.store,
            archive.media,
            owner.no,
            path,
            phone=phone,
            password=password or os.environ.get(PASSWORD_VARIABLE) or _asked_for_password(path),
            folder=media,
            scratch=scratch_of(archive),
            max_media_bytes=settings.max_media_bytes,
            progress=report,
        )
    told(owner, taken, as_json)


@click.command("wacli")
@click.argument("path", metavar="WACLI.DB", type=EXISTING_FILE)
@click.option(
    "--session-db", type=EXISTING_FILE, metavar="FILE", help="wacli's session.db; by default the one beside WACLI.DB."
)
@click.option("--phone", metavar="NUMBER", help="Your own number, if session.db does not contain it.")
@click.option(
    "--media", type=EXISTING_FOLDER, metavar="DIR", help="Folder of downloaded files; by default that of WACLI.DB."
)
@org_option
@json_option
@shared_options
@click.pass_context
def import_wacli(
    ctx: click.Context,
    path: Path,
    session_db: Path | None,
    phone: str | None,
    media: Path | None,
    org: str | None,
    as_json: bool,
) -> None:
    """Import the archive of wacli: messages, edits, deletions, reactions, polls, calls, names and downloaded files.

    A new phone is created. wacli can keep running. An interrupted import continues when the command is run again.

    \b
    Example:
      backscroll import wacli ~/.wacli/wacli.db --org "Hill Street Bakery"
    """
    _take_files(ctx, "wacli", path, session_db, phone, media or path.parent, org, as_json)


@click.command("whatsapp-mcp")
@click.argument("path", metavar="MESSAGES.DB", type=EXISTING_FILE)
@click.option(
    "--whatsapp-db",
    type=EXISTING_FILE,
    metavar="FILE",
    help="The bridge's whatsapp.db; by default the one beside MESSAGES.DB.",
)
@click.option("--phone", metavar="NUMBER", help="Your own number, if whatsapp.db does not contain it.")
@click.option(
    "--media", type=EXISTING_FOLDER, metavar="DIR", help="Folder of the files; by default that of MESSAGES.DB."
)
@org_option
@json_option
@shared_options
@click.pass_context
def import_whatsapp_mcp(
    ctx: click.Context,
    path: Path,
    whatsapp_db: Path | None,
    phone: str | None,
    media: Path | None,
    org: str | None,
    as_json: bool,
) -> None:
    """Import the archive of a whatsapp-mcp bridge: lharries' and verygoodplugins' messages.db.

    A new phone is created. The bridge can keep running. An interrupted import continues when the command is run again.

    \b
    Example:
      backscroll import whatsapp-mcp whatsapp-bridge/store/messages.db
    """
    _take_files(ctx, "whatsapp-mcp", path, whatsapp_db, phone, media or path.parent, org, as_json)


@click.command("waha")
@click.argument("path", metavar="STORE", type=EXISTING_FILE)
@click.option("--phone", metavar="NUMBER", help="Your own number, if it is not stored there.")
@click.option("--media", type=EXISTING_FOLDER, metavar="DIR", help="WAHA's folder of files, such as .media/default.")
@org_option
@json_option
@shared_options
@click.pass_context
def import_waha(
    ctx: click.Context, path: Path, phone: str | None, media: Path | None, org: str | None, as_json: bool
) -> None:
    """Import what WAHA stored: NOWEB's store.sqlite3 or GOWS's gows.db. The two are told apart by their tables.

    A new phone is created. WAHA can keep running. An interrupted import continues when the command is run again.

    \b
    Examples:
      backscroll import waha .sessions/noweb/default/store.sqlite3 --media .media/default
      backscroll import waha .sessions/gows/default/gows.db
    """
    _take_files(ctx, "waha", path, None, phone, media, org, as_json)


@click.command("evolution")
@click.option(
    "--url", metavar="URL", help=f"URL of its PostgreSQL; safer in {EVOLUTION_VARIABLE}, or typed when asked."
)
@click.option("--instance", metavar="NAME", help="Only this instance.")
@click.option("--no-media", is_flag=True, help="Skip files that are stored in the database.")
@org_option
@json_option
@shared_options
@click.pass_context
def import_evolution(
    ctx: click.Context, url: str | None, instance: str | None, no_media: bool, org: str | None, as_json: bool
) -> None:
    """Import the database of Evolution API v2: all instances with their messages, receipts, votes, chats and names.

    URL is Evolution's DATABASE_CONNECTION_URI, with or without ?schema=. Nothing is written there; a user with read
    access is enough. New phones are created for the instances. An interrupted import continues when the command is run
    again.

    \b
    Example:
      BACKSCROLL_EVOLUTION_DATABASE=postgresql://reader:…@db/evolution backscroll import evolution
    """
    from backscroll.ingest.databases import evolution

    given = url or os.environ.get(EVOLUTION_VARIABLE) or _asked_for_url()
    settings = settings_of(ctx)
    with open_archive(settings) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        taken = evolution.import_evolution(
            archive.store,
            None if no_media else archive.media,
            owner.no,
            given,
            instance=instance,
            max_media_bytes=settings.max_media_bytes,
            progress=report,
        )
    told(owner, taken, as_json)


def _asked_for_url() -> str:
    typed: str = ""
    if sys.stdin.isatty():
        typed = click.prompt("URL of Evolution's database", hide_input=True, err=True)
    if not typed.strip():
        raise BadField("url", None, f"give the URL of Evolution's database in {EVOLUTION_VARIABLE}, or with --url")
    return typed.strip()


def _take_files(
    ctx: click.Context,
    kind: str,
    path: Path,
    beside: Path | None,
    phone: str | None,
    folder: Path | None,
    org: str | None,
    as_json: bool,
) -> None:
    from backscroll.ingest.databases import files

    settings = settings_of(ctx)
    with open_archive(settings) as archive, progress("Importing") as report:
        owner = org_of(archive.store, org)
        taken = files.import_files(
            archive.store,
            archive.media,
            owner.no,
            files.KINDS[kind],
            path,
            beside=beside,
            phone=phone,
            folder=folder,
            max_media_bytes=settings.max_media_bytes,
            progress=report,
        )
    told(owner, taken, as_json)


def scratch_of(archive: Archive) -> Path:
    """Where the archive keeps decrypted copies while they are being read."""
    return archive.settings.data / SCRATCH


def _asked_for_key(path: Path) -> str | None:
    """The key, typed without echo; None if nobody can be asked or none is needed."""
    from backscroll.ingest.connectors.msgstore.encryption import is_encrypted

    with path.open("rb") as file:
        if not is_encrypted(file.read(512)) or not sys.stdin.isatty():
            return None
    typed: str = click.prompt("Key of the backup (64 digits, or a key file)", hide_input=True, err=True)
    return typed.strip() or None


def _asked_for_password(path: Path) -> str | None:
    """The password, typed without echo; None if nobody can be asked or none is needed."""
    from backscroll.ingest.databases.iphone import is_sealed, place_of

    place = place_of(path)
    if place is None or not is_sealed(place) or not sys.stdin.isatty():
        return None
    typed: str = click.prompt("Password of the backup", hide_input=True, err=True)
    return typed or None


DATABASES = (import_msgstore, import_ios, import_wacli, import_whatsapp_mcp, import_evolution, import_waha)
