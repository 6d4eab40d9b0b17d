"""Organisations, their phones, and the tokens that give access to them."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import click

from backscroll.cli.common import (
    Commands,
    expiry,
    json_option,
    opened_store,
    org_of,
    org_option,
    owners_of,
    phone_of,
    settings_of,
    shared_options,
    show,
    show_rows,
    table,
    timestamp,
)
from backscroll.core.errors import BadField, NotFound
from backscroll.core.ids import MAX_NUMBER, bare_number
from backscroll.core.model import Org, Phone

if TYPE_CHECKING:
    from backscroll.storage.store import Store

SCOPES = ("read", "write", "admin", "operator")


@click.group(cls=Commands)
def org() -> None:
    """Organisations: each sees only its own phones, messages and tokens."""


@org.command("create")
@click.argument("name")
@click.option("--id", "org_id", metavar="UUID", help="Its id, if another system already knows it.")
@json_option
@shared_options
@click.pass_context
def create_org(ctx: click.Context, name: str, org_id: str | None, as_json: bool) -> None:
    """Create the organisation NAME.

    \b
    Example:
      backscroll org create "Hill Street Bakery"
    """
    if not name.strip():
        raise BadField("NAME", name, "an organisation needs a name with visible characters")
    with opened_store(settings_of(ctx), create=True) as store:
        created = store.create_org(name, _uuid(org_id))
    show(org_row(created), as_json, lambda: f'Created organisation "{created.name}" ({created.id}).')


def _uuid(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise BadField("--id", value, "give a UUID such as 6ba7b810-9dad-11d1-80b4-00c04fd430c8") from None


@org.command("list")
@json_option
@shared_options
@click.pass_context
def list_orgs(ctx: click.Context, as_json: bool) -> None:
    """List the organisations.

    \b
    Example:
      backscroll org list --json
    """
    with opened_store(settings_of(ctx)) as store:
        rows = [org_row(found) for found in store.list_orgs()]
    show_rows(rows, as_json, "There is no organisation yet; make one with: backscroll org create NAME")


@org.command("rename")
@click.argument("org_name", metavar="ORG")
@click.argument("name")
@json_option
@shared_options
@click.pass_context
def rename_org(ctx: click.Context, org_name: str, name: str, as_json: bool) -> None:
    """Call the organisation ORG, a name or an id, NAME. Its id, tokens and messages stay as they are.

    \b
    Example:
      backscroll org rename "Hill Street Bakery" "Bakery on the Hill"
    """
    with opened_store(settings_of(ctx)) as store:
        before = org_of(store, org_name)
        renamed = store.orgs.rename(before.no, name)
    show(org_row(renamed), as_json, lambda: f'The organisation "{before.name}" is now called "{renamed.name}".')


@click.group(cls=Commands)
def phone() -> None:
    """Phones: an organisation's own WhatsApp numbers."""


@phone.command("add")
@org_option
@click.option("--number", required=True, metavar="DIGITS", help="The number with its country code: 919876543210.")
@click.option("--device-id", metavar="ID", help="The name that GOWA's clients send as X-Device-Id.")
@click.option("--name", metavar="NAME", help="Name of this phone for people.")
@json_option
@shared_options
@click.pass_context
def add_phone(
    ctx: click.Context, org: str | None, number: str, device_id: str | None, name: str | None, as_json: bool
) -> None:
    """Add one of the organisation's own numbers. Imports from gateways add the phones that they find.

    \b
    Example:
      backscroll phone add --org "Hill Street Bakery" --number 919876543210 --device-id bench
    """
    digits = digits_of(number)
    with opened_store(settings_of(ctx)) as store:
        owner = org_of(store, org)
        known = {phone.number: phone for phone in store.list_phones(owner.no)}.get(digits)
        added = store.add_phone(owner.no, digits, device_id=device_id, name=name)
    show(phone_row(added, owner), as_json, lambda: _added(known, added, owner))


def _added(known: Phone | None, added: Phone, owner: Org) -> str:
    what = f"phone {added.number} ({added.phone_id})"
    if known is None:
        return f'Added {what} to "{owner.name}".'
    if known == added:
        return f'"{owner.name}" already has {what}; nothing was changed.'
    return f'"{owner.name}" already has {what}; it now has the name {added.name} and the device id {added.device_id}.'


def digits_of(number: str) -> str:
    """``+91 98765-43210`` as ``919876543210``; raises BadField for anything that is not a number."""
    digits = bare_number(number)
    if not 6 <= len(digits) <= MAX_NUMBER:
        raise BadField("--number", number, "give the number with its country code, such as 919876543210")
    return digits


@phone.command("list")
@org_option
@json_option
@shared_options
@click.pass_context
def list_phones(ctx: click.Context, org: str | None, as_json: bool) -> None:
    """List the phones of one organisation, or of all organisations if none is named.

    \b
    Example:
      backscroll phone list --org "Hill Street Bakery"
    """
    with opened_store(settings_of(ctx)) as store:
        rows = [phone_row(found, owner) for owner in owners_of(store, org) for found in store.list_phones(owner.no)]
    show_rows(rows, as_json, "There is no phone yet; add one with: backscroll phone add --number DIGITS")


