"""Imports as things of their own: begun, ended, recognised when they come again, and put in the place of others."""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct, structs, to_builtins

from backscroll.core.errors import Candidate, Error, Question
from backscroll.core.imports import Import, NewImport, Undone
from backscroll.ingest.connectors.export.held import Text
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

SKETCH = 256
"""Lines of an export that are remembered to know it again when it comes with others."""
SHARED = 3
"""Lines that two exports have in common when they are of one chat; one may be chance."""
_MIN_LINE = 12
_HASH_BYTES = 6
_CHUNK = 1 << 20
TIMES = ("timezone", "day_first")
"""Answers without which two exports of one chat would stand in the archive at two times."""


class Running(Struct):
    """A running import. What is written through ``store`` is recorded as coming from it; ``report`` is stored when it
    ends.
    """

    entry: Import
    store: Store
    report: dict[str, Any] = {}


@contextmanager
def importing(store: Store, org: int, source: NewImport, replaces: tuple[int, ...] = ()) -> Iterator[Running]:
    """Give the import an id, and note at the end what became of it."""
    entry = store.begin_import(org, structs.replace(source, replaces=replaces))
    running = Running(entry, store.as_import(entry.id))
    try:
        yield running
    except Error as error:
        store.finish_import(org, entry.id, running.report | {"error": str(error)}, "failed")
        raise
    store.finish_import(org, entry.id, to_builtins(running.report))


def source_of(kind: str, path: Path, answers: dict[str, Any], text: Text | None = None) -> NewImport:
    """A file as it is. Of a folder, whose files may be huge, the text of its chat counts, and what else is there."""
    known = {name: answer for name, answer in answers.items() if answer is not None}
    sketch = () if text is None else sketch_of(text)
    if path.is_file():
        with path.open("rb") as file:
            sha256, size = digest(file)
    else:
        sizes = sorted((entry.name, entry.stat().st_size) for entry in path.iterdir() if entry.is_file())
        hashed = hashlib.sha256(text or b"")
        hashed.update(repr(sizes).encode("utf-8", "surrogateescape"))
        sha256 = hashed.hexdigest()
        size = sum(size for _, size in sizes)
    return NewImport(kind=kind, file=path.name, sha256=sha256, size=size, answers=known, sketch=sketch)


def digest(file: BinaryIO) -> tuple[str, int]:
    """SHA-256 and size of what is left of a file."""
    hashed, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        hashed.update(chunk)
        size += len(chunk)
    return hashed.hexdigest(), size


def same_import(store: Store, org: int, source: NewImport) -> Import | None:
    """A finished import of the same bytes with the same answers: all that it told is here."""
    if source.sha256 is None:
        return None
    found = store.imports_of_file(org, source.sha256)
    ended = (known for known in reversed(found) if known.state == "done" and known.report is not None)
    return next((known for known in ended if _is_same(known, source)), None)


def _is_same(known: Import, source: NewImport) -> bool:
    return known.kind == source.kind and known.answers == source.answers


# ---------------------------------------------------------------------- exported chats that were read otherwise before


def replaced_by(store: Store, org: int, source: NewImport, text: Text) -> tuple[int, ...]:
    """Imports of the same export, or of lines of it, that were read with other answers and give way to this one.

    ``Question`` when such an import also has lines that this export lacks: with them gone something would be lost,
    with them kept half of the chat would stand at other times.
    """
    alike = [
        known
        for known in store.list_imports(org)
        if known.kind == source.kind and known.state != "undone" and _phone(known.answers) == _phone(source.answers)
    ]
    otherwise = {
        known.id: known
        for known in alike
        if known.sha256 != source.sha256 and _reads_otherwise(known.answers, source.answers) and known.sketch
    }
    sought = {line for known in otherwise.values() for line in known.sketch}
    lines = sought.intersection(_hashes(text)) if sought else set()
    found: list[int] = []
    for known in alike:
        if known.id in otherwise:
            found += _overlapping(known, source, lines)
        elif known.sha256 == source.sha256:
            found.append(known.id)
    return tuple(found)


def _overlapping(known: Import, source: NewImport, lines: set[str]) -> list[int]:
    shared = len(lines.intersection(known.sketch))
    if shared < min(SHARED, len(known.sketch)):
        return []
    if shared == len(known.sketch):
        return [known.id]
    times = [name for name in TIMES if _answer(known.answers, name) != _answer(source.answers, name)]
    if not times:
        return []
    raise Question(
        f"Import {known.id} ({known.file}) told some of these lines with another {' and '.join(map(_option, times))}, "
        "and others that this file does not have. Import that file again with the same answers as this one first",
        f"or take it back: backscroll import undo {known.id}",
        name=_NAMES[times[0]],
        candidates=[Candidate(_worded(known.answers, times[0]), evidence=f"as import {known.id} was read")],
    )


_NAMES = {"timezone": "timezone", "day_first": "date_order"}


def _worded(answers: dict[str, Any], name: str) -> str:
    answer = _answer(answers, name)
    return str(answer) if name == "timezone" else "month_first" if answer is False else "day_first"


def _option(name: str) -> str:
    return {"timezone": "--timezone", "day_first": "--day-first or --month-first"}[name]


def _phone(answers: dict[str, Any]) -> Any:
    return answers.get("phone")


def _reads_otherwise(known: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return any(_answer(known, name) != _answer(wanted, name) for name in known.keys() | wanted.keys())


def _answer(answers: dict[str, Any], name: str) -> Any:
    return answers.get(name, "UTC" if name == "timezone" else None)


def sketch_of(text: Text) -> tuple[str, ...]:
    """The least hashes of an export's lines: two exports that share lines are likely to share some of these."""
    least: list[str] = []
    for line in _hashes(text):
        if len(least) == SKETCH and line >= least[-1]:
            continue
        at = bisect_left(least, line)
        if at == len(least) or least[at] != line:
            least.insert(at, line)
            del least[SKETCH:]
    return tuple(least)


def _hashes(text: Text) -> Iterator[str]:
    for line in _lines(text):
        line = line.strip()
        if len(line) >= _MIN_LINE and any(48 <= byte <= 57 for byte in line[:_MIN_LINE]):
            yield base64.b64encode(hashlib.sha256(line).digest()[:_HASH_BYTES]).decode()


def _lines(text: Text) -> Iterator[bytes]:
    """The lines of a text, a part of it at a time. Parts end at the end of a line."""
    at = 0
    while at < len(text):
        end = text.find(b"\n", at + _CHUNK) + 1 or len(text)
        yield from text[at:end].splitlines()
        at = end


# ---------------------------------------------------------------------- taking back


def undo(
    store: Store, media: MediaStore, org: int, import_id: int, progress: Callable[[int], None] = lambda done: None
) -> Undone:
    """Take an import back, with the bytes of files that nobody else has."""
    entry = store.find_import(org, import_id)
    ended = entry.finished_at or entry.started_at

    def remove(file: str) -> None:
        media.delete_unless_newer(org, file, ended)

    return store.undo_import(org, import_id, remove, progress)
