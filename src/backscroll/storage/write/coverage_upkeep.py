"""Coverage of imports made before coverage was recorded, derived once from the messages that they brought."""

from __future__ import annotations

from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.org_state import lock_org_state
from backscroll.storage.records.rows import only_value
from backscroll.storage.write.coverage import Place, Spans
from backscroll.storage.write.imports import find_import

SILENT_KINDS = ("jsonl", "periskope")
"""JSON lines state their own coverage, and each of Periskope's many imports brought only what was new."""


class CoverageUpkeep:
    """Records what older imports cover; ``Store.coverage``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._done: set[int] = set()

    def run(self, org: int) -> int | None:
        """Process one older import of the organisation; returns its number, or None if none is left."""
        if org in self._done:
            return None
        params = {"org": org, "kinds": SILENT_KINDS}
        import_id: int | None = only_value(self._engine.read(lambda tx: tx.one("import_without_spans", params), org))
        if import_id is None:
            # Imports made from now on record it themselves.
            self._done.add(org)
            return None
        ends = self._engine.read(lambda tx: tx.all("ends_of_import", {"org": org, "import": import_id}), org)

        def work(tx: Txn) -> None:
            lock_org_state(tx, org)
            if find_import(tx, org, import_id).state == "done":
                reached = {Place(phone, jid, import_id, ""): (first, last) for phone, jid, first, last in ends}
                Spans(tx, org).widen(reached)
                tx.run("mark_import_covered", {"org": org, "import": import_id})

        self._engine.write(work, org)
        return import_id
