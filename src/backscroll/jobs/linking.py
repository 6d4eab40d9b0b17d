"""Linked devices of all organisations: each supervised by one server process, under a lease."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import structs

from backscroll.config import Settings
from backscroll.core.errors import Conflict, Error, NotFound, StorageError, Unsupported, story_of
from backscroll.core.model import Phone
from backscroll.formats.link_lines import ENDED
from backscroll.jobs.background import in_thread
from backscroll.jobs.device import ACCOUNT, Command, Device, folder_of, own_command
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write.links import Link
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id

log = logging.getLogger("backscroll.linked")

LIBRARY = "neonize"
INSTALL = (
    "this installation lacks the library for linked devices. Install it with: pip install 'backscroll[linked]' (in a "
    "checkout: make linked). "
    "It is kept apart because it holds code under the GPL, and Backscroll itself is under the MIT licence"
)
LOOK_SECONDS = 2.0
END_SECONDS = 5.0
WORK = "link"


def installed() -> str | None:
    """The version of the library; None if it is not installed. The library is not loaded here."""
    try:
        return version(LIBRARY)
    except PackageNotFoundError:
        return None


@asynccontextmanager
async def linking(store: Store, media: MediaStore | None, settings: Settings) -> AsyncIterator[None]:
    """Keep the devices connected while the server runs. Events that were not handed over wait in their spools."""
    rounds = Rounds(store, media, data=settings.data, max_media_bytes=settings.max_media_bytes)
    async with in_thread("backscroll-linked", rounds.run, rounds.stopping.set, rounds.join):
        yield


class Rounds:
    """Looks for devices without a supervisor, and supervises them in threads."""

    def __init__(
        self,
        store: Store,
        media: MediaStore | None,
        *,
        data: Path,
        max_media_bytes: int,
        command: Command = own_command,
        library: Callable[[], str | None] = installed,
    ) -> None:
        self.stopping = threading.Event()
        self._store = store
        self._media = media
        self._data = data
        self._max_media_bytes = max_media_bytes
        self._command = command
        self._library = library
        self._threads: dict[str, threading.Thread] = {}

    def run(self) -> None:
        """Until ``stopping`` is set."""
        while not self.stopping.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Start supervising every device that has to be connected and that no process supervises."""
        with suppress(StorageError):
            for org in self._store.list_orgs():
                for link in self._store.sources.links.of(org.no):
                    self._begin(link)

    def join(self, thread: threading.Thread) -> None:
        """Wait a little for the supervising threads; the devices' processes end with this one in any case."""
        thread.join(END_SECONDS)
        for supervising in list(self._threads.values()):
            supervising.join(END_SECONDS)

    def _begin(self, link: Link) -> None:
        if link.id in self._threads or not wants_process(link):
            return
        if self._library() is None:
            say_unavailable(self._store, link)
            return
        thread = threading.Thread(target=self._supervise, args=(link,), name="backscroll-linked", daemon=True)
        self._threads[link.id] = thread
        thread.start()

    def _supervise(self, link: Link) -> None:
        try:
            supervise(
                self._store,
                self._media,
                link,
                data=self._data,
                max_media_bytes=self._max_media_bytes,
                stopping=self.stopping,
                command=self._command,
            )
        except Error as error:
            log.warning("link %s is not supervised now: %s", link.id, type(error).__name__)
        except Exception as error:
            log.error("link %s failed: %s", link.id, story_of(error))
        finally:
            self._threads.pop(link.id, None)


def supervise(
    store: Store,
    media: MediaStore | None,
    link: Link,
    *,
    data: Path,
    max_media_bytes: int,
    stopping: threading.Event,
    command: Command = own_command,
) -> bool:
    """Supervise one device until it ends or ``stopping`` is set; returns False at once if another process does."""
    lease = store.sources.take_turn(store.sources.find(link.id), WORK)
    if lease is None:
        return False
    try:
        # Read again: another process may have had the device until now.
        current = store.sources.links.find(link.org, link.id)
        if wants_process(current):
            Device(
                store,
                media,
                current,
                data=data,
                max_media_bytes=max_media_bytes,
                keep_turn=lambda: store.sources.keep_turn(lease),
                stopping=stopping,
                command=command,
            ).run()
    finally:
        store.sources.end_turn(lease)
    return True


def require_library() -> None:
    """Raise ``Unsupported``, with what to install, if no device can be linked."""
    if installed() is None:
        raise Unsupported("linking a phone", INSTALL)


def begin(
    store: Store,
    org: int,
    phone: Phone | None,
    phone_name: str | None,
    code_for: str | None,
    silent_after: int | None = None,
) -> Link:
    """Begin to link a phone; raises ``Conflict`` if it is already linked, ``Unsupported`` without the library.

    ``silent_after``: microseconds after which it counts as silent.
    """
    require_library()
    if phone is not None and any(link.phone == phone.no for link in store.sources.links.of(org)):
        raise Conflict(f"phone {phone.number} already has a linked device; start that one again, or unlink it first")
    id = make_source_id(org)
    wanted = LiveSource(org=org, id=id, kind="linked", phone=phone.no if phone else None, silent_after=silent_after)
    # Nothing is signed with this secret, but every source has one.
    store.sources.add(wanted, SourceSecrets(secrets.token_urlsafe(32)))
    return store.sources.links.add(org, id, phone_name, code_for)


def begin_again(store: Store, link: Link, code_for: str | None) -> Link:
    """Reconnect a device immediately; one that WhatsApp no longer knows is paired again."""
    require_library()
    store.sources.links.ask(link.org, link.id, "start", code_for)
    return store.sources.links.find(link.org, link.id)


def begin_for(store: Store, org: int, phone: Phone, code_for: str | None) -> Link:
    """The link of a phone, started or restarted unless it is in progress."""
    require_library()
    link = next((link for link in store.sources.links.of(org) if link.phone == phone.no), None)
    if link is None:
        return begin(store, org, phone, None, code_for)
    by_code = link.code_for is not None
    if link.state == "waiting" or not wants_process(link) or (link.state == "pairing" and by_code != bool(code_for)):
        return begin_again(store, link, code_for)
    return link


def unlink(store: Store, link: Link, data: Path) -> None:
    """Remove a device from its account. If it never had one, or WhatsApp cannot be reached, it is only deleted here."""
    if installed() is not None and (folder_of(data, link.id) / ACCOUNT).exists():
        store.sources.links.ask(link.org, link.id, "unlink")
        return
    store.sources.remove(link.id)
    shutil.rmtree(folder_of(data, link.id), ignore_errors=True)


def remove_source(store: Store, id: str, data: Path) -> None:
    """Remove a source; a linked device is unlinked. Raises ``NotFound``."""
    source = store.sources.find(id)
    if source.kind == "linked":
        with suppress(NotFound):
            return unlink(store, store.sources.links.find(source.org, id), data)
    return store.sources.remove(id)


def is_supervised(store: Store, link: Link) -> bool:
    """Whether a process is supervising the device."""
    now = time.time_ns() // 1000
    return any(held.name == f"{WORK} {link.id}" and held.ends_at > now for held in store.held_leases(link.org))


def wants_process(link: Link) -> bool:
    """Whether a device has to be connected: it was not refused, or a user requested it again."""
    return link.asked is not None or link.state not in ENDED or link.state == "unavailable"


def say_unavailable(store: Store, link: Link) -> None:
    """Show that the library is missing."""
    if link.state != "unavailable":
        store.sources.links.write(structs.replace(link, state="unavailable", problem=INSTALL))
