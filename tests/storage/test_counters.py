"""Pages and totals come from counters, and must equal those of a plain list of messages, filtered and sorted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backscroll.core.events import Batch, Event, MessageSeen
from backscroll.core.limits import EARLIEST, LATEST
from backscroll.core.model import Details, Kind, Message, MessageKey, Org, Phone
from backscroll.core.query import MessageQuery, Shows
from backscroll.storage.records.counters import DAY, HOUR, MONTH, buckets_of, start_of
from backscroll.storage.store import Store, open_store
from conftest import CHAT, MORNING, MakeMessage, OwnDatabase, Tell
from plain_model import PlainArchive
from thorough import examples

SECOND = 1_000_000
ANNA, BEN, GROUP = "919537851844@s.whatsapp.net", "4915112345678@s.whatsapp.net", "120363041234567890@g.us"
CHATS = (ANNA, BEN, GROUP)
PHONES = ("918527184400@s.whatsapp.net", "6289685028129@s.whatsapp.net")
KINDS: tuple[Kind, ...] = ("text", "image", "voice", "call", "notice", "poll")
TEXTS = ("hello", "Hello again", "élan vital", "ell", None, "100% sure")


def times(chance: random.Random) -> int:
    """Times that crowd in seconds, hours, days and years, and both limits of time."""
    base = chance.choice((MORNING, MORNING, MORNING, 0, EARLIEST, LATEST - 2 * SECOND))
    step = chance.choice((0, SECOND, 3600 * SECOND, 86_400 * SECOND, 31 * 86_400 * SECOND, 400 * 86_400 * SECOND))
    return min(LATEST, max(EARLIEST, base + chance.randrange(3) * step + chance.choice((0, 0, 1))))


class Observed:
    """An archive of 400 messages and the plain model of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.org = store.create_org("Sample").no
        self.phones = [store.add_phone(self.org, jid).no for jid in PHONES]
        self.plain = PlainArchive()
        chance = random.Random(7)
        messages = [self._message(chance, i) for i in range(400)]
        self.timestamps = sorted({m.sent_at for m in messages})
        for start in range(0, len(messages), 90):
            events: list[Event] = [MessageSeen(m) for m in messages[start : start + 90]]
            store.apply(self.org, Batch(source="webhook", events=events))
        for message in messages:
            phone = self.phones[PHONES.index(message.key.phone)]
            self.plain.keep(message, phone, self._chat_number(message.key.chat))

    def _message(self, chance: random.Random, i: int) -> Message:
        # Ids that repeat in other chats make ties that only the later terms of the sort order break.
        key = MessageKey(chance.choice(PHONES), chance.choice(CHATS), f"M{i // 6:03}-{i % 3}", ANNA)
        return Message(
            key=key if i % 2 else MessageKey(key.phone, key.chat, f"N{i:03}", ANNA),
            sent_at=times(chance),
            from_me=chance.random() < 0.4,
            kind=chance.choice(KINDS),
            text=chance.choice(TEXTS),
            details=Details(),
        )

    def _chat_number(self, jid: str) -> int:
        params = {"org": self.org, "jids": (jid,)}
        rows = self.store._engine.read(lambda tx: tx.all("find_aliases", params), self.org)
        return int(rows[0][1])


@pytest.fixture(scope="module")
def observed(own_database: OwnDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    store = open_store(own_database(), tmp_path_factory.mktemp("told"))
    yield Observed(store)
    store.close()


@settings(max_examples=examples(60, 500), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_filters_give_the_ids_order_and_total_of_the_plain_model(observed: Observed, data: st.DataObject) -> None:
    timestamp = st.sampled_from(observed.timestamps).flatmap(
        lambda at: st.sampled_from([at - 1, at, at + 1])
    ) | st.sampled_from([EARLIEST - 1, LATEST + 1, -(2**62), 2**62])
    shows: st.SearchStrategy[Shows] = st.sampled_from(["messages", "messages_and_calls", "notices"])
    chat = data.draw(st.sampled_from([None, ANNA, BEN, GROUP, "919537851844@c.us", "nobody@lid"]))
    words = st.sampled_from([None, None, "ell", "ELL", "e", "elan", "0%", "_", "absent", "hello again"])
    query = MessageQuery(
        org=observed.org,
        phones=data.draw(
            st.sampled_from([(1,), (0,), (0, 1), (1, 0), ()]).map(lambda at: tuple(observed.phones[i] for i in at))
        ),
        chat=chat,
        since=data.draw(st.none() | timestamp),
        until=data.draw(st.none() | timestamp),
        media_only=data.draw(st.booleans()),
        from_me=data.draw(st.sampled_from([None, None, True, False])),
        search=None if chat is None else data.draw(words),
        shows=data.draw(shows),
        offset=data.draw(st.integers(0, 30) | st.sampled_from([399, 400, 10**9, 2**53])),
        limit=data.draw(st.sampled_from([0, 1, 2, 7, 50, 2000])),
    )
    page = observed.store.list_messages(query)
    assert ([m.message.key.id for m in page.messages], page.total) == observed.plain.ask(query)


def all_pages(store: Store, size: int, **filters: Any) -> list[str]:
    """Ids of all messages, read page by page as a client does."""
    found: list[str] = []
    while page := store.list_messages(MessageQuery(offset=len(found), limit=size, **filters)).messages:
        found += [m.message.key.id for m in page]
    return found


@pytest.mark.parametrize("chat", [CHAT, None])
def test_each_id_comes_once_whatever_the_size_of_a_page_while_others_arrive(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, chat: str | None
) -> None:
    """500 messages within five seconds; messages that arrive after the pinned end do not move them."""
    chance = random.Random(5)
    tell(*(make_message(f"M{i:03}", MORNING + chance.randrange(5) * SECOND, sender=CHAT) for i in range(500)))
    pinned: dict[str, Any] = {"org": org.no, "phones": (phone.no,), "chat": chat, "until": MORNING + 5 * SECOND - 1}
    whole = [m.message.key.id for m in store.list_messages(MessageQuery(limit=2000, **pinned)).messages]
    assert len(set(whole)) == 500
    for late, size in enumerate((1, 2, 3, 7, 49, 50, 51, 499, 500, 501) if chat else (7, 50, 499)):
        for i in range(5):
            at = MORNING + (5 + late) * SECOND
            tell(make_message(f"late{late}-{i}", at))
        assert all_pages(store, size, **pinned) == whole


def test_counters_follow_a_message_that_changes_its_time_kind_and_sender(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message("M1", MORNING, kind="unknown"), make_message("M2", MORNING + 1), source="gowa")
    tell(make_message("M1", MORNING + 40 * 86_400 * SECOND, kind="image", from_me=False), source="cloud")
    base: dict[str, Any] = {"org": org.no, "phones": (phone.no,), "chat": CHAT}
    assert store.list_messages(MessageQuery(media_only=True, **base)).total == 1
    assert store.list_messages(MessageQuery(until=MORNING + SECOND, **base)).total == 1
    assert list(store.check()) == []


@pytest.mark.parametrize("at", [EARLIEST, -1, 0, 1, MORNING, LATEST])
def test_every_moment_lies_in_its_month_day_and_hour(at: int) -> None:
    for level, bucket in zip((MONTH, DAY, HOUR), buckets_of(at), strict=True):
        assert start_of(level, bucket) <= at < start_of(level, bucket + 1)
