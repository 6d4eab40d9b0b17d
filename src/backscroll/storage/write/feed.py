"""The change feed is kept for some days: older lines go, a bounded number in each transaction.

Lines have no time of their own. Once a day it is noted how far the feed has come, and what had come by the last day
before those to keep may go. ``heads.pruned`` says where the feed begins, so that a follower from before then learns
that it has missed something. From there to the head every line is kept: followers, and what processes have cached, rely
on there being no gap.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from backscroll.core.answers import ChangedPlace
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.counters import DAY_US
from backscroll.storage.records.org_state import OrgRow, lock_org_state

LINES = 2000
"""Of the feed that go in one transaction; other writers go between."""


class FeedBounds(Struct, frozen=True):
    """A follower may go on from ``pruned`` or any later place up to ``seq``."""

    pruned: int
    seq: int

    def reach(self, place: int) -> bool:
        """Whether every line after this place is there."""
        return self.pruned <= place <= self.seq


class FeedUpkeep:
    """Prunes the change feeds of organisations; ``Store.feed``."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock
        self._seen: dict[int, int] = {}
        """The day on which each organisation was last seen to."""

    def bounds(self, org: int) -> FeedBounds:
        """From where to where the feed goes now."""
        row = self._engine.read_one("read_org_state", {"org": org}, org)
        if row is None:
            return FeedBounds(0, 0)
        state = OrgRow(*row)
        return FeedBounds(state.pruned, state.seq)

    def places_changed_since(self, org: int, seq: int, limit: int) -> list[ChangedPlace]:
        """Where the changes after ``seq`` are, in commit order."""
        params = {"org": org, "seq": seq, "limit": limit}
        return [ChangedPlace(*row) for row in self._engine.read(lambda tx: tx.all("places_changed_since", params), org)]

    def run(self, org: int, days: int, stop: Callable[[], bool] = lambda: False) -> int:
        """Once a day, drop the lines that are older than so many days, all of them kept for 0; how many went.

        Several processes may do so at the same time. ``stop`` is asked before each transaction.
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
    """Drop some of the lines from before a day (since 1970, UTC); 0 when there are none left."""
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
