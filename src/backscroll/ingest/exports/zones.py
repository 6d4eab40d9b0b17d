"""The time zone of the exporting phone, which an export does not contain."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backscroll.core.errors import BadField, Candidate, Question
from backscroll.ingest.connectors.export.chat import ExportedLine

_ZONES = (
    "Europe/London", "Europe/Berlin", "Europe/Helsinki", "Europe/Moscow", "Asia/Dubai", "Asia/Karachi",
    "Asia/Kolkata", "Asia/Kathmandu", "Asia/Dhaka", "Asia/Jakarta", "Asia/Singapore", "Asia/Tokyo",
    "Australia/Adelaide", "Australia/Sydney", "Pacific/Auckland", "Atlantic/Azores", "America/Sao_Paulo",
    "America/Halifax", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Anchorage", "Pacific/Honolulu", "Africa/Lagos", "Africa/Johannesburg", "Africa/Nairobi", "UTC",
)  # fmt: skip


def zone_of(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadField("timezone", name, "must be a zone name such as Europe/Berlin or Asia/Kolkata") from None


def zone_question(given: str | None, shift: int, line: ExportedLine) -> Question:
    """Ask for the time zone when lines stand ``shift`` minutes away from messages that are known."""
    at = datetime.datetime.fromtimestamp((line.sent_at // 1_000_000) + shift * 60, datetime.UTC)
    offset = datetime.datetime.fromisoformat(line.local).replace(tzinfo=datetime.UTC) - at
    minutes = round(offset.total_seconds() / 60)
    clock = f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    fitting = [zone for zone in _ZONES if at.astimezone(ZoneInfo(zone)).utcoffset() == offset]
    example = fitting[0] if fitting else None
    apart = f"{abs(shift) // 60} h {abs(shift) % 60} min" if shift % 60 else f"{abs(shift) // 60} h"
    return Question(
        f"These messages are already in the archive, {apart} {'earlier' if shift < 0 else 'later'} than "
        f"{given or 'UTC'} would give. Was the phone's clock at {clock}?",
        f"--timezone {example}" if example else f"--timezone, with a time zone at {clock}",
        name="timezone",
        candidates=[Candidate(zone, evidence=f"was at {clock} then") for zone in fitting],
        evidence=[line.raw[:200]],
    )
