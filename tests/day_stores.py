"""The day of gateways.py as gateways store it: WAHA's two stores, and Evolution API's database."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from evolution_tables import Evolution
from whatsmeow_files import GoFile

from day_files import EDIT, GROUP_NAME, SAID, SHA256, VOTE, shown_text, standing
from gateways import (
    ANA,
    ANSWER,
    BEN,
    DAY,
    GROUP,
    LIDS,
    ME,
    MISTAKE,
    NAMES,
    PHOTO,
    PICTURE,
    POLL,
    TO_ALL,
    Acked,
    Edited,
    Polled,
    Reacted,
    Revoked,
    Said,
    creation,
    iso,
    net,
)

_SHAPE: dict[str, Any] = {"mimetype": "image/jpeg", "fileLength": str(len(PHOTO)), "width": 800, "height": 600}


def _chat(chat: str) -> str:
    """Chats of two are stored under the hidden id."""
    return GROUP if chat == GROUP else LIDS[chat]


def _buffer(raw: bytes) -> dict[str, str]:
    return {"type": "Buffer", "data": base64.b64encode(raw).decode()}


# WAHA's NOWEB: Baileys' messages, on which later events are noted


def noweb(folder: Path) -> Path:
    """``store.sqlite3``, and ``creds.json`` beside it. Deleted messages are gone; an edit replaces text and time."""
    file = GoFile(folder / "store.sqlite3", "noweb")
    for who in (ANA, BEN):
        file.row("lid_map", id=LIDS[who], pn=net(who))
        file.row("contacts", id=LIDS[who], data=json.dumps({"id": LIDS[who], "notify": NAMES[who]}))
    file.row("groups", id=GROUP, data=json.dumps({"id": GROUP, "subject": GROUP_NAME}))
    for said in SAID:
        if said != MISTAKE:
            _noweb_message(file, said, _noweb_content(said), said.at if said != EDIT.said else EDIT.at)
    chosen = [_buffer(_hash(VOTE.option))]
    vote = {"vote": {"selectedOptions": chosen}, "senderTimestampMs": VOTE.at * 1000}
    key = {"remoteJid": GROUP, "id": VOTE.id, "fromMe": False, "participant": LIDS[VOTE.by]}
    _noweb_message(file, POLL, creation(POLL), POLL.at, pollUpdates=[vote | {"pollUpdateMessageKey": key}])
    (folder / "creds.json").write_text(json.dumps({"me": {"id": f"{ME}:7@s.whatsapp.net"}, "noiseKey": "SECRET"}))
    return file.done()


def _noweb_message(file: GoFile, said: Said | Polled, content: dict[str, Any], at: int, **more: Any) -> None:
    chat, from_me = _chat(said.chat), said.by == ME
    key: dict[str, Any] = {"remoteJid": chat, "id": said.id, "fromMe": from_me}
    if said.chat == GROUP and not from_me:
        key["participant"] = LIDS[said.by]
    data = {"key": key, "message": content, "messageTimestamp": at, "status": 4 if said == ANSWER else 2}
    data |= {"pushName": NAMES[said.by]} | more
    if reactions := [_noweb_reaction(reacted) for reacted in standing().values() if reacted.said == said]:
        data["reactions"] = reactions
    if said == TO_ALL:
        receipts = {"delivered": "receiptTimestamp", "read": "readTimestamp"}
        acked = [step for step in DAY if isinstance(step, Acked) and step.said == said]
        data["userReceipt"] = [{"userJid": LIDS[step.by], receipts[step.word]: step.at} for step in acked]
    file.row("messages", jid=chat, id=said.id, messageTimestamp=at, data=json.dumps(data))


def _noweb_reaction(reacted: Reacted) -> dict[str, Any]:
    key: dict[str, Any] = {"remoteJid": _chat(reacted.said.chat), "id": reacted.id, "fromMe": reacted.by == ME}
    if reacted.said.chat == GROUP and reacted.by != ME:
        key["participant"] = LIDS[reacted.by]
    return {"key": key, "text": reacted.emoji, "senderTimestampMs": reacted.at * 1000}


def _noweb_content(said: Said) -> dict[str, Any]:
    if said == EDIT.said:
        return {"editedMessage": {"message": {"conversation": EDIT.text}}}
    if said.kind == "image":
        return {"imageMessage": {"caption": said.text, **_SHAPE, "fileSha256": _buffer(SHA256)}}
    if said.answers:
        return {"extendedTextMessage": {"text": said.text, "contextInfo": {"stanzaId": said.answers}}}
    return {"conversation": said.text}


def _hash(option: str) -> bytes:
    return hashlib.sha256(option.encode()).digest()


# WAHA's GOWS: whatsmeow's events, each change as a message of its own


def gows(folder: Path) -> Path:
    """``gows.db``: receipts are not stored, and votes only encrypted."""
    file = GoFile(folder / "gows.db", "gows")
    file.row("whatsmeow_device", jid=f"{ME}:7@s.whatsapp.net", noise_key=b"SECRET", identity_key=b"SECRET")
    for who in (ANA, BEN):
        file.row("whatsmeow_lid_map", lid=LIDS[who].partition("@")[0], pn=who)
    file.row("gows_groups", id=GROUP, name=GROUP_NAME, data=json.dumps({"JID": GROUP, "Name": GROUP_NAME}))
    for step in DAY:
        match step:
            case Said():
                _gows_event(file, step, step.id, step.by, step.at, _gows_content(step))
            case Polled():
                _gows_event(file, step, step.id, step.by, step.at, creation(step))
            case Edited(said=said):
                new = {"type": 14, "key": _key(said), "editedMessage": {"conversation": step.text}}
                new["timestampMS"] = step.at * 1000
                _gows_event(file, said, step.id, said.by, step.at, {"protocolMessage": new})
            case Revoked(said=said):
                gone = {"protocolMessage": {"type": 0, "key": _key(said)}}
                _gows_event(file, said, step.id, said.by, step.at, gone)
            case Reacted(said=said):
                reaction = {"key": _key(said, step.by), "text": step.emoji, "senderTimestampMS": step.at * 1000}
                _gows_event(file, said, step.id, step.by, step.at, {"reactionMessage": reaction})
            case _:
                pass
    return file.done()


def _key(said: Said, by: str | None = None) -> dict[str, Any]:
    """The key of a message as the one who changes it writes it."""
    key: dict[str, Any] = {"remoteJID": _chat(said.chat), "ID": said.id, "fromMe": said.by == (by or said.by)}
    if said.chat == GROUP:
        key["participant"] = net(ME) if said.by == ME else LIDS[said.by]
    return key


def _gows_event(file: GoFile, said: Said | Polled, id: str, by: str, at: int, content: dict[str, Any]) -> None:
    info = {"Chat": _chat(said.chat), "Sender": LIDS.get(by, net(by)), "IsFromMe": by == ME, "ID": id}
    info |= {"Timestamp": iso(at), "PushName": NAMES[by]}
    data = json.dumps({"Info": info, "Message": content, "IsReal": True})
    file.row("gows_messages", jid=_chat(said.chat), id=id, timestamp=iso(at), from_me=by == ME, data=data)


def _gows_content(said: Said) -> dict[str, Any]:
    if said.kind == "image":
        digest = base64.b64encode(SHA256).decode()
        return {"imageMessage": {"caption": said.text, **_SHAPE, "fileSHA256": digest}}
    if said.answers:
        return {"extendedTextMessage": {"text": said.text, "contextInfo": {"stanzaID": said.answers}}}
    return {"conversation": said.text}


# Evolution API


def evolution(database: Evolution) -> str:
    """Evolution's tables; returns the URL. An edit replaces text and time, receipts and votes have no time."""
    database.tables()
    for who in (ANA, BEN):
        database.row("IsOnWhatsapp", remoteJid=net(who), jidOptions=f"{net(who)},{LIDS[who]}", lid="lid")
    database.row("Contact", remoteJid=net(ANA), pushName=NAMES[ANA], instanceId="i1")
    database.row("Contact", remoteJid=GROUP, pushName=GROUP_NAME, instanceId="i1")
    for step in DAY:
        _evolution_rows(database, step)
    return database.url


