"""The day of gateways.py as other programs store it: their databases and API answers, and WhatsApp's exports."""

from __future__ import annotations

import hashlib
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from android_files import Msgstore
from gowa_files import ChatStorage as GowaStorage
from iphone_files import ChatStorage as IphoneStorage
from iphone_files import blob, contacts, numbers
from whatsmeow_files import GoFile, session

import standin_gowa
from gateways import (
    ANA,
    ANA_LID,
    ANSWER,
    BEN,
    BEN_LID,
    DAY,
    FROM_BEN,
    GROUP,
    HELLO,
    LIDS,
    ME,
    MISTAKE,
    NAMES,
    PHOTO,
    PICTURE,
    POLL,
    TO_ALL,
    Edited,
    Reacted,
    Said,
    Voted,
    iso,
    net,
    periskope,
)

SAID: tuple[Said, ...] = tuple(step for step in DAY if isinstance(step, Said))
EDIT = next(step for step in DAY if isinstance(step, Edited))
VOTE = next(step for step in DAY if isinstance(step, Voted))
GROUP_NAME = "The shop"
JOINED = 1_773_306_320
PHOTO_NAME = "IMG-20260312-WA0001.jpg"
SHA256 = hashlib.sha256(PHOTO).digest()


def shown_text(said: Said) -> str:
    """The text in a program that keeps only the newest version of a message."""
    return EDIT.text if said == EDIT.said else said.text


def standing() -> dict[tuple[str, str], Reacted]:
    """The reactions that were not removed, by message and person."""
    found: dict[tuple[str, str], Reacted] = {}
    for step in DAY:
        if isinstance(step, Reacted):
            found[step.said.id, step.by] = step
    return {key: step for key, step in found.items() if step.emoji}


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S+00:00")


# GOWA


def gowa_database(folder: Path) -> Path:
    """GOWA's database: GOWA removes deleted messages, and stores neither quotes nor polls."""
    file = GowaStorage(folder / "chatstorage.db", device=net(ME))
    file.chat(net(ANA), NAMES[ANA], _clock(PICTURE.at)).chat(GROUP, GROUP_NAME, _clock(FROM_BEN.at))
    for said in SAID:
        if said == MISTAKE:
            continue
        more: dict[str, Any] = {"is_from_me": said.by == ME}
        if said.kind == "image":
            more |= {"media_type": "image", "filename": "image_20260312_090200.jpg", "file_sha256": SHA256}
            more |= {"file_length": len(PHOTO), "url": "https://mmg.whatsapp.net/x.enc"}
        file.message(said.id, net(said.chat), net(said.by), shown_text(said), _clock(said.at), **more)
    for reacted in standing().values():
        said = reacted.said
        file.reaction(said.id, net(said.chat), net(reacted.by), reacted.emoji, _clock(reacted.at))
    said = EDIT.said
    file.edit(said.id, EDIT.id, net(said.chat), net(said.by), said.text, EDIT.text, _clock(EDIT.at))
    return file.done()


def gowa_answers() -> dict[str, list[dict[str, Any]]]:
    """What a running GOWA answers, by chat."""
    chats: dict[str, list[dict[str, Any]]] = {net(ANA): [], GROUP: []}
    for said in SAID:
        if said == MISTAKE:
            continue
        more: dict[str, Any] = {"sender_jid": net(said.by), "is_from_me": said.by == ME, "content": shown_text(said)}
        if said.kind == "image":
            more |= {"media_type": "image", "filename": "image_20260312_090200.jpg", "file_length": len(PHOTO)}
        reactions = [
            {"emoji": r.emoji, "sender_jid": net(r.by), "is_from_me": r.by == ME, "timestamp": iso(r.at)}
            for r in standing().values()
            if r.said == said
        ]
        row = standin_gowa.wire_message(said.id, net(said.chat), said.at, **more)
        if said == EDIT.said:
            row["updated_at"] = iso(EDIT.at)
        chats[net(said.chat)].append(row | ({"reactions": reactions} if reactions else {}))
    return chats


