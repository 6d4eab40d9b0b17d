"""The invariants of coverage: spans are of phones that exist, run forwards, and those of one source never overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

_FIRST: dict[str, Any] = {"phone": -(2**62), "jid": "", "import": -1, "origin": "", "since": 0}


def spans(scan: Scan) -> Iterator[Finding]:
    """All spans of an organisation, a page at a time."""
    phones = {row[0] for row in scan.tx.all("import_phones", {"org": scan.org})}
    last: tuple[Any, ...] = ()
    after = _FIRST
    while rows := scan.tx.all("spans_after", after | {"org": scan.org, "limit": PAGE}):
        for phone, jid, import_id, origin, since, until, _ in rows:
            where = f"phone {phone} chat {jid or 'all'}, import {import_id} {origin}: from {since}"
            if phone not in phones:
                yield scan.finding("a span is of a phone that is there", where)
            if until < since:
                yield scan.finding("a span ends after it begins", where)
            place = (phone, jid, import_id, origin)
            if last[:4] == place and since < last[4]:
                yield scan.finding("spans of one source do not overlap", where)
            last = (*place, until)
        after = dict(zip(("phone", "jid", "import", "origin", "since"), rows[-1][:5], strict=True))
