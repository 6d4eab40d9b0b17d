"""The OpenAPI document agrees with the server: requests are generated from it, answers compared with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from backscroll.core.import_jobs import Item
from backscroll.http.app import ROUTES
from backscroll.http.openapi import document
from backscroll.ingest import source_setup
from backscroll.ingest.source_setup import SourceWish
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from contract.bakery import ANA, CAKE, GROUP, SHOP, Bakery
from contract.imports import NAME, Importer, chat
from contract.world import Client, World

AS_DOCUMENTED = [
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
SCHEMA = schemathesis.openapi.from_dict(json.loads(document(ROUTES, "http://archive.test")))
OPERATIONS: dict[str, Any] = {
    found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)
}
WRITES = [label for label, operation in OPERATIONS.items() if "501" in operation.definition.raw["responses"]]
# Streams are left out because they have no end; test_live.py reads them.
STREAMS = ["GET /api/events"]
PUSHES = [label for label in OPERATIONS if " /ingest/" in label]
IMPORTS = [label for label in OPERATIONS if " /api/imports" in label]
READS = [label for label in OPERATIONS if label not in (*WRITES, *STREAMS, *PUSHES, *IMPORTS)]
KNOWN = {
    "chat_id": ANA,
    "chat_jid": ANA,
    "message_id": "M03",
    "contact_id": ANA,
    "device_id": "my-device",
    "file": "1",
    "id": ANA,
    "jid": ANA,
    "key": CAKE,
    "phone": SHOP,
    "source": "src1x0000000000000000",
    "link": "src1x0000000000000000",
    "secret": "none",
    "event": "none",
}
"""Path parameters for which the archive has data."""


BODIES: dict[str, Any] = {
    "POST /api/tokens": {"name": "made"},
    "POST /api/sources": {"kind": "events"},
    "PATCH /api/sources/{id}": {"silent_after": "6h"},
    "POST /api/sources/{id}/rotate": {},
    "POST /api/orgs": {"name": "Made"},
    "PATCH /api/orgs/{id}": {"name": "Renamed"},
    "POST /api/webhooks": {"url": "https://example.com/hook"},
    "PATCH /api/webhooks/{id}": {"name": "Till"},
    "POST /api/webhooks/{id}/rotate": {},
    "POST /v1/webhooks": {"hookUrl": "https://example.com/hook", "integrationName": "message.created"},
    "PATCH /v1/webhooks/{id}": {"hookUrl": "https://example.com/other"},
}


def id_to_change(bakery: Bakery, label: str) -> str:
    """The id of something that the test may change or delete."""
    if "/api/orgs" in label:
        return (
            next((org.id for org in bakery.store.list_orgs() if org.name == "Other"), None)
            or bakery.store.create_org("Other").id
        )
    if "/api/sources" in label:
        return source_setup.add_source(bakery.store, bakery.org.no, SourceWish(kind="events")).source.id
    return bakery.store.create_token(bakery.org.no, "to be revoked").id


def webhook_of(bakery: Bakery, label: str) -> str:
    """The id of a webhook to show, change and remove. Its receiver does not exist, so that nothing is sent."""
    client = bakery.client(scopes=frozenset({"read", "admin"}))
    if "/v1/" in label:
        body = {"hookUrl": "http://nobody.invalid/", "integrationName": "message.created"}
        return str(client.ask("/v1/webhooks", "POST", content=json.dumps(body).encode()).json()["id"])
    body = {"url": "http://nobody.invalid/"}
    return str(client.ask("/api/webhooks", "POST", content=json.dumps(body).encode()).json()["id"])


def send(client: Client, case: Any) -> None:
    """Send a generated request and compare the answer with the document."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://archive.test")).prepare()
    assert prepared.method is not None
    headers = {
        name: value
        for name, value in prepared.headers.items()
        if name.lower() not in ("authorization", "content-length", "accept-encoding")
    }
    # Generated header values may have any character; HTTP transmits bytes.
    clean = {name: str(value).encode("utf-8", "replace").decode("latin-1") for name, value in headers.items()}
    response = client.ask(prepared.path_url, prepared.method, clean, content=prepared.body or b"")
    server_error = [] if case.operation.label in WRITES else [not_a_server_error]
    case.validate_response(response, checks=[*server_error, *AS_DOCUMENTED])


def cases(label: str) -> st.SearchStrategy[Any]:
    """Requests that the document allows, ones that it does not allow, and ones for data that the archive has."""
    operation = OPERATIONS[label]
    names = [parameter.name for parameter in operation.path_parameters]
    known: dict[str, Any] = {"path_parameters": {name: KNOWN[name] for name in names}} if names else {}
    held = operation.as_strategy(headers={}, **known)
    wrong = operation.as_strategy(GenerationMode.NEGATIVE)
    return st.one_of(held, operation.as_strategy(), wrong) if operation.query or names else held


def run(label: str, bakery: Bakery, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(label))
    def each(case: Any) -> None:
        send(bakery.one, case)

    each()


@pytest.mark.parametrize("label", READS)
def test_reading_routes_answer_as_documented(bakery: Bakery, label: str) -> None:
    run(label, bakery, 6)


@pytest.mark.parametrize("label", PUSHES)
def test_routes_of_gateways_answer_as_documented(bakery: Bakery, label: str) -> None:
    run(label, bakery, 3)


