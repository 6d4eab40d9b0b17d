"""What kind of file it is: one table of types and endings, and a look at the first bytes as a check."""

from __future__ import annotations

import re

import filetype

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 8192
"""As many of the first bytes as ``mimetype_of`` can use."""

# Ours and not the system's (`mimetypes` reads /etc/mime.types), so that a link means the same on every machine.
# Types that a browser would run (HTML, SVG, scripts) are left out: they travel as .bin.
MIMETYPES: dict[str, str] = {
    "3gp": "video/3gpp",
    "7z": "application/x-7z-compressed",
    "aac": "audio/aac",
    "amr": "audio/amr",
    "apk": "application/vnd.android.package-archive",
    "avi": "video/x-msvideo",
    "avif": "image/avif",
    "bin": UNKNOWN,
    "bmp": "image/bmp",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "gif": "image/gif",
    "gz": "application/gzip",
    "heic": "image/heic",
    "ics": "text/calendar",
    "jpg": "image/jpeg",
    "json": "application/json",
    "m4a": "audio/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/opus",
    "pdf": "application/pdf",
    "png": "image/png",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "rar": "application/vnd.rar",
    "rtf": "application/rtf",
    "tar": "application/x-tar",
    "tif": "image/tiff",
    "txt": "text/plain",
    "vcf": "text/vcard",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "webm": "video/webm",
    "webp": "image/webp",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
EXTENSIONS: dict[str, str] = {mimetype: extension for extension, mimetype in MIMETYPES.items()}

# Other names for the same thing, as phones, sniffers and old programs write them.
ALIASES: dict[str, str] = {
    "application/ogg": "audio/ogg",
    "application/x-rar-compressed": "application/vnd.rar",
    "audio/3gpp": "video/3gpp",
    "audio/m4a": "audio/mp4",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/apng": "image/png",
    "image/heif": "image/heic",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "text/x-vcard": "text/vcard",
    "video/3gp": "video/3gpp",
    "video/avi": "video/x-msvideo",
    "video/x-m4v": "video/mp4",
}

# One container, several names: the first bytes do not distinguish sound from pictures, so the sender's type is used.
CONTAINERS: tuple[frozenset[str], ...] = (
    frozenset({"video/mp4", "audio/mp4", "video/3gpp", "video/quicktime", "audio/aac"}),
    frozenset({"audio/ogg", "video/ogg", "audio/opus"}),
    frozenset({"video/webm", "audio/webm", "video/x-matroska"}),
)

_MIMETYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


def mimetype_of(head: bytes, declared: str | None, filename: str | None) -> str:
    """The type to go by: as declared, unless the first bytes contradict it.

    Pictures, sound, video and PDF must look the part; what does not is only bytes, whatever it was called.
    """
    said = normal_mimetype(declared) or UNKNOWN
    if said == UNKNOWN:
        said = _mimetype_by_name(filename)
    seen = _sniff(head)
    if any(said in names and seen in names for names in CONTAINERS):
        return said
    if _shows_itself(said):
        return said if said == seen else seen or UNKNOWN
    if seen is not None and (said == UNKNOWN or said.startswith("text/")):
        return seen
    return said


def normal_mimetype(mimetype: str | None) -> str | None:
    """Lower case, without parameters and by its usual name; None when it is no media type at all."""
    essence = (mimetype or "").partition(";")[0].strip().lower()
    return ALIASES.get(essence, essence) if _MIMETYPE.fullmatch(essence) else None


def extension_of(mimetype: str | None, filename: str | None) -> str:
    """The ending of a link: by the type, else by the name, else ``bin``."""
    return EXTENSIONS.get(normal_mimetype(mimetype) or _mimetype_by_name(filename), "bin")


def _mimetype_by_name(filename: str | None) -> str:
    ending = (filename or "").rpartition(".")[2].lower()
    return MIMETYPES.get({"jpeg": "jpg", "oga": "ogg", "tiff": "tif"}.get(ending, ending), UNKNOWN)


def _shows_itself(mimetype: str) -> bool:
    return mimetype.startswith(("image/", "audio/", "video/")) or mimetype == "application/pdf"


def _sniff(head: bytes) -> str | None:
    try:
        kind = filetype.guess(head)
    except Exception:  # whatever a library makes of hostile bytes, it has not recognised them
        return None
    if kind is not None:
        return normal_mimetype(str(kind.mime))
    # The library knows only some of the brands that phones write.
    return "video/mp4" if head[4:8] == b"ftyp" else None
