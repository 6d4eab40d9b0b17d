"""What is told of contacts, apart for each own phone: it adds up to what their rows hold."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from backscroll.database.protocol import Row
from backscroll.storage.records.contact_facts import EVERYBODY, SEVERAL, is_named, joined
from backscroll.storage.records.registers import decode_registers
from backscroll.storage.records.rows import phone_rows
from backscroll.storage.transfer.check.counters import problem_of_registers
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

BY_PHONE = "facts of a contact are those of its phones"


def contact_facts(scan: Scan) -> Iterator[Finding]:
    """Facts by phone, and whose sources told of a contact."""
    phones = {EVERYBODY, *(row.phone for row in phone_rows(scan.tx, scan.org))}
    for contact, rows in groupby(_rows(scan), key=lambda row: row[0]):
        problem = _problem(list(rows), phones)
        if problem is not None:
            yield scan.finding(BY_PHONE, f"contact {contact}: {problem}")
    after = -(2**63)
    while page := scan.tx.all("contacts_told_by", {"org": scan.org, "after": after, "limit": PAGE}):
        after = page[-1][0]
        for contact, told_by, rows in page:
            if told_by not in phones | {SEVERAL}:
                yield scan.finding(BY_PHONE, f"contact {contact}: there is no phone {told_by}")
            elif told_by == SEVERAL and rows < 2:
                yield scan.finding(BY_PHONE, f"contact {contact}: what several phones told is not there")


def _rows(scan: Scan) -> Iterator[Row]:
    contact, phone = -(2**63), -(2**63)
    while page := scan.tx.all(
        "contact_facts_after", {"org": scan.org, "contact": contact, "phone": phone, "limit": PAGE}
    ):
        yield from page
        contact, phone = page[-1][:2]


def _problem(rows: list[Row], phones: set[int]) -> str | None:
    """Of all rows of one contact."""
    by_phone = {}
    for _, phone, facts, named, _, _ in rows:
        if phone not in phones:
            return f"there is no phone {phone}"
        if problem := problem_of_registers(facts):
            return problem
        by_phone[phone] = decode_registers(facts)
        if named != int(is_named(by_phone[phone])):
            return f"whether phone {phone} names it is not what was told"
    *_, told_by, whole = rows[0]
    if told_by != SEVERAL:
        return "only one phone told of it, or it is not there"
    if problem_of_registers(whole) is None and joined(by_phone) != decode_registers(whole):
        return "the phones told something else"
    return None
