"""The media store: whole files or none, one for each content, and no harm from hostile files."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from backscroll.core.errors import BadField, NotFound, StorageFull
from backscroll.storage.files.media import LEFTOVER_SECONDS, MediaStore, StoredFile
from backscroll.storage.files.media_types import EXTENSIONS, MIMETYPES, extension_of

KEY = bytes(range(32))
MB = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media", KEY)


def put(store: MediaStore, body: bytes, mimetype: str | None = None, filename: str | None = None) -> StoredFile:
    return store.put(1, body, max_bytes=64 * MB, declared_mimetype=mimetype, filename=filename)


def picture(
    size: tuple[int, int] = (640, 480), format: str = "JPEG", mode: str = "RGB", orientation: int | None = None
) -> bytes:
    body, exif = io.BytesIO(), Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.new(mode, size, "teal").save(body, format, exif=exif)
    return body.getvalue()


def atom(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def movie(brand: bytes, seconds: float) -> bytes:
    header = struct.pack(">IIIII", 0, 0, 0, 1000, int(seconds * 1000)) + bytes(80)
    return atom(b"ftyp", brand + bytes(4) + brand) + atom(b"moov", atom(b"mvhd", header)) + atom(b"mdat", bytes(64))


def ogg_page(granule: int, number: int, body: bytes, kind: int = 0) -> bytes:
    return struct.pack("<4sBBqIIIBB", b"OggS", 0, kind, granule, 1, number, 0, 1, len(body)) + body


def voice(seconds: int) -> bytes:
    head = struct.pack("<8sBBHIHB", b"OpusHead", 1, 1, 0, 48000, 0, 0)
    tags = struct.pack("<8sI4sI", b"OpusTags", 4, b"test", 0)
    return ogg_page(0, 0, head, 2) + ogg_page(0, 1, tags) + ogg_page(48000 * seconds, 2, bytes(100), 4)


def song(seconds: float) -> bytes:
    return (b"\xff\xfb\x90\x00" + bytes(413)) * round(seconds * 44100 / 1152)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), name) + body + struct.pack(">I", zlib.crc32(name + body))


def bomb(side: int) -> bytes:
    """A few hundred bytes that declare a picture of ``side`` by ``side`` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(9999))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def everything_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_kept_under_the_hash_of_its_bytes(store: MediaStore) -> None:
    stored = put(store, b"hello", "text/plain")
    assert stored == StoredFile(sha256=hashlib.sha256(b"hello").hexdigest(), size=5, mimetype="text/plain")
    assert everything_under(store.root) == [f"1/{stored.sha256[:2]}/{stored.sha256}"]
    with store.open(1, stored.sha256) as file:
        assert file.read() == b"hello"
    assert (store.exists(1, stored.sha256), store.size(1, stored.sha256)) == (True, 5)
    assert store.verify(1, stored.sha256)


@pytest.mark.parametrize(
    "source",
    [b"x" * 3 * MB, io.BytesIO(b"x" * 3 * MB), [b"x" * MB, b"", b"x" * 2 * MB], (b"x" * 1024 for _ in range(3 * 1024))],
    ids=["bytes", "file", "list", "generator"],
)
def test_bytes_files_and_pieces_come_to_the_same(store: MediaStore, source: bytes | io.BytesIO) -> None:
    stored = store.put(1, source, max_bytes=3 * MB, declared_mimetype=None, filename=None)
    assert stored.sha256 == hashlib.sha256(b"x" * 3 * MB).hexdigest()
    assert store.verify(1, stored.sha256)


def test_the_same_bytes_twice_are_one_file_and_an_empty_file_is_a_file(store: MediaStore) -> None:
    assert put(store, b"again") == put(store, b"again")
    put(store, b"")
    assert len(everything_under(store.root)) == 2


def test_one_org_does_not_see_the_files_of_another(store: MediaStore) -> None:
    stored = put(store, b"secret")
    assert not store.exists(2, stored.sha256)
    with pytest.raises(NotFound):
        store.open(2, stored.sha256)
    store.put(2, b"secret", max_bytes=100, declared_mimetype=None, filename=None)
    assert list(store.orgs()) == [1, 2]
    assert store.delete(2, stored.sha256)
    assert store.exists(1, stored.sha256)


