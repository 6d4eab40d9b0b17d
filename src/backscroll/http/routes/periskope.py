"""Periskope's read routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from backscroll.core.errors import NotFound
from backscroll.core.model import ArchivedMessage
from backscroll.core.query import MessageQuery
from backscroll.dialects.links import first_values
from backscroll.dialects.parameters import Param
from backscroll.dialects.periskope.messages import rows_renderer
from backscroll.dialects.periskope.objects import (
    Options,
    render_chat,
    render_chats,
    render_contact,
    render_contacts,
    render_empty,
    render_idle_queue,
    render_message,
    render_messages,
    render_no_broadcast,
    render_no_knowledge,
    render_no_notes,
    render_notifications,
    render_phone,
    render_phones,
    render_reactions,
    render_status,
)
from backscroll.dialects.periskope.parameters import (
    BROADCAST_ID,
    CHAT_ID,
    CHAT_TYPE,
    CONTACT_ID,
    ID,
    IN_CHAT,
    LABEL,
    MESSAGE_ID,
    OF_MESSAGE,
    PAGE,
    SPAN,
    X_PHONE,
    X_PHONE_REQUIRED,
)
from backscroll.dialects.periskope.requests import (
    parse_chats,
    parse_contacts,
    parse_messages,
    parse_notifications,
    parse_page,
    parse_phones,
    parse_reactions,
    require_phone,
)
from backscroll.formats.periskope_ids import decode_message_id, is_phone_id
from backscroll.http.links import links_of
from backscroll.http.messages import Made, OfChats, Reply, Request, reply_of
from backscroll.http.router import Answer, Handler, Route
from backscroll.http.routes.sources import may_manage
from backscroll.http.workers import HEAVY_ROWS
from backscroll.storage.read.rendered import Way

PHONE = X_PHONE.name


async def answer(request: Request, make: Callable[[], Made], phones: tuple[int, ...], *, heavy: bool) -> Reply:
    """The result of ``make``, run in a worker thread; a header of the answer names the phone if there is
    exactly one.
    """
    org = request.granted.org.no
    made = await request.app.workers.run(make, org=org, heavy=heavy, receive=request.receive)
    return reply_of(made, phone_header(request, phones))


def phone_header(request: Request, phones: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """x-periskope-phone-id, if the request concerns exactly one phone. An id of another form cannot be sent in a
    header.
    """
    if len(phones) != 1:
        return ()
    ids = (phone.phone_id for phone in request.granted.phones if phone.no == phones[0])
    return tuple(("x-periskope-phone-id", id) for id in ids if is_phone_id(id))


def options_of(request: Request) -> Options:
    return Options(count=request.app.settings.periskope_count)


def phones_of(request: Request) -> tuple[int, ...]:
    return tuple(phone.no for phone in parse_phones(request.granted, request.headers.get(PHONE)))


def way_of(request: Request) -> Way:
    """How a message is rendered for this request."""
    render = rows_renderer(request.granted, links_of(request))
    return Way(request.app.rendered, ("periskope", request.base_url), render)


def is_heavy(query: MessageQuery) -> bool:
    return query.limit > HEAVY_ROWS or query.search is not None


async def list_messages(request: Request) -> Reply:
    """A page of messages over all chats of the phones."""
    access, options = request.granted, options_of(request)
    query = parse_messages(access, request.headers.get(PHONE), first_values(request.query))

    def make() -> Made:
        page = request.archive.list_rendered(query, way_of(request))
        return OfChats(render_messages(page, options), page.chats)

    return await answer(request, make, query.phones, heavy=is_heavy(query))


async def list_chat_messages(request: Request) -> Reply:
    """A page of one chat's messages; ``NotFound`` if the phones have no such chat."""
    access, options = request.granted, options_of(request)
    chat = request.path_params["chat_id"]
    query = parse_messages(access, request.headers.get(PHONE), first_values(request.query), chat)

    def make() -> Made:
        page = request.archive.list_rendered(query, way_of(request))
        if page.chat is None and not page.rows:
            raise NotFound("chat", chat)
        return OfChats(render_messages(page, options), page.chats)

    return await answer(request, make, query.phones, heavy=is_heavy(query))


async def list_notifications(request: Request) -> Reply:
    """A page of system messages and group events, from one chat or from all."""
    access, options = request.granted, options_of(request)
    chat = request.path_params.get("chat_id")
    query = parse_notifications(access, request.headers.get(PHONE), first_values(request.query), chat)

    def make() -> Made:
        page = request.archive.list_messages(query)
        return OfChats(render_notifications(page, access, options), page.chats)

    return await answer(request, make, query.phones, heavy=is_heavy(query))


async def get_message(request: Request) -> Reply:
    """One message; ``NotFound`` if the phones do not have it."""
    access, links, phones = request.granted, links_of(request), phones_of(request)

    def make() -> bytes:
        return render_message(find_message(request, phones), access, links)

    return await answer(request, make, phones, heavy=False)


