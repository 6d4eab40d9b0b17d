"""The archive in front of a gateway: clients see the gateway's answers, and the archive stores what was sent."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backscroll.core.model import ArchivedMessage, Org, Phone
from backscroll.ingest.webhooks import Ingestor
from backscroll.storage.files.opening import open_media
from backscroll.storage.store import Store, open_store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from conftest import OwnDatabase
from served import Served, serving
from standin_gateway import Gateway, answering, dying, hang_up, large, redirecting, waiting

ME, OTHER, ANA = "628987654321", "628111111111", "919537851844"
LOGIN, KEY = "desk:open sesame", "sk_of_the_upstream"
SENT_AT = 1_773_306_000_000_000


def sent(id: str) -> dict[str, Any]:
    status = f"Message sent to {ANA}@s.whatsapp.net (server timestamp: 2026-03-12 16:00:00 +0700 WIB)"
    return {"code": "SUCCESS", "message": status, "results": {"message_id": id, "status": status}}


def queued(id: str) -> dict[str, Any]:
    return {"queue_id": "b1b6ad0c-8f6c-4b9d-a7e3-7b0c35b7fd8c", "queue_position": 0, "unique_id": id, "hint": ""}


class World:
    """A served archive; its first phone has GOWA as upstream, its account has Periskope."""

    def __init__(self, served: Served, store: Store, data: Path, org: Org, phones: tuple[Phone, Phone]) -> None:
        self.served, self.store, self.data, self.org = served, store, data, org
        self.me, self.other = phones
        self.gowa = Gateway(answering(sent("UNASKED")))
        self.periskope = Gateway(answering(queued("UNASKED")))
        self.stranger = Gateway(answering({}))
        self.gowa_source: LiveSource

    def add(self, kind: str, gateway: Gateway, phone: Phone | None, token: str, base: str = "") -> LiveSource:
        source = LiveSource(
            org=self.org.no,
            id=make_source_id(self.org.no),
            kind=kind,
            phone=None if phone is None else phone.no,
            upstream=gateway.url + base,
        )
        return self.store.sources.add(source, SourceSecrets("a secret of some length", upstream_token=token))

    def client(
        self, *scopes: str, phones: tuple[int, ...] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Client:
        made = self.store.create_token(self.org.no, None, phones, frozenset(scopes or ("read", "write")))
        return httpx.Client(
            base_url=self.served.url, headers={"authorization": f"Bearer {made.secret}", **(headers or {})}, timeout=60
        )

    def message(self, id: str) -> ArchivedMessage | None:
        return self.store.find_message(self.org.no, (self.me.no, self.other.no), id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, own_database: OwnDatabase) -> Iterator[World]:
    data, database = tmp_path_factory.mktemp("fronted"), own_database()
    store = open_store(database, data)
    org = store.create_org("Fronted")
    phones = store.add_phone(org.no, ME, device_id="desk"), store.add_phone(org.no, OTHER)
    with serving(data, database, rate_limit=0, upstream_timeout=5, max_upstream_bytes="20MB") as served:
        made = World(served, store, data, org, phones)
        with made.gowa, made.periskope, made.stranger:
            made.gowa_source = made.add("gowa", made.gowa, made.me, LOGIN, "/base")
            made.add("periskope", made.periskope, None, KEY, "/v1")
            other = store.create_org("Elsewhere")
            foreign = LiveSource(
                org=other.no,
                id=make_source_id(other.no),
                kind="gowa",
                phone=store.add_phone(other.no, "4915112345678").no,
                upstream=made.stranger.url,
            )
            store.sources.add(foreign, SourceSecrets("a secret of some length"))
            yield made
    store.close()


@pytest.fixture(autouse=True)
def afresh(world: World) -> None:
    for gateway in (world.gowa, world.periskope, world.stranger):
        gateway.asked.clear()
        gateway.acts.clear()
        gateway.go_on.clear()


def say(client: httpx.Client, **more: Any) -> httpx.Response:
    return client.post("/send/message", json={"phone": ANA, "message": "good morning", **more})


def test_a_message_is_in_the_archive_when_the_client_hears_of_it(world: World) -> None:
    world.gowa.acts.append(answering(sent("3EB0A1")))
    with world.client(headers={"cookie": "a=b"}) as client:
        answer = say(client, reply_message_id="3A10")
    assert (answer.status_code, answer.json()) == (200, sent("3EB0A1"))
    found = world.message("3EB0A1")
    assert found is not None
    message = found.message
    assert (message.text, message.from_me, message.sent_at) == ("good morning", True, SENT_AT)
    assert (message.key.chat, found.phone.number) == (f"{ANA}@s.whatsapp.net", ME)
    assert message.details.quoted is not None
    assert message.details.quoted.id == "3A10"


def test_the_gateway_sees_the_request_with_its_own_credential(world: World) -> None:
    body = b'{"phone" :"919537851844",  "message":"as it is"}'
    with world.client(
        headers={"cookie": "a=b", "content-type": "application/json;x=1", "x-forwarded-for": "1.2.3.4"}
    ) as client:
        client.post("/send/message?a=%41&b=+&c", content=body)
        ours = client.headers["authorization"].removeprefix("Bearer ")
    (asked,) = world.gowa.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/base/send/message?a=%41&b=+&c", body)
    assert asked.headers["content-type"] == "application/json;x=1"
    assert asked.headers["authorization"] == httpx.BasicAuth(*LOGIN.split(":"))._auth_header
    assert asked.headers["x-device-id"] == f"{ME}@s.whatsapp.net"
    assert {"cookie", "x-forwarded-for"} & set(asked.headers) == set()
    assert ours not in str(asked.headers)


def test_a_file_streams_through_and_is_kept_as_a_message(world: World) -> None:
    world.gowa.acts.append(answering(sent("3EB0F1")))
    picture = bytes(range(256)) * 8000
    files = {"image": ("shop.png", picture, "image/png")}
    with world.client() as client:
        answer = client.post("/send/image", data={"phone": ANA, "caption": "the shop"}, files=files)
    assert answer.json() == sent("3EB0F1")
    assert picture in world.gowa.asked[0].body
    found = world.message("3EB0F1")
    assert found is not None
    media = found.message.details.media
    assert media is not None
    assert (found.message.kind, found.message.text, media.filename) == ("image", "the shop", "shop.png")
    assert (media.file, media.size) == (hashlib.sha256(picture).hexdigest(), len(picture))
    assert open_media(None, world.data, world.store.key(), 0).exists(world.org.no, media.file or "")


def test_an_upload_without_a_length_streams_too(world: World) -> None:
    world.gowa.acts.append(answering(sent("3EB0C1")))

    def pieces() -> Iterator[bytes]:
        yield b'{"phone": "919537851844", '
        yield b'"message": "in pieces"}'

    with world.client() as client:
        client.post("/send/message", content=pieces(), headers={"content-type": "application/json"})
    assert json.loads(world.gowa.asked[0].body)["message"] == "in pieces"
    assert (found := world.message("3EB0C1")) is not None
    assert found.message.text == "in pieces"


def test_the_webhook_and_the_pull_tell_the_same_message_again(world: World) -> None:
    world.periskope.acts.append(answering(queued("3EB0D1")))
    with world.client(headers={"x-phone": ME}) as client:
        client.post("/v1/message/send", json={"chat_id": f"{ANA}@c.us", "message": "hello"})
    before = world.message("3EB0D1")
    assert before is not None
    row = {
        "message_id": f"true_{ANA}@c.us_3EB0D1",
        "unique_id": "3EB0D1",
        "chat_id": f"{ANA}@c.us",
        "org_phone": f"{ME}@c.us",
        "sender_phone": f"{ME}@c.us",
        "from_me": True,
        "body": "hello",
        "message_type": "chat",
        "ack": "2",
        "timestamp": "2026-03-12T09:00:00+00:00",
    }
    source = next(s for s in world.store.sources.of(world.org.no) if s.kind == "periskope")
    Ingestor(world.store).take(source, json.dumps({"event": "message.created", "data": row}).encode())
    after = world.message("3EB0D1")
    assert after is not None
    assert (after.no, after.message.sent_at, after.ack) == (before.no, SENT_AT, 2)


def test_edits_reactions_and_deletions_through_gowa_are_kept(world: World) -> None:
    world.gowa.acts += [answering(sent(id)) for id in ("3EB0E1", "E2", "E3", "E4")]
    with world.client() as client:
        say(client)
        client.post("/message/3EB0E1/update", json={"phone": ANA, "message": "good evening"})
        client.post("/message/3EB0E1/reaction", json={"phone": ANA, "emoji": "👍"})
        client.post("/message/3EB0E1/revoke", json={"phone": ANA})
    found = world.message("3EB0E1")
    assert found is not None
    assert [r.emoji for r in found.reactions] == ["👍"]
    assert found.deleted


def test_edits_reactions_and_deletions_through_periskope_are_kept(world: World) -> None:
    job = "5e2c51a4-3c1a-4d43-8f0e-0b7f5a9a7d11"
    world.periskope.acts += [answering(queued("3EB0P1") | {"queue_id": job}), *[answering(None, 204)] * 3]
    with world.client(headers={"x-phone": ME}) as client:
        client.post("/v1/message/send", json={"chat_id": f"{ANA}@c.us", "message": "good morning"})
        for change, body in (("edit", {"edited_body": "good evening"}), ("react", {"reaction": "👍"})):
            answer = client.post(f"/v1/message/true_{ANA}%40c.us_3EB0P1/{change}", json=body)
            assert (answer.status_code, answer.content) == (204, b"")
        found = world.message("3EB0P1")
        assert found is not None
        assert (found.message.text, found.prev_text) == ("good evening", "good morning")
        assert [(r.emoji, r.from_me) for r in found.reactions] == [("👍", True)]
        # The message is named by the id of the job that sent it; the official client sends no body.
        client.post(f"/v1/message/{job}/delete")
    found = world.message("3EB0P1")
    assert found is not None
    assert found.deleted


def test_what_gowa_forwards_is_in_the_archive(world: World) -> None:
    world.gowa.acts += [answering(sent("3EB0H1")), answering(sent("3EB0H2"))]
    with world.client() as client:
        say(client)
        client.post("/message/3EB0H1/forward", json={"phone": "4915112345678"})
    found = world.message("3EB0H2")
    assert found is not None
    assert (found.message.key.chat, found.message.text) == ("4915112345678@s.whatsapp.net", "good morning")
    assert found.message.details.is_forwarded


def test_periskopes_answer_goes_on_and_its_key_stays_here(world: World) -> None:
    world.periskope.acts.append(answering(queued("3EB0B1"), 201))
    with world.client(headers={"x-phone": world.me.phone_id or ""}) as client:
        answer = client.post("/v1/message/send", json={"chat_id": f"{ANA}@c.us", "message": "hello"})
    assert (answer.status_code, answer.json()) == (201, queued("3EB0B1"))
    (asked,) = world.periskope.asked
    assert (asked.target, asked.headers["x-phone"]) == ("/v1/message/send", ME)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in str(answer.headers)
    assert (found := world.message("3EB0B1")) is not None
    assert found.message.details.client_ref == queued("")["queue_id"]


def test_a_refusal_of_the_gateway_reaches_the_client_and_nothing_is_kept(world: World) -> None:
    refusal = {"code": "VALIDATION_ERROR", "message": "phone: cannot be blank.", "results": {"message_id": "NOT1"}}
    world.gowa.acts.append(answering(refusal, 400))
    with world.client() as client:
        answer = say(client)
    assert (answer.status_code, answer.json()) == (400, refusal)
    assert world.message("NOT1") is None


def test_a_redirect_is_handed_on_and_not_followed(world: World) -> None:
    world.gowa.acts.append(redirecting(world.stranger.url + "/elsewhere"))
    with world.client() as client:
        answer = client.get("/user/info?phone=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, world.stranger.url + "/elsewhere")
    assert world.stranger.asked == []


def test_ten_megabytes_come_as_they_are(world: World) -> None:
    world.gowa.acts.append(large(10_000_000))
    with world.client() as client:
        answer = client.get("/user/avatar")
    assert answer.content == b"0123456789" * 1_000_000
    assert (answer.headers["content-type"], answer.headers["content-length"]) == ("image/png", "10000000")


@pytest.mark.parametrize("path", ["/send/message", "/send/presence"])
@pytest.mark.parametrize("promised", [5000, None])
def test_an_answer_that_is_cut_off_is_never_a_whole_one(world: World, path: str, promised: int | None) -> None:
    world.gowa.acts.append(dying(b'{"code":"SUCCESS","results":{}}', promised))
    with world.client() as client, pytest.raises(httpx.TransportError):
        client.post(path, json={"phone": ANA, "message": "x"})
    assert len(world.gowa.asked) == 1


def test_a_gateway_that_hangs_up_is_a_bad_gateway(world: World) -> None:
    world.gowa.acts.append(hang_up)
    with world.client() as client:
        answer = say(client)
    assert (answer.status_code, answer.json()["code"]) == (502, "BAD_GATEWAY")
    assert "before you send it again" in answer.json()["message"]
    assert world.gowa.url not in answer.text


def test_a_gateway_that_does_not_answer_is_not_waited_for_for_ever(world: World) -> None:
    world.periskope.acts.append(waiting(answering(queued("3EB0L1"))))
    with world.client(headers={"x-phone": ME}) as client:
        answer = client.post("/v1/message/send", json={"chat_id": f"{ANA}@c.us", "message": "late"})
    assert (answer.status_code, answer.json()["code"]) == (504, "GATEWAY_TIMEOUT_ERROR")


def test_a_client_that_leaves_has_sent_its_message(world: World) -> None:
    world.gowa.acts.append(waiting(answering(sent("3EB0G1"))))
    with world.client() as client:
        secret = client.headers["authorization"]
    body = json.dumps({"phone": ANA, "message": "bye"}).encode()
    head = f"POST /send/message HTTP/1.1\r\nHost: x\r\nAuthorization: {secret}\r\nContent-Type: application/json\r\n"
    with world.served.connect() as connection:
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        while not world.gowa.asked:
            connection.settimeout(0.01)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.shutdown(socket.SHUT_RDWR)
    world.gowa.go_on.set()
    give_up = time.monotonic() + 60
    while world.message("3EB0G1") is None:
        assert time.monotonic() < give_up, "the message was not stored"
        time.sleep(0.02)


def test_a_token_that_reads_never_sends(world: World) -> None:
    with world.client("read") as client:
        answer = say(client)
        assert client.get("/user/info").status_code == 403
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert world.gowa.asked == []


def test_a_phone_without_an_upstream_is_answered_as_before(world: World) -> None:
    with world.client(phones=(world.other.no,)) as client:
        answer = say(client)
        assert (answer.status_code, answer.json()["code"]) == (501, "NOT_IMPLEMENTED")
        assert "source add gowa|periskope --upstream" in answer.json()["message"]
        named = client.post("/send/message", json={}, headers={"x-device-id": "desk"})
    assert named.status_code in (404, 501)
    assert world.gowa.asked == []


def test_no_header_or_parameter_reaches_another_phone(world: World) -> None:
    with world.client() as client:
        other = client.post(f"/send/message?device_id={OTHER}", json={}, headers={"x-device-id": "desk"})
        assert other.status_code == 400
        away = client.post("/send/message", json={}, headers={"x-device-id": "4915112345678"})
        assert away.status_code in (403, 404)
    with world.client(phones=(world.other.no,), headers={"x-phone": ME}) as client:
        answer = client.post("/v1/message/send", json={"chat_id": ANA, "message": "x"})
        assert answer.status_code == 401
    with world.client(phones=(world.other.no,)) as client:
        assert client.post("/v1/message/true_x@c.us_3EB0A1/delete", json={}).status_code == 404
        assert client.patch("/v1/contacts/labels", json={}).status_code == 403
    assert (world.gowa.asked, world.periskope.asked, world.stranger.asked) == ([], [], [])


@pytest.mark.parametrize("path", ["/message/%2e%2e/revoke", "/message/a%2Fb/revoke", "/message/a%5Cb/revoke"])
def test_a_path_that_could_mean_another_one_is_refused(world: World, path: str) -> None:
    with world.client() as client:
        request = client.build_request("POST", world.served.url)
        request.url = httpx.URL(world.served.url).copy_with(raw_path=path.encode())
        assert client.send(request).status_code in (400, 404)
    assert world.gowa.asked == []


def test_a_body_that_is_too_large_is_refused_before_the_gateway_is_asked(world: World) -> None:
    with world.client() as client:
        answer = client.post("/send/file", content=b"x" * 20_000_001)
    assert answer.status_code == 413
    assert world.gowa.asked == []


def test_an_answer_that_is_not_understood_goes_on_and_keeps_nothing(world: World) -> None:
    world.gowa.acts.append(answering({"results": {"message_id": ""}}))
    with world.client() as client:
        assert say(client).json() == {"results": {"message_id": ""}}
    assert world.message("") is None


def test_a_removed_source_is_asked_no_more(world: World) -> None:
    gone = world.add("gowa", world.stranger, world.other, LOGIN)
    world.store.sources.remove(gone.id)
    with world.client(headers={"x-device-id": OTHER}) as client:
        assert say(client).status_code == 501
    assert world.stranger.asked == []
