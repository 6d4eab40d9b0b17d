"""Delivered events are deleted after a while, but nothing that is still needed."""

from __future__ import annotations

from pathlib import Path

from backscroll.core.events import Batch, MessageSeen
from backscroll.core.model import Message, MessageKey
from backscroll.core.webhooks import State, Webhook
from backscroll.storage.accounts.leases import Lease
from backscroll.storage.read.webhook_events import list_deliveries
from backscroll.storage.records.webhook_rows import DELIVERED, PARKED
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.outbox import DAY_US, Lane, LaneRun, Outcome

NUMBER, CHAT = "918527184400", "919537851844@s.whatsapp.net"


class Clock:
    now = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now


def say(store: Store, org: int, id: str) -> None:
    key = MessageKey(NUMBER, CHAT, id)
    said = MessageSeen(Message(key=key, sent_at=Clock.now, from_me=False, text="x"))
    store.apply(org, Batch(source="webhook", events=[said]))


def settle(store: Store, lease: Lease, webhook: str, at: int, *states: int) -> None:
    """Record these outcomes for the first waiting events."""
    (lane,) = store.outbox.due_lanes(lease.org, webhook, 10)
    queued = store.outbox.next_in_lane(lease.org, webhook, lane, len(states))
    outcomes = [
        Outcome(event=one.event.no, state=state, attempts=1, first_at=at, last_at=at)
        for one, state in zip(queued, states, strict=True)
    ]
    run = LaneRun(webhook=webhook, lane=Lane(lane.phone, lane.chat), outcomes=outcomes, next_at=at)
    store.outbox.settle(lease, [run], [])


def kept(store: Store, org: int, webhook: str) -> list[State]:
    page = store.ask(org, lambda reading: list_deliveries(reading, webhook, None, 2**62, 100))
    return [item.delivery.state for item in page.items][::-1]


def outbox(store: Store, org: int) -> int:
    rows = store.ask(org, lambda reading: reading.tx.all("event_numbers", {"org": org, "after": 0, "limit": 100}))
    return len(rows)


def test_what_was_delivered_is_kept_for_days_and_what_was_parked_for_weeks(
    tmp_path: Path, database_url: str | None
) -> None:
    clock = Clock()
    store = open_store(database_url, tmp_path, clock)
    org = store.create_org("Sample").no
    store.add_phone(org, NUMBER)
    wanted = Webhook(org=org, id="", name=None, url="https://example.com/", format="native", types=("message.created",))
    first, second = (store.webhooks.add(wanted)[0].id for _ in range(2))
    for id in ("M1", "M2", "M3"):
        say(store, org, id)
    lease = store.outbox.take_turn(org)
    assert lease is not None
    assert store.outbox.queue(lease) == 3
    settle(store, lease, first, clock.now, DELIVERED, PARKED)
    settle(store, lease, second, clock.now, DELIVERED)

    def sweep(lease: Lease = lease) -> None:
        assert store.outbox.sweep(lease, store.webhooks.of(org), 0) == 0

    sweep()
    assert (kept(store, org, first), outbox(store, org)) == (["delivered", "parked", "waiting"], 3)
    clock.now += 4 * DAY_US
    sweep()
    # The first event is delivered to both; the others are parked or waiting.
    assert (kept(store, org, first), kept(store, org, second)) == (["parked", "waiting"], ["waiting", "waiting"])
    assert outbox(store, org) == 2
    settle(store, lease, first, clock.now, DELIVERED)
    settle(store, lease, second, clock.now, DELIVERED, DELIVERED)
    clock.now += 31 * DAY_US
    sweep()
    assert (kept(store, org, first), kept(store, org, second), outbox(store, org)) == ([], [], 0)
    assert list(store.check()) == []
    store.close()
