"""The Cloud API's webhook: the fields, types and statuses of Meta's reference, also several in one payload."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Location, Media, Message, MessageKey, Notice, Quote
from backscroll.ingest.connectors.pushed import Connection, Observed, Setup
from backscroll.ingest.connectors.webhooks import cloud, wamid

OWN = "15550783881@s.whatsapp.net"
USER, BSUID = "16505551234@s.whatsapp.net", "US.13491208655302741918"
SECONDS = 1_749_416_383
MICROS = SECONDS * 1_000_000
WAMID = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="
INSIDE = "3A4A6599AEE03810144F"


def change(field: str, **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}


def payload(*changes: dict[str, Any]) -> bytes:
    entry = {"id": "102290129340398", "changes": list(changes)}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


def observed(*changes: dict[str, Any]) -> Observed:
    return cloud.observe(payload(*changes), Setup())


def events(field: str, **value: Any) -> list[Event]:
    told = observed(change(field, **value))
    assert told.problems == []
    assert told.connections == [Connection(OWN, "CONNECTED")]
    return told.events


def incoming(**more: Any) -> dict[str, Any]:
    return {"from": "16505551234", "id": WAMID, "timestamp": str(SECONDS), **more}


def message(**more: Any) -> Message:
    (event,) = events("messages", messages=[incoming(**more)])
    assert isinstance(event, MessageSeen)
    return event.message


def test_a_text_has_whatsapps_own_id_which_is_inside_metas() -> None:
    contacts = [{"profile": {"name": "Sheena Nelson"}, "wa_id": "16505551234"}]
    told = events("messages", contacts=contacts, messages=[incoming(type="text", text={"body": "Any color?"})])
    key = MessageKey(OWN, USER, INSIDE, USER)
    assert told == [
        ContactSeen(jid=USER, phone=OWN, push_name="Sheena Nelson"),
        MessageSeen(Message(key=key, sent_at=MICROS, from_me=False, text="Any color?")),
    ]


@pytest.mark.parametrize("id", ["wamid.!!!", "wamid.QUJD", "gBGGFlA5FpafAgkOuJbRq54qwbM", ""])
def test_an_id_of_another_form_stays_as_it_is(id: str) -> None:
    assert wamid.bare_id(id) == id


def test_the_id_inside_is_taken_only_where_its_length_is_right() -> None:
    inner = b"\x1c\x18\x0b16503879439\x15\x02\x00\x12\x18\x15" + INSIDE.encode() + b"\x00"
    wrong = "wamid." + base64.b64encode(inner).decode()
    assert wamid.bare_id(wrong) == wrong


def test_a_user_without_a_number_is_known_by_the_business_scoped_id() -> None:
    contacts = [{"profile": {"name": "Sheena", "username": "sheena"}, "user_id": BSUID}]
    row = {"from_user_id": BSUID, "id": WAMID, "timestamp": str(SECONDS), "type": "text", "text": {"body": "hi"}}
    contact, seen = events("messages", contacts=contacts, messages=[row])
    assert contact == ContactSeen(jid=BSUID, phone=OWN, push_name="Sheena", extras={"username": "sheena"})
    assert isinstance(seen, MessageSeen)
    assert (seen.message.key.chat, seen.message.key.sender) == (BSUID, BSUID)


def test_number_and_business_scoped_id_are_one_person() -> None:
    contacts = [{"profile": {"name": "Sheena"}, "wa_id": "16505551234", "user_id": BSUID}]
    told = events("messages", contacts=contacts, messages=[incoming(from_user_id=BSUID, text={"body": "x"})])
    assert told[0] == NumberMapped(lid=BSUID, jid=USER)
    assert told.count(told[0]) == 1


FILE = {"id": "1003383421387256", "mime_type": "x/y", "sha256": base64.b64encode(bytes(32)).decode()}
MEDIA = Media(mimetype="x/y", sha256="00" * 32, url="https://graph.facebook.com/1003383421387256")


@pytest.mark.parametrize(
    ("type", "more", "kind", "text"),
    [
        ("image", {"caption": "look"}, "image", "look"),
        ("video", {"caption": "look"}, "video", "look"),
        ("audio", {"voice": True}, "voice", None),
        ("audio", {"voice": False}, "audio", None),
        ("document", {"caption": "bill"}, "document", "bill"),
        ("sticker", {"animated": False}, "sticker", None),
    ],
)
def test_files(type: str, more: dict[str, Any], kind: str, text: str | None) -> None:
    told = message(type=type, **{type: FILE | more})
    assert (told.kind, told.text, told.details.media) == (kind, text, MEDIA)


def test_places_cards_and_choices() -> None:
    place = {"latitude": 37.44216, "longitude": -122.16153, "name": "Philz", "address": "101 Forest Ave"}
    told = message(type="location", location=place)
    assert told.details.location == Location(
        latitude=37.44216, longitude=-122.16153, name="Philz", address="101 Forest Ave"
    )
    card: dict[str, Any] = {"name": {"formatted_name": "Ben; Holt", "first_name": "Ben", "last_name": "Holt"}}
    card |= {"phones": [{"phone": "+1 650", "wa_id": "1650", "type": "HOME"}], "emails": [{"email": "b@x"}]}
    told = message(type="contacts", contacts=[card])
    assert told.kind == "contact"
    assert told.details.vcards == (
        "BEGIN:VCARD\nVERSION:3.0\nN:Holt;Ben;;;\nFN:Ben\\; Holt\nTEL;type=HOME;waid=1650:+1 650\nEMAIL:b@x\nEND:VCARD",
    )
    assert message(type="contacts", contacts=[card, card]).kind == "contacts"
    assert message(type="button", button={"text": "No", "payload": "n"}).text == "No"
    reply = {"type": "list_reply", "list_reply": {"id": "t", "title": "Tea", "description": "hot"}}
    told = message(type="interactive", interactive=reply)
    assert (told.kind, told.text, told.details.interactive) == ("interactive", "Tea", reply)
    order = {"catalog_id": "1", "text": "two please", "product_items": []}
    assert message(type="order", order=order).text == "two please"
    system = {"body": "User changed number", "wa_id": "1", "type": "user_changed_number"}
    told = message(type="system", system=system)
    assert (told.kind, told.text) == ("notice", "User changed number")
    assert told.details.notice == Notice(type="user_changed_number", metadata=system)
    told = message(type="unsupported", errors=[{"code": 131051}])
    assert (told.kind, told.details.type_name) == ("unknown", None)
    assert message(type="brand_new").details.type_name == "brand_new"


def test_what_a_message_answers_and_where_it_comes_from() -> None:
    context = {"from": "15550783881", "id": WAMID, "frequently_forwarded": True}
    referral = {"source_url": "https://fb.me/x", "source_type": "ad"}
    told = message(text={"body": "x"}, context=context, referral=referral)
    assert told.details.quoted == Quote(id=INSIDE, sender=OWN)
    assert told.details.is_forwarded is True
    assert told.details.referral == referral


def test_changes_of_messages() -> None:
    reaction = incoming(type="reaction", reaction={"message_id": WAMID, "emoji": "👍"})
    taken_back = incoming(type="reaction", reaction={"message_id": WAMID})
    new = {"type": "text", "text": {"body": "new"}}
    edit = incoming(type="edit", edit={"original_message_id": WAMID, "message": new})
    caption = {"type": "image", "image": FILE | {"caption": "new caption"}}
    recaption = incoming(type="edit", edit={"original_message_id": WAMID, "message": caption})
    revoke = incoming(type="revoke", revoke={"original_message_id": WAMID})
    target, author = Target(OWN, USER, INSIDE), Target(OWN, USER, INSIDE, USER)
    assert events("messages", messages=[reaction, taken_back, edit, recaption, revoke]) == [
        ReactionSet(target=target, by=USER, emoji="👍", at=MICROS, id=INSIDE),
        ReactionSet(target=target, by=USER, emoji="", at=MICROS, id=INSIDE),
        MessageEdited(target=author, text="new", at=MICROS, id=INSIDE, by=USER),
        MessageEdited(target=author, text="new caption", at=MICROS, id=INSIDE, by=USER),
        MessageRevoked(target=author, at=MICROS, by=USER),
    ]


@pytest.mark.parametrize(("word", "ack"), [("sent", 2), ("delivered", 3), ("read", 4), ("played", 5), ("failed", -1)])
def test_statuses_are_receipts(word: str, ack: int) -> None:
    row = {"id": WAMID, "status": word, "timestamp": str(SECONDS), "recipient_id": "16505551234"}
    target = Target(OWN, USER, INSIDE, OWN)
    assert events("messages", statuses=[row | {"conversation": {}, "pricing": {}}]) == [
        ReceiptSet(target=target, ack=ack, at=MICROS)
    ]


def test_statuses_of_a_hidden_recipient_and_of_a_group() -> None:
    base = {"id": WAMID, "status": "read", "timestamp": str(SECONDS)}
    assert events("messages", statuses=[base | {"recipient_user_id": BSUID}]) == [
        ReceiptSet(target=Target(OWN, BSUID, INSIDE, OWN), ack=4, at=MICROS)
    ]
    group = {"recipient_type": "group", "recipient_id": "Y2Fwa", "recipient_participant_id": "16505551234"}
    assert events("messages", statuses=[base | group]) == [
        ReceiptSet(target=Target(OWN, "Y2Fwa@g.us", INSIDE, OWN), ack=4, participant=USER, at=MICROS)
    ]


def test_a_message_from_the_phones_own_app_is_an_echo() -> None:
    echo = {"from": "15550783881", "to": "16505551234", "id": WAMID, "timestamp": str(SECONDS)}
    (event,) = events("smb_message_echoes", message_echoes=[echo | {"type": "text", "text": {"body": "hi"}}])
    assert isinstance(event, MessageSeen)
    assert event.message.key == MessageKey(OWN, USER, INSIDE, OWN)
    assert event.message.from_me is True


def test_a_history_has_threads_of_both_sides() -> None:
    mine: dict[str, Any] = {
        "from": "15550783881",
        "to": "16505551234",
        "id": WAMID,
        "timestamp": str(SECONDS),
        "type": "text",
    }
    mine |= {"text": {"body": "mine"}, "history_context": {"status": "READ"}}
    theirs = incoming(type="text", text={"body": "theirs"}, history_context={"status": "DELIVERED"})
    metadata = {"phase": 0, "chunk_order": 1, "progress": 55}
    threads = [{"id": "16505551234", "messages": [mine, theirs]}]
    told = [
        e.message
        for e in events("history", history=[{"metadata": metadata, "threads": threads}])
        if isinstance(e, MessageSeen)
    ]
    assert [(m.from_me, m.key.chat, m.text, m.ack) for m in told] == [
        (True, USER, "mine", 4),
        (False, USER, "theirs", None),
    ]
    refused = [{"errors": [{"code": 2593109, "title": "declined"}]}]
    assert events("history", history=refused) == []


def test_files_of_a_history_come_by_themselves_also_sent_ones() -> None:
    sent = {"from": "15550783881", "to": "16505551234", "id": WAMID, "timestamp": str(SECONDS)}
    (event,) = events("history", messages=[sent | {"type": "image", "image": FILE}])
    assert isinstance(event, MessageSeen)
    assert (event.message.from_me, event.message.key.chat) == (True, USER)


def test_the_phones_address_book_comes_and_goes() -> None:
    contact = {"full_name": "Pablo Morales", "first_name": "Pablo", "phone_number": "16505551234"}
    row = {"type": "contact", "contact": contact, "action": "add", "metadata": {"timestamp": str(SECONDS)}}
    gone = row | {"action": "remove", "contact": {"phone_number": "16505551234"}}
    assert events("smb_app_state_sync", state_sync=[row, gone]) == [
        ContactSeen(jid=USER, phone=OWN, at=MICROS, name="Pablo Morales", is_saved=True),
        ContactSeen(jid=USER, phone=OWN, at=MICROS, is_saved=False),
    ]


def test_several_entries_changes_and_messages_in_one_payload() -> None:
    rows = [incoming(id=f"plain-{n}", type="text", text={"body": str(n)}) for n in range(3)]
    one = {"id": "1", "changes": [change("messages", messages=rows[:2]), change("messages", messages=rows[2:])]}
    status = {"id": WAMID, "status": "sent", "timestamp": str(SECONDS), "recipient_id": "16505551234"}
    two = {"id": "2", "changes": [change("messages", statuses=[status])]}
    told = cloud.observe(msgspec.json.encode({"object": "whatsapp_business_account", "entry": [one, two]}), Setup())
    assert [e.message.key.id for e in told.events if isinstance(e, MessageSeen)] == ["plain-0", "plain-1", "plain-2"]
    assert len(told.events) == 4


def test_what_is_wrong_with_one_message_hides_no_other() -> None:
    good = incoming(type="text", text={"body": "good"})
    bad: list[Any] = [{"id": 7}, incoming(timestamp="soon"), {"id": "A", "timestamp": "1"}, "no object"]
    told = observed(change("messages", messages=[bad[0], good, *bad[1:]]), change("unheard_of"), change("messages"))
    assert [e.message.text for e in told.events if isinstance(e, MessageSeen)] == ["good"]
    place = "entry[0].changes[0].value.messages"
    assert [problem.where for problem in told.problems] == [
        f"{place}[0].id",
        f"{place}[2].timestamp",
        f"{place}[3].from",
        f"{place}[4]",
        "entry[0].changes[1].field",
    ]


def test_what_concerns_the_account_is_kept_as_it_came() -> None:
    told = observed({"field": "account_update", "value": {"event": "VERIFIED_ACCOUNT"}})
    assert (told.events, told.problems, told.connections) == ([], [], [])
    assert told.raw is not None


@pytest.mark.parametrize(("status", "result"), [("RINGING", None), ("ACCEPTED", "connected"), ("REJECTED", "rejected")])
def test_how_far_a_call_to_somebody_came_is_no_receipt(status: str, result: str | None) -> None:
    told = {"id": "wacid.1", "timestamp": str(SECONDS), "type": "call", "status": status, "recipient_id": "16505551234"}
    (event,) = events("calls", statuses=[told])
    assert isinstance(event, MessageSeen)
    assert (event.message.key, event.message.from_me) == (MessageKey(OWN, USER, "call:wacid.1", OWN), True)
    assert event.message.details.call is not None
    assert event.message.details.call.result == result


def test_a_payment_that_failed_is_no_message_that_failed() -> None:
    told = {"id": WAMID, "timestamp": str(SECONDS), "type": "payment", "recipient_id": "16505551234"}
    for status in ("failed", "captured"):
        assert events("messages", statuses=[told | {"status": status}]) == []


def test_a_new_business_scoped_id_is_the_numbers() -> None:
    update: dict[str, Any] = {"wa_id": "16505551234", "user_id": {"previous": "US.1", "current": BSUID}}
    assert events("user_id_update", user_id_update=[update]) == [NumberMapped(lid=BSUID, jid=USER)]
    assert events("user_id_update", user_id_update=[update | {"wa_id": None}]) == []
    system = {"type": "user_changed_user_id", "wa_id": "16505551234", "user_id": BSUID, "body": "changed"}
    notice = {"id": WAMID, "timestamp": str(SECONDS), "type": "system", "system": system}
    mapped, seen = events("messages", messages=[notice])
    assert mapped == NumberMapped(lid=BSUID, jid=USER)
    assert isinstance(seen, MessageSeen)
    assert (seen.message.kind, seen.message.key.chat) == ("notice", USER)


def test_a_call_is_a_message() -> None:
    call = {"id": "wacid.1", "from": "16505551234", "to": "15550783881", "event": "terminate", "status": "COMPLETED"}
    (event,) = events("calls", calls=[call | {"timestamp": str(SECONDS)}])
    assert isinstance(event, MessageSeen)
    assert (event.message.kind, event.message.key.chat) == ("call", USER)
    assert event.message.details.call is not None
    assert event.message.details.call.result == "connected"
    hidden = call | {"from": None, "from_user_id": BSUID, "timestamp": str(SECONDS)}
    (event,) = events("calls", calls=[hidden])
    assert isinstance(event, MessageSeen)
    assert (event.message.key.chat, event.message.key.sender) == (BSUID, BSUID)


def test_the_number_of_a_business_scoped_id_is_told_wherever_both_stand() -> None:
    mapped = NumberMapped(lid=BSUID, jid=USER)
    call = {"id": "wacid.1", "from": "16505551234", "from_user_id": BSUID, "timestamp": str(SECONDS)}
    status = {
        "id": WAMID,
        "status": "read",
        "timestamp": str(SECONDS),
        "recipient_type": "group",
        "recipient_id": "Y2Fwa",
    }
    status |= {"recipient_participant_id": "16505551234", "recipient_participant_user_id": BSUID}
    thread = {"id": "16505551234", "messages": [incoming(from_user_id=BSUID)]}
    assert mapped in events("calls", calls=[call])
    assert mapped in events("messages", statuses=[status])
    assert mapped in events("history", history=[{"threads": [thread]}])


@pytest.mark.parametrize("body", [b"", b"{}", b'{"entry":{}}', b'{"entry":[{"changes":[{}]}]}', b"\xff"])
def test_what_is_no_payload_of_metas_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        cloud.observe(body, Setup())


# Groups of Meta's Groups API

GROUP_ID = "Y2FwaV9ncm91cDoxNzA1NTU1MDEzOToxMjAzNjM0MDQ2OTQyMzM4MjAZD"
GROUP = "120363404694233820@g.us"


def group(field: str, type: str, **more: Any) -> list[Event]:
    row = {"timestamp": str(SECONDS), "group_id": GROUP_ID, "type": type, "request_id": "R1"}
    return events(field, groups=[row | more])


def test_the_id_of_a_group_is_whatsapps_own_inside_metas() -> None:
    assert message(group_id=GROUP_ID, type="text", text={"body": "hi"}).key == MessageKey(OWN, GROUP, INSIDE, USER)
    assert message(group_id="Y2Fwa", type="text", text={"body": "hi"}).key.chat == "Y2Fwa@g.us"
    status = {"id": WAMID, "status": "read", "timestamp": str(SECONDS), "recipient_type": "group"}
    status |= {"recipient_id": GROUP_ID, "recipient_participant_id": "16505551234"}
    assert events("messages", statuses=[status]) == [
        ReceiptSet(target=Target(OWN, GROUP, INSIDE, OWN), ack=4, participant=USER, at=MICROS)
    ]


def test_a_group_is_made_renamed_and_deleted() -> None:
    made = {"subject": "Inquiry", "invite_link": "https://chat.whatsapp.com/X", "join_approval_mode": "auto_approve"}
    assert group("group_lifecycle_update", "group_create", **made) == [
        ChatSeen(phone=OWN, chat=GROUP, at=MICROS, name="Inquiry", invite_link="https://chat.whatsapp.com/X")
    ]
    failed = [{"code": 131201, "title": "Invalid subject"}]
    assert group("group_lifecycle_update", "group_create", subject="x", errors=failed) == []
    setting = {"text": "New", "update_successful": True}
    notice, seen = group("group_settings_update", "group_settings_update", group_subject=setting)
    assert isinstance(notice, MessageSeen)
    assert notice.message.details.notice == Notice(type="subject")
    assert seen == ChatSeen(phone=OWN, chat=GROUP, at=MICROS, name="New")
    refused = {"text": "New", "update_successful": False}
    assert group("group_settings_update", "group_settings_update", group_description=refused) == []
    assert group("group_lifecycle_update", "group_delete") == [
        ChatSeen(phone=OWN, chat=GROUP, at=MICROS, is_exited=True)
    ]


def test_people_join_and_leave_a_group() -> None:
    person = {"wa_id": "16505551234", "user_id": BSUID}
    field = "group_participants_update"
    mapped, joined = group(field, "group_participants_add", reason="invite_link", added_participants=[person])
    assert mapped == NumberMapped(lid=BSUID, jid=USER)
    assert isinstance(joined, MessageSeen)
    assert joined.message.details.notice == Notice(type="add", recipients=(USER,))
    for by, type in (("business", "remove"), ("participant", "leave")):
        (gone,) = group(
            field, "group_participants_remove", initiated_by=by, removed_participants=[{"wa_id": "16505551234"}]
        )
        assert isinstance(gone, MessageSeen)
        assert gone.message.details.notice == Notice(type=type, recipients=(USER,))
    assert group(field, "group_join_request_created", wa_id="16505551234") == []


def test_one_unreadable_message_of_a_history_hides_no_other() -> None:
    rows = [incoming(id=f"plain-{n}", type="text", text={"body": str(n)}) for n in range(3)]
    rows[1]["timestamp"] = "soon"
    threads = [{"id": "16505551234", "messages": rows}, {"id": "16505550000", "messages": [rows[0] | {"id": "other"}]}]
    told = observed(change("history", history=[{"threads": threads}]))
    assert [e.message.key.id for e in told.events if isinstance(e, MessageSeen)] == ["plain-0", "plain-2", "other"]
    assert [p.where for p in told.problems] == ["entry[0].changes[0].value.history.threads[0].messages[1].timestamp"]


def test_a_thread_may_be_with_somebody_who_has_no_number() -> None:
    theirs = {"id": WAMID, "timestamp": str(SECONDS), "type": "text", "text": {"body": "x"}, "from_user_id": BSUID}
    threads = [{"context": {"user_id": BSUID, "username": "pablo"}, "messages": [theirs]}]
    (told,) = events("history", history=[{"threads": threads}])
    assert isinstance(told, MessageSeen)
    assert told.message.key == MessageKey(OWN, BSUID, INSIDE, BSUID)


def test_what_meta_does_not_pass_on_is_named_and_a_card_may_be_whole() -> None:
    unsupported = message(type="unsupported", unsupported={"type": "poll_creation"}, errors=[{"code": 131051}])
    assert (unsupported.kind, unsupported.details.type_name) == ("unknown", "poll_creation")
    card = "BEGIN:VCARD\nFN:Ana\nEND:VCARD"
    assert message(type="contacts", contacts=[{"vcard": card, "phones": [{"phone": "1"}]}]).details.vcards == (card,)
