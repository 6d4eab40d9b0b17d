"""Names in exported chats, and the JIDs for contacts known only by name."""

from __future__ import annotations

import hashlib
import re

from backscroll.core import ids
from backscroll.ingest.connectors.export.wording import unmark

MIN_DIGITS = 7
_SLUG = re.compile(r"[^a-z0-9]+")


def number_of(name: str) -> str | None:
    """The digits of an author or title that is a phone number; None for a saved name.

    Phones write numbers with a ``+``: ``007``, ``2024`` and ``0151 2345678`` are names that somebody gave a contact.
    """
    plain = unmark(name).strip()
    digits = ids.bare_number(plain) if plain.startswith("+") else ""
    return digits if MIN_DIGITS <= len(digits) <= ids.MAX_NUMBER else None


def jid_of_number(name: str) -> str | None:
    """The JID of an author or title that is a phone number."""
    digits = number_of(name)
    return ids.canonical(digits) if digits else None


def made_up_jid(scope: str, name: str, group: bool = False) -> str:
    """The JID of a contact that an export knows by name only; the same name in the same place, the same JID."""
    digest = hashlib.sha256(f"{scope}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
    if group:
        return f"exp{digest[:16]}@{ids.GROUP}"
    slug = _SLUG.sub("-", ids.fold(name)).strip("-")[:24]
    return f"{slug}.{digest[:10]}@{ids.EXPORT}" if slug else f"{digest[:16]}@{ids.EXPORT}"


def is_numbered(jid: str) -> bool:
    """Whether a JID is a person's own, by number or LID."""
    return ids.kind_of(jid) in ("user", "lid")


def is_by_name(jid: str | None) -> bool:
    """Whether a JID stands for somebody of whom only a name is known."""
    return jid is not None and ids.kind_of(jid) == "export"
