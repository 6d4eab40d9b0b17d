"""Live sources over the native API: their state, adding one, removing one."""

from __future__ import annotations

import time

from backscroll.core.errors import NotFound
from backscroll.core.model import Access
from backscroll.dialects.native.sources import parse_source, render_new_source, render_sources
from backscroll.dialects.parameters import Param
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.http.routes.tokens import NO_STORE, manager
from backscroll.ingest.source_setup import KINDS, SourceWish, add_source, address, how_to
from backscroll.ingest.source_state import SourceState, source_states
from backscroll.jobs.linking import remove_source as remove_source_of
from backscroll.storage.store import Store

TAG = "backscroll: sources"


def states_for(store: Store, access: Access) -> list[SourceState]:
    """The sources of the phones that a token has access to; those without a phone only for a token for all phones."""
    reached = {phone.no for phone in access.phones}
    now = time.time_ns() // 1000
    return [
        standing
        for standing in source_states(store, access.org.no, access.phones, now)
        if (not access.scoped if standing.source.phone is None else standing.source.phone in reached)
    ]


def may_manage(access: Access) -> bool:
    """Whether a token may manage the organisation."""
    return "admin" in access.scopes and not access.scoped


async def list_sources(request: Request) -> Reply:
    """The state of the sources, with problems and remedies."""
    access, store = request.granted, request.app.store

    def make() -> bytes:
        return render_sources(states_for(store, access), may_manage(access))

    return Reply(200, await request.app.workers.run(make, org=access.org.no, heavy=True), (NO_STORE,))


async def create_source(request: Request) -> Reply:
    """A new source with the address and the secret to enter in the gateway, which are shown only once."""
    access, store = manager(request, "sources"), request.app.store
    asked, base_url = parse_source(request.body), request.base_url

    def make() -> bytes:
        org = access.org.no
        wish = SourceWish(
            kind=asked.kind,
            phone=asked.phone or None,
            secret=asked.secret or None,
            verify_token=asked.verify_token or None,
            silent_after=asked.silent_after or None,
        )
        added = add_source(store, org, wish)
        now = time.time_ns() // 1000
        standing = next(
            standing
            for standing in source_states(store, org, store.list_phones(org), now)
            if standing.source.id == added.source.id
        )
        url, given = address(added.source, added.given, base_url), added.given
        return render_new_source(standing, url, given.secret, given.verify_token, how_to(asked.kind, url, given.secret))

    return Reply(201, await request.app.workers.run(make, org=access.org.no, heavy=True), (NO_STORE,))


async def remove_source(request: Request) -> Reply:
    """Remove a source; its messages stay. ``NotFound`` if the organisation has none with this id."""
    access, store, id = manager(request, "sources"), request.app.store, request.path_params["id"]

    def work() -> None:
        if all(source.id != id for source in store.sources.of(access.org.no)):
            raise NotFound("source", id[:80])
        remove_source_of(store, id, request.app.settings.data)

    await request.app.workers.run(work, org=access.org.no, heavy=True)
    return Reply(204)


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/sources",
        dialect="backscroll",
        summary="List live sources with their state",
        description=(
            "`state` is `waiting` (nothing was received yet), `live`, `silent` (nothing for longer than "
            "`silent_after_seconds`) or `failing`; `problem` says what is wrong and what can be done. A token that is "
            "limited to some phones sees the sources of those phones. `upstream` is shown to tokens with the scope "
            "`admin`."
        ),
        handler=list_sources,
        answers={200: Answer(description="OK", schema="backscroll.Sources")},
        errors=(401, 429),
        tag=TAG,
    ),
    Route(
        method="POST",
        path="/api/sources",
        dialect="backscroll",
        summary="Add a live source",
        description=(
            "Its address and secret are only in this answer. `secret` is created if it is omitted; "
            "Periskope and the Cloud API sign with their own. `backscroll source add --upstream` adds one that is "
            "asked for what its webhooks missed."
        ),
        handler=create_source,
        scope="admin",
        body="bytes",
        accepts=Answer(
            description=f"Which kind ({', '.join(KINDS)}), and the own phone that the gateway is linked to",
            schema={
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"type": "string", "enum": list(KINDS)}},
            },
            example={"kind": "gowa", "phone": "4915550001001", "silent_after": "6h"},
        ),
        answers={201: Answer(description="Added", schema="backscroll.NewSource")},
        errors=(401, 403, 422, 429),
        tag=TAG,
    ),
    Route(
        method="DELETE",
        path="/api/sources/{id}",
        dialect="backscroll",
        summary="Remove a live source",
        description="Nothing more is accepted from it. Its messages stay.",
        handler=remove_source,
        scope="admin",
        params=(Param(name="id", where="path", required=True, example="src1x0000000000000000", description="Its id."),),
        answers={204: Answer(description="Removed")},
        errors=(401, 403, 404, 429),
        tag=TAG,
    ),
)
