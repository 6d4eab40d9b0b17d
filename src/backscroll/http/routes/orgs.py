"""Organisations over the native API, for the archive's operator: a token with the scope ``operator``.

No token reads what another organisation holds: of others there is only the name. Without the scope not even that, so
that giving a name, which is refused when another has it, needs it too.
"""

from __future__ import annotations

from backscroll.core.errors import NotFound
from backscroll.core.model import Access, Org
from backscroll.dialects.native.orgs import parse_name, render_new_org, render_org, render_orgs
from backscroll.dialects.parameters import Param
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.http.routes.tokens import NO_STORE, manager
from backscroll.storage.store import Store

TAG = "backscroll: organisations"
FIRST = "First token"
OPERATOR = "operator"


def known_to(access: Access, store: Store) -> list[Org]:
    """All organisations for an operator, else the token's own."""
    return [org for org in store.list_orgs() if OPERATOR in access.scopes or org.no == access.org.no]


async def list_orgs(request: Request) -> Reply:
    """Names and ids, nothing of what organisations hold."""
    access, store = manager(request, "organisations"), request.app.store
    body = await request.app.workers.run(lambda: render_orgs(known_to(access, store), access), org=access.org.no)
    return Reply(200, body, (NO_STORE,))


async def create_org(request: Request) -> Reply:
    """A new organisation with its first token, whose secret is shown only once."""
    access, store = manager(request, "organisations"), request.app.store
    name = parse_name(request.body)

    def make() -> bytes:
        org, token = store.orgs.create_with_token(name, FIRST)
        return render_new_org(org, access, token.id, token.secret)

    return Reply(201, await request.app.workers.run(make, org=access.org.no, heavy=True), (NO_STORE,))


async def rename_org(request: Request) -> Reply:
    """Rename an organisation. Raises ``NotFound``."""
    access, store = manager(request, "organisations"), request.app.store
    id, name = request.path_params["id"], parse_name(request.body)

    def make() -> bytes:
        found = next((org for org in store.list_orgs() if org.id == id.lower()), None)
        if found is None:
            raise NotFound("organisation", id[:80])
        return render_org(store.orgs.rename(found.no, name), access)

    return Reply(200, await request.app.workers.run(make, org=access.org.no, heavy=True), (NO_STORE,))


_NAME = Answer(
    description="What it is called: 1 to 200 characters, and no other organisation's name",
    schema={"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    example={"name": "Hill Street Bakery"},
)

ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/orgs",
        dialect="backscroll",
        summary="List organisations",
        description="The token's own; for a token with the scope `operator` all, by name only.",
        handler=list_orgs,
        scope="admin",
        answers={200: Answer(description="OK", schema="backscroll.Orgs")},
        errors=(401, 403, 429),
        tag=TAG,
    ),
    Route(
        method="POST",
        path="/api/orgs",
        dialect="backscroll",
        summary="Create an organisation",
        description=(
            "With a first token (`read`, `write` and `admin`), whose secret is in this answer and nowhere else. The "
            "asking token cannot read the new organisation."
        ),
        handler=create_org,
        scope=OPERATOR,
        body="bytes",
        accepts=_NAME,
        answers={201: Answer(description="Created", schema="backscroll.NewOrg")},
        errors=(401, 403, 409, 422, 429),
        tag=TAG,
    ),
    Route(
        method="PATCH",
        path="/api/orgs/{id}",
        dialect="backscroll",
        summary="Rename an organisation",
        description="Its id stays, and with it every token and link.",
        handler=rename_org,
        scope=OPERATOR,
        body="bytes",
        accepts=_NAME,
        params=(
            Param(
                name="id",
                where="path",
                required=True,
                example="2997dd64-89bf-48d3-9a22-b314fca017e5",
                description="The organisation's id.",
            ),
        ),
        answers={200: Answer(description="Renamed", schema="backscroll.Org")},
        errors=(401, 403, 404, 409, 422, 429),
        tag=TAG,
    ),
)
