"""Deriving gaps from spans: pure functions of data from the database."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from backscroll.core.coverage import GRACE_US, SILENT_US, Evidence, Gap, Reason, RemedyCode, Span


class Hole(Struct, frozen=True, kw_only=True):
    """A period without a span. ``until`` None: nothing covers the present."""

    since: int
    until: int | None
    before: Span | None
    """The span that ends where the hole begins."""
    after: Span | None
    first: bool = False
    """It begins with the first message that is known, and ``until`` is not one that is covered where it ends with the
    last one."""

    def counted(self, last_at: int | None) -> tuple[int, int | None]:
        """The inclusive times between which messages are in the hole."""
        since = self.since if self.first else self.since + 1
        if self.until is None:
            return since, None
        return since, self.until if self.after is None and self.until == last_at else self.until - 1


def holes(spans: Sequence[Span], first_at: int | None, last_at: int | None, now: int) -> list[Hole]:
    """The holes between the first message and the last one (or the last span of a live source); oldest first.

    A source that no longer listens leaves a hole that is still open. Short interruptions are left out, and so is what
    is to come while a source listens: a sender's clock may be ahead.
    """
    if last_at is not None and any(span.live for span in spans):
        last_at = min(last_at, now)
    found: list[Hole] = []
    end, before = first_at, None
    for span in sorted(spans, key=lambda span: (span.since, span.until)):
        if end is None or span.until <= end:
            if end is None or (before is None and span.until == end):
                end, before = span.until, span
            continue
        if span.since - end > GRACE_US:
            found.append(Hole(since=end, until=span.since, before=before, after=span, first=before is None))
        end, before = span.until, span
    if end is None:
        return found
    if last_at is not None and last_at - end > (GRACE_US if before else -1):
        found.append(Hole(since=end, until=last_at, before=before, after=None, first=before is None))
        end, before = last_at, None
    lost = _lost(spans, now)
    if lost is not None and now - end > GRACE_US:
        found.append(Hole(since=end, until=None, before=before or lost, after=None))
    return found


def _lost(spans: Sequence[Span], now: int) -> Span | None:
    """The last span of the most recently heard live source, if none is listening and none is pulled instead."""
    own = [span for span in spans if span.teller.import_id is None]
    listening = [span for span in own if span.teller.how == "live"]
    asked = any(span.teller.how == "pull" and now - span.until <= SILENT_US for span in own)
    if asked or any(span.live for span in listening):
        return None
    return max(listening, key=lambda span: (span.until, span.since), default=None)


def gap_of(hole: Hole, messages: int, *, ends: tuple[int | None, int | None], source: str | None) -> Gap:
    """A hole with its evidence. ``ends`` are the chat's first and last known messages; ``source`` can be asked for
    history.
    """
    reason = _reason(hole, messages)
    lost = hole.before.teller.name if hole.before is not None and hole.before.teller.how == "live" else None
    remedy: RemedyCode = "sync" if source is not None else "export"
    if hole.until is None and lost is not None:
        remedy, source = ("export", None) if reason == "removed" else ("reconnect", lost)
    return Gap(
        since=hole.since,
        until=hole.until,
        reason=reason,
        messages=messages,
        evidence=tuple(_evidence(hole, messages, *ends)),
        remedy=remedy,
        source=source,
    )


def _reason(hole: Hole, messages: int) -> Reason:
    before, after = hole.before, hole.after
    if before is not None and before.teller.how == "live":
        if before.ended is not None:
            return before.ended
        if hole.until is None:
            return "silence"
    files = [span for span in (before, after) if span is not None and span.teller.how == "import"]
    return "export_short" if messages and any(span.teller.kind == "export" for span in files) else "uncovered"


def _evidence(hole: Hole, messages: int, first_at: int | None, last_at: int | None) -> list[Evidence]:
    found: list[Evidence] = []
    if hole.before is not None:
        found.append(Evidence(code="span_before", at=hole.before.until, teller=hole.before.teller))
    elif first_at is not None and first_at <= hole.since:
        found.append(Evidence(code="messages_before", at=first_at))
    if messages:
        found.append(Evidence(code="messages_inside", count=messages))
    if hole.after is not None:
        found.append(Evidence(code="span_after", at=hole.after.since, teller=hole.after.teller))
    elif last_at is not None and hole.until is not None and last_at >= hole.until:
        found.append(Evidence(code="messages_after", at=last_at))
    return found
