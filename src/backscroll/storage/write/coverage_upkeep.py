"""Coverage of imports that were made before it was noted, found once from the messages that they brought."""

from __future__ import annotations

from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.org_state import lock_org_state
from backscroll.storage.records.rows import only_value
from backscroll.storage.write.coverage import Place, Spans
from backscroll.storage.write.imports import find_import

SILENT_KINDS = ("jsonl", "periskope")
"""JSON lines say themselves what they cover; of Periskope's many imports each brought what was new only."""


class CoverageUpkeep:
    """Notes what older imports cover; ``Store.coverage``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._done: set[int] = set()

    def run(self, org: int) -> int | None:
        """See to one older import of the organisation; its number, None when there is none left."""
        if org in self._done:
            return None
        params = {"org": org, "kinds": SILENT_KINDS}
        import_id: int | None = only_value(self._engine.read(lambda tx: tx.one("import_without_spans", params), org))
        if import_id is None:
            # Imports that are made from now on note it themselves.
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
