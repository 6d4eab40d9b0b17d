"""Keeping the search index in few segments. The server processes take turns at this."""

from __future__ import annotations

import time
from collections.abc import Callable

from backscroll.database.protocol import Engine, Txn
from backscroll.storage.accounts import leases
from backscroll.storage.records.org_state import OrgRow
from backscroll.storage.search import maintenance
from backscroll.storage.search.index_writer import heads_of
from backscroll.storage.search.maintenance import LIMITS, Builder, Limits, Task

LEASE = "search"
WAIT_SECONDS = 0.05


class IndexUpkeep:
    """Merges segments. Any thread may call it; only one process at a time builds for an organisation."""

    def __init__(self, engine: Engine, clock: Callable[[], int], limits: Limits = LIMITS) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock

    def run(self, org: int, stop: Callable[[], bool] = lambda: False, purge: bool = False) -> bool:
        """Do all pending work until ``stop``; returns whether there was any. ``purge`` also drops removed messages."""
        done = False
        while not stop() and self._step(org, purge):
            done = True
        return done

    def forget(self, org: int) -> None:
        """Return once no segment contains words of removed messages. Waits for a process that is building."""
        while self._holds_dead(org):
            if not self.run(org, purge=True):
                time.sleep(WAIT_SECONDS)

    def _holds_dead(self, org: int) -> bool:
        return self._engine.read(lambda tx: any(head.dead for head in heads_of(tx, org)), org)

    def _step(self, org: int, purge: bool) -> bool:
        took = self._is_behind(org) and self._engine.write(lambda tx: maintenance.take_in(tx, org), org)
        task = self._engine.read(lambda tx: maintenance.next_task(heads_of(tx, org), self._limits, purge), org)
        if task is None:
            return took
        return self._do(org, task, purge) or took

    def _is_behind(self, org: int) -> bool:
        row = self._engine.read_one("read_org_state", {"org": org}, org)
        return row is not None and OrgRow(*row).indexed_from != 0

    def _do(self, org: int, task: Task, purge: bool) -> bool:
        if task.kind != "compact":
            lease = self._engine.write(lambda tx: leases.take(tx, org, LEASE, self._clock()), org)
            if lease is not None:
                return self._build(lease, purge)
        return self._engine.write(lambda tx: maintenance.compact(tx, org, self._limits, purge), org)

    def _build(self, lease: leases.Lease, purge: bool) -> bool:
        def guard(tx: Txn) -> None:
            leases.keep(tx, lease, self._clock())

        builder = Builder(self._engine, lease.org, guard, self._engine.let_others_write, self._limits)
        try:
            builder.clean()
            return builder.run(purge)
        except leases.LeaseLost:
            return False
        finally:
            leases.release(self._engine, lease)
