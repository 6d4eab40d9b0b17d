"""One conversation as each gateway would push it: invented payloads that follow the vendors' documentation."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

ME, ANA, BEN = "628987654321", "919537851844", "4915112345678"
ANA_LID, BEN_LID = "251556368777322@lid", "44444444444444@lid"
LIDS = {ANA: ANA_LID, BEN: BEN_LID}
NAMES = {ME: "Desk", ANA: "Ana", BEN: "Ben"}
GROUP = "120363041234567890@g.us"
START = 1_773_306_000
"""12 March 2026, 09:00 UTC, in seconds."""
Kind = Literal["text", "image"]
PHOTO = b"\xff\xd8\xff" + bytes(1231)
"""The bytes of the picture of the day."""


class Said(Struct, frozen=True):
    id: str
    chat: str
    """A number, or the group."""
    by: str
    at: int
    text: str
    kind: Kind = "text"
    answers: str | None = None


class Edited(Struct, frozen=True):
    id: str
    said: Said
    at: int
    text: str


class Revoked(Struct, frozen=True):
    id: str
    said: Said
    at: int


class Reacted(Struct, frozen=True):
    id: str
    said: Said
    by: str
    at: int
    emoji: str


class Acked(Struct, frozen=True):
    said: Said
    by: str
    at: int
    word: Literal["delivered", "read"]


class Joined(Struct, frozen=True):
    who: str
    at: int


class Polled(Struct, frozen=True):
    """A poll in the group, sent by our own phone."""

    id: str
    at: int
    question: str
    options: tuple[str, ...]
    chat: str = GROUP
    by: str = ME


class Voted(Struct, frozen=True):
    id: str
    poll: Polled
    by: str
    at: int
    option: str


Step = Said | Edited | Revoked | Reacted | Acked | Joined | Polled | Voted

HELLO = Said("3A10000000000000A001", ANA, ANA, START, "hello ther")
ANSWER = Said("3EB0000000000000B002", ANA, ME, START + 60, "good morning", answers=HELLO.id)
PICTURE = Said("3A10000000000000A003", ANA, ANA, START + 120, "the shop", kind="image")
MISTAKE = Said("3A10000000000000A004", ANA, ANA, START + 180, "wrong chat")
TO_ALL = Said("3EB0000000000000B005", GROUP, ME, START + 240, "closed tomorrow")
FROM_BEN = Said("3A10000000000000C006", GROUP, BEN, START + 300, "why?", answers=TO_ALL.id)
POLL = Polled("3EB0000000000000B007", START + 400, "open on Sunday?", ("yes", "no"))

DAY: tuple[Step, ...] = (
    HELLO,
    Edited("3A10000000000000A0E1", HELLO, START + 20, "hello there"),
    ANSWER,
    Acked(ANSWER, ANA, START + 61, "delivered"),
    Acked(ANSWER, ANA, START + 62, "read"),
    PICTURE,
    Reacted("3EB0000000000000B0R1", PICTURE, ME, START + 130, "👍"),
    MISTAKE,
    Revoked("3A10000000000000A0D1", MISTAKE, START + 200),
    Reacted("3A10000000000000A0R2", ANSWER, ANA, START + 210, "❤️"),
    Reacted("3A10000000000000A0R3", ANSWER, ANA, START + 220, ""),
    TO_ALL,
    Acked(TO_ALL, ANA, START + 241, "delivered"),
    Acked(TO_ALL, BEN, START + 242, "read"),
    FROM_BEN,
    Reacted("3A10000000000000C0R4", TO_ALL, BEN, START + 310, "😮"),
    Joined(ANA, START + 320),
    POLL,
    Voted("3A10000000000000C008", POLL, BEN, START + 420, "yes"),
)


def json_of(value: object) -> bytes:
    return msgspec.json.encode(value)


def iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def net(number: str) -> str:
    return number if "@" in number else f"{number}@s.whatsapp.net"


def cus(number: str) -> str:
    return number if "@" in number else f"{number}@c.us"


def in_group(said: Said | Polled) -> bool:
    return said.chat == GROUP


def serialized(said: Said | Polled, author: str) -> str:
    """The id of a message as whatsapp-web.js writes it."""
    mine = "true" if said.by == ME else "false"
    return f"{mine}_{cus(said.chat)}_{said.id}" + (f"_{author}" if in_group(said) else "")


def creation(poll: Polled) -> dict[str, Any]:
    """The content of a poll in WhatsApp's own format."""
    options = [{"optionName": option} for option in poll.options]
    return {"pollCreationMessageV3": {"name": poll.question, "options": options, "selectableOptionsCount": 1}}


