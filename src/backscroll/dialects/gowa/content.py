"""How GOWA puts messages that are not text into its ``content`` and ``filename``."""

from __future__ import annotations

import re
from functools import lru_cache

from backscroll.core.model import Location, Media, Message
from backscroll.formats.jsontext import encode, number
from backscroll.formats.timestamps import compact_text

_NAME = re.compile(r"^(?:[\w-]+\.)?FN(?:;[^:\r\n]*)?:(.*)$", re.I | re.M)
_NUMBER = re.compile(r"^(?:[\w-]+\.)?TEL(?:;[^:\r\n]*)?:(.*)$", re.I | re.M)
_FOLDED = re.compile(r"\r?\n[ \t]")
_ESCAPED = re.compile(r"\\([\\,;nN])")
_UNSAFE = re.compile(r"[^\w-]+")
_MIMETYPE = re.compile(r"[a-z]+/([a-z0-9][a-z0-9.+-]*)", re.I)
_MAX_CAPTION = 30

_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/opus": "ogg",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
}
_USUAL_EXTENSIONS = {"image": "jpg", "video": "mp4", "video_note": "mp4", "audio": "ogg", "sticker": "webp"}


def content_of(message: Message) -> str:
    """The text or caption, otherwise one line that describes what was shared; "" if there is nothing to describe."""
    if message.text:
        return message.text
    details = message.details
    if message.kind == "call" or details.call is not None:
        return "Outgoing call" if details.call is not None and details.call.outgoing else "Incoming call"
    if details.vcards:
        return contacts_line(details.vcards)
    if details.location is not None:
        return location_line(details.location)
    return details.poll.name if details.poll is not None else ""


def contacts_line(vcards: tuple[str, ...]) -> str:
    """``Contact: NAME (PHONE)``, or ``Contacts: …`` for several."""
    return f"{'Contact' if len(vcards) == 1 else 'Contacts'}: {', '.join(_person(card) for card in vcards)}"


def _person(vcard: str) -> str:
    text = _FOLDED.sub("", vcard)
    name, phone = _first(_NAME, text), _first(_NUMBER, text)
    return f"{name} ({phone})" if name and phone else name or phone


def _first(field: re.Pattern[str], text: str) -> str:
    found = field.search(text)
    return _ESCAPED.sub(lambda match: " " if match[1] in "nN" else match[1], found[1].strip()) if found else ""


def location_line(place: Location) -> str:
    """``NAME — ADDRESS — https://maps.google.com/?q=LAT,LON``, without unknown parts."""
    point = ",".join(encode(number(part)).decode() for part in (place.latitude, place.longitude))
    return " — ".join(part for part in (place.name, place.address, f"https://maps.google.com/?q={point}") if part)


def file_name(message: Message, media: Media, media_type: str) -> str:
    """The file's own name, otherwise one made of kind, time and caption: ``image_20260115_103000.jpg``."""
    if media.filename:
        return media.filename
    caption = _UNSAFE.sub("_", message.text[:_MAX_CAPTION]).strip("_") if message.text else ""
    stem = f"{media_type}_{compact_text(message.sent_at)}"
    return f"{stem}{'_' + caption if caption else ''}.{_extension(media.mimetype, media_type)}"


@lru_cache(maxsize=256)
def _extension(mimetype: str | None, media_type: str) -> str:
    plain = (mimetype or "").partition(";")[0].strip().lower()
    if plain in _EXTENSIONS:
        return _EXTENSIONS[plain]
    found = _MIMETYPE.fullmatch(plain)
    subtype = found[1] if found else ""
    usual = _USUAL_EXTENSIONS.get(media_type, "bin")
    return subtype if subtype.isalnum() and len(subtype) <= 5 else usual
