"""The files included in an export."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping

from backscroll.core import ids
from backscroll.core.errors import BadField, Unreadable
from backscroll.core.model import Media
from backscroll.core.text import counted
from backscroll.ingest.connectors.export.archive import Opener
from backscroll.ingest.connectors.export.attachments import holds_file
from backscroll.ingest.connectors.export.chat import ExportedLine
from backscroll.storage.files.media import MediaStore

MAX_VCARD = 256 * 1024


class Files:
    """Puts attachments into the media store as their lines are imported; without one while that is only planned."""

    def __init__(
        self, media: MediaStore | None, org: int, attachments: Mapping[str, Opener], max_bytes: int, warnings: list[str]
    ) -> None:
        self._media = media
        self._org = org
        self._attachments = attachments
        self._max_bytes = max_bytes
        self._warnings = warnings
        self.kept = 0

    def media_of(self, line: ExportedLine) -> Media | None:
        """The file of a line, kept in the archive; None when it names none."""
        if line.attachment is not None and line.kind != "contact":
            return self._kept(line.attachment, line.filename)
        if line.media_omitted:
            return Media(omitted=True, filename=line.filename)
        return Media(filename=line.filename) if line.filename and line.kind != "contact" else None

    def _kept(self, attachment: str, filename: str | None) -> Media:
        name = filename or attachment
        declared = mimetypes.guess_type(name)[0]
        if self._media is None:
            return Media(filename=name)
        try:
            with self._attachments[attachment]() as source:
                kept = self._media.put(
                    self._org, source, max_bytes=self._max_bytes, declared_mimetype=declared, filename=name
                )
        except (Unreadable, BadField) as error:
            self._warnings.append(f"{attachment} was left out: {error}")
            return Media(filename=name, omitted=True)
        self.kept += 1
        return Media(
            filename=name,
            file=kept.sha256,
            sha256=kept.sha256,
            size=kept.size,
            mimetype=kept.mimetype,
            width=kept.width,
            height=kept.height,
            duration=kept.duration,
        )

    def keep_unnamed(self, named: Iterable[str | None], only_whatsapps: bool) -> None:
        """Keep the files that no line names, attached to no message, and report them.

        ``only_whatsapps`` leaves out those that WhatsApp gave no name: a folder may hold anything.
        """
        left = sorted(self._attachments.keys() - set(named))
        kept = [name for name in left if not only_whatsapps or holds_file(name)]
        for name in kept:
            self._kept(name, None)
        for names, what in ((kept, "kept without a message"), ([n for n in left if n not in kept], "left alone")):
            if names:
                shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
                self._warnings.append(f"{counted(len(names), 'file')} that no line mentions, {what}: {shown}")

    def vcards_of(self, line: ExportedLine) -> tuple[str, ...] | None:
        """The contact cards of a line; None when it has none or they cannot be read, which a warning then says."""
        if line.kind not in ("contact", "contacts") or line.attachment is None or self._media is None:
            return None
        try:
            with self._attachments[line.attachment]() as source:
                return (ids.clean_text(source.read(MAX_VCARD).decode("utf-8", "replace"))[0],)
        except Unreadable as error:
            self._warnings.append(f"{line.attachment} was left out: {error}")
            return None
