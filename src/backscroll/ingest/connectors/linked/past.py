"""A history that WhatsApp sends at once: chats with their messages, names, and mappings from LIDs to numbers."""

from __future__ import annotations

import hashlib

from msgspec import structs

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ChatSeen,
    ContactSeen,
    Event,
    MessageSeen,
    PollVoted,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.ids import call_id, canonical, is_person, kind_of
from backscroll.core.model import Call, Details, Member, Message, MessageKey
from backscroll.ingest.connectors.linked.live import action, hex_of
from backscroll.ingest.connectors.linked.told import ACKS, SOURCE, STATUS, Key, Told
from backscroll.ingest.connectors.webhooks import pins, proto_json, wire
from backscroll.ingest.connectors.webhooks.proto_json import Content, Node

_GROUP_LINES = {
    "GROUP_CREATE": "create",
    "GROUP_CHANGE_SUBJECT": "subject",
    "GROUP_CHANGE_ICON": "picture",
    "GROUP_CHANGE_DESCRIPTION": "description",
    "GROUP_CHANGE_INVITE_LINK": "invite_link",
    "GROUP_CHANGE_RESTRICT": "restrict",
    "GROUP_CHANGE_ANNOUNCE": "announce",
    "GROUP_PARTICIPANT_ADD": "add",
    "GROUP_PARTICIPANT_INVITE": "add",
    "GROUP_PARTICIPANT_REMOVE": "remove",
    "GROUP_PARTICIPANT_PROMOTE": "promote",
    "GROUP_PARTICIPANT_DEMOTE": "demote",
    "GROUP_PARTICIPANT_LEAVE": "leave",
    "GROUP_DELETE": "delete",
}
_NAMES_PEOPLE = {"add", "remove", "promote", "demote", "leave"}
_MISSED = {"CALL_MISSED_VOICE": False, "CALL_MISSED_GROUP_VOICE": False} | {
    "CALL_MISSED_VIDEO": True,
    "CALL_MISSED_GROUP_VIDEO": True,
}
_CALLS = {
    "CONNECTED": "connected",
    "REJECTED": "rejected",
    "CANCELLED": "missed",
    "MISSED": "missed",
    "UNAVAILABLE": "missed",
    "FAILED": "failed",
    "ACCEPTED_ELSEWHERE": "connected",
}


def piece(told: Told) -> tuple[list[Event], list[Unreadable]]:
    """A part of a history, and what in it could not be understood."""
    told_first = [*_mappings(told), *_names(told)]
    events, problems = wire.each(SOURCE, _numbered(told.data.nodes("calls"), "calls"), lambda row: _call(told, row))
    if not (conversation := told.data.node("conversation")):
        return [*told_first, *events], problems
    chat = _Chat(told, conversation)
    rows = _numbered(told.data.nodes("messages"), "messages")
    seen, wrong = wire.each(SOURCE, rows, chat.message)
    return wire.unrepeated([*told_first, *chat.itself(), *events, *seen]), [*problems, *wrong]


def _numbered(rows: list[Node], name: str) -> list[tuple[str, Node]]:
    return [(f"data.{name}[{at}]", row) for at, row in enumerate(rows)]


def _mappings(told: Told) -> list[Event]:
    return [
        event for pair in told.data.nodes("lids") for event in wire.same_person(pair.text("lidJID"), pair.text("pnJID"))
    ]


def _names(told: Told) -> list[Event]:
    names = ((row.text("ID"), row.text("pushname")) for row in told.data.nodes("pushnames"))
    return [
        ContactSeen(jid=canonical(jid), phone=told.phone, push_name=name)
        for jid, name in names
        if jid and name and is_person(canonical(jid)) and not told.is_own(jid)
    ]


