"""GOWA's reading routes: parse, ask, render, send."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from backscroll.core.errors import NotFound
from backscroll.core.model import Phone
from backscroll.dialects.gowa.objects import (
    Options,
    render_app_devices,
    render_app_info,
    render_app_status,
    render_chats,
    render_contacts,
    render_device,
    render_device_status,
    render_devices,
    render_download,
    render_messages,
)
from backscroll.dialects.gowa.requests import (
    find_device,
    parse_chats,
    parse_contacts,
    parse_device,
    parse_download,
    parse_messages,
)
from backscroll.dialects.links import first_values
from backscroll.http.links import links_of
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Handler, Param, Route

DEVICE = "x-device-id"


async def answer(request: Request, make: Callable[[], bytes], *, heavy: bool = False) -> Reply:
    return Reply(200, await request.app.workers.run(make, heavy=heavy, receive=request.receive))


def options_of(request: Request) -> Options:
    return Options(empty_values=request.app.settings.gowa_empty_values)


def device_of(request: Request) -> Phone:
    return parse_device(request.granted, request.headers.get(DEVICE), first_values(request.query))


async def list_messages(request: Request) -> Reply:
    access, links, options = request.granted, links_of(request), options_of(request)
    chat = request.path_params["chat_jid"]
    query = parse_messages(access, request.headers.get(DEVICE), first_values(request.query), chat)

    def make() -> bytes:
        return render_messages(request.app.store.list_messages(query), chat, links, options, access)

    return await answer(request, make, heavy=query.search is not None)


async def list_chats(request: Request) -> Reply:
    query = parse_chats(request.granted, request.headers.get(DEVICE), first_values(request.query))
    return await answer(
        request,
        lambda: render_chats(request.app.store.list_chats(query)),
        heavy=query.search is not None or query.has_media,
    )


async def list_contacts(request: Request) -> Reply:
    query = parse_contacts(request.granted, request.headers.get(DEVICE), first_values(request.query))
    return await answer(request, lambda: render_contacts(request.app.store.list_contacts(query)), heavy=True)


async def list_devices(request: Request) -> Reply:
    return Reply(200, render_devices(request.granted.phones))


async def get_device(request: Request) -> Reply:
    return Reply(200, render_device(find_device(request.granted, request.path_params["device_id"])))


async def get_device_status(request: Request) -> Reply:
    return Reply(200, render_device_status(find_device(request.granted, request.path_params["device_id"])))


async def list_app_devices(request: Request) -> Reply:
    return Reply(200, render_app_devices([device_of(request)]))


async def get_app_status(request: Request) -> Reply:
    return Reply(200, render_app_status(device_of(request)))


async def get_app_info(request: Request) -> Reply:
    return Reply(200, render_app_info(version("backscroll"), request.app.settings.gowa_base_path))


async def download(request: Request) -> Reply:
    access, links, device = request.granted, links_of(request), device_of(request)
    message_id, chat = request.path_params["message_id"], parse_download(first_values(request.query))

    def make() -> bytes:
        found = request.app.store.find_message(access.org.no, (device.no,), message_id, chat)
        if found is None:
            raise NotFound("message", message_id)
        return render_download(found, access, links)

    return await answer(request, make)


X_DEVICE = Param(
    name="X-Device-Id",
    where="header",
    example="mara",
    description="Which device: its id, its JID or its number. Needed when the credential reaches several.",
)
DEVICE_QUERY = Param(name="device_id", description="The same as X-Device-Id, which wins over it.")
OFFSET = Param(name="offset", type="integer", default=0, minimum=0, description="How many to pass over.")
CHAT_JID = Param(
    name="chat_jid",
    where="path",
    required=True,
    example="4915550001002@s.whatsapp.net",
    description="A chat; bare numbers, @c.us and @lid are understood too.",
)
DEVICE_ID = Param(name="device_id", where="path", required=True, example="mara")
SCOPED = (X_DEVICE, DEVICE_QUERY)


def _limit(default: int) -> Param:
    return Param(
        name="limit", type="integer", default=default, minimum=1, maximum=100, description="The most to return."
    )


def _get(
    path: str,
    summary: str,
    handler: Handler,
    schema: str,
    params: tuple[Param, ...] = (),
    *,
    errors: tuple[int, ...] = (400, 401, 404, 429),
    cached: bool = False,
) -> Route:
    return Route(
        method="GET",
        path=path,
        dialect="gowa",
        summary=summary,
        handler=handler,
        params=params,
        answers={200: Answer(description="OK", schema=f"gowa.{schema}")},
        errors=errors,
        tag="gowa",
        cached=cached,
        vary=(DEVICE,),
    )


ROUTES: tuple[Route, ...] = (
    _get(
        "/chat/{chat_jid}/messages",
        "List a chat's messages",
        list_messages,
        "Messages",
        (
            CHAT_JID,
            *SCOPED,
            _limit(50),
            OFFSET,
            Param(name="start_time", example="2026-01-01T00:00:00Z", description="From this moment on (ISO 8601)."),
            Param(name="end_time", description="Up to this moment, which is included (ISO 8601)."),
            Param(
                name="media_only",
                type="boolean",
                default=False,
                description="Only messages with media. Wins over is_from_me=false.",
            ),
            Param(name="is_from_me", type="boolean", description="true: sent by you; false: received; else both."),
            Param(name="search", description="A part of the text; case and accents make no difference."),
        ),
        cached=True,
    ),
    _get(
        "/chats",
        "List chats",
        list_chats,
        "Chats",
        (
            *SCOPED,
            _limit(25),
            OFFSET,
            Param(name="search", description="A part of the name."),
            Param(name="has_media", type="boolean", default=False, description="Only chats with media."),
            Param(name="archived", type="boolean", description="true: only archived ones; false: only the others."),
        ),
        cached=True,
    ),
    _get("/devices", "List devices", list_devices, "Devices", errors=(401, 429)),
    _get("/devices/{device_id}", "Show a device", get_device, "Device", (DEVICE_ID,), errors=(401, 404, 429)),
    _get(
        "/devices/{device_id}/status",
        "Show a device's status",
        get_device_status,
        "DeviceStatus",
        (DEVICE_ID,),
        errors=(401, 404, 429),
    ),
    _get("/app/devices", "Show the device asked for", list_app_devices, "AppDevices", SCOPED),
    _get("/app/status", "Show the status of the device asked for", get_app_status, "AppStatus", SCOPED),
    _get("/app/info", "Show what this server is", get_app_info, "AppInfo", errors=(401, 429)),
    _get("/user/my/contacts", "List contacts", list_contacts, "Contacts", SCOPED, cached=True),
    _get(
        "/message/{message_id}/download",
        "Show where a message's file can be fetched",
        download,
        "Download",
        (
            Param(name="message_id", where="path", required=True, example="3EB0C0FFEE000000006B"),
            Param(
                name="phone",
                required=True,
                description="The chat that the message is in.",
                example="120363299999999999@g.us",
            ),
            *SCOPED,
        ),
    ),
)
