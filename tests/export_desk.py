"""An archive that imports exports, by a call and by the command."""

from __future__ import annotations

import asyncio
import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner, Result
from PIL import Image
from starlette.types import ASGIApp

from backscroll.cli.common import open_archive
from backscroll.cli.main import main as cli
from backscroll.config import load
from backscroll.core.events import (
    Batch,
    Event,
    MessageSeen,
)
from backscroll.core.model import ArchivedMessage, Details, Kind, Message, MessageKey, Org, Phone, Source
from backscroll.core.query import MessageQuery, Shows
from backscroll.http.app import build_app
from backscroll.ingest.exports.importer import ExportSummary, import_export
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store

BEN = "4915550001003@s.whatsapp.net"
IRA = "4915550001005@s.whatsapp.net"
IRA_LID = "77777777777@lid"
GROUP = "120363041234567890@g.us"
MINUTE = 60_000_000
NINE = 1_773_478_800_000_000
"""14 March 2026, 09:00 UTC."""


def jpeg(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "JPEG")
    return file.getvalue()


class Desk:
    """An archive with one phone, and exports to import into it."""

    def __init__(self, store: Store, media: MediaStore, org: Org, phone: Phone, folder: Path) -> None:
        self.store, self.media, self.org, self.phone = store, media, org, phone
        self._folder = folder
        self._written = 0

    def write(
        self, *lines: str, name: str = "WhatsApp Chat with Ben.txt", files: dict[str, bytes] | None = None
    ) -> Path:
        self._written += 1
        folder = self._folder / f"export{self._written}"
        folder.mkdir()
        text = "\n".join(lines) + "\n"
        if files is None:
            path = folder / name
            path.write_text(text)
            return path
        path = folder / name.replace(".txt", ".zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, text)
            for file, body in files.items():
                archive.writestr(file, body)
        return path

    def take(self, path: Path, phone: Phone | None = None, **options: Any) -> ExportSummary:
        options.setdefault("timezone", "UTC")
        taken = import_export(self.store, self.media, self.org.no, phone or self.phone, path, **options)
        assert list(self.store.check()) == []
        return taken

    def android(self, *lines: str, name: str = "WhatsApp Chat with Ben.txt", **options: Any) -> ExportSummary:
        """Lines such as ``09:00 - Ben: hello``, all of 14 March 2026 unless they give another day."""
        days = (line if line[2:3] == "/" else f"14/03/2026, {line}" if line[2:3] == ":" else line for line in lines)
        files = options.pop("files", None)
        return self.take(self.write(*days, name=name, files=files), **options)

    def ios(self, *lines: str, name: str = "WhatsApp Chat with Ben.txt", **options: Any) -> ExportSummary:
        """Lines such as ``09:00:12] Ben: hello``."""
        days = (f"[14/03/2026, {line}" if line[2:3] == ":" else line for line in lines)
        return self.take(self.write(*days, name=name), **options)

    def tell(self, *events: Event, source: Source = "linked") -> None:
        self.store.apply(self.org.no, Batch(source=source, events=events))
        assert list(self.store.check()) == []

    def live(
        self,
        id: str,
        at: int,
        text: str | None,
        sender: str | None = BEN,
        chat: str = BEN,
        kind: Kind = "text",
        source: Source = "linked",
        **details: Any,
    ) -> None:
        """A message of a linked device, ``at`` seconds after nine; without a sender it is from the phone's owner."""
        key = MessageKey(self.phone.jid, chat, id, sender)
        said = Details(**details)
        sent_at = NINE + at * 1_000_000
        message = Message(key=key, sent_at=sent_at, from_me=sender is None, kind=kind, text=text, details=said)
        self.tell(MessageSeen(message), source=source)

    def shown(
        self, chat: str | None = None, shows: Shows = "messages", phone: Phone | None = None
    ) -> list[ArchivedMessage]:
        """What is shown, oldest first."""
        phones = (phone or self.phone).no
        query = MessageQuery(org=self.org.no, phones=(phones,), chat=chat, shows=shows, limit=100_000)
        page = self.store.list_messages(query)
        assert page.total == len(page.messages)
        return page.messages[::-1]

    def said(self, chat: str | None = None) -> list[str | None]:
        return [m.message.text for m in self.shown(chat)]


class Shell:
    """Runs commands on a separate archive, and sends requests to its app in process."""

    def __init__(self, data: Path, database: str | None) -> None:
        self._settings = {"BACKSCROLL_DATA": str(data), "BACKSCROLL_PUBLIC_URL": "http://archive.test"}
        if database:
            self._settings["BACKSCROLL_DATABASE"] = database

    def run(self, *arguments: str) -> Result:
        cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith("BACKSCROLL_")}
        return CliRunner().invoke(cli, arguments, env=cleared | self._settings)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def ask(self, *requests: tuple[str, dict[str, str]]) -> list[httpx.Response]:
        settings = load(self._settings)
        with open_archive(settings, create=True) as archive:
            app = build_app(archive.store, archive.media, settings)
            return asyncio.run(self._ask(app, requests))

    async def _ask(self, app: ASGIApp, requests: Sequence[tuple[str, dict[str, str]]]) -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://archive.test") as client:
            return [await client.get(url, headers=headers) for url, headers in requests]
