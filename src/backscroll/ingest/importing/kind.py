"""The interface of a kind of import. A new one is an ``ImportKind`` in registry.py; see docs/importing.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from backscroll.core.errors import BadField, NotFound, Question
from backscroll.core.ids import bare_number
from backscroll.core.import_jobs import Asked, Preview, QuestionType
from backscroll.core.imports import NewImport
from backscroll.core.model import Org, Phone
from backscroll.core.text import counted
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

UNKNOWN_PHONE = -1
"""Number (``Phone.no``) of a phone that the organisation does not have yet."""


class Recognised(Struct, frozen=True, kw_only=True):
    """Something that can be imported. ``path`` is a file or a folder; ``also`` is read together with it."""

    kind: str
    path: Path
    also: tuple[Path, ...] = ()


class Task(Struct, frozen=True, kw_only=True):
    """The input for a kind: what was recognised, the archive, and the answers so far."""

    store: Store
    media: MediaStore
    org: Org
    found: Recognised
    answers: Mapping[str, Any]
    """By name of the question or option. A kind has to ignore names that it does not know."""
    asks: bool = False
    """True if the user can be asked at any time. Then a kind also asks where it would otherwise assume and warn."""
    max_media_bytes: int

    def phone(self) -> Phone:
        """The own phone named in the answers; ``Question`` if they name none, ``BadField`` if it is not a number.

        For a phone number that the organisation does not have yet, ``Phone.no`` is ``UNKNOWN_PHONE``.
        """
        given = self.answers.get("phone")
        if not given:
            raise Question("Which of your own numbers is this from?", "--phone NUMBER", name="phone")
        return phone_called(self.store, self.org, str(given))


class Outcome(Struct, frozen=True, kw_only=True):
    """What an import did. ``report`` is stored with the import; each kind has its own form."""

    report: dict[str, Any]
    added: int | None = None
    """Number of new messages; None if the kind does not know."""
    known: int | None = None
    files: int = 0
    notes: tuple[str, ...] = ()


class Plan(Struct, kw_only=True):
    """What an import would do, determined before anything is written.

    Nothing is run unless ``questions`` is empty. ``decided`` is JSON that is stored with the import and passed to
    ``run``, also after a restart, when part of the import may be in the archive. ``ready`` saves ``run`` from reading
    the file again; it is None after a restart.
    """

    source: NewImport
    preview: Preview
    questions: Sequence[Asked] = ()
    replaces: tuple[int, ...] = ()
    """Imports that are undone first, because they imported the same data in another way."""
    repeats: int | None = None
    """A finished import of exactly the same data, in which case nothing is run."""
    repeated: Outcome | None = None
    """The report in that case."""
    decided: dict[str, Any] = {}
    ready: Any = None


class Work(Struct, frozen=True, kw_only=True):
    """What a kind has to import. ``task.store`` records this import as the source of everything written.

    ``task.store.apply`` may be called any number of times. After a restart (``resumed``) everything is applied again,
    which does not change what is there; a kind that wants to continue where it was saves its position in
    ``Batch.position``.
    """

    task: Task
    import_id: int
    decided: Mapping[str, Any] = {}
    ready: Any = None
    resumed: bool = False
    replaces: tuple[int, ...] = ()
    taken_back: int = 0
    """Number of messages that were removed with the imports that this one replaces."""
    progress: Callable[[int, int | None], None] = lambda done, total: None
    """Called after each batch with the amounts done and total; raises ``Stopped`` to end the work."""
    count: Callable[[int, int], None] = lambda new, known: None
    """Called with the numbers of new and known messages so far, if the kind knows them."""


class Stopped(Exception):
    """The work has to end here: it was cancelled, the server is stopping, or another process has taken over."""


def counted_messages(outcome: Outcome) -> str:
    """The numbers of new and known messages, as far as the kind knows them, and further remarks."""
    counts = [(count, what) for count, what in ((outcome.added, "new"), (outcome.known, "known")) if count is not None]
    told = "imported."
    if counts:
        last = counts[-1][0]
        messages = ", ".join(f"{count:,} {what}" for count, what in counts)
        told = f"{messages} message{'' if last == 1 else 's'}, {counted(outcome.files, 'file')} kept."
    return "\n".join([told, *(f"Note: {note}" for note in outcome.notes)])


class ImportKind(Struct, frozen=True, kw_only=True):
    """A kind of import."""

    name: str
    label: str
    """Name for users, without an article: ``chat exported from WhatsApp``."""
    looked_for: str
    """What such input looks like, for the error message when nothing was recognised."""
    find: Callable[[Path], list[Recognised]]
    """Finds input of this kind at a path (a file or a folder) by content. Does not raise errors for other input."""
    plan: Callable[[Task], Plan]
    """Raises ``Question`` if something must be answered first, ``Unreadable`` and ``BadField`` for unusable input."""
    run: Callable[[Work], Outcome]
    """Does not raise ``Question``, because ``plan`` has asked everything."""
    told: Callable[[Outcome], str] = counted_messages
    """What an import of this kind did, as text for users."""
    options: tuple[str, ...] = ()
    """Names of the answers that it understands. Others are refused if a user gives them for this kind."""
    secrets: tuple[str, ...] = ()
    """Those of ``options`` that are secret: stored sealed until the job is over, and nowhere else."""


def phone_called(store: Store, org: Org, given: str) -> Phone:
    """The phone with this number, id or device id; for a new number, a phone with ``no`` ``UNKNOWN_PHONE``."""
    try:
        return store.find_phone(org.no, given)
    except NotFound:
        digits = bare_number(given.partition("@")[0])
        if not 5 <= len(digits) <= 15:
            remedy = "must be a number with the country code, such as 919876543210"
            raise BadField("phone", given[:80], remedy) from None
        jid = f"{digits}@s.whatsapp.net"
        return Phone(no=UNKNOWN_PHONE, jid=jid, phone_id="", device_id=None, name=None, created_at=0)


def asked_of(question: Question, type: QuestionType = "choice", suggested: str | None = None) -> Asked:
    """A raised question as data."""
    return Asked(
        name=question.name,
        text=question.question,
        type=type,
        candidates=question.candidates,
        free=question.free,
        suggested=suggested,
        evidence=question.evidence,
    )
