"""How the store treats single events: early ones wait, hostile ones are refused or made harmless."""

from __future__ import annotations

from typing import Any

import pytest

from backscroll.core.errors import BadField, Error, NotFound
from backscroll.core.events import (
    Batch,
    ChatSeen,
    ContactSeen,
    Event,
    MediaHeld,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
)
from backscroll.core.model import ArchivedMessage, Details, Media, Member, Message, MessageKey, Org, Phone
from backscroll.core.query import ChatQuery, MessageQuery, ReactionQuery
from backscroll.storage.store import Store
from conftest import CHAT, MORNING, MakeMessage, MakeTarget, Tell

GROUP = "120363041234567890@g.us"
LID = "22222222222@lid"
BEN = "4915112345678@s.whatsapp.net"
SECOND = 1_000_000


def listed(store: Store, org: Org, chat: str | None = None, **filters: Any) -> list[ArchivedMessage]:
    phones = tuple(p.no for p in store.list_phones(org.no))
    return store.list_messages(MessageQuery(org=org.no, phones=phones, chat=chat, **filters)).messages


def the_one(store: Store, org: Org, phone: Phone, id: str = "M1") -> ArchivedMessage:
    found = store.find_message(org.no, (phone.no,), id)
    assert found is not None
    return found


# ---------------------------------------------------------------------- late and early


