"""Downloads of a chat, or of everything a token gives access to: JSON lines, text, text with files."""

from __future__ import annotations

import asyncio
import datetime
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import BinaryIO, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs

from backscroll.core.errors import BadField, NotFound, StorageError
from backscroll.core.limits import EARLIEST
from backscroll.core.model import MEDIA_KINDS, ArchivedMessage, Chat, Phone
from backscroll.core.query import ChatQuery, MediaQuery, Position, ThreadQuery
from backscroll.dialects.links import first_values
from backscroll.dialects.native.requests import parse_phone, parse_zone
from backscroll.dialects.native.transcript import moment, render_line
from backscroll.dialects.parameters import Param
from backscroll.formats.zip_stream import STORED_LEVEL, DosTime, ZipStream
from backscroll.http.body import hung_up
from backscroll.http.dialect_http import Refused
from backscroll.http.downloads import PIECE, Spool
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Handler, Route
from backscroll.http.routes.media import content_disposition
from backscroll.http.routes.native import phones_named
from backscroll.http.routes.tokens import NO_STORE
from backscroll.ingest import jsonl
from backscroll.storage.files.media import MediaStore
from backscroll.storage.files.media_types import extension_of
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.media_lists import list_media
from backscroll.storage.read.names import Reading
from backscroll.storage.read.threads import Threads

T = TypeVar("T")
PAGE = 500
"""Number of messages read at a time."""
FIRST_BYTES = 64
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]+')
_BEGINNING = Position(EARLIEST - 1)


class Wanted(Struct, frozen=True, kw_only=True):
    """The requested download: one chat of one phone, or all chats of some phones; times are in ``zone``."""

    phones: tuple[Phone, ...]
    chat: str | None
    zone: ZoneInfo
    name: str
    """Name of the file, without its extension."""


# ---------------------------------------------------------------------- what is asked for


async def _wanted(request: Request) -> Wanted:
    """Raises ``NotFound`` for a phone or chat that the token has no access to."""
    access, values = request.granted, first_values(request.query)
    named, chat = phones_named(request), values.get("chat") or None
    phones = tuple(parse_phone(access, text) for text in named) or access.phones
    name = access.org.name
    if chat is not None:
        if len(phones) != 1:
            raise BadField("phone", None, "name the phone of the chat")
        found = await _ask(request, lambda reading: Lists.of(reading).chat((phones[0].no,), chat))
        if found is None:
            raise NotFound("chat", chat[:80])
        name = _called(found)
    elif named:
        name = " ".join(phone.name or phone.number for phone in phones[:3])
    return Wanted(
        phones=phones, chat=chat, zone=parse_zone(values) or ZoneInfo("UTC"), name=f"{_safe(name)} (Backscroll)"
    )


async def _ask(request: Request, question: Callable[[Reading], T]) -> T:
    org = request.granted.org.no
    return await request.app.workers.run(lambda: request.archive.ask(org, question), org=org, heavy=True)


def _called(chat: Chat) -> str:
    return chat.name or chat.jid.partition("@")[0]


def _safe(name: str) -> str:
    """A name that is valid for a file or folder on any system."""
    return _FORBIDDEN.sub("_", name).strip(" .")[:100] or "chat"


def _attachment(wanted: Wanted, ending: str) -> tuple[tuple[str, str], ...]:
    return (("content-disposition", content_disposition("", f"{wanted.name}.{ending}")), NO_STORE)


# ---------------------------------------------------------------------- JSON lines


async def export_jsonl(request: Request) -> Reply:
    """The output of ``backscroll export jsonl``, compressed; one snapshot, which does not wait for a slow client."""
    access, app = request.granted, request.app
    wanted = await _wanted(request)
    if wanted.chat is None and (access.scoped or len(wanted.phones) != len(access.phones)):
        message = (
            "JSON lines are for one chat or for the whole organisation; name a chat, or use a token for all phones"
        )
        raise Refused(403, "FORBIDDEN", message)
    headers = _attachment(wanted, "jsonl.gz")
    if request.method == "HEAD":
        return Reply(200, b"", headers, "application/gzip")
    app.downloads.check(access.org.no)
    phones = None if wanted.chat is None else tuple(phone.no for phone in wanted.phones)

    def work(out: BinaryIO) -> None:
        jsonl.export_jsonl(app.store, out, org=access.org, chat=wanted.chat, phones=phones)

    spool = Spool(app.settings.data)
    with app.downloads.counted(access.org.no):
        await spool.begin(work, FIRST_BYTES)
    return Reply(200, b"", headers, "application/gzip", _counted(request, spool.chunks()))


