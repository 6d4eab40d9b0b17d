"""Converts the events of a batch into the archive's own form: numbers instead of JIDs, grouped by message."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, assert_never

import msgspec
from msgspec import Struct, structs

from backscroll.core import events, ids
from backscroll.core.ids import canonical
from backscroll.core.model import SOURCE_RANK, Message, Source
from backscroll.storage.records.identity import ContactResolver
from backscroll.storage.records.labels import field_of
from backscroll.storage.records.pins import PIN, value_of_pin
from backscroll.storage.records.registers import tell
from backscroll.storage.records.resolve import Annotation, Observation, observation
from backscroll.storage.records.tellers import Tellers
from backscroll.storage.write.message_writer import MessageWriter
from backscroll.storage.write.phones import OwnPhones

Key = tuple[int, int, str]
"""Phone, chat and WhatsApp id."""

_SHARED = ("group", "broadcast", "status")
"""Chats in which others than the chat's own contact write."""
_NAMED = ("group", "newsletter", "broadcast")
_CHAT_FACTS = tuple(f for f in events.ChatSeen.__struct_fields__ if f not in ("phone", "chat", "at"))
_CONTACT_FACTS = tuple(f for f in events.ContactSeen.__struct_fields__ if f not in ("phone", "jid", "at"))
_LABEL_FACTS = ("name", "color", "deleted")
_ENCODER = msgspec.json.Encoder()


class Observed(Struct):
    """What the batch reports about one key."""

    observations: list[Observation] = []
    annotations: list[Annotation] = []


class EventCollector:
    """Processes one batch. ``told`` is what it reports about messages; the rest is written immediately."""

    def __init__(
        self, resolver: ContactResolver, phones: OwnPhones, message_writer: MessageWriter, source: Source
    ) -> None:
        self._resolver = resolver
        self._phones = phones
        self._message_writer = message_writer
        self._source: Source = source
        self._rank = SOURCE_RANK[source]
        self._provenance = resolver.provenance
        self._tellers: Tellers = (self._provenance.teller,)
        self.observed: dict[Key, Observed] = defaultdict(Observed)

    def collect(self, event: events.Event) -> None:
        match event:
            case events.MessageSeen(message):
                self._collect_message(message)
            case events.ChatSeen():
                self._collect_chat(event)
            case events.LabelSeen(phone=jid, id=label, at=at):
                phone, _ = self._phones.find(jid)
                shown = {name: getattr(event, name) for name in _LABEL_FACTS}
                self._message_writer.tell_label(phone, label, shown, at, self._rank)
            case events.ChatLabeled(phone=phone_jid, chat=chat_jid, label=label, at=at):
                self._tell_chat(phone_jid, chat_jid, {field_of(label): event.labeled}, at)
            case events.ContactSeen():
                facts = {name: getattr(event, name) for name in _CONTACT_FACTS}
                contact, phone = self._resolver.number(event.jid), self._phones.told_by(event.phone)
                self._resolver.tell(contact, event.jid, facts, event.at, self._rank, phone)
            case events.NumberMapped() | events.PhoneSeen():
                pass
            case _:
                self._collect_annotation(event)

    def _collect_message(self, message: Message) -> None:
        phone, own = self._phones.find(message.key.phone)
        chat = self._resolver.number(message.key.chat)
        sender = self._sender(message, chat, own)
        self.observed[(phone, chat, message.key.id)].observations.append(
            observation(sender, self._source, message, self._tellers)
        )
        self._message_writer.keep_file(message.details.media)
        name = message.details.push_name
        if name and sender and not message.from_me:
            jid = message.key.chat if sender == chat or message.key.sender is None else message.key.sender
            self._resolver.tell(sender, jid, {"push_name": name}, message.sent_at, self._rank, phone)

    def _sender(self, message: Message, chat: int, own: int) -> int:
        if message.from_me:
            return own
        if ids.kind_of(canonical(message.key.chat)) not in _SHARED:
            return chat
        return 0 if message.key.sender is None else self._resolver.number(message.key.sender)

    def _collect_annotation(self, event: events.AnnotationEvent) -> None:
        target = event.target
        phone, _ = self._phones.find(target.phone)
        chat = self._resolver.number(target.chat)
        annotation = self._annotation(event, chat, self._number(target.sender))
        if self._provenance.teller:
            told = ((self._provenance.teller, annotation.at, annotation.value),)
            annotation = structs.replace(annotation, told=told)
        self.observed[(phone, chat, target.id)].annotations.append(annotation)

    def _annotation(self, event: events.AnnotationEvent, chat: int, target: int) -> Annotation:
        match event:
            case events.MessageEdited(text=text, at=at, id=id, by=by):
                return Annotation("edit", self._number(by), target, id or str(at), at, text)
            case events.MessageRevoked(at=at, by=by, by_admin=by_admin):
                return Annotation("revoke", self._number(by), target, "", at, "admin" if by_admin else None)
            case events.ReactionSet(by=by, emoji=emoji, at=at):
                return Annotation("reaction", self._number(by), target, "", at, emoji)
            case events.PollVoted(by=by, options=options, at=at):
                return Annotation("vote", self._number(by), target, "", at, _ENCODER.encode(options).decode())
            case events.ReceiptSet(ack=ack, participant=participant, at=at):
                who = chat if participant is None else self._number(participant)
                return Annotation("receipt", who, target, str(ack), at, None)
            case events.MessagePinned(pinned=pinned, at=at, by=by, until=until):
                return Annotation(PIN, self._number(by), target, "", at, value_of_pin(pinned, until))
            case events.MediaHeld(media=media):
                self._message_writer.keep_file(media)
                return Annotation("media", 0, target, media.file or "", None, _ENCODER.encode(media).decode())
            case _:
                assert_never(event)

    def _number(self, jid: str | None) -> int:
        return 0 if jid is None else self._resolver.number(jid)

    def _collect_chat(self, event: events.ChatSeen) -> None:
        facts = {name: getattr(event, name) for name in _CHAT_FACTS}
        phone, chat = self._tell_chat(event.phone, event.chat, facts, event.at)
        if event.name:
            jid = canonical(event.chat)
            field = "name" if ids.kind_of(jid) in _NAMED else "chat_name"
            self._resolver.tell(chat, jid, {field: event.name}, event.at, self._rank, phone)

    def _tell_chat(self, phone_jid: str, jid: str, facts: dict[str, Any], at: int | None) -> tuple[int, int]:
        """Record facts about a chat; returns the numbers of its phone and of the chat."""
        phone, _ = self._phones.find(phone_jid)
        chat = self._resolver.number(jid)
        if self._message_writer.tell_chat(phone, chat, lambda registers: tell(registers, facts, at, self._rank)):
            self._provenance.tell(phone, canonical(jid), facts, at, self._rank)
        return phone, chat
