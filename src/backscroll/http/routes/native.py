"""The native API's read routes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from backscroll.core.errors import NotFound
from backscroll.core.model import Access, Phone
from backscroll.core.query import ThreadQuery
from backscroll.dialects.links import Links, NoLinks, first_values
from backscroll.dialects.native.messages import render_card, render_thread, thumbnail_bytes
from backscroll.dialects.native.objects import (
    render_chat,
    render_chats,
    render_contact,
    render_contacts,
    render_days,
    render_media,
    render_months,
    render_original,
    render_phones,
)
from backscroll.dialects.native.requests import (
    CHAT_KINDS,
    MEDIA_KINDS,
    Values,
    parse_chats,
    parse_contacts,
    parse_key,
    parse_media,
    parse_month,
    parse_phone,
    parse_thread,
    parse_zone,
)
from backscroll.dialects.parameters import Param
from backscroll.http.links import SignedLinks
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Handler, Route
from backscroll.storage.read.coverage import Coverages
from backscroll.storage.read.finding import Finder, Wanted
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.media_lists import list_media
from backscroll.storage.read.names import Reading
from backscroll.storage.read.spine import spine_of
from backscroll.storage.read.threads import Threads, place_of_message

DAY_SECONDS = 24 * 3600


async def answer(request: Request, question: Callable[[Reading], bytes], *, heavy: bool = False) -> Reply:
    """The rendered result of a query to the archive."""
    make = partial(request.archive.ask, request.granted.org.no, question)
    return Reply(
        200, await request.app.workers.run(make, org=request.granted.org.no, heavy=heavy, receive=request.receive)
    )


def links_of(request: Request) -> Links:
    """Addresses of files on this server, without its host: the page contacts no other origin."""
    media = request.app.media
    return NoLinks() if media is None else SignedLinks(media, "")


def phones_named(request: Request) -> list[str]:
    """All values of ``phone``."""
    return [value for name, value in request.query if name == "phone"]


async def list_chats(request: Request) -> Reply:
    """A page of chats over all phones, or over those named."""
    query, filters = parse_chats(request.granted, first_values(request.query), phones_named(request))
    return await answer(
        request,
        lambda reading: render_chats(Lists.of(reading).chats(query), query, filters),
        heavy=query.search is not None or query.archived is not None,
    )


async def get_chat(request: Request) -> Reply:
    """A chat with its members and months; ``NotFound`` if the phone has no such chat."""
    phone, jid = _chat_named(request)

    def question(reading: Reading) -> bytes:
        chat = Lists.of(reading).chat((phone.no,), jid)
        if chat is None:
            raise NotFound("chat", jid)
        covered = Coverages(reading, time.time_ns() // 1000).of_chat(phone.no, jid)
        return render_chat(chat, spine_of(reading, phone.no, jid), covered)

    return await answer(request, question)


def _chat_named(request: Request) -> tuple[Phone, str]:
    return parse_phone(request.granted, request.path_params["phone"]), request.path_params["jid"]


async def list_messages(request: Request) -> Reply:
    """Part of one chat around, before or after a position; ``NotFound`` if the message of a key does not exist."""
    access, values, links = request.granted, first_values(request.query), links_of(request)
    phone, jid = _chat_named(request)
    query, filters, key = parse_thread(access, phone, jid, values)

    def question(reading: Reading) -> bytes:
        placed = query if key is None else _placed(reading, query, access, phone, key, values)
        return render_thread(Threads(reading, placed).read(), access, links, filters)

    return await answer(request, question, heavy=query.limit > 100)


def _placed(
    reading: Reading, query: ThreadQuery, access: Access, phone: Phone, key: str, values: Values
) -> ThreadQuery:
    """The query placed at the message with the given key."""
    side = next(name for name in ("around", "before", "after") if values.get(name))
    named, ref = parse_key(access, key)
    row = Finder(reading, (phone.no,)).row(Wanted.of(ref)) if named.no == phone.no else None
    if row is None:
        raise NotFound("message", key)
    return place_of_message(query, side, row)


async def get_spine(request: Request) -> Reply:
    """The number of messages in each month, or on each day of ``month``."""
    phone, jid = _chat_named(request)
    values = first_values(request.query)
    month, zone = parse_month(values), parse_zone(values)

    def question(reading: Reading) -> bytes:
        if month is None:
            covered = Coverages(reading, time.time_ns() // 1000).of_chat(phone.no, jid)
            return render_months(spine_of(reading, phone.no, jid, zone=zone), covered)
        return render_days(spine_of(reading, phone.no, jid, month[1], zone), month[0])

    return await answer(request, question, heavy=zone is not None)


async def get_message(request: Request) -> Reply:
    """A message with its versions, receipts, and what each source reported; ``NotFound`` if it does not exist."""
    access, links, key = request.granted, links_of(request), request.path_params["key"]
    phone, ref = parse_key(access, key)

    def question(reading: Reading) -> bytes:
        card = Finder(reading, (phone.no,)).card(Wanted.of(ref))
        if card is None:
            raise NotFound("message", key)
        return render_card(card, access, links)

    return await answer(request, question)


async def get_original(request: Request) -> Reply:
    """The payloads that a message came in; ``NotFound`` if none were kept."""
    key = request.path_params["key"]
    phone, ref = parse_key(request.granted, key)

    def question(reading: Reading) -> bytes:
        original = Finder(reading, (phone.no,)).original(Wanted.of(ref))
        if original is None:
            raise NotFound("payload of message", key)
        return render_original(original)

    return await answer(request, question, heavy=True)


async def get_thumbnail(request: Request) -> Reply:
    """The thumbnail JPEG included in a message; ``NotFound`` if there is none, or none that can be decoded."""
    key = request.path_params["key"]
    phone, ref = parse_key(request.granted, key)

    def question(reading: Reading) -> bytes:
        found = Finder(reading, (phone.no,)).message(Wanted.of(ref))
        picture = None if found is None else thumbnail_bytes(found)
        if picture is None:
            raise NotFound("thumbnail of message", key)
        return picture

    reply = await answer(request, question)
    kept = ("cache-control", f"private, max-age={DAY_SECONDS}")
    return Reply(200, reply.body, (kept,), "image/jpeg")


async def list_files(request: Request) -> Reply:
    """A page of messages with files, newest first."""
    access, links = request.granted, links_of(request)
    query, filters = parse_media(access, first_values(request.query), phones_named(request))
    return await answer(
        request, lambda reading: render_media(list_media(reading, query), access, links, filters), heavy=True
    )


async def list_contacts(request: Request) -> Reply:
    """A page of the contacts that the token's phones know."""
    query, filters = parse_contacts(request.granted, first_values(request.query))
    return await answer(
        request, lambda reading: render_contacts(Lists.of(reading).contacts(query), filters), heavy=True
    )


