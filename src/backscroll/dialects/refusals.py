"""Parts of error answers that all dialects share: sentences, and when to retry."""

from __future__ import annotations

import time

from backscroll.core.errors import RateLimited

Answer = tuple[int, bytes, dict[str, str]]
"""Status, body, and headers besides the usual ones."""

FULL = "The archive has no space left"
BUSY = "The archive is busy: send the same request again"
AWAY = "The archive cannot use its database at the moment"
BUSY_HEADERS = {"Retry-After": "1"}


def retry_after(error: RateLimited) -> dict[str, str]:
    """The header that says after how many whole seconds, at least one, a rate-limited client may retry."""
    return {"Retry-After": str(max(1, error.reset - int(time.time())))}
