"""Which import reports what is being written, and which reported what is already there.

A message, contact, phone or payload that only one import brought in needs no mark: the numbers assigned while a batch
of the import was written are a range in ``import_numbers``. Only what is reported again, or differently, is recorded.
See docs/decisions/0006-imports-and-undo.md.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from backscroll.database.protocol import Txn
from backscroll.storage.records.contact_facts import ByPhone
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.registers import Registers, decode_registers, encode_registers, join, tell
from backscroll.storage.records.rows import only_value
from backscroll.storage.records.tellers import NOBODY, Tellers

_CHUNK = 400
_FactsKey = tuple[int, int, str]
"""Import, place and JID."""
Place = int
"""Of what ``import_facts`` tells: the phone of a chat; of a contact 0, or, below 0, the phone whose sources told it."""


class _Range(NamedTuple):
    """Numbers from ``first`` to ``last``, and who brought them; None when that import was taken back."""

    first: int
    last: int
    teller: int | None


def reached(start: str, pairs: Collection[tuple[str, str]]) -> set[str]:
    """All JIDs that pairs of JIDs tie to this one."""
    found, size = {start}, 0
    while len(found) > size:
        size = len(found)
        found |= {jid for pair in pairs if not found.isdisjoint(pair) for jid in pair}
    return found


class Provenance:
    """Tellers, as one writing transaction meets them."""

    def __init__(self, tx: Txn, state: OrgState) -> None:
        self._tx = tx
        self._state = state
        self._org = state.org
        self.teller = NOBODY
        """The import whose batch is being written."""
        self.undoing: int | None = None
        """The import that is being undone: it counts as nobody."""
        self._first = state.next_no
        self._ranges: list[_Range] = []
        self._retold: dict[int, set[int]] = {}
        self._facts: dict[_FactsKey, Registers] = {}
        self._unsaved: set[_FactsKey] = set()
        self._named: set[tuple[int, str]] = set()
        self._unnamed: list[tuple[int, str]] = []

    @property
    def active(self) -> bool:
        """Whether the organisation ever had an import; until then there is nothing to note."""
        return self._state.imports > 0

    # ------------------------------------------------------------------ batches

    def begin(self, teller: int) -> None:
        """Everything until ``end`` is reported by this import."""
        self.teller = teller
        self._first = self._state.next_no
        self._named.clear()

    def end(self) -> None:
        """The batch is over: note the numbers that it used, and write what it told of contacts and chats."""
        last = self._state.next_no - 1
        if self.teller != NOBODY and last >= self._first:
            params = {"org": self._org, "first_no": self._first, "last_no": last, "import": self.teller}
            self._tx.run("add_import_numbers", params)
        self._write_facts()
        self.begin(NOBODY)

    @contextmanager
    def on_behalf_of(self, teller: int) -> Iterator[None]:
        """What is written meanwhile was reported by this import before. It must assign no numbers of messages."""
        self.teller, before = teller, self.teller
        try:
            yield
        finally:
            self.teller = before

    # ------------------------------------------------------------------ who told what has a number

    def tellers_of(self, nos: Collection[int]) -> dict[int, Tellers]:
        """Who told each of these messages, payloads or phones; nobody at all when all of them were taken back."""
        if not self.active:
            return dict.fromkeys(nos, (NOBODY,))
        self._load_retold(nos)
        found: dict[int, Tellers] = {}
        for no in sorted(nos):
            first = self.first_teller(no)
            told = self._retold[no] | (set() if first is None else {first})
            found[no] = tuple(sorted(told - {self.undoing}))
        return found

    def expect_retold(self, nos: Iterable[int]) -> None:
        """Read together who told these again."""
        if self.active:
            self._load_retold(nos)

    def _load_retold(self, nos: Iterable[int]) -> None:
        missing = sorted(set(nos) - self._retold.keys())
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            for no in chunk:
                self._retold[no] = set()
            for no, teller in self._tx.all("retold_by_no", {"org": self._org, "nos": chunk}):
                self._retold[no].add(teller)

    def first_teller(self, no: int) -> int | None:
        """Who brought what has this number; None when that import was taken back."""
        if no >= self._first:
            return self.teller
        at = bisect_right(self._ranges, no, key=lambda known: known.first) - 1
        if at < 0 or self._ranges[at].last < no:
            self._ranges.append(self._look_up(no))
            self._ranges.sort(key=lambda known: known.first)
            return self.first_teller(no)
        return self._ranges[at].teller

    def _look_up(self, no: int) -> _Range:
        params = {"org": self._org, "no": no}
        row = self._tx.one("range_at", params)
        if row is None:
            low, above = 0, only_value(self._tx.one("next_range", params))
        else:
            first, last, teller, above = row
            if no <= last:
                return _Range(first, last, teller if teller > 0 else None)
            low = last + 1
        return _Range(low, self._first - 1 if above is None else min(above, self._first) - 1, NOBODY)

    def may_tell(self, no: int | None, tellers: Tellers) -> bool:
        """Whether a row without rows in ``tellings`` can say that it was told by these. ``no`` None is a new row."""
        first = self.teller if no is None else self.first_teller(no)
        return tellers == (first,) if no is None else first is None or first in tellers

    def set_tellers(self, no: int, tellers: Tellers) -> None:
        """Note who told a row besides the import that brought it."""
        if not self.active:
            return
        self._load_retold([no])
        wanted = set(tellers) - {self.first_teller(no)}
        for teller in self._retold[no] - wanted:
            self._tx.run("delete_retold", {"org": self._org, "import": teller, "no": no})
        for teller in wanted - self._retold[no]:
            self._tx.run("add_retold", {"org": self._org, "import": teller, "no": no})
        self._retold[no] = wanted

    def tell_again(self, no: int) -> None:
        """Record that the current teller also reported what has this number."""
        if self.active:
            self.set_tellers(no, tuple({*self.tellers_of([no])[no], self.teller}))

    def drop(self, no: int) -> None:
        """What had this number is no longer there."""
        self.set_tellers(no, ())

    # ------------------------------------------------------------------ facts of contacts and chats

    def name(self, names: Iterable[tuple[int, str]]) -> None:
        """The import names these contacts (phone 0) and chats."""
        if self.teller == NOBODY:
            return
        new = set(names) - self._named
        self._named |= new
        self._unnamed += sorted(new)

    def claim(self, jid: str) -> None:
        """A live source uses a JID that so far, as is known, only imports used."""
        params = {"org": self._org, "import": NOBODY, "phone": 0, "jid": jid}
        self._tx.run("name_in_import", params)

    def name_by_mapping(self, *jids: str) -> None:
        """The present teller ties these JIDs together. That is no use of them: it told nothing under either."""
        self._tie(self.teller, jids)

    def _tie(self, teller: int, jids: Iterable[str]) -> None:
        base = {"org": self._org, "import": teller, "phone": 0}
        self._tx.many("tie_in_import", (base | {"jid": jid} for jid in jids))

    def expect(self, names: Iterable[tuple[Place, str]]) -> None:
        """Read together what the import told of these contacts before."""
        if self.teller == NOBODY:
            return
        missing: dict[Place, list[str]] = defaultdict(list)
        for place, jid in sorted(set(names)):
            if (self.teller, place, jid) not in self._facts:
                missing[place].append(jid)
        for place, jids in missing.items():
            for start in range(0, len(jids), _CHUNK):
                self._load(place, jids[start : start + _CHUNK])

    def _load(self, phone: Place, jids: list[str]) -> None:
        for jid in jids:
            self._facts[(self.teller, phone, jid)] = {}
        params = {"org": self._org, "import": self.teller, "phone": phone, "jids": jids}
        for _, jid, facts in self._tx.all("read_import_facts", params):
            self._facts[(self.teller, phone, jid)] = decode_registers(facts)

    def tell(self, phone: Place, jid: str, facts: Mapping[str, Any], at: int | None, rank: int) -> None:
        """Record what the current teller reports about a contact or chat separately from what others report."""
        key = (self.teller, phone, jid)
        if key not in self._facts:
            self._load(phone, [jid])
        if tell(self._facts[key], facts, at, rank) or self.teller == NOBODY or phone > 0:
            self._unsaved.add(key)

    def pin(self, phone: Place, jid: str, registers: Registers) -> None:
        """Keep what no import told apart, before an import tells something of the same contact or chat."""
        self._facts[(NOBODY, phone, jid)] = msgspec.json.decode(encode_registers(registers) or "{}", type=Registers)
        self._unsaved.add((NOBODY, phone, jid))

    def pin_tied(self, jid: str) -> None:
        """The same of a contact whose JIDs live sources tied together and did not use."""
        self._tie(NOBODY, [jid])

    def used_live(self, jids: Collection[str]) -> set[str]:
        """Those of these JIDs of which it is recorded that live sources used them."""
        rows = self._tx.all("told_jids", {"org": self._org, "jids": jids})
        return {jid for teller, jid, is_used in rows if teller == NOBODY and is_used}

    def _write_facts(self) -> None:
        base = {"org": self._org, "import": self.teller}
        self._tx.many("name_in_import", (base | {"phone": phone, "jid": jid} for phone, jid in self._unnamed))
        self._unnamed = []
        for teller, phone, jid in sorted(self._unsaved):
            # A chat may be told of without a fact; it is more than named then.
            facts = encode_registers(self._facts[(teller, phone, jid)]) or ("{}" if phone > 0 else None)
            params = {"org": self._org, "import": teller, "phone": phone, "jid": jid, "facts": facts}
            self._tx.run("save_import_facts", params)
        self._unsaved.clear()

    def derived_of_chat(self, phone: int, jids: Collection[str]) -> tuple[Registers, bool]:
        """What all tellers together tell of a phone's chat, and whether any tells it at all."""
        registers: Registers = {}
        rows = self._tx.all("chat_facts_by_jid", {"org": self._org, "phone": phone, "jids": sorted(jids)})
        for (facts,) in rows:
            join(registers, decode_registers(facts))
        return registers, any(facts is not None for (facts,) in rows)

    def derived_of_contact(self, jids: Collection[str]) -> tuple[ByPhone, bool]:
        """What all tellers together tell of a contact, by phone, and whether any names it."""
        by_phone: ByPhone = {}
        rows = self._tx.all("contact_facts_by_jid", {"org": self._org, "jids": sorted(jids)})
        for phone, facts in rows:
            if registers := decode_registers(facts):
                join(by_phone.setdefault(phone, {}), registers)
        return by_phone, bool(rows)

    # ------------------------------------------------------------------ mappings and files

    def tell_mapping(self, lid: str, jid: str, jids: Collection[str]) -> None:
        """The present teller ties these two of a contact's JIDs together.

        If none of the contact's ties is recorded, live sources told them all, and they stay whatever is undone.
        Otherwise each telling is: the JIDs may be one only by ties that others told, without this pair among them.
        """
        if self._tx.one("mappings_among", {"org": self._org, "jids": jids}) is not None:
            self.note_mapping(lid, jid)

    def note_mapping(self, lid: str, jid: str) -> None:
        """Record that the present teller ties two JIDs together."""
        self._tx.run("add_import_mapping", {"org": self._org, "import": self.teller, "lid": lid, "jid": jid})

    def has_imported_mapping(self, jids: Collection[str]) -> bool:
        """Whether an import mapped any two of a contact's JIDs to each other."""
        return self._tx.one("imported_mapping_among", {"org": self._org, "jids": jids}) is not None

    def mapped_by_teller(self, lid: str) -> set[str]:
        """The JIDs to which the present teller mapped this one, as far as that is recorded."""
        params = {"org": self._org, "import": self.teller, "lid": lid}
        return {jid for (jid,) in self._tx.all("mapped_by_import", params)}

    def tellers_of_mapping(self, lid: str, jid: str) -> list[int]:
        """Who is recorded to have mapped two JIDs to each other, also where that was refused."""
        params = {"org": self._org, "lid": lid, "jid": jid}
        return sorted(teller for (teller,) in self._tx.all("mapping_tellers", params))

    def pin_mappings(self, main: str, jids: Collection[str]) -> None:
        """Ties of a contact's JIDs that no import told are those of live sources, which stay."""
        pairs = [(lid, jid) for lid, jid in self._tx.all("mappings_among", {"org": self._org, "jids": jids})]
        for jid in jids:
            if main not in reached(jid, pairs):
                pairs.append((jid, main))
                params = {"org": self._org, "import": NOBODY, "lid": jid, "jid": main}
                self._tx.run("add_import_mapping", params)

    def tell_file(self, file: str) -> None:
        """The present teller has this file; called before the file is noted itself."""
        if not self.active:
            return
        params = {"org": self._org, "file": file}
        known = self._tx.one("file_tellers", params) is not None
        if not known and self._tx.one("has_file", params) is not None:
            if self.teller == NOBODY:
                return
            self._tx.run("add_import_file", params | {"import": NOBODY})
            known = True
        if known or self.teller != NOBODY:
            self._tx.run("add_import_file", params | {"import": self.teller})
