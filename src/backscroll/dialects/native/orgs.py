"""Organisations as the native API shows and takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from backscroll.core.model import Access, Org
from backscroll.dialects.native.bodies import decoded
from backscroll.formats.jsontext import encode
from backscroll.formats.timestamps import postgres_text


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    name: str


def parse_name(body: bytes) -> str:
    """What an organisation is to be called. ``BadField`` for what is no such JSON."""
    return decoded(body, _Body, '{"name": "Hill Street Bakery"}').name


def render_orgs(orgs: Sequence[Org], access: Access) -> bytes:
    """All that the token may know of, the oldest first."""
    return encode({"items": [_org(org, access) for org in orgs], "next": None, "total": len(orgs)})


def render_org(org: Org, access: Access) -> bytes:
    return encode(_org(org, access))


def render_new_org(org: Org, access: Access, token: str, secret: str) -> bytes:
    """An organisation with the secret of its first token."""
    return encode({**_org(org, access), "token": token, "secret": secret})


def _org(org: Org, access: Access) -> dict[str, Any]:
    created_at = postgres_text(org.created_at)
    return {"id": org.id, "name": org.name, "created_at": created_at, "current": org.no == access.org.no}
