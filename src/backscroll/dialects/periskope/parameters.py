"""Parameters of Periskope's routes."""

from __future__ import annotations

import msgspec

from backscroll.core.query import MAX_OFFSET
from backscroll.dialects.parameters import Param, WholeNumber

OFFSET = WholeNumber(name="offset", default=0, minimum=0, maximum=MAX_OFFSET, description="Number of rows to skip.")
LIMIT = WholeNumber(
    name="limit", default=2000, minimum=1, maximum=2000, example=10, description="Maximum number of rows to return."
)
PAGE = (OFFSET, LIMIT)

START_TIME = Param(
    name="start_time",
    example="2026-08-01T00:00:00Z",
    description="From this time on: an ISO 8601 time, or a date for its whole day; UTC unless a time zone is given.",
)
END_TIME = Param(
    name="end_time",
    example="2026-09-30",
    description="Up to and including this time; a date means its whole day.",
)
SPAN = (START_TIME, END_TIME)

X_PHONE = Param(
    name="x-phone",
    where="header",
    example="4915550001001",
    description="Only this phone: its number with country code, or its phone_id. Without it, all of the token's "
    "phones.",
)
X_PHONE_REQUIRED = msgspec.structs.replace(
    X_PHONE, required=True, description="The phone: its number with country code, or its phone_id."
)

CHAT_ID = Param(
    name="chat_id",
    where="path",
    required=True,
    example="4915550001002@c.us",
    description="A chat, in any form.",
)
MESSAGE_ID = Param(
    name="message_id",
    where="path",
    required=True,
    example="3EB0C0FFEE0000000066",
    description="The serialized id, the bare WhatsApp id, or the id returned when it was sent.",
)
CONTACT_ID = Param(
    name="contact_id", where="path", required=True, example="4915550001003", description="A number, or a JID."
)
ID = Param(name="id", where="path", required=True)

CHAT_TYPE = Param(
    name="chat_type",
    choices=("user", "individual", "group", "business", "unknown"),
    description="Only chats of this kind; individual means the same as user.",
)
LABEL = Param(name="label", description="A label's name or id.")
IN_CHAT = Param(name="chat_id", description="Only this chat, in any form.")
OF_MESSAGE = Param(name="message_id", description="Only this message, by any of its ids.")
BROADCAST_ID = Param(name="broadcast_id", description="The broadcast; it is only returned.")
