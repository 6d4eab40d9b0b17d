"""Signed links to media files: whole, as ranges, or 304 if the browser has them. The link is the credential."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import msgspec
from msgspec import Struct
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from backscroll.core.errors import NotFound, StorageBusy, StorageError
from backscroll.http.messages import Reply
from backscroll.http.sending import Sender, TooSlow
from backscroll.http.upgrades import refuse_upgrade
from backscroll.storage.files.media import NO_THUMBNAIL, THUMBNAIL, MediaStore
from backscroll.storage.files.media_types import MIMETYPES, UNKNOWN

CHUNK = 256 * 1024
MAX_RANGES = 16
MAKING_AT_ONCE = 2
MAX_WAITING = 64
"""Number of thumbnails made at the same time, and number of requests that may wait for one."""

# Types that a browser may show in place because it cannot run them. PDF can contain scripts and is downloaded instead.
INLINE = frozenset({"jpg", "png", "gif", "webp", "mp4", "webm", "weba", "ogg", "opus", "mp3", "m4a", "3gp"})

_PATH = re.compile(
    r"(?:/.*)?/media/(?P<org>0|[1-9][0-9]{0,17})/(?:(?P<signature>[\w-]{43})/)?(?P<sha256>[0-9a-f]{64})\.(?P<extension>[a-z0-9]{1,9})",
    re.ASCII,
)
_RANGE = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")
_TAG = re.compile(r'(?:W/)?("[^"]*")')
# Marks that change the writing direction: "photo\u202egpj.exe" would be shown as "photoexe.jpg".
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_ALWAYS = [
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("x-content-type-options", "nosniff"),
]
_PREFLIGHT = [
    ("access-control-allow-methods", "GET, HEAD"),
    ("access-control-allow-headers", "Range, If-Range, If-None-Match"),
    ("access-control-max-age", "86400"),
]
_EXPOSED = "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag"


class Link(Struct, frozen=True):
    """The content of a signed link."""

    org: int
    sha256: str
    extension: str
    filename: str | None


class Shown(Struct, frozen=True):
    """An open file and its headers."""

    file: Any
    size: int
    etag: str
    extension: str
    filename: str


class MediaApp:
    """An ASGI app for the paths that ``MediaStore.sign`` creates, wherever it is mounted.

    A forged or truncated link and one without a file get the same 404, so that links reveal nothing about the archive.
    """

    def __init__(self, media: MediaStore, sender: Sender | None = None) -> None:
        self._media = media
        self._sender = sender or Sender()
        self._making: dict[tuple[int, str], asyncio.Future[Path | None]] = {}
        self._makers = asyncio.Semaphore(MAKING_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await refuse_upgrade(scope, send, Reply(404, msgspec.json.encode({"error": "there is no WebSocket here"})))
            return
        method = scope["method"]
        if method == "OPTIONS":
            await _answer(send, 204, _PREFLIGHT)
        elif method not in ("GET", "HEAD"):
            await _problem(send, method, 405, "only GET and HEAD are supported here", [("allow", "GET, HEAD, OPTIONS")])
        else:
            await self._read(scope, send)

    async def _read(self, scope: Scope, send: Send) -> None:
        try:
            shown = await self._find(scope)
        except StorageError as error:
            await _problem(send, scope["method"], 503, str(error), [("retry-after", "10")])
            return
        if shown is None:
            await _problem(send, scope["method"], 404, "no such file, or the link is incomplete", [])
            return
        with shown.file, suppress(TooSlow):
            await _show(shown, scope, self._sender, send)

    async def _find(self, scope: Scope) -> Shown | None:
        link = read_link(scope["path"], scope["query_string"], self._media.check_signature)
        if link is None:
            return None
        try:
            if link.extension != THUMBNAIL:
                return await run_in_threadpool(self._whole, link)
            path = await self._small(link)
            return await run_in_threadpool(_shown_small, link, path) if path else None
        except (NotFound, FileNotFoundError):
            return None

    def _whole(self, link: Link) -> Shown:
        file = self._media.open(link.org, link.sha256)
        name = link.filename or f"{link.sha256[:16]}.{link.extension}"
        return Shown(file, os.fstat(file.fileno()).st_size, f'"{link.sha256}"', link.extension, name)

    async def _small(self, link: Link) -> Path | None:
        """The thumbnail: returned at once if it exists, otherwise made once for all requests, a few at a time.

        Requests that wait for a thumbnail do not block requests for existing files.
        """
        found = await run_in_threadpool(self._media.find_thumbnail, link.org, link.sha256)
        if found is not None:
            return None if found.suffix == NO_THUMBNAIL else found
        key = (link.org, link.sha256)
        made = self._making.get(key)
        if made is None:
            if len(self._making) >= MAX_WAITING:
                raise StorageBusy("too many thumbnails are being made; try again")
            made = self._making[key] = asyncio.ensure_future(self._make(key))
            made.add_done_callback(lambda done: (self._making.pop(key), done.cancelled() or done.exception()))
        return await asyncio.shield(made)

    async def _make(self, key: tuple[int, str]) -> Path | None:
        async with self._makers:
            return await asyncio.to_thread(self._media.thumbnail, *key)


def _shown_small(link: Link, path: Path) -> Shown:
    file, extension = path.open("rb"), path.suffix[1:]
    name, etag = f"{link.sha256[:16]}-small.{extension}", f'"{link.sha256}-small"'
    return Shown(file, os.fstat(file.fileno()).st_size, etag, extension, name)


def read_link(path: str, query: bytes, check: Callable[[int, str, str, str | None, str], bool]) -> Link | None:
    """The content of a link, or None if the signature is not valid."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    try:
        given = parse_qs(query.decode("ascii", "replace"), max_num_fields=8)
    except ValueError:
        return None
    signature = match["signature"]
    filename = None if signature else given.get("filename", [None])[0]
    link = Link(int(match["org"]), match["sha256"], match["extension"], filename)
    signature = signature or given.get("s", [""])[0]
    return link if check(link.org, link.sha256, link.extension, link.filename, signature) else None


