"""Shared code for the payloads of all senders: strict JSON, times, JIDs, and messages made from group changes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from backscroll.core.errors import Unreadable
from backscroll.core.events import ChatSeen, Event, LabelSeen, MessageSeen, NumberMapped
from backscroll.core.ids import USER, call_id, canonical, kind_of, user_part
from backscroll.core.limits import MAX_COLOR
from backscroll.core.model import Call, Details, Message, MessageKey, Notice
from backscroll.core.notices import notice_id

T = TypeVar("T")

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Time = int | float | str
"""Senders write the same time as a number and as text."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_SECONDS = 10**11
"""An epoch number above this is meant as milliseconds (as seconds it would be the year 5138)."""
_LAST_MOMENT = 253_402_300_800_000_000
"""The end of the year 9999."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_AT = re.compile(r" - at `\$\.?(.*)`$")
_SHOWN = 40


def decode(source: str, body: bytes, shape: type[T]) -> T:
    """``body`` as ``shape``; ``Unreadable`` names the field that does not fit, never its value."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise unreadable(source, error) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return decode_mended(source, body, shape)


def decode_part(source: str, where: str, body: bytes, shape: type[T]) -> T:
    """``decode`` of a part of a payload, whose place is put before the field's."""
    try:
        return decode(source, body, shape)
    except Unreadable as error:
        inner = "" if error.where == "body" else f".{error.where}"
        raise Unreadable(source, f"{where}{inner}", error.problem) from None


def decode_mended(source: str, body: bytes, shape: type[T]) -> T:
    """Once more by a reader that lets lone surrogates pass; what it refuses too is not JSON."""
    try:
        value = mended(json.loads(body, parse_constant=_refuse_constant))
        return msgspec.json.decode(json.dumps(value), type=shape)
    except msgspec.ValidationError as error:
        raise unreadable(source, error) from None
    except (ValueError, RecursionError):
        raise Unreadable(source, "body", "this is not whole JSON") from None


def mended(value: Any) -> Any:
    """``value`` with U+FFFD where half a surrogate pair stood."""
    match value:
        case str():
            return _SURROGATES.sub("\ufffd", value)
        case list():
            return [mended(item) for item in value]
        case dict():
            return {mended(name): mended(item) for name, item in value.items()}
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def unreadable(source: str, error: msgspec.ValidationError, prefix: str = "") -> Unreadable:
    """What msgspec found wrong, with the place in front: msgspec itself never quotes a value."""
    problem = str(error)
    place = _AT.search(problem)
    where = ".".join(filter(None, (prefix, place[1] if place else "")))
    return Unreadable(source, where or "body", problem[: place.start()] if place else problem)


def storable(value: Any) -> Any:
    """A value of the sender's own shape, or None where JSON could not write it again (numbers beyond 64 bits)."""
    try:
        msgspec.json.encode(value)
    except (OverflowError, ValueError, UnicodeError, RecursionError):
        return None
    return value


# Times


def instant(value: Time, source: str, where: str) -> int:
    """Microseconds of ISO 8601 text (no zone means UTC), or of epoch seconds or milliseconds, also as text."""
    try:
        if isinstance(value, str) and not value.strip().lstrip("-").replace(".", "", 1).isdecimal():
            moment = datetime.fromisoformat(value.strip())
            return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        micros = round(number * (1_000_000 if abs(number) < _LAST_SECONDS else 1_000))
        if abs(micros) >= _LAST_MOMENT:
            raise ValueError
        return micros
    except (ValueError, OverflowError):
        raise Unreadable(source, where, f"{str(value)[:_SHOWN]!r} is not a time") from None


def instant_or_none(value: Time | None, source: str, where: str) -> int | None:
    return None if value is None or value == "" else instant(value, source, where)


# JIDs


def jid_or_none(text: str | None) -> str | None:
    return canonical(text) if text else None


def required_jid(text: str | None, source: str, where: str) -> str:
    """A JID in its canonical form; ``Unreadable`` when there is none."""
    if not text or not text.strip():
        raise Unreadable(source, where, "is missing")
    return canonical(text)


