"""The archive's own errors: each states a fact and a remedy, without HTTP. Dialects format them.

Error
├── BadField            a value given by a person or program cannot be used
├── NotFound            no such chat, message, phone, device …
├── Unauthorised        no credential, or not one we issued, or no longer valid
├── PhoneNotInScope     an existing or made-up phone that the credential may not read
├── PhoneRequired       several phones are possible and none was named
├── RateLimited         too many requests
├── Unsupported         would need WhatsApp itself
├── Conflict            already exists, or belongs to another archive
├── Unreadable          a source's bytes are not what they should be
├── Question            only a person can decide (day or month first, which chat …)
└── StorageError        the database cannot be used now
    ├── StorageBusy     try again
    ├── StorageFull     no space left
    └── NewerData       written by a newer version of Backscroll
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from msgspec import Struct


class Candidate(Struct, frozen=True):
    """A possible answer to a question. ``name`` is the option that it answers, if different from the question's."""

    value: str
    label: str | None = None
    evidence: str | None = None
    name: str | None = None


class Error(Exception):
    """Base of all errors that Backscroll raises on purpose; ``str(error)`` is a sentence for people."""


class BadField(Error):
    """``field`` was given as ``value``, which is invalid; ``remedy`` says what is valid."""

    def __init__(self, field: str, value: str | None, remedy: str) -> None:
        super().__init__(f"{field}: {remedy}")
        self.field = field
        self.value = value
        self.remedy = remedy


class NotFound(Error):
    """There is no ``what`` called ``name`` that this caller may see."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what} not found: {name}")
        self.what = what
        self.name = name


class Unauthorised(Error):
    """The credential is missing, unknown, expired or revoked (one message for all of these)."""

    def __init__(self, message: str = "Invalid bearer auth token") -> None:
        super().__init__(message)


class PhoneNotInScope(Error):
    """The phone is unknown or outside the credential's scope; the error does not distinguish the two."""

    def __init__(self, phone: str) -> None:
        super().__init__("This phone does not exist or is outside the scope of this token")
        self.phone = phone


class PhoneRequired(Error):
    """The request needs one phone or device and none was named."""

    def __init__(self) -> None:
        super().__init__("name one phone")


class RateLimited(Error):
    """More than ``limit`` requests in one window; allowed again at ``reset`` (epoch seconds)."""

    def __init__(self, limit: int, reset: int) -> None:
        super().__init__(f"You can only make {limit} requests per second")
        self.limit = limit
        self.reset = reset


class Unsupported(Error):
    """``action`` needs WhatsApp itself; ``remedy`` says what has to be configured."""

    def __init__(self, action: str, remedy: str) -> None:
        super().__init__(f"{action} is not available here: {remedy}")
        self.action = action
        self.remedy = remedy


class Conflict(Error):
    """The request conflicts with existing data."""


class Unreadable(Error):
    """A source's bytes cannot be understood; ``where`` names the position in them."""

    def __init__(self, source: str, where: str, problem: str) -> None:
        super().__init__(f"{source}: {where}: {problem}")
        self.source = source
        self.where = where
        self.problem = problem


class Question(Error):
    """Only the user can decide this; ``option`` names the flag that answers it.

    For programs: ``name`` is the option without dashes, ``candidates`` are the likely answers, ``evidence`` are lines
    or facts that help to decide, and ``free`` says whether values other than the candidates are accepted too.
    """

    def __init__(
        self,
        question: str,
        option: str,
        *,
        name: str = "answer",
        candidates: Sequence[Candidate] = (),
        evidence: Sequence[str] = (),
        free: bool = True,
    ) -> None:
        super().__init__(f"{question} Answer with {option}.")
        self.question = question
        self.option = option
        self.name = name
        self.candidates = tuple(candidates)
        self.evidence = tuple(evidence)
        self.free = free


class StorageError(Error):
    """The database cannot do what was requested."""


class StorageBusy(StorageError):
    """The database is locked, restarting or failing over; the same request may be sent again."""


class StorageFull(StorageError):
    """No space is left for the database or the media; nothing of the batch was kept."""


class NewerData(StorageError):
    """The data was written by a newer Backscroll; this one refuses to touch it."""


def story_of(error: BaseException) -> str:
    """Types and locations of an error and its causes, without their text, which may quote a message or a secret."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < 5:
        parts.append(f"{type(cause).__name__}\n{''.join(traceback.format_tb(cause.__traceback__))}")
        cause = cause.__cause__ or cause.__context__
    return "from ".join(parts)
