"""What Evolution sends in its newest versions, and from instances on Meta's API; and rare kinds of messages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Media, Message, MessageKey, Poll, Quote
from backscroll.ingest.connectors.pushed import UNKNOWN_CHAT, Setup
from backscroll.ingest.connectors.webhooks import evolution, proto_json
from backscroll.ingest.connectors.webhooks.proto_json import Content

OWN = "628987654321@s.whatsapp.net"
JOHN, JOHN_LID = "628123456789@s.whatsapp.net", "251556368777322@lid"
ANA = "5516992318222@s.whatsapp.net"
WAMID = "wamid.HBgNNTUxNjk5MjMxODIyMhUCABEYEjgxQkVFRDVBQTVDODFDOTg3MQA="
BARE = "81BEED5AA5C81C9871"
"""The id in ``WAMID``, which also names Ana's number."""
GROUP = "120363402106000001@g.us"
SECONDS = 1_697_365_800
MICROS = SECONDS * 1_000_000


def events(event: str, data: Any) -> list[Event]:
    envelope = {"event": event, "instance": "desk", "data": data, "date_time": "2023-10-15T10:30:00.000Z"}
    return evolution.observe(msgspec.json.encode(envelope | {"sender": OWN}), Setup()).events


def upsert(key: dict[str, Any], content: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"key": key, "pushName": "John", "message": content, "messageTimestamp": SECONDS} | more


def message(key: dict[str, Any], content: dict[str, Any], **more: Any) -> Message:
    (found,) = (e for e in events("messages.upsert", upsert(key, content, **more)) if isinstance(e, MessageSeen))
    return found.message


# Groups


@pytest.mark.parametrize(
    "people",
    [
        {"participants": [{"id": JOHN_LID, "phoneNumber": JOHN, "admin": None}]},
        {"participants": [], "participantsData": [{"jid": {"id": JOHN_LID, "phoneNumber": JOHN}, "phoneNumber": JOHN}]},
        {"participants": [JOHN_LID], "participantsData": [{"jid": JOHN_LID, "phoneNumber": "628123456789"}]},
        {"participants": [JOHN_LID], "participantsData": [{"jid": JOHN_LID, "phoneNumber": JOHN}]},
    ],
    ids=["Baileys 7", "Evolution on Baileys 7", "digits", "2.3"],
)
def test_who_joined_is_told_in_every_version(people: dict[str, list[Any]]) -> None:
    mapped, notice = events("group-participants.update", {"id": GROUP, "action": "add"} | people)
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(notice, MessageSeen)
    assert notice.message.details.notice is not None
    assert notice.message.details.notice.recipients == (JOHN,)


def test_the_digits_of_a_hidden_id_are_no_number() -> None:
    data: dict[str, Any] = {"id": GROUP, "action": "add", "participants": [JOHN_LID]}
    data |= {"participantsData": [{"jid": JOHN_LID, "phoneNumber": "251556368777322"}]}
    (notice,) = events("group-participants.update", data)
    assert isinstance(notice, MessageSeen)
    assert notice.message.details.notice is not None
    assert notice.message.details.notice.recipients == (JOHN_LID,)


def test_whether_the_account_itself_is_in_a_group_is_the_chats() -> None:
    data: dict[str, Any] = {"id": GROUP, "participants": [{"id": "77@lid", "phoneNumber": OWN}], "author": JOHN}
    for action, is_exited in (("remove", True), ("add", False)):
        told = events("group-participants.update", data | {"action": action})[-1]
        assert told == ChatSeen(phone=OWN, chat=GROUP, at=MICROS, is_exited=is_exited)


# Changes of messages


