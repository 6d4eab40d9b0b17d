"""Keys and files of encrypted iPhone backups; the fixtures were also read by iphone_backup_decrypt 0.11."""

from __future__ import annotations

import io
import plistlib
import sqlite3
from pathlib import Path

import pytest
from iphone_files import PASSWORD, sealed_backup

from backscroll.core.errors import BadField, Unreadable
from backscroll.ingest.connectors.ios.encryption import Keys, decrypt, unlock


@pytest.fixture
def plist(tmp_path: Path) -> bytes:
    return (sealed_backup(tmp_path / "phone", {"ChatStorage.sqlite": b"x"}) / "Manifest.plist").read_bytes()


def with_bag(plist: bytes, old: bytes, new: bytes) -> bytes:
    told = plistlib.loads(plist)
    assert old in told["BackupKeyBag"]
    return plistlib.dumps(told | {"BackupKeyBag": told["BackupKeyBag"].replace(old, new)})


def test_the_password_opens_the_keys(plist: bytes) -> None:
    keys = unlock(plist, PASSWORD)
    assert (list(keys.classes), len(keys.manifest)) == ([3], 32)
    with pytest.raises(BadField, match="password: does not open this backup"):
        unlock(plist, "Correct horse")


def test_what_is_no_list_of_keys_is_refused(plist: bytes) -> None:
    for other in (
        b"",
        b"bplist00" + bytes(50),
        plist[:200],
        b"<plist><dict>",
        b"<!DOCTYPE x [<!ENTITY a 'a'>]><x>&a;</x>",
    ):
        with pytest.raises(Unreadable, match=r"Manifest\.plist is damaged"):
            unlock(other, PASSWORD)
    for told in ({}, {"BackupKeyBag": b"", "ManifestKey": b""}, {"BackupKeyBag": 3, "ManifestKey": "x"}, [1]):
        with pytest.raises(Unreadable, match="has no keys in it"):
            unlock(plistlib.dumps(told), PASSWORD)


@pytest.mark.parametrize("rounds", [0, 20_000_001, 0xFFFFFFFF])
def test_nobody_is_kept_busy_by_rounds(plist: bytes, rounds: int) -> None:
    hostile = with_bag(
        plist, b"DPIC\x00\x00\x00\x04" + (10).to_bytes(4, "big"), b"DPIC\x00\x00\x00\x04" + rounds.to_bytes(4, "big")
    )
    with pytest.raises(Unreadable, match="has no keys in it"):
        unlock(hostile, PASSWORD)


def test_an_entry_that_is_none_has_no_key() -> None:
    keys = Keys({3: bytes(32)}, bytes(32))
    root = {"ProtectionClass": 3, "EncryptionKey": plistlib.UID(2)}
    archive = {"$objects": ["$null", root, {"NS.data": bytes(44)}], "$top": {"root": plistlib.UID(1)}}
    folder = {"$objects": ["$null", {"ProtectionClass": 0}], "$top": {"root": plistlib.UID(1)}}
    for entry in (None, "text", b"", b"bplist00", bytes(200_000), plistlib.dumps({}), plistlib.dumps([])):
        assert keys.of_file(entry) is None
    for told in (archive, folder, archive | {"$top": {"root": plistlib.UID(9)}}):
        assert keys.of_file(plistlib.dumps(told, fmt=plistlib.FMT_BINARY)) is None


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_files_are_decrypted_piece_by_piece(tmp_path: Path, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    phone = sealed_backup(tmp_path / "phone", {"one": content})
    keys = unlock((phone / "Manifest.plist").read_bytes(), PASSWORD)
    pieces: list[bytes] = []
    with (phone / "Manifest.db").open("rb") as source:
        decrypt(source, keys.manifest, pieces.append)
    listed = b"".join(pieces)
    assert listed.startswith(b"SQLite format 3\0")
    (tmp_path / "list.db").write_bytes(listed)
    db = sqlite3.connect(tmp_path / "list.db")
    ((hashed, entry),) = db.execute("SELECT fileID, file FROM Files").fetchall()
    db.close()
    key = keys.of_file(entry)
    assert key is not None
    pieces.clear()
    with (phone / hashed[:2] / hashed).open("rb") as source:
        decrypt(source, key, pieces.append)
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 1 << 20
    with pytest.raises(Unreadable, match="cut off"):
        decrypt(io.BytesIO(bytes(33)), key, lambda piece: None)