def gowa(step: Step) -> bytes | None:
    """GOWA v9.2."""

    def common(id: str, chat: str, by: str, at: int) -> dict[str, Any]:
        fields: dict[str, Any] = {"id": id, "chat_id": net(chat), "from": net(by), "timestamp": iso(at)}
        fields |= {"is_from_me": by == ME, "sender_display_name": NAMES[by], "from_name": NAMES[by]}
        return fields | ({"from_lid": LIDS[by]} if by in LIDS else {})

    def sent(event: str, payload: dict[str, Any], at: int | None = None) -> bytes:
        top = {"timestamp": iso(at)} if at is not None else {}
        return json_of({"event": event, "device_id": net(ME), "session_id": "desk", **top, "payload": payload})

    match step:
        case Said():
            payload = common(step.id, step.chat, step.by, step.at) | {"body": step.text}
            if step.kind == "image":
                path = "statics/media/1752404751-ad9e37ac.jpeg"
                payload["image"] = {"path": path, "caption": step.text}
            if step.answers:
                payload |= {"replied_to_id": step.answers}
            return sent("message", payload)
        case Edited(said=said):
            more: dict[str, Any] = {"original_message_id": said.id, "body": step.text}
            return sent("message.edited", common(step.id, said.chat, said.by, step.at) | more)
        case Revoked(said=said):
            more = {"revoked_message_id": said.id, "revoked_from_me": True}
            return sent("message.revoked", common(step.id, said.chat, said.by, step.at) | more)
        case Reacted(said=said):
            more = {"reacted_message_id": said.id, "reaction": step.emoji}
            return sent("message.reaction", common(step.id, said.chat, step.by, step.at) | more)
        case Acked(said=said):
            payload = {"ids": [said.id], "chat_id": net(said.chat), "from": net(step.by), "receipt_type": step.word}
            return sent("message.ack", payload | {"from_lid": LIDS[step.by]}, step.at)
        case Joined():
            return sent("group.participants", {"chat_id": GROUP, "type": "join", "jids": [net(step.who)]}, step.at)
        case Polled():
            return sent("message", common(step.id, step.chat, step.by, step.at))
        case Voted():
            return None


def waha(step: Step) -> bytes | None:
    """WAHA 2026 with the engine GOWS, which gives people as hidden ids and adds their numbers."""

    def known_as(said: Said | Polled) -> str:
        return serialized(said, LIDS.get(said.by, cus(said.by)))

    def common(said: Said | Polled, id: str, by: str, at: int) -> dict[str, Any]:
        shown = known_as(Said(id, said.chat, by, at, ""))
        participant = LIDS.get(by, cus(by)) if in_group(said) else None
        fields: dict[str, Any] = {"id": shown, "timestamp": at, "from": cus(said.chat), "fromMe": by == ME}
        return fields | {"to": participant, "participant": participant}

    def info(said: Said | Polled, by: str) -> dict[str, Any]:
        alt = net(by) if in_group(said) and by in LIDS else ""
        return {"PushName": NAMES[by], "SenderAlt": alt, "IsGroup": in_group(said)}

    def sent(event: str, payload: dict[str, Any], at: int) -> bytes:
        envelope = {"id": f"evt_{event}_{at}", "timestamp": at * 1000, "session": "default", "engine": "GOWS"}
        return json_of({**envelope, "event": event, "me": {"id": cus(ME), "pushName": "Desk"}, "payload": payload})

    match step:
        case Said():
            content: dict[str, Any] = {"conversation": step.text}
            if step.kind == "image":
                image = {"mimetype": "image/jpeg", "fileLength": len(PHOTO), "width": 800, "height": 600}
                content = {"imageMessage": {"caption": step.text, **image, "fileSHA256": _digest()}}
            elif step.answers:
                content = {"extendedTextMessage": {"text": step.text, "contextInfo": {"stanzaID": step.answers}}}
            payload = common(step, step.id, step.by, step.at)
            media = {"url": "http://waha/api/files/x.jpeg", "mimetype": "image/jpeg", "filename": None}
            payload |= {"body": step.text, "hasMedia": step.kind == "image", "ack": 1, "ackName": "SERVER"}
            payload |= {"media": media if step.kind == "image" else None, "vCards": None, "location": None}
            return sent("message.any", payload | {"_data": {"Info": info(step, step.by), "Message": content}}, step.at)
        case Edited(said=said):
            payload = common(said, step.id, said.by, step.at) | {"body": step.text, "editedMessageId": said.id}
            return sent("message.edited", payload | {"_data": {"Info": info(said, said.by)}}, step.at)
        case Revoked(said=said):
            after = common(said, step.id, said.by, step.at) | {"body": None, "hasMedia": False}
            return sent("message.revoked", {"after": after, "before": None, "revokedMessageId": said.id}, step.at)
        case Reacted(said=said):
            reaction = {"text": step.emoji, "messageId": known_as(said)}
            payload = common(said, step.id, step.by, step.at) | {"reaction": reaction}
            return sent("message.reaction", payload | {"_data": {"Info": info(said, step.by)}}, step.at)
        case Acked(said=said):
            ack = 2 if step.word == "delivered" else 3
            payload = {"id": known_as(said), "from": cus(said.chat), "fromMe": True, "ack": ack}
            payload |= {"participant": LIDS[step.by] if in_group(said) else None, "ackName": "x", "to": None}
            return sent("message.ack.group" if in_group(said) else "message.ack", payload, step.at)
        case Joined():
            who = {"id": LIDS[step.who], "pn": cus(step.who), "role": "participant"}
            group = {"group": {"id": GROUP}, "type": "join", "timestamp": step.at, "participants": [who]}
            return sent("group.v2.participants", group, step.at)
        case Polled():
            payload = common(step, step.id, step.by, step.at) | {"body": step.question, "hasMedia": False, "ack": 1}
            return sent(
                "message.any", payload | {"_data": {"Info": info(step, ME), "Message": creation(step)}}, step.at
            )
        case Voted(poll=poll):
            asked = {"id": known_as(poll), "to": GROUP, "from": cus(ME), "fromMe": True}
            vote: dict[str, Any] = {
                "id": f"false_{GROUP}_{step.id}_{LIDS[step.by]}",
                "from": GROUP,
                "participant": LIDS[step.by],
            }
            vote |= {"fromMe": False, "selectedOptions": [step.option], "timestamp": step.at * 1000}
            return sent("poll.vote", {"vote": vote, "poll": asked}, step.at)


