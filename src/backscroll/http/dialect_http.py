"""The HTTP side of each dialect besides bodies: errors, CORS, the headers of every answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from backscroll.core.errors import (
    RateLimited,
    StorageBusy,
)
from backscroll.dialects.gowa.errors import render_error as gowa_render_error
from backscroll.dialects.native.errors import render_error as native_render_error
from backscroll.dialects.native.errors import render_refusal as native_render_refusal
from backscroll.dialects.periskope.errors import render_error as periskope_render_error
from backscroll.http.auth import MalformedCredential
from backscroll.http.body import BodyTooLarge, BodyTooSlow
from backscroll.http.messages import Reply
from backscroll.http.router import BadPath, Dialect

Dressed = tuple[int, bytes, dict[str, str]]
"""Status, body and headers of an error."""


class Refused(Exception):
    """A request that is refused at the HTTP level, before the archive is asked."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class DialectHttp(Struct, frozen=True, kw_only=True):
    name: Dialect
    render_error: Callable[[Exception], Dressed]
    render_refusal: Callable[[Refused], bytes]
    allow_headers: str
    org_header: bytes | None
    error_org_header: bytes | None = None
    trace_header: bytes
    refuses_malformed: bool = False
    """A malformed credential is a bad request, not a wrong credential."""
    extra: tuple[tuple[bytes, bytes], ...] = ()

    def dress(self, error: Exception) -> Reply:
        """The answer to an error; 503 and 429 say when to retry."""
        refused = as_refusal(error)
        if self.refuses_malformed and isinstance(error, MalformedCredential):
            refused = Refused(400, "BAD_REQUEST", "Bad Request")
        if refused:
            return Reply(refused.status, self.render_refusal(refused), tuple(refused.headers.items()))
        status, body, headers = self.render_error(error)
        lower = {name.lower(): value for name, value in headers.items()}
        if isinstance(error, RateLimited | StorageBusy):
            lower.setdefault("retry-after", "1")
        return Reply(status, body, tuple(lower.items()))


def as_refusal(error: Exception) -> Refused | None:
    match error:
        case Refused():
            return error
        case BadPath():
            return Refused(400, "BAD_REQUEST", str(error))
        case BodyTooLarge():
            return Refused(413, "PAYLOAD_TOO_LARGE", str(error), {"connection": "close"})
        case BodyTooSlow():
            return Refused(408, "REQUEST_TIMEOUT", "the body did not arrive in time", {"connection": "close"})
        case _:
            return None


def _periskope_refusal(refused: Refused) -> bytes:
    name = refused.code.replace("_", " ").title()
    code = f"{refused.code}_ERROR"
    return msgspec.json.encode({"name": name, "code": code, "message": refused.message, "status": refused.status})


def _gowa_refusal(refused: Refused) -> bytes:
    return msgspec.json.encode({"code": refused.code, "message": refused.message})


def _native_refusal(refused: Refused) -> bytes:
    return native_render_refusal(refused.code, refused.message)


_GOWA_HEADERS = "Origin, Content-Type, Accept, Authorization, X-Device-Id"

DIALECT_HTTP: dict[Dialect, DialectHttp] = {
    "periskope": DialectHttp(
        name="periskope",
        render_error=periskope_render_error,
        render_refusal=_periskope_refusal,
        allow_headers="Authorization, Content-Type, Accept, x-phone, node-version, client-version",
        org_header=b"x-periskope-org-id",
        error_org_header=b"org_id",
        trace_header=b"x-periskope-trace-id",
        extra=((b"connection", b"keep-alive"), (b"keep-alive", b"timeout=5")),
    ),
    "gowa": DialectHttp(
        name="gowa",
        render_error=gowa_render_error,
        render_refusal=_gowa_refusal,
        allow_headers=_GOWA_HEADERS,
        org_header=None,
        trace_header=b"x-request-id",
        refuses_malformed=True,
    ),
    "backscroll": DialectHttp(
        name="backscroll",
        render_error=native_render_error,
        render_refusal=_native_refusal,
        allow_headers=f"{_GOWA_HEADERS}, x-phone, Idempotency-Key, Upload-Offset, Tus-Resumable",
        org_header=None,
        trace_header=b"x-request-id",
    ),
}
