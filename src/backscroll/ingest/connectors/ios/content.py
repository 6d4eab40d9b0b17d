"""The content of a message of ChatStorage.sqlite, from its row and those that belong to it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from backscroll.core import ids
from backscroll.core.events import Event, MessageRevoked, ReactionSet, Target
from backscroll.core.limits import LATEST
from backscroll.core.model import (
    MEDIA_KINDS,
    Call,
    Details,
    Kind,
    Location,
    Media,
    Message,
    MessageKey,
    Notice,
    Poll,
    Quote,
)
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.foreign.pieces import LocalFile
from backscroll.ingest.connectors.foreign.rows import Row, Unusable
from backscroll.ingest.connectors.ios import blobs
from backscroll.ingest.connectors.ios.blobs import Fields
from backscroll.ingest.connectors.ios.names import STATUS, jid_of, moment, person_of

KINDS: dict[int, Kind] = {
    0: "text",
    1: "image",
    2: "video",
    3: "audio",
    4: "contact",
    5: "location",
    6: "notice",
    7: "text",
    8: "document",
    10: "notice",
    11: "video",
    14: "text",
    15: "sticker",
    19: "interactive",
    20: "interactive",
    25: "interactive",
    30: "interactive",
    31: "interactive",
    38: "image",
    39: "video",
    41: "interactive",
    46: "poll",
    54: "video_note",
    59: "call",
    66: "notice",
}
"""``ZMESSAGETYPE``; what is missing here is ``unknown`` and keeps its number as ``type_name``."""
GROUP_EVENT, GIF, DELETED, CALL = 6, 11, 14, 59
VIEW_ONCE = (38, 39)
SUBJECT_CHANGED = 1
"""``ZGROUPEVENTTYPE`` of a new subject, the one that is known for certain."""
_FAMILIES: dict[str, Kind] = {"image": "image", "video": "video", "audio": "audio", "application": "document"}


class Record(Struct):
    """A message and all that belongs to it."""

    row: Row
    session: Row | None = None
    member: Row | None = None
    media: Row | None = None
    info: Row | None = None
    parent: Row | None = None
    """The message that it answers."""
    parent_member: Row | None = None

    def rows(self) -> list[Row]:
        """What is kept as payload: chats and members are told by stages of their own."""
        return [row for row in (self.row, self.media, self.info) if row is not None]


def type_of(record: Record) -> int:
    """WhatsApp's number for the kind of message; 0, a text, where the column holds none."""
    value = record.row.values.get("ZMESSAGETYPE")
    return value if isinstance(value, int) else 0


def is_from_me(record: Record) -> bool:
    return record.row.values.get("ZISFROMME") == 1


def is_without_id(record: Record) -> bool:
    """Notices that the phone made for itself; without an id, nothing can be said to be the same again."""
    return KINDS.get(type_of(record)) == "notice" and not record.row.values.get("ZSTANZAID")


def chat_of(record: Record) -> str:
    """The JID of the chat; ``Unusable`` where it is not told."""
    if record.session is None:
        raise Unusable("ZCHATSESSION", "refers to no chat")
    chat = jid_of(record.session.values.get("ZCONTACTJID"))
    if chat is None:
        raise Unusable("ZCHATSESSION", "refers to a chat without a JID")
    return chat


def _author(record: Record, chat: str, phone: str) -> str | None:
    """The phone's owner, who is named as a member, or the one other in a chat of two."""
    if is_from_me(record):
        return phone
    member = person_of(record.member.values.get("ZMEMBERJID")) if record.member is not None else None
    if member is None and chat == STATUS and record.session is not None:
        member = person_of(record.session.values.get("ZCONTACTJID"))
    return member or person_of(record.row.values.get("ZFROMJID")) or (chat if ids.is_person(chat) else None)


def message_of(record: Record, phone: str) -> Message:
    """The message. ``Unusable`` where what it needs is missing."""
    row, chat = record.row, chat_of(record)
    sent_at = moment(row, "ZMESSAGEDATE", "ZSENTDATE")
    if sent_at is None:
        raise Unusable("ZMESSAGEDATE", "is unknown")
    kind, id = kind_of(record), row.key("ZSTANZAID")
    if kind == "call":
        id = ids.call_id(id)
    poll = _poll(record) if kind == "poll" else None
    return Message(
        key=MessageKey(phone, chat, id, _author(record, chat, phone)),
        sent_at=sent_at,
        from_me=is_from_me(record),
        kind=kind,
        text=_text(record, kind),
        details=_details(record, kind, poll),
    )


def kind_of(record: Record) -> Kind:
    """The kind by WhatsApp's number, told apart further by the file and by how many cards there are."""
    number = type_of(record)
    kind, mimetype = KINDS.get(number, "unknown"), _mimetype(record.media) or ""
    if kind == "audio" and "opus" in mimetype:
        return "voice"
    if kind == "contact" and len(_vcards(record)) > 1:
        return "contacts"
    if kind == "unknown" and record.media is not None and record.media.values.get("ZMEDIALOCALPATH"):
        return _FAMILIES.get(mimetype.partition("/")[0], "unknown")
    return kind