@pytest.mark.parametrize("own", [OWN, "77766655544433@lid"])
def test_the_chat_of_an_edit_is_not_that_of_its_author_with_us(own: str) -> None:
    """The key of an edit is written by its author, for whom the chat is named after our number, or our hidden id."""
    edit = {"key": {"remoteJid": own, "fromMe": True, "id": "BBBB"}, "type": "MESSAGE_EDIT"}
    told = events("messages.edited", edit | {"editedMessage": {"conversation": "new"}})
    assert told == [MessageEdited(target=Target(OWN, UNKNOWN_CHAT, "BBBB"), text="new", at=MICROS)]


def test_who_deletes_somebody_elses_message_is_an_admin() -> None:
    inner = {"remoteJid": GROUP, "fromMe": False, "id": "BBBB", "participant": JOHN}
    revoke = {"key": inner, "type": "REVOKE"}
    target = Target(OWN, GROUP, "BBBB", JOHN)
    assert events("messages.edited", revoke) == [MessageRevoked(target=target, at=MICROS, by_admin=True)]
    key = {"remoteJid": GROUP, "participant": ANA, "fromMe": False, "id": "A"}
    told = events("messages.set", [upsert(key, {"protocolMessage": revoke})])
    assert told == [MessageRevoked(target=target, at=MICROS, by=ANA, by_admin=True)]
    own = {"key": {"remoteJid": GROUP, "fromMe": True, "id": "BBBB"}, "type": "REVOKE"}
    told = events("messages.set", [upsert(key, {"protocolMessage": own})])
    assert told == [MessageRevoked(target=Target(OWN, GROUP, "BBBB"), at=MICROS, by=ANA)]


def test_a_vote_that_evolution_decrypted() -> None:
    key = {"remoteJid": GROUP, "participant": JOHN, "fromMe": False, "id": "A"}
    poll = {"remoteJid": GROUP, "fromMe": True, "id": "BBBB", "participant": OWN}
    vote: dict[str, Any] = {"pollCreationMessageKey": poll, "senderTimestampMs": str(SECONDS * 1000 + 500)}
    content = {"pollUpdateMessage": vote | {"vote": {"encPayload": {"0": 1}, "selectedOptions": ["yes", "maybe"]}}}
    told = events("messages.upsert", upsert(key, content, messageType="pollUpdateMessage"))
    target = Target(OWN, GROUP, "BBBB", OWN)
    assert told == [PollVoted(target=target, by=JOHN, options=("yes", "maybe"), at=MICROS + 500_000)]
    # Taken back, or not decrypted: Evolution writes both so.
    unclear = {"pollUpdateMessage": vote | {"vote": {"encPayload": {"0": 1}, "selectedOptions": []}}}
    body = {"event": "messages.upsert", "data": upsert(key, unclear), "sender": OWN}
    (problem,) = evolution.observe(msgspec.json.encode(body), Setup()).problems
    assert problem.where == "data.message.pollUpdateMessage"


@pytest.mark.parametrize("name", [JOHN, JOHN_LID, "628123456789", "251556368777322"])
def test_an_id_in_place_of_a_push_name_is_no_name(name: str) -> None:
    in_group = {"remoteJid": GROUP, "participant": JOHN_LID, "participantAlt": JOHN, "fromMe": False, "id": "A"}
    of_two = {"remoteJid": JOHN_LID, "remoteJidAlt": JOHN, "fromMe": False, "id": "A"}
    for key in (in_group, of_two):
        assert message(key, {"conversation": "hi"}, pushName=name).details.push_name is None
    assert message(of_two, {"conversation": "hi"}, pushName="John @ work").details.push_name == "John @ work"


def test_nothing_unread_is_no_news() -> None:
    """Evolution writes 0 after each receipt, also of own messages."""
    assert events("chats.upsert", [{"remoteJid": JOHN, "instanceId": "i", "unreadMessages": 0}]) == []


def test_a_call_of_the_own_phone_is_in_the_chat_with_who_is_called() -> None:
    call = {"id": "C", "from": OWN, "chatId": JOHN, "date": "2023-10-15T10:30:00.000Z", "status": "offer"}
    (seen,) = events("call", call)
    assert isinstance(seen, MessageSeen)
    assert (seen.message.key.chat, seen.message.from_me) == (JOHN, True)
    assert events("call", call | {"chatId": OWN}) == []


