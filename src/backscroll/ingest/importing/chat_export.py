"""Chats exported from WhatsApp, as a kind of import."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import convert, structs, to_builtins

from backscroll.core.errors import BadField, Candidate, Question, Unreadable
from backscroll.core.events import Batch, PhoneSeen
from backscroll.core.import_jobs import Asked, Preview, Sample
from backscroll.core.imports import NewImport
from backscroll.core.model import Phone
from backscroll.ingest.connectors.export.archive import ExportArchive, open_export
from backscroll.ingest.connectors.export.blocks import looks_like_export
from backscroll.ingest.connectors.export.chat import ExportedChat, ExportedLine
from backscroll.ingest.exports.doubts import doubts_of
from backscroll.ingest.exports.folder import exports_in
from backscroll.ingest.exports.importer import (
    ExportSummary,
    Options,
    PlannedExport,
    plan_export,
    read_export,
    repeated,
    take_export,
)
from backscroll.ingest.exports.people import Decided, People
from backscroll.ingest.importing.kind import (
    UNKNOWN_PHONE,
    ImportKind,
    Outcome,
    Plan,
    Recognised,
    Task,
    Work,
    asked_of,
    phone_called,
)
from backscroll.ingest.pipeline import apply_with_retry

KIND = "export"
ORDERS = {"day_first": True, "month_first": False}
_HEAD = 8192
_SHOWN = 200
"""Maximum characters of a sample."""
_NAMED = 50
"""Maximum participants named in a preview."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, RuntimeError)


def find(path: Path) -> list[Recognised]:
    """The exported chats at a path: a text, a zip that contains one, or a folder with one or many of them."""
    try:
        if path.is_dir():
            return [_recognised(found) for found in exports_in(path) if found != path or _is_export(path)]
        return [_recognised(path)] if _may_be_export(path) else []
    except OSError:
        return []


def _recognised(path: Path) -> Recognised:
    return Recognised(kind=KIND, path=path)


def _is_export(folder: Path) -> bool:
    try:
        open_export(folder)
    except Unreadable as error:
        # The user can fix this, so it is reported when the file is read.
        return "links and special files" in error.problem
    return True


