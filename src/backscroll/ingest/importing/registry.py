"""The kinds of import. A new one needs one entry here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backscroll.core.errors import BadField, Unreadable
from backscroll.ingest.importing.chat_export import CHAT_EXPORT
from backscroll.ingest.importing.databases import DATABASES
from backscroll.ingest.importing.gowa_databases import GOWA
from backscroll.ingest.importing.json_lines import JSON_LINES
from backscroll.ingest.importing.kind import ImportKind, Recognised

KINDS: tuple[ImportKind, ...] = (
    GOWA,
    *DATABASES,
    JSON_LINES,
    # Last, because an exported chat may have any file beside it.
    CHAT_EXPORT,
)
"""In the order in which they are tried. Files claimed by one kind are not offered to those after it."""


class NothingRecognised(Unreadable):
    """No kind recognises anything in the input."""


def kind_of(name: str) -> ImportKind:
    """The kind of this name; ``BadField`` if there is none."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise BadField("kind", name[:80], f"must be one of {', '.join(kind.name for kind in KINDS)}")


def recognise(path: Path, only: str | None = None, kinds: Sequence[ImportKind] = KINDS) -> list[Recognised]:
    """Everything at a path that can be imported, recognised by content. ``only`` restricts this to one kind.

    ``NothingRecognised`` lists what was looked for.
    """
    asked = [kind_of(only)] if only is not None else kinds
    found: list[Recognised] = []
    for kind in asked:
        found += [one for one in kind.find(path) if not any(_claims(other, one.path) for other in found)]
    if not found:
        raise NothingRecognised(path.name, "content", _nothing(asked))
    return found


def _claims(other: Recognised, path: Path) -> bool:
    return any(path == claimed or claimed in path.parents for claimed in (other.path, *other.also))


def _nothing(asked: Sequence[ImportKind]) -> str:
    looked_for = "; ".join(kind.looked_for for kind in asked)
    return f"there is nothing in it that can be imported. Looked for: {looked_for}"