def evolution(step: Step) -> bytes | None:
    """Evolution API 2.3 (Baileys 7)."""

    def key(said: Said | Polled, id: str, by: str) -> dict[str, Any]:
        fields: dict[str, Any] = {"remoteJid": net(said.chat), "fromMe": by == ME, "id": id}
        if not in_group(said):
            return fields
        return fields | {"participant": LIDS.get(by, net(by)), "participantAlt": net(by), "addressingMode": "lid"}

    def sent(event: str, data: Any, at: int) -> bytes:
        envelope = {"event": event, "instance": "desk", "data": data, "sender": net(ME), "apikey": "B6D711FCDE4D4FD5"}
        envelope |= {"destination": "https://archive.example/ingest/evolution/x/y", "server_url": "http://evolution"}
        return json_of({**envelope, "date_time": iso(at).replace("Z", ".000Z")})

    def message(said: Said | Polled, id: str, by: str, at: int, content: dict[str, Any]) -> bytes:
        data: dict[str, Any] = {
            "key": key(said, id, by),
            "pushName": NAMES[by],
            "status": "SERVER_ACK" if by == ME else "DELIVERY_ACK",
        }
        data |= {"message": content, "messageType": next(iter(content)), "messageTimestamp": at, "source": "android"}
        return sent("messages.upsert", data, at)

    match step:
        case Said():
            content: dict[str, Any] = {"conversation": step.text}
            if step.kind == "image":
                image = {"mimetype": "image/jpeg", "fileLength": {"low": len(PHOTO), "high": 0, "unsigned": True}}
                content = {"imageMessage": {"caption": step.text, **image, "width": 800, "fileSha256": _digest()}}
            elif step.answers:
                content = {"extendedTextMessage": {"text": step.text, "contextInfo": {"stanzaId": step.answers}}}
            return message(step, step.id, step.by, step.at, content)
        case Edited(said=said):
            # Written from the author's side: his direct chat has our id, and the event is always from him.
            inner: dict[str, Any] = {"remoteJid": net(ME), "fromMe": True, "id": said.id}
            new = {"key": inner, "type": "MESSAGE_EDIT", "editedMessage": {"conversation": step.text}}
            return sent("messages.edited", new | {"timestampMs": str(step.at * 1000)}, step.at)
        case Revoked(said=said):
            return sent("messages.delete", key(said, said.id, said.by), step.at)
        case Reacted(said=said):
            reaction = {"key": key(said, said.id, said.by), "text": step.emoji, "senderTimestampMs": step.at * 1000}
            return message(said, step.id, step.by, step.at, {"reactionMessage": reaction})
        case Acked(said=said):
            if in_group(said):
                return None
            status = "DELIVERY_ACK" if step.word == "delivered" else "READ"
            data = {"keyId": said.id, "remoteJid": net(said.chat), "fromMe": True, "status": status}
            return sent("messages.update", data, step.at)
        case Joined():
            data = {"id": GROUP, "participants": [LIDS[step.who]], "action": "add"}
            data["participantsData"] = [{"jid": LIDS[step.who], "phoneNumber": net(step.who)}]
            return sent("group-participants.update", data, step.at)
        case Polled():
            return message(step, step.id, step.by, step.at, creation(step))
        case Voted(poll=poll):
            tally = [{"name": o, "voters": [net(step.by)] if o == step.option else []} for o in poll.options]
            data = {"keyId": poll.id, "remoteJid": poll.chat, "fromMe": True, "pollUpdates": tally}
            return sent("messages.update", data, step.at)


