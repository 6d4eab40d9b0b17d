"""Bodies of requests that are no JSON, or not the JSON that is wanted: refused, and what is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest

from contract.world import World

DEEP = b"[" * 100_000 + b"]" * 100_000
HOSTILE = [
    b"",
    b"{",
    b"\xff",
    b'{"\xff":1}',
    b'{"name":"\xff","phone_name":"\xff","token":"\xff","url":"\xff","hookUrl":"\xff","kind":"\xff"}',
    b'{"name":"\\ud800","phone_name":"\\ud800","token":"\\ud800","url":"\\ud800","kind":"\\ud800"}',
    b'{"name":' + DEEP + b"}",
    b'{"hookUrl":"https://example.com","integrationName":["message.created"],"more":' + DEEP + b"}",
    b'{"files":[{"name":"a.zip","size":1}],"options":{"a":' + DEEP + b"}}",
    DEEP,
]
ROUTES = [
    ("POST", "/api/session"),
    ("POST", "/api/tokens"),
    ("POST", "/api/orgs"),
    ("POST", "/api/links"),
    ("POST", "/api/links/none/retry"),
    ("POST", "/api/sources"),
    ("PATCH", "/api/sources/1"),
    ("POST", "/api/imports"),
    ("POST", "/api/imports/none/answers"),
    ("POST", "/api/imports/none/undo"),
    ("POST", "/api/webhooks"),
    ("PATCH", "/api/webhooks/none"),
    ("POST", "/api/webhooks/none/rotate"),
    ("POST", "/v1/webhooks"),
    ("PATCH", "/v1/webhooks/none"),
]
EVERYTHING = frozenset({"read", "write", "admin", "operator"})


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_body_makes_the_server_fail(world: World, method: str, path: str) -> None:
    client = world.client(scopes=EVERYTHING)
    for body in HOSTILE:
        answer = client.ask(path, method, {"content-type": "application/json"}, content=body)
        assert 400 <= answer.status_code < 500, (body[:60], answer.text)


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/api/webhooks", {"url": "https://example.com/", "kind": "x"}, "kind", "is not known here"),
        ("/api/webhooks", {"types": ["*"]}, "url", "is missing"),
        ("/api/webhooks", {"url": 7}, "url", "has a value of the wrong type"),
        ("/api/webhooks", {"url": "https://example.com/", "types": [7]}, "types", "has a value of the wrong type"),
        ("/api/webhooks", {"url": "https://example.com/", "format": "x"}, "format", "must be one of native, periskope"),
        ("/api/webhooks", [], "body", "must be JSON such as"),
        ("/api/imports", {"files": [{"name": "a.zip"}]}, "files", "files: size is missing"),
        ("/api/links", {"phoneName": "Sales"}, "phoneName", "is not known here"),
        ("/api/sources", {"phone": "4915550001001"}, "kind", "is missing"),
        ("/api/tokens", {"name": "x", "scopes": "read"}, "scopes", "has a value of the wrong type"),
        ("/api/orgs", {}, "name", "is missing"),
        ("/api/session", {"secret": "x"}, "secret", "is not known here"),
    ],
)
def test_what_is_wrong_with_a_body_is_named(world: World, path: str, body: Any, field: str, words: str) -> None:
    answer = world.client(scopes=EVERYTHING).ask(path, "POST", json=body).json()
    assert (answer["code"], answer["field"]) == ("BAD_FIELD", field)
    assert words in answer["message"]
    assert "must be JSON such as {" in answer["message"]
