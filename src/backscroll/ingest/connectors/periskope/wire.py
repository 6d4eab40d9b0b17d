"""The types that a server with Periskope's API sends."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from backscroll.ingest.connectors.periskope.values import Number


class WireId(Struct):
    """Spelled in three ways: the list's, the webhook's and the notification's."""

    id: str | None = None
    remote: str | None = None
    from_me: bool | None = None
    camel_from_me: bool | None = field(default=None, name="fromMe")
    serialized: str | None = None
    underscored: str | None = field(default=None, name="_serialized")


class WireDimensions(Struct):
    width: float | None = None
    height: float | None = None


class WireMedia(Struct):
    path: str | None = None
    size: Number | None = None
    filename: str | None = None
    mimetype: str | None = None
    thumbnail: str | None = None
    dimensions: WireDimensions | None = None


class WireDelivery(Struct):
    read: dict[str, Number | None] | None = None
    pending: list[str] | None = None
    delivered: dict[str, Number | None] | None = None


class WirePlace(Struct):
    """Shown as it is sent: numbers as text, the rest under ``options``; other servers keep it flat."""

    latitude: Number | None = None
    longitude: Number | None = None
    name: str | None = None
    address: str | None = None
    url: str | None = None
    options: WirePlace | None = None


class WirePollOption(Struct):
    name: str


class WirePollOptions(Struct):
    several: bool | None = field(default=None, name="allowMultipleAnswers")


class WirePoll(Struct, rename="camel"):
    poll_name: str
    poll_options: list[str | WirePollOption] = []
    options: WirePollOptions | None = None


class WireReaction(Struct):
    message_id: str
    sender_id: str
    org_phone: str
    chat_id: str | None = None
    reaction: str | None = None
    reaction_id: str | None = None
    timestamp: Number | None = None


class WireMessage(Struct):
    org_phone: str
    timestamp: Number
    message_id: str | None = None
    ack: int | str | None = None
    author: str | None = None
    body: str | None = None
    broadcast: bool | None = None
    device_type: str | None = None
    duration: Number | None = None
    forwarding_score: Number | None = None
    from_: str | None = field(default=None, name="from")
    from_me: bool | None = None
    has_media: bool | None = None
    has_quoted_msg: bool | None = None
    has_reaction: bool | None = None
    id: WireId | str | None = None
    invite_v4: Any = None
    is_ephemeral: bool | None = None
    is_forwarded: bool | None = None
    is_gif: bool | None = None
    is_starred: bool | None = None
    is_status: bool | None = None
    links: Any = None
    location: Any = None
    media_key: str | None = None
    mentioned_ids: list[str] | None = None
    order_id: str | None = None
    raw_data: Any = None
    to: str | None = None
    token: str | None = None
    message_type: str | None = None
    vcards: list[str] | None = None
    chat_id: str | None = None
    broadcast_id: str | None = None
    is_deleted: bool | None = None
    media: WireMedia | None = None
    performed_by: str | None = None
    prev_body: str | None = None
    quoted_message_id: str | None = None
    sender_phone: str | None = None
    sent_message_id: str | None = None
    delivery_info: WireDelivery | None = None
    updated_at: Number | None = None
    message_ticket_id: str | None = None
    unique_id: str | None = None
    flag_metadata: Any = None
    flag_response_time: Number | None = None
    flag_status: bool | None = None
    poll_info: Any = None
    poll_results: Any = None
    interactive: Any = None
    is_private_note: bool | None = None
    reactions: list[WireReaction] | None = None
    """Only in the answer to a question for one message."""


class WireNotification(Struct):
    org_phone: str
    timestamp: Number
    notification_id: str | None = None
    unique_id: str | None = None
    id: WireId | str | None = None
    chat_id: str | None = None
    author: str | None = None
    body: str | None = None
    type: str | None = None
    recipients: list[str] | None = field(default=None, name="recipientids")
    metadata: dict[str, Any] | None = None


class WireMember(Struct):
    contact_id: str | None = None
    is_admin: bool | None = None
    is_super_admin: bool | None = None
    contact_name: str | None = None


class WireChat(Struct):
    chat_id: str
    org_phone: str | None = None
    chat_org_phones: list[str] | None = None
    chat_name: str | None = None
    chat_image: str | None = None
    created_at: Number | None = None
    updated_at: Number | None = None
    members: dict[str, WireMember | None] | list[WireMember] | None = None
    unread_count: dict[str, int | None] | int | None = None
    message_unread_count: int | None = None
    labels: list[str] | None = None
    chat_labels: str | None = None
    is_archived: bool | None = None
    is_pinned: bool | None = None
    is_exited: bool | None = None
    invite_link: str | None = None
    group_description: str | None = None


class WireContact(Struct):
    contact_id: str
    contact_lid: str | None = None
    contact_name: str | None = None
    contact_image: str | None = None
    pushname: str | None = None
    verified_name: str | None = None
    is_my_contact: bool | None = None
    is_business: bool | None = None
    labels: list[str] | None = None
    updated_at: Number | None = None
    org_phone: str | None = None


class WirePhone(Struct):
    org_phone: str
    phone_id: str | None = None
    phone_name: str | None = None
    created_at: Number | None = None


CHAT_FIELDS = frozenset(WireChat.__struct_encode_fields__) | {
    "org_id",
    "latest_message",
    "latest_message_timestamp",
    "member_count",
}
CONTACT_FIELDS = frozenset(WireContact.__struct_encode_fields__) | {"org_id", "chat_ids"}
