"""Downloads over the native API: which messages, in which form, and what happens if one is interrupted."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import threading
import zipfile
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import pytest

from backscroll.core.errors import NotFound, StorageError
from backscroll.core.events import MessageRevoked
from backscroll.core.model import Media
from backscroll.http.downloads import Downloads, Spool
from backscroll.http.routes import exports
from backscroll.ingest import jsonl
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import open_store
from contract.world import SECOND, Client, Teller, World, known_as, micros, user

ANA, BEN = user("4915550002001"), user("4915550002002")
GROUP = "120363041234567890@g.us"
DESK, SHOP = "4915550001001", "4915550001002"
NOON = micros("2026-03-01T12:00:00+00:00")
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")


@pytest.fixture
def filled(world: World) -> World:
    """Two phones that each have a chat with Ana; the first also has a group with a picture."""
    desk, shop = Teller(world.phone(DESK, name="Desk")), Teller(world.phone(SHOP))
    file = world.media.put(world.org.no, JPEG, max_bytes=9999, declared_mimetype="image/jpeg", filename="a.jpg")
    held = Media(mimetype="image/jpeg", size=len(JPEG), filename="../sea: side.jpg", file=file.sha256)
    world.tell(
        known_as(ANA, "Ana: the baker"),
        known_as(BEN, "Ben"),
        desk.chat(GROUP, name="A/B <group>"),
        *(desk.message(ANA, f"D{n}", NOON + n * SECOND, f"line {n}") for n in range(7)),
        desk.message(ANA, "OWN", NOON + 60 * SECOND, "two\nlines", from_me=True),
        desk.message(GROUP, "G1", NOON, "look", BEN, kind="image", media=held),
        desk.message(GROUP, "G2", NOON + SECOND, None, BEN, kind="video", media=Media(mimetype="video/mp4")),
        shop.message(ANA, "S1", NOON, "only the shop knows"),
        MessageRevoked(target=desk.target(ANA, "D3"), at=NOON + 3600 * SECOND),
    )
    return world


def client(world: World, phone: str | None = None, **flags: Any) -> Client:
    """A client of an app with the archive's data directory; its token covers one phone or all."""
    phones = None if phone is None else [world.store.find_phone(world.org.no, phone)]
    return world.client(phones, app=world.make_app(data=str(world.folder), **flags))


def lines_of(body: bytes) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


def of_chat(kind: str, phone: str, chat: str, more: str = "") -> str:
    return f"/api/exports/{kind}?phone={phone}&chat={quote(chat, safe='')}{more}"


def test_nobody_without_a_credential_downloads_anything(filled: World) -> None:
    for kind in ("jsonl", "text", "zip"):
        assert filled.guest({}).ask(of_chat(kind, DESK, ANA)).status_code == 401


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ("text", 422, "chat"),
        (f"text?chat={ANA}", 422, "phone"),
        (f"zip?phone={DESK}&chat={ANA}&zone=Mars/Base", 422, "zone"),
        ("zip?phone=4900000000", 404, None),
        (f"text?phone={DESK}&chat=4915559999999@c.us", 404, None),
        (f"jsonl?phone={DESK}", 403, None),
    ],
)
def test_what_cannot_be_downloaded_is_refused(filled: World, asked: str, status: int, field: str | None) -> None:
    answer = client(filled).ask(f"/api/exports/{asked}")
    assert (answer.status_code, answer.json()["field"]) == (status, field)


def test_a_token_of_one_phone_downloads_what_that_phone_has(filled: World) -> None:
    shop = client(filled, SHOP)
    assert shop.ask("/api/exports/jsonl").status_code == 403
    assert shop.ask(of_chat("zip", DESK, ANA)).status_code == 404
    assert shop.ask(of_chat("text", SHOP, GROUP)).status_code == 404
    lines = lines_of(shop.ask(of_chat("jsonl", SHOP, ANA)).content)
    told = [line["message"]["text"] for line in lines if line.get("type") == "message"]
    assert told == ["only the shop knows"]
    assert DESK not in json.dumps(lines)
    with zipfile.ZipFile(io.BytesIO(shop.ask("/api/exports/zip").content)) as read:
        assert all(name.startswith(f"{SHOP}/") for name in read.namelist())


def test_json_lines_are_what_the_command_writes_and_are_taken_in_again(filled: World, tmp_path: Path) -> None:
    answer = client(filled).ask("/api/exports/jsonl")
    assert answer.headers["content-type"] == "application/gzip"
    assert 'filename="Hill Street Bakery (Backscroll).jsonl.gz"' in answer.headers["content-disposition"]
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    written = io.BytesIO()
    jsonl.export_jsonl(filled.store, written, org=filled.org)
    assert gzip.decompress(answer.content).splitlines()[1:-1] == written.getvalue().splitlines()[1:-1]
    other = open_store(None, tmp_path / "other")
    media = MediaStore(tmp_path / "media", b"k" * 32)
    file = tmp_path / "download.jsonl.gz"
    file.write_bytes(answer.content)
    assert jsonl.import_jsonl(other, media, file).messages == 11
    other.close()


