"""The invariants of imports: every recorded teller exists and was not undone, and sums agree."""

from __future__ import annotations

from collections.abc import Iterator

from backscroll.database.protocol import Txn
from backscroll.storage.records.contact_facts import joined
from backscroll.storage.records.org_state import OrgState
from backscroll.storage.records.provenance import Provenance
from backscroll.storage.records.registers import decode_registers
from backscroll.storage.records.resolve import decode_told
from backscroll.storage.records.tellers import NOBODY, decode_tellers
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan
from backscroll.storage.write.imports import list_imports

Problem = tuple[str, str]
"""Name of the fault, and where it is."""


def imports(scan: Scan) -> Iterator[Finding]:
    """Imports: who told what is known, stands, and adds up."""
    for what, where in problems(scan.tx, scan.org):
        yield scan.finding(what, where)


def problems(tx: Txn, org: int) -> Iterator[Problem]:
    """All faults; none where there never was an import."""
    entries = list_imports(tx, org)
    highest = max((entry.id for entry in entries), default=0)
    for (last,) in tx.all("read_org_imports", {"org": org}):
        if last != highest:
            yield "number of the last import is wrong", f"the last is {last}, of {len(entries)}"
    if not entries:
        return
    alive = {NOBODY, *(entry.id for entry in entries if entry.state != "undone")}
    yield from _numbers(tx, org, alive, undone={entry.id for entry in entries if entry.state in ("undoing", "undone")})
    yield from _tellers(tx, org, alive | {entry.id for entry in entries if entry.state == "undoing"})
    yield from _facts(tx, org, entries[-1].id)
    for import_id, file in tx.all("lost_import_files", {"org": org}):
        yield "file of an import is not listed", f"import {import_id}: {file}"


def _numbers(tx: Txn, org: int, alive: set[int], undone: set[int]) -> Iterator[Problem]:
    end = 0
    for first, last, owner in tx.all("every_import_range", {"org": org}):
        if first <= end or last < first:
            yield "number ranges of imports overlap", f"{first} to {last}, after {end}"
        if abs(owner) not in alive | undone or (owner > 0) == (abs(owner) in undone):
            yield "number range belongs to the wrong import", f"{first} to {last}: import {owner}"
        end = last
    for import_id, no in tx.all("stray_retold", {"org": org}):
        yield "import refers to something that is missing", f"import {import_id}: {no}"


def _tellers(tx: Txn, org: int, alive: set[int]) -> Iterator[Problem]:
    for phone, chat, id, told in _pages(tx, org, "every_told_telling"):
        if not set(decode_tellers(told)) <= alive:
            yield "observation refers to an unknown or undone import", f"phone {phone} chat {chat}: {id}"
    for phone, chat, id, told in _pages(tx, org, "every_told_addon"):
        if not {teller for teller, _, _ in decode_told(told, None, None)} <= alive:
            yield "annotation refers to an unknown or undone import", f"phone {phone} chat {chat}: {id}"
    for import_id, what in tx.all("import_references", {"org": org}):
        if import_id not in alive:
            yield "something refers to an unknown or undone import", f"import {import_id} in {what}"


def _pages(tx: Txn, org: int, name: str) -> Iterator[tuple[int, int, str, str]]:
    phone, chat, id = 0, 0, ""
    while True:
        rows = tx.all(name, {"org": org, "phone": phone, "chat": chat, "id": id, "limit": PAGE})
        for phone, chat, id, told in rows:
            yield phone, chat, id, told
        if len(rows) < PAGE:
            return


def _facts(tx: Txn, org: int, last: int) -> Iterator[Problem]:
    """What is shown of a contact is what its sources reported together."""
    provenance = Provenance(tx, OrgState(org, 0, 0, 0, imports=last))
    after = 0
    while rows := tx.all("imported_contacts", {"org": org, "after": after, "limit": PAGE}):
        aliases: dict[int, list[str]] = {contact: [] for contact, _ in rows}
        for contact, jid in tx.all("dump_aliases", {"org": org, "contacts": sorted(aliases)}):
            aliases[contact].append(jid)
        for contact, facts in rows:
            told = joined(provenance.derived_of_contact(aliases[contact])[0])
            if aliases[contact] and told != decode_registers(facts):
                yield "contact's facts differ from what its sources reported", f"contact {contact}"
        after, _ = rows[-1]
