"""Live sources over the native API: their state, adding one, removing one."""

from __future__ import annotations

import time

from msgspec import UNSET

from backscroll.core.errors import NotFound
from backscroll.core.gateways import GATEWAYS
from backscroll.core.model import Access
from backscroll.dialects.native.sources import (
    HOUR,
    parse_change,
    parse_rotation,
    parse_source,
    render_new_source,
    render_source,
    render_sources,
)
from backscroll.dialects.parameters import Param
from backscroll.http.dialect_http import Refused
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.http.routes.orgs import OPERATOR
from backscroll.http.routes.tokens import NO_STORE, manager
from backscroll.ingest import source_setup
from backscroll.ingest.source_setup import SourceChange, SourceWish, add_source, address, how_to
from backscroll.ingest.source_state import SourceState, source_states
from backscroll.jobs.linking import remove_source as remove_source_of
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets

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
        return _with_its_secret(store, access, added.source, added.given, base_url)

    return Reply(201, await request.app.workers.run(make, org=access.org.no, heavy=True), (NO_STORE,))


def _with_its_secret(store: Store, access: Access, source: LiveSource, given: SourceSecrets, base_url: str) -> bytes:
    """The source with what to enter in the gateway."""
    url = address(source, given, base_url)
    how = how_to(source.kind, url, given.secret)
    return render_new_source(_standing(store, access, source.id), url, given.secret, given.verify_token, how)


def _standing(store: Store, access: Access, id: str) -> SourceState:
    """How the organisation's source stands; ``NotFound``."""
    org, now = access.org.no, time.time_ns() // 1000
    # Its phone may be newer than what is known of the token.
    every = source_states(store, org, store.list_phones(org), now)
    standing = next((standing for standing in every if standing.source.id == id), None)
    if standing is None:
        raise NotFound("source", id[:80])
    return standing


async def change_source(request: Request) -> Reply:
    """Change the upstream, the pull interval or the silence limit. Only the operator decides which servers are
    contacted.
    """
    access, store, id = manager(request, "sources"), request.app.store, request.path_params["id"]
    asked = parse_change(request.body)
    if (asked.upstream, asked.upstream_token) != (UNSET, UNSET) and OPERATOR not in access.scopes:
        raise Refused(403, "FORBIDDEN", f"this token lacks the scope {OPERATOR!r}, which naming an upstream needs")

    def make() -> bytes:
        _standing(store, access, id)
        change = SourceChange(
            upstream=asked.upstream,
            upstream_token=asked.upstream_token,
            every=asked.every,
            silent_after=asked.silent_after,
        )
        source_setup.change_source(store, id, change)
        return render_source(_standing(store, access, id))

    return Reply(200, await request.app.workers.run(make, org=access.org.no, heavy=True), (NO_STORE,))


async def rotate_secret(request: Request) -> Reply:
    """A new secret, shown this once; for a time the old one counts as well."""
    access, store, id = manager(request, "sources"), request.app.store, request.path_params["id"]
    asked, base_url = parse_rotation(request.body), request.base_url

    def make() -> bytes:
        _standing(store, access, id)
        rotated = source_setup.rotate_secret(store, id, asked.secret or None, asked.grace_hours * HOUR)
        return _with_its_secret(store, access, rotated.source, rotated.given, base_url)

    return Reply(200, await request.app.workers.run(make, org=access.org.no, heavy=True), (NO_STORE,))


async def remove_source(request: Request) -> Reply:
    """Remove a source; its messages stay. ``NotFound`` if the organisation has none with this id."""
    access, store, id = manager(request, "sources"), request.app.store, request.path_params["id"]

    def work() -> None:
        if all(source.id != id for source in store.sources.of(access.org.no)):
            raise NotFound("source", id[:80])
        remove_source_of(store, id, request.app.settings.data)

    await request.app.workers.run(work, org=access.org.no, heavy=True)
    return Reply(204)


_ID = Param(name="id", where="path", required=True, example="src1x0000000000000000", description="Its id.")
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
            "Periskope and the Cloud API sign with their own. `PATCH` names an upstream that is asked for what "
            "its webhooks missed."
        ),
        handler=create_source,
        scope="admin",
        body="bytes",
        accepts=Answer(
            description=f"Which kind ({', '.join(GATEWAYS)}), and the own phone that the gateway is linked to",
            schema={
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"type": "string", "enum": list(GATEWAYS)}},
            },
            example={"kind": "gowa", "phone": "4915550001001", "silent_after": "6h"},
        ),
        answers={201: Answer(description="Added", schema="backscroll.NewSource")},
        errors=(401, 403, 422, 429),
        tag=TAG,
    ),
    Route(
        method="PATCH",
        path="/api/sources/{id}",
        dialect="backscroll",
        summary="Change a live source",
        description=(
            "Omitted fields stay as they are; null clears a field. `upstream` and `upstream_token` decide which server "
            "is contacted and need the scope `operator`. `upstream_token` is never shown; a new `upstream` needs it "
            "again."
        ),
        handler=change_source,
        scope="admin",
        body="bytes",
        accepts=Answer(
            description="Spans are text such as 15m, 6h or 2d; the upstream is asked `every` so often",
            schema={"type": "object"},
            example={"silent_after": "6h", "every": None},
        ),
        params=(_ID,),
        answers={200: Answer(description="Changed", schema="backscroll.Source")},
        errors=(401, 403, 404, 422, 429),
        tag=TAG,
    ),
    Route(
        method="POST",
        path="/api/sources/{id}/rotate",
        dialect="backscroll",
        summary="Give a live source a new secret",
        description=(
            "It is in this answer and nowhere else. For `grace_hours` (24) what is signed with the old secret is taken "
            "as well; 0 refuses that at once. Periskope and the Cloud API choose theirs: give it as `secret`."
        ),
        handler=rotate_secret,
        scope="admin",
        body="bytes",
        accepts=Answer(
            description="How long the old secret counts as well, and the new one where the other side chooses it",
            schema={"type": "object"},
            example={"grace_hours": 24},
        ),
        params=(_ID,),
        answers={200: Answer(description="Rotated", schema="backscroll.NewSource")},
        errors=(401, 403, 404, 422, 429),
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
        params=(_ID,),
        answers={204: Answer(description="Removed")},
        errors=(401, 403, 404, 429),
        tag=TAG,
    ),
)
