"""Payloads of Meta's WhatsApp Cloud API: several entries, changes and messages in one payload. See cloud.md."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Raw, Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import (
    ContactSeen,
    Event,
    MessageEdited,
    MessageRevoked,
    MessageSeen,
    ReactionSet,
    ReceiptSet,
    Target,
)
from backscroll.core.ids import canonical
from backscroll.core.model import Details, Kind, Location, Media, Message, MessageKey, Notice, Quote
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.pushed import Connection, Observed, Setup
from backscroll.ingest.connectors.webhooks import cloud_groups, wire
from backscroll.ingest.connectors.webhooks import cloud_shapes as shapes
from backscroll.ingest.connectors.webhooks.cloud_groups import group_jid
from backscroll.ingest.connectors.webhooks.wamid import bare_id

SOURCE = "cloud"
FILE_URL = "https://graph.facebook.com/"
"""Where a file's id leads to its short-lived address, for whoever has the token."""

_ACKS = {"failed": -1, "error": -1, "pending": 1, "sent": 2, "delivered": 3, "read": 4, "played": 5}
_MEDIA: dict[str, Kind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "voice": "voice",
    "document": "document",
    "sticker": "sticker",
}
_ACCOUNT_FIELDS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_settings_update",
        "account_update",
        "automatic_events",
        "business_capability_update",
        "business_status_update",
        "flows",
        "group_status_update",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "partner_solutions",
        "payment_configuration_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "template_category_update",
        "template_correct_category_detection",
        "tracking_events",
        "user_preferences",
    }
)
"""About the business account, not about messages: only the payload is kept."""


def observe(body: bytes, setup: Setup) -> Observed:
    """The events of one payload; raises ``Unreadable`` if it is not one of Meta's. An unreadable change does not affect
    others.
    """
    envelope = wire.decode(SOURCE, body, shapes.Envelope)
    events: list[Event] = []
    problems: list[Unreadable] = []
    phones: dict[str, None] = {}
    for where, change in _changes(envelope):
        try:
            observed = _change(change, setup, where)
        except Unreadable as error:
            problems.append(Unreadable(SOURCE, f"{where}.{error.where}", error.problem))
            continue
        events += observed.events
        problems += observed.problems
        phones.update(dict.fromkeys(connection.phone for connection in observed.connections))
    return Observed(
        events=wire.unrepeated(events),
        raw=body if events or problems or any(_changes(envelope)) else None,
        problems=problems,
        connections=[Connection(phone, "CONNECTED") for phone in phones],
    )


def _changes(envelope: shapes.Envelope) -> Iterator[tuple[str, shapes.Change]]:
    for at, entry in enumerate(envelope.entry):
        for number, change in enumerate(entry.changes):
            yield f"entry[{at}].changes[{number}]", change


def _change(change: shapes.Change, setup: Setup, where: str) -> Observed:
    if change.field in _ACCOUNT_FIELDS:
        return Observed()
    if change.field not in _PARTS:
        raise Unreadable(SOURCE, "field", f"this version does not know the field {change.field[:80]!r}")
    value = wire.decode(SOURCE, bytes(change.value), shapes.Value)
    own = value.metadata.display_phone_number if value.metadata else None
    phone = wire.required_jid(own or setup.phone, SOURCE, "value.metadata.display_phone_number")
    delivery = _Delivery(phone, value.contacts)
    events: list[Event] = list(delivery.people())
    problems: list[Unreadable] = []
    for name, tell_one in _PARTS[change.field]:
        rows = ((f"{where}.value.{name}[{at}]", bytes(raw)) for at, raw in enumerate(getattr(value, name)))
        heard, unread = wire.each(SOURCE, rows, lambda raw, tell_one=tell_one: tell_one(delivery, raw))  # type: ignore[misc]
        events += heard
        problems += unread
        problems += [Unreadable(SOURCE, f"{where}.value.{name}.{p.where}", p.problem) for p in delivery.problems]
        delivery.problems.clear()
    return Observed(events=events, problems=problems, connections=[Connection(phone, "CONNECTED")])


