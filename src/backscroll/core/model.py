"""The data model of the archive. Times are integer microseconds since 1970 in UTC; absence is None.

Text in these types is clean: no NUL, no lone surrogates (see ``ids.clean_text``). JIDs are in WhatsApp's canonical form
(``919876543210@s.whatsapp.net``); dialects show their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct, field

Kind = Literal[
    "text",
    "image",
    "video",
    "video_note",
    "audio",
    "voice",
    "document",
    "sticker",
    "location",
    "live_location",
    "contact",
    "contacts",
    "poll",
    "event",
    "group_invite",
    "order",
    "product",
    "interactive",
    "album",
    "ciphertext",
    "unknown",
    "call",
    "notice",
]
"""The kind of a message. ``notice`` is a system message or group event, ``ciphertext`` could not be decrypted."""

MEDIA_KINDS: frozenset[Kind] = frozenset({"image", "video", "video_note", "audio", "voice", "document", "sticker"})

Source = Literal["linked", "cloud", "periskope", "webhook", "backup", "database", "gowa", "export"]

SOURCE_RANK: dict[Source, int] = {
    "linked": 70,
    "cloud": 60,
    "periskope": 50,
    "webhook": 40,
    "backup": 30,
    "database": 25,
    "gowa": 20,
    "export": 10,
}
"""If two sources both know a field, the one with the higher rank wins. No two may have the same rank.

``backup`` is a phone's own database, ``database`` what another program archived.
"""


class MessageKey(Struct, frozen=True, order=True, gc=False):
    """A message as identified by a source. ``sender`` is None if the source does not know it."""

    phone: str
    chat: str
    id: str
    sender: str | None = None


class Media(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file that belongs to a message. ``file`` is the SHA-256 of bytes that this archive holds."""

    mimetype: str | None = None
    size: int | None = None
    """Bytes."""
    filename: str | None = None
    sha256: str | None = None
    """Hex, of the plain file, as reported by the source."""
    file: str | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    """Seconds."""
    pages: int | None = None
    url: str | None = None
    """The address at the source."""
    thumbnail_url: str | None = None
    thumbnail: str | None = None
    """Base64 of the thumbnail JPEG that is included in a message."""
    waveform: str | None = None
    media_key: str | None = None
    """Base64; with ``direct_path`` a linked device may still be able to fetch the file."""
    direct_path: str | None = None
    enc_sha256: str | None = None
    omitted: bool | None = None
    """True if the source says that it left the file out."""