def content_disposition(extension: str, filename: str) -> str:
    """``inline`` for types that are safe to show, otherwise ``attachment``; the name in both forms of RFC 6266."""
    name = "".join("_" if c in '/\\"' or unicodedata.category(c) == "Cc" else c for c in filename if c not in _TURNING)
    stem, ending = os.path.splitext(name.strip(" ."))
    name = stem[:150] + ending[:50] or "file"
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    kind = "inline" if extension in INLINE else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


def ranges_of(header: str, size: int) -> list[range] | None:
    """The requested ranges of a file in order, with adjacent ones joined; [] if none exists, None if the header is to
    be ignored.
    """
    unit, equals, rest = header.partition("=")
    specs = rest.split(",", MAX_RANGES)
    if unit.strip().lower() != "bytes" or not equals or len(specs) > MAX_RANGES:
        return None
    asked = [_RANGE.fullmatch(spec.strip()) for spec in specs]
    parts: list[range] = []
    for match in asked:
        if match is None or match[0] == "-" or (match[1] and match[2] and int(match[1]) > int(match[2])):
            return None
        first = int(match[1]) if match[1] else max(size - int(match[2]), 0)
        end = min(int(match[2]) + 1, size) if match[1] and match[2] else size
        if first < end:
            parts.append(range(first, end))
    return _joined(parts)


def _joined(parts: list[range]) -> list[range]:
    joined: list[range] = []
    for part in sorted(parts, key=lambda part: part.start):
        if joined and part.start <= joined[-1].stop:
            joined[-1] = range(joined[-1].start, max(joined[-1].stop, part.stop))
        else:
            joined.append(part)
    return joined


