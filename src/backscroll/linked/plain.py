"""WhatsApp's protobuf as plain values for JSON, named as the protobuf names them.

JIDs of the library become text (``49151:2@s.whatsapp.net``), bytes Base64, enumerations their names. Unset fields are
left out. What this version's descriptions do not know is added as ``_bytes``, so that nothing of the original is lost.
"""

from __future__ import annotations

import base64
import math
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

JID = "neonize.JID"
BYTES = "_bytes"
SECRETS = frozenset(
    {
        "messageSecret",
        "botMessageSecret",
        "senderKeyDistributionMessage",
        "fastRatchetKeySenderKeyDistributionMessage",
        "appStateSyncKeyShare",
        "threadIDUserSecret",
        "shareableChatIdentifierEncryptionKey",
        "companionMetaNonce",
        "nctSalt",
        "tcToken",
        "contactPrimaryIdentityKey",
        "groupRootKeyShare",
        "rootSecretDistributeMessage",
        "sharedDeviceContactHashKeyShare",
    }
)
"""Keys of the session and of encrypted additions: they stay in the session's folder and are no part of the archive."""


def plain(message: Message) -> dict[str, Any]:
    """All fields that are set, but for keys of the session."""
    if message.DESCRIPTOR.full_name == JID:
        raise TypeError("a JID is text")
    fields: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in SECRETS:
            continue
        if field.is_repeated:
            fields[field.name] = [told for item in value if (told := _value(field, item)) is not None]
        else:
            told = _value(field, value)
            if told is not None:
                fields[field.name] = told
    return fields


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return jid_text(value) if field.message_type.full_name == JID else plain(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if field.type == FieldDescriptor.TYPE_ENUM:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    if isinstance(value, bytes):
        # Text that is no UTF-8: the library's protobuf lets it pass as it came.
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def jid_text(jid: Any) -> str | None:
    """A JID as it is written; None for the empty one, which the library gives where there is none."""
    if jid.IsEmpty or not jid.Server:
        return None
    device = f":{jid.Device}" if jid.Device else ""
    user, server = (
        part.decode("utf-8", "replace") if isinstance(part, bytes) else part for part in (jid.User, jid.Server)
    )
    return f"{user}{device}@{server}"


def with_unknown(message: Message, content: Message, fields: dict[str, Any]) -> dict[str, Any]:
    """``fields`` of ``message``, with the bytes of ``content`` where they hold something that has no name here."""
    known = type(content)()
    known.CopyFrom(content)
    known.DiscardUnknownFields()
    if known.ByteSize() == content.ByteSize():
        return fields
    return fields | {BYTES: base64.b64encode(content.SerializeToString()).decode()}
