"""Routes about the server itself: health, reference, first page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from backscroll.core.errors import Error
from backscroll.http import openapi
from backscroll.http.messages import HTML, TEXT, Reply, Request
from backscroll.http.router import Answer, Dialect, Handler, Route

HEALTH_SECONDS = 5.0
NO_STORE = (("cache-control", "no-store"),)
PAGE_HEADERS = (("content-security-policy", openapi.PAGE_POLICY), ("x-frame-options", "DENY"))


async def health(request: Request) -> Reply:
    """200 OK while the database answers."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            await request.app.workers.run_apart(request.app.store.list_orgs)
    except (Error, TimeoutError):
        return Reply(503, b"Service Unavailable", NO_STORE, TEXT)
    return Reply(200, b"OK", NO_STORE, TEXT)


async def openapi_json(request: Request) -> Reply:
    return Reply(200, _made_once(request, openapi.document))


async def docs(request: Request) -> Reply:
    return Reply(200, _made_once(request, openapi.reference), PAGE_HEADERS, HTML)


def _made_once(request: Request, make: Callable[[tuple[Route, ...], str, str], bytes]) -> bytes:
    app = request.app
    if make.__name__ not in app.documents:
        app.documents[make.__name__] = make(app.routes, app.settings.url, app.settings.gowa_base_path)
    return app.documents[make.__name__]


async def landing(request: Request) -> Reply:
    return Reply(200, openapi.page("Backscroll", LANDING).encode(), PAGE_HEADERS, HTML)


LANDING = """<h1>Backscroll</h1>
<p>This is an archive of WhatsApp messages. Programs read it with the APIs of Periskope and GOWA.</p>
<ul>
<li><a href="docs">Reference</a>: every route, with a request to copy</li>
<li><a href="openapi.json">OpenAPI document</a>: the same for programs</li>
<li><a href="health">Health</a>: <code>OK</code> while the database answers</li>
</ul>"""


def _get(path: str, summary: str, handler: Handler, content_type: str = "text/html") -> Route:
    answer = Answer(
        description="OK", content_type=content_type, schema={"type": "object"} if "json" in content_type else None
    )
    dialect: Dialect = "backscroll"
    return Route(
        method="GET",
        path=path,
        dialect=dialect,
        summary=summary,
        handler=handler,
        answers={200: answer},
        tag=dialect,
        scope=None,
    )


ROUTES: tuple[Route, ...] = (
    msgspec.structs.replace(
        _get("/health", "Check whether the server is healthy", health, "text/plain"),
        answers={
            200: Answer(description="OK", content_type="text/plain"),
            503: Answer(description="The database does not answer", content_type="text/plain"),
        },
    ),
    _get("/", "The first page", landing),
    _get("/docs", "The reference page", docs),
    _get("/openapi.json", "The OpenAPI document", openapi_json, "application/json"),
)
