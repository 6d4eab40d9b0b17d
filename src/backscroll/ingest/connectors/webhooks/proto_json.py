"""WhatsApp's own message protobuf as Baileys (``fileSha256``) and whatsmeow (``fileSHA256``) print it in JSON.

Field names are compared without case. Bytes come as Base64, as ``{"type": "Buffer"}``, as a list or as an object of
indices; 64-bit numbers as text, as numbers or as ``{"low", "high"}``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeGuard

from msgspec import Struct, structs

from backscroll.core.ids import canonical
from backscroll.core.model import Details, Kind, Location, Media, Poll, Quote
from backscroll.formats.places import place_at
from backscroll.ingest.connectors.webhooks.wire import storable

MAX_DEPTH = 12
_MAX_BYTES = 1 << 20

_WRAPPERS = (
    "deviceSentMessage",
    "botInvokeMessage",
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "lottieStickerMessage",
    "documentWithCaptionMessage",
    "editedMessage",
    "groupMentionedMessage",
    "associatedChildMessage",
    "eventCoverImage",
    "pollCreationOptionImageMessage",
    "botTaskMessage",
    "groupStatusMessage",
    "groupStatusMessageV2",
    "pollCreationMessageV4",
    "statusAddYours",
    "questionMessage",
    "questionReplyMessage",
    "botForwardedMessage",
    "spoilerMessage",
    "audioStickerMessage",
)
_MEDIA: tuple[tuple[str, Kind], ...] = (
    ("imageMessage", "image"),
    ("videoMessage", "video"),
    ("ptvMessage", "video_note"),
    ("audioMessage", "audio"),
    ("documentMessage", "document"),
    ("stickerMessage", "sticker"),
)
_POLLS = tuple(f"pollCreationMessage{version}" for version in ("", "V2", "V3", "V5", "V6"))
_POLL_RESULTS = ("pollResultSnapshotMessage", "pollResultSnapshotMessageV3")
_OTHERS: tuple[tuple[str, Kind, tuple[str, ...]], ...] = (
    ("buttonsResponseMessage", "interactive", ("selectedDisplayText",)),
    ("templateButtonReplyMessage", "interactive", ("selectedDisplayText",)),
    ("listResponseMessage", "interactive", ("title", "description")),
    ("interactiveResponseMessage", "interactive", ("body.text",)),
    ("interactiveMessage", "interactive", ("body.text", "header.title")),
    ("buttonsMessage", "interactive", ("contentText", "text")),
    ("listMessage", "interactive", ("description", "title")),
    (
        "templateMessage",
        "interactive",
        ("hydratedTemplate.hydratedContentText", "interactiveMessageTemplate.body.text"),
    ),
    ("highlyStructuredMessage", "interactive", ("hydratedHsm.hydratedTemplate.hydratedContentText",)),
    ("eventMessage", "event", ("name",)),
    ("groupInviteMessage", "group_invite", ("caption", "groupName")),
    ("orderMessage", "order", ("message", "orderTitle")),
    ("productMessage", "product", ("body", "product.title")),
    ("albumMessage", "album", ()),
    ("callLogMesssage", "call", ()),
    ("callLogMessage", "call", ()),
    ("placeholderMessage", "ciphertext", ()),
    ("sendPaymentMessage", "unknown", ("noteMessage.extendedTextMessage.text", "noteMessage.conversation")),
    ("requestPaymentMessage", "unknown", ("noteMessage.extendedTextMessage.text", "noteMessage.conversation")),
    ("invoiceMessage", "unknown", ("note",)),
    ("scheduledCallCreationMessage", "unknown", ("title",)),
    ("stickerPackMessage", "unknown", ("caption", "name")),
    ("newsletterAdminInviteMessage", "unknown", ("caption", "newsletterName")),
    ("newsletterFollowerInviteMessageV2", "unknown", ("caption", "newsletterName")),
    ("questionResponseMessage", "unknown", ("text",)),
    ("statusQuestionAnswerMessage", "unknown", ("text",)),
    ("statusQuotedMessage", "unknown", ("text",)),
    ("bcallMessage", "unknown", ("caption",)),
)
PIN = "pinInChatMessage"
_ACTIONS = (
    "reactionMessage",
    "encReactionMessage",
    "protocolMessage",
    "pollUpdateMessage",
    PIN,
    "keepInChatMessage",
    "encEventResponseMessage",
    "encCommentMessage",
    "secretEncryptedMessage",
)
_SILENT = {
    "senderkeydistributionmessage",
    "messagecontextinfo",
    "stickersyncrmrmessage",
    "fastratchetkeysenderkeydistributionmessage",
    "call",
}
REVOKE, EDIT = (0, "0", "REVOKE"), (14, "14", "MESSAGE_EDIT")
_EXPIRATION = (3, "3", "EPHEMERAL_SETTING")


def expiration_set(node: Node) -> int | None:
    """After how many seconds messages of the chat disappear from now on, 0 for never; None if this is no such setting.

    ``node`` is a protocol message.
    """
    return (node.number("ephemeralExpiration") or 0) if node.raw("type") in _EXPIRATION else None


class Node:
    """An object of the protobuf, asked by field names in any case; what does not fit a question is None."""

    __slots__ = ("_fields", "value")

    def __init__(self, value: object) -> None:
        self.value: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        self._fields = {name.lower(): item for name, item in self.value.items() if isinstance(name, str)}

    def __bool__(self) -> bool:
        return bool(self._fields)

    def names(self) -> list[str]:
        """Of the fields that hold something, as they are written."""
        return [name for name, item in self.value.items() if item is not None]

    def raw(self, name: str) -> Any:
        return self._fields.get(name.lower())

    def node(self, path: str) -> Node:
        """The object at a dotted path; an empty one when it is not there."""
        found = self
        for name in path.split("."):
            found = Node(found.raw(name))
        return found

    def text(self, path: str) -> str | None:
        """The text at a dotted path; None when it is empty, missing or something else."""
        parent, _, name = path.rpartition(".")
        value = (self.node(parent) if parent else self).raw(name)
        return value if isinstance(value, str) and value else None

    def number(self, name: str) -> int | None:
        return whole_number(self.raw(name))

    def real(self, name: str) -> float | None:
        """A number, None when it is missing or something else."""
        value = self.raw(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool | None:
        """true or false, None when it is missing or something else."""
        value = self.raw(name)
        return value if isinstance(value, bool) else None

    def bytes(self, name: str) -> bytes | None:
        return as_bytes(self.raw(name))

    def nodes(self, name: str) -> list[Node]:
        """The items of a list, none when it is missing."""
        value = self.raw(name)
        return [Node(item) for item in value] if isinstance(value, list) else []

    def texts(self, name: str) -> list[str]:
        """The texts in a list; what else stands there is left out."""
        value = self.raw(name)
        return [item for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def whole_number(value: object) -> int | None:
    """A number of up to 64 bits, however it is written."""
    if isinstance(value, Mapping):
        low, high = value.get("low"), value.get("high")
        value = (high << 32) + (low & 0xFFFFFFFF) if _is_whole(low) and _is_whole(high) else None
    if isinstance(value, str) and value.lstrip("-").isascii() and value.lstrip("-").isdigit() and len(value) <= 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if _is_whole(value) and -(2**63) <= value < 2**63 else None


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def as_bytes(value: object) -> bytes | None:
    """Bytes of a protobuf field in any of the shapes that JSON writers give them."""
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True) or None
        except (binascii.Error, ValueError):
            return None
    if isinstance(value, Mapping):
        value = value.get("data") if value.get("type") == "Buffer" else list(value.values())
        if isinstance(value, str):
            return as_bytes(value)
    if isinstance(value, list) and 0 < len(value) <= _MAX_BYTES and all(_is_byte(item) for item in value):
        return bytes(value)
    return None


def _is_byte(item: object) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= 255


class Content(Struct, frozen=True, kw_only=True):
    """What a message holds. ``action`` is the field that makes it a change of another message, with its node."""

    kind: Kind = "unknown"
    text: str | None = None
    details: Details = Details()
    action: str | None = None
    node: Any = None
    """A ``Node``: of the action, else of the content."""
    lasts: int | None = None
    """For how many seconds an action holds, where that is told."""


def read(message: object) -> Content | None:
    """The content of a ``message`` object; None when it holds nothing that anybody sees."""
    node, wrapped = _unwrapped(Node(message))
    if not [name for name in node.names() if name.lower() not in _SILENT]:
        return None
    for name in _ACTIONS:
        if found := node.node(name):
            return Content(action=name, node=found, lasts=_lasts(node, Node(message)))
    if comment := node.node("commentMessage"):
        return _comment(comment)
    content = _content(node)
    return Content(
        kind=content.kind,
        text=content.text,
        details=_wrapped_details(content.details, content.node or Node(None), wrapped),
        node=content.node,
    )


def _lasts(*holders: Node) -> int | None:
    """The context may stand beside the action, or outside of what the action is wrapped in."""
    told = (holder.node("messageContextInfo").number("messageAddOnDurationInSecs") for holder in holders)
    return next((seconds for seconds in told if seconds is not None), None)


def _comment(comment: Node) -> Content | None:
    """A comment on a message of a channel or an announcement answers that message, and holds no other comment."""
    inner = comment.raw("message")
    content = None if _unwrapped(Node(inner))[0].node("commentMessage") else read(inner)
    if content is None or content.action is not None:
        return None
    key = comment.node("targetMessageKey")
    sender = key.text("participant")
    quoted = Quote(id=key.text("id"), sender=canonical(sender) if sender else None)
    return structs.replace(content, details=structs.replace(content.details, quoted=quoted))


def _unwrapped(node: Node) -> tuple[Node, set[str]]:
    wrapped: set[str] = set()
    for _ in range(MAX_DEPTH):
        for name in _WRAPPERS:
            inner = node.node(name).node("message")
            if inner:
                wrapped.add(name)
                node = inner
                break
        else:
            break
    return node, wrapped


def _wrapped_details(details: Details, content: Node, wrapped: set[str]) -> Details:
    context = content.node("contextInfo")
    expires = context.number("expiration")
    once = any(name.startswith("viewOnce") for name in wrapped) or content.flag("viewOnce")
    fields = {name: getattr(details, name) for name in details.__struct_fields__}
    fields.update(
        quoted=_quote(context),
        mentions=tuple(canonical(jid) for jid in context.texts("mentionedJid")),
        is_forwarded=context.flag("isForwarded"),
        forwarding_score=context.number("forwardingScore"),
        is_ephemeral=True if "ephemeralMessage" in wrapped or expires else None,
        expires_after=expires or None,
        is_view_once=True if once else None,
    )
    return Details(**fields)


def _content(node: Node) -> Content:
    if (text := node.text("conversation")) is not None:
        return Content(kind="text", text=text, node=node)
    if extended := node.node("extendedTextMessage"):
        return Content(kind="text", text=extended.text("text") or extended.text("matchedText"), node=extended)
    for name, kind in _MEDIA:
        if file := node.node(name):
            return _media_content(kind, file)
    return _structured(node) or _other(node)


def _media_content(kind: Kind, file: Node) -> Content:
    if kind == "audio" and file.flag("ptt"):
        kind = "voice"
    details = Details(media=media(file), has_media=True, is_gif=file.flag("gifPlayback"))
    return Content(kind=kind, text=file.text("caption"), details=details, node=file)


def media(file: Node) -> Media:
    """A file as the protobuf describes it; the key and path with which a linked device may fetch it included.

    Evolution's instances on Meta's API fill it with Meta's names.
    """
    sha256, enc_sha256, key = file.bytes("fileSha256"), file.bytes("fileEncSha256"), file.bytes("mediaKey")
    if sha256 is None and (digest := file.bytes("sha256")) is not None and len(digest) == 32:
        sha256 = digest
    thumbnail, waveform = file.bytes("jpegThumbnail") or file.bytes("pngThumbnail"), file.bytes("waveform")
    return Media(
        mimetype=file.text("mimetype") or file.text("mime_type"),
        size=_natural(file.number("fileLength")),
        filename=file.text("fileName") or file.text("title"),
        sha256=sha256.hex() if sha256 else None,
        width=_natural(file.number("width")),
        height=_natural(file.number("height")),
        duration=_natural(file.number("seconds")),
        pages=_natural(file.number("pageCount")),
        url=file.text("url"),
        thumbnail=base64.b64encode(thumbnail).decode() if thumbnail else None,
        waveform=base64.b64encode(waveform).decode() if waveform else None,
        media_key=base64.b64encode(key).decode() if key else None,
        direct_path=file.text("directPath"),
        enc_sha256=enc_sha256.hex() if enc_sha256 else None,
    )


def _natural(value: int | None) -> int | None:
    return value if value is not None and value > 0 else None


def _structured(node: Node) -> Content | None:
    for name, kind in (("locationMessage", "location"), ("liveLocationMessage", "live_location")):
        if place := node.node(name):
            located = location(place)
            text = place.text("comment") or place.text("caption")
            return Content(kind=kind, text=text, details=Details(location=located), node=place)  # type: ignore[arg-type]
    if card := node.node("contactMessage"):
        return Content(kind="contact", details=Details(vcards=_vcards([card])), node=card)
    if cards := node.node("contactsArrayMessage"):
        return Content(kind="contacts", details=Details(vcards=_vcards(cards.nodes("contacts"))), node=cards)
    for name in _POLLS:
        if found := node.node(name):
            return Content(kind="poll", text=found.text("name"), details=Details(poll=_poll(found)), node=found)
    for name in _POLL_RESULTS:
        if found := node.node(name):
            return Content(kind="poll", text=found.text("name"), details=Details(poll=_poll_result(found)), node=found)
    return None


def _other(node: Node) -> Content:
    for name, kind, texts in _OTHERS:
        if found := node.node(name):
            text = next((text for path in texts if (text := found.text(path))), None)
            shape = None if kind in ("album", "call") else storable(found.value)
            details = Details(
                interactive=shape if kind in ("interactive", "product", "order", "event") else None,
                invite=shape if kind == "group_invite" else None,
                type_name=name if kind == "unknown" else None,
            )
            return Content(kind=kind, text=text, details=details, node=found)
    names = [name for name in node.names() if name.lower() not in _SILENT]
    return Content(details=Details(type_name=names[0] if names else None), node=node)


def location(place: Node) -> Location | None:
    """A place on the map; None without coordinates that exist on Earth."""
    return place_at(
        place.real("degreesLatitude"),
        place.real("degreesLongitude"),
        name=place.text("name"),
        address=place.text("address"),
        url=place.text("url"),
        accuracy=place.real("accuracyInMeters"),
    )


def _vcards(cards: list[Node]) -> tuple[str, ...]:
    return tuple(vcard for card in cards if (vcard := card.text("vcard")))


def _poll(node: Node) -> Poll:
    options = tuple(name for option in node.nodes("options") if (name := option.text("optionName")) is not None)
    return Poll(name=node.text("name") or "", options=options, selectable=node.number("selectableOptionsCount"))


def _poll_result(node: Node) -> Poll:
    """A poll as somebody passed on its result, which is all that is known of its votes."""
    told = [
        (name, vote.number("optionVoteCount")) for vote in node.nodes("pollVotes") if (name := vote.text("optionName"))
    ]
    counts = {name: count for name, count in told if count is not None}
    return Poll(name=node.text("name") or "", options=tuple(name for name, _ in told), counts=counts or None)


def _quote(context: Node) -> Quote | None:
    id = context.text("stanzaId")
    quoted = context.node("quotedMessage")
    if id is None and not quoted:
        return None
    content = _of_quote(quoted) if quoted else None
    sender = context.text("participant")
    return Quote(
        id=id,
        sender=canonical(sender) if sender else None,
        text=content.text if content else None,
        kind=None if content is None or content.kind == "unknown" else content.kind,
    )


def _of_quote(quoted: Node) -> Content:
    """What a quoted message says; what it quotes itself is left out, so that no depth of quotes exhausts the stack."""
    node = _unwrapped(quoted)[0]
    return _content(_unwrapped(node.node("commentMessage.message"))[0] or node)
