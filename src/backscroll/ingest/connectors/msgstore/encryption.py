"""Encrypted backups of WhatsApp on Android (crypt12, crypt14, crypt15), opened with their key.

All three are a header, a database packed with zlib and encrypted with AES-256-GCM, and a footer with the tag. crypt12
has a header of fixed fields, the others one in Protocol Buffers. crypt12 and crypt14 belong to the key file of the
phone; the key of crypt15, shown as 64 digits when end-to-end encrypted backups are turned on, is derived once more.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM
from msgspec import Struct

from backscroll.core.errors import BadField, Unreadable

SOURCE = "Android backup"
Scheme = Literal["crypt12", "crypt14", "crypt15"]
_SQLITE = b"SQLite format 3\0"
_CHUNK = 1 << 20
_SHORTEST = 256
"""Bytes of the smallest backup there can be: header, footer, and something between them."""
_TAG = _CHECKSUM = 16
_JAVA_BYTES = bytes.fromhex("aced0005757200025b42acf317f8060854e0020000787000")
"""How Java writes a byte array; three more bytes of its length follow."""
_FILE_KEY, _ROOT_KEY = 131, 32
_MAX_KEY_FILE = 4096


class Key(Struct, frozen=True):
    """The secret that opens a backup. ``salt`` is the server's half, which a key file of the phone also names."""

    secret: bytes
    salt: bytes | None = None

    @property
    def is_end_to_end(self) -> bool:
        """Whether it is the 64-digit key, and no key file of the phone."""
        return self.salt is None


class Header(Struct, frozen=True, kw_only=True):
    """What stands in front of the encrypted bytes. ``number_ends_in`` are the last two digits of the own number."""

    scheme: Scheme
    size: int
    iv: bytes
    salt: bytes | None = None
    app_version: str | None = None
    number_ends_in: str | None = None
    is_of_messages: bool = True
    """Backups of messages list what is in them; those of contacts and settings do not. crypt12 does not tell."""


def read_key(given: str) -> Key:
    """The key in ``given``: 64 hexadecimal digits, or the path of a key file. ``BadField`` for anything else."""
    digits = "".join(given.split())
    if len(digits) == 2 * _ROOT_KEY and _is_hex(digits):
        return Key(bytes.fromhex(digits))
    try:
        path = Path(given)
        if not path.is_file():
            raise _bad_key("names no file, and is not the 64-digit key either")
        with path.open("rb") as file:
            return _key_of_file(file.read(_MAX_KEY_FILE + 1))
    except (OSError, ValueError):
        raise _bad_key("cannot be read as a file, and is not the 64-digit key either") from None


def key_of_digits(given: str) -> Key:
    """The key whose 64 hexadecimal digits are given. ``BadField`` for anything else, also for the name of a file."""
    digits = "".join(given.split())
    if len(digits) != 2 * _ROOT_KEY or not _is_hex(digits):
        raise BadField("key", None, "must be the 64 digits of the backup, or its key file uploaded beside it")
    return Key(bytes.fromhex(digits))


def _key_of_file(raw: bytes) -> Key:
    if raw.startswith(_JAVA_BYTES) and len(raw) <= _MAX_KEY_FILE:
        raw = raw[len(_JAVA_BYTES) + 3 :]
        if len(raw) == _FILE_KEY:
            return Key(raw[-32:], salt=raw[3:35])
        if len(raw) == _ROOT_KEY:
            return Key(raw)
    text = bytes(byte for byte in raw if byte not in b" \t\r\n").decode("ascii", "replace")
    if len(text) == 2 * _ROOT_KEY and _is_hex(text):
        return Key(bytes.fromhex(text))
    raise _bad_key("is a file, but not one of WhatsApp's key files (files/key or encrypted_backup.key)")


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdefABCDEF" for letter in text)


def _bad_key(problem: str) -> BadField:
    return BadField("key", None, f"{problem}; give the 64 digits, or the path of the key file")


def is_encrypted(head: bytes) -> bool:
    """Whether a file that begins so may be an encrypted backup; ``head`` is its first 512 bytes."""
    return not head.startswith(_SQLITE) and header_of(head) is not None


