"""The native API's search: parsing requests, and hits as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from backscroll.core.answers import FacetCount, SearchFacets, SearchHit, SearchPage
from backscroll.core.errors import BadField
from backscroll.core.model import Access
from backscroll.core.query import SearchQuery
from backscroll.dialects.links import Links
from backscroll.dialects.native.messages import Render, message_renderer
from backscroll.dialects.native.requests import parse_phones
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import shown_jid

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MAX_CONTEXT = 10
FIELDS = ("body", "file_name", "poll", "place", "contact", "link", "invite", "interactive", "sender_name")
"""Texts that hits may be in."""
_SORTS: dict[str, Literal["newest", "relevance"]] = {"newest": "newest", "relevance": "relevance"}


def parse_search(access: Access, values: Mapping[str, str], phones: Sequence[str]) -> SearchQuery:
    """``q`` may contain anything; ``BadField`` names any other invalid parameter."""
    text = values.get("q")
    if text is None:
        raise BadField("q", "", "must be a query, such as q=invoice")
    sort = values.get("sort", "newest")
    if sort not in _SORTS:
        raise BadField("sort", sort[:80], "must be newest or relevance")
    return SearchQuery(
        org=access.org.no,
        phones=parse_phones(access, phones),
        text=text,
        sort=_SORTS[sort],
        zone=values.get("tz") or "UTC",
        context=_number(values, "context", 1, 0, MAX_CONTEXT),
        limit=_number(values, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        cursor=values.get("cursor") or None,
    )


def _number(values: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = values.get(name)
    if text is None:
        return default
    number = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else -1
    if not least <= number <= most:
        raise BadField(name, text[:80], f"must be a whole number from {least} to {most}")
    return number


def render_search(page: SearchPage, access: Access, links: Links) -> bytes:
    """The hits in order."""
    render = message_renderer(access, links, page.around)
    items = b",".join(_hit(hit, render) for hit in page.hits)
    rest = {
        "total": page.total,
        "total_is_exact": page.total_is_exact,
        "complete": page.complete,
        "ignored": page.ignored,
        "facets": None if page.facets is None else _facets(page.facets, access),
        "next": page.next,
    }
    return b'{"items":[' + items + b"]," + encode(rest)[1:]


def _hit(hit: SearchHit, render: Render) -> bytes:
    marks = encode([{"field": mark.field, "parts": mark.parts} for mark in hit.highlights])
    context = b",".join(render(near) for near in hit.context)
    return b'{"message":' + render(hit.message) + b',"highlights":' + marks + b',"context":[' + context + b"]}"


def _facets(facets: SearchFacets, access: Access) -> dict[str, Any]:
    numbers = {phone.phone_id: shown_jid(phone.jid) for phone in access.phones}
    return {
        "chats": [{"chat_id": shown_jid(f.value), "name": f.name, "count": f.count} for f in facets.chats],
        "phones": [_phone_facet(f, numbers) for f in facets.phones],
        "months": [{"month": f.value, "count": f.count} for f in facets.months],
        "complete": facets.complete,
    }


def _phone_facet(facet: FacetCount, numbers: Mapping[str, str]) -> dict[str, Any]:
    phone = {"phone_id": facet.value, "org_phone": numbers.get(facet.value)}
    return {**phone, "name": facet.name, "count": facet.count}
