"""The invariants of coverage: spans are of phones that exist, run forwards, and those of one source never overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from backscroll.storage.records.rows import phone_rows
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

_FIRST: dict[str, Any] = {"phone": -(2**62), "jid": "", "import": -1, "origin": "", "since": 0}


class _Span(NamedTuple):
    """A row of ``spans_after``. Without ``jid`` it is of all chats of the phone."""

    phone: int
    jid: str
    import_id: int
    origin: str
    since: int
    until: int
    ended: str | None

    @property
    def told_by(self) -> tuple[int, str, int, str]:
        """The source, and what it speaks of."""
        return (self.phone, self.jid, self.import_id, self.origin)


def spans(scan: Scan) -> Iterator[Finding]:
    """All spans of an organisation, a page at a time."""
    phones = {row.phone for row in phone_rows(scan.tx, scan.org)}
    last: _Span | None = None
    after = _FIRST
    while rows := scan.tx.all("spans_after", after | {"org": scan.org, "limit": PAGE}):
        for span in (_Span(*row) for row in rows):
            where = (
                f"phone {span.phone} chat {span.jid or 'all'}, import {span.import_id} {span.origin}: from {span.since}"
            )
            if span.phone not in phones:
                yield scan.finding("covered period belongs to no phone", where)
            if span.until < span.since:
                yield scan.finding("covered period ends before it begins", where)
            if last is not None and span.told_by == last.told_by and span.since < last.until:
                yield scan.finding("covered periods of one source overlap", where)
            last = span
        after = dict(zip(_FIRST, rows[-1], strict=False))
