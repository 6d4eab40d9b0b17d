"""Evolution API's own PostgreSQL, read in key order without writing to it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core import ids
from backscroll.core.errors import BadField, NotFound, Unreadable
from backscroll.core.events import Batch, Event, MediaHeld, PhoneSeen
from backscroll.core.imports import NewImport
from backscroll.core.model import Media
from backscroll.database.postgres.reading import FILE, LARGE, ReadOnly, Rows, reading
from backscroll.ingest.connectors.evolution_database import rows as mapper
from backscroll.ingest.connectors.foreign.pieces import RAW_TYPE, Piece
from backscroll.ingest.connectors.foreign.rows import OnSkip, Skipped
from backscroll.ingest.databases.taking import ImportOutcome, Progress, importing, take
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

KIND = "evolution"
PROGRAM = "Evolution API"
PAGE = 200
_COLUMNS: dict[str, tuple[str, ...]] = {
    "IsOnWhatsapp": ("id", "remoteJid", "jidOptions", "lid"),
    "Contact": ("id", "remoteJid", "pushName", "profilePicUrl", "instanceId"),
    "Label": ("id", "labelId", "name", "color", "instanceId"),
    "Chat": ("id", "remoteJid", "name", "unreadMessages", "labels", "instanceId"),
    "Message": (
        "id",
        "key",
        "pushName",
        "participant",
        "messageType",
        "message",
        "contextInfo",
        "messageTimestamp",
        "status",
        "instanceId",
    ),
    "MessageUpdate": (
        "id",
        "keyId",
        "remoteJid",
        "fromMe",
        "participant",
        "pollUpdates",
        "status",
        "messageId",
        "instanceId",
    ),
}
"""In the order in which they can be applied. Other tables are not read: they hold tokens and keys of accounts."""
_NEEDED = {"id", "key", "message", "messageTimestamp", "instanceId"}


class Instance(Struct, frozen=True):
    """An account in Evolution. ``phone`` is the JID of its number."""

    id: str
    name: str
    phone: str


def import_evolution(
    store: Store,
    media: MediaStore | None,
    org: int,
    url: str,
    *,
    instance: str | None = None,
    max_media_bytes: int,
    progress: Progress = lambda done, whole: None,
) -> ImportOutcome:
    """Import the messages of all instances, or of the one named ``instance``. New phones are created.

    ``media`` None leaves the files where they are. Raises ``BadField`` for a URL of another kind, ``NotFound`` for an
    unknown instance, ``Unreadable`` if the database cannot be read.
    """
    with reading(url, PROGRAM) as database:
        found = instances(database, instance)
        source = NewImport(kind=KIND, file=database.place, answers={"instance": instance})
        whole = _count(database, found)
        with importing(store, org, source) as (entry, as_import, taken):
            walk = _Walk(database, found, media, org, max_media_bytes)
            return take(as_import, org, KIND, entry.id, walk.pieces, taken, whole=whole, progress=progress)


def instances(database: ReadOnly, name: str | None) -> dict[str, Instance]:
    """Evolution's instances by id, without those that were never linked and so have no number and no messages."""
    columns = database.columns("Instance")
    if not (database.columns("Message") >= _NEEDED and {"id", "name", "ownerJid"} <= columns):
        problem = (
            "this is not a database of Evolution API v2; name its PostgreSQL database, and its schema with ?schema="
        )
        raise Unreadable(f"{PROGRAM} database", database.place, problem)
    pages = database.walk("Instance", "id", ("id", "name", "ownerJid", "number"), size=PAGE)
    rows = [row for page in pages for row in page]
    if name is not None and name not in [row["name"] for row in rows]:
        known = ", ".join(str(row["name"]) for row in rows[:20]) or "none"
        raise NotFound("instance", f"{name[:80]}; there is {known}")
    linked = (_instance(row) for row in rows if name in (None, row["name"]))
    found = {one.id: one for one in linked if one is not None}
    if not found:
        raise BadField("instance", name, "has no number: it was never linked" if name else "must name a linked one")
    return found


def _instance(row: Mapping[str, Any]) -> Instance | None:
    told = row.get("ownerJid") or row.get("number")
    jid = ids.canonical(told) if told else ""
    if ids.kind_of(jid) != "user" or not ids.bare_number(ids.user_part(jid)):
        return None
    return Instance(row["id"], row["name"], jid)


def _count(database: ReadOnly, found: Mapping[str, Instance]) -> int:
    query = 'SELECT count(*) AS rows FROM "Message" WHERE "instanceId" = ANY(%(only)s)'
    return int(database.ask(query, {"only": list(found)})[0]["rows"])