def periskope(step: Step, flat: bool = False) -> bytes | None:
    """Periskope's two spellings of its events."""

    def known_as(said: Said | Polled) -> str:
        return serialized(said, cus(said.by))

    def sent(event: str, data: dict[str, Any], at: int) -> bytes:
        if flat:
            return json_of({**data, "event_type": event, "org_id": "o", "previous_attributes": None})
        return json_of({"event": event, "data": data, "org_id": "o", "previous_attributes": {}, "timestamp": iso(at)})

    def message(said: Said, **more: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {"message_id": known_as(said), "org_phone": cus(ME), "chat_id": cus(said.chat)}
        fields |= {"unique_id": said.id, "from_me": said.by == ME, "sender_phone": cus(said.by), "body": said.text}
        fields |= {"timestamp": iso(said.at), "message_type": "chat" if said.kind == "text" else "image", "ack": "2"}
        if said.by != ME:
            fields["ack"] = "0"
        if said.kind == "image":
            fields["media"] = {
                "path": "https://x/y.jpeg",
                "size": len(PHOTO),
                "mimetype": "image/jpeg",
                "filename": said.id,
            }
        if said.answers:
            fields["quoted_message_id"] = said.answers
        return fields | more

    match step:
        case Said():
            return sent("message.created", message(step), step.at)
        case Edited(said=said):
            more = {"body": step.text, "prev_body": said.text, "updated_at": iso(step.at)}
            return sent("message.updated", message(said, **more), step.at)
        case Revoked(said=said):
            return sent("message.deleted", message(said, is_deleted=True, updated_at=iso(step.at)), step.at)
        case Reacted(said=said):
            data = {"message_id": known_as(said), "chat_id": cus(said.chat), "org_phone": cus(ME)}
            data |= {
                "sender_id": cus(step.by),
                "reaction": step.emoji,
                "timestamp": iso(step.at),
                "reaction_id": step.id,
            }
            return sent("reaction.created", data, step.at)
        case Acked(said=said):
            info = {"pending": [], step.word: {cus(step.by): step.at * 1000}, "read_count": 0, "delivered_count": 0}
            return sent("message.ack.updated", message(said, delivery_info=info), step.at)
        case Joined():
            note: dict[str, Any] = {"notification_id": f"true_{GROUP}_1772_{cus(BEN)}_add", "unique_id": "1772"}
            note |= {"chat_id": GROUP, "org_phone": cus(ME), "author": cus(BEN), "recipientids": [cus(step.who)]}
            return sent(
                "chat.notification.created", note | {"timestamp": iso(step.at), "type": "add", "body": ""}, step.at
            )
        case Polled():
            asked = Said(step.id, step.chat, step.by, step.at, step.question)
            info = {
                "pollName": step.question,
                "pollOptions": [*step.options],
                "options": {"allowMultipleAnswers": False},
            }
            return sent("message.created", message(asked, message_type="poll_creation", poll_info=info), step.at)
        case Voted():
            return None


def cloud(step: Step) -> bytes | None:
    """Meta's API, for a number that is also used in the phone's app. The API does not have the app's groups."""

    def wamid(id: str, by: str) -> str:
        number = ANA.encode()
        mine = b"\x11" if by == ME else b"\x12"
        inner = b"\x1c\x18" + bytes([len(number)]) + number + b"\x15\x02\x00" + mine + b"\x18"
        return "wamid." + base64.b64encode(inner + bytes([len(id)]) + id.encode() + b"\x00").decode()

    def sent(field: str, value: dict[str, Any]) -> bytes:
        metadata = {"display_phone_number": ME, "phone_number_id": "106540352242922"}
        contacts = [{"profile": {"name": NAMES[ANA]}, "wa_id": ANA, "user_id": "IN.1502576394655843"}]
        value = {"messaging_product": "whatsapp", "metadata": metadata, "contacts": contacts} | value
        changes = [{"field": field, "value": value}]
        return json_of({"object": "whatsapp_business_account", "entry": [{"id": "1022901", "changes": changes}]})

    def message(id: str, by: str, at: int, **more: Any) -> bytes:
        fields = {"id": wamid(id, by), "timestamp": str(at), "from": by} | more
        if by == ME:
            return sent("smb_message_echoes", {"message_echoes": [fields | {"to": ANA}]})
        return sent("messages", {"messages": [fields | {"from_user_id": "IN.1502576394655843"}]})

    match step:
        case Joined() | Polled() | Voted():
            return None
        case Said():
            if in_group(step):
                return None
            content: dict[str, Any] = {"type": "text", "text": {"body": step.text}}
            if step.kind == "image":
                file = {"id": "1003383421387256", "mime_type": "image/jpeg", "sha256": _digest(), "caption": step.text}
                content = {"type": "image", "image": file}
            if step.answers:
                content["context"] = {"from": ANA, "id": wamid(step.answers, ANA)}
            return message(step.id, step.by, step.at, **content)
        case Edited(said=said):
            new = {"type": "text", "text": {"body": step.text}}
            edit = {"original_message_id": wamid(said.id, said.by), "message": new}
            return message(step.id, said.by, step.at, type="edit", edit=edit)
        case Revoked(said=said):
            revoke = {"original_message_id": wamid(said.id, said.by)}
            return message(step.id, said.by, step.at, type="revoke", revoke=revoke)
        case Reacted(said=said):
            if in_group(said):
                return None
            reaction = {"message_id": wamid(said.id, said.by)} | ({"emoji": step.emoji} if step.emoji else {})
            return message(step.id, step.by, step.at, type="reaction", reaction=reaction)
        case Acked(said=said):
            if in_group(said):
                return None
            status = {"id": wamid(said.id, ME), "status": step.word, "timestamp": str(step.at), "recipient_id": ANA}
            return sent("messages", {"statuses": [status | {"recipient_user_id": "IN.1502576394655843"}]})


def own_events(step: Step) -> bytes | None:
    """The archive's own format."""

    def sent(type: str, said: Said | Polled, **more: Any) -> bytes:
        return json_of({"events": [{"type": type, "chat": net(said.chat), "id": said.id, **more}]})

    match step:
        case Joined():
            return None
        case Said():
            more: dict[str, Any] = {"timestamp": iso(step.at), "from_me": step.by == ME, "text": step.text}
            more |= {"sender": step.by, "sender_name": NAMES[step.by], "kind": step.kind}
            if step.kind == "image":
                more["media"] = {"mimetype": "image/jpeg", "size": len(PHOTO)}
            if step.answers:
                more["quoted"] = {"id": step.answers}
            return sent("message", step, **more)
        case Edited(said=said):
            return sent("edit", said, text=step.text, timestamp=step.at, by=said.by, edit_id=step.id)
        case Revoked(said=said):
            return sent("revoke", said, timestamp=step.at, by=said.by)
        case Reacted(said=said):
            return sent("reaction", said, timestamp=step.at, by=step.by, emoji=step.emoji)
        case Acked(said=said):
            who = {"participant": step.by} if in_group(said) else {}
            return sent("receipt", said, timestamp=step.at, ack=step.word, **who)
        case Polled():
            asked = {"name": step.question, "options": [*step.options], "selectable": 1}
            more = {"timestamp": iso(step.at), "from_me": True, "text": step.question, "sender": step.by}
            return sent("message", step, kind="poll", poll=asked, **more)
        case Voted(poll=poll):
            return sent("vote", poll, timestamp=step.at, by=step.by, options=[step.option])


def _digest() -> str:
    return base64.b64encode(hashlib.sha256(PHOTO).digest()).decode()


SENDERS = {
    "gowa": gowa,
    "waha": waha,
    "evolution": evolution,
    "periskope": periskope,
    "cloud": cloud,
    "events": own_events,
}


def payloads(kind: str) -> list[bytes]:
    """The whole day, as far as this gateway reports it."""
    return [body for step in DAY if (body := SENDERS[kind](step)) is not None]
