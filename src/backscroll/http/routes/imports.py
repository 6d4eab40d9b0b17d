"""Imports over the native API: uploads in pieces, what was recognised, questions, progress, undo."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Literal

from backscroll.core.errors import BadField, Conflict
from backscroll.core.model import Org
from backscroll.core.text import counted
from backscroll.dialects.links import first_values
from backscroll.dialects.native.cursors import decode_cursor, encode_cursor
from backscroll.dialects.native.imports import (
    parse_import_answers,
    parse_more_files,
    parse_new_job,
    parse_undo,
    render_job,
    render_jobs,
    render_undo_plan,
    render_upload,
)
from backscroll.dialects.native.requests import parse_limit
from backscroll.dialects.parameters import Param
from backscroll.http.body import BodyTooSlow, ClientGone
from backscroll.http.dialect_http import Refused
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Handler, Route
from backscroll.http.routes.ingest import idempotency_key
from backscroll.ingest.importing.desk import Desk, Seen, TooLarge, Upload
from backscroll.ingest.importing.registry import KINDS
from backscroll.ingest.importing.spool import Busy
from backscroll.storage.write.import_jobs import TooManyJobs

TAG = "backscroll: imports"
TUS = ("tus-resumable", "1.0.0")
PART = "application/offset+octet-stream"
PIECE_SECONDS = 60.0
"""Seconds for which a client may pause while sending a body."""
WRITE_BYTES = 1 << 20
SYNC_BYTES = 8 << 20
NO_STORE = ("cache-control", "no-store")
LABELS = {kind.name: kind.label for kind in KINDS}


def importer(request: Request) -> tuple[Desk, Org]:
    """The organisation to import into, if the token may: an import affects contacts and chats of the whole
    organisation.
    """
    access = request.granted
    if access.scoped:
        raise Refused(403, "FORBIDDEN", "a token that is limited to some phones may not import")
    return request.app.imports, access.org


async def _done(request: Request, work: Callable[[Desk, Org], Seen], status: int = 200) -> Reply:
    desk, org = importer(request)
    seen = await request.app.workers.run(lambda: work(desk, org), org=org.no, heavy=True)
    return Reply(status, render_job(seen.job, seen.imports, LABELS), (NO_STORE,))


def _id(request: Request) -> str:
    return request.path_params["id"]


async def create_import(request: Request) -> Reply:
    """Create a job, or find the one created with the same Idempotency-Key."""
    desk, org = importer(request)
    key = idempotency_key(request.headers)
    if key is not None:
        # The same key from two tokens counts as two keys.
        key = hashlib.sha256(f"{request.granted.token_id} {key}".encode()).hexdigest()
    wanted = parse_new_job(request.body, key)
    try:
        seen, is_new = await request.app.workers.run(lambda: desk.create(org, wanted), org=org.no, heavy=True)
    except TooLarge as error:
        raise Refused(413, "TOO_LARGE", str(error)) from None
    except TooManyJobs as error:
        raise Refused(429, "TOO_MANY_IMPORTS", str(error)) from None
    location = ("location", f"/api/imports/{seen.job.id}")
    return Reply(201 if is_new else 200, render_job(seen.job, seen.imports, LABELS), (NO_STORE, location))


async def list_imports(request: Request) -> Reply:
    """Jobs, newest first, and imports that do not belong to a job."""
    desk, org = importer(request)
    values = first_values(request.query)
    most, cursor = parse_limit(values, 50), values.get("cursor")
    before = None if cursor is None else decode_cursor(cursor, tuple[int, str], "imports")

    def work() -> bytes:
        found, following = desk.page(org, most, before)
        place = None if following is None else encode_cursor(following, "imports")
        return render_jobs([(seen.job, seen.imports) for seen in found], LABELS, place)

    return Reply(200, await request.app.workers.run(work, org=org.no, heavy=True), (NO_STORE,))


async def get_import(request: Request) -> Reply:
    """A job in full."""
    return await _done(request, lambda desk, org: desk.see(org, _id(request)))


async def add_files(request: Request) -> Reply:
    """More files for a waiting job."""
    files = parse_more_files(request.body)
    try:
        return await _done(request, lambda desk, org: desk.add_files(org, _id(request), files))
    except TooLarge as error:
        raise Refused(413, "TOO_LARGE", str(error)) from None


async def answer_import(request: Request) -> Reply:
    """Answers to the questions of a job."""
    answers: dict[str, Any] = parse_import_answers(request.body)
    return await _done(request, lambda desk, org: desk.answer(org, _id(request), answers))


async def cancel_import(request: Request) -> Reply:
    """Cancel a job."""
    return await _done(request, lambda desk, org: desk.cancel(org, _id(request)))


async def retry_import(request: Request) -> Reply:
    """Retry a failed job."""
    return await _done(request, lambda desk, org: desk.retry(org, _id(request)))


async def plan_undo(request: Request) -> Reply:
    """What undoing a job would do."""
    desk, org = importer(request)
    plans = await request.app.workers.run(lambda: desk.plan_undo(org, _id(request)), org=org.no, heavy=True)
    return Reply(200, render_undo_plan(plans), (NO_STORE,))


async def undo_import(request: Request) -> Reply:
    """Begin to undo a job."""
    only = parse_undo(request.body)
    return await _done(request, lambda desk, org: desk.undo(org, _id(request), only), 202)


async def delete_import(request: Request) -> Reply:
    """Delete a job that has nothing left in the archive."""
    desk, org = importer(request)
    await request.app.workers.run(lambda: desk.delete(org, _id(request)), org=org.no, heavy=True)
    return Reply(204)


# ---------------------------------------------------------------------- uploads


async def get_upload(request: Request) -> Reply:
    """How much of a file has been received."""
    desk, org = importer(request)
    _, file = await request.app.workers.run(lambda: desk.upload(org, _id(request), _no(request)), org=org.no)
    return Reply(200, render_upload(file), (TUS, NO_STORE, *_offsets(file.received, file.size)))


async def append_upload(request: Request) -> Reply:
    """Bytes of a file, from the offset on; what arrived before an interruption counts."""
    desk, org = importer(request)
    offset = _offset(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PART:
        raise Refused(415, "UNSUPPORTED_MEDIA_TYPE", f"send the bytes with Content-Type: {PART}")
    try:
        upload = await request.app.workers.write(lambda: desk.open_upload(org, _id(request), _no(request)))
    except Busy as error:
        raise Refused(409, "UPLOAD_BUSY", str(error)) from None
    try:
        await _append(request, upload, offset)
    finally:
        upload.close()
    return Reply(204, headers=(TUS, NO_STORE, *_offsets(upload.at, upload.size)))


async def _append(request: Request, upload: Upload, offset: int) -> None:
    if offset != upload.at:
        headers = dict((*_offsets(upload.at, upload.size), TUS))
        raise Refused(409, "WRONG_OFFSET", f"the next byte of this file is {upload.at}", headers)
    length = _length(request)
    if upload.at == upload.size and not length:
        return
    if upload.state != "uploading":
        raise Conflict(f"This import is {upload.state}; it accepts no more bytes")
    if length > upload.size - upload.at:
        raise _too_large(upload)
    pending = bytearray()
    try:
        async for piece in _pieces(request):
            if len(piece) > upload.size - upload.at - len(pending):
                raise _too_large(upload)
            pending += piece
            if len(pending) >= WRITE_BYTES:
                await request.app.workers.write(partial(upload.write, bytes(pending)))
                pending.clear()
    finally:
        # What has arrived counts, however the request ends.
        await request.app.workers.write(partial(upload.finish, bytes(pending)))


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    assert request.receive is not None, "a route that reads its body itself is declared with body='stream'"
    while True:
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                event = await request.receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if event["type"] == "http.disconnect":
            raise ClientGone
        yield event.get("body", b"")
        if not event.get("more_body", False):
            return


def _too_large(upload: Upload) -> Refused:
    message = f"this file was announced with {counted(upload.size, 'byte')}, but more are being sent"
    return Refused(413, "TOO_LARGE", message, dict((*_offsets(upload.at, upload.size), TUS)))


def _no(request: Request) -> int:
    text = request.path_params["file"]
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0


def _offset(request: Request) -> int:
    text = request.headers.get("upload-offset", "")
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise BadField("Upload-Offset", text[:80] or None, "must be the number of bytes received so far")
    return int(text)


def _length(request: Request) -> int:
    text = request.headers.get("content-length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _offsets(at: int, size: int) -> tuple[tuple[str, str], ...]:
    return (("upload-offset", str(at)), ("upload-length", str(size)))


# ---------------------------------------------------------------------- the table of routes

_ERRORS = (401, 403, 404, 429)
_JOB = Answer(description="The job", schema="backscroll.Import")
_ID = Param(name="id", where="path", required=True, description="The job's id.", example="imp0123456789abcdef0123")
_FILE = Param(name="file", where="path", required=True, description="The file's number in its job.", example="1")


def _route(
    method: str,
    path: str,
    summary: str,
    handler: Handler,
    *,
    description: str = "",
    params: tuple[Param, ...] = (_ID,),
    answers: dict[int, Answer] | None = None,
    errors: tuple[int, ...] = (),
    accepts: Answer | None = None,
    body: Literal["none", "bytes", "stream"] = "none",
) -> Route:
    return Route(
        method=method,
        path=f"/api/imports{path}",
        dialect="backscroll",
        summary=summary,
        description=description,
        handler=handler,
        scope="write",
        params=params,
        body=body if accepts is None or body == "stream" else "bytes",
        accepts=accepts,
        answers=answers or {200: _JOB},
        errors=tuple(sorted({*_ERRORS, *errors})),
        tag=TAG,
    )


ROUTES: tuple[Route, ...] = (
    _route(
        "GET",
        "",
        "List imports",
        list_imports,
        description="Newest first, including those of the command line. What was recognised in each is left out.",
        params=(
            Param(name="limit", type="integer", default=50, minimum=1, maximum=200),
            Param(name="cursor", description="`next` from the previous page."),
        ),
        answers={200: Answer(description="OK", schema="backscroll.Imports")},
        errors=(422,),
    ),
    _route(
        "POST",
        "",
        "Create an import",
        create_import,
        description=(
            "Announces the files to be uploaded; they are recognised by their content. `confirm` shows what was "
            "recognised and waits for `start`; without it the import runs as soon as there are no open questions. The "
            "same Idempotency-Key returns the same job."
        ),
        params=(Param(name="Idempotency-Key", where="header", description="Chosen by the client."),),
        answers={201: Answer(description="Created", schema="backscroll.Import"), 200: _JOB},
        errors=(413, 422, 507),
        accepts=Answer(
            description="The files with their sizes in bytes, and any answers already known",
            schema={"type": "object", "required": ["files"], "properties": {"files": {"type": "array"}}},
            example={
                "files": [{"name": "WhatsApp Chat with Ana.zip", "size": 4711}],
                "phone": "919876543210",
                "kind": None,
                "options": {"timezone": "Europe/Berlin"},
                "confirm": False,
            },
        ),
    ),
    _route("GET", "/{id}", "Get an import", get_import),
    _route(
        "DELETE",
        "/{id}",
        "Delete an import",
        delete_import,
        description="Only if it is finished and nothing from it is left in the archive. Undo it first otherwise.",
        answers={204: Answer(description="Forgotten")},
        errors=(409,),
    ),
    _route(
        "POST",
        "/{id}/files",
        "Add files to an import",
        add_files,
        description="Possible while it waits for files or answers.",
        accepts=Answer(
            description="The files", schema={"type": "object"}, example={"files": [{"name": "k", "size": 1}]}
        ),
        errors=(409, 413, 422, 507),
    ),
    _route(
        "GET",
        "/{id}/files/{file}",
        "Show how much of a file was received",
        get_upload,
        description="HEAD returns the same in headers: Upload-Offset and Upload-Length, as in tus 1.0.",
        params=(_ID, _FILE),
        answers={200: Answer(description="The file", schema="backscroll.ImportFile")},
    ),
    _route(
        "PATCH",
        "/{id}/files/{file}",
        "Send bytes of a file",
        append_upload,
        description="As in tus 1.0. What arrived before an interruption counts: use HEAD to see where to continue.",
        params=(
            _ID,
            _FILE,
            Param(name="Upload-Offset", where="header", required=True, description="Number of bytes received so far."),
        ),
        accepts=Answer(description="The next bytes, any number of them", content_type=PART, schema={"type": "string"}),
        body="stream",
        answers={204: Answer(description="On disk; Upload-Offset is the number of bytes received")},
        errors=(408, 409, 413, 415, 422, 507),
    ),
    _route(
        "POST",
        "/{id}/answers",
        "Answer an import's questions",
        answer_import,
        description="Keyed by the names of the questions; `items` holds answers for single entries. Everything is "
        "checked again.",
        accepts=Answer(
            description="Answers",
            schema={"type": "object"},
            example={"timezone": "Europe/Berlin", "me": "Rob", "items": {"2": {"skip": True}}},
        ),
        errors=(409, 422),
    ),
    _route(
        "POST",
        "/{id}/cancel",
        "Cancel an import",
        cancel_import,
        description="A running import removes what it has imported so far. One that is replacing another cannot be "
        "stopped.",
        errors=(409,),
    ),
    _route(
        "POST",
        "/{id}/retry",
        "Retry a failed import",
        retry_import,
        description="For one that failed after it began to replace another: its files are kept. For others, upload "
        "the files again.",
        errors=(409,),
    ),
    _route(
        "GET",
        "/{id}/undo",
        "Show what undoing an import would do",
        plan_undo,
        answers={200: Answer(description="Counts, in total and for each import", schema="backscroll.ImportUndo")},
    ),
    _route(
        "POST",
        "/{id}/undo",
        "Undo an import",
        undo_import,
        description="Removes what only this import brought in. Runs in the background.",
        accepts=Answer(description="Which of its imports; all by default", schema={"type": "object"}, example={}),
        answers={202: _JOB},
        errors=(409, 422),
    ),
)