async def _show(shown: Shown, scope: Scope, sender: Sender, send: Send) -> None:
    asked = Headers(scope=scope)
    headers = _headers(shown)
    if _is_known(asked.get("if-none-match"), shown.etag):
        await _answer(send, 304, headers)
        return
    parts = _wanted(scope["method"], asked, shown)
    content_type = ("content-type", _content_type(shown.extension))
    if parts is None:
        await _send_whole(shown, scope, sender, send, [*headers, content_type])
    elif not parts:
        await _problem(send, "GET", 416, "no such part of the file", [("content-range", f"bytes */{shown.size}")])
    elif len(parts) == 1:
        part = parts[0]
        span = ("content-range", f"bytes {part.start}-{part.stop - 1}/{shown.size}")
        await _start(send, 206, [*headers, content_type, span, ("content-length", str(len(part)))])
        await sender.stream(_read(shown, part), send, scope.get("client"))
    else:
        body = await _start_parts(shown, parts, headers, send)
        await sender.stream(body, send, scope.get("client"))


def _wanted(method: str, asked: Headers, shown: Shown) -> list[range] | None:
    # If-Range is valid only for the same bytes; a date cannot match, because we never send one.
    if method != "GET" or "range" not in asked or asked.get("if-range", shown.etag).strip() != shown.etag:
        return None
    return ranges_of(asked["range"], shown.size)


def _is_known(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag in _TAG.findall(if_none_match)


def _headers(shown: Shown) -> list[tuple[str, str]]:
    return [
        ("etag", shown.etag),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("content-disposition", content_disposition(shown.extension, shown.filename)),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("access-control-expose-headers", _EXPOSED),
    ]


def _content_type(extension: str) -> str:
    mimetype = MIMETYPES.get(extension, UNKNOWN)
    return f"{mimetype}; charset=utf-8" if mimetype.startswith("text/") else mimetype


async def _send_whole(shown: Shown, scope: Scope, sender: Sender, send: Send, headers: list[tuple[str, str]]) -> None:
    await _start(send, 200, [*headers, ("content-length", str(shown.size))])
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body", "body": b""})
    else:
        await sender.stream(_read(shown, range(shown.size)), send, scope.get("client"))


async def _start_parts(
    shown: Shown, parts: list[range], headers: list[tuple[str, str]], send: Send
) -> AsyncIterator[bytes]:
    """Send the head of a multipart answer; returns the body that is still to be sent."""
    boundary = secrets.token_hex(16)
    heads = [_part_head(shown, part, boundary) for part in parts]
    tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(map(len, heads)) + sum(map(len, parts)) + len(tail)
    content_type = ("content-type", f"multipart/byteranges; boundary={boundary}")
    await _start(send, 206, [*headers, content_type, ("content-length", str(length))])

    async def body() -> AsyncIterator[bytes]:
        for head, part in zip(heads, parts, strict=True):
            yield head
            async for chunk in _read(shown, part):
                yield chunk
        yield tail

    return body()


def _part_head(shown: Shown, part: range, boundary: str) -> bytes:
    span = f"bytes {part.start}-{part.stop - 1}/{shown.size}"
    lines = ("", f"--{boundary}", f"content-type: {_content_type(shown.extension)}", f"content-range: {span}", "", "")
    return "\r\n".join(lines).encode()


async def _read(shown: Shown, part: range) -> AsyncIterator[bytes]:
    for at in range(part.start, part.stop, CHUNK):
        yield await run_in_threadpool(os.pread, shown.file.fileno(), min(CHUNK, part.stop - at), at)


async def _start(send: Send, status: int, headers: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in (*_ALWAYS, *headers)]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _answer(send: Send, status: int, headers: list[tuple[str, str]], body: bytes = b"") -> None:
    await _start(send, status, headers)
    await send({"type": "http.response.body", "body": body})


async def _problem(send: Send, method: str, status: int, message: str, headers: list[tuple[str, str]]) -> None:
    body = msgspec.json.encode({"error": message})
    told = [("content-type", "application/json"), ("content-length", str(len(body))), ("cache-control", "no-store")]
    await _answer(send, status, [*told, *headers], b"" if method == "HEAD" else body)
