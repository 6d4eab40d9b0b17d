"""Following the archive: the change feed as pages, and as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from msgspec import structs

from backscroll.core.errors import StorageError
from backscroll.core.model import Access
from backscroll.dialects.links import Links, first_values
from backscroll.dialects.native.changes import (
    Lines,
    changes_seen,
    render_changes,
    server_sent,
    server_sent_lines,
    still_here,
)
from backscroll.dialects.native.errors import Gone
from backscroll.dialects.native.imports import render_job_change
from backscroll.dialects.native.requests import parse_after, parse_limit
from backscroll.dialects.parameters import Param
from backscroll.formats.jsontext import encode
from backscroll.http.body import hung_up
from backscroll.http.live import BUSY_SECONDS, Feeds, Heartbeat, Way, reason_to_end
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.http.routes.native import answer, get, limit, links_of
from backscroll.storage.read.changes import changes_after
from backscroll.storage.read.names import Reading
from backscroll.storage.write.feed import FeedBounds

PAGE = 200
"""Number of lines of the feed read at a time."""
HEADERS = (("cache-control", "no-store"), ("x-accel-buffering", "no"))


async def list_changes(request: Request) -> Reply:
    """Changes after a position in the feed; ``Gone`` if there are none from there.

    Either the archive has not reached it, as after a restore, or the changes after it are no longer kept.
    """
    values, phones = first_values(request.query), [phone.no for phone in request.granted.phones]
    after, most = parse_after(values) or 0, parse_limit(values, 200, 1000)

    def question(reading: Reading) -> bytes:
        names = reading.names
        if after > names.seq:
            raise Gone(
                f"This position in the feed does not exist; read the archive again and follow from its seq, {names.seq}"
            )
        if after < names.pruned:
            raise Gone(
                f"Changes up to seq {names.pruned} are no longer kept; read the archive again and follow from its seq, "
                f"{names.seq}"
            )
        return render_changes(changes_after(reading, phones, after, most))

    return await answer(request, question, heavy=True)


async def follow(request: Request) -> Reply:
    """Without a position the stream begins with the present. It begins with ``reset`` if the feed does not have the
    position: one in the future, as from another archive, or one from before what is kept.
    """
    values = first_values(request.query)
    header = request.headers.get("last-event-id")
    after = parse_after({"after": header} if header else values)
    store, org = request.app.store, request.granted.org.no
    bounds = await request.app.workers.run(partial(store.feed.bounds, org), prompt=True)
    return Reply(200, headers=HEADERS, content_type="text/event-stream", chunks=_stream(request, after, bounds))


async def _stream(request: Request, after: int | None, bounds: FeedBounds) -> AsyncIterator[bytes]:
    feeds, org = request.app.feeds, request.granted.org.no
    assert request.receive is not None
    gone = asyncio.ensure_future(hung_up(request.receive))
    feeds.follow(org)
    try:
        place, heard = bounds.seq if after is None else after, _heard(request, feeds)
        yield server_sent("hello", encode({"seq": place}), place)
        if not bounds.reach(place):
            place = bounds.seq
            yield server_sent("reset", encode({"seq": place}), place)
        told, heartbeat = place, Heartbeat()
        while not gone.done() and not feeds.is_closed:
            coming = asyncio.ensure_future(_next(request, feeds, place, heard, heartbeat))
            try:
                await asyncio.wait((coming, gone), return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                reason, lines = coming.result()
                jobs = [] if heard is None else feeds.jobs(org).after(heard)
            finally:
                coming.cancel()
            if reason is not None:
                yield server_sent("bye", encode({"reason": reason}))
                return
            if jobs:
                heard = feeds.jobs(org).last
                yield b"".join(server_sent("import", render_job_change(*structs.astuple(job))) for job in jobs)
            if lines is None:
                if not jobs:
                    # Changes of other phones move the position, too: after an interruption they are not read again.
                    yield still_here(place if place > told else None)
                    told = place
                continue
            place = lines.upto
            if lines.lines:
                told = lines.lines[-1][0]
                yield server_sent_lines(lines.lines)
    finally:
        gone.cancel()
        feeds.leave(org)


def _heard(request: Request, feeds: Feeds) -> int | None:
    """Where to begin with import job changes; None for credentials that may not see these."""
    access = request.granted
    return None if access.scoped or "write" not in access.scopes else feeds.jobs(access.org.no).last


async def _next(
    request: Request, feeds: Feeds, place: int, heard: int | None, heartbeat: Heartbeat
) -> tuple[str | None, Lines | None]:
    """Why the stream ends, or the next lines; neither if a heartbeat is due, or for import job changes alone."""
    org = request.granted.org.no
    if not await feeds.news(org, place, heartbeat, heard):
        heartbeat.beat()
        return await reason_to_end(request.app, request.headers, request.granted), None
    if feeds.seq(org) <= place:
        return None, None
    way = Way("events", partial(_lines, links=links_of(request)))
    try:
        lines = await feeds.read(request.granted, place, way)
    except StorageError:
        await asyncio.sleep(BUSY_SECONDS)
        return None, None
    return (await reason_to_end(request.app, request.headers, request.granted) if lines.touches_tokens else None), lines


def _lines(reading: Reading, access: Access, after: int, links: Links) -> Lines:
    phones = [phone.no for phone in access.phones]
    return changes_seen(changes_after(reading, phones, after, PAGE), access, links)


async def no_polling(request: Request) -> Reply:
    """The answer to a Socket.IO client that begins with a transport other than a WebSocket."""
    refusal = {"code": 0, "message": "Transport unknown: this server speaks websocket only"}
    return Reply(400, encode(refusal), HEADERS)


AFTER = Param(name="after", type="integer", minimum=0, description="The seq of the last known change.")
ROUTES: tuple[Route, ...] = (
    get(
        "/api/changes",
        "List changes",
        list_changes,
        "Changes",
        (AFTER, limit(200, 1000)),
        description=(
            "In commit order and without gaps: continue with `after` = `next`. A message that changed again "
            "since then is shown in its current state. 410 means that the position does not exist, or no longer "
            "(`changes_days`), and a follower has to start again."
        ),
        errors=(401, 410, 422, 429),
    ),
    Route(
        method="GET",
        path="/api/events",
        dialect="backscroll",
        summary="Listen to changes",
        description=(
            "Server-sent events: `hello` with the position, then `change` for each change, with messages in full; "
            "`reset` if the position does not exist, `bye` when the credential ends (`revoked`) or gives access to "
            "other phones than before (`changed`). Clients that may import receive `import` when a job makes "
            "progress. A browser resumes by itself where it was interrupted (`Last-Event-ID`)."
        ),
        handler=follow,
        params=(
            AFTER,
            Param(name="Last-Event-ID", where="header", description="The same, as browsers send it."),
        ),
        answers={200: Answer(description="Events, until either side closes", content_type="text/event-stream")},
        errors=(401, 422, 429),
        tag="backscroll: archive",
    ),
    Route(
        method="GET",
        path="/socket.io",
        dialect="periskope",
        summary="Listen to events as Periskope's client does",
        description=(
            "A WebSocket with Socket.IO (`EIO=4&transport=websocket`); the official client opens it with "
            "`connect()`. `Authorization` and `x-phone` are read from its handshake. Other transports are refused."
        ),
        handler=no_polling,
        answers={400: Answer(description="Not a WebSocket", schema="periskope.NoTransport")},
        tag="periskope",
        scope=None,
        # OpenAPI cannot describe a WebSocket.
        listed=False,
    ),
)
