"""Every method of the official client gets an answer that fits its own TypeScript types, or a reason why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import OwnDatabase
from npm.official import an_archive, not_of_their_types, run_script
from served import serving

Results = dict[str, dict[str, Any]]

SOCKET = {"connect", "on", "disconnect"}
"""Methods that send no request; see test_socket_events."""
READS = (
    *("chat.getChats", "chat.getMessages", "chat.getNotifications", "chat.getChatById", "chat.getChatMessages"),
    *("chat.getChatNotifications", "chat.getNotesByChat", "contact.getAll", "contact.getById", "message.getById"),
    *("phone.info", "phone.getAll", "queue.getJobs", "queue.getBroadcastStatus", "queue.getStatus", "ticket.getAll"),
    *("note.getNotes", "reaction.getReactions", "knowledgeBase.getAll"),
)
"""Methods that an archive answers with data."""
FINDS_NOTHING = (*("ticket.getById", "note.getNoteById", "knowledgeBase.getFaqById", "knowledgeBase.getDocumentById"),)
"""Methods for a single object of a kind that an archive never has."""
WEBHOOKS = {
    "webhook.create": 201,
    "webhook.list": 200,
    "webhook.getById": 200,
    "webhook.update": 200,
    "webhook.delete": 204,
}
"""Methods for webhooks, with the status of their answers."""
HAS_NO_CODE = ("phone.getQR",)
"""Methods for what exists only while a device is being linked."""
RECEIVED = {"delivered is missing", "read is missing"}
"""Periskope's own answers leave these out for received messages (tests/golden), against their types."""
MEMBERS = {
    f"{name} is missing"
    for name in (
        *("business_profile", "contact_lid", "contact_type", "id", "is_blocked", "is_business", "is_enterprise"),
        *("is_group", "is_imported", "is_me", "is_my_contact", "is_user", "is_wa_contact", "label_ids", "name"),
        *("number", "periskope_name", "pushname", "short_name", "updated_at", "verified_level", "verified_name"),
    )
}
"""The example of a chat in Periskope's documents has ten keys a member; the types add the whole contact to each."""


@pytest.fixture(scope="module")
def results(client: Path, own_database: OwnDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The result of each method, on each engine."""
    data, database = tmp_path_factory.mktemp("archive"), own_database()
    (client / "config.json").write_text(json.dumps(an_archive(data, database)))
    with serving(data, database) as served:
        yield run_script(client, "every.cjs", served.port)


def test_every_method_of_the_client_is_called(client: Path, results: Results) -> None:
    assert set(run_script(client, "shapes.cjs", given="")) == set(results) | SOCKET


def test_what_is_answered_has_the_shape_that_the_types_say(client: Path, results: Results) -> None:
    values = [(name, "Data<Api['{}']['{}']>".format(*name.split(".")), results[name]["data"]) for name in READS]
    assert {name: results[name]["status"] for name in READS} == dict.fromkeys(READS, 200)
    wrong = not_of_their_types(client, values)
    left = {name: [p for p in found if not is_known(p)] for name, found in wrong.items()}
    assert {name: found for name, found in left.items() if found} == {}
    # The exceptions above do occur.
    assert any("delivery_info.read is missing" in p for p in wrong["chat.getMessages"])
    assert any(".members." in p for p in wrong["chat.getChatById"])


def test_webhooks_are_made_changed_and_ended_by_the_client(client: Path, results: Results) -> None:
    assert {name: results[name]["status"] for name in WEBHOOKS} == WEBHOOKS
    rows = [name for name in WEBHOOKS if name != "webhook.delete"]
    values = [(name, "Data<Api['{}']['{}']>".format(*name.split(".")), results[name]["data"]) for name in rows]
    assert {name: found for name, found in not_of_their_types(client, values).items() if found} == {}
    first, second = results["webhook.create"]["data"]
    assert (first["integration_name"], second["integration_name"]) == ("message.created", "note.created")
    assert [row["id"] for row in results["webhook.list"]["data"]] == [first["id"]]
    assert results["webhook.getById"]["data"]["hook_url"] == "https://example.com/hook"
    assert results["webhook.update"]["data"]["is_subscribed"] is False


def is_known(problem: str) -> bool:
    """Whether Periskope's own answers differ from the types in the same way."""
    place, name = problem.rpartition(".")[::2]
    return (name in RECEIVED and place.endswith("delivery_info")) or (name in MEMBERS and ".members." in place)


def test_what_an_archive_has_none_of_is_not_found_by_its_name(results: Results) -> None:
    found = {name: (results[name]["status"], results[name]["error"]["code"]) for name in FINDS_NOTHING}
    assert found == dict.fromkeys(FINDS_NOTHING, (404, "NOT_FOUND_ERROR"))


def test_a_phone_that_is_not_being_linked_has_no_code(results: Results) -> None:
    found = {name: (results[name]["status"], results[name]["error"]["code"]) for name in HAS_NO_CODE}
    assert found == dict.fromkeys(HAS_NO_CODE, (409, "CONFLICT_ERROR"))


def test_all_other_methods_say_why_nothing_happens(results: Results) -> None:
    known = {*READS, *FINDS_NOTHING, *WEBHOOKS, *HAS_NO_CODE}
    others = {name: result for name, result in results.items() if name not in known}
    assert {name: (r["status"], r["error"]["code"]) for name, r in others.items()} == dict.fromkeys(
        others, (501, "NOT_IMPLEMENTED_ERROR")
    )
    assert all("is not available here: " in result["error"]["message"] for result in others.values())
