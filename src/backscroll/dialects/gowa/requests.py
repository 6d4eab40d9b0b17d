"""Requests of GOWA's clients as queries. ``device`` is the raw ``X-Device-Id`` header, None if it was not sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import unquote_plus

from backscroll.core.errors import BadField, NotFound, PhoneNotInScope, PhoneRequired
from backscroll.core.ids import GROUP, bare_number, canonical, clean_text, from_number
from backscroll.core.model import Access, Phone
from backscroll.core.query import ChatQuery, ContactQuery, MessageQuery
from backscroll.dialects.gowa.parameters import CHATS_LIMIT, GROUP_ID, MESSAGES_LIMIT, OFFSET, RESET
from backscroll.dialects.parameters import WholeNumber
from backscroll.formats.timestamps import parse_timestamp

_WHOLE = re.compile(r"[+-]?[0-9]+")
_INT64 = 2**63
MAX_GROUPS = 10_000
"""More groups than WhatsApp allows anybody to be in."""
_TRUTHS = dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True) | dict.fromkeys(
    ("0", "f", "F", "false", "False", "FALSE"), False
)


def parse_device(access: Access, device: str | None, params: Mapping[str, str]) -> Phone:
    """The phone of a request: header before parameter, slot id before JID; it can be omitted if there is only one
    phone.

    PhoneRequired if none is named and there is not exactly one, PhoneNotInScope if there is no such phone.
    """
    named = unquote_plus((device or "").strip()) or params.get("device_id", "").strip()
    if named:
        found = _find(access, named)
        if found is None:
            raise PhoneNotInScope(named)
        return found
    if len(access.phones) != 1:
        raise PhoneRequired
    return access.phones[0]


def find_device(access: Access, device_id: str) -> Phone:
    """The device named in a path; NotFound if there is no such device."""
    found = _find(access, device_id)
    if found is None:
        raise NotFound("device", device_id)
    return found


def _find(access: Access, named: str) -> Phone | None:
    for phone in access.phones:
        if phone.device_id is not None and phone.device_id == named:
            return phone
    jid = canonical(named)
    return next((phone for phone in access.phones if phone.jid == jid), None)


def parse_messages(access: Access, device: str | None, params: Mapping[str, str], chat_jid: str) -> MessageQuery:
    """Messages and calls of one chat. Invalid numbers and booleans count as their default."""
    phone = parse_device(access, device, params)
    if not chat_jid.strip():
        raise BadField("chat_jid", chat_jid, "cannot be blank.")
    limit, offset = _page(params, MESSAGES_LIMIT)
    media_only = _truth(params, "media_only") or False
    from_me, search = _from_me(params), _search(params)
    since, until = _timestamp(params, "start_time", end=False), _timestamp(params, "end_time", end=True)
    if search is not None and search.isspace():
        # As in GOWA, a search for blanks finds nothing: no message is in a period that ends before it begins.
        since, until, search = 1, 0, None
    return MessageQuery(
        org=access.org.no,
        phones=(phone.no,),
        chat=clean_text(chat_jid)[0],
        since=since,
        until=until,
        media_only=media_only,
        # GOWA's documentation: media_only takes precedence over is_from_me=false.
        from_me=None if media_only and from_me is False else from_me,
        search=search,
        shows="messages_and_calls",
        offset=offset,
        limit=limit,
    )


def parse_chats(access: Access, device: str | None, params: Mapping[str, str]) -> ChatQuery:
    """Chats of one device; an invalid ``archived`` means false, as in GOWA."""
    phone = parse_device(access, device, params)
    limit, offset = _page(params, CHATS_LIMIT)
    return ChatQuery(
        org=access.org.no,
        phones=(phone.no,),
        search=_search(params),
        has_media=_truth(params, "has_media") or False,
        archived=(_truth(params, "archived") or False) if params.get("archived") else None,
        offset=offset,
        limit=limit,
    )


def parse_groups(
    access: Access, device: str | None, params: Mapping[str, str], kind: Literal["group", "newsletter"] = "group"
) -> ChatQuery:
    """All groups, or all channels, known to one device, without paging."""
    phone = parse_device(access, device, params)
    return ChatQuery(org=access.org.no, phones=(phone.no,), kind=kind, limit=MAX_GROUPS)


def parse_group_id(params: Mapping[str, str]) -> str:
    """The group named by ``group_id``: a JID, or the part before its @."""
    group = clean_text(params.get(GROUP_ID.name, ""))[0].strip()
    if not group:
        raise BadField(GROUP_ID.name, None, "cannot be blank.")
    return canonical(group) if "@" in group else f"{group}@{GROUP}"


def wants_new_link(params: Mapping[str, str]) -> bool:
    """Whether a group's link is to be replaced by a new one instead of shown."""
    return _truth(params, RESET.name) or False


def parse_contacts(access: Access, device: str | None, params: Mapping[str, str]) -> ContactQuery:
    """All contacts that one device knows by name, without paging."""
    phone = parse_device(access, device, params)
    return ContactQuery(org=access.org.no, phones=(phone.no,), saved_only=True, limit=None)


def parse_download(params: Mapping[str, str]) -> str:
    """The chat named by ``phone``: a JID, or a number by GOWA's rule."""
    phone = clean_text(params.get("phone", ""))[0].strip()
    if not phone:
        raise BadField("phone", None, "cannot be blank.")
    return from_number(phone) if bare_number(phone) else canonical(phone)


def _page(params: Mapping[str, str], limits: WholeNumber) -> tuple[int, int]:
    """(limit, offset); problems with both are reported in one sentence, as in GOWA."""
    limit, offset = _whole(params, limits.name) or limits.default, _whole(params, OFFSET.name) or OFFSET.default
    problems = [
        (param.name, problem)
        for param, value in ((limits, limit), (OFFSET, offset))
        if (problem := _problem(param, value))
    ]
    if problems:
        field, problem = problems[0]
        rest = "".join(f"; {name}: {text}" for name, text in problems[1:])
        raise BadField(field, params.get(field), f"{problem}{rest}.")
    return limit, offset


def _problem(param: WholeNumber, value: int) -> str | None:
    """The problem with a number, in GOWA's wording."""
    if value < param.minimum:
        return f"must be no less than {param.minimum}"
    return f"must be no greater than {param.maximum}" if value > param.maximum else None


def _whole(params: Mapping[str, str], field: str) -> int | None:
    """A decimal 64-bit integer, None for anything else."""
    text = params.get(field)
    if not text or not _WHOLE.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > 19:
        return None
    value = -int(digits) if text[0] == "-" else int(digits)
    return value if -_INT64 <= value < _INT64 else None


def _truth(params: Mapping[str, str], field: str) -> bool | None:
    return _TRUTHS.get(params.get(field, ""))


def _from_me(params: Mapping[str, str]) -> bool | None:
    raw = params.get("is_from_me", "")
    if raw and raw not in _TRUTHS:
        raise BadField("is_from_me", raw, "must be true or false.")
    return _TRUTHS.get(raw)


def _search(params: Mapping[str, str]) -> str | None:
    return clean_text(params.get("search", ""))[0] or None


def _timestamp(params: Mapping[str, str], field: str, *, end: bool) -> int | None:
    raw = params.get(field, "")
    if not raw:
        return None
    timestamp = parse_timestamp(raw, end=end)
    if timestamp is None:
        raise BadField(field, raw, f'"{raw}" is not ISO 8601, such as 2024-01-01T00:00:00Z')
    return timestamp