async def get_contact(request: Request) -> Reply:
    """A contact with the shared chats; ``NotFound`` if the token's phones do not know the contact."""
    jid, phones = request.path_params["jid"], tuple(phone.no for phone in request.granted.phones)

    def question(reading: Reading) -> bytes:
        card = Lists.of(reading).card(phones, jid)
        if card is None:
            raise NotFound("contact", jid)
        return render_contact(card)

    return await answer(request, question, heavy=True)


async def list_phones(request: Request) -> Reply:
    """The own phones that the token has access to, and what the archive holds for each."""
    phones = tuple(phone.no for phone in request.granted.phones)
    return await answer(request, lambda reading: render_phones(Lists.of(reading).phone_summaries(phones)))


PHONE = Param(
    name="phone",
    where="path",
    required=True,
    example="4915550001001",
    description="One of your own phones: its number, its phone id or its JID.",
)
JID = Param(
    name="jid",
    where="path",
    required=True,
    example="4915550001002@c.us",
    description="A chat or contact: any of its ids, including one from before it was merged with another.",
)
KEY = Param(
    name="key",
    where="path",
    required=True,
    description="The `key` of a message.",
    example="4915550001001:true_4915550001002@c.us_3EB0B430B6F8F1D0E053",
)
PHONES = Param(name="phone", description="Only this phone of the archive; may be repeated.", example="4915550001001")
CURSOR = Param(name="cursor", description="`next` from the previous answer, to continue with the same filters.")
QUERY = Param(name="q", description="Part of the name or number.")


