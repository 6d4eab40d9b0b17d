"""The container of an export: a text file, a zip or a folder, none of which is trusted."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

from msgspec import Struct, structs

from backscroll.core.errors import Unreadable
from backscroll.core.text import counted
from backscroll.ingest.connectors.export.blocks import looks_like_export
from backscroll.ingest.connectors.export.held import HeldText, Text
from backscroll.ingest.connectors.export.titles import Sign, is_generic, signs_of, title_of

Opener = Callable[[], BinaryIO]
"""Opens one attachment for reading from its start; the caller closes it."""


class Caps(Struct, frozen=True, kw_only=True):
    """Limits above which a container is refused."""

    entries: int = 50_000
    text: int = 512 * 2**20
    """Bytes of the chat's text."""
    file: int = 4 * 2**30
    """Bytes of one attachment."""
    total: int = 128 * 2**30
    """Bytes of all attachments together."""
    ratio: int = 200
    """Maximum compression ratio of a file, beyond its first 8 MiB."""


class ExportArchive(Struct, frozen=True, kw_only=True):
    text: Text
    signs: tuple[Sign, ...] = ()
    """Signs about the chat from names of files and folders, the one closest to its text first."""
    attachments: dict[str, Opener] = {}
    """By name. Reading raises Unreadable where the file is damaged or larger than allowed."""

    is_folder: bool = False
    """Then files that have nothing to do with the chat may lie in it."""

    @property
    def title(self) -> str | None:
        """The chat's name by a file's or folder's name of the form that WhatsApp gives."""
        return next((sign.title for sign in self.signs if sign.is_whatsapps), None)


_UNPACK = "unpack it and import the folder that they are in"
_FREE_OF_RATIO = 8 * 2**20
_MAX_NAME = 1024
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, OverflowError, ValueError)


def open_export(path: Path, caps: Caps | None = None) -> ExportArchive:
    """Find the chat and the files in an export of WhatsApp's "Export chat". Raises Unreadable for anything else."""
    caps = caps or Caps()
    try:
        if path.is_dir():
            return _open_folder(path, caps)
        if path.exists() and not path.is_file():
            raise Unreadable("export", path.name, "this is neither a file nor a folder")
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04" or path.suffix.lower() == ".zip":
                return _open_zip(path, caps)
            file.seek(0)
            text = _read_text(file, path.name, caps)
    except OSError as error:
        raise Unreadable("export", path.name, f"this cannot be read: {error.strerror or 'input error'}") from None
    place = path.absolute().parent.name if is_generic(path.name) else path.name
    return ExportArchive(text=text, signs=signs_of(place))


def _open_folder(folder: Path, caps: Caps) -> ExportArchive:
    files: dict[str, Opener] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_symlink() or not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            raise Unreadable("export", entry.name, "links and special files are not followed; remove it")
        if entry.is_file(follow_symlinks=False):
            _check_name(entry.name)
            files[unicodedata.normalize("NFC", entry.name)] = _file_opener(Path(entry.path), caps)
        if len(files) > caps.entries:
            raise _too_many(folder.name, caps)
    return structs.replace(_assemble(files, folder.absolute().name, caps), is_folder=True)


