"""The table of imports: beginning one, ending it, and finding it again."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import structs

from backscroll.core.errors import Conflict, NotFound
from backscroll.core.imports import Import, ImportState, NewImport
from backscroll.database.protocol import Row, Txn
from backscroll.storage.records.org_state import lock_org_state, save_org_state

_ENCODER = msgspec.json.Encoder(order="sorted")


def begin_import(tx: Txn, org: int, new: NewImport, now: int) -> Import:
    """Give an import its number. Nothing that it tells is written yet."""
    state = lock_org_state(tx, org)
    state.imports += 1
    texts = {name: _ENCODER.encode(getattr(new, name)).decode() for name in ("answers", "sketch", "replaces")}
    tx.run("add_import", structs.asdict(new) | texts | {"org": org, "import": state.imports, "now": now})
    save_org_state(tx, state)
    return find_import(tx, org, state.imports)


def finish_import(
    tx: Txn, org: int, import_id: int, state: ImportState, report: dict[str, Any] | None, now: int
) -> Import:
    """Note how an import ended. One that is being taken back already stays so."""
    if find_import(tx, org, import_id).state == "running":
        text = None if report is None else _ENCODER.encode(report).decode()
        params = {"org": org, "import": import_id, "state": state, "report": text, "now": now}
        tx.run("finish_import", params)
    return find_import(tx, org, import_id)


def find_import(tx: Txn, org: int, import_id: int) -> Import:
    """``NotFound`` when the organisation never had it."""
    row = tx.one("read_import", {"org": org, "import": import_id})
    if row is None:
        known = list_imports(tx, org)
        having = f"the last one is {known[-1].id}" if known else "this organisation has none yet"
        raise NotFound("import", f"{import_id}; {having}, see `backscroll import list`")
    return import_of(row)


def list_imports(tx: Txn, org: int) -> list[Import]:
    """Oldest first."""
    return [import_of(row) for row in tx.all("list_imports", {"org": org})]


def imports_of_file(tx: Txn, org: int, sha256: str) -> list[Import]:
    """Those of the same bytes, whatever became of them; oldest first."""
    return [import_of(row) for row in tx.all("imports_of_file", {"org": org, "sha256": sha256})]


def import_of(row: Row) -> Import:
    """From the columns of ``list_imports``."""
    return Import(
        id=row[0],
        kind=row[1],
        file=row[2],
        sha256=row[3],
        size=row[4],
        answers=msgspec.json.decode(row[5]),
        state=row[6],
        started_at=row[7],
        finished_at=row[8],
        report=None if row[9] is None else msgspec.json.decode(row[9]),
        replaces=() if row[10] is None else msgspec.json.decode(row[10], type=tuple[int, ...]),
        sketch=() if row[11] is None else msgspec.json.decode(row[11], type=tuple[str, ...]),
        job=row[13],
    )


def must_be_running(tx: Txn, org: int, import_id: int) -> None:
    """``Conflict`` when an import is over, and so may not tell anything more."""
    found = find_import(tx, org, import_id)
    if found.state != "running":
        raise Conflict(f"Import {import_id} is {found.state} already; begin a new import")


def progress_of(tx: Txn, org: int, import_id: int) -> dict[str, Any]:
    """How far the undo of an import is."""
    row = tx.one("read_import", {"org": org, "import": import_id})
    return {} if row is None or row[12] is None else dict(msgspec.json.decode(row[12]))


def save_progress(tx: Txn, org: int, import_id: int, state: ImportState, progress: dict[str, Any]) -> None:
    """Note how far the undo of an import is."""
    params = {"org": org, "import": import_id, "state": state, "progress": _ENCODER.encode(progress).decode()}
    tx.run("advance_import", params)
