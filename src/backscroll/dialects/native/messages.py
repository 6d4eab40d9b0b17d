"""The native API's message: Periskope's 53 fields and further ones for readers of the archive."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from backscroll.core import ids
from backscroll.core.answers import ErasedMessage, MessageCard, Surroundings, Thread
from backscroll.core.model import MEDIA_KINDS, Access, ArchivedMessage, Media, Phone, Receipt
from backscroll.core.query import Position
from backscroll.dialects.links import Links
from backscroll.dialects.native.cards import card_of
from backscroll.dialects.native.cursors import encode_cursor
from backscroll.dialects.native.vcards import cards_of
from backscroll.dialects.periskope.messages import message_id_of, row_renderer, sender_of
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import encode_message_id, shown_jid
from backscroll.formats.timestamps import postgres_text

MAX_QUOTED = 300
"""Maximum characters of a quoted text."""
MAX_REACTIONS = 100
MAX_RECEIPTS = 300
MAX_VOTERS = 20
"""Maximum number of voters listed for each option of a poll."""
_WAVEFORM = 64

Render = Callable[[ArchivedMessage], bytes]


def key_of(archived: ArchivedMessage) -> str:
    """The opaque key of a message: it stays valid whatever contacts are merged later."""
    return f"{archived.phone.number}:{message_id_of(archived)}"


def erased_key(erased: ErasedMessage, phone: Phone) -> str:
    """The key that ``key_of`` returned while the message existed."""
    sender = phone.jid if erased.from_me else erased.sender
    return f"{phone.number}:{encode_message_id(erased.from_me, erased.chat, erased.id, sender)}"


def time_text(micros: int | None) -> str | None:
    """ISO 8601 in UTC, in Periskope's format."""
    return None if micros is None else postgres_text(micros)


def person(jid: str | None, around: Surroundings) -> dict[str, Any] | None:
    """``{jid, name}``; None if nobody is known."""
    return None if jid is None else {"jid": shown_jid(jid), "name": around.names.get(jid)}


def message_renderer(access: Access, links: Links, around: Surroundings) -> Render:
    """A function that renders one message as JSON text."""
    row = row_renderer(access, links)

    def render(archived: ArchivedMessage) -> bytes:
        return row(archived)[:-1] + b"," + encode(_besides(archived, access, links, around))[1:]

    return render


def render_thread(thread: Thread, access: Access, links: Links, filters: Any) -> bytes:
    """Part of one chat, oldest message first, with cursors to the messages before and after."""
    render = message_renderer(access, links, thread.around)
    items = b",".join(render(archived) for archived in thread.messages)
    targets = [key_of(archived) for archived in thread.messages if archived.no == thread.target]
    rest = {
        "found_oldest": thread.found_oldest,
        "found_newest": thread.found_newest,
        "target": targets[0] if targets else None,
        "seq": thread.seq,
        "older": None if thread.found_oldest else _cursor(thread.oldest, "before", filters),
        "newer": None if thread.found_newest else _cursor(thread.newest, "after", filters),
    }
    return b'{"items":[' + items + b"]," + encode(rest)[1:]


def _cursor(place: Position | None, side: str, filters: Any) -> str | None:
    return None if place is None else encode_cursor([side, place.sent_at, place.id, place.sender], filters)


def render_card(card: MessageCard, access: Access, links: Links) -> bytes:
    """One message with its versions, its receipts by person, and what each source reported."""
    archived = card.message
    body = message_renderer(access, links, card.around)(archived)
    chat = card.chat
    besides = {
        "chat": {
            "phone": archived.phone.number,
            "chat_id": shown_jid(archived.message.key.chat),
            "name": chat.name if chat else card.around.names.get(archived.message.key.chat),
        },
        "versions": _versions(archived),
        "receipt_list": [_receipt(receipt, card.around) for receipt in _latest_first(archived.receipts)],
        "tellings": [
            {
                "source": source,
                "sent_at": time_text(told.sent_at),
                "precision": told.details.precision or "second",
                "text": told.text if told.text != archived.message.text else None,
                "seen_kind": told.kind if told.kind != archived.message.kind else None,
            }
            for source, told in card.observations
        ],
        "has_original": card.raw is not None,
        "fetch": None
        if card.fetch is None
        else {
            "tries": card.fetch.tries,
            "next_at": time_text(card.fetch.next_at),
            "problem": card.fetch.problem,
            "given_up": card.fetch.next_at is None,
        },
    }
    return body[:-1] + b"," + encode(besides)[1:]


