"""Linking a phone: over the native API, and with the routes of Periskope and GOWA.

The device belongs to the server process that supervises it (``jobs.linking``); requests are stored in the database for
that process, and its state is read from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from backscroll.core.errors import BadField, Conflict, NotFound
from backscroll.core.model import Access, Phone
from backscroll.dialects.gowa.envelope import success
from backscroll.dialects.gowa.parameters import DEVICE_ID, SCOPED
from backscroll.dialects.gowa.requests import find_device, parse_device
from backscroll.dialects.links import first_values
from backscroll.dialects.native.links import (
    number_of,
    parse_again,
    parse_new,
    render_link,
    render_links,
    said_of,
    svg_of,
)
from backscroll.dialects.parameters import Param
from backscroll.dialects.periskope.parameters import X_PHONE_REQUIRED
from backscroll.dialects.periskope.requests import require_phone
from backscroll.formats.link_lines import ENDED
from backscroll.http.dialect_http import Refused
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Dialect, Handler, Route
from backscroll.http.routes.gowa import DEVICE
from backscroll.http.routes.periskope import PHONE, phone_header
from backscroll.ingest.source_setup import span
from backscroll.jobs import linking
from backscroll.storage.files.qr_png import png_of
from backscroll.storage.store import Store
from backscroll.storage.write.links import Link
from backscroll.storage.write.live_sources import org_of_source

T = TypeVar("T")

NO_STORE = ("cache-control", "no-store")
TAG = "backscroll: linked devices"
PICTURE = "/api/links/{link}/qr.png"
CODE_SECONDS = 30.0
LOOK_SECONDS = 0.25
_ADMIN = "admin"


# The native API


async def list_links(request: Request) -> Reply:
    """The linked devices of the phones that the token has access to."""
    access, store = request.granted, request.app.store
    install = linking.INSTALL if linking.installed() is None else None
    links = [link for link in await _run(request, lambda: store.sources.links.of(access.org.no)) if _sees(access, link)]
    return Reply(200, render_links(links, _phones(access), may_pair=_may_pair(access), install=install), (NO_STORE,))


async def get_link(request: Request) -> Reply:
    """The state of a device, with the current code to scan or to type."""
    return _shown(request, await _found(request))


async def get_qr(request: Request) -> Reply:
    """The current QR code; ``NotFound`` if there is none."""
    link = await _found(request, _manager(request))
    return Reply(200, svg_of(_rows(link)), (NO_STORE,), "image/svg+xml")


async def get_png(request: Request) -> Reply:
    """The QR code to scan now, as a PNG picture; ``NotFound`` when there is none."""
    link = await _found(request, _manager(request))
    return Reply(200, png_of(_rows(link)), (NO_STORE,), "image/png")


async def create_link(request: Request) -> Reply:
    """Begin to link a phone."""
    access, store = _manager(request), request.app.store
    wanted = parse_new(access, request.body)
    silence = span("silent_after", wanted.silent_after)
    link = await _write(
        request, lambda: linking.begin(store, access.org.no, wanted.phone, wanted.phone_name, wanted.code_for, silence)
    )
    return _shown(request, link, 201)


async def retry_link(request: Request) -> Reply:
    """Reconnect immediately, or pair again."""
    link, code_for = await _found(request, _manager(request)), parse_again(request.body)
    return _shown(request, await _write(request, lambda: linking.begin_again(request.app.store, link, code_for)))


async def delete_link(request: Request) -> Reply:
    """Remove the device from the account; its messages stay."""
    link = await _found(request, _manager(request))
    await _write(request, lambda: linking.unlink(request.app.store, link, request.app.settings.data))
    return Reply(204)


def _manager(request: Request) -> Access:
    """The organisation, if the token may link phones. A token limited to some phones could otherwise link any other
    phone.
    """
    if request.granted.scoped:
        raise Refused(403, "FORBIDDEN", "a token that is limited to some phones may not link phones")
    return request.granted


def _may_pair(access: Access) -> bool:
    return _ADMIN in access.scopes and not access.scoped


def _sees(access: Access, link: Link) -> bool:
    return not access.scoped or link.phone in {phone.no for phone in access.phones}


def _phones(access: Access) -> dict[int, Phone]:
    return {phone.no: phone for phone in access.phones}


async def _found(request: Request, access: Access | None = None) -> Link:
    access, id = access or request.granted, request.path_params["link"]
    if org_of_source(id) != access.org.no:
        raise NotFound("link", id[:80])
    link = await _run(request, lambda: request.app.store.sources.links.find(access.org.no, id))
    if not _sees(access, link):
        raise NotFound("link", id[:80])
    return link


def _shown(request: Request, link: Link, status: int = 200) -> Reply:
    access = request.granted
    phones = _phones(access)
    return Reply(status, render_link(link, phones, may_pair=_may_pair(access)), (NO_STORE,))


def _rows(link: Link) -> tuple[str, ...]:
    if link.state != "pairing" or link.rows is None:
        raise NotFound("QR code of link", link.id)
    return link.rows


async def _run(request: Request, work: Callable[[], T]) -> T:
    return await request.app.workers.run(work, org=request.granted.org.no)


async def _write(request: Request, work: Callable[[], T]) -> T:
    return await request.app.workers.write(work)


# Periskope and GOWA: one request that waits for the code


async def _code_of(request: Request, phone: Phone, code_for: str | None) -> Link:
    """The phone's link with a code to show, started if there is none; ``Conflict`` with the reason if no code
    arrives.
    """
    access, store = request.granted, request.app.store
    link = await _write(request, lambda: linking.begin_for(store, access.org.no, phone, code_for))
    end = time.monotonic() + CODE_SECONDS
    asked = True
    while time.monotonic() < end:
        if link.state == "connected":
            raise Conflict(f"phone {phone.number} is already linked and connected")
        if link.asked is None:
            asked = False
        if link.state == "pairing" and (link.code if code_for else link.rows) is not None:
            return link
        if not asked and (link.state in ENDED or link.state == "waiting"):
            break
        await asyncio.sleep(LOOK_SECONDS)
        link = await _run(request, partial(store.sources.links.find, access.org.no, link.id))
    raise Conflict(said_of(link) or "no code arrived in time; try again")


async def get_periskope_qr(request: Request) -> Reply:
    """The QR code that links the phone of ``x-phone``, as an image."""
    phone = require_phone(request.granted, request.headers.get(PHONE))
    link = await _code_of(request, phone, None)
    return Reply(200, png_of(_rows(link)), (NO_STORE, *phone_header(request, (phone.no,))), "image/png")


def _device(request: Request) -> Phone:
    if "device_id" in request.path_params:
        return find_device(request.granted, request.path_params["device_id"])
    return parse_device(request.granted, request.headers.get(DEVICE), first_values(request.query))


async def get_gowa_login(request: Request) -> Reply:
    """The address of the device's QR code, and how long it is valid."""
    phone = _device(request)
    link = await _code_of(request, phone, None)
    seconds = max(1, ((link.expires_at or 0) - time.time_ns() // 1000) // 1_000_000)
    results = {
        "device_id": phone.device_id or phone.jid,
        "qr_duration": seconds,
        "qr_link": request.base_url + PICTURE.replace("{link}", link.id),
    }
    return Reply(200, success("Login success", results), (NO_STORE,))


async def get_gowa_code(request: Request) -> Reply:
    """A code that is typed on the phone."""
    phone = _device(request)
    number = number_of("phone", request.first("phone") or phone.number)
    if number != phone.number:
        raise BadField("phone", number, f"must be the device's own number, {phone.number}")
    link = await _code_of(request, phone, number)
    results = {"device_id": phone.device_id or phone.jid, "pair_code": link.code}
    return Reply(200, success("Login with code success", results), (NO_STORE,))


async def _link_of(request: Request, phone: Phone) -> Link:
    store: Store = request.app.store
    links = await _run(request, lambda: store.sources.links.of(request.granted.org.no))
    link = next((link for link in links if link.phone == phone.no), None)
    if link is None:
        linking.require_library()
        raise NotFound("link of phone", phone.number)
    return link


async def gowa_logout(request: Request) -> Reply:
    """Unlink the device; its messages stay."""
    link = await _link_of(request, _device(request))
    await _write(request, lambda: linking.unlink(request.app.store, link, request.app.settings.data))
    return Reply(200, success("Logout success", None))


async def gowa_reconnect(request: Request) -> Reply:
    """Connect the device again as GOWA's route does; ``NotFound`` when this phone is not linked."""
    link = await _link_of(request, _device(request))
    await _write(request, lambda: linking.begin_again(request.app.store, link, None))
    return Reply(200, success("Reconnect success", None))


# The table of routes

_LINK = Param(name="link", where="path", required=True, example="src1x0000000000000000", description="The link's id.")
_ERRORS = (401, 403, 404, 429)
_SVG = Answer(description="The code, black on white", content_type="image/svg+xml")
_PNG = Answer(description="The code, black on white", content_type="image/png")
_LACKING = "Needs the library for linked devices, which is installed separately; without it, 501."


def _native(
    method: str, path: str, summary: str, handler: Handler, answers: dict[int, Answer], **more: object
) -> Route:
    fields: dict[str, object] = {
        "params": (_LINK,) if "{link}" in path else (),
        "errors": _ERRORS,
        "scope": _ADMIN,
        "tag": TAG,
        **more,
    }
    return Route(
        method=method,
        path=path,
        dialect="backscroll",
        summary=summary,
        handler=handler,
        answers=answers,
        **fields,  # type: ignore[arg-type]
    )


def _asking(
    dialect: Dialect, method: str, path: str, summary: str, handler: Handler, answer: Answer, *params: Param
) -> Route:
    """A route of another server that works here as it does there, if the library is installed."""
    lacking = Answer(description="The library for linked devices is not installed", schema=f"{dialect}.Error")
    return Route(
        method=method,
        path=path,
        dialect=dialect,
        summary=summary,
        description=f"{_LACKING} The token needs the scope `admin`.",
        handler=handler,
        scope=_ADMIN,
        params=params,
        answers={200: answer, 501: lacking},
        errors=(400, 401, 403, 404, 409, 422, 429),
        tag=f"{dialect}: linked devices",
    )


_SHOWN = Answer(description="OK", schema="backscroll.Link")
_NOT_HERE = Answer(description="The library for linked devices is not installed", schema="backscroll.Error")
_LOGIN = Answer(description="OK", schema="gowa.Login")
_BODY = {"type": "object", "properties": {"phone_name": {"type": "string"}}}

ROUTES: tuple[Route, ...] = (
    _native(
        "GET",
        "/api/links",
        "List linked devices",
        list_links,
        {200: Answer(description="OK", schema="backscroll.Links")},
        scope="read",
        errors=(401, 429),
    ),
    _native(
        "POST",
        "/api/links",
        "Link a phone",
        create_link,
        {201: Answer(description="Begun", schema="backscroll.Link"), 501: _NOT_HERE},
        body="bytes",
        accepts=Answer(
            description="The name of the phone to add, or the existing phone; for a code to type, its number",
            schema=_BODY,
            example={"phone_name": "Sales", "phone": None, "pair_code_for": None, "silent_after": "6h"},
        ),
        description=f"Poll the link until it has a code in `pairing`. {_LACKING}",
        errors=(*_ERRORS, 409, 422),
    ),
    _native(
        "GET",
        "/api/links/{link}",
        "Show a linked device",
        get_link,
        {200: _SHOWN},
        scope="read",
        errors=(401, 404, 429),
    ),
    _native("GET", "/api/links/{link}/qr.svg", "Show the QR code to scan", get_qr, {200: _SVG}),
    _native("GET", PICTURE, "Show the QR code to scan as PNG", get_png, {200: _PNG}),
    _native(
        "POST",
        "/api/links/{link}/retry",
        "Reconnect a device, or pair it again",
        retry_link,
        {200: _SHOWN, 501: _NOT_HERE},
        body="bytes",
        accepts=Answer(
            description="Empty, or the phone's number for a code to type",
            schema={"type": "object", "properties": {"pair_code_for": {"type": ["string", "null"]}}},
            example={"pair_code_for": None},
        ),
        errors=(*_ERRORS, 422),
    ),
    _native(
        "DELETE",
        "/api/links/{link}",
        "Unlink a device",
        delete_link,
        {204: Answer(description="Being unlinked")},
        description="Cancels pairing, or removes the device from the account's list. Its messages stay.",
    ),
    _asking(
        "periskope", "GET", "/v1/phones/qr", "Show a QR code to link a phone", get_periskope_qr, _PNG, X_PHONE_REQUIRED
    ),
    _asking("gowa", "GET", "/app/login", "Link a phone", get_gowa_login, _LOGIN, *SCOPED),
    _asking(
        "gowa",
        "GET",
        "/app/login-with-code",
        "Link a phone by a code to type",
        get_gowa_code,
        _LOGIN,
        Param(
            name="phone", description="The phone's number, which must be that of the device.", example="4915550001001"
        ),
        *SCOPED,
    ),
    _asking("gowa", "GET", "/app/logout", "Unlink a phone", gowa_logout, _LOGIN, *SCOPED),
    _asking("gowa", "GET", "/app/reconnect", "Reconnect a phone", gowa_reconnect, _LOGIN, *SCOPED),
    _asking("gowa", "GET", "/devices/{device_id}/login", "Link a phone", get_gowa_login, _LOGIN, DEVICE_ID),
    _asking(
        "gowa", "POST", "/devices/{device_id}/login/code", "Link a phone by a code", get_gowa_code, _LOGIN, DEVICE_ID
    ),
    _asking("gowa", "POST", "/devices/{device_id}/logout", "Unlink a phone", gowa_logout, _LOGIN, DEVICE_ID),
    _asking("gowa", "POST", "/devices/{device_id}/reconnect", "Reconnect a phone", gowa_reconnect, _LOGIN, DEVICE_ID),
)
