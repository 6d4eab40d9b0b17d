"""The types of the payloads of WAHA."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct, field

from backscroll.ingest.connectors.webhooks import wire

Wid = str | dict[str, Any] | None
"""A JID, or an object that has it in ``_serialized``."""


class Me(Struct):
    id: str | None = None
    lid: Wid = None


class Envelope(Struct):
    event: str
    payload: Raw = Raw(b"null")
    timestamp: wire.Time | None = None
    me: Me | None = None
    engine: str | None = None


class MediaFile(Struct):
    url: str | None = None
    mimetype: str | None = None
    filename: str | None = None


class Place(Struct):
    latitude: str | float | None = None
    longitude: str | float | None = None
    name: str | None = None
    address: str | None = None
    description: str | None = None
    url: str | None = None
    live: bool | None = None


class Reply(Struct):
    id: Wid = None
    participant: Wid = None
    body: Any = None


class Message(Struct, rename="camel"):
    id: str
    timestamp: wire.Time | None = None
    from_: Wid = field(default=None, name="from")
    from_me: bool = False
    participant: Wid = None
    author: Wid = None
    body: str | None = None
    has_media: bool | None = None
    media: MediaFile | None = None
    media_url: str | None = None
    ack: wire.Whole | None = None
    location: Place | None = None
    v_cards: list[str] | None = field(default=None, name="vCards")
    reply_to: Reply | None = None
    edited_message_id: str | None = None
    data: Any = field(default=None, name="_data")


class ReactionBody(Struct, rename="camel"):
    message_id: str
    text: str | None = None


class Reaction(Message):
    reaction: ReactionBody | None = None


class Ack(Struct, rename="camel"):
    id: str
    ack: wire.Whole
    participant: Wid = None
    from_me: bool | None = None
    data: Any = field(default=None, name="_data")


class Revoked(Struct, rename="camel"):
    after: Message | None = None
    before: Message | None = None
    revoked_message_id: str | None = None
    data: Any = field(default=None, name="_data")


class Vote(Struct, rename="camel"):
    id: str | None = None
    from_: Wid = field(default=None, name="from")
    from_me: bool = False
    participant: Wid = None
    selected_options: list[str] | None = None
    timestamp: Any = None


class Poll(Struct):
    id: str


class PollVote(Struct):
    vote: Vote
    poll: Poll
    data: Any = field(default=None, name="_data")


class Participant(Struct):
    id: str
    pn: str | None = None
    role: str | None = None


class GroupInfo(Struct):
    id: str
    subject: str | None = None
    description: str | None = None
    participants: list[Participant] | None = None
    invite: str | None = None


class Group(Struct):
    group: GroupInfo
    timestamp: wire.Time | None = None
    type: str | None = None
    participants: list[Participant] | None = None
    data: Any = field(default=None, name="_data")


class Archive(Struct):
    id: str
    archived: bool
    timestamp: wire.Time | None = None


class Call(Struct, rename="camel"):
    id: str
    from_: str | None = field(default=None, name="from")
    timestamp: wire.Time | None = None
    is_video: bool | None = None
    data: Any = field(default=None, name="_data")


class Label(Struct):
    id: str
    name: str | None = None
    color: wire.Whole | None = None


class LabelChat(Struct, rename="camel"):
    label_id: str
    chat_id: Wid = None
    label: Label | None = None


class Status(Struct):
    status: str
