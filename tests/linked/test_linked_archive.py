"""Events of a linked device in the archive: encrypted additions, histories, placeholders, any order."""

from __future__ import annotations

import hashlib
import itertools
import random
from typing import Any

import pytest
from msgspec import structs
from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCommon import WACommon_pb2 as common
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
from neonize.proto.waHistorySync import WAWebProtobufsHistorySync_pb2 as history
from neonize.proto.waWeb import WAWebProtobufsWeb_pb2 as web

from backscroll.core.model import Call, MessageKey, Pin
from backscroll.linked.bodies import ids_told
from backscroll.storage.store import Store
from linked_archive import LinkedArchive, sealed, secret_context
from linked_events import (
    ANA,
    ANA_LID,
    BEN,
    GROUP,
    MICROS,
    OWN,
    OWN_LID,
    SECONDS,
    Phone,
    direct,
    in_group,
    info,
    jid,
    message,
    net,
    receipt,
    source,
    text,
)

SECRET = b"m" * 32
GROUP_JID = f"{GROUP}@g.us"


@pytest.fixture
def archive(store: Store) -> LinkedArchive:
    return LinkedArchive(store)


def key_to(id: str, *, from_me: bool = False, participant: str | None = None, chat: str = GROUP_JID) -> Any:
    return common.MessageKey(ID=id, fromMe=from_me, remoteJID=chat, participant=participant)


def poll() -> Any:
    options = [e2e.PollCreationMessage.Option(optionName=name) for name in ("Monday", "Friday")]
    content = e2e.PollCreationMessage(name="When?", options=options, selectableOptionsCount=1)
    return e2e.Message(pollCreationMessageV3=content, messageContextInfo=secret_context(SECRET))


def vote(*names: str, sender: str = net(ANA), adder: str = net(BEN)) -> Any:
    chosen = e2e.PollVoteMessage(selectedOptions=[hashlib.sha256(name.encode()).digest() for name in names])
    payload, nonce = sealed(chosen, "Poll Vote", id="P1", secret=SECRET, sender=sender, adder=adder)
    update = e2e.PollUpdateMessage(
        pollCreationMessageKey=key_to("P1", participant=net(ANA)),
        vote=e2e.PollEncValue(encPayload=payload, encIV=nonce),
        senderTimestampMS=SECONDS * 1000 + 7000,
    )
    return e2e.Message(pollUpdateMessage=update)


def votes_of(archive: LinkedArchive) -> list[tuple[str, tuple[str, ...]]]:
    return [(vote.voter, vote.options) for vote in archive.messages()["P1"].votes]


def test_a_vote_is_opened_with_the_secret_of_its_poll(device: Phone, archive: LinkedArchive) -> None:
    device.push(message(poll(), id="P1", where=in_group()))
    device.push(message(vote("Friday"), id="V1", where=in_group(BEN)))
    archive.take(device.lines())
    assert votes_of(archive) == [(net(BEN), ("Friday",))]
    assert archive.quarantine() == []


def test_a_vote_by_hidden_ids_is_opened_too(device: Phone, archive: LinkedArchive) -> None:
    device.push(message(poll(), id="P1", where=in_group()))
    hidden = vote("Monday", sender=net(ANA), adder=f"{ANA_LID}@lid")
    where = source(jid(GROUP, "g.us"), jid(ANA), sender_alt=jid(ANA_LID, "lid"))
    device.push(message(hidden, id="V1", where=where))
    archive.take(device.lines())
    assert votes_of(archive) == [(net(ANA), ("Monday",))]


def test_a_vote_that_comes_before_its_poll_waits_for_it(device: Phone, archive: LinkedArchive) -> None:
    device.push(message(vote("Friday"), id="V1", where=in_group(BEN)))
    archive.take(device.lines())
    assert device.bodies.released(["P1"]) != []
    device.push(message(poll(), id="P1", where=in_group()))
    entry = device.spool.next(timeout=0)
    assert entry is not None
    for body in device.bodies.of(entry, device.own):
        archive.take([_encoded(body)])
        for _, held in device.bodies.released(ids_told(body)):
            archive.take(_encoded(late) for late in device.bodies.of(held, device.own))
    assert votes_of(archive) == [(net(BEN), ("Friday",))]


