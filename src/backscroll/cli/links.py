"""``backscroll link``: linking a phone as one of its linked devices."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    Commands,
    Failure,
    json_option,
    open_archive,
    org_of,
    org_option,
    owners_of,
    phone_of,
    settings_of,
    shared_options,
    show,
    show_rows,
    timestamp,
)
from backscroll.core.errors import BadField

if TYPE_CHECKING:
    from backscroll.cli.common import Archive
    from backscroll.core.model import Org
    from backscroll.storage.write.links import Link

LOOK_SECONDS = 0.3
SERVER_SECONDS = 5.0
"""How long a running server has to take over the device."""
QUIET_SECONDS = 30.0
"""Without a server the command runs until nothing was received for this long: the history is sent once, after linking.
"""
_BLOCKS = {("0", "0"): " ", ("0", "1"): "▄", ("1", "0"): "▀", ("1", "1"): "█"}


@click.group(cls=Commands, invoke_without_command=True)
@click.option("--phone-name", metavar="NAME", help="Name for the phone if linking adds it.")
@click.option(
    "--phone", metavar="NUMBER", help="Link this phone, which is already in the archive; other accounts are refused."
)
@click.option(
    "--pair-code", metavar="NUMBER", help="Show a code to type on the phone with this number instead of a QR code."
)
@click.option("--silent-after", metavar="SPAN", help="Warn when nothing has arrived for this long: 6h.")
@org_option
@json_option
@shared_options
@click.pass_context
def link(
    ctx: click.Context,
    phone_name: str | None,
    phone: str | None,
    pair_code: str | None,
    silent_after: str | None,
    org: str | None,
    as_json: bool,
) -> None:
    """Link a phone: this archive becomes one of its linked devices and receives everything directly.

    Shows a QR code until it is scanned. A running server keeps the device connected afterwards; if none is running,
    start one with `backscroll serve`. Needs the extra `linked`, which is installed separately.

    \b
    Example:
      backscroll link --phone-name "Sales"
      backscroll link --phone-name "Sales" --pair-code 4915550001001
    """
    if ctx.invoked_subcommand is not None:
        return
    from backscroll.dialects.native.links import number_of
    from backscroll.ingest.source_setup import span
    from backscroll.jobs import linking

    linking.require_library()
    silence = span("--silent-after", silent_after)
    if phone_name is None and phone is None:
        raise BadField("--phone-name", None, "give the new phone's name, or select an existing phone with --phone")
    code_for = number_of("--pair-code", pair_code)
    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        owner = org_of(archive.store, org)
        own = phone_of(archive.store, owner, phone) if phone else None
        known = [known for known in archive.store.sources.links.of(owner.no) if own and known.phone == own.no]
        if known:
            if silence is not None:
                archive.store.sources.links.warn_after(owner.no, known[0].id, silence)
            begun = linking.begin_again(archive.store, known[0], code_for)
        else:
            begun = linking.begin(archive.store, owner.no, own, phone_name, code_for, silence)
        linked = _pair(archive, begun, quiet=as_json)
        row = _row(archive, owner, linked)
    show(row, as_json, lambda: f"Linked {row['phone']}. {_GOES_ON}")


_GOES_ON = "A running server keeps it connected; start one with: backscroll serve"


def _pair(archive: Archive, begun: Link, quiet: bool) -> Link:
    """Show the device's codes until it is connected. If no server takes it over, it is supervised here.

    If this process and a server supervised it one after the other, the history would be cut off, because the phone
    sends it only once; so a server gets the first chance.
    """
    from backscroll.jobs import linking

    stopping, ours = threading.Event(), threading.Event()

    def supervise() -> None:
        """Once a server has had its turn and did not take it, keep the device connected from here."""
        stopping.wait(SERVER_SECONDS)
        while not stopping.is_set():
            if linking.is_supervised(archive.store, begun):
                stopping.wait(1.0)
                continue
            ours.set()
            linking.supervise(
                archive.store,
                archive.media,
                begun,
                data=archive.settings.data,
                max_media_bytes=archive.settings.max_media_bytes,
                stopping=stopping,
            )
            stopping.wait(1.0)

    thread = threading.Thread(target=supervise, daemon=True)
    thread.start()
    try:
        linked = _watch(archive, begun, quiet)
        if ours.is_set():
            _hear_out(archive, linked, quiet)
        return archive.store.sources.links.find(begun.org, begun.id)
    except KeyboardInterrupt:
        # A device that nobody scanned is not kept.
        stopping.set()
        thread.join()
        current = archive.store.sources.links.find(begun.org, begun.id)
        if current.jid is None:
            linking.unlink(archive.store, current, archive.settings.data)
        raise
    finally:
        stopping.set()
        thread.join()


def _watch(archive: Archive, begun: Link, quiet: bool) -> Link:
    from backscroll.dialects.native.links import said_of
    from backscroll.formats.link_lines import ENDED

    shown: tuple[Any, ...] = ()
    while True:
        link = archive.store.sources.links.find(begun.org, begun.id)
        if link.state == "connected":
            return link
        if link.asked is None and link.state in ENDED:
            raise Failure(said_of(link) or link.state)
        now = (link.state, link.qr, link.code, link.problem)
        if now != shown:
            shown = now
            _tell(link, quiet)
        time.sleep(LOOK_SECONDS)


def _hear_out(archive: Archive, link: Link, quiet: bool) -> None:
    """Wait for the end of the history that the phone sends."""
    if not quiet:
        click.echo(
            "Linked. The phone is sending its history now; this command ends when it is complete, or with Ctrl-C.",
            err=True,
        )
    since = time.monotonic()
    heard = link.last_event_at
    with suppress(KeyboardInterrupt):
        while link.progress is not None or time.monotonic() - since < QUIET_SECONDS:
            time.sleep(LOOK_SECONDS)
            link = archive.store.sources.links.find(link.org, link.id)
            if link.last_event_at != heard:
                since, heard = time.monotonic(), link.last_event_at
            if link.state != "connected":
                return


def _tell(link: Link, quiet: bool) -> None:
    """Show the device's state on standard error, so that standard output holds only the result."""
    from backscroll.dialects.native.links import said_of

    if quiet and link.state != "pairing":
        return
    if link.state == "pairing" and link.code is not None:
        click.echo(f"{said_of(link)}\n\n    {link.code}\n", err=True)
    elif link.state == "pairing" and link.rows is not None:
        click.echo(f"\n{drawn(link.rows)}\n\n{said_of(link)}", err=True)
    elif (said := said_of(link)) is not None:
        click.echo(said, err=True)


