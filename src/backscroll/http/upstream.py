"""In front of a gateway: requests that need WhatsApp itself are forwarded to the phone's upstream, and its answers
returned.

The gateway receives the request as it was sent, with its own credential in place of ours. The sent message is in the
archive before the answer is returned; see ingest/sent/keeping.py for what happens if it cannot be written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, Literal

from msgspec import Struct

from backscroll.core.errors import BadField, NotFound, PhoneRequired, StorageBusy, StorageError
from backscroll.core.ids import bare_number
from backscroll.core.model import Access, ArchivedMessage, Phone
from backscroll.dialects.gowa.parameters import X_DEVICE
from backscroll.dialects.gowa.requests import parse_device
from backscroll.dialects.links import first_values
from backscroll.dialects.periskope.parameters import X_PHONE
from backscroll.dialects.periskope.requests import parse_phones
from backscroll.formats.periskope_ids import MessageRef, decode_message_id
from backscroll.http.body import BodyTooLarge, BodyTooSlow, ClientGone
from backscroll.http.dialect_http import Refused
from backscroll.http.messages import Reply, Request
from backscroll.ingest.media import upstream_credential
from backscroll.ingest.sent import keeping
from backscroll.ingest.sent.forms import FormReader
from backscroll.ingest.sent.sending import Sent
from backscroll.ingest.webhooks import Opened
from backscroll.outbound import gateways
from backscroll.outbound.gateways import AnswerCut, GatewayAnswer, GatewayFailed
from backscroll.storage.write.live_sources import LiveSource

log = logging.getLogger("backscroll.upstream")

PassedDialect = Literal["gowa", "periskope"]

STALL_SECONDS = 60.0
"""Seconds for which a client may pause in the middle of an upload."""
KEEP_SECONDS = 10.0
"""Seconds that an answer waits for the database; then the sent message is kept in a file and the answer is returned."""
LOOK_SECONDS = 3.0
"""So long the message that a path names is looked for."""
IN_MEMORY = 1 << 20
"""Bytes of an upload that are kept in memory; larger uploads are buffered on disk."""
MAX_UNDERSTOOD = 1 << 20
"""Bytes of an answer that are held back until the sent message is written."""

_ASKED = ("accept", "content-type", "idempotency-key", "user-agent")
"""Request headers that are forwarded; none contains a credential or the client's address."""
_ANSWERED = frozenset(
    (b"content-disposition", b"content-encoding", b"content-language", b"content-range", b"location", b"retry-after")
)
"""Answer headers that are returned, besides its type and length."""


class Passage(Struct, frozen=True):
    """A request to be forwarded: the route, and the selected phone."""

    dialect: PassedDialect
    path: str
    """The route's template, with its parameters in braces."""
    source: LiveSource
    phone: Phone | None
    """None: the organisation's only account, whose server chooses the phone."""


async def pass_on(request: Request, dialect: PassedDialect, path: str, *, of_account: bool = False) -> Reply | None:
    """The upstream's answer; None if the selected phone has no upstream of this dialect.

    ``of_account``: the route changes something that all phones of an account share. Raises errors that the dialects
    format: for a phone without access or not named, for a path that cannot be forwarded; ``Refused`` without the scope
    ``write``, and with 502 or 504 if the upstream does not answer.
    """
    org = request.granted.org.no
    sources = await request.app.workers.run(partial(request.app.store.sources.of, org), prompt=True)
    passage = _passage(request, dialect, path, sources)
    if passage is None:
        return None
    _check(request, passage, of_account)
    opened = await request.app.workers.run(partial(request.app.ingestor.open, passage.source.id), prompt=True)
    return await _to_its_end(_exchange(request, passage, opened))


# Selecting the phone


def _passage(request: Request, dialect: PassedDialect, path: str, sources: list[LiveSource]) -> Passage | None:
    ours = [source for source in sources if source.kind == dialect and source.upstream]
    if not ours:
        return None
    find = _device if dialect == "gowa" else _account
    found = find(request, ours)
    return None if found is None else Passage(dialect, path, *found)


def _served(access: Access, sources: list[LiveSource]) -> list[tuple[LiveSource, Phone | None]]:
    """The accessible phones that have their own upstream, each with its oldest one."""
    own = {source.phone: source for source in reversed(sources) if source.phone is not None}
    return [(own[phone.no], phone) for phone in access.phones if phone.no in own]


def _device(request: Request, sources: list[LiveSource]) -> tuple[LiveSource, Phone | None] | None:
    """By X-Device-Id or ``device_id``, otherwise the only phone that has an upstream."""
    access, served = request.granted, _served(request.granted, sources)
    header, params = request.headers.get(X_DEVICE.name.lower()), first_values(request.query)
    if (header or "").strip() or params.get("device_id", "").strip():
        meant = parse_device(access, header, params)
        if params.get("device_id", "").strip() and parse_device(access, None, params) != meant:
            raise BadField(
                "device_id", None, "names a different device from the header X-Device-Id; leave one of them out"
            )
        return next((found for found in served if found[1] == meant), None)
    return _only(served)