async def get_message_status(request: Request) -> Reply:
    """The delivery status of one message; ``NotFound`` if the phones do not have it."""
    phones = phones_of(request)

    def make() -> bytes:
        return render_status(find_message(request, phones))

    return await answer(request, make, phones, heavy=False)


def find_message(request: Request, phones: tuple[int, ...]) -> ArchivedMessage:
    """By serialized id, bare id or queue id; raises NotFound."""
    text, org, archive = request.path_params["message_id"], request.granted.org.no, request.archive
    ref = decode_message_id(text)
    found = archive.find_message(org, phones, ref.id, ref.chat, ref.sender, ref.from_me)
    found = found or archive.find_by_client_ref(org, phones, text)
    if found is None:
        raise NotFound("message", text)
    return found


async def list_chats(request: Request) -> Reply:
    """A page of chats with their latest messages."""
    access, links, options = request.granted, links_of(request), options_of(request)
    query = parse_chats(access, request.headers.get(PHONE), first_values(request.query))

    def make() -> bytes:
        return render_chats(request.archive.list_chats(query), access, links, options)

    return await answer(request, make, query.phones, heavy=query.limit > HEAVY_ROWS)


async def get_chat(request: Request) -> Reply:
    """One chat; ``NotFound`` if the phones do not have it."""
    access, links, phones = request.granted, links_of(request), phones_of(request)
    name = request.path_params["chat_id"]

    def make() -> bytes:
        chat = request.archive.find_chat(access.org.no, phones, name)
        if chat is None:
            raise NotFound("chat", name)
        return render_chat(chat, access, links)

    return await answer(request, make, phones, heavy=False)


async def list_contacts(request: Request) -> Reply:
    """A page of the contacts that the token's phones know."""
    access, options = request.granted, options_of(request)
    query = parse_contacts(access, first_values(request.query))

    def make() -> bytes:
        return render_contacts(request.archive.list_contacts(query), access, options)

    return await answer(request, make, query.phones, heavy=True)


async def get_contact(request: Request) -> Reply:
    """One contact; ``NotFound`` if the token's phones do not know the contact."""
    access, name = request.granted, request.path_params["contact_id"]
    phones = tuple(phone.no for phone in access.phones)

    def make() -> bytes:
        contact = request.archive.find_contact(access.org.no, phones, name)
        if contact is None:
            raise NotFound("contact", name)
        return render_contact(contact, access)

    return await answer(request, make, phones, heavy=False)


async def get_phone(request: Request) -> Reply:
    """The phone of ``x-phone`` with its current state."""
    phone = require_phone(request.granted, request.headers.get(PHONE))
    code = (await _codes(request)).get(phone.no)
    return Reply(200, render_phone(request.shown(phone), request.granted, code), phone_header(request, (phone.no,)))


async def list_phones(request: Request) -> Reply:
    """All phones with their present states."""
    phones, codes = map(request.shown, request.granted.phones), await _codes(request)
    return Reply(200, render_phones(phones, request.granted, codes))


async def _codes(request: Request) -> dict[int, str]:
    """By phone, the QR code that waits to be scanned. Who scans it lets the archive read: so only managers see it."""
    access = request.granted
    if not may_manage(access):
        return {}
    links = request.app.store.sources.links
    found = await request.app.workers.run(partial(links.of, access.org.no), org=access.org.no)
    waiting = (link for link in found if link.state == "pairing")
    return {link.phone: link.qr for link in waiting if link.phone is not None and link.qr is not None}


async def list_reactions(request: Request) -> Reply:
    """A page of reactions."""
    access, options, params = request.granted, options_of(request), first_values(request.query)
    query = parse_reactions(access, request.headers.get(PHONE), params)

    def make() -> bytes:
        return render_reactions(request.archive.list_reactions(query), access, options, params)

    return await answer(request, make, query.phones, heavy=query.limit > HEAVY_ROWS)


def nothing(name: str) -> Handler:
    """An empty list of something that an archive does not have."""

    async def empty(request: Request) -> Reply:
        offset, _ = parse_page(first_values(request.query))
        return Reply(200, render_empty(name, offset))

    return empty


def no_such(what: str) -> Handler:
    """A handler for things that an archive never has: always ``NotFound``, naming ``what``."""

    async def missing(request: Request) -> Reply:
        raise NotFound(what, request.path_params["id"])

    return missing


async def no_rows(request: Request) -> Reply:
    """An empty array of something that an archive does not have."""
    return Reply(200, msgspec.json.encode([]))


async def no_notes(request: Request) -> Reply:
    """An empty list of notes, with the requested time bounds."""
    params = first_values(request.query)
    return Reply(200, render_no_notes(parse_page(params)[0], params))


async def no_knowledge(request: Request) -> Reply:
    """The knowledge base, in its own envelope."""
    parse_page(first_values(request.query))
    return Reply(200, render_no_knowledge())


async def idle_queue(request: Request) -> Reply:
    """The state of a queue that is always empty."""
    return Reply(200, render_idle_queue())


async def no_broadcast(request: Request) -> Reply:
    """The state of a broadcast, which this server never has."""
    return Reply(200, render_no_broadcast(request.first("broadcast_id"), request.granted))