def _evolution_rows(database: Evolution, step: Any) -> None:
    match step:
        case Said():
            _evolution_message(database, step, step.id, step.by, step.at, _evolution_content(step))
        case Reacted(said=said):
            reaction = {"key": _evolution_key(said), "text": step.emoji, "senderTimestampMs": step.at * 1000}
            _evolution_message(database, said, step.id, step.by, step.at, {"reactionMessage": reaction})
        case Revoked(said=said):
            database.update(said.id, _chat(said.chat), fromMe=said.by == ME, status="DELETED")
        case Acked(said=said) if said.chat != GROUP:
            status = "DELIVERY_ACK" if step.word == "delivered" else "READ"
            database.update(said.id, _chat(said.chat), fromMe=True, status=status)
        case Polled():
            poll = _evolution_message(database, step, step.id, step.by, step.at, creation(step))
            tally = [{"name": o, "voters": [net(VOTE.by)] if o == VOTE.option else []} for o in step.options]
            database.update(step.id, GROUP, fromMe=True, pollUpdates=tally, messageId=poll)
        case _:
            pass


def _evolution_message(
    database: Evolution, said: Said | Polled, id: str, by: str, at: int, content: dict[str, Any]
) -> str:
    more: dict[str, Any] = {"from_me": by == ME, "pushName": NAMES[by], "messageType": next(iter(content))}
    if said.chat == GROUP and by != ME:
        more["participant"] = LIDS[by]
    if isinstance(said, Said) and id == said.id and said.answers:
        more["contextInfo"] = {"stanzaId": said.answers}
    if said == EDIT.said and id == said.id:
        at, more["status"] = EDIT.at, "EDITED"
    return database.message(id, content, _chat(said.chat), at, **more)


def _evolution_key(said: Said) -> dict[str, Any]:
    key: dict[str, Any] = {"remoteJid": _chat(said.chat), "fromMe": said.by == ME, "id": said.id}
    return key | ({"participant": LIDS[said.by]} if said.chat == GROUP and said.by != ME else {})


def _evolution_content(said: Said) -> dict[str, Any]:
    if said == PICTURE:
        return {"imageMessage": {"caption": said.text, **_SHAPE, "fileSha256": base64.b64encode(SHA256).decode()}}
    return {"conversation": shown_text(said)}
