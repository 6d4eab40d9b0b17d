"""Where WAHA puts the files of messages: one folder a session, named by the message's id in WAHA's own spelling."""

from __future__ import annotations

import mimetypes

from backscroll.core import ids
from backscroll.core.events import Target
from backscroll.core.model import Message
from backscroll.ingest.connectors.foreign.pieces import LocalFile

_USUAL = {
    "image/jpeg": (".jpeg", ".jpg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "video/mp4": (".mp4",),
    "audio/ogg": (".oga", ".ogg"),
    "audio/mp4": (".m4a", ".mp4"),
    "application/pdf": (".pdf",),
}


def file_of(message: Message) -> LocalFile | None:
    """The names under which the file of a message may be; None where it has none."""
    media, key = message.details.media, message.key
    if media is None:
        return None
    mimetype = (media.mimetype or "").partition(";")[0].strip()
    endings = (*_USUAL.get(mimetype, ()), *mimetypes.guess_all_extensions(mimetype)) if mimetype else ()
    names = [f"{name}{ending}" for name in _ids(message) for ending in dict.fromkeys((*endings, ".bin", ""))]
    return LocalFile(Target(key.phone, key.chat, key.id, key.sender), names[0], media, also=tuple(names[1:]))


def _ids(message: Message) -> list[str]:
    """``true_<chat>_<id>``, in groups with the sender behind it; newer versions use the bare id."""
    key = message.key
    start = f"{'true' if message.from_me else 'false'}_{_web(key.chat)}_{key.id}"
    named = [f"{start}_{_web(key.sender)}"] if key.sender and not ids.is_person(key.chat) else []
    return [start, *named, key.id]


def _web(jid: str) -> str:
    user, _, server = jid.partition("@")
    return f"{user}@c.us" if server == ids.USER else jid