def _encoded(body: dict[str, Any]) -> bytes:
    import msgspec

    return msgspec.json.encode(body)


def test_an_opened_vote_whose_poll_is_not_here_waits_in_the_archive(device: Phone, archive: LinkedArchive) -> None:
    device.push(message(poll(), id="P1", where=in_group()))
    (told,) = device.lines()
    device.push(message(vote("Friday"), id="V1", where=in_group(BEN)))
    archive.take(device.lines())
    assert len(archive.quarantine()) == 1
    archive.take([told])
    archive.settle()
    assert votes_of(archive) == [(net(BEN), ("Friday",))]
    assert archive.quarantine() == []


def test_an_encrypted_reaction_and_an_encrypted_edit(device: Phone, archive: LinkedArchive) -> None:
    device.push(message(text("news", messageContextInfo=secret_context(SECRET)), id="G1", where=in_group()))
    reaction = e2e.ReactionMessage(text="🎉", senderTimestampMS=SECONDS * 1000 + 1000)
    payload, nonce = sealed(reaction, "Enc Reaction", id="G1", secret=SECRET, sender=net(ANA), adder=net(BEN))
    part = e2e.EncReactionMessage(targetMessageKey=key_to("G1", participant=net(ANA)), encPayload=payload, encIV=nonce)
    device.push(message(e2e.Message(encReactionMessage=part), id="R1", where=in_group(BEN)))
    change = e2e.ProtocolMessage(
        key=key_to("G1", from_me=True), type=e2e.ProtocolMessage.MESSAGE_EDIT, editedMessage=text("good news")
    )
    edit = e2e.Message(protocolMessage=change)
    payload, nonce = sealed(edit, "Message Edit", id="G1", secret=SECRET, sender=net(ANA), adder=net(ANA))
    hidden = e2e.SecretEncryptedMessage(
        targetMessageKey=key_to("G1", from_me=True),
        encPayload=payload,
        encIV=nonce,
        secretEncType=e2e.SecretEncryptedMessage.MESSAGE_EDIT,
    )
    device.push(message(e2e.Message(secretEncryptedMessage=hidden), id="E1", where=in_group(), seconds=SECONDS + 9))
    archive.take(device.lines())
    found = archive.messages()["G1"]
    assert [(r.sender, r.emoji) for r in found.reactions] == [(net(BEN), "🎉")]
    assert (found.message.text, found.prev_text) == ("good news", "news")


def test_a_wrong_secret_opens_nothing_and_the_payload_is_kept(device: Phone, archive: LinkedArchive) -> None:
    device.push(message(poll(), id="P1", where=in_group()))
    device.push(message(vote("Friday", sender=net(OWN), adder=net(OWN)), id="V1", where=in_group(BEN)))
    archive.take(device.lines())
    assert votes_of(archive) == []
    assert archive.quarantine() == []


def test_a_placeholder_is_filled_by_a_later_copy(device: Phone, archive: LinkedArchive) -> None:
    placeholder = neonize.UndecryptableMessage(
        Info=info("A1"),
        IsUnavailable=False,
        DecryptFailMode=neonize.UndecryptableMessage.DECRYPT_FAIL_SHOW,
    )
    device.push(placeholder)
    archive.take(device.lines())
    assert archive.messages()["A1"].message.kind == "ciphertext"
    device.push(message(text("now readable")))
    device.push(placeholder)
    archive.take(device.lines())
    found = archive.messages()["A1"].message
    assert (found.kind, found.text) == ("text", "now readable")


# Histories


