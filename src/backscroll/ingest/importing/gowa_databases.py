"""GOWA's own databases, as a kind of import."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, convert, structs, to_builtins

from backscroll.core.errors import Candidate, Question
from backscroll.core.events import Batch, MessageSeen, PhoneSeen
from backscroll.core.ids import user_part
from backscroll.core.import_jobs import Preview, Sample
from backscroll.core.text import counted
from backscroll.ingest import imports
from backscroll.ingest.connectors.foreign.rows import Skipped
from backscroll.ingest.connectors.gowa import database
from backscroll.ingest.importing.kind import ImportKind, Outcome, Plan, Recognised, Task, Work, asked_of
from backscroll.ingest.importing.walking import columns_of, files_at
from backscroll.ingest.pipeline import apply_all
from backscroll.ingest.quarantined_rows import via_gowa_database

KIND = "gowa"
_MESSAGES = frozenset({"id", "chat_jid", "sender", "content", "timestamp", "created_at", "updated_at"})
_CHATS = frozenset({"jid", "name", "last_message_time", "ephemeral_expiration"})
"""The whatsapp-mcp bridges have a table of the same name with fewer columns."""
_SAMPLES = 3
_READ = 50
"""Rows that are read at a time to find them."""
_SHOWN = 200


def find(path: Path) -> list[Recognised]:
    """GOWA's chatstorage.db, under any name, with the whatsapp.db beside it."""
    files = [(file, columns_of(file)) for file in files_at(path)]
    stores = [file for file, tables in files if _is_store(tables)]
    devices = [file for file, tables in files if "whatsmeow_device" in tables]
    if path.is_file():
        # A single file was given, so only its neighbour is searched besides it.
        beside = path.with_name("whatsapp.db")
        devices = [beside] if beside != path and "whatsmeow_device" in columns_of(beside) else []
    return [
        Recognised(kind=KIND, path=store, also=tuple(d for d in devices if d.parent == store.parent)[:1])
        for store in stores
    ]


def _is_store(tables: Mapping[str, frozenset[str]]) -> bool:
    nothing: frozenset[str] = frozenset()
    return tables.get("messages", nothing) >= _MESSAGES and tables.get("chats", nothing) >= _CHATS


class Imported(Struct, frozen=True):
    """What an import found in the databases, and how many rows of the archive it changed."""

    phones: list[str]
    messages: int
    changed: int
    problems: list[str]

    def __str__(self) -> str:
        read, changed = counted(self.messages, "message"), counted(self.changed, "row")
        phones = f"phone{'' if len(self.phones) == 1 else 's'} {', '.join(self.phones)}"
        return f"{read} read, of {phones}; {changed} changed."


def plan(task: Task) -> Plan:
    """Check that the files can be read, and determine whose they are."""
    chatstorage, whatsapp = _files(task)
    account = task.answers.get("account")
    answers = {"account": account, "whatsapp_db": whatsapp.name if whatsapp else None}
    source = imports.source_of(KIND, chatstorage, answers)
    try:
        preview = _preview(chatstorage, whatsapp, account)
    except Question as question:
        if not task.asks:
            raise
        phones = [Candidate(phone.number, phone.name) for phone in task.store.list_phones(task.org.no)]
        asked = structs.replace(asked_of(question), candidates=tuple(phones))
        return Plan(source=source, preview=Preview(messages=database.count(chatstorage)), questions=[asked])
    return Plan(source=source, preview=preview)


def _preview(chatstorage: Path, whatsapp: Path | None, account: str | None) -> Preview:
    """The phones, the number of messages, and the first messages."""
    phones: dict[str, None] = {}
    samples: list[Sample] = []
    for batch in database.read(chatstorage, whatsapp, account=account, batch_size=_READ, on_skip=lambda row: None):
        for event in batch.events:
            if isinstance(event, PhoneSeen):
                phones[user_part(event.jid)] = None
            elif isinstance(event, MessageSeen) and event.message.text and len(samples) < _SAMPLES:
                message = event.message
                author = None if message.key.sender is None else user_part(message.key.sender)
                samples.append(Sample(sent_at=message.sent_at, author=author, text=(message.text or "")[:_SHOWN]))
        if samples:
            break
    return Preview(
        phones=tuple(phones),
        messages=database.count(chatstorage),
        first_at=samples[0].sent_at if samples else None,
        samples=tuple(samples),
    )


def _files(task: Task) -> tuple[Path, Path | None]:
    also = task.found.also
    return task.found.path, also[0] if also else None


def run(work: Work) -> Outcome:
    """Import everything, batch by batch. Unreadable rows are named in the report and kept in quarantine."""
    taken = _Taking(work).all()
    return Outcome(report=to_builtins(taken), notes=tuple(taken.problems))


class _Taking:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._store = work.task.store
        self._org = work.task.org
        self._skipped: list[Skipped] = []

    def all(self) -> Imported:
        """Apply every batch. A row that cannot be read goes to quarantine and does not affect others."""
        chatstorage, whatsapp = _files(self._work.task)
        account = self._work.task.answers.get("account")
        messages = changed = 0
        phones: dict[str, None] = {}
        refused: list[str] = []
        whole = database.count(chatstorage)
        read: deque[int] = deque()
        """Number of messages in each batch that is not written yet."""

        def batches() -> Iterator[Batch]:
            for batch in database.read(chatstorage, whatsapp, account=account, on_skip=self._quarantine):
                read.append(sum(isinstance(event, MessageSeen) for event in batch.events))
                phones.update({user_part(event.jid): None for event in batch.events if isinstance(event, PhoneSeen)})
                yield batch

        for applied in apply_all(self._store, self._org.no, batches()):
            changed += applied.changed
            refused += applied.refused
            messages += read.popleft()
            self._work.progress(messages, whole)
        problems = [f"Put in quarantine: {named}" for named in refused]
        problems += [f"{'Partly read' if row.kept else 'Left out'}: {row}" for row in self._skipped]
        return Imported([*phones], messages, changed, problems)

    def _quarantine(self, row: Skipped) -> None:
        if row.payload:
            via = via_gowa_database(self._work.task.answers.get("account"))
            self._store.quarantine(self._org.no, KIND, row.payload, str(row), via=via)
        self._skipped.append(structs.replace(row, payload=b""))


GOWA = ImportKind(
    name=KIND,
    label="databases of GOWA",
    looked_for="GOWA's chatstorage.db, with whatsapp.db beside it",
    find=find,
    plan=plan,
    run=run,
    told=lambda outcome: str(convert(outcome.report, Imported)),
    options=("account",),
)
