"""WAHA's webhook: every event of its documentation, of each engine where they differ."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatLabeled,
    ChatSeen,
    Event,
    LabelSeen,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Details, Location, Media, Member, Message, MessageKey, Notice, Poll, Quote
from backscroll.ingest.connectors.pushed import Connection, Observed, Setup
from backscroll.ingest.connectors.webhooks import waha

OWN = "628987654321@s.whatsapp.net"
JOHN, JOHN_LID = "628123456789@s.whatsapp.net", "251556368777322@lid"
GROUP = "120363402106000001@g.us"
SECONDS = 1_697_365_800
MICROS = SECONDS * 1_000_000


def observed(event: str, payload: dict[str, Any]) -> Observed:
    envelope = {"id": "evt_01aaaaaaaaaaaaaaaaaaaaaaaa", "timestamp": SECONDS * 1000, "session": "default"}
    envelope |= {"engine": "NOWEB", "event": event, "me": {"id": "628987654321@c.us", "pushName": "Desk"}}
    return waha.observe(msgspec.json.encode(envelope | {"payload": payload}), Setup())


def events(event: str, payload: dict[str, Any]) -> list[Event]:
    return observed(event, payload).events


def common(**more: Any) -> dict[str, Any]:
    fields = {"id": "false_628123456789@c.us_AAAA", "timestamp": SECONDS, "from": "628123456789@c.us"}
    return fields | {"fromMe": False, "source": "app", "to": "628987654321@c.us", "participant": None} | more


def message(event: str = "message.any", **more: Any) -> Message:
    found = [event for event in events(event, common(**more)) if isinstance(event, MessageSeen)]
    assert len(found) == 1
    return found[0].message


@pytest.mark.parametrize("event", ["message", "message.any"])
def test_a_text_says_the_same_under_both_events(event: str) -> None:
    data = {"pushName": "John", "message": {"conversation": "hello"}}
    told = message(event, body="hello", hasMedia=False, ack=2, ackName="DEVICE", _data=data)
    details = Details(push_name="John", has_media=False)
    key = MessageKey(OWN, JOHN, "AAAA", JOHN)
    assert told == Message(key=key, sent_at=MICROS, from_me=False, text="hello", details=details)


def test_own_messages_carry_the_ack_one_higher() -> None:
    told = message(id="true_628123456789@c.us_AAAA", fromMe=True, body="mine", ack=1, ackName="SERVER")
    assert (told.from_me, told.key.sender, told.ack, told.kind) == (True, OWN, 2, "text")
    failed = message(id="true_628123456789@c.us_AAAA", fromMe=True, body="mine", ack=-1)
    assert failed.ack == -1


def test_a_hidden_sender_of_a_group_is_told_with_the_number() -> None:
    info = {"SenderAlt": "628123456789@s.whatsapp.net", "PushName": "John", "IsGroup": True}
    id = f"false_{GROUP}_AAAA_{JOHN_LID}"
    payload = common(id=id, participant=JOHN_LID, body="hi", _data={"Info": info, "Message": {"conversation": "hi"}})
    mapped, seen = events("message", payload | {"from": GROUP})
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(seen, MessageSeen)
    assert seen.message.key == MessageKey(OWN, GROUP, "AAAA", JOHN)


def test_a_hidden_chat_is_told_with_the_number() -> None:
    key = {"remoteJid": JOHN_LID, "remoteJidAlt": JOHN, "fromMe": False, "id": "AAAA"}
    payload = common(id=f"false_{JOHN_LID}_AAAA", body="hi", _data={"key": key, "message": {"conversation": "hi"}})
    mapped, seen = events("message", payload | {"from": JOHN_LID})
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(seen, MessageSeen)
    assert (seen.message.key.chat, seen.message.key.sender) == (JOHN, JOHN)


def test_a_file_is_what_the_engine_tells_at_wahas_address() -> None:
    media = {"url": "http://localhost:3000/api/files/a.jpeg", "mimetype": "image/jpeg", "filename": None, "error": None}
    image: dict[str, Any] = {
        "url": "https://mmg.whatsapp.net/x",
        "mimetype": "image/jpeg",
        "fileLength": "1234",
        "caption": "look",
    }
    image |= {"mediaKey": {"type": "Buffer", "data": [1, 2]}, "directPath": "/v/x", "fileSha256": "AAEC"}
    told = message(body="look", hasMedia=True, media=media, _data={"message": {"imageMessage": image}})
    assert (told.kind, told.text) == ("image", "look")
    assert told.details.media == Media(
        mimetype="image/jpeg",
        size=1234,
        sha256="000102",
        url="http://localhost:3000/api/files/a.jpeg",
        media_key="AQI=",
        direct_path="/v/x",
    )


def test_whatsapp_web_names_the_kind_itself() -> None:
    web = {"type": "ptt", "notifyName": "John", "mimetype": "audio/ogg; codecs=opus", "size": 99, "isForwarded": True}
    told = message(body=None, hasMedia=True, media=None, _data=web)
    assert told.kind == "voice"
    assert told.details.push_name == "John"
    assert told.details.is_forwarded is True
    assert told.details.media == Media(mimetype="audio/ogg; codecs=opus", size=99)


@pytest.mark.parametrize(
    ("mimetype", "kind"),
    [
        ("image/jpeg", "image"),
        ("image/webp", "sticker"),
        ("video/mp4", "video"),
        ("audio/ogg", "audio"),
        ("application/pdf", "document"),
        (None, "unknown"),
    ],
)
def test_without_the_engines_word_the_file_tells_the_kind(mimetype: str | None, kind: str) -> None:
    assert message(hasMedia=True, media={"url": "http://x", "mimetype": mimetype, "filename": "f"}).kind == kind


def test_places_cards_and_polls() -> None:
    place = {"latitude": "-6.2", "longitude": "106.8", "description": "Jakarta"}
    assert message(location=place).details.location == Location(latitude=-6.2, longitude=106.8, name="Jakarta")
    assert message(vCards=["BEGIN:VCARD"]).kind == "contact"
    assert message(vCards=["BEGIN:VCARD", "BEGIN:VCARD"]).kind == "contacts"
    creation = {"name": "Lunch?", "options": [{"optionName": "yes"}, {"optionName": "no"}], "selectableOptionsCount": 1}
    poll = message(body="Lunch?", _data={"message": {"pollCreationMessageV3": creation}})
    assert poll.kind == "poll"
    assert poll.details.poll == Poll(name="Lunch?", options=("yes", "no"), selectable=1)


def test_a_reply_is_told_by_waha_or_by_the_engine() -> None:
    reply = {"id": "BBBB", "participant": "628987654321@c.us", "body": "Hello!"}
    assert message(body="yes", replyTo=reply).details.quoted == Quote(id="BBBB", sender=OWN, text="Hello!")
    context = {"stanzaId": "BBBB", "participant": OWN, "quotedMessage": {"conversation": "Hello!"}}
    extended = {"extendedTextMessage": {"text": "yes", "contextInfo": context}}
    told = message(body="yes", replyTo=reply, _data={"message": extended})
    assert told.details.quoted == Quote(id="BBBB", sender=OWN, text="Hello!", kind="text")


def test_a_reaction_names_its_message_whole() -> None:
    reaction = {"text": "🙏", "messageId": f"true_{GROUP}_BBBB_628987654321@c.us"}
    id = f"false_{GROUP}_AAAA_628123456789@c.us"
    payload = common(id=id, participant="628123456789@c.us", reaction=reaction) | {"from": GROUP}
    assert events("message.reaction", payload) == [
        ReactionSet(target=Target(OWN, GROUP, "BBBB", OWN), by=JOHN, emoji="🙏", at=MICROS, id="AAAA")
    ]
    own = common(id="true_628123456789@c.us_AAAA", fromMe=True)
    told = events("message.reaction", own | {"reaction": {"text": "", "messageId": "false_628123456789@c.us_BBBB"}})
    assert told == [ReactionSet(target=Target(OWN, JOHN, "BBBB"), by=OWN, emoji="", at=MICROS, id="AAAA")]


@pytest.mark.parametrize(("told", "stored"), [(-1, -1), (0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
def test_acks_of_own_messages_are_one_higher_here(told: int, stored: int) -> None:
    payload = {"id": "true_628123456789@c.us_AAAA", "from": "628123456789@c.us", "fromMe": True, "ack": told}
    target = Target(OWN, JOHN, "AAAA", OWN)
    assert events("message.ack", payload) == [ReceiptSet(target=target, ack=stored, at=MICROS)]


def test_acks_in_a_group_are_of_a_participant() -> None:
    payload = {"id": f"true_{GROUP}_AAAA_628987654321@c.us", "from": GROUP, "fromMe": True, "ack": 3}
    told = events("message.ack.group", payload | {"participant": "628123456789@c.us"})
    target = Target(OWN, GROUP, "AAAA", OWN)
    assert told == [ReceiptSet(target=target, ack=4, participant=JOHN, at=MICROS)]


def test_reading_somebodys_message_is_no_receipt() -> None:
    payload = {"id": "false_628123456789@c.us_AAAA", "from": "628123456789@c.us", "fromMe": False, "ack": 3}
    assert events("message.ack", payload) == [ChatSeen(phone=OWN, chat=JOHN, at=MICROS, unread=0)]


def test_a_deletion_names_the_message_by_its_bare_id_or_by_what_it_was() -> None:
    after = common(body=None)
    told = events("message.revoked", {"after": after, "before": None, "revokedMessageId": "BBBB"})
    assert told == [MessageRevoked(target=Target(OWN, JOHN, "BBBB"), at=MICROS, by=JOHN)]
    before = common(id="false_628123456789@c.us_CCCC", body="secret")
    told = events("message.revoked", {"after": after, "before": before})
    assert told == [MessageRevoked(target=Target(OWN, JOHN, "CCCC"), at=MICROS, by=JOHN)]
    told = events("message.revoked", {"after": None, "before": before})
    assert told == [MessageRevoked(target=Target(OWN, JOHN, "CCCC"), at=MICROS)]


def test_an_edit_is_a_message_of_its_own_or_the_message_with_its_new_text() -> None:
    told = events("message.edited", common(body="new", editedMessageId="BBBB"))
    edit = MessageEdited(target=Target(OWN, JOHN, "BBBB", JOHN), text="new", at=MICROS, id="AAAA", by=JOHN)
    assert told == [edit]
    itself = events("message.edited", common(body="new", timestamp=SECONDS - 600))
    assert itself == [MessageEdited(target=Target(OWN, JOHN, "AAAA", JOHN), text="new", at=MICROS, by=JOHN)]


def test_a_message_that_waits_is_a_placeholder() -> None:
    (event,) = events("message.waiting", common(body=""))
    assert isinstance(event, MessageSeen)
    assert event.message.kind == "ciphertext"


def test_a_vote_names_its_poll_and_the_options() -> None:
    poll = {"id": f"true_{GROUP}_BBBB_628987654321@c.us", "to": GROUP, "from": "628987654321@c.us", "fromMe": True}
    vote: dict[str, Any] = {
        "id": f"false_{GROUP}_AAAA_628123456789@c.us",
        "from": GROUP,
        "participant": "628123456789@c.us",
    }
    vote |= {"fromMe": False, "selectedOptions": ["yes"], "timestamp": SECONDS * 1000}
    assert events("poll.vote", {"vote": vote, "poll": poll}) == [
        PollVoted(target=Target(OWN, GROUP, "BBBB", OWN), by=JOHN, options=("yes",), at=MICROS)
    ]
    with pytest.raises(Unreadable, match="could not decrypt"):
        events("poll.vote.failed", {"vote": vote | {"selectedOptions": None}, "poll": poll})


def test_a_group_is_joined_changed_and_left() -> None:
    member = {"id": JOHN_LID, "pn": "628123456789@c.us", "role": "superadmin"}
    info = {"id": GROUP, "subject": "Team", "description": "Work", "participants": [member], "invite": "https://x"}
    mapped, seen = events("group.v2.join", {"timestamp": SECONDS, "group": info, "_data": {}})
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert seen == ChatSeen(
        phone=OWN,
        chat=GROUP,
        at=MICROS,
        name="Team",
        description="Work",
        invite_link="https://x",
        members=(Member(jid=JOHN, is_admin=True, is_super_admin=True),),
        is_exited=False,
    )
    emptied = events("group.v2.update", {"timestamp": SECONDS, "group": {"id": GROUP, "description": ""}})
    assert emptied == [ChatSeen(phone=OWN, chat=GROUP, at=MICROS, description="")]
    changed = events("group.v2.update", {"timestamp": SECONDS, "group": {"id": GROUP, "subject": "New"}})
    assert changed == [ChatSeen(phone=OWN, chat=GROUP, at=MICROS, name="New")]
    left = events("group.v2.leave", {"timestamp": SECONDS, "group": {"id": GROUP}})
    assert left == [ChatSeen(phone=OWN, chat=GROUP, at=MICROS, is_exited=True)]


def test_changes_of_members_are_notices() -> None:
    people = [{"id": "628123456789@c.us", "role": "admin"}]
    payload: dict[str, Any] = {"group": {"id": GROUP}, "type": "promote", "timestamp": SECONDS, "participants": people}
    (event,) = events("group.v2.participants", payload)
    assert isinstance(event, MessageSeen)
    assert event.message.details.notice == Notice(type="promote", recipients=(JOHN,))


def test_archiving_and_calls() -> None:
    archived = events("chat.archive", {"id": "628123456789@c.us", "archived": True, "timestamp": SECONDS})
    assert archived == [ChatSeen(phone=OWN, chat=JOHN, at=MICROS, archived=True)]
    call = {"id": "CALL1", "from": "628123456789@c.us", "timestamp": SECONDS, "isVideo": True, "isGroup": False}
    for event, result in (("call.received", None), ("call.accepted", "connected"), ("call.rejected", "rejected")):
        (told,) = events(event, call)
        assert isinstance(told, MessageSeen)
        assert told.message.key.id == "call:CALL1"
        assert told.message.details.call == Call(video=True, outgoing=False, result=result)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("WORKING", "CONNECTED"),
        ("STARTING", "CONNECTING"),
        ("SCAN_QR_CODE", "DISCONNECTED"),
        ("FAILED", "DISCONNECTED"),
    ],
)
def test_the_sessions_status_is_the_phones_state(status: str, state: Any) -> None:
    told = observed("session.status", {"name": "default", "status": status, "statuses": []})
    assert told == Observed(connections=[Connection(OWN, state, MICROS)])


@pytest.mark.parametrize("event", ["presence.update", "state.change", "engine.event"])
def test_what_passes_is_forgotten(event: str) -> None:
    assert observed(event, {"id": "x"}) == Observed()


def test_labels_and_their_chats() -> None:
    label = {"id": "1", "name": "Lead", "color": 0, "colorHex": "#ff9485"}
    known = LabelSeen(phone=OWN, id="1", at=MICROS, name="Lead", color=0)
    assert events("label.upsert", label) == [msgspec.structs.replace(known, deleted=False)]
    assert events("label.deleted", label | {"name": ""}) == [msgspec.structs.replace(known, name=None, deleted=True)]
    added = ChatLabeled(phone=OWN, chat=JOHN, label="1", at=MICROS)
    chat = {"labelId": "1", "chatId": "628123456789@c.us"}
    assert events("label.chat.added", chat | {"label": label}) == [added, known]
    assert events("label.chat.deleted", chat | {"label": None}) == [msgspec.structs.replace(added, labeled=False)]
    hidden = {"labelId": "1", "chatId": JOHN_LID, "label": None}
    assert events("label.chat.added", hidden) == [msgspec.structs.replace(added, chat=JOHN_LID)]


@pytest.mark.parametrize(
    "event",
    [
        "event.response",
        "group.join",
        "event.response.failed",
        "group.leave",
        "group.v2.participants.join_request",
    ],
)
def test_what_has_no_place_yet_is_kept_as_it_came(event: str) -> None:
    told = observed(event, {"id": "x"})
    assert told.events == []
    assert told.raw is not None


@pytest.mark.parametrize(
    ("event", "payload", "where"),
    [
        ("message.unheard", {}, "event"),
        ("message", {}, "payload"),
        ("message", {"id": 7}, "payload.id"),
        ("message", {"id": "AAAA", "timestamp": 1}, "payload.id"),
        ("message", {"id": "false_1@c.us_A", "timestamp": "soon"}, "payload.timestamp"),
        ("message.reaction", {"id": "false_1@c.us_A"}, "payload.reaction"),
        ("message.revoked", {}, "payload.after"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_place(event: str, payload: dict[str, Any], where: str) -> None:
    with pytest.raises(Unreadable) as caught:
        observed(event, payload)
    assert caught.value.where == where
