"""The web page: one HTML shell for all its addresses, and assets whose names change with their content.

``make web`` builds both into ``static``. The page itself maps addresses to screens, so the server knows only the
prefixes of its addresses; the screens get their data from the native API.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from starlette.types import ASGIApp, Receive, Scope, Send

from backscroll.http.encoding import etag_of, is_fresh
from backscroll.http.messages import Header, headers_of

STATIC = Path(__file__).parent / "static"
SHELL = "index.html"

POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "media", "font", "connect")),
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        # The page creates no HTML from text, and the browser enforces that.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_FOR_THE_SHELL: tuple[Header, ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-cache"),
)
_FOR_ASSETS: tuple[Header, ...] = ((b"cache-control", b"public, max-age=31536000, immutable"),)
_FOR_DOCUMENTS: tuple[Header, ...] = ((b"cache-control", b"no-cache"),)
_NOT_BUILT = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>Backscroll</title>"
    b"<p>The web page has not been built. Build it with <code>make web</code> and restart the server."
)


class File(Struct, frozen=True):
    """A file of the page, uncompressed and compressed."""

    content_type: str
    bodies: Mapping[str, bytes]
    """By content encoding; ``identity`` is the file itself."""
    etag: str
    head: tuple[Header, ...]


class PageApp:
    """Answers the page's own addresses (``/``, ``/read/…``, ``/assets/…``) and passes all others to ``app``."""

    def __init__(self, app: ASGIApp, static: Path = STATIC) -> None:
        self._app = app
        self._files = load(static)
        self._shell = self._files.pop(SHELL, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] != "http" or not is_page(path):
            await self._app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, [(b"allow", b"GET, HEAD"), *_ALWAYS], b"")
        elif path.startswith("/assets/"):
            await _show(self._files.get(path.removeprefix("/")), scope, send)
        elif self._shell is None:
            head = [*_ALWAYS, *_FOR_THE_SHELL, (b"content-type", b"text/html; charset=utf-8")]
            await _answer(send, 503, head, b"" if scope["method"] == "HEAD" else _NOT_BUILT)
        else:
            await _show(self._shell, scope, send)


def is_page(path: str) -> bool:
    """Whether an address belongs to the page."""
    return path in ("/", "/read") or path.startswith(("/read/", "/assets/"))


def load(static: Path) -> dict[str, File]:
    """The files of a built page by path, read once; empty if it has not been built."""
    found = {}
    for path in sorted(static.rglob("*")):
        name = path.relative_to(static).as_posix()
        if path.is_file() and path.suffix not in (".br", ".gz") and (name == SHELL or name.startswith("assets/")):
            found[name] = _file(path, name)
    return found


def _file(path: Path, name: str) -> File:
    bodies = {"identity": path.read_bytes()}
    for encoding, suffix in (("br", ".br"), ("gzip", ".gz")):
        packed = path.with_name(path.name + suffix)
        if packed.is_file():
            bodies[encoding] = packed.read_bytes()
    head = _FOR_THE_SHELL if name == SHELL else _FOR_ASSETS if "-" in path.stem else _FOR_DOCUMENTS
    return File(_content_type(path), bodies, etag_of(bodies["identity"]), head)


def _content_type(path: Path) -> str:
    # Set here, because the type for .js in the system's own table differs between machines.
    known = {".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".css": "text/css"}
    kind = known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


async def _show(file: File | None, scope: Scope, send: Send) -> None:
    if file is None:
        await _answer(send, 404, [*_ALWAYS, (b"content-type", b"text/plain; charset=utf-8")], b"There is no such file.")
        return
    headers = headers_of(scope["headers"])
    head = [*_ALWAYS, *file.head, (b"etag", file.etag.encode()), (b"vary", b"Accept-Encoding")]
    if is_fresh(file.etag, headers.get("if-none-match"), headers.get("cache-control")):
        await _answer(send, 304, head, None)
        return
    encoding = _encoding(file, headers.get("accept-encoding", ""))
    if encoding != "identity":
        head.append((b"content-encoding", encoding.encode()))
    body = file.bodies[encoding]
    head += [(b"content-type", file.content_type.encode()), (b"content-length", b"%d" % len(body))]
    await _answer(send, 200, head, b"" if scope["method"] == "HEAD" else body)


def _encoding(file: File, accept: str) -> str:
    """Brotli before gzip, if both sides support it; a weight of 0 means no."""
    liked = {}
    for item in accept.lower().split(","):
        name, _, weight = item.strip().partition(";")
        liked[name.strip()] = weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return next((name for name in ("br", "gzip") if name in file.bodies and liked.get(name)), "identity")


async def _answer(send: Send, status: int, head: list[Header], body: bytes | None) -> None:
    if body is not None and not any(name == b"content-length" for name, _ in head):
        head = [*head, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body or b""})
