"""Meta's message ids: ``wamid.…`` is Base64 around the user's number, a flag, and WhatsApp's own message id.

The form is not documented. What does not look so stays as it is.
"""

from __future__ import annotations

import base64
import binascii
import re

from backscroll.core.ids import canonical

_WAMID = re.compile(rb"\x18([\x01-\x7f])([0-9A-Za-z._:+-]+)\x00*$")
_NUMBER = re.compile(rb"^\x1c\x18([\x07-\x0f])([0-9]+)\x15")


def bare_id(wamid: str) -> str:
    """WhatsApp's own message id, so that the message meets itself from other sources."""
    return opened_id(wamid)[0]


def opened_id(wamid: str) -> tuple[str, str | None]:
    """WhatsApp's own message id, and the JID of the person with whom the chat is, where it names one by number."""
    encoded = wamid.removeprefix("wamid.")
    if encoded == wamid:
        return wamid, None
    try:
        opened = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return wamid, None
    found, number = _WAMID.search(opened), _NUMBER.search(opened)
    if found is None or found[1][0] != len(found[2]):
        return wamid, None
    named = number is not None and number[1][0] == len(number[2])
    return found[2].decode(), canonical(number[2].decode()) if number is not None and named else None