# Periskope


def periskope_answers() -> dict[str, list[dict[str, Any]]]:
    """What Periskope's API answers: messages in their present state, and its other lists."""
    rows: dict[str, dict[str, Any]] = {}
    reactions, notices = [], []
    for step in DAY:
        body = periskope(step)
        if body is None:
            continue
        told = json.loads(body)
        data = told["data"]
        match told["event"]:
            case "reaction.created":
                reactions.append(data)
            case "chat.notification.created":
                notices.append(data)
            case "message.ack.updated":
                known = rows[data["message_id"]].setdefault("delivery_info", {"pending": []})
                for word in ("delivered", "read"):
                    known.setdefault(word, {}).update(data["delivery_info"].get(word, {}))
            case _:
                rows[data["message_id"]] = rows.get(data["message_id"], {}) | data
    latest = {(r["message_id"], r["sender_id"]): r for r in reactions}
    chats = [
        {"chat_id": f"{ANA}@c.us", "chat_name": NAMES[ANA], "chat_type": "user"},
        {"chat_id": GROUP, "chat_name": GROUP_NAME, "chat_type": "group"},
    ]
    people = [{"contact_id": f"{who}@c.us", "pushname": NAMES[who], "contact_lid": LIDS[who]} for who in (ANA, BEN)]
    return {
        "messages": [*rows.values()],
        "reactions": [*latest.values()],
        "notifications": notices,
        "chats": [chat | {"org_phone": f"{ME}@c.us", "updated_at": iso(JOINED + 200)} for chat in chats],
        "contacts": [person | {"updated_at": iso(JOINED + 200)} for person in people],
        "phones": [{"org_phone": f"{ME}@c.us"}],
    }


# Backups of phones


def android(folder: Path) -> Path:
    """msgstore.db of 2026: people have hidden ids, and a table maps them to numbers; the media folder is next to it."""
    media = folder / "Media" / "WhatsApp Images" / PHOTO_NAME
    media.parent.mkdir(parents=True)
    media.write_bytes(PHOTO)
    file = Msgstore(folder / "msgstore.db")
    for who in (ANA, BEN):
        file.row("jid_map", lid_row_id=file.jid(LIDS[who]), jid_row_id=file.jid(net(who)))
    file.chat(GROUP, GROUP_NAME, group_type=1)
    rows: dict[str, int] = {}
    for said in SAID:
        chat = GROUP if said.chat == GROUP else ANA_LID
        more: dict[str, Any] = {"from_me": int(said.by == ME), "status": 13 if said == ANSWER else 5}
        text: str | None = shown_text(said)
        if said == PICTURE:
            more["message_type"] = 1
        if said == MISTAKE:
            more["message_type"], text = 15, None
        sender = LIDS[said.by] if said.chat == GROUP and said.by != ME else None
        rows[said.id] = number = file.message(chat, said.id, said.at, text, sender, **more)
        if said == PICTURE:
            shape = {"mime_type": "image/jpeg", "width": 800, "height": 600}
            file.media(number, f"Media/WhatsApp Images/{PHOTO_NAME}", PHOTO, **shape)
        if said.answers:
            answered = next(other for other in SAID if other.id == said.answers)
            quote = {"key_id": answered.id, "from_me": int(answered.by == ME), "text_data": shown_text(answered)}
            numbers = {"chat_row_id": file.chat(chat), "parent_message_chat_row_id": file.chat(chat)}
            file.row("message_quoted", message_row_id=number, **quote, **numbers)
    times = {"edited_timestamp": EDIT.at * 1000, "sender_timestamp": EDIT.at * 1000}
    file.row("message_edit_info", message_row_id=rows[HELLO.id], original_key_id=HELLO.id, **times)
    file.row(
        "message_revoked",
        message_row_id=rows[MISTAKE.id],
        revoked_key_id=MISTAKE.id,
        revoke_timestamp=_deleted() * 1000,
    )
    for reacted in standing().values():
        by = None if reacted.by == ME else LIDS[reacted.by]
        file.reaction(rows[reacted.said.id], reacted.emoji, reacted.at, by, int(reacted.by == ME))
    receipts = ((ANSWER, ANA_LID, 61, 62), (TO_ALL, ANA_LID, 1, None), (TO_ALL, BEN_LID, None, 2))
    for said, jid, delivered, read in receipts:
        base = HELLO.at if said == ANSWER else said.at
        at = {"receipt_timestamp": delivered, "read_timestamp": read}
        told = {name: (base + late) * 1000 for name, late in at.items() if late is not None}
        file.row("receipt_user", message_row_id=rows[said.id], receipt_user_jid_row_id=file.jid(jid), **told)
    poll = file.message(GROUP, POLL.id, POLL.at, POLL.question, from_me=1, status=5, message_type=66)
    file.row("message_poll", message_row_id=poll, selectable_options_count=1)
    options = {name: file.row("message_poll_option", message_row_id=poll, option_name=name) for name in POLL.options}
    file.vote(poll, [options[VOTE.option]], VOTE.at, BEN_LID)
    return file.done()


