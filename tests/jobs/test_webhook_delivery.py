"""Webhooks are delivered at least once, whatever receivers do and however often the sender is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs
from receivers import Receiver, out_of_order, receiving, unsigned, unsteady
from sender_process import QUICK

from backscroll.core.events import Batch, Event, MessageRevoked, MessageSeen, ReactionSet, Target
from backscroll.core.imports import NewImport
from backscroll.core.model import Message, MessageKey, Org, Phone
from backscroll.core.webhooks import Delivery, State, Webhook
from backscroll.dialects.links import NoLinks
from backscroll.jobs.sending import DAY, SECOND, Outside, Pace
from backscroll.jobs.webhooks import send_for
from backscroll.outbound.addresses import Allowed
from backscroll.outbound.posting import Poster
from backscroll.storage.read.webhook_events import list_deliveries
from backscroll.storage.store import Store, open_store

BEGIN = time.time_ns() // 1000
"""Older events count as history, which few webhooks receive."""
PATIENT = 600.0
"""Seconds that a busy machine may need for what usually takes a second."""


def hook(store: Store, org: Org, url: str, **fields: object) -> tuple[Webhook, str]:
    wanted = Webhook(org=org.no, id="", name=None, url=url, format="native", types=("*",))
    return store.webhooks.add(structs.replace(wanted, **fields))


def say(store: Store, org: Org, phone: Phone, chats: int, each: int, begin: int = 0) -> None:
    """Store ``each`` messages in each of so many chats, with a batch for each round."""
    for at in range(begin, begin + each):
        batch: list[Event] = [said(phone, chat, at) for chat in range(chats)]
        store.apply(org.no, Batch(source="webhook", events=batch))


def said(phone: Phone, chat: int, at: int) -> MessageSeen:
    key = MessageKey(phone.jid, jid(chat), f"M{chat}-{at}")
    sent_at = BEGIN + at * SECOND
    return MessageSeen(Message(key=key, sent_at=sent_at, from_me=False, text=f"message {at}"))


def jid(chat: int) -> str:
    return f"9195378518{chat:02d}@s.whatsapp.net"


def outside(seconds: float = 5.0, pace: Pace = QUICK) -> Outside:
    return Outside(links=NoLinks(), poster=lambda: Poster(Allowed.parse("127.0.0.1"), seconds=seconds), pace=pace)


@contextmanager
def sending(store: Store, org: Org, how: Outside) -> Iterator[None]:
    """Run the sender in a thread of this process."""
    stop = threading.Event()
    thread = threading.Thread(target=send_for, args=(store, org, how, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def until(store: Store, webhook: Webhook, waiting: int = 0) -> None:
    """Wait until so many of an endpoint's events are waiting and all new ones are queued."""
    give_up = time.monotonic() + PATIENT
    while time.monotonic() < give_up:
        look = next(look for look in store.outbox.look(webhook.org) if look.webhook.id == webhook.id)
        if look.newest <= look.webhook.position and store.outbox.counts(webhook.org, webhook.id).waiting == waiting:
            return
        time.sleep(0.02)
    raise AssertionError("the events were not sent")


def deliveries(store: Store, webhook: Webhook) -> list[Delivery]:
    """All deliveries of an endpoint, oldest first."""
    found: list[Delivery] = []
    before = 2**62
    while True:
        page = store.ask(webhook.org, lambda reading, at=before: list_deliveries(reading, webhook.id, None, at, 500))  # type: ignore[misc]
        found += [item.delivery for item in page.items]
        if not page.more:
            return found[::-1]
        before = found[-1].event.no


def states(store: Store, webhook: Webhook) -> dict[State, int]:
    found: dict[State, int] = {}
    for delivery in deliveries(store, webhook):
        found[delivery.state] = found.get(delivery.state, 0) + 1
    return found