def test_quotes_in_quotes_do_not_exhaust_the_stack() -> None:
    content = '{"conversation":"first"}'
    head = f'{{"event":"messages.upsert","sender":"{OWN}","data":{{"messageTimestamp":{SECONDS},'
    head += f'"key":{{"remoteJid":"{JOHN}","fromMe":false,"id":"A"}},"message":'
    understood = set()
    for _ in range(335):
        content = f'{{"extendedTextMessage":{{"text":"t","contextInfo":{{"stanzaId":"Q","quotedMessage":{content}}}}}}}'
        try:
            (seen,) = evolution.observe(f"{head}{content}}}}}".encode(), Setup()).events
        except Unreadable:
            continue
        assert isinstance(seen, MessageSeen)
        understood.add(seen.message.text)
    assert understood == {"t"}


# Statuses, lists, settings, placeholders


def test_the_number_of_who_posts_a_status_stands_beside_the_chat() -> None:
    key = {"remoteJid": "status@broadcast", "participant": JOHN_LID, "remoteJidAlt": JOHN, "fromMe": False, "id": "A"}
    told = message(key, {"conversation": "hi"})
    assert told.key == MessageKey(OWN, "status@broadcast", "A", JOHN)
    assert told.details.is_status is True


def test_what_comes_through_a_broadcast_list_belongs_to_the_chat_with_its_sender() -> None:
    key = {"remoteJid": "1697365700@broadcast", "participant": JOHN, "fromMe": False, "id": "A"}
    told = message(key, {"conversation": "hi"})
    assert (told.key, told.details.broadcast) == (MessageKey(OWN, JOHN, "A", JOHN), True)
    mine = message(key | {"fromMe": True, "participant": OWN}, {"conversation": "hi"})
    assert (mine.key.chat, mine.details.broadcast) == ("1697365700@broadcast", None)


def test_the_accounts_own_number_is_not_the_other_persons() -> None:
    key = {"remoteJid": JOHN_LID, "remoteJidAlt": OWN, "fromMe": True, "id": "A"}
    (seen,) = events("send.message", upsert(key, {"conversation": "hi"}))
    assert isinstance(seen, MessageSeen)
    assert seen.message.key == MessageKey(OWN, JOHN_LID, "A", OWN)


def test_the_time_after_which_messages_disappear_is_the_chats() -> None:
    setting = {"type": "EPHEMERAL_SETTING", "ephemeralExpiration": 86400}
    seen = ChatSeen(phone=OWN, chat=JOHN, at=MICROS, ephemeral_seconds=86400)
    key = {"remoteJid": JOHN, "fromMe": False, "id": "A"}
    assert events("messages.set", [upsert(key, {"protocolMessage": setting})]) == [seen]
    assert events("messages.edited", setting | {"key": key}) == [seen]
    assert events("messages.edited", setting | {"key": key | {"remoteJid": OWN}}) == []


def test_a_message_to_be_seen_once_is_a_placeholder() -> None:
    key = {"remoteJid": JOHN, "fromMe": False, "id": "A", "isViewOnce": True}
    (seen,) = events("messages.upsert", upsert(key, None))
    assert isinstance(seen, MessageSeen)
    assert (seen.message.kind, seen.message.details.is_view_once) == ("ciphertext", True)


# Instances on Meta's API


def test_an_id_of_meta_is_whatsapps_own_and_names_the_chat() -> None:
    for remote in (ANA, JOHN):
        told = message({"remoteJid": remote, "fromMe": False, "id": WAMID}, {"conversation": "oi"})
        assert told.key == MessageKey(OWN, ANA, BARE, ANA)


