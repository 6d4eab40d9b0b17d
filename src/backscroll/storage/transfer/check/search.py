"""The search index, compared with what the messages say."""

from __future__ import annotations

from collections.abc import Iterator

from backscroll.storage.search.checking import faults
from backscroll.storage.transfer.check.findings import Finding, Scan

SEARCH = "search index is wrong"


def search(scan: Scan) -> Iterator[Finding]:
    """Every message is in the index once, as it is, and nothing else."""
    for fault in faults(scan.tx, scan.org):
        yield scan.finding(SEARCH, fault, repairable=True)
