"""Contacts in a dump: what is told of each, and by the sources of which phones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from backscroll.database.protocol import Txn
from backscroll.storage.records.contact_facts import EVERYBODY, SEVERAL

DumpedContact = tuple[int, str, int, str | None]
"""Number, JID, whose sources told of it (``contacts.told_by``), and what."""
ToldTexts = dict[str | None, str | None]
"""Facts as text by the JID of the phone whose sources told them; None is told to everybody."""


def told_of(tx: Txn, org: int, page: Sequence[DumpedContact], phones: Mapping[int, str]) -> dict[int, ToldTexts]:
    """What is told of each contact of a page: to everybody first, then by each of ``phones`` (their JIDs by number).

    One of whom none of these told is there too, with no facts.
    """
    several: dict[int, dict[int, str]] = defaultdict(dict)
    wanted = [contact for contact, _, owner, _ in page if owner == SEVERAL]
    for contact, phone, facts in tx.all("read_contact_facts", {"org": org, "contacts": wanted}) if wanted else ():
        several[contact][phone] = facts
    named: dict[int, str | None] = {EVERYBODY: None, **phones}
    found: dict[int, ToldTexts] = {}
    for contact, _, owner, text in page:
        by_phone: Mapping[int, str | None] = several[contact] if owner == SEVERAL else {owner: text}
        told = {named[phone]: facts for phone, facts in by_phone.items() if phone in named}
        found[contact] = {phone: told[phone] for phone in sorted(told, key=lambda jid: jid or "")} or {None: None}
    return found
