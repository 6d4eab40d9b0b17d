"""WAHA's stores: the same conversation in NOWEB and in GOWS, and what only one of them stores."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from told_pieces import Told, events_of, of, told_by
from whatsmeow_files import GoFile

from backscroll.core.errors import Question, Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    ContactSeen,
    Event,
    LabelSeen,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PhoneSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Member, MessageKey
from backscroll.ingest.connectors.foreign.pieces import Found
from backscroll.ingest.connectors.waha_store.database import look, looks_like, read

ME, BOB, CY = (f"{number}@s.whatsapp.net" for number in ("4915550001001", "4915550001002", "4915550001003"))
BOB_LID, GROUP = "999222@lid", "120363001@g.us"
AT = 1_760_000_000
CLOCK = "2025-10-09T08:53:20Z"
US = 1_000_000


def pieces(path: Path, **options: Any) -> Told:
    return told_by(read, path, phone=ME, **options)


def told(file: GoFile) -> list[Event]:
    """All events of a file, which must all be readable."""
    return events_of(pieces(file.done()))


def buffer(raw: bytes) -> dict[str, str]:
    return {"type": "Buffer", "data": base64.b64encode(raw).decode()}


class Noweb(GoFile):
    """``store.sqlite3``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "noweb")

    def say(self, id: str, message: dict[str, Any], chat: str = BOB, from_me: bool = False, **more: Any) -> Noweb:
        key: dict[str, Any] = {"remoteJid": chat, "id": id, "fromMe": from_me} | more.pop("key", {})
        data = {"key": key, "message": message, "messageTimestamp": AT} | more
        self.row("messages", jid=chat, id=id, messageTimestamp=AT, data=json.dumps(data))
        return self


