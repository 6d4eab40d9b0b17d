"""``backscroll source``: the gateways that push what happens."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from backscroll.cli.common import (
    SECOND,
    UNITS,
    Commands,
    Failure,
    json_option,
    open_archive,
    org_of,
    org_option,
    settings_of,
    shared_options,
    show,
    table,
    timestamp,
)
from backscroll.cli.orgs import digits_of
from backscroll.config import Settings
from backscroll.core.errors import BadField
from backscroll.core.model import Org, Phone

if TYPE_CHECKING:
    from backscroll.storage.store import Store
    from backscroll.storage.write.live_sources import LiveSource, SourceSecrets

KINDS = ("gowa", "waha", "evolution", "periskope", "cloud", "events")
ASKED = ("gowa", "periskope")
_NEEDS_NO_PHONE = {"periskope", "events"}
"""Their payloads name the phone that they mean."""
MIN_SECRET = 8


@click.group(cls=Commands)
def source() -> None:
    """Sources: gateways that push messages into the archive as they happen."""


@source.command("add")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@org_option
@click.option("--phone", metavar="NUMBER", help="The own number that the gateway is linked to; made when it is new.")
@click.option("--secret", metavar="TEXT", help="What the gateway signs with; made when it is left out.")
@click.option(
    "--verify-token",
    metavar="TEXT",
    help="cloud: the verify token of Meta's form. evolution: its webhook's jwt_key.",
)
@click.option("--upstream", metavar="URL", help="Where the gateway itself answers.")
@click.option("--upstream-token", metavar="TEXT", help="What opens it: USER:PASSWORD of GOWA, API token of Periskope.")
@click.option("--every", metavar="SPAN", help="Ask the upstream for what was missed this often: 15m, 1h.")
@click.option("--silent-after", metavar="SPAN", help="Warn when nothing was heard for so long: 6h.")
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
    from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id

    _check(kind, phone, secret, upstream, every)
    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        owner = org_of(archive.store, org)
        own = archive.store.add_phone(owner.no, digits_of(phone)) if phone else None
        id = make_source_id(owner.no)
        wanted = LiveSource(
            org=owner.no,
            id=id,
            kind=kind,
            phone=own.no if own else None,
            upstream=_url(upstream),
            every=_span("--every", every),
            silent_after=_span("--silent-after", silent_after),
        )
        given = SourceSecrets(
            secret or _made_secret(kind, id),
            verify_token or (secrets.token_urlsafe(24) if kind == "cloud" else None),
            upstream_token,
        )
        added = archive.store.sources.add(wanted, given)
    row = _row(added, owner, own) | {"url": address(added, given, settings), "secret": given.secret}
    if given.verify_token:
        row["verify_token"] = given.verify_token
    show(row, as_json, lambda: _told_how(kind, row, secret is not None))


def _check(kind: str, phone: str | None, secret: str | None, upstream: str | None, every: str | None) -> None:
    if phone is None and kind not in _NEEDS_NO_PHONE:
        raise BadField("--phone", None, f"name the number that the {kind} gateway is linked to, such as 919876543210")
    if secret is not None and len(secret) < MIN_SECRET:
        remedy = f"give at least {MIN_SECRET} characters that nobody can guess, or leave it out and one is made"
        raise BadField("--secret", None, f"{remedy} (GOWA's own default, the word secret, is known to everybody)")
    if secret is not None and not re.fullmatch(r"[\x21-\x7e]+", secret):
        raise BadField("--secret", None, "use ASCII characters without spaces")
    if every is not None and upstream is None:
        raise BadField("--every", every, "only with --upstream, which says whom to ask")
    if every is not None and kind not in ASKED:
        raise BadField("--every", every, f"only {' and '.join(ASKED)} can be asked for what they know")


def _made_secret(kind: str, id: str) -> str:
    made = secrets.token_urlsafe(32)
    return f"{id}_{made}" if kind == "events" else made


def _span(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text)
    if match is None:
        raise BadField(name, text, "give a span such as 15m, 6h or 2d")
    return int(match[1]) * UNITS[match[2]] * SECOND


def _url(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise BadField("--upstream", text, "give an address such as http://127.0.0.1:3000, without a password in it")
    return text.rstrip("/")


def address(source: LiveSource, given: SourceSecrets, settings: Settings) -> str:
    """What to enter in the gateway. Evolution signs nothing, so its address holds the secret."""
    base = f"{settings.url}/ingest/{source.kind}"
    if source.kind == "events" and given.secret.startswith(f"{source.id}_"):
        return base
    return f"{base}/{source.id}/{given.secret}" if source.kind == "evolution" else f"{base}/{source.id}"


_HOW = {
    "gowa": "Start GOWA with:\n  --webhook={url} --webhook-secret={secret}",
    "waha": "Set in WAHA's environment (or in the session's webhooks, hmac.key):\n"
    "  WHATSAPP_HOOK_URL={url}\n  WHATSAPP_HOOK_HMAC_KEY={secret}\n"
    "  WHATSAPP_HOOK_EVENTS=session.status,message.any,message.reaction,message.ack,message.ack.group,"
    "message.revoked,message.edited,message.waiting,poll.vote,group.v2.join,group.v2.leave,group.v2.update,"
    "group.v2.participants,chat.archive,call.received,call.accepted,call.rejected",
    "evolution": "Set the instance's webhook to this address, with the events of messages, chats and groups.\n"
    "The address holds the secret: treat it like a password.",
    "periskope": "Add a webhook with this address in Periskope's console, and give its signing key with --secret.",
    "cloud": "Enter the address as callback URL and the verify token in Meta's form, and give the app's secret with\n"
    "--secret: Meta signs with it. Subscribe to messages, smb_message_echoes, history and smb_app_state_sync.",
    "events": "Send up to 1,000 events in a request:\n"
    "  curl {url} -H 'Authorization: Bearer {secret}' -d '{{\"events\": []}}'",
}


def _told_how(kind: str, row: dict[str, Any], given: bool) -> str:
    names = ("id", "url", "secret", "verify_token")
    lines = [f"{name:13} {row[name]}" for name in names if name in row]
    how = _HOW[kind].format(url=row["url"], secret=row["secret"])
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
        owners = archive.store.list_orgs() if org is None else [org_of(archive.store, org)]
        rows = [row for owner in owners for row in _rows_of(archive.store, owner)]
    empty = "There is no source yet; add one with: backscroll source add KIND --phone NUMBER"
    show(rows, as_json, lambda: table([*rows[0]], [[*row.values()] for row in rows]) if rows else empty)


def _rows_of(store: Store, owner: Org) -> list[dict[str, Any]]:
    from backscroll.ingest.sync import last_run

    phones = {phone.no: phone for phone in store.list_phones(owner.no)}
    return [
        _row(found, owner, phones.get(found.phone or 0)) | {"synced_at": timestamp(last_run(store, found).done)}
        for found in store.sources.of(owner.no)
    ]


def _row(source: LiveSource, owner: Org, own: Phone | None) -> dict[str, Any]:
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


def is_silent(source: LiveSource, now: int) -> bool:
    """Whether nothing was heard for longer than the source's owner finds normal."""
    since = source.last_event_at or source.created_at
    return source.silent_after is not None and now - since > source.silent_after


