"""Requests of Periskope's clients as queries. ``phone`` is the raw ``x-phone`` header, None if it was not sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from backscroll.core.errors import BadField, PhoneNotInScope, PhoneRequired
from backscroll.core.ids import USER, bare_number, canonical, clean_text
from backscroll.core.model import Access, Phone
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery, ReactionQuery, Shows
from backscroll.dialects.parameters import WholeNumber
from backscroll.dialects.periskope.parameters import CHAT_TYPE, LABEL, LIMIT, OFFSET
from backscroll.formats.periskope_ids import decode_message_id, is_phone_id
from backscroll.formats.timestamps import parse_timestamp

TOO_MANY = f"Limit should be less than {LIMIT.maximum}"
"""The wording that Periskope's clients expect; 2000 itself is allowed."""

_OTHER_WORDS = {"individual": "user"}
_WHOLE = re.compile(r"[0-9]+")


def parse_phones(access: Access, phone: str | None) -> tuple[Phone, ...]:
    """The phones of a request: the one named, otherwise all that the credential gives access to.

    PhoneNotInScope if the named phone is unknown or out of scope.
    """
    named = (phone or "").strip()
    if not named:
        return access.phones
    if is_phone_id(named):
        found = tuple(candidate for candidate in access.phones if candidate.phone_id == named)
    else:
        found = tuple(candidate for candidate in access.phones if candidate.jid == _jid_of(named))
    if not found:
        raise PhoneNotInScope(named)
    return found


def _jid_of(number: str) -> str:
    """``+91 98765-43210`` or ``919876543210@c.us`` as the JID of a phone; "" if it is not a number."""
    user, _, server = number.partition("@")
    digits = bare_number(user)
    return f"{digits}@{USER}" if digits and canonical(f"0@{server or 'c.us'}") == f"0@{USER}" else ""


def require_phone(access: Access, phone: str | None) -> Phone:
    """The one phone that a phone route needs; PhoneRequired if the header does not name it."""
    if not (phone or "").strip():
        raise PhoneRequired
    return parse_phones(access, phone)[0]


def parse_page(params: Mapping[str, str]) -> tuple[int, int]:
    """(offset, limit); BadField for anything that is not a whole number within bounds."""
    offset = _whole(params, OFFSET)
    return offset, _whole(params, LIMIT)


def parse_messages(
    access: Access, phone: str | None, params: Mapping[str, str], chat: str | None = None, *, shows: Shows = "messages"
) -> MessageQuery:
    """Messages of the phones, or of one chat. Empty parameters count as absent, unknown ones are ignored."""
    phones = parse_phones(access, phone)
    offset, limit = parse_page(params)
    since, until = _window(params)
    return MessageQuery(
        org=access.org.no,
        phones=_numbers(phones),
        chat=_clean(chat),
        since=since,
        until=until,
        shows=shows,
        offset=offset,
        limit=limit,
    )


def parse_notifications(
    access: Access, phone: str | None, params: Mapping[str, str], chat: str | None = None
) -> MessageQuery:
    """System lines and group events, with the same parameters as messages."""
    return parse_messages(access, phone, params, chat, shows="notices")


def parse_chats(access: Access, phone: str | None, params: Mapping[str, str]) -> ChatQuery:
    """Chats; ``chat_type`` is user (or individual), group, business or unknown."""
    phones = parse_phones(access, phone)
    offset, limit = parse_page(params)
    since, until = _window(params)
    kind = params.get(CHAT_TYPE.name) or None
    if kind is not None and kind not in CHAT_TYPE.choices:
        raise BadField(CHAT_TYPE.name, kind, f"chat_type should be one of {', '.join(CHAT_TYPE.choices)}")
    return ChatQuery(
        org=access.org.no,
        phones=_numbers(phones),
        since=since,
        until=until,
        kind=None if kind is None else _OTHER_WORDS.get(kind, kind),
        label=_clean(params.get(LABEL.name)),
        offset=offset,
        limit=limit,
    )


def parse_contacts(access: Access, params: Mapping[str, str]) -> ContactQuery:
    """Contacts of all accessible phones: Periskope's client sends ``x-phone`` here too, without intending a filter."""
    offset, limit = parse_page(params)
    return ContactQuery(org=access.org.no, phones=_numbers(access.phones), offset=offset, limit=limit)


def parse_reactions(access: Access, phone: str | None, params: Mapping[str, str]) -> ReactionQuery:
    """Reactions, narrowed by ``chat_id`` and by ``message_id`` in any of its forms."""
    phones = parse_phones(access, phone)
    offset, limit = parse_page(params)
    since, until = _window(params)
    message_id = _clean(params.get("message_id"))
    message = None if message_id is None else decode_message_id(message_id)
    return ReactionQuery(
        org=access.org.no,
        phones=_numbers(phones),
        chat=_clean(params.get("chat_id")) or (message.chat if message else None),
        message=message.id if message else None,
        since=since,
        until=until,
        offset=offset,
        limit=limit,
    )


def _numbers(phones: tuple[Phone, ...]) -> tuple[int, ...]:
    return tuple(phone.no for phone in phones)


def _clean(text: str | None) -> str | None:
    """Text in the form in which the archive stores it; None if it is empty."""
    return clean_text(text)[0] if text else None


def _whole(params: Mapping[str, str], param: WholeNumber) -> int:
    raw = params.get(param.name, "")
    text = raw.strip()
    if not text:
        return param.default
    digits = (text.lstrip("0") or "0") if _WHOLE.fullmatch(text) else ""
    is_too_large = bool(digits) and (len(digits) > len(str(param.maximum)) or int(digits) > param.maximum)
    if param is LIMIT and is_too_large:
        raise BadField(param.name, raw, TOO_MANY)
    if not digits or is_too_large or int(digits) < param.minimum:
        name = param.name.capitalize()
        raise BadField(param.name, raw, f"{name} should be a whole number from {param.minimum} to {param.maximum}")
    return int(digits)


def _window(params: Mapping[str, str]) -> tuple[int | None, int | None]:
    return _timestamp(params, "start_time", end=False), _timestamp(params, "end_time", end=True)


def _timestamp(params: Mapping[str, str], field: str, *, end: bool) -> int | None:
    raw = params.get(field, "")
    if not raw.strip():
        return None
    timestamp = parse_timestamp(raw, end=end, roll_over=True)
    if timestamp is None:
        raise BadField(field, raw, f"{field} should be like 2025-04-25 or 2025-04-25T00:00:00Z")
    return timestamp
