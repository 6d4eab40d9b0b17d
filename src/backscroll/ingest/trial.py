"""Trying the way that a gateway's payloads take, with one that says nothing."""

from __future__ import annotations

import httpx

from backscroll.ingest.connector import pushed
from backscroll.ingest.signatures import sign

TRIAL_SECONDS = 10.0


def try_address(kind: str, url: str, secret: str) -> int | None:
    """The status that a signed payload without any event gets at ``url``; None when nothing answers there."""
    body = pushed(kind).test_body
    try:
        return httpx.post(url, content=body, headers=sign(kind, secret, body), timeout=TRIAL_SECONDS).status_code
    except httpx.HTTPError:
        return None
