"""The whole app over ASGI: who is admitted, what is answered, and in which form."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from msgspec import structs
from small_world import BEARER, ONE, ORG, SECRET, TWO, Client, SmallArchive, connect, message

from backscroll.core.errors import StorageBusy, StorageFull, Unauthorised
from backscroll.core.model import Access
from backscroll.http.auth import Admission, Authenticator, Caller, sent_credential
from backscroll.storage.store import Store

LIST = "/v1/chats/messages?limit=10"
GOWA_LIST = "/chat/919537851844@s.whatsapp.net/messages"


Make = Callable[..., Client]


@pytest.fixture
def archive() -> SmallArchive:
    return SmallArchive(ONE)


@pytest.fixture
def make_client(archive: SmallArchive, tmp_path: Path) -> Make:
    return partial(connect, archive, tmp_path)


@pytest.fixture
def client(make_client: Make) -> Client:
    return make_client()


def basic(user: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def code(response: httpx.Response) -> Any:
    return response.json()["code"]


# credentials


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Digest x"},
        basic("x", "y"),
    ],
)
def test_without_a_good_credential_nothing_is_shown(client: Client, headers: dict[str, str]) -> None:
    periskope, gowa = client.ask(LIST, headers=headers), client.ask(GOWA_LIST, headers=headers)
    assert periskope.status_code == gowa.status_code == 401
    assert periskope.json() == {
        "name": "Unauthorized",
        "code": "UNAUTHORIZED_ERROR",
        "message": "Invalid bearer auth token",
        "status": 401,
    }
    assert gowa.json() == {"code": "UNAUTHORIZED", "message": "Unauthorized"}
    assert gowa.headers["www-authenticate"].startswith("Basic ")


def test_bearer_and_basic_both_open_both_dialects(client: Client) -> None:
    for path in (LIST, GOWA_LIST):
        assert client.ask(path, headers=BEARER).status_code == 200
        assert client.ask(path, headers=basic("tok", SECRET)).status_code == 200


def test_a_token_without_the_scope_is_forbidden(client: Client, archive: SmallArchive) -> None:
    archive.scopes = frozenset({"ingest"})
    assert client.ask(LIST).status_code == 403


def test_guessing_is_slowed_down_but_known_credentials_go_on(client: Client, archive: SmallArchive) -> None:
    assert client.ask(LIST).status_code == 200
    answers = [client.ask(LIST, headers={"authorization": f"Bearer {n}"}) for n in range(32)]
    assert answers[29].status_code == 401
    assert answers[30].status_code == 429
    assert int(answers[30].headers["retry-after"]) > 0
    looked_up = archive.looked_up
    client.ask(LIST, headers={"authorization": "Bearer another"})
    assert archive.looked_up == looked_up
    assert client.ask(LIST).status_code == 200


def admit(gate: Authenticator, headers: dict[str, str]) -> Admission:
    """Admit a request as a server does when no token has changed."""
    return gate.remembered(sent_credential(headers)) or gate.admit(Caller(headers, "203.0.113.7"))


def test_a_credential_is_looked_up_again_after_a_second(archive: SmallArchive) -> None:
    now = [0.0]
    gate = Authenticator(cast(Store, archive), now=lambda: now[0])
    admit(gate, BEARER)
    admit(gate, BEARER)
    assert archive.looked_up == 1
    now[0] += 1
    admit(gate, BEARER)
    assert archive.looked_up == 2


def test_a_revoked_token_is_refused_at_once(client: Client, archive: SmallArchive) -> None:
    assert client.ask(LIST).status_code == 200
    archive.revoked = True
    archive.write("token")
    assert client.ask(LIST).status_code == 401


def test_a_message_does_not_have_credentials_looked_up_again(client: Client, archive: SmallArchive) -> None:
    client.ask(LIST)
    archive.write("message", phone=1, chat=7)
    client.ask(LIST)
    assert archive.looked_up == 1


def test_a_token_that_is_revoked_while_it_is_looked_up_is_looked_up_again(
    client: Client, archive: SmallArchive
) -> None:
    authenticate = archive.authenticate

    def revoked_meanwhile(secret: str) -> Access:
        found = authenticate(secret)
        archive.revoked = True
        archive.write("token")
        return found

    archive.authenticate = revoked_meanwhile  # type: ignore[method-assign]
    client.ask(LIST)
    archive.authenticate = authenticate  # type: ignore[method-assign]
    assert client.ask(LIST).status_code == 401


def test_a_token_is_remembered_once_however_its_credential_is_spelt(archive: SmallArchive) -> None:
    gate = Authenticator(cast(Store, archive), now=lambda: 0.0)
    spellings = [f"{word}{' ' * n}{SECRET}" for n in range(1, 600) for word in ("Bearer", "bEARER")]
    for spelling in [*spellings, basic(SECRET, SECRET)["authorization"]]:
        if spelling.startswith("B"):
            archive.token = SECRET
        admit(gate, {"authorization": spelling})
    assert archive.looked_up == 1


def test_a_remembered_token_is_not_opened_by_another_secret_or_user(archive: SmallArchive) -> None:
    gate = Authenticator(cast(Store, archive), now=lambda: 0.0)
    admit(gate, BEARER)
    for wrong in ({"authorization": f"Bearer {SECRET}_x"}, basic("another", SECRET)):
        with pytest.raises(Unauthorised):
            admit(gate, wrong)


def test_the_tokens_used_last_are_remembered(archive: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authenticator, "MAX_KNOWN", 2)
    gate = Authenticator(cast(Store, archive), now=lambda: 0.0)
    archive.any_secret = True
    for secret in ("one", "two", "one", "three", "one"):
        admit(gate, {"authorization": f"Bearer {secret}"})
    assert archive.looked_up == 3


def test_open_access_lets_a_program_on_this_machine_in(make_client: Make) -> None:
    client = make_client("127.0.0.1", "localhost:8080", open_access="bsk1xsample")
    assert client.ask(LIST, headers={}).status_code == 200
    assert client.ask(LIST, headers={"sec-fetch-mode": "cors"}).status_code == 200
    assert client.ask(LIST, headers={"origin": "http://localhost:8080"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"host": "evil.example"},
        {"x-forwarded-for": "198.51.100.1"},
        {"x-forwarded-proto": "https"},
        {"x-real-ip": "198.51.100.1"},
        {"forwarded": "for=198.51.100.1"},
        {"via": "1.1 proxy"},
        {"cf-connecting-ip": "198.51.100.1"},
        {"host": ""},
        {"authorization": "Bearer wrong"},
    ],
)
def test_open_access_is_closed_to_web_pages_proxies_and_wrong_tokens(
    make_client: Make, headers: dict[str, str]
) -> None:
    client = make_client("127.0.0.1", "localhost:8080", open_access="bsk1xsample")
    assert client.ask(LIST, headers=headers).status_code == 401


@pytest.mark.parametrize(("version", "host"), [("1", b"localhost:8080"), ("1.0", b"localhost"), ("1.1", None)])
def test_open_access_is_closed_to_what_only_proxies_send(make_client: Make, version: str, host: bytes | None) -> None:
    client = make_client("127.0.0.1", open_access="bsk1xsample")
    headers = [] if host is None else [(b"host", host)]
    assert client.status(LIST, headers, http_version=version) == 401
    assert client.status(LIST, [(b"host", b"localhost")], http_version="1.1") == 200


@pytest.mark.parametrize("host", [b"[", b"a b", b"a/b", b"a@b", b"[::1", b"a:b", "é".encode(), b"a:999999"])
def test_a_host_that_is_none_is_a_bad_request(make_client: Make, host: bytes) -> None:
    client = make_client("127.0.0.1", open_access="bsk1xsample")
    for path in (LIST, GOWA_LIST, "/health"):
        assert client.status(path, [(b"host", host)]) == 400


@pytest.mark.parametrize("name", [b"authorization", b"host"])
def test_a_header_that_must_be_one_is_refused_twice(client: Client, name: bytes) -> None:
    credential = (b"authorization", BEARER["authorization"].encode())
    once = [(b"host", b"archive.test"), credential]
    assert client.status(LIST, once) == 200
    for path in (LIST, GOWA_LIST):
        assert client.status(path, [*once, *(header for header in once if header[0] == name)]) == 400
    assert client.status(LIST, [*once, (b"accept", b"a"), (b"accept", b"b")]) == 200


def test_a_phone_id_that_no_header_can_carry_breaks_nothing(tmp_path: Path) -> None:
    for phone_id in ("phone-a\rx-evil: 1", "phone-€", "phone-é", ""):
        phone = structs.replace(ONE, phone_id=phone_id)
        response = connect(SmallArchive(phone), tmp_path).ask(LIST, headers=BEARER | {"x-phone": phone.number})
        assert response.status_code == 200
        assert "x-periskope-phone-id" not in response.headers
        assert "x-evil" not in response.headers


def test_open_access_is_closed_to_other_machines(make_client: Make) -> None:
    client = make_client("203.0.113.7", "localhost:8080", open_access="bsk1xsample")
    assert client.ask(LIST, headers={}).status_code == 401


# shapes of what is missing


def test_unknown_addresses_answer_in_the_shape_of_their_dialect(make_client: Make) -> None:
    client = make_client(gowa_base_path="/gowa")
    periskope = client.ask("/v1/nowhere")
    assert periskope.status_code == 404
    assert list(periskope.json()) == ["name", "code", "message", "status"]
    assert list(client.ask("/gowa/nowhere").json()) == ["code", "message"]
    assert client.ask("/nowhere").json()["code"] == "NOT_FOUND"
    assert client.ask("/gowa/chats").status_code == 200


def test_a_wrong_method_says_which_are_right(client: Client) -> None:
    response = client.ask("/v1/contacts", "DELETE")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    assert code(response) == "METHOD_NOT_ALLOWED_ERROR"
    assert code(client.ask("/chats", "DELETE")) == "METHOD_NOT_ALLOWED"


def test_a_path_that_cannot_be_decoded_is_a_bad_request(client: Client) -> None:
    assert client.ask("/v1/chats/%FF").status_code == 400
    response = client.ask("/chat/%FF/messages")
    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


def test_what_needs_whatsapp_says_so(client: Client) -> None:
    for path in ("/v1/message/send", "/send/message", "/message/3EB0/reaction", "/v1/chats/x%40c.us/read"):
        response = client.ask(path, "POST", json={"message": "hi"})
        assert response.status_code == 501
        assert "gateway" in response.json()["message"]
    assert client.ask("/send/message", "POST", headers={}).status_code == 401


def test_oversize_addresses_and_headers_are_refused(client: Client) -> None:
    assert client.ask("/v1/chats?label=" + "x" * 20_000).status_code == 414
    assert client.ask(LIST, headers={**BEARER, "x-large": "x" * 70_000}).status_code == 431


# headers


def test_a_page_carries_the_headers_of_the_seed(client: Client) -> None:
    headers = client.ask(LIST).headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["x-periskope-org-id"] == ORG.id
    assert headers["x-periskope-phone-id"] == ONE.phone_id
    assert headers["x-periskope-trace-id"][14] == "1"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-powered-by"] == "Backscroll"
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("100", "99")
    assert headers["keep-alive"] == "timeout=5"
    assert "org_id" not in headers


def test_an_error_carries_them_too(client: Client) -> None:
    response = client.ask("/v1/chats/messages?limit=10000")
    assert response.status_code == 422
    assert response.headers["content-length"] == "197"
    assert response.headers["etag"] == 'W/"c5-sOfQmoGHJ22vOJ8WnucWzYQT5DI"'
    assert response.headers["org_id"] == response.headers["x-periskope-org-id"] == ORG.id
    assert "x-ratelimit-reset" in response.headers


def test_the_phone_is_named_only_when_the_request_came_down_to_one(client: Client, archive: SmallArchive) -> None:
    archive.phones = (ONE, TWO)
    assert "x-periskope-phone-id" not in client.ask(LIST).headers
    one = client.ask(LIST, headers={**BEARER, "x-phone": "+62 896-8502-8129"})
    assert one.headers["x-periskope-phone-id"] == TWO.phone_id
    other = client.ask(LIST, headers={**BEARER, "x-phone": "111"})
    assert other.status_code == 401


def test_head_has_the_headers_of_get_and_no_body(client: Client) -> None:
    for path in (LIST, GOWA_LIST, "/health"):
        got, head = client.ask(path), client.ask(path, "HEAD")
        assert head.status_code == got.status_code
        assert head.content == b""
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["etag"] == got.headers["etag"]


def test_a_preflight_needs_no_credential_and_names_what_is_allowed(client: Client) -> None:
    asked = {"origin": "https://app.example", "access-control-request-method": "GET"}
    periskope, gowa = client.ask(LIST, "OPTIONS", headers=asked), client.ask("/chats", "OPTIONS", headers=asked)
    for response in (periskope, gowa):
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == "*"
        assert "GET" in response.headers["access-control-allow-methods"]
    assert "x-phone" in periskope.headers["access-control-allow-headers"]
    assert "X-Device-Id" in gowa.headers["access-control-allow-headers"]
    assert client.ask("/nowhere", "OPTIONS", headers=asked).status_code == 404


# repeated and compressed


def test_an_unchanged_page_is_not_sent_twice(client: Client) -> None:
    etag = client.ask(LIST).headers["etag"]
    again = client.ask(LIST, headers={**BEARER, "if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert "x-ratelimit-limit" in again.headers
    assert client.ask(LIST, headers={**BEARER, "if-none-match": etag, "cache-control": "no-cache"}).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_large_page_is_compressed_as_the_client_likes(client: Client, archive: SmallArchive, encoding: str) -> None:
    archive.messages = [message(f"hello {n}") for n in range(10)]
    plain = client.ask(LIST)
    response = client.ask(LIST, headers={**BEARER, "accept-encoding": encoding})
    assert response.headers["content-encoding"] == encoding
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.headers["etag"] == plain.headers["etag"]
    assert int(response.headers["content-length"]) < len(plain.content)
    if encoding == "gzip":
        assert response.json() == plain.json()


def test_a_small_answer_is_left_as_it_is(client: Client) -> None:
    response = client.ask("/v1/note", headers={**BEARER, "accept-encoding": "gzip"})
    assert "content-encoding" not in response.headers


def test_a_very_large_page_is_compressed_beside_the_event_loop(client: Client, archive: SmallArchive) -> None:
    archive.messages = [message(f"hello {n}") for n in range(500)]
    response = client.ask("/v1/chats/messages", headers={**BEARER, "accept-encoding": "gzip"})
    assert len(response.json()["messages"]) == 500


def test_a_page_is_rendered_again_only_after_a_write(client: Client, archive: SmallArchive) -> None:
    first = client.ask(LIST)
    assert client.ask(LIST).content == first.content
    assert archive.asked == 1
    archive.messages = [message("changed")]
    archive.write("message", phone=1, chat=7)
    assert client.ask(LIST).json()["messages"][0]["body"] == "changed"
    assert archive.asked == 2


def test_a_kept_page_is_not_shown_to_another_access_phone_or_host(client: Client, archive: SmallArchive) -> None:
    archive.phones = (ONE, TWO)
    client.ask(LIST)
    client.ask(LIST, headers={**BEARER, "x-phone": ONE.number})
    client.ask(LIST, headers={**BEARER, "host": "other.test"})
    archive.phones = (TWO,)
    client.ask(LIST, headers=basic("tok", SECRET))
    assert archive.asked == 4


def test_the_page_cache_can_be_switched_off(make_client: Make, archive: SmallArchive) -> None:
    client = make_client(page_cache_bytes=0)
    client.ask(LIST)
    client.ask(LIST)
    assert archive.asked == 2


# limits and trouble


def test_too_many_requests_are_refused_with_the_time_to_come_again(make_client: Make) -> None:
    client = make_client(rate_limit=1)
    answers = [client.ask(LIST) for _ in range(3)]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.json()["message"] == "You can only make 1 requests per second"


@pytest.mark.parametrize(("trouble", "status"), [(StorageBusy("locked"), 503), (StorageFull("full"), 507)])
def test_a_database_in_trouble_is_told_in_both_shapes(
    client: Client, archive: SmallArchive, trouble: Exception, status: int
) -> None:
    archive.trouble = trouble
    periskope, gowa = client.ask(LIST), client.ask(GOWA_LIST)
    assert periskope.status_code == gowa.status_code == status
    assert periskope.json()["status"] == status
    assert set(gowa.json()) == {"code", "message"}
    if status == 503:
        assert periskope.headers["retry-after"] == gowa.headers["retry-after"] == "1"


def test_a_bug_answers_500_and_logs_its_place_but_never_its_words(
    client: Client, archive: SmallArchive, caplog: pytest.LogCaptureFixture
) -> None:
    archive.trouble = KeyError("a private message")
    with caplog.at_level(logging.ERROR):
        periskope, gowa = client.ask(LIST), client.ask(GOWA_LIST)
    assert periskope.json()["code"] == "UNKNOWN_ERROR"
    assert gowa.json()["code"] == "INTERNAL_SERVER_ERROR"
    assert periskope.headers["x-periskope-trace-id"] in caplog.text
    assert "KeyError" in caplog.text
    assert "list_messages" in caplog.text
    assert "private" not in caplog.text + periskope.text + gowa.text


def test_health_tells_whether_the_database_answers(client: Client, archive: SmallArchive) -> None:
    response = client.ask("/health", headers={})
    assert (response.status_code, response.text) == (200, "OK")
    archive.trouble = StorageBusy("locked")
    response = client.ask("/health", headers={})
    assert (response.status_code, response.text) == (503, "Service Unavailable")


def test_nobody_waits_for_a_client_that_hung_up(client: Client, archive: SmallArchive) -> None:
    sent: list[Any] = []
    archive.slow = 0.2
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/v1/contacts",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {SECRET}".encode())],
        "client": ("203.0.113.7", 1),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    client.call(scope, receive, send)
    assert sent == []


def test_the_app_starts_and_stops(client: Client) -> None:
    told: list[str] = []
    events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def send(event: Any) -> None:
        told.append(event["type"])

    client.call({"type": "lifespan"}, receive, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/ws", 501, "events are sent to webhooks"),
        ("/v1/nothing", 404, "no WebSocket"),
        ("/", 404, "no WebSocket"),
        ("/media/1/x", 404, "no WebSocket"),
    ],
)
def test_an_upgrade_is_refused_in_a_sentence(make_client: Make, path: str, status: int, word: str) -> None:
    client = make_client("203.0.113.7", "archive.test")
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    client.call({**scope, "extensions": {"websocket.http.response": {}}}, receive, send)
    assert [event["type"] for event in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert (sent[0]["status"], word in sent[1]["body"].decode()) == (status, True)
    sent.clear()
    client.call({**scope, "extensions": {}}, receive, send)
    assert [event["type"] for event in sent] == ["websocket.close"]
