"""The OpenAPI document and the reference page are complete and correct."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from small_world import ONE, Client, SmallArchive, connect, message

from backscroll.http.app import ROUTES

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


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("/openapi.json", headers={}).json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, entry) for path, methods in document["paths"].items() for entry in methods.values()]


def test_every_listed_route_is_described_once(document: dict[str, Any]) -> None:
    assert len(operations(document)) == len([route for route in ROUTES if route.listed])
    names = [entry["operationId"] for _, entry in operations(document)]
    assert len(names) == len(set(names))


def test_each_path_parameter_is_declared(document: dict[str, Any]) -> None:
    for path, entry in operations(document):
        declared = {param["name"] for param in entry.get("parameters", ()) if param["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), path


def test_schemas_are_valid_and_references_lead_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for name in re.findall(r"#/components/schemas/([\w.]+)", str(document)):
        assert name in schemas


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v1/chats/messages", "periskope.Messages"),
        ("/v1/chats", "periskope.Chats"),
        ("/v1/chats/notifications", "periskope.Notifications"),
        ("/v1/contacts", "periskope.Contacts"),
        ("/v1/phones/all", "periskope.Phones"),
        ("/v1/reactions", "periskope.Reactions"),
        ("/v1/tickets", "periskope.Empty"),
        ("/v1/chats/messages?limit=-1", "periskope.Error"),
        ("/v1/message/3EB0", "periskope.Error"),
        ("/chat/919537851844/messages", "gowa.Messages"),
        ("/chats", "gowa.Chats"),
        ("/devices", "gowa.Devices"),
        ("/devices/my-device", "gowa.Device"),
        ("/devices/my-device/status", "gowa.DeviceStatus"),
        ("/app/devices", "gowa.AppDevices"),
        ("/app/status", "gowa.AppStatus"),
        ("/app/info", "gowa.AppInfo"),
        ("/user/my/contacts", "gowa.Contacts"),
        ("/chats?limit=101", "gowa.Error"),
    ],
)
def test_answers_are_what_the_document_says(
    client: Client, archive: SmallArchive, document: dict[str, Any], path: str, schema: str
) -> None:
    archive.messages = [message()]
    whole = {**document, "$ref": f"#/components/schemas/{schema}"}
    jsonschema.Draft202012Validator(whole).validate(client.ask(path).json())


def test_the_base_path_is_part_of_gowas_addresses(make_client: Make) -> None:
    document = make_client(gowa_base_path="/gowa").ask("/openapi.json", headers={}).json()
    assert "/gowa/chats" in document["paths"]
    assert "/v1/chats" in document["paths"]


def test_pages_need_nothing_from_elsewhere(client: Client) -> None:
    for path in ("/", "/docs"):
        response = client.ask(path, headers={})
        assert response.status_code == 200
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "<script" not in response.text
        assert not re.search(r'(src|href)="(https?:)?//', response.text)
        assert '<html lang="en">' in response.text
        assert "width=device-width" in response.text
