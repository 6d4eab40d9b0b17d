"""One linked device: its process, the events from it, and what happens when it ends.

The process may fail in any way; every event that was not committed is in its spool and is delivered again. The process
is restarted after a pause that grows from one second to five minutes, but never when WhatsApp has refused the device:
then a person has to decide.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
from msgspec import structs

from backscroll.core.errors import BadField, Error, NotFound, StorageError, StorageFull, story_of
from backscroll.core.events import Batch, Target
from backscroll.core.ids import canonical, user_part
from backscroll.core.model import Media
from backscroll.formats.link_lines import (
    ENDED,
    TOLD,
    Done,
    Fetched,
    Frame,
    LinkState,
    LogOut,
    Order,
    PairCode,
    Status,
    encoded,
)
from backscroll.ingest.media import held
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.files.durable_files import make_folder
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write.links import Link
from backscroll.storage.write.live_sources import LiveSource

log = logging.getLogger("backscroll.linked")

FIRST_PAUSE, LAST_PAUSE = 1.0, 300.0
STEADY_SECONDS = 60.0
"""A device that was connected for this long starts again with the first pause."""
LOOK_SECONDS = 0.5
KEEP_SECONDS = 1.5
LOG_OUT_SECONDS = 45.0
CONNECT_SECONDS = 20.0
BUSY_SECONDS = 1.0
READER_SECONDS = 4.0
FOLDER = "linked"
ACCOUNT = "account.json"
"""Exists in a device's folder once it is paired."""
_PHONE_STATES: dict[LinkState, str] = {
    "connected": "CONNECTED",
    "connecting": "CONNECTING",
    "starting": "CONNECTING",
}

Command = Callable[[Path, int], list[str]]


def own_command(folder: Path, max_file_bytes: int) -> list[str]:
    """The command for a device's process, run by the same interpreter."""
    module = ["-m", "backscroll.linked.child"]
    return [sys.executable, *module, str(folder), "--max-file-bytes", str(max_file_bytes)]


