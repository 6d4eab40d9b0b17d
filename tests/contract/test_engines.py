"""One archive on both engines: the same bytes from both dialects, the same export, the same result of ``check``."""

from __future__ import annotations

import asyncio
import io
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backscroll.config import load
from backscroll.http.app import ROUTES, build_app
from backscroll.ingest.jsonl import export_jsonl, import_jsonl
from backscroll.storage.files.keys import load_or_make_key
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import open_store
from contract.bakery import ANA, BEN, BEN_LID, CAKE, CARO, GROUP, OVEN, QUIET_GROUP, SHOP, STRANGER, Bakery
from contract.world import Client

NOON = 1_800_000_000_000_000
PEOPLE = [ANA, BEN, BEN_LID, CARO, GROUP, QUIET_GROUP, STRANGER, "status@broadcast", "120363111111111111@newsletter"]
GIVEN = {
    "chat_id": PEOPLE,
    "chat_jid": PEOPLE,
    "contact_id": PEOPLE,
    "message_id": ["M01", "M02", "M14", "call:C06", "N04", "B01", f"true_{ANA}_M02", "none"],
    "device_id": ["my-device", "oven", "none"],
    "id": ["none"],
    "link": ["none"],
    "phone": [SHOP, OVEN],
    "jid": PEOPLE,
    "key": [CAKE, f"{SHOP}:true_{ANA}_M02", f"{OVEN}:false_{ANA}_OVEN1", "none"],
}
UNLIKE = ("/api/session", "/api/events", "/api/exports/zip")
"""A session shows its token, which differs in each archive; a stream has no end; the texts in a ZIP
archive are dated by the clock."""
QUERIES = {
    "periskope": [
        "",
        "?limit=3&offset=2",
        "?start_time=2024-01-15T10:02:00Z&end_time=2024-01-15T10:06:00Z",
        "?limit=0",
    ],
    "gowa": [
        "",
        "?limit=3&offset=2",
        "?search=ff",
        "?search=500 off".replace(" ", "%20"),
        "?search=%00",
        "?media_only=true",
        "?is_from_me=true&limit=2",
        "?start_time=2024-01-15T10:02:00Z",
    ],
    "backscroll": ["", "?limit=3", "?q=an&kind=all"],
}


class Copy:
    """A copy of a bakery's archive, imported at one fixed time."""

    def __init__(self, folder: Path, database: str | None, exported: bytes, key: Path) -> None:
        folder.mkdir()
        shutil.copy(key, folder / "secret.key")
        self.runner = asyncio.Runner()
        self.store = open_store(database, folder, lambda: NOON)
        media = MediaStore(folder / "media", load_or_make_key(folder / "secret.key"))
        import_jsonl(self.store, media, io.BytesIO(exported))
        self.org = self.store.list_orgs()[0]
        settings = load(
            {}, {"rate_limit": 0, "public_url": "https://archive.test", "data": str(folder)}, directory=folder
        )
        self.app = build_app(self.store, media, settings)
        token = self.store.create_token(self.org.no, "test")
        self.headers = {"authorization": f"Bearer {token.secret}"}

    def ask(self, path: str, device: str | None = None) -> tuple[int, bytes, str | None]:
        headers = self.headers | ({"x-device-id": device} if device else {})
        response = Client(self.app, self.runner, headers).ask(path)
        return response.status_code, response.content, response.headers.get("etag")

    def exported(self) -> bytes:
        out = io.BytesIO()
        export_jsonl(self.store, out, org=self.org, raws=True)
        return out.getvalue()

    def close(self) -> None:
        self.runner.close()
        self.store.close()


@pytest.fixture(scope="module")
def copies(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Copy, Copy, bytes]]:
    folder = tmp_path_factory.mktemp("engines")
    bakery = Bakery(folder / "bakery")
    out = io.BytesIO()
    export_jsonl(bakery.store, out, org=bakery.org, raws=True)
    bakery.close()
    databases = request.getfixturevalue("databases")
    key = folder / "bakery" / "secret.key"
    one = Copy(folder / "sqlite", None, out.getvalue(), key)
    other = Copy(folder / "postgres", databases.url(databases.create()), out.getvalue(), key)
    yield one, other, out.getvalue()
    one.close()
    other.close()


def addresses() -> Iterator[str]:
    for route in ROUTES:
        if route.method != "GET" or route.scope != "read" or route.path in UNLIKE:
            continue
        places = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
        for values in itertools.product(*(GIVEN[place] for place in places)):
            path = route.path
            for place, value in zip(places, values, strict=True):
                path = path.replace(f"{{{place}}}", value)
            yield from (path + query for query in QUERIES[route.dialect])


@pytest.mark.parametrize("device", [None, "my-device", SHOP])
def test_both_engines_answer_with_the_same_bytes(copies: tuple[Copy, Copy, bytes], device: str | None) -> None:
    one, other, _ = copies
    answered = 0
    for address in addresses():
        answer = one.ask(address, device)
        assert other.ask(address, device) == answer, address
        answered += answer[0] == 200
    assert answered > 100


def test_both_engines_export_the_same_and_are_sound(copies: tuple[Copy, Copy, bytes]) -> None:
    one, other, exported = copies
    assert one.exported().splitlines()[1:-1] == exported.splitlines()[1:-1]
    assert other.exported().splitlines()[1:-1] == exported.splitlines()[1:-1]
    assert list(one.store.check()) == list(other.store.check()) == []