def test_a_file_above_the_limit_is_refused_and_leaves_nothing(store: MediaStore) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1000)

    with pytest.raises(BadField, match="at most 5000 bytes"):
        store.put(1, endless(), max_bytes=5000, declared_mimetype=None, filename=None)
    assert everything_under(store.root) == []


def test_a_source_that_fails_half_way_is_heard_and_leaves_nothing(store: MediaStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        store.put(1, broken(), max_bytes=5000, declared_mimetype=None, filename=None)
    assert everything_under(store.root) == []


def test_a_disk_without_space_is_told_leaves_nothing_and_is_well_again_afterwards(store: MediaStore) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(StorageFull, match="free some space"):
            put(store, bytes(MB))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert everything_under(store.root) == []
    assert put(store, bytes(MB)).size == MB


def test_a_crash_leaves_at_most_a_temporary_file_that_is_swept_after_a_day(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from backscroll.storage.files.media import MediaStore

def dying():
    yield b"half a file"
    os.kill(os.getpid(), signal.SIGKILL)

store = MediaStore(Path(sys.argv[1]), bytes(32))
store.put(1, b"whole", max_bytes=100, declared_mimetype=None, filename=None)
store.put(1, dying(), max_bytes=100, declared_mimetype=None, filename=None)
"""
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL

    store = MediaStore(tmp_path, KEY)
    assert list(store.files(1)) == [hashlib.sha256(b"whole").hexdigest()]
    (leftover,) = (tmp_path / ".incoming").iterdir()

    old = time.time() - LEFTOVER_SECONDS - 60
    os.utime(leftover, (old, old))
    MediaStore(tmp_path, KEY)
    assert not leftover.exists()


def test_eight_threads_with_the_same_content_make_one_whole_file(store: MediaStore) -> None:
    body, start, stored = os.urandom(2 * MB), threading.Barrier(8), list[StoredFile]()

    def send() -> None:
        start.wait()
        stored.append(put(store, body))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored) == 8
    assert len(set(stored)) == 1
    assert everything_under(store.root) == [f"1/{stored[0].sha256[:2]}/{stored[0].sha256}"]
    assert store.verify(1, stored[0].sha256)


def test_a_damaged_file_is_found(store: MediaStore) -> None:
    stored = put(store, b"as it was")
    store.path(1, stored.sha256).write_bytes(b"as it wos")
    assert not store.verify(1, stored.sha256)


def test_a_deleted_file_takes_its_thumbnail_with_it(store: MediaStore) -> None:
    stored = put(store, picture(), "image/jpeg")
    store.thumbnail(1, stored.sha256)
    assert store.delete(1, stored.sha256)
    assert everything_under(store.root) == []
    assert not store.delete(1, stored.sha256)
    assert store.thumbnail(1, stored.sha256) is None


@pytest.mark.parametrize("name", ["../../../etc/passwd", "", "A" * 64, "a" * 63, "a" * 64 + "\n", "a" * 32 + "/" * 32])
def test_what_is_no_hash_names_no_file(store: MediaStore, name: str) -> None:
    assert not store.exists(1, name)
    for ask in (store.path, store.open, store.size, store.verify, store.delete, store.thumbnail):
        with pytest.raises(NotFound):
            ask(1, name)


@pytest.mark.parametrize(
    ("body", "declared", "filename", "mimetype"),
    [
        (picture(), "image/jpeg", None, "image/jpeg"),
        (picture(), "Image/JPG; q=1", None, "image/jpeg"),
        (picture(), None, None, "image/jpeg"),
        (picture(), "image/png", "a.png", "image/jpeg"),
        (picture(format="WEBP"), "image/webp", None, "image/webp"),
        (b"<html><script>alert(1)</script>", "image/jpeg", "evil.jpg", "application/octet-stream"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", None, "application/octet-stream"),
        (b"<html>", "application/pdf", None, "application/octet-stream"),
        (b"%PDF-1.7\n", "application/pdf", None, "application/pdf"),
        (b"hello", "text/plain", None, "text/plain"),
        (picture(), "text/plain", None, "image/jpeg"),
        (b"BEGIN:VCARD", None, "Ann.VCF", "text/vcard"),
        (b"PK\x03\x04" + bytes(60), "application/vnd.android.package-archive", None, MIMETYPES["apk"]),
        (movie(b"isom", 1), "audio/mp4", None, "audio/mp4"),
        (movie(b"3gp4", 1), "video/3gpp", None, "video/3gpp"),
        (voice(1), "audio/ogg; codecs=opus", None, "audio/ogg"),
        (b"what is this", None, None, "application/octet-stream"),
        (b"what is this", "not a type", None, "application/octet-stream"),
        (b"", "image/jpeg", None, "application/octet-stream"),
    ],
)
def test_the_declared_type_is_believed_unless_the_bytes_contradict_it(
    store: MediaStore, body: bytes, declared: str | None, filename: str | None, mimetype: str
) -> None:
    assert put(store, body, declared, filename).mimetype == mimetype


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_picture_tells_its_size(store: MediaStore, format: str) -> None:
    stored = put(store, picture((64, 48), format), f"image/{format.lower()}")
    assert (stored.width, stored.height, stored.duration) == (64, 48, None)


@pytest.mark.parametrize(
    ("body", "mimetype", "seconds"),
    [
        (movie(b"isom", 2.5), "video/mp4", 2.5),
        (movie(b"3gp4", 3), "video/3gpp", 3),
        (movie(b"M4A ", 4), "audio/mp4", 4),
        (voice(7), "audio/ogg", 7),
        (song(5), "audio/mpeg", 5),
    ],
)
def test_sound_and_video_tell_how_long_they_are(store: MediaStore, body: bytes, mimetype: str, seconds: float) -> None:
    stored = put(store, body, mimetype)
    assert stored.mimetype == mimetype
    assert stored.duration == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize(
    ("body", "mimetype"),
    [
        (bomb(60_000), "image/png"),
        (bomb(10_000), "image/png"),
        (picture()[:600], "image/jpeg"),
        (picture(format="PNG")[:40], "image/png"),
        (picture(format="GIF")[:11], "image/gif"),
        (picture(format="WEBP")[:30], "image/webp"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"teXt", b"") * 100_000, "image/png"),
        (atom(b"ftyp", b"isom" + bytes(8)) + atom(b"free", b"") * 500_000, "video/mp4"),
        (b"\xff\xd8\xff" + bytes(100), "image/jpeg"),
        (b"OggS" + bytes(20), "audio/ogg"),
    ],
    ids=["huge", "large", "cut jpeg", "cut png", "cut gif", "cut webp", "many chunks", "many atoms", "junk", "cut ogg"],
)
def test_a_hostile_file_is_kept_as_bytes_quickly_and_has_no_thumbnail(
    store: MediaStore, body: bytes, mimetype: str
) -> None:
    started = time.process_time()
    stored = put(store, body, mimetype)
    assert store.verify(1, stored.sha256)
    assert stored.duration is None
    assert store.thumbnail(1, stored.sha256) is None
    assert time.process_time() - started < 5


def test_a_thumbnail_is_at_most_320_pixels_a_side_and_made_once(store: MediaStore) -> None:
    stored = put(store, picture((4000, 1000)), "image/jpeg")
    path = store.thumbnail(1, stored.sha256)
    assert path is not None
    assert path.suffix == ".jpg"
    with Image.open(path) as small:
        assert (small.format, small.size) == ("JPEG", (320, 80))
    made = path.stat().st_mtime_ns
    assert store.thumbnail(1, stored.sha256) == path
    assert path.stat().st_mtime_ns == made
    assert list(store.files(1)) == [stored.sha256]


@pytest.mark.parametrize("size", [(4000, 2000), (300, 150)], ids=["shrunk", "small already"])
def test_a_photo_taken_sideways_stands_upright(store: MediaStore, size: tuple[int, int]) -> None:
    stored = put(store, picture(size, orientation=6), "image/jpeg")
    assert (stored.width, stored.height) == (size[1], size[0])
    path = store.thumbnail(1, stored.sha256)
    assert path is not None
    with Image.open(path) as small:
        assert small.height == 2 * small.width
        assert small.getexif() == {}


def test_what_is_painted_is_what_the_thumbnail_shows(store: MediaStore) -> None:
    image = Image.new("RGB", (3000, 2000), "red")
    image.paste((0, 0, 255), (1500, 0, 3000, 2000))
    body = io.BytesIO()
    image.save(body, "JPEG")
    path = store.thumbnail(1, put(store, body.getvalue(), "image/jpeg").sha256)
    assert path is not None
    with Image.open(path) as small:
        left, right = small.getpixel((80, 100)), small.getpixel((240, 100))
    assert left == pytest.approx((254, 0, 0), abs=5)
    assert right == pytest.approx((0, 0, 254), abs=5)


@pytest.mark.parametrize(("colour", "format"), [((0, 128, 0, 100), "PNG"), ((0, 128, 0, 255), "JPEG")])
def test_only_a_see_through_picture_becomes_a_png(
    store: MediaStore, colour: tuple[int, int, int, int], format: str
) -> None:
    body = io.BytesIO()
    Image.new("RGBA", (512, 512), colour).save(body, "WEBP", lossless=True)
    path = store.thumbnail(1, put(store, body.getvalue(), "image/webp").sha256)
    assert path is not None
    with Image.open(path) as small:
        assert (small.format, small.size) == (format, (320, 320))


def test_the_first_frame_of_an_animation_is_its_thumbnail(store: MediaStore) -> None:
    body = io.BytesIO()
    Image.new("P", (400, 400)).save(
        body, "GIF", save_all=True, append_images=[Image.new("RGB", (400, 400), "white")], duration=100
    )
    path = store.thumbnail(1, put(store, body.getvalue(), "image/gif").sha256)
    assert path is not None
    with Image.open(path) as small:
        assert small.size == (320, 320)
        assert small.getpixel((5, 5)) == (0, 0, 0)


def test_every_type_has_one_ending_and_every_ending_one_type() -> None:
    assert len(EXTENSIONS) == len(MIMETYPES)
    assert extension_of("audio/ogg; codecs=opus", None) == "ogg"
    assert extension_of(None, "IMG_0001.JPEG") == "jpg"
    assert extension_of("text/html", "page.html") == "bin"
    assert extension_of(None, None) == "bin"


def alter_org(org: int, sha256: str, extension: str, filename: str | None) -> tuple[int, str, str, str | None]:
    return org + 1, sha256, extension, filename


def alter_hash(org: int, sha256: str, extension: str, filename: str | None) -> tuple[int, str, str, str | None]:
    return org, sha256[::-1], extension, filename


def alter_extension(org: int, sha256: str, extension: str, filename: str | None) -> tuple[int, str, str, str | None]:
    return org, sha256, "thumbnail", filename


def alter_filename(org: int, sha256: str, extension: str, filename: str | None) -> tuple[int, str, str, str | None]:
    return org, sha256, extension, None


@pytest.mark.parametrize("alter", [alter_org, alter_hash, alter_extension, alter_filename])
def test_a_signature_holds_for_one_org_file_ending_and_name_only(
    store: MediaStore,
    alter: Callable[[int, str, str, str | None], tuple[int, str, str, str | None]],
) -> None:
    sha256 = hashlib.sha256(b"cat").hexdigest()
    link = store.sign(7, sha256, filename="cat.jpg", mimetype="image/jpeg")
    path, _, signature = link.partition("?filename=cat.jpg&s=")
    assert path == f"/media/7/{sha256}.jpg"
    assert store.check_signature(7, sha256, "jpg", "cat.jpg", signature)
    assert not store.check_signature(*alter(7, sha256, "jpg", "cat.jpg"), signature)
    for wrong in ("", signature[:-1], signature + "A", "é"):
        assert not store.check_signature(7, sha256, "jpg", "cat.jpg", wrong)


def test_links_stay_the_same_until_the_key_is_another(store: MediaStore, tmp_path: Path) -> None:
    sha256 = "ab" * 32
    assert store.sign(1, sha256) == MediaStore(tmp_path / "elsewhere", KEY).sign(1, sha256)
    assert store.sign(1, sha256) != MediaStore(tmp_path / "elsewhere", bytes(32)).sign(1, sha256)
