"""ChatStorage.sqlite of WhatsApp on iPhones: every kind of row, and the files beside it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from iphone_files import APPLE, ChatStorage, blob, calls, contacts, numbers
from told_pieces import Told, events_of, of, told_by

from backscroll.core.errors import BadField, Question, Unreadable
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    ReactionSet,
    Target,
)
from backscroll.core.model import Call, Location, Member, Message, MessageKey, Notice, Poll, Quote
from backscroll.ingest.connectors.foreign.pieces import Found
from backscroll.ingest.connectors.ios import blobs
from backscroll.ingest.connectors.ios.database import Files, look, looks_like, read

ME, BOB, CY = (f"{number}@s.whatsapp.net" for number in ("4915550001001", "4915550001002", "4915550001003"))
GROUP, LID = "120363001@g.us", "77001122@lid"
AT = 1_760_000_000
US = 1_000_000
POLL = bytes.fromhex(
    "12160a088c487614851318444a04080010014a040801100212110a098c154881402888340f4a040800100120"
    "0242ad01122164622070726f6265206d756c7469206164642032303236303531393033313734391a180a166d"
    "756c746920412032303236303531393033313734391a180a166d756c74692042203230323630353139303331"
    "3734391a180a166d756c74692043203230323630353139303331373439200032230800080210eed1f5f1e333"
    "1a14334237323145423434303645454434354236313828013800420a08e0f78bd3e49a8cae5d58006801800101"
)
"""The data that the app itself wrote for a poll with two chosen options."""


def pieces(files: Files, **options: Any) -> Told:
    return told_by(read, files, phone=ME, **options)


def told(file: ChatStorage, **beside: Path) -> list[Event]:
    """All events of the files, which must all be readable."""
    return events_of(pieces(Files(file.done(), **beside)))


def one_message(file: ChatStorage) -> Message:
    (seen,) = of(MessageSeen, told(file))
    return seen.message


@pytest.fixture
def file(tmp_path: Path) -> ChatStorage:
    return ChatStorage(tmp_path / "ChatStorage.sqlite")


def test_messages_of_a_chat_of_two(file: ChatStorage) -> None:
    file.message(BOB, "A1", AT + 0.25, "Hello Mara", ZTOJID=ME)
    file.message(BOB, "A2", AT + 60, "Hello Bob", ZISFROMME=1, ZSTARRED=1)
    first, second = (seen.message for seen in of(MessageSeen, told(file)))
    assert first.key == MessageKey(ME, BOB, "A1", BOB)
    assert (first.sent_at, first.from_me, first.text, first.kind) == (AT * US + 250_000, False, "Hello Mara", "text")
    assert second.key == MessageKey(ME, BOB, "A2", ME)
    assert (second.from_me, second.details.is_starred) == (True, True)


def test_who_wrote_in_a_group_is_its_member(file: ChatStorage) -> None:
    file.message(GROUP, "G1", AT, "Hello all", sender=CY)
    file.message(GROUP, "G2", AT, "Me too", ZISFROMME=1)
    file.message(GROUP, "G3", AT, "And I", ZFROMJID=BOB)
    file.message(GROUP, "G4", AT, "Who?")
    assert [seen.message.key.sender for seen in of(MessageSeen, told(file))] == [CY, ME, BOB, None]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(1, "image"), (2, "video"), (3, "audio"), (8, "document"), (11, "video"), (15, "sticker"), (54, "video_note")],
)
def test_files(file: ChatStorage, number: int, kind: str) -> None:
    message = file.message(BOB, "M1", AT, ZMESSAGETYPE=number)
    path = "Media/4915550001002@s.whatsapp.net/a/b/one.bin"
    told_of = {"ZMEDIALOCALPATH": path, "ZVCARDSTRING": "image/jpeg", "ZFILESIZE": 123, "ZMOVIEDURATION": 4}
    file.media(message, ZTITLE="Look", **told_of)
    (found,), _ = pieces(Files(file.done()), after="ZWAMESSAGE:0")
    (seen,) = of(MessageSeen, list(found.batch.events))
    details = seen.message.details
    assert (seen.message.kind, details.has_media, details.is_gif) == (kind, True, True if number == 11 else None)
    assert details.media is not None
    assert (details.media.mimetype, details.media.size, details.media.duration) == ("image/jpeg", 123, 4.0)
    assert (seen.message.text, details.media.filename) == ((None, "Look") if kind == "document" else ("Look", None))
    (local,) = found.files
    assert (local.path, local.target) == (path, Target(ME, BOB, "M1", BOB))


def test_opus_is_a_voice_message(file: ChatStorage) -> None:
    file.media(file.message(BOB, "V1", AT, ZMESSAGETYPE=3), ZVCARDSTRING="audio/ogg; codecs=opus", ZMOVIEDURATION=9)
    assert one_message(file).kind == "voice"


@pytest.mark.parametrize(("number", "kind"), [(38, "image"), (39, "video")])
def test_seen_once(file: ChatStorage, number: int, kind: str) -> None:
    file.message(BOB, "O1", AT, ZMESSAGETYPE=number)
    message = one_message(file)
    assert (message.kind, message.details.is_view_once) == (kind, True)


def test_an_unknown_number_is_kept(file: ChatStorage) -> None:
    file.message(BOB, "U1", AT, ZMESSAGETYPE=777)
    file.media(file.message(BOB, "U2", AT, ZMESSAGETYPE=778), ZMEDIALOCALPATH="Media/x/y.jpg", ZVCARDSTRING="image/png")
    first, second = (seen.message for seen in of(MessageSeen, told(file)))
    assert (first.kind, first.details.type_name) == ("unknown", "777")
    assert (second.kind, second.details.type_name) == ("image", None)


def test_places_and_cards(file: ChatStorage) -> None:
    file.media(file.message(BOB, "L1", AT, ZMESSAGETYPE=5), ZLATITUDE=51.5, ZLONGITUDE=7.25, ZTITLE="Town hall")
    file.media(file.message(BOB, "L2", AT, ZMESSAGETYPE=5), ZLATITUDE=0, ZLONGITUDE=0)
    card = "BEGIN:VCARD\nVERSION:3.0\nFN:Cy\nEND:VCARD"
    file.media(file.message(BOB, "C1", AT, "Cy", ZMESSAGETYPE=4), ZVCARDNAME="Cy", ZVCARDSTRING=card)
    file.media(file.message(BOB, "C2", AT, ZMESSAGETYPE=4), ZVCARDSTRING=f"{card}\n{card}")
    place, nowhere, one, two = (seen.message for seen in of(MessageSeen, told(file)))
    assert place.details.location == Location(latitude=51.5, longitude=7.25, name="Town hall")
    assert nowhere.details.location is None
    assert (one.kind, one.text, one.details.vcards) == ("contact", None, (card,))
    assert (two.kind, two.details.vcards) == ("contacts", (card, card))


def test_a_poll_as_the_app_wrote_it(file: ChatStorage) -> None:
    file.receipts(file.message(BOB, "P1", AT, ZMESSAGETYPE=46, ZISFROMME=1), POLL)
    options = tuple(f"multi {letter} 20260519031749" for letter in "ABC")
    counts = dict(zip(options, (1, 0, 1), strict=True))
    assert one_message(file).details.poll == Poll(
        name="db probe multi add 20260519031749", options=options, counts=counts
    )


def test_answers_by_row_and_by_blob(file: ChatStorage) -> None:
    first = file.message(GROUP, "Q1", AT, "Who comes?", sender=CY)
    file.message(GROUP, "Q2", AT + 1, "I do", sender=BOB, ZPARENTMESSAGE=first)
    answer = file.message(BOB, "Q3", AT + 2, "So do I")
    file.media(answer, ZMETADATA=blob((5, "ELSEWHERE"), (6, CY), (19, "From an old phone"), (46, 2)))
    _, second, third = (seen.message for seen in of(MessageSeen, told(file)))
    assert second.details.quoted == Quote(id="Q1", sender=CY, text="Who comes?", kind="text")
    assert third.details.quoted == Quote(id="ELSEWHERE", sender=CY, text="From an old phone")
    assert (third.details.is_forwarded, third.details.forwarding_score) == (True, 2)


def test_reactions_of_others_and_own(file: ChatStorage) -> None:
    theirs = blob((1, "R1"), (2, CY), (3, "👍"), (4, AT * 1000))
    own = blob((1, "R2"), (2, "🌧"), (3, (AT + 5) * 1000))
    file.receipts(
        file.message(GROUP, "S1", AT, "Rain", sender=BOB), blob((2, b"\x08\x01"), (7, blob((1, theirs), (2, own))))
    )
    target = Target(ME, GROUP, "S1", BOB)
    assert of(ReactionSet, told(file)) == [
        ReactionSet(target=target, by=CY, emoji="👍", at=AT * US, id="R1"),
        ReactionSet(target=target, by=ME, emoji="🌧", at=(AT + 5) * US, id="R2"),
    ]


def test_deleted_for_everyone(file: ChatStorage) -> None:
    file.message(BOB, "D1", AT, ZMESSAGETYPE=14)
    events = told(file)
    (seen,) = of(MessageSeen, events)
    assert (seen.message.text, seen.message.details.is_deleted) == (None, True)
    assert of(MessageRevoked, events) == [MessageRevoked(target=Target(ME, BOB, "D1", BOB), by=BOB)]


def test_notices(file: ChatStorage) -> None:
    file.message(GROUP, "N1", AT, "Allotments", sender=CY, ZMESSAGETYPE=6, ZGROUPEVENTTYPE=1)
    file.message(GROUP, "N2", AT, "12", ZMESSAGETYPE=6, ZGROUPEVENTTYPE=1)
    file.message(BOB, "N3", AT, ZMESSAGETYPE=10, ZGROUPEVENTTYPE=38)
    file.message(BOB, None, AT, ZMESSAGETYPE=10, ZGROUPEVENTTYPE=2)
    subject, number, other = (seen.message for seen in of(MessageSeen, told(file)))
    assert (subject.text, subject.details.notice) == (
        "Allotments",
        Notice(type="subject", metadata={"message_type": 6, "group_event_type": 1, "text": "Allotments"}),
    )
    assert (number.text, number.details.notice) == (
        None,
        Notice(metadata={"message_type": 6, "group_event_type": 1, "text": "12"}),
    )
    assert other.details.notice == Notice(metadata={"message_type": 10, "group_event_type": 38})


def test_a_status_is_in_the_chat_of_statuses(file: ChatStorage) -> None:
    file.message("4915550001002@status", "T1", AT, "Sunny", ZFROMJID=None)
    file.message("77001122@lid.status", "T2", AT, "Rainy", ZFROMJID=None)
    events = told(file)
    assert of(ChatSeen, events) == []
    first, second = (seen.message for seen in of(MessageSeen, events))
    assert (first.key, first.details.is_status) == (MessageKey(ME, "status@broadcast", "T1", BOB), True)
    assert second.key.sender == LID


def test_calls_come_from_the_log(file: ChatStorage, tmp_path: Path) -> None:
    file.message(BOB, "X1", AT, ZMESSAGETYPE=59)
    log = calls(tmp_path / "CallHistory.sqlite")
    told_of: tuple[tuple[dict[str, Any], dict[str, Any], list[str]], ...] = (
        ({"ZOUTCOME": 0, "ZDURATION": 61.5}, {"ZINCOMING": 1, "ZMISSED": 0, "ZVIDEO": 1}, [BOB]),
        ({"ZOUTCOME": 1, "ZDURATION": 0}, {"ZINCOMING": 1, "ZMISSED": 1, "ZVIDEO": 0}, [BOB]),
        ({"ZOUTCOME": 4, "ZDURATION": 0}, {"ZINCOMING": 0, "ZMISSED": 0, "ZVIDEO": 0}, [BOB]),
        (
            {"ZOUTCOME": 0, "ZDURATION": 9, "ZGROUPJIDSTRING": GROUP, "ZGROUPCALLCREATORUSERJIDSTRING": CY},
            {"ZINCOMING": 1, "ZMISSED": 0, "ZVIDEO": 0},
            [BOB, CY],
        ),
    )
    for minute, (values, shown, people) in enumerate(told_of):
        line = log.row("ZWAAGGREGATECALLEVENT", **shown)
        for person in people:
            log.row("ZWACDCALLEVENTPARTICIPANT", Z1PARTICIPANTS=line, ZJIDSTRING=person)
        at = AT + minute * 60 - APPLE
        log.row("ZWACDCALLEVENT", Z1CALLEVENTS=line, ZDATE=at, ZCALLIDSTRING=f"K{minute}", **values)
    found = [seen.message for seen in of(MessageSeen, told(file, calls=log.done()))]
    assert [message.key for message in found] == [
        MessageKey(ME, BOB, "call:K0", BOB),
        MessageKey(ME, BOB, "call:K1", BOB),
        MessageKey(ME, BOB, "call:K2", ME),
        MessageKey(ME, GROUP, "call:K3", CY),
    ]
    assert [message.details.call for message in found] == [
        Call(video=True, outgoing=False, result="connected", duration=61.5, metadata={"outcome": 0}),
        Call(video=False, outgoing=False, result="missed", metadata={"outcome": 1}),
        Call(video=False, outgoing=True, result="unanswered", metadata={"outcome": 4}),
        Call(video=False, outgoing=False, result="connected", duration=9.0, metadata={"outcome": 0}),
    ]


def test_without_the_log_calls_come_from_the_chat(file: ChatStorage) -> None:
    call = file.message(BOB, "X1", AT, ZMESSAGETYPE=59)
    file.media(call, ZMETADATA=blob((87, blob((1, blob((1, 1), (2, 0), (3, 60)))))))
    file.message(BOB, "X2", AT + 1, ZMESSAGETYPE=59)
    first, second = (seen.message for seen in of(MessageSeen, told(file)))
    assert (first.key.id, first.kind) == ("call:X1", "call")
    expected = Call(video=True, outgoing=False, result="connected", duration=60.0, metadata={"outcome": 0})
    assert first.details.call == expected
    assert second.details.call == Call(outgoing=False)


def test_chats_names_and_hidden_ids(file: ChatStorage, tmp_path: Path) -> None:
    info = file.row("ZWAGROUPINFO", ZCREATIONDATE=AT - APPLE)
    file.chat(GROUP, "2026", ZGROUPINFO=info, ZUNREADCOUNT=3, ZARCHIVED=1)
    file.member(GROUP, BOB, ZISADMIN=1)
    file.member(GROUP, CY, ZISACTIVE=0)
    file.chat(LID, "\u200eCy", ZCONTACTIDENTIFIER=CY)
    file.chat(BOB, "+49 1555 0001002", ZUNREADCOUNT=-1)
    file.row("ZWAPROFILEPUSHNAME", ZJID=BOB, ZPUSHNAME="bobby")
    book, hidden = contacts(tmp_path / "ContactsV2.sqlite"), numbers(tmp_path / "LID.sqlite")
    book.row("ZWAADDRESSBOOKCONTACT", ZFULLNAME="Bob Bean", ZWHATSAPPID=BOB, ZLID="88@lid", ZABOUTTEXT="Busy")
    hidden.row("ZWAZACCOUNT", ZIDENTIFIER="99@lid", ZPHONENUMBER="4915550001009", ZDISPLAYNAME="Ira")
    hidden.row("ZWAPHONENUMBERLIDPAIR", ZLID="98@lid", ZPHONENUMBER="4915550001008@s.whatsapp.net")
    events = told(file, contacts=book.done(), numbers=hidden.done())
    assert [(mapped.lid, mapped.jid) for mapped in of(NumberMapped, events)] == [
        ("99@lid", "4915550001009@s.whatsapp.net"),
        ("98@lid", "4915550001008@s.whatsapp.net"),
        ("88@lid", BOB),
        (LID, CY),
    ]
    assert of(ContactSeen, events) == [
        ContactSeen(jid="99@lid", phone=ME, push_name="Ira"),
        ContactSeen(jid=BOB, phone=ME, name="Bob Bean", is_saved=True, extras={"about": "Busy"}),
        ContactSeen(jid=BOB, phone=ME, push_name="bobby"),
    ]
    group, cy, bob = of(ChatSeen, events)
    assert group == ChatSeen(
        phone=ME,
        chat=GROUP,
        name="2026",
        unread=3,
        archived=True,
        members=(Member(jid=BOB, is_admin=True),),
        created_at=AT * US,
    )
    assert (cy.chat, cy.name) == (LID, "Cy")
    assert (bob.name, bob.unread) == (None, None)
    assert of(PhoneSeen, events) == [PhoneSeen(jid=ME)]


def test_the_own_number_stands_in_messages_that_came_in(file: ChatStorage) -> None:
    file.message(BOB, "A1", AT, "To an old number", ZTOJID="4915550009999@s.whatsapp.net")
    file.message(BOB, "A2", AT, "To me", ZTOJID=ME)
    path = file.done()
    assert look(Files(path)) == Found(ME, 2)
    assert look(Files(path), "4915550001007").phone == "4915550001007@s.whatsapp.net"
    with pytest.raises(BadField, match="phone"):
        look(Files(path), "nobody")


def test_an_own_number_that_nothing_tells_is_asked_for(file: ChatStorage) -> None:
    file.message(GROUP, "A1", AT, "Hello", sender=BOB)
    with pytest.raises(Question, match="Whose messages are in this backup") as asked:
        look(Files(file.done()))
    assert asked.value.name == "phone"


def test_rows_that_make_no_sense_cost_no_other(file: ChatStorage) -> None:
    file.message(BOB, None, AT, "No id")
    file.row("ZWAMESSAGE", ZSTANZAID="B2", ZMESSAGEDATE=1.0, ZCHATSESSION=99, ZISFROMME=0, ZMESSAGETYPE=0)
    for number, at in enumerate((float("inf"), "soon", 1e300, -5, None)):
        file.row("ZWAMESSAGE", ZSTANZAID=f"T{number}", ZMESSAGEDATE=at, ZCHATSESSION=file.chat(BOB), ZMESSAGETYPE=0)
    file.message(BOB, "OK", AT, "Still here", ZMESSAGETYPE="much")
    found, skipped = pieces(Files(file.done()))
    seen = of(MessageSeen, [event for piece in found for event in piece.batch.events])
    assert [message.message.key.id for message in seen] == ["OK"]
    assert [str(row).partition(": ")[2] for row in skipped] == [
        "ZSTANZAID is missing",
        "ZCHATSESSION refers to no chat",
        *["ZMESSAGEDATE is unknown"] * 5,
    ]


@pytest.mark.parametrize(
    "hostile",
    [b"\xff" * 50, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x08", b"\x00\x00", b"\x0b" * 9, os.urandom(400)],
)
def test_blobs_that_are_no_messages_tell_nothing(file: ChatStorage, hostile: bytes) -> None:
    assert isinstance(blobs.fields(hostile), dict)
    message = file.message(BOB, "H1", AT, "Text", ZMESSAGETYPE=0)
    file.media(message, ZMETADATA=hostile)
    file.receipts(message, hostile)
    assert one_message(file).text == "Text"


def test_blobs_are_bounded() -> None:
    assert blobs.fields(blob(*[(1, 1)] * 30_000)) == {}
    assert blobs.fields(b"\x08\x01" * (1 << 20)) == {}
    assert blobs.fields("text") == {}


def test_reading_goes_on_from_a_place(file: ChatStorage) -> None:
    for number in range(7):
        file.message(BOB, f"A{number}", AT + number, "x")
    path = file.done()
    whole, _ = pieces(Files(path), batch_size=2)
    ids = [[seen.message.key.id for seen in of(MessageSeen, list(piece.batch.events))] for piece in whole]
    cut = next(at for at, told_ids in enumerate(ids) if told_ids == ["A2", "A3"])
    rest, _ = pieces(Files(path), batch_size=2, after=whole[cut].place)
    assert [piece.place for piece in rest] == [piece.place for piece in whole[cut + 1 :]]


def test_other_files_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE ZNOTES (Z_PK INTEGER PRIMARY KEY)")
    db.close()
    with pytest.raises(Unreadable, match=r"not a database of WhatsApp for iPhone; name the file ChatStorage\.sqlite"):
        look(Files(other), ME)
    other.write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(Unreadable, match="not an SQLite database"):
        look(Files(other), ME)
    assert looks_like({"ZWAMESSAGE", "ZWACHATSESSION", "ZWAMEDIAITEM"})
    assert not looks_like({"message", "chat"})


def test_a_view_that_pretends_to_be_the_messages_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "ChatStorage.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE ZWACHATSESSION (Z_PK INTEGER PRIMARY KEY, ZCONTACTJID TEXT)")
        db.execute(
            "CREATE VIEW ZWAMESSAGE AS SELECT 1 AS Z_PK, 1 AS ZCHATSESSION, 1 AS ZISFROMME, 1 AS ZMESSAGEDATE, "
            "0 AS ZMESSAGETYPE, 'x' AS ZSTANZAID"
        )
    db.close()
    with pytest.raises(Unreadable, match="not a database of WhatsApp"):
        look(Files(path), ME)
