"""Routes of Periskope and GOWA that an archive does not offer.

Those that need WhatsApp are forwarded to the phone's upstream if it has one (http/upstream.py). The others are answered
with 501 and a reason, so that a client learns why nothing happened.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from backscroll.core.errors import Unsupported
from backscroll.dialects.parameters import Param
from backscroll.http import upstream
from backscroll.http.messages import Reply, Request
from backscroll.http.router import Answer, Dialect, Handler, Route

Reason = Literal["whatsapp", "service", "phones", "events", "chatwoot", "history"]

REMEDIES: dict[Reason, str] = {
    "whatsapp": (
        "it needs a phone that is connected to WhatsApp, and this server is an archive. Add the phone's gateway with "
        "`backscroll source add gowa|periskope --upstream URL`, and such requests are forwarded to it"
    ),
    "service": (
        "the archive shows what its sources reported and does not change it. Add the service that the history comes "
        "from with `backscroll source add periskope --upstream URL`, and such requests are forwarded to it"
    ),
    "phones": "phones are added and named on the server itself, with the command `backscroll phone add`",
    "events": (
        "events are sent to webhooks of this server's own API (POST /api/webhooks) or Periskope's, and streamed by "
        "GET /api/events. Use one of these, or subscribe at the gateway that feeds it"
    ),
    "history": (
        "the library for linked devices cannot ask a phone for messages older than those it sends when it is linked. "
        "Export the chat on the phone and import it, or add the phone's gateway with "
        "`backscroll source add gowa --upstream URL`, and such requests are forwarded to it"
    ),
    "chatwoot": "this server forwards nothing to Chatwoot. Send the request to the gateway that feeds it",
}


class Unserved(Struct, frozen=True):
    """A route of another server, what it does there, and why it does not work here."""

    dialect: Dialect
    reason: Reason
    method: str
    path: str
    action: str


_LINES: dict[tuple[Dialect, Reason], str] = {
    ("periskope", "whatsapp"): """
        POST /v1/message/send            send a message
        POST /v1/message/send-sync       send a message
        POST /v1/messages/send           send a message
        POST /v1/message/broadcast       send a message to several chats
        POST /v1/message/{id}/edit       edit a message
        POST /v1/message/{id}/forward    forward a message
        POST /v1/message/{id}/delete     delete a message for everyone
        POST /v1/message/{id}/react      react to a message
        POST /v1/message/{id}/pin        pin a message
        POST /v1/chats/create            create a group
        POST /v1/chats/accept-invite     join a group
        POST /v1/chats/typing            show that somebody is typing
        POST /v1/chats/{id}/read         mark a chat as read
        POST /v1/chats/{id}/settings     change a group's settings
        POST /v1/chats/{id}/invite       send an invitation
        POST /v1/chats/{id}/add          add to a group
        POST /v1/chats/{id}/remove       remove from a group
        POST /v1/chats/{id}/leave        leave a group
        POST /v1/phones/resync           synchronise a phone
        POST /v1/phones/restart          restart a phone
        POST /v1/phones/reset            reset a phone
    """,
    ("periskope", "service"): """
        POST /v1/chats/{id}/promote      make group members admins
        POST /v1/chats/{id}/demote       make admins plain members
        DELETE /v1/queue/purge           empty the queue of messages to send
        PATCH /v1/chats/labels           label chats
        PATCH /v1/chats/access           change who sees chats
        PATCH /v1/chats/{id}             change a chat
        PATCH /v1/chats/{id}/ai          change a chat's assistant
        POST /v1/contacts/create         create a contact
        PATCH /v1/contacts/labels        label contacts
        PATCH /v1/contacts/{id}          change a contact
        POST /v1/note/create             write a private note
        POST /v1/tickets/create          open a ticket
        PATCH /v1/tickets/{id}           change a ticket
        POST /v1/knowledge-base/faq/create              add to the knowledge base
        PATCH /v1/knowledge-base/faq/{id}               change the knowledge base
        DELETE /v1/knowledge-base/faq/{id}              remove from the knowledge base
        POST /v1/knowledge-base/document/create         add to the knowledge base
        DELETE /v1/knowledge-base/document/{id}         remove from the knowledge base
        POST /v1/members/invite          invite a member
        PATCH /v1/members/access         change what a member may do
        DELETE /v1/members/{id}          remove a member
    """,
    ("periskope", "phones"): """
        POST /v1/phones/create           add a phone
        PATCH /v1/phones/update          rename a phone
        DELETE /v1/phones/delete         remove a phone
    """,
    ("gowa", "whatsapp"): """
        GET /app/passkey                 show a passkey that is asked for
        POST /app/passkey/response       answer with a passkey
        POST /app/passkey/confirm        confirm a passkey
        POST /send/message               send a message
        POST /send/image                 send an image
        POST /send/audio                 send audio
        POST /send/file                  send a file
        POST /send/sticker               send a sticker
        POST /send/video                 send a video
        POST /send/contact               send a contact
        POST /send/link                  send a link
        POST /send/location              send a location
        POST /send/poll                  send a poll
        POST /send/presence              show presence
        POST /send/chat-presence         show that somebody is typing
        POST /message/{message_id}/revoke       delete a message for everyone
        POST /message/{message_id}/delete       delete a message
        POST /message/{message_id}/reaction     react to a message
        POST /message/{message_id}/update       edit a message
        POST /message/{message_id}/read         mark a message as read
        POST /message/{message_id}/star         star a message
        POST /message/{message_id}/unstar       take a star away
        POST /message/{message_id}/forward      forward a message
        POST /chat/{chat_jid}/pin        pin a chat
        POST /chat/{chat_jid}/archive    archive a chat
        POST /chat/{chat_jid}/disappearing      set disappearing messages
        POST /chat/{chat_jid}/label      label a chat
        GET /user/info                   ask about a number
        GET /user/check                  ask whether a number is on WhatsApp
        GET /user/avatar                 fetch a picture
        POST /user/avatar                change the own picture
        POST /user/pushname              change the own name
        GET /user/my/privacy             show privacy settings
        GET /user/business-profile       show a business profile
        POST /group                      create a group
        POST /group/join-with-link       join a group
        GET /group/info-from-link        show a group
        POST /group/leave                leave a group
        POST /group/participants         add to a group
        POST /group/participants/remove  remove from a group
        POST /group/participants/promote make group members admins
        POST /group/participants/demote  make admins plain members
        GET /group/participant-requests  list requests to join
        POST /group/participant-requests/approve    let in
        POST /group/participant-requests/reject     keep out
        POST /group/photo                change a group's picture
        POST /group/name                 change a group's name
        POST /group/locked               lock a group
        POST /group/announce             let only admins write
        POST /group/topic                change a group's topic
        POST /newsletter/unfollow        leave a channel
        GET /newsletter/messages         fetch a channel's messages
        POST /call/reject                reject a call
    """,
    ("gowa", "phones"): """
        POST /devices                    add a device
        DELETE /devices/{device_id}      remove a device
    """,
    ("gowa", "events"): """
        PATCH /devices/{device_id}/webhook      change a device's webhook
        GET /ws                          receive events as they happen
    """,
    ("gowa", "history"): """
        POST /chat/{chat_jid}/history    ask the phone for older messages
    """,
    ("gowa", "chatwoot"): """
        POST /chatwoot/sync              copy history to Chatwoot
        GET /chatwoot/sync/status        show how far copying to Chatwoot is
        POST /chatwoot/webhook           take an event of Chatwoot
        POST /chatwoot/webhook/{device_id}       take an event of Chatwoot
        GET /chatwoot/configs            show the settings for Chatwoot
        GET /devices/{device_id}/chatwoot/config        show a device's settings for Chatwoot
        PUT /devices/{device_id}/chatwoot/config        change a device's settings for Chatwoot
        DELETE /devices/{device_id}/chatwoot/config     remove a device's settings for Chatwoot
    """,
}
UNSERVED: tuple[Unserved, ...] = tuple(
    Unserved(dialect, reason, *line.split(maxsplit=2))
    for (dialect, reason), lines in _LINES.items()
    for line in lines.strip().splitlines()
)


def unsupported(action: str, reason: Reason = "whatsapp") -> Unsupported:
    """The error for something that an archive cannot do."""
    return Unsupported(action, REMEDIES[reason])


PASSED: frozenset[Reason] = frozenset({"whatsapp", "service", "history"})
"""The reasons for which a route is forwarded to an upstream if there is one."""


def _is_passed(unserved: Unserved) -> bool:
    return unserved.reason in PASSED


async def pass_on_or_refuse(request: Request, unserved: Unserved) -> Reply:
    """The upstream's answer; ``Unsupported`` without an upstream."""
    if unserved.dialect != "backscroll" and _is_passed(unserved):
        of_account = unserved.reason == "service"
        reply = await upstream.pass_on(request, unserved.dialect, unserved.path, of_account=of_account)
        if reply is not None:
            return reply
    raise unsupported(f"{unserved.method} {unserved.path} ({unserved.action})", unserved.reason)


