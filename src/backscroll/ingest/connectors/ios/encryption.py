"""Encrypted backups of iPhones: the keys in Manifest.plist, opened with the password that Finder asked for.

The password gives a key (PBKDF2, ten million rounds) that opens those of the protection classes; each of these opens
the keys of files (RFC 3394, so that a wrong password is noticed). Files are AES-256 in CBC mode, without a tag: changes
in them are not noticed here, but only by SQLite or a hash.
"""

from __future__ import annotations

import hashlib
import plistlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from msgspec import Struct

from backscroll.core.errors import BadField, Unreadable

MAX_PLIST = 64 << 20
MAX_ENTRY = 100 << 10
"""Bytes of what the manifest says of one file."""
MAX_ROUNDS = 20_000_000
"""Apple takes ten million; more is a file that wants to keep us busy."""
MAX_OLD_ROUNDS = 1_000_000
_BLOCK = 16
_PIECE = 1 << 20
_WRAPPED = 40
_BY_PASSWORD = 2
_BROKEN = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)
"""What plistlib and a plist of another shape raise."""


class Keys(Struct, frozen=True):
    """The opened keys of a backup: by protection class, and that of the list of files."""

    classes: dict[int, bytes]
    manifest: bytes

    def of_file(self, entry: object) -> bytes | None:
        """The key of a file, by its entry in the list; None for what has none, such as a folder."""
        if not isinstance(entry, bytes) or len(entry) > MAX_ENTRY:
            return None
        try:
            objects, root = _archived(entry)
            if "EncryptionKey" not in root:
                return None
            wrapped = objects[root["EncryptionKey"].data]["NS.data"]
            return _unwrapped(self.classes[int(root["ProtectionClass"])], bytes(wrapped)[4:])
        except (*_BROKEN, InvalidUnwrap):
            return None


def unlock(plist: bytes, password: str) -> Keys:
    """Open the keys in ``Manifest.plist``.

    ``BadField`` for a wrong password, ``Unreadable`` for a file of another shape.
    """
    properties = _properties(plist)
    try:
        attributes, wrapped = _key_bag(properties["BackupKeyBag"])
        manifest = bytes(properties["ManifestKey"])
        by_password = _key_of(password, attributes)
    except _BROKEN:
        _refuse("Manifest.plist has no keys in it")
    try:
        classes = {number: _unwrapped(by_password, key) for number, key in wrapped.items()}
        return Keys(classes, _unwrapped(classes[int.from_bytes(manifest[:4], "little")], manifest[4:]))
    except InvalidUnwrap:
        raise BadField("password", None, "does not open this backup") from None
    except _BROKEN:
        _refuse("the keys in Manifest.plist are damaged")


def decrypt(source: BinaryIO, key: bytes, write: Callable[[bytes], object]) -> None:
    """Hand the plain bytes of a file to ``write``, piece by piece. ``Unreadable`` for a file that is cut off."""
    opened = Cipher(AES(key), CBC(bytes(_BLOCK))).decryptor()
    held = b""
    while piece := source.read(_PIECE):
        if len(piece) % _BLOCK:
            _refuse("a file in it is cut off; copy the backup again")
        write(held)
        held = opened.update(piece)
    write(_without_padding(held))


def _without_padding(last: bytes) -> bytes:
    """Some files fill whole blocks and carry none."""
    count = last[-1] if last else 0
    is_padded = 0 < count <= _BLOCK and last.endswith(bytes([count]) * count)
    return last[:-count] if is_padded else last


def _properties(plist: bytes) -> dict[str, Any]:
    try:
        found = plistlib.loads(plist)
    except Exception:
        _refuse("Manifest.plist is damaged")
    return found if isinstance(found, dict) else {}


def _archived(entry: bytes) -> tuple[list[Any], dict[str, Any]]:
    """The objects of a keyed archive, and the one at its root."""
    archive = plistlib.loads(entry)
    objects = archive["$objects"]
    return objects, objects[archive["$top"]["root"].data]


def _key_bag(bag: bytes) -> tuple[dict[str, bytes], dict[int, bytes]]:
    """What holds for the whole bag, and the wrapped keys by protection class."""
    attributes: dict[str, bytes] = {}
    classes: list[dict[str, bytes]] = []
    for tag, value in _tagged(bag):
        if tag == "UUID" and "UUID" in attributes:
            classes.append({})
        (classes[-1] if classes else attributes)[tag] = value
    wrapped = {
        int.from_bytes(found["CLAS"], "big"): found["WPKY"]
        for found in classes
        if "WPKY" in found and "CLAS" in found and int.from_bytes(found.get("WRAP", b""), "big") & _BY_PASSWORD
    }
    return attributes, wrapped


def _tagged(bag: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at + 8 <= len(bag):
        tag, size = bag[at : at + 4].decode("ascii", "replace"), int.from_bytes(bag[at + 4 : at + 8], "big")
        yield tag, bag[at + 8 : at + 8 + size]
        at += 8 + size


def _key_of(password: str, attributes: dict[str, bytes]) -> bytes:
    secret = password.encode()
    if "DPSL" in attributes:
        rounds = _rounds(attributes["DPIC"], MAX_ROUNDS)
        secret = hashlib.pbkdf2_hmac("sha256", secret, attributes["DPSL"], rounds, 32)
    rounds = _rounds(attributes["ITER"], MAX_OLD_ROUNDS)
    return hashlib.pbkdf2_hmac("sha1", secret, attributes["SALT"], rounds, 32)


def _rounds(told: bytes, most: int) -> int:
    rounds = int.from_bytes(told, "big")
    if not 0 < rounds <= most:
        raise ValueError(rounds)
    return rounds


def _unwrapped(key: bytes, wrapped: bytes) -> bytes:
    if len(wrapped) != _WRAPPED:
        raise ValueError(len(wrapped))
    return aes_key_unwrap(key, wrapped)


def _refuse(problem: str) -> NoReturn:
    raise Unreadable("iPhone backup", "Manifest.plist", problem)
