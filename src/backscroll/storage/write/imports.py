"""The table of imports: starting one, finishing it, and finding it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from backscroll.core.errors import Conflict, NotFound
from backscroll.core.imports import Import, ImportState, NewImport
from backscroll.database.protocol import Row, Txn
from backscroll.storage.records.org_state import lock_org_state, save_org_state

_ENCODER = msgspec.json.Encoder(order="sorted")


class _ImportRow(NamedTuple):
    """A row of imports, in the order of columns of the statement list_imports."""

    id: int
    kind: str
    file: str | None
    sha256: str | None
    size: int | None
    answers: str
    state: ImportState
    started_at: int
    finished_at: int | None
    report: str | None
    replaces: str | None
    sketch: str | None
    progress: str | None
    job: str | None


def begin_import(tx: Txn, org: int, new: NewImport, now: int) -> Import:
    """Create an import and give it its number. Nothing that it reports is written yet."""
    state = lock_org_state(tx, org)
    state.imports += 1
    texts = {name: _ENCODER.encode(getattr(new, name)).decode() for name in ("answers", "sketch", "replaces")}
    tx.run("add_import", structs.asdict(new) | texts | {"org": org, "import": state.imports, "now": now})
    save_org_state(tx, state)
    return find_import(tx, org, state.imports)


def finish_import(
    tx: Txn, org: int, import_id: int, state: ImportState, report: dict[str, Any] | None, now: int
) -> Import:
    """Record how an import ended. The state of one that is already being undone does not change."""
    if find_import(tx, org, import_id).state == "running":
        text = None if report is None else _ENCODER.encode(report).decode()
        params = {"org": org, "import": import_id, "state": state, "report": text, "now": now}
        tx.run("finish_import", params)
    return find_import(tx, org, import_id)


def find_import(tx: Txn, org: int, import_id: int) -> Import:
    """An import by its number; ``NotFound`` if the organisation never had it."""
    found = tx.one("read_import", {"org": org, "import": import_id})
    if found is None:
        known = list_imports(tx, org)
        having = f"the last one is {known[-1].id}" if known else "this organisation has none yet"
        raise NotFound("import", f"{import_id}; {having}, see `backscroll import list`")
    return import_of(found)


def list_imports(tx: Txn, org: int) -> list[Import]:
    """Oldest first."""
    return [import_of(row) for row in tx.all("list_imports", {"org": org})]


def imports_of_file(tx: Txn, org: int, sha256: str) -> list[Import]:
    """The imports of the same bytes, in any state; oldest first."""
    return [import_of(row) for row in tx.all("imports_of_file", {"org": org, "sha256": sha256})]


def import_of(values: Row) -> Import:
    """Made from the columns of ``list_imports``."""
    row = _ImportRow(*values)
    return Import(
        id=row.id,
        kind=row.kind,
        file=row.file,
        sha256=row.sha256,
        size=row.size,
        answers=msgspec.json.decode(row.answers),
        state=row.state,
        started_at=row.started_at,
        finished_at=row.finished_at,
        report=None if row.report is None else msgspec.json.decode(row.report),
        replaces=() if row.replaces is None else msgspec.json.decode(row.replaces, type=tuple[int, ...]),
        sketch=() if row.sketch is None else msgspec.json.decode(row.sketch, type=tuple[str, ...]),
        job=row.job,
    )


def must_be_running(tx: Txn, org: int, import_id: int) -> None:
    """``Conflict`` if an import is over, and so may not report anything more."""
    found = find_import(tx, org, import_id)
    if found.state != "running":
        raise Conflict(f"Import {import_id} is already {found.state}; start a new import")


def progress_of(tx: Txn, org: int, import_id: int) -> dict[str, Any]:
    """The saved progress of the undo of an import."""
    row = tx.one("read_import", {"org": org, "import": import_id})
    progress = None if row is None else _ImportRow(*row).progress
    return {} if progress is None else dict(msgspec.json.decode(progress))


def save_progress(tx: Txn, org: int, import_id: int, state: ImportState, progress: dict[str, Any]) -> None:
    """Save the progress of the undo of an import."""
    params = {"org": org, "import": import_id, "state": state, "progress": _ENCODER.encode(progress).decode()}
    tx.run("advance_import", params)