def drawn(rows: tuple[str, ...]) -> str:
    """A QR code drawn with half blocks, dark on light whatever the terminal's colours."""
    height = len(rows) + len(rows) % 2
    padded = [*rows, *["0" * len(rows[0])] * (height - len(rows))]
    lines = (
        "".join(_BLOCKS[upper, lower] for upper, lower in zip(padded[at], padded[at + 1], strict=True))
        for at in range(0, height, 2)
    )
    if not sys.stderr.isatty():
        return "\n".join(lines)
    return "\n".join(f"\x1b[30;107m{line}\x1b[0m" for line in lines)


def _row(archive: Archive, owner: Org, link: Link) -> dict[str, Any]:
    from backscroll.dialects.native.links import said_of

    phones = {phone.no: phone for phone in archive.store.list_phones(owner.no)}
    own = phones.get(link.phone or 0)
    return {
        "id": link.id,
        "org": owner.name,
        "phone": own.number if own else None,
        "phone_name": own.name if own and own.name else link.phone_name,
        "state": link.state,
        "message": said_of(link),
        "retry_at": timestamp(link.retry_at),
        "silent_after": link.silent_after and f"{link.silent_after // 1_000_000}s",
        "last_event_at": timestamp(link.last_event_at),
        "created_at": timestamp(link.created_at),
    }


@link.command("list")
@org_option
@json_option
@shared_options
@click.pass_context
def list_links(ctx: click.Context, org: str | None, as_json: bool) -> None:
    """List linked devices and their state.

    \b
    Example:
      backscroll link list
    """
    with open_archive(settings_of(ctx)) as archive:
        owners = owners_of(archive.store, org)
        rows = [_row(archive, owner, found) for owner in owners for found in archive.store.sources.links.of(owner.no)]
    show_rows(rows, as_json, "No phone is linked yet; link one with: backscroll link --phone-name NAME")


@link.command("retry")
@click.argument("link_id", metavar="ID")
@click.option(
    "--pair-code", metavar="NUMBER", help="Show a code to type on the phone with this number instead of a QR code."
)
@json_option
@shared_options
@click.pass_context
def retry_link(ctx: click.Context, link_id: str, pair_code: str | None, as_json: bool) -> None:
    """Reconnect the device ID, or pair it again if WhatsApp no longer knows it.

    \b
    Example:
      backscroll link retry LINK_ID
    """
    from backscroll.dialects.native.links import number_of
    from backscroll.jobs import linking

    code_for = number_of("--pair-code", pair_code)
    with open_archive(settings_of(ctx)) as archive:
        found = _link(archive, link_id)
        begun = linking.begin_again(archive.store, found, code_for)
        owner = next(org for org in archive.store.list_orgs() if org.no == begun.org)
        row = _row(archive, owner, _pair(archive, begun, quiet=as_json))
    show(row, as_json, lambda: f"Linked {row['phone']}. {_GOES_ON}")


def _link(archive: Archive, id: str) -> Link:
    return archive.store.sources.links.find(archive.store.sources.find(id).org, id)


@link.command("remove")
@click.argument("link_id", metavar="ID")
@json_option
@shared_options
@click.pass_context
def remove_link(ctx: click.Context, link_id: str, as_json: bool) -> None:
    """Unlink the device ID: remove it from the phone's list and delete its keys. Its messages stay.

    If no server is running and WhatsApp cannot be reached, the keys are deleted all the same: remove the device from
    the list on the phone then.

    \b
    Example:
      backscroll link remove LINK_ID
    """
    from backscroll.core.errors import NotFound
    from backscroll.jobs import linking
    from backscroll.jobs.device import folder_of

    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        found = _link(archive, link_id)
        linking.unlink(archive.store, found, settings.data)
        while True:
            try:
                found = _link(archive, link_id)
            except NotFound:
                break
            ours = linking.supervise(
                archive.store,
                archive.media,
                found,
                data=settings.data,
                max_media_bytes=settings.max_media_bytes,
                stopping=threading.Event(),
            )
            if not ours:
                time.sleep(LOOK_SECONDS)
        shutil.rmtree(folder_of(settings.data, link_id), ignore_errors=True)
    show({"id": link_id, "removed": True}, as_json, lambda: f"Unlinked {link_id}.")


@link.command("history")
@click.argument("chat", metavar="CHAT")
@shared_options
def link_history(chat: str) -> None:
    """Ask the phone for older messages of CHAT. The library cannot request them yet, so this explains what to do
    instead.

    \b
    Example:
      backscroll link history 4915550001002
    """
    raise Failure(
        "The library for linked devices cannot ask a phone for messages older than those it sends when it is linked. "
        "Export the chat on the phone, and import it with: backscroll import export FILE"
    )
