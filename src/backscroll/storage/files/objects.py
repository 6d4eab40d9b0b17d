"""Files in an object store: S3, or any service with its protocol. Needs the package obstore (``backscroll[s3]``).

Credentials, region and endpoint come from the usual ``AWS_…`` variables.
"""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from backscroll.core.errors import BadField, StorageBusy, StorageError

CHUNK = 1 << 20
_RETRIES = 3


class ObjectMeta(Struct, frozen=True):
    """What the store reports about an object. ``changed_at`` is in microseconds UTC."""

    key: str
    size: int
    changed_at: int


class ObjectFolder:
    """The objects below one address, such as ``s3://bucket/archive``; any thread may use it."""

    def __init__(self, url: str) -> None:
        """Raises ``BadField`` for an invalid address, or if the package is missing. Does not contact the store yet."""
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise BadField(
                "media", url, "files in an object store need the package obstore: pip install 'backscroll[s3]'"
            ) from error
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        options: Any = {"allow_http": urlsplit(endpoint).scheme == "http"}
        try:
            self._store = S3Store.from_url(
                url, client_options=options, retry_config={"max_retries": _RETRIES, "retry_timeout": _seconds(30)}
            )
        except Exception as error:
            raise BadField("media", url, f"is not the address of a bucket ({type(error).__name__})") from error

    def put(self, key: str, path: Path) -> None:
        """Keep the file's bytes; when this returns the store has them."""
        try:
            with _speaking():
                self._store.put(key, path)
        except FileNotFoundError as error:
            raise StorageError(
                "the bucket in the setting media does not exist; create it, or name another one"
            ) from error

    def head(self, key: str) -> ObjectMeta | None:
        """The object under the key; None if there is none."""
        try:
            with _speaking():
                found = self._store.head(key)
        except FileNotFoundError:
            return None
        return _meta(found)

    def fetch(self, key: str, target: Path, temporary: Path) -> bool:
        """Bring an object to a local file, whole or not at all; False when there is none."""
        descriptor, name = tempfile.mkstemp(dir=temporary)
        try:
            with os.fdopen(descriptor, "wb") as file, _speaking():
                for chunk in self._store.get(key).stream(min_chunk_size=CHUNK):
                    file.write(chunk)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.replace(name, target)
        except FileNotFoundError:
            return False
        finally:
            Path(name).unlink(missing_ok=True)
        return True

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes of an object in chunks; ``FileNotFoundError`` when there is none."""
        with _speaking():
            yield from (bytes(chunk) for chunk in self._store.get(key).stream(min_chunk_size=CHUNK))

    def delete(self, key: str) -> None:
        """Delete an object; it may be missing."""
        try:
            with _speaking():
                self._store.delete(key)
        except FileNotFoundError:
            return

    def keys(self, prefix: str) -> Iterator[ObjectMeta]:
        """All objects below a prefix, in the order of their keys."""
        with _speaking():
            for page in self._store.list(prefix, chunk_size=1000):
                yield from map(_meta, page)

    def folders(self) -> list[str]:
        """The first parts of all keys."""
        with _speaking():
            found = self._store.list_with_delimiter()
        return [str(prefix).strip("/") for prefix in found["common_prefixes"]]


def _seconds(number: int) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)


def _meta(found: Any) -> ObjectMeta:
    return ObjectMeta(found["path"], found["size"], int(found["last_modified"].timestamp() * 1_000_000))


class _speaking:  # noqa: N801 - reads as a word in a with statement
    """Turn errors of the store into the archive's own, except that an object is missing."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, FileNotFoundError | StorageError) or not isinstance(error, Exception):
            return
        if isinstance(error, OSError):
            raise StorageError(f"media cannot be written: {error.strerror or error}") from error
        name = type(error).__name__
        if name in ("PermissionDeniedError", "UnauthenticatedError"):
            raise StorageError("the object store refuses these credentials; look at AWS_ACCESS_KEY_ID") from error
        raise StorageBusy(f"the object store is not available now ({name})") from error
