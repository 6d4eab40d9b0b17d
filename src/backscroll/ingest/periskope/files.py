"""Files of pulled messages."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

from backscroll.core.errors import BadField
from backscroll.core.events import Event, MediaHeld, MessageSeen, Target
from backscroll.core.model import Media, Message
from backscroll.ingest.fetch import Fetcher, NotFetched
from backscroll.ingest.media import held_as
from backscroll.ingest.periskope.server import Server
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

_DOWNLOADS = 4


class Files:
    """Downloads files of messages. A file that is not available is counted, and does not affect anything else."""

    def __init__(
        self, store: Store, org: int, media: MediaStore, fetcher: Fetcher, server: Server, max_bytes: int
    ) -> None:
        self._store = store
        self._org = org
        self._media = media
        self._fetcher = fetcher
        self._server = server
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def fetch(self, events: Iterable[Event], failed: Counter[str]) -> list[Event]:
        """Fetch the files of a page's messages, a few at a time; returns events with their places in the archive.

        ``failed`` counts unavailable files by reason.
        """
        wanted = [event.message for event in events if isinstance(event, MessageSeen) and _address(event.message)]
        missing = [message for message in wanted if not self._has(message)]
        with ThreadPoolExecutor(_DOWNLOADS) as pool:
            return [event for event in pool.map(lambda message: self._fetch(message, failed), missing) if event]

    def _has(self, message: Message) -> bool:
        """Whether an earlier run fetched the file, which is common because pages overlap."""
        key = message.key
        phones = tuple(phone.no for phone in self._store.list_phones(self._org) if phone.jid == key.phone)
        known = self._store.find_message(self._org, phones, key.id, chat=key.chat, sender=key.sender)
        media = None if known is None else known.message.details.media
        return media is not None and media.file is not None and self._media.exists(self._org, media.file)

    def _fetch(self, message: Message, failed: Counter[str]) -> MediaHeld | None:
        told, key = message.details.media or Media(), message.key
        try:
            with self._fetcher.get(self._absolute(_address(message)), self._server.media_headers) as fetched:
                if fetched.size is not None and fetched.size > self._max_bytes:
                    raise NotFetched(f"it is larger than {self._max_bytes} bytes")
                stored = self._media.put(
                    self._org,
                    fetched.chunks,
                    max_bytes=self._max_bytes,
                    declared_mimetype=told.mimetype or fetched.mimetype,
                    filename=told.filename,
                )
        except (NotFetched, BadField) as error:
            reason = str(error) if isinstance(error, NotFetched) else f"it is larger than {self._max_bytes} bytes"
            with self._lock:
                failed[reason] += 1
            return None
        return held_as(stored, Target(key.phone, key.chat, key.id, key.sender), told)

    def _absolute(self, path: str) -> str:
        """The full URL, because older servers give only the path."""
        return urljoin(f"{self._server.base}/", path)


def _address(message: Message) -> str:
    media = message.details.media
    return media.url or "" if media else ""
