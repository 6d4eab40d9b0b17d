"""GOWA's read routes."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import msgspec

from backscroll.core.errors import NotFound
from backscroll.core.model import Chat, Phone
from backscroll.dialects.gowa.groups import (
    csv_name,
    participants_csv,
    render_group_info,
    render_groups,
    render_invite_link,
    render_newsletters,
    render_participants,
)
from backscroll.dialects.gowa.objects import (
    Options,
    render_app_devices,
    render_app_info,
    render_app_status,
    render_chats,
    render_contacts,
    render_device,
    render_device_status,
    render_device_webhook,
    render_devices,
    render_download,
    render_messages,
    rows_renderer,
)
from backscroll.dialects.gowa.parameters import (
    ARCHIVED,
    CHAT_JID,
    CHATS_LIMIT,
    DEVICE_ID,
    END_TIME,
    GROUP_ID,
    HAS_MEDIA,
    IS_FROM_ME,
    MEDIA_ONLY,
    MESSAGE_CHAT,
    MESSAGE_ID,
    MESSAGES_LIMIT,
    OFFSET,
    RESET,
    SCOPED,
    SEARCH_NAME,
    SEARCH_TEXT,
    START_TIME,
    X_DEVICE,
)
from backscroll.dialects.gowa.requests import (
    find_device,
    parse_chats,
    parse_contacts,
    parse_device,
    parse_download,
    parse_group_id,
    parse_groups,
    parse_messages,
    wants_new_link,
)
from backscroll.dialects.links import first_values
from backscroll.dialects.parameters import Param
from backscroll.http.links import links_of
from backscroll.http.messages import CSV, Made, OfChats, Reply, Request, reply_of
from backscroll.http.router import Answer, Handler, Route
from backscroll.http.routes.unsupported import Unserved, pass_on_or_refuse, unsupported
from backscroll.storage.read.rendered import Way
from backscroll.storage.store import Store

DEVICE = X_DEVICE.name.lower()
INVITE_LINK = Unserved("gowa", "whatsapp", "GET", "/group/invite-link", "ask for an invitation")


async def answer(request: Request, make: Callable[[], Made], *, heavy: bool = False) -> Reply:
    """The result of ``make``, run in a worker thread within the organisation's share."""
    org = request.granted.org.no
    return reply_of(await request.app.workers.run(make, org=org, heavy=heavy, receive=request.receive))


def options_of(request: Request) -> Options:
    return Options(empty_values=request.app.settings.gowa_empty_values)


def device_of(request: Request) -> Phone:
    return parse_device(request.granted, request.headers.get(DEVICE), first_values(request.query))


def seen(request: Request, device: tuple[int, ...]) -> Store:
    """The archive as seen by the device: each has its own address book."""
    return request.app.store.seen_by(device)


def way_of(request: Request) -> Way:
    """How a message is rendered for this request."""
    render = rows_renderer(links_of(request), options_of(request), request.granted)
    return Way(request.app.rendered, ("gowa", request.base_url), render, terms=False)


async def list_messages(request: Request) -> Reply:
    """A page of one chat's messages, newest first."""
    chat = request.path_params["chat_jid"]
    query = parse_messages(request.granted, request.headers.get(DEVICE), first_values(request.query), chat)

    def make() -> Made:
        page = seen(request, query.phones).list_rendered(query, way_of(request))
        return OfChats(render_messages(page, chat), page.chats)

    return await answer(request, make, heavy=query.search is not None)


async def list_chats(request: Request) -> Reply:
    """A page of chats, latest message first."""
    query = parse_chats(request.granted, request.headers.get(DEVICE), first_values(request.query))
    return await answer(
        request,
        lambda: render_chats(seen(request, query.phones).list_chats(query)),
        heavy=query.search is not None or query.has_media,
    )


async def list_contacts(request: Request) -> Reply:
    """All contacts that the device knows by name."""
    query = parse_contacts(request.granted, request.headers.get(DEVICE), first_values(request.query))
    return await answer(request, lambda: render_contacts(seen(request, query.phones).list_contacts(query)), heavy=True)


async def list_devices(request: Request) -> Reply:
    return Reply(200, render_devices(map(request.shown, request.granted.phones)))


async def get_device(request: Request) -> Reply:
    return Reply(200, render_device(request.shown(find_device(request.granted, request.path_params["device_id"]))))


async def get_device_status(request: Request) -> Reply:
    """``NotFound`` for a device that the credential has no access to."""
    device = find_device(request.granted, request.path_params["device_id"])
    return Reply(200, render_device_status(request.shown(device)))


async def get_device_webhook(request: Request) -> Reply:
    return Reply(200, render_device_webhook(find_device(request.granted, request.path_params["device_id"])))


async def list_app_devices(request: Request) -> Reply:
    return Reply(200, render_app_devices([device_of(request)]))


async def get_app_status(request: Request) -> Reply:
    return Reply(200, render_app_status(request.shown(device_of(request))))


async def get_app_info(request: Request) -> Reply:
    return Reply(200, render_app_info(version("backscroll"), request.app.settings.gowa_base_path))