def header_of(head: bytes) -> Header | None:
    """The header at the start of a file's first 512 bytes; None where there is none."""
    if head[:2] == b"\0\1" and head[2:3] in (b"\1", b"\2", b"\3") and len(head) >= 67:
        return Header(scheme="crypt12", size=67, salt=head[3:35], iv=head[51:67])
    size = head[0] if head else 0
    start = 2 if head[1:2] == b"\1" else 1
    fields = _fields(head[start : start + size]) if 16 <= size <= len(head) - start else None
    if fields is None:
        return None
    old, new, info = (_fields(fields.get(no, b"")) for no in (2, 3, 4))
    scheme: Scheme = "crypt15" if new else "crypt14"
    iv = (new or {}).get(1) if new else (old or {}).get(5)
    if iv is None or len(iv) != 16:
        return None
    return Header(
        scheme=scheme,
        size=start + size,
        iv=iv,
        salt=(old or {}).get(3) if scheme == "crypt14" else None,
        app_version=_ascii((info or {}).get(1)),
        number_ends_in=_ascii((info or {}).get(3)),
        is_of_messages=start == 2,
    )


def _ascii(raw: bytes | None) -> str | None:
    return raw.decode("ascii", "replace") if raw else None


def _fields(raw: bytes) -> dict[int, bytes] | None:
    """The length-delimited fields of a message in Protocol Buffers; None where it is none."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        if tag & 7 == 0:
            _, at = _varint(raw, at)
        elif tag & 7 == 2:
            length, at = _varint(raw, at)
            if at + length > len(raw):
                return None
            found[tag >> 3] = raw[at : at + length]
            at += length
        else:
            return None
        if at > len(raw):
            return None
    return found


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 35:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
    return 0, len(raw) + 1


def decrypt(
    path: Path,
    key: Key,
    write: Callable[[bytes], object],
    *,
    may_hold: Callable[[int], None] = lambda size: None,
    progress: Callable[[int, int], None] = lambda done, whole: None,
) -> Header:
    """Give the database inside ``path`` to ``write``, piece by piece.

    What was written counts only when this returns: the authentication of the whole stands at the end of the file.
    ``may_hold`` hears the size of the database before the first piece and may refuse it. Raises ``BadField`` for a key
    that does not open it, ``Unreadable`` for a file that is damaged, cut off, or no backup of messages.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = header_of(file.read(512))
        if header is None or size < _SHORTEST:
            raise Unreadable(SOURCE, path.name, "this is not a backup of WhatsApp on Android, or only its beginning")
        secret = _secret(key, header)
        file.seek(0)
        return _Decryption(path, file, size, header, secret).run(write, may_hold, progress)


def check_key(path: Path, key: Key) -> Header:
    """See by the beginning of a backup whether the key may be its own; raises as ``decrypt``."""
    with path.open("rb") as file:
        header = header_of(file.read(512))
        if header is None:
            raise Unreadable(SOURCE, path.name, "this is not a backup of WhatsApp on Android, or only its beginning")
        size = path.stat().st_size
        file.seek(0)
        _Decryption(path, file, size, header, _secret(key, header)).check()
    return header


def _secret(key: Key, header: Header) -> bytes:
    if header.scheme == "crypt15":
        if not key.is_end_to_end:
            raise _bad_key("is the phone's key file, but this backup is end-to-end encrypted")
        return _derived(key.secret)
    if key.is_end_to_end:
        raise BadField(
            "key", None, f"is a 64-digit key, but {header.scheme} needs the file /data/data/com.whatsapp/files/key"
        )
    if key.salt != header.salt:
        raise BadField("key", None, "is the key file of another number, or of another installation of WhatsApp")
    return key.secret


def _derived(root: bytes) -> bytes:
    """HKDF with SHA-256, an empty salt and one round."""
    inner = hmac.digest(bytes(32), root, "sha256")
    return hmac.digest(inner, b"backup encryption\1", "sha256")


