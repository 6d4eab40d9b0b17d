"""A source that falls silent is reported once, in the change feed and to webhooks, and so is its return."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backscroll.core.coverage import Heard
from backscroll.core.events import Batch
from backscroll.core.model import Phone
from backscroll.core.webhooks import Webhook
from backscroll.storage.read.changes import changes_after
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id

HOUR = 3_600_000_000


class Clock:
    now = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(tmp_path: Path, database_url: str | None, clock: Clock) -> Iterator[Store]:
    opened = open_store(database_url, tmp_path, clock)
    yield opened
    opened.close()


def add(store: Store, org: int, phone: Phone | None, silent_after: int | None = 6 * HOUR) -> LiveSource:
    made = LiveSource(
        org=org, id=make_source_id(org), kind="events", phone=phone.no if phone else None, silent_after=silent_after
    )
    return store.sources.add(made, SourceSecrets("a secret"))


def told(store: Store, org: int, phones: tuple[int, ...]) -> list[tuple[str, str | None]]:
    """The feed's lines about sources that readers of these phones see."""
    changes = store.ask(org, lambda reading: changes_after(reading, phones, 0, 1000))
    return [(line.what, line.source) for line in changes.lines if line.what in ("silent", "heard")]


def test_a_silence_is_told_once_and_so_is_its_end(archive: Store, clock: Clock) -> None:
    org = archive.create_org("Sample").no
    phone, other = archive.add_phone(org, "918527184400"), archive.add_phone(org, "6289685028129")
    wanted = Webhook(org=org, id="", name=None, url="https://example.com/", format="native", types=("*",))
    archive.webhooks.add(wanted)
    source, patient = add(archive, org, phone), add(archive, org, phone, silent_after=None)
    begun = clock.now
    clock.now += 6 * HOUR
    assert archive.sources.tell_silences(org, begun) == 0
    clock.now += 1
    assert archive.sources.tell_silences(org, begun) == 1
    assert archive.sources.tell_silences(org, begun) == 0
    for one in (source, patient):
        archive.apply(org, Batch(source="webhook", events=[], heard=Heard(source=one.id, phones=())))
    assert archive.sources.tell_silences(org, begun) == 1
    clock.now += 7 * HOUR
    assert archive.sources.tell_silences(org, begun) == 1
    lines = [("silent", source.id), ("heard", source.id), ("silent", source.id)]
    assert told(archive, org, (phone.no, other.no)) == lines
    assert told(archive, org, (phone.no,)) == lines
    assert told(archive, org, (other.no,)) == []
    lease = archive.outbox.take_turn(org)
    assert lease is not None
    archive.outbox.queue(lease)
    sent = [event for event in events(archive, org) if event.startswith("source.")]
    assert sent == ["source.silent", "source.recovered", "source.silent"]
    assert list(archive.check()) == []


def events(store: Store, org: int) -> list[str]:
    (look,) = store.outbox.look(org)
    lanes = store.outbox.due_lanes(org, look.webhook.id, 100)
    queued = [one for lane in lanes for one in store.outbox.next_in_lane(org, look.webhook.id, lane, 100)]
    return [one.event.type for one in sorted(queued, key=lambda one: one.event.no)]


def test_a_server_that_has_just_begun_to_listen_waits_for_what_gateways_send_again(
    archive: Store, clock: Clock
) -> None:
    org = archive.create_org("Sample").no
    source = add(archive, org, archive.add_phone(org, "918527184400"))
    clock.now += 48 * HOUR
    begun = clock.now
    assert archive.sources.tell_silences(org, begun) == 0
    clock.now += HOUR
    assert archive.sources.tell_silences(org, begun) == 1
    assert archive.sources.find(source.id).id == source.id


def test_a_source_of_no_phone_is_told_of_to_readers_of_all(archive: Store, clock: Clock) -> None:
    org = archive.create_org("Sample").no
    phone, other = archive.add_phone(org, "918527184400"), archive.add_phone(org, "6289685028129")
    source = add(archive, org, None)
    begun = clock.now
    clock.now += 7 * HOUR
    archive.sources.tell_silences(org, begun)
    assert told(archive, org, (phone.no, other.no)) == [("silent", source.id)]
    assert told(archive, org, (phone.no,)) == []
