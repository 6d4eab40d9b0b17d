"""What WAHA's engines do differently: WhatsApp Web's names, keys from another's side, receipts without their reader."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatSeen,
    Event,
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
from backscroll.core.model import Call, Location, Media, Message, MessageKey, Poll, Quote
from backscroll.ingest.connectors.pushed import Setup
from backscroll.ingest.connectors.webhooks import waha, wire

OWN, OWN_LID = "628987654321@s.whatsapp.net", "77766655544433@lid"
JOHN, JOHN_LID = "628123456789@s.whatsapp.net", "251556368777322@lid"
GROUP = "120363402106000001@g.us"
SECONDS = 1_697_365_800
MICROS = SECONDS * 1_000_000
CARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"


def events(engine: str, event: str, payload: dict[str, Any], *, later: int = 0, lid: str | None = None) -> list[Event]:
    """What an engine's payload tells, of an envelope sent ``later`` seconds after what it is about."""
    me = {"id": "628987654321@c.us", "lid": lid, "pushName": "Desk"}
    envelope = {"id": "evt_1", "timestamp": (SECONDS + later) * 1000, "session": "default", "me": me}
    body = msgspec.json.encode(envelope | {"engine": engine, "event": event, "payload": payload})
    return waha.observe(body, Setup()).events


def common(**more: Any) -> dict[str, Any]:
    fields = {"id": "false_628123456789@c.us_AAAA", "timestamp": SECONDS, "from": "628123456789@c.us"}
    return fields | {"fromMe": False, "to": "628987654321@c.us", "participant": None} | more


def message(engine: str, **more: Any) -> Message:
    (found,) = (event for event in events(engine, "message.any", common(**more)) if isinstance(event, MessageSeen))
    return found.message


# WhatsApp Web's names: WEBJS and WPP


def test_the_thumbnail_of_a_place_is_not_its_text() -> None:
    place = {"latitude": -6.2, "longitude": 106.8, "name": "Monas", "address": "Jakarta", "url": "https://m.example"}
    place |= {"live": False, "description": "Monas\nJakarta", "thumbnail": "/9j/4AAQSkZJRgABAQ"}
    told = message("WEBJS", body="/9j/4AAQSkZJRgABAQ", location=place, _data={"type": "location"})
    assert (told.kind, told.text) == ("location", None)
    expected = Location(latitude=-6.2, longitude=106.8, name="Monas", address="Jakarta", url="https://m.example")
    assert told.details.location == expected
    raw = {"type": "location", "lat": -6.2, "lng": 106.8, "loc": "Monas\nJakarta", "body": "/9j/4AAQ"}
    told = message("WPP", body="/9j/4AAQ", location=None, _data=raw)
    assert told.text is None
    assert told.details.location == Location(latitude=-6.2, longitude=106.8, name="Monas", address="Jakarta")
    live = message("WPP", body="/9j/4AAQ", _data=raw | {"isLive": True, "comment": "on my way"})
    assert (live.kind, live.text) == ("live_location", "on my way")


def test_cards_and_polls_are_read_where_only_whatsapp_web_has_them() -> None:
    one = message("WPP", body=CARD, vCards=None, _data={"type": "vcard", "body": CARD})
    assert (one.kind, one.text, one.details.vcards) == ("contact", None, (CARD,))
    cards = {"type": "multi_vcard", "vcardList": [{"displayName": "Ana", "vcard": CARD}, {"vcard": CARD}]}
    several = message("WPP", body="2 contacts", _data=cards)
    assert (several.kind, several.text, several.details.vcards) == ("contacts", None, (CARD, CARD))
    raw: dict[str, Any] = {"type": "poll_creation", "pollName": "Lunch?", "pollSelectableOptionsCount": 1}
    raw |= {"pollOptions": [{"name": "yes", "localId": 0}, {"name": "no", "localId": 1}]}
    poll = message("WEBJS", body="Lunch?", _data=raw)
    assert (poll.kind, poll.text) == ("poll", "Lunch?")
    assert poll.details.poll == Poll(name="Lunch?", options=("yes", "no"), selectable=1)


