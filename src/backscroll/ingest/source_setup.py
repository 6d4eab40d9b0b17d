"""Adding a live source: what is checked, the secrets that are made for it, and what to enter in the gateway."""

from __future__ import annotations

import re
import secrets
from urllib.parse import quote, urlsplit

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from backscroll.core.errors import BadField
from backscroll.core.gateways import ASKED, GATEWAYS
from backscroll.core.ids import bare_number
from backscroll.core.model import Phone
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id

NEEDS_NO_PHONE = frozenset({"periskope", "events"})
"""Kinds whose payloads name their phone."""
TAKES_VERIFY_TOKEN = ("cloud", "evolution")
GIVES_SECRET = frozenset({"periskope", "cloud"})
"""Kinds for which the other side chooses the secret with which it signs."""
MIN_SECRET = 8
_SECOND = 1_000_000
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class SourceWish(Struct, frozen=True, kw_only=True):
    """A source to be added, as somebody asks for it. Spans are text such as ``15m``, ``6h`` or ``2d``."""

    kind: str
    phone: str | None = None
    """Number of the own phone that the gateway is linked to; made when it is new."""
    secret: str | None = None
    """What the gateway signs with; made when it is left out."""
    verify_token: str | None = None
    upstream: str | None = None
    upstream_token: str | None = None
    every: str | None = None
    silent_after: str | None = None


class SourceChange(Struct, frozen=True, kw_only=True):
    """Changes to a source. Unset fields stay as they are; None clears a field."""

    upstream: str | UnsetType | None = UNSET
    upstream_token: str | UnsetType | None = UNSET
    """Required again with a new upstream, so that the stored credential is never sent to another server."""
    every: str | UnsetType | None = UNSET
    silent_after: str | UnsetType | None = UNSET


class Rotated(Struct, frozen=True):
    """A source with its new secret, which is shown only once."""

    source: LiveSource
    given: SourceSecrets


class Added(Struct, frozen=True):
    """A source that was added, with its secrets, which are shown only once."""

    source: LiveSource
    given: SourceSecrets
    phone: Phone | None


def add_source(store: Store, org: int, wish: SourceWish) -> Added:
    """Add a source. ``BadField`` names the field of ``SourceWish`` that cannot be used."""
    _check(wish)
    every, silent_after = span("every", wish.every), span("silent_after", wish.silent_after)
    own = store.add_phone(org, _digits(wish.phone)) if wish.phone else None
    id = make_source_id(org)
    wanted = LiveSource(
        org=org,
        id=id,
        kind=wish.kind,
        phone=own.no if own else None,
        upstream=_url(wish.upstream),
        every=every,
        silent_after=silent_after,
    )
    given = SourceSecrets(
        wish.secret or _made_secret(wish.kind, id),
        wish.verify_token or (secrets.token_urlsafe(24) if wish.kind == "cloud" else None),
        wish.upstream_token,
    )
    return Added(store.sources.add(wanted, given), given, own)


def change_source(store: Store, id: str, change: SourceChange) -> LiveSource:
    """Save the changes. ``BadField`` names an unusable field; ``NotFound``."""
    source, given = store.sources.open(id)
    _refuse_a_linked(source)
    upstream = source.upstream if change.upstream is UNSET else _url(change.upstream or None)
    kept = given.upstream_token if upstream == source.upstream else None
    token = kept if change.upstream_token is UNSET else change.upstream_token or None
    every = source.every if change.every is UNSET else span("every", change.every or None)
    silent_after = source.silent_after if change.silent_after is UNSET else span("silent_after", change.silent_after)
    if upstream is None:
        if isinstance(change.upstream_token, str):
            raise BadField("upstream_token", None, "opens an upstream; give its address as upstream")
        if isinstance(change.every, str):
            raise BadField("every", change.every[:40], "only with an upstream, which says whom to ask")
        every = None
    if isinstance(change.every, str) and source.kind not in ASKED:
        raise BadField("every", change.every[:40], f"only {' and '.join(ASKED)} can be asked for what they know")
    wanted = replace(source, upstream=upstream, every=every, silent_after=silent_after)
    return store.sources.change(wanted, token)


def rotate_secret(store: Store, id: str, secret: str | None, grace_us: int) -> Rotated:
    """Replace the secret of a source, generated if None. The old one is accepted for ``grace_us`` more.

    ``BadField`` if the secret is too weak, or is missing although the other side chooses it; ``NotFound``.
    """
    source = store.sources.find(id)
    _refuse_a_linked(source)
    if secret is None and source.kind in GIVES_SECRET:
        raise BadField("secret", None, "give the one that the other side signs with from now on")
    _check_secret("secret", secret)
    made = secret or _made_secret(source.kind, id)
    rotated = store.sources.rotate(id, made, grace_us)
    return Rotated(rotated, store.sources.open(id)[1])


