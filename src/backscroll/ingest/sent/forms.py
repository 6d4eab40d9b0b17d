"""Reading the fields of a proxied request in bounded memory. Its files are written to the disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

MAX_FIELDS = 1 << 20
"""Maximum bytes of a request without files. A longer one is not understood."""
MAX_FIELD = 128 << 10
"""Maximum bytes of one field that is not a file."""
MAX_PART_HEAD = 8 << 10
MAX_PARTS = 64

_PARAMETER = re.compile(r';\s*([a-z*]+)="((?:[^"\\]|\\.)*)"', re.I)
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.I)


class SentFile(Struct):
    """A file of a form: its name and type as given by the sender, and its size in bytes."""

    name: str
    filename: str | None
    mimetype: str | None
    size: int = 0
    content: IO[bytes] | None = None
    """The bytes, positioned at the beginning; None if they could not be stored."""


class Fields(Struct):
    """The fields and files of a request."""

    values: dict[str, Any]
    files: list[SentFile]

    def text(self, name: str) -> str | None:
        """A field as text; None if it is missing, empty or not text."""
        value = self.values.get(name)
        return value if isinstance(value, str) and value else None

    def truth(self, name: str) -> bool | None:
        """A field as a boolean; None if it is missing."""
        value = self.values.get(name)
        return None if value is None else value in (True, "true", "True", "1", "on", 1)


class FormReader:
    """Reads the pieces of a body as they pass; ``fields`` then returns the form. Call ``close`` at the end.

    ``make_file`` opens a temporary file for each file of a form. Without it, the bytes of files are not stored.
    """

    def __init__(self, content_type: str, make_file: Callable[[], IO[bytes]] | None = None) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        boundary = _BOUNDARY.search(content_type) if kind == "multipart/form-data" else None
        self._kind = kind
        self._parts = _Parts(boundary[1].encode("latin-1"), make_file) if boundary else None
        self._kept = bytearray()
        self._is_long = False

    def show(self, piece: bytes) -> None:
        """The next piece."""
        if self._parts is not None:
            self._parts.show(piece)
        elif len(self._kept) + len(piece) <= MAX_FIELDS:
            self._kept += piece
        else:
            self._is_long = True

    def close(self) -> None:
        """Close the files."""
        if self._parts is not None:
            self._parts.opened.close()

    def fields(self) -> Fields | None:
        """The form; None if it was not a form, or too long or malformed. An empty body is a form without fields."""
        if self._parts is not None:
            return self._parts.fields()
        if self._is_long:
            return None
        if not self._kept:
            return Fields({}, [])
        try:
            if self._kind == "application/x-www-form-urlencoded":
                return Fields(dict(parse_qsl(self._kept.decode(), keep_blank_values=True)), [])
            values = msgspec.json.decode(bytes(self._kept))
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None
        return Fields(values, []) if isinstance(values, dict) else None


class _Parts:
    """multipart/form-data, read piece by piece (RFC 7578)."""

    def __init__(self, boundary: bytes, make_file: Callable[[], IO[bytes]] | None) -> None:
        self.opened = ExitStack()
        self._make_file = make_file
        self._mark = b"\r\n--" + boundary
        # There is no line end before the first boundary.
        self._rest = bytearray(b"\r\n")
        self._values: dict[str, Any] = {}
        self._files: list[SentFile] = []
        self._part: SentFile | None = None
        self._value = bytearray()
        self._state = "before"
        self._count = 0

    def show(self, piece: bytes) -> None:
        """Read the next piece of the body, of any size. After the end of the form or an error, the rest is ignored."""
        self._rest += piece
        while self._state not in ("over", "broken") and self._step():
            pass
        if self._state in ("over", "broken"):
            self._rest.clear()

    def fields(self) -> Fields | None:
        """The form; None if it is incomplete or malformed."""
        return Fields(self._values, self._files) if self._state == "over" else None

    def _step(self) -> bool:
        """Read one element; returns whether there was one, so that there may be more."""
        if self._state == "head":
            return self._read_head()
        if self._state == "mark":
            return self._read_mark()
        at = self._rest.find(self._mark)
        end = at if at >= 0 else len(self._rest) - len(self._mark)
        if end > 0:
            self._take(bytes(self._rest[:end]))
            del self._rest[:end]
        if at < 0 or self._state == "broken":
            return False
        del self._rest[: len(self._mark)]
        self._end_part()
        self._state = "mark"
        return True

    def _read_mark(self) -> bool:
        if len(self._rest) < 2:
            return False
        if self._rest.startswith(b"--"):
            self._state = "over"
            return False
        at = self._rest.find(b"\r\n")
        if at < 0:
            return self._broken_beyond(MAX_PART_HEAD)
        # The line end remains, so that the head of a part without headers ends immediately.
        del self._rest[:at]
        self._state = "head"
        return True

    def _read_head(self) -> bool:
        at = self._rest.find(b"\r\n\r\n")
        if at < 0:
            return self._broken_beyond(MAX_PART_HEAD)
        head = self._rest[:at].decode("utf-8", "replace")
        del self._rest[: at + 4]
        self._count += 1
        self._part = _part_of(head)
        self._state = "broken" if self._part is None or self._count > MAX_PARTS else "body"
        if self._part is not None and self._part.filename and self._make_file is not None:
            self._part.content = self._opened_file(self._make_file)
        return self._state == "body"

    def _broken_beyond(self, limit: int) -> bool:
        if len(self._rest) > limit:
            self._state = "broken"
        return False

    def _take(self, piece: bytes) -> None:
        if self._part is None:
            return
        self._part.size += len(piece)
        if self._part.content is not None:
            try:
                self._part.content.write(piece)
            except OSError:
                self._part.content = None
        if self._part.filename is None:
            self._value += piece
            if len(self._value) > MAX_FIELD:
                self._state = "broken"

    def _opened_file(self, make_file: Callable[[], IO[bytes]]) -> IO[bytes] | None:
        """Open a file; None if this fails, because a full disk must not prevent the request from passing."""
        try:
            return self.opened.enter_context(make_file())
        except OSError:
            return None

    def _end_part(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        if part.filename is not None:
            self._files.append(part)
        else:
            self._values[part.name] = self._value.decode("utf-8", "replace")
        self._value.clear()


def _part_of(head: str) -> SentFile | None:
    """A part as described by its headers; None if it has no name."""
    lines = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
    }
    told = {name.lower(): value for name, value in _PARAMETER.findall(lines.get("content-disposition", ""))}
    if "name" not in told:
        return None
    return SentFile(told["name"], told.get("filename"), lines.get("content-type"))
