"""The route that shows which source covers which period."""

from __future__ import annotations

import time

from backscroll.dialects.links import first_values
from backscroll.dialects.native.coverage import parse_coverage, render_coverage
from backscroll.dialects.parameters import Param
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Route
from backscroll.http.routes.native import CURSOR, PHONES, answer, get, limit, phones_named
from backscroll.storage.read.coverage import Coverages


async def get_coverage(request: Request) -> Reply:
    """Coverage of the named phones and of a page of their chats; ``NotFound`` for an unknown chat."""
    query, chat, filters = parse_coverage(request.granted, first_values(request.query), phones_named(request))
    now = time.time_ns() // 1000
    return await answer(
        request,
        lambda reading: render_coverage(Coverages(reading, now).page(query, chat), query, filters),
        heavy=True,
    )


ROUTES: tuple[Route, ...] = (
    get(
        "/api/coverage",
        "Show which source covers which period",
        get_coverage,
        "Coverage",
        (
            PHONES,
            Param(name="chat", description="Only this chat of the named phone."),
            limit(50),
            CURSOR,
        ),
        description=(
            "Periods that sources cover, and the periods between them in which messages may be missing, each with its "
            "reason, evidence and remedy. An empty result in a period that no source covers "
            "proves nothing. `phones`, the coverage of all chats of a phone, is included in the first page."
        ),
    ),
)