def _account(request: Request, sources: list[LiveSource]) -> tuple[LiveSource, Phone | None] | None:
    """By x-phone, otherwise the only phone that has an upstream, otherwise the account that all phones belong to."""
    access, served = request.granted, _served(request.granted, sources)
    of_all = next((source for source in sources if source.phone is None), None)
    named = request.headers.get(X_PHONE.name.lower())
    if (named or "").strip():
        meant = parse_phones(access, named)[0]
        own = next((found for found in served if found[1] == meant), None)
        return own or (None if of_all is None else (of_all, meant))
    if of_all is None:
        return _only(served)
    if len(access.phones) == 1:
        return _only(served) or (of_all, access.phones[0])
    if access.scoped or served:
        raise PhoneRequired
    return of_all, None


def _only(served: list[tuple[LiveSource, Phone | None]]) -> tuple[LiveSource, Phone | None] | None:
    if len(served) > 1:
        raise PhoneRequired
    return served[0] if served else None


def _check(request: Request, passage: Passage, of_account: bool) -> None:
    """Check that the credential allows this; a read-only token never sends."""
    access = request.granted
    if "write" not in access.scopes:
        raise Refused(403, "FORBIDDEN", "this token lacks the scope 'write', which sending through this server needs")
    gateways.check_path(request.path)
    if not access.scoped:
        return
    if of_account:
        raise Refused(
            403,
            "FORBIDDEN",
            "this changes something that all phones share; use a token that is not limited to some phones",
        )
    id = request.path_params.get("id")
    if passage.dialect == "periskope" and id is not None and passage.path.startswith("/v1/message/"):
        _check_message(request, access, id)


def _check_message(request: Request, access: Access, text: str) -> None:
    """The account's key gives access to messages of all its phones; messages of phones without access do not exist for
    this token.
    """
    phones = tuple(phone.no for phone in access.phones)
    ref = decode_message_id(text)
    store = request.app.store
    if store.find_message(access.org.no, phones, ref.id) is None and (
        store.find_by_client_ref(access.org.no, phones, text) is None
    ):
        raise NotFound("message", text)


# The request


def _target(request: Request, passage: Passage) -> gateways.Target:
    """GOWA's routes begin after its base path, Periskope's after ``/v1``, with which the upstream's address ends."""
    skipped = len(request.app.settings.gowa_base_path) if passage.dialect == "gowa" else len("/v1")
    return gateways.Target(passage.source.upstream or "", request.path[skipped:], request.raw_query)


def _headers(request: Request, passage: Passage, opened: Opened) -> list[tuple[str, str]]:
    """Without our credential and cookies; with the upstream's own credential instead."""
    sent = [(name, request.headers[name]) for name in _ASKED if name in request.headers]
    # The sent message is read from the answer, so the answer must not be compressed.
    sent.append(("accept-encoding", "identity"))
    sent += upstream_credential(opened.source, opened.secrets).items()
    if passage.phone is not None:
        jid = passage.phone.jid
        sent.append(
            ("x-device-id", jid) if passage.dialect == "gowa" else ("x-phone", bare_number(jid.partition("@")[0]))
        )
    declared = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers:
        sent.append(("transfer-encoding", "chunked"))
    elif declared.isdecimal():
        sent.append(("content-length", declared))
    elif request.method in ("POST", "PUT", "PATCH"):
        sent.append(("content-length", "0"))
    return sent


def _body(request: Request, reader: FormReader | None) -> gateways.Body | None:
    """The request's body as the gateway is to get it, None when it has none; ``BodyTooLarge`` by its length."""
    limit = request.app.settings.max_upstream_bytes
    declared = request.headers.get("content-length", "0")
    if "transfer-encoding" not in request.headers and declared == "0":
        return None
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(limit)

    async def pieces(has_all: Callable[[], None]) -> AsyncIterator[bytes]:
        """The client's body as it comes: neither held whole, nor longer than allowed, nor waited for without end."""
        assert request.receive is not None
        size, more = 0, True
        while more:
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    event = await request.receive()
            except TimeoutError:
                raise BodyTooSlow from None
            if event["type"] == "http.disconnect":
                raise ClientGone
            piece, more = event.get("body", b""), event.get("more_body", False)
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit)
            if reader is not None:
                reader.show(piece)
            if piece:
                yield piece
        has_all()

    return pieces


# The answer

_under_way: set[asyncio.Task[Any]] = set()


async def _to_its_end(exchange: Coroutine[Any, Any, Reply]) -> Reply:
    """A message that has been sent is stored even if its client does not wait for the answer."""
    task = asyncio.ensure_future(exchange)
    _under_way.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


