"""The answers of the tools: read through the native API's code, shortened, and limited in size."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from backscroll.core.errors import BadField, Error, NotFound
from backscroll.core.model import Access, Media, Phone
from backscroll.dialects.mcp import objects
from backscroll.dialects.mcp.fitting import all_visible, fitted, size_of
from backscroll.dialects.mcp.tools import BY_NAME, NATIVE_NAMES, NO_PROOF, UNTRUSTED, Arguments, limit_of, values_of
from backscroll.dialects.native import objects as native
from backscroll.dialects.native.coverage import parse_coverage, render_coverage
from backscroll.dialects.native.messages import render_card, render_thread
from backscroll.dialects.native.requests import (
    parse_chats,
    parse_contacts,
    parse_key,
    parse_media,
    parse_phone,
    parse_thread,
)
from backscroll.dialects.native.search import parse_search, render_search
from backscroll.formats.periskope_ids import MessageRef
from backscroll.storage.files.media import MediaStore
from backscroll.storage.read.coverage import Coverages
from backscroll.storage.read.finding import Finder, Wanted
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.media_lists import list_media
from backscroll.storage.read.names import Reading
from backscroll.storage.read.threads import Threads, place_of_message
from backscroll.storage.records.rows import MessageRow
from backscroll.storage.store import Store

Json = dict[str, Any]
Values = Mapping[str, str]

MAX_CHATS = 15
"""Maximum number of chats listed with a search."""
RESOURCES = 50
"""Files on one page of the list of resources."""


COVERAGE = (
    "Only the listed periods are covered: an empty result does not prove that nothing was said in a gap, before the "
    "first period or after the last one. Some messages from a gap may be stored nevertheless. Say so when you answer "
    "about such a time."
)


class TooLarge(Error):
    """A file is larger than the limit for one resource."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(f"the file has {size} bytes, more than the limit of {most}")


class HeldLinks:
    """Only shows whether a file exists: programs get its address as a resource."""

    def media_url(self, org_no: int, media: Media) -> str | None:
        return media.file

    def media_path(self, org_no: int, media: Media) -> str | None:
        return None

    def thumbnail_url(self, org_no: int, media: Media) -> str | None:
        return None


class File(Struct, frozen=True):
    """The file of a message."""

    mimetype: str
    data: bytes