@pytest.mark.parametrize("label", WRITES)
def test_routes_that_need_whatsapp_answer_as_documented(bakery: Bakery, label: str) -> None:
    run(label, bakery, 1)


@pytest.mark.parametrize("label", IMPORTS)
def test_routes_of_imports_answer_as_documented(world: World, label: str) -> None:
    someone = Importer(world)
    id = someone.create(("a.txt", 9)).json()["id"]
    operation, names = OPERATIONS[label], {"id": id, "file": "1"}
    known = {"path_parameters": {one.name: names[one.name] for one in operation.path_parameters}}

    @settings(max_examples=4, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of(operation.as_strategy(**known), operation.as_strategy(GenerationMode.NEGATIVE)))
    def each(case: Any) -> None:
        send(someone.client, case)

    each()


@pytest.mark.parametrize("label", IMPORTS)
def test_answers_of_imports_fit_their_schemas(world: World, label: str) -> None:
    someone = Importer(world)
    method, _, path = label.partition(" ")
    body, headers = json.dumps({"files": [{"name": "b.txt", "size": 3}]}).encode(), {}
    if path.endswith("/undo"):
        id, body = someone.imported((NAME, chat()))["id"], b""
    elif path.endswith("/answers"):
        id, body = someone.send((NAME, chat())), b'{"phone": "4915550001001"}'
        someone.work()
    else:
        id = someone.create((NAME, 9)).json()["id"]
    if method == "DELETE":
        someone.post(id, "cancel")
    if path.endswith("/retry"):
        job = world.store.import_jobs.find(world.org.no, id)
        job.found = [Item(no=1, kind="export", path=NAME, state="failed", replaces=(1,), import_id=2)]
        job.state, body = "failed", b""
        assert world.store.import_jobs.save(job, "uploading")
        someone.spool.make(world.org.no, id, [NAME])
    if method == "PATCH":
        headers, body = {"content-type": "application/offset+octet-stream", "upload-offset": "0"}, b"bytes"
    if method == "GET" or path.endswith("/cancel"):
        body = b""
    operation = OPERATIONS[label]
    names = {"id": id, "file": "1"}
    case = operation.Case(path_parameters={one.name: names[one.name] for one in operation.path_parameters})
    response = someone.client.ask(path.format_map(names), method, headers, content=body)
    case.validate_response(response, checks=AS_DOCUMENTED)
    assert str(response.status_code) in operation.definition.raw["responses"]
    assert response.is_success, response.text


@pytest.mark.full
@pytest.mark.parametrize("label", [*READS, *WRITES, *PUSHES])
def test_all_routes_answer_as_documented_for_long(bakery: Bakery, label: str) -> None:
    run(label, bakery, 300 if label in READS else 20)


def pairing_link(bakery: Bakery) -> str:
    """The id of a device that shows a code to scan."""
    id, org = make_source_id(bakery.org.no), bakery.org.no
    bakery.store.sources.add(LiveSource(org=org, id=id, kind="linked"), SourceSecrets("a secret of some length"))
    link = bakery.store.sources.links.add(org, id, "Sales", None)
    bakery.store.sources.links.write(structs.replace(link, state="pairing", qr="2@x", rows=("010", "101", "010")))
    return id


@pytest.mark.parametrize("label", READS)
def test_full_answers_fit_their_schemas(bakery: Bakery, label: str) -> None:
    operation = OPERATIONS[label]
    path = {parameter.name: KNOWN[parameter.name] for parameter in operation.path_parameters}
    client = bakery.one
    if any(f"/api/{what}" in label for what in ("tokens", "sources", "health", "orgs")):
        client = bakery.client(scopes=frozenset({"read", "admin", "operator"}))
        path = dict.fromkeys(path, id_to_change(bakery, label))
    if "/api/links" in label:
        client = bakery.client(scopes=frozenset({"read", "admin"}))
        path = dict.fromkeys(path, pairing_link(bakery))
    if "/webhooks" in label:
        client = bakery.client(scopes=frozenset({"read", "admin"}))
        path |= {"id": webhook_of(bakery, label)} if "id" in path else {}
    asked = {"phone": ANA, "group_id": GROUP, "q": "today"}
    if "/api/exports" in label:
        client = bakery.client(app=bakery.make_app(data=str(bakery.folder)))
        asked = {"phone": SHOP, "chat": ANA}
    query = {parameter.name: asked[parameter.name] for parameter in operation.query if parameter.is_required}
    case = operation.Case(path_parameters=path, query=query, headers={"x-phone": SHOP})
    prepared = requests.Request(**case.as_transport_kwargs(base_url="http://archive.test")).prepare()
    body = json.dumps(BODIES.get(label, {"token": client.secret})) if operation.body else ""
    response = client.ask(prepared.path_url, operation.method.upper(), {"x-phone": SHOP}, content=body.encode())
    case.validate_response(response, checks=AS_DOCUMENTED)
    is_never_there = any(path in label for path in ("/note/{", "/tickets/{", "/faq/{", "/document/{", "/deliveries/{"))
    documented = next(int(status) for status in operation.definition.raw["responses"] if status.startswith("2"))
    assert response.status_code == (404 if is_never_there else documented)
