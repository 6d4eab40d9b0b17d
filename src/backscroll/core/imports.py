"""An import as a thing of its own: what was read, with which answers, and what became of it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

ImportState = Literal["running", "done", "failed", "undoing", "undone"]
"""``running`` is also one that was cut; ``undoing`` one whose undo was cut and goes on when it is asked for again."""

UndoPhase = Literal["messages", "retold", "observations", "annotations", "facts", "mappings", "files", "rest"]


class NewImport(Struct, frozen=True, kw_only=True):
    """What is to be imported: where it comes from, how it is to be read, and by what it is known again."""

    kind: str
    """Which connector reads it: export, gowa, periskope, jsonl …"""
    file: str | None = None
    """Name of the file, or where it is pulled from."""
    sha256: str | None = None
    """Of the file or of what is read of it; None where there is no file."""
    size: int | None = None
    """Bytes."""
    answers: dict[str, Any] = {}
    """The options that decide how it is read."""
    sketch: tuple[str, ...] = ()
    """Hashes of some of its lines, where it has lines."""
    replaces: tuple[int, ...] = ()
    """Imports that it takes the place of."""
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
    """What taking an import back will do."""

    import_id: int
    messages: int
    """Told by this import; those that others told too stay."""
    kept: int
    """Of them, told by others as well."""
    chats: int
    contacts: int
    files: int


class Undone(Struct, frozen=True, kw_only=True):
    """What taking an import back did."""

    messages: int
    """Messages that are gone."""
    changed: int
    """Messages that stay, as others tell them."""
    chats: int
    contacts: int
    files: int
    mappings: int = 0
    """Pairs of JIDs that are no longer one contact because of it."""
