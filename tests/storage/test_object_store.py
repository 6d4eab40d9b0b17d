"""Media files in an object store: stored files stay there for every process; local copies are only a cache."""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from moto.server import ThreadedMotoServer
from PIL import Image

from backscroll.cli.main import main
from backscroll.core.errors import BadField, NotFound, StorageError
from backscroll.core.events import MessageSeen
from backscroll.core.model import Details, Media, Message, MessageKey
from backscroll.storage.files import cache
from backscroll.storage.files.media import MediaStore, StoredFile
from backscroll.storage.files.objects import ObjectFolder
from backscroll.storage.files.opening import open_media
from contract.world import World
from shell import Shell, place

BUCKET = "s3://archive/desk"
KEY = bytes(32)
ORG = 1


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3 on loopback."""
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and the environment variables for it."""
    given = {"ENDPOINT_URL": server, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1"}
    for name, value in given.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    httpx.post(f"{server}/moto-api/reset")
    httpx.put(f"{server}/archive")
    return server


def media_in(folder: Path, cache_bytes: int = 1 << 30) -> MediaStore:
    return open_media(BUCKET, folder, KEY, cache_bytes)


def put(media: MediaStore, content: bytes, org: int = ORG) -> StoredFile:
    return media.put(org, content, max_bytes=1 << 24, declared_mimetype=None, filename=None)


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "red").save(out, "JPEG")
    return out.getvalue()


def test_what_one_machine_puts_another_reads(bucket: str, tmp_path: Path) -> None:
    content = picture()
    stored = put(media_in(tmp_path / "one"), content)
    other = media_in(tmp_path / "other")
    assert other.exists(ORG, stored.sha256)
    assert (other.size(ORG, stored.sha256), list(other.orgs())) == (len(content), [ORG])
    assert list(other.files(ORG)) == [stored.sha256]
    with other.open(ORG, stored.sha256) as file:
        assert file.read() == content
    small = other.thumbnail(ORG, stored.sha256)
    assert small is not None
    assert small.suffix == ".jpg"
    assert other.verify(ORG, stored.sha256)


def test_what_is_not_there_is_said_to_be_missing(bucket: str, tmp_path: Path) -> None:
    media = media_in(tmp_path)
    unknown = hashlib.sha256(b"unknown").hexdigest()
    assert not media.exists(ORG, unknown)
    for ask in (media.open, media.size, media.verify):
        with pytest.raises(NotFound):
            ask(ORG, unknown)
    assert not media.delete(ORG, unknown)


def test_a_file_that_is_deleted_is_gone_everywhere_but_in_old_copies(bucket: str, tmp_path: Path) -> None:
    one, other = media_in(tmp_path / "one"), media_in(tmp_path / "other")
    stored = put(one, b"some bytes")
    assert one.delete(ORG, stored.sha256)
    assert not other.exists(ORG, stored.sha256)
    assert list(one.files(ORG)) == []


def test_copies_make_room_and_are_fetched_again(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PRUNE_SECONDS", 0.0)
    monkeypatch.setattr(cache, "YOUNG_SECONDS", -1.0)
    media = media_in(tmp_path, cache_bytes=250_000)
    stored = [put(media, bytes([n]) * 100_000) for n in range(6)]
    assert len(list(media.local_files(ORG))) <= 3
    assert len(list(media.files(ORG))) == 6
    for n, one in enumerate(stored):
        with media.open(ORG, one.sha256) as file:
            assert file.read() == bytes([n]) * 100_000


def test_a_copy_that_the_store_lacks_is_brought_there_before_it_goes(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "PRUNE_SECONDS", 0.0)
    monkeypatch.setattr(cache, "YOUNG_SECONDS", -1.0)
    old = put(MediaStore(tmp_path / "media", KEY), b"from before there was a store")
    media = media_in(tmp_path, cache_bytes=0)
    put(media, b"something new")
    assert list(media.local_files(ORG)) == []
    monkeypatch.setattr(cache, "YOUNG_SECONDS", 600.0)
    with media.open(ORG, old.sha256) as file:
        assert file.read() == b"from before there was a store"


def test_bytes_that_changed_in_the_store_are_found(bucket: str, tmp_path: Path) -> None:
    media = media_in(tmp_path)
    stored = put(media, b"some bytes")
    (tmp_path / "other").write_bytes(b"same bytes")
    ObjectFolder(BUCKET).put(f"{ORG}/{stored.sha256[:2]}/{stored.sha256}", tmp_path / "other")
    assert not media.verify(ORG, stored.sha256)


def test_a_store_that_is_away_is_an_error_and_no_missing_file(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpx.delete(f"{bucket}/archive")
    media = media_in(tmp_path)
    with pytest.raises(StorageError):
        put(media, b"some bytes")


def test_links_serve_parts_from_the_store(bucket: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    stored = put(media_in(tmp_path / "elsewhere"), picture(), world.org.no)
    world.media = media_in(tmp_path / "served")
    client = world.client(app=world.make_app())
    link = world.media.sign(world.org.no, stored.sha256, mimetype="image/jpeg")
    part = client.ask(link, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, picture()[10:20])
    assert client.ask(link).content == picture()
    world.close()


def note_picture(world: World, phone: str, stored: StoredFile) -> None:
    """A message that has the file."""
    media = Media(file=stored.sha256, size=stored.size, mimetype=stored.mimetype)
    key = MessageKey(phone, "4915550002001@s.whatsapp.net", "P1", phone)
    told = Message(key=key, sent_at=1_741_856_400_000_000, from_me=True, kind="image", details=Details(media=media))
    world.tell(MessageSeen(told))


def with_media(shell: Shell, *arguments: str, media: str = BUCKET) -> Result:
    """Run a command on an archive whose files are in the object store."""
    given = place(shell.data, None) | {"BACKSCROLL_MEDIA": media}
    return CliRunner().invoke(main, arguments, env=given)


def test_backup_check_and_push_know_the_store(bucket: str, tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    phone = world.phone("4915550001001")
    stored = put(world.media, picture(), world.org.no)
    note_picture(world, phone.jid, stored)
    world.close()
    shell = Shell(tmp_path / "data")
    shown = with_media(shell, "media", "push").stdout
    assert shown == f"Uploaded 1 file to {BUCKET}; 0 were already there.\n"
    (tmp_path / "data" / "media").rename(tmp_path / "away")
    assert with_media(shell, "check", "--media").stdout == "The archive is whole.\n"
    saved = with_media(shell, "backup", str(tmp_path / "backup")).stdout
    assert "1 media file" in saved
    assert (tmp_path / "backup" / "media" / "1" / stored.sha256[:2] / stored.sha256).read_bytes() == picture()
    media_in(tmp_path / "third").delete(world.org.no, stored.sha256)
    (tmp_path / "data" / "media").rename(tmp_path / "away again")
    assert "File of a message is missing in organisation 1" in with_media(shell, "check").stdout


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = with_media(Shell(tmp_path), "status", media="ftp://bucket")
    assert refused.exit_code == 2
    assert "s3://bucket/archive" in refused.stderr


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(BadField, match=r"pip install 'backscroll\[s3\]'"):
        media_in(tmp_path)