def _versions(archived: ArchivedMessage) -> list[dict[str, Any]]:
    """Texts, oldest first; the last one is the current text."""
    message = archived.message
    if not archived.edits:
        return [{"text": message.text, "at": time_text(message.sent_at)}]
    first = {"text": archived.original_text, "at": time_text(message.sent_at)}
    return [first, *({"text": edit.text, "at": time_text(edit.at)} for edit in archived.edits)]


def _latest_first(receipts: Iterable[Receipt]) -> list[Receipt]:
    return sorted(receipts, key=lambda r: max(filter(None, _times(r)), default=0), reverse=True)[:MAX_RECEIPTS]


def _times(receipt: Receipt) -> tuple[int | None, int | None, int | None]:
    return receipt.delivered_at, receipt.read_at, receipt.played_at


def _receipt(receipt: Receipt, around: Surroundings) -> dict[str, Any]:
    delivered_at, read_at, played_at = map(time_text, _times(receipt))
    return {
        "jid": shown_jid(receipt.participant),
        "name": around.names.get(receipt.participant),
        "delivered_at": delivered_at,
        "read_at": read_at,
        "played_at": played_at,
    }


def _besides(archived: ArchivedMessage, access: Access, links: Links, around: Surroundings) -> dict[str, Any]:
    message, details = archived.message, archived.message.details
    expires = details.expires_after
    return {
        "key": key_of(archived),
        "phone": archived.phone.number,
        "kind": message.kind,
        "sender": person(sender_of(archived), around),
        "precision": details.precision or "second",
        "edited_at": time_text(archived.edited_at),
        "edits": len(archived.edits),
        "deleted_at": time_text(archived.deleted_at),
        "deleted_by": person(archived.deleted_by, around),
        "forwarded": bool(details.is_forwarded),
        "starred": bool(details.is_starred),
        "view_once": bool(details.is_view_once),
        "gif": bool(details.is_gif),
        "expires_at": time_text(message.sent_at + expires * 1_000_000) if expires else None,
        "mentions": [_mention(jid, message.text or "", around) for jid in details.mentions],
        "quoted": _quoted(archived, around),
        "reactions": [
            {
                "emoji": reaction.emoji,
                "sender": {"jid": shown_jid(reaction.sender), "name": reaction.sender_name},
                "from_me": reaction.from_me,
                "at": time_text(reaction.at),
            }
            for reaction in archived.reactions[:MAX_REACTIONS]
        ],
        "receipts": _receipts(archived, around),
        "pinned": _pinned(archived, around),
        "file": file_of(archived, access, links),
        "place": _place(archived),
        "contacts": cards_of(details.vcards or ()),
        "poll": _poll(archived, around),
        "card": card_of(archived),
        "call": _call(archived),
        "notice": _notice(archived, around),
    }


def _pinned(archived: ArchivedMessage, around: Surroundings) -> dict[str, Any] | None:
    """Also when ``until`` has passed: what is sent must not depend on when it is asked for."""
    pin = archived.pinned
    if pin is None:
        return None
    return {"by": person(pin.by, around), "at": time_text(pin.at), "until": time_text(pin.until)}


def _mention(jid: str, text: str, around: Surroundings) -> dict[str, Any]:
    """``as`` is the form used in the text: the number, or the LID if the sender's phone knew only that."""
    lid = around.lids.get(jid)
    spellings = [f"@{known.partition('@')[0]}" for known in (jid, lid) if known]
    return {
        "jid": shown_jid(jid),
        "name": around.names.get(jid),
        "as": next((spelling for spelling in spellings if spelling in text), None),
    }


def _quoted(archived: ArchivedMessage, around: Surroundings) -> dict[str, Any] | None:
    quote = archived.message.details.quoted
    if quote is None:
        return None
    known = around.quoted.get((archived.phone.jid, quote.id or ""))
    sender = quote.sender or (None if known is None else sender_of(known))
    text = quote.text if quote.text is not None or known is None else known.message.text
    return {
        "key": None if known is None else key_of(known),
        "id": quote.id,
        "sender": person(sender, around),
        "from_me": sender == archived.phone.jid if known is None else known.message.from_me,
        "kind": quote.kind or (known.message.kind if known else None),
        "text": None if text is None else text[:MAX_QUOTED],
        "thumbnail": None if known is None else _thumbnail(known),
    }


