"""The row of an organisation that every writer takes first."""

from __future__ import annotations

from msgspec import Struct


class OrgState(Struct):
    """The organisation's counter row while it is held by a writer."""

    org: int
    seq: int
    next_no: int
    named: int
    indexed_from: int | None = None
    """The search index has the messages from this number on; None when nobody has begun it (storage/search/)."""
    next_segment: int = 1
    imports: int = 0
    """How many imports it ever had: the number of the last one."""
    changes: list[tuple[str, int]] = []
    """Those of the batch that is being written."""
    numbered: list[tuple[str, int]] = []
    """Those of earlier batches of the same transaction, up to ``seq``."""

    def number(self) -> int:
        """The next number for a message, contact, phone or payload; never given twice."""
        self.next_no += 1
        return self.next_no - 1

    def segment(self) -> int:
        """The next number for a segment of the search index; never given twice."""
        self.next_segment += 1
        return self.next_segment - 1

    def change(self, what: str, no: int) -> None:
        """Note a change for the feed; it gets its seq when the batch ends."""
        self.changes.append((what, no))

    def end_batch(self) -> int:
        """Number the changes of a batch, and say how many they are."""
        changed = len(self.changes)
        self.seq += changed
        self.numbered += self.changes
        self.changes = []
        if self.named < 0:
            self.named = self.seq
        return changed