class _Delivery(Struct):
    """One change on its way to events."""

    phone: str
    contacts: list[shapes.Contact]
    problems: list[Unreadable] = []
    """Of single messages of a history, which may hold thousands."""

    def people(self) -> Iterator[Event]:
        """Names, and which hidden id is whose number."""
        for contact in self.contacts:
            jid = person(contact.wa_id, contact.user_id)
            if jid is None:
                continue
            yield from wire.same_person(contact.user_id, contact.wa_id)
            name = contact.profile.name if contact.profile else None
            username = contact.profile.username if contact.profile else None
            if name or username:
                extras = {"username": username} if username else None
                yield ContactSeen(jid=jid, phone=self.phone, push_name=name or None, extras=extras)

    def other(self) -> str | None:
        """The one person whom the change is about, where there is only one."""
        only = self.contacts[0] if len(self.contacts) == 1 else None
        return person(only.wa_id, only.user_id) if only else None


def person(number: str | None, user_id: str | None) -> str | None:
    """The JID of a user: by the phone number, or by the business-scoped id (BSUID) when the number is hidden."""
    return canonical(number) if number else user_id or None


# Messages


def _incoming(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    message = wire.decode(SOURCE, raw, shapes.Message)
    sender = person(message.from_, message.from_user_id) or delivery.other() or _changed_person(message)
    if sender is None:
        raise Unreadable(SOURCE, "from", "does not say who sent it")
    if sender == delivery.phone:
        # The files of a history come so, those that were sent too.
        return _echo(delivery, raw)
    chat = group_jid(message.group_id) or sender
    mapped = wire.same_person(message.from_user_id, message.from_)
    # Somebody's new number and new id, where one of them changed.
    mapped += wire.same_person(_at(message.system, ("user_id",)), _at(message.system, ("wa_id",)))
    return [*mapped, *_said(delivery, message, chat, sender)]


def _changed_person(message: shapes.Message) -> str | None:
    """Whom a notice of a new id or number is about, which may come without ``from``."""
    return person(_at(message.system, ("wa_id",)), _at(message.system, ("user_id",)))


def _echo(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    """Sent from the phone's own app."""
    message = wire.decode(SOURCE, raw, shapes.Message)
    chat = group_jid(message.group_id) or person(message.to, message.to_user_id) or delivery.other()
    if chat is None:
        raise Unreadable(SOURCE, "to", "does not say who received it")
    mapped = wire.same_person(message.to_user_id, message.to)
    return [*mapped, *_said(delivery, message, chat, delivery.phone)]


def _history(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    for number, thread in enumerate(wire.decode(SOURCE, raw, shapes.History).threads):
        rows = ((f"threads[{number}].messages[{at}]", (thread, row)) for at, row in enumerate(thread.messages))
        told, problems = wire.each(SOURCE, rows, lambda row: _of_thread(delivery, *row))
        delivery.problems.extend(problems)
        yield from told


def _of_thread(delivery: _Delivery, thread: shapes.Thread, row: Raw) -> Iterator[Event]:
    message = wire.decode(SOURCE, bytes(row), shapes.Message)
    context = message.history_context or shapes.HistoryContext()
    sender = person(message.from_, message.from_user_id)
    mine = context.from_me or sender == delivery.phone
    named = thread.context or shapes.Contact()
    number = thread.id or named.wa_id
    other = person(number, named.user_id) or (person(message.to, message.to_user_id) if mine else sender)
    if other is None:
        raise Unreadable(SOURCE, "threads.id", "does not say whom the thread is with")
    yield from wire.same_person(named.user_id, number)
    yield from wire.same_person(message.from_user_id, message.from_)
    yield from wire.same_person(message.to_user_id, message.to)
    yield from _said(delivery, message, other, delivery.phone if mine else sender or other)


def _said(delivery: _Delivery, message: shapes.Message, chat: str, sender: str) -> list[Event]:
    """A message, or what it changes about another one."""
    at, id = wire.instant(message.timestamp, SOURCE, "timestamp"), bare_id(message.id)
    if message.type == "reaction" or message.reaction is not None:
        return [_reaction(delivery, message, chat, sender, at, id)]
    if message.type == "edit" or message.edit is not None:
        return _edit(delivery, message, chat, sender, at, id)
    if message.type == "revoke" or message.revoke is not None:
        original = _original(message.revoke, "revoke")
        target = Target(delivery.phone, chat, bare_id(original.original_message_id), sender)
        return [MessageRevoked(target=target, at=at, by=sender)]
    return [MessageSeen(_message(delivery, message, chat, sender, at, id))]


def _original(original: shapes.Original | None, name: str) -> shapes.Original:
    if original is None:
        raise Unreadable(SOURCE, name, "is missing")
    return original


def _reaction(delivery: _Delivery, message: shapes.Message, chat: str, sender: str, at: int, id: str) -> Event:
    if message.reaction is None:
        raise Unreadable(SOURCE, "reaction", "is missing")
    target = Target(delivery.phone, chat, bare_id(message.reaction.message_id))
    return ReactionSet(target=target, by=sender, emoji=message.reaction.emoji or "", at=at, id=id)


def _edit(delivery: _Delivery, message: shapes.Message, chat: str, sender: str, at: int, id: str) -> list[Event]:
    original = _original(message.edit, "edit")
    if bytes(original.message) == b"null":
        return []
    edited = wire.decode(SOURCE, bytes(original.message), shapes.Edited)
    files = (edited.image, edited.video, edited.document)
    captions = (file.caption for file in files if file is not None)
    text = edited.text.body if edited.text else next(captions, None)
    if text is None:
        return []
    target = Target(delivery.phone, chat, bare_id(original.original_message_id), sender)
    return [MessageEdited(target=target, text=text, at=at, id=id, by=sender)]


def _message(delivery: _Delivery, message: shapes.Message, chat: str, sender: str, at: int, id: str) -> Message:
    file = next((file for name in _MEDIA if (file := getattr(message, name)) is not None), None)
    kind = _kind(message, file)
    mine = sender == delivery.phone
    status = message.history_context.status if message.history_context else None
    return Message(
        key=MessageKey(delivery.phone, chat, id, sender),
        sent_at=at,
        from_me=mine,
        kind=kind,
        text=_text(message, file),
        ack=_ACKS.get((status or "").lower()) if mine else None,
        details=_details(delivery, message, kind, file),
    )


def _kind(message: shapes.Message, file: shapes.File | None) -> Kind:
    name = message.type or next((name for name in _MEDIA if getattr(message, name) is not None), "text")
    if name == "audio" and file is not None and file.voice:
        return "voice"
    if name in _MEDIA:
        return _MEDIA[name]
    if name == "contacts":
        return "contacts" if isinstance(message.contacts, list) and len(message.contacts) > 1 else "contact"
    kinds: dict[str, Kind] = {
        "text": "text",
        "location": "location",
        "button": "interactive",
        "interactive": "interactive",
        "order": "order",
        "system": "notice",
        "request_welcome": "notice",
    }
    return kinds.get(name, "unknown")


def _text(message: shapes.Message, file: shapes.File | None) -> str | None:
    if message.text is not None:
        return message.text.body
    if file is not None:
        return file.caption
    for value, paths in (
        (message.button, (("text",),)),
        (message.interactive, _INTERACTIVE_TEXTS),
        (message.order, (("text",),)),
        (message.system, (("body",),)),
    ):
        for path in paths:
            if text := _at(value, path):
                return text
    return None


_INTERACTIVE_TEXTS = (("button_reply", "title"), ("list_reply", "title"), ("nfm_reply", "body"), ("body", "text"))


def _at(value: Any, path: tuple[str, ...]) -> str | None:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value else None


def _details(delivery: _Delivery, message: shapes.Message, kind: Kind, file: shapes.File | None) -> Details:
    context = message.context or shapes.Context()
    forwarded = context.forwarded or context.frequently_forwarded
    quoting = context.id is not None
    return Details(
        media=None if file is None else _media(file),
        has_media=True if file is not None else None,
        quoted=Quote(id=bare_id(context.id), sender=wire.jid_or_none(context.from_)) if context.id else None,
        has_quoted=True if quoting else None,
        is_forwarded=True if forwarded else None,
        forwarding_score=127 if context.frequently_forwarded else None,
        location=_location(message.location),
        vcards=_vcards(message.contacts),
        notice=_notice(message) if kind == "notice" else None,
        interactive=wire.storable(message.interactive or message.button or message.order),
        referral=wire.storable(message.referral) if isinstance(message.referral, dict) else None,
        type_name=_type_name(message) if kind == "unknown" else None,
    )


def _type_name(message: shapes.Message) -> str | None:
    """What Meta calls a message that it does not pass on, such as ``poll_creation``; else its type."""
    if message.type != "unsupported":
        return message.type
    name = _at(message.unsupported, ("type",))
    return None if name in (None, "unknown") else name


def _media(file: shapes.File) -> Media:
    """Its address lasts five minutes and needs the token, so what is kept is where its id leads to."""
    return Media(
        mimetype=file.mime_type,
        filename=file.filename,
        sha256=_hex(file.sha256),
        url=f"{FILE_URL}{file.id}" if file.id else file.link,
    )


def _hex(digest: str | None) -> str | None:
    if digest is None or re.fullmatch("[0-9a-f]{64}", digest):
        return digest
    try:
        raw = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 32 else None


def _location(place: shapes.Place | None) -> Location | None:
    if place is None:
        return None
    return place_at(place.latitude, place.longitude, name=place.name, address=place.address, url=place.url)


def _notice(message: shapes.Message) -> Notice:
    system = message.system if isinstance(message.system, dict) else {}
    return Notice(type=_at(system, ("type",)) or message.type, metadata=wire.storable(system) or None)


def _vcards(contacts: Any) -> tuple[str, ...] | None:
    """Meta takes the cards apart; they are put together again as vCard 3.0, like those of other sources.

    Somebody who was asked for their number sends the card itself.
    """
    if not isinstance(contacts, list):
        return None
    return tuple(_at(card, ("vcard",)) or _vcard(card) for card in contacts if isinstance(card, dict))


def _vcard(card: dict[str, Any]) -> str:
    name = _at(card, ("name", "formatted_name")) or ""
    last, first = _at(card, ("name", "last_name")) or "", _at(card, ("name", "first_name")) or ""
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"N:{_escaped(last)};{_escaped(first)};;;", f"FN:{_escaped(name)}"]
    if company := _at(card, ("org", "company")):
        lines.append(f"ORG:{_escaped(company)}")
    for phone in card.get("phones") or ():
        if number := _at(phone, ("phone",)):
            waid = f";waid={wa_id}" if (wa_id := _at(phone, ("wa_id",))) else ""
            lines.append(f"TEL;type={_at(phone, ('type',)) or 'CELL'}{waid}:{_escaped(number)}")
    for email in card.get("emails") or ():
        if address := _at(email, ("email",)):
            lines.append(f"EMAIL:{_escaped(address)}")
    return "\n".join([*lines, "END:VCARD"])


def _escaped(text: str) -> str:
    return re.sub(r"([\\;,])", r"\\\1", text).replace("\r", "").replace("\n", "\\n")


# Receipts, contacts, calls


def _status(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    status = wire.decode(SOURCE, raw, shapes.Status)
    if status.type == "call":
        return _called(delivery, status)
    if status.type == "payment":
        return []
    ack = _ACKS.get(status.status.lower())
    if ack is None:
        raise Unreadable(SOURCE, "status", f"this version does not know the status {status.status[:80]!r}")
    at = wire.instant(status.timestamp, SOURCE, "timestamp")
    in_group = status.recipient_type == "group"
    recipient = person(status.recipient_id, status.recipient_user_id) or delivery.other()
    chat = group_jid(status.recipient_id) if in_group else recipient
    if chat is None:
        raise Unreadable(SOURCE, "recipient_id", "does not say who received the message")
    who = person(status.recipient_participant_id, status.recipient_participant_user_id) if in_group else None
    target = Target(delivery.phone, chat, bare_id(status.id), delivery.phone)
    ids = status.recipient_user_id, status.recipient_id
    if in_group:
        ids = status.recipient_participant_user_id, status.recipient_participant_id
    mapped = wire.same_person(*ids)
    return [*mapped, ReceiptSet(target=target, ack=ack, participant=who if ack > 2 else None, at=at)]


def _called(delivery: _Delivery, status: shapes.Status) -> list[Event]:
    """How far a call that the business made has come."""
    other = person(status.recipient_id, status.recipient_user_id) or delivery.other()
    if other is None:
        raise Unreadable(SOURCE, "recipient_id", "does not say who was called")
    result = {"ACCEPTED": "connected", "REJECTED": "rejected"}.get(status.status.upper())
    at = wire.instant(status.timestamp, SOURCE, "timestamp")
    mapped = wire.same_person(status.recipient_user_id, status.recipient_id)
    return [*mapped, wire.call_of(delivery.phone, other, status.id, at, delivery.phone, result=result)]


def _new_id(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    """The new id is the number's. The earlier one may belong to an earlier number, which is not told."""
    update = wire.decode(SOURCE, raw, shapes.UserIdUpdate)
    return wire.same_person(update.user_id.current if update.user_id else None, update.wa_id)


def _synced(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    """A contact of the phone's own address book."""
    synced = wire.decode(SOURCE, raw, shapes.Synced)
    contact = synced.contact
    jid = person(contact.phone_number, contact.user_id) if contact else None
    if contact is None or jid is None:
        raise Unreadable(SOURCE, "contact", "does not say who it is")
    at = wire.instant_or_none(synced.metadata.timestamp if synced.metadata else None, SOURCE, "metadata.timestamp")
    removed = synced.action == "remove"
    name = None if removed else contact.full_name or contact.first_name or None
    mapped = wire.same_person(contact.user_id, contact.phone_number)
    return [*mapped, ContactSeen(jid=jid, phone=delivery.phone, at=at, name=name, is_saved=not removed)]


def _call(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    call = wire.decode(SOURCE, raw, shapes.Call)
    at = wire.instant_or_none(call.timestamp, SOURCE, "timestamp")
    caller = person(call.from_, call.from_user_id)
    if at is None or caller is None:
        raise Unreadable(SOURCE, "timestamp", "the call has no time or no caller")
    called = person(call.to, call.to_user_id)
    other = called if caller == delivery.phone and called is not None else caller
    results = {"COMPLETED": "connected", "FAILED": "missed", "REJECTED": "rejected"}
    result = results.get((call.status or "").upper())
    mapped = [*wire.same_person(call.from_user_id, call.from_), *wire.same_person(call.to_user_id, call.to)]
    return [*mapped, wire.call_of(delivery.phone, other, call.id, at, caller, result=result)]


def _grouped(delivery: _Delivery, raw: bytes) -> Iterable[Event]:
    return cloud_groups.events(SOURCE, delivery.phone, raw)


Part = Callable[[_Delivery, bytes], Iterable[Event]]
_PARTS: dict[str, tuple[tuple[str, Part], ...]] = {
    "messages": (("messages", _incoming), ("statuses", _status), ("message_echoes", _echo), ("calls", _call)),
    "message_echoes": (("message_echoes", _echo),),
    "smb_message_echoes": (("message_echoes", _echo), ("statuses", _status)),
    "history": (("history", _history), ("messages", _incoming)),
    "smb_app_state_sync": (("state_sync", _synced),),
    "group_lifecycle_update": (("groups", _grouped),),
    "group_participants_update": (("groups", _grouped),),
    "group_settings_update": (("groups", _grouped),),
    "calls": (("calls", _call), ("statuses", _status)),
    "user_id_update": (("user_id_update", _new_id),),
}