def _answering(unserved: Unserved) -> Handler:
    async def answer(request: Request) -> Reply:
        return await pass_on_or_refuse(request, unserved)

    return answer


_PASSED_ON = (
    "Forwarded to the phone's upstream, whose answer is returned unchanged; the token needs the scope `write`. "
    "Without an upstream it is not supported: "
)


def _route(unserved: Unserved) -> Route:
    names = [part[1:-1] for part in unserved.path.split("/") if part.startswith("{")]
    is_passed = _is_passed(unserved)
    return Route(
        method=unserved.method,
        path=unserved.path,
        dialect=unserved.dialect,
        summary=unserved.action[0].upper() + unserved.action[1:],
        description=f"{_PASSED_ON if is_passed else 'Not done here: '}{REMEDIES[unserved.reason]}.",
        handler=_answering(unserved),
        params=tuple(Param(name=name, where="path", required=True) for name in names),
        answers={501: Answer(description="Not done: this server is an archive", schema=f"{unserved.dialect}.Error")},
        errors=(400, 401, 403, 413, 429, 502, 504) if is_passed else (401, 429),
        tag=f"{unserved.dialect}: {'needs WhatsApp' if unserved.reason == 'whatsapp' else 'done elsewhere'}",
        body="stream" if is_passed else "none",
    )


ROUTES: tuple[Route, ...] = tuple(map(_route, UNSERVED))
