"""The change feed is kept for some days. Older lines are deleted, a bounded number per transaction.

Lines have no timestamp. Instead, the position of the feed's end is noted once a day; lines up to the position noted on
the last day that is too old may be deleted. ``heads.pruned`` is the position where the feed begins, so that a follower
with an older position can be told that it has missed lines. All lines after it are kept, because followers and the
caches of processes rely on there being no gap.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from backscroll.core.answers import ChangedPlace
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.counters import DAY_US
from backscroll.storage.records.org_state import OrgRow, lock_org_state

LINES = 2000
"""Lines of the feed deleted per transaction. Other writers can write between transactions."""


class FeedBounds(Struct, frozen=True):
    """A follower can continue from ``pruned`` or any later position up to ``seq``."""

    pruned: int
    seq: int

    def reach(self, place: int) -> bool:
        """Whether every line after this position is still there."""
        return self.pruned <= place <= self.seq


class FeedUpkeep:
    """Prunes the change feeds of organisations; ``Store.feed``."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock
        self._seen: dict[int, int] = {}
        """The day on which each organisation was last processed."""

    def bounds(self, org: int) -> FeedBounds:
        """The first and last position of the feed now."""
        row = self._engine.read_one("read_org_state", {"org": org}, org)
        if row is None:
            return FeedBounds(0, 0)
        state = OrgRow(*row)
        return FeedBounds(state.pruned, state.seq)

    def places_changed_since(self, org: int, seq: int, limit: int) -> list[ChangedPlace]:
        """The places of the changes after ``seq``, in commit order."""
        params = {"org": org, "seq": seq, "limit": limit}
        return [ChangedPlace(*row) for row in self._engine.read(lambda tx: tx.all("places_changed_since", params), org)]

    def run(self, org: int, days: int, stop: Callable[[], bool] = lambda: False) -> int:
        """Once a day, drop the lines older than ``days`` (0 keeps all); returns how many were dropped.

        Several processes may do this at the same time. ``stop`` is called before each transaction.
        """
        today = self._clock() // DAY_US
        if self._seen.get(org) == today:
            return 0
        note = {"org": org, "day": today, "seq": self.bounds(org).seq}
        self._engine.write(lambda tx: tx.run("note_feed_day", note), org)
        pruned = 0
        while days and not stop():
            step = self._engine.write(lambda tx: prune_step(tx, org, today - days), org)
            if not step:
                break
            pruned += step
            self._engine.let_others_write()
        if not stop():
            self._seen[org] = today
        return pruned


def prune_step(tx: Txn, org: int, day: int) -> int:
    """Drop some of the lines from before a day (days since 1970, UTC); returns how many, 0 if none were left."""
    lock_org_state(tx, org)
    pruned, before = tx.one("feed_before", {"org": org, "day": day}) or (0, None)
    if before is None:
        return 0
    upto = min(before, pruned + LINES)
    gone: int = max(upto - pruned, 0)
    if gone:
        tx.run("prune_changes", {"org": org, "upto": upto})
        tx.run("note_pruned", {"org": org, "upto": upto})
    if upto >= before:
        tx.run("forget_feed_days", {"org": org, "day": day})
    return gone