def _deleted() -> int:
    return MISTAKE.at + 20


def iphone(folder: Path) -> Path:
    """The app's own files: ChatStorage.sqlite, and beside it the names and numbers."""
    file = IphoneStorage(folder / "ChatStorage.sqlite")
    file.chat(net(ANA), NAMES[ANA])
    file.chat(GROUP, GROUP_NAME, ZSESSIONTYPE=1)
    rows: dict[str, int] = {}
    for said in SAID:
        more: dict[str, Any] = {"ZISFROMME": int(said.by == ME)}
        if said.by != ME:
            more["ZTOJID"] = net(ME)
        text: str | None = shown_text(said)
        if said == PICTURE:
            more["ZMESSAGETYPE"], text = 1, None
        if said == MISTAKE:
            more["ZMESSAGETYPE"], text = 14, None
        if said.answers:
            more["ZPARENTMESSAGE"] = rows[said.answers]
        sender = net(said.by) if said.chat == GROUP and said.by != ME else None
        rows[said.id] = file.message(net(said.chat), said.id, said.at, text, sender, **more)
    name = f"Media/{net(ANA)}/a/b/photo.jpg"
    shape = {"ZFILESIZE": len(PHOTO), "ZVCARDSTRING": "image/jpeg", "ZTITLE": PICTURE.text}
    file.media(rows[PICTURE.id], ZMEDIALOCALPATH=name, **shape)
    stored = folder / "Message" / name
    stored.parent.mkdir(parents=True)
    stored.write_bytes(PHOTO)
    for reacted in standing().values():
        told = blob((1, reacted.id), (2, reacted.emoji), (3, reacted.at * 1000))
        if reacted.by != ME:
            told = blob((1, reacted.id), (2, net(reacted.by)), (3, reacted.emoji), (4, reacted.at * 1000))
        file.receipts(rows[reacted.said.id], blob((7, blob((2 if reacted.by == ME else 1, told)))))
    poll = file.message(GROUP, POLL.id, POLL.at, None, ZISFROMME=1, ZMESSAGETYPE=46)
    options = [(3, blob((1, option))) for option in POLL.options]
    file.receipts(poll, blob((8, blob((2, POLL.question), *options, (6, blob((1, 0)))))))
    path = file.done()
    people, pairs = contacts(folder / "ContactsV2.sqlite"), numbers(folder / "LID.sqlite")
    for who in (ANA, BEN):
        people.row("ZWAADDRESSBOOKCONTACT", ZFULLNAME=NAMES[who], ZWHATSAPPID=net(who))
        pairs.row("ZWAPHONENUMBERLIDPAIR", ZLID=LIDS[who], ZPHONENUMBER=net(who))
    people.done()
    pairs.done()
    return path


# Programs built on whatsmeow


