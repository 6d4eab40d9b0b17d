"""How many rows a step of long work takes, so that its transaction is short on any machine and for any rows."""

from __future__ import annotations

import time

from backscroll.database.protocol import Txn
from backscroll.storage.records.org_state import lock_org_state

STEP_SECONDS = 0.1
"""Intended maximum seconds of a step, from when the organisation is locked until the commit."""
FIRST_ROWS = 100
"""Rows of the first step, when nothing is known yet."""


class Pace:
    """Adapts the size of steps to how long the previous ones took, up to ``most`` rows."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = min(most, FIRST_ROWS)
        """Maximum rows of the next step; at least 1."""
        self._began = 0.0

    def begin(self, tx: Txn, org: int) -> None:
        """To be called first in a step's transaction. Waiting for other writers does not count."""
        lock_org_state(tx, org)
        self._began = time.monotonic()

    def end(self) -> None:
        """To be called after the commit."""
        took = time.monotonic() - self._began
        if took > STEP_SECONDS:
            self.rows = max(1, int(self.rows * STEP_SECONDS / took))
        elif STEP_SECONDS / 10 <= took < STEP_SECONDS / 2:
            # A shorter one probably found nothing to do, and says nothing about the next.
            self.rows = min(2 * self.rows, self._most)
