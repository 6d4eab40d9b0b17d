"""Imports: what was read, with which answers, and the result."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

ImportState = Literal["running", "done", "failed", "undoing", "undone"]
"""``running`` includes interrupted imports; ``undoing`` includes interrupted undos, which continue when requested
again.
"""


class NewImport(Struct, frozen=True, kw_only=True):
    """An import to be made: where it comes from, how it is to be read, and how it is recognised later."""

    kind: str
    """The connector that reads it: export, gowa, periskope, jsonl …"""
    file: str | None = None
    """Name of the file, or where it is pulled from."""
    sha256: str | None = None
    """Hash of the file or of what is read from it; None if there is no file."""
    size: int | None = None
    """Bytes."""
    answers: dict[str, Any] = {}
    """The options that determine how it is read."""
    sketch: tuple[str, ...] = ()
    """Hashes of some of its lines, if it has lines."""
    replaces: tuple[int, ...] = ()
    """Imports that it replaces."""
    job: str | None = None
    """The job that it is part of."""


class Import(Struct, frozen=True, kw_only=True):
    """One import of an organisation. Times are microseconds since 1970 UTC."""

    id: int
    kind: str
    file: str | None
    sha256: str | None
    size: int | None
    answers: dict[str, Any]
    state: ImportState
    started_at: int
    finished_at: int | None
    report: dict[str, Any] | None
    replaces: tuple[int, ...] = ()
    sketch: tuple[str, ...] = ()
    job: str | None = None


class UndoPlan(Struct, frozen=True, kw_only=True):
    """What undoing an import will do."""

    import_id: int
    messages: int
    """Reported by this import; those that others also reported stay."""
    kept: int
    """How many of these others also reported."""
    chats: int
    contacts: int
    files: int


class Undone(Struct, frozen=True, kw_only=True):
    """What undoing an import did."""

    messages: int
    """Messages that were removed."""
    changed: int
    """Messages that stay, because others reported them."""
    chats: int
    contacts: int
    files: int
    mappings: int = 0
    """Pairs of JIDs that are no longer one contact as a result."""
