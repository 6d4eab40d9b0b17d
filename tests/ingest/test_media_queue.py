"""Files named by gateways: fetched on arrival, again after a failure, and from no other place."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backscroll.core.events import Batch, MediaHeld, MessageSeen, Target
from backscroll.core.model import Details, Media, Message, MessageKey
from backscroll.ingest.connectors.webhooks.cloud import FILE_URL
from backscroll.ingest.media import MAX_TRIES, Downloads, address_of
from backscroll.ingest.webhooks import Ingestor
from backscroll.jobs.downloads import fetch_due
from backscroll.storage.files.media import MediaStore
from backscroll.storage.read.finding import Finder, Wanted
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.fetches import QueuedFile
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from conftest import MORNING
from gateways import ANA, ME, cus, iso, json_of, net
from shell import Shell
from standin_files import FileServer, file_server

START = 1_773_306_000
HOUR = 3600 * 1_000_000


def picture(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "JPEG")
    return out.getvalue()


class Desk:
    """An archive with one phone, whose sources have their files at ``gateway``."""

    def __init__(self, url: str | None, folder: Path, gateway: FileServer) -> None:
        self.now = MORNING
        self.folder = folder
        self.url = url
        self.store: Store = open_store(url, folder, clock=lambda: self.now)
        self.org = self.store.create_org("Sample")
        self.phone = self.store.add_phone(self.org.no, ME)
        self.media = MediaStore(folder / "media", self.store.key())
        self.ingestor = Ingestor(self.store, media=self.media)
        self.gateway = gateway

    def add(self, kind: str, token: str | None = None, upstream: str | None = "") -> LiveSource:
        base = self.gateway.url if upstream == "" else upstream
        id = make_source_id(self.org.no)
        wanted = LiveSource(org=self.org.no, id=id, kind=kind, phone=self.phone.no, upstream=base)
        return self.store.sources.add(wanted, SourceSecrets("a secret of some length", None, token))

    def fetch(self) -> tuple[int, int]:
        with Downloads(self.store, self.media, 1 << 20) as downloads:
            done = fetch_due(self.store, downloads, self.org.no)
        return done.done, done.failed

    def media_of(self, id: str) -> Media:
        found = self.store.find_message(self.org.no, (self.phone.no,), id)
        assert found is not None
        return found.message.details.media or Media()

    def queued(self) -> list[QueuedFile]:
        return list(self.store.fetches.walk(self.org.no))


@pytest.fixture
def gateway() -> Iterator[FileServer]:
    with file_server() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, database_url: str | None, gateway: FileServer) -> Iterator[Desk]:
    made = Desk(database_url, tmp_path, gateway)
    yield made
    assert list(made.store.check(tmp_path / "media", read_files=True)) == []
    made.store.close()


def gowa(id: str, path: str) -> bytes:
    payload: dict[str, Any] = {"id": id, "chat_id": net(ANA), "from": net(ANA), "timestamp": iso(START)}
    payload |= {"is_from_me": False, "image": {"path": path, "caption": "the shop"}}
    return json_of({"event": "message", "device_id": net(ME), "session_id": "desk", "payload": payload})


def waha(id: str, url: str, **image: Any) -> bytes:
    payload: dict[str, Any] = {"id": f"false_{cus(ANA)}_{id}", "timestamp": START, "from": cus(ANA), "fromMe": False}
    payload |= {"to": cus(ME), "body": "", "hasMedia": True, "media": {"url": url, "mimetype": "image/jpeg"}}
    payload["_data"] = {"Info": {}, "Message": {"imageMessage": {"mimetype": "image/jpeg", **image}}}
    top = {"id": "evt_1", "timestamp": START * 1000, "session": "default", "engine": "GOWS", "event": "message.any"}
    return json_of({**top, "me": {"id": cus(ME)}, "payload": payload})


def own(id: str, url: str, **media: Any) -> bytes:
    told = {
        "type": "message",
        "chat": ANA,
        "id": id,
        "timestamp": START,
        "kind": "image",
        "media": {"url": url, **media},
    }
    return json_of({"events": [told]})


def test_gowas_statics_are_fetched_from_its_upstream(desk: Desk) -> None:
    desk.gateway.files["/statics/media/17-ad.jpeg"] = picture()
    desk.ingestor.take(desk.add("gowa", "user:pass"), gowa("G1", "statics/media/17-ad.jpeg"))
    assert desk.fetch() == (1, 0)
    media = desk.media_of("G1")
    assert (media.file, media.width, media.height) == (hashlib.sha256(picture()).hexdigest(), 40, 30)
    assert desk.media.exists(desk.org.no, media.file or "")
    assert desk.queued() == []
    assert desk.gateway.asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()


def test_wahas_own_address_is_asked_at_its_upstream_with_its_key(desk: Desk) -> None:
    desk.gateway.files["/api/files/default/a.jpeg"] = picture()
    digest = base64.b64encode(hashlib.sha256(picture()).digest()).decode()
    body = waha("W1", "http://localhost:3000/api/files/default/a.jpeg", fileSHA256=digest)
    desk.ingestor.take(desk.add("waha", "the key"), body)
    assert desk.fetch() == (1, 0)
    assert desk.media_of("W1").file == hashlib.sha256(picture()).hexdigest()
    assert desk.gateway.asked[0].headers["x-api-key"] == "the key"


def test_bytes_that_are_not_those_of_the_message_are_refused(desk: Desk) -> None:
    desk.gateway.files["/api/files/default/a.jpeg"] = picture("blue")
    digest = base64.b64encode(hashlib.sha256(picture("red")).digest()).decode()
    desk.ingestor.take(desk.add("waha"), waha("W1", f"{desk.gateway.url}/api/files/default/a.jpeg", fileSHA256=digest))
    assert desk.fetch() == (0, 1)
    (left,) = desk.queued()
    assert left.problem == "its content does not match the SHA-256 from WhatsApp"
    assert desk.media_of("W1").file is None
    assert list(desk.media.files(desk.org.no)) == []


def test_evolutions_base64_is_kept_with_the_message(desk: Desk) -> None:
    key = {"remoteJid": net(ANA), "fromMe": False, "id": "E1"}
    image = {"mimetype": "image/jpeg", "url": "https://mmg.whatsapp.net/x.enc", "fileSha256": ""}
    content = {"imageMessage": image, "base64": base64.b64encode(picture()).decode()}
    data = {"key": key, "message": content, "messageType": "imageMessage", "messageTimestamp": START}
    body = json_of({"event": "messages.upsert", "instance": "desk", "data": data, "sender": net(ME)})
    desk.ingestor.take(desk.add("evolution"), body)
    assert desk.media_of("E1").file == hashlib.sha256(picture()).hexdigest()
    assert desk.queued() == []


def test_the_cloud_api_says_where_a_file_is_and_wants_its_token_for_both(desk: Desk) -> None:
    digest = base64.b64encode(hashlib.sha256(picture()).digest()).decode()
    described = {"url": f"{desk.gateway.url}/lookaside?mid=1", "sha256": hashlib.sha256(picture()).hexdigest()}
    desk.gateway.files["/1003"] = json.dumps(described).encode()
    desk.gateway.files["/lookaside?mid=1"] = picture()
    source = desk.add("cloud", "EAAG")
    file = {"id": "1003", "mime_type": "image/jpeg", "sha256": digest}
    message = {"id": "wamid.x", "timestamp": str(START), "from": ANA, "type": "image", "image": file}
    value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": ME, "phone_number_id": "1"}}
    changes = [{"field": "messages", "value": value | {"messages": [message]}}]
    desk.ingestor.take(
        source, json_of({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]})
    )
    assert desk.fetch() == (1, 0)
    assert [asked.headers["authorization"] for asked in desk.gateway.asked] == ["Bearer EAAG", "Bearer EAAG"]


def test_a_private_address_that_nobody_named_is_not_asked(desk: Desk) -> None:
    source = desk.add("events", upstream=None)
    desk.ingestor.take_request(source, own("X1", f"{desk.gateway.url}/secret.jpg"), None, lambda n: b"")
    assert desk.fetch() == (0, 1)
    assert desk.gateway.asked == []
    assert desk.queued()[0].problem == "it leads to a private address"


def test_a_credential_goes_to_its_gateway_alone(desk: Desk) -> None:
    with file_server() as other:
        other.files["/b.jpg"] = picture()
        source = desk.add("events", "the token", upstream=other.url)
        desk.ingestor.take_request(source, own("X1", f"{other.url}/b.jpg"), None, lambda n: b"")
        desk.ingestor.take_request(source, own("X2", "https://example.invalid/b.jpg"), None, lambda n: b"")
        assert desk.fetch() == (1, 1)
        assert [asked.headers["authorization"] for asked in other.asked] == ["Bearer the token"]


def test_what_fails_is_tried_again_with_growing_waits_and_given_up_at_last(desk: Desk) -> None:
    desk.ingestor.take(desk.add("gowa"), gowa("G1", "statics/media/gone.jpeg"))
    waits = []
    for _ in range(MAX_TRIES):
        assert desk.fetch() == (0, 1)
        (left,) = desk.queued()
        if left.next_at is not None:
            waits.append(left.next_at - desk.now)
            assert desk.fetch() == (0, 0)
            desk.now = left.next_at
    assert waits[0] < 40_000_000
    assert all(later > 1.1 * earlier for earlier, later in itertools.pairwise(waits[:9]))
    assert max(waits) <= 7.5 * HOUR
    assert (left.next_at, left.problem) == (None, "the server answered 404")
    assert desk.fetch() == (0, 0)


def test_a_gateway_that_is_away_is_asked_for_one_file_and_not_for_all(desk: Desk) -> None:
    with file_server() as gone:
        source = desk.add("gowa", upstream=gone.url)
    for n in range(30):
        desk.ingestor.take(source, gowa(f"G{n}", f"statics/media/{n}.jpeg"))
    done, failed = desk.fetch()
    assert (done, failed) == (0, 30)
    assert sum(file.tries for file in desk.queued()) <= 8


def test_the_queue_survives_a_crash_and_repeats_do_not_reset_it(desk: Desk) -> None:
    desk.gateway.down = 1
    desk.gateway.files["/statics/media/a.jpeg"] = picture()
    source, body = desk.add("gowa"), gowa("G1", "statics/media/a.jpeg")
    desk.ingestor.take(source, body)
    assert desk.fetch() == (0, 1)
    before = desk.queued()
    desk.store.close()
    desk.store = open_store(desk.url, desk.folder, clock=lambda: desk.now)
    desk.ingestor = Ingestor(desk.store, media=desk.media)
    desk.ingestor.take(source, body)
    assert desk.queued() == before
    desk.now += HOUR
    assert desk.fetch() == (1, 0)
    desk.ingestor.take(source, body)
    asked = len(desk.gateway.asked)
    assert (desk.fetch(), len(desk.gateway.asked), desk.queued()) == ((1, 0), asked, [])


def test_a_file_that_comes_otherwise_is_not_fetched(desk: Desk) -> None:
    desk.ingestor.take(desk.add("gowa"), gowa("G1", "statics/media/a.jpeg"))
    stored = desk.media.put(desk.org.no, picture(), max_bytes=1 << 20, declared_mimetype=None, filename=None)
    target = Target(net(ME), net(ANA), "G1")
    held = MediaHeld(target=target, media=Media(file=stored.sha256, size=stored.size))
    desk.store.apply(desk.org.no, Batch(source="export", events=[held]))
    desk.fetch()
    assert (desk.gateway.asked, desk.queued()) == ([], [])


def test_messages_of_imports_wait_until_they_are_asked_for(desk: Desk) -> None:
    desk.gateway.files["/a.jpg"] = picture()
    desk.add("gowa")
    key = MessageKey(net(ME), net(ANA), "I1", net(ANA))
    details = Details(media=Media(url=f"{desk.gateway.url}/a.jpg", mimetype="image/jpeg"))
    message = Message(key=key, sent_at=START * 1_000_000, from_me=False, kind="image", details=details)
    desk.store.apply(desk.org.no, Batch(source="gowa", events=[MessageSeen(message)]))
    assert desk.queued() == []
    shell = Shell(desk.folder, desk.url)
    (row,) = shell.json("media", "fetch", "--phone", ME, "--chat", ANA)
    assert (row["fetched"], row["failed"], row["waiting"]) == (1, 0, 0)
    assert desk.media_of("I1").file is not None


def test_the_command_tries_again_what_was_given_up(desk: Desk) -> None:
    desk.ingestor.take(desk.add("gowa"), gowa("G1", "statics/media/late.jpeg"))
    (file,) = desk.queued()
    desk.store.fetches.postpone(desk.org.no, file, MAX_TRIES, None, "the server answered 404")
    shell = Shell(desk.folder, desk.url)
    (row,) = shell.json("media", "fetch")
    assert (row["fetched"], row["failed"], row["given_up"]) == (0, 0, 1)
    shown = shell.run("media", "fetch", "--retry-failed").output
    assert "1 could not be fetched" in shown
    assert "1 × the server answered 404" in shown
    desk.gateway.files["/statics/media/late.jpeg"] = picture()
    (row,) = shell.json("media", "fetch")
    assert (row["fetched"], row["given_up"]) == (1, 0)


def test_one_process_at_a_time_works_the_queue_off(desk: Desk) -> None:
    desk.gateway.files["/statics/media/a.jpeg"] = picture()
    desk.ingestor.take(desk.add("gowa"), gowa("G1", "statics/media/a.jpeg"))
    lease = desk.store.fetches.take_turn(desk.org.no)
    assert lease is not None
    assert desk.fetch() == (0, 0)
    desk.store.fetches.end_turn(lease)
    assert desk.fetch() == (1, 0)


def test_why_a_file_is_missing_is_told_with_its_message(desk: Desk) -> None:
    desk.ingestor.take(desk.add("gowa"), gowa("G1", "statics/media/gone.jpeg"))
    desk.fetch()

    def card(id: str) -> Any:
        return desk.store.ask(desk.org.no, lambda r: Finder(r, (desk.phone.no,)).card(Wanted(id=id)))

    found = card("G1")
    assert (found.fetch.problem, found.fetch.tries) == ("the server answered 404", 1)


@pytest.mark.parametrize(
    ("url", "kind", "asked"),
    [
        ("statics/a.jpg", "gowa", "http://gateway:3000/base/statics/a.jpg"),
        ("http://localhost:3000/api/files/a.jpg", "waha", "http://gateway:3000/api/files/a.jpg"),
        ("http://waha/api/files/a.jpg", "waha", "http://gateway:3000/api/files/a.jpg"),
        ("https://cdn.example.org/a.jpg", "waha", "https://cdn.example.org/a.jpg"),
        ("http://minio:9000/evolution/a.jpg", "evolution", "http://minio:9000/evolution/a.jpg"),
        (f"{FILE_URL}1003", "cloud", "http://gateway:3000/base/1003"),
    ],
)
def test_addresses_of_gateways_are_made_whole(url: str, kind: str, asked: str) -> None:
    source = LiveSource(org=1, id="src1xa", kind=kind, upstream="http://gateway:3000/base")
    assert address_of(url, source) == asked
