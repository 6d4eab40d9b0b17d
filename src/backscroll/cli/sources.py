"""``backscroll source``: the gateways that push events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    SECOND,
    Commands,
    Failure,
    json_option,
    open_archive,
    org_of,
    org_option,
    owners_of,
    settings_of,
    shared_options,
    show,
    show_rows,
    timestamp,
)
from backscroll.core.errors import BadField
from backscroll.core.gateways import GATEWAYS
from backscroll.core.model import Org, Phone

if TYPE_CHECKING:
    from backscroll.config import Settings
    from backscroll.storage.store import Store
    from backscroll.storage.write.live_sources import LiveSource


@click.group(cls=Commands)
def source() -> None:
    """Sources: gateways that push messages into the archive as they happen."""


@source.command("add")
@click.argument("kind", type=click.Choice(GATEWAYS), metavar="KIND")
@org_option
@click.option("--phone", metavar="NUMBER", help="Your own number that the gateway is linked to; created if it is new.")
@click.option("--secret", metavar="TEXT", help="The gateway's signing secret; one is created by default.")
@click.option(
    "--verify-token",
    metavar="TEXT",
    help="cloud: the verify token of Meta's form. evolution: its webhook's jwt_key.",
)
@click.option("--upstream", metavar="URL", help="The gateway's own address.")
@click.option("--upstream-token", metavar="TEXT", help="Its credential: GOWA's USER:PASSWORD, a token or an API key.")
@click.option("--every", metavar="SPAN", help="How often to ask the upstream for missed messages: 15m, 1h.")
@click.option("--silent-after", metavar="SPAN", help="Warn if nothing was heard for this long: 6h.")
@json_option
@shared_options
@click.pass_context
def add_source(
    ctx: click.Context,
    kind: str,
    org: str | None,
    phone: str | None,
    secret: str | None,
    verify_token: str | None,
    upstream: str | None,
    upstream_token: str | None,
    every: str | None,
    silent_after: str | None,
    as_json: bool,
) -> None:
    """Add a source and print the address and the secret to enter in the gateway.

    KIND is gowa, waha, evolution, periskope, cloud (Meta's API) or events (any program, in the archive's own format).

    \b
    Example:
      backscroll source add gowa --org "Hill Street Bakery" --phone 919876543210
    """
    from backscroll.ingest import source_setup

    wish = source_setup.SourceWish(
        kind=kind,
        phone=phone,
        secret=secret,
        verify_token=verify_token,
        upstream=upstream,
        upstream_token=upstream_token,
        every=every,
        silent_after=silent_after,
    )
    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        owner = org_of(archive.store, org)
        with named_as_options():
            added = source_setup.add_source(archive.store, owner.no, wish)
    given = added.given
    row = _row(added.source, owner, added.phone)
    row |= {"url": source_setup.address(added.source, given, settings.url), "secret": given.secret}
    if given.verify_token:
        row["verify_token"] = given.verify_token
    show(row, as_json, lambda: _told_how(kind, row, secret is not None) + _assumed(settings))


def _assumed(settings: Settings) -> str:
    """Which address was printed, unless the user has set it."""
    if settings.public_url:
        return ""
    return (
        f"\n\nThe address assumes that the gateway is on this machine and the server listens on port {settings.port}.\n"
        "Otherwise set BACKSCROLL_PUBLIC_URL to where the server is; the part from /ingest on stays the same."
    )


def _told_how(kind: str, row: dict[str, Any], given: bool) -> str:
    from backscroll.ingest.source_setup import how_to

    names = ("id", "url", "secret", "verify_token")
    lines = [f"{name:13} {row[name]}" for name in names if name in row]
    how = how_to(kind, row["url"], row["secret"])
    ours = "" if given else "\n\nKeep the secret now: it is not shown again."
    return "\n".join(lines) + f"\n\n{how}{ours}"


@source.command("list")
@org_option
@json_option
@shared_options
@click.pass_context
def list_sources(ctx: click.Context, org: str | None, as_json: bool) -> None:
    """List the sources with the time of the last event, without their secrets.

    \b
    Example:
      backscroll source list --json
    """
    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        rows = [row for owner in owners_of(archive.store, org) for row in _rows_of(archive.store, owner)]
    show_rows(rows, as_json, "There is no source yet; add one with: backscroll source add KIND --phone NUMBER")


def _rows_of(store: Store, owner: Org) -> list[dict[str, Any]]:
    from backscroll.ingest.sync import last_run

    phones = {phone.no: phone for phone in store.list_phones(owner.no)}
    return [
        _row(found, owner, phones.get(found.phone or 0)) | {"synced_at": timestamp(last_run(store, found).done)}
        for found in store.sources.of(owner.no)
    ]


def _row(source: LiveSource, owner: Org, own: Phone | None) -> dict[str, Any]:
    from backscroll.ingest.source_state import is_silent

    return {
        "id": source.id,
        "kind": source.kind,
        "org": owner.name,
        "phone": own.number if own else None,
        "state": own.state if own else None,
        "last_event_at": timestamp(source.last_event_at),
        "silent": is_silent(source, time.time_ns() // 1000),
        "upstream": source.upstream,
        "every": source.every and f"{source.every // SECOND}s",
        "silent_after": source.silent_after and f"{source.silent_after // SECOND}s",
        "created_at": timestamp(source.created_at),
    }


@source.command("change")
@click.argument("source_id", metavar="ID")
@click.option("--upstream", metavar="URL", help="Where the gateway itself answers.")
@click.option("--upstream-token", metavar="TEXT", help="Its credential; a new --upstream needs it again.")
@click.option("--every", metavar="SPAN", help="Ask the upstream for what was missed this often: 15m, 1h.")
@click.option("--silent-after", metavar="SPAN", help="Warn when nothing was heard for so long: 6h.")
@json_option
@shared_options
@click.pass_context
def change_source(ctx: click.Context, /, source_id: str, as_json: bool, **given: str | None) -> None:
    """Change the given options of the source ID; the others stay. An empty text clears one: --every "".

    \b
    Example:
      backscroll source change SOURCE_ID --silent-after 6h
    """
    from backscroll.ingest.source_setup import SourceChange
    from backscroll.ingest.source_setup import change_source as change

    asked = {name: text or None for name, text in given.items() if text is not None}
    with open_archive(settings_of(ctx)) as archive:
        with named_as_options():
            changed = change(archive.store, source_id, SourceChange(**asked))
        row = _row_of(archive.store, changed)
    show(row, as_json, lambda: f"Changed source {source_id}.")


@source.command("rotate")
@click.argument("source_id", metavar="ID")
@click.option("--secret", metavar="TEXT", help="The new one, where the other side chooses it; else one is made.")
@click.option(
    "--grace", metavar="SPAN", default="1d", show_default=True, help="So long the old secret counts as well; 0: not."
)
@json_option
@shared_options
@click.pass_context
def rotate_secret(ctx: click.Context, source_id: str, secret: str | None, grace: str, as_json: bool) -> None:
    """Give the source ID a new secret and print what to enter in the gateway.

    \b
    Example:
      backscroll source rotate SOURCE_ID --grace 6h
    """
    from backscroll.ingest import source_setup

    settings = settings_of(ctx)
    with open_archive(settings) as archive, named_as_options():
        grace_us = 0 if grace == "0" else source_setup.span("grace", grace) or 0
        rotated = source_setup.rotate_secret(archive.store, source_id, secret, grace_us)
        row = _row_of(archive.store, rotated.source)
    kind, given = rotated.source.kind, rotated.given
    row |= {"url": source_setup.address(rotated.source, given, settings.url), "secret": given.secret}
    show(row, as_json, lambda: _told_how(kind, row, secret is not None))


@contextmanager
def named_as_options() -> Iterator[None]:
    """A field that cannot be used is called by its option."""
    try:
        yield
    except BadField as error:
        raise BadField(f"--{error.field.replace('_', '-')}", error.value, error.remedy) from None


def _row_of(store: Store, source: LiveSource) -> dict[str, Any]:
    owner = next(org for org in store.list_orgs() if org.no == source.org)
    own = next((phone for phone in store.list_phones(owner.no) if phone.no == source.phone), None)
    return _row(source, owner, own)


@source.command("remove")
@click.argument("source_id", metavar="ID")
@json_option
@shared_options
@click.pass_context
def remove_source(ctx: click.Context, source_id: str, as_json: bool) -> None:
    """Remove the source ID. Its messages stay.

    \b
    Example:
      backscroll source remove SOURCE_ID
    """
    with open_archive(settings_of(ctx)) as archive:
        if archive.store.sources.find(source_id).kind == "linked":
            raise Failure(f"This is a linked device; unlink it with: backscroll link remove {source_id}")
        archive.store.sources.remove(source_id)
    show({"id": source_id, "removed": True}, as_json, lambda: f"Removed source {source_id}.")


@source.command("test")
@click.argument("source_id", metavar="ID")
@json_option
@shared_options
@click.pass_context
def test_source(ctx: click.Context, source_id: str, as_json: bool) -> None:
    """Send a signed test payload to the running server, at the address that the gateway uses.

    \b
    Example:
      backscroll source test SOURCE_ID
    """
    from backscroll.ingest.source_setup import address
    from backscroll.ingest.trial import try_address

    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        found, given = archive.store.sources.open(source_id)
    if found.kind == "linked":
        raise Failure("A linked device pushes nothing; see its state with: backscroll link list")
    url = address(found, given, settings.url)
    if found.kind == "evolution" and given.verify_token:
        raise Failure(
            "This source requires a JSON Web Token, which only Evolution can create; send a message to test it"
        )
    shown = url.removesuffix(f"/{given.secret}")
    status = try_address(found.kind, url, given.secret)
    if status is None:
        hint = "" if settings.public_url else " If it listens elsewhere, set BACKSCROLL_PUBLIC_URL"
        raise Failure(f"{shown} cannot be reached; is the server running at that address?{hint}")
    if status != 200:
        raise Failure(f"{shown} answered {status}; is this the server of this archive?")
    row = {"id": source_id, "url": shown, "ok": True, "last_event_at": timestamp(found.last_event_at)}
    last = row["last_event_at"] or "none yet"
    show(row, as_json, lambda: f"{shown} accepts requests signed by this source. Last event: {last}.")