class Quote(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The message that this one replies to, and the copy of it that was included."""

    id: str | None = None
    sender: str | None = None
    text: str | None = None
    kind: Kind | None = None


class Location(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place. Degrees; from WhatsApp's LocationMessage, or an exported chat's link to a map."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    url: str | None = None
    accuracy: float | None = None
    """Metres."""


class Poll(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question with options; its votes are stored separately (``Vote``)."""

    name: str
    options: tuple[str, ...] = ()
    selectable: int | None = None
    """How many options one voter may choose; 0 means any number."""
    counts: dict[str, int] | None = field(name="tally", default=None)
    """Votes per option if only the counts are known (exported chats)."""


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call as a message of the chat. ``duration`` in seconds."""

    video: bool | None = None
    outgoing: bool | None = None
    result: str | None = None
    """missed, connected, rejected …"""
    duration: float | None = None
    metadata: dict[str, Any] | None = None


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A system message or group event. ``type`` uses WhatsApp's names: add, remove, subject, e2e …"""

    type: str | None = None
    recipients: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None


class Details(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Everything that a source reported about a message besides its text. Flags are None if it did not say."""

    media: Media | None = None
    quoted: Quote | None = None
    mentions: tuple[str, ...] = ()
    location: Location | None = None
    vcards: tuple[str, ...] | None = None
    poll: Poll | None = None
    call: Call | None = None
    notice: Notice | None = None
    is_forwarded: bool | None = None
    forwarding_score: int | None = None
    is_ephemeral: bool | None = None
    expires_after: int | None = None
    """Seconds, for a disappearing message."""
    is_view_once: bool | None = None
    is_gif: bool | None = None
    is_starred: bool | None = None
    is_status: bool | None = None
    is_edited: bool | None = None
    """True if the source says that it was edited but not what changed."""
    is_deleted: bool | None = None
    broadcast: bool | None = None
    has_media: bool | None = None
    has_quoted: bool | None = None
    has_reaction: bool | None = None
    push_name: str | None = None
    """The sender's name at that moment."""
    prev_text: str | None = None
    updated_at: int | None = None
    """When the source last changed its own record."""
    created_at: int | None = None
    precision: Literal["second", "minute"] | None = None
    """How precise ``sent_at`` is; None means to the second or better."""
    altered: bool | None = None
    """True if NUL or lone surrogates were replaced in the text; the original is in the raw payload."""
    type_name: str | None = None
    """The source's own name for the kind, kept if ours does not determine it."""
    server_timestamp: int | None = None
    client_ref: str | None = None
    """The id that the sending program chose (Periskope's sent_message_id)."""
    performed_by: str | None = None
    broadcast_id: str | None = None
    ticket_id: str | None = None
    flag_status: bool | None = None
    flag_metadata: Any = None
    flag_response_time: float | None = None
    device_type: str | None = None
    author: str | None = None
    """The group author if the source shows it separately from the sender."""
    recipient: str | None = None
    origin: str | None = None
    """The JID that the source shows as ``from``."""
    links: Any = None
    invite: Any = None
    order_id: str | None = None
    order_token: str | None = None
    interactive: Any = None
    raw_data: Any = None
    poll_info: Any = None
    """The poll in the source's own format, if it has one."""
    poll_results: Any = None
    location_data: Any = None
    """The location in the source's own format, if ours does not determine it."""
    media_key: str | None = None
    pending: tuple[str, ...] | None = None
    """Participants whom the message has not reached, if the source lists them."""
    referral: dict[str, Any] | None = None


NO_DETAILS = Details()
"""The details of most messages; always the same object, so that it is recognised without comparing."""


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message as reported by one source."""

    key: MessageKey
    sent_at: int
    from_me: bool
    kind: Kind = "text"
    text: str | None = None
    """Body, or the caption of media."""
    ack: int | None = None
    """-1 failed … 5 played, in Periskope's numbering (contracts/decisions.md)."""
    details: Details = NO_DETAILS


class Org(Struct, frozen=True, kw_only=True):
    """An organisation. ``no`` is its number in every key of the database, ``id`` its UUID."""

    no: int
    id: str
    name: str
    created_at: int


class Phone(Struct, frozen=True, kw_only=True):
    """One of an organisation's own WhatsApp numbers. ``jid`` is ``<digits>@s.whatsapp.net``."""

    no: int
    jid: str
    phone_id: str
    """``phone-`` and sixteen lowercase letters."""
    device_id: str | None = None
    """GOWA's slot id."""
    name: str | None = None
    created_at: int = 0
    state: str | None = None
    """CONNECTED, CONNECTING or DISCONNECTED as last reported by a live source; None if none ever did."""

    @property
    def number(self) -> str:
        """Digits with the country code."""
        return self.jid.partition("@")[0]


class Access(Struct, frozen=True, kw_only=True):
    """What a credential may read: one organisation and some of its phones, oldest first."""

    org: Org
    phones: tuple[Phone, ...]
    scoped: bool = False
    """True if the token is limited to these phones; False if it gives access to all of the organisation's."""
    scopes: frozenset[str] = frozenset({"read"})
    token_id: str | None = None

    @property
    def viewer(self) -> frozenset[int] | None:
        """The phones whose sources' contact names this reader sees; None means all names."""
        return frozenset(phone.no for phone in self.phones) if self.scoped else None


class Reaction(Struct, frozen=True, kw_only=True):
    """One person's latest reaction to a message. ``at`` is None if no source reported it."""

    sender: str
    emoji: str
    at: int | None
    sender_name: str | None = None
    from_me: bool = False
    id: str | None = None


class Receipt(Struct, frozen=True, kw_only=True):
    """Delivery status of a message for one participant; times are None until then."""

    participant: str
    delivered_at: int | None = None
    read_at: int | None = None
    played_at: int | None = None


class Edit(Struct, frozen=True, kw_only=True):
    """One edit: the text from ``at`` onwards."""

    text: str | None
    at: int
    id: str | None = None


class Vote(Struct, frozen=True, kw_only=True):
    """One person's latest choice, as the options' texts; empty after the vote was withdrawn."""

    voter: str
    options: tuple[str, ...]
    at: int


class Pin(Struct, frozen=True, kw_only=True):
    """A message is pinned in its chat for everyone, by ``by`` (None: unknown) until ``until`` (None: unknown).

    It stays one when ``until`` has passed: whether it is over is for the reader's clock to say.
    """

    at: int
    by: str | None = None
    until: int | None = None


class ArchivedMessage(Struct, frozen=True, kw_only=True, gc=False):
    """A message as the archive shows it, combined from all sources, edits, deletions and receipts.

    ``message.text`` is the current text; ``key.sender`` is resolved, so that LID and number are one.
    """

    no: int
    message: Message
    phone: Phone
    ack: int | None
    deleted_at: int | None = None
    deleted: bool = False
    deleted_by: str | None = None
    """Who deleted it, if a source reported it."""
    prev_text: str | None = None
    edited_at: int | None = None
    edits: tuple[Edit, ...] = ()
    """Oldest first; the first original text is in ``original_text``."""
    original_text: str | None = None
    reactions: tuple[Reaction, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    votes: tuple[Vote, ...] = ()
    pinned: Pin | None = None
    sender_name: str | None = None
    fts: str | None = None
    stored_at: int = 0
    changed_at: int = 0


class PlainMessage(Struct, frozen=True, gc=False):
    """A message of kind text of which nothing else is known: no details, reactions, receipts or edits, and not deleted.

    Most messages are plain, and take less time to make and to render than as ``ArchivedMessage``. They look the same.
    """

    no: int
    phone: Phone
    chat: str
    sender: str | None
    id: str
    sent_at: int
    from_me: bool
    text: str | None
    ack: int | None
    sender_name: str | None
    fts: str | None
    stored_at: int
    changed_at: int


class Member(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member of a group."""

    jid: str
    is_admin: bool = False
    is_super_admin: bool = False
    name: str | None = None


class Label(Struct, frozen=True, kw_only=True):
    """A label of an own phone; ``name`` and ``color``, WhatsApp's number of a colour, are None until reported."""

    id: str
    name: str | None = None
    color: int | None = None


class Chat(Struct, frozen=True, kw_only=True):
    """A chat as one phone sees it."""

    jid: str
    phone: Phone
    kind: Literal["user", "group", "newsletter", "broadcast", "status", "unknown"]
    name: str | None = None
    """As reported by a source; dialects have their own fallback."""
    lid: str | None = None
    image: str | None = None
    last_message_at: int | None = None
    messages: int = 0
    """The number of messages, without notices and calls."""
    unread: int | None = None
    archived: bool | None = None
    pinned: bool | None = None
    muted_until: int | None = None
    ephemeral_seconds: int | None = None
    description: str | None = None
    invite_link: str | None = None
    members: tuple[Member, ...] = ()
    is_exited: bool | None = None
    created_at: int | None = None
    updated_at: int | None = None
    labels: tuple[str, ...] = ()
    """Names: those that Periskope reported, and those of ``phone_labels``."""
    phone_labels: tuple[Label, ...] = ()
    """Its labels that sources report by id, without deleted ones."""
    extras: dict[str, Any] | None = None
    """Values reported by a source that no other field holds, by the source's own name."""
    stored_at: int = 0
    changed_at: int = 0
    last_message: ArchivedMessage | None = None


class Contact(Struct, frozen=True, kw_only=True):
    """A person, or any other addressable sender of messages."""

    jid: str
    lid: str | None = None
    name: str | None = None
    """Saved by the phone's owner."""
    push_name: str | None = None
    """Chosen by the person."""
    business_name: str | None = None
    image: str | None = None
    is_business: bool | None = None
    is_saved: bool | None = None
    labels: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()
    extras: dict[str, Any] | None = None
    stored_at: int = 0
    changed_at: int = 0

    @property
    def display_name(self) -> str | None:
        """The name saved by the phone's owner, otherwise the one chosen by the person, otherwise the business name."""
        return self.name or self.push_name or self.business_name


Shown = ArchivedMessage | PlainMessage
Render = Callable[[Sequence[Shown]], list[bytes]]
"""Makes the JSON text of each of some messages."""


class Page(Struct, frozen=True, kw_only=True):
    """One page of messages, newest first. ``total`` counts all matching messages, over all pages."""

    messages: list[ArchivedMessage]
    total: int
    offset: int
    limit: int
    chat: Chat | None = None
    chats: tuple[int, ...] = ()
    """Numbers of the requested chat, including merged contacts; none if all chats were requested, or an unknown one."""

    def rendered(self, render: Render) -> RenderedPage:
        """The same page with each message as JSON text."""
        return RenderedPage(
            rows=render(self.messages),
            total=self.total,
            offset=self.offset,
            limit=self.limit,
            chat=self.chat,
            chats=self.chats,
        )


class RenderedPage(Struct, frozen=True, kw_only=True):
    """A ``Page`` whose messages are JSON text already."""

    rows: list[bytes]
    total: int
    offset: int
    limit: int
    chat: Chat | None = None
    chats: tuple[int, ...] = ()


class ChatPage(Struct, frozen=True, kw_only=True):
    """Chats of one page, the latest first; ``total`` over all pages."""

    chats: list[Chat]
    total: int
    offset: int
    limit: int
    place: tuple[int, int, int] | None = None
    """Of the last chat, for ``ChatQuery.after``."""


class ContactPage(Struct, frozen=True, kw_only=True):
    """Contacts of one page; ``total`` over all pages."""

    contacts: list[Contact]
    total: int
    offset: int
    limit: int


class ReactionRow(Struct, frozen=True, kw_only=True):
    """A reaction with the message it belongs to, for lists of reactions."""

    reaction: Reaction
    message: ArchivedMessage


class ReactionPage(Struct, frozen=True, kw_only=True):
    """Reactions of one page, newest first; ``total`` over all pages."""

    reactions: list[ReactionRow]
    total: int
    offset: int
    limit: int