def _text(record: Record, kind: Kind) -> str | None:
    if type_of(record) == DELETED or kind in ("contact", "contacts", "call"):
        return None
    text = record.row.text("ZTEXT")
    if kind == "notice":
        return text if _is_subject(record) else None
    if kind in MEDIA_KINDS and kind != "document" and not text and record.media is not None:
        return record.media.text("ZTITLE")
    return text


def _is_subject(record: Record) -> bool:
    """A text that is a number is no subject but data."""
    text, event = record.row.values.get("ZTEXT"), record.row.values.get("ZGROUPEVENTTYPE")
    named = isinstance(text, str) and not text.strip().isdecimal()
    return type_of(record) == GROUP_EVENT and event == SUBJECT_CHANGED and named


def _details(record: Record, kind: Kind, poll: Poll | None) -> Details:
    row, number = record.row, type_of(record)
    told = blobs.fields(record.media.values.get("ZMETADATA") if record.media is not None else None)
    # Fields of MessageContextInfo as the phone writes it: how often a message was forwarded.
    score = _small(told, 46) or _small(told, 17)
    has_media = kind in MEDIA_KINDS
    return Details(
        media=_media(record, kind) if has_media else None,
        quoted=_quote(record, told),
        location=_location(record.media) if kind == "location" else None,
        vcards=_vcards(record) or None if kind in ("contact", "contacts") else None,
        poll=poll,
        call=_call(record, told) if kind == "call" else None,
        notice=_notice(record) if kind == "notice" else None,
        is_forwarded=True if score else None,
        forwarding_score=score,
        is_view_once=True if number in VIEW_ONCE else None,
        is_gif=True if number == GIF else None,
        is_starred=True if row.values.get("ZSTARRED") == 1 else None,
        is_status=True if chat_of(record) == STATUS else None,
        is_deleted=True if number == DELETED else None,
        has_media=has_media if kind != "notice" else None,
        altered=True if "ZTEXT" in row.altered else None,
        type_name=str(number) if kind == "unknown" else None,
    )


def _small(told: Fields, field: int) -> int | None:
    value = blobs.number(told, field)
    return value if value is not None and 0 < value < 1 << 31 else None


def _mimetype(media: Row | None) -> str | None:
    """Of a file; the column holds the card of a contact instead."""
    value = media.values.get("ZVCARDSTRING") if media is not None else None
    is_type = isinstance(value, str) and "/" in value[:40] and "\n" not in value and ":" not in value
    return str(value) if is_type else None


def _path(media: Row | None) -> str | None:
    value = media.values.get("ZMEDIALOCALPATH") if media is not None else None
    return value if isinstance(value, str) and value.strip() and "\0" not in value else None


def _media(record: Record, kind: Kind) -> Media:
    media = record.media
    if media is None:
        return Media()
    duration, path = media.values.get("ZMOVIEDURATION"), _path(media)
    name = media.text("ZTITLE") if kind == "document" else None
    return Media(
        mimetype=_mimetype(media),
        size=media.number("ZFILESIZE"),
        filename=name or (path.rpartition("/")[2] if path and kind == "document" else None),
        duration=float(duration) if isinstance(duration, int | float) and 0 < duration < 1 << 31 else None,
        url=media.text("ZMEDIAURL"),
    )


def file_of(record: Record, message: Message) -> LocalFile | None:
    """Where the phone kept the file of a message, below its folder ``Message``."""
    path, media = _path(record.media), message.details.media
    if media is None or path is None:
        return None
    key = message.key
    return LocalFile(Target(key.phone, key.chat, key.id, key.sender), path.lstrip("/"), media)


def _quote(record: Record, told: Fields) -> Quote | None:
    """What is answered: another row of the file, else what the blob of the answer says of it."""
    parent = record.parent
    if parent is not None and (id := parent.text("ZSTANZAID")):
        answered = Record(row=parent, member=record.parent_member)
        kind = KINDS.get(type_of(answered))
        sender = person_of(record.parent_member.values.get("ZMEMBERJID")) if record.parent_member is not None else None
        return Quote(id=id, sender=sender or _quoted_person(record, parent), text=parent.text("ZTEXT"), kind=kind)
    id = blobs.text(told, 5)
    if id is None or not id.isascii() or not id.isprintable():
        return None
    text = blobs.text(told, 19)
    return Quote(id=id, sender=person_of(blobs.text(told, 6)), text=ids.clean_text(text)[0] if text else None)


def _quoted_person(record: Record, parent: Row) -> str | None:
    chat = chat_of(record)
    return chat if parent.values.get("ZISFROMME") == 0 and ids.is_person(chat) else None


def _location(media: Row | None) -> Location | None:
    if media is None:
        return None
    latitude, longitude = media.values.get("ZLATITUDE"), media.values.get("ZLONGITUDE")
    if latitude == 0 and longitude == 0:
        return None
    return place_at(latitude, longitude, name=media.text("ZTITLE"))


