"""Linked devices, as the native API accepts and shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from backscroll.core.errors import BadField
from backscroll.core.ids import clean_text
from backscroll.core.model import Access, Phone
from backscroll.dialects.native.bodies import decoded
from backscroll.dialects.native.messages import time_text
from backscroll.dialects.native.requests import parse_phone
from backscroll.formats.jsontext import encode
from backscroll.formats.timestamps import postgres_text

MAX_NAME = 100
MODULE = 8
"""Pixels per module of the QR code in an image."""
_NUMBER = re.compile(r"[1-9][0-9]{6,14}")
_SAID = {
    "starting": "The device is being started.",
    "pairing": "Open WhatsApp on the phone, Settings, Linked devices, Link a device, and scan the code.",
    "connecting": "Connecting to WhatsApp.",
    "waiting": "The connection failed; it is retried automatically.",
    "expired": "Nobody scanned the code in time. Start again to get a new one.",
    "logged_out": "The device was removed from the phone's list of linked devices. Link it again.",
    "banned": "WhatsApp has temporarily blocked this number. Nothing is tried until you start again.",
    "outdated": "WhatsApp no longer accepts this version of the library. Update Backscroll, then start again.",
    "replaced": "Another program took over the session of this device. Stop that program, then start again.",
    "wrong_phone": "The code was scanned by a different account from the one requested. Start again.",
    "refused": "WhatsApp refused the device. Start again, or unlink it.",
    "unavailable": "The library for linked devices is not installed.",
}
_BY_CODE = (
    "Open WhatsApp on the phone, Settings, Linked devices, Link a device, Link with phone number instead, "
    "and type the code."
)


class Told(Protocol):
    """What the store knows about a linked device; times are microseconds."""

    @property
    def id(self) -> str: ...
    @property
    def phone(self) -> int | None: ...
    @property
    def phone_name(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def since(self) -> int: ...
    @property
    def retry_at(self) -> int | None: ...
    @property
    def qr(self) -> str | None: ...
    @property
    def rows(self) -> tuple[str, ...] | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def expires_at(self) -> int | None: ...
    @property
    def progress(self) -> int | None: ...
    @property
    def silent_after(self) -> int | None: ...
    @property
    def last_event_at(self) -> int | None: ...
    @property
    def created_at(self) -> int: ...


class Wanted(Struct, frozen=True):
    """A requested device: for an existing phone, or for a new one with this name."""

    phone: Phone | None
    phone_name: str | None
    code_for: str | None
    silent_after: str | None = None
    """A span such as ``6h``, as it was asked."""


class _New(Struct, frozen=True, forbid_unknown_fields=True):
    phone_name: str | None = None
    phone: str | None = None
    pair_code_for: str | None = None
    silent_after: str | None = None


class _Again(Struct, frozen=True, forbid_unknown_fields=True):
    pair_code_for: str | None = None


def parse_new(access: Access, body: bytes) -> Wanted:
    """The requested device; ``BadField`` names an invalid field."""
    asked = decoded(body, _New, '{"phone_name": "Sales"}')
    phone = None if asked.phone is None else parse_phone(access, asked.phone)
    name = None if asked.phone_name is None else clean_text(asked.phone_name)[0].strip()
    if name is not None and not 0 < len(name) <= MAX_NAME:
        raise BadField("phone_name", name[:80], f"must have 1 to {MAX_NAME} characters")
    if name is None and phone is None:
        raise BadField("phone_name", None, "must name the new phone, or `phone` must select an existing one")
    return Wanted(phone, name, number_of("pair_code_for", asked.pair_code_for), asked.silent_after or None)


def parse_again(body: bytes) -> str | None:
    """The number for a code to type; None for a QR code."""
    if not body.strip():
        return None
    asked = decoded(body, _Again, '{"pair_code_for": "4915550001001"}')
    return number_of("pair_code_for", asked.pair_code_for)


def number_of(field: str, text: str | None) -> str | None:
    """The digits of a number with its country code."""
    if text is None:
        return None
    digits = re.sub(r"[\s+()-]", "", text)
    if not _NUMBER.fullmatch(digits):
        raise BadField(field, text[:80], "must be a number with its country code, such as 4915550001001")
    return digits


def said_of(link: Told) -> str | None:
    """The state of a device in words, with what to do; None if it is connected."""
    if link.state == "connected":
        return None
    said = _BY_CODE if link.state == "pairing" and link.code is not None else _SAID.get(link.state, "")
    return f"{said} ({link.problem})" if link.problem and link.state != "unavailable" else link.problem or said


def render_links(links: Sequence[Told], phones: Mapping[int, Phone], *, may_pair: bool, install: str | None) -> bytes:
    """All devices, and what to install if none can be linked."""
    rows = [_link(link, phones, may_pair) for link in links]
    return encode({"available": install is None, "install": install, "links": rows})


def render_link(link: Told, phones: Mapping[int, Phone], *, may_pair: bool) -> bytes:
    return encode(_link(link, phones, may_pair))


def _link(link: Told, phones: Mapping[int, Phone], may_pair: bool) -> dict[str, Any]:
    phone = phones.get(link.phone) if link.phone is not None else None
    return {
        "id": link.id,
        "phone": phone.number if phone else None,
        "phone_name": phone.name if phone and phone.name else link.phone_name,
        "state": link.state,
        "message": said_of(link),
        "since": postgres_text(link.since),
        "retry_at": time_text(link.retry_at),
        "pairing": _pairing(link) if may_pair else None,
        "history_progress": link.progress,
        "silent_after_seconds": None if link.silent_after is None else link.silent_after // 1_000_000,
        "last_event_at": time_text(link.last_event_at),
        "created_at": postgres_text(link.created_at),
    }


def _pairing(link: Told) -> dict[str, Any] | None:
    if link.state != "pairing" or (link.qr is None and link.code is None):
        return None
    return {
        "method": "code" if link.code is not None else "qr",
        "qr": link.qr,
        "rows": link.rows,
        "code": link.code,
        "expires_at": time_text(link.expires_at),
    }


def svg_of(rows: Sequence[str]) -> bytes:
    """The QR code as a scalable image."""
    side = len(rows)
    dark = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module == "1")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side * MODULE}" '
        f'height="{side * MODULE}" shape-rendering="crispEdges"><rect width="{side}" height="{side}" fill="#fff"/>'
        f'<path d="{dark}" fill="#000"/></svg>'
    ).encode()
