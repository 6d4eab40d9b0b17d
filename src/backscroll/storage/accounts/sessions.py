"""Browsers that signed in with a token, and links that sign in once.

A session gives the same access as its token, and ends with it. Its secret goes into a cookie; only the hash is stored
here.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable

from msgspec import Struct

from backscroll.core.errors import NotFound, Unauthorised
from backscroll.core.model import Access
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.accounts.accounts import access_of_token, hash_of, org_of_token

PREFIX = "bss"
"""First letters of every session's secret."""
SESSION_US = 30 * 24 * 3600 * 1_000_000
ONCE_US = 10 * 60 * 1_000_000


class NewSession(Struct, frozen=True):
    """``secret`` is given to the browser and not stored. ``expires_at`` is in microseconds UTC."""

    secret: str
    expires_at: int


class Opened(Struct, frozen=True):
    """The access that a session gives, and until when."""

    access: Access
    expires_at: int


def create_session(tx: Txn, token: str, now: int) -> NewSession:
    """Sign in with a token; raises ``Unauthorised`` if it is not valid. Expired sessions are deleted."""
    access_of_token(tx, token, now)
    tx.run("delete_old_sessions", {"org": _org(token), "now": now})
    return _add(tx, token, now, SESSION_US, once=False)


def create_once(tx: Txn, token: str, now: int) -> NewSession:
    """A secret that signs in with this token a single time, within ten minutes."""
    return _add(tx, token, now, ONCE_US, once=True)


def redeem_once(tx: Txn, secret: str, now: int) -> NewSession:
    """Sign in with the secret of ``create_once``, which is used up by this."""
    token = _token_of(tx, secret, now, once=True).token
    tx.run("delete_session", {"org": org_of_session(secret), "session": _id(secret)})
    return create_session(tx, token, now)


def open_session(tx: Txn, secret: str, now: int) -> Opened:
    """The access that a session's secret gives; raises ``Unauthorised`` whatever is wrong with it or with its token."""
    stored = _token_of(tx, secret, now, once=False)
    return Opened(access_of_token(tx, stored.token, now), stored.expires_at)


def end_session(tx: Txn, secret: str) -> None:
    """Sign out. A session that does not exist has already ended."""
    tx.run("delete_session", {"org": org_of_session(secret), "session": _id(secret)})


def org_of_session(secret: str) -> int | None:
    """The organisation's number that a session's secret names; None when it is not one of ours."""
    head, x, _ = secret.removeprefix(PREFIX).partition("x")
    ours = secret.startswith(PREFIX) and x and head.isascii() and head.isdigit() and len(head) <= 12
    return int(head) if ours else None


class _Stored(Struct, frozen=True):
    hash: bytes
    token: str
    once: int
    expires_at: int


def _token_of(tx: Txn, secret: str, now: int, *, once: bool) -> _Stored:
    row = tx.one("find_session", {"org": org_of_session(secret), "session": _id(secret)})
    stored = None if row is None else _Stored(*row)
    if stored is None or bool(stored.once) != once or stored.expires_at <= now:
        raise Unauthorised
    if not hmac.compare_digest(bytes(stored.hash), hash_of(secret)):
        raise Unauthorised
    return stored


def _add(tx: Txn, token: str, now: int, lifetime: int, *, once: bool) -> NewSession:
    org = _org(token)
    id, expires_at = f"{PREFIX}{org}x{secrets.token_hex(8)}", now + lifetime
    secret = f"{id}_{secrets.token_urlsafe(32)}"
    row = {"org": org, "session": id, "hash": hash_of(secret), "token": token, "once": int(once)}
    tx.run("add_session", row | {"now": now, "expires_at": expires_at})
    return NewSession(secret, expires_at)


def _org(token: str) -> int:
    org = org_of_token(token)
    if org is None:
        raise Unauthorised
    return org


def _id(secret: str) -> str:
    return secret.partition("_")[0]


class Sessions:
    """Browsers that are signed in to an archive; ``Store.sessions``."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], int],
        authenticate: Callable[[str], Access],
        change_tokens: Callable[[int, Callable[[Txn], object]], None],
    ) -> None:
        """``change_tokens`` runs a write to an organisation that every process notices before it returns."""
        self._engine = engine
        self._clock = clock
        self._authenticate = authenticate
        self._change_tokens = change_tokens

    def sign_in(self, secret: str) -> NewSession:
        """Create a session for a browser that sent a token's secret; raises ``Unauthorised``."""
        access = self._authenticate(secret)
        token = access.token_id or ""
        return self._engine.write(lambda tx: create_session(tx, token, self._clock()), access.org.no)

    def invite_once(self, token_id: str) -> NewSession:
        """The secret of a link that signs in a single time, as this token; ``NotFound`` for an unknown token."""
        org = org_of_token(token_id)
        if org is None:
            raise NotFound("token", token_id)
        return self._engine.write(lambda tx: create_once(tx, token_id, self._clock()), org)

    def sign_in_once(self, secret: str) -> NewSession:
        """Create a session for the first user of such a link; raises ``Unauthorised`` for all others."""
        org = org_of_session(secret)
        if org is None:
            raise Unauthorised
        return self._engine.write(lambda tx: redeem_once(tx, secret, self._clock()), org)

    def open(self, secret: str) -> Opened:
        """The access that a session gives and until when; raises ``Unauthorised`` whatever is wrong with it."""
        org = org_of_session(secret)
        if org is None:
            raise Unauthorised
        return self._engine.read(lambda tx: open_session(tx, secret, self._clock()), org)

    def end(self, secret: str) -> None:
        """Sign out; every process notices it before this returns."""
        org = org_of_session(secret)
        if org is not None:
            self._change_tokens(org, lambda tx: end_session(tx, secret))