def _may_be_export(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04") or path.suffix.lower() == ".zip":
        return _may_hold_chat(path)
    return b"\0" not in head[:4] and looks_like_export(head)


def _may_hold_chat(path: Path) -> bool:
    """Whether a zip has a text that may be a chat. A damaged zip counts too, so that its damage is reported."""
    try:
        with zipfile.ZipFile(path) as archive:
            texts = [info for info in archive.infolist() if info.filename.lower().endswith(".txt")]
            for info in texts[:100]:
                with archive.open(info) as file:
                    if looks_like_export(file.read(_HEAD)):
                        return True
    except _DAMAGE:
        return True
    return False


# ---------------------------------------------------------------------- planning


def plan(task: Task) -> Plan:
    """Read the whole export, and ask all questions."""
    path, options = task.found.path, options_of(task.answers)
    questions = {asked.name: asked for asked in (_phone_question(task), _zone_question(task)) if asked is not None}
    try:
        read = read_export(path, options)
    except Question as question:
        if not task.asks or question.name != "date_order":
            raise
        questions["date_order"] = _with_line(asked_of(question), path)
        # The participants are the same with either date order.
        read = read_export(path, structs.replace(options, day_first=True))
    planned: PlannedExport | None = None
    if "phone" not in questions:
        phone = task.phone()
        try:
            if "date_order" in questions:
                People(task.store, task.org.no, phone, *read, options.chat, options.me)
            else:
                planned = plan_export(task.store, task.org.no, phone, path, options, read)
        except Question as question:
            if not task.asks:
                raise
            questions[question.name] = _joined(questions.get(question.name), asked_of(question))
    return _plan(task, planned, read, [*questions.values()])


def options_of(answers: Mapping[str, Any]) -> Options:
    """How to read an export according to the answers. ``BadField`` for an unknown date order."""
    order = answers.get("date_order")
    if order is not None and order not in ORDERS:
        raise BadField("date_order", str(order)[:80], "must be day_first or month_first")
    return Options(
        chat=answers.get("chat"),
        timezone=answers.get("timezone"),
        day_first=None if order is None else ORDERS[order],
        me=answers.get("me"),
    )


def _plan(
    task: Task, planned: PlannedExport | None, read: tuple[ExportArchive, ExportedChat], questions: list[Asked]
) -> Plan:
    archive, parsed = read
    preview = preview_of(archive, parsed, knows_times=all(asked.name != "date_order" for asked in questions))
    if planned is None:
        return Plan(source=NewImport(kind=KIND, file=task.found.path.name), preview=preview, questions=questions)
    people = planned.people
    preview = structs.replace(
        preview,
        title=planned.title,
        chat=people.chat,
        is_group=people.is_group,
        phones=(planned.phone.number,),
        notes=(*preview.notes, *people.warnings),
    )
    return Plan(
        source=planned.source,
        preview=preview,
        questions=questions,
        replaces=planned.replaces,
        repeats=planned.repeats.id if planned.repeats else None,
        repeated=None if planned.repeats is None else _outcome(repeated(planned, planned.repeats)),
        decided=to_builtins(people),
        ready=planned,
    )


def preview_of(archive: ExportArchive, parsed: ExportedChat, knows_times: bool) -> Preview:
    """What a user sees of an export before it is imported."""
    lines, times = parsed.lines, parsed.lines.times
    shown = sorted({*range(min(3, len(lines))), *range(max(0, len(lines) - 2), len(lines))})
    return Preview(
        title=parsed.title or archive.title,
        is_group=parsed.is_group,
        messages=len(lines),
        first_at=min(times) if knows_times else None,
        last_at=max(times) if knows_times else None,
        participants=parsed.authors[:_NAMED],
        attachments=len(archive.attachments),
        samples=tuple(_sample(lines[at], knows_times) for at in shown),
        notes=tuple(doubts_of(parsed)),
    )


def _sample(line: ExportedLine, knows_times: bool) -> Sample:
    text = line.text or line.filename
    return Sample(
        sent_at=line.sent_at if knows_times else None,
        author=line.author,
        text=None if text is None else text[:_SHOWN],
        kind=line.kind,
    )


# Questions


def _phone_question(task: Task) -> Asked | None:
    if task.answers.get("phone"):
        return None
    phones = task.store.list_phones(task.org.no)
    candidates = tuple(Candidate(phone.number, phone.name) for phone in phones)
    question = Question(
        "Which of your own numbers was this exported from?", "--phone NUMBER", name="phone", candidates=candidates
    )
    if not task.asks:
        raise question
    return asked_of(question, suggested=candidates[0].value if len(candidates) == 1 else None)


def _zone_question(task: Task) -> Asked | None:
    if task.answers.get("timezone") or not task.asks:
        return None
    used = _zones_used(task)
    return Asked(
        name="timezone",
        text="In which time zone was the phone that made the export?",
        candidates=tuple(Candidate(zone, evidence="used for an earlier import") for zone in used),
        suggested=used[0] if used else None,
        evidence=("An export tells the time on the phone's clock, and not its time zone.",),
    )


def _zones_used(task: Task) -> list[str]:
    """Time zones with which earlier exports of this phone were read, the latest first."""
    found = [
        entry.answers.get("timezone")
        for entry in reversed(task.store.list_imports(task.org.no))
        if entry.kind == KIND and entry.answers.get("phone") == task.answers.get("phone", entry.answers.get("phone"))
    ]
    return list(dict.fromkeys(zone for zone in found if zone))


def _joined(known: Asked | None, found: Asked) -> Asked:
    """The question for the time zone, with what the times in the archive suggest."""
    if known is None:
        return found
    candidates = {candidate.value: candidate for candidate in (*found.candidates, *known.candidates)}
    return structs.replace(found, candidates=tuple(candidates.values()), suggested=found.candidates[0].value)


def _with_line(asked: Asked, path: Path) -> Asked:
    """The question with the first line of the file, which shows how dates are written."""
    archive = open_export(path)
    start = archive.text[:2000].decode("utf-8", "replace").splitlines()
    line = next((line.strip()[:_SHOWN] for line in start if line.strip()), None)
    return structs.replace(asked, evidence=(*asked.evidence, *([line] if line else [])))


# ---------------------------------------------------------------------- running


def run(work: Work) -> Outcome:
    """Import the export. Repeating this after a restart does not change what is already there."""
    task = work.task
    planned: PlannedExport = work.ready or _planned_before(work)
    phone = _made(task, planned.phone)
    summary = take_export(
        task.store,
        task.media,
        task.org.no,
        structs.replace(planned, phone=phone),
        work.import_id,
        work.taken_back,
        task.max_media_bytes,
        work.progress,
        work.count,
    )
    return _outcome(summary)


def _outcome(summary: ExportSummary) -> Outcome:
    return Outcome(
        report=to_builtins(summary),
        added=summary.added,
        known=summary.known,
        files=summary.files,
        notes=tuple(summary.warnings),
    )


def _planned_before(work: Work) -> PlannedExport:
    """What was planned before a restart."""
    task = work.task
    options = options_of(task.answers)
    people = convert(dict(work.decided), Decided)
    archive, parsed = read_export(task.found.path, options, people.named)
    return PlannedExport(
        phone=task.phone(),
        options=options,
        archive=archive,
        parsed=parsed,
        source=NewImport(kind=KIND),
        people=people,
        title=people.title,
        replaces=work.replaces,
        repeats=None,
    )


def _made(task: Task, phone: Phone) -> Phone:
    """The phone as it is now. It is created if it is new, or was removed with the import that this one replaces."""
    if phone_called(task.store, task.org, phone.number).no == UNKNOWN_PHONE:
        apply_with_retry(task.store, task.org.no, Batch(source="export", events=[PhoneSeen(jid=phone.jid)]))
    return task.store.find_phone(task.org.no, phone.number)


CHAT_EXPORT = ImportKind(
    name=KIND,
    label="chat exported from WhatsApp",
    looked_for='a chat that WhatsApp\'s "Export chat" made (a .txt or .zip, or a folder of them)',
    find=find,
    plan=plan,
    run=run,
    told=lambda outcome: str(convert(outcome.report, ExportSummary)),
    options=("phone", "chat", "timezone", "date_order", "me"),
)