class _Walk:
    def __init__(
        self, database: ReadOnly, found: Mapping[str, Instance], media: MediaStore | None, org: int, max_bytes: int
    ) -> None:
        self._database = database
        self._instances = found
        self._media = media
        self._org = org
        self._max_bytes = max_bytes
        self._polls: dict[str, int] = {}
        self._tell: dict[str, Callable[[dict[str, Any]], list[Event]]] = {
            "IsOnWhatsapp": mapper.number_of,
            "Contact": lambda row: mapper.contact_of(row, self._phone(row)),
            "Label": lambda row: mapper.label_of(row, self._phone(row)),
            "Chat": lambda row: mapper.chat_of(row, self._phone(row)),
            "Message": self._message,
            "MessageUpdate": self._update,
        }

    def pieces(self, after: str | None, on_skip: OnSkip) -> Iterator[Piece]:
        """The pieces of all tables from the position ``after`` on, which is a table and the key of the last row."""
        if after is None:
            phones: list[Event] = [PhoneSeen(jid=one.phone) for one in self._instances.values()]
            yield Piece(batch=Batch(source="database", events=phones), place="")
        stage, _, key = (after or "").partition(":")
        tables = list(_COLUMNS)
        start = tables.index(stage) if stage in tables else 0
        for table in tables[start:]:
            only = None if table == "IsOnWhatsapp" else ("instanceId", list(self._instances))
            first = key if table == stage else ""
            for rows in self._database.walk(table, "id", _COLUMNS[table], size=PAGE, after=first, only=only):
                yield self._piece(table, rows, on_skip)

    def _piece(self, table: str, rows: Rows, on_skip: OnSkip) -> Piece:
        if table == "MessageUpdate":
            self._learn_polls(rows)
        events: list[Event] = []
        raw: list[bytes] = []
        for number, row in enumerate(rows, 1):
            payload = msgspec.json.encode({"table": table, "row": row})
            raw.append(payload)
            try:
                if row[LARGE]:
                    raise Unreadable(KIND, "row", "is too large")
                events += self._tell[table](mapper.decoded(row))
            except Unreadable as error:
                on_skip(
                    Skipped(
                        table=table,
                        row=number,
                        name=mapper.name_of(row),
                        column=error.where,
                        problem=error.problem,
                        kept=False,
                        payload=payload,
                    )
                )
        batch = Batch(source="database", events=events, raw=b"\n".join(raw), raw_type=RAW_TYPE)
        counted = len(rows) if table == "Message" else 0
        return Piece(batch=batch, place=f"{table}:{rows[-1]['id']}", rows=counted)

    def _phone(self, row: Mapping[str, Any]) -> str:
        return self._instances[row["instanceId"]].phone

    def _message(self, row: dict[str, Any]) -> list[Event]:
        told = mapper.message_of(row, self._phone(row))
        if row.get(FILE) and told.media is not None and told.target is not None and self._media is not None:
            held = self._held(self._media, row["id"], told.media)
            if held is not None:
                return [*told.events, MediaHeld(target=told.target, media=held)]
        return told.events

    def _held(self, store: MediaStore, id: str, media: Media) -> Media | None:
        """Store the file contained in the row; None if it is too large or is not the file that was sent."""
        text = self._database.file_of("Message", "id", id, self._max_bytes * 4 // 3 + 4)
        try:
            raw = base64.b64decode(text or "", validate=True)
        except (binascii.Error, ValueError):
            return None
        if not raw or len(raw) > self._max_bytes:
            return None
        if media.sha256 is not None and hashlib.sha256(raw).hexdigest() != media.sha256:
            return None
        kept = store.put(
            self._org, raw, max_bytes=self._max_bytes, declared_mimetype=media.mimetype, filename=media.filename
        )
        mimetype = media.mimetype or kept.mimetype
        return Media(file=kept.sha256, size=kept.size, mimetype=mimetype, width=kept.width, height=kept.height)

    def _learn_polls(self, rows: Rows) -> None:
        """Load when those polls were sent for which some updates are votes."""
        wanted = [row["messageId"] for row in rows if row.get("pollUpdates") and row.get("messageId")]
        query = 'SELECT "id", "messageTimestamp" FROM "Message" WHERE "id" = ANY(%(ids)s)'
        found = self._database.ask(query, {"ids": wanted}) if wanted else []
        self._polls = {row["id"]: int(row["messageTimestamp"]) * 1_000_000 for row in found}

    def _update(self, row: dict[str, Any]) -> list[Event]:
        return mapper.update_of(row, self._phone(row), self._polls.get(row.get("messageId") or ""))
