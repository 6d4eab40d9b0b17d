"""The types of the payloads of Meta's Cloud API."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct, field

from backscroll.ingest.connectors.webhooks import wire


class Change(Struct):
    field: str
    value: Raw = Raw(b"null")


class Entry(Struct):
    changes: list[Change] = []
    id: str | None = None


class Envelope(Struct):
    entry: list[Entry]
    object: str | None = None


class Metadata(Struct):
    display_phone_number: str | None = None


class Profile(Struct):
    name: str | None = None
    username: str | None = None


class Contact(Struct):
    """Who writes. Without a phone number when somebody goes by a username."""

    profile: Profile | None = None
    wa_id: str | None = None
    user_id: str | None = None


class Value(Struct):
    metadata: Metadata | None = None
    contacts: list[Contact] = []
    messages: list[Raw] = []
    statuses: list[Raw] = []
    message_echoes: list[Raw] = []
    history: list[Raw] = []
    state_sync: list[Raw] = []
    calls: list[Raw] = []
    groups: list[Raw] = []
    user_id_update: list[Raw] = []


class File(Struct):
    id: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool | None = None
    url: str | None = None
    link: str | None = None


class Text(Struct):
    body: str | None = None


class Place(Struct):
    latitude: float | str
    longitude: float | str
    name: str | None = None
    address: str | None = None
    url: str | None = None


class ReactionBody(Struct):
    message_id: str
    emoji: str | None = None


class Context(Struct):
    id: str | None = None
    from_: str | None = field(default=None, name="from")
    forwarded: bool | None = None
    frequently_forwarded: bool | None = None


class HistoryContext(Struct):
    status: str | None = None
    from_me: bool | None = None


class Original(Struct):
    original_message_id: str
    message: Raw = Raw(b"null")


class Message(Struct):
    id: str
    timestamp: wire.Time
    type: str | None = None
    from_: str | None = field(default=None, name="from")
    from_user_id: str | None = None
    to: str | None = None
    to_user_id: str | None = None
    group_id: str | None = None
    context: Context | None = None
    history_context: HistoryContext | None = None
    referral: Any = None
    text: Text | None = None
    image: File | None = None
    video: File | None = None
    audio: File | None = None
    voice: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Place | None = None
    contacts: Any = None
    reaction: ReactionBody | None = None
    button: Any = None
    interactive: Any = None
    order: Any = None
    system: Any = None
    unsupported: Any = None
    edit: Original | None = None
    revoke: Original | None = None


class Edited(Struct):
    """The message inside an edit: its new content without an id of its own."""

    type: str | None = None
    text: Text | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None


class Status(Struct):
    id: str
    status: str
    timestamp: wire.Time
    type: str | None = None
    recipient_id: str | None = None
    recipient_user_id: str | None = None
    recipient_type: str | None = None
    recipient_participant_id: str | None = None
    recipient_participant_user_id: str | None = None


class UserIds(Struct):
    previous: str | None = None
    current: str | None = None


class UserIdUpdate(Struct):
    """Somebody's business-scoped id is another one from now on."""

    wa_id: str | None = None
    user_id: UserIds | None = None


class Thread(Struct):
    """``context`` names somebody without a number."""

    id: str | None = None
    context: Contact | None = None
    messages: list[Raw] = []


class History(Struct):
    threads: list[Thread] = []


class SyncedContact(Struct):
    full_name: str | None = None
    first_name: str | None = None
    phone_number: str | None = None
    user_id: str | None = None


class SyncedMetadata(Struct):
    timestamp: wire.Time | None = None


class Synced(Struct):
    type: str | None = None
    contact: SyncedContact | None = None
    action: str | None = None
    metadata: SyncedMetadata | None = None


class Call(Struct):
    id: str
    timestamp: wire.Time | None = None
    from_: str | None = field(default=None, name="from")
    from_user_id: str | None = None
    to: str | None = None
    to_user_id: str | None = None
    event: str | None = None
    status: str | None = None
    direction: str | None = None
