"""Contacts in a dump: the facts about each, by the phones whose sources reported them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from backscroll.database.protocol import Txn
from backscroll.storage.records.contact_facts import EVERYBODY, SEVERAL


class DumpedContact(NamedTuple):
    """A row of ``dump_contacts``."""

    contact: int
    jid: str
    told_by: int
    """The phone whose sources reported it, or ``EVERYBODY`` or ``SEVERAL``."""
    facts: str | None


ToldTexts = dict[str | None, str | None]
"""Facts as text by the JID of the phone whose sources reported them; None means for everybody."""


def told_of(tx: Txn, org: int, page: Sequence[DumpedContact], phones: Mapping[int, str]) -> dict[int, ToldTexts]:
    """The facts about each contact of a page: those for everybody first, then those of ``phones`` (JIDs by number).

    A contact without any of these facts is included with none.
    """
    several: dict[int, dict[int, str]] = defaultdict(dict)
    wanted = [row.contact for row in page if row.told_by == SEVERAL]
    for contact, phone, facts in tx.all("read_contact_facts", {"org": org, "contacts": wanted}) if wanted else ():
        several[contact][phone] = facts
    named: dict[int, str | None] = {EVERYBODY: None, **phones}
    found: dict[int, ToldTexts] = {}
    for contact, _, told_by, text in page:
        by_phone: Mapping[int, str | None] = several[contact] if told_by == SEVERAL else {told_by: text}
        told = {named[phone]: facts for phone, facts in by_phone.items() if phone in named}
        found[contact] = {phone: told[phone] for phone in sorted(told, key=lambda jid: jid or "")} or {None: None}
    return found