def _refuse_a_linked(source: LiveSource) -> None:
    if source.kind == "linked":
        raise BadField("id", source.id, "is a linked device, which has neither an upstream nor a secret")


def _check(wish: SourceWish) -> None:
    if wish.kind not in GATEWAYS:
        raise BadField("kind", wish.kind[:40], f"must be one of {', '.join(GATEWAYS)}")
    if wish.phone is None and wish.kind not in NEEDS_NO_PHONE:
        raise BadField(
            "phone", None, f"name the number that the {wish.kind} gateway is linked to, such as 919876543210"
        )
    if wish.verify_token is not None and wish.kind not in TAKES_VERIFY_TOKEN:
        raise BadField("verify_token", None, f"only {' and '.join(TAKES_VERIFY_TOKEN)} have one")
    for name, secret in (("secret", wish.secret), ("verify_token", wish.verify_token)):
        _check_secret(name, secret)
    if wish.every is not None and wish.upstream is None:
        raise BadField("every", wish.every, "only with --upstream, which says whom to ask")
    if wish.every is not None and wish.kind not in ASKED:
        raise BadField("every", wish.every, f"only {' and '.join(ASKED)} can be asked for what they know")
    _url(wish.upstream)


def _check_secret(name: str, secret: str | None) -> None:
    if secret is not None and len(secret) < MIN_SECRET:
        remedy = f"give at least {MIN_SECRET} characters that nobody can guess"
        if name == "secret":
            remedy += ", or leave it out and one is made (GOWA's own default, the word secret, is known to everybody)"
        raise BadField(name, None, remedy)
    if secret is not None and not re.fullmatch(r"[\x21-\x7e]+", secret):
        raise BadField(name, None, "use ASCII characters without spaces")


def _digits(text: str) -> str:
    digits = bare_number(text)
    if not 6 <= len(digits) <= 15:
        raise BadField("phone", text[:40], "give the number with its country code, such as 919876543210")
    return digits


def _made_secret(kind: str, id: str) -> str:
    made = secrets.token_urlsafe(32)
    return f"{id}_{made}" if kind == "events" else made


def span(name: str, text: str | None) -> int | None:
    """A span such as ``15m`` in microseconds; ``BadField`` for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text)
    if match is None:
        raise BadField(name, text[:40], "give a span such as 15m, 6h or 2d")
    return int(match[1]) * _UNITS[match[2]] * _SECOND


def _url(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise BadField("upstream", text, "give an address such as http://127.0.0.1:3000, without a password in it")
    return text.rstrip("/")


def address(source: LiveSource, given: SourceSecrets, base_url: str) -> str:
    """What to enter in the gateway. Evolution signs nothing, so its address holds the secret."""
    base = f"{base_url}/ingest/{source.kind}"
    if source.kind == "events" and given.secret.startswith(f"{source.id}_"):
        return base
    return f"{base}/{source.id}/{quote(given.secret, safe='')}" if source.kind == "evolution" else f"{base}/{source.id}"


_HOW = {
    "gowa": "Start GOWA with:\n  --webhook={url} --webhook-secret={secret}",
    "waha": "Set in WAHA's environment (or in the session's webhooks, hmac.key):\n"
    "  WHATSAPP_HOOK_URL={url}\n  WHATSAPP_HOOK_HMAC_KEY={secret}\n"
    "  WHATSAPP_HOOK_EVENTS=session.status,message.any,message.reaction,message.ack,message.ack.group,"
    "message.revoked,message.edited,message.waiting,poll.vote,group.v2.join,group.v2.leave,group.v2.update,"
    "group.v2.participants,chat.archive,call.received,call.accepted,call.rejected,"
    "label.upsert,label.deleted,label.chat.added,label.chat.deleted",
    "evolution": "Set the instance's webhook to this address, with the events of messages, chats, groups and labels.\n"
    "The address holds the secret: treat it like a password.",
    "periskope": "Add a webhook with this address in Periskope's console. It signs with the key shown there:\n"
    "the source needs that key as its secret.",
    "cloud": "Enter the address as callback URL and the verify token in Meta's form. Meta signs with the app's\n"
    "secret: the source needs that as its own. Subscribe to messages, smb_message_echoes, history and\n"
    "smb_app_state_sync.",
    "events": "Send up to 1,000 events in a request:\n"
    "  curl {url} -H 'Authorization: Bearer {secret}' -d '{{\"events\": []}}'",
}


def how_to(kind: str, url: str, secret: str) -> str:
    """What to do in the gateway, in words and lines to copy."""
    return _HOW[kind].format(url=url, secret=secret)
