"""The facts about contacts, stored separately for each own phone: together they match the contacts' rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from backscroll.storage.records.contact_facts import EVERYBODY, SEVERAL, is_named, joined
from backscroll.storage.records.registers import decode_registers
from backscroll.storage.records.rows import phone_rows
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

BY_PHONE = "contact's facts differ from what was reported by phone"
LABEL = "label's facts cannot be read, or its phone is missing"


class _ToldFacts(NamedTuple):
    """A row of ``contact_facts_after``: what the sources of one phone told of a contact, and what its row holds."""

    contact: int
    phone: int
    facts: str
    is_named: int
    told_by: int | None
    whole: str | None


def contact_facts(scan: Scan) -> Iterator[Finding]:
    """Facts by phone, and whose sources told of a contact."""
    phones = {EVERYBODY, *(row.phone for row in phone_rows(scan.tx, scan.org))}
    for contact, rows in groupby(_rows(scan), key=lambda row: row.contact):
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


def _rows(scan: Scan) -> Iterator[_ToldFacts]:
    contact, phone = -(2**63), -(2**63)
    while page := scan.tx.all(
        "contact_facts_after", {"org": scan.org, "contact": contact, "phone": phone, "limit": PAGE}
    ):
        rows = [_ToldFacts(*values) for values in page]
        yield from rows
        contact, phone = rows[-1].contact, rows[-1].phone


def _problem(rows: list[_ToldFacts], phones: set[int]) -> str | None:
    """Of all rows of one contact."""
    by_phone = {}
    for row in rows:
        if row.phone not in phones:
            return f"there is no phone {row.phone}"
        if problem := problem_of_registers(row.facts):
            return problem
        by_phone[row.phone] = decode_registers(row.facts)
        if row.is_named != int(is_named(by_phone[row.phone])):
            return f"whether phone {row.phone} names it is not what was told"
    told_by, whole = rows[0].told_by, rows[0].whole
    if told_by != SEVERAL:
        return "only one phone told of it, or it is not there"
    if problem_of_registers(whole) is None and joined(by_phone) != decode_registers(whole):
        return "the phones told something else"
    return None


def labels(scan: Scan) -> Iterator[Finding]:
    """Labels belong to phones of the organisation, and what was reported of them can be read."""
    phones = {row.phone for row in phone_rows(scan.tx, scan.org)}
    after = {"phone": -(2**63), "label": "", "import": -1}
    while page := scan.tx.all("labels_after", {"org": scan.org, "limit": PAGE} | after):
        for phone, label, import_id, facts in page:
            problem = problem_of_registers(facts) if phone in phones else f"there is no phone {phone}"
            if problem is not None:
                yield scan.finding(LABEL, f"label {label!r:.80} of phone {phone}: {problem}")
            after = {"phone": phone, "label": label, "import": import_id}


def problem_of_registers(text: Any) -> str | None:
    """What makes the facts of a chat, label or contact unreadable; None for sound ones."""
    try:
        registers = decode_registers(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:
        return f"its facts cannot be decoded ({error})"
    for field, observed in registers.items():
        if len(observed) != 3 or not all(isinstance(number, int) for number in observed[:2]):
            return f"its {field} has no time and rank"
    return None
