"""Sending to one webhook: several lanes at a time, each in order, with pauses after failures."""

from __future__ import annotations

import logging
import queue
import random
import secrets as randomness
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from backscroll.core.errors import StorageError, story_of
from backscroll.core.model import Access, Org
from backscroll.core.webhooks import Secrets, Webhook, WebhookEvent
from backscroll.dialects.links import Links
from backscroll.dialects.native import events as native
from backscroll.dialects.periskope import webhook_events as periskope
from backscroll.outbound.posting import Posted, Poster
from backscroll.outbound.signing import headers_of
from backscroll.storage.read.webhook_events import webhook_events
from backscroll.storage.records.webhook_rows import DELIVERED, DROPPED, PARKED, WAITING
from backscroll.storage.store import Store
from backscroll.storage.write.outbox import Health, Lane, LaneRun, Outcome, Queued

log = logging.getLogger("backscroll.webhooks")

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND
AGENT = "Backscroll-Webhooks/1"


class Pace(Struct, frozen=True, kw_only=True):
    """How fast and how long to try; durations are in microseconds."""

    waits: tuple[int, ...] = (
        *(5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE),
        *(HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR),
    )
    """Pauses after each failed attempt of an event; the last one is repeated."""
    patience: int = 3 * DAY
    """How long an event is tried; then it is parked."""
    jitter: float = 0.2
    rest: int = 2 * SECOND
    """A receiver that failed ``tired`` times in a row is tried again after this, then after twice as long …"""
    max_rest: int = 5 * MINUTE
    tired: int = 5
    lanes: int = 8
    """Number of chats sent to one receiver at the same time."""
    run: int = 20
    """Number of events of a chat sent before other chats get their turn."""
    run_seconds: float = 2.0

    def wait(self, attempts: int, first_at: int, now: int) -> int | None:
        """When an event is tried again after this many attempts; None if it is parked."""
        end = first_at + self.patience
        if now >= end:
            return None
        wait = self.waits[min(attempts, len(self.waits)) - 1]
        return min(now + _jittered(wait, self.jitter), max(end, now + 1))

    def rest_until(self, failures: int, now: int) -> int:
        """The earliest time of the next request to the receiver."""
        if failures < self.tired:
            return 0
        return now + _jittered(min(self.max_rest, self.rest << min(failures - self.tired, 30)), self.jitter)


def _jittered(span: int, part: float) -> int:
    return int(span * random.uniform(1 - part, 1 + part))


class Outside(Struct, frozen=True):
    """What sending needs besides the archive."""

    links: Links
    """Addresses of files, absolute."""
    poster: Callable[[], Poster]
    """Creates the client for requests to one endpoint."""
    pace: Pace = Pace()


def body_of(webhook_event: WebhookEvent, webhook: Webhook, access: Access, links: Links) -> bytes:
    """The body to send, in the format of the endpoint."""
    if webhook.format == "periskope":
        return periskope.render_event(webhook_event, access, links)
    return native.render_event(webhook_event, access, links)


def send_test(store: Store, webhook: Webhook, poster: Poster) -> tuple[str, Posted, int]:
    """Send one signed test event; returns the event's id, the result, and the milliseconds it took."""
    _, keys = store.webhooks.open(webhook.id)
    org = next(org for org in store.list_orgs() if org.no == webhook.org)
    access = Access(org=org, phones=())
    id, now = f"evt_{randomness.token_hex(12)}", time.time_ns() // 1000
    body = periskope.render_test(access, now) if webhook.format == "periskope" else native.render_test(access, id, now)
    begun = time.monotonic()
    posted = poster.post(webhook.url, _headers(keys, id, 0, body, 1), body)
    return id, posted, round((time.monotonic() - begun) * 1000)