def _get(
    path: str,
    summary: str,
    handler: Handler,
    schema: str,
    params: tuple[Param, ...] = (),
    *,
    tag: str = "periskope",
    cached: bool = True,
    listed: bool = True,
    errors: tuple[int, ...] = (401, 422, 429),
) -> Route:
    return Route(
        method="GET",
        path=path,
        dialect="periskope",
        summary=summary,
        handler=handler,
        params=params,
        answers={200: Answer(description="OK", schema=f"periskope.{schema}")},
        errors=errors,
        tag=tag,
        cached=cached,
        vary=(PHONE,),
        listed=listed,
    )


def _empty(
    path: str,
    summary: str,
    name: str | Handler,
    params: tuple[Param, ...] = PAGE,
    schema: str = "Empty",
) -> Route:
    handler = nothing(name) if isinstance(name, str) else name
    return _get(path, summary, handler, schema, params, tag="periskope: always empty here", cached=False)


def _missing(path: str, summary: str, what: str) -> Route:
    return _get(
        path,
        summary,
        no_such(what),
        "Error",
        (ID,),
        tag="periskope: always empty here",
        cached=False,
        errors=(401, 404),
    )


FOUND = (401, 404, 422, 429)
ONE_MESSAGE = (MESSAGE_ID, X_PHONE)
ROUTES: tuple[Route, ...] = (
    _get("/v1/chats/messages", "List all messages", list_messages, "Messages", (*PAGE, X_PHONE, *SPAN)),
    _get(
        "/v1/chats/{chat_id}/messages",
        "List a chat's messages",
        list_chat_messages,
        "Messages",
        (CHAT_ID, *PAGE, X_PHONE, *SPAN),
        errors=FOUND,
    ),
    _get("/v1/message/{message_id}", "Show a message", get_message, "Message", ONE_MESSAGE, errors=FOUND),
    _get(
        "/v1/messages/{message_id}", "Show a message", get_message, "Message", ONE_MESSAGE, errors=FOUND, listed=False
    ),
    _get(
        "/v1/message/{message_id}/status",
        "Show the delivery status of a message",
        get_message_status,
        "Status",
        ONE_MESSAGE,
        errors=FOUND,
    ),
    _get(
        "/v1/chats",
        "List chats",
        list_chats,
        "Chats",
        (
            *PAGE,
            X_PHONE,
            *SPAN,
            CHAT_TYPE,
            LABEL,
        ),
    ),
    _get(
        "/v1/chats/notifications",
        "List group events and calls",
        list_notifications,
        "Notifications",
        (*PAGE, X_PHONE, *SPAN),
    ),
    _get("/v1/chats/{chat_id}", "Show a chat", get_chat, "Chat", (CHAT_ID, X_PHONE), errors=FOUND),
    _get(
        "/v1/chats/{chat_id}/notifications",
        "List a chat's group events and calls",
        list_notifications,
        "Notifications",
        (CHAT_ID, *PAGE, X_PHONE, *SPAN),
    ),
    _get("/v1/contacts", "List contacts", list_contacts, "Contacts", PAGE),
    _get("/v1/contacts/{contact_id}", "Show a contact", get_contact, "Contact", (CONTACT_ID,), errors=(401, 404, 429)),
    _get("/v1/phones", "Show a phone", get_phone, "Phone", (X_PHONE_REQUIRED,), cached=False),
    _get("/v1/phones/all", "List phones", list_phones, "Phones", cached=False, errors=(401, 429)),
    _get(
        "/v1/reactions",
        "List reactions",
        list_reactions,
        "Reactions",
        (*PAGE, X_PHONE, *SPAN, IN_CHAT, OF_MESSAGE),
    ),
    _empty("/v1/note", "List notes", no_notes, (*PAGE, *SPAN), "Notes"),
    _empty("/v1/chats/{id}/notes", "List a chat's notes", no_notes, (ID, *PAGE, *SPAN), "Notes"),
    _missing("/v1/note/{id}", "Show a note", "note"),
    _empty("/v1/tickets", "List tickets", "tickets"),
    _missing("/v1/tickets/{id}", "Show a ticket", "ticket"),
    _empty("/v1/tasks", "List tasks", "tasks"),
    _empty("/v1/queue", "Show the queue of messages to send", idle_queue, (), "Queue"),
    _empty("/v1/queue/jobs", "List messages to send", no_rows, PAGE, "Rows"),
    _empty("/v1/queue/broadcast", "Show the progress of a broadcast", no_broadcast, (BROADCAST_ID,), "Broadcast"),
    _empty("/v1/message/scheduled", "List scheduled messages", "messages"),
    _empty("/v1/chats/{id}/audit-logs", "List the audit log of a chat", "logs", (ID, *PAGE)),
    _empty("/v1/knowledge-base", "List the knowledge base", no_knowledge, PAGE, "Knowledge"),
    _missing("/v1/knowledge-base/faq/{id}", "Show a question of the knowledge base", "faq"),
    _missing("/v1/knowledge-base/document/{id}", "Show a document of the knowledge base", "document"),
)