def test_flags_mentions_and_the_length_of_a_file() -> None:
    raw: dict[str, Any] = {"type": "ptt", "mimetype": "audio/ogg", "duration": "12", "forwardingScore": 4}
    raw |= {"isForwarded": True, "isViewOnce": True, "ephemeralDuration": 86400}
    raw |= {"mentionedJidList": ["628987654321@c.us", {"_serialized": "251556368777322@lid"}]}
    told = message("WEBJS", hasMedia=True, _data=raw).details
    assert told.media == Media(mimetype="audio/ogg", duration=12)
    assert told.mentions == (OWN, JOHN_LID)
    assert (told.is_forwarded, told.forwarding_score, told.is_view_once) == (True, 4, True)
    assert (told.is_ephemeral, told.expires_after) == (True, 86400)


def test_people_may_be_objects() -> None:
    wid = {"server": "c.us", "user": "628123456789", "_serialized": "628123456789@c.us"}
    reply = {"id": {"_serialized": "true_628123456789@c.us_BBBB"}, "participant": wid, "body": {"odd": 1}}
    told = message("WEBJS", **{"from": wid}, author=wid, body="yes", replyTo=reply, _data={"type": "chat"})
    assert told.key == MessageKey(OWN, JOHN, "AAAA", JOHN)
    assert told.details.quoted == Quote(id="BBBB", sender=JOHN)


def test_an_edit_in_whatsapp_web_is_dated_by_itself_or_by_the_event() -> None:
    msg = {"id": "AAAA", "t": SECONDS, "latestEditSenderTimestampMs": (SECONDS + 50) * 1000}
    edit = common(id="true_628123456789@c.us_EDIT", fromMe=True, body="new", editedMessageId="AAAA")
    for data in ([{}, "AAAA", msg], {"chat": {}, "id": "AAAA", "msg": msg}):
        (told,) = events("WPP", "message.edited", edit | {"_data": data}, later=60)
        assert told == MessageEdited(
            target=Target(OWN, JOHN, "AAAA", OWN), text="new", at=MICROS + 50_000_000, id="EDIT", by=OWN
        )
    (told,) = events("WPP", "message.edited", edit | {"_data": {"msg": {"t": SECONDS}}}, later=60)
    assert isinstance(told, MessageEdited)
    assert told.at == MICROS + 60_000_000


def test_a_deletion_by_wpp_has_its_ids_taken_apart() -> None:
    data = {"id": "false_628123456789@c.us_DELE", "refId": "false_628123456789@c.us_AAAA", "from": "x", "to": "y"}
    key = {"fromMe": False, "remoteJid": JOHN}
    payload = {"revokedMessageId": "AAAA", "before": key | {"id": "AAAA"}, "after": key | {"id": "DELE"}}
    told = events("WPP", "message.revoked", payload | {"_data": data}, later=9)
    assert told == [MessageRevoked(target=Target(OWN, JOHN, "AAAA"), at=MICROS + 9_000_000, by=JOHN)]
    own = data | {"id": "true_628123456789@c.us_DELE"}
    (told_own,) = events("WPP", "message.revoked", payload | {"_data": own})
    assert isinstance(told_own, MessageRevoked)
    assert told_own.by == OWN


def test_a_deletion_among_the_messages_is_a_deletion() -> None:
    key = {"fromMe": False, "remote": "628123456789@c.us", "id": "BBBB"}
    told = events("WEBJS", "message.any", common(body="", _data={"type": "revoked", "protocolMessageKey": key}))
    assert told == [MessageRevoked(target=Target(OWN, JOHN, "BBBB"), at=MICROS, by=JOHN)]
    assert events("WPP", "message.any", common(body="", _data={"type": "protocol", "subtype": "message_edit"})) == []


def test_archiving_is_dated_by_the_event_and_not_by_the_last_message() -> None:
    payload = {"id": "628123456789@c.us", "archived": False, "timestamp": SECONDS}
    told = events("WEBJS", "chat.archive", payload, later=600)
    assert told == [ChatSeen(phone=OWN, chat=JOHN, at=MICROS + 600_000_000, archived=False)]


# NOWEB


@pytest.mark.parametrize(
    ("field", "ack", "stored"),
    [("receiptTimestamp", 1, 3), ("readTimestamp", 3, 4), ("playedTimestamp", 4, 5)],
)
def test_a_receipt_in_a_group_is_of_who_gave_it(field: str, ack: int, stored: int) -> None:
    receipt = {"userJid": JOHN, field: SECONDS - 5}
    payload = {"id": f"true_{GROUP}_AAAA_628987654321@c.us", "from": GROUP, "fromMe": True, "ack": ack}
    payload |= {"participant": "628987654321@c.us", "_data": {"key": {}, "receipt": receipt}}
    target = Target(OWN, GROUP, "AAAA", OWN)
    told = events("NOWEB", "message.ack.group", payload)
    assert told == [ReceiptSet(target=target, ack=stored, participant=JOHN, at=MICROS - 5_000_000)]