def _vcards(record: Record) -> tuple[str, ...]:
    card = record.media.text("ZVCARDSTRING") if record.media is not None else None
    if card is None or "BEGIN:VCARD" not in card:
        return ()
    return tuple(f"BEGIN:VCARD{part}".strip() for part in card.split("BEGIN:VCARD")[1:])


def _poll(record: Record) -> Poll:
    """The question and its options, and how many chose each: who did is not told for certain."""
    told = blobs.inner(blobs.fields(record.info.values.get("ZRECEIPTINFO") if record.info is not None else None), 8)
    poll: Fields = told[0] if told else {}
    options = [_clean(blobs.text(option, 1)) or "" for option in blobs.inner(poll, 3)]
    chosen = [no for vote in blobs.inner(poll, 6) for no in vote.get(1, [])]
    counts = [chosen.count(no) for no in range(len(options))]
    return Poll(
        name=_clean(blobs.text(poll, 2)) or record.row.text("ZTEXT") or "",
        options=tuple(options),
        counts=dict(zip(options, counts, strict=True)) if any(counts) else None,
    )


def _clean(text: str | None) -> str | None:
    return ids.clean_text(text)[0] if text else None


def _notice(record: Record) -> Notice:
    row = record.row
    told = {"message_type": type_of(record), "group_event_type": row.values.get("ZGROUPEVENTTYPE")}
    told["text"] = row.text("ZTEXT")
    metadata = {name: value for name, value in told.items() if isinstance(value, int | str) and value != ""}
    return Notice(type="subject" if _is_subject(record) else None, metadata=metadata or None)


def _call(record: Record, told: Fields) -> Call:
    """A call that stands in the chat: field 87 of the blob tells whether it was a video call, and how long it took."""
    found = [inner for outer in blobs.inner(told, 87) for inner in (blobs.inner(outer, 1) or [outer])]
    call: Fields = found[0] if found else {}
    duration, outcome = _small(call, 3), blobs.number(call, 2)
    return Call(
        video=bool(blobs.number(call, 1)) if call else None,
        outgoing=is_from_me(record),
        result="connected" if duration else None,
        duration=float(duration) if duration else None,
        metadata={"outcome": outcome} if outcome is not None and outcome < 1 << 31 else None,
    )


def changes_of(record: Record, message: Message, phone: str) -> Iterator[Event]:
    """Deletions and reactions."""
    key = message.key
    target = Target(key.phone, key.chat, key.id, key.sender)
    if type_of(record) == DELETED:
        yield MessageRevoked(target=target, by=key.sender)
    receipts = blobs.fields(record.info.values.get("ZRECEIPTINFO") if record.info is not None else None)
    for told in blobs.inner(receipts, 7):
        for theirs in blobs.inner(told, 1):
            by = person_of(blobs.text(theirs, 2))
            if by is not None:
                yield _reaction(target, by, theirs, 3)
        for own in blobs.inner(told, 2):
            yield _reaction(target, phone, own, 2)


def _reaction(target: Target, by: str, told: Fields, field: int) -> ReactionSet:
    at = blobs.number(told, field + 1)
    emoji = _clean(blobs.text(told, field)) or ""
    return ReactionSet(
        target=target,
        by=by,
        emoji=emoji,
        at=at * 1000 if at is not None and 0 < at <= LATEST // 1000 else None,
        id=_clean(blobs.text(told, 1)),
    )


# The log of calls


def call_of(row: Row, phone: str, aggregate: Row | None, participants: list[Row]) -> Message:
    """A row of ``ZWACDCALLEVENT`` in CallHistory.sqlite."""
    at = moment(row, "ZDATE")
    if at is None:
        raise Unusable("ZDATE", "is unknown")
    people = [jid for part in participants if (jid := person_of(part.values.get("ZJIDSTRING"))) and jid != phone]
    chat = jid_of(row.values.get("ZGROUPJIDSTRING")) or (people[0] if len(people) == 1 else None)
    if chat is None:
        raise Unusable("Z1CALLEVENTS", "refers to no chat")
    told = aggregate.values if aggregate is not None else {}
    incoming, missed = told.get("ZINCOMING"), told.get("ZMISSED")
    duration, outcome = row.values.get("ZDURATION"), row.values.get("ZOUTCOME")
    outgoing = None if incoming is None else not incoming
    creator = person_of(row.values.get("ZGROUPCALLCREATORUSERJIDSTRING"))
    sender = phone if outgoing else creator or (people[0] if len(people) == 1 else None)
    lasted = isinstance(duration, int | float) and 0 < duration < 1 << 31
    id = row.key("ZCALLIDSTRING")
    call = Call(
        video=bool(told["ZVIDEO"]) if told.get("ZVIDEO") is not None else None,
        outgoing=outgoing,
        result="connected" if lasted else "unanswered" if outgoing else "missed" if missed else None,
        duration=float(duration or 0) if lasted else None,
        metadata={"outcome": outcome} if isinstance(outcome, int) else None,
    )
    return Message(
        key=MessageKey(phone, chat, ids.call_id(id), sender),
        sent_at=at,
        from_me=bool(outgoing),
        kind="call",
        details=Details(call=call, has_media=False),
    )
