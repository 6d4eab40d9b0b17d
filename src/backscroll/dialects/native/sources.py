"""Live sources, as the native API accepts and shows them. Secrets are shown once, when a source is added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import UNSET, Struct, UnsetType

from backscroll.core.errors import BadField
from backscroll.core.model import Phone
from backscroll.dialects.native.bodies import decoded
from backscroll.dialects.native.messages import time_text
from backscroll.formats.jsontext import encode

SECOND = 1_000_000
HOUR = 3600 * SECOND
MAX_GRACE_HOURS = 168


class Trouble(Protocol):
    """A problem; ``at`` is in microseconds."""

    @property
    def code(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def remedy(self) -> str | None: ...
    @property
    def at(self) -> int | None: ...


class Source(Protocol):
    """What the store knows about a source; durations and times are microseconds."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def upstream(self) -> str | None: ...
    @property
    def every(self) -> int | None: ...
    @property
    def silent_after(self) -> int | None: ...
    @property
    def last_event_at(self) -> int | None: ...
    @property
    def created_at(self) -> int: ...
    @property
    def previous_secret_until(self) -> int | None: ...


class Standing(Protocol):
    """A source in its current state."""

    @property
    def source(self) -> Source: ...
    @property
    def phone(self) -> Phone | None: ...
    @property
    def state(self) -> str: ...
    @property
    def synced_at(self) -> int | None: ...
    @property
    def refused(self) -> int: ...
    @property
    def problem(self) -> Trouble | None: ...


class AskedSource(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request to add a source."""

    kind: str
    phone: str | None = None
    secret: str | None = None
    verify_token: str | None = None
    silent_after: str | None = None


class AskedChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request to change a source. Omitted fields stay as they are; null clears a field."""

    upstream: str | UnsetType | None = UNSET
    upstream_token: str | UnsetType | None = UNSET
    every: str | UnsetType | None = UNSET
    silent_after: str | UnsetType | None = UNSET


class AskedRotation(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for a new secret, which is made when none is given."""

    secret: str | None = None
    grace_hours: int = 24


def parse_change(body: bytes) -> AskedChange:
    """The requested changes. Raises ``BadField`` if the JSON is invalid."""
    return decoded(body, AskedChange, '{"silent_after": "6h", "every": null}')


def parse_rotation(body: bytes) -> AskedRotation:
    """The new secret, and for how long the old one stays valid. Raises ``BadField``."""
    asked = decoded(body or b"{}", AskedRotation, '{"grace_hours": 24}')
    if not 0 <= asked.grace_hours <= MAX_GRACE_HOURS:
        raise BadField("grace_hours", str(asked.grace_hours), f"must be a whole number from 0 to {MAX_GRACE_HOURS}")
    return asked


def parse_source(body: bytes) -> AskedSource:
    """The requested source. Raises ``BadField`` if the JSON is invalid."""
    return decoded(body, AskedSource, '{"kind": "gowa", "phone": "919876543210", "silent_after": "6h"}')


def render_sources(standings: Sequence[Standing], whole: bool) -> bytes:
    """All sources, oldest first. ``whole`` includes what only a manager of the organisation may see."""
    items = [source_object(standing, whole) for standing in standings]
    return encode({"items": items, "next": None, "total": len(items)})


def render_source(standing: Standing) -> bytes:
    """One source, for managers of the organisation."""
    return encode(source_object(standing, True))


def render_new_source(standing: Standing, url: str, secret: str, verify_token: str | None, how: str) -> bytes:
    """A source with the values to enter in the gateway."""
    shown = {"url": url, "secret": secret, "verify_token": verify_token, "how": how}
    return encode({**source_object(standing, True), **shown})


def source_object(standing: Standing, whole: bool) -> dict[str, Any]:
    """A source with its state."""
    source = standing.source
    return {
        "id": source.id,
        "type": source.kind,
        "phone": standing.phone.number if standing.phone else None,
        "state": standing.state,
        "last_event_at": time_text(source.last_event_at),
        "synced_at": time_text(standing.synced_at),
        "created_at": time_text(source.created_at),
        "silent_after_seconds": None if source.silent_after is None else source.silent_after // SECOND,
        "upstream": source.upstream if whole else None,
        "every_seconds": None if source.every is None else source.every // SECOND,
        "previous_secret_until": time_text(source.previous_secret_until) if whole else None,
        "refused": standing.refused,
        "problem": problem_object(standing.problem),
    }


def problem_object(problem: Trouble | None) -> dict[str, Any] | None:
    """The problem with its remedy; None if there is none."""
    if problem is None:
        return None
    return {"code": problem.code, "text": problem.text, "remedy": problem.remedy, "at": time_text(problem.at)}
