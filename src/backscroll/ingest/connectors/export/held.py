"""The text of an export while it is read: short ones in memory, long ones in a file without a name."""

from __future__ import annotations

import io
import mmap
import tempfile
from typing import IO

IN_MEMORY = 8 * 2**20
"""Bytes of text that are held in memory. No phone writes as much."""

Text = bytes | mmap.mmap
"""Both can be searched, and slices of both are bytes."""


class HeldText:
    """Collects a text. A long one goes to a temporary file, whose pages the operating system can take back."""

    def __init__(self) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Put bytes behind the others."""
        self.size += len(chunk)
        if isinstance(self._file, io.BytesIO) and self.size > IN_MEMORY:
            kept, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115 - the mapping keeps it
            self._file.write(kept.getbuffer())
        self._file.write(chunk)

    def done(self) -> Text:
        """Everything that was written."""
        if isinstance(self._file, io.BytesIO):
            # The buffer's own bytes: there is one copy of them.
            return self._file.getvalue()
        self._file.flush()
        with self._file as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
