"""Groups that were made through Meta's Groups API: made, deleted, joined, left, renamed. See cloud.md."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from backscroll.core.errors import Unreadable
from backscroll.core.events import ChatSeen, Event, NumberMapped
from backscroll.core.ids import canonical
from backscroll.ingest.connectors.webhooks import wire

_OPENED = re.compile(rb"^capi_group:[0-9]{5,20}:([0-9]{12,25})(?![0-9])")
_CHANGES = {"group_participants_add": "add", "group_participants_remove": "remove"}


class Participant(Struct):
    """Who joined or left; ``input`` is what the request to remove somebody called them."""

    wa_id: str | None = None
    user_id: str | None = None
    recipient_user_id: str | None = None
    input: str | None = None


class Setting(Struct):
    text: str | None = None
    update_successful: bool | None = None


class Group(Struct):
    """One change of one group."""

    type: str
    timestamp: wire.Time
    group_id: str | None = None
    subject: str | None = None
    description: str | None = None
    invite_link: str | None = None
    initiated_by: str | None = None
    added_participants: list[Participant] = []
    removed_participants: list[Participant] = []
    group_subject: Setting | None = None
    group_description: Setting | None = None
    errors: Any = None


def group_jid(id: str | None) -> str | None:
    """The JID of a group: Meta's id is Base64 around the business's number and WhatsApp's own id of the group.

    The form is not documented. What does not look so is kept whole.
    """
    if not id or "@" in id:
        return id or None
    try:
        found = _OPENED.search(base64.b64decode(id[: len(id) // 4 * 4], validate=True))
    except (binascii.Error, ValueError):
        found = None
    return f"{found[1].decode() if found else id}@g.us"


def events(source: str, phone: str, raw: bytes) -> Iterable[Event]:
    """What one change of a group tells; nothing for requests to join it and for what failed."""
    group = wire.decode(source, raw, Group)
    chat, at = group_jid(group.group_id), wire.instant(group.timestamp, source, "timestamp")
    if chat is None:
        raise Unreadable(source, "group_id", "is missing")
    if group.type == "group_delete" and not group.errors:
        return [ChatSeen(phone=phone, chat=chat, at=at, is_exited=True)]
    if group.type in _CHANGES:
        return _people(group, phone, chat, at)
    return _facts(group, phone, chat, at)


def _facts(group: Group, phone: str, chat: str, at: int) -> list[Event]:
    name, description = group.subject, group.description
    if group.type == "group_settings_update":
        name, description = _changed(group.group_subject), _changed(group.group_description)
    elif group.type != "group_create" or group.errors:
        return []
    told = (("subject", name), ("description", description))
    notices = [wire.notice_of(phone, chat, type, at) for type, new in told if new]
    seen = ChatSeen(
        phone=phone,
        chat=chat,
        at=at,
        name=name or None,
        description=description or None,
        invite_link=group.invite_link or None,
    )
    if group.type == "group_create":
        return [seen]
    return [*notices, seen] if notices else []


def _changed(setting: Setting | None) -> str | None:
    return setting.text if setting is not None and setting.update_successful is not False else None


def _people(group: Group, phone: str, chat: str, at: int) -> list[Event]:
    mapped: list[NumberMapped] = []
    people: list[str] = []
    for person in group.added_participants or group.removed_participants:
        hidden = person.user_id or person.recipient_user_id
        mapped += wire.same_person(hidden, person.wa_id)
        if who := wire.number_first(person.wa_id, hidden, person.input):
            people.append(who)
    if not people:
        return list(mapped)
    change = _CHANGES[group.type]
    if change == "remove" and group.initiated_by == "participant":
        change = "leave"
    by = phone if change == "remove" and group.initiated_by == "business" else None
    return [*mapped, wire.notice_of(phone, chat, change, at, [canonical(jid) for jid in people], by)]
