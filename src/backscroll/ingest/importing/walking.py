"""Searching the given files and folders, for kinds of import that recognise their input by content."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

MAX_DEPTH = 4
MAX_FILES = 20_000
SQLITE = b"SQLite format 3\0"


def files_at(path: Path) -> Iterator[Path]:
    """The file itself, or all files below a folder, ordered by name; without links and hidden files."""
    if not path.is_dir():
        if path.is_file():
            yield path
        return
    left = MAX_FILES
    for folder, folders, files in os.walk(path, followlinks=False):
        depth = len(Path(folder).relative_to(path).parts)
        folders[:] = sorted(name for name in folders if not _is_hidden(name)) if depth < MAX_DEPTH else []
        for name in sorted(files):
            found = Path(folder) / name
            if _is_hidden(name) or found.is_symlink() or not found.is_file():
                continue
            left -= 1
            if left < 0:
                return
            yield found


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def is_sqlite(path: Path) -> bool:
    """Whether a file begins like an SQLite database."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:
        return False


def columns_of(path: Path) -> Mapping[str, frozenset[str]]:
    """Column names by table of a given database; empty if it cannot be read. Never writes to it.

    Only names are read, so views, virtual tables and triggers of the file are not executed.
    """
    if not is_sqlite(path):
        return {}
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    except sqlite3.Error:
        return {}
    try:
        db.execute("PRAGMA trusted_schema = OFF")
        real = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' LIMIT 1000"
        tables = [name for (name,) in db.execute(real)]
        return {
            table: frozenset(name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,)))
            for table in tables
        }
    except sqlite3.Error:
        return {}
    finally:
        db.close()