def _headers(keys: Secrets, id: str, seq: int, body: bytes, attempt: int) -> dict[str, str]:
    known = (keys.secret,) if keys.previous is None else (keys.secret, keys.previous)
    signed = headers_of(known, id, time.time_ns() // 1_000_000_000, body, attempt)
    return {"user-agent": AGENT, **signed, "x-backscroll-seq": str(seq)}


class EndpointSender:
    """Sends to one endpoint from its own threads, so that it does not delay others."""

    def __init__(
        self, store: Store, org: Org, webhook: Webhook, outside: Outside, done: Callable[[LaneRun], None]
    ) -> None:
        self._store = store
        self._org = org
        self._outside = outside
        self._pace = outside.pace
        self._done = done
        self._poster = outside.poster()
        self._busy: set[Lane] = set()
        self._lanes: queue.SimpleQueue[Lane | None] = queue.SimpleQueue()
        self._threads = 0
        self._stopping = False
        self.webhook = webhook
        self.failures = webhook.failures
        self.retry_at = webhook.retry_at

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being sent and no result is waiting to be written."""
        return not self._busy

    def take_up(self, webhook: Webhook, now: int) -> None:
        """Start on lanes that are due, up to the number that may be sent at the same time."""
        if webhook.url != self.webhook.url:
            self.failures, self.retry_at = 0, 0
        self.webhook = webhook
        if now < self.retry_at:
            return
        room = (1 if self.failures >= self._pace.tired else self._pace.lanes) - len(self._busy)
        if room <= 0:
            return
        for lane in self._store.outbox.due_lanes(self._org.no, webhook.id, len(self._busy) + room):
            if lane not in self._busy and room:
                room -= 1
                self._busy.add(lane)
                self._lanes.put(lane)
        while self._threads < min(len(self._busy), self._pace.lanes):
            # Not a thread pool: at exit Python would wait for its threads, and so for slow receivers.
            threading.Thread(target=self._work, name=f"backscroll-{webhook.id}", daemon=True).start()
            self._threads += 1

    def settled(self, lane: Lane) -> None:
        """The results of a lane's events have been written: the lane may be taken up again."""
        self._busy.discard(lane)

    def note(self, outcomes: Sequence[Outcome], now: int) -> Health:
        """Update the receiver's state after these attempts, in the order in which they ended."""
        was_tired = self.failures >= self._pace.tired
        succeeded_at, failed_at, error = None, None, None
        for outcome in outcomes:
            if outcome.state == DELIVERED:
                self.failures, succeeded_at = 0, outcome.last_at
            elif outcome.state != DROPPED:
                self.failures += 1
                failed_at, error = outcome.last_at, outcome.error
        self.retry_at = self._pace.rest_until(self.failures, now)
        is_back = was_tired and self.failures < self._pace.tired
        return Health(self.webhook.id, self.failures, self.retry_at, succeeded_at, failed_at, error, is_back)

    def stop(self) -> None:
        """Start nothing more."""
        self._stopping = True
        for _ in range(self._threads):
            self._lanes.put(None)

    def close(self) -> None:
        """Close all connections; only allowed when it is idle."""
        self._poster.close()

    # ------------------------------------------------------------------ in its own threads

    def _work(self) -> None:
        while (lane := self._lanes.get()) is not None:
            self._run(lane)

    def _run(self, lane: Lane) -> None:
        outcomes: list[Outcome] = []
        next_at = time.time_ns() // 1000
        try:
            next_at = self._send_some(lane, outcomes)
        except StorageError as error:
            log.warning("webhook %s waits: %s", self.webhook.id, type(error).__name__)
            next_at += self._pace.waits[0]
        except Exception as error:
            log.error("webhook %s waits: %s", self.webhook.id, story_of(error))
            next_at += self._pace.waits[0]
        finally:
            self._done(LaneRun(webhook=self.webhook.id, lane=lane, outcomes=outcomes, next_at=next_at))

    def _send_some(self, lane: Lane, outcomes: list[Outcome]) -> int:
        """Send the first events of a lane until one fails; returns when the lane continues."""
        queued = self._store.outbox.next_in_lane(self._org.no, self.webhook.id, lane, self._pace.run)
        webhook, keys = self._store.webhooks.open(self.webhook.id)
        access = Access(org=self._org, phones=self._store.list_phones(self._org.no))
        if not queued:
            # The delivery's event is missing: a damage that `check` reports.
            return time.time_ns() // 1000 + MINUTE
        end = time.monotonic() + self._pace.run_seconds
        for one in queued:
            if self._stopping or (outcomes and time.monotonic() > end):
                break
            outcome, wait_until = self._send(one, webhook, keys, access)
            outcomes.append(outcome)
            if outcome.state == WAITING:
                return wait_until
        return time.time_ns() // 1000

    def _send(self, one: Queued, webhook: Webhook, keys: Secrets, access: Access) -> tuple[Outcome, int]:
        store = self._store.seen_by(webhook.phones)
        (webhook_event,) = store.ask(self._org.no, lambda reading: webhook_events(reading, [(one.id, one.event)]))
        now = time.time_ns() // 1000
        first_at, attempts = one.first_at or now, one.attempts + 1
        if webhook_event is None:
            gone = "the object of the event is no longer in the archive"
            return _outcome(one, DROPPED, one.attempts, one.first_at, now, error=gone), 0
        posted = self._post(webhook_event, webhook, keys, access, attempts)
        now = time.time_ns() // 1000
        if posted.error is None:
            return _outcome(one, DELIVERED, attempts, first_at, now, posted), 0
        again_at = self._pace.wait(attempts, first_at, now)
        if again_at is None:
            return _outcome(one, PARKED, attempts, first_at, now, posted), 0
        asked = now + (posted.retry_after or 0) * SECOND
        return _outcome(one, WAITING, attempts, first_at, now, posted), max(again_at, asked)

    def _post(
        self, webhook_event: WebhookEvent, webhook: Webhook, keys: Secrets, access: Access, attempt: int
    ) -> Posted:
        """One attempt. An event that cannot be made into a request counts as failed, and is parked in the end."""
        try:
            body = body_of(webhook_event, webhook, access, self._outside.links)
            headers = _headers(keys, webhook_event.id, webhook_event.event.no, body, attempt)
        except Exception as error:
            log.error("webhook %s: event %s: %s", webhook.id, webhook_event.id, story_of(error))
            return Posted(None, "the event could not be made into a request; see the server's log")
        return self._poster.post(webhook.url, headers, body)


def _outcome(
    one: Queued,
    state: int,
    attempts: int,
    first_at: int | None,
    now: int,
    posted: Posted | None = None,
    error: str | None = None,
) -> Outcome:
    return Outcome(
        event=one.event.no,
        state=state,
        attempts=attempts,
        first_at=first_at,
        last_at=now,
        status=posted.status if posted else None,
        error=posted.error if posted else error,
    )
