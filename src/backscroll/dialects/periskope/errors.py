"""The archive's errors in Periskope's format: ``{name, code, fields?, message, status}``."""

from __future__ import annotations

from typing import Any

from backscroll.core import errors
from backscroll.core.ids import clean_text
from backscroll.dialects.periskope.requests import TOO_MANY
from backscroll.dialects.refusals import AWAY, BUSY, BUSY_HEADERS, FULL, Answer, retry_after
from backscroll.formats.jsontext import encode


def render_error(error: Exception) -> Answer:
    """Status, body and extra headers of any error; an unexpected error reveals no details."""
    match error:
        case errors.BadField():
            return _bad_field(error)
        case errors.PhoneRequired():
            fields = {"x-phone": {"message": "x-phone is missing"}}
            return _answer(422, "Validation Error", "VALIDATION_ERROR", "Missing Header: {x-phone}", fields)
        case errors.Unauthorised() | errors.PhoneNotInScope():
            status, body, _ = _answer(401, "Unauthorized", "UNAUTHORIZED_ERROR", str(error))
            return status, body, {"WWW-Authenticate": "Bearer"}
        case errors.NotFound():
            return _answer(404, "Not Found", "NOT_FOUND_ERROR", f"{error.what[:1].upper()}{error.what[1:]} not found")
        case errors.Conflict():
            return _answer(409, "Conflict", "CONFLICT_ERROR", str(error))
        case errors.Unreadable() | errors.Question():
            return _answer(422, "Validation Error", "VALIDATION_ERROR", str(error))
        case errors.RateLimited():
            status, body, _ = _answer(429, "Too Many Requests", "RATE_LIMIT_ERROR", str(error))
            return status, body, retry_after(error)
        case errors.Unsupported():
            return _answer(501, "Not Implemented", "NOT_IMPLEMENTED_ERROR", str(error))
        case errors.StorageError():
            return _storage(error)
    return _answer(500, "Internal Server Error", "UNKNOWN_ERROR", "Internal server error")


def _bad_field(error: errors.BadField) -> Answer:
    field = {"message": error.remedy}
    if error.value is not None:
        field["value"] = clean_text(error.value)[0]
    # Periskope never fills in this placeholder, and its clients receive it unchanged.
    message = "Limit should be less than ${MAX_LIMIT}" if error.remedy == TOO_MANY else error.remedy
    return _answer(422, "Validation Error", "VALIDATION_ERROR", message, {error.field: field})


def _storage(error: errors.StorageError) -> Answer:
    match error:
        case errors.StorageFull():
            return _answer(507, "Insufficient Storage", "INSUFFICIENT_STORAGE_ERROR", FULL)
        case errors.StorageBusy():
            status, body, _ = _answer(503, "Service Unavailable", "SERVICE_UNAVAILABLE_ERROR", BUSY)
            return status, body, BUSY_HEADERS
    return _answer(503, "Service Unavailable", "SERVICE_UNAVAILABLE_ERROR", AWAY)


def _answer(status: int, name: str, code: str, message: str, fields: dict[str, dict[str, str]] | None = None) -> Answer:
    told: dict[str, Any] = {} if fields is None else {"fields": fields}
    body = {"name": name, "code": code, **told, "message": clean_text(message)[0], "status": status}
    return status, encode(body), {}
