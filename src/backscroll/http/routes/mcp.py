"""``/mcp``: the Model Context Protocol over streamable HTTP, with the tokens of the other routes."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from backscroll.http.dialect_http import Refused
from backscroll.http.limits import is_address, is_loopback_name
from backscroll.http.messages import AppState, Reply, Request
from backscroll.http.router import Answer, Route
from backscroll.mcp.answers import Answers


def check_origin(request: Request) -> None:
    """Raise Refused for a page of another site, including one whose name was made to resolve to this machine.

    Programs send no Origin. Allowed are pages of this machine, of ``public_url``, of the list in the settings, and of a
    plain IP address, for which no name is resolved.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return
    settings, parts = request.app.settings, urlsplit(origin)
    host = parts.hostname or ""
    allowed = {settings.public_url and _origin_of(settings.public_url), *(settings.mcp_origins or "").split(",")}
    same = parts.netloc == request.headers.get("host") and is_address(host)
    if not (is_loopback_name(host) or same or origin in {name.strip() for name in allowed if name}):
        raise Refused(
            403, "CROSS_SITE", f"pages of {origin[:200]} may not use /mcp; the setting mcp_origins allows them"
        )


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def speak(request: Request) -> Reply:
    """Answer one message of the protocol."""
    check_origin(request)
    app, access = request.app, request.granted
    settings = app.settings
    answers = Answers(app.store, app.media, access, settings.mcp_max_bytes, settings.mcp_max_file_bytes)
    server = await app.mcp.server(settings.max_body_bytes)
    spoken = await server.answer(request.headers, request.body, lambda: answers, partial(_run, app, access.org.no))
    return Reply(spoken.status, spoken.body, (("cache-control", "no-store"),), spoken.content_type)


async def _run(app: AppState, org: int, work: Any) -> Any:
    return await app.workers.run(work, org=org, heavy=True)


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/mcp",
        dialect="backscroll",
        summary="Speak the Model Context Protocol",
        description=(
            "Streamable HTTP without sessions: each message is answered with JSON. For programs that read the archive "
            "for a language model; docs/mcp.md explains how to set them up."
        ),
        handler=speak,
        body="bytes",
        accepts=Answer(description="A JSON-RPC message", schema={"type": "object"}),
        answers={
            200: Answer(description="The answer", schema={"type": "object"}),
            202: Answer(description="The notification was accepted"),
            400: Answer(description="Not a valid message of the protocol", schema={"type": "object"}),
            406: Answer(description="The client does not accept JSON", schema={"type": "object"}),
        },
        errors=(401, 403, 429, 501),
        tag="backscroll: archive",
    ),
)
