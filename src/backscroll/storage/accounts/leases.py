"""Leases for work that only one process may do at a time: the holder does the work, and when it dies another takes
over.

A holder renews its lease in the same transaction that does a piece of the work. So a holder that was thought dead, but
was only slow, loses that transaction instead of doing what another process is already doing.
"""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import suppress

from msgspec import Struct

from backscroll.core.errors import StorageError
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.records.rows import only_value

LEASE_US = 5_000_000
"""How long after its last renewal a lease is valid. One piece of work takes much less."""
_FARTHEST_US = 10 * LEASE_US
"""An expiry further ahead than this was written before the clock was set back, and is ignored."""


class LeaseLost(Exception):
    """Another process has the lease now."""


class Lease(Struct, frozen=True):
    """The right to do the work ``name`` of an organisation. ``term`` changes with each holder."""

    org: int
    name: str
    holder: str
    term: int


class Held(Struct, frozen=True):
    """A lease as stored in the database; ``ends_at`` is in microseconds of the database's clock, 0 if it was
    released.
    """

    name: str
    holder: str
    term: int
    ends_at: int


def take(tx: Txn, org: int, name: str, now: int) -> Lease | None:
    """Take the lease, unless another process holds it. ``now`` is used if the database has no clock of its own."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    time = _time(tx, now)
    params = {"org": org, "name": name, "holder": holder, "now": time, "ends_at": time + LEASE_US}
    params["farthest"] = time + _FARTHEST_US
    term = only_value(tx.one("take_lease", params))
    return None if term is None else Lease(org, name, holder, int(term))


def keep(tx: Txn, lease: Lease, now: int) -> None:
    """Renew the lease; raises ``LeaseLost`` if another process has it, so that nothing of this transaction is
    written.
    """
    params = {"org": lease.org, "name": lease.name, "holder": lease.holder, "term": lease.term}
    if tx.one("keep_lease", params | {"ends_at": _time(tx, now) + LEASE_US}) is None:
        raise LeaseLost


def give_back(tx: Txn, lease: Lease) -> None:
    """Let another begin at once."""
    params = {"org": lease.org, "name": lease.name, "holder": lease.holder, "term": lease.term}
    tx.run("end_lease", params)


def is_kept(engine: Engine, lease: Lease, now: int) -> bool:
    """Renew the lease in its own transaction; returns False if another process has it."""
    try:
        engine.write(lambda tx: keep(tx, lease, now), lease.org, can_wait=True)
    except LeaseLost:
        return False
    return True


def release(engine: Engine, lease: Lease) -> None:
    """Release the lease, so that another process can start immediately. If the database is unavailable, the lease
    expires by itself.
    """
    with suppress(StorageError):
        engine.write(lambda tx: give_back(tx, lease), lease.org)


def held(tx: Txn, org: int) -> list[Held]:
    """All leases of an organisation that were ever taken."""
    return [Held(*row) for row in tx.all("list_leases", {"org": org})]


def _time(tx: Txn, now: int) -> int:
    time = only_value(tx.one("lease_time", {"now": now}))
    return now if time is None else int(time)
