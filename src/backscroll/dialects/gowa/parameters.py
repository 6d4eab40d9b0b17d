"""What GOWA's routes take."""

from __future__ import annotations

from backscroll.core.query import MAX_OFFSET
from backscroll.dialects.parameters import Param, WholeNumber

X_DEVICE = Param(
    name="X-Device-Id",
    where="header",
    example="mara",
    description="Which device: its id, its JID or its number. Needed when the credential reaches several.",
)
DEVICE_QUERY = Param(name="device_id", description="The same as X-Device-Id, which wins over it.")
DEVICE_ID = Param(name="device_id", where="path", required=True, example="mara")
SCOPED = (X_DEVICE, DEVICE_QUERY)

CHAT_JID = Param(
    name="chat_jid",
    where="path",
    required=True,
    example="4915550001002@s.whatsapp.net",
    description="A chat; bare numbers, @c.us and @lid are understood too.",
)
MESSAGE_ID = Param(name="message_id", where="path", required=True, example="3EB0C0FFEE000000006B")
MESSAGE_CHAT = Param(
    name="phone", required=True, description="The chat that the message is in.", example="120363299999999999@g.us"
)
GROUP_ID = Param(
    name="group_id",
    required=True,
    description="A group's JID, or its part before the @.",
    example="120363299999999999@g.us",
)
RESET = Param(
    name="reset", type="boolean", default=False, description="true asks for a new link, which needs WhatsApp."
)


def _limit(default: int) -> WholeNumber:
    return WholeNumber(name="limit", default=default, minimum=1, maximum=100, description="The most to return.")


MESSAGES_LIMIT = _limit(50)
CHATS_LIMIT = _limit(25)
OFFSET = WholeNumber(name="offset", default=0, minimum=0, maximum=MAX_OFFSET, description="How many to pass over.")
START_TIME = Param(name="start_time", example="2026-01-01T00:00:00Z", description="From this moment on (ISO 8601).")
END_TIME = Param(name="end_time", description="Up to this moment, which is included (ISO 8601).")
MEDIA_ONLY = Param(
    name="media_only",
    type="boolean",
    default=False,
    description="Only messages with media. Wins over is_from_me=false.",
)
IS_FROM_ME = Param(name="is_from_me", type="boolean", description="true: sent by you; false: received; else both.")
SEARCH_TEXT = Param(name="search", description="A part of the text; case and accents make no difference.")
SEARCH_NAME = Param(name="search", description="A part of the name.")
HAS_MEDIA = Param(name="has_media", type="boolean", default=False, description="Only chats with media.")
ARCHIVED = Param(name="archived", type="boolean", description="true: only archived ones; false: only the others.")
