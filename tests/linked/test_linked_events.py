"""Every kind of event of the library, from its own dispatch to the events for the archive."""

from __future__ import annotations

from typing import Any

import pytest
from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCommon import WACommon_pb2 as common
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageEdited,
    MessagePinned,
    MessageRevoked,
    MessageSeen,
    NumberMapped,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.model import Call, Member, Message, MessageKey, Notice
from backscroll.ingest.connectors.linked.linked import observe
from backscroll.ingest.connectors.pushed import Observed, Setup
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

GROUP_JID = f"{GROUP}@g.us"


def observed(device: Phone, *events: Any) -> list[Observed]:
    for event in events:
        device.push(event)
    return [observe(line, Setup()) for line in device.lines()]


def told(device: Phone, *events: Any) -> list[Event]:
    return [event for one in observed(device, *events) for event in one.events]


def seen(device: Phone, content: Any, **more: Any) -> Message:
    """The one message that an event gives."""
    (found,) = [event.message for event in told(device, message(content, **more)) if isinstance(event, MessageSeen)]
    return found


def key_to(id: str, *, from_me: bool = False, participant: str | None = None) -> Any:
    return common.MessageKey(ID=id, fromMe=from_me, remoteJID=net(OWN), participant=participant)


def test_a_text_of_somebody_and_an_own_one(device: Phone) -> None:
    found = seen(device, text("hello"))
    assert found.key == MessageKey(net(OWN), net(ANA), "A1", net(ANA))
    assert (found.sent_at, found.text, found.from_me, found.ack) == (MICROS, "hello", False, None)
    assert found.details.push_name == "Ana"
    own = seen(device, text("hi"), id="A2", where=direct(OWN))
    assert (own.key.chat, own.key.sender, own.from_me, own.ack) == (net(ANA), net(OWN), True, 2)
    assert own.details.push_name is None


def test_a_hidden_id_and_its_number_are_one_person(device: Phone) -> None:
    where = source(jid(ANA_LID, "lid"), jid(ANA_LID, "lid"), sender_alt=jid(ANA))
    events = told(device, message(text("hello"), where=where))
    assert events[0] == NumberMapped(lid=f"{ANA_LID}@lid", jid=net(ANA))
    assert isinstance(events[1], MessageSeen)
    assert (events[1].message.key.chat, events[1].message.key.sender) == (net(ANA), net(ANA))
    own = source(jid(ANA_LID, "lid"), jid(OWN_LID, "lid"), from_me=True, sender_alt=jid(OWN), recipient_alt=jid(ANA))
    events = told(device, message(text("hi"), where=own))
    assert NumberMapped(lid=f"{ANA_LID}@lid", jid=net(ANA)) in events
    last = events[-1]
    assert isinstance(last, MessageSeen)
    assert (last.message.key.chat, last.message.key.sender) == (net(ANA), net(OWN))


def test_a_text_with_its_context(device: Phone) -> None:
    context = e2e.ContextInfo(
        stanzaID="B1",
        participant=net(OWN),
        quotedMessage=text("before"),
        mentionedJID=[f"{BEN}@s.whatsapp.net"],
        isForwarded=True,
        forwardingScore=3,
        expiration=86400,
    )
    found = seen(device, e2e.Message(extendedTextMessage=e2e.ExtendedTextMessage(text="yes", contextInfo=context)))
    quoted = found.details.quoted
    assert quoted is not None
    assert (quoted.id, quoted.sender, quoted.text) == ("B1", net(OWN), "before")
    assert found.details.mentions == (net(BEN),)
    assert (found.details.is_forwarded, found.details.forwarding_score) == (True, 3)
    assert (found.details.is_ephemeral, found.details.expires_after) == (True, 86400)