@contextmanager
def sender(data: Path, database: str | None, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).with_name("sender_process.py")
    command = [sys.executable, str(script), str(data), database or "-", str(seconds)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def is_far_enough(receiver: Receiver, requests: int) -> None:
    give_up = time.monotonic() + PATIENT
    while len(receiver.requests) < requests:
        assert time.monotonic() < give_up, "the sender sent too few requests in time"
        time.sleep(0.01)


def storm(
    store: Store, org: Org, phone: Phone, data: Path, database: str | None, events: int, kills: int, seed: int
) -> None:
    """Messages arrive while a sender, killed repeatedly, sends them to an unreliable receiver."""
    print(f"seed {seed}")
    dice = random.Random(seed)
    rounds = events // 20
    with receiving(unsteady(seed)) as receiver:
        webhook, secret = hook(store, org, receiver.url, types=("message.created",))
        writing = threading.Thread(target=say, args=(store, org, phone, 20, rounds))
        writing.start()
        for _ in range(kills):
            with sender(data, database, 0.3):
                is_far_enough(receiver, len(receiver.requests) + dice.randrange(5, max(6, events // kills)))
        webhook_then, second = store.webhooks.rotate(webhook.id, DAY)
        with sender(data, database, 0.3):
            writing.join()
            until(store, webhook)
        sent = {delivery.id for delivery in deliveries(store, webhook)}
        assert webhook_then.previous_secret_until is not None
    assert states(store, webhook) == {"delivered": rounds * 20}
    assert len(sent) == rounds * 20
    assert {request.id for request in receiver.taken} == sent
    assert {request.id for request in receiver.requests} == sent
    by_id: dict[str, set[str]] = {}
    for request in receiver.requests:
        by_id.setdefault(request.id, set()).add(request.body["data"]["message"]["message_id"])
    assert all(len(messages) == 1 for messages in by_id.values())
    assert len({message for (message,) in by_id.values()}) == rounds * 20
    assert unsigned(receiver.requests, secret, second) == []
    assert out_of_order(receiver.taken) == []
    assert store.held_leases(org.no)


def test_each_event_arrives_though_the_receiver_fails_and_the_sender_is_killed(
    store: Store, org: Org, phone: Phone, tmp_path: Path, database_url: str | None
) -> None:
    storm(store, org, phone, tmp_path, database_url, events=120, kills=2, seed=7)


@pytest.mark.full
def test_five_thousand_events_arrive_though_the_receiver_fails_and_the_sender_is_killed(
    store: Store, org: Org, phone: Phone, tmp_path: Path, database_url: str | None
) -> None:
    storm(store, org, phone, tmp_path, database_url, events=5000, kills=10, seed=random.randrange(10**9))


def test_a_receiver_that_hangs_delays_no_other(store: Store, org: Org, phone: Phone) -> None:
    with receiving(lambda id: "hang") as dead, receiving() as alive:
        stuck, _ = hook(store, org, dead.url)
        steady, _ = hook(store, org, alive.url)
        say(store, org, phone, chats=30, each=4)
        with sending(store, org, outside(seconds=600)):
            until(store, steady)
            assert states(store, steady) == {"delivered": 120 + 30}
            assert set(states(store, stuck)) == {"waiting"}
            # Only a few requests are open at a time, however many events wait.
            assert len(dead.requests) <= Pace().lanes
            dead.close()


def test_of_two_processes_one_sends(
    store: Store, org: Org, phone: Phone, tmp_path: Path, database_url: str | None
) -> None:
    other = open_store(database_url, tmp_path)
    with receiving() as receiver:
        webhook, _ = hook(store, org, receiver.url, types=("message.created",))
        with sending(store, org, outside()), sending(other, org, outside()):
            say(store, org, phone, chats=10, each=5)
            until(store, webhook)
        assert len(receiver.requests) == 50
    other.close()


def test_a_dead_receiver_is_asked_less_and_less_and_gets_all_when_it_is_back(
    store: Store, org: Org, phone: Phone
) -> None:
    dead = threading.Event()
    dead.set()
    with receiving(lambda id: "fail" if dead.is_set() else "take") as receiver:
        webhook, _ = hook(store, org, receiver.url, types=("message.created",))
        say(store, org, phone, chats=100, each=2)
        # The first event of each chat is tried once; the receiver is tried again after a pause. It has to be back
        # before all chats have been tried, four a second.
        pace = structs.replace(QUICK, waits=(3600 * SECOND,))
        with sending(store, org, outside(pace=pace)):
            is_far_enough(receiver, 10)
            look = store.outbox.look(org.no)[0]
            assert look.webhook.failing_since is not None
            dead.clear()
            until(store, webhook)
        assert {request.id for request in receiver.taken} == {d.id for d in deliveries(store, webhook)}
        assert out_of_order(receiver.taken) == []
        assert store.webhooks.find(webhook.id).failing_since is None


def test_what_nobody_takes_is_parked_and_can_be_sent_again(store: Store, org: Org, phone: Phone) -> None:
    poison = threading.Event()
    poison.set()
    with receiving(lambda id: "fail" if poison.is_set() else "take") as receiver:
        webhook, secret = hook(store, org, receiver.url, types=("message.created",))
        say(store, org, phone, chats=2, each=3)
        pace = structs.replace(QUICK, patience=SECOND // 10, tired=10**6)
        with sending(store, org, outside(pace=pace)):
            until(store, webhook)
        assert states(store, webhook) == {"parked": 6}
        parked = deliveries(store, webhook)
        assert {delivery.error for delivery in parked} == {"the receiver answered 500"}
        assert all(delivery.attempts > 1 and delivery.status == 500 for delivery in parked)
        poison.clear()
        again = store.outbox.redeliver(org.no, webhook.id, parked[0].id)
        assert (again.state, again.attempts, again.error) == ("waiting", 0, None)
        with sending(store, org, outside()):
            until(store, webhook)
        assert states(store, webhook) == {"delivered": 1, "parked": 5}
        assert store.outbox.redeliver_parked(org.no, webhook.id) == (5, False)
        with sending(store, org, outside()):
            until(store, webhook)
        assert states(store, webhook) == {"delivered": 6}
        assert {request.id for request in receiver.taken} == {delivery.id for delivery in parked}
        assert unsigned(receiver.requests, secret) == []


def test_a_chat_that_cannot_be_sent_holds_up_no_other(store: Store, org: Org, phone: Phone) -> None:
    ids: list[str] = []

    def behave(id: str) -> str:
        return "fail" if id == ids[0] else "take"

    with receiving(behave) as receiver:
        webhook, _ = hook(store, org, receiver.url, types=("message.created",))
        say(store, org, phone, chats=3, each=4)
        lease = store.outbox.take_turn(org.no)
        assert lease is not None
        store.outbox.queue(lease)
        store.outbox.end_turn(lease)
        ids.append(deliveries(store, webhook)[0].id)
        with sending(store, org, outside()):
            until(store, webhook, waiting=4)
        waiting = [delivery for delivery in deliveries(store, webhook) if delivery.state == "waiting"]
        assert len({delivery.event.chat for delivery in waiting}) == 1
        assert [delivery.attempts > 0 for delivery in waiting] == [True, False, False, False]


def test_an_endpoint_hears_only_of_what_it_asked_for(store: Store, org: Org, phone: Phone, other_phone: Phone) -> None:
    with receiving() as receiver:
        types, _ = hook(store, org, receiver.url, types=("reaction.created",))
        phones, _ = hook(store, org, receiver.url, types=("message.created",), phones=(other_phone.no,))
        off, _ = hook(store, org, receiver.url, enabled=False)
        say(store, org, phone, chats=1, each=2)
        say(store, org, other_phone, chats=1, each=1)
        target = Target(phone.jid, jid(0), "M0-0")
        store.apply(org.no, Batch(source="webhook", events=[ReactionSet(target=target, by=jid(0), emoji="👍", at=5)]))
        store.webhooks.change(off.id, lambda webhook: structs.replace(webhook, enabled=True))
        say(store, org, phone, chats=1, each=1, begin=9)
        with sending(store, org, outside()):
            for webhook in (types, phones, off):
                until(store, webhook)
        assert [d.event.type for d in deliveries(store, types)] == ["reaction.created"]
        assert [d.event.phone for d in deliveries(store, phones)] == [other_phone.no]
        assert [d.event.type for d in deliveries(store, off)] == ["message.created"]


def test_what_is_erased_is_not_sent_any_more(store: Store, org: Org, phone: Phone) -> None:
    """The outbox holds only row numbers, no texts."""
    with receiving() as receiver:
        webhook, _ = hook(store, org, receiver.url, types=("message.created", "message.erased"), imports=True)
        begun = store.begin_import(org.no, NewImport(kind="export", file="x.txt", sha256="0" * 64, size=1, answers={}))
        telling = store.as_import(begun.id)
        say(telling, org, phone, chats=1, each=3)
        store.finish_import(org.no, begun.id, None)
        store.undo_import(org.no, begun.id)
        with sending(store, org, outside()):
            until(store, webhook)
        # Their contacts are gone with the import, too: an event names its message by itself.
        assert states(store, webhook) == {"dropped": 3, "delivered": 3}
        assert {request.body["type"] for request in receiver.requests} == {"message.erased"}
        assert all(request.body["key"].startswith(f"{phone.number}:false_") for request in receiver.requests)
        assert "message 1" not in str([delivery.event for delivery in deliveries(store, webhook)])


def test_imported_history_is_told_only_to_those_who_ask(store: Store, org: Org, phone: Phone) -> None:
    with receiving() as receiver:
        live, _ = hook(store, org, receiver.url, types=("message.created",))
        begun = store.begin_import(org.no, NewImport(kind="export", file="x.txt", sha256="0" * 64, size=1, answers={}))
        say(store.as_import(begun.id), org, phone, chats=1, each=3)
        say(store, org, phone, chats=1, each=1, begin=5)
        with sending(store, org, outside()):
            until(store, live)
        assert [request.body["data"]["message"]["unique_id"] for request in receiver.taken] == ["M0-5"]


def test_a_removed_endpoint_leaves_nothing_behind(store: Store, org: Org, phone: Phone) -> None:
    with receiving(lambda id: "fail") as receiver:
        webhook, _ = hook(store, org, receiver.url)
        say(store, org, phone, chats=2, each=2)
        with sending(store, org, outside()):
            is_far_enough(receiver, 1)
            store.webhooks.remove(webhook.id)
        assert store.webhooks.of(org.no) == []
        assert not store.outbox.is_used(org.no)
        target = Target(phone.jid, jid(0), "M0-0")
        store.apply(org.no, Batch(source="webhook", events=[MessageRevoked(target=target, at=5)]))
        left, _ = hook(store, org, receiver.url)
        assert deliveries(store, left) == []
        assert [look.newest for look in store.outbox.look(org.no)] == [0]
