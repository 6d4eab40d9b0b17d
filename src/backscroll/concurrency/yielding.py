"""Long work in many transactions, beside writers that want one each."""

from __future__ import annotations

import time

PAUSE_SECONDS = 0.001


def let_others_write() -> None:
    """Wait a moment between two transactions of long work.

    On SQLite the lock is free for an instant only when one transaction follows another, and whoever waits for it mostly
    looks at another time.
    """
    time.sleep(PAUSE_SECONDS)