FILE = {
    "mimetype": "image/jpeg",
    "fileSHA256": b"\x01" * 32,
    "fileEncSHA256": b"\x02" * 32,
    "mediaKey": b"\x03" * 32,
    "directPath": "/v/t62",
    "fileLength": 1234,
}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (e2e.Message(imageMessage=e2e.ImageMessage(caption="look", height=3, width=4, **FILE)), "image"),
        (e2e.Message(videoMessage=e2e.VideoMessage(caption="look", seconds=9, **FILE)), "video"),
        (e2e.Message(ptvMessage=e2e.VideoMessage(caption="look", seconds=9, **FILE)), "video_note"),
        (e2e.Message(audioMessage=e2e.AudioMessage(seconds=9, **FILE)), "audio"),
        (e2e.Message(audioMessage=e2e.AudioMessage(seconds=9, PTT=True, waveform=b"\x00\x40", **FILE)), "voice"),
        (e2e.Message(documentMessage=e2e.DocumentMessage(fileName="a.pdf", pageCount=2, **FILE)), "document"),
        (e2e.Message(stickerMessage=e2e.StickerMessage(**FILE)), "sticker"),
    ],
)
def test_files_with_what_is_needed_to_fetch_them(device: Phone, content: Any, kind: str) -> None:
    found = seen(device, content)
    media = found.details.media
    assert found.kind == kind
    assert media is not None
    assert (media.sha256, media.size, media.direct_path) == ("01" * 32, 1234, "/v/t62")
    assert media.enc_sha256 == "02" * 32
    wanted = device.local.next_file(MICROS)
    assert wanted is not None
    assert (wanted.id, wanted.sha256, wanted.live, wanted.size) == ("A1", "01" * 32, True, 1234)
    assert e2e.Message.FromString(wanted.content).ListFields()[0][1].mediaKey == b"\x03" * 32


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (
            e2e.Message(locationMessage=e2e.LocationMessage(degreesLatitude=52.5, degreesLongitude=13.4)),
            "location",
            None,
        ),
        (
            e2e.Message(liveLocationMessage=e2e.LiveLocationMessage(degreesLatitude=52.5, degreesLongitude=13.4)),
            "live_location",
            None,
        ),
        (e2e.Message(contactMessage=e2e.ContactMessage(displayName="Ben", vcard="BEGIN:VCARD")), "contact", None),
        (
            e2e.Message(
                contactsArrayMessage=e2e.ContactsArrayMessage(contacts=[e2e.ContactMessage(vcard="BEGIN:VCARD")])
            ),
            "contacts",
            None,
        ),
        (e2e.Message(pollCreationMessageV6=e2e.PollCreationMessage(name="When?")), "poll", "When?"),
        (e2e.Message(eventMessage=e2e.EventMessage(name="Lunch")), "event", "Lunch"),
        (e2e.Message(groupInviteMessage=e2e.GroupInviteMessage(groupName="Club")), "group_invite", "Club"),
        (e2e.Message(albumMessage=e2e.AlbumMessage(expectedImageCount=2)), "album", None),
        (e2e.Message(orderMessage=e2e.OrderMessage(message="two cakes")), "order", "two cakes"),
        (
            e2e.Message(buttonsResponseMessage=e2e.ButtonsResponseMessage(selectedDisplayText="Yes")),
            "interactive",
            "Yes",
        ),
    ],
)
def test_other_kinds_of_message(device: Phone, content: Any, kind: str, words: str | None) -> None:
    found = seen(device, content)
    assert (found.kind, found.text) == (kind, words)


def test_what_nobody_can_name_yet_is_kept_whole(device: Phone) -> None:
    newer = text("")
    # A field whose number is not in this version's protobuf.
    newer.MergeFromString(bytes.fromhex("8afa010568656c6c6f"))
    (one,) = observed(device, message(newer))
    assert one.raw is not None
    assert b'"_bytes"' in one.raw


def test_disappearing_view_once_status_and_broadcast(device: Phone) -> None:
    assert seen(device, text("x"), IsEphemeral=True).details.is_ephemeral is True
    once = seen(device, e2e.Message(imageMessage=e2e.ImageMessage(**FILE)), IsViewOnceV2=True)
    assert (once.kind, once.details.is_view_once) == ("image", True)
    status = seen(device, text("my day"), where=source(jid("status", "broadcast"), jid(ANA)))
    assert (status.key.chat, status.key.sender, status.details.is_status) == ("status@broadcast", net(ANA), True)
    listed = seen(device, text("news"), where=source(jid("1700000000", "broadcast"), jid(ANA)))
    assert (listed.key.chat, listed.details.broadcast) == (net(ANA), True)
    channel = seen(device, text("post"), where=source(jid("120363999", "newsletter"), jid("120363999", "newsletter")))
    assert channel.key.chat == "120363999@newsletter"


def test_an_edit_counts_from_its_author(device: Phone) -> None:
    change = e2e.ProtocolMessage(
        key=key_to("A1", from_me=True),
        type=e2e.ProtocolMessage.MESSAGE_EDIT,
        editedMessage=text("hello!"),
        timestampMS=SECONDS * 1000 + 5000,
    )
    (event,) = told(device, message(e2e.Message(protocolMessage=change), id="A9", IsEdit=True))
    target = Target(net(OWN), net(ANA), "A1", net(ANA))
    assert event == MessageEdited(target=target, text="hello!", at=MICROS + 5_000_000, by=net(ANA))