def wacli(folder: Path) -> Path:
    file = GoFile(folder / "wacli.db", "wacli")
    file.row("groups", jid=GROUP, name=GROUP_NAME, updated_at=JOINED)
    for said in SAID:
        row: dict[str, Any] = {"chat_jid": net(said.chat), "msg_id": said.id, "ts": said.at, "text": shown_text(said)}
        row |= {"sender_jid": LIDS.get(said.by, net(said.by)), "from_me": int(said.by == ME)}
        row["sender_name"] = NAMES[said.by]
        if said == PICTURE:
            row |= {"media_type": "image", "mime_type": "image/jpeg", "file_length": len(PHOTO), "file_sha256": SHA256}
            row |= {"text": None, "media_caption": said.text}
        if said == EDIT.said:
            row |= {"edited": 1, "edited_ts": EDIT.at}
        if said == MISTAKE:
            row |= {"revoked": 1, "deleted_at": _deleted()}
        file.row("messages", **row | ({"quoted_msg_id": said.answers} if said.answers else {}))
    for step in DAY:
        if isinstance(step, Reacted):
            row = {"chat_jid": net(step.said.chat), "msg_id": step.id, "ts": step.at, "from_me": int(step.by == ME)}
            row |= {"sender_jid": LIDS.get(step.by, net(step.by)), "reaction_to_id": step.said.id}
            file.row("messages", **row, reaction_emoji=step.emoji)
    asked = {"chat_jid": GROUP, "msg_id": POLL.id}
    file.row("messages", **asked, ts=POLL.at, from_me=1, sender_jid=net(ME), text=POLL.question)
    more: dict[str, Any] = {"question": POLL.question, "options_json": json.dumps(POLL.options)}
    file.row("polls", **asked, **more, selectable_count=1, created_ts=POLL.at)
    chosen = {"selected_options_json": json.dumps([VOTE.option]), "ts": VOTE.at, "vote_msg_id": VOTE.id}
    file.row("poll_votes", chat_jid=GROUP, poll_msg_id=POLL.id, voter_jid=BEN_LID, **chosen)
    _session(folder / "session.db")
    return file.done()


def bridge(folder: Path) -> Path:
    """The database of the later whatsapp-mcp bridges."""
    file = GoFile(folder / "messages.db", "bridge")
    file.row("chats", jid=net(ANA), name=NAMES[ANA]).row("chats", jid=GROUP, name=GROUP_NAME)
    for said in SAID:
        row: dict[str, Any] = {"id": said.id, "chat_jid": net(said.chat), "content": shown_text(said)}
        row |= {"sender": LIDS.get(said.by, said.by).partition("@")[0], "timestamp": _clock(said.at)}
        row |= {"is_from_me": int(said.by == ME), "media_type": "", "quoted_message_id": said.answers}
        if said == PICTURE:
            row |= {"media_type": "image", "filename": "image_20260312_090200.jpg", "file_sha256": SHA256}
            row["file_length"] = len(PHOTO)
        if said == MISTAKE:
            row["deleted_at"] = _clock(_deleted())
        file.row("messages", **row)
    _session(folder / "whatsapp.db")
    return file.done()


def _session(path: Path) -> None:
    session(path, ME, lids={lid.partition("@")[0]: number for number, lid in LIDS.items()})


# Exported chats


def export(folder: Path, chat: str) -> Path:
    """``Export chat`` of an Android phone, with its files: times to the minute, names, no ids."""
    lines = []
    for said in SAID:
        if said.chat != chat:
            continue
        text = shown_text(said) + (" <This message was edited>" if said == EDIT.said else "")
        if said == MISTAKE:
            text = "This message was deleted"
        if said == PICTURE:
            text = f"\u200e{PHOTO_NAME} (file attached)\n{said.text}"
        at = datetime.fromtimestamp(said.at, UTC).strftime("%d/%m/%Y, %H:%M")
        lines.append(f"{at} - {NAMES[said.by]}: {text}")
    title = f"WhatsApp Chat with {NAMES[ANA] if chat == ANA else GROUP_NAME}"
    path = folder / f"{title}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{title}.txt", "\n".join(lines) + "\n")
        if chat == ANA:
            archive.writestr(PHOTO_NAME, PHOTO)
    return path
