"""Requests of the native API's clients as queries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backscroll.core.errors import BadField, NotFound
from backscroll.core.ids import canonical, clean_text
from backscroll.core.model import Access, Phone
from backscroll.core.query import ChatQuery, ContactQuery, MediaQuery, Position, ThreadQuery
from backscroll.dialects.native.cursors import decode_cursor
from backscroll.formats.periskope_ids import MessageRef, decode_message_id
from backscroll.formats.timestamps import parse_timestamp

Values = Mapping[str, str]
CHAT_KINDS = ("user", "group", "newsletter", "broadcast", "status", "unknown")
MEDIA_KINDS: dict[str, tuple[str, ...]] = {
    "picture": ("image", "video", "video_note"),
    "voice": ("voice", "audio"),
    "document": ("document",),
    "sticker": ("sticker",),
    "all": ("image", "video", "video_note", "voice", "audio", "document", "sticker"),
}
MAX_KEY = 300
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_PLACES = ("around", "at", "before", "after", "cursor")


def parse_phone(access: Access, text: str) -> Phone:
    """An own phone by its digits, its phone id or its JID; raises ``NotFound`` if the token has no access to it."""
    digits = re.sub(r"\D", "", text.partition("@")[0])
    for phone in access.phones:
        if text in (phone.phone_id, phone.jid) or digits == phone.number:
            return phone
    raise NotFound("phone", text)


def parse_phones(access: Access, wanted: Sequence[str]) -> tuple[int, ...]:
    """The phones that are named, or all that the token has access to."""
    return tuple(parse_phone(access, text).no for text in wanted) or tuple(phone.no for phone in access.phones)


def parse_limit(values: Values, default: int, maximum: int = 200) -> int:
    """``limit``, from 1 to ``maximum``."""
    text = values.get("limit")
    if text is None:
        return default
    number = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
    if not 1 <= number <= maximum:
        raise BadField("limit", text[:80], f"must be a whole number from 1 to {maximum}")
    return number


def parse_time(values: Values, name: str) -> int | None:
    """A time in microseconds UTC; None if it was not given."""
    text = values.get(name)
    if text is None:
        return None
    moment = parse_timestamp(text)
    if moment is None:
        raise BadField(name, text[:80], "must be a time such as 2026-07-18T07:31:07Z, or a date such as 2026-07-18")
    return moment


def parse_key(access: Access, key: str) -> tuple[Phone, MessageRef]:
    """The phone and message that a key refers to."""
    number, colon, message_id = clean_text(key)[0].partition(":")
    if not colon or not message_id or len(key) > MAX_KEY:
        raise NotFound("message", key[:80])
    try:
        return parse_phone(access, number), decode_message_id(message_id)
    except NotFound:
        raise NotFound("message", key[:80]) from None


def _one_of(values: Values, name: str, choices: Sequence[str]) -> str | None:
    text = values.get(name)
    if text is not None and text not in choices:
        raise BadField(name, text[:80], f"must be one of {', '.join(choices)}")
    return text


def _flag(values: Values, name: str) -> bool | None:
    text = _one_of(values, name, ("true", "false"))
    return None if text is None else text == "true"


def parse_chats(access: Access, values: Values, phones: Sequence[str]) -> tuple[ChatQuery, Any]:
    """The query, and the filters that its cursor is bound to."""
    numbers = parse_phones(access, phones)
    kind, archived, search = _one_of(values, "kind", CHAT_KINDS), _flag(values, "archived"), values.get("q") or None
    filters = ["chats", access.org.no, numbers, kind, archived, search]
    cursor = values.get("cursor")
    after = None if cursor is None else decode_cursor(cursor, tuple[int, int, int], filters)
    query = ChatQuery(
        org=access.org.no,
        phones=numbers,
        kind=kind,
        archived=archived,
        search=search,
        by_number=True,
        after=after,
        limit=parse_limit(values, 50),
    )
    return query, filters


def parse_thread(access: Access, phone: Phone, chat: str, values: Values) -> tuple[ThreadQuery, Any, str | None]:
    """The query, the filters of its cursors, and the key of the message at which the page is to be placed."""
    given = [name for name in _PLACES if values.get(name)]
    if len(given) > 1:
        raise BadField(given[1], values[given[1]][:80], f"cannot be used together with {given[0]}")
    filters = ["thread", access.org.no, phone.no, canonical(chat)]
    before = after = None
    if cursor := values.get("cursor"):
        side, at, id, sender = decode_cursor(cursor, tuple[str, int, str, int], filters)
        place = Position(at, id, sender)
        before, after = (place, None) if side == "before" else (None, place)
    query = ThreadQuery(
        org=access.org.no,
        phone=phone.no,
        chat=chat,
        at=parse_time(values, "at") if values.get("at") else None,
        before=before,
        after=after,
        limit=parse_limit(values, 50),
    )
    key = next((values[name] for name in ("around", "before", "after") if values.get(name)), None)
    return query, filters, key


def parse_month(values: Values) -> tuple[str, int] | None:
    """``month`` as text, and as months since year 0; None if it was not given."""
    text = values.get("month")
    if text is None:
        return None
    found = _MONTH.fullmatch(text)
    if found is None:
        raise BadField("month", text[:80], "must be a month such as 2026-07")
    return text, int(found[1]) * 12 + int(found[2]) - 1


def parse_media(access: Access, values: Values, phones: Sequence[str]) -> tuple[MediaQuery, Any]:
    """The query, and the filters that its cursor is bound to."""
    numbers, chat = parse_phones(access, phones), values.get("chat") or None
    if chat is not None and len(phones) != 1:
        raise BadField("phone", None, "must name the phone of the chat")
    kind = _one_of(values, "kind", tuple(MEDIA_KINDS)) or "picture"
    until = parse_time(values, "at") if values.get("at") else None
    filters = ["media", access.org.no, numbers, kind, chat, until]
    cursor = values.get("cursor")
    query = MediaQuery(
        org=access.org.no,
        phones=numbers,
        kinds=MEDIA_KINDS[kind],
        chat=chat,
        until=until,
        before=None if cursor is None else decode_cursor(cursor, tuple[int, int], filters),
        limit=parse_limit(values, 60),
    )
    return query, filters


def parse_contacts(access: Access, values: Values) -> tuple[ContactQuery, Any]:
    """The query, and the filters that its cursor is bound to."""
    numbers, search = parse_phones(access, ()), values.get("q") or None
    filters = ["contacts", access.org.no, numbers, search]
    cursor = values.get("cursor")
    query = ContactQuery(
        org=access.org.no,
        phones=numbers,
        search=search,
        offset=0 if cursor is None else decode_cursor(cursor, int, filters),
        limit=parse_limit(values, 50),
    )
    return query, filters


def parse_zone(values: Values, name: str = "zone") -> ZoneInfo | None:
    """An IANA time zone; None if it was not given."""
    text = values.get(name)
    if not text:
        return None
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadField(name, text[:80], "must be an IANA time zone such as Europe/Berlin") from None


def parse_after(values: Values, name: str = "after") -> int | None:
    """A position in the change feed; None if it was not given."""
    text = values.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadField(name, text[:80], "must be the seq of a change, a whole number")
    return int(text)
