"""WhatsApp ids: parse, normalise, classify; and text made safe to store."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Literal

JidKind = Literal["user", "lid", "group", "newsletter", "status", "broadcast", "bot", "export", "bsuid", "unknown"]

USER = "s.whatsapp.net"
GROUP = "g.us"
LID = "lid"
EXPORT = "export"
"""Server part of contacts that an exported chat knows only by name."""

_SERVER_ALIASES = {"c.us": USER, "hosted": USER, "hosted.lid": LID}
_KINDS: dict[str, JidKind] = {
    USER: "user",
    LID: "lid",
    GROUP: "group",
    "newsletter": "newsletter",
    "broadcast": "broadcast",
    "bot": "bot",
    EXPORT: "export",
}
_DEVICE = re.compile(r"[.:].*", re.S)
_NOT_DIGITS = re.compile(r"[\s+\-().\u00a0\u202f\u2010-\u2015\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
MAX_NUMBER = 15
"""Digits of the longest phone number (E.164); GOWA takes longer bare digits for groups."""

_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[0-9A-Za-z]{1,128}")
"""WhatsApp's business-scoped user id, of people who show a username instead of a number; it has no server part."""

CALL_PREFIX = "call:"

_SURROGATES = re.compile("[\ud800-\udfff]")


def org_in(id: str, prefix: str) -> int | None:
    """The organisation's number in an id of our own (``bsk1x…``); None when it is none that begins with ``prefix``."""
    head, x, _ = id.removeprefix(prefix).partition("x")
    ours = id.startswith(prefix) and x and head.isascii() and head.isdigit() and len(head) <= 12
    return int(head) if ours else None


def call_id(told: str) -> str:
    """The id of the message that a call becomes, from the call's own id; GOWA and Android write it in this form.

    The line that stands for a call in its chat has the id of the call as its own in WhatsApp Web, in Baileys and on
    phones, so that line and call are one message.
    """
    return told if told.startswith(CALL_PREFIX) else f"{CALL_PREFIX}{told}"


def canonical(jid: str) -> str:
    """The canonical form of a JID: ``N@c.us``, ``N:7@…``, ``+N`` and bare ``N`` become ``N@s.whatsapp.net``.

    Bare digits longer than a phone number are a group. Anything that is not understood is returned trimmed.
    """
    return _canonical_short(jid) if len(jid) <= _SHORT else _canonical(jid)


def _canonical(jid: str) -> str:
    jid = clean_text(jid)[0].strip()
    user, at, server = jid.rpartition("@")
    if not at:
        return from_number(jid) if bare_number(jid) else jid
    server = server.lower()
    server = _SERVER_ALIASES.get(server, server)
    if server in (USER, LID):
        user = _DEVICE.sub("", user)
        if server == USER:
            user = user.removeprefix("+")
    return f"{user}@{server}"


_SHORT = 64
_canonical_short = lru_cache(maxsize=8192)(_canonical)
"""The same JIDs recur, and this is slow compared with the rest of the work for a message."""


def from_number(text: str) -> str:
    """The JID of a bare number, by GOWA's rule: up to 15 digits a person, longer a group."""
    digits = bare_number(text)
    return f"{digits}@{USER if len(digits) <= MAX_NUMBER else GROUP}"


def bare_number(text: str) -> str:
    """The digits of ``+91 98765-43210``; "" if it is anything but a number."""
    digits = _NOT_DIGITS.sub("", text)
    return digits if digits.isascii() and digits.isdigit() else ""


def kind_of(jid: str) -> JidKind:
    """The kind of a JID, by its server: user, lid, group, newsletter …"""
    if jid == "status@broadcast":
        return "status"
    _, at, server = jid.rpartition("@")
    if not at:
        return "bsuid" if _BSUID.fullmatch(jid) else "unknown"
    return _KINDS.get(server, "unknown")


def user_part(jid: str) -> str:
    """The part before the @."""
    return jid.partition("@")[0]


def is_person(jid: str) -> bool:
    """Whether it is a person, not a group or channel."""
    return kind_of(jid) in ("user", "lid", "bot", "export", "bsuid")


def clean_text(text: str) -> tuple[str, bool]:
    """``text`` in a form that both engines can store, and whether that changed it.

    NUL and lone surrogates become U+FFFD: PostgreSQL refuses the one, SQLite the other.
    """
    cleaned = text.replace("\0", "\ufffd")
    if not cleaned.isascii():
        cleaned = _SURROGATES.sub("\ufffd", cleaned)
    return cleaned, cleaned is not text and cleaned != text


def fold(text: str) -> str:
    """``text`` in the form that ids are made from: without case and accents. Searches compare by ``core.text.fold``."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    marks = {ord(c): None for c in set(decomposed) if unicodedata.combining(c)}
    stripped = decomposed.translate(marks) if marks else decomposed
    return unicodedata.normalize("NFC", stripped).casefold()