class Answers:
    """Answers for one credential. Every method is synchronous and reads in one transaction.

    ``max_bytes``: limits for the JSON of an answer, and for a file.
    """

    def __init__(self, store: Store, media: MediaStore | None, access: Access, max_bytes: int, max_file: int) -> None:
        self._store = store.seen_by(access.viewer)
        self._media = media
        self._access = access
        self._max_bytes = max_bytes
        self._max_file = max_file
        self._links = HeldLinks()

    def call(self, name: str, arguments: Arguments) -> Json:
        """The answer of a tool. Raises ``NotFound`` for an unknown tool, ``BadField`` for invalid arguments."""
        tool = BY_NAME.get(name)
        if tool is None:
            raise NotFound("tool", name[:80])
        values = values_of(tool, arguments)
        if "limit" not in tool.takes:
            return self._marked(self._made(name, values))
        limit = limit_of(tool, values)
        while True:
            made = self._made(name, {**values, "limit": str(limit)})
            size = size_of(made)
            if size <= self._room or limit == 1:
                return self._marked(made)
            # Read again with fewer rows instead of being cut, so that the cursor belongs to what is shown.
            limit = max(1, min(limit - 1, int(limit * self._room / size * 0.9)))

    def _made(self, name: str, values: Values) -> Json:
        """What a tool answers, without what only a model could read; invalid arguments are called as the tool does."""
        try:
            made: Json = all_visible(getattr(self, f"_{name}")(values))
        except BadField as error:
            named = {native: own for own, native in NATIVE_NAMES.items() if own in BY_NAME[name].takes}
            raise BadField(named.get(error.field, error.field), error.value, error.remedy) from error
        return made

    @property
    def _room(self) -> int:
        """Bytes of an answer besides what it is marked with."""
        return self._max_bytes - len(UNTRUSTED) - len(NO_PROOF) - 60

    def _marked(self, made: Json) -> Json:
        made = fitted(made, self._room)
        return {"untrusted": UNTRUSTED, **made, **({"warning": NO_PROOF} if made.get("items") == [] else {})}

    # ------------------------------------------------------------------ tools

    def _list_phones(self, _: Values) -> Json:
        numbers = tuple(phone.no for phone in self._access.phones)
        told = self._native(lambda reading: native.render_phones(Lists.of(reading).phone_summaries(numbers)))
        return {"items": [objects.phone_object(phone) for phone in told["items"]]}

    def _list_chats(self, values: Values) -> Json:
        query, filters = parse_chats(self._access, _renamed(values), _phones(values))
        told = self._native(lambda reading: native.render_chats(Lists.of(reading).chats(query), query, filters))
        return {"items": [objects.chat_object(chat) for chat in told["items"]], "next": told["next"]}

    def _read_messages(self, values: Values) -> Json:
        phone = self._phone_of(values)
        told = self._thread(phone, values["chat_id"], values)
        if not told["items"]:
            self._check_chat(phone, values["chat_id"])
        return {"items": _messages(told["items"]), "older": told["older"], "newer": told["newer"]}

    def _get_context(self, values: Values) -> Json:
        phone, ref = parse_key(self._access, values["key"])
        chat = self._store.ask(self._access.org.no, lambda reading: _row_of(reading, phone, ref, values["key"])[1])
        told = self._thread(phone, chat, {"around": values["key"], "limit": values["limit"]})
        return {
            "items": _messages(told["items"]),
            "target": told["target"],
            "older": told["older"],
            "newer": told["newer"],
        }

    def _check_chat(self, phone: Phone, chat: str) -> None:
        """Raise ``NotFound`` for a chat that the phone does not have, such as a name in place of an id."""
        found = self._store.ask(self._access.org.no, lambda reading: Lists.of(reading).chat((phone.no,), chat))
        if found is None:
            raise NotFound("chat", f"{chat[:80]} (list_chats finds chats by name)")

    def _thread(self, phone: Phone, chat: str, values: Values) -> Json:
        query, filters, key = parse_thread(self._access, phone, chat, values)

        def question(reading: Reading) -> bytes:
            placed = query
            if key is not None:
                side = next(name for name in ("around", "before", "after") if values.get(name))
                named, ref = parse_key(self._access, key)
                placed = place_of_message(query, side, _row_of(reading, named, ref, key)[0])
            return render_thread(Threads(reading, placed).read(), self._access, self._links, filters)

        return self._native(question)

    def _search_messages(self, values: Values) -> Json:
        asked = {"context": "0", **_renamed(values)}
        query = parse_search(self._access, asked, _phones(values))
        told = msgspec.json.decode(render_search(self._store.search(query), self._access, self._links))
        hits = []
        for hit in told["items"]:
            context = _messages(hit["context"])
            hits.append(
                {"message": objects.message_object(hit["message"]), **({"context": context} if context else {})}
            )
        rest = {name: told[name] for name in ("total", "total_is_exact", "complete", "ignored", "next")}
        chats = {} if told["facets"] is None else {"chats": told["facets"]["chats"][:MAX_CHATS]}
        return {"items": hits, **chats, **rest}

    def _get_message(self, values: Values) -> Json:
        phone, ref = parse_key(self._access, values["key"])

        def question(reading: Reading) -> bytes:
            card = Finder(reading, (phone.no,)).card(Wanted.of(ref))
            if card is None:
                raise NotFound("message", values["key"])
            return render_card(card, self._access, self._links)

        told = self._native(question)
        for part in (2, 4, 8):
            made = objects.card_object(told, self._max_bytes // part)
            if len(msgspec.json.encode(made)) < self._max_bytes * 9 // 10:
                break
        return {"message": made}

    def _list_contacts(self, values: Values) -> Json:
        query, filters = parse_contacts(self._access, _renamed(values))
        told = self._native(lambda reading: native.render_contacts(Lists.of(reading).contacts(query), filters))
        return {"items": [objects.contact_object(contact) for contact in told["items"]], "next": told["next"]}

    def _get_contact(self, values: Values) -> Json:
        numbers = tuple(phone.no for phone in self._access.phones)

        def question(reading: Reading) -> bytes:
            card = Lists.of(reading).card(numbers, values["jid"])
            if card is None:
                raise NotFound("contact", values["jid"][:80])
            return native.render_contact(card)

        return {"contact": objects.contact_card(self._native(question))}

    def _list_media(self, values: Values) -> Json:
        phones = _phones(values)
        if values.get("chat_id") and not phones:
            phones = [self._phone_of(values).number]
        query, filters = parse_media(self._access, {"kind": "all", **_renamed(values)}, phones)
        told = self._native(
            lambda reading: native.render_media(list_media(reading, query), self._access, self._links, filters)
        )
        return {"items": [objects.media_object(row) for row in told["items"]], "next": told["next"]}

    def _get_coverage(self, values: Values) -> Json:
        phones = _phones(values)
        if values.get("chat_id") and not phones:
            phones = [self._phone_of(values).number]
        query, chat, filters = parse_coverage(self._access, _renamed(values), phones)
        now = time.time_ns() // 1000
        told = self._native(lambda reading: render_coverage(Coverages(reading, now).page(query, chat), query, filters))
        covered = {name: [objects.covered_object(row) for row in told[name]] for name in ("phones", "items")}
        return {**covered, "warning": COVERAGE, "next": told["next"]}

    # ------------------------------------------------------------------ files

    def files(self, cursor: str | None) -> tuple[list[Json], str | None]:
        """Messages with files that the archive holds, newest first, and the cursor of the next page."""
        values = {"kind": "all", "limit": str(RESOURCES)} | ({} if cursor is None else {"cursor": cursor})
        told = self._list_media(values)
        return [all_visible(row) for row in told["items"] if "uri" in row["file"]], told["next"]

    def file(self, uri: str) -> File:
        """The file that a URI refers to; raises ``NotFound`` or ``TooLarge``."""
        key = objects.key_of_uri(uri)
        phone, ref = parse_key(self._access, key)
        media = self._store.ask(self._access.org.no, lambda reading: _media_of(reading, phone, ref, key))
        if media.file is None or self._media is None:
            raise NotFound("file of message", key)
        size = self._media.size(self._access.org.no, media.file)
        if size > self._max_file:
            raise TooLarge(size, self._max_file)
        with self._media.open(self._access.org.no, media.file) as opened:
            return File(media.mimetype or "application/octet-stream", opened.read())

    # ------------------------------------------------------------------ shared

    def _phone_of(self, values: Values) -> Phone:
        named = values.get("phone")
        if named is not None:
            return parse_phone(self._access, named)
        if len(self._access.phones) == 1:
            return self._access.phones[0]
        numbers = ", ".join(phone.number for phone in self._access.phones)
        raise BadField("phone", None, f"must name one of your own phones: {numbers}")

    def _native(self, question: Callable[[Reading], bytes]) -> Json:
        told: Json = msgspec.json.decode(self._store.ask(self._access.org.no, question))
        return told


def _messages(told: list[Json]) -> list[Json]:
    return [objects.message_object(message) for message in told]


def _phones(values: Values) -> list[str]:
    return [values["phone"]] if values.get("phone") else []


def _renamed(values: Values) -> dict[str, str]:
    """The values under the native API's names."""
    return {NATIVE_NAMES.get(name, name): value for name, value in values.items()}


def _row_of(reading: Reading, phone: Phone, ref: MessageRef, key: str) -> tuple[MessageRow, str]:
    """The row of a message, and its chat; raises ``NotFound``."""
    row = Finder(reading, (phone.no,)).row(Wanted.of(ref))
    if row is None:
        raise NotFound("message", key[:80])
    return row, reading.names.contact_row(row.chat).jid


def _media_of(reading: Reading, phone: Phone, ref: MessageRef, key: str) -> Media:
    found = Finder(reading, (phone.no,)).message(Wanted.of(ref))
    media = None if found is None else found.message.details.media
    if media is None:
        raise NotFound("file of message", key[:80])
    return media