def test_a_reaction_through_meta_finds_its_message() -> None:
    content = {"reactionMessage": {"key": {"id": WAMID}, "text": "👍"}}
    (told,) = events("messages.upsert", upsert({"remoteJid": ANA, "fromMe": False, "id": "wamid.x"}, content))
    assert told == ReactionSet(target=Target(OWN, ANA, BARE), by=ANA, emoji="👍", at=MICROS, id="wamid.x")


@pytest.mark.parametrize(("status", "ack"), [("SENT", 2), ("DELIVERED", 3), ("READ", 4), ("FAILED", -1)])
def test_receipts_through_meta_are_of_own_messages(status: str, ack: int) -> None:
    row = {"keyId": WAMID, "remoteJid": ANA, "fromMe": False, "participant": ANA, "status": status}
    target = Target(OWN, ANA, BARE, OWN)
    assert events("messages.update", row) == [ReceiptSet(target=target, ack=ack, at=MICROS)]


def test_files_through_meta_have_metas_names() -> None:
    digest = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    file = {"mime_type": "application/pdf", "sha256": digest, "id": "123", "filename": "a.pdf", "caption": "see"}
    told = message({"remoteJid": ANA, "fromMe": False, "id": WAMID}, {"documentMessage": file})
    assert (told.kind, told.text) == ("document", "see")
    assert told.details.media == Media(mimetype="application/pdf", sha256=bytes(range(32)).hex(), filename="a.pdf")


# Kinds that are rare


def read(content: dict[str, Any]) -> Content:
    found = proto_json.read(content)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("requestPaymentMessage", {"noteMessage": {"extendedTextMessage": {"text": "for lunch"}}}, "for lunch"),
        ("sendPaymentMessage", {"noteMessage": {"conversation": "thanks"}}, "thanks"),
        ("scheduledCallCreationMessage", {"title": "Planning", "scheduledTimestampMs": "1"}, "Planning"),
        ("stickerPackMessage", {"name": "Cats", "publisher": "x"}, "Cats"),
        ("newsletterAdminInviteMessage", {"newsletterName": "News", "caption": "be an admin"}, "be an admin"),
        ("questionResponseMessage", {"text": "because"}, "because"),
        ("unheardOfMessage", {"text": "?"}, None),
    ],
)
def test_what_has_no_kind_of_its_own_keeps_its_name_and_its_text(name: str, content: Any, text: str | None) -> None:
    told = read({name: content})
    assert (told.kind, told.text, told.details.type_name) == ("unknown", text, name)


def test_the_result_of_a_poll_is_a_poll_with_counts() -> None:
    votes = [
        {"optionName": "yes", "optionVoteCount": "3"},
        {"optionName": "no", "optionVoteCount": {"low": 0, "high": 0}},
    ]
    told = read({"pollResultSnapshotMessage": {"name": "Lunch?", "pollVotes": votes}})
    assert (told.kind, told.text) == ("poll", "Lunch?")
    assert told.details.poll == Poll(name="Lunch?", options=("yes", "no"), counts={"yes": 3, "no": 0})


def test_a_comment_answers_its_message() -> None:
    key = {"remoteJid": GROUP, "id": "BBBB", "participant": JOHN, "fromMe": False}
    told = read({"commentMessage": {"message": {"conversation": "agreed"}, "targetMessageKey": key}})
    assert (told.kind, told.text) == ("text", "agreed")
    assert told.details.quoted == Quote(id="BBBB", sender=JOHN)


def test_pictures_of_events_and_polls_are_pictures_and_the_key_of_a_call_is_nothing() -> None:
    for wrapper in ("eventCoverImage", "pollCreationOptionImageMessage"):
        assert read({wrapper: {"message": {"imageMessage": {"mimetype": "image/png"}}}}).kind == "image"
    assert read({"placeholderMessage": {"type": 0}}).kind == "ciphertext"
    assert proto_json.read({"call": {"callKey": "AAAA"}, "messageContextInfo": {}}) is None