def _file_opener(path: Path, caps: Caps) -> Opener:
    def open_file() -> BinaryIO:
        """Raises ``Unreadable`` if it cannot be opened; a link that has replaced it since is not followed."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            raw = os.fdopen(os.open(path, flags), "rb")
        except OSError as error:
            raise Unreadable("export", path.name, f"this cannot be read: {error.strerror}") from None
        return io.BufferedReader(_Counted(raw, path.name, caps.file))

    return open_file


def _open_zip(path: Path, caps: Caps) -> ExportArchive:
    _check_directory(path, caps)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(archive.infolist()) > caps.entries:
                raise _too_many(path.name, caps)
            for info in archive.infolist():
                _check_entry(info)
            _check_overlap(path, archive)
    except _DAMAGE as error:
        raise Unreadable("export", path.name, f"this zip is damaged ({type(error).__name__})") from None
    if (
        sum(info.file_size for info in infos if info.file_size <= caps.file and not _claims_too_much(info, caps))
        > caps.total
    ):
        raise Unreadable("export", path.name, "the files in this zip are larger in total than allowed")
    names = {_name_of(info): info for info in infos}
    _refuse_clashes([_name_of(info) for info in infos])
    openers = {name: _zip_opener(path, info, caps) for name, info in names.items()}
    return _assemble(openers, path.name, caps)


def _name_of(info: zipfile.ZipInfo) -> str:
    """The entry's name. Without the flag for UTF-8 zipfile takes it for cp437, and phones never mean that."""
    name = info.filename
    if not info.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return unicodedata.normalize("NFC", name)


