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
    """What a kind is to look at, and what it may ask: the archive as it is, and the answers so far."""

    store: Store
    media: MediaStore
    org: Org
    found: Recognised
    answers: Mapping[str, Any]
    """By name of the question or option. Those that a kind does not know are to be ignored."""
    asks: bool = False
    """True where a person can be asked at leisure: then what would be assumed with a warning is asked too."""
    max_media_bytes: int

    def phone(self) -> Phone:
        """The own phone that the answers name; ``Question`` when they name none, ``BadField`` when it is no number.

        A number that the organisation does not have yet gives a phone with the number ``UNKNOWN_PHONE``.
        """
        given = self.answers.get("phone")
        if not given:
            raise Question("Which of your own numbers is this from?", "--phone NUMBER", name="phone")
        return phone_called(self.store, self.org, str(given))


class Outcome(Struct, frozen=True, kw_only=True):
    """What an import did. ``report`` is kept with it, in the kind's own words."""

    report: dict[str, Any]
    added: int | None = None
    """Messages that were new; None where the kind cannot tell."""
    known: int | None = None
    files: int = 0
    notes: tuple[str, ...] = ()


class Plan(Struct, kw_only=True):
    """What an import would do, worked out before anything is written.

    Where ``questions`` is not empty nothing is run. ``decided`` is JSON that is kept with the import and given to
    ``run``, also after a restart, when the archive may be in the middle of it. ``ready`` spares ``run`` to read the
    file once more; after a restart it is None.
    """

    source: NewImport
    preview: Preview
    questions: Sequence[Asked] = ()
    replaces: tuple[int, ...] = ()
    """Imports that are taken back first, because they told the same otherwise."""
    repeats: int | None = None
    """The finished import that told the very same: then nothing is run."""
    repeated: Outcome | None = None
    """What is reported then."""
    decided: dict[str, Any] = {}
    ready: Any = None


class Work(Struct, frozen=True, kw_only=True):
    """What a kind has to import. ``task.store`` records the import as the source.

    ``task.store.apply`` may be called as often as one likes; each batch is recorded as coming from this import.
    Everything is told again after a restart (``resumed``), which changes nothing; a kind that wants to go on where it
    was keeps its place with ``Batch.position``.
    """

    task: Task
    import_id: int
    decided: Mapping[str, Any] = {}
    ready: Any = None
    resumed: bool = False
    replaces: tuple[int, ...] = ()
    taken_back: int = 0
    """Messages of the imports that this one replaces, which are gone now."""
    progress: Callable[[int, int | None], None] = lambda done, total: None
    """To be called after each batch with what is done of how much; raises what ends the work (``Stopped``)."""
    count: Callable[[int, int], None] = lambda new, known: None
    """How many messages were new and known so far, where the kind can tell."""


class Stopped(Exception):
    """The work is to end here: it was cancelled, the server stops, or another process has taken over."""


def counted_messages(outcome: Outcome) -> str:
    """How many messages were new and known, as far as the kind can tell, and what else there is to say."""
    counts = [
        f"{count} {what}" for count, what in ((outcome.added, "new"), (outcome.known, "known")) if count is not None
    ]
    told = f"{', '.join(counts)} messages, {outcome.files} files kept." if counts else "imported."
    return "\n".join([told, *(f"Note: {note}" for note in outcome.notes)])


class ImportKind(Struct, frozen=True, kw_only=True):
    """A kind of import."""

    name: str
    label: str
    """For people, without an article: ``chat exported from WhatsApp``."""
    looked_for: str
    """What it looks like, for the error that says that nothing was recognised."""
    find: Callable[[Path], list[Recognised]]
    """What of this kind there is at a path (a file or a folder), by content. It raises nothing for what it is not."""
    plan: Callable[[Task], Plan]
    """Raises ``Question`` for what must be answered first, ``Unreadable`` and ``BadField`` for what cannot be taken."""
    run: Callable[[Work], Outcome]
    """Raises no ``Question``: whatever can be asked was asked by ``plan``."""
    told: Callable[[Outcome], str] = counted_messages
    """What an import of this kind did, for people."""
    options: tuple[str, ...] = ()
    """Names of the answers that it understands; others are refused where a person gives them for this kind."""
    secrets: tuple[str, ...] = ()
    """Those of ``options`` that are kept sealed while the job lasts, and nowhere else."""


def phone_called(store: Store, org: Org, given: str) -> Phone:
    """The phone with this number, id or device id; one of ``UNKNOWN_PHONE`` for a number that is not there yet."""
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
    """A question that was raised, as data."""
    return Asked(
        name=question.name,
        text=question.question,
        type=type,
        candidates=question.candidates,
        free=question.free,
        suggested=suggested,
        evidence=question.evidence,
    )
