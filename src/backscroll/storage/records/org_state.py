"""The organisation's counter row: taken first by every writing transaction, given back last."""

from __future__ import annotations

from backscroll.core.errors import NotFound
from backscroll.database.protocol import Txn
from backscroll.storage.records.orgstate import OrgState


def lock_org_state(tx: Txn, org: int) -> OrgState:
    """Take the row, so that nobody else writes to the organisation until the transaction ends."""
    row = tx.one("lock_org_state", {"org": org})
    if row is None:
        raise NotFound("organisation", str(org))
    return OrgState(org, *row)


def store_org_state(tx: Txn, state: OrgState) -> None:
    """Write the row back; its changes are numbered by now."""
    row = {"org": state.org, "seq": state.seq, "next_no": state.next_no, "named": state.named, "imports": state.imports}
    tx.run("save_org_state", row | {"indexed_from": state.indexed_from, "next_segment": state.next_segment})
