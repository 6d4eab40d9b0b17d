"""Containers of exports: what is found in them, and what is refused."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.export.archive import Caps, open_export
from backscroll.ingest.connectors.export.chat import parse
from backscroll.ingest.connectors.export.titles import title_of

CHAT = b"31/12/2025, 14:05 - Mara: IMG-20251231-WA0001.jpg (file attached)\n31/12/2025, 14:06 - Shop: thanks\n"
NAME = "WhatsApp Chat with Mara.txt"
PICTURE = b"\xff\xd8\xff\xe0 not much of a picture"
SMALL = Caps(entries=20, text=100_000, file=200_000, total=400_000, ratio=50)


def zipped(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def with_chat(*entries: tuple[str | zipfile.ZipInfo, bytes], **options: int) -> Callable[[Path], Path]:
    return lambda path: zipped(path, (NAME, CHAT), *entries, **options)


def linked(target: bytes) -> Callable[[Path], Path]:
    info = zipfile.ZipInfo("IMG-20251231-WA0001.jpg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return with_chat((info, target))


def special(kind: int) -> Callable[[Path], Path]:
    info = zipfile.ZipInfo("device")
    info.external_attr = (kind | 0o600) << 16
    return with_chat((info, b""))


def altered(change: Callable[[bytearray], None], *entries: tuple[str, bytes]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        data = bytearray(zipped(path, (NAME, CHAT), *entries).read_bytes())
        change(data)
        path.write_bytes(data)
        return path

    return make


def set_flag(bit: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        central = data.index(b"PK\x01\x02")
        data[6:8] = struct.pack("<H", struct.unpack("<H", data[6:8])[0] | bit)
        data[central + 8 : central + 10] = struct.pack(
            "<H", struct.unpack("<H", data[central + 8 : central + 10])[0] | bit
        )

    return change


def set_method(number: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        central = data.index(b"PK\x01\x02")
        data[8:10] = data[central + 10 : central + 12] = struct.pack("<H", number)

    return change


def swap(old: bytes, new: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[:] = data.replace(old, new)

    return change


def cut(data: bytearray) -> None:
    del data[len(data) // 2 :]


def lose_first_head(data: bytearray) -> None:
    data[0:4] = b"XXXX"


def spoil_first_bytes(data: bytearray) -> None:
    start = 30 + len(NAME)
    data[start : start + 8] = b"\xff" * 8


def claim_many_entries(data: bytearray) -> None:
    end = data.rindex(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 60_000, 60_000)


def claim_long_directory(data: bytearray) -> None:
    end = data.rindex(b"PK\x05\x06")
    data[end + 12 : end + 16] = struct.pack("<L", 0x7FFFFFFF)


def point_nowhere_as_zip64(data: bytearray) -> None:
    end = data.rindex(b"PK\x05\x06")
    data[end + 8 : end + 16] = b"\xff" * 8


def overlapping(path: Path) -> Path:
    """A ZIP with two directory entries that share one body."""
    data = bytearray(zipped(path, (NAME, CHAT), ("a.jpg", b"x" * 50_000)).read_bytes())
    second = data.index(b"PK\x03\x04", 4)
    central = data.index(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entry = bytearray(data[data.index(b"PK\x01\x02", central + 4) : end])
    twin = bytearray(entry.replace(b"a.jpg", b"b.jpg"))
    twin[42:46] = struct.pack("<L", second)
    tail = bytearray(data[end:])
    count = struct.unpack("<H", tail[8:10])[0] + 1
    tail[8:12] = struct.pack("<HH", count, count)
    tail[12:16] = struct.pack("<L", end - central + len(twin))
    path.write_bytes(bytes(data[:end] + twin + tail))
    return path


def nested_in_a_body(path: Path) -> Path:
    """A ZIP with an entry whose body overlaps the next entry's header."""
    data = bytearray(zipped(path, (NAME, CHAT), ("a.jpg", b"abc"), method=zipfile.ZIP_STORED).read_bytes())
    central = data.index(b"PK\x01\x02")
    size = struct.unpack("<L", data[central + 20 : central + 24])[0] + 40
    data[central + 20 : central + 24] = data[central + 24 : central + 28] = struct.pack("<L", size)
    path.write_bytes(data)
    return path