def same_person(one: str | None, other: str | None) -> list[NumberMapped]:
    """That a hidden id and a phone number are one person, where the two are told and differ so.

    A gateway that does not know the number may write the digits of the hidden id in its place.
    """
    pair = sorted((canonical(jid) for jid in (one, other) if jid), key=lambda jid: kind_of(jid) == "user")
    if len(pair) != 2 or kind_of(pair[1]) != "user" or kind_of(pair[0]) not in ("lid", "bsuid"):
        return []
    if user_part(pair[0]) == user_part(pair[1]):
        return []
    return [NumberMapped(lid=pair[0], jid=pair[1])]


def number_first(*jids: str | None) -> str | None:
    """Of several spellings of one person the phone number, else the first.

    A number whose digits are those of the hidden id beside it is none.
    """
    told = [canonical(jid) for jid in jids if jid]
    hidden = {user_part(jid) for jid in told if kind_of(jid) == "lid"}
    told = [jid for jid in told if kind_of(jid) != "user" or user_part(jid) not in hidden]
    return next((jid for jid in told if jid.endswith(f"@{USER}")), told[0] if told else None)


def is_list(chat: str) -> bool:
    """Whether it is a broadcast list: what comes through somebody's list belongs to the chat with them."""
    return kind_of(chat) == "broadcast"


# Labels


def label_of(
    phone: str, id: str, at: int | None, name: str | None, color: int | None, deleted: bool | None = None
) -> LabelSeen:
    """A label as a gateway tells it; an empty name or a colour below 0 stands for none."""
    known = color is not None and 0 <= color <= MAX_COLOR
    return LabelSeen(phone=phone, id=id, at=at, name=name or None, color=color if known else None, deleted=deleted)


# Messages that are made of other things


def notice_of(
    phone: str, chat: str, type: str, at: int, recipients: Sequence[str] = (), by: str | None = None
) -> MessageSeen:
    """A change of a group as a line of its chat.

    Gateways give it no id. The one made here is the same from every gateway that tells the same change. The people are
    no part of it: one gateway names them by hidden id, another by number. So what happened to several people in one
    second by the same person is one notice, which names them all.
    """
    id = notice_id(chat, type, at)
    details = Details(notice=Notice(type=type, recipients=tuple(recipients)))
    key = MessageKey(phone, chat, id, by)
    return MessageSeen(Message(key=key, sent_at=at, from_me=by == phone, kind="notice", details=details))


def membership(phone: str, chat: str, change: str, at: int, people: Sequence[str]) -> list[Event]:
    """Whether the account is in the group from now on, where it is one of the people whom a change is about."""
    if phone not in people or change not in ("add", "leave", "remove"):
        return []
    return [ChatSeen(phone=phone, chat=chat, at=at, is_exited=change != "add")]


def call_of(
    phone: str, chat: str, id: str, at: int, caller: str | None, *, video: bool | None = None, result: str | None = None
) -> MessageSeen:
    """A call as a message of its chat; ``id`` is that of the call."""
    outgoing = caller == phone
    call = Call(video=video, outgoing=outgoing, result=result)
    key = MessageKey(phone, chat, call_id(id), caller)
    return MessageSeen(Message(key=key, sent_at=at, from_me=outgoing, kind="call", details=Details(call=call)))


def unrepeated(events: Iterable[Event]) -> list[Event]:
    """Each mapping of a number once and first: the messages of a payload often all carry it."""
    told = list(events)
    mappings = dict.fromkeys(event for event in told if isinstance(event, NumberMapped))
    return [*mappings, *(event for event in told if not isinstance(event, NumberMapped))]


def each(
    source: str, rows: Iterable[tuple[str, T]], tell: Callable[[T], Iterable[Event]]
) -> tuple[list[Event], list[Unreadable]]:
    """What the rows of a payload tell, and what is wrong with those that cannot be understood."""
    events: list[Event] = []
    problems: list[Unreadable] = []
    for where, row in rows:
        try:
            events += tell(row)
        except Unreadable as error:
            inner = "" if error.where == "body" else f".{error.where}"
            problems.append(Unreadable(source, f"{where}{inner}", error.problem))
        except msgspec.ValidationError as error:
            problems.append(unreadable(source, error, where))
    return events, problems
