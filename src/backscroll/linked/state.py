"""State that the library knows but does not report: names, groups with their members, and chat settings. It is polled.

Unchanged state is not reported again, even after a restart: an address book has thousands of entries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from backscroll.linked.bodies import CONTACTS, GROUP, SETTINGS
from backscroll.linked.local import Local
from backscroll.linked.plain import jid_text
from backscroll.linked.spool import Spool

T = TypeVar("T")

ROWS = 500
"""Entries of one frame."""


class Asked(Protocol):
    """The part of the client that knows."""

    def contacts(self) -> list[dict[str, Any]]: ...
    def groups(self) -> list[Any]: ...
    def settings_of(self, chat: str) -> dict[str, Any] | None: ...


class State:
    """Tells into ``spool`` what is new since it was told last, which ``local`` remembers."""

    def __init__(self, client: Asked, spool: Spool, local: Local) -> None:
        self._client = client
        self._spool = spool
        self._local = local

    def tell(self) -> None:
        """Ask for everything; what the library refuses is left for the next time. ``OSError`` when the disk is full."""
        contacts: list[dict[str, Any]] = _or(self._client.contacts, [])
        groups: list[Any] = _or(self._client.groups, [])
        self._tell_rows(CONTACTS, "contact", contacts)
        for group in groups:
            self._tell_group(group)
        chats = {*filter(None, (jid_text(group.JID) for group in groups)), *(row.get("JID") or "" for row in contacts)}
        settings = (_or(lambda chat=chat: self._client.settings_of(chat), None) for chat in sorted(chats - {""}))  # type: ignore[misc]
        self._tell_rows(SETTINGS, "settings", [row for row in settings if row is not None])

    def _tell_group(self, group: Any) -> None:
        payload = bytes(group.SerializeToString(deterministic=True))
        name, digest = f"group {jid_text(group.JID)}", hashlib.sha256(payload).digest()
        if self._local.told(name) != digest:
            self._spool.append(GROUP, payload)
            self._local.note_told([(name, digest)])

    def _tell_rows(self, code: int, kind: str, rows: Iterable[dict[str, Any]]) -> None:
        named = [(f"{kind} {row.get('JID')}", row, _digest(row)) for row in rows]
        new = [(name, row, digest) for name, row, digest in named if self._local.told(name) != digest]
        for start in range(0, len(new), ROWS):
            some = new[start : start + ROWS]
            self._spool.append(code, json.dumps([row for _, row, _ in some]).encode())
            # Only now: what is in the spool will be told, whatever happens next.
            self._local.note_told([(name, digest) for name, _, digest in some])


def _digest(row: dict[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest()


def _or(ask: Callable[[], T], otherwise: T) -> T:
    """What the library answers, or ``otherwise`` when it raises whatever error of its own."""
    try:
        return ask()
    except Exception:
        return otherwise
