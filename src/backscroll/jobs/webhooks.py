"""Sending events to webhooks: one process at a time for an organisation, with threads for each endpoint."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backscroll.core.errors import StorageError
from backscroll.core.model import Org
from backscroll.jobs.background import attempt, in_thread, join_all
from backscroll.jobs.sending import EndpointSender, Outside
from backscroll.storage.accounts.leases import Lease, LeaseLost
from backscroll.storage.store import Store
from backscroll.storage.write.outbox import LaneRun, Look

log = logging.getLogger("backscroll.webhooks")

LOOK_SECONDS = 0.5
"""Seconds between checks of what the organisations with webhooks have to send."""
FIND_SECONDS = 2.0
"""Seconds between checks of which organisations have webhooks."""
KEEP_SECONDS = 1.5
"""How often a lease is renewed; it is lost after five seconds."""
IDLE_SECONDS = 5.0
"""How long a process keeps its lease while there is nothing to send."""
STEP_SECONDS = 0.25
GATHER_SECONDS = 0.01
"""Results within this time are written together."""
SWEEP_SECONDS = 60.0
STOP_SECONDS = 5.0
REST_SECONDS = 1.0
"""Pause after an error of the database."""


@asynccontextmanager
async def delivering(store: Store, outside: Outside) -> AsyncIterator[None]:
    """Send while the server runs. Interrupted work continues in another process, or after the next start."""
    deliveries = Deliveries(store, outside)
    async with in_thread("backscroll-webhooks", deliveries.run, deliveries.stopping.set, deliveries.join):
        yield


class Deliveries:
    """All organisations of an archive."""

    def __init__(self, store: Store, outside: Outside) -> None:
        self.stopping = threading.Event()
        self._store = store
        self._outside = outside
        self._used: list[Org] = []
        self._found_at: float | None = None
        self._turns: dict[int, threading.Thread] = {}
        self._swept: dict[int, float] = {}

    def run(self) -> None:
        """Look for work until the server stops."""
        while not self.stopping.is_set():
            attempt(log, "sending to webhooks", self._look)
            self.stopping.wait(LOOK_SECONDS)

    def join(self, thread: threading.Thread) -> None:
        """A receiver that does not answer must not keep the server from stopping."""
        join_all((thread, *self._turns.values()), STOP_SECONDS)

    def _look(self) -> None:
        now = time.monotonic()
        if self._found_at is None or now - self._found_at > FIND_SECONDS:
            self._used = [org for org in self._store.list_orgs() if self._store.outbox.is_used(org.no)]
            self._found_at = now
        for org in self._used:
            running = self._turns.get(org.no)
            if (running is None or not running.is_alive()) and self._has_work(org, now):
                turn = threading.Thread(target=self._turn, args=(org,), name="backscroll-webhooks", daemon=True)
                self._turns[org.no] = turn
                turn.start()

    def _has_work(self, org: Org, now: float) -> bool:
        if now - self._swept.get(org.no, -SWEEP_SECONDS * 60) > SWEEP_SECONDS * 60:
            # Old deliveries have to be deleted even if there are no new events.
            self._swept[org.no] = now
            return True
        return is_there_work(self._store.outbox.look(org.no), time.time_ns() // 1000)

    def _turn(self, org: Org) -> None:
        attempt(log, "sending to webhooks", lambda: send_for(self._store, org, self._outside, self.stopping))


def is_there_work(looks: list[Look], now: int) -> bool:
    """Whether there are events to queue, or lanes that are due."""
    return any(
        look.newest > look.webhook.position
        or (look.due_at is not None and max(look.due_at, look.webhook.retry_at) <= now)
        for look in looks
        if look.webhook.enabled
    )


def send_for(store: Store, org: Org, outside: Outside, stopping: threading.Event) -> None:
    """Send for one organisation until there is nothing to do, unless another process does."""
    lease = store.outbox.take_turn(org.no)
    if lease is None:
        return
    turn = _Turn(store, org, outside, lease)
    try:
        turn.run(stopping)
    except LeaseLost:
        log.info("another process sends the webhooks of organisation %s now", org.id)
    finally:
        turn.end()


class _Turn:
    """One organisation while this process has the lease."""

    def __init__(self, store: Store, org: Org, outside: Outside, lease: Lease) -> None:
        self._store = store
        self._org = org
        self._outside = outside
        self._lease = lease
        self._kept_at = time.monotonic()
        self._swept_at = 0.0
        self._sweep_from = 0
        self._busy_at = time.monotonic()
        self._senders: dict[str, EndpointSender] = {}
        self._ending: list[EndpointSender] = []
        self._over: list[LaneRun] = []
        self._lock = threading.Lock()
        self._news = threading.Event()

    def run(self, stopping: threading.Event) -> None:
        """Run until there has been nothing to do for some seconds."""
        while not stopping.is_set():
            try:
                if not self._step():
                    return
            except StorageError as error:
                log.warning("webhooks of organisation %s have to wait: %s", self._org.id, type(error).__name__)
                stopping.wait(REST_SECONDS)
            if self._news.wait(STEP_SECONDS):
                time.sleep(GATHER_SECONDS)

    def _step(self) -> bool:
        self._news.clear()
        self._settle()
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._store.outbox.keep_turn(self._lease)
            self._kept_at = time.monotonic()
        looks = self._store.outbox.look(self._org.no)
        if any(look.newest > look.webhook.position for look in looks if look.webhook.enabled):
            if self._store.outbox.queue(self._lease):
                self._news.set()
            self._kept_at = time.monotonic()
            looks = self._store.outbox.look(self._org.no)
        now = time.time_ns() // 1000
        self._take_up(looks, now)
        self._sweep(looks, now)
        if is_there_work(looks, now) or not all(sender.is_idle for sender in self._all_senders()):
            self._busy_at = time.monotonic()
        return time.monotonic() - self._busy_at < IDLE_SECONDS

    def _all_senders(self) -> list[EndpointSender]:
        return [*self._senders.values(), *self._ending]

    def _take_up(self, looks: list[Look], now: int) -> None:
        enabled = {look.webhook.id for look in looks if look.webhook.enabled}
        for id in self._senders.keys() - enabled:
            self._senders[id].stop()
            self._ending.append(self._senders.pop(id))
        for over in [sender for sender in self._ending if sender.is_idle]:
            over.close()
            self._ending.remove(over)
        for look in looks:
            if look.webhook.id in enabled and look.due_at is not None and look.due_at <= now:
                sender = self._senders.get(look.webhook.id)
                if sender is None:
                    sender = EndpointSender(self._store, self._org, look.webhook, self._outside, self._done)
                    self._senders[look.webhook.id] = sender
                sender.take_up(look.webhook, now)

    def _done(self, run: LaneRun) -> None:
        """Record that some events of a lane were sent; called by the sending threads."""
        with self._lock:
            self._over.append(run)
        self._news.set()

    def _settle(self) -> None:
        """Write the results of events. Only then the lanes continue."""
        with self._lock:
            runs = list(self._over)
        if not runs:
            return
        by_id = {sender.webhook.id: sender for sender in self._all_senders()}
        now = time.time_ns() // 1000
        healths = []
        for id in dict.fromkeys(run.webhook for run in runs):
            outcomes = [outcome for run in runs if run.webhook == id for outcome in run.outcomes]
            if outcomes:
                healths.append(by_id[id].note(outcomes, now))
        self._store.outbox.settle(self._lease, runs, healths)
        self._kept_at = time.monotonic()
        with self._lock:
            del self._over[: len(runs)]
        for run in runs:
            by_id[run.webhook].settled(run.lane)

    def _sweep(self, looks: list[Look], now: int) -> None:
        """Park events that were not accepted for days, and delete those that were kept long enough."""
        if time.monotonic() - self._swept_at < SWEEP_SECONDS:
            return
        self._swept_at = time.monotonic()
        patience = self._outside.pace.patience
        for webhook in (look.webhook for look in looks):
            if webhook.failing_since is not None and webhook.failing_since <= now - patience:
                error = webhook.last_error or "the receiver did not answer"
                self._store.outbox.park_old(self._lease, webhook.id, now - patience, error)
        webhooks = [look.webhook for look in looks]
        self._sweep_from = self._store.outbox.sweep(self._lease, webhooks, self._sweep_from)
        self._kept_at = time.monotonic()

    def end(self) -> None:
        """Start nothing more, write the results of what was sent, and let another process continue."""
        senders = self._all_senders()
        for sender in senders:
            sender.stop()
        give_up = time.monotonic() + STOP_SECONDS
        try:
            while not all(sender.is_idle for sender in senders) and time.monotonic() < give_up:
                self._news.wait(0.05)
                self._news.clear()
                self._settle()
        except (LeaseLost, StorageError) as error:
            # The next process sends everything again whose result was not written.
            log.info("webhooks of organisation %s: %s", self._org.id, type(error).__name__)
        for sender in senders:
            if sender.is_idle:
                sender.close()
        self._store.outbox.end_turn(self._lease)
