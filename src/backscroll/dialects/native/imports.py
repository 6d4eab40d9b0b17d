"""Import jobs, as the native API accepts and shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from backscroll.core.errors import BadField
from backscroll.core.ids import bare_number, clean_text
from backscroll.core.import_jobs import OVER, Asked, Item, Job, JobFile, JobProgress, NewJob
from backscroll.core.imports import Import, UndoPlan
from backscroll.dialects.native.bodies import decoded
from backscroll.dialects.native.messages import time_text
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import shown_jid
from backscroll.formats.timestamps import postgres_text

MAX_BODY = 4 << 20
EXPIRES_US = 7 * 24 * 3600 * 1_000_000
_EXAMPLE = '{"files": [{"name": "WhatsApp Chat with Ana.zip", "size": 4711}], "phone": "919876543210"}'
_SECRET = "…"  # noqa: S105 - what stands in the place of one


class _File(Struct, frozen=True):
    name: str
    size: int


class _NewJob(Struct, frozen=True, forbid_unknown_fields=True):
    files: tuple[_File, ...]
    phone: str | None = None
    kind: str | None = None
    options: dict[str, Any] = {}
    confirm: bool = False


class _MoreFiles(Struct, frozen=True, forbid_unknown_fields=True):
    files: tuple[_File, ...]


class _Undo(Struct, frozen=True, forbid_unknown_fields=True):
    imports: tuple[int, ...] | None = None


def parse_new_job(body: bytes, request_key: str | None) -> NewJob:
    """The requested import; raises ``BadField``."""
    asked = _read(body, _NewJob, _EXAMPLE)
    files = _files(asked.files)
    phone = None if asked.phone is None else bare_number(asked.phone.partition("@")[0])
    if phone is not None and not 5 <= len(phone) <= 15:
        raise BadField("phone", None, "must be a number with the country code, such as 919876543210")
    return NewJob(
        origin="api",
        name=_common_name([file.name for file in files]),
        files=files,
        phone=phone,
        kind=asked.kind,
        answers=asked.options,
        confirm=asked.confirm,
        request_key=request_key,
    )


def parse_more_files(body: bytes) -> tuple[JobFile, ...]:
    """The files to add; raises ``BadField``."""
    return _files(_read(body, _MoreFiles, '{"files": [{"name": "key", "size": 158}]}').files)


def parse_import_answers(body: bytes) -> dict[str, Any]:
    """Answers by name; raises ``BadField`` for anything but an object."""
    answers: dict[str, Any] = _read(body, dict[str, Any], '{"timezone": "Europe/Berlin", "me": "Rob"}')
    return answers


def parse_undo(body: bytes) -> tuple[int, ...] | None:
    """The numbers of the imports to undo; None for all of the job."""
    asked: _Undo = _read(body or b"{}", _Undo, '{"imports": [12]}')
    return asked.imports


def _read(body: bytes, kind: Any, example: str) -> Any:
    if len(body) > MAX_BODY:
        raise BadField("body", None, f"must be at most {MAX_BODY} bytes")
    return decoded(body, kind, example)


def _files(files: Sequence[_File]) -> tuple[JobFile, ...]:
    if any(file.size > 2**53 for file in files):
        raise BadField("files", None, "must each have a size in bytes")
    return tuple(JobFile(no=no, name=file.name, size=file.size) for no, file in enumerate(files, 1))


def _common_name(names: Sequence[str]) -> str:
    """The only file's name, the common folder, or the first file's name and how many more there are."""
    tops = dict.fromkeys(clean_text(name)[0].replace("\\", "/").partition("/")[0] for name in names)
    first = next(iter(tops), "")[:255]
    return first if len(tops) <= 1 else f"{first} and {len(names) - 1} more"


# ---------------------------------------------------------------------- shown


def render_job(job: Job, imports: Sequence[Import], labels: Mapping[str, str]) -> bytes:
    """A job in full. ``labels`` are readable names of the kinds."""
    return encode(_job(job, imports, labels, is_whole=True))


def render_jobs(
    jobs: Sequence[tuple[Job, Sequence[Import]]], labels: Mapping[str, str], following: str | None
) -> bytes:
    """A page of jobs, without what was recognised in each."""
    items = [_job(job, imports, labels, is_whole=False) for job, imports in jobs]
    return encode({"items": items, "next": following})


def render_upload(file: JobFile) -> bytes:
    """A file being uploaded."""
    return encode(to_builtins(file))


def render_undo_plan(plans: Sequence[UndoPlan]) -> bytes:
    """What undoing a job would do, in total and for each import."""
    names = ("messages", "kept", "chats", "contacts", "files")
    each = [{"id": plan.import_id} | {name: getattr(plan, name) for name in names} for plan in plans]
    return encode({name: sum(one[name] for one in each) for name in names} | {"imports": each})


def render_job_change(id: str, state: str, progress: JobProgress | None, updated_at: int) -> bytes:
    """What a follower receives about a job."""
    return encode({"id": id, "state": state, "progress": _progress(progress), "updated_at": postgres_text(updated_at)})


def _job(job: Job, imports: Sequence[Import], labels: Mapping[str, str], is_whole: bool) -> dict[str, Any]:
    kinds = sorted({item.kind for item in job.found})
    waits = job.state in ("uploading", "asking")
    return {
        "id": job.id,
        "origin": job.origin,
        "state": _state(job, imports),
        "kind": job.kind or (kinds[0] if len(kinds) == 1 else None),
        "name": job.name,
        "created_at": postgres_text(job.created_at),
        "updated_at": postgres_text(job.updated_at),
        "finished_at": time_text(job.finished_at),
        "expires_at": time_text(job.updated_at + EXPIRES_US if waits else None),
        "phone": job.phone,
        "size": job.size if job.files else next((entry.size for entry in imports), None),
        "files": [to_builtins(file) for file in job.files],
        "progress": _progress(job.progress),
        "found": [_found(item, labels, job) for item in job.found] if is_whole else None,
        "questions": [_question(asked) for asked in job.questions],
        "answers": _answers(job),
        "imports": [_import(entry, job, is_whole) for entry in imports],
        "report": _report(job) if job.state in OVER or job.state == "undoing" else None,
        "error": None if job.error is None else to_builtins(job.error),
        "can": _can(job, imports),
    }


def _state(job: Job, imports: Sequence[Import]) -> str:
    """A job whose imports have all been undone, or replaced by others, counts as undone."""
    is_gone = job.state == "done" and bool(imports) and all(entry.state == "undone" for entry in imports)
    return "undone" if is_gone else job.state


def _answers(job: Job) -> dict[str, Any]:
    return {name: answer for name, answer in job.answers.items() if name != "start"}


def _progress(progress: JobProgress | None) -> dict[str, Any] | None:
    return None if progress is None else to_builtins(progress)


def _found(item: Item, labels: Mapping[str, str], job: Job) -> dict[str, Any]:
    preview = to_builtins(item.preview) if item.preview else dict.fromkeys(_PREVIEW)
    samples = item.preview.samples if item.preview else ()
    chat = item.preview.chat if item.preview else None
    return {
        "item": item.no,
        "kind": item.kind,
        "label": labels.get(item.kind, item.kind),
        "file": job.name if item.path == "." else item.path,
        "state": item.state,
        "title": preview["title"],
        "chat_id": None if chat is None else shown_jid(chat),
        "is_group": preview["is_group"],
        "phones": preview["phones"] or [],
        "messages": preview["messages"],
        "first_at": time_text(preview["first_at"]),
        "last_at": time_text(preview["last_at"]),
        "participants": preview["participants"] or [],
        "attachments": preview["attachments"] or 0,
        "samples": [to_builtins(sample) | {"sent_at": time_text(sample.sent_at)} for sample in samples],
        "notes": [*(item.notes or preview["notes"] or [])],
        "replaces": list(item.replaces),
        "repeats": item.repeats,
        "error": item.error,
        "skip": item.state == "skipped",
    }


_PREVIEW = (
    "title",
    "is_group",
    "phones",
    "messages",
    "first_at",
    "last_at",
    "participants",
    "attachments",
    "notes",
)


def _question(asked: Asked) -> dict[str, Any]:
    return {
        "name": asked.name,
        "items": list(asked.items),
        "type": asked.type,
        "required": True,
        "text": asked.text,
        "candidates": [
            {"name": one.name or asked.name, "value": one.value, "label": one.label, "evidence": one.evidence}
            for one in asked.candidates
        ],
        "suggested": asked.suggested,
        "free": asked.free,
        "evidence": list(asked.evidence),
    }


def _import(entry: Import, job: Job, is_whole: bool) -> dict[str, Any]:
    item = next((item.no for item in job.found if item.import_id == entry.id), None)
    return {
        "id": entry.id,
        "item": item,
        "kind": entry.kind,
        "file": entry.file,
        "state": entry.state,
        "started_at": postgres_text(entry.started_at),
        "finished_at": time_text(entry.finished_at),
        "replaces": list(entry.replaces),
        "report": entry.report if is_whole else None,
    }


def _report(job: Job) -> dict[str, Any]:
    done = [item for item in job.found if item.state == "done"]
    failed = [item for item in job.found if item.state == "failed"]
    return {
        "new": sum(item.added or 0 for item in done),
        "known": sum(item.known or 0 for item in done),
        "files": sum(item.files for item in done),
        "imported": sum(item.import_id is not None for item in done),
        "repeated": sum(item.repeats is not None for item in done),
        "failed": [{"item": item.no, "file": item.path, "error": item.error} for item in failed],
        "notes": list(dict.fromkeys([*job.notes, *(note for item in done for note in item.notes)])),
    }


def _can(job: Job, imports: Sequence[Import]) -> list[str]:
    stands = any(entry.state not in ("undone", "undoing") for entry in imports)
    is_replacing = any(item.state == "running" and item.replaces for item in job.found)
    at_work = job.state in ("recognising", "queued", "running")
    can = {
        "upload": job.state == "uploading",
        "answer": job.state == "asking",
        "cancel": job.state in ("uploading", "asking") or (at_work and not is_replacing),
        "retry": job.state == "failed" and any(i.state == "failed" and i.replaces and i.import_id for i in job.found),
        "undo": job.state in ("done", "failed") and stands,
        "delete": job.state in OVER and not any(e.state in ("done", "undoing") for e in imports) and not _is_old(job),
    }
    return [name for name, may in can.items() if may]


def _is_old(job: Job) -> bool:
    return job.id.startswith("import-")