def past(id: str, content: Any = None, *, from_me: bool = False, chat: str = GROUP_JID, **more: Any) -> Any:
    """A message of a history."""
    participant = None if from_me or chat != GROUP_JID else net(ANA)
    key = common.MessageKey(ID=id, fromMe=from_me, remoteJID=chat, participant=participant)
    told = web.WebMessageInfo(key=key, messageTimestamp=SECONDS, **more)
    if content is not None:
        told.message.CopyFrom(content)
    return history.HistorySyncMsg(message=told)


def sync(*conversations: Any, **more: Any) -> Any:
    data = history.HistorySync(
        syncType=history.HistorySync.INITIAL_BOOTSTRAP, conversations=conversations, progress=40, **more
    )
    return neonize.HistorySync(Data=data)


def group_of_history() -> Any:
    reaction = web.Reaction(key=key_to("R1", participant=net(BEN)), text="👍", senderTimestampMS=SECONDS * 1000)
    friday = e2e.PollVoteMessage(selectedOptions=[hashlib.sha256(b"Friday").digest()])
    update = web.PollUpdate(
        pollUpdateMessageKey=key_to("V1", participant=net(BEN)), vote=friday, senderTimestampMS=SECONDS * 1000
    )
    read = web.UserReceipt(userJID=net(BEN), receiptTimestamp=SECONDS + 1, readTimestamp=SECONDS + 2)
    stub = web.WebMessageInfo.StubType
    day = web.MessageAddOnContextInfo(messageAddOnDurationInSecs=86_400)
    stamps = {"senderTimestampMS": SECONDS * 1000 + 5, "serverTimestampMS": SECONDS * 1000 + 900}
    pin = web.PinInChat(
        type=web.PinInChat.PIN_FOR_ALL,
        key=key_to("P1", participant=net(BEN)),
        messageAddOnContextInfo=day,
        **stamps,
    )
    pinned = e2e.Message(pinInChatMessage=e2e.PinInChatMessage(type=e2e.PinInChatMessage.PIN_FOR_ALL))
    note = web.MessageAddOn(
        messageAddOnType=web.MessageAddOn.PIN_IN_CHAT,
        messageAddOn=pinned,
        addOnContextInfo=day,
        **stamps,
    )
    wrapped = e2e.Message(ephemeralMessage=e2e.FutureProofMessage(message=text("soon gone")))
    return history.Conversation(
        ID=GROUP_JID,
        name="Bakers",
        unreadCount=3,
        lastMsgTimestamp=SECONDS,
        participant=[history.GroupParticipant(userJID=net(ANA), rank=history.GroupParticipant.ADMIN)],
        messages=[
            past("G1", text("hello"), pushName="Ana", reactions=[reaction], starred=True),
            past("G2", text("mine"), from_me=True, status=web.WebMessageInfo.READ, userReceipt=[read], pinInChat=pin),
            past("P1", poll(), pollUpdates=[update]),
            past("G3", wrapped, ephemeralDuration=86400, messageAddOns=[note]),
            past("N1", messageStubType=stub.GROUP_PARTICIPANT_ADD, messageStubParameters=[net(BEN)]),
            past("C1", messageStubType=stub.CIPHERTEXT),
            past("K1", messageStubType=stub.CALL_MISSED_VIDEO),
            past("D1", messageStubType=stub.REVOKE),
        ],
    )


