"""A folder of many exported chats: which of what lies there are exports, and what became of each."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.text import counted
from backscroll.ingest.connectors.export.archive import open_export
from backscroll.ingest.connectors.export.blocks import looks_like_export
from backscroll.ingest.exports.importer import ExportSummary

_HEAD = 8192


class Failed(Struct, frozen=True):
    """An export that was not imported, and why."""

    file: str
    error: str


class FolderSummary(Struct, frozen=True):
    """What became of each export of a folder."""

    exports: list[ExportSummary]
    failed: list[Failed]

    def __str__(self) -> str:
        added = sum(one.added for one in self.exports)
        known = sum(one.known for one in self.exports)
        exports = counted(len(self.exports) + len(self.failed), "export")
        told = [f"{len(self.exports)} of {exports} imported: {counted(added, 'new line')}, {known:,} known."]
        told += [str(one) for one in self.exports]
        told += [f"Not imported: {one.file}: {one.error}" for one in self.failed]
        return "\n".join(told)


def exports_in(path: Path) -> list[Path]:
    """The exports that a folder holds, by name; ``[path]`` for a file, or a folder that is one export itself."""
    if not path.is_dir():
        return [path]
    entries = sorted(e for e in path.iterdir() if not e.name.startswith((".", "__MACOSX")) and not e.is_symlink())
    texts = [entry for entry in entries if entry.suffix.lower() == ".txt" and _is_chat(entry)]
    packed = [entry for entry in entries if entry.is_file() and entry.suffix.lower() == ".zip"]
    folders = [entry for entry in entries if entry.is_dir() and _is_export(entry)]
    if len(texts) <= 1 and not packed and not folders:
        return [path]
    if texts and not folders and len(texts) == 1 and _is_export(path):
        # One chat with files beside it, some of which are zips that somebody sent.
        return [path]
    return sorted([*texts, *packed, *folders])


def _is_chat(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return looks_like_export(file.read(_HEAD))


def _is_export(folder: Path) -> bool:
    try:
        open_export(folder)
    except Unreadable:
        return False
    return True
