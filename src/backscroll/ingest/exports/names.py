"""Names in exported chats, and the JIDs that stand for contacts known by name only."""

from __future__ import annotations

import hashlib
import re

from backscroll.core import ids

_SLUG = re.compile(r"[^a-z0-9]+")


def made_up_jid(scope: str, name: str, group: bool = False) -> str:
    """The JID of a contact that an export knows by name only; the same name in the same place, the same JID."""
    digest = hashlib.sha256(f"{scope}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
    if group:
        return f"exp{digest[:16]}@{ids.GROUP}"
    slug = _SLUG.sub("-", ids.fold(name)).strip("-")[:24]
    return f"{slug}.{digest[:10]}@{ids.EXPORT}" if slug else f"{digest[:16]}@{ids.EXPORT}"


def is_numbered(jid: str) -> bool:
    return ids.kind_of(jid) in ("user", "lid")


def is_by_name(jid: str | None) -> bool:
    return jid is not None and ids.kind_of(jid) == "export"
