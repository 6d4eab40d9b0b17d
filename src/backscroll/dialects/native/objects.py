"""The native API's objects besides messages: chats, contacts, phones, media, sessions, changes."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from backscroll.core.answers import ContactCard, MediaPage, Original, PhoneSummary, Spine
from backscroll.core.coverage import Covered
from backscroll.core.model import Access, ArchivedMessage, Chat, ChatPage, Contact, ContactPage, Member
from backscroll.core.query import ChatQuery
from backscroll.dialects.links import Links
from backscroll.dialects.native.coverage import brief_gaps, covered_object
from backscroll.dialects.native.cursors import encode_cursor
from backscroll.dialects.native.messages import file_of, key_of, time_text
from backscroll.dialects.periskope.messages import sender_of
from backscroll.formats.jsontext import encode
from backscroll.formats.periskope_ids import shown_jid

MAX_PREVIEW = 200
"""Maximum characters of the last message in a list of chats."""
MAX_MEMBERS = 300
MAX_ORIGINAL = 1_000_000
"""Maximum bytes of a payload that are shown."""
_LINK = re.compile(r"https?://[^\s<>\"]+", re.I)
_EPOCH = date(1970, 1, 1)


def listed(items: Sequence[Any], next_cursor: str | None, total: int | None) -> bytes:
    """A page of a list."""
    return encode({"items": items, "next": next_cursor, "total": total})


# ---------------------------------------------------------------------- chats


def render_chats(page: ChatPage, query: ChatQuery, filters: Any) -> bytes:
    """Latest first. ``total`` is included in the first page."""
    more = len(page.chats) == query.limit and page.place is not None
    cursor = encode_cursor(page.place, filters) if more else None
    return listed([chat_object(chat) for chat in page.chats], cursor, page.total if query.after is None else None)


def chat_object(chat: Chat) -> dict[str, Any]:
    """A chat in a list."""
    return {
        "phone": chat.phone.number,
        "chat_id": shown_jid(chat.jid),
        "lid": chat.lid,
        "kind": chat.kind,
        "name": chat.name,
        "image": chat.image,
        "unread": chat.unread,
        "archived": chat.archived,
        "pinned": chat.pinned,
        "muted": _is_muted(chat),
        "labels": list(chat.labels),
        "messages": chat.messages,
        "last_message_at": time_text(chat.last_message_at),
        "last": None if chat.last_message is None else _preview(chat.last_message),
    }


def _is_muted(chat: Chat) -> bool | None:
    if chat.muted_until is None:
        return None
    return chat.muted_until < 0 or chat.muted_until * 1000 > time.time_ns()


def _preview(archived: ArchivedMessage) -> dict[str, Any]:
    message = archived.message
    media = message.details.media
    return {
        "key": key_of(archived),
        "kind": message.kind,
        "text": None if message.text is None else message.text[:MAX_PREVIEW],
        "from_me": message.from_me,
        "sender_name": archived.sender_name,
        "deleted": archived.deleted,
        "duration": media.duration if media else None,
        "filename": media.filename if media else None,
    }


def render_chat(chat: Chat, spine: Spine, covered: Covered) -> bytes:
    """One chat with its members and the time of its first message."""
    members = sorted(chat.members, key=_admins_first)
    return encode(
        chat_object(chat)
        | {
            "description": chat.description,
            "created_at": time_text(chat.created_at),
            "ephemeral_seconds": chat.ephemeral_seconds,
            "is_exited": chat.is_exited,
            "invite_link": chat.invite_link,
            "members": [_member(member) for member in members[:MAX_MEMBERS]],
            "members_total": len(members),
            "first_message_at": time_text(spine.first_at),
            "phone_labels": [{"id": label.id, "name": label.name, "color": label.color} for label in chat.phone_labels],
            "coverage": covered_object(covered),
        }
    )


def _admins_first(member: Member) -> tuple[bool, str, str]:
    return not (member.is_admin or member.is_super_admin), (member.name or "").casefold(), member.jid


def _member(member: Member) -> dict[str, Any]:
    return {
        "jid": shown_jid(member.jid),
        "name": member.name,
        "is_admin": member.is_admin,
        "is_super_admin": member.is_super_admin,
    }


def render_months(spine: Spine, covered: Covered) -> bytes:
    """``months``: ``["2026-07", 38]``, and the periods that no source covers; oldest first."""
    return encode(
        {
            "months": [[f"{bucket // 12:04d}-{bucket % 12 + 1:02d}", n] for bucket, n in spine.buckets],
            "first_at": time_text(spine.first_at),
            "last_at": time_text(spine.last_at),
            "total": spine.total,
        }
        | brief_gaps(covered)
    )


def render_days(spine: Spine, month: str) -> bytes:
    """``days`` of one month, and the number of messages before that month."""
    days = [[(_EPOCH + timedelta(days=bucket)).isoformat(), n] for bucket, n in spine.buckets]
    return encode({"month": month, "days": days, "before": spine.before})


# ---------------------------------------------------------------------- media


def render_media(page: MediaPage, access: Access, links: Links, filters: Any) -> bytes:
    """Messages with files, newest first."""
    last = page.messages[-1] if page.messages and page.more else None
    cursor = None if last is None else encode_cursor([last.message.sent_at, last.no], filters)
    return listed([_media_object(archived, page, access, links) for archived in page.messages], cursor, None)


def _media_object(archived: ArchivedMessage, page: MediaPage, access: Access, links: Links) -> dict[str, Any]:
    message = archived.message
    sender = sender_of(archived)
    return {
        "key": key_of(archived),
        "phone": archived.phone.number,
        "chat": {"chat_id": shown_jid(message.key.chat), "name": page.chats.get(message.key.chat)},
        "sender": None if sender is None else {"jid": shown_jid(sender), "name": archived.sender_name},
        "from_me": message.from_me,
        "timestamp": time_text(message.sent_at),
        "kind": message.kind,
        "file": file_of(archived, access, links),
        "text": message.text,
        "links": _LINK.findall(message.text or "")[:20],
    }


# ---------------------------------------------------------------------- contacts


def render_contacts(page: ContactPage, filters: Any) -> bytes:
    """Sorted by their ids."""
    end = page.offset + len(page.contacts)
    cursor = encode_cursor(end, filters) if end < page.total else None
    return listed([contact_object(contact) for contact in page.contacts], cursor, page.total)


def contact_object(contact: Contact) -> dict[str, Any]:
    """A contact in a list. ``number`` if it is known."""
    user, _, server = contact.jid.partition("@")
    return {
        "jid": shown_jid(contact.jid),
        "lid": contact.lid,
        "number": f"+{user}" if server == "s.whatsapp.net" and user.isdigit() else None,
        "name": contact.name,
        "push_name": contact.push_name,
        "business_name": contact.business_name,
        "display_name": contact.display_name,
        "is_business": contact.is_business,
        "is_saved": contact.is_saved,
        "image": contact.image,
        "labels": list(contact.labels),
    }


def render_contact(card: ContactCard) -> bytes:
    """One contact with its names, its ids, and its latest chats."""
    return encode(
        contact_object(card.contact)
        | {
            "names": [
                {"name": known.name, "kind": known.kind, "source": known.source, "last_at": time_text(known.at)}
                for known in card.names
            ],
            "jids": [shown_jid(jid) for jid in card.jids],
            "shared": [chat_object(chat) for chat in card.shared],
        }
    )


# ---------------------------------------------------------------------- phones, sessions, originals


def render_phones(summaries: Sequence[PhoneSummary]) -> bytes:
    """Own phones, oldest first."""
    return listed([_phone(summary) for summary in summaries], None, len(summaries))


def _phone(summary: PhoneSummary) -> dict[str, Any]:
    phone = summary.phone
    return {
        "phone": phone.number,
        "jid": shown_jid(phone.jid),
        "phone_id": phone.phone_id,
        "device_id": phone.device_id,
        "name": phone.name,
        "state": phone.state.lower() if phone.state else None,
        "created_at": time_text(phone.created_at),
        "messages": summary.messages,
        "chats": summary.chats,
        "first_message_at": time_text(summary.first_at),
        "last_message_at": time_text(summary.last_at),
    }


def render_session(
    access: Access, summaries: Sequence[PhoneSummary], expires_at: int | None, version: str, seq: int
) -> bytes:
    """Who is signed in, and what the token gives access to."""
    return encode(
        {
            "org": {"id": access.org.id, "name": access.org.name},
            "token": {
                "id": access.token_id,
                "scopes": sorted(access.scopes),
                "phones": [phone.number for phone in access.phones] if access.scoped else None,
            },
            "phones": [
                {"phone": phone.number, "jid": shown_jid(phone.jid), "phone_id": phone.phone_id, "name": phone.name}
                for phone in access.phones
            ],
            "messages": sum(summary.messages for summary in summaries),
            "chats": sum(summary.chats for summary in summaries),
            "version": version,
            "seq": seq,
            "expires_at": time_text(expires_at),
        }
    )


def render_original(original: Original) -> bytes:
    """A payload as received, as text; only the beginning if it is long."""
    return encode(
        {
            "items": [
                {
                    "source": original.source,
                    "type": original.type,
                    "received_at": time_text(original.stored_at),
                    "payload": original.payload[:MAX_ORIGINAL].decode("utf-8", "replace"),
                    "whole": len(original.payload) <= MAX_ORIGINAL,
                }
            ]
        }
    )
