"""What a source can report. A closed union: connectors create these events, the store applies them.

JIDs may be given in any form (``@c.us``, device suffixes, LIDs); the store resolves them. Applying events twice, split
up or in another order leaves the same archive.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from backscroll.core.coverage import Coverage, Heard
from backscroll.core.model import Media, Member, Message, Source


class Target(Struct, frozen=True, order=True):
    """The message that an event is about. With ``sender`` None it is the only message with that id."""

    phone: str
    chat: str
    id: str
    sender: str | None = None


class MessageSeen(Struct, frozen=True, tag="message"):
    """A source reported a message; whatever it does not know is None."""

    message: Message


class MessageEdited(Struct, frozen=True, kw_only=True, tag="edit", omit_defaults=True):
    """``by`` None means the author. An edit counts only if it comes from the author."""

    target: Target
    text: str | None
    at: int
    id: str | None = None
    by: str | None = None


class MessageRevoked(Struct, frozen=True, kw_only=True, tag="revoke", omit_defaults=True):
    """Deleted for everyone. Counts if it comes from the author, or from an admin according to the source."""

    target: Target
    at: int | None = None
    by: str | None = None
    by_admin: bool = False


class ReactionSet(Struct, frozen=True, kw_only=True, tag="reaction", omit_defaults=True):
    """``emoji`` is "" if the reaction was removed. The latest by ``at`` wins."""

    target: Target
    by: str
    emoji: str
    at: int | None = None
    id: str | None = None


class ReceiptSet(Struct, frozen=True, kw_only=True, tag="receipt", omit_defaults=True):
    """``ack`` in Periskope's numbering; ``participant`` None is the whole chat."""

    target: Target
    ack: int
    participant: str | None = None
    at: int | None = None


class PollVoted(Struct, frozen=True, kw_only=True, tag="vote", omit_defaults=True):
    """The latest vote of a voter replaces earlier ones; without options it is withdrawn."""

    target: Target
    by: str
    options: tuple[str, ...]
    at: int


class MessagePinned(Struct, frozen=True, kw_only=True, tag="pin", omit_defaults=True):
    """Pinned in its chat for everyone until ``until`` (None: unknown), or unpinned. The latest by ``at`` wins, whoever
    told it; ``by`` None means that the source does not know who did it.
    """

    target: Target
    pinned: bool
    at: int
    by: str | None = None
    until: int | None = None


class MediaHeld(Struct, frozen=True, kw_only=True, tag="media", omit_defaults=True):
    """The file of a message is in the media store now; ``media.file`` names it."""

    target: Target
    media: Media


class ChatSeen(Struct, frozen=True, kw_only=True, tag="chat", omit_defaults=True):
    """State of a chat at ``at`` (the source's own time, None if unknown). Fields that are None were not reported."""

    phone: str
    chat: str
    at: int | None = None
    name: str | None = None
    image: str | None = None
    unread: int | None = None
    archived: bool | None = None
    pinned: bool | None = None
    muted_until: int | None = None
    ephemeral_seconds: int | None = None
    description: str | None = None
    invite_link: str | None = None
    members: tuple[Member, ...] | None = None
    is_exited: bool | None = None
    created_at: int | None = None
    updated_at: int | None = None
    last_message_at: int | None = None
    """When the chat's newest message was sent; shown while the archive holds none of its messages."""
    labels: tuple[str, ...] | None = None
    extras: dict[str, Any] | None = None


class LabelSeen(Struct, frozen=True, kw_only=True, tag="label", omit_defaults=True):
    """One of an own phone's labels, as it was at ``at`` (None if unknown). Fields that are None were not reported.

    ``id`` is WhatsApp's, and ``color`` its number of the colour. A deleted label keeps its name and its chats.
    """

    phone: str
    id: str
    at: int | None = None
    name: str | None = None
    color: int | None = None
    deleted: bool | None = None


class ChatLabeled(Struct, frozen=True, kw_only=True, tag="chat_label", omit_defaults=True):
    """At ``at`` a chat had a label of its phone or, with ``labeled`` False, had it no longer. ``label`` is its id."""

    phone: str
    chat: str
    label: str
    labeled: bool = True
    at: int | None = None


class ContactSeen(Struct, frozen=True, kw_only=True, tag="contact", omit_defaults=True):
    """A person or other contact, as the source knows them; whatever it does not report is None.

    ``phone`` is the own phone whose address book it is from. None makes it visible to everybody, including readers of
    other phones.
    """

    jid: str
    phone: str | None = None
    at: int | None = None
    name: str | None = None
    push_name: str | None = None
    business_name: str | None = None
    image: str | None = None
    is_business: bool | None = None
    is_saved: bool | None = None
    labels: tuple[str, ...] | None = None
    extras: dict[str, Any] | None = None


class NumberMapped(Struct, frozen=True, kw_only=True, tag="number"):
    """Two JIDs are one contact; the phone-number form becomes the canonical one."""

    lid: str
    jid: str


class PhoneSeen(Struct, frozen=True, kw_only=True, tag="phone", omit_defaults=True):
    """An own phone that the source serves; created if it is new. Reported fields never replace known ones."""

    jid: str
    device_id: str | None = None
    name: str | None = None
    phone_id: str | None = None
    created_at: int | None = None


AnnotationEvent = MessageEdited | MessageRevoked | ReactionSet | ReceiptSet | PollVoted | MessagePinned | MediaHeld
"""Events about an existing message; each has a ``target``."""
Event = MessageSeen | AnnotationEvent | ChatSeen | LabelSeen | ChatLabeled | ContactSeen | NumberMapped | PhoneSeen


class Answer(Struct, frozen=True, kw_only=True):
    """The answer to a request with an Idempotency-Key, stored with its effects. ``digest`` is of the request's body."""

    source: str
    key: str
    digest: str
    status: int
    body: bytes


class Batch(Struct, frozen=True, kw_only=True):
    """Events of one source that are committed together, including the raw payload and position."""

    source: Source
    events: tuple[Event, ...] | list[Event]
    raw: bytes | None = None
    """The payload as received, stored unchanged."""
    raw_type: str = "application/json"
    position: tuple[str, str] | None = None
    """(name of the stream, position in it): where to continue after an interruption."""
    answer: Answer | None = None
    import_id: int | None = None
    """The import that it is part of (``Store.begin_import``); None for live sources."""
    vouches: bool = True
    """For an import: it contains everything written in each chat between the first and the last of its messages."""
    coverage: tuple[Coverage, ...] = ()
    """Further coverage that the source reports."""
    via: str | None = None
    """Id of the live source that it came from: the files of its messages are fetched from there."""
    heard: Heard | None = None
    """Sign of life, if the source is a live one."""
