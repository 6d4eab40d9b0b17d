"""The archive's errors in GOWA's format: ``{code, message, results?}``."""

from __future__ import annotations

from typing import Any

from backscroll.core import errors
from backscroll.core.ids import clean_text
from backscroll.dialects.refusals import AWAY, BUSY, BUSY_HEADERS, FULL, Answer, retry_after
from backscroll.formats.jsontext import go_json

_CHALLENGE = {
    "WWW-Authenticate": 'Basic realm="Restricted", charset="UTF-8"',
    "Cache-Control": "no-store",
    "Vary": "Authorization",
}
_NO_DEVICE = "device not found; create a device first from /api/devices or provide a valid X-Device-Id"


def render_error(error: Exception) -> Answer:
    """Status, body and extra headers of any error; an unexpected error reveals no details."""
    match error:
        case errors.BadField():
            return _bad_field(error)
        case errors.PhoneRequired():
            message = "device_id is required via X-Device-Id header or device_id query"
            return _answer(400, "DEVICE_ID_REQUIRED", message)
        case errors.PhoneNotInScope():
            return _answer(404, "DEVICE_NOT_FOUND", _NO_DEVICE, {"device_id": clean_text(error.phone)[0]})
        case errors.Unauthorised():
            status, body, _ = _answer(401, "UNAUTHORIZED", "Unauthorized")
            return status, body, _CHALLENGE
        case errors.NotFound():
            return _answer(404, "NOT_FOUND", _not_found(error))
        case errors.Conflict():
            return _answer(409, "CONFLICT", str(error))
        case errors.Unreadable() | errors.Question():
            return _answer(400, "BAD_REQUEST", str(error))
        case errors.RateLimited():
            status, body, _ = _answer(429, "RATE_LIMITED", str(error))
            return status, body, retry_after(error)
        case errors.Unsupported():
            return _answer(501, "NOT_IMPLEMENTED", str(error))
        case errors.StorageError():
            return _storage(error)
    return _answer(500, "INTERNAL_SERVER_ERROR", "Internal server error")


def _bad_field(error: errors.BadField) -> Answer:
    match error.field:
        case "start_time" | "end_time":
            return _answer(400, "VALIDATION_ERROR", f"invalid {error.field} format: {error.remedy}")
        case "chat_jid" if error.remedy.startswith("invalid URL escape"):
            return _answer(400, "BAD_REQUEST", f"invalid chat_jid path parameter: {error.remedy}")
        case "group_id":
            return _answer(400, "INVALID_GROUP_ID", "Group ID cannot be empty")
        case "body":
            return _answer(400, "BAD_REQUEST", str(error))
    return _answer(400, "VALIDATION_ERROR", str(error))


def _not_found(error: errors.NotFound) -> str:
    return f"message with ID {error.name} not found" if error.what == "message" else f"{error.what} not found"


def _storage(error: errors.StorageError) -> Answer:
    match error:
        case errors.StorageFull():
            return _answer(507, "INSUFFICIENT_STORAGE", FULL)
        case errors.StorageBusy():
            status, body, _ = _answer(503, "SERVICE_UNAVAILABLE", BUSY)
            return status, body, BUSY_HEADERS
    return _answer(503, "SERVICE_UNAVAILABLE", AWAY)


def _answer(status: int, code: str, message: str, results: Any = None) -> Answer:
    body = {"code": code, "message": clean_text(message)[0]}
    return status, go_json(body if results is None else {**body, "results": results}), {}