class _Decryption:
    def __init__(self, path: Path, file: BinaryIO, size: int, header: Header, secret: bytes) -> None:
        self.path = path
        self.file = file
        self.header = header
        self.end = size - _TAG - _CHECKSUM - (4 if header.scheme == "crypt12" else 0)
        self.hash = hashlib.md5(usedforsecurity=False)
        self.cipher = Cipher(AES(secret), GCM(header.iv)).decryptor()
        self.inflate = zlib.decompressobj()
        self.written = 0
        self.whole: int | None = None

    def run(
        self,
        write: Callable[[bytes], object],
        may_hold: Callable[[int], None],
        progress: Callable[[int, int], None],
    ) -> Header:
        """Decrypt the file, and hand ``write`` the bytes of the database, piece by piece.

        ``may_hold`` is told once how many bytes that will be, and may refuse by raising; ``progress`` is told how many
        encrypted bytes were read, and of how many. Only the end shows damage: until then no byte is to be trusted.
        """
        self.hash.update(self.file.read(self.header.size))
        for piece in self._plain(progress):
            for part in self._inflated(piece):
                if self.whole is None:
                    self.whole = _database_size(part, self._damaged)
                    may_hold(self.whole)
                # What follows the pages that the database counts is not part of it.
                left = self.whole - self.written
                if left > 0:
                    write(part[:left])
                self.written += len(part)
        if not self.inflate.eof or self.written < (self.whole or 1):
            raise self._damaged("the database in it is cut off")
        return self.header

    def check(self) -> None:
        """Decrypt the first bytes, and see whether they are packed."""
        self.file.seek(self.header.size)
        plain = self.cipher.update(self.file.read(4096))
        self._must_be_packed(plain)
        next(self._inflated(plain), b"")

    def _plain(self, progress: Callable[[int, int], None]) -> Iterator[bytes]:
        """The decrypted bytes. The tag is checked after the last of them."""
        left, first = self.end - self.header.size, True
        whole = left
        while left > 0 and (piece := self.file.read(min(_CHUNK, left))):
            left -= len(piece)
            self.hash.update(piece)
            plain = self.cipher.update(piece)
            if first:
                self._must_be_packed(plain)
                first = False
            yield plain
            progress(whole - left, whole)
        tag, checksum = self.file.read(_TAG), self.file.read(_CHECKSUM)
        self.hash.update(tag)
        if self.hash.digest() != checksum:
            # A part of a backup has no checksum: its last bytes are the tag.
            yield self.cipher.update(tag)
            tag = checksum
        try:
            self.cipher.finalize_with_tag(tag)
        except (InvalidTag, ValueError):
            raise self._damaged("it is damaged or cut off: its authentication does not fit") from None

    def _must_be_packed(self, plain: bytes) -> None:
        """The beginning tells a wrong key before gigabytes are read."""
        if plain.startswith(b"PK\3\4"):
            problem = "this is a part of a backup, with files in it; name the file msgstore.db.crypt14 or .crypt15"
            raise Unreadable(SOURCE, self.path.name, problem)
        if len(plain) < 2 or plain[0] & 0x0F != 8 or int.from_bytes(plain[:2], "big") % 31:
            raise BadField("key", None, f"does not open {self.path.name}; it belongs to another backup or number")

    def _inflated(self, piece: bytes) -> Iterator[bytes]:
        try:
            while piece:
                part = self.inflate.decompress(piece, _CHUNK)
                piece = self.inflate.unconsumed_tail
                if part:
                    yield part
        except zlib.error:
            raise self._damaged("it is damaged, or the key is not the right one") from None

    def _damaged(self, problem: str) -> Unreadable:
        return Unreadable(SOURCE, self.path.name, f"{problem}; copy the file from the phone again")


def _database_size(head: bytes, damaged: Callable[[str], Unreadable]) -> int:
    """How large the database that begins so says it is."""
    page_size = int.from_bytes(head[16:18], "big")
    size = int.from_bytes(head[28:32], "big") * (65536 if page_size == 1 else page_size)
    if len(head) < 100 or not head.startswith(_SQLITE) or not size:
        raise damaged("its content is not a database")
    return size
