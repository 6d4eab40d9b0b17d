"""Both engines find the same messages in the same order as a search that reads every message."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from brute_force import found
from search_cases import FOUND_BY, HOSTILE, NOT_FOUND_BY

from backscroll.core.events import Batch, ContactSeen, Event, MessageEdited, MessageRevoked, MessageSeen, Target
from backscroll.core.ids import clean_text
from backscroll.core.model import Details, Media, Message, MessageKey
from backscroll.core.query import MessageQuery, SearchQuery
from backscroll.storage.search.maintenance import Limits
from backscroll.storage.store import Store, now_us, open_store
from backscroll.storage.write.index_upkeep import IndexUpkeep
from conftest import MORNING
from postgres_server import Databases

SECOND = 1_000_000
PHONES = ("918527184400", "6289685028129")
PEOPLE = {
    "919537851844@s.whatsapp.net": "Ana Lima",
    "4915112345678@s.whatsapp.net": "Jörg Groß",
    "5511999990000@s.whatsapp.net": "Мария",
}
CHATS = [*PEOPLE, "120363041234567890@g.us"]
TEXTS = [text for text, _ in FOUND_BY]
QUERIES = [query for _, queries in (*FOUND_BY, *NOT_FOUND_BY) for query in queries]
FILTERS = (
    *("from:ana", "from:jorg", "from:me", "in:ana", "-in:мария", "has:image", "has:media", "is:edited", "is:deleted"),
    *("is:mine", "on:2025-03-13", "before:2025-03-14", "after:2025-03-13", "-from:ana", "-has:image", "has:link"),
)
LIMITS = Limits(tiny=8, max_tiny=4, max_small=4, young=64, full=256, half_empty=128)
"""Small enough that the index has segments of every level."""


def events_of(chance: random.Random, count: int) -> Iterator[Event]:
    """A mixed archive: every language, captions, edits, deletions."""
    for jid, name in PEOPLE.items():
        yield ContactSeen(jid=jid, at=1, push_name=name)
    for n in range(count):
        phone, chat = chance.choice(PHONES), chance.choice(CHATS)
        words = [word for text in chance.sample(TEXTS, 2) for word in text.split()]
        text = chance.choice(TEXTS) if n % 3 else " ".join(chance.sample(words, min(len(words), 6)))
        media = Media(filename=f"{chance.choice(words)}.jpg") if n % 7 == 0 else None
        key = MessageKey(phone, chat, f"M{n:04}", chance.choice(list(PEOPLE)))
        at = MORNING + chance.randrange(3 * 86_400) * SECOND // chance.choice((1, 1, 7200))
        yield MessageSeen(
            Message(
                key=key,
                sent_at=at,
                from_me=chance.random() < 0.3,
                kind="image" if media else "text",
                text=text,
                details=Details(media=media),
            )
        )
        if n % 11 == 0:
            target = Target(phone, chat, key.id, None)
            edit = MessageEdited(target=target, text=chance.choice(TEXTS), at=at + SECOND)
            yield edit if n % 2 else MessageRevoked(target=target, at=at + SECOND)


class Archive:
    """The same messages on one engine."""

    def __init__(self, folder: Path, database: str | None) -> None:
        self.store: Store = open_store(database, folder)
        self.org = self.store.create_org("Sample").no
        for number in PHONES:
            self.store.add_phone(self.org, number)
        self.phones = tuple(phone.no for phone in self.store.list_phones(self.org))
        events = list(events_of(random.Random(7), 600))
        for start in range(0, len(events), 5):
            self.store.apply(self.org, Batch(source="linked", events=events[start : start + 5]))
            if start % 50 == 0:
                IndexUpkeep(self.store._engine, now_us, LIMITS).run(self.org)

    def ask(self, text: str, sort: str, limit: int) -> tuple[list[tuple[str, str]], int, bool]:
        """Ids and phones of the first page, the total, and whether the total is exact."""
        query = SearchQuery(org=self.org, phones=self.phones, text=text, sort=sort, limit=limit, context=0)  # type: ignore[arg-type]
        page = self.store.search(query)
        hits = [(hit.message.message.key.id, hit.message.phone.jid) for hit in page.hits]
        return hits, page.total, page.total_is_exact


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[list[Archive]]:
    urls = (None, databases.url(databases.create()))
    made = [Archive(tmp_path_factory.mktemp("agree"), url) for url in urls]
    yield made
    for archive in made:
        archive.store.close()


def query_of(chance: random.Random) -> str:
    """A query that a user could type."""
    items: list[str] = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        word = chance.choice(chance.choice(TEXTS).split())
        start = chance.randrange(len(word))
        part = word[start : start + chance.randint(1, 6)]
        items.append(
            chance.choice(
                (
                    word,
                    part,
                    f"{part}*",
                    f"*{part}",
                    f"-{word}",
                    f'"{word} {chance.choice(TEXTS).split()[0]}"',
                    chance.choice(QUERIES),
                    chance.choice(FILTERS),
                    chance.choice(HOSTILE)[:40],
                )
            )
        )
    return " ".join(items)


def try_queries(archives: list[Archive], count: int) -> None:
    chance = random.Random(count)
    sqlite, postgres = archives
    query = MessageQuery(org=sqlite.org, phones=sqlite.phones, limit=2000)
    messages = sqlite.store.list_messages(query).messages
    names = {jid: [name] for jid, name in PEOPLE.items()}
    for _ in range(count):
        # Lone surrogates are replaced, as HTTP routes do with every query.
        text = clean_text(query_of(chance))[0]
        sort, limit = chance.choice(("newest", "relevance")), chance.choice((5, 50, 1000))
        ours, theirs = sqlite.ask(text, sort, limit), postgres.ask(text, sort, limit)
        assert ours == theirs, text
        if limit == 1000:
            assert sorted(id for id, _ in ours[0]) == sorted(m.message.key.id for m in found(messages, text, names)), (
                text
            )


def test_both_engines_find_the_same_in_the_same_order(archives: list[Archive]) -> None:
    try_queries(archives, 300)


@pytest.mark.full
def test_both_engines_find_the_same_for_thousands_of_queries(archives: list[Archive]) -> None:
    try_queries(archives, 5_000)


def test_both_indexes_hold_what_the_messages_say(archives: list[Archive]) -> None:
    for archive in archives:
        assert list(archive.store.check()) == []
