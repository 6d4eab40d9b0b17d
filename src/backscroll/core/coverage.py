"""Coverage: the periods for which everything in a chat, or on a phone, reached the archive.

A period that no source reports may have been missed, and never counts as covered. Times are microseconds UTC.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from backscroll.core.model import Phone

How = Literal["import", "live", "pull"]
"""Imported from a file or another archive; pushed live; pulled."""
Ended = Literal["disconnected", "server_down", "silence", "sequence", "removed"]
"""Why a live source covers nothing after a span: the gateway lost its connection to WhatsApp, Backscroll was not
running, nothing was heard for longer than the source's limit, numbers of its requests are missing, or it was removed.
"""
Reason = Literal["disconnected", "server_down", "silence", "sequence", "removed", "export_short", "uncovered"]
"""Why messages may be missing: one of the reasons above; or a file begins or ends within a period from which other
sources have messages; or no source covers the period.
"""
EvidenceCode = Literal["span_before", "span_after", "messages_before", "messages_after", "messages_inside"]
RemedyCode = Literal["sync", "export", "reconnect", "none"]

DAY_US = 86_400_000_000
GRACE_US = 5 * 60 * 1_000_000
"""Interruptions up to this long are not counted: gateways, and WhatsApp itself, redeliver what came in that time."""
SILENT_US = DAY_US
"""After this long without an event a live source covers nothing, unless it was added with another limit."""


class Coverage(Struct, frozen=True, kw_only=True, tag="coverage", omit_defaults=True):
    """A source has reported everything in a chat, or in all chats of a phone, from ``since`` to ``until``."""

    phone: str
    """JID of the own phone."""
    since: int
    until: int
    chat: str | None = None
    """None: all chats of the phone."""
    origin: str = ""
    """``origin_of`` the source; "" for an import that reports its own coverage."""
    ended: Ended | None = None


class Heard(Struct, frozen=True, kw_only=True):
    """A live source has just reported something about each of these own phones (JIDs)."""

    source: str
    phones: tuple[str, ...]
    sequence: int | None = None
    """Number of its request, if it numbers them."""


def origin_of(how: How, kind: str, name: str | None) -> str:
    """A source in the form stored in the database."""
    return f"{how} {kind} {name or ''}".rstrip()


class Teller(Struct, frozen=True, kw_only=True):
    """A source, described for people."""

    how: How
    kind: str
    name: str | None
    """Id of a live source; file or address of other sources."""
    import_id: int | None = None

    @property
    def id(self) -> str | None:
        """Its id in the archive: ``import:12``, or the id of a live source."""
        return f"import:{self.import_id}" if self.import_id else self.name


def teller_of(origin: str) -> Teller:
    """The inverse of ``origin_of``."""
    how, kind, name = (*origin.split(" ", 2), "", "")[:3]
    known: How = "live" if how == "live" else "pull" if how == "pull" else "import"
    return Teller(how=known, kind=kind or "unknown", name=name or None)


class Span(Struct, frozen=True, kw_only=True):
    """A period that one source covers. ``whole_phone``: in all chats of the phone."""

    since: int
    until: int
    teller: Teller
    whole_phone: bool
    ended: Ended | None = None
    live: bool = False
    """The source is listening now; it was last heard from at ``until``."""


class Evidence(Struct, frozen=True, kw_only=True):
    """A piece of evidence for a gap."""

    code: EvidenceCode
    at: int | None = None
    count: int | None = None
    teller: Teller | None = None


class Gap(Struct, frozen=True, kw_only=True):
    """A period in which messages may be missing. ``until`` None: it has not ended."""

    since: int
    until: int | None
    reason: Reason
    messages: int
    """Number of messages from the gap that the archive has nevertheless."""
    evidence: tuple[Evidence, ...] = ()
    remedy: RemedyCode = "none"
    source: str | None = None
    """The source that the remedy is about."""


class Covered(Struct, frozen=True, kw_only=True):
    """Coverage of a chat, or of all chats of a phone. Spans and gaps: latest first."""

    spans: list[Span]
    gaps: list[Gap]
    more_spans: bool = False
    more_gaps: bool = False

    @property
    def since(self) -> int | None:
        """Start of the first covered period."""
        return min((span.since for span in self.spans), default=None)

    @property
    def until(self) -> int | None:
        """End of the last covered period."""
        return max((span.until for span in self.spans), default=None)


class ChatCoverage(Struct, frozen=True, kw_only=True):
    """A chat of a phone with its coverage."""

    phone: Phone
    jid: str
    name: str | None
    kind: str
    messages: int
    first_at: int | None
    last_at: int | None
    covered: Covered


class PhoneCoverage(Struct, frozen=True, kw_only=True):
    """An own phone with the coverage of all its chats."""

    phone: Phone
    messages: int
    first_at: int | None
    last_at: int | None
    covered: Covered


class CoveragePage(Struct, frozen=True, kw_only=True):
    """Coverage of some phones and of a page of their chats. ``place`` as in ``ChatPage``."""

    phones: list[PhoneCoverage]
    chats: list[ChatCoverage]
    total: int
    place: tuple[int, int, int] | None = None
