"""The official npm client ``@periskope/periskope-client``, unmodified, against the running server.

The client always uses port 8080, which may be taken: port.cjs redirects it to the server's port.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import OwnDatabase
from npm.official import CHAT, GROUP, PHONE, an_archive, run_script
from served import serving

Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def results(client: Path, own_database: OwnDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The result of every call of calls.cjs, on each engine."""
    data, database = tmp_path_factory.mktemp("archive"), own_database()
    (client / "config.json").write_text(json.dumps(an_archive(data, database)))
    with serving(data, database) as served:
        yield run_script(client, "calls.cjs", served.port)


def test_no_method_throws(results: Results) -> None:
    assert {name: r["thrown"] for name, r in results.items() if "thrown" in r} == {}


def test_messages_come_newest_first_with_the_total(results: Results) -> None:
    page = results["chat.getMessages one phone"]["data"]
    assert (page["from"], page["to"], page["count"]) == (1, 3, 31)
    assert [m["unique_id"] for m in page["messages"]] == ["ID40", "ID29", "ID28"]
    assert len(results["chat.getMessages all phones"]["data"]["messages"]) == 31
    assert results["chat.getMessages no argument"]["data"]["count"] == 31


def test_a_window_is_inclusive_and_knows_offsets(results: Results) -> None:
    found = results["chat.getMessages window"]["data"]["messages"]
    assert [m["unique_id"] for m in found] == [f"ID{i}" for i in range(14, 4, -1)]


@pytest.mark.parametrize(
    ("name", "status", "code", "message"),
    [
        ("chat.getMessages too many", 422, "VALIDATION_ERROR", "Limit should be less than ${MAX_LIMIT}"),
        ("chat.getMessages wrong token", 401, "UNAUTHORIZED_ERROR", "Invalid bearer auth token"),
        ("chat.getChatById unknown", 404, "NOT_FOUND_ERROR", "Chat not found"),
        ("message.getById unknown", 404, "NOT_FOUND_ERROR", "Message not found"),
    ],
)
def test_errors_reach_the_client_in_its_own_shape(
    results: Results, name: str, status: int, code: str, message: str
) -> None:
    assert results[name]["error"] == {"message": message, "code": code, "statusCode": status}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("chat.getMessages bad time", 422),
        ("chat.getMessages foreign phone", 401),
        ("contact.getById unknown", 404),
        ("phone.info without phone", 422),
        ("note.getNoteById", 404),
        ("ticket.getById", 404),
    ],
)
def test_other_errors_have_a_code_and_a_sentence(results: Results, name: str, status: int) -> None:
    error = results[name]["error"]
    assert error["statusCode"] == status
    assert error["message"]
    assert error["code"]


def test_one_message_has_its_reactions(results: Results) -> None:
    found = results["message.getById"]["data"]
    assert (found["unique_id"], found["body"]) == ("ID7", "message 7")
    assert [r["reaction"] for r in found["reactions"]] == ["👍"]
    assert [r["reaction"] for r in results["reaction.getReactions"]["data"]["reactions"]] == ["👍"]


def test_chats_and_their_messages(results: Results) -> None:
    chats = results["chat.getChats"]["data"]
    assert [c["chat_id"] for c in chats["chats"]] == [f"{CHAT}@c.us", GROUP]
    assert [c["chat_name"] for c in results["chat.getChats groups"]["data"]["chats"]] == ["Team"]
    assert results["chat.getChatById"]["data"]["chat_name"] == "Bharat"
    assert results["chat.getChatMessages"]["data"]["count"] == 30
    (message,) = results["chat.getChatMessages group"]["data"]["messages"]
    assert message["message_id"] == f"false_{GROUP}_ID40_{CHAT}@c.us"


def test_notices_and_calls_are_notifications(results: Results) -> None:
    listed = results["chat.getNotifications"]["data"]
    assert [n["type"] for n in listed["notifications"]] == ["call", "add"]
    assert listed["messages"] == listed["notifications"]
    assert [n["type"] for n in results["chat.getChatNotifications"]["data"]["notifications"]] == ["add"]


def test_contacts_and_phones(results: Results) -> None:
    assert results["contact.getById"]["data"]["contact_name"] == "Bharat"
    assert f"{CHAT}@c.us" in [c["contact_id"] for c in results["contact.getAll"]["data"]["contacts"]]
    assert results["phone.info"]["data"]["org_phone"] == f"{PHONE}@c.us"
    assert [p["phone_name"] for p in results["phone.getAll"]["data"]] == ["Support"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("chat.getNotesByChat", "notes"),
        ("note.getNotes", "notes"),
        ("ticket.getAll", "tickets"),
    ],
)
def test_what_an_archive_has_none_of_is_an_empty_list(results: Results, name: str, key: str) -> None:
    assert results[name]["data"][key] == []


@pytest.mark.parametrize(
    "name",
    ["message.send", "message.react", "message.delete", "chat.read", "phone.restart", "group.create"],
)
def test_what_needs_whatsapp_says_so(results: Results, name: str) -> None:
    error = results[name]["error"]
    assert error["statusCode"] == 501
    assert "WhatsApp" in error["message"]