def test_an_edit_that_could_not_be_decrypted_empties_nothing() -> None:
    assert events("NOWEB", "message.edited", common(body="", editedMessageId="BBBB")) == []


def test_a_message_to_be_seen_once_is_a_placeholder() -> None:
    key = {"remoteJid": JOHN, "fromMe": False, "id": "AAAA", "isViewOnce": True}
    told = message("NOWEB", body=None, hasMedia=False, _data={"key": key, "messageTimestamp": SECONDS})
    assert (told.kind, told.details.is_view_once) == ("ciphertext", True)


def test_the_time_after_which_messages_disappear_is_the_chats() -> None:
    content = {"protocolMessage": {"type": 3, "ephemeralExpiration": 604800}}
    told = events("NOWEB", "message.any", common(body=None, _data={"message": content}))
    assert told == [ChatSeen(phone=OWN, chat=JOHN, at=MICROS, ephemeral_seconds=604800)]


def test_the_number_of_who_posts_a_status_stands_beside_the_chat() -> None:
    key = {"remoteJid": "status@broadcast", "participant": JOHN_LID, "remoteJidAlt": JOHN, "fromMe": False}
    id = f"false_status@broadcast_AAAA_{JOHN_LID}"
    payload = common(id=id, participant=JOHN_LID, body="hi", _data={"key": key, "message": {"conversation": "hi"}})
    mapped, seen = events("NOWEB", "message.any", payload | {"from": "status@broadcast"})
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(seen, MessageSeen)
    assert seen.message.key == MessageKey(OWN, "status@broadcast", "AAAA", JOHN)


def test_what_comes_through_a_broadcast_list_belongs_to_the_chat_with_its_sender() -> None:
    payload = common(id="false_1697365700@broadcast_AAAA_628123456789@c.us", participant="628123456789@c.us", body="x")
    (seen,) = events("NOWEB", "message.any", payload | {"from": "1697365700@broadcast"})
    assert isinstance(seen, MessageSeen)
    assert seen.message.key == MessageKey(OWN, JOHN, "AAAA", JOHN)
    assert seen.message.details.broadcast is True


# GOWS


@pytest.mark.parametrize("engine", ["NOWEB", "GOWS"])
def test_a_pin_is_told_of_its_message(engine: str) -> None:
    names = {"NOWEB": ("id", "senderTimestampMs"), "GOWS": ("ID", "senderTimestampMS")}[engine]
    key = {"remoteJid": GROUP, "fromMe": False, "participant": OWN, names[0]: "BBBB"}
    pin = {"key": key, "type": 1, names[1]: str(SECONDS * 1000 + 250)}
    raw = {"message": {"pinInChatMessage": pin, "messageContextInfo": {"messageAddOnDurationInSecs": 86_400}}}
    payload = common(id=f"false_{GROUP}_AAAA_628123456789@c.us", participant="628123456789@c.us", body=None, _data=raw)
    target = Target(OWN, GROUP, "BBBB", OWN)
    assert events(engine, "message.any", payload | {"from": GROUP}) == [
        MessagePinned(target=target, pinned=True, at=MICROS + 250_000, by=JOHN, until=MICROS + 86_400_000_000)
    ]
    del key[names[0]]
    with pytest.raises(Unreadable, match="has no message id"):
        events(engine, "message.any", payload | {"from": GROUP})


def test_a_reaction_may_have_its_key_from_the_side_of_who_reacts() -> None:
    id = f"false_{GROUP}_AAAA_628123456789@c.us"
    for of, sender in ((f"true_{GROUP}_BBBB_628987654321@c.us", None), (f"false_{GROUP}_BBBB_{OWN_LID}", OWN_LID)):
        reaction = {"text": "🙏", "messageId": of}
        payload = common(id=id, participant="628123456789@c.us", reaction=reaction) | {"from": GROUP}
        (told,) = events("GOWS", "message.reaction", payload)
        assert told == ReactionSet(target=Target(OWN, GROUP, "BBBB", sender), by=JOHN, emoji="🙏", at=MICROS, id="AAAA")
    own_words = {"text": "🙏", "messageId": "true_628987654321@c.us_BBBB"}
    (told,) = events("GOWS", "message.reaction", common(reaction=own_words))
    assert isinstance(told, ReactionSet)
    assert told.target == Target(OWN, JOHN, "BBBB")