def _check_directory(path: Path, caps: Caps) -> None:
    """Refuse a list of entries that is too long before zipfile reads all of it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - 65_557)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise Unreadable("export", path.name, "this zip is damaged (it has no end)")
        entries, length = struct.unpack("<HL", tail[at + 10 : at + 16])
        if entries == 0xFFFF or length == 0xFFFFFFFF:
            entries, length = _long_directory(file, tail[max(0, at - 20) : at], path)
    if entries > caps.entries or length > caps.entries * 512 + 2**20:
        raise _too_many(path.name, caps)


def _long_directory(file: BinaryIO, locator: bytes, path: Path) -> tuple[int, int]:
    if len(locator) == 20 and locator.startswith(b"PK\x06\x07"):
        file.seek(struct.unpack("<Q", locator[8:16])[0])
        record = file.read(56)
        if len(record) == 56 and record.startswith(b"PK\x06\x06"):
            entries, length = struct.unpack("<QQ", record[32:48])
            return entries, length
    raise Unreadable("export", path.name, "this zip is damaged (its list of entries is not where it should be)")


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    _check_name(name.rstrip("/"))
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Unreadable("export", _shown(name), "links and special files in a zip are not allowed")
    if info.flag_bits & (0x1 | 0x40 | 0x2000):
        raise Unreadable("export", _shown(name), "this zip is encrypted; unpack it and import the folder")
    if info.compress_type not in _METHODS:
        raise Unreadable("export", _shown(name), "phones do not use this kind of compression")


def _check_name(name: str) -> None:
    bad = (
        not name
        or len(name) > _MAX_NAME
        or name.startswith("/")
        or "\\" in name
        or re.match(r"[A-Za-z]:", name) is not None
        or any(part in ("", ".", "..") for part in name.split("/"))
        or any(ord(c) < 32 or ord(c) == 127 for c in name)
    )
    if bad:
        raise Unreadable("export", _shown(name), "this file name is not safe")


def _check_overlap(path: Path, archive: zipfile.ZipFile) -> None:
    """No two entries may share bytes, because that is how a small zip can unpack to a huge size."""
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    with path.open("rb") as file:
        for info, following in zip(infos, [*infos[1:], None], strict=True):
            file.seek(info.header_offset)
            header = file.read(30)
            if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
                raise Unreadable("export", _shown(info.orig_filename), "this zip is damaged (an entry has no head)")
            name_length, extra_length = struct.unpack("<HH", header[26:30])
            end = info.header_offset + 30 + name_length + extra_length + info.compress_size
            limit = following.header_offset if following else archive.start_dir
            if end > limit:
                raise Unreadable("export", _shown(info.orig_filename), "entries of this zip overlap")


def _refuse_clashes(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        folded = unicodedata.normalize("NFC", name.casefold())
        if folded in seen:
            raise Unreadable("export", _shown(name), "two files in this zip have the same name")
        seen.add(folded)


def _claims_too_much(info: zipfile.ZipInfo, caps: Caps) -> bool:
    return info.file_size > _FREE_OF_RATIO + info.compress_size * caps.ratio


def _zip_opener(path: Path, info: zipfile.ZipInfo, caps: Caps) -> Opener:
    def open_entry() -> BinaryIO:
        """Raises ``Unreadable`` if the entry is damaged, or claims to be larger than allowed."""
        # A file that is too large is left out without affecting the chat.
        if info.file_size > caps.file:
            raise _too_large(info.filename)
        if _claims_too_much(info, caps):
            problem = "this would unpack to far more than its size"
            raise Unreadable("export", _shown(info.filename), problem)
        limit = min(caps.file, info.file_size)
        try:
            with zipfile.ZipFile(path) as archive:
                raw = archive.open(info)
        except (*_DAMAGE, RuntimeError, OSError) as error:
            raise Unreadable("export", _shown(info.filename), f"damaged ({type(error).__name__})") from None
        return io.BufferedReader(_Counted(raw, info.filename, limit))

    return open_entry


class _Counted(io.RawIOBase):
    """A stream that counts what it gives and stops at a limit, whatever its container claims."""

    def __init__(self, raw: IO[bytes], name: str, limit: int) -> None:
        self._raw = raw
        self._name = name
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Raises ``Unreadable`` if the entry is damaged, or larger than allowed."""
        try:
            data = self._raw.read(min(len(buffer), 2**20))
        except (*_DAMAGE, OSError) as error:
            raise Unreadable("export", _shown(self._name), f"damaged ({type(error).__name__})") from None
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._name)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the packed stream too."""
        self._raw.close()
        super().close()


def _assemble(files: dict[str, Opener], container: str, caps: Caps) -> ExportArchive:
    """The chat among the files, and what lies beside it."""
    chosen = _chat_among(files, container)
    folder = chosen.rpartition("/")[0]
    with files[chosen]() as file:
        text = _read_text(file, chosen, caps)
    beside = {
        name.rpartition("/")[2]: opener
        for name, opener in files.items()
        if name != chosen and name.rpartition("/")[0] == folder and not name.rpartition("/")[2].startswith(".")
    }
    inner = (_base(chosen), *reversed(folder.split("/")), container)
    return ExportArchive(text=text, signs=signs_of(*inner), attachments=beside)


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _chat_among(files: dict[str, Opener], container: str) -> str:
    texts = [n for n in files if n.lower().endswith(".txt") and not n.startswith("__MACOSX/") and n.count("/") <= 2]
    named = [n for n in texts if _base(n) == "_chat.txt" or title_of(_base(n))]
    for candidates in (named, texts):
        chats = [name for name in candidates if _is_chat(files[name])]
        beside = [name for name in texts if name not in candidates and _is_chat(files[name])] if chats else []
        if len(chats) == 1 and not beside:
            return chats[0]
        chats += beside
        if chats:
            problem = f"this holds {counted(len(chats), 'exported chat')}; {_UNPACK}"
            raise Unreadable("export", container, problem)
    packed = [name for name in files if name.lower().endswith(".zip") and not name.startswith("__MACOSX/")]
    also = f" but {counted(len(packed), 'zip')}; {_UNPACK}" if packed else ""
    problem = "there is no exported chat in it (a .txt file with one message per line)"
    raise Unreadable("export", container, f"{problem}{also}")


def _is_chat(opener: Opener) -> bool:
    with opener() as file:
        return looks_like_export(file.read(8192))


def _read_text(file: BinaryIO, name: str, caps: Caps) -> Text:
    text = HeldText()
    while chunk := file.read(2**20):
        if text.size + len(chunk) > caps.text:
            raise _too_large(name)
        text.write(chunk)
    return text.done()


def _too_many(name: str, caps: Caps) -> Unreadable:
    return Unreadable("export", name, f"this holds more than {caps.entries} files")


def _too_large(name: str) -> Unreadable:
    return Unreadable("export", _shown(name), "this is larger than allowed")


def _shown(name: str) -> str:
    return ascii(name[:80]).strip("'")
