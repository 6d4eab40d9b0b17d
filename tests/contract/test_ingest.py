"""The routes for gateways: signatures, replays, partial payloads, request keys, quarantine, and what both APIs show."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import structs

import gateways
from backscroll.ingest.connector import PUSHED
from backscroll.ingest.quarantine import retry
from backscroll.ingest.signatures import sign
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from contract.world import Client, World
from gateways import ANA, ANSWER, HELLO, ME, SENDERS, gowa, net, own_events

SECRET = "a secret of some length"
SIGNED = ("gowa", "waha", "periskope", "cloud")


class Gateway:
    """A source and how its gateway reaches the server."""

    def __init__(self, world: World, kind: str, verify_token: str | None = None, phone: bool = True) -> None:
        self.world = world
        self.kind = kind
        self.phone = world.phone(ME) if phone else None
        id = make_source_id(world.org.no)
        wanted = LiveSource(org=world.org.no, id=id, kind=kind, phone=self.phone.no if self.phone else None)
        self.source = world.store.sources.add(wanted, SourceSecrets(SECRET, verify_token))
        self.path = f"/ingest/{kind}/{id}" + (f"/{SECRET.replace(' ', '%20')}" if kind == "evolution" else "")
        self.guest: Client = world.guest()

    def push(self, body: bytes, headers: dict[str, str] | None = None, path: str | None = None) -> httpx.Response:
        signed = sign(self.kind, SECRET, body) if headers is None else headers
        return self.guest.ask(path or self.path, "POST", signed, content=body)

    def count(self) -> int:
        answer = self.world.client().ask("/v1/chats/messages").json()
        return int(answer["count"])

    def problems(self) -> list[str]:
        return [found.problem for found in self.world.store.list_quarantined(self.world.org.no)]


@pytest.mark.parametrize("kind", SENDERS)
def test_what_each_gateway_pushes_is_shown_by_both_apis(world: World, kind: str) -> None:
    gateway = Gateway(world, kind)
    for body in gateways.payloads(kind):
        answer = gateway.push(body)
        assert answer.status_code == 200, answer.text
    shown = world.client()
    rows = {row["unique_id"]: row for row in shown.ask("/v1/chats/messages").json()["messages"]}
    assert rows[ANSWER.id]["body"] == "good morning"
    assert (rows[ANSWER.id]["from_me"], rows[ANSWER.id]["ack"]) == (True, "4")
    page = shown.ask(f"/chat/{net(ANA)}/messages").json()["results"]["data"]
    assert {row["id"] for row in page} >= {HELLO.id, ANSWER.id}
    waiting = world.store.waiting_in_quarantine(world.org.no)
    assert len(gateway.problems()) == len(waiting) <= (kind == "evolution")


@pytest.mark.parametrize("kind", SIGNED)
def test_a_signature_must_be_there_and_right_and_of_these_very_bytes(world: World, kind: str) -> None:
    gateway = Gateway(world, kind)
    body = gateways.payloads(kind)[0]
    right = sign(kind, SECRET, body)
    (name, value) = next(iter(right.items()))
    wrong = [
        {},
        {name: ""},
        {name: value[:-1] + ("0" if value[-1] != "0" else "1")},
        {name: value[:-2]},
        sign(kind, "another secret", body),
        sign(kind, SECRET, body + b" "),
        {name: "sha256=" if kind in ("gowa", "cloud") else "x"},
        {"authorization": f"Bearer {SECRET}"},
    ]
    for headers in wrong:
        answer = gateway.push(body, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert gateway.count() == 0
    assert gateway.problems() == []
    assert gateway.push(body, {name.upper(): value.upper() if kind == "waha" else value}).status_code == 200


def test_wahas_signature_of_a_weaker_kind_is_refused(world: World) -> None:
    gateway = Gateway(world, "waha")
    body = gateways.payloads("waha")[0]
    weaker = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-webhook-hmac": weaker, "x-webhook-hmac-algorithm": "sha256"}
    assert gateway.push(body, headers).status_code == 401


def test_an_unknown_source_and_one_of_another_kind_are_not_told_apart(world: World) -> None:
    gateway = Gateway(world, "gowa")
    body = gateways.payloads("gowa")[0]
    same = gateway.push(body, path=gateway.path.replace("/gowa/", "/waha/"))
    for path in (
        "/ingest/gowa/src1x0000000000000000",
        "/ingest/gowa/src999999x0",
        "/ingest/gowa/x",
        "/ingest/waha/%00",
    ):
        answer = gateway.push(body, path=path)
        assert (answer.status_code, answer.json()) == (same.status_code, same.json())
    assert same.status_code == 401


def test_a_source_that_was_removed_takes_nothing_more(world: World) -> None:
    gateway = Gateway(world, "gowa")
    world.store.sources.remove(gateway.source.id)
    assert gateway.push(gateways.payloads("gowa")[0]).status_code == 401


def _token(key: str, algorithm: str = "HS256", **claims: Any) -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    head = part(msgspec.json.encode({"alg": algorithm, "typ": "JWT"}))
    payload = part(msgspec.json.encode({"app": "evolution", "action": "webhook", **claims}))
    signature = hmac.new(key.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
    return f"{head}.{payload}.{part(signature)}"


def test_evolutions_address_is_its_secret(world: World) -> None:
    gateway = Gateway(world, "evolution")
    body = gateways.payloads("evolution")[0]
    for secret in ("wrong", SECRET[:-1].replace(" ", "%20"), SECRET.upper().replace(" ", "%20")):
        assert gateway.push(body, path=f"/ingest/evolution/{gateway.source.id}/{secret}").status_code == 401
    assert gateway.push(body).status_code == 200
    assert gateway.push(body, path=f"{gateway.path}/messages-upsert").status_code == 200
    assert gateway.count() == 1


def test_evolutions_token_is_checked_where_a_key_was_given(world: World) -> None:
    key = "key of the tokens"
    gateway = Gateway(world, "evolution", verify_token=key)
    body, now = gateways.payloads("evolution")[0], time.time()
    refused = [
        None,
        "x.y.z",
        "x",
        _token("another key", exp=now + 600),
        _token(key, exp=now - 600),
        _token(key, nbf=now + 600),
        _token(key, "none", exp=now + 600),
        _token(key, exp="soon"),
        _token(key, exp=now + 600)[:-3],
    ]
    for token in refused:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        assert gateway.push(body, headers).status_code == 401
    assert gateway.count() == 0
    assert gateway.push(body, {"authorization": f"Bearer {_token(key, exp=now + 600)}"}).status_code == 200


def test_evolutions_api_key_is_kept_nowhere_in_clear(world: World) -> None:
    gateway = Gateway(world, "evolution")
    good = gateways.payloads("evolution")[0]
    assert b"B6D711FCDE4D4FD5" in good
    assert gateway.push(good).status_code == 200
    assert gateway.push(good.replace(b"messages.upsert", b"messages.unheard")).json()["quarantined"] is True
    raws = world.store.dump(world.org.no, lambda dump: [line.event for line in dump.lines], raws=True)
    assert b"B6D711FCDE4D4FD5" not in msgspec.json.encode([msgspec.to_builtins(event) for event in raws])


def test_meta_is_answered_its_challenge_for_the_right_token_only(world: World) -> None:
    gateway = Gateway(world, "cloud", verify_token="expected")
    asked = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token"
    answer = gateway.guest.ask(f"{gateway.path}?{asked}=expected")
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for query in (f"{asked}=wrong", f"{asked}=", "hub.mode=subscribe&hub.verify_token=expected", ""):
        assert gateway.guest.ask(f"{gateway.path}?{query}").status_code == 403
    assert gateway.guest.ask(f"/ingest/cloud/src1x00?{asked}=expected").status_code == 401


def test_the_same_payload_again_changes_nothing(world: World) -> None:
    gateway = Gateway(world, "gowa")
    for body in [*gateways.payloads("gowa"), *reversed(gateways.payloads("gowa"))]:
        assert gateway.push(body).status_code == 200
    version = world.store.version(world.org.no)
    for body in gateways.payloads("gowa"):
        assert gateway.push(body).status_code == 200
    assert world.store.version(world.org.no) == version


@pytest.mark.parametrize("kind", SIGNED)
def test_half_a_payload_is_put_aside_as_it_came(world: World, kind: str) -> None:
    gateway = Gateway(world, kind)
    half = gateways.payloads(kind)[0][:-20]
    for body in (half, b"", b"\xff\xfe", b"null", half):
        answer = gateway.push(body)
        assert (answer.status_code, answer.json()) == (200, {"events": 0, "quarantined": True})
    kept = world.store.quarantined(world.org.no)
    assert [found.payload for found in kept] == [half, b"", b"\xff\xfe", b"null"]
    assert {(found.source, found.via) for found in kept} == {(kind, gateway.source.id)}


def test_metas_good_messages_are_taken_though_one_beside_them_is_not(world: World) -> None:
    gateway = Gateway(world, "cloud")
    row = {"from": ANA, "timestamp": "1773306000", "type": "text", "text": {"body": "good"}}
    value = {"metadata": {"display_phone_number": ME}, "messages": [{"id": 7}, row | {"id": "A"}, row | {"id": "B"}]}
    entry = {"changes": [{"field": "messages", "value": value}]}
    answer = gateway.push(msgspec.json.encode({"object": "x", "entry": [entry]}))
    assert answer.json() == {"events": 2, "quarantined": True}
    assert gateway.count() == 2
    assert gateway.problems() == ["entry[0].changes[0].value.messages[0].id: Expected `str`, got `int`"]


def test_a_number_that_is_not_the_organisations_is_put_aside_until_it_is(world: World) -> None:
    gateway = Gateway(world, "gowa")
    body = gowa(HELLO).replace(net(ME).encode(), b"628111111111@s.whatsapp.net")  # type: ignore[union-attr]
    assert gateway.push(body).json()["quarantined"] is True
    (problem,) = gateway.problems()
    assert "backscroll phone add --number 628111111111" in problem
    (kept,) = world.store.list_quarantined(world.org.no)
    assert retry(world.store, world.org.no, kept.no) == problem
    world.phone("628111111111")
    assert retry(world.store, world.org.no, kept.no) is None
    assert gateway.problems() == []
    assert gateway.count() == 1


def test_a_source_of_many_phones_makes_those_that_it_names(world: World) -> None:
    gateway = Gateway(world, "periskope", phone=False)
    for body in gateways.payloads("periskope"):
        assert gateway.push(body).json()["quarantined"] is False
    assert world.store.find_phone(world.org.no, ME).number == ME


def test_what_a_newer_version_understands_is_taken_by_a_retry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway(world, "gowa")
    body = gowa(HELLO)
    assert body is not None
    with monkeypatch.context() as older:
        unheard = gateways_of_an_older_version()
        older.setitem(PUSHED, "gowa", unheard)
        assert gateway.push(body).json()["quarantined"] is True
    (kept,) = world.store.list_quarantined(world.org.no)
    assert retry(world.store, world.org.no, kept.no) is None
    assert (gateway.count(), gateway.problems()) == (1, [])


def gateways_of_an_older_version() -> Any:
    from backscroll.core.errors import Unreadable

    def observe(body: bytes, setup: object) -> Any:
        raise Unreadable("gowa", "event", "this version does not know the event 'message'")

    return structs.replace(PUSHED["gowa"], observe=observe)


def test_an_edit_whose_chat_is_not_told_waits_for_its_message(world: World) -> None:
    gateway = Gateway(world, "evolution")
    message, edit = gateways.payloads("evolution")[:2]
    assert gateway.push(edit).json()["quarantined"] is True
    assert world.store.waiting_in_quarantine(world.org.no) != []
    assert gateway.push(message).json()["quarantined"] is False
    from backscroll.jobs.runner import go_round

    go_round(world.store, lambda: False, lambda seconds: None)
    assert gateway.problems() == []
    (row,) = world.client().ask("/v1/chats/messages").json()["messages"]
    assert (row["body"], row["prev_body"]) == ("hello there", "hello ther")


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    app = world.make_app(max_body_bytes=2000)
    gateway = Gateway(world, "gowa")
    gateway.guest = world.guest(app=app)
    assert gateway.push(b"x" * 2001).status_code == 413
    assert gateway.push(gateways.payloads("gowa")[0]).status_code == 200


# the archive's own format


def _events(*rows: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"events": list(rows)})


def _row(id: str = "A", **more: Any) -> dict[str, Any]:
    return {"type": "message", "chat": ANA, "id": id, "timestamp": 1_773_306_000, "text": "hi"} | more


def test_events_are_taken_all_or_none_and_the_field_is_named(world: World) -> None:
    gateway = Gateway(world, "events")
    assert gateway.push(_events(_row("A"), _row("B"))).json() == {"accepted": 2}
    answer = gateway.push(_events(_row("C"), _row("D", timestamp="soon")))
    assert answer.status_code == 422
    place = "events[1].timestamp"
    assert answer.json() == {"code": "BAD_FIELD", "message": f"{place}: 'soon' is not a time", "field": place}
    unknown = gateway.push(_events(_row("C"), _row("D", phone="49151234567")))
    assert unknown.status_code == 422
    assert "none of the organisation's phones" in unknown.json()["message"]
    long = gateway.push(_events(_row("C"), {"type": "contact", "jid": "x" * 513, "name": "y"}))
    assert long.status_code == 422
    assert gateway.count() == 2
    assert gateway.problems() == []
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {SECRET}"}):
        assert gateway.push(_events(_row("E")), headers).status_code == 401


def test_a_made_secret_names_its_source(world: World) -> None:
    id = make_source_id(world.org.no)
    wanted = LiveSource(org=world.org.no, id=id, kind="events", phone=world.phone(ME).no)
    world.store.sources.add(wanted, SourceSecrets(f"{id}_made"))
    guest = world.guest()
    for secret, status in ((f"{id}_made", 200), (f"{id}_other", 401), (id, 401), ("", 401)):
        headers = {"authorization": f"Bearer {secret}"}
        assert guest.ask("/ingest/events", "POST", headers, content=_events(_row())).status_code == status


def test_a_request_with_the_same_key_is_answered_as_the_first_time(world: World) -> None:
    gateway = Gateway(world, "events")
    headers = {"authorization": f"Bearer {SECRET}", "idempotency-key": "order-17"}
    body = _events(_row("A"), _row("B"))
    first = gateway.push(body, headers)
    assert (first.status_code, first.json()) == (200, {"accepted": 2})
    assert "idempotent-replayed" not in first.headers
    version = world.store.version(world.org.no)
    again = gateway.push(body, headers)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert world.store.version(world.org.no) == version
    other = gateway.push(_events(_row("C")), headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert gateway.count() == 2


def test_a_key_is_a_sources_own_and_a_refused_request_does_not_use_it_up(world: World) -> None:
    one, two = Gateway(world, "events"), Gateway(world, "events")
    headers = {"authorization": f"Bearer {SECRET}", "idempotency-key": "k"}
    assert one.push(_events(_row("A", timestamp="soon")), headers).status_code == 422
    assert one.push(_events(_row("A")), headers).status_code == 200
    assert two.push(_events(_row("B")), headers).status_code == 200
    assert one.count() == 2
    for key in ("", "x" * 256, "a\tb"):
        answer = one.push(_events(), headers | {"idempotency-key": key})
        assert answer.status_code == 422
        assert answer.json()["message"].startswith("Idempotency-Key: must be 1 to 255")


def test_one_key_at_the_same_instant_has_one_effect(world: World) -> None:
    gateway = Gateway(world, "events")
    ingestor_calls = 8
    from backscroll.core.errors import Conflict
    from backscroll.ingest.webhooks import Ingestor

    ingestor = Ingestor(world.store)
    bodies = [_events(_row("A", text=f"text {n % 2}")) for n in range(ingestor_calls)]

    def send(body: bytes) -> str:
        try:
            ingestor.take_request(gateway.source, body, "once", lambda n: b"{}")
        except Conflict:
            return "refused"
        return body.decode()

    with ThreadPoolExecutor(ingestor_calls) as pool:
        outcomes = list(pool.map(send, bodies))
    taken = {outcome for outcome in outcomes if outcome != "refused"}
    assert len(taken) == 1
    assert outcomes.count("refused") == ingestor_calls // 2


def test_an_answer_is_forgotten_after_two_days(tmp_path: Any, database_url: str | None) -> None:
    clock = [1_773_306_000_000_000]
    from backscroll.storage.store import open_store
    from backscroll.storage.write.idempotency import ANSWERS_US

    store = open_store(database_url, tmp_path, clock=lambda: clock[0])
    try:
        org = store.create_org("Clock")
        phone = store.add_phone(org.no, ME)
        wanted = LiveSource(org=org.no, id=make_source_id(org.no), kind="events", phone=phone.no)
        source = store.sources.add(wanted, SourceSecrets(SECRET))
        from backscroll.ingest.webhooks import Ingestor

        ingestor = Ingestor(store)
        ingestor.take_request(source, _events(_row("A")), "k", lambda n: b"first")
        clock[0] += ANSWERS_US - 1
        assert store.sources.answer(source, "k") is not None
        clock[0] += 2
        assert store.sources.answer(source, "k") is None
        ingestor.take_request(source, _events(_row("B")), "k", lambda n: b"second")
        kept = store.sources.answer(source, "k")
        assert kept is not None
        assert kept.body == b"second"
    finally:
        store.close()


# the phone's state


def _state(world: World) -> tuple[Any, ...]:
    client = world.client()
    shown = client.ask("/v1/phones/all").json()[0]
    device = client.ask("/devices").json()["results"][0]
    status = client.ask("/app/status").json()["results"]
    return shown["wa_state"], shown["is_ready"], device["state"], status["is_connected"], status["is_logged_in"]


CONNECTED = ("CONNECTED", True, "logged_in", True, True)
DISCONNECTED = ("DISCONNECTED", False, "disconnected", False, False)


def test_a_phones_state_is_its_live_sources_in_both_dialects(world: World) -> None:
    gateway = Gateway(world, "waha")
    assert _state(world) == CONNECTED

    def status(word: str, at: int) -> bytes:
        envelope = {"event": "session.status", "timestamp": at, "me": {"id": f"{ME}@c.us"}, "payload": {"status": word}}
        return msgspec.json.encode(envelope)

    gateway.push(status("STOPPED", 2_000))
    assert _state(world) == DISCONNECTED
    gateway.push(status("WORKING", 1_000))
    assert _state(world) == DISCONNECTED
    gateway.push(status("STARTING", 3_000))
    assert _state(world) == ("OPENING", False, "connecting", False, False)
    gateway.push(status("WORKING", 4_000))
    assert _state(world) == CONNECTED


def test_an_event_shows_that_a_gateway_without_such_events_is_connected(world: World) -> None:
    gateway = Gateway(world, "gowa")
    world.store.sources.connect(world.org.no, gateway.source.phone or 0, "DISCONNECTED", 1)
    assert _state(world) == DISCONNECTED
    gateway.push(gateways.payloads("gowa")[0])
    assert _state(world) == CONNECTED
    world.store.sources.connect(world.org.no, gateway.source.phone or 0, "DISCONNECTED")
    world.store.sources.remove(gateway.source.id)
    assert _state(world) == CONNECTED


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("CONNECTED", CONNECTED),
        ("disconnected", DISCONNECTED),
        ("null", (None, None, "disconnected", False, False)),
    ],
)
def test_a_phone_of_an_archive_shows_what_the_setting_says(world: World, setting: str, shown: tuple[Any, ...]) -> None:
    world.phone(ME)
    world.app = world.make_app(archive_phone_state=setting)
    assert _state(world) == shown


def test_the_source_that_was_heard_says_when(world: World) -> None:
    gateway = Gateway(world, "gowa")
    assert gateway.source.last_event_at is None
    gateway.push(b'{"event":"chat_presence","payload":{}}')
    assert world.store.sources.find(gateway.source.id).last_event_at is None
    gateway.push(gateways.payloads("gowa")[0])
    assert world.store.sources.find(gateway.source.id).last_event_at is not None


def test_secrets_are_sealed_in_the_database(world: World) -> None:
    Gateway(world, "gowa", verify_token="a token to verify")
    rows = world.store._engine.read(
        lambda tx: tx.all("copy_first_sources", {"org": world.org.no, "limit": 10}), world.org.no
    )
    text = repr(rows)
    assert SECRET not in text
    assert "a token to verify" not in text


def test_own_events_tell_the_day(world: World) -> None:
    gateway = Gateway(world, "events")
    body = own_events(HELLO)
    assert body is not None
    assert gateway.push(body).json() == {"accepted": 1}