def _receipts(archived: ArchivedMessage, around: Surroundings) -> dict[str, Any] | None:
    """Counts of the receipts for an own message. ``of`` is null if no source reported the group's members."""
    message = archived.message
    if not message.from_me:
        return None
    chat, ack = message.key.chat, archived.ack or 0
    if ids.is_person(chat):
        return {"of": 1, "delivered": int(ack >= 3), "read": int(ack >= 4), "played": int(ack >= 5)}
    size = around.sizes.get((archived.phone.jid, chat))
    known = archived.receipts
    return {
        "of": None if size is None else max(size - 1, 0),
        "delivered": sum(any(at is not None for at in _times(receipt)) for receipt in known),
        "read": sum(receipt.read_at is not None or receipt.played_at is not None for receipt in known),
        "played": sum(receipt.played_at is not None for receipt in known),
    }


def file_of(archived: ArchivedMessage, access: Access, links: Links) -> dict[str, Any] | None:
    """The file of a message: what is known about it, and where it can be fetched if the archive has it."""
    message, media = archived.message, archived.message.details.media
    if media is None and message.kind not in MEDIA_KINDS:
        return None
    media = media or Media()
    url = links.media_url(access.org.no, media)
    return {
        "state": _state(media, url is not None),
        "url": url,
        "thumbnail": links.thumbnail_url(access.org.no, media) or _thumbnail(archived),
        "width": media.width,
        "height": media.height,
        "duration": media.duration,
        "waveform": _waveform(media.waveform),
        "pages": media.pages,
        "size": media.size,
        "filename": media.filename,
        "mimetype": media.mimetype,
        "animated": bool(message.details.is_gif),
    }


def _state(media: Media, held: bool) -> str:
    if held:
        return "held"
    if media.omitted:
        return "omitted"
    return "fetchable" if media.url or media.direct_path else "missing"


def _thumbnail(archived: ArchivedMessage) -> str | None:
    """The address of the thumbnail that was included in the message."""
    media = archived.message.details.media
    if media is None or not media.thumbnail:
        return None
    return f"/api/messages/{quote(key_of(archived), safe='')}/thumbnail"


def thumbnail_bytes(archived: ArchivedMessage) -> bytes | None:
    """The thumbnail included in the message; None if there is none, or it is not a JPEG."""
    media = archived.message.details.media
    if media is None or not media.thumbnail:
        return None
    try:
        picture = base64.b64decode(media.thumbnail, validate=True)
    except (binascii.Error, ValueError):
        return None
    return picture if picture.startswith(b"\xff\xd8\xff") else None


def _waveform(text: str | None) -> list[int] | None:
    """64 bar heights from 0 to 100, with which WhatsApp draws a voice message."""
    try:
        values = base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return [min(value, 100) for value in values[:_WAVEFORM]] or None


def _place(archived: ArchivedMessage) -> dict[str, Any] | None:
    location = archived.message.details.location
    if location is None:
        return None
    return {
        "latitude": location.latitude,
        "longitude": location.longitude,
        "name": location.name,
        "address": location.address,
        "url": location.url,
        "live": archived.message.kind == "live_location",
    }


def _poll(archived: ArchivedMessage, around: Surroundings) -> dict[str, Any] | None:
    poll = archived.message.details.poll
    if poll is None:
        return None
    voters = {option: [vote.voter for vote in archived.votes if option in vote.options] for option in poll.options}
    counted = poll.counts or {}
    return {
        "name": poll.name,
        "selectable": poll.selectable,
        "voters": sum(bool(vote.options) for vote in archived.votes) if archived.votes or not counted else None,
        "options": [
            {
                "text": option,
                "votes": len(voters[option]) if voters[option] or not counted else counted.get(option, 0),
                "voters": [person(voter, around) for voter in voters[option][:MAX_VOTERS]],
            }
            for option in poll.options
        ],
    }


def _call(archived: ArchivedMessage) -> dict[str, Any] | None:
    call = archived.message.details.call
    if call is None:
        return None
    return {"video": call.video, "outgoing": call.outgoing, "result": call.result, "duration": call.duration}


def _notice(archived: ArchivedMessage, around: Surroundings) -> dict[str, Any] | None:
    message, notice = archived.message, archived.message.details.notice
    if message.kind != "notice":
        return None
    return {
        "type": notice.type if notice else None,
        "author": person(message.key.sender, around),
        "recipients": [person(jid, around) for jid in notice.recipients] if notice else [],
        "text": message.text,
        "metadata": notice.metadata if notice else None,
    }