def limit(default: int, maximum: int = 200) -> Param:
    """The parameter ``limit``."""
    return Param(
        name="limit",
        type="integer",
        default=default,
        minimum=1,
        maximum=maximum,
        description="Maximum number of rows to return.",
    )


def get(
    path: str,
    summary: str,
    handler: Handler,
    schema: str,
    params: tuple[Param, ...] = (),
    *,
    description: str = "",
    errors: tuple[int, ...] = (401, 404, 422, 429),
) -> Route:
    """A read route of the native API."""
    return Route(
        method="GET",
        path=path,
        dialect="backscroll",
        summary=summary,
        description=description,
        handler=handler,
        params=params,
        answers={200: Answer(description="OK", schema=f"backscroll.{schema}")},
        errors=errors,
        tag="backscroll: archive",
    )


ROUTES: tuple[Route, ...] = (
    get(
        "/api/chats",
        "List chats over all phones",
        list_chats,
        "Chats",
        (
            PHONES,
            Param(name="kind", choices=CHAT_KINDS, description="Only chats of this kind."),
            Param(name="archived", type="boolean", description="true: only archived ones; false: only the others."),
            QUERY,
            limit(50),
            CURSOR,
        ),
    ),
    get("/api/chats/{phone}/{jid}", "Show a chat with its members", get_chat, "ChatDetails", (PHONE, JID)),
    get(
        "/api/chats/{phone}/{jid}/messages",
        "Read a chat in both directions",
        list_messages,
        "Thread",
        (
            PHONE,
            JID,
            Param(name="around", description="The key of a message: about half of the page is on each side of it."),
            Param(
                name="at",
                description="A time: returns messages around the first one at or after it.",
                example="2026-03-01",
            ),
            Param(name="before", description="The key of a message: returns messages before it."),
            Param(name="after", description="The key of a message: returns messages after it."),
            Param(name="cursor", description="`older` or `newer` from an earlier answer."),
            limit(50),
        ),
        description=(
            "Oldest message first, including calls and system messages. At most one of `around`, `at`, `before`, "
            "`after` and `cursor`; without any, the newest page."
        ),
    ),
    get(
        "/api/chats/{phone}/{jid}/spine",
        "Show the number of messages in a chat over time",
        get_spine,
        "Spine",
        (
            PHONE,
            JID,
            Param(name="month", example="2026-03", description="Show the days of this month instead of months."),
            Param(
                name="zone", default="UTC", description="IANA time zone for months and days.", example="Europe/Berlin"
            ),
        ),
        description=(
            "Empty months and days are left out. Months include the periods that no source covers, oldest first."
        ),
    ),
    get("/api/messages/{key}", "Show everything known about a message", get_message, "MessageDetails", (KEY,)),
    get("/api/messages/{key}/original", "Show a message as received", get_original, "Originals", (KEY,)),
    Route(
        method="GET",
        path="/api/messages/{key}/thumbnail",
        dialect="backscroll",
        summary="Fetch the thumbnail included in a message",
        handler=get_thumbnail,
        params=(KEY,),
        answers={200: Answer(description="OK", content_type="image/jpeg")},
        errors=(401, 404, 429),
        tag="backscroll: archive",
    ),
    get(
        "/api/media",
        "List messages with files",
        list_files,
        "Files",
        (
            Param(name="kind", choices=tuple(MEDIA_KINDS), default="picture", description="Which files."),
            PHONES,
            Param(name="chat", description="Only this chat of the named phone."),
            Param(name="at", description="Only messages before this time.", example="2026-06-30"),
            limit(60),
            CURSOR,
        ),
    ),
    get("/api/contacts", "List contacts", list_contacts, "Contacts", (QUERY, limit(50), CURSOR)),
    get("/api/contacts/{jid}", "Show a contact", get_contact, "ContactDetails", (JID,)),
    get("/api/phones", "List your own phones", list_phones, "Phones", errors=(401, 429)),
)