@source.command("remove")
@click.argument("source_id", metavar="ID")
@json_option
@shared_options
@click.pass_context
def remove_source(ctx: click.Context, source_id: str, as_json: bool) -> None:
    """Take nothing more from the source ID. What it told stays.

    \b
    Example:
      backscroll source remove SOURCE_ID
    """
    with open_archive(settings_of(ctx)) as archive:
        archive.store.sources.remove(source_id)
    show({"id": source_id, "removed": True}, as_json, lambda: f"Removed source {source_id}.")


@source.command("test")
@click.argument("source_id", metavar="ID")
@json_option
@shared_options
@click.pass_context
def test_source(ctx: click.Context, source_id: str, as_json: bool) -> None:
    """Send the running server a signed payload that says nothing, by the address that the gateway uses.

    \b
    Example:
      backscroll source test SOURCE_ID
    """
    from backscroll.ingest.trial import try_address

    settings = settings_of(ctx)
    with open_archive(settings) as archive:
        found, given = archive.store.sources.open(source_id)
    url = address(found, given, settings)
    if found.kind == "evolution" and given.verify_token:
        raise Failure("This source wants a JSON Web Token, which only Evolution can make; send a message to test it")
    shown = url.removesuffix(f"/{given.secret}")
    status = try_address(found.kind, url, given.secret)
    if status is None:
        raise Failure(f"{shown} cannot be reached; is the server running there?")
    if status != 200:
        raise Failure(f"{shown} answered {status}; is this the server of this archive?")
    row = {"id": source_id, "url": shown, "ok": True, "last_event_at": timestamp(found.last_event_at)}
    last = row["last_event_at"] or "none yet"
    show(row, as_json, lambda: f"{shown} takes what this source signs. Last event: {last}.")
