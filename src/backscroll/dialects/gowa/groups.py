"""Groups and channels as GOWA shows them: partly in the format of its Go library, which it passes through, partly in
its own.

Values that the archive does not know are shown as Go's zero value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from backscroll.core.ids import kind_of, user_part
from backscroll.core.model import Chat, Member
from backscroll.dialects.gowa.envelope import NEVER, chat_label, success
from backscroll.formats.timestamps import go_text


def render_groups(groups: Iterable[Chat]) -> bytes:
    """The groups that a phone is in; ``data`` is null when there are none, as in GOWA."""
    rows = [_group_info(group) for group in groups if not group.is_exited]
    return success("Success get list groups", {"data": rows or None})


def render_group_info(group: Chat) -> bytes:
    """One group, as the list of groups shows it."""
    return success("Success get group info", _group_info(group))


def render_participants(group: Chat) -> bytes:
    """Who is in a group."""
    results = {
        "group_id": group.jid,
        "name": group.name or chat_label(group.jid),
        "participants": [_participant(member) for member in group.members],
    }
    return success("Success getting group participants", results)


def participants_csv(group: Chat) -> bytes:
    """The same as CSV, one row for each participant."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("participant_jid", "phone_number", "lid", "display_name", "role"))
    for member in group.members:
        rows.writerow((member.jid, _number(member), _lid(member), _inert(member.name or ""), _role(member)))
    return text.getvalue().encode()


def csv_name(group: Chat) -> str:
    """The file name of the CSV."""
    return f"group-{group.jid.replace('@', '_')}-participants.csv"


def render_invite_link(group: str, link: str) -> bytes:
    """A group's link, as last reported by a source."""
    return success("Success get group invite link", {"invite_link": link, "group_id": group})


def render_newsletters(channels: Iterable[Chat]) -> bytes:
    """The channels that a phone has; ``data`` is null when there are none, as in GOWA."""
    return success("Success get list newsletter", {"data": [_newsletter(channel) for channel in channels] or None})


def _group_info(group: Chat) -> dict[str, Any]:
    seconds = group.ephemeral_seconds or 0
    return {
        "JID": group.jid,
        "OwnerJID": "",
        "OwnerPN": "",
        "Name": group.name or chat_label(group.jid),
        "NameSetAt": NEVER,
        "NameSetBy": "",
        "NameSetByPN": "",
        "Topic": group.description or "",
        "TopicID": "",
        "TopicSetAt": NEVER,
        "TopicSetBy": "",
        "TopicSetByPN": "",
        "TopicDeleted": False,
        "IsLocked": False,
        "IsAnnounce": False,
        "AnnounceVersionID": "",
        "IsEphemeral": seconds > 0,
        "DisappearingTimer": seconds,
        "IsIncognito": False,
        "IsParent": False,
        "DefaultMembershipApprovalMode": "",
        "LinkedParentJID": "",
        "IsDefaultSubGroup": False,
        "IsJoinApprovalRequired": False,
        "AddressingMode": "",
        "GroupCreated": NEVER if group.created_at is None else go_text(group.created_at),
        "CreatorCountryCode": "",
        "ParticipantVersionID": "",
        "Participants": [_go_participant(member) for member in group.members],
        "ParticipantCount": len(group.members),
        "MemberAddMode": "",
        "Suspended": False,
    }


def _go_participant(member: Member) -> dict[str, Any]:
    return {
        "JID": member.jid,
        "PhoneNumber": member.jid if kind_of(member.jid) == "user" else "",
        "LID": _lid(member),
        "IsAdmin": member.is_admin or member.is_super_admin,
        "IsSuperAdmin": member.is_super_admin,
        "DisplayName": member.name or "",
        "Error": 0,
        "AddRequest": None,
    }


def _participant(member: Member) -> dict[str, Any]:
    named = {"display_name": member.name} if member.name else {}
    lid = {"lid": _lid(member)} if _lid(member) else {}
    return {
        "jid": member.jid,
        "phone_number": _number(member),
        **lid,
        **named,
        "is_admin": member.is_admin or member.is_super_admin,
        "is_super_admin": member.is_super_admin,
    }


def _number(member: Member) -> str:
    return user_part(member.jid) if kind_of(member.jid) == "user" else ""


def _lid(member: Member) -> str:
    return member.jid if kind_of(member.jid) == "lid" else ""


def _role(member: Member) -> str:
    if member.is_super_admin:
        return "super_admin"
    return "admin" if member.is_admin else "member"


def _inert(name: str) -> str:
    """People choose their own names: a spreadsheet must not interpret one as a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def _newsletter(channel: Chat) -> dict[str, Any]:
    created = "" if channel.created_at is None else str(channel.created_at // 1_000_000)
    return {
        "id": channel.jid,
        "thread_metadata": {
            "creation_time": created,
            "name": {"text": channel.name or chat_label(channel.jid), "id": ""},
            "description": {"text": channel.description or "", "id": ""},
        },
        "viewer_metadata": None,
    }
