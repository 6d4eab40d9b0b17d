"""The archive's own key: created once, stored in a file beside the database, used to sign links and to encrypt
secrets.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backscroll.core.errors import StorageError
from backscroll.core.text import counted
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing

KEY_FILE = "secret.key"
"""Its name in the data directory."""
KEY_BYTES = 32

_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_HEADER_BYTES = len(_VERSION) + _KEY_ID_BYTES
_NONCE_BYTES = 12


def load_key(path: Path) -> bytes:
    """Return the 32 bytes in the file; ``StorageError`` with the way back when there is none.

    Never creates one: existing links and encrypted input need the key that the archive started with.
    """
    try:
        return _read_key(path)
    except FileNotFoundError:
        raise StorageError(
            f"The archive's key is missing: there is no file {path}. Put back secret.key from the backup, or from the "
            "other servers of this archive; if it is lost for good, create another with: backscroll key create"
        ) from None


def load_or_make_key(path: Path) -> bytes:
    """Return the 32 bytes in the file, which is created with random content on first use, with mode 0600.

    Processes that start at the same moment all return the same key, and a crash leaves either no key or a complete one.
    """
    try:
        return _read_key(path)
    except FileNotFoundError:
        with writing(f"the key file {path}"):
            _make_key(path)
    return _read_key(path)


def derive_key(key: bytes, purpose: str) -> bytes:
    """A key for one purpose, from which neither the main key nor another purpose's key can be derived."""
    return hmac.digest(key, f"backscroll {purpose}".encode(), hashlib.sha256)


class Sealer:
    """Encrypts small secrets for storage: AES-256-GCM, preceded by the name of the key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(derive_key(key, "seal"))
        self._header = _VERSION + derive_key(key, "key id")[:_KEY_ID_BYTES]

    @property
    def key_id(self) -> str:
        """A short public name of the key, the same for everything that it encrypts."""
        return self._header[len(_VERSION) :].hex()

    def seal(self, secret: bytes) -> bytes:
        """Encrypt; the same secret gives a different result each time."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._header + nonce + self._cipher.encrypt(nonce, secret, self._header)

    def unseal(self, sealed: bytes) -> bytes:
        """Decrypt; the error says whether the key is a different one or the bytes are damaged."""
        header, nonce, body = _split(sealed)
        if header != self._header:
            sealed_with = header[len(_VERSION) :].hex()
            raise StorageError(
                f"a secret was encrypted with key {sealed_with}, but the key file holds {self.key_id}: "
                "put back the key file that belongs to this database"
            )
        try:
            return self._cipher.decrypt(nonce, body, header)
        except InvalidTag as error:
            raise StorageError("an encrypted secret is damaged: set it again or restore a backup") from error


def _split(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    body = _HEADER_BYTES + _NONCE_BYTES
    if len(sealed) < body or not sealed.startswith(_VERSION):
        raise StorageError(
            "an encrypted secret has a format that this version does not know: set it again or restore a backup"
        )
    return sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:body], sealed[body:]


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(f"the key file {path} cannot be read: {error.strerror or error}") from error
    if len(key) != KEY_BYTES:
        raise StorageError(
            f"the key file {path} holds {counted(len(key), 'byte')}, not {KEY_BYTES}: put back the right file"
        )
    return key


def _make_key(path: Path) -> None:
    make_folder(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename: it never replaces the key of a process that was faster.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
    sync_folder(path.parent)
