"""Encrypted backups of Android phones: opened only with the right key, and refused if one of their bytes is wrong."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from android_files import ROOT_KEY, Msgstore, Scheme, encrypted, key_file, root_key_file

from backscroll.core.errors import BadField, Unreadable
from backscroll.ingest.connectors.msgstore.encryption import Key, decrypt, header_of, is_encrypted, read_key

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
BOB = "4915550001002@s.whatsapp.net"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = Msgstore(tmp_path_factory.mktemp("android") / "msgstore.db")
    for number in range(3000):
        file.message(BOB, f"M{number}", 1_700_000_000 + number, f"line {number} {'x' * (number % 40)}")
    return file.done().read_bytes()


def key_of(scheme: Scheme, folder: Path) -> Key:
    return Key(ROOT_KEY) if scheme == "crypt15" else read_key(str(key_file(folder / "key")))


def opened(path: Path, key: Key) -> bytes:
    plain = io.BytesIO()
    decrypt(path, key, plain.write)
    return plain.getvalue()


WHOLE_AND_PARTS = [*((scheme, False) for scheme in SCHEMES), ("crypt14", True), ("crypt15", True)]
"""Backups in several files exist since crypt14."""


@pytest.mark.parametrize(
    ("scheme", "part"),
    [("crypt12", False), ("crypt14", False), ("crypt14", True), ("crypt15", False), ("crypt15", True)],
)
def test_each_scheme_opens_to_the_very_bytes(tmp_path: Path, database: bytes, scheme: Scheme, part: bool) -> None:
    path = tmp_path / f"msgstore.db.{scheme}"
    path.write_bytes(encrypted(database, scheme, part=part))
    assert is_encrypted(path.read_bytes()[:512])
    assert opened(path, key_of(scheme, tmp_path)) == database


def test_the_header_tells_version_and_end_of_the_number(database: bytes) -> None:
    for scheme in ("crypt14", "crypt15"):
        header = header_of(encrypted(database[:4096], scheme, ending="67")[:512])
        assert header is not None
        assert (header.scheme, header.app_version, header.number_ends_in) == (scheme, "2.26.1.1", "67")


def test_the_key_is_taken_as_digits_and_as_either_file(tmp_path: Path) -> None:
    digits = ROOT_KEY.hex()
    grouped = " ".join(digits[at : at + 4] for at in range(0, 64, 4))
    (tmp_path / "digits.txt").write_text(grouped + "\n")
    names = (digits, digits.upper(), grouped, str(root_key_file(tmp_path / "root")), str(tmp_path / "digits.txt"))
    assert {read_key(given) for given in names} == {Key(ROOT_KEY)}
    assert read_key(str(key_file(tmp_path / "key"))).secret == ROOT_KEY
    assert not read_key(str(tmp_path / "key")).is_end_to_end


@pytest.mark.parametrize("given", ["", "12", "0" * 63, "g" * 64, "no/such/file", "nul\0", "/"])
def test_what_is_no_key_is_named_as_that(given: str) -> None:
    with pytest.raises(BadField, match=r"^key: .*give the 64 digits, or the path of the key file$"):
        read_key(given)


def test_a_file_that_is_no_key_is_named_as_that(tmp_path: Path) -> None:
    for content in (b"", b"\xff" * 131, b"x" * 5000, root_key_file(tmp_path / "root").read_bytes()[:-1]):
        (tmp_path / "key").write_bytes(content)
        with pytest.raises(BadField, match="not one of WhatsApp's key files"):
            read_key(str(tmp_path / "key"))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_wrong_key_is_told_before_the_file_is_read(tmp_path: Path, database: bytes, scheme: Scheme) -> None:
    path = tmp_path / "backup"
    path.write_bytes(encrypted(database, scheme, secret=bytes(32)))
    written: list[bytes] = []
    with pytest.raises((BadField, Unreadable), match="key"):
        decrypt(path, key_of(scheme, tmp_path), written.append)
    assert not written


def test_a_key_of_the_other_kind_says_which_one_is_needed(tmp_path: Path, database: bytes) -> None:
    path = tmp_path / "backup"
    path.write_bytes(encrypted(database, "crypt15"))
    with pytest.raises(BadField, match="this backup is end-to-end encrypted"):
        opened(path, key_of("crypt14", tmp_path))
    path.write_bytes(encrypted(database, "crypt14"))
    with pytest.raises(BadField, match="crypt14 needs the file"):
        opened(path, Key(ROOT_KEY))
    path.write_bytes(encrypted(database, "crypt14", salt=bytes(32)))
    with pytest.raises(BadField, match="of another number, or of another installation"):
        opened(path, key_of("crypt14", tmp_path))


CUTS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("without its end", lambda raw: raw[:-1]),
    ("without its footer", lambda raw: raw[:-40]),
    ("by half", lambda raw: raw[: len(raw) // 2]),
    ("to its header", lambda raw: raw[:300]),
    ("with a byte turned over in the middle", lambda raw: _flipped(raw, len(raw) // 2)),
    ("with a byte turned over near the end", lambda raw: _flipped(raw, len(raw) - 60)),
    ("with a byte of its tag turned over", lambda raw: _flipped(raw, len(raw) - 40)),
    ("with bytes behind it", lambda raw: raw + b"more"),
]


def _flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("cut", [cut for _, cut in CUTS], ids=[name for name, _ in CUTS])
def test_damage_is_never_taken_for_a_database(
    tmp_path: Path, database: bytes, scheme: Scheme, cut: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "backup"
    path.write_bytes(cut(encrypted(database, scheme)))
    with pytest.raises(Unreadable, match=r"^Android backup: backup: "):
        opened(path, key_of(scheme, tmp_path))


def test_other_files_are_no_backups(tmp_path: Path, database: bytes) -> None:
    assert not is_encrypted(database[:512])
    for content in (b"", b"\0", b"PK\3\4" + bytes(600), b"\x10" * 600, bytes(600), b"text " * 200):
        assert not is_encrypted(content[:512])
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(Unreadable, match="not a backup of WhatsApp on Android"):
            opened(tmp_path / "file", Key(ROOT_KEY))


def test_a_part_with_files_says_which_file_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_bytes(encrypted(b"PK\3\4" + bytes(1000), "crypt15", packed=False))
    with pytest.raises(Unreadable, match="this is a part of a backup, with files in it"):
        opened(path, Key(ROOT_KEY))
    path.write_bytes(encrypted(os.urandom(1000), "crypt15"))
    with pytest.raises(Unreadable, match="its content is not a database"):
        opened(path, Key(ROOT_KEY))


def test_a_bomb_is_refused_before_it_is_written(tmp_path: Path, database: bytes) -> None:
    """A database gives its size at its beginning, and nothing beyond that size is written."""
    path = tmp_path / "backup"
    path.write_bytes(encrypted(database + bytes(50 << 20), "crypt15"))
    assert opened(path, Key(ROOT_KEY)) == database

    def refuse(size: int) -> None:
        raise BadField("size", str(size), "is too much")

    written: list[bytes] = []
    with pytest.raises(BadField, match="too much"):
        decrypt(path, Key(ROOT_KEY), written.append, may_hold=refuse)
    assert not written
