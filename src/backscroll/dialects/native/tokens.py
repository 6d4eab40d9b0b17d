"""Tokens, as the native API accepts and shows them. A secret is shown once, in the answer when a token is created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from backscroll.core.errors import BadField
from backscroll.core.ids import clean_text
from backscroll.core.model import Access
from backscroll.dialects.native.bodies import decoded
from backscroll.dialects.native.messages import time_text
from backscroll.dialects.native.requests import parse_phone, parse_time
from backscroll.formats.jsontext import encode
from backscroll.formats.timestamps import postgres_text

MAX_NAME = 100


class Told(Protocol):
    """What the store knows about a token; times are microseconds."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def phones(self) -> tuple[str, ...] | None: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def created_at(self) -> int: ...
    @property
    def expires_at(self) -> int | None: ...
    @property
    def revoked_at(self) -> int | None: ...
    @property
    def last_used_at(self) -> int | None: ...


class Wanted(Struct, frozen=True):
    """A requested token. ``phones`` are values of ``Phone.no``, None for all."""

    name: str
    scopes: frozenset[str]
    phones: tuple[int, ...] | None
    expires_at: int | None


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    scopes: tuple[str, ...] = ("read",)
    phones: tuple[str, ...] | None = None
    expires_at: str | None = None


def parse_token(access: Access, body: bytes, now: int) -> Wanted:
    """The requested token. Raises ``BadField`` for more rights than the requesting token has, and for a time in the
    past.
    """
    asked = decoded(body, _Body, '{"name": "Laptop", "scopes": ["read"], "phones": null, "expires_at": null}')
    name = clean_text(asked.name)[0].strip()
    if not 0 < len(name) <= MAX_NAME:
        raise BadField("name", name[:80], f"must have 1 to {MAX_NAME} characters")
    scopes = frozenset(asked.scopes)
    if not scopes or not scopes <= access.scopes:
        known = ", ".join(sorted(access.scopes))
        raise BadField("scopes", " ".join(sorted(scopes))[:80], f"must be among the scopes of this token: {known}")
    phones = None if asked.phones is None else tuple(parse_phone(access, text).no for text in asked.phones)
    if phones == ():
        raise BadField("phones", "[]", "must name a phone, or be null for all of them")
    expires_at = None if asked.expires_at is None else parse_time({"expires_at": asked.expires_at}, "expires_at")
    if expires_at is not None and expires_at <= now:
        raise BadField("expires_at", asked.expires_at, "must be in the future")
    return Wanted(name, scopes, phones, expires_at)


def render_tokens(tokens: Sequence[Told], access: Access) -> bytes:
    """All tokens, oldest first, including revoked and expired ones."""
    return encode({"items": [_token(token, access) for token in tokens], "next": None, "total": len(tokens)})


def render_new_token(token: Told, access: Access, secret: str) -> bytes:
    return encode({**_token(token, access), "secret": secret})


def _token(token: Told, access: Access) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": token.scopes,
        "phones": token.phones,
        "created_at": postgres_text(token.created_at),
        "expires_at": time_text(token.expires_at),
        "revoked_at": time_text(token.revoked_at),
        "last_used_at": time_text(token.last_used_at),
        "current": token.id == access.token_id,
    }
