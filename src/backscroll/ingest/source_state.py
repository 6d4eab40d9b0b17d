"""How live sources stand: when they told something last, and what is wrong with them, with what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from backscroll.core.model import Phone
from backscroll.ingest.sync import LastRun, last_run
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource

State = Literal["waiting", "live", "silent", "failing"]
"""``waiting``: nothing was heard yet. ``failing``: what it sends or answers cannot be used."""
MAX_COUNTED = 1000
"""The latest inputs in quarantine that are looked at."""
_HOUR = 3_600_000_000
_SYNC_US = 600_000_000
"""A run of a sync that is longer than this has failed, for all that is known here."""


class Problem(Struct, frozen=True, kw_only=True):
    """What is wrong, in a sentence, and what can be done. ``at`` in microseconds."""

    code: str
    text: str
    remedy: str | None = None
    at: int | None = None


class Refused(Struct, frozen=True):
    """How many of a source's latest inputs are in quarantine, and when the last came."""

    count: int
    last_at: int


class SourceState(Struct, frozen=True, kw_only=True):
    """A live source as it stands now."""

    source: LiveSource
    phone: Phone | None
    state: State
    synced_at: int | None
    refused: int
    """Of what it sent lately, how much could not be understood."""
    problem: Problem | None


def is_silent(source: LiveSource, now: int) -> bool:
    """Whether nothing was heard for longer than the source's owner finds normal."""
    since = source.last_event_at or source.created_at
    return source.silent_after is not None and now - since > source.silent_after


def source_states(store: Store, org: int, phones: Sequence[Phone], now: int) -> list[SourceState]:
    """The organisation's sources, oldest first."""
    by_no = {phone.no: phone for phone in phones}
    refused = _refused(store, org)
    return [
        _state_of(source, by_no.get(source.phone or 0), last_run(store, source), refused, now)
        for source in store.sources.of(org)
    ]


def _refused(store: Store, org: int) -> dict[str, Refused]:
    """By the source's id; what waits for a message is no failure."""
    rows = store.ask(org, lambda reading: reading.tx.all("latest_quarantined", {"org": org, "limit": MAX_COUNTED}))
    return {via: Refused(count, last_at) for via, waits, count, last_at in rows if via and not waits}


def _state_of(
    source: LiveSource, phone: Phone | None, run: LastRun, refused: Mapping[str, Refused], now: int
) -> SourceState:
    bad = refused.get(source.id)
    problem = _problem(source, phone, run, bad, now)
    state: State = "waiting" if source.last_event_at is None else "live"
    if problem is not None:
        state = "silent" if problem.code == "silent" else "failing"
    return SourceState(
        source=source,
        phone=phone,
        state=state,
        synced_at=run.done,
        refused=bad.count if bad else 0,
        problem=problem,
    )


def _problem(source: LiveSource, phone: Phone | None, run: LastRun, bad: Refused | None, now: int) -> Problem | None:
    """The worst thing that is wrong."""
    if phone is not None and phone.state == "DISCONNECTED" and source.kind == "linked":
        return Problem(
            code="disconnected",
            text="The linked device is not connected to WhatsApp.",
            remedy="See why with: backscroll link list",
        )
    if phone is not None and phone.state == "DISCONNECTED":
        return Problem(
            code="disconnected",
            text="The gateway says that it is not connected to WhatsApp.",
            remedy="Link the phone in the gateway again.",
        )
    if _sync_failed(source, run, now):
        return Problem(
            code="sync_failed",
            text="The gateway could not be asked for what its webhooks missed.",
            remedy=f"Check that it runs and that its password is right: backscroll sync --source {source.id}",
            at=run.tried,
        )
    if is_silent(source, now):
        return Problem(
            code="silent",
            text=f"Nothing was received for {_span(now - (source.last_event_at or source.created_at))}.",
            remedy="Check that the gateway runs and that its webhook still has the address and secret of this source.",
            at=source.last_event_at,
        )
    if bad is not None and bad.last_at >= (source.last_event_at or 0):
        return Problem(
            code="refused",
            text="The last thing that it sent could not be understood. It is kept in quarantine.",
            remedy="See why with: backscroll quarantine list",
            at=bad.last_at,
        )
    return None


def _sync_failed(source: LiveSource, run: LastRun, now: int) -> bool:
    """A run that was begun and has not ended, so long ago that it cannot still be going on."""
    is_asked = source.upstream is not None and source.every is not None
    return is_asked and run.tried > (run.done or 0) and now - run.tried > _SYNC_US


def _span(micros: int) -> str:
    hours = micros // _HOUR
    if hours < 1:
        return "less than an hour"
    if hours < 48:
        return f"{hours} hour{'' if hours == 1 else 's'}"
    return f"{hours // 24} days"
