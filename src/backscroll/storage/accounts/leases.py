"""Work that one process at a time does: who holds its lease goes on with it, and when its holder dies another takes it.

A holder renews its lease in the very transaction that does a piece of the work. So one that was thought dead, and was
only slow, loses that transaction instead of doing what another does already.
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
"""So long nobody else begins after the last sign of life. One piece of work takes well less."""
_FARTHEST_US = 10 * LEASE_US
"""An end beyond that was written before the clock was set back, and counts for nothing."""


class LeaseLost(Exception):
    """Another process does the work now."""


class Lease(Struct, frozen=True):
    """The right to do the work ``name`` of an organisation. ``term`` is another one with each holder."""

    org: int
    name: str
    holder: str
    term: int


class Held(Struct, frozen=True):
    """A lease as it stands in the database; ``ends_at`` in microseconds of the database's clock, 0 when given back."""

    name: str
    holder: str
    term: int
    ends_at: int


def take(tx: Txn, org: int, name: str, now: int) -> Lease | None:
    """The lease, unless another holds it. ``now`` counts where the database has no clock of its own."""
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    time = _time(tx, now)
    params = {"org": org, "name": name, "holder": holder, "now": time, "ends_at": time + LEASE_US}
    params["farthest"] = time + _FARTHEST_US
    term = only_value(tx.one("take_lease", params))
    return None if term is None else Lease(org, name, holder, int(term))


def keep(tx: Txn, lease: Lease, now: int) -> None:
    """Renew the lease; ``LeaseLost`` when another has it, so that nothing of this transaction is written."""
    params = {"org": lease.org, "name": lease.name, "holder": lease.holder, "term": lease.term}
    if tx.one("keep_lease", params | {"ends_at": _time(tx, now) + LEASE_US}) is None:
        raise LeaseLost


def give_back(tx: Txn, lease: Lease) -> None:
    """Let another begin at once."""
    params = {"org": lease.org, "name": lease.name, "holder": lease.holder, "term": lease.term}
    tx.run("end_lease", params)


def is_kept(engine: Engine, lease: Lease, now: int) -> bool:
    """Renew the lease in a transaction of its own; False when another has it."""
    try:
        engine.write(lambda tx: keep(tx, lease, now), lease.org)
    except LeaseLost:
        return False
    return True


def release(engine: Engine, lease: Lease) -> None:
    """Let another begin at once. If the database is away, the lease ends by itself."""
    with suppress(StorageError):
        engine.write(lambda tx: give_back(tx, lease), lease.org)


def held(tx: Txn, org: int) -> list[Held]:
    """All leases of an organisation that were ever taken."""
    return [Held(*row) for row in tx.all("list_leases", {"org": org})]


def _time(tx: Txn, now: int) -> int:
    time = only_value(tx.one("lease_time", {"now": now}))
    return now if time is None else int(time)
