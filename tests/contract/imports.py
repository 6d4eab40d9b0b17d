"""Import jobs over the native API, step by step: a client that sends files, and the work that a server does."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx

from backscroll.core.import_jobs import WORKED_ON
from backscroll.ingest.importing.spool import Spool
from backscroll.ingest.importing.working import ImportContext, worked
from contract.world import Client, World

NAME = "WhatsApp Chat with Ana.txt"
PHONE = "4915550001001"
PART = {"content-type": "application/offset+octet-stream", "tus-resumable": "1.0.0"}


def chat(lines: int = 6, first: datetime = datetime(2026, 1, 13, 9)) -> bytes:
    """An exported chat of Ana and Rob, with one line a minute."""
    moments = (first + timedelta(minutes=n) for n in range(lines))
    told = (f"{at:%d/%m/%Y, %H:%M} - {'Rob' if n % 2 else 'Ana'}: thing {n}\n" for n, at in enumerate(moments))
    return "".join(told).encode()


def packed(files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive of these files."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


class Importer:
    """A client that imports over HTTP."""

    def __init__(self, world: World, client: Client | None = None) -> None:
        self.world = world
        self.client = client or world.client(scopes=frozenset({"read", "write"}))
        self.spool = Spool(world.settings().data)

    def create(self, *files: tuple[str, int], headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        body = {"files": [{"name": name, "size": size} for name, size in files], **more}
        return self.client.ask("/api/imports", "POST", headers, json=body)

    def patch(self, id: str, body: bytes, at: int = 0, no: int = 1, **headers: str) -> httpx.Response:
        sent = {**PART, "upload-offset": str(at), **{name.replace("_", "-"): text for name, text in headers.items()}}
        return self.client.ask(f"/api/imports/{id}/files/{no}", "PATCH", sent, content=body)

    def send(self, *files: tuple[str, bytes], **more: Any) -> str:
        """Create a job and send all of its files; returns its id."""
        made = self.create(*((name, len(body)) for name, body in files), **more)
        assert made.status_code == 201, made.text
        id: str = made.json()["id"]
        for no, (_, body) in enumerate(files, 1):
            if body:
                assert self.patch(id, body, no=no).status_code == 204
        return id

    def read(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.json(f"/api/imports/{id}")
        return found

    def post(self, id: str, what: str, body: Any = None) -> httpx.Response:
        return self.client.ask(f"/api/imports/{id}/{what}", "POST", json={} if body is None else body)

    def work(self, stopping: Callable[[], bool] = lambda: False, **more: Any) -> None:
        """Do what a server does by itself, until nothing is left to do."""
        context = ImportContext(
            store=self.world.store, media=self.world.media, spool=self.spool, max_media_bytes=1 << 20
        )
        for id, state, _ in self.world.store.import_jobs.open_jobs(self.world.org.no):
            if state in WORKED_ON:
                worked(context, self.world.org, id, stopping=stopping, **more)

    def imported(self, *files: tuple[str, bytes], **more: Any) -> dict[str, Any]:
        """Import files that need no question; returns the finished job."""
        id = self.send(*files, **{"phone": PHONE, "options": {"timezone": "UTC", "me": "Rob"}, **more})
        self.work()
        return self.read(id)
