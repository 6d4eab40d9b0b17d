"""The answers of a server with Periskope's API as events, without making requests itself.

Each function takes the body of one answer and returns a ``PulledPage``. An unreadable row is reported beside the good
ones; only a body that is not such an answer at all raises ``Unreadable``.
"""

from __future__ import annotations

from backscroll.ingest.connectors.periskope.listings import (
    tell_chat,
    tell_contact,
    tell_notification,
    tell_phone,
    tell_reaction,
)
from backscroll.ingest.connectors.periskope.messages import tell_message
from backscroll.ingest.connectors.periskope.pages import PulledPage, others, page_of, typed
from backscroll.ingest.connectors.periskope.wire import (
    CHAT_FIELDS,
    CONTACT_FIELDS,
    WireChat,
    WireContact,
    WireMessage,
    WireNotification,
    WirePhone,
    WireReaction,
)


def messages(body: bytes) -> PulledPage:
    """The answer of ``GET /chats/messages`` or of the list of one chat."""
    return page_of(body, ("messages",), lambda raw, altered: tell_message(typed(raw, WireMessage), altered))


def notifications(body: bytes) -> PulledPage:
    """The answer of ``GET /chats/notifications``: group events and calls. Servers differ on the list's name."""
    keys = ("notifications", "messages", "notifictions")
    return page_of(body, keys, lambda raw, _: tell_notification(typed(raw, WireNotification)))


def chats(body: bytes) -> PulledPage:
    """The answer of ``GET /chats``. What no field of ours holds is kept by its own name."""
    return page_of(body, ("chats",), lambda raw, _: tell_chat(typed(raw, WireChat), others(raw, CHAT_FIELDS)))


def contacts(body: bytes) -> PulledPage:
    """The answer of ``GET /contacts``."""
    keys = ("contacts",)
    return page_of(body, keys, lambda raw, _: tell_contact(typed(raw, WireContact), others(raw, CONTACT_FIELDS)))


def reactions(body: bytes) -> PulledPage:
    """The answer of ``GET /reactions``."""
    return page_of(body, ("reactions",), lambda raw, _: tell_reaction(typed(raw, WireReaction)))


def phones(body: bytes) -> PulledPage:
    """The answer of ``GET /phones/all``, a bare list."""
    return page_of(body, ("phones",), lambda raw, _: tell_phone(typed(raw, WirePhone)))