class _Chat:
    """One chat of a history."""

    def __init__(self, told: Told, conversation: Node) -> None:
        jid = conversation.text("ID")
        if jid is None:
            raise Unreadable(SOURCE, "conversation.ID", "is missing")
        self._told = told
        self._node = conversation
        alt = conversation.text("pnJID"), conversation.text("lidJID")
        self._mapped = [event for other in alt for event in wire.same_person(jid, other)]
        self.jid = (told.person(jid, *alt) or canonical(jid)) if is_person(canonical(jid)) else canonical(jid)

    def itself(self) -> list[Event]:
        """How the chat stands, by the phone's own time of its newest message."""
        node, told = self._node, self._told
        if len(node.names()) == 1:
            return list(self._mapped)
        last = node.number("lastMsgTimestamp") or node.number("conversationTimestamp")
        at = wire.instant(last, SOURCE, "conversation.lastMsgTimestamp") if last else told.at
        members = [_member(told, row) for row in node.nodes("participant")]
        muted, created = node.number("muteEndTime"), node.number("createdAt")
        pinned = node.number("pinned")
        chat = ChatSeen(
            phone=told.phone,
            chat=self.jid,
            at=at,
            name=node.text("name") or node.text("displayName"),
            unread=node.number("unreadCount"),
            archived=node.flag("archived"),
            pinned=None if pinned is None else pinned > 0,
            muted_until=wire.instant(muted, SOURCE, "conversation.muteEndTime") if muted else None,
            ephemeral_seconds=node.number("ephemeralExpiration"),
            description=node.text("description"),
            members=tuple(members) if members else None,
            created_at=wire.instant(created, SOURCE, "conversation.createdAt") if created else None,
            last_message_at=at if last else None,
        )
        return [*self._mapped, chat]

    def message(self, row: Node) -> list[Event]:
        """One message with everything that has happened to it."""
        key = self._key(row)
        seconds = row.number("messageTimestamp")
        if not seconds:
            raise Unreadable(SOURCE, "messageTimestamp", "is missing")
        at = wire.instant(seconds, SOURCE, "messageTimestamp")
        content = proto_json.read(row.raw("message"))
        if content is not None and content.action is not None:
            return action(self._told, key, content, at, id=key.id)
        if content is None:
            return self._line(row, key, at)
        seen = self._seen(row, key, content, at)
        return [MessageSeen(seen), *self._additions(row, key, content)]

    def _key(self, row: Node) -> Key:
        node = row.node("key")
        id = node.text("ID")
        if id is None:
            raise Unreadable(SOURCE, "key.ID", "is missing")
        from_me = bool(node.flag("fromMe"))
        participant = row.text("participant") or node.text("participant")
        if from_me:
            sender: str | None = self._told.phone
        elif participant is not None:
            sender = self._told.person(participant)
        else:
            sender = self.jid if is_person(self.jid) else None
        return Key(self.jid, id, from_me, sender)

    def _seen(self, row: Node, key: Key, content: Content, at: int) -> Message:
        details = structs.replace(
            content.details,
            is_starred=True if row.flag("starred") else None,
            is_status=True if key.chat == STATUS else None,
            broadcast=True if row.flag("broadcast") and key.chat != STATUS else None,
            push_name=None if key.from_me else row.text("pushName"),
            is_ephemeral=True if row.number("ephemeralDuration") else content.details.is_ephemeral,
            expires_after=row.number("ephemeralDuration") or content.details.expires_after,
        )
        return Message(
            key=MessageKey(self._told.phone, key.chat, key.id, key.sender),
            sent_at=at,
            from_me=key.from_me,
            kind=content.kind,
            text=content.text,
            ack=ACKS.get(row.text("status") or "") if key.from_me else None,
            details=details,
        )

    def _additions(self, row: Node, key: Key, content: Content) -> list[Event]:
        target = Target(self._told.phone, key.chat, key.id, key.sender)
        return [
            *self._reactions(row, target),
            *self._votes(row, target, content),
            *pins.noted_pins(SOURCE, target, row, self._who),
            *self._receipts(row, target, key),
        ]

    def _who(self, node: Node) -> str | None:
        """Who is behind the key of a reaction, a vote or a pin."""
        if not node:
            return None
        if node.flag("fromMe"):
            return self._told.phone
        participant = node.text("participant")
        return self._told.person(participant) if participant else self.jid if is_person(self.jid) else None

    def _reactions(self, row: Node, target: Target) -> list[Event]:
        events: list[Event] = []
        for reaction in row.nodes("reactions"):
            who, when = self._who(reaction.node("key")), reaction.number("senderTimestampMS")
            if who is not None:
                at = wire.instant(when, SOURCE, "reactions.senderTimestampMS") if when else None
                id = reaction.node("key").text("ID")
                events.append(ReactionSet(target=target, by=who, emoji=reaction.text("text") or "", at=at, id=id))
        return events

    def _votes(self, row: Node, target: Target, content: Content) -> list[Event]:
        poll = content.details.poll
        names = {hashlib.sha256(name.encode()).hexdigest(): name for name in (poll.options if poll else ())}
        events: list[Event] = []
        for update in row.nodes("pollUpdates"):
            who, when = self._who(update.node("pollUpdateMessageKey")), update.number("senderTimestampMS")
            if who is None or not when:
                continue
            chosen = [names.get(hex_of(option)) for option in update.node("vote").texts("selectedOptions")]
            at = wire.instant(when, SOURCE, "pollUpdates.senderTimestampMS")
            options = tuple(name for name in chosen if name is not None)
            events.append(PollVoted(target=target, by=who, options=options, at=at))
        return events

    def _receipts(self, row: Node, target: Target, key: Key) -> list[Event]:
        events: list[Event] = []
        for told in row.nodes("userReceipt") if key.from_me else ():
            who = told.text("userJID")
            participant = None if is_person(key.chat) else self._told.person(who)
            if participant is None and not is_person(key.chat):
                continue
            for name, ack in (("receiptTimestamp", 3), ("readTimestamp", 4), ("playedTimestamp", 5)):
                if when := told.number(name):
                    at = wire.instant(when, SOURCE, f"userReceipt.{name}")
                    events.append(ReceiptSet(target=target, ack=ack, participant=participant, at=at))
        return events

    # Lines that WhatsApp itself writes

    def _line(self, row: Node, key: Key, at: int) -> list[Event]:
        stub = row.text("messageStubType")
        texts = row.texts("messageStubParameters")
        if stub is None or stub == "UNKNOWN":
            return []
        if stub in ("CIPHERTEXT", "OVERSIZED", "FUTUREPROOF"):
            kind = "ciphertext" if stub == "CIPHERTEXT" else "unknown"
            details = Details(type_name=None if stub == "CIPHERTEXT" else stub)
            return [self._bare(key, at, kind, details)]
        if stub == "REVOKE":
            return [self._bare(key, at, "unknown", Details(is_deleted=True))]
        if stub in _MISSED:
            call = Call(video=_MISSED[stub], outgoing=False, result="missed")
            return [self._bare(structs.replace(key, id=call_id(key.id)), at, "call", Details(call=call))]
        told = self._told
        type = _GROUP_LINES.get(stub, stub.lower())
        people = [told.person(text) or text for text in texts] if type in _NAMES_PEOPLE else []
        return [wire.notice_of(told.phone, key.chat, type, at, people, key.sender)]

    def _bare(self, key: Key, at: int, kind: str, details: Details) -> MessageSeen:
        return MessageSeen(
            Message(
                key=MessageKey(self._told.phone, key.chat, key.id, key.sender),
                sent_at=at,
                from_me=key.from_me,
                kind=kind,  # type: ignore[arg-type]
                details=details,
            )
        )