async def _counted(request: Request, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same chunks, counted as a download in progress; ends when the client has disconnected."""
    receive = request.receive
    gone = None if receive is None else asyncio.ensure_future(hung_up(receive))
    try:
        with request.app.downloads.counted(request.granted.org.no):
            async with aclosing(chunks):
                async for chunk in chunks:
                    if gone is not None and gone.done():
                        return
                    yield chunk
    finally:
        if gone is not None:
            gone.cancel()


# ---------------------------------------------------------------------- text


async def export_text(request: Request) -> Reply:
    """A chat as text, without its files."""
    wanted = await _wanted(request)
    if wanted.chat is None:
        raise BadField("chat", None, "name the chat; all chats together are available as zip")
    headers = _attachment(wanted, "txt")
    if request.method == "HEAD":
        return Reply(200, b"", headers, "text/plain; charset=utf-8")
    request.app.downloads.check(request.granted.org.no)
    lines = _lines(request, wanted.phones[0], wanted.chat, wanted.zone, lambda archived: None)
    return Reply(200, b"", headers, "text/plain; charset=utf-8", _counted(request, lines))


async def _lines(
    request: Request,
    phone: Phone,
    chat: str,
    zone: ZoneInfo,
    attached: Callable[[ArchivedMessage], str | None],
) -> AsyncGenerator[bytes, None]:
    """The lines of a chat, a page at a time: each page is a separate transaction, and no message is repeated."""
    query: ThreadQuery | None = ThreadQuery(
        org=request.granted.org.no, phone=phone.no, chat=chat, after=_BEGINNING, limit=PAGE
    )
    while query is not None:
        text, query = await _ask(request, _page_of(query, zone, attached))
        if text:
            yield text


def _page_of(
    query: ThreadQuery, zone: ZoneInfo, attached: Callable[[ArchivedMessage], str | None]
) -> Callable[[Reading], tuple[bytes, ThreadQuery | None]]:
    def question(reading: Reading) -> tuple[bytes, ThreadQuery | None]:
        thread = Threads(reading, query).read()
        text = "".join(render_line(archived, zone, attached) for archived in thread.messages)
        if thread.found_newest or thread.newest is None:
            return text.encode("utf-8", "replace"), None
        return text.encode("utf-8", "replace"), structs.replace(query, after=thread.newest)

    return question


# ---------------------------------------------------------------------- text with files


async def export_zip(request: Request) -> Reply:
    """Chats as folders, each with its text and the files that the archive has, in the format of WhatsApp's own
    exports.
    """
    wanted = await _wanted(request)
    headers = _attachment(wanted, "zip")
    if request.method == "HEAD":
        return Reply(200, b"", headers, "application/zip")
    request.app.downloads.check(request.granted.org.no)
    return Reply(200, b"", headers, "application/zip", _counted(request, _zipped(request, wanted)))


async def _zipped(request: Request, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    with ZipStream() as archive:
        if wanted.chat is not None:
            async for piece in _folder(request, archive, wanted, wanted.phones[0], wanted.chat, ""):
                yield piece
        else:
            async for phone, chat in _chats(request, wanted.phones):
                folder = f"{phone.number}/{_safe(_called(chat))} ({_safe(chat.jid)})/"
                async for piece in _folder(request, archive, wanted, phone, chat.jid, folder):
                    yield piece
        for piece in archive.finish():
            yield piece


async def _chats(request: Request, phones: tuple[Phone, ...]) -> AsyncGenerator[tuple[Phone, Chat], None]:
    for phone in phones:
        query: ChatQuery | None = ChatQuery(org=request.granted.org.no, phones=(phone.no,), limit=200)
        while query is not None:
            asked = query
            page = await _ask(request, lambda reading, asked=asked: Lists.of(reading).chats(asked))  # type: ignore[misc]
            for chat in page.chats:
                yield phone, chat
            is_last = len(page.chats) < asked.limit or page.place is None
            query = None if is_last else structs.replace(asked, after=page.place)


async def _folder(
    request: Request, archive: ZipStream, wanted: Wanted, phone: Phone, chat: str, folder: str
) -> AsyncGenerator[bytes, None]:
    """The text of a chat, then its files."""
    access = request.granted
    yield archive.begin(f"{folder}_chat.txt", _now(wanted.zone))
    async for lines in _lines(request, phone, chat, wanted.zone, _held_by(request)):
        yield archive.write(lines)
    yield archive.end()
    query: MediaQuery | None = MediaQuery(
        org=access.org.no, phones=(phone.no,), kinds=tuple(sorted(MEDIA_KINDS)), chat=chat, limit=PAGE
    )
    while query is not None:
        asked = query
        page = await _ask(request, lambda reading, asked=asked: list_media(reading, asked))  # type: ignore[misc]
        for archived in page.messages:
            async for piece in _entry(request, archive, wanted, folder, archived):
                yield piece
        last = page.messages[-1] if page.messages and page.more else None
        query = None if last is None else structs.replace(asked, before=(last.message.sent_at, last.no))


def _held_by(request: Request) -> Callable[[ArchivedMessage], str | None]:
    """The name of a message's file in the archive; None if the archive does not have it. Both passes use the
    same name.
    """
    media, org = request.app.media, request.granted.org.no

    def name_of(archived: ArchivedMessage) -> str | None:
        told = archived.message.details.media
        if told is None or told.file is None or media is None or not _is_here(media, org, told.file):
            return None
        extension = extension_of(told.mimetype, told.filename)
        stem = _safe(
            (told.filename or archived.message.kind).rpartition(".")[0] or told.filename or archived.message.kind
        )
        return f"{archived.no:08}-{stem}.{extension}"

    return name_of


async def _entry(
    request: Request, archive: ZipStream, wanted: Wanted, folder: str, archived: ArchivedMessage
) -> AsyncGenerator[bytes, None]:
    name = await asyncio.to_thread(_held_by(request), archived)
    told, media = archived.message.details.media, request.app.media
    if name is None or told is None or told.file is None or media is None:
        return
    try:
        file = await asyncio.to_thread(media.open, request.granted.org.no, told.file)
    except (NotFound, StorageError):
        # The file was removed between the two passes; the rest of the download is still useful.
        return
    at = moment(archived.message.sent_at, wanted.zone)
    with file:
        yield archive.begin(f"{folder}{name}", (at.year, at.month, at.day, at.hour, at.minute, at.second), STORED_LEVEL)
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield archive.write(piece)
        yield archive.end()


def _is_here(media: MediaStore, org: int, file: str) -> bool:
    try:
        return media.exists(org, file)
    except (OSError, StorageError):
        return False


def _now(zone: ZoneInfo) -> DosTime:
    at = datetime.datetime.now(zone)
    return at.year, at.month, at.day, at.hour, at.minute, at.second


# ---------------------------------------------------------------------- the table of routes

_PHONE = Param(name="phone", description="Only this phone of the archive; may be repeated.", example="4915550001001")
_CHAT = Param(name="chat", description="Only this chat of the named phone.", example="4915550001002@c.us")
_ZONE = Param(
    name="zone", default="UTC", description="IANA time zone of the times in the text.", example="Europe/Berlin"
)


def _route(
    kind: str, summary: str, description: str, handler: Handler, content_type: str, params: tuple[Param, ...]
) -> Route:
    return Route(
        method="GET",
        path=f"/api/exports/{kind}",
        dialect="backscroll",
        summary=summary,
        description=f"{description} The answer is streamed, and is complete if it ends without an error.",
        handler=handler,
        params=params,
        answers={200: Answer(description="The file", content_type=content_type)},
        errors=(401, 403, 404, 422, 429, 503),
        tag="backscroll: exports",
    )


ROUTES: tuple[Route, ...] = (
    _route(
        "jsonl",
        "Download a chat or the organisation as JSON lines",
        "The output of `backscroll export jsonl`, compressed with gzip; another Backscroll can import it. Without a "
        "chat, the token must not be limited to some phones.",
        export_jsonl,
        "application/gzip",
        (_PHONE, _CHAT),
    ),
    _route(
        "text",
        "Download a chat as text",
        "In the format of WhatsApp's own exports, oldest message first, without files.",
        export_text,
        "text/plain",
        (
            msgspec.structs.replace(_PHONE, required=True, description="The own phone of the chat."),
            msgspec.structs.replace(_CHAT, required=True, description="The chat."),
            _ZONE,
        ),
    ),
    _route(
        "zip",
        "Download chats as text with their files",
        "A folder for each chat, with its text in the format of WhatsApp's own exports and the files that the "
        "archive has.",
        export_zip,
        "application/zip",
        (_PHONE, _CHAT, _ZONE),
    ),
)