def test_an_edit_that_arrives_first_waits_for_its_message(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(MessageEdited(target=target(), text="second", at=MORNING + 1))
    assert listed(store, org) == []
    tell(make_message(text="first"))
    shown = the_one(store, org, phone)
    assert (shown.message.text, shown.original_text, shown.prev_text) == ("second", "first", "first")


@pytest.mark.parametrize("first", [True, False])
def test_what_is_added_to_a_message_shows_whichever_came_first(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget, first: bool
) -> None:
    added: list[Event] = [
        MessageRevoked(target=target(), at=MORNING + 9),
        ReactionSet(target=target(), by=phone.jid, emoji="👍", at=MORNING + 1),
        ReceiptSet(target=target(), ack=4, participant=CHAT, at=MORNING + 2),
        PollVoted(target=target(), by=CHAT, options=("a",), at=MORNING + 3),
        MediaHeld(target=target(), media=Media(file="ab" * 32)),
    ]
    observed: list[Event] = [make_message(from_me=True, kind="image", ack=2, media=Media(mimetype="image/png"))]
    for event in added + observed if first else observed + added:
        tell(event)
    shown = the_one(store, org, phone)
    assert (shown.deleted, shown.deleted_at, shown.message.text) == (True, MORNING + 9, "hello")
    assert [(r.emoji, r.from_me) for r in shown.reactions] == [("👍", True)]
    assert shown.ack == 4
    assert [v.options for v in shown.votes] == [("a",)]
    assert shown.message.details.media == Media(mimetype="image/png", file="ab" * 32)


def test_a_deletion_keeps_the_words_and_marks_them(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(make_message(), MessageRevoked(target=target(), at=MORNING + 9))
    shown = the_one(store, org, phone)
    assert (shown.deleted, shown.deleted_at, shown.message.text) == (True, MORNING + 9, "hello")


def test_applying_a_batch_twice_changes_nothing(
    store: Store, org: Org, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    events = [
        make_message(),
        make_message("M2", sender=None, chat=GROUP, mentions=(LID,), media=Media(url="x")),
        MessageEdited(target=target(), text="second", at=MORNING + 1),
        ReactionSet(target=target("M2", GROUP), by=LID, emoji="👍"),
        NumberMapped(lid=LID, jid=BEN),
        ChatSeen(phone=make_message().message.key.phone, chat=GROUP, name="Club", members=(Member(jid=LID),)),
        ContactSeen(jid=LID, name="Ben", extras={"b": 1, "a": [2]}),
    ]
    tell(*events)
    seq = store.version(org.no)
    assert tell(*events).changed == 0
    for event in reversed(events):
        assert tell(event).changed == 0
    assert store.version(org.no) == seq


def test_a_message_told_to_two_own_phones_is_kept_for_each(
    store: Store, org: Org, phone: Phone, other_phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message(chat=GROUP, sender=BEN), make_message(chat=GROUP, sender=BEN, phone=other_phone.jid))
    assert [m.phone.no for m in listed(store, org)] == [other_phone.no, phone.no]


def test_a_lid_and_a_number_are_one_chat_by_either_id(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message("M1", chat=LID), make_message("M2", MORNING + 1, chat=BEN))
    tell(NumberMapped(lid=LID, jid=BEN))
    for spelling in (LID, BEN, "4915112345678@c.us", "+49 151 12345678", "4915112345678:7@s.whatsapp.net"):
        assert [m.message.key.id for m in listed(store, org, spelling)] == ["M2", "M1"]
        found = store.find_chat(org.no, (phone.no,), spelling)
        assert found is not None
        assert (found.jid, found.lid, found.messages) == (BEN, LID, 2)


def test_two_numbers_never_become_one_by_a_lid(store: Store, org: Org, tell: Tell, make_message: MakeMessage) -> None:
    tell(make_message("M1", chat=BEN), make_message("M2", chat=CHAT))
    tell(NumberMapped(lid=LID, jid=BEN), NumberMapped(lid=LID, jid=CHAT), NumberMapped(lid=BEN, jid=CHAT))
    assert [m.message.key.id for m in listed(store, org, BEN)] == ["M1"]
    assert [m.message.key.id for m in listed(store, org, CHAT)] == ["M2"]


def test_a_person_and_a_group_never_become_one(store: Store, org: Org, tell: Tell, make_message: MakeMessage) -> None:
    tell(make_message("M1", chat=GROUP, sender=BEN), make_message("M2", chat=LID))
    tell(NumberMapped(lid=LID, jid=GROUP), NumberMapped(lid=GROUP, jid=BEN))
    assert [m.message.key.id for m in listed(store, org, GROUP)] == ["M1"]
    assert [m.message.key.id for m in listed(store, org, LID)] == ["M2"]


def test_a_reaction_told_by_lid_shows_on_a_message_told_by_number(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(make_message(chat=GROUP, sender=BEN))
    tell(ReactionSet(target=target("M1", GROUP, LID), by=CHAT, emoji="👍"))
    assert the_one(store, org, phone).reactions == ()
    tell(NumberMapped(lid=LID, jid=BEN))
    assert [r.emoji for r in the_one(store, org, phone).reactions] == ["👍"]
    reactions = store.list_reactions(ReactionQuery(org=org.no, phones=(phone.no,))).reactions
    assert [(r.reaction.emoji, r.message.message.key.id) for r in reactions] == [("👍", "M1")]


def test_reactions_are_counted_and_paged_without_those_whose_message_is_not_here(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    def pages(limit: int) -> list[tuple[int, list[str]]]:
        asked = [ReactionQuery(org=org.no, phones=(phone.no,), limit=limit, offset=at) for at in range(0, 4, limit)]
        found = [store.list_reactions(query) for query in asked]
        return [(page.total, [row.message.message.key.id for row in page.reactions]) for page in found]

    tell(make_message("M1"), make_message("M2"), make_message("M3", chat=GROUP, sender=BEN))
    for number, id in enumerate(("M1", "gone", "M2")):
        tell(ReactionSet(target=target(id), by=CHAT, emoji="👍", at=MORNING + number * SECOND))
    # Another's message with the same id is not the one that was meant.
    tell(ReactionSet(target=target("M3", GROUP, CHAT), by=BEN, emoji="👍", at=MORNING))
    assert pages(1) == [(2, ["M2"]), (2, ["M1"]), (2, []), (2, [])]
    tell(make_message("gone"), make_message("M3", chat=GROUP, sender=CHAT))
    assert pages(2) == [(4, ["M2", "gone"]), (4, ["M3", "M1"])]


@pytest.mark.parametrize("first", [LID, BEN])
def test_a_reaction_that_may_mean_two_messages_is_listed_with_the_older_whichever_came_in_first(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget, first: str
) -> None:
    observed = {
        LID: make_message(chat=GROUP, sender=LID, text="older"),
        BEN: make_message(chat=GROUP, sender=BEN, text="newer", at=MORNING + SECOND),
    }
    tell(observed.pop(first))
    tell(*observed.values())
    tell(ReactionSet(target=target("M1", GROUP), by=CHAT, emoji="👍"))
    reactions = store.list_reactions(ReactionQuery(org=org.no, phones=(phone.no,))).reactions
    assert [r.message.message.text for r in reactions] == ["older"]


def test_a_receipt_for_a_lid_chat_that_waits_finds_the_message_under_the_number(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(ReactionSet(target=target("M1", LID), by=phone.jid, emoji="👍"))
    tell(NumberMapped(lid=LID, jid=BEN))
    tell(make_message(chat=BEN))
    assert [r.emoji for r in the_one(store, org, phone).reactions] == ["👍"]


def test_a_chat_loses_its_media_mark_with_its_last_file(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message(kind="image"), source="gowa")
    assert store.list_chats(ChatQuery(org=org.no, phones=(phone.no,), has_media=True)).total == 1
    tell(make_message(kind="text"), source="linked")
    assert store.list_chats(ChatQuery(org=org.no, phones=(phone.no,), has_media=True)).total == 0
    assert list(store.check()) == []


def test_a_payload_is_kept_as_it_was_and_once(store: Store, org: Org, make_message: MakeMessage) -> None:
    raw = b'{"a": 1, "a": 2}\xff'
    for _ in range(2):
        store.apply(org.no, Batch(source="webhook", events=[make_message()], raw=raw))
    rows = store._engine.read(lambda tx: tx.all("dump_raws", {"org": org.no, "after": "", "limit": 10}), org.no)
    assert len(rows) == 1


def test_a_position_is_saved_with_its_batch(store: Store, org: Org, make_message: MakeMessage) -> None:
    store.apply(org.no, Batch(source="gowa", events=[make_message()], position=("gowa", "17")))
    assert store.position(org.no, "gowa") == "17"
    assert store.position(org.no, "other") is None


# ---------------------------------------------------------------------- lines of exported chats


def line(phone: Phone, id: str, text: str, at: int = MORNING, chat: str = CHAT, **details: Any) -> MessageSeen:
    key = MessageKey(phone.jid, chat, id, chat)
    details.setdefault("precision", "minute")
    return MessageSeen(Message(key=key, sent_at=at, from_me=False, text=text, details=Details(**details)))


@pytest.mark.parametrize("first", [True, False])
def test_a_line_of_an_export_and_its_message_are_one_whichever_came_first(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, first: bool
) -> None:
    exported = line(phone, "exp_1", "hello", media=Media(file="cd" * 32))
    real = make_message("3EB0", MORNING + 17 * SECOND)
    for event, source in (
        ((exported, "export"), (real, "webhook")) if first else ((real, "webhook"), (exported, "export"))
    ):
        tell(event, source=source)
    (shown,) = listed(store, org)
    assert (shown.message.key.id, shown.message.sent_at) == ("3EB0", MORNING + 17 * SECOND)
    assert shown.message.details.media == Media(file="cd" * 32)
    assert tell(exported, source="export").changed == 0
    assert list(store.check()) == []


def test_of_like_lines_each_finds_its_own_message(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message("3EB2", MORNING + 20 * SECOND, "ok"))
    tell(line(phone, "exp_1", "ok"), line(phone, "exp_2", "ok"), source="export")
    assert sorted(m.message.key.id for m in listed(store, org)) == ["3EB2", "exp_2"]
    tell(make_message("3EB1", MORNING + 10 * SECOND, "ok"))
    assert sorted(m.message.key.id for m in listed(store, org)) == ["3EB1", "3EB2"]


def test_an_edit_that_comes_later_brings_a_line_and_its_message_together(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget
) -> None:
    tell(make_message("3EB1", text="a wholly other thought"))
    tell(line(phone, "exp_1", "corrected"), source="export")
    assert len(listed(store, org)) == 2
    tell(MessageEdited(target=target("3EB1"), text="corrected", at=MORNING + 99 * SECOND))
    assert [m.message.key.id for m in listed(store, org)] == ["3EB1"]


def test_an_author_known_by_name_becomes_the_one_who_is_known(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    by_name = "ben.0123456789@export"
    key = MessageKey(phone.jid, GROUP, "exp_1", by_name)
    tell(MessageSeen(Message(key=key, sent_at=MORNING, from_me=False, text="hello")), source="export")
    tell(NumberMapped(lid=by_name, jid=BEN), source="export")
    assert [m.message.key.sender for m in listed(store, org)] == [BEN]
    tell(make_message("3EB0", chat=GROUP, sender=BEN))
    assert [m.message.key.id for m in listed(store, org)] == ["3EB0"]
    assert list(store.check()) == []


# ---------------------------------------------------------------------- hostile and odd input


def test_events_of_an_unknown_own_phone_are_refused_and_leave_nothing(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage
) -> None:
    seq = store.version(org.no)
    unknown = make_message(phone="15550000000@s.whatsapp.net")
    with pytest.raises(NotFound, match="phone add"):
        store.apply(org.no, Batch(source="webhook", events=[make_message(), unknown]))
    assert listed(store, org) == []
    assert store.version(org.no) == seq


def test_a_source_may_introduce_its_own_phone(store: Store, org: Org, tell: Tell, make_message: MakeMessage) -> None:
    jid = "15550000000@s.whatsapp.net"
    tell(PhoneSeen(jid="+1 555 000 0000", name="Desk"), make_message(phone=jid))
    assert [m.phone.name for m in listed(store, org)] == ["Desk"]


def test_an_unknown_organisation_is_refused(store: Store, phone: Phone, make_message: MakeMessage) -> None:
    with pytest.raises(NotFound):
        store.apply(99, Batch(source="webhook", events=[make_message()]))


HOSTILE_JIDS = [
    "",
    " ",
    "@",
    "x" * 10_000,
    "a\0b@s.whatsapp.net",
    "\ud800@lid",
    "💥@g.us",
    "%s@lid",
    "'; --",
    "1@c.us@x",
]


@pytest.mark.parametrize("jid", HOSTILE_JIDS, ids=range(len(HOSTILE_JIDS)))
def test_a_hostile_jid_is_refused_or_stored_and_found_again(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, target: MakeTarget, jid: str
) -> None:
    events: list[Event] = [
        make_message(chat=jid),
        make_message("M2", chat=GROUP, sender=jid),
        ReactionSet(target=target(chat=jid), by=jid, emoji="x"),
        ReceiptSet(target=target(sender=jid), ack=3, participant=jid),
        ChatSeen(phone=phone.jid, chat=jid, name="x"),
        ContactSeen(jid=jid, name="x"),
        NumberMapped(lid=jid, jid=BEN),
        NumberMapped(lid=LID, jid=jid),
        make_message("M3", phone=jid),
    ]
    for event in events:
        try:
            tell(event)
        except Error:
            continue
    store.find_chat(org.no, (phone.no,), jid)
    store.find_contact(org.no, (phone.no,), jid)
    store.find_message(org.no, (phone.no,), jid, chat=jid, sender=jid)
    store.find_by_client_ref(org.no, (phone.no,), jid)
    store.find_by_name(org.no, jid)
    listed(store, org, jid, search=jid)
    listed(store, org, CHAT, search=jid)
    assert list(store.check()) == []


@pytest.mark.parametrize("id", ["", "x" * 513])
def test_an_id_that_cannot_be_one_is_refused(
    tell: Tell, make_message: MakeMessage, target: MakeTarget, id: str
) -> None:
    for event in (make_message(id), ReactionSet(target=target(id), by=BEN, emoji="x")):
        with pytest.raises(BadField):
            tell(event)


def test_nul_and_lone_surrogates_are_replaced_and_the_message_says_so(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage
) -> None:
    tell(make_message("a\0\ud800", text="x\0y\udfffz", push_name="\0", raw_data={"\0": ["\ud800"]}))
    shown = the_one(store, org, phone, "a\ufffd\ufffd")
    assert shown.message.text == "x\ufffdy\ufffdz"
    assert shown.message.details.altered is True
    assert shown.message.details.raw_data == {"\ufffd": ["\ufffd"]}


@pytest.mark.parametrize("at", [-(2**70), -62_135_596_800_000_001, 253_402_300_800_000_000, 2**63, 2**70])
def test_a_time_outside_the_years_1_to_9999_is_refused(
    tell: Tell, make_message: MakeMessage, target: MakeTarget, phone: Phone, at: int
) -> None:
    for event in (
        make_message(at=at),
        MessageEdited(target=target(), text="x", at=at),
        ReactionSet(target=target(), by=BEN, emoji="x", at=at),
        ChatSeen(phone=phone.jid, chat=CHAT, at=at, name="x"),
        PhoneSeen(jid="15550000000", created_at=at),
    ):
        with pytest.raises(BadField):
            tell(event)


@pytest.mark.parametrize("at", [-62_135_596_800_000_000, 253_402_300_799_999_999, 0, -1])
def test_the_first_and_last_moments_are_kept_and_counted(
    store: Store, org: Org, tell: Tell, make_message: MakeMessage, at: int
) -> None:
    tell(make_message(at=at), make_message("M2"))
    phones = tuple(p.no for p in store.list_phones(org.no))
    page = store.list_messages(MessageQuery(org=org.no, phones=phones, chat=CHAT, since=at, until=at))
    assert ([m.message.sent_at for m in page.messages], page.total) == ([at], 1)
    assert list(store.check()) == []


@pytest.mark.parametrize("ack", [-2, 6, 2**70])
def test_an_ack_that_is_none_is_refused(tell: Tell, make_message: MakeMessage, target: MakeTarget, ack: int) -> None:
    for event in (make_message(ack=ack), ReceiptSet(target=target(), ack=ack)):
        with pytest.raises(BadField):
            tell(event)


@pytest.mark.parametrize("text", ["x" * 2**20, "ab c" * 2**18, "🙂" * 2**18, "e" + "\u0301" * 10_000])
def test_huge_texts_are_kept_whole_and_found(
    store: Store, org: Org, phone: Phone, tell: Tell, make_message: MakeMessage, text: str
) -> None:
    tell(make_message(text=text))
    assert the_one(store, org, phone).message.text == text
    assert [m.message.key.id for m in listed(store, org, CHAT, search=text[100:140])] == ["M1"]


def test_text_in_any_script_is_found_whatever_its_case_and_accents(
    store: Store, org: Org, tell: Tell, make_message: MakeMessage
) -> None:
    texts = ["Crème Brûlée", "ＦＵＬＬ width", "Straße", "ΣΊΣΥΦΟΣ", "İstanbul", "नमस्ते दुनिया", "😀👨‍👩‍👧", "ﬁne", "ｶﾞ"]
    tell(*(make_message(f"M{i}", MORNING + i, text) for i, text in enumerate(texts)))
    words = ["creme bru", "full w", "STRASSE", "σίσυφ", "istanb", "नमस्त", "👨‍👩‍👧", "FINE", "ガ"]
    for i, word in enumerate(words):
        assert [m.message.key.id for m in listed(store, org, CHAT, search=word)] == [f"M{i}"], word


@pytest.mark.parametrize("search", ['"', "'", "%", "_", "a*", 'x" OR "y', "NEAR(", "\\", "-", "AND", "\U000f0000"])
def test_signs_of_search_languages_are_plain_signs(
    store: Store, org: Org, tell: Tell, make_message: MakeMessage, search: str
) -> None:
    tell(make_message("M1", text=f"before {search * 3} after"), make_message("M2", MORNING + 1, text="zzz"))
    assert [m.message.key.id for m in listed(store, org, CHAT, search=search * 3)] == ["M1"]
    assert [m.message.key.id for m in listed(store, org, CHAT, search=search[:1])] == ["M1"]


def test_a_batch_of_ten_thousand_events_is_one_transaction(
    store: Store, org: Org, phone: Phone, make_message: MakeMessage
) -> None:
    events: list[Event] = [
        make_message(f"M{i}", MORNING + i, chat=CHAT if i % 2 else GROUP, sender=BEN) for i in range(10_000)
    ]
    applied = store.apply(org.no, Batch(source="backup", events=events))
    assert applied.changed == 10_000 + 3 + 2  # the additional ones are three contacts and two chats
    query = MessageQuery(org=org.no, phones=(phone.no,), limit=1)
    assert store.list_messages(query).total == 10_000
