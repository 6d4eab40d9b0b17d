"""The messages between the process of a linked device and the server that supervises it: JSON, one object per line.

The child writes ``Status``, ``Frame`` and ``Fetched``; the server answers each ``Frame`` and ``Fetched`` with ``Done``
once it is committed, and sends commands. The end of the child's input means that its server is gone.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

LinkState = Literal[
    "starting",
    "pairing",
    "connecting",
    "connected",
    "waiting",
    "expired",
    "logged_out",
    "banned",
    "outdated",
    "replaced",
    "wrong_phone",
    "refused",
    "unavailable",
]
"""``waiting`` is retried automatically; the states after it only when a person asks."""

ENDED: frozenset[LinkState] = frozenset(
    {"expired", "logged_out", "banned", "outdated", "replaced", "wrong_phone", "refused", "unavailable"}
)
"""States that only a person can end."""


class Status(Struct, frozen=True, kw_only=True, tag="status", omit_defaults=True):
    """The state of the device. Fields that are None have not changed."""

    state: LinkState | None = None
    problem: str | None = None
    """The problem, in the library's words, without phone numbers or message texts."""
    qr: str | None = None
    rows: tuple[str, ...] | None = None
    """The modules of the QR code with its quiet zone, ``1`` is dark."""
    code: str | None = None
    expires_at: int | None = None
    """When the code is replaced; microseconds UTC."""
    until: int | None = None
    """When a ban ends; microseconds UTC."""
    jid: str | None = None
    """The account that the device belongs to."""
    progress: int | None = None
    """Per cent of the first history."""


class Frame(Struct, frozen=True, kw_only=True, tag="frame", omit_defaults=True):
    """A part of an event from the library: ``body`` is what ``ingest.connectors.linked`` reads."""

    no: int
    body: msgspec.Raw


class Fetched(Struct, frozen=True, kw_only=True, tag="fetched", omit_defaults=True):
    """A file of a message, whose bytes have the hash that the message gives. It lies at ``path`` until it is done."""

    no: int
    path: str
    sha256: str
    chat: str
    id: str
    sender: str | None = None
    mimetype: str | None = None
    filename: str | None = None


Told = Status | Frame | Fetched


class Done(Struct, frozen=True, tag="done"):
    """The event with this number is committed and may be deleted."""

    no: int


class PairCode(Struct, frozen=True, tag="pair_code"):
    """Ask WhatsApp for a code that is typed on the phone with this number."""

    number: str


class LogOut(Struct, frozen=True, tag="log_out"):
    """Remove the device from the account's list, then exit."""


Order = Done | PairCode | LogOut

TOLD: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)
ORDERS: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)


def encoded(line: Told | Order) -> bytes:
    """One line, including its newline."""
    return msgspec.json.encode(line) + b"\n"
