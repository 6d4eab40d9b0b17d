"""Coverage in the native API: parsing requests, showing coverage as data and as sentences."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from backscroll.core.coverage import (
    ChatCoverage,
    CoveragePage,
    Covered,
    Evidence,
    Gap,
    PhoneCoverage,
    Reason,
    Span,
    Teller,
)
from backscroll.core.errors import BadField
from backscroll.core.model import Access
from backscroll.core.query import ChatQuery
from backscroll.dialects.native.cursors import decode_cursor, encode_cursor
from backscroll.dialects.native.messages import time_text
from backscroll.dialects.native.requests import Values, parse_limit, parse_phones
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import shown_jid

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_BECAUSE: dict[Reason, str] = {
    "disconnected": "The gateway was not connected to WhatsApp.",
    "server_down": "Backscroll was not running.",
    "silence": "The source reported nothing for longer than usual.",
    "sequence": "Some numbered requests of the source are missing.",
    "removed": "The source was removed.",
    "export_short": "The exported chat does not reach as far as messages from other sources.",
    "uncovered": "",
}


def parse_coverage(access: Access, values: Values, phones: Sequence[str]) -> tuple[ChatQuery, str | None, Any]:
    """The query for chats, the one selected chat if any, and the filters that the cursor is bound to."""
    numbers, chat = parse_phones(access, phones), values.get("chat") or None
    if chat is not None and len(numbers) != 1:
        raise BadField("chat", chat[:80], "name the phone of the chat, with phone=")
    filters = ["coverage", access.org.no, numbers, chat]
    cursor = values.get("cursor")
    after = None if cursor is None else decode_cursor(cursor, tuple[int, int, int], filters)
    return ChatQuery(org=access.org.no, phones=numbers, after=after, limit=parse_limit(values, 50)), chat, filters


def render_coverage(page: CoveragePage, query: ChatQuery, filters: Any) -> bytes:
    """Phones with the first page, and a page of chats, latest first."""
    more = len(page.chats) == query.limit and page.place is not None
    return encode(
        {
            "phones": [phone_object(phone) for phone in page.phones],
            "items": [chat_coverage_object(chat) for chat in page.chats],
            "next": encode_cursor(page.place, filters) if more else None,
            "total": page.total,
        }
    )


def phone_object(told: PhoneCoverage) -> dict[str, Any]:
    """Coverage of all chats of a phone."""
    return {
        "phone": told.phone.number,
        "name": told.phone.name,
        "first_message_at": time_text(told.first_at),
        "last_message_at": time_text(told.last_at),
        "messages": told.messages,
    } | covered_object(told.covered)


def chat_coverage_object(told: ChatCoverage) -> dict[str, Any]:
    """Coverage of one chat."""
    return {
        "phone": told.phone.number,
        "chat_id": shown_jid(told.jid),
        "name": told.name,
        "kind": told.kind,
        "first_message_at": time_text(told.first_at),
        "last_message_at": time_text(told.last_at),
        "messages": told.messages,
    } | covered_object(told.covered)


def covered_object(covered: Covered) -> dict[str, Any]:
    """Spans and gaps, latest first."""
    return {
        "covered_from": time_text(covered.since),
        "covered_until": time_text(covered.until),
        "spans": [_span(span) for span in covered.spans],
        "gaps": [gap_object(gap) for gap in covered.gaps],
        "more_spans": covered.more_spans,
        "more_gaps": covered.more_gaps,
    }


def brief_gaps(covered: Covered) -> dict[str, Any]:
    """The gaps needed to draw a chat's timeline, oldest first."""
    return {
        "covered_from": time_text(covered.since),
        "covered_until": time_text(covered.until),
        "gaps": [
            {
                "from": time_text(gap.since),
                "to": time_text(gap.until),
                "reason": gap.reason,
                "messages": gap.messages,
            }
            for gap in reversed(covered.gaps)
        ],
    }


def _teller(teller: Teller) -> dict[str, Any]:
    return {"id": teller.id, "how": teller.how, "kind": teller.kind, "name": teller.name}


def _span(span: Span) -> dict[str, Any]:
    return {
        "from": time_text(span.since),
        "to": time_text(span.until),
        "scope": "phone" if span.whole_phone else "chat",
        "live": span.live,
        "ended": span.ended,
        "source": _teller(span.teller),
    }


def gap_object(gap: Gap) -> dict[str, Any]:
    """A gap with its evidence and remedies."""
    return {
        "from": time_text(gap.since),
        "to": time_text(gap.until),
        "reason": gap.reason,
        "text": gap_text(gap),
        "messages": gap.messages,
        "evidence": [
            {
                "code": one.code,
                "at": time_text(one.at),
                "count": one.count,
                "source": None if one.teller is None else _teller(one.teller),
                "text": evidence_text(one),
            }
            for one in gap.evidence
        ],
        "remedy": {"code": gap.remedy, "text": _remedy(gap), "command": command_of(gap)},
    }


# ---------------------------------------------------------------------- sentences


def gap_text(gap: Gap) -> str:
    """The period of a gap, and its reason."""
    when = f"since {moment(gap.since)}" if gap.until is None else stretch(gap.since, gap.until)
    verb = "has covered anything" if gap.until is None else "covers"
    return f"No source {verb} {when}. {_BECAUSE[gap.reason]}".rstrip()


def evidence_text(one: Evidence) -> str:
    """One piece of evidence for a gap."""
    at = "" if one.at is None else moment(one.at)
    who = "" if one.teller is None else source_text(one.teller)
    match one.code:
        case "span_before":
            return f"Covered until {at} by {who}."
        case "span_after":
            return f"Covered again from {at} by {who}."
        case "messages_before":
            return f"The first known message was sent on {at}."
        case "messages_after":
            return f"The last known message was sent on {at}."
    return f"From this period {one.count:,} message{' is' if one.count == 1 else 's are'} in the archive nevertheless."


def source_text(teller: Teller) -> str:
    """A source, described for people."""
    if teller.how == "import" or teller.import_id is not None:
        number = "" if teller.import_id is None else f" {teller.import_id}"
        return f"import{number} ({teller.kind}{f', {teller.name}' if teller.name else ''})"
    return f"{'the source' if teller.how == 'live' else 'asking the source'} {teller.kind} {teller.name or ''}".rstrip()


def _remedy(gap: Gap) -> str:
    match gap.remedy:
        case "sync":
            return "Ask the gateway for its whole history."
        case "export":
            return "Export the chat on the phone and import the file."
        case "reconnect":
            return "Make sure that the gateway is running, is connected to WhatsApp, and sends to this server."
    return "Nothing can be done."


def command_of(gap: Gap) -> str | None:
    """The command that may fill a gap."""
    match gap.remedy:
        case "sync":
            return f"backscroll sync --source {gap.source} --full"
        case "export":
            return "backscroll import export FILE"
        case "reconnect":
            return f"backscroll source test {gap.source}"
    return None


def _utc(micros: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.UTC)


def _day(at: datetime.datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def moment(micros: int) -> str:
    """``9 July 2026, 08:05``, in UTC."""
    at = _utc(micros)
    return f"{_day(at)}, {at:%H:%M}"


def stretch(since: int, until: int) -> str:
    """``9 to 14 July 2026``, or with the time of day if both are on the same day; in UTC."""
    first, last = _utc(since), _utc(until)
    if first.date() == last.date():
        return moment(since) if until - since < 60_000_000 else f"{moment(since)} to {last:%H:%M}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {_day(last)}"
    if first.year == last.year:
        return f"{first.day} {_MONTHS[first.month - 1]} to {_day(last)}"
    return f"{_day(first)} to {_day(last)}"