def _member(told: Told, row: Node) -> Member:
    rank = row.text("rank")
    jid = told.person(row.text("userJID")) or ""
    return Member(jid=jid, is_admin=rank in ("ADMIN", "SUPERADMIN"), is_super_admin=rank == "SUPERADMIN")


def _call(told: Told, row: Node) -> list[Event]:
    """An entry of the phone's list of calls."""
    id, started = row.text("callID"), row.number("startTime")
    creator, group = row.text("callCreatorJID"), row.text("groupJID")
    if id is None or not started:
        raise Unreadable(SOURCE, "callID", "has no call id")
    outgoing = not row.flag("isIncoming")
    others = [node.text("userJID") for node in row.nodes("participants")]
    other = next((told.person(jid) for jid in others if jid and not told.is_own(jid)), None)
    chat = canonical(group) if group and kind_of(canonical(group)) == "group" else other or told.person(creator)
    if chat is None or told.is_own(chat):
        return []
    caller = told.phone if outgoing else told.person(creator) or other
    seen = wire.call_of(
        told.phone,
        chat,
        id,
        wire.instant(started, SOURCE, "startTime"),
        caller,
        video=row.flag("isVideo"),
        result=_CALLS.get(row.text("callResult") or ""),
    )
    call = seen.message.details.call
    if call is None or not row.number("duration"):
        return [seen]
    details = structs.replace(
        seen.message.details, call=structs.replace(call, duration=float(row.number("duration") or 0))
    )
    return [MessageSeen(structs.replace(seen.message, details=details))]
