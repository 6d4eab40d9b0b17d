"""Files of messages: fetched through the library while it is connected, checked, and handed to the server."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from backscroll.linked.local import Local, Wanted

LOOK_SECONDS = 5.0
_GONE = ("404", "410", "403")
"""What WhatsApp answers for files that it no longer has."""


class Files:
    """Fetches what ``local`` lists. ``hand_over`` returns when the server has the file for good."""

    def __init__(
        self,
        folder: Path,
        local: Local,
        *,
        download: Callable[[bytes], bytes],
        hand_over: Callable[[Wanted, Path], None],
        clock: Callable[[], int],
    ) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        # Of a process that ended before its server had them; they are fetched again.
        for left in folder.iterdir():
            left.unlink()
        self._folder = folder
        self._local = local
        self._download = download
        self._hand_over = hand_over
        self._clock = clock
        self.connected = threading.Event()

    def run(self) -> None:
        """Go on for as long as the process lives."""
        while True:
            self.connected.wait()
            if not self.fetch_one():
                threading.Event().wait(LOOK_SECONDS)

    def fetch_one(self) -> bool:
        """Fetch the file that is due next; False when none is, or when this one could not be had."""
        wanted = self._local.next_file(self._clock())
        if wanted is None:
            return False
        try:
            data = self._download(wanted.content)
        except Exception as error:
            return self._failed(wanted, str(error))
        if hashlib.sha256(data).hexdigest() != wanted.sha256:
            return self._failed(wanted, "other bytes")
        path = self._folder / wanted.sha256
        _write(path, data)
        try:
            self._hand_over(wanted, path)
            self._local.fetched(wanted.no)
        finally:
            path.unlink(missing_ok=True)
        return True

    def _failed(self, wanted: Wanted, problem: str) -> bool:
        if any(status in problem for status in _GONE) and "status" in problem:
            self._local.fetched(wanted.no)
            return True
        if self.connected.is_set():
            self._local.put_off(wanted, self._clock())
        return False


def _write(path: Path, data: bytes) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