def test_a_deletion_by_the_sender_and_by_an_admin(device: Phone) -> None:
    def revoke(key: Any) -> Any:
        return e2e.Message(protocolMessage=e2e.ProtocolMessage(key=key, type=e2e.ProtocolMessage.REVOKE))

    (own,) = told(device, message(revoke(key_to("A1", from_me=True)), where=direct(OWN)))
    assert own == MessageRevoked(target=Target(net(OWN), net(ANA), "A1", net(OWN)), at=MICROS, by=net(OWN))
    (by_admin,) = told(device, message(revoke(key_to("G1", participant=f"{BEN}:4@s.whatsapp.net")), where=in_group()))
    target = Target(net(OWN), GROUP_JID, "G1", net(BEN))
    assert by_admin == MessageRevoked(target=target, at=MICROS, by=net(ANA), by_admin=True)


def test_a_reaction_is_set_and_taken_back(device: Phone) -> None:
    def react(emoji: str) -> Any:
        reaction = e2e.ReactionMessage(key=key_to("M1"), text=emoji, senderTimestampMS=SECONDS * 1000)
        return e2e.Message(reactionMessage=reaction)

    (put,) = told(device, message(react("👍"), id="R1"))
    target = Target(net(OWN), net(ANA), "M1", net(OWN))
    assert put == ReactionSet(target=target, by=net(ANA), emoji="👍", at=MICROS, id="R1")
    (gone,) = told(device, message(react(""), id="R2"))
    assert isinstance(gone, ReactionSet)
    assert gone.emoji == ""


def test_a_message_is_pinned_in_a_group_and_unpinned(device: Phone) -> None:
    def pin(type: Any, seconds: int) -> Any:
        key = key_to("M1", participant=net(BEN))
        told = e2e.PinInChatMessage(key=key, type=type, senderTimestampMS=SECONDS * 1000 + 5)
        context = e2e.MessageContextInfo(messageAddOnDurationInSecs=seconds)
        return e2e.Message(pinInChatMessage=told, messageContextInfo=context)

    (put,) = told(device, message(pin(e2e.PinInChatMessage.PIN_FOR_ALL, 86_400), where=in_group()))
    target, until = Target(net(OWN), GROUP_JID, "M1", net(BEN)), MICROS + 86_400_000_000
    assert put == MessagePinned(target=target, pinned=True, at=MICROS + 5000, by=net(ANA), until=until)
    (gone,) = told(device, message(pin(e2e.PinInChatMessage.UNPIN_FOR_ALL, 0), where=in_group()))
    assert gone == MessagePinned(target=target, pinned=False, at=MICROS + 5000, by=net(ANA))


@pytest.mark.parametrize(
    ("kind", "ack"), [("SENDER", 2), ("DELIVERED", 3), ("INACTIVE", 3), ("READ", 4), ("PLAYED", 5)]
)
def test_receipts_by_their_kind(device: Phone, kind: str, ack: int) -> None:
    events = told(device, receipt(kind, ["M1", "M2"], direct()))
    assert [event.ack for event in events if isinstance(event, ReceiptSet)] == [ack, ack]


def test_receipts_of_a_group_name_the_participant(device: Phone) -> None:
    (event,) = told(device, receipt("READ", ["G1"], in_group(BEN)))
    target = Target(net(OWN), GROUP_JID, "G1", net(OWN))
    assert event == ReceiptSet(target=target, ack=4, participant=net(BEN), at=MICROS)


def test_reading_on_the_phone_is_no_receipt(device: Phone) -> None:
    for kind, where in (("READ_SELF", direct(OWN)), ("READ", direct(OWN)), ("PLAYED_SELF", direct(OWN))):
        (event,) = told(device, receipt(kind, ["A1"], where))
        assert event == ChatSeen(phone=net(OWN), chat=net(ANA), at=MICROS, unread=0)
    for kind in ("RETRY", "PEER_MSG", "HISTORY_SYNC", "SERVER_ERROR"):
        assert told(device, receipt(kind, ["A1"], direct(OWN))) == []


def test_housekeeping_between_devices_leaves_nothing(device: Phone) -> None:
    keys = e2e.AppStateSyncKeyShare(keys=[e2e.AppStateSyncKey()])
    share = e2e.ProtocolMessage(type=e2e.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE, appStateSyncKeyShare=keys)
    distribution = e2e.SenderKeyDistributionMessage(groupID=GROUP_JID)
    for content in (
        e2e.Message(protocolMessage=share),
        e2e.Message(senderKeyDistributionMessage=distribution),
    ):
        (one,) = observed(device, message(content, where=direct(OWN)))
        assert (one.events, one.raw) == ([], None)


