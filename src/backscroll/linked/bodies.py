"""Converting a frame of the spool into what is sent to the server: one body, or many for a history."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from neonize.events import INT_TO_EVENT
from neonize.proto import Neonize_pb2 as neonize

from backscroll.linked.additions import opened, sealed_in
from backscroll.linked.history import Piece, pieces
from backscroll.linked.local import Local, Secret, Wanted
from backscroll.linked.plain import jid_text, plain, with_unknown
from backscroll.linked.spool import Entry

HISTORY, MESSAGE, UNDECRYPTABLE = 13, 17, 44
CONTACTS, GROUP, SETTINGS = 100, 101, 102
"""Numbers of our own, for what is asked of the library and not told by it."""
MEDIA = ("imageMessage", "videoMessage", "ptvMessage", "audioMessage", "documentMessage", "stickerMessage")
_WRAPPERS = (
    "deviceSentMessage",
    "botInvokeMessage",
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "lottieStickerMessage",
    "documentWithCaptionMessage",
    "groupMentionedMessage",
    "associatedChildMessage",
    "groupStatusMessage",
    "groupStatusMessageV2",
)
_MAX_DEPTH = 12
_LID = "@lid"
_MAX_LID = 64


class Own(Struct, frozen=True):
    """The account that the device belongs to: by number, and by hidden id where it is known."""

    jid: str
    lid: str | None = None


class Bodies:
    """Makes bodies of frames, and remembers in ``local`` what later ones need."""

    def __init__(self, local: Local, max_file_bytes: int, numbers: Callable[[set[str]], dict[str, str]]) -> None:
        self._local = local
        self._numbers = numbers
        self._max_file_bytes = max_file_bytes

    def of(self, entry: Entry, own: Own) -> Iterator[dict[str, Any]]:
        """The bodies of a frame, in order. Unreadable bytes are passed on whole, as ``Unreadable``."""
        for body in self._bodies(entry, own):
            known = self._numbers(set(lids_in(body)))
            yield body | {"numbers": known} if known else body

    def _bodies(self, entry: Entry, own: Own) -> Iterator[dict[str, Any]]:
        try:
            if entry.code == HISTORY:
                yield from (self._head(entry, own, "History") | body for body in self._history(entry, own))
            elif entry.code in (CONTACTS, SETTINGS):
                name = "Contacts" if entry.code == CONTACTS else "ChatSettings"
                yield self._head(entry, own, name) | {"data": msgspec.json.decode(entry.payload)}
            else:
                yield from self._event(entry, own)
        except Exception as error:
            # A frame that nobody can read must not keep back all that came after it.
            payload = base64.b64encode(entry.payload).decode()
            problem = str(error)[:200] if isinstance(error, ValueError) else type(error).__name__
            yield self._head(entry, own, "Unreadable") | {"code": entry.code, "problem": problem, "bytes": payload}

    def _head(self, entry: Entry, own: Own, event: str) -> dict[str, Any]:
        return {"event": event, "at": entry.at, "own": own.jid, "own_lid": own.lid}

    def _event(self, entry: Entry, own: Own) -> Iterator[dict[str, Any]]:
        kind = neonize.GroupInfo if entry.code == GROUP else INT_TO_EVENT[entry.code]
        event = kind.FromString(entry.payload)
        data = plain(event)
        body = self._head(entry, own, kind.DESCRIPTOR.name) | {"data": data}
        if entry.code == MESSAGE:
            found = self._message(event, entry, own)
            data.pop("Raw", None)
            data.pop("SourceWebMsg", None)
            body = with_unknown(event, event.Message, body) | ({} if found is None else {"opened": found})
        if "basicCallMeta" in data:
            data |= self._call(event, data)
        yield body

    def _call(self, event: Any, data: dict[str, Any]) -> dict[str, Any]:
        """When a call began and what kind it is, which its end does not tell."""
        id, at = event.basicCallMeta.callID, event.basicCallMeta.timestamp
        if event.DESCRIPTOR.name != "CallTerminate":
            video = data.get("media") == "video" or any(node.Tag == "video" for node in event.data.Nodes)
            self._local.call_began(id, at, video)
            return {"began": at, "video": video}
        known = self._local.beginning_of(id)
        if known is None:
            return {}
        began, video = known
        return {"began": began, "video": video}

    # One message

    def _message(self, event: Any, entry: Entry, own: Own) -> dict[str, Any] | None:
        """What an encrypted addition says; its secret and its file are remembered."""
        info, source = event.Info, event.Info.MessageSource
        spellings = [jid for jid in map(jid_text, (source.Sender, source.SenderAlt)) if jid]
        if source.IsFromMe:
            spellings += [jid for jid in (own.jid, own.lid) if jid]
        adders = [without_device(jid) for jid in spellings]
        chat = jid_text(source.Chat) or ""
        self._remember([(chat, info.ID, adders[0] if adders else "", event.Message, None)], live=True)
        sealed = sealed_in(event.Message)
        if sealed is None:
            return None
        senders = [*adders, without_device(chat), *(jid for jid in (own.jid, own.lid) if jid)]
        message = opened(sealed, self._local.secrets_of(sealed.id), senders, adders)
        if message is None:
            self._local.hold(sealed.id, entry)
            return None
        return plain(message)

    def released(self, ids: list[str]) -> list[tuple[int, Entry]]:
        """Additions that waited for messages which have come now."""
        return self._local.held_for(ids)

    def _remember(self, messages: list[tuple[str, str, str, Any, bytes | None]], live: bool) -> None:
        secrets, wanted = [], []
        for chat, id, sender, message, secret in messages:
            secret = secret or message.messageContextInfo.messageSecret
            if secret:
                secrets.append(Secret(id, sender, secret))
            if (file := self._file(chat, id, sender or None, message, live)) is not None:
                wanted.append(file)
        self._local.learn(secrets, wanted)

    def _file(self, chat: str, id: str, sender: str | None, message: Any, live: bool) -> Wanted | None:
        """The file of a message that is small enough to be fetched and says how."""
        inner = _unwrapped(message)
        name = next((name for name in MEDIA if inner.HasField(name)), None)
        if name is None:
            return None
        file = getattr(inner, name)
        if not (file.mediaKey and file.fileSHA256 and (file.directPath or file.URL)):
            return None
        if file.fileLength > self._max_file_bytes:
            return None
        part = type(inner)()
        getattr(part, name).CopyFrom(file)
        for heavy in ("JPEGThumbnail", "pngThumbnail", "contextInfo"):
            if heavy in file.DESCRIPTOR.fields_by_name:
                getattr(part, name).ClearField(heavy)
        return Wanted(
            chat=chat,
            id=id,
            sender=sender,
            live=live,
            size=file.fileLength or None,
            sha256=file.fileSHA256.hex(),
            mimetype=file.mimetype or None,
            filename=getattr(file, "fileName", "") or None,
            content=part.SerializeToString(),
        )

    # A history

    def _history(self, entry: Entry, own: Own) -> Iterator[dict[str, Any]]:
        for piece in pieces(entry.payload):
            head = plain(piece.head)
            if piece.conversation is None:
                yield {
                    "data": head
                    | {
                        "pushnames": [plain(name) for name in piece.names],
                        "lids": [plain(pair) for pair in piece.lids],
                        "calls": [plain(call) for call in piece.calls],
                    }
                }
                continue
            self._remember([_of_history(piece, message, own) for message in piece.messages], live=False)
            messages = [with_unknown(message, message.message, plain(message)) for message in piece.messages]
            yield {"data": head | {"conversation": plain(piece.conversation), "messages": messages}}


def _of_history(piece: Piece, message: Any, own: Own) -> tuple[str, str, str, Any, bytes | None]:
    chat = message.key.remoteJID or piece.conversation.ID
    sender = own.jid if message.key.fromMe else message.participant or message.key.participant or chat
    return chat, message.key.ID, without_device(sender), message.message, message.messageSecret or None


def lids_in(value: Any) -> Iterator[str]:
    """Every LID in a body, without its device."""
    match value:
        case str():
            if value.endswith(_LID) and len(value) < _MAX_LID:
                yield without_device(value)
        case list():
            for item in value:
                yield from lids_in(item)
        case dict():
            for item in value.values():
                yield from lids_in(item)


def ids_told(body: dict[str, Any]) -> list[str]:
    """Ids of the messages whose secrets a body may have brought."""
    data = body.get("data", {})
    if body.get("event") == "Message":
        return [data["Info"]["ID"]]
    return [message["key"]["ID"] for message in data.get("messages", ()) if message.get("key", {}).get("ID")]


def _unwrapped(message: Any) -> Any:
    for _ in range(_MAX_DEPTH):
        name = next((name for name in _WRAPPERS if message.HasField(name)), None)
        if name is None:
            return message
        message = getattr(message, name).message
    return message


def without_device(jid: str) -> str:
    """The account of a JID that names a device."""
    user, at, server = jid.partition("@")
    return f"{user.partition(':')[0].partition('.')[0]}{at}{server}"
