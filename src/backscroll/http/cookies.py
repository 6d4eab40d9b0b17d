"""The session cookie of a browser, and the check that a request comes from this server's own page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

SECURE_NAME, PLAIN_NAME = "__Host-backscroll", "backscroll"
"""Browsers restrict the first to this host and https; the second is for http on the same machine."""


def session_of(headers: Mapping[str, str]) -> str | None:
    """The session's secret that a browser sent."""
    for part in headers.get("cookie", "").split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and value and name in (SECURE_NAME, PLAIN_NAME):
            return value
    return None


def set_cookie(secret: str, seconds: int, secure: bool) -> tuple[str, str]:
    """The header that sets the session cookie. Scripts cannot read the cookie, and requests from other sites do not
    carry it.
    """
    name = SECURE_NAME if secure else PLAIN_NAME
    flags = "; Secure" if secure else ""
    return "set-cookie", f"{name}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{flags}"


def clear_cookies() -> tuple[tuple[str, str], ...]:
    """The headers that sign out."""
    return tuple(
        ("set-cookie", f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{flags}")
        for name, flags in ((SECURE_NAME, "; Secure"), (PLAIN_NAME, ""))
    )


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether the browser says that the request comes from this server's own page; an old browser shows it only by the
    origin.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host", "")
