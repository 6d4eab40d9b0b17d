"""The search index, compared with the texts of messages."""

from __future__ import annotations

from collections.abc import Iterator

from backscroll.core import ids
from backscroll.storage.search import substring
from backscroll.storage.transfer.check.findings import PAGE, Finding, Scan

SEARCH = "text can be searched"


def search(scan: Scan) -> Iterator[Finding]:
    """Every text is in the index, as it is, and nothing else."""
    low, high = substring.rowid(scan.org, 0), substring.rowid(scan.org + 1, 0) - 1
    bounds = {"org": scan.org, "low": low, "high": high, "base": low}
    for (no,) in scan.tx.all("unindexed", bounds):
        yield scan.finding(SEARCH, f"message {no} is not in the search index", key=(no,))
    after = -1
    while rows := scan.tx.all("search_rows_after", bounds | {"after": after, "limit": PAGE}):
        for no, chat, folded, shown_in, text in rows:
            if not text:
                yield scan.finding(SEARCH, f"the search index has message {no}, which is not there", key=(no,))
            elif folded is not None and (folded, chat) != (ids.fold(text), shown_in):
                yield scan.finding(SEARCH, f"message {no} is in the search index with another text", key=(no,))
        after = rows[-1][0]
