"""Events waiting for webhooks, their deliveries, and which process sends them.

An event is written to the outbox in the transaction of its change. The holder of the lease queues it for each endpoint
that wants it (``queue``), sends what is due, and records the results (``settle``). The events of a chat form a lane:
each is sent only after the previous one was accepted or given up, so that a receiver gets a chat's events in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from backscroll.core.errors import NotFound
from backscroll.core.webhooks import MAX_COUNT, Counts, Delivery, OutboxEvent, Webhook
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.accounts import leases
from backscroll.storage.records.rows import only_value
from backscroll.storage.records.webhook_rows import (
    DELIVERED,
    DROPPED,
    PARKED,
    WAITING,
    delivery_of,
    event_of,
    webhook_of,
)

LEASE = "webhooks"
CHUNK = 500
"""Maximum events or deliveries per transaction."""
DAY_US = 86_400_000_000
KEEP_US = 3 * DAY_US
"""How long delivered events are kept."""
KEEP_PARKED_US = 30 * DAY_US


class Lane(Struct, frozen=True, order=True):
    """A chat as seen by one phone; zeros for events that belong to no chat."""

    phone: int
    chat: int


class Queued(Struct, frozen=True):
    """An event that is to be sent to an endpoint. ``first_at`` is None if it was never tried."""

    event: OutboxEvent
    id: str
    attempts: int
    first_at: int | None


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of an attempt."""

    event: int
    state: int
    attempts: int
    first_at: int | None
    last_at: int
    status: int | None = None
    error: str | None = None


class LaneRun(Struct, frozen=True, kw_only=True):
    """The results of some events of a lane, in order; ``next_at`` is when the lane continues."""

    webhook: str
    lane: Lane
    outcomes: list[Outcome]
    next_at: int


class Health(Struct, frozen=True):
    """The state of an endpoint after some attempts. A time is None if no attempt succeeded or failed, respectively."""

    webhook: str
    failures: int
    retry_at: int
    succeeded_at: int | None
    failed_at: int | None
    error: str | None
    is_back: bool = False
    """It answers again after a pause, so that its waiting events can be sent immediately."""


class Look(Struct, frozen=True):
    """An endpoint with the time at which its first lane is due, and the newest event of the organisation."""

    webhook: Webhook
    due_at: int | None
    newest: int


