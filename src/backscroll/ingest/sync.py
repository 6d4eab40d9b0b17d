"""Asking a source's upstream for what its webhooks missed: now, or as often as the source says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.coverage import origin_of
from backscroll.core.errors import BadField
from backscroll.core.events import Batch
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.ingest.turns import kept
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets

OVERLAP_US = 2 * 86_400 * 1_000_000
"""A later run looks this far behind the last complete one: GOWA too stores some messages late."""


class LastRun(Struct, frozen=True):
    """When a source was last asked, and when the last complete run began; microseconds."""

    tried: int = 0
    done: int | None = None


class Synced(Struct, frozen=True):
    """What a run did, in the words of its kind; None when another process is at it already."""

    source: str
    summary: dict[str, Any] | None


def last_run(store: Store, source: LiveSource) -> LastRun:
    """When it was asked before."""
    saved = store.position(source.org, _stream(source))
    return LastRun() if saved is None else msgspec.json.decode(saved, type=LastRun)


def due(store: Store, org: int, now: int) -> list[LiveSource]:
    """Sources of the organisation whose time has come."""
    timed = [source for source in store.sources.of(org) if source.kind in _PULLS and source.upstream and source.every]
    return [source for source in timed if now - last_run(store, source).tried >= (source.every or 0)]


def sync(
    store: Store,
    media: MediaStore | None,
    id: str,
    *,
    report: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    full: bool = False,
    max_media_bytes: int = 100 << 20,
) -> Synced:
    """Ask the upstream of a source for what is not here. One process at a time does that.

    ``full`` asks for everything, not only what is new since the last complete run. Raises ``BadField`` for a source
    without an upstream, and what the connector raises; what ``report`` and ``sleep`` raise ends the run.
    """
    source, given = store.sources.open(id)
    pull = _PULLS.get(source.kind)
    if pull is None or source.upstream is None:
        known = " and ".join(_PULLS)
        raise BadField("source", id, f"only sources of {known} that were added with --upstream can be asked")

    with _turn(store, source) as ours:
        if not ours:
            return Synced(id, None)
        before = last_run(store, source)
        started = time.time_ns() // 1000
        _note(store, source, LastRun(started, before.done))
        since = None if full or before.done is None else before.done - OVERLAP_US
        summary = pull(_Work(store, media, source, given, since, report, sleep, full, max_media_bytes))
        _note(store, source, LastRun(started, started))
        return Synced(id, summary)


class _Work(Struct, frozen=True):
    store: Store
    media: MediaStore | None
    source: LiveSource
    given: SourceSecrets
    since: int | None
    report: Callable[[int], None]
    sleep: Callable[[float], None]
    full: bool
    max_media_bytes: int


def _gowa(work: _Work) -> dict[str, Any]:
    from backscroll.ingest.gowa.pull import pull

    phone = _phone(work)
    if phone is None:
        raise BadField("phone", None, "this source names no phone; add it again with --phone")
    upstream, login = work.source.upstream or "", work.given.upstream_token
    summary = pull(
        work.store,
        work.source.org,
        phone,
        upstream,
        login,
        since=work.since,
        progress=lambda at: work.report(at.messages),
        sleep=work.sleep,
        origin=origin_of("pull", work.source.kind, work.source.id),
    )
    found: dict[str, Any] = msgspec.to_builtins(summary)
    return found


def _periskope(work: _Work) -> dict[str, Any]:
    from backscroll.ingest.periskope.pull import pull

    summary = pull(
        work.store,
        work.source.org,
        work.source.upstream,
        work.given.upstream_token or "",
        phone=_phone(work),
        media=work.media,
        progress=lambda at: work.report(sum(at.summary.rows.values())),
        full=work.full,
        max_media_bytes=work.max_media_bytes,
        sleep=work.sleep,
    )
    found: dict[str, Any] = msgspec.to_builtins(summary)
    return found


_PULLS: dict[str, Callable[[_Work], dict[str, Any]]] = {"gowa": _gowa, "periskope": _periskope}


def _phone(work: _Work) -> str | None:
    phones = work.store.list_phones(work.source.org)
    return next((phone.jid for phone in phones if phone.no == work.source.phone), None)


def _stream(source: LiveSource) -> str:
    return f"sync {source.id}"


def _note(store: Store, source: LiveSource, run: LastRun) -> None:
    place = msgspec.json.encode(run).decode()
    apply_with_retry(store, source.org, Batch(source="gowa", events=[], position=(_stream(source), place)))


@contextmanager
def _turn(store: Store, source: LiveSource) -> Iterator[bool]:
    """Whether this process may ask. A thread shows that it lives; a run that is slow to end does no harm twice."""
    lease = store.sources.take_turn(source)
    if lease is None:
        yield False
        return
    try:
        with kept(lambda: store.sources.keep_turn(lease), "backscroll-sync-lease"):
            yield True
    finally:
        store.sources.end_turn(lease)
