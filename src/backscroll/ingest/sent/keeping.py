"""Storing what was sent before the answer is passed on, or on disk while the database cannot be written.

The gateway has already sent the message. The client must learn that, or it would send the message again, so the answer
is always passed on. What could not be written is kept as a file in the data directory until it can be.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from msgspec import Struct, structs

from backscroll.core.errors import BadField, Conflict, NotFound, StorageError, story_of
from backscroll.core.events import Batch, Event, MessageSeen, Target
from backscroll.core.model import Source
from backscroll.ingest.media import held
from backscroll.ingest.sent import gowa, periskope
from backscroll.ingest.sent.sending import Sent, Understood
from backscroll.storage.files.durable_files import make_folder, sync_folder, writing
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write.live_sources import LiveSource

log = logging.getLogger("backscroll.upstream")

FOLDER = "sent-unwritten"
_ENDING = ".json"

SENDING: dict[str, frozenset[str]] = {"gowa": gowa.SENDING, "periskope": periskope.SENDING}
"""Routes whose effect the archive records, by kind of gateway."""
_READERS: dict[str, Callable[[Sent], Understood | None]] = {
    "gowa": gowa.understood,
    "periskope": periskope.understood,
}


class _Waiting(Struct, frozen=True):
    """Events waiting for the database, with the number of their organisation and the id of their source."""

    org: int
    source: Source
    via: str | None
    events: list[Event]


def batch_of(source: LiveSource, sent: Sent) -> tuple[Batch, str] | None:
    """What was sent as a batch, with the message's id; None if it cannot be understood."""
    understood = _READERS[source.kind](sent)
    if understood is None:
        return None
    counts_as: Source = "gowa" if source.kind == "gowa" else "periskope"
    return Batch(source=counts_as, events=understood.events, via=source.id), understood.id


def with_files(media: MediaStore | None, source: LiveSource, batch: Batch, sent: Sent, max_bytes: int) -> Batch:
    """The batch, with an event for the uploaded file once that is on disk. Never raises."""
    seen = next((event for event in batch.events if isinstance(event, MessageSeen)), None)
    file = next((file for file in sent.fields.files if file.content is not None and file.size), None)
    if media is None or seen is None or file is None or file.content is None:
        return batch
    key, told = seen.message.key, seen.message.details.media
    if told is None:
        return batch
    try:
        file.content.seek(0)
        target = Target(key.phone, key.chat, key.id, key.sender)
        here = held(media, source.org, target, told, cast("BinaryIO", file.content), max_bytes)
    except Exception as error:
        log.warning("source %s: the file of message %s cannot be kept: %s", source.id, key.id[:80], _name(error))
        return batch
    return structs.replace(batch, events=[*batch.events, here])


def keep(store: Store, folder: Path, source: LiveSource, batch: Batch, id: str) -> None:
    """Write what was sent to the database, or else to the disk. Never raises, because the message is already sent."""
    try:
        store.apply(source.org, batch)
        return
    except (BadField, Conflict, NotFound) as error:
        # Retrying does not help. The gateway's webhook or the next pull reports the message again.
        log.warning("source %s: message %s, which was sent, cannot be kept: %s", source.id, id[:80], story_of(error))
        return
    except Exception as error:
        log.warning("source %s: message %s was sent but cannot be written yet: %s", source.id, id[:80], _name(error))
    put_aside(folder, source, batch, id)


def put_aside(folder: Path, source: LiveSource, batch: Batch, id: str) -> None:
    """Store a batch on disk until it can be written to the database. Never raises."""
    try:
        _write(folder, _Waiting(source.org, batch.source, batch.via, [*batch.events]))
    except Exception as error:
        log.error(
            "source %s: message %s was sent and could be kept nowhere (%s); run: backscroll sync --source %s",
            source.id,
            id[:80],
            _name(error),
            source.id,
        )


def _name(error: BaseException) -> str:
    return type(error).__name__


def _write(folder: Path, waiting: _Waiting) -> None:
    """Write the file atomically."""
    with writing(f"what was sent, in {FOLDER}"):
        make_folder(folder)
        made = folder / secrets.token_hex(16)
        try:
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(waiting))
                file.flush()
                os.fsync(descriptor)
            made.rename(made.with_suffix(_ENDING))
        except BaseException:
            with suppress(OSError):
                made.unlink()
            raise
        sync_folder(folder)


def how_many_wait(folder: Path) -> int:
    """Number of batches waiting for the database."""
    return sum(1 for _ in folder.glob(f"*{_ENDING}"))


def write_waiting(store: Store, folder: Path) -> int:
    """Write waiting batches; returns how many. Raises ``StorageError`` while the database is away.

    Several processes may do this at once, because a message that is written twice is stored once.
    """
    written = 0
    for file in sorted(folder.glob(f"*{_ENDING}")):
        try:
            waiting = msgspec.json.decode(file.read_bytes(), type=_Waiting)
            store.apply(waiting.org, Batch(source=waiting.source, via=waiting.via, events=waiting.events))
            written += 1
        except FileNotFoundError:
            continue
        except StorageError:
            raise
        except (msgspec.DecodeError, BadField, Conflict, NotFound) as error:
            log.error("%s cannot be read or written and is left as %s.bad: %s", file.name, file.name, _name(error))
            with suppress(FileNotFoundError):
                file.rename(file.with_name(f"{file.name}.bad"))
            continue
        file.unlink(missing_ok=True)
    return written