class Outbox:
    """The queues of an archive; ``Store.outbox``."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    # ------------------------------------------------------------------ the lease for sending

    def is_used(self, org: int) -> bool:
        """Whether the organisation has active endpoints, or had some and events are still waiting."""
        return bool(only_value(self._engine.read_one("read_hooks", {"org": org}, org)))

    def take_turn(self, org: int) -> leases.Lease | None:
        """The lease for sending an organisation's events; None if another process has it."""
        return self._engine.write(lambda tx: leases.take(tx, org, LEASE, self._clock()), org)

    def keep_turn(self, lease: leases.Lease) -> None:
        """Renew the lease; ``LeaseLost`` if another process has taken over."""
        self._engine.write(lambda tx: leases.keep(tx, lease, self._clock()), lease.org)

    def end_turn(self, lease: leases.Lease) -> None:
        """Release the lease for other processes. If the database is away, the lease expires by itself."""
        leases.release(self._engine, lease)

    # ------------------------------------------------------------------ queueing and sending

    def look(self, org: int) -> list[Look]:
        """All endpoints, and whether there is anything to do for them."""
        rows = self._engine.read(lambda tx: tx.all("look_at_webhooks", {"org": org}), org)
        return [Look(webhook_of(org, known), due_at, newest or 0) for *known, due_at, newest in rows]

    def queue(self, lease: leases.Lease) -> int:
        """Queue some new events for every endpoint that wants them; returns how many events there were."""

        def work(tx: Txn) -> int:
            leases.keep(tx, lease, self._clock())
            org = lease.org
            webhooks = [webhook_of(org, row) for row in tx.all("list_webhooks", {"org": org})]
            listening = [(webhook, webhook.bits) for webhook in webhooks if webhook.enabled]
            if not listening:
                return 0
            after = min(webhook.position for webhook, _ in listening)
            events = [event_of(row) for row in tx.all("events_after", {"org": org, "after": after, "limit": CHUNK})]
            if events:
                meant = [(webhook.id, e) for webhook, bits in listening for e in events if webhook.concerns(e, bits)]
                self._queue(tx, org, meant)
                tx.run("advance_webhooks", {"org": org, "position": events[-1].no})
            return len(events)

        return self._engine.write(work, lease.org)

    def _queue(self, tx: Txn, org: int, meant: Sequence[tuple[str, OutboxEvent]]) -> None:
        base = {"org": org, "now": self._clock()}
        rows = [base | {"webhook": webhook, "event": e.no, "phone": e.phone, "chat": e.chat} for webhook, e in meant]
        tx.many("add_delivery", rows)
        lanes = {(row["webhook"], row["phone"], row["chat"]): row for row in rows}
        tx.many("add_lane", lanes.values())

    def due_lanes(self, org: int, webhook: str, limit: int) -> list[Lane]:
        """Lanes whose next event may be sent now, those that wait longest first."""
        params = {"org": org, "webhook": webhook, "now": self._clock(), "limit": limit}
        rows = self._engine.read(lambda tx: tx.all("due_lanes", params), org)
        return [Lane(*row) for row in rows]

    def next_in_lane(self, org: int, webhook: str, lane: Lane, limit: int) -> list[Queued]:
        """The first waiting events of a lane."""
        params = {"org": org, "webhook": webhook, "phone": lane.phone, "chat": lane.chat, "limit": limit}
        rows = self._engine.read(lambda tx: tx.all("next_in_lane", params), org)
        return [Queued(event_of(event), id, attempts, first_at) for id, attempts, first_at, *event in rows]

    def settle(self, lease: leases.Lease, runs: Sequence[LaneRun], healths: Sequence[Health]) -> None:
        """Record the results of some attempts; ``LeaseLost`` if another process is sending now."""

        def work(tx: Txn) -> None:
            leases.keep(tx, lease, self._clock())
            for run in runs:
                self._settle_run(tx, lease.org, run)
            for health in healths:
                _settle_health(tx, lease.org, health, self._clock())

        self._engine.write(work, lease.org)

    def _settle_run(self, tx: Txn, org: int, run: LaneRun) -> None:
        base: dict[str, Any] = {"org": org, "webhook": run.webhook}
        for o in run.outcomes:
            params = base | {"event": o.event, "state": o.state, "attempts": o.attempts, "first_at": o.first_at}
            tx.run("settle_delivery", params | {"last_at": o.last_at, "status": o.status, "error": o.error})
        lane = base | {"phone": run.lane.phone, "chat": run.lane.chat}
        if tx.one("first_in_lane", lane) is None:
            tx.run("end_lane", lane)
        else:
            tx.run("put_lane_off", lane | {"next_at": run.next_at})

    # ------------------------------------------------------------------ requests of users

    def counts(self, org: int, webhook: str) -> Counts:
        """How many deliveries are waiting and how many are parked, each up to ``MAX_COUNT``."""
        base = {"org": org, "webhook": webhook, "limit": MAX_COUNT}

        def work(tx: Txn) -> Counts:
            found = [tx.one("count_deliveries", base | {"state": state}) for state in (WAITING, PARKED)]
            return Counts(*(int(only_value(row) or 0) for row in found))

        return self._engine.read(work, org)

    def find(self, org: int, webhook: str, id: str) -> Delivery:
        """The delivery of an event; ``NotFound`` if it is no longer stored."""
        params = {"org": org, "webhook": webhook, "id": id}
        row = self._engine.read(lambda tx: tx.one("find_delivery", params), org)
        if row is None:
            raise NotFound("event", id[:80])
        return delivery_of(row)

    def redeliver(self, org: int, webhook: str, id: str) -> Delivery:
        """Queue an event again as if it were new, whatever its state; ``NotFound``."""
        found = self.find(org, webhook, id)
        self._requeue(org, webhook, [found.event])
        return self.find(org, webhook, id)

    def redeliver_parked(self, org: int, webhook: str) -> tuple[int, bool]:
        """Queue parked events again; returns how many, and whether more remain than fit in one call."""
        queued = 0
        while queued < MAX_COUNT:
            params = {"org": org, "webhook": webhook, "state": PARKED, "limit": CHUNK}
            rows = self._engine.read(lambda tx, params=params: tx.all("oldest_in_state", params), org)  # type: ignore[misc]
            if not rows:
                return queued, False
            self._requeue(org, webhook, [event_of(row) for row in rows])
            queued += len(rows)
        return queued, True

    def _requeue(self, org: int, webhook: str, events: Sequence[OutboxEvent]) -> None:
        base = {"org": org, "webhook": webhook, "now": self._clock()}

        def work(tx: Txn) -> None:
            # The sender locks this row too, because it must not end a lane while an event is being added to it.
            tx.one("hold_lease", {"org": org, "name": LEASE})
            for event in events:
                tx.run("queue_again", base | {"event": event.no})
            for phone, chat in sorted({(event.phone, event.chat) for event in events}):
                tx.run("hurry_lane", base | {"phone": phone, "chat": chat})

        self._engine.write(work, org)

    # ------------------------------------------------------------------ what is no longer needed

    def park_old(self, lease: leases.Lease, webhook: str, before: int, error: str) -> int:
        """Park events waiting since before ``before`` for a receiver that never answered; returns how many."""
        params = {"org": lease.org, "webhook": webhook, "before": before, "error": error, "limit": CHUNK}

        def work(tx: Txn) -> int:
            leases.keep(tx, lease, self._clock())
            parked = tx.all("park_old", params)
            for phone, chat in sorted(set(parked)):
                lane = {"org": lease.org, "webhook": webhook, "phone": phone, "chat": chat}
                if tx.one("first_in_lane", lane) is None:
                    tx.run("end_lane", lane)
            return len(parked)

        return self._engine.write(work, lease.org)

    def sweep(self, lease: leases.Lease, webhooks: Sequence[Webhook], after: int) -> int:
        """Delete some expired events. Returns the position in the outbox from which to continue, 0 at its end."""
        now = self._clock()
        kept = ((DELIVERED, KEEP_US), (DROPPED, KEEP_US), (PARKED, KEEP_PARKED_US))

        def work(tx: Txn) -> int:
            leases.keep(tx, lease, now)
            base = {"org": lease.org, "limit": CHUNK}
            for webhook in webhooks:
                for state, keep in kept:
                    tx.run("sweep_deliveries", base | {"webhook": webhook.id, "state": state, "before": now - keep})
            queued = min((webhook.position for webhook in webhooks if webhook.enabled), default=None)
            page = [event for (event,) in tx.all("event_numbers", base | {"after": after})]
            known = {"org": lease.org, "webhooks": [webhook.id for webhook in webhooks]}
            if page and webhooks:
                named = tx.all("delivered_between", known | {"first": page[0], "last": page[-1]})
                needed = {event for (event,) in named}
                over = [event for event in page if event not in needed and (queued is None or event <= queued)]
                if over:
                    tx.run("sweep_outbox", {"org": lease.org, "events": over})
            return page[-1] if len(page) == CHUNK else 0

        return self._engine.write(work, lease.org)


def _settle_health(tx: Txn, org: int, health: Health, now: int) -> None:
    base: dict[str, Any] = {"org": org, "webhook": health.webhook}
    if health.succeeded_at is not None:
        tx.run("note_success", base | {"at": health.succeeded_at})
    if health.failed_at is not None:
        tx.run("note_failure", base | {"at": health.failed_at, "error": health.error})
    tx.run("note_health", base | {"failures": health.failures, "retry_at": health.retry_at})
    if health.is_back:
        tx.run("hurry_lanes", base | {"now": now})