def environment() -> dict[str, str]:
    """The environment of the process, without the archive's own settings, which contain passwords."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BACKSCROLL_")}


def folder_of(data: Path, id: str) -> Path:
    """Where the keys of a device are stored, readable only by the owner. They are not part of the archive."""
    return data / FOLDER / id


def next_pause(pause: float) -> float:
    """Seconds to wait after another failure."""
    return min(2 * pause, LAST_PAUSE)


class Stopped(Exception):
    """The server is stopping, or another process has the device now."""


class Device:
    """Supervises the device of a link as long as ``keep_turn`` allows this process to.

    ``stopping`` ends it; the device's process is then killed, which it is designed to survive.
    """

    def __init__(
        self,
        store: Store,
        media: MediaStore | None,
        link: Link,
        *,
        data: Path,
        max_media_bytes: int,
        keep_turn: Callable[[], bool],
        stopping: threading.Event,
        command: Command = own_command,
    ) -> None:
        self._store = store
        self._media = media
        self._link = link
        self._source: LiveSource = store.sources.find(link.id)
        self._ingestor = Ingestor(store)
        self._max_media_bytes = max_media_bytes
        self._keep_turn = keep_turn
        self._kept = time.monotonic()
        self._stopping = stopping
        self._command = command
        self.folder = folder_of(data, link.id)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._connected_since: float | None = None
        self._explained = False
        """The process has reported what is wrong."""
        self._lock = threading.Lock()
        self._telling = threading.RLock()

    def run(self) -> None:
        """Keep the device connected until it is refused or unlinked, or this process has to stop."""
        try:
            self._supervise()
        except Stopped:
            self._say_disconnected()
        except NotFound:
            log.info("link %s was removed", self._link.id)
            self._kill()
            shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            self._kill()
            if self._reader is not None:
                # It may be committing the last events; the store is closed after this.
                self._reader.join(READER_SECONDS)

    def _supervise(self) -> None:
        pause = FIRST_PAUSE
        while True:
            if self._was_asked():
                pause = FIRST_PAUSE
            if self._link.jid is not None and not (self.folder / ACCOUNT).exists():
                # The archive is a copy, or was restored from a backup without the keys.
                self._set(state="logged_out", problem="the keys of the device are not on this machine")
                return
            self._explained = False
            self._set(state="starting", retry_at=None)
            self._start()
            self._watch()
            if self._link.state in ENDED:
                return
            if self._connected_since is not None and time.monotonic() - self._connected_since > STEADY_SECONDS:
                pause = FIRST_PAUSE
            self._connected_since = None
            self._set(state="waiting", retry_at=_now() + round(pause * 1_000_000))
            self._wait(pause)
            pause = next_pause(pause)

    # Requests from users

    def _was_asked(self) -> bool:
        """Do what was requested since the last check; raises ``Stopped`` after unlinking. Returns whether a restart was
        requested.
        """
        current = self._store.sources.links.find(self._link.org, self._link.id)
        self._link = structs.replace(self._link, asked=current.asked, code_for=current.code_for)
        if current.asked is None:
            return False
        self._store.sources.links.was_asked(current)
        if current.asked == "unlink":
            self._unlink()
            raise NotFound("link", self._link.id)
        if self._link.state == "wrong_phone":
            shutil.rmtree(self.folder, ignore_errors=True)
            self._set(jid=None)
        elif self._link.state == "logged_out":
            # The keys are no longer of use, but the received events are.
            for file in self.folder.glob("session.db*"):
                file.unlink()
            (self.folder / ACCOUNT).unlink(missing_ok=True)
            self._set(jid=None)
        return True

    def _unlink(self) -> None:
        """Remove the device from the account's list if WhatsApp can be reached, and delete it here in any case."""
        if (self.folder / ACCOUNT).exists():
            if self._process is None:
                self._set(state="starting")
                self._start()
                self._until(lambda: self._link.state == "connected" or self._has_ended(), CONNECT_SECONDS)
            self._order(LogOut())
            self._until(self._has_ended, LOG_OUT_SECONDS)
        self._kill()
        self._store.sources.remove(self._link.id)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    # The process

    def _start(self) -> None:
        with self._lock:
            make_folder(self.folder)
            errors = os.open(self.folder / "errors.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and our own module
                    self._command(self.folder, self._max_media_bytes),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment(),
                    start_new_session=True,
                )
            finally:
                os.close(errors)
        assert self._process.stdout is not None
        reader = threading.Thread(
            target=self._listen, args=(self._process.stdout,), name="backscroll-linked-lines", daemon=True
        )
        reader.start()
        self._reader = reader
        if self._link.code_for is not None:
            self._order(PairCode(self._link.code_for))

    def _watch(self) -> None:
        """Return when the process has ended and all its events are stored."""
        process = self._process
        assert process is not None
        while process.poll() is None:
            self._look()
            if self._was_asked():
                break
        self._kill()
        if self._reader is not None:
            self._reader.join()
        if self._link.state not in ENDED and not self._explained:
            self._set(problem=f"the process of the device ended ({process.returncode})")

    def _kill(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin,):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _order(self, order: Order) -> None:
        with self._lock:
            process = self._process
            if process is None or process.stdin is None:
                return
            with suppress(OSError, ValueError):
                process.stdin.write(encoded(order))
                process.stdin.flush()

    # Time

    def _look(self) -> None:
        """Wait a moment; raises ``Stopped`` if this process must not continue."""
        if self._stopping.wait(LOOK_SECONDS):
            raise Stopped
        if time.monotonic() - self._kept > KEEP_SECONDS:
            with suppress(StorageError):
                if not self._keep_turn():
                    raise Stopped
                self._kept = time.monotonic()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
            if self._store.sources.links.find(self._link.org, self._link.id).asked is not None:
                return

    def _until(self, true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not true():
            self._look()

    # Events from the process

    def _listen(self, lines: IO[bytes]) -> None:
        try:
            with lines:
                for line in lines:
                    self._take(line)
        except Stopped:
            return
        except NotFound:
            # Removed in the meantime; the supervising thread notices that.
            return
        except Exception as error:
            log.error("link %s failed: %s", self._link.id, story_of(error))
            self._set(problem="a fault in this program; see its log")
            self._kill()

    def _take(self, line: bytes) -> None:
        try:
            told = TOLD.decode(line)
        except msgspec.DecodeError:
            # Something that the library printed before its output was redirected.
            return
        match told:
            case Status():
                self._hear(told)
            case Frame(no=no) | Fetched(no=no) if self._link.state == "wrong_phone":
                # Events of an account that was not requested are not stored.
                self._order(Done(no))
            case Frame(no=no, body=body):
                self._patiently(lambda: self._commit(bytes(body)))
                self._order(Done(no))
            case Fetched(no=no):
                self._patiently(lambda: self._keep_file(told))
                self._order(Done(no))

    def _patiently(self, work: Callable[[], None]) -> None:
        """Repeat until it succeeds: the database may be unavailable, or the disk full, for a long time."""
        while True:
            try:
                return work()
            except StorageFull as error:
                self._set(problem=str(error))
            except StorageError as error:
                log.warning("link %s waits: %s", self._link.id, type(error).__name__)
            if self._stopping.wait(BUSY_SECONDS):
                raise Stopped

    def _commit(self, body: bytes) -> None:
        try:
            self._ingestor.take(self._source, body)
        except StorageError:
            raise
        except Exception as error:
            # One event that cannot be processed must not block all following ones.
            log.error("link %s: an event went to quarantine: %s", self._link.id, story_of(error))
            problem = "a fault in this program; see its log"
            self._store.quarantine(self._link.org, self._source.kind, body, problem, via=self._link.id)

    def _keep_file(self, told: Fetched) -> None:
        path = Path(told.path)
        if self._media is None or self._source.phone is None or path.parent != self.folder.absolute() / "files":
            return
        own = next(phone for phone in self._store.list_phones(self._link.org) if phone.no == self._source.phone)
        # The author may be given by number there and by LID here; the id of the message is sufficient.
        target = Target(own.jid, canonical(told.chat), told.id)
        about = Media(mimetype=told.mimetype, filename=told.filename, sha256=told.sha256)
        try:
            with path.open("rb") as file:
                event = held(self._media, self._link.org, target, about, file, self._max_media_bytes)
        except (BadField, FileNotFoundError):
            return
        apply_with_retry(self._store, self._link.org, Batch(source="linked", events=[event]))

    # State

    def _hear(self, told: Status) -> None:
        if told.jid is not None and not self._belongs(told.jid):
            return
        if self._link.state in ENDED:
            return
        changes: dict[str, object] = {}
        if told.problem is not None:
            changes["problem"], self._explained = told.problem, True
        if told.progress is not None:
            changes["progress"] = None if told.progress >= 100 else told.progress
        wanted_by_code = self._link.code_for is not None
        if told.code is not None or (told.qr is not None and not wanted_by_code):
            changes |= {"qr": told.qr, "rows": told.rows, "code": told.code, "expires_at": told.expires_at}
        if told.state is not None:
            changes |= {"state": told.state, "retry_at": told.until}
            if told.state in ("pairing", "connected"):
                changes["problem"] = told.problem
            if told.state == "connected":
                self._connected_since = time.monotonic()
        if changes:
            self._set(**changes)

    def _belongs(self, jid: str) -> bool:
        """Whether the account is the requested one; its phone is added if it is new."""
        org, links = self._link.org, self._store.sources.links
        phones = {phone.no: phone for phone in self._store.list_phones(org)}
        wanted = phones.get(self._source.phone or 0)
        if wanted is not None and wanted.jid != canonical(jid):
            self._set(state="wrong_phone", problem="another account scanned the code; it was unlinked again")
            self._order(LogOut())
            return False
        if wanted is None:
            own = self._store.add_phone(org, user_part(canonical(jid)), name=self._link.phone_name)
            links.belongs_to(self._link, own.no)
            self._link = structs.replace(self._link, phone=own.no)
            self._source = self._store.sources.find(self._link.id)
            self._ingestor = Ingestor(self._store)
        self._set(jid=canonical(jid))
        return True

    def _set(self, **changes: object) -> None:
        """Store the current state of the device, and whether its phone is connected."""
        with self._telling:
            self._write(changes)

    def _write(self, changes: dict[str, object]) -> None:
        state = changes.get("state", self._link.state)
        if state != self._link.state:
            changes["since"] = _now()
            log.info("link %s: %s", self._link.id, state)
        if state != "pairing":
            changes |= {"qr": None, "rows": None, "code": None, "expires_at": None}
        link = structs.replace(self._link, **changes)
        if link == self._link:
            return
        self._link = link
        with suppress(StorageError):
            # A client that sees the device connected also finds its phone connected.
            if link.phone is not None:
                # WhatsApp keeps what a device misses and delivers it later, unless the device was refused.
                tells = link.id if link.state == "connected" or link.state in ENDED else None
                state = _PHONE_STATES.get(link.state, "DISCONNECTED")
                self._store.sources.connect(link.org, link.phone, state, source=tells)
            self._store.sources.links.write(link)

    def _say_disconnected(self) -> None:
        """The server is stopping: nothing is connected until it is started again."""
        if self._link.state not in ENDED:
            self._set(state="starting")
        with suppress(Error):
            if self._link.phone is not None:
                self._store.sources.connect(self._link.org, self._link.phone, "DISCONNECTED")


def _now() -> int:
    return time.time_ns() // 1000