def test_keys_of_the_session_are_no_part_of_a_payload(device: Phone) -> None:
    secret = e2e.MessageContextInfo(messageSecret=b"s3cret" * 4)
    (one,) = observed(device, message(text("hello", messageContextInfo=secret)))
    assert one.raw is not None
    assert b"messageSecret" not in one.raw
    assert [known.secret for known in device.local.secrets_of("A1")] == [b"s3cret" * 4]


def test_an_undecryptable_message_is_a_placeholder(device: Phone) -> None:
    def undecryptable(mode: str) -> Any:
        return neonize.UndecryptableMessage(
            Info=info("U1"),
            IsUnavailable=False,
            DecryptFailMode=neonize.UndecryptableMessage.DecryptFailModeT.Value(mode),
        )

    (event,) = told(device, undecryptable("DECRYPT_FAIL_SHOW"))
    assert isinstance(event, MessageSeen)
    assert (event.message.kind, event.message.key.id) == ("ciphertext", "U1")
    assert told(device, undecryptable("DECRYPT_FAIL_HIDE")) == []


def group_event(**changes: Any) -> Any:
    return neonize.GroupInfoEvent(
        JID=jid(GROUP, "g.us"),
        Notify="",
        Sender=jid(ANA),
        Timestamp=SECONDS,
        PrevParticipantsVersionID="",
        ParticipantVersionID="",
        JoinReason="",
        **changes,
    )


def notices(events: list[Event]) -> list[Notice | None]:
    return [event.message.details.notice for event in events if isinstance(event, MessageSeen)]


def test_changes_of_a_group(device: Phone) -> None:
    name = neonize.GroupName(Name="Bakers", NameSetAt=SECONDS, NameSetBy=jid(ANA))
    named = told(device, group_event(Name=name))
    assert ChatSeen(phone=net(OWN), chat=GROUP_JID, at=MICROS, name="Bakers") in named
    assert notices(named) == [Notice(type="subject")]
    assert notices(told(device, group_event(Join=[jid(BEN)]))) == [Notice(type="add", recipients=(net(BEN),))]
    assert notices(told(device, group_event(Leave=[jid(BEN)]))) == [Notice(type="remove", recipients=(net(BEN),))]
    assert notices(told(device, group_event(Leave=[jid(ANA)]))) == [Notice(type="leave", recipients=(net(ANA),))]
    assert notices(told(device, group_event(Promote=[jid(BEN)]))) == [Notice(type="promote", recipients=(net(BEN),))]
    invite = told(device, group_event(NewInviteLink="https://chat.whatsapp.com/x"))
    assert isinstance(invite[0], ChatSeen)
    assert invite[0].invite_link == "https://chat.whatsapp.com/x"
    gone = told(device, group_event(Leave=[jid(OWN_LID, "lid")]))
    assert ChatSeen(phone=net(OWN), chat=GROUP_JID, at=MICROS, is_exited=True) in gone


def test_hidden_ids_of_a_notice_are_numbers_where_the_session_knows_them(device: Phone) -> None:
    joined = group_event(Join=[jid(ANA_LID, "lid"), jid("90000000000009", "lid")])
    assert notices(told(device, joined)) == [
        Notice(type="add", recipients=(f"{ANA_LID}@lid", "90000000000009@lid")),
    ]
    device.learn({ANA_LID: ANA})
    assert notices(told(device, joined)) == [Notice(type="add", recipients=(net(ANA), "90000000000009@lid"))]
    left = group_event(Leave=[jid(ANA_LID, "lid")])
    assert notices(told(device, left)) == [Notice(type="leave", recipients=(net(ANA),))]


def test_the_session_tells_the_number_of_who_is_only_mentioned(device: Phone) -> None:
    device.learn({ANA_LID: ANA})
    context = e2e.ContextInfo(mentionedJID=[f"{ANA_LID}@lid"])
    content = e2e.Message(extendedTextMessage=e2e.ExtendedTextMessage(text="@Ana?", contextInfo=context))
    mapped, seen = told(device, message(content, where=in_group(BEN)))
    assert mapped == NumberMapped(lid=f"{ANA_LID}@lid", jid=net(ANA))
    assert isinstance(seen, MessageSeen)
    assert seen.message.details.mentions == (f"{ANA_LID}@lid",)


