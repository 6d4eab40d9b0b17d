"""The cases of docs/search.md on both engines, for each way of storing, compared with a search without an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from brute_force import found
from search_cases import FOUND_BY, HOSTILE, NOT_FOUND_BY

from backscroll.core.events import Batch, Event, MessageSeen
from backscroll.core.model import Details, Location, Media, Message, MessageKey, Poll
from backscroll.core.query import MessageQuery, SearchQuery
from backscroll.storage.store import Store, open_store
from conftest import MORNING, OwnDatabase

SECOND = 1_000_000
CHATS = ["919537851844@s.whatsapp.net", "4915112345678@s.whatsapp.net", "120363041234567890@g.us"]
TEXTS = [text for text, _ in FOUND_BY]


def at_once(events: Sequence[Event]) -> list[list[Event]]:
    return [list(events)]


def singly(events: Sequence[Event]) -> list[list[Event]]:
    return [[event] for event in events]


def reversed_order(events: Sequence[Event]) -> list[list[Event]]:
    return [[event] for event in reversed(events)]


def chat_by_chat(events: Sequence[Event]) -> list[list[Event]]:
    return [[event for at, event in enumerate(events) if at % len(CHATS) == chat] for chat in range(len(CHATS))]


class Archive:
    """An archive with one message for each text of the cases."""

    def __init__(
        self, folder: Path, database: str | None, order: Callable[[Sequence[Event]], list[list[Event]]]
    ) -> None:
        self.store: Store = open_store(database, folder)
        self.org = self.store.create_org("Sample").no
        self.phone = self.store.add_phone(self.org, "918527184400")
        events: list[Event] = []
        for at, text in enumerate(TEXTS):
            key = MessageKey(self.phone.jid, CHATS[at % len(CHATS)], f"M{at:03}", "5511999990000@s.whatsapp.net")
            events.append(MessageSeen(Message(key=key, sent_at=MORNING + at * SECOND, from_me=False, text=text)))
        for batch in order(events):
            self.store.apply(self.org, Batch(source="webhook", events=batch))
        query = MessageQuery(org=self.org, phones=(self.phone.no,), limit=1000)
        self.messages = self.store.list_messages(query).messages

    def search(self, text: str) -> list[str]:
        """The texts that a search finds, newest first."""
        page = self.store.search(SearchQuery(org=self.org, phones=(self.phone.no,), text=text, limit=500, context=0))
        texts = [hit.message.message.text or "" for hit in page.hits]
        assert page.complete
        assert (page.total, page.total_is_exact, page.next) == (len(texts), True, None)
        return texts


@pytest.fixture(scope="module", params=[at_once, singly, reversed_order, chat_by_chat])
def archive(
    request: pytest.FixtureRequest, own_database: OwnDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Archive]:
    made = Archive(tmp_path_factory.mktemp("cases"), own_database(), request.param)
    yield made
    made.store.close()


def test_every_case_is_found_and_nothing_that_must_not_be(archive: Archive) -> None:
    for text, queries in FOUND_BY:
        for query in queries:
            assert text in archive.search(query), query
    for text, queries in NOT_FOUND_BY:
        for query in queries:
            assert text not in archive.search(query), query


def test_the_index_finds_what_reading_every_message_finds(archive: Archive) -> None:
    queries = [query for _, queries in (*FOUND_BY, *NOT_FOUND_BY) for query in queries]
    for query in [*queries, *(word for text in TEXTS for word in text.split())]:
        assert archive.search(query) == [m.message.text for m in found(archive.messages, query, {})], query


def test_nothing_that_is_typed_is_an_error(archive: Archive) -> None:
    for query in HOSTILE:
        for sort in ("newest", "relevance"):
            asked = SearchQuery(org=archive.org, phones=(archive.phone.no,), text=query, sort=sort)
            page = archive.store.search(asked)
            assert [h.message.no for h in page.hits] == [h.message.no for h in archive.store.search(asked).hits]


def test_the_index_holds_what_the_messages_say(archive: Archive) -> None:
    assert list(archive.store.check()) == []


def test_other_texts_of_a_message_are_found_too(store: Store) -> None:
    org = store.create_org("Sample").no
    phone = store.add_phone(org, "918527184400")
    lines = ("VERSION:3.0", "FN:Otto Brandt", "TEL;waid=491711234567:+49 171 1234567", "EMAIL:otto@mill.org")
    card = "\n".join(("BEGIN:VCARD", *lines, "END:VCARD"))
    sender = "5511999990000@s.whatsapp.net"
    told: list[tuple[str, str, Details]] = [
        ("poll", "poll", Details(poll=Poll(name="Lunch?", options=("Pizza", "Sushi")))),
        ("card", "contact", Details(vcards=(card,))),
        ("file", "document", Details(media=Media(filename="Fatura.pdf"), push_name="Maria Silva")),
        (
            "place",
            "location",
            Details(location=Location(latitude=1.0, longitude=2.0, name="Old Mill", address="Kirchweg 7")),
        ),
        ("link", "text", Details(links=[{"link": "https://mill.org", "title": "Quarterly report"}])),
        ("invite", "group_invite", Details(invite={"groupName": "Street party"})),
    ]
    events: list[Event] = [
        MessageSeen(
            Message(
                key=MessageKey(phone.jid, CHATS[2], id, sender if id == "file" else CHATS[0]),
                sent_at=MORNING,
                from_me=False,
                kind=kind,  # type: ignore[arg-type]
                details=details,
            )
        )
        for id, kind, details in told
    ]
    store.apply(org, Batch(source="webhook", events=events))

    def ids(text: str) -> set[str]:
        page = store.search(SearchQuery(org=org, phones=(phone.no,), text=text))
        assert all(hit.highlights for hit in page.hits)
        return {hit.message.message.key.id for hit in page.hits}

    assert [ids(q) for q in ("sushi", "lunch")] == [{"poll"}, {"poll"}]
    assert [ids(q) for q in ("otto", "1711234567", "otto@mill.org")] == [{"card"}] * 3
    assert [ids(q) for q in ("fatura", "maria", "silva", "Fatura.pdf")] == [{"file"}] * 4
    assert [ids(q) for q in ("mill kirchweg", "quarterly", '"street party"')] == [{"place"}, {"link"}, {"invite"}]