def test_the_accounts_own_hidden_id_is_told_with_its_number() -> None:
    (mapped, seen) = events("GOWS", "message.any", common(body="hi"), lid=OWN_LID)
    assert mapped == NumberMapped(lid=OWN_LID, jid=OWN)
    assert isinstance(seen, MessageSeen)
    assert events("GOWS", "presence.update", {"id": "x"}, lid=OWN_LID) == []


def test_a_number_is_never_taken_from_the_account_itself() -> None:
    info = {"IsFromMe": True, "Chat": JOHN, "Sender": OWN, "SenderAlt": OWN_LID, "RecipientAlt": JOHN_LID}
    payload = common(id="true_628123456789@c.us_AAAA", fromMe=True, body="hi", _data={"Info": info})
    told = [event for event in events("GOWS", "message.any", payload) if isinstance(event, NumberMapped)]
    assert told == [NumberMapped(lid=JOHN_LID, jid=JOHN)]


def test_receipts_and_votes_tell_the_number_of_who_gave_them() -> None:
    source = {"Chat": GROUP, "Sender": JOHN_LID, "SenderAlt": JOHN, "IsGroup": True}
    payload = {"id": f"true_{GROUP}_AAAA_{OWN_LID}", "from": GROUP, "fromMe": True, "ack": 3, "participant": JOHN_LID}
    mapped, receipt = events("GOWS", "message.ack", payload | {"_data": source})
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert isinstance(receipt, ReceiptSet)
    assert receipt.participant == JOHN
    vote = {"from": GROUP, "participant": JOHN_LID, "fromMe": False, "selectedOptions": [], "timestamp": MICROS // 1000}
    poll = {"poll": {"id": f"true_{GROUP}_BBBB_{OWN_LID}"}, "vote": vote, "_data": {"Info": source}}
    mapped, voted = events("GOWS", "poll.vote", poll)
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert voted == PollVoted(target=Target(OWN, GROUP, "BBBB", OWN), by=JOHN_LID, options=(), at=MICROS)


@pytest.mark.parametrize(
    ("data", "call"),
    [
        ({"callOutcome": "Ongoing", "isVideoCall": False}, Call(video=False, outgoing=False)),
        (
            {"callOutcome": "AcceptedElsewhere", "isVideoCall": True},
            Call(video=True, outgoing=False, result="connected"),
        ),
        ({"callOutcome": "Rejected", "callDuration": 0}, Call(outgoing=False, result="rejected")),
        ({"callOutcome": "Missed", "finalCallOutcome": "Failed"}, Call(outgoing=False, result="failed")),
        ({"subtype": "miss"}, Call(video=False, outgoing=False, result="missed")),
        ({"subtype": "miss_group_video"}, Call(video=True, outgoing=False, result="missed")),
        ({"callOutcome": "of tomorrow", "callDuration": {"sentinel": "DEFAULT"}}, Call(outgoing=False)),
    ],
)
def test_a_call_that_whatsapp_web_lists_in_the_chat(data: dict[str, Any], call: Call) -> None:
    seen = message("WEBJS", _data={"type": "call_log", "id": {"fromMe": False}} | data)
    assert (seen.key.id, seen.kind, seen.text, seen.details.call) == ("call:AAAA", "call", None, call)
    mine = message("WPP", _data={"type": "call_log", "id": {"fromMe": True}, "callOutcome": "Missed"}, fromMe=True)
    assert mine.details.call == Call(outgoing=True, result="unanswered")


@pytest.mark.parametrize("engine", ["GOWS", "NOWEB"])
def test_a_vote_in_a_chat_of_two_finds_the_poll_by_its_id(engine: str) -> None:
    """Of their own poll WAHA passes on the key as they see it, in which the chat is our number or our hidden id."""
    vote: dict[str, Any] = {"id": "false_628123456789@c.us_CCCC", "from": "628123456789@c.us", "fromMe": False}
    vote |= {"selectedOptions": ["yes"], "timestamp": MICROS // 1000}
    for poll in ("true_628123456789@c.us_BBBB", f"true_{OWN_LID}_BBBB", "false_628987654321@c.us_BBBB"):
        told = events(engine, "poll.vote", {"poll": {"id": poll}, "vote": vote})
        assert told == [PollVoted(target=Target(OWN, JOHN, "BBBB"), by=JOHN, options=("yes",), at=MICROS)]


def test_a_vote_in_a_group_for_ones_own_poll_is_not_for_ours() -> None:
    vote: dict[str, Any] = {"id": f"false_{GROUP}_CCCC_{JOHN}", "from": GROUP, "participant": JOHN}
    vote |= {"fromMe": False, "selectedOptions": ["yes"], "timestamp": MICROS // 1000}
    for poll in (f"true_{GROUP}_BBBB", f"true_{GROUP}_BBBB_628123456789@c.us"):
        told = events("GOWS", "poll.vote", {"poll": {"id": poll}, "vote": vote})
        assert told == [PollVoted(target=Target(OWN, GROUP, "BBBB"), by=JOHN, options=("yes",), at=MICROS)]


def test_gows_tells_when_a_receipt_came_and_a_group_changed() -> None:
    """WAHA itself gives only the time at which it heard of it, which is much later after an outage."""
    receipt = {"Chat": JOHN, "Sender": JOHN, "Timestamp": "2023-10-15T17:30:00+07:00", "Type": "read"}
    ack = {"id": "true_628123456789@c.us_AAAA", "fromMe": True, "ack": 3, "_data": receipt}
    (told,) = events("GOWS", "message.ack", ack, later=3600)
    assert told == ReceiptSet(target=Target(OWN, JOHN, "AAAA", OWN), ack=4, at=MICROS)
    change = {"JID": GROUP, "Sender": JOHN_LID, "SenderPN": JOHN, "Timestamp": "2023-10-15T10:30:00Z"}
    payload: dict[str, Any] = {"group": {"id": GROUP}, "type": "leave", "timestamp": (SECONDS + 3600) * 1000}
    payload |= {"participants": [{"id": OWN_LID, "pn": None, "role": "left"}], "_data": change}
    told_events = events("GOWS", "group.v2.participants", payload, lid=OWN_LID)
    assert told_events[:2] == [NumberMapped(lid=OWN_LID, jid=OWN), NumberMapped(lid=JOHN_LID, jid=JOHN)]
    notice, left = told_events[2:]
    assert notice == wire.notice_of(OWN, GROUP, "remove", MICROS, [OWN], JOHN)
    assert left == ChatSeen(phone=OWN, chat=GROUP, at=MICROS, is_exited=True)
    unknown = ack | {"_data": receipt | {"Timestamp": "0001-01-01T00:00:00Z"}}
    (told,) = events("GOWS", "message.ack", unknown, later=60)
    assert isinstance(told, ReceiptSet)
    assert told.at == MICROS + 60_000_000


def test_noweb_tells_who_changed_a_group() -> None:
    update = {"id": GROUP, "author": JOHN_LID, "authorPn": JOHN, "participants": [JOHN_LID], "action": "remove"}
    payload: dict[str, Any] = {"group": {"id": GROUP}, "type": "leave", "timestamp": SECONDS * 1000, "_data": update}
    payload |= {"participants": [{"id": JOHN_LID, "pn": JOHN, "role": "left"}]}
    mapped, notice = events("NOWEB", "group.v2.participants", payload)
    assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
    assert notice == wire.notice_of(OWN, GROUP, "leave", MICROS, [JOHN], JOHN)


def test_a_call_in_a_group_is_in_the_group_and_names_the_caller() -> None:
    payload: dict[str, Any] = {"id": "CALL1", "timestamp": SECONDS + 0.25, "isVideo": False, "isGroup": True}
    payload |= {"from": "251556368777322@lid"}
    gows = {"From": JOHN_LID, "CallCreator": JOHN_LID, "CallCreatorAlt": JOHN, "GroupJID": GROUP}
    for data in (gows, {"from": JOHN_LID, "callerPn": JOHN, "groupJid": GROUP}):
        mapped, seen = events("GOWS", "call.received", payload | {"_data": data})
        assert mapped == NumberMapped(lid=JOHN_LID, jid=JOHN)
        assert isinstance(seen, MessageSeen)
        assert seen.message.key == MessageKey(OWN, GROUP, "call:CALL1", JOHN)
        assert seen.message.sent_at == MICROS + 250_000
    mine = {"From": JOHN, "CallCreator": OWN, "GroupJID": ""}
    (seen,) = events("GOWS", "call.accepted", payload | {"from": JOHN, "_data": mine})
    assert isinstance(seen, MessageSeen)
    assert (seen.message.key.chat, seen.message.from_me) == (JOHN, True)
    assert seen.message.details.call == Call(video=False, outgoing=True, result="connected")
