"""Sends the webhooks of an archive until it is killed: python sender_process.py DATA DATABASE|- SECONDS.

SECONDS is how long a receiver may take. Waits and leases are a hundred times shorter than a server's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from backscroll.dialects.links import NoLinks
from backscroll.jobs import webhooks
from backscroll.jobs.sending import SECOND, Outside, Pace
from backscroll.outbound.addresses import Allowed
from backscroll.outbound.posting import Poster
from backscroll.storage.accounts import leases
from backscroll.storage.store import open_store

QUICK = Pace(waits=(SECOND // 50, SECOND // 20, SECOND // 10), rest=SECOND // 20, max_rest=SECOND // 5)


def main() -> None:
    """Runs without end."""
    data, database, seconds = sys.argv[1:]
    leases.LEASE_US = SECOND
    webhooks.KEEP_SECONDS, webhooks.LOOK_SECONDS, webhooks.FIND_SECONDS = 0.2, 0.05, 0.1
    store = open_store(None if database == "-" else database, Path(data))

    def poster() -> Poster:
        return Poster(Allowed.parse("127.0.0.1"), seconds=float(seconds))

    webhooks.Deliveries(store, Outside(links=NoLinks(), poster=poster, pace=QUICK)).run()


if __name__ == "__main__":
    main()
