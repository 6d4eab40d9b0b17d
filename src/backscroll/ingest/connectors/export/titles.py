"""What the names of files and folders say about a chat.

Android writes ``WhatsApp Chat with Ana.txt``, an iPhone ``WhatsApp Chat - Ana.zip`` with ``_chat.txt`` in it, each in
the phone's language. Browsers, phones and file managers add marks of their own to the names of copies.
"""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

from backscroll.ingest.connectors.export.wording import unmark

_TITLES = re.compile(
    r"""^(?:
      WhatsApp[ -]Chat\ with | WhatsApp[ -]Chat\ mit | WhatsApp[ -]?Chat\ met | WhatsApp[ -]Chat\ -
    | Chat\ de\ WhatsApp\ con | Chat\ de\ WhatsApp\ amb | Chat\ do\ WhatsApp\ com | Conversa\ do\ WhatsApp\ com
    | Conversa\ de\ WhatsApp\ amb | Xat\ de\ WhatsApp\ amb | Discussion\ WhatsApp\ avec | Chat\ WhatsApp\ con
    | Chat\ WhatsApp\ dengan | Sembang\ WhatsApp\ dengan | Chat\ WhatsApp\ s\ uživatelem | Chat\ WhatsApp\ s
    | Chat\ WhatsApp\ cu | Conversație\ WhatsApp\ cu | Czat\ WhatsApp\ z | Chat\ (?:na\ )?WhatsAppu?\ z
    | WhatsApp[ -]chatt\ med | WhatsApp[ -]chat\ med | WhatsApp[ -]samtale\ med | WhatsApp-beszélgetés:?
    | WhatsApp[ -]keskustelu[:]? | Чат\ WhatsApp\ с\ контактом | Чат\ WhatsApp\ с | Чат\ WhatsApp\ з(?:\ контактом)?
    | Чат\ в\ WhatsApp\ с | Συνομιλία\ WhatsApp\ με | Συζήτηση\ WhatsApp\ με | Đoạn\ chat\ WhatsApp\ với
    | Cuộc\ trò\ chuyện\ WhatsApp\ với | Trò\ chuyện\ WhatsApp\ với | แชท\ WhatsApp\ กับ | แชต\ WhatsApp\ กับ
    | محادثة\ واتساب\ مع | دردشة\ واتساب\ مع | دردشة\ WhatsApp\ مع | گفتگوی\ واتساپ\ با | چت\ واتساپ\ با
    | צ['׳’]אט\ WhatsApp\ עם | צ['׳’]אט\ וואטסאפ\ עם | שיחת\ WhatsApp\ עם
    | WhatsApp\ 聊天\ - | WhatsApp\ Chat\ -
    )\ *(?P<title>.+)$""",
    re.VERBOSE | re.IGNORECASE,
)
_TITLES_BEHIND = re.compile(
    r"""^[与與和]?(?P<title>.+?)(?:
      \ ile\ WhatsApp\ Sohbeti | ['’](?:ile|yle|la|le)\ WhatsApp\ Sohbeti | とのWhatsAppトーク | とのトーク履歴
    | 님과의\ WhatsApp\ 대화 | 님과\ 나눈\ WhatsApp\ 대화 | 的\ ?WhatsApp\ ?(?:聊天|对话|對話)(?:记录|記錄)?
    | \ के\ साथ\ WhatsApp\ चैट
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_COPY = (
    "copy|copie|kopie|copia|cópia|còpia|kopia|kopi|kopio|kopiointi|kópia|kopija|koopia|kopya|kopie|másolat|копия|копія"
    "|копие|копија|αντίγραφο|副本|拷贝|拷貝|复制|複製|コピー|복사본|사본|salinan|สำเนา|bản sao|sao chép"
    "|نسخة|کپی|עותק|प्रतिलिपि"
)
_SURE = re.compile(
    rf"(?:\s*\(\d{{1,3}}\)|\.(?:txt|zip)|_+|\s+[-–]\s+(?:{_COPY})(?:\s*\(?\d{{1,3}}\)?)?)\s*$", re.IGNORECASE
)
"""Endings that are hardly ever part of a chat's own name."""
_PERHAPS = re.compile(rf"(?:\s\d{{1,3}}|-\d{{1,3}}|\s(?:{_COPY})(?:\s\d{{1,3}})?)\s*$", re.IGNORECASE)
"""Endings that may also be part of a chat's own name: ``Plot 14``."""
_COPY_OF = re.compile(
    r"^(?:copy of|copie de|copia de|copia di|cópia de|còpia de|kopie von|kopie van|kopia|kopi av|kopi af"
    r"|копия|копія)\s+",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"^(?:_?chats?|whatsapp(?:[ _-]chats?)?|downloads?|desktop|documents?|files?|media|tmp|temp|exports?|data|unzipped"
    r"|archives?|new folder|untitled.*|backups?|home|root|\W*|\d+)$",
    re.IGNORECASE,
)


class Sign(Struct, frozen=True):
    """A chat's name as one file or folder tells it."""

    title: str
    is_whatsapps: bool
    """By a name of the form that WhatsApp gives, not by any name at all."""
    shorter: str | None = None
    """The title less an end that a copy may have added, or that may be its own."""


def title_of(name: str) -> str | None:
    """``WhatsApp Chat with Mara.txt`` is about Mara; None for names of no known form (``_chat.txt``)."""
    stem = _COPY_OF.sub("", _stem(name))
    match = _TITLES_BEHIND.match(stem) or _TITLES.match(stem)
    return match["title"].strip(' “”"「」') or None if match else None


def sign_of(name: str) -> Sign | None:
    """What the name of a file or folder tells; None where it is one that anything may have."""
    stem = _without_copy_marks(_stem(name))
    title = title_of(stem)
    if title is None and (_GENERIC.match(stem) or not stem):
        return None
    told = title or stem
    shorter = _without_copy_marks(_PERHAPS.sub("", told))
    return Sign(told, title is not None, shorter if shorter and shorter != told else None)


def signs_of(*names: str) -> tuple[Sign, ...]:
    """The signs of some names, each once, those of WhatsApp's own form first."""
    signs = [sign for name in names if (sign := sign_of(name))]
    return tuple(dict.fromkeys(sorted(signs, key=lambda sign: not sign.is_whatsapps)))


def is_generic(name: str) -> bool:
    """Whether a file's name tells nothing, so that its folder's may."""
    return sign_of(name) is None


def is_same_title(one: str, other: str) -> bool:
    """Whether two spellings may be of one title: file names lose signs, and long ones their end."""
    short, long = sorted((_letters(one), _letters(other)), key=len)
    return short == long or (len(short) >= 8 and long.startswith(short))


def _letters(title: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", title).casefold() if c.isalnum())


def _stem(name: str) -> str:
    stem = unicodedata.normalize("NFC", unmark(name)).replace("\u00a0", " ").replace("\u202f", " ").strip()
    return re.sub(r"\.(?:txt|zip)$", "", stem, flags=re.IGNORECASE)


def _without_copy_marks(title: str) -> str:
    while (shorter := _SURE.sub("", title).strip()) != title and shorter:
        title = shorter
    return title
