"""Signed media links over ASGI: the right bytes, safe headers for browsers, and the same answer to every forgery."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import threading
import time
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from backscroll.http.routes.media import MediaApp, content_disposition, ranges_of
from backscroll.storage.files.media import MediaStore

BODY = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(BODY).hexdigest()
GIF = b"GIF89a" + bytes(50)


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    store = MediaStore(tmp_path / "media", bytes(32))
    store.put(1, BODY, max_bytes=len(BODY), declared_mimetype=None, filename=None)
    return store


class Browser:
    """Sends requests to an ASGI app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def ask(self, method: str, link: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return asyncio.run(self._ask(method, link, headers))

    def get(self, link: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.ask("GET", link, headers)

    async def _ask(self, method: str, link: str, headers: dict[str, str] | None) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://archive.test") as client:
            return await client.request(method, link, headers=headers)


@pytest.fixture
def client(store: MediaStore) -> Browser:
    return Browser(MediaApp(store))


@pytest.fixture
def link(store: MediaStore) -> str:
    return store.sign(1, SHA256, mimetype="video/mp4", filename="holiday.mp4")


def test_a_signed_link_gives_the_file_with_headers_a_browser_can_trust(client: Browser, link: str) -> None:
    answer = client.get(link)
    assert (answer.status_code, answer.content) == (200, BODY)
    assert dict(answer.headers) == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
        "cross-origin-resource-policy": "cross-origin",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "etag": f'"{SHA256}"',
        "content-type": "video/mp4",
        "content-length": str(len(BODY)),
        "content-disposition": "inline; filename=\"holiday.mp4\"; filename*=UTF-8''holiday.mp4",
    }


def test_head_tells_the_same_without_the_bytes_and_knows_no_ranges(client: Browser, link: str) -> None:
    whole, head = client.get(link), client.ask("HEAD", link, headers={"range": "bytes=0-9"})
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(whole.headers)


def test_the_app_may_be_mounted_anywhere(store: MediaStore, link: str) -> None:
    app = Starlette(routes=[Mount("/archive", Starlette(routes=[Mount("/media", MediaApp(store))]))])
    assert Browser(app).get("/archive" + link).content == BODY
    assert Browser(app).get("/archive" + link + "x").status_code == 404


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-300005", 5, 300005),
        ("bytes=1048570-", 1048570, 1048575),
        ("bytes=-6", 1048570, 1048575),
        ("bytes=-9999999", 0, 1048575),
        ("bytes=1048575-9999999", 1048575, 1048575),
        ("Bytes = 3-4", 3, 4),
        ("bytes=0-4, 3-9", 0, 9),
        ("bytes=7-9,0-6,5000000-", 0, 9),
    ],
)
def test_a_range_is_answered_with_exactly_those_bytes(
    client: Browser, link: str, asked: str, first: int, last: int
) -> None:
    answer = client.get(link, headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, BODY[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(BODY)}"
    assert answer.headers["content-length"] == str(last - first + 1)
    assert answer.headers["content-type"] == "video/mp4"


def test_several_ranges_come_as_parts_in_order(client: Browser, link: str) -> None:
    answer = client.get(link, headers={"range": "bytes=1000-1999,0-9,-16"})
    assert answer.status_code == 206
    assert answer.headers["content-length"] == str(len(answer.content))
    head = f"content-type: {answer.headers['content-type']}\r\n".encode()
    parts = message_from_bytes(head + answer.content).get_payload()
    assert isinstance(parts, list)
    told = [(part["content-type"], part["content-range"]) for part in parts if not isinstance(part, str)]
    spans = ["bytes 0-9/1048576", "bytes 1000-1999/1048576", "bytes 1048560-1048575/1048576"]
    assert told == [("video/mp4", span) for span in spans]
    boundary = answer.headers["content-type"].partition("boundary=")[2]
    bodies = [part.partition(b"\r\n\r\n")[2] for part in re.split(rf"\r\n--{boundary}".encode(), answer.content)]
    assert [body for body in bodies if body] == [BODY[:10], BODY[1000:2000], BODY[-16:]]


@pytest.mark.parametrize("asked", ["bytes=1048576-", "bytes=-0", "bytes=9999999-99999999,8888888-"])
def test_a_range_beyond_the_file_is_416_with_its_size(client: Browser, link: str, asked: str) -> None:
    answer = client.get(link, headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(BODY)}")


@pytest.mark.parametrize(
    "asked",
    ["bytes=9-3", "bytes=a-b", "bytes=-", "bytes=", "bytes", "lines=0-9", "bytes=0-9,x", "bytes=" + "0-0,2-2," * 9],
)
def test_a_range_that_makes_no_sense_is_ignored(client: Browser, link: str, asked: str) -> None:
    answer = client.get(link, headers={"range": asked})
    assert (answer.status_code, len(answer.content)) == (200, len(BODY))


def test_a_file_without_bytes_has_no_ranges() -> None:
    assert ranges_of("bytes=0-", 0) == []
    assert ranges_of("bytes=-5", 0) == []


def test_if_range_holds_for_the_same_bytes_only(client: Browser, link: str) -> None:
    def status(if_range: str) -> int:
        return client.get(link, headers={"range": "bytes=0-9", "if-range": if_range}).status_code

    assert status(f'"{SHA256}"') == 206
    assert status(f'W/"{SHA256}"') == 200
    assert status('"another"') == 200
    assert status("Wed, 21 Oct 2015 07:28:00 GMT") == 200


@pytest.mark.parametrize("tag", [f'"{SHA256}"', f'W/"{SHA256}"', f'"a", "{SHA256}"', "*"])
def test_a_browser_that_has_the_file_is_told_so(client: Browser, link: str, tag: str) -> None:
    answer = client.get(link, headers={"if-none-match": tag, "range": "bytes=0-9"})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == f'"{SHA256}"'
    assert "immutable" in answer.headers["cache-control"]


def test_a_browser_that_has_another_file_gets_this_one(client: Browser, link: str) -> None:
    assert client.get(link, headers={"if-none-match": '"other"'}).status_code == 200


def test_forged_links_and_missing_files_get_the_same_404(client: Browser, store: MediaStore, link: str) -> None:
    path, _, query = link.partition("?")
    absent = client.get(store.sign(1, "ab" * 32))
    assert absent.status_code == 404
    assert absent.headers["content-type"] == "application/json"
    assert absent.headers["cache-control"] == "no-store"
    for forged in (
        path,
        f"{path}?{query[:-1]}",
        f"{path}?{query.replace('holiday', 'virus')}",
        f"{path}?filename=holiday.mp4&s=%C3%A9%FF",
        link.replace("/media/1/", "/media/2/"),
        link.replace("/media/1/", "/media/01/"),
        link.replace(".mp4?", ".webm?"),
        link.replace(".mp4?", ".thumbnail?"),
        link.replace(SHA256, SHA256.upper()),
        link.replace(SHA256, "../" * 21 + "x"),
        "/media/1/%2e%2e%2f%2e%2e%2fetc%2fpasswd?s=a",
        "/media/1/..%00.jpg?s=a",
        "/media/99999999999999999999999/a.jpg",
        f"{path}?{'a=b&' * 50}s=1",
        "/",
    ):
        answer = client.get(forged)
        assert (answer.status_code, answer.content) == (404, absent.content), forged


def test_a_signature_by_another_key_opens_nothing(client: Browser, tmp_path: Path) -> None:
    other = MediaStore(tmp_path / "other", bytes(range(32)))
    assert client.get(other.sign(1, SHA256)).status_code == 404


@pytest.mark.parametrize(
    ("mimetype", "filename", "kind", "content_type"),
    [
        ("image/jpeg", "a.jpg", "inline", "image/jpeg"),
        ("audio/ogg; codecs=opus", None, "inline", "audio/ogg"),
        ("audio/mp4", None, "inline", "audio/mp4"),
        ("application/pdf", "a.pdf", "attachment", "application/pdf"),
        ("text/plain", "a.txt", "attachment", "text/plain; charset=utf-8"),
        ("text/html", "a.html", "attachment", "application/octet-stream"),
        ("image/svg+xml", "a.svg", "attachment", "application/octet-stream"),
        (None, None, "attachment", "application/octet-stream"),
    ],
)
def test_only_what_cannot_harm_is_shown_in_place(
    client: Browser, store: MediaStore, mimetype: str | None, filename: str | None, kind: str, content_type: str
) -> None:
    headers = client.get(store.sign(1, SHA256, mimetype=mimetype, filename=filename)).headers
    assert headers["content-disposition"].partition(";")[0] == kind
    assert headers["content-type"] == content_type


@pytest.mark.parametrize(
    ("filename", "plain", "full"),
    [
        ("Grüße 🎉.pdf", "Gr__e _.pdf", "Grüße 🎉.pdf"),
        ('a"b\\c.pdf', "a_b_c.pdf", "a_b_c.pdf"),
        ("x\r\nset-cookie: a=b.pdf", "x__set-cookie: a=b.pdf", "x__set-cookie: a=b.pdf"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("photo\u202egpj.exe", "photogpj.exe", "photogpj.exe"),
        ("100%.pdf", "100_.pdf", "100%.pdf"),
        ("n" * 300 + ".pdf", "n" * 150 + ".pdf", "n" * 150 + ".pdf"),
        ("...", "file", "file"),
        ("\ud800.pdf", "_.pdf", "?.pdf"),
    ],
)
def test_a_file_name_reaches_the_browser_whole_but_harmless(
    client: Browser, store: MediaStore, filename: str, plain: str, full: str
) -> None:
    link = store.sign(1, SHA256, mimetype="application/pdf", filename=filename)
    answer = client.get(link)
    assert answer.status_code == 200
    told = answer.headers["content-disposition"]
    match = re.fullmatch(r"""attachment; filename="(.*)"; filename\*=UTF-8''(.*)""", told)
    assert match is not None
    assert (match[1], unquote(match[2])) == (plain, full)


def test_a_file_without_a_name_is_named_after_its_hash(client: Browser, store: MediaStore) -> None:
    headers = client.get(store.sign(1, SHA256, mimetype="image/png")).headers
    assert headers["content-disposition"] == content_disposition("png", f"{SHA256[:16]}.png")


def test_a_thumbnail_link_gives_a_small_picture_with_an_etag_of_its_own(client: Browser, store: MediaStore) -> None:
    body = io.BytesIO()
    Image.new("RGB", (1000, 500), "teal").save(body, "PNG")
    stored = store.put(1, body.getvalue(), max_bytes=10**7, declared_mimetype="image/png", filename=None)
    answer = client.get(store.sign(1, stored.sha256, thumbnail=True))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["etag"] == f'"{stored.sha256}-small"'
    with Image.open(io.BytesIO(answer.content)) as small:
        assert small.size == (320, 160)


def test_what_is_no_picture_has_no_thumbnail(client: Browser, store: MediaStore) -> None:
    assert client.get(store.sign(1, SHA256, thumbnail=True)).status_code == 404
    cut = store.put(1, GIF, max_bytes=100, declared_mimetype="image/gif", filename=None)
    assert client.get(store.sign(1, cut.sha256, thumbnail=True)).status_code == 404


def test_other_methods_are_refused_and_a_preflight_is_answered(client: Browser, link: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = client.ask(method, link)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    preflight = client.ask("OPTIONS", link, headers={"origin": "https://example.org"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Range" in preflight.headers["access-control-allow-headers"]


def test_a_disk_that_cannot_take_a_thumbnail_is_told_as_503_and_the_file_is_still_served(
    client: Browser, store: MediaStore
) -> None:
    body = io.BytesIO()
    Image.new("RGB", (500, 500), "teal").save(body, "PNG")
    stored = store.put(1, body.getvalue(), max_bytes=10**7, declared_mimetype="image/png", filename=None)
    (store.root / ".incoming").rmdir()
    answer = client.get(store.sign(1, stored.sha256, thumbnail=True))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert client.get(store.sign(1, stored.sha256, mimetype="image/png")).status_code == 200


def test_an_upgrade_is_refused_without_a_traceback(tmp_path: Path) -> None:
    app = MediaApp(MediaStore(tmp_path, b"k" * 32))
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "websocket", "path": "/media/1/x", "headers": [], "extensions": {"websocket.http.response": {}}}
    asyncio.run(app(scope, receive, send))
    assert (sent[0]["status"], sent[1]["body"]) == (404, b'{"error":"there is no WebSocket here"}')


def test_a_small_picture_is_made_once_for_all_who_ask_and_a_failure_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MediaStore(tmp_path, b"k" * 32)
    broken = store.put(1, b"no picture at all", max_bytes=99, declared_mimetype="image/jpeg", filename=None).sha256
    tries: list[Path] = []

    def shrink(path: Path) -> None:
        tries.append(path)
        time.sleep(0.05)

    monkeypatch.setattr("backscroll.storage.files.media.shrink", shrink)
    link = store.sign(1, broken, thumbnail=True)

    async def ask_all() -> list[int]:
        transport = httpx.ASGITransport(MediaApp(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://archive.test") as client:
            return [answer.status_code for answer in await asyncio.gather(*(client.get(link) for _ in range(20)))]

    assert asyncio.run(ask_all()) == [404] * 20
    assert asyncio.run(ask_all()) == [404] * 20
    assert MediaStore(tmp_path, b"k" * 32).thumbnail(1, broken) is None
    assert len(tries) == 1
    assert store.delete(1, broken)
    assert [file for file in (tmp_path / ".thumbnails").rglob("*") if file.is_file()] == []


def test_files_are_served_while_small_pictures_are_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.http.routes.media.MAX_WAITING", 60)
    store, let_go = MediaStore(tmp_path, b"k" * 32), threading.Event()

    def shrink(path: Path) -> None:
        assert let_go.wait(30)

    monkeypatch.setattr("backscroll.storage.files.media.shrink", shrink)
    files = [
        store.put(1, b"%d" % n, max_bytes=99, declared_mimetype="image/jpeg", filename=None).sha256 for n in range(70)
    ]

    async def ask() -> None:
        transport = httpx.ASGITransport(MediaApp(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://archive.test") as client:
            making = [asyncio.ensure_future(client.get(store.sign(1, file, thumbnail=True))) for file in files]
            try:
                async with asyncio.timeout(30):
                    assert (await client.get(store.sign(1, files[0]))).status_code == 200
                    while sum(asked.done() for asked in making) < 10:
                        await asyncio.sleep(0.01)
            finally:
                let_go.set()
            statuses = [answer.status_code for answer in await asyncio.gather(*making)]
            assert (statuses.count(404), statuses.count(503)) == (60, 10)

    asyncio.run(ask())
