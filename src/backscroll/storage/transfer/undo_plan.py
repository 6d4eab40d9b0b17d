"""What undoing an import would do, counted without doing it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from backscroll.core.imports import UndoPlan
from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import OrgState, read_org_state
from backscroll.storage.records.provenance import Provenance
from backscroll.storage.records.rows import OBSERVED, MessageRow, row_of
from backscroll.storage.records.tellers import decode_tellers, without
from backscroll.storage.write.imports import find_import

_PAGE = 1000


def plan_undo(tx: Txn, org: int, import_id: int) -> UndoPlan:
    """Reads every message that the import brought or told again; contacts and chats are those that only it names."""
    found = find_import(tx, org, import_id)
    plan = _Plan(tx, org, import_id, begun=found.state in ("undoing", "undone"))
    gone, kept = plan.messages()
    named = plan.named_alone()
    return UndoPlan(
        import_id=import_id,
        messages=gone,
        kept=kept,
        chats=sum(phone > 0 for phone in named),
        contacts=sum(phone == 0 for phone in named),
        files=plan.files_alone(),
    )


class _Plan:
    def __init__(self, tx: Txn, org: int, import_id: int, begun: bool) -> None:
        self._tx = tx
        self._import = import_id
        self._owner = -import_id if begun else import_id
        self._base: dict[str, Any] = {"org": org, "import": import_id}
        row = read_org_state(tx, org)
        # Nothing is written. Whatever has a number below the next one was brought by someone earlier.
        next_no = 0 if row is None else row.next_no
        self._provenance = Provenance(tx, OrgState(org, 0, next_no, 0, imports=import_id))
        self._provenance.undoing = import_id

    def messages(self) -> tuple[int, int]:
        """How many messages would be removed, and how many remain because others reported them too."""
        gone = kept = 0
        for rows in self._pages():
            tellers = self._provenance.tellers_of([row.no for row in rows if not row.flags & OBSERVED])
            beside = self._beside([row for row in rows if row.flags & OBSERVED])
            for row in rows:
                if tellers.get(row.no, ()) or beside.get(row.no, False):
                    kept += 1
                else:
                    gone += 1
        return gone, kept

    def _pages(self) -> Iterator[list[MessageRow]]:
        for nos in self._numbers():
            rows = self._tx.all("rows_by_no", {"org": self._base["org"], "nos": nos})
            yield [row_of(row) for row in rows]

    def _numbers(self) -> Iterator[list[int]]:
        low = 0
        params = {"org": self._base["org"], "import": self._owner, "limit": 1}
        while row := self._tx.one("ranges_of_import", params | {"low": low}):
            first, last = row
            low = first + 1
            while nos := self._between(first, last):
                yield nos
                first = nos[-1] + 1
        after = -1
        while nos := self._retold(after):
            yield nos
            after = nos[-1]

    def _between(self, first: int, last: int) -> list[int]:
        params = {"org": self._base["org"], "low": first, "high": last, "limit": _PAGE}
        return [no for no, *_ in self._tx.all("import_rows", params)]

    def _retold(self, after: int) -> list[int]:
        params = self._base | {"after": after, "limit": _PAGE}
        return [no for (no,) in self._tx.all("retold_by_import", params)]

    def _beside(self, rows: Iterable[MessageRow]) -> dict[int, bool]:
        """For rows that were reported more than once: whether anyone else reported them."""
        by_place: dict[tuple[int, int], list[MessageRow]] = defaultdict(list)
        for row in rows:
            by_place[(row.phone, row.chat)].append(row)
        found: dict[int, bool] = {}
        for (phone, chat), some in by_place.items():
            params = {"org": self._base["org"], "phone": phone, "chats": (chat,), "ids": [row.id for row in some]}
            others: dict[str, bool] = defaultdict(bool)
            for _, id, *_, told in self._tx.all("known_observations", params):
                others[id] |= bool(without(decode_tellers(told), self._import))
            found |= {row.no: others[row.id] for row in some}
        return found

    def named_alone(self) -> list[int]:
        """The phone of each chat, and 0 for each contact, that no one else mentions."""
        found: list[int] = []
        phone, jid = -1, ""
        while rows := self._tx.all("named_alone", self._base | {"phone": phone, "jid": jid, "limit": _PAGE}):
            found += [phone for phone, _, others in rows if others == 0]
            phone, jid, _ = rows[-1]
        return found

    def files_alone(self) -> int:
        """How many media files only this import brought."""
        (count,) = self._tx.one("count_files_alone", self._base) or (0,)
        return int(count)
