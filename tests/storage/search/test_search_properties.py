"""After any writes, edits, deletions, merges, interruptions and rebuilds, a search finds what a full read finds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from brute_force import found
from hypothesis import given
from hypothesis import strategies as st
from shelves import Shelf, trying
from test_properties import ANNA, ANNA_LID, BEN, GROUP, NINE, ONE, SECOND, TWO, Observed, histories

from backscroll.core.events import Batch, Event, MessageEdited, MessageRevoked, MessageSeen, NumberMapped, Target
from backscroll.core.model import ArchivedMessage, Details, Media, Message, MessageKey, Quote, Source
from backscroll.core.query import MessageQuery, SearchQuery
from backscroll.database.protocol import Engine, Txn
from backscroll.storage.read.search_pages import SearchCaches
from backscroll.storage.search.asking import Bounds
from backscroll.storage.search.maintenance import Limits
from backscroll.storage.store import now_us
from backscroll.storage.transfer.check.run import findings_of_org
from backscroll.storage.write.index_upkeep import IndexUpkeep
from conftest import OwnDatabase

T = TypeVar("T")

SMALL = Limits(tiny=2, max_tiny=3, max_small=3, young=4, full=10, dead_share=4, half_empty=6)
"""Small enough that a dozen messages pass through every level."""
WORDS = (
    "hello", "hel", "ell", "second words", "jose", "José’s", "cafe", "caf*", "*ll*", "words -hello",
    '"second words"', "wor*", "galloping", "gallop", "invoice 42", "INV-42", "4-0042", "北京", "京", "北京开", "👍",
    "5550109999", "+1 555 010 9999", "anna", "-anna", "-hello", "from:anna", "from:me", "-from:me", "in:club",
    "-in:family hello", "from:4915112345678@s.whatsapp.net", "in:+919537851844", "has:image", "has:media",
    "-has:media", "has:document hello", "is:edited", "is:deleted", "is:mine", "is:received", "is:starred",
    "on:2025-03-13", "before:2025-03-14 hello", "after:2025-03-13", "-on:2025-03-13", "before:2025", "has:link",
    "has:quote", "mill.org", "a.jpg", "jpg", "b*", "e*", "x", "hello hello", "hello anna", '"hello"',
    '-"second words" words', "ll-wor",
)  # fmt: skip
TEXTS = st.sampled_from(
    [
        "hello",
        "second words, José’s café",
        "The horses were galloping",
        "We gallop, invoice INV-2024-0042",
        "我们明天去北京开会 👍🏽",
        "call +1 (555) 010-9999, https://docs.mill.org/p",
        "",
        None,
    ]
)


@st.composite
def told(draw: st.DrawFn) -> Observed:
    """Messages with longer texts than those of test_properties, and changes to them."""
    phone, chat = draw(st.sampled_from([ONE, ONE, ONE, TWO])), draw(st.sampled_from([ANNA, ANNA_LID, GROUP]))
    id = draw(st.sampled_from([f"3EB{n:02}" for n in range(7)]))
    target = Target(phone, chat, id, None)
    at = NINE + draw(st.integers(0, 3)) * 20 * 3600 * SECOND
    event: Event
    match draw(st.integers(0, 11)):
        case 0 | 3 | 4:
            event = MessageEdited(target=target, text=draw(TEXTS), at=at + SECOND)
        case 1:
            event = MessageRevoked(target=target, at=at)
        case 2:
            event = NumberMapped(lid=ANNA_LID, jid=ANNA)
        case _:
            details = Details(
                media=draw(st.sampled_from([None, None, Media(filename="a.jpg")])),
                quoted=draw(st.sampled_from([None, None, Quote(id="3EB00", text="hello")])),
                push_name=draw(st.sampled_from([None, "Anna Lima", "Ben"])),
                is_starred=draw(st.sampled_from([None, True])),
            )
            event = MessageSeen(
                Message(
                    key=MessageKey(phone, chat, id, draw(st.sampled_from([ANNA, BEN, ANNA_LID]))),
                    sent_at=at,
                    from_me=draw(st.booleans()),
                    kind=draw(st.sampled_from(["text", "text", "image", "document", "call", "notice"])),
                    text=draw(TEXTS),
                    details=details,
                )
            )
    source: Source = draw(st.sampled_from(["linked", "webhook", "gowa"]))
    return source, event


HISTORIES = st.one_of(histories(), st.lists(told(), min_size=10, max_size=40))


class Cut(Exception):
    """The process died here."""


class MeddledEngine:
    """An engine that calls ``interrupt`` before the ``left``-th writing transaction and each later one."""

    def __init__(self, engine: Engine, left: int, interrupt: Callable[[], None]) -> None:
        self._engine = engine
        self._left = left
        self._interrupt = interrupt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def write(self, work: Callable[[Txn], T], org: int | None = None, *, can_wait: bool = False) -> T:
        self._left -= 1
        if self._left <= 0:
            self._interrupt()
        return self._engine.write(work, org, can_wait=can_wait)


def die() -> None:
    raise Cut


class _Shelf(Shelf):
    def phones(self, org: int) -> tuple[int, ...]:
        return tuple(phone.no for phone in self.store.list_phones(org))

    def tell(self, org: int, observed: Observed) -> None:
        source, event = observed
        self.store.apply(org, Batch(source=source, events=[event]))

    def disturb(self, org: int, chance: random.Random, coming: list[Observed]) -> None:
        """Do something that must not change what is found; ``coming`` may be called in the middle of it."""
        engine = self.store._engine
        match chance.randrange(7):
            case 0:
                IndexUpkeep(engine, now_us, SMALL).run(org)
            case 1:
                self._cut(org, chance.randrange(1, 12))
            case 5:
                meddled: Any = MeddledEngine(
                    engine, chance.randrange(1, 9), lambda: self.tell(org, coming.pop(0)) if coming else None
                )
                IndexUpkeep(meddled, now_us, SMALL).run(org)
            case 2:
                IndexUpkeep(engine, now_us, SMALL).run(org, purge=True)
            case 3:
                self.store.remake_search(org)
            case 4:
                self.store.remake_search(org, from_nothing=True)
                steps = iter([False, chance.random() < 0.5, True, True, True])
                IndexUpkeep(engine, now_us, SMALL).run(org, lambda: next(steps))
            case _:
                pass

    def _cut(self, org: int, after: int) -> None:
        engine: Any = MeddledEngine(self.store._engine, after, die)
        try:
            IndexUpkeep(engine, now_us, SMALL).run(org)
        except Cut:
            # Its lease would expire in time; the test does not wait for that.
            self.sql.change(f"UPDATE leases SET ends_at = 0 WHERE org = {org}")

    def messages(self, org: int) -> list[ArchivedMessage]:
        return self.store.list_messages(MessageQuery(org=org, phones=self.phones(org), limit=2000)).messages

    def names(self, org: int) -> dict[str, list[str]]:
        rows = self.sql.dicts("SELECT * FROM contacts WHERE org = ? AND merged_into IS NULL", [org])
        return {r["jid"]: [n for n in (r["name"], r["push_name"], r["business_name"]) if n] for r in rows}

    def walk(self, org: int, text: str, sort: Any = "newest", limit: int = 1000) -> list[ArchivedMessage]:
        """All hits of a search, page by page."""
        hits: list[ArchivedMessage] = []
        cursor: str | None = None
        while True:
            query = SearchQuery(org=org, phones=self.phones(org), text=text, sort=sort, limit=limit, cursor=cursor)
            page = self.store.search(query)
            hits += [hit.message for hit in page.hits]
            assert page.total >= len(hits) if cursor is None or not page.total_is_exact else True
            cursor = page.next
            if cursor is None:
                assert page.total == len(hits) or not page.total_is_exact
                return hits

    def compare(self, org: int, texts: Sequence[str]) -> None:
        """Compare every search with the same search without an index."""
        if not self.store.search_progress(org).is_complete:
            IndexUpkeep(self.store._engine, now_us, SMALL).run(org)
        messages, names = self.messages(org), self.names(org)
        for text in texts:
            wanted = Counter(message.no for message in found(messages, text, names))
            hits = self.walk(org, text)
            assert Counter(hit.no for hit in hits) == wanted, text
            keys = [(hit.message.sent_at, hit.message.key.id, hit.phone.no) for hit in hits]
            assert keys == sorted(keys, reverse=True), text
            assert [hit.no for hit in self.walk(org, text, limit=2)] == [hit.no for hit in hits], text
            assert Counter(hit.no for hit in self.walk(org, text, "relevance", 3)) == wanted, text


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[_Shelf]:
    made = _Shelf(tmp_path_factory.mktemp("search"), own_database())
    yield made
    made.close()


EXAMPLES = {"sqlite": 12, "postgres": 4}


def try_histories(shelf: _Shelf, examples: int) -> None:
    @trying(examples)
    @given(HISTORIES, st.randoms(use_true_random=False), st.lists(st.sampled_from(WORDS), min_size=4, max_size=8))
    def each(history: list[Observed], chance: random.Random, texts: list[str]) -> None:
        org = shelf.new((ONE, TWO))
        store = shelf.store
        normal = store._search_caches
        store._search_caches = SearchCaches(bounds=chance.choice([Bounds(), Bounds(words=0, read=3), Bounds(words=2)]))
        try:
            coming = list(history)
            while coming:
                shelf.tell(org, coming.pop(0))
                if chance.random() < 0.3:
                    shelf.disturb(org, chance, coming)
                if chance.random() < 0.05:
                    shelf.compare(org, texts[:2])
            shelf.compare(org, texts)
        finally:
            store._search_caches = normal
        assert store._engine.read(lambda tx: findings_of_org(tx, org), org) == []

    each()


def test_a_search_finds_what_reading_finds_whatever_happened(shelf: _Shelf) -> None:
    try_histories(shelf, EXAMPLES[shelf.store._engine.name])


@pytest.mark.full
def test_a_search_finds_what_reading_finds_after_many_histories(shelf: _Shelf) -> None:
    try_histories(shelf, 600)
