"""The fields of a request that passes by, in bounded memory: the files in it go to the disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

MAX_FIELDS = 1 << 20
"""Bytes of a request without files that are looked at; what is longer is not understood."""
MAX_FIELD = 128 << 10
"""Bytes of one field beside a file."""
MAX_PART_HEAD = 8 << 10
MAX_PARTS = 64

_PARAMETER = re.compile(r';\s*([a-z*]+)="((?:[^"\\]|\\.)*)"', re.I)
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.I)


class SentFile(Struct):
    """A file of a form: its name and type as the sender says, and how many bytes it has."""

    name: str
    filename: str | None
    mimetype: str | None
    size: int = 0
    content: IO[bytes] | None = None
    """The bytes, from the beginning; None when they could not be kept."""


class Fields(Struct):
    """What a request says."""

    values: dict[str, Any]
    files: list[SentFile]

    def text(self, name: str) -> str | None:
        """A field as text; None when it is missing, empty or no text."""
        value = self.values.get(name)
        return value if isinstance(value, str) and value else None

    def truth(self, name: str) -> bool | None:
        """A field as yes or no; None when it is missing."""
        value = self.values.get(name)
        return None if value is None else value in (True, "true", "True", "1", "on", 1)


class FormReader:
    """Is shown the pieces of a body as they pass; ``fields`` then says what they were. ``close`` it.

    ``make_file`` gives an open temporary file for each file of a form; without it their bytes are not kept.
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
        """Let go of the files."""
        if self._parts is not None:
            self._parts.opened.close()

    def fields(self) -> Fields | None:
        """None when it was no form, or one that is too long or broken. No body at all is a form without fields."""
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
        # The first boundary has no line end before it.
        self._rest = bytearray(b"\r\n")
        self._values: dict[str, Any] = {}
        self._files: list[SentFile] = []
        self._part: SentFile | None = None
        self._value = bytearray()
        self._state = "before"
        self._count = 0

    def show(self, piece: bytes) -> None:
        """Take in the next piece of the body, of any size; once the form is over or broken, the rest is ignored."""
        self._rest += piece
        while self._state not in ("over", "broken") and self._step():
            pass
        if self._state in ("over", "broken"):
            self._rest.clear()

    def fields(self) -> Fields | None:
        """The form; None while it is not over, or when it was broken."""
        return Fields(self._values, self._files) if self._state == "over" else None

    def _step(self) -> bool:
        """Whether something was read, so that there may be more."""
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
        # The line end stays: with it a part without headers ends its head at once.
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
        """A disk that is full must not keep the request from passing."""
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
    """What the headers of a part say of it; None when it has no name."""
    lines = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
    }
    told = {name.lower(): value for name, value in _PARAMETER.findall(lines.get("content-disposition", ""))}
    if "name" not in told:
        return None
    return SentFile(told["name"], told.get("filename"), lines.get("content-type"))
