"""The day of gateways.py as a linked device receives it: the library's own events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neonize.proto import Neonize_pb2 as neonize
from neonize.proto.waCommon import WACommon_pb2 as common
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from backscroll.linked.bodies import Own
from gateways import BEN, DAY, LIDS, ME, NAMES, PHOTO, Acked, Edited, Joined, Polled, Reacted, Revoked, Said, Voted, net
from gateways import GROUP as GROUP_JID
from linked_archive import sealed, secret_context
from linked_events import Phone, jid, message, receipt, source, text

SECRET = b"p" * 32
OWN_LID = "90000000000001@lid"
_GROUP = GROUP_JID.partition("@")[0]
_KINDS = {"delivered": "DELIVERED", "read": "READ"}


def day(folder: Path) -> list[bytes]:
    """What the device's process sends to the server, in order."""
    phone = Phone(folder)
    phone.own = Own(net(ME), OWN_LID)
    try:
        return list(_told(phone))
    finally:
        phone.close()


def _told(phone: Phone) -> Iterator[bytes]:
    for step in DAY:
        phone.push(_event(step))
        yield from phone.lines()


def _hidden(number: str) -> Any:
    return jid(LIDS[number].partition("@")[0], "lid")


def _where(chat: str, by: str) -> Any:
    """Ana's chat has her hidden id, with her number beside it; the same holds for her in the group."""
    from_me = by == ME
    sender, alt = (jid(ME, device=3), jid()) if from_me else (_hidden(by), jid(by))
    if chat == GROUP_JID:
        return source(jid(_GROUP, "g.us"), sender, from_me=from_me, sender_alt=alt)
    return source(_hidden(chat), sender, from_me=from_me, sender_alt=alt, recipient_alt=jid(chat) if from_me else jid())


def _named(event: Any, by: str) -> Any:
    event.Info.Pushname = NAMES[by]
    return event


def _key(said: Said | Polled, by: str) -> Any:
    """The key of a message as ``by`` writes it."""
    in_group = said.chat == GROUP_JID
    participant = (net(ME) if said.by == ME else LIDS[said.by]) if in_group else None
    remote = GROUP_JID if in_group else LIDS[said.chat]
    return common.MessageKey(ID=said.id, fromMe=said.by == by, remoteJID=remote, participant=participant)


def _event(step: Any) -> Any:
    match step:
        case Said():
            return _named(message(_content(step), step.id, _where(step.chat, step.by), step.at), step.by)
        case Edited(said=said):
            new = e2e.ProtocolMessage(
                key=_key(said, said.by), type=e2e.ProtocolMessage.MESSAGE_EDIT, editedMessage=text(step.text)
            )
            new.timestampMS = step.at * 1000
            content = e2e.Message(protocolMessage=new)
            return _named(message(content, step.id, _where(said.chat, said.by), step.at, IsEdit=True), said.by)
        case Revoked(said=said):
            gone = e2e.ProtocolMessage(key=_key(said, said.by), type=e2e.ProtocolMessage.REVOKE)
            content = e2e.Message(protocolMessage=gone)
            return _named(message(content, step.id, _where(said.chat, said.by), step.at), said.by)
        case Reacted(said=said):
            reaction = e2e.ReactionMessage(key=_key(said, step.by), text=step.emoji, senderTimestampMS=step.at * 1000)
            content = e2e.Message(reactionMessage=reaction)
            return _named(message(content, step.id, _where(said.chat, step.by), step.at), step.by)
        case Acked(said=said):
            return receipt(_KINDS[step.word], [said.id], _where(said.chat, step.by), step.at)
        case Joined():
            return _joined(step)
        case Polled():
            return _named(message(_poll(step), step.id, _where(step.chat, step.by), step.at), step.by)
        case Voted():
            return _named(message(_vote(step), step.id, _where(step.poll.chat, step.by), step.at), step.by)


def _content(said: Said) -> Any:
    if said.kind == "image":
        shape = {"mimetype": "image/jpeg", "width": 800, "height": 600, "fileLength": len(PHOTO)}
        return e2e.Message(
            imageMessage=e2e.ImageMessage(caption=said.text, fileSHA256=hashlib.sha256(PHOTO).digest(), **shape)
        )
    if said.answers:
        context = e2e.ContextInfo(stanzaID=said.answers)
        return e2e.Message(extendedTextMessage=e2e.ExtendedTextMessage(text=said.text, contextInfo=context))
    return text(said.text)


def _poll(poll: Polled) -> Any:
    options = [e2e.PollCreationMessage.Option(optionName=name) for name in poll.options]
    content = e2e.PollCreationMessage(name=poll.question, options=options, selectableOptionsCount=1)
    return e2e.Message(pollCreationMessageV3=content, messageContextInfo=secret_context(SECRET))


def _vote(step: Voted) -> Any:
    chosen = e2e.PollVoteMessage(selectedOptions=[hashlib.sha256(step.option.encode()).digest()])
    uses: dict[str, Any] = {"id": step.poll.id, "secret": SECRET, "sender": net(ME), "adder": LIDS[step.by]}
    payload, nonce = sealed(chosen, "Poll Vote", **uses)
    update = e2e.PollUpdateMessage(
        pollCreationMessageKey=_key(step.poll, step.by),
        vote=e2e.PollEncValue(encPayload=payload, encIV=nonce),
        senderTimestampMS=step.at * 1000,
    )
    return e2e.Message(pollUpdateMessage=update)


def _joined(step: Joined) -> Any:
    return neonize.GroupInfoEvent(
        JID=jid(_GROUP, "g.us"),
        Notify="",
        Sender=_hidden(BEN),
        Timestamp=step.at,
        PrevParticipantsVersionID="",
        ParticipantVersionID="",
        JoinReason="",
        Join=[_hidden(step.who)],
    )