async def list_groups(request: Request) -> Reply:
    """The device's groups, in one answer."""
    query = parse_groups(request.granted, request.headers.get(DEVICE), first_values(request.query))
    return await answer(request, lambda: render_groups(seen(request, query.phones).list_chats(query).chats), heavy=True)


async def list_newsletters(request: Request) -> Reply:
    """The device's channels, in one answer."""
    query = parse_groups(request.granted, request.headers.get(DEVICE), first_values(request.query), "newsletter")
    return await answer(
        request, lambda: render_newsletters(seen(request, query.phones).list_chats(query).chats), heavy=True
    )


def find_group(request: Request, device: Phone, group: str) -> Chat:
    """The group as the device knows it; raises NotFound."""
    found = seen(request, (device.no,)).find_chat(request.granted.org.no, (device.no,), group)
    if found is None or found.kind != "group":
        raise NotFound("group", group)
    return found


async def answer_about_group(request: Request, render: Callable[[Chat], bytes]) -> Reply:
    """The result of ``render`` for the group in ``group_id``; ``NotFound`` if the device has no such group."""
    device, group = device_of(request), parse_group_id(first_values(request.query))
    return await answer(request, lambda: render(find_group(request, device, group)))


async def get_group(request: Request) -> Reply:
    return await answer_about_group(request, render_group_info)


async def list_participants(request: Request) -> Reply:
    return await answer_about_group(request, render_participants)


async def export_participants(request: Request) -> Reply:
    """The members of a group as a CSV file."""
    device, group = device_of(request), parse_group_id(first_values(request.query))

    def make() -> Reply:
        found = find_group(request, device, group)
        headers = (("content-disposition", f'attachment; filename="{csv_name(found)}"'),)
        return Reply(200, participants_csv(found), headers, CSV)

    return await request.app.workers.run(make)


async def get_invite_link(request: Request) -> Reply:
    """The link that a source reported last. Only WhatsApp can create a new one."""
    action = f"{INVITE_LINK.method} {INVITE_LINK.path} ({INVITE_LINK.action})"
    if wants_new_link(first_values(request.query)):
        return await pass_on_or_refuse(request, INVITE_LINK)

    def render(group: Chat) -> bytes:
        if group.invite_link is None:
            raise unsupported(action)
        return render_invite_link(group.jid, group.invite_link)

    return await answer_about_group(request, render)


async def download(request: Request) -> Reply:
    """The location of a message's file; ``NotFound`` if the device has no such message."""
    access, links, device = request.granted, links_of(request), device_of(request)
    message_id, chat = request.path_params["message_id"], parse_download(first_values(request.query))

    def make() -> bytes:
        found = seen(request, (device.no,)).find_message(access.org.no, (device.no,), message_id, chat)
        if found is None:
            raise NotFound("message", message_id)
        return render_download(found, access, links)

    return await answer(request, make)


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
            MESSAGES_LIMIT,
            OFFSET,
            START_TIME,
            END_TIME,
            MEDIA_ONLY,
            IS_FROM_ME,
            SEARCH_TEXT,
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
            CHATS_LIMIT,
            OFFSET,
            SEARCH_NAME,
            HAS_MEDIA,
            ARCHIVED,
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
    _get(
        "/devices/{device_id}/webhook",
        "Show that a device has no webhook",
        get_device_webhook,
        "DeviceWebhook",
        (DEVICE_ID,),
        errors=(401, 404, 429),
    ),
    _get("/app/devices", "Show the named device", list_app_devices, "AppDevices", SCOPED),
    _get("/app/status", "Show the status of the named device", get_app_status, "AppStatus", SCOPED),
    _get("/app/info", "Show information about this server", get_app_info, "AppInfo", errors=(401, 429)),
    _get("/user/my/contacts", "List contacts", list_contacts, "Contacts", SCOPED, cached=True),
    _get("/user/my/groups", "List groups", list_groups, "Groups", SCOPED, cached=True),
    _get("/user/my/newsletters", "List channels", list_newsletters, "Newsletters", SCOPED, cached=True),
    _get("/group/info", "Show a group", get_group, "Group", (GROUP_ID, *SCOPED), cached=True),
    _get(
        "/group/participants", "List group members", list_participants, "Participants", (GROUP_ID, *SCOPED), cached=True
    ),
    msgspec.structs.replace(
        _get("/group/participants/export", "List group members as CSV", export_participants, "", (GROUP_ID, *SCOPED)),
        answers={200: Answer(description="OK", content_type="text/csv")},
    ),
    msgspec.structs.replace(
        _get(
            "/group/invite-link",
            "Show a group's invitation link",
            get_invite_link,
            "InviteLink",
            (GROUP_ID, RESET, *SCOPED),
            errors=(400, 401, 404, 429, 501),
        ),
        # 501 if no source reported a link, so no example that is sure to succeed can be shown.
        tag="gowa: where a source told it",
    ),
    _get(
        "/message/{message_id}/download",
        "Show where a message's file can be fetched",
        download,
        "Download",
        (
            MESSAGE_ID,
            MESSAGE_CHAT,
            *SCOPED,
        ),
    ),
)