def test_a_history_with_all_that_has_happened_to_its_messages(device: Phone, archive: LinkedArchive) -> None:
    device.push(sync(group_of_history()))
    archive.take(device.lines())
    assert archive.quarantine() == []
    found = archive.messages()
    assert set(found) == {"G1", "G2", "P1", "G3", "C1", "D1"}
    hello, mine = found["G1"], found["G2"]
    assert (hello.message.text, hello.message.key.sender, hello.message.details.is_starred) == ("hello", net(ANA), True)
    assert [(r.sender, r.emoji) for r in hello.reactions] == [(net(BEN), "👍")]
    assert mine.message.from_me
    assert [(r.participant, r.read_at) for r in mine.receipts] == [(net(BEN), MICROS + 2_000_000)]
    assert votes_of(archive) == [(net(BEN), ("Friday",))]
    pinned = Pin(at=MICROS + 5000, by=net(BEN), until=MICROS + 86_400_000_000)
    assert (hello.pinned, mine.pinned) == (None, pinned)
    # Without a key nothing says who pinned.
    assert found["G3"].pinned == structs.replace(pinned, by=None)
    soon = found["G3"].message
    assert (soon.text, soon.details.is_ephemeral, soon.details.expires_after) == ("soon gone", True, 86400)
    assert (found["C1"].message.kind, found["D1"].deleted) == ("ciphertext", True)
    notices = [row.message.details.notice for row in archive.notices() if row.message.details.notice]
    assert [(notice.type, notice.recipients) for notice in notices] == [("add", (net(BEN),))]
    (chat,) = archive.chats()
    assert (chat.name, chat.unread, [member.jid for member in chat.members or ()]) == ("Bakers", 3, [net(ANA)])


def test_a_history_names_people_and_says_who_a_hidden_id_is(device: Phone, archive: LinkedArchive) -> None:
    hidden = history.Conversation(
        ID=f"{ANA_LID}@lid", messages=[past("A1", text("hello"), chat=f"{ANA_LID}@lid")], lastMsgTimestamp=SECONDS
    )
    names = [history.Pushname(ID=net(BEN), pushname="Ben B."), history.Pushname(ID=net(OWN), pushname="Me")]
    pair = history.PhoneNumberToLIDMapping(pnJID=net(ANA), lidJID=f"{ANA_LID}@lid")
    device.push(sync(hidden, pushnames=names, phoneNumberToLidMappings=[pair]))
    archive.take(device.lines())
    (chat,) = archive.chats()
    assert (chat.jid, chat.lid) == (net(ANA), f"{ANA_LID}@lid")
    assert archive.store.find_chat(archive.org.no, (archive.phone.no,), f"{ANA_LID}@lid") is not None


def test_the_list_of_calls_of_a_history(device: Phone, archive: LinkedArchive) -> None:
    record = history.HistorySync.DESCRIPTOR.fields_by_name["callLogRecords"].message_type
    kind = record._concrete_class
    results = record.enum_types_by_name["CallResult"].values_by_name
    call = kind(
        callID="C1",
        startTime=SECONDS,
        isIncoming=True,
        isVideo=True,
        duration=61,
        callCreatorJID=net(ANA),
        callResult=results["CONNECTED"].number,
    )
    device.push(sync(callLogRecords=[call]))
    archive.take(device.lines())
    (line,) = [row.message for row in archive.notices() if row.message.kind == "call"]
    told = line.details.call
    assert told is not None
    assert (line.key.chat, told.video, told.result, told.duration) == (net(ANA), True, "connected", 61.0)


