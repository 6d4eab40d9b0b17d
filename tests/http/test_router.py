"""Which route answers a path."""

from __future__ import annotations

import pytest

from backscroll.http.messages import Reply, Request
from backscroll.http.router import BadPath, Dialect, Route, Router


async def handler(request: Request) -> Reply:
    return Reply()


def route(method: str, path: str, dialect: Dialect = "periskope") -> Route:
    return Route(method=method, path=path, dialect=dialect, summary=path, handler=handler)


ROUTES = (
    route("GET", "/v1/chats/{chat_id}"),
    route("GET", "/v1/chats/messages"),
    route("PATCH", "/v1/chats/{chat_id}"),
    route("GET", "/v1/chats/{chat_id}/messages"),
    route("POST", "/v1/message/send"),
    route("GET", "/v1/message/{message_id}"),
    route("GET", "/chat/{chat_jid}/messages", "gowa"),
    route("GET", "/chats", "gowa"),
    route("GET", "/health", "backscroll"),
)


def found(path: str, method: str = "GET", base: str = "") -> str | None:
    match = Router(ROUTES, base).find(method, path)
    return match.route.path if match else None


def test_a_fixed_path_wins_over_a_template_whatever_their_order() -> None:
    assert found("/v1/chats/messages") == "/v1/chats/messages"
    assert found("/v1/chats/919537851844@c.us") == "/v1/chats/{chat_id}"


def test_a_fixed_path_of_another_method_leaves_the_template_its_turn() -> None:
    assert found("/v1/message/send") == "/v1/message/{message_id}"
    assert found("/v1/message/send", "POST") == "/v1/message/send"


def test_segments_are_decoded_once_after_splitting() -> None:
    router = Router(ROUTES)
    match = router.find("GET", "/v1/chats/a%2Fb%2540c.us+x/messages")
    assert match is not None
    assert match.params == {"chat_id": "a/b%40c.us+x"}


@pytest.mark.parametrize("path", ["/v1/chats/%zz", "/v1/chats/a%f", "/v1/chats/%ff%fe"])
def test_what_cannot_be_decoded_is_a_bad_path(path: str) -> None:
    with pytest.raises(BadPath):
        Router(ROUTES).find("GET", path)


def test_an_empty_segment_is_no_id() -> None:
    assert found("/v1/chats//messages") is None


def test_a_slash_at_the_end_makes_no_difference() -> None:
    assert found("/v1/chats/messages/") == "/v1/chats/messages"
    assert found("/v1/chats/x/") == "/v1/chats/{chat_id}"


def test_only_gowa_ignores_case_and_never_in_ids() -> None:
    assert found("/CHATS") == "/chats"
    assert found("/V1/chats/messages") is None
    match = Router(ROUTES).find("GET", "/Chat/AbC/Messages")
    assert match is not None
    assert match.params == {"chat_jid": "AbC"}


def test_head_is_answered_by_get() -> None:
    assert found("/chats", "HEAD") == "/chats"


def test_allowed_names_every_method_of_an_address() -> None:
    router = Router(ROUTES)
    assert router.allowed("/v1/chats/x") == ("GET", "HEAD", "OPTIONS", "PATCH")
    assert router.allowed("/nowhere") == ()


def test_the_base_path_moves_gowa_alone() -> None:
    assert found("/gowa/chats", base="/gowa") == "/chats"
    assert found("/chats", base="/gowa") is None
    assert found("/health", base="/gowa") == "/health"


def test_an_address_belongs_to_the_dialect_of_its_prefix() -> None:
    assert Router(ROUTES).owner("/v1/nowhere") == "periskope"
    assert Router(ROUTES).owner("/v1x") == "gowa"
    assert Router(ROUTES, "/gowa").owner("/nowhere") == "backscroll"
    assert Router(ROUTES, "/gowa").owner("/GOWA/nowhere") == "gowa"
