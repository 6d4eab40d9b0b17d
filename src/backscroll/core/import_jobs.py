"""Import jobs: their input, what was recognised in it, open questions, and progress."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from backscroll.core.errors import Candidate

JobState = Literal[
    "uploading",
    "recognising",
    "asking",
    "queued",
    "running",
    "cancelling",
    "done",
    "failed",
    "cancelled",
    "undoing",
    "undone",
]
OVER: frozenset[str] = frozenset({"done", "failed", "cancelled", "undone"})
WORKED_ON: frozenset[str] = frozenset({"recognising", "queued", "running", "cancelling", "undoing"})
"""States in which a process has work to do."""

ItemState = Literal["waiting", "running", "done", "failed", "skipped"]
Phase = Literal["recognising", "replacing", "importing", "undoing"]
QuestionType = Literal["choice", "text", "confirm", "secret"]


class Sample(Struct, frozen=True, kw_only=True):
    """A message as read. ``sent_at`` is None while the order of day and month is unknown."""

    sent_at: int | None
    author: str | None
    text: str | None
    kind: str = "text"


class Preview(Struct, frozen=True, kw_only=True):
    """The content of something that can be imported, as far as it was read. Times are microseconds; None means
    unknown.
    """

    title: str | None = None
    chat: str | None = None
    """JID."""
    is_group: bool | None = None
    phones: tuple[str, ...] = ()
    """Numbers."""
    messages: int | None = None
    first_at: int | None = None
    last_at: int | None = None
    participants: tuple[str, ...] = ()
    attachments: int = 0
    samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()


class Asked(Struct, frozen=True, kw_only=True):
    """A question to the user. ``items`` are the numbers of the entries that it concerns."""

    name: str
    text: str
    type: QuestionType = "choice"
    candidates: tuple[Candidate, ...] = ()
    free: bool = True
    """Whether values other than the candidates are accepted."""
    suggested: str | None = None
    evidence: tuple[str, ...] = ()
    items: tuple[int, ...] = ()


class Item(Struct, kw_only=True):
    """One thing in a job that becomes one import."""

    no: int
    kind: str
    path: str
    """Path below the folder of the job's files."""
    also: tuple[str, ...] = ()
    """Files that are read together with it."""
    state: ItemState = "waiting"
    preview: Preview | None = None
    replaces: tuple[int, ...] = ()
    repeats: int | None = None
    decided: dict[str, Any] = {}
    """What the kind found out before anything was written."""
    import_id: int | None = None
    error: str | None = None
    added: int | None = None
    known: int | None = None
    files: int = 0
    notes: tuple[str, ...] = ()


class JobFile(Struct, frozen=True, kw_only=True):
    """A file of a job. ``received`` bytes of it are safely on disk."""

    no: int
    name: str
    size: int
    received: int = 0


class JobProgress(Struct, frozen=True, kw_only=True):
    """Progress of the work. ``done`` and ``total`` count what the phase works on; ``new`` and ``known`` count
    messages.
    """

    phase: Phase
    item: int = 1
    items: int = 1
    done: int = 0
    total: int | None = None
    new: int | None = None
    known: int | None = None


class JobFailure(Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    code: str
    message: str
    field: str | None = None


class NewJob(Struct, frozen=True, kw_only=True):
    """A job to be created."""

    origin: Literal["api", "cli"]
    name: str
    files: tuple[JobFile, ...] = ()
    state: JobState = "uploading"
    phone: str | None = None
    kind: str | None = None
    answers: dict[str, Any] = {}
    confirm: bool = False
    request_key: str | None = None


class Job(Struct, kw_only=True):
    """A job of an organisation. Times are microseconds since 1970 UTC."""

    id: str
    org: int
    origin: Literal["api", "cli"]
    state: JobState
    name: str
    phone: str | None
    kind: str | None
    answers: dict[str, Any]
    confirm: bool
    spooled: bool
    """Whether its files are in the archive's own folder, so that any process can go on with it."""
    found: list[Item]
    questions: list[Asked]
    progress: JobProgress | None
    error: JobFailure | None
    notes: tuple[str, ...]
    created_at: int
    updated_at: int
    finished_at: int | None
    files: tuple[JobFile, ...] = ()
    has_secrets: bool = False

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)