def test_a_call_is_one_message_whether_it_is_told_live_or_in_a_history(device: Phone, store: Store) -> None:
    """It rings and ends, and is in the list of calls and in the chat of a history."""
    record = history.HistorySync.DESCRIPTOR.fields_by_name["callLogRecords"].message_type
    missed = record.enum_types_by_name["CallResult"].values_by_name["MISSED"].number
    call = record._concrete_class(
        callID="C1", startTime=SECONDS, isIncoming=True, isVideo=True, callCreatorJID=net(ANA), callResult=missed
    )
    stub = web.WebMessageInfo.StubType.CALL_MISSED_VIDEO
    chat = history.Conversation(ID=net(ANA), messages=[past("C1", chat=net(ANA), messageStubType=stub)])
    meta = {"callID": "C1", "callCreator": jid(ANA), "callCreatorAlt": jid(ANA_LID, "lid"), "from": jid(ANA)}
    node = neonize.Node(Tag="offer", Nodes=[neonize.Node(Tag="video")])
    remote = neonize.CallRemoteMeta(remotePlatform="", remoteVersion="")
    begun = neonize.BasicCallMeta(timestamp=SECONDS, **meta)
    ended = neonize.BasicCallMeta(timestamp=SECONDS + 30, **meta)
    device.push(neonize.CallOffer(basicCallMeta=begun, callRemoteMeta=remote, data=node))
    device.push(neonize.CallTerminate(basicCallMeta=ended, reason="timeout", data=node))
    device.push(sync(callLogRecords=[call]))
    device.push(sync(chat))
    lines = list(device.lines())
    views = set()
    for order in itertools.permutations(lines):
        archive = LinkedArchive(store)
        archive.take(order)
        assert archive.quarantine() == []
        (seen,) = (line.message for line in archive.notices())
        views.add(str((seen.key, seen.sent_at, seen.details.call)))
    (view,) = views
    key = MessageKey(net(OWN), net(ANA), "call:C1", net(ANA))
    assert view == str((key, MICROS, Call(video=True, outgoing=False, result="missed")))


def test_a_history_that_is_cut_is_kept_as_it_came(device: Phone, archive: LinkedArchive) -> None:
    whole = sync(group_of_history()).SerializeToString()
    device.spool.append(13, whole[: len(whole) // 2])
    archive.take(device.lines())
    assert len(archive.quarantine()) == 1


# Any order


def day() -> list[Any]:
    """A day with every kind of event, live and as a history."""
    where = source(jid(ANA_LID, "lid"), jid(ANA_LID, "lid"), sender_alt=jid(ANA))
    edit = e2e.ProtocolMessage(
        key=key_to("A1", from_me=True, chat=net(ANA)),
        type=e2e.ProtocolMessage.MESSAGE_EDIT,
        editedMessage=text("hello!"),
        timestampMS=SECONDS * 1000 + 5000,
    )
    revoke = e2e.ProtocolMessage(key=key_to("G1", from_me=True), type=e2e.ProtocolMessage.REVOKE)
    reaction = e2e.ReactionMessage(key=key_to("A2", chat=net(OWN)), text="👍", senderTimestampMS=SECONDS * 1000 + 4000)
    return [
        message(text("hello"), id="A1", where=where),
        message(text("hi"), id="A2", where=direct(OWN), seconds=SECONDS + 1),
        message(e2e.Message(protocolMessage=edit), id="A3", where=where, seconds=SECONDS + 5),
        message(e2e.Message(reactionMessage=reaction), id="A4", where=where, seconds=SECONDS + 4),
        receipt("DELIVERED", ["A2"], direct(), SECONDS + 2),
        receipt("READ", ["A2"], where, SECONDS + 3),
        message(text("wrong group"), id="G1", where=in_group()),
        message(e2e.Message(protocolMessage=revoke), id="G2", where=in_group(), seconds=SECONDS + 6),
        message(poll(), id="P1", where=in_group()),
        message(text("from me"), id="G9", where=source(jid(GROUP, "g.us"), jid(OWN_LID, "lid"), from_me=True)),
        receipt("READ", ["G9"], in_group(BEN), SECONDS + 9),
        sync(history.Conversation(ID=net(ANA), messages=[past("A1", text("hello"), chat=net(ANA))])),
    ]


def test_order_and_repeats_do_not_matter(device: Phone, store: Store) -> None:
    for event in day():
        device.push(event)
    lines = list(device.lines())
    straight = LinkedArchive(store)
    straight.take(lines)
    expected = straight.view()
    assert len(expected) > 5
    for seed in range(3):
        shuffled = [*lines, *lines[::3]]
        random.Random(seed).shuffle(shuffled)
        archive = LinkedArchive(store)
        archive.take(shuffled)
        archive.settle()
        assert archive.view() == expected