def full_group() -> Any:
    def member(number: str, lid: str, admin: bool) -> Any:
        return neonize.GroupParticipant(
            JID=jid(lid, "lid"),
            LID=jid(lid, "lid"),
            PhoneNumber=jid(number),
            IsAdmin=admin,
            IsSuperAdmin=False,
            DisplayName="",
            Error=0,
        )

    return neonize.GroupInfo(
        OwnerJID=jid(ANA),
        JID=jid(GROUP, "g.us"),
        OwnerPN=jid(ANA),
        GroupName=neonize.GroupName(Name="Bakers", NameSetAt=SECONDS, NameSetBy=jid(ANA)),
        GroupTopic=neonize.GroupTopic(
            Topic="bread", TopicID="1", TopicSetAt=SECONDS, TopicSetBy=jid(ANA), TopicDeleted=False
        ),
        GroupLocked=neonize.GroupLocked(isLocked=False),
        GroupAnnounce=neonize.GroupAnnounce(IsAnnounce=False, AnnounceVersionID=""),
        GroupEphemeral=neonize.GroupEphemeral(IsEphemeral=True, DisappearingTimer=86400),
        GroupIncognito=neonize.GroupIncognito(IsIncognito=False),
        GroupParent=neonize.GroupParent(IsParent=False, DefaultMembershipApprovalMode=""),
        GroupLinkedParent=neonize.GroupLinkedParent(LinkedParentJID=jid()),
        GroupIsDefaultSub=neonize.GroupIsDefaultSub(IsDefaultSubGroup=False),
        GroupCreated=SECONDS,
        ParticipantVersionID="",
        Participants=[member(ANA, ANA_LID, True), member(OWN, OWN_LID, False)],
    )


def test_a_group_that_the_account_came_into(device: Phone) -> None:
    events = told(device, neonize.JoinedGroup(Reason="", Type="", CreateKey="", GroupInfo=full_group()))
    assert NumberMapped(lid=f"{ANA_LID}@lid", jid=net(ANA)) in events
    chat = events[-1]
    assert isinstance(chat, ChatSeen)
    assert (chat.name, chat.description, chat.ephemeral_seconds) == ("Bakers", "bread", 86400)
    assert chat.members == (Member(jid=net(ANA), is_admin=True), Member(jid=net(OWN)))


def test_calls_are_messages_of_their_chat(device: Phone) -> None:
    meta = {"callID": "C1", "callCreator": jid(ANA), "callCreatorAlt": jid(ANA_LID, "lid")}
    node = neonize.Node(Tag="offer", Nodes=[neonize.Node(Tag="video")])
    remote = neonize.CallRemoteMeta(remotePlatform="", remoteVersion="")
    begun = neonize.BasicCallMeta(**{"from": jid(ANA)}, timestamp=SECONDS, **meta)
    events = told(device, neonize.CallOffer(basicCallMeta=begun, callRemoteMeta=remote, data=node))
    call = events[-1]
    assert isinstance(call, MessageSeen)
    assert (call.message.key.id, call.message.key.chat, call.message.sent_at) == ("call:C1", net(ANA), MICROS)
    assert call.message.details.call == Call(video=True, outgoing=False)
    ended = neonize.BasicCallMeta(**{"from": jid(ANA)}, timestamp=SECONDS + 30, **meta)
    over = told(device, neonize.CallTerminate(basicCallMeta=ended, reason="timeout", data=node))[-1]
    assert isinstance(over, MessageSeen)
    assert (over.message.sent_at, over.message.details.call) == (
        MICROS,
        Call(video=True, outgoing=False, result="missed"),
    )


def test_the_address_book_and_settings_of_chats(device: Phone) -> None:
    rows = b'[{"JID": "%s", "Info": {"FullName": "Ana Bell", "PushName": "ana"}}]' % net(ANA).encode()
    device.spool.append(100, rows)
    device.spool.append(102, b'[{"JID": "%s", "Archived": true, "MutedUntil": -1}]' % net(ANA).encode())
    contact, chat = [event for line in device.lines() for event in observe(line, Setup()).events]
    assert isinstance(contact, ContactSeen)
    assert (contact.name, contact.push_name, contact.is_saved) == ("Ana Bell", "ana", True)
    assert isinstance(chat, ChatSeen)
    assert (chat.archived, chat.pinned, chat.muted_until) == (True, False, None)


def test_bytes_that_are_no_event_come_out_whole(device: Phone) -> None:
    device.spool.append(17, b"\xff\xff\xff")
    (line,) = list(device.lines())
    assert b'"Unreadable"' in line
    assert b'"bytes": "////"' in line


def test_signs_of_the_connection_are_not_spooled(device: Phone) -> None:
    device.push(neonize.Connected(status=True))
    device.push(neonize.LoggedOut(OnConnect=True, Reason=neonize.LOGGED_OUT))
    assert [event.DESCRIPTOR.name for event in device.noticed] == ["Connected", "LoggedOut"]
    assert len(device.spool) == 0