class Gows(GoFile):
    """``gows.db``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "gows")

    def say(self, id: str, message: dict[str, Any], chat: str = BOB, from_me: bool = False, **info: Any) -> Gows:
        told = {
            "Chat": chat,
            "Sender": ME if from_me else BOB,
            "IsFromMe": from_me,
            "ID": id,
            "Timestamp": CLOCK,
        } | info
        data = json.dumps({"Info": told, "Message": message, "IsReal": True})
        self.row("gows_messages", jid=chat, id=id, timestamp=CLOCK, from_me=from_me, data=data)
        return self


@pytest.fixture
def noweb(tmp_path: Path) -> Noweb:
    return Noweb(tmp_path / "store.sqlite3")


@pytest.fixture
def gows(tmp_path: Path) -> Gows:
    return Gows(tmp_path / "gows.db")


def test_texts_and_pictures_are_the_same_from_both_engines(noweb: Noweb, gows: Gows) -> None:
    hashed = hashlib.sha256(b"picture").digest()
    noweb.say("A1", {"conversation": "Hello"}, pushName="bobby")
    noweb.say("A2", {"imageMessage": {"caption": "Look", "mimetype": "image/jpeg", "fileSha256": buffer(hashed)}},
              GROUP, key={"participant": BOB})  # fmt: skip
    noweb.say("A3", {"extendedTextMessage": {"text": "Yes"}}, from_me=True, status=4)
    gows.say("A1", {"conversation": "Hello"}, PushName="bobby")
    encoded = base64.b64encode(hashed).decode()
    gows.say("A2", {"imageMessage": {"caption": "Look", "mimetype": "image/jpeg", "fileSHA256": encoded}}, GROUP)
    gows.say("A3", {"extendedTextMessage": {"text": "Yes"}}, from_me=True)
    first, second = ([seen.message for seen in of(MessageSeen, told(file))] for file in (noweb, gows))
    assert [(m.key, m.kind, m.text, m.sent_at, m.from_me) for m in first] == [
        (MessageKey(ME, BOB, "A1", BOB), "text", "Hello", AT * US, False),
        (MessageKey(ME, GROUP, "A2", BOB), "image", "Look", AT * US, False),
        (MessageKey(ME, BOB, "A3", ME), "text", "Yes", AT * US, True),
    ]
    assert [(m.key, m.kind, m.text, m.sent_at) for m in second] == [(m.key, m.kind, m.text, m.sent_at) for m in first]
    assert [m.details.push_name for m in (first[0], second[0])] == ["bobby", "bobby"]
    pictures = [m.details.media for m in (first[1], second[1])]
    assert [media.sha256 if media else None for media in pictures] == [hashed.hex()] * 2
    assert [m.ack for m in (first[2], second[2])] == [4, None]


def test_files_are_looked_for_under_wahas_names(noweb: Noweb) -> None:
    noweb.say("A1", {"imageMessage": {"mimetype": "image/jpeg"}}, GROUP, key={"participant": BOB})
    found, _ = pieces(noweb.done())
    (local,) = [file for piece in found for file in piece.files]
    names = (local.path, *local.also)
    assert local.path == f"false_{GROUP}_A1.jpeg"
    assert {f"false_{GROUP}_A1_4915550001002@c.us.jpeg", "A1.jpg"} <= set(names)


def test_what_noweb_notes_on_a_message(noweb: Noweb) -> None:
    reactions = [
        {
            "key": {"remoteJid": GROUP, "fromMe": False, "participant": BOB},
            "text": "👍",
            "senderTimestampMs": AT * 1000,
        },
        {"key": {"remoteJid": GROUP, "fromMe": True}, "text": "", "senderTimestampMs": str(AT * 1000)},
    ]
    receipts = [{"userJid": BOB, "receiptTimestamp": AT, "readTimestamp": AT + 5}]
    noweb.say("A1", {"conversation": "All"}, GROUP, True, reactions=reactions, userReceipt=receipts, starred=True)
    edited = {"editedMessage": {"message": {"conversation": "Three loaves"}}}
    noweb.say("A2", edited)
    events = told(noweb)
    first, second = (seen.message for seen in of(MessageSeen, events))
    target = Target(ME, GROUP, "A1", ME)
    assert [(r.target, r.by, r.emoji, r.at) for r in of(ReactionSet, events)] == [
        (target, BOB, "👍", AT * US),
        (target, ME, "", AT * US),
    ]
    assert of(ReceiptSet, events) == [
        ReceiptSet(target=target, ack=3, participant=BOB, at=AT * US),
        ReceiptSet(target=target, ack=4, participant=BOB, at=(AT + 5) * US),
    ]
    assert first.details.is_starred is True
    # Its time is that of the edit: Baileys replaces both.
    assert (second.text, second.details.is_edited, second.details.precision) == (None, True, "minute")
    assert [(e.target.id, e.text, e.at) for e in of(MessageEdited, events)] == [("A2", "Three loaves", AT * US)]


def test_pins_that_noweb_notes_on_a_message_or_keeps_as_messages(noweb: Noweb) -> None:
    key = {"remoteJid": GROUP, "fromMe": False, "participant": BOB, "id": "P1"}
    noted = {"type": 1, "key": key, "senderTimestampMs": AT * 1000 + 7, "serverTimestampMs": AT * 1000 + 900}
    noted["messageAddOnContextInfo"] = {"messageAddOnDurationInSecs": 86_400}
    noweb.say("A1", {"conversation": "All"}, GROUP, True, pinInChat=noted)
    unpin = {"type": 2, "senderTimestampMs": AT * 1000}
    newer = {"messageAddOnType": 4, "messageAddOn": {"pinInChatMessage": unpin}, "messageAddOnKey": {"fromMe": True}}
    other = {"messageAddOnType": 1, "messageAddOn": {"reactionMessage": {"text": "👍"}}}
    # Without a time it cannot be compared with others.
    noweb.say("A2", {"conversation": "All"}, GROUP, True, messageAddOns=[other, newer], pinInChat={"type": 1})
    pin = {"pinInChatMessage": {"key": {"id": "A2", "fromMe": True}, "type": 1}}
    noweb.say("P2", pin, GROUP, key={"participant": BOB})
    first, second = Target(ME, GROUP, "A1", ME), Target(ME, GROUP, "A2", ME)
    assert of(MessagePinned, told(noweb)) == [
        MessagePinned(target=first, pinned=True, at=AT * US + 7000, by=BOB, until=(AT + 86_400) * US),
        MessagePinned(target=second, pinned=False, at=AT * US, by=ME),
        MessagePinned(target=Target(ME, GROUP, "A2", BOB), pinned=True, at=AT * US, by=BOB),
    ]


def test_votes_that_noweb_decrypted(noweb: Noweb) -> None:
    poll = {"pollCreationMessageV3": {"name": "Day?", "options": [{"optionName": "Mon"}, {"optionName": "Tue"}]}}
    chosen = [buffer(hashlib.sha256(b"Tue").digest()), buffer(b"unknown")]
    key = {"remoteJid": GROUP, "participant": BOB, "fromMe": False}
    vote = {"pollUpdateMessageKey": key, "vote": {"selectedOptions": chosen}, "senderTimestampMs": AT * 1000}
    noweb.say("A1", poll, GROUP, True, pollUpdates=[vote])
    (voted,) = of(PollVoted, told(noweb))
    assert (voted.target.id, voted.by, voted.options, voted.at) == ("A1", BOB, ("Tue",), AT * US)


def test_changes_that_gows_keeps_as_messages(gows: Gows) -> None:
    key = {"remoteJID": BOB, "ID": "A1", "fromMe": False}
    gows.say("A1", {"conversation": "Two loaves"})
    gows.say("R1", {"reactionMessage": {"key": key, "text": "👍"}}, from_me=True)
    edit = {"type": 14, "key": key, "editedMessage": {"conversation": "Three loaves"}, "timestampMS": (AT + 5) * 1000}
    gows.say("E1", {"protocolMessage": edit})
    pin = {"key": key | {"fromMe": True}, "type": 1, "senderTimestampMS": (AT + 6) * 1000}
    gows.say("P1", {"pinInChatMessage": pin, "messageContextInfo": {"messageAddOnDurationInSecs": 60}})
    gows.say("D1", {"protocolMessage": {"type": 0, "key": key | {"ID": "A0"}}})
    events = told(gows)
    assert len(of(MessageSeen, events)) == 1
    assert [(r.target.id, r.by, r.emoji) for r in of(ReactionSet, events)] == [("A1", ME, "👍")]
    assert [(e.target.id, e.text, e.at) for e in of(MessageEdited, events)] == [("A1", "Three loaves", (AT + 5) * US)]
    assert [(r.target.id, r.by) for r in of(MessageRevoked, events)] == [("A0", BOB)]
    (pinned,) = of(MessagePinned, events)
    assert (pinned.target, pinned.by, pinned.at, pinned.until) == (
        Target(ME, BOB, "A1"),
        BOB,
        (AT + 6) * US,
        (AT + 60) * US,
    )


def test_hidden_ids_of_both_engines(noweb: Noweb, gows: Gows) -> None:
    noweb.row("lid_map", id=BOB_LID, pn=BOB)
    noweb.say("A1", {"conversation": "Hello"}, BOB_LID, key={"remoteJidAlt": BOB})
    gows.row("whatsmeow_lid_map", lid="999222", pn="4915550001002")
    gows.say("A1", {"conversation": "Hello"}, BOB_LID, Sender=BOB_LID, SenderAlt=BOB)
    for file in (noweb, gows):
        events = told(file)
        assert events[1] == NumberMapped(lid=BOB_LID, jid=BOB)
        (seen,) = of(MessageSeen, events)
        assert seen.message.key == MessageKey(ME, BOB, "A1", BOB)


def test_labels_of_chats_from_both_engines(noweb: Noweb, gows: Gows) -> None:
    label = json.dumps({"id": "9", "name": "Lead", "color": 2, "deleted": False})
    noweb.row("labels", id="9", data=label)
    gows.row("gows_labels", id="9", data=label)
    chat = {"type": "label_jid", "chatId": BOB, "labelId": "9"}
    of_message = {"type": "label_message", "chatId": CY, "labelId": "9", "messageId": "A1"}
    for number, told_of in enumerate((chat, of_message)):
        noweb.row("labelAssociations", id=str(number), type=told_of["type"], data=json.dumps(told_of))
    gows.row("gows_label_associations", jid=BOB, label_id="9", data=json.dumps({"jid": BOB, "label_id": "9"}))
    for events in (told(noweb), told(gows)):
        assert of(LabelSeen, events) == [LabelSeen(phone=ME, id="9", name="Lead", color=2)]
        assert of(ChatLabeled, events) == [ChatLabeled(phone=ME, chat=BOB, label="9")]


def test_people_and_groups(noweb: Noweb, gows: Gows) -> None:
    contact = {"id": BOB, "lid": BOB_LID, "name": "Bob Baker", "notify": "bobby"}
    noweb.row("contacts", id=BOB, data=json.dumps(contact))
    people = [{"id": BOB_LID, "phoneNumber": BOB, "admin": "superadmin"}, {"id": CY, "admin": None}]
    group = {"id": GROUP, "subject": "Bakers", "desc": "All who bake", "creation": AT, "participants": people}
    noweb.row("groups", id=GROUP, data=json.dumps(group))
    chat = {"id": GROUP, "unreadCount": 3, "archived": True, "pinned": 1, "conversationTimestamp": AT}
    noweb.row("chats", id=GROUP, conversationTimestamp=AT, data=json.dumps(chat))
    gows.row("whatsmeow_contacts", our_jid=ME, their_jid=BOB, full_name="Bob Baker", push_name="bobby")
    persons = [
        {"JID": BOB_LID, "PhoneNumber": BOB, "LID": BOB_LID, "IsAdmin": True, "IsSuperAdmin": True},
        {"JID": CY, "IsAdmin": False, "IsSuperAdmin": False},
    ]
    info = {"JID": GROUP, "Name": "Bakers", "Topic": "All who bake", "GroupCreated": CLOCK, "Participants": persons}
    gows.row("gows_groups", id=GROUP, name="Bakers", data=json.dumps(info))
    members = (Member(jid=BOB, is_admin=True, is_super_admin=True), Member(jid=CY))
    first, second = told(noweb), told(gows)
    for events in (first, second):
        (person,) = of(ContactSeen, events)
        assert (person.name, person.push_name) == ("Bob Baker", "bobby")
        seen = of(ChatSeen, events)[0]
        assert (seen.name, seen.description, seen.members, seen.created_at) == (
            "Bakers",
            "All who bake",
            members,
            AT * US,
        )
        assert NumberMapped(lid=BOB_LID, jid=BOB) in events
    state = of(ChatSeen, first)[1]
    assert (state.unread, state.archived, state.pinned, state.last_message_at) == (3, True, True, AT * US)


def test_the_own_number_comes_from_the_session_and_nothing_else_of_it(noweb: Noweb, gows: Gows, tmp_path: Path) -> None:
    gows.row("whatsmeow_device", jid="4915550001001:7@s.whatsapp.net", noise_key=b"SECRET")
    gows.say("A1", {"conversation": "Hello"})
    path = gows.done()
    assert look(path) == Found(ME, 1)
    found = list(read(path, on_skip=lambda row: None))
    assert found[0].batch.events == [PhoneSeen(jid=ME)]
    assert b"SECRET" not in b"".join(piece.batch.raw or b"" for piece in found)
    store = noweb.say("A1", {"conversation": "Hello"}).done()
    with pytest.raises(Question):
        look(store)
    credentials = tmp_path / "creds.json"
    credentials.write_text(json.dumps({"noiseKey": "SECRET", "me": {"id": "4915550001001:7@s.whatsapp.net"}}))
    assert look(store, credentials) == Found(ME, 1)
    for broken in ("", "[]", '{"me": 7}', "\0"):
        credentials.write_text(broken)
        with pytest.raises(Question):
            look(store, credentials)


@pytest.mark.parametrize(
    "data",
    ["", "{broken", "[]", '"text"', "{}", '{"key": {}}', '{"key": {"remoteJid": "1@g.us", "id": "A"}}', "[" * 5000],
)
def test_a_row_that_makes_no_sense_costs_no_other(noweb: Noweb, gows: Gows, data: str) -> None:
    noweb.say("A1", {"conversation": "Hello"}).row("messages", jid=BOB, id="B1", data=data)
    noweb.say("A2", {"conversation": "Bye"})
    gows.say("A1", {"conversation": "Hello"})
    gows.row("gows_messages", jid=BOB, id="B1", timestamp=CLOCK, from_me=0, data=data)
    gows.say("A2", {"conversation": "Bye"})
    for file in (noweb, gows):
        found, skipped = pieces(file.done())
        events = [event for piece in found for event in piece.batch.events]
        assert [seen.message.text for seen in of(MessageSeen, events)] == ["Hello", "Bye"]
        assert [(row.row, row.kept) for row in skipped] == [(2, False)]


def test_reading_goes_on_from_any_place(gows: Gows) -> None:
    gows.row("whatsmeow_lid_map", lid="1", pn="2")
    for number in range(7):
        gows.say(f"A{number}", {"conversation": f"line {number}"})
    path = gows.done()
    whole, _ = pieces(path, batch_size=3)
    for at, piece in enumerate(whole):
        rest, _ = pieces(path, batch_size=3, after=piece.place)
        assert [p.batch.events for p in rest] == [p.batch.events for p in whole[at + 1 :]]


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="this is not a WAHA store"):
        look(GoFile(tmp_path / "wacli.db", "wacli").done())
    assert looks_like({"gows_messages"}, set())
    assert looks_like({"messages", "chats", "contacts"}, {"jid", "id", "messageTimestamp", "data"})
    assert not looks_like({"messages", "chats"}, {"id", "chat_jid"})