def test_text_has_every_message_once_in_the_zone_that_is_asked_for(
    filled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PAGE", 2)
    answer = client(filled).ask(of_chat("text", DESK, ANA, "&zone=Asia/Kolkata"))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    told = answer.text.splitlines()
    assert told[0] == "[2026-03-01, 17:30:00] Ana the baker: line 0"
    assert told[3] == "[2026-03-01, 17:30:03] Ana the baker: line 3 \u200e<This message was deleted>"
    assert told[7:] == ["[2026-03-01, 17:31:00] Desk: two", "lines"]
    assert len(told) == 9


def test_a_zip_has_the_text_and_the_files_that_are_here(filled: World) -> None:
    answer = client(filled).ask(of_chat("zip", DESK, GROUP))
    assert "A_B _group_ (Backscroll).zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as read:
        assert read.testzip() is None
        text, picture = read.namelist()
        assert text == "_chat.txt"
        assert read.read(picture) == JPEG
        assert "/" not in picture
        lines = read.read(text).decode().splitlines()
    assert lines[0] == f"[2026-03-01, 12:00:00] Ben: \u200e<attached: {picture}>"
    assert lines[1:] == ["look", "[2026-03-01, 12:00:01] Ben: \u200evideo omitted"]


def test_a_file_that_is_gone_is_told_as_left_out(filled: World) -> None:
    for path in (filled.folder / "media" / str(filled.org.no)).rglob("*"):
        if path.is_file():
            path.unlink()
    with zipfile.ZipFile(io.BytesIO(client(filled).ask(of_chat("zip", DESK, GROUP)).content)) as read:
        assert read.namelist() == ["_chat.txt"]
        assert b"image omitted" in read.read("_chat.txt")


def test_everything_is_a_folder_for_each_chat_of_each_phone(filled: World) -> None:
    with zipfile.ZipFile(io.BytesIO(client(filled).ask("/api/exports/zip").content)) as read:
        folders = {name.rpartition("/")[0] for name in read.namelist()}
    assert len(folders) == 3
    assert {folder.partition("/")[0] for folder in folders} == {DESK, SHOP}


def test_head_tells_the_name_and_makes_nothing(filled: World) -> None:
    for kind in ("jsonl", "text", "zip"):
        answer = client(filled).ask(of_chat(kind, DESK, ANA), "HEAD")
        assert (answer.status_code, answer.content) == (200, b"")
        assert "Ana_ the baker" in answer.headers["content-disposition"]


def test_too_many_at_once_are_refused_with_a_time_to_come_again(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backscroll.http.downloads.MAX_OF_ORG", 0)
    answer = client(filled).ask(of_chat("text", DESK, ANA))
    assert (answer.status_code, answer.json()["code"]) == (503, "STORAGE_BUSY")
    assert answer.headers["retry-after"]


def test_a_download_that_nobody_takes_any_more_ends_and_frees_its_place(filled: World, tmp_path: Path) -> None:
    async def begin_and_leave() -> list[int]:
        downloads, counts = Downloads(), []
        spool = Spool(tmp_path)
        ended = threading.Event()

        def work(out: BinaryIO) -> None:
            try:
                while True:
                    out.write(os.urandom(1 << 20))
            finally:
                ended.set()

        await spool.begin(work, 1)
        async with aclosing(spool.chunks()) as chunks:
            with downloads.counted(1):
                counts.append(downloads._going_on[1])
                assert await anext(chunks)
        assert await asyncio.to_thread(ended.wait, 30)
        return [*counts, downloads._going_on[1]]

    assert filled.runner.run(begin_and_leave()) == [1, 0]


def test_what_fails_before_the_first_byte_is_an_error_and_later_a_cut(filled: World, tmp_path: Path) -> None:
    def at_once(out: BinaryIO) -> None:
        raise NotFound("chat", "x")

    def later(out: BinaryIO) -> None:
        out.write(os.urandom(1 << 20))
        raise StorageError("the disk failed")

    async def take(work: Callable[[BinaryIO], None]) -> int:
        spool = Spool(tmp_path)
        await spool.begin(work, 1)
        return sum([len(chunk) async for chunk in spool.chunks()])

    with pytest.raises(NotFound):
        filled.runner.run(take(at_once))
    with pytest.raises(StorageError):
        filled.runner.run(take(later))
