"""Evolution API's webhook: every event that version 2.3 sends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from backscroll.core.errors import Unreadable
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
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Location, Media, Member, Message, MessageKey, Notice, Quote
from backscroll.ingest.connectors.pushed import UNKNOWN_CHAT, Connection, Observed, Setup
from backscroll.ingest.connectors.webhooks import evolution

OWN = "628987654321@s.whatsapp.net"
JOHN, JOHN_LID = "628123456789@s.whatsapp.net", "251556368777322@lid"
GROUP = "120363402106000001@g.us"
SECONDS = 1_697_365_800
MICROS = SECONDS * 1_000_000
KEY = {"remoteJid": JOHN, "fromMe": False, "id": "AAAA"}
API_KEY, OUR_ADDRESS = "B6D711FCDE4D4FD5936544120E713976", "https://archive.example/ingest/evolution/src/s3cret"


def body(event: str, data: Any, **more: Any) -> bytes:
    envelope = {"event": event, "instance": "desk", "data": data, "destination": OUR_ADDRESS}
    envelope |= {"date_time": "2023-10-15T10:30:00.000Z", "sender": OWN, "server_url": "http://evo", "apikey": API_KEY}
    return msgspec.json.encode(envelope | more)


def observed(event: str, data: Any) -> Observed:
    return evolution.observe(body(event, data), Setup())


def events(event: str, data: Any) -> list[Event]:
    return observed(event, data).events


def upsert(content: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    data = {"key": KEY, "pushName": "John", "status": "DELIVERY_ACK", "message": content, "instanceId": "i"}
    return data | {"messageTimestamp": SECONDS, "source": "android", "contextInfo": None} | more


def message(content: dict[str, Any], **more: Any) -> Message:
    (event,) = events("messages.upsert", upsert(content, **more))
    assert isinstance(event, MessageSeen)
    return event.message


def test_a_text_plain_or_extended() -> None:
    told = message({"conversation": "hello", "messageContextInfo": {"deviceListMetadata": {}}})
    assert (told.key, told.sent_at) == (MessageKey(OWN, JOHN, "AAAA", JOHN), MICROS)
    assert (told.kind, told.text, told.details.push_name) == ("text", "hello", "John")
    context: dict[str, Any] = {"stanzaId": "BBBB", "participant": OWN, "quotedMessage": {"conversation": "before"}}
    context |= {
        "mentionedJid": ["49151@s.whatsapp.net"],
        "isForwarded": True,
        "forwardingScore": 3,
        "expiration": 86400,
    }
    told = message({"conversation": "yes"}, contextInfo=context)
    assert told.details.quoted == Quote(id="BBBB", sender=OWN, text="before", kind="text")
    assert told.details.mentions == ("49151@s.whatsapp.net",)
    assert (told.details.is_forwarded, told.details.forwarding_score) == (True, 3)
    assert (told.details.is_ephemeral, told.details.expires_after) == (True, 86400)


@pytest.mark.parametrize("event", ["messages.upsert", "MESSAGES_UPSERT", "messages-upsert", "send.message"])
def test_an_event_is_known_in_each_spelling(event: str) -> None:
    assert len(events(event, upsert({"conversation": "x"}))) == 1


FILE = {"mimetype": "x/y", "fileLength": {"low": 7, "high": 0, "unsigned": True}, "seconds": 3, "fileSha256": "AAEC"}


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ({"imageMessage": FILE | {"caption": "look"}}, "image", "look"),
        ({"videoMessage": FILE | {"gifPlayback": True}}, "video", None),
        ({"ptvMessage": FILE}, "video_note", None),
        ({"audioMessage": FILE | {"ptt": True}}, "voice", None),
        ({"audioMessage": FILE}, "audio", None),
        ({"stickerMessage": FILE}, "sticker", None),
        ({"documentMessage": FILE | {"fileName": "a.pdf"}}, "document", None),
        ({"viewOnceMessageV2": {"message": {"imageMessage": FILE}}}, "image", None),
        ({"ephemeralMessage": {"message": {"extendedTextMessage": {"text": "soon gone"}}}}, "text", "soon gone"),
    ],
)
def test_files_and_wrappers(content: dict[str, Any], kind: str, text: str | None) -> None:
    told = message(content)
    assert (told.kind, told.text) == (kind, text)
    if kind != "text":
        assert told.details.media is not None
        assert (told.details.media.size, told.details.media.sha256) == (7, "000102")
    if "viewOnceMessageV2" in content:
        assert told.details.is_view_once is True


def test_a_stored_file_has_evolutions_address() -> None:
    told = message({"imageMessage": {"url": "https://mmg.whatsapp.net/x"}, "mediaUrl": "https://minio/x.jpeg"})
    assert told.details.media == Media(url="https://minio/x.jpeg")


def test_structured_messages() -> None:
    place = {"degreesLatitude": -6.2, "degreesLongitude": 106.8, "name": "Jakarta"}
    told = message({"locationMessage": place})
    assert told.details.location == Location(latitude=-6.2, longitude=106.8, name="Jakarta")
    card = {"displayName": "Ben", "vcard": "BEGIN:VCARD"}
    assert message({"contactMessage": card}).details.vcards == ("BEGIN:VCARD",)
    assert message({"contactsArrayMessage": {"contacts": [card, card]}}).kind == "contacts"
    assert message({"buttonsResponseMessage": {"selectedDisplayText": "Yes"}}).text == "Yes"
    assert message({"listResponseMessage": {"title": "Tea"}}).kind == "interactive"
    told = message({"somethingNewMessage": {"x": 1}})
    assert (told.kind, told.details.type_name) == ("unknown", "somethingNewMessage")


def test_key_material_alone_is_no_message() -> None:
    assert events("messages.upsert", upsert({"senderKeyDistributionMessage": {"groupId": GROUP}})) == []


def test_a_message_that_could_not_be_decrypted_is_a_placeholder() -> None:
    (event,) = events("messages.upsert", upsert(None, messageStubType=2, messageStubParameters=["Bad MAC"]))
    assert isinstance(event, MessageSeen)
    assert event.message.kind == "ciphertext"


@pytest.mark.parametrize(
    "alt",
    [
        {"remoteJid": JOHN_LID, "remoteJidAlt": JOHN},
        {"remoteJid": JOHN_LID, "senderPn": JOHN},
        {"remoteJid": JOHN, "senderLid": JOHN_LID},
        {"remoteJid": JOHN, "previousRemoteJid": JOHN_LID},
    ],
)
def test_a_hidden_chat_is_told_with_the_number_under_any_name(alt: dict[str, str]) -> None:
    mapped, seen = events("messages.upsert", upsert({"conversation": "hi"}, key=KEY | alt))
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(seen, MessageSeen)
    assert (seen.message.key.chat, seen.message.key.sender) == (JOHN, JOHN)


def test_a_hidden_sender_of_a_group_is_told_with_the_number() -> None:
    key = {"remoteJid": GROUP, "fromMe": False, "id": "AAAA", "participant": JOHN_LID, "participantAlt": JOHN}
    mapped, seen = events("messages.upsert", upsert({"conversation": "hi"}, key=key))
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(seen, MessageSeen)
    assert seen.message.key.sender == JOHN


def test_a_history_is_a_list_and_one_bad_row_hides_no_other() -> None:
    told = observed("messages.set", [upsert({"conversation": "a"}), {"key": {}}, upsert({"conversation": "b"})])
    assert [event.message.text for event in told.events if isinstance(event, MessageSeen)] == ["a", "b"]
    assert [problem.where for problem in told.problems] == ["data[1].key"]


def test_a_reaction_names_its_message() -> None:
    reaction = {"reactionMessage": {"key": {"remoteJid": JOHN, "fromMe": True, "id": "BBBB"}, "text": "👍"}}
    assert events("messages.upsert", upsert(reaction)) == [
        ReactionSet(target=Target(OWN, JOHN, "BBBB", OWN), by=JOHN, emoji="👍", at=MICROS, id="AAAA")
    ]


@pytest.mark.parametrize("words", [(1, 2), ("PIN_FOR_ALL", "UNPIN_FOR_ALL")])
def test_a_pin_says_how_long_it_lasts_and_an_unpin_ends_it(words: tuple[int | str, int | str]) -> None:
    def told(type: int | str, **context: Any) -> Event:
        # Of one's own message, as John sees it.
        pin = {"key": {"remoteJid": OWN, "fromMe": False, "id": "BBBB"}, "type": type}
        pin |= {"senderTimestampMs": {"low": 0, "high": 413, "unsigned": False}}
        (event,) = events("messages.upsert", upsert({"pinInChatMessage": pin, "messageContextInfo": context}))
        return event

    at, target = (413 << 32) * 1000, Target(OWN, JOHN, "BBBB")
    until = MICROS + 604_800_000_000
    pinned = MessagePinned(target=target, pinned=True, at=at, by=JOHN, until=until)
    assert told(words[0], messageAddOnDurationInSecs=604_800) == pinned
    assert told(words[0], messageAddOnDurationInSecs=0) == replace(pinned, until=None)
    assert told(words[1], messageAddOnDurationInSecs=604_800) == replace(pinned, pinned=False, until=None)


def test_the_key_of_a_pin_in_a_group_is_as_the_one_who_pins_sees_it() -> None:
    row = {"remoteJid": "1203@g.us", "fromMe": False, "id": "AAAA", "participant": JOHN}
    for key, sender in (
        ({"fromMe": True}, JOHN),
        ({"fromMe": False, "participant": OWN}, OWN),
        # Whose hidden id it is may not be known: it may be one's own.
        ({"fromMe": False, "participant": "77@lid"}, None),
    ):
        pin = {"pinInChatMessage": {"key": {"id": "BBBB", **key}, "type": 1}}
        (told,) = events("messages.upsert", upsert(pin, key=row))
        assert told == MessagePinned(target=Target(OWN, "1203@g.us", "BBBB", sender), pinned=True, at=MICROS, by=JOHN)


def test_of_a_pin_of_an_unknown_type_only_the_payload_is_kept_and_a_pin_of_nothing_is_a_problem() -> None:
    for type in (None, 0, 3, [1], "KEEP_FOR_ALL"):
        told = observed("messages.upsert", upsert({"pinInChatMessage": {"key": {"id": "BBBB"}, "type": type}}))
        assert (told.events, told.problems, told.raw is None) == ([], [], False)
    for pin, context, where in (
        ({"type": 1}, {}, "data.key.id"),
        ({"type": 1, "key": {"id": "B"}}, {"messageAddOnDurationInSecs": -1}, "data.messageAddOnDurationInSecs"),
        ({"type": 1, "key": {"id": "B"}}, {"messageAddOnDurationInSecs": 2**32}, "data.messageAddOnDurationInSecs"),
    ):
        row = upsert({"pinInChatMessage": pin, "messageContextInfo": context})
        assert [problem.where for problem in observed("messages.upsert", row).problems] == [where]


def test_an_edit_by_somebody_else_does_not_say_in_which_chat() -> None:
    inner = {"remoteJid": OWN, "fromMe": True, "id": "BBBB"}
    edit = {"key": inner, "type": "MESSAGE_EDIT", "editedMessage": {"conversation": "new"}}
    told = events("messages.edited", edit | {"timestampMs": str(SECONDS * 1000)})
    assert told == [MessageEdited(target=Target(OWN, UNKNOWN_CHAT, "BBBB"), text="new", at=MICROS)]


def test_an_edit_in_a_group_is_its_participants() -> None:
    inner = {"remoteJid": GROUP, "fromMe": True, "id": "BBBB", "participant": JOHN}
    edit = {
        "key": inner,
        "type": 14,
        "editedMessage": {"imageMessage": {"caption": "new"}},
        "timestampMs": SECONDS * 1000,
    }
    target = Target(OWN, GROUP, "BBBB", JOHN)
    assert events("messages.edited", edit) == [MessageEdited(target=target, text="new", at=MICROS, by=JOHN)]


def test_an_edit_made_through_evolution_is_the_own_phones() -> None:
    edit = {"key": {"remoteJid": JOHN, "fromMe": True, "id": "BBBB"}, "type": "MESSAGE_EDIT"}
    told = events("send.message.update", edit | {"editedMessage": {"extendedTextMessage": {"text": "new"}}})
    assert told == [MessageEdited(target=Target(OWN, JOHN, "BBBB", OWN), text="new", at=MICROS, by=OWN)]


def test_housekeeping_between_devices_says_nothing() -> None:
    share = {"key": KEY, "type": "APP_STATE_SYNC_KEY_SHARE", "appStateSyncKeyShare": {"keys": []}}
    assert events("messages.edited", share) == []


def test_a_deletion_is_a_key_or_the_whole_message() -> None:
    told = events("messages.delete", {"remoteJid": JOHN, "fromMe": False, "id": "BBBB"})
    assert told == [MessageRevoked(target=Target(OWN, JOHN, "BBBB"), at=MICROS, by=JOHN)]
    in_group = events("messages.delete", {"remoteJid": GROUP, "fromMe": False, "id": "BBBB", "participant": JOHN})
    assert in_group == [MessageRevoked(target=Target(OWN, GROUP, "BBBB"), at=MICROS, by=JOHN, by_admin=True)]
    row = {"id": "row", "key": {"remoteJid": JOHN, "fromMe": True, "id": "CCCC"}, "status": "DELETED"}
    by_us = events("messages.delete", row)
    assert by_us == [MessageRevoked(target=Target(OWN, JOHN, "CCCC", OWN), at=MICROS, by=OWN)]


@pytest.mark.parametrize(
    ("status", "ack"),
    [("ERROR", -1), ("PENDING", 1), ("SERVER_ACK", 2), ("DELIVERY_ACK", 3), ("READ", 4), ("PLAYED", 5)],
)
def test_the_state_of_an_own_message_is_a_receipt(status: str, ack: int) -> None:
    told = events("messages.update", {"keyId": "AAAA", "remoteJid": JOHN, "fromMe": True, "status": status})
    assert told == [ReceiptSet(target=Target(OWN, JOHN, "AAAA", OWN), ack=ack, at=MICROS)]


def test_the_state_of_somebodys_message_says_that_we_read_it() -> None:
    update = {"keyId": "AAAA", "remoteJid": JOHN, "fromMe": False, "status": "READ"}
    assert events("messages.update", update) == [ChatSeen(phone=OWN, chat=JOHN, at=MICROS, unread=0)]
    assert events("messages.update", update | {"status": "DELIVERY_ACK"}) == []


def test_what_newer_versions_call_deleted_is_an_edit_or_a_vote() -> None:
    """2.3.0 to 2.3.4 write so whatever has no status; a deletion is ``messages.delete`` in every version."""
    update = {"keyId": "AAAA", "remoteJid": JOHN, "fromMe": False, "status": "DELETED"}
    assert events("messages.update", update) == []
    tally = [{"name": "yes", "voters": [JOHN]}, {"name": "no", "voters": []}]
    voted = PollVoted(target=Target(OWN, JOHN, "AAAA"), by=JOHN, options=("yes",), at=MICROS)
    assert events("messages.update", update | {"pollUpdates": tally}) == [voted]


def test_votes_come_added_up() -> None:
    tally = [{"name": "yes", "voters": ["me", "628123456789@s.whatsapp.net"]}, {"name": "no", "voters": []}]
    update = {"keyId": "AAAA", "remoteJid": GROUP, "fromMe": True, "status": "DELIVERY_ACK", "pollUpdates": tally}
    target = Target(OWN, GROUP, "AAAA")
    votes = [event for event in events("messages.update", update) if isinstance(event, PollVoted)]
    assert votes == [PollVoted(target=target, by=by, options=("yes",), at=MICROS) for by in (OWN, JOHN)]


def test_chats_contacts_and_groups() -> None:
    assert events("chats.upsert", [{"remoteJid": JOHN, "name": "John", "unreadMessages": 2, "instanceId": "i"}]) == [
        ChatSeen(phone=OWN, chat=JOHN, at=MICROS, unread=2)
    ]
    contacts = [
        {"remoteJid": JOHN, "pushName": "John", "profilePicUrl": "https://x"},
        {"remoteJid": "49151@s.whatsapp.net"},
    ]
    assert events("contacts.update", contacts) == [
        ContactSeen(jid=JOHN, phone=OWN, at=MICROS, push_name="John", image="https://x")
    ]
    assert events("contacts.upsert", {"remoteJid": JOHN, "pushName": "628123456789", "profilePicUrl": None}) == []
    people = [{"id": JOHN_LID, "phoneNumber": JOHN, "admin": "superadmin"}]
    group = {"id": GROUP, "subject": "Team", "desc": "Work", "creation": SECONDS, "participants": people}
    assert events("groups.upsert", [group]) == [
        NumberMapped(lid=JOHN_LID, jid=JOHN),
        ChatSeen(
            phone=OWN,
            chat=GROUP,
            at=MICROS,
            name="Team",
            description="Work",
            members=(Member(jid=JOHN, is_admin=True, is_super_admin=True),),
            created_at=MICROS,
        ),
    ]
    assert events("groups.update", [{"id": GROUP, "subject": "New"}]) == [
        ChatSeen(phone=OWN, chat=GROUP, at=MICROS, name="New")
    ]


def test_changes_of_members_are_notices() -> None:
    data: dict[str, Any] = {"id": GROUP, "participants": [JOHN_LID], "action": "add", "author": OWN}
    data["participantsData"] = [{"jid": JOHN_LID, "phoneNumber": JOHN, "name": "John"}]
    mapped, notice = events("group-participants.update", data)
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(notice, MessageSeen)
    assert notice.message.details.notice == Notice(type="add", recipients=(JOHN,))
    assert notice.message.from_me is True


def test_who_left_and_who_made_a_change_are_told_by_number() -> None:
    data: dict[str, Any] = {"id": GROUP, "participants": [JOHN_LID], "action": "remove"}
    data |= {"author": JOHN_LID, "authorPn": JOHN, "participantsData": [{"jid": JOHN_LID, "phoneNumber": JOHN}]}
    mapped, notice = events("group-participants.update", data)
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(notice, MessageSeen)
    assert notice.message.key.sender == JOHN
    assert notice.message.details.notice == Notice(type="leave", recipients=(JOHN,))


def test_a_call() -> None:
    call = {"chatId": JOHN, "from": JOHN, "id": "CALL1", "date": "2023-10-15T10:30:00.000Z", "status": "reject"}
    (event,) = events("call", call | {"isVideo": True, "isGroup": False, "offline": False})
    assert isinstance(event, MessageSeen)
    assert (event.message.key.id, event.message.sent_at) == ("call:CALL1", MICROS)
    assert event.message.details.call == Call(video=True, outgoing=False, result="rejected")
    mapped, event = events("call", call | {"from": JOHN_LID, "callerPn": JOHN})
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(event, MessageSeen)
    assert event.message.key.sender == JOHN


@pytest.mark.parametrize(
    ("state", "shown"), [("open", "CONNECTED"), ("connecting", "CONNECTING"), ("close", "DISCONNECTED")]
)
def test_the_connection_is_the_phones_state(state: str, shown: Any) -> None:
    told = observed("connection.update", {"instance": "desk", "state": state, "statusReason": 200, "wuid": OWN})
    assert told == Observed(connections=[Connection(OWN, shown, MICROS)])


@pytest.mark.parametrize("event", ["qrcode.updated", "presence.update", "chats.update", "logout.instance"])
def test_what_passes_or_is_a_credential_is_forgotten(event: str) -> None:
    assert observed(event, {"qrcode": {"code": "2@secret"}}) == Observed()


def test_labels_and_their_chats() -> None:
    label = {"id": "9", "name": "Negócio", "color": 8, "predefinedId": "1", "instance": "desk"}
    known = LabelSeen(phone=OWN, id="9", at=MICROS, name="Negócio", color=8, deleted=False)
    assert events("labels.edit", label) == [known]
    assert events("labels.edit", label | {"deleted": True}) == [msgspec.structs.replace(known, deleted=True)]
    chat = {"instance": "desk", "type": "add", "chatId": GROUP, "labelId": "9"}
    added = ChatLabeled(phone=OWN, chat=GROUP, label="9", at=MICROS)
    assert events("labels.association", chat) == [added]
    assert events("labels.association", chat | {"type": "remove"}) == [msgspec.structs.replace(added, labeled=False)]
    (problem,) = observed("labels.association", chat | {"type": "novel"}).problems
    assert (problem.where, problem.problem) == ("data.type", "must be add or remove")


@pytest.mark.parametrize("event", ["chats.delete"])
def test_what_has_no_place_yet_is_kept_as_it_came(event: str) -> None:
    told = observed(event, ["x"])
    assert told.events == []
    assert told.raw is not None


def test_neither_the_api_key_nor_our_own_address_is_kept() -> None:
    rows: tuple[Any, ...] = (upsert({"conversation": "hi"}), ["x"])
    for data in rows:
        event = "messages.upsert" if isinstance(data, dict) else "chats.delete"
        raw = observed(event, data).raw
        assert raw is not None
        assert API_KEY.encode() not in raw
        assert b"s3cret" not in raw
        assert msgspec.json.decode(raw)["data"] == data


@pytest.mark.parametrize(
    ("event", "data", "where"),
    [("messages.unheard", {}, "event")],
)
def test_an_event_that_is_not_known_is_named(event: str, data: Any, where: str) -> None:
    with pytest.raises(Unreadable) as caught:
        observed(event, data)
    assert caught.value.where == where


def test_rows_that_cannot_be_read_are_named_by_their_place() -> None:
    assert [p.where for p in observed("messages.upsert", {}).problems] == ["data.key"]
    assert [p.where for p in observed("messages.upsert", {"key": KEY}).problems] == ["data.messageTimestamp"]
    assert [p.where for p in observed("call", {}).problems] == ["data.id"]
