"""Parameters of GOWA's routes."""

from __future__ import annotations

from backscroll.core.query import MAX_OFFSET
from backscroll.dialects.parameters import Param, WholeNumber

X_DEVICE = Param(
    name="X-Device-Id",
    where="header",
    example="mara",
    description="The device: its id, its JID or its number. Required if the credential gives access to several.",
)
DEVICE_QUERY = Param(name="device_id", description="The same as X-Device-Id, which takes precedence.")
DEVICE_ID = Param(name="device_id", where="path", required=True, example="mara")
SCOPED = (X_DEVICE, DEVICE_QUERY)

CHAT_JID = Param(
    name="chat_jid",
    where="path",
    required=True,
    example="4915550001002@s.whatsapp.net",
    description="A chat; bare numbers, @c.us and @lid are accepted too.",
)
MESSAGE_ID = Param(name="message_id", where="path", required=True, example="3EB0C0FFEE000000006B")
MESSAGE_CHAT = Param(
    name="phone", required=True, description="The chat of the message.", example="120363299999999999@g.us"
)
GROUP_ID = Param(
    name="group_id",
    required=True,
    description="A group's JID, or its part before the @.",
    example="120363299999999999@g.us",
)
RESET = Param(
    name="reset", type="boolean", default=False, description="true requests a new link, which needs WhatsApp."
)


def _limit(default: int) -> WholeNumber:
    return WholeNumber(
        name="limit", default=default, minimum=1, maximum=100, description="Maximum number of rows to return."
    )


MESSAGES_LIMIT = _limit(50)
CHATS_LIMIT = _limit(25)
OFFSET = WholeNumber(name="offset", default=0, minimum=0, maximum=MAX_OFFSET, description="Number of rows to skip.")
START_TIME = Param(name="start_time", example="2026-01-01T00:00:00Z", description="From this time on (ISO 8601).")
END_TIME = Param(name="end_time", description="Up to and including this time (ISO 8601).")
MEDIA_ONLY = Param(
    name="media_only",
    type="boolean",
    default=False,
    description="Only messages with media. Takes precedence over is_from_me=false.",
)
IS_FROM_ME = Param(name="is_from_me", type="boolean", description="true: sent by you; false: received; otherwise both.")
SEARCH_TEXT = Param(name="search", description="Part of the text; case and accents are ignored.")
SEARCH_NAME = Param(name="search", description="Part of the name.")
HAS_MEDIA = Param(name="has_media", type="boolean", default=False, description="Only chats with media.")
ARCHIVED = Param(name="archived", type="boolean", description="true: only archived ones; false: only the others.")
