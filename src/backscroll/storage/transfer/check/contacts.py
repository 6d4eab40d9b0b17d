"""Who is who: contacts, their JIDs, merges that go on, and the organisation's own phones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import structs

from backscroll.core import ids
from backscroll.core.limits import MAX_JID
from backscroll.database.protocol import Txn
from backscroll.storage.records.identity import ContactResolver, ContactRow
from backscroll.storage.records.registers import decode_registers
from backscroll.storage.records.rows import phone_rows
from backscroll.storage.transfer.check.facts import problem_of_registers
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

NAMES = "contact's names differ from what was reported"
ALIAS = "contact is not found by its JID"


def contacts(scan: Scan) -> Iterator[Finding]:
    """Rows of contacts, and that their own JIDs lead to them."""
    after = -(2**63)
    while rows := scan.tx.all("contacts_after", {"org": scan.org, "after": after, "limit": PAGE}):
        found = [ContactRow(*row) for row in rows]
        after = found[-1].contact
        sound = []
        for contact in found:
            if problem := problem_of_contact(contact):
                yield scan.finding("contact cannot be decoded", f"contact {contact.contact}: {problem}")
            else:
                sound.append(contact)
        for contact in sound:
            if contact.merged_into is None and named(contact) != contact:
                yield scan.finding(NAMES, f"contact {contact.contact}", key=(contact.contact,))
        yield from _unfound(scan, [contact for contact in sound if contact.merged_into is None])
        yield from _merged_nowhere(scan, [contact for contact in found if contact.merged_into is not None])


def problem_of_contact(contact: ContactRow) -> str | None:
    """What makes a contact's row unreadable; None for a sound one."""
    if type(contact.jid) is not str or not contact.jid or len(contact.jid) > MAX_JID:
        return "its JID is none"
    names = (contact.lid, contact.name, contact.push_name, contact.business_name)
    if not all(value is None or type(value) is str for value in names):
        return "one of its names is no text"
    if contact.kind != ids.kind_of(contact.jid) or contact.jid != ids.canonical(contact.jid):
        return f"its kind or JID is not in the canonical form ({contact.kind!r:.40})"
    return problem_of_registers(contact.facts)


def contacts_there(tx: Txn, org: int, wanted: Collection[int]) -> dict[int, int | None]:
    """Those of ``wanted`` that have a row, each with the contact it was merged into, None if it was not merged."""
    listed = sorted(wanted)
    found: dict[int, int | None] = {}
    for start in range(0, len(listed), 500):
        found.update(tx.all("rows_of_contacts", {"org": org, "contacts": listed[start : start + 500]}))
    return found


def named(contact: ContactRow) -> ContactRow:
    """The contact with the names from its facts."""
    told = structs.replace(contact)
    ContactResolver.name_by(told, decode_registers(contact.facts))
    return told


def _unfound(scan: Scan, contacts: Sequence[ContactRow]) -> Iterator[Finding]:
    meant = {jid: contact.contact for contact in contacts for jid in (contact.jid, contact.lid) if jid}
    wanted = sorted(meant)
    for start in range(0, len(wanted), 500):
        # A JID that leads to a number which no contact has is not found at all.
        params = {"org": scan.org, "jids": wanted[start : start + 500]}
        found = {jid: contact for jid, contact, *_ in scan.tx.all("find_aliases", params)}
        for jid in wanted[start : start + 500]:
            if jid not in found:
                yield scan.finding(ALIAS, f"contact {meant[jid]}: its JID leads nowhere", key=(meant[jid], jid))
            elif found[jid] != meant[jid]:
                yield scan.finding(ALIAS, f"contact {meant[jid]}: its JID leads to {found[jid]}")


def _merged_nowhere(scan: Scan, contacts: Sequence[ContactRow]) -> Iterator[Finding]:
    wanted = {contact.merged_into for contact in contacts if contact.merged_into is not None}
    winners = contacts_there(scan.tx, scan.org, wanted)
    for contact in contacts:
        if contact.merged_into not in winners or winners[contact.merged_into] is not None:
            detail = f"contact {contact.contact} was merged into {contact.merged_into}"
            yield scan.finding("merged contact has no successor", detail)


def aliases(scan: Scan) -> Iterator[Finding]:
    """Checks that every JID leads to a contact that was not merged into another."""
    after = ""
    while rows := scan.tx.all("aliases_after", {"org": scan.org, "after": after, "limit": PAGE}):
        known = contacts_there(scan.tx, scan.org, {contact for _, contact in rows})
        for jid, contact in rows:
            if contact not in known or known[contact] is not None:
                yield scan.finding("JID does not lead to a contact", f"{jid!r:.60} leads to {contact}")
            elif type(jid) is not str or jid != ids.canonical(jid):
                yield scan.finding("JID does not lead to a contact", f"{jid!r:.60} is not in the canonical form")
        texts = [jid for jid, _ in rows if type(jid) is str]
        if not texts:
            return
        after = texts[-1]


def merges(scan: Scan) -> Iterator[Finding]:
    """What is still to be moved: from a merged contact to its successor."""
    for contact, into in scan.tx.all("pending_merges", {"org": scan.org}):
        known = contacts_there(scan.tx, scan.org, {contact, into})
        if known.get(contact) != into or into not in known or known[into] is not None:
            yield scan.finding("unfinished merge lacks a contact", f"{contact} into {into}")


def phones(scan: Scan) -> Iterator[Finding]:
    """Own phones are numbers with a contact of their own."""
    for row in phone_rows(scan.tx, scan.org):
        phone, jid, contact = row.phone, row.jid, row.contact
        texts = all(value is None or type(value) is str for value in (row.device_id, row.name, row.state))
        is_number = type(jid) is str and ids.kind_of(jid) == "user" and jid == ids.canonical(jid)
        if not is_number or not row.phone_id or not texts:
            yield scan.finding("phone cannot be decoded", f"phone {phone}")
            continue
        known = contacts_there(scan.tx, scan.org, {contact})
        if contact not in known:
            yield scan.finding("phone does not lead to its contact", f"phone {phone} leads to {contact}")
            continue
        today = contact if known[contact] is None else known[contact]
        aliases = scan.tx.all("find_aliases", {"org": scan.org, "jids": (jid,)})
        if [meant for _, meant, *_ in aliases] != [today]:
            yield scan.finding("phone does not lead to its contact", f"phone {phone}: its number leads elsewhere")
