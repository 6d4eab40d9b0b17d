"""Files of messages that another program stored on disk, found by the paths in its database."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backscroll.core.errors import BadField
from backscroll.core.events import MediaHeld
from backscroll.ingest.connectors.foreign.pieces import LocalFile
from backscroll.ingest.media import held_as
from backscroll.storage.files.media import MediaStore

Candidates = Callable[[str], list[str]]
"""Possible paths below the folder of a file with this path, the likeliest first."""


class LocalFiles:
    """A folder of files. Nothing outside it is ever opened, whatever path a database contains."""

    def __init__(
        self, media: MediaStore, org: int, root: Path, max_bytes: int, candidates: Candidates = lambda path: [path]
    ) -> None:
        self._media = media
        self._org = org
        self._root = root.resolve()
        self._max_bytes = max_bytes
        self._candidates = candidates

    def keep(self, file: LocalFile) -> tuple[MediaHeld | None, str | None]:
        """Store the file in the archive and return the event, or what is wrong with it; neither if it is missing."""
        with self._found(file) as source:
            if source is None:
                return None, None
            if (problem := self._wrong(source, file)) is not None:
                return None, problem
            try:
                stored = self._media.put(
                    self._org,
                    source,
                    max_bytes=self._max_bytes,
                    declared_mimetype=file.media.mimetype,
                    filename=file.media.filename,
                )
            except BadField:
                return None, f"{_shown(file)} is larger than {self._max_bytes} bytes, and was left out"
        return held_as(stored, file.target, file.media), None

    def _wrong(self, source: io.BufferedReader | io.BufferedRandom, file: LocalFile) -> str | None:
        """What is wrong if the file is not the one that was sent, which is checked if WhatsApp gives its hash."""
        if file.media.sha256 is None:
            return None
        if hashlib.file_digest(source, "sha256").hexdigest() != file.media.sha256:
            return f"{_shown(file)} is not the file that was sent (its hash differs), and was left out"
        source.seek(0)
        return None

    @contextmanager
    def _found(self, file: LocalFile) -> Iterator[io.BufferedReader | io.BufferedRandom | None]:
        for candidate in (place for path in (file.path, *file.also) for place in self._candidates(path)):
            opened = self._opened(candidate)
            if opened is not None:
                with opened:
                    yield opened
                return
        yield None

    def _opened(self, path: str) -> io.BufferedReader | io.BufferedRandom | None:
        parts = path.replace("\\", "/").split("/")
        if any(part in ("", ".", "..") for part in parts):
            return None
        try:
            found = self._root.joinpath(*parts).resolve(strict=True)
            if not found.is_relative_to(self._root):
                return None
            # Reading a pipe or a device might never end.
            descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        return os.fdopen(descriptor, "rb")


def _shown(file: LocalFile) -> str:
    return file.path[-120:]
