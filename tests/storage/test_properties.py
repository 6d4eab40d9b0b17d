"""Properties of the store: any order, repetition and splitting of events gives the same archive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs
from shelves import Shelf, trying

from backscroll.core.events import (
    Batch,
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    LabelSeen,
    MediaHeld,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Details, Kind, Media, Member, Message, MessageKey, Quote, Source
from backscroll.storage.transfer.check.run import findings_of_org
from conftest import OwnDatabase
from plain_model import canonical

SECOND = 1_000_000
NINE = 1_741_856_400 * SECOND
ONE, ONE_LID = "918527184400@s.whatsapp.net", "11111111111@lid"
TWO = "6289685028129@s.whatsapp.net"
ANNA, ANNA_LID, ANNA_TOO = "919537851844@s.whatsapp.net", "22222222222@lid", "33333333333@lid"
ANNA_BY_NAME = "anna.0123456789@export"
BEN, BEN_LID = "4915112345678@s.whatsapp.net", "44444444444@lid"
GROUP, GROUP_BY_NAME = "120363041234567890@g.us", "exp0123456789abcdef@g.us"
NUMBERS = [
    (ONE_LID, ONE),
    (ANNA_LID, ANNA),
    (ANNA_TOO, ANNA),
    (ANNA_LID, ANNA_TOO),
    (ANNA_BY_NAME, ANNA),
    (BEN_LID, BEN),
    (GROUP_BY_NAME, GROUP),
]
SOURCES: list[Source] = ["linked", "cloud", "periskope", "webhook", "backup", "gowa", "export"]

Observed = tuple[Source, Event]
Batches = list[tuple[Source, list[Event]]]


def spellings(jid: str) -> st.SearchStrategy[str]:
    user, _, server = jid.partition("@")
    if server != "s.whatsapp.net":
        return st.sampled_from([jid, f"{user}:12@{server}"] if server == "lid" else [jid])
    return st.sampled_from([jid, f"{user}@c.us", f"{user}:7@{server}", f"+{user}", f" {jid}"])


def one_of(*jids: str) -> st.SearchStrategy[str]:
    return st.sampled_from(jids).flatmap(spellings)


PERSONS = one_of(ANNA, ANNA_LID, ANNA_TOO, BEN, BEN_LID, ONE, ONE_LID)
TIMES = st.sampled_from([NINE, NINE + 5 * SECOND, NINE + 59 * SECOND, NINE + 61 * SECOND, NINE + 86_400 * SECOND])
MAYBE_TIMES = st.none() | TIMES
TEXTS = st.sampled_from(["hello", "hello", "second words", "José's  café", "", None])
KINDS: st.SearchStrategy[Kind] = st.sampled_from(
    ["text", "text", "image", "document", "call", "notice", "unknown", "poll"]
)
LABELS = st.sampled_from(["1", "2"])
ACKS = st.sampled_from([None, -1, 0, 1, 2, 3, 4, 5])
MAYBE = st.sampled_from([None, None, True, False])
MEDIA = st.builds(
    Media,
    mimetype=st.sampled_from([None, "image/jpeg", "image/png"]),
    size=st.sampled_from([None, 1, 2]),
    filename=st.sampled_from([None, "a.jpg"]),
    file=st.sampled_from([None, "aa", "bb"]),
    omitted=MAYBE,
)
DETAILS = st.builds(
    Details,
    media=st.none() | MEDIA,
    quoted=st.none() | st.builds(Quote, id=st.sampled_from([None, "3EB02"]), text=st.sampled_from([None, "q"])),
    mentions=st.sampled_from([(), (ANNA_LID,), (ANNA, BEN)]),
    is_forwarded=MAYBE,
    is_deleted=MAYBE,
    is_edited=MAYBE,
    prev_text=st.sampled_from([None, "hello", "before"]),
    push_name=st.sampled_from([None, "Anna", "Ännchen"]),
    updated_at=MAYBE_TIMES,
    client_ref=st.sampled_from([None, "ref1"]),
)
FEW_DETAILS = st.builds(Details, updated_at=MAYBE_TIMES, media=st.none() | st.just(Media(file="aa")))


class Where(Struct, frozen=True):
    """A narrow corner of the archive, so that events meet."""

    phones: st.SearchStrategy[str]
    chats: st.SearchStrategy[str]
    ids: st.SearchStrategy[str]
    texts: st.SearchStrategy[str | None]
    kinds: st.SearchStrategy[Kind]
    details: st.SearchStrategy[Details]


CORNERS = [
    (ANNA, ANNA_LID),
    (ANNA, ANNA_LID, ANNA_TOO, ANNA_BY_NAME),
    (GROUP,),
    (GROUP, GROUP_BY_NAME),
    (ONE, ONE_LID),
    ("status@broadcast",),
    (ANNA, ANNA_LID, BEN, BEN_LID, GROUP, GROUP_BY_NAME, "status@broadcast", ONE, ONE_LID),
]
ID_SETS = [("3EB01",), ("3EB01", "3EB02"), ("3EB01", "exp_1"), ("3EB01", "3EB02", "exp_1", "exp_2")]


@st.composite
def histories(draw: st.DrawFn) -> list[Observed]:
    phones = draw(st.sampled_from([one_of(ONE), one_of(ONE), one_of(ONE, TWO)]))
    chats = draw(st.sampled_from(CORNERS).map(lambda chats: one_of(*chats)))
    ids = draw(st.sampled_from(ID_SETS).map(st.sampled_from))
    # Lines of exports can be matched to the wrong message when texts are alike.
    alike = Where(phones, chats, ids, st.sampled_from(["hello", "hello", "second words"]), st.just("text"), FEW_DETAILS)
    where = draw(st.sampled_from([alike, Where(phones, chats, ids, TEXTS, KINDS, DETAILS)]))
    said = messages(where)
    return draw(st.lists(st.one_of(said, said, annotation_events(where), facts(where)), min_size=1, max_size=14))


@st.composite
def messages(draw: st.DrawFn, where: Where) -> Observed:
    key = MessageKey(draw(where.phones), draw(where.chats), draw(where.ids), draw(st.none() | PERSONS))
    message = Message(
        key=key,
        sent_at=draw(TIMES),
        from_me=draw(st.booleans()),
        kind=draw(where.kinds),
        text=draw(where.texts),
        ack=draw(ACKS),
        details=draw(where.details),
    )
    if key.id.startswith("exp_"):
        return "export", _line(draw, message)
    return draw(st.sampled_from(SOURCES)), MessageSeen(message)


def _line(draw: st.DrawFn, message: Message) -> MessageSeen:
    """A line of an exported chat: its time may be only to the minute, and its author may be a name."""
    minutes = draw(st.booleans())
    key = structs.replace(message.key, sender=draw(st.none() | one_of(ANNA, ANNA_LID, ANNA_BY_NAME, BEN)))
    details = structs.replace(message.details, precision="minute" if minutes else "second")
    at = message.sent_at // (60 * SECOND) * 60 * SECOND if minutes else message.sent_at
    return MessageSeen(structs.replace(message, key=key, sent_at=at, details=details))


def annotation_events(where: Where) -> st.SearchStrategy[Observed]:
    target = st.builds(Target, where.phones, where.chats, where.ids, st.none() | PERSONS)
    by = st.none() | PERSONS
    edits = st.sampled_from([None, "E1", "E2"])
    emoji = st.sampled_from(["👍", "", "❤️"])
    acks = st.sampled_from([-1, 2, 3, 4, 5])
    options = st.sampled_from([(), ("a",), ("a", "b")])
    return told_by_any(
        st.one_of(
            st.builds(MessageEdited, target=target, text=TEXTS, at=TIMES, id=edits, by=by),
            st.builds(MessageRevoked, target=target, at=MAYBE_TIMES, by=by, by_admin=st.booleans()),
            st.builds(ReactionSet, target=target, by=PERSONS, emoji=emoji, at=MAYBE_TIMES),
            st.builds(ReceiptSet, target=target, ack=acks, participant=by, at=MAYBE_TIMES),
            st.builds(PollVoted, target=target, by=PERSONS, options=options, at=TIMES),
            st.builds(MessagePinned, target=target, pinned=st.booleans(), at=TIMES, by=by, until=MAYBE_TIMES),
            st.builds(MediaHeld, target=target, media=MEDIA),
        )
    )


def facts(where: Where) -> st.SearchStrategy[Observed]:
    chat_seen = st.builds(
        ChatSeen,
        phone=where.phones,
        chat=where.chats,
        at=MAYBE_TIMES,
        name=st.sampled_from([None, "Club", "Family"]),
        unread=st.sampled_from([None, 0, 3]),
        archived=MAYBE,
        members=st.sampled_from([None, (Member(jid=ANNA_LID), Member(jid=BEN, is_admin=True))]),
        labels=st.sampled_from([None, (), ("vip",)]),
    )
    contact_seen = st.builds(
        ContactSeen,
        jid=PERSONS,
        phone=st.sampled_from([None, ONE, ONE, TWO]),
        at=MAYBE_TIMES,
        name=st.sampled_from([None, "Anna", "A."]),
        push_name=st.sampled_from([None, "anna"]),
        extras=st.sampled_from([None, {"a": 1}, {"b": [2, None]}]),
    )
    label_seen = st.builds(
        LabelSeen,
        phone=where.phones,
        id=LABELS,
        at=MAYBE_TIMES,
        name=st.sampled_from([None, "vip", "lead"]),
        color=st.sampled_from([None, 0, 7]),
        deleted=MAYBE,
    )
    labeled = st.builds(
        ChatLabeled, phone=where.phones, chat=where.chats, label=LABELS, labeled=st.booleans(), at=MAYBE_TIMES
    )
    mapped = st.sampled_from(NUMBERS).flatmap(
        lambda pair: st.builds(NumberMapped, lid=spellings(pair[0]), jid=spellings(pair[1]))
    )
    return told_by_any(st.one_of(chat_seen, contact_seen, label_seen, labeled, mapped, mapped))


def told_by_any(events: st.SearchStrategy[Event]) -> st.SearchStrategy[Observed]:
    return st.tuples(st.sampled_from(SOURCES), events)


class _Shelf(Shelf):
    def archive(self, history: Batches) -> dict[str, Any]:
        """What an archive holds after these batches."""
        org = self.new((ONE, TWO))
        for source, events in history:
            self.store.apply(org, Batch(source=source, events=events))
        assert self.store._engine.read(lambda tx: findings_of_org(tx, org), org) == []
        return canonical(self.store, self.sql, org)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[_Shelf]:
    made = _Shelf(tmp_path_factory.mktemp("shelf"), own_database())
    yield made
    made.close()


def shuffled(history: list[Observed], chance: random.Random) -> Batches:
    """The same events in another order, some of them again, in batches of any size."""
    again = [observed for observed in history if chance.random() < 0.3]
    order = history + again
    chance.shuffle(order)
    batches: Batches = []
    for source, event in order:
        if batches and batches[-1][0] == source and chance.random() < 0.6:
            batches[-1][1].append(event)
        else:
            batches.append((source, [event]))
    return batches


def in_group(id: str, sender: str | None, source: Source, chat: str = GROUP) -> Observed:
    """The same text from ``sender`` in the group; in an export its time is only to the minute."""
    key = MessageKey(ONE, chat, id, sender)
    details = Details(precision="minute") if source == "export" else Details()
    return source, MessageSeen(
        Message(key=key, sent_at=NINE, from_me=False, kind="text", text="hello", details=details)
    )


@pytest.mark.parametrize("meant", [None, ANNA, ANNA_LID, BEN])
@pytest.mark.parametrize("author", [ANNA, ANNA_BY_NAME])
def test_what_is_told_of_a_line_means_whom_it_meant_when_the_line_leaves_its_message(
    shelf: _Shelf, meant: str | None, author: str
) -> None:
    target = Target(ONE, GROUP, "exp_1", meant)
    line, message, other = (
        in_group("exp_1", author, "export"),
        in_group("3EB01", ANNA, "linked"),
        in_group("3EB01", BEN, "linked"),
    )
    told: list[Observed] = [
        ("linked", MediaHeld(target=target, media=Media(file="aa", omitted=False))),
        ("linked", MessageRevoked(target=target, at=NINE)),
        ("linked", NumberMapped(lid=ANNA_LID, jid=ANNA)),
    ]
    # A line is not matched to a message whose id two senders use.
    apart = shelf.archive([(source, [event]) for source, event in [line, *told, message, other]])
    assert shelf.archive([(source, [event]) for source, event in [line, message, *told, other]]) == apart
    assert shelf.archive([(source, [event]) for source, event in [other, message, line, *told]]) == apart


@pytest.mark.parametrize("meant", [None, ANNA, ANNA_BY_NAME, BEN])
def test_a_file_of_a_line_shows_at_its_message_when_it_is_meant_for_the_lines_author(
    shelf: _Shelf, meant: str | None
) -> None:
    line, message = in_group("exp_1", ANNA_BY_NAME, "export"), in_group("3EB01", ANNA, "linked")
    held: Observed = ("linked", MediaHeld(target=Target(ONE, GROUP, "exp_1", meant), media=Media(file="aa")))
    both = shelf.archive([(source, [event]) for source, event in [line, message, held]])
    assert shelf.archive([(source, [event]) for source, event in [held, line, message]]) == both
    (shown,) = both["rows"]["messages"]
    assert (shown["id"], '"file":"aa"' in (shown["details"] or "")) == ("3EB01", meant in (None, ANNA_BY_NAME))


def test_a_file_of_a_line_goes_with_it_when_its_chat_turns_out_to_be_another(shelf: _Shelf) -> None:
    """Exports of both chats had the line, each with its own JID for the author's name."""
    again = "anna.9876543210@export"
    told: list[Observed] = [
        *(("export", ContactSeen(jid=jid, phone=ONE, name="Anna")) for jid in (ANNA_BY_NAME, again)),
        in_group("exp_1", ANNA_BY_NAME, "export"),
        in_group("exp_2", again, "export", GROUP_BY_NAME),
        ("export", MediaHeld(target=Target(ONE, GROUP_BY_NAME, "exp_2", again), media=Media(file="aa"))),
        ("export", NumberMapped(lid=GROUP_BY_NAME, jid=GROUP)),
    ]
    (shown,) = shelf.archive([(source, [event]) for source, event in told])["rows"]["messages"]
    assert (shown["id"], '"file":"aa"' in (shown["details"] or "")) == ("exp_1", True)


EXAMPLES = {"sqlite": 20, "postgres": 6}
"""Examples for each engine: fewer where transactions take longer; the full suite tries more on both."""


def try_histories(shelf: _Shelf, examples: int) -> None:
    @trying(examples)
    @given(history=histories(), chance=st.randoms(use_true_random=False))
    def each(history: list[Observed], chance: random.Random) -> None:
        plain = shelf.archive([(source, [event]) for source, event in history])
        assert shelf.archive(shuffled(history, chance)) == plain

    each()


def test_any_order_repetition_or_splitting_gives_the_same_archive(shelf: _Shelf) -> None:
    try_histories(shelf, EXAMPLES[shelf.store._engine.name])


@pytest.mark.full
def test_any_order_of_many_histories_gives_the_same_archive(shelf: _Shelf) -> None:
    try_histories(shelf, 500)
