"""The route of the archive's own search."""

from __future__ import annotations

from typing import Any

from backscroll.core.errors import BadField
from backscroll.dialects.links import first_values
from backscroll.dialects.native.errors import BadCursor
from backscroll.dialects.native.search import DEFAULT_LIMIT, FIELDS, MAX_CONTEXT, MAX_LIMIT, parse_search, render_search
from backscroll.dialects.parameters import Param
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.http.routes.native import links_of, phones_named

_COUNT = {"type": "integer"}
_MESSAGE = {"$ref": "#/components/schemas/backscroll.Message"}


def _object(properties: dict[str, Any], nullable: bool = False) -> dict[str, Any]:
    kind: Any = ["object", "null"] if nullable else "object"
    return {"type": kind, "properties": properties, "required": list(properties)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT, _MAYBE = {"type": "string"}, {"type": ["string", "null"]}
_FIELD = {"type": "string", "enum": list(FIELDS), "description": "Which text of the message; its sender's name."}
_PART = {"type": "array", "items": {"type": ["string", "boolean"]}, "minItems": 2, "maxItems": 2}
_SCHEMA = _object(
    {
        "items": _list(
            _object(
                {
                    "message": _MESSAGE,
                    "highlights": _list(_object({"field": _FIELD, "parts": _list(_PART)})),
                    "context": _list(_MESSAGE),
                }
            )
        ),
        "total": _COUNT,
        "total_is_exact": {"type": "boolean"},
        "complete": {"type": "boolean"},
        "ignored": _list(_TEXT),
        "facets": _object(
            {
                "chats": _list(_object({"chat_id": _TEXT, "name": _MAYBE, "count": _COUNT})),
                "phones": _list(_object({"phone_id": _TEXT, "org_phone": _MAYBE, "name": _MAYBE, "count": _COUNT})),
                "months": _list(_object({"month": _TEXT, "count": _COUNT})),
                "complete": {"type": "boolean"},
            },
            nullable=True,
        ),
        "next": _MAYBE,
    }
)


async def search(request: Request) -> Reply:
    """The hits in all chats that the credential gives access to."""
    access, links = request.granted, links_of(request)
    query = parse_search(access, first_values(request.query), phones_named(request))

    def make() -> bytes:
        try:
            return render_search(request.archive.search(query), access, links)
        except BadField as error:
            if error.field != "cursor":
                raise
            raise BadCursor(error.value or "") from error

    return Reply(200, await request.app.workers.run(make, heavy=True, receive=request.receive))


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/api/search",
        dialect="backscroll",
        summary="Search all chats",
        description=(
            'Words, `"exact phrases"`, `prefix*`, `-without`, and `from:` `in:` `before:` `after:` `on:` `has:` `is:`. '
            "No query is an error. `total` is a lower bound if `total_is_exact` is false; `complete` is false while "
            "the index is being built; `ignored` lists what could not be searched for; facets are included in the "
            "first page."
        ),
        handler=search,
        params=(
            Param(name="q", required=True, description="The query.", example="invoice from:ana has:document"),
            Param(name="sort", default="newest", choices=("newest", "relevance"), description="Order of the hits."),
            Param(name="limit", type="integer", default=DEFAULT_LIMIT, minimum=1, maximum=MAX_LIMIT),
            Param(name="cursor", description="`next` from the previous page, with all other parameters unchanged."),
            Param(
                name="context",
                type="integer",
                default=1,
                minimum=0,
                maximum=MAX_CONTEXT,
                description="Number of messages to show before and after each hit.",
            ),
            Param(name="phone", description="Only this phone of the archive (number or phone id); may be repeated."),
            Param(
                name="tz", default="UTC", description="IANA time zone for the days in `on:`, `before:` and `after:`."
            ),
        ),
        answers={200: Answer(description="A page of hits", schema=_SCHEMA)},
        errors=(401, 404, 422, 429),
        tag="backscroll: archive",
    ),
)
