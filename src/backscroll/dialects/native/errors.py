"""The archive's errors in the native API's format: ``{code, message, field}``."""

from __future__ import annotations

import msgspec

from backscroll.core.errors import (
    BadField,
    Conflict,
    Error,
    NotFound,
    PhoneNotInScope,
    PhoneRequired,
    RateLimited,
    StorageBusy,
    StorageError,
    StorageFull,
    Unauthorised,
    Unreadable,
    Unsupported,
)

Rendered = tuple[int, bytes, dict[str, str]]
"""Status, body and headers of an error."""


class BadCursor(BadField):
    """A cursor of a different request, or one that this server did not create."""

    def __init__(self, value: str) -> None:
        super().__init__("cursor", value, "must come from the previous answer, with the same filters")


class Gone(Error):
    """A position in the change feed from which a follower cannot continue."""


_STATUSES: tuple[tuple[type[Exception], int, str], ...] = (
    (BadCursor, 422, "BAD_CURSOR"),
    (BadField, 422, "BAD_FIELD"),
    (Gone, 410, "RESET"),
    (NotFound, 404, "NOT_FOUND"),
    (Unauthorised, 401, "UNAUTHORIZED"),
    (PhoneNotInScope, 404, "NOT_FOUND"),
    (PhoneRequired, 422, "PHONE_REQUIRED"),
    (RateLimited, 429, "RATE_LIMITED"),
    (Unsupported, 501, "NOT_IMPLEMENTED"),
    (Conflict, 409, "CONFLICT"),
    (Unreadable, 422, "UNREADABLE"),
    (StorageFull, 507, "STORAGE_FULL"),
    (StorageBusy, 503, "STORAGE_BUSY"),
    (StorageError, 503, "STORAGE_ERROR"),
)


def render_error(error: Exception) -> Rendered:
    """``field`` names the invalid value, or is null."""
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            headers = {"www-authenticate": "Bearer"} if status == 401 else {}
            field = error.field if isinstance(error, BadField) else None
            return status, render_refusal(code, str(error), field), headers
    message = str(error) if isinstance(error, Error) else "Internal server error"
    return 500, render_refusal("INTERNAL_ERROR", message), {}


def render_refusal(code: str, message: str, field: str | None = None) -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"code": code, "message": message, "field": field})
