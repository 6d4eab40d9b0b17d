"""Backscroll's own JSON lines, as a kind of import."""

from __future__ import annotations

from pathlib import Path

from msgspec import convert, to_builtins

from backscroll.core import events
from backscroll.core.events import MessageSeen, PhoneSeen
from backscroll.core.ids import user_part
from backscroll.core.import_jobs import Preview, Sample
from backscroll.ingest.importing.kind import ImportKind, Outcome, Plan, Recognised, Task, Work
from backscroll.ingest.importing.walking import files_at
from backscroll.ingest.jsonl import ImportSummary, Reader, looks_like_lines, source_of, take_lines
from backscroll.storage.transfer.dump import Dumped

KIND = "jsonl"
_SAMPLES = 3
_SHOWN = 200


def find(path: Path) -> list[Recognised]:
    """Files that begin like Backscroll's own export, plain or compressed."""
    return [Recognised(kind=KIND, path=file) for file in files_at(path) if looks_like_lines(file)]


class _Seen:
    """What the lines contain, collected while they are verified."""

    def __init__(self) -> None:
        self.phones: dict[str, None] = {}
        self.chats: set[str] = set()
        self.first: int | None = None
        self.last: int | None = None
        self.samples: list[Sample] = []

    def see(self, event: Dumped) -> None:
        if isinstance(event, PhoneSeen):
            self.phones[user_part(event.jid)] = None
        elif isinstance(event, MessageSeen):
            self._see_message(event)

    def _see_message(self, seen: events.MessageSeen) -> None:
        message = seen.message
        self.chats.add(message.key.chat)
        self.first = min(message.sent_at, self.first if self.first is not None else message.sent_at)
        self.last = max(message.sent_at, self.last if self.last is not None else message.sent_at)
        if len(self.samples) < _SAMPLES and message.text:
            author = None if message.key.sender is None else user_part(message.key.sender)
            text = message.text[:_SHOWN]
            self.samples.append(Sample(sent_at=message.sent_at, author=author, text=text, kind=message.kind))


def plan(task: Task) -> Plan:
    """Verify the whole file. A truncated or altered file is refused before anything is written."""
    path, seen = task.found.path, _Seen()
    with path.open("rb") as file:
        header, end = Reader(path.name, file).verify(seen.see)
        source = source_of(path.name, file)
    elsewhere = header.org.id.lower() != task.org.id
    note = f'The file is of the organisation "{header.org.name}"; it is imported into "{task.org.name}".'
    return Plan(
        source=source,
        preview=Preview(
            title=header.org.name,
            phones=tuple(seen.phones),
            messages=end.messages,
            first_at=seen.first,
            last_at=seen.last,
            samples=tuple(seen.samples),
            notes=(note,) if elsewhere else (),
        ),
    )


def run(work: Work) -> Outcome:
    """Import every line. What is already in the archive does not change."""
    task, path = work.task, work.task.found.path
    with path.open("rb") as file:
        reader = Reader(path.name, file)
        _, end = reader.verify()
        summary = take_lines(task.store, task.media, task.org, reader, end, work.progress)
    return Outcome(report=to_builtins(summary), notes=tuple(str(summary).splitlines()[1:]))


JSON_LINES = ImportKind(
    name=KIND,
    label="JSON lines of Backscroll",
    looked_for="a file that `backscroll export jsonl` wrote (also .gz or .zst)",
    find=find,
    plan=plan,
    run=run,
    told=lambda outcome: str(convert(outcome.report, ImportSummary)),
)