@click.group(cls=Commands)
def token() -> None:
    """Tokens: one credential for both APIs, Bearer for Periskope's and Basic for GOWA's."""


@token.command("create")
@org_option
@click.option("--phone", "phones", multiple=True, metavar="NUMBER", help="Only this phone; may be repeated.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What the token may do; read is the default."
)
@click.option("--expires", metavar="WHEN", help="90d, 12h, 1y, or a date; without it the token lasts until revoked.")
@click.option("--name", metavar="NAME", help="What the token is for.")
@json_option
@shared_options
@click.pass_context
def create_token(
    ctx: click.Context,
    org: str | None,
    phones: tuple[str, ...],
    scopes: tuple[str, ...],
    expires: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Create a token and print its secret, which is shown only once: the archive keeps only its hash.

    \b
    Example:
      backscroll token create --org "Hill Street Bakery" --phone 919876543210 --expires 90d --json
    """
    expires_at = expiry(expires, time.time_ns() // 1000) if expires else None
    with opened_store(settings_of(ctx)) as store:
        owner = org_of(store, org)
        chosen = tuple(phone_of(store, owner, number) for number in dict.fromkeys(phones))
        numbers = tuple(dict.fromkeys(found.no for found in chosen)) or None
        granted = frozenset(scopes) or frozenset({"read"})
        made = store.create_token(owner.no, name, numbers, granted, expires_at)
    row = {
        "id": made.id,
        "secret": made.secret,
        "org": owner.name,
        "name": name,
        "phones": [found.number for found in chosen] or None,
        "scopes": sorted(granted),
        "expires_at": timestamp(expires_at),
    }
    show(
        row, as_json, lambda: f"id      {made.id}\nsecret  {made.secret}\n\nKeep the secret now: it is not shown again."
    )


@token.command("list")
@org_option
@json_option
@shared_options
@click.pass_context
def list_tokens(ctx: click.Context, org: str | None, as_json: bool) -> None:
    """List the tokens, without their secrets.

    \b
    Example:
      backscroll token list --json
    """
    with opened_store(settings_of(ctx)) as store:
        rows = [row for owner in owners_of(store, org) for row in _token_rows(store, owner)]
    show(rows, as_json, lambda: _token_table(rows, time.time_ns() // 1000))


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@org_option
@json_option
@shared_options
@click.pass_context
def revoke_token(ctx: click.Context, token_id: str, org: str | None, as_json: bool) -> None:
    """Revoke the token ID immediately, on every server.

    \b
    Example:
      backscroll token revoke TOKEN_ID
    """
    from backscroll.storage.accounts.accounts import org_of_token

    with opened_store(settings_of(ctx)) as store:
        # The id identifies the organisation; --org is an additional check.
        named = org_of_token(token_id)
        owners = [owner for owner in owners_of(store, org) if owner.no == named]
        if not owners:
            raise NotFound("token", token_id)
        store.revoke_token(owners[0].no, token_id)
    show({"id": token_id, "revoked": True}, as_json, lambda: f"Revoked token {token_id}.")


def org_row(org: Org) -> dict[str, Any]:
    return {"id": org.id, "name": org.name, "created_at": timestamp(org.created_at)}


def phone_row(phone: Phone, org: Org) -> dict[str, Any]:
    return {
        "id": phone.phone_id,
        "number": phone.number,
        "jid": phone.jid,
        "device_id": phone.device_id,
        "name": phone.name,
        "org": org.name,
        "created_at": timestamp(phone.created_at),
    }


def _token_rows(store: Store, org: Org) -> list[dict[str, Any]]:
    return [
        {
            "id": found.id,
            "name": found.name,
            "org": org.name,
            "phones": found.phones,
            "scopes": sorted(found.scopes),
            "created_at": timestamp(found.created_at),
            "expires_at": timestamp(found.expires_at),
            "revoked_at": timestamp(found.revoked_at),
            "last_used_at": timestamp(found.last_used_at),
        }
        for found in store.list_tokens(org.no)
    ]


def _token_table(rows: list[dict[str, Any]], now: int) -> str:
    """The most important columns, at most 100 characters wide; ``--json`` has the rest."""
    if not rows:
        return "There is no token yet; create one with: backscroll token create"
    shown = [
        (
            row["id"],
            shortened(row["name"] or "", 16),
            shortened(row["org"], 16),
            shortened(", ".join(row["phones"]) if row["phones"] else "all", 18),
            _state(row, now),
            (row["last_used_at"] or "never")[:10],
        )
        for row in rows
    ]
    return table(("id", "name", "org", "phones", "state", "last used"), shown)


def _state(row: dict[str, Any], now: int) -> str:
    if row["revoked_at"]:
        return "revoked"
    expires_at = row["expires_at"]
    if expires_at is None:
        return "valid"
    return "expired" if expires_at <= (timestamp(now) or "") else f"to {expires_at[:10]}"


def shortened(text: str, width: int) -> str:
    """At most ``width`` characters; an ellipsis replaces what is cut off."""
    return text if len(text) <= width else text[: width - 1] + "…"
