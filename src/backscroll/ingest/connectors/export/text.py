"""The text of an export, a few lines at a time: a chat of a million lines is never split as a whole."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from backscroll.core.errors import Unreadable
from backscroll.ingest.connectors.export.held import HeldText, Text

_CHUNK = 2**16


class ChatText:
    """Lines of a text by the bytes where they begin. Raises Unreadable for what is neither UTF-8 nor UTF-16."""

    def __init__(self, text: Text) -> None:
        self._bytes, self._start = _as_utf8(text)

    def lines(self) -> Iterator[tuple[int, str]]:
        """Where each line begins, and the line. An end of line at the end of the text begins no further one."""
        at = self._start
        while at < len(self._bytes):
            end = self._bytes.find(b"\n", at + _CHUNK) + 1 or len(self._bytes)
            piece = self._bytes[at:end]
            for line in piece.removesuffix(b"\n").split(b"\n"):
                yield at, _decoded(line, at).removesuffix("\r")
                at += len(line) + 1

    def between(self, start: int, end: int | None) -> list[str]:
        """The lines from one that begins at ``start`` to before one that begins at ``end``, or to the last."""
        text = self._bytes[start:end].removesuffix(b"\n").decode()
        return [line.removesuffix("\r") for line in text.split("\n")]

    def before(self, end: int) -> str:
        """What stands before a line that begins at ``end``."""
        return "\n".join(self.between(self._start, end)).strip()


def encoding_of(text: Text) -> str:
    """The codec of a text by its mark: UTF-16, else UTF-8."""
    return "utf-16" if text[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _as_utf8(text: Text) -> tuple[Text, int]:
    """The text in UTF-8, and where it begins behind its mark."""
    if encoding_of(text) != "utf-16":
        return text, len(codecs.BOM_UTF8) if text[: len(codecs.BOM_UTF8)] == codecs.BOM_UTF8 else 0
    decoder = codecs.getincrementaldecoder("utf-16")()
    made = HeldText()
    try:
        for at in range(0, len(text), _CHUNK):
            made.write(decoder.decode(text[at : at + _CHUNK], final=at + _CHUNK >= len(text)).encode())
    except UnicodeError:
        raise _unreadable(at) from None
    return made.done(), 0


def _decoded(line: bytes, at: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(at + error.start) from None


def _unreadable(byte: int) -> Unreadable:
    problem = "this is not UTF-8 text; save the export unchanged, as WhatsApp sent it"
    return Unreadable("export", f"byte {byte}", problem)
