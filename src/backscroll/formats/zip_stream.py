"""Writing a ZIP archive as a stream, without seeking. The directory for its end is kept in a temporary file, so that
memory does not grow with the number of entries.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from types import TracebackType

STORED_LEVEL = 0
"""For content that is already compressed: pictures, videos, voice messages."""
TEXT_LEVEL = 6
_IN_MEMORY = 1 << 20
_COPY = 256 * 1024
_FLAGS = 0x0808
"""Sizes follow the data; names are UTF-8."""
_DEFLATED = 8
_VERSION = 45
_ALL = 0xFFFFFFFF
_MAX_NAME = 65_000

_LOCAL = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_DESCRIPTOR = struct.Struct("<4sLQQ")
_EXTRA_LOCAL = struct.Struct("<HHQQ")
_EXTRA_CENTRAL = struct.Struct("<HHQQQ")
_END64 = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4sHHHHLLH")

DosTime = tuple[int, int, int, int, int, int]
"""Year, month, day, hour, minute, second in local time."""


class ZipStream:
    """Gives the bytes of an archive, entry after entry: ``begin``, ``write`` …, ``end``; and at last ``finish``."""

    def __init__(self) -> None:
        self._directory = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- closed by __exit__
        self._place = 0
        self._entries = 0
        self._open: _Entry | None = None

    def __enter__(self) -> ZipStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._directory.close()

    def begin(self, name: str, at: DosTime, level: int = TEXT_LEVEL) -> bytes:
        """The head of an entry. ``name`` has ``/`` between its parts."""
        assert self._open is None, "the entry before has not ended"
        encoded = name.encode("utf-8", "replace")[:_MAX_NAME]
        entry = self._open = _Entry(encoded, _dos(at), self._place, level)
        extra = _EXTRA_LOCAL.pack(1, 16, 0, 0)
        return self._counted(
            _LOCAL.pack(b"PK\3\4", _VERSION, _FLAGS, _DEFLATED, *entry.dos, 0, _ALL, _ALL, len(encoded), len(extra))
            + encoded
            + extra
        )

    def write(self, data: bytes) -> bytes:
        """The next bytes of the open entry, as they stand in the archive; perhaps none yet."""
        assert self._open is not None, "no entry was begun"
        return self._counted(self._open.write(data))

    def end(self) -> bytes:
        """The rest of the open entry."""
        entry = self._open
        assert entry is not None, "no entry was begun"
        self._open = None
        rest = entry.finish()
        rest += _DESCRIPTOR.pack(b"PK\7\10", entry.crc, entry.packed, entry.size)
        extra = _EXTRA_CENTRAL.pack(1, 24, entry.size, entry.packed, entry.place)
        self._directory.write(
            _CENTRAL.pack(
                *(b"PK\1\2", 3 << 8 | _VERSION, _VERSION, _FLAGS, _DEFLATED, *entry.dos, entry.crc, _ALL, _ALL),
                *(len(entry.name), len(extra), 0, 0, 0, 0o100644 << 16, _ALL),
            )
            + entry.name
            + extra
        )
        self._entries += 1
        return self._counted(rest)

    def finish(self) -> Iterator[bytes]:
        """The directory of all entries, with which an archive ends."""
        assert self._open is None, "the last entry has not ended"
        start, length = self._place, self._directory.tell()
        self._directory.seek(0)
        while chunk := self._directory.read(_COPY):
            yield self._counted(chunk)
        end = self._place
        yield (
            _END64.pack(b"PK\6\6", 44, 3 << 8 | _VERSION, _VERSION, 0, 0, self._entries, self._entries, length, start)
            + _LOCATOR.pack(b"PK\6\7", 0, end, 1)
            + _END.pack(b"PK\5\6", 0, 0, min(self._entries, 0xFFFF), min(self._entries, 0xFFFF), _ALL, _ALL, 0)
        )

    def _counted(self, data: bytes) -> bytes:
        self._place += len(data)
        return data


class _Entry:
    def __init__(self, name: bytes, dos: tuple[int, int], place: int, level: int) -> None:
        self.name, self.dos, self.place = name, dos, place
        self.crc = self.size = self.packed = 0
        self._packer = zlib.compressobj(level, zlib.DEFLATED, -15)

    def write(self, data: bytes) -> bytes:
        """Take in a piece of the file; the packed bytes that are ready by now, often none."""
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        return self._told(self._packer.compress(data))

    def finish(self) -> bytes:
        """The packed bytes that were still held back."""
        return self._told(self._packer.flush())

    def _told(self, packed: bytes) -> bytes:
        self.packed += len(packed)
        return packed


def _dos(at: DosTime) -> tuple[int, int]:
    """Time and date in the two words of a ZIP; they begin in 1980 and end in 2107."""
    year, month, day, hour, minute, second = at
    if not 1980 <= year <= 2107:
        return 0, 0x21
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