def lying_about_size(path: Path) -> Path:
    """A ZIP with an entry that declares a small size and unpacks to a large one."""
    data = bytearray(zipped(path, ("_chat.txt", CHAT * 3000)).read_bytes())
    central = data.index(b"PK\x01\x02")
    for at in (22, central + 24):
        data[at : at + 4] = struct.pack("<L", 200)
    path.write_bytes(data)
    return path


def twice(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(path, (NAME, CHAT), ("a.jpg", b"1"), ("a.jpg", b"2"))


def not_a_zip(path: Path) -> Path:
    path.write_bytes(b"PK\x03\x04" + os.urandom(200))
    return path


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "a name that climbs": with_chat(("../evil.jpg", b"x")),
    "a name that climbs in the middle": with_chat(("a/../../evil.jpg", b"x")),
    "a name from the root": with_chat(("/etc/cron.d/evil", b"x")),
    "a name with a drive": with_chat(("C:evil.jpg", b"x")),
    "a name with a drive and a stroke": with_chat(("C:/evil.jpg", b"x")),
    "a name with backslashes": with_chat(("..\\evil.jpg", b"x")),
    "a name of another machine": with_chat(("\\\\host\\share\\evil.jpg", b"x")),
    "a name with a dot folder": with_chat(("./evil.jpg", b"x")),
    "a name with an empty folder": with_chat(("a//evil.jpg", b"x")),
    "a name with NUL": altered(swap(b"a.jpg_evil", b"a.jpg\0evil"), ("a.jpg_evil", b"x")),
    "a name with a line break": with_chat(("a\nb.jpg", b"x")),
    "a name that is too long": with_chat(("a" * 2000, b"x")),
    "a link": linked(b"/etc/passwd"),
    "a link that climbs": linked(b"../../secret"),
    "a pipe": special(stat.S_IFIFO),
    "a device": special(stat.S_IFCHR),
    "an encrypted entry": altered(set_flag(0x1)),
    "a strongly encrypted entry": altered(set_flag(0x41)),
    "an encrypted directory": altered(set_flag(0x2001)),
    "bzip2": with_chat(("a.jpg", b"x" * 100), method=zipfile.ZIP_BZIP2),
    "lzma": with_chat(("a.jpg", b"x" * 100), method=zipfile.ZIP_LZMA),
    "an unheard-of method": altered(set_method(99)),
    "two entries with one body": overlapping,
    "a body over the next head": nested_in_a_body,
    "two files with one name": twice,
    "two files but for case": with_chat(("a.jpg", b"1"), ("A.JPG", b"2")),
    "two files but for composition": with_chat(("Gr\u00fc\u00dfe.jpg", b"1"), ("Gru\u0308\u00dfe.jpg", b"2")),
    "too many files": with_chat(*((f"{n}.jpg", b"x") for n in range(30))),
    "a false count of files": altered(claim_many_entries),
    "a directory longer than the file": altered(claim_long_directory),
    "a long directory that is nowhere": altered(point_nowhere_as_zip64),
    "files too large in all": with_chat(*((f"{n}.mp4", os.urandom(150_000)) for n in range(3))),
    "a chat that is too large": lambda path: zipped(path, (NAME, CHAT * 1500)),
    "a chat that lies about its size": lying_about_size,
    "half a zip": altered(cut),
    "an entry without a head": altered(lose_first_head),
    "spoilt data": altered(spoil_first_bytes),
    "no zip at all": not_a_zip,
    "an empty zip": lambda path: zipped(path),
    "no chat": lambda path: zipped(path, ("notes.txt", b"just notes\n"), ("a.jpg", b"x")),
    "two chats": with_chat(("WhatsApp Chat with Ben.txt", CHAT)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_zip_is_refused_with_a_reason(case: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as caught:
        open_export(HOSTILE[case](tmp_path / "export.zip"), SMALL)
    assert caught.value.problem


@pytest.mark.parametrize(
    ("body", "caps", "problem"),
    [
        (b"\0" * 20_000_000, Caps(ratio=100), "far more"),
        (os.urandom(250_000), SMALL, "larger than allowed"),
    ],
    ids=["packed too well", "too large"],
)
def test_an_attachment_that_claims_too_much_costs_itself_alone(
    tmp_path: Path, body: bytes, caps: Caps, problem: str
) -> None:
    path = zipped(tmp_path / "bomb.zip", (NAME, CHAT), ("a.bin", body), ("b.jpg", b"a picture"))
    archive = open_export(path, caps)
    assert archive.text == CHAT
    with pytest.raises(Unreadable, match=problem):
        archive.attachments["a.bin"]()
    with archive.attachments["b.jpg"]() as file:
        assert file.read() == b"a picture"


def test_a_chat_that_is_packed_too_well_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", (NAME, CHAT + b"\0" * 20_000_000))
    with pytest.raises(Unreadable, match="far more"):
        open_export(path, Caps(ratio=100))


def test_an_attachment_that_lies_about_its_size_stops_while_it_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "export.zip", (NAME, CHAT), ("a.bin", b"\0" * 100_000))
    data = bytearray(path.read_bytes())
    central = data.index(b"a.bin", data.index(b"PK\x01\x02")) - 46
    data[central + 24 : central + 28] = struct.pack("<L", 10)
    path.write_bytes(data)
    opener = open_export(path).attachments["a.bin"]
    with pytest.raises(Unreadable), opener() as file:
        file.read()


def test_damage_in_an_attachment_shows_when_it_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "export.zip", (NAME, CHAT), ("a.bin", b"0123456789"), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780"))
    opener = open_export(path).attachments["a.bin"]
    with pytest.raises(Unreadable, match="damaged"), opener() as file:
        file.read()


def as_text(folder: Path) -> Path:
    path = folder / NAME
    path.write_bytes(CHAT)
    return path


def as_zip(folder: Path) -> Path:
    return zipped(folder / "anything.zip", (NAME, CHAT), ("IMG-20251231-WA0001.jpg", PICTURE))


def as_zip_of_a_folder(folder: Path) -> Path:
    inside = ((f"chat/{NAME}", CHAT), ("chat/IMG-20251231-WA0001.jpg", PICTURE), ("__MACOSX/chat/._x", b"\0"))
    return zipped(folder / "again.zip", *inside)


def as_folder(folder: Path) -> Path:
    inside = folder / "unpacked"
    inside.mkdir()
    (inside / NAME).write_bytes(CHAT)
    (inside / "IMG-20251231-WA0001.jpg").write_bytes(PICTURE)
    (inside / ".DS_Store").write_bytes(b"\0")
    return inside


@pytest.mark.parametrize("form", [as_text, as_zip, as_zip_of_a_folder, as_folder])
def test_text_zip_and_folder_give_the_same_chat(form: Callable[[Path], Path], tmp_path: Path) -> None:
    export = open_export(form(tmp_path))
    assert export.text == CHAT
    assert export.title == "Mara"
    assert list(parse(export.text, timezone=UTC).lines) == list(parse(CHAT, timezone=UTC).lines)


@pytest.mark.parametrize("form", [as_zip, as_zip_of_a_folder, as_folder])
def test_an_attachment_can_be_read_more_than_once(form: Callable[[Path], Path], tmp_path: Path) -> None:
    export = open_export(form(tmp_path))
    line = parse(export.text, timezone=UTC, names=export.attachments).lines[0]
    assert line.attachment is not None
    for _ in range(2):
        with export.attachments[line.attachment]() as file:
            assert file.read() == PICTURE


def test_an_iphone_zip_takes_its_title_from_the_zip(tmp_path: Path) -> None:
    export = open_export(zipped(tmp_path / "WhatsApp Chat - Mara Lind.zip", ("_chat.txt", CHAT), ("notes.txt", b"x")))
    assert export.title == "Mara Lind"
    assert set(export.attachments) == {"notes.txt"}


def test_a_document_that_is_a_text_is_not_taken_for_the_chat(tmp_path: Path) -> None:
    export = open_export(zipped(tmp_path / "x.zip", ("chat.txt", CHAT), ("recipe.txt", b"flour\nwater\n")))
    assert export.text == CHAT


def test_names_written_without_the_flag_for_unicode_are_read_as_such(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", (NAME, CHAT), ("Gr__e.jpg", b"x"))
    data = path.read_bytes().replace(b"Gr__e.jpg", "Gr\u00fce.jpg".encode())
    path.write_bytes(data)
    assert "Gr\u00fce.jpg" in open_export(path).attachments


def test_an_attachment_is_found_however_its_accents_are_spelt(tmp_path: Path) -> None:
    text = "31/12/2025, 14:05 - Mara: Gru\u0308n.pdf (file attached)\n".encode()
    export = open_export(zipped(tmp_path / "x.zip", (NAME, text), ("Gr\u00fcn.pdf", b"x")))
    assert parse(export.text, timezone=UTC, names=export.attachments).lines[0].attachment == "Gr\u00fcn.pdf"


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    (folder / "a.jpg").symlink_to("/etc/passwd")
    with pytest.raises(Unreadable, match="links"):
        open_export(folder)


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = as_folder(tmp_path)
    opener = open_export(folder).attachments["IMG-20251231-WA0001.jpg"]
    (folder / "IMG-20251231-WA0001.jpg").unlink()
    (folder / "IMG-20251231-WA0001.jpg").symlink_to("/etc/passwd")
    with pytest.raises(Unreadable):
        opener()


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        open_export(tmp_path / "gone.txt")


def test_a_zip_that_is_long_by_its_own_record_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open(NAME, "w", force_zip64=True) as file:
        file.write(CHAT)
    path = tmp_path / "long.zip"
    path.write_bytes(buffer.getvalue())
    assert open_export(path).text == CHAT
    assert zlib.crc32(open_export(path).text) == zlib.crc32(CHAT)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("WhatsApp Chat with Mara Lind.txt", "Mara Lind"),
        ("WhatsApp Chat with +49 1555 0001003.txt", "+49 1555 0001003"),
        ("WhatsApp Chat - Allotment 2026.zip", "Allotment 2026"),
        ("WhatsApp-Chat mit J\u00f6rg.txt", "J\u00f6rg"),
        ("WhatsApp Chat mit Jo\u0308rg.zip", "J\u00f6rg"),
        ("Chat de WhatsApp con Luc\u00eda.txt", "Luc\u00eda"),
        ("Conversa do WhatsApp com Jo\u00e3o.txt", "Jo\u00e3o"),
        ("Discussion WhatsApp avec Zo\u00e9.txt", "Zo\u00e9"),
        ("Chat WhatsApp con Giulia.txt", "Giulia"),
        ("WhatsApp-chat met Sanne.txt", "Sanne"),
        ("Chat WhatsApp dengan Budi.txt", "Budi"),
        ("Чат WhatsApp с контактом Оля.txt", "Оля"),
        ("Czat WhatsApp z Kasia.txt", "Kasia"),
        ("Elif ile WhatsApp Sohbeti.txt", "Elif"),
        ("与小明的 WhatsApp 聊天.txt", "小明"),
        ("_chat.txt", None),
        ("notes.txt", None),
    ],
)
def test_the_title_is_in_the_name_of_the_file(name: str, title: str | None) -> None:
    assert title_of(name) == title


@pytest.mark.parametrize(
    ("names", "found"),
    [(("Ana/_chat.txt", "Bob/_chat.txt"), "2 exported chats"), (("Ana.zip", "Bob.zip"), "2 zips")],
)
def test_a_zip_of_several_chats_says_what_to_do(names: tuple[str, ...], found: str, tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "13/01/2026, 09:00 - Ana: hi\n")
    with pytest.raises(Unreadable, match=f"{found}; unpack it and import the folder"):
        open_export(path)