def _ended(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        # Retrieved, so that an exception that no request waits for any more is not logged with its text.
        task.exception()


async def _exchange(request: Request, passage: Passage, opened: Opened) -> Reply:
    if passage.path not in keeping.SENDING[passage.dialect]:
        answer = await _asked(request, passage, opened, None)
        return await _reply(request, answer, b"", False)
    make_file = partial(SpooledTemporaryFile, max_size=IN_MEMORY, dir=request.app.settings.data)
    with closing(FormReader(request.headers.get("content-type", ""), make_file)) as reader:
        answer = await _asked(request, passage, opened, reader)
        held, is_cut = b"", False
        if 200 <= answer.status < 300:
            held, is_cut = await _held_back(answer, float(request.app.settings.upstream_timeout))
            await _keep(request, passage, reader, held)
    return await _reply(request, answer, held, is_cut)


async def _asked(request: Request, passage: Passage, opened: Opened, reader: FormReader | None) -> GatewayAnswer:
    """The upstream's answer, with its body still to be read; raises ``Refused`` if there is none."""
    try:
        return await gateways.ask(
            request.method,
            _target(request, passage),
            _headers(request, passage, opened),
            _body(request, reader),
            float(request.app.settings.upstream_timeout),
        )
    except GatewayFailed as failure:
        raise _without_answer(request, passage, failure) from None


def _without_answer(request: Request, passage: Passage, failure: GatewayFailed) -> Refused:
    log.warning("%s source %s: the upstream gave no answer: %s", request.trace_id, passage.source.id, failure)
    known = "Check whether it was done before you send it again" if failure.connected else "Nothing was sent"
    message = f"the gateway of source {passage.source.id} gave no answer: {failure}. {known}"
    return Refused(504, "GATEWAY_TIMEOUT", message) if failure.late else Refused(502, "BAD_GATEWAY", message)


async def _held_back(answer: GatewayAnswer, seconds: float) -> tuple[bytes, bool]:
    """The answer, or as much of it as arrives, and whether it was truncated."""
    held = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in answer.chunks:
                held += chunk
                if len(held) > MAX_UNDERSTOOD:
                    break
    except (AnswerCut, TimeoutError):
        return bytes(held), True
    return bytes(held), False


async def _known(request: Request, passage: Passage) -> ArchivedMessage | None:
    """The message that the path names; None where there is none, or it cannot be looked up now."""
    named = request.path_params.get("id") or request.path_params.get("message_id")
    if named is None or passage.phone is None:
        return None
    org, phones, store = request.granted.org.no, (passage.phone.no,), request.app.store
    ref = decode_message_id(named) if passage.dialect == "periskope" else MessageRef(named)

    def find() -> ArchivedMessage | None:
        found = store.find_message(org, phones, ref.id, ref.chat, ref.sender, ref.from_me)
        return found or (store.find_by_client_ref(org, phones, named) if passage.dialect == "periskope" else None)

    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await request.app.workers.run(find, prompt=True)
    except (TimeoutError, StorageError):
        return None


async def _keep(request: Request, passage: Passage, reader: FormReader, answer: bytes) -> None:
    """Store the sent message. If the answer cannot be understood, this is left to the gateway's webhook and the next
    pull.
    """
    app, source, fields = request.app, passage.source, reader.fields()
    sent = kept = None
    if fields is not None and passage.phone is not None:
        at, known = time.time_ns() // 1000, await _known(request, passage)
        sent = Sent(passage.path, request.path_params, fields, answer, passage.phone.jid, at, known)
        kept = keeping.batch_of(source, sent)
    if sent is None or kept is None:
        log.warning(
            "%s source %s: what %s sent is not clear from the answer; it is left to the webhook or the next pull",
            request.trace_id,
            source.id,
            passage.path,
        )
        return
    batch, id = kept
    folder, limit = app.settings.data / keeping.FOLDER, app.settings.max_media_bytes
    try:
        async with asyncio.timeout(KEEP_SECONDS):
            batch = await app.workers.write(lambda: keeping.with_files(app.media, source, batch, sent, limit))
            await app.workers.write(lambda: keeping.keep(app.store, folder, source, batch, id))
    except (TimeoutError, StorageBusy):
        log.warning("%s source %s: message %s was sent and will be stored later", request.trace_id, source.id, id[:80])
        await asyncio.to_thread(keeping.put_aside, folder, source, batch, id)


async def _reply(request: Request, answer: GatewayAnswer, held: bytes, is_cut: bool) -> Reply:
    declared = answer.header(b"content-length") or b""
    kind = answer.header(b"content-type") or b""
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in answer.headers
        if name.lower() in _ANSWERED
    )
    has_no_body = request.method == "HEAD" or answer.status in (204, 304)
    if has_no_body:
        await answer.close()
    return Reply(
        answer.status,
        headers=headers,
        content_type=kind.decode("latin-1"),
        chunks=None if has_no_body else _streamed(answer, held, is_cut, request.app.settings.max_upstream_bytes),
        length=int(declared) if declared.isdigit() else None,
    )


async def _streamed(answer: GatewayAnswer, held: bytes, is_cut: bool, limit: int) -> AsyncIterator[bytes]:
    """The answer unchanged; raises ``AnswerCut`` if the upstream's answer ended too early."""
    size = len(held)
    try:
        if held:
            yield held
        if is_cut:
            raise AnswerCut
        async for chunk in answer.chunks:
            size += len(chunk)
            if size > limit:
                raise AnswerCut(f"it is larger than {limit} bytes")
            yield chunk
    finally:
        await answer.close()
