"""The official npm client sends through a server that has Periskope as its upstream."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backscroll.storage.store import open_store
from backscroll.storage.write.live_sources import LiveSource, SourceSecrets, make_source_id
from conftest import OwnDatabase
from npm.official import CHAT, PHONE, run_script
from served import serving
from standin_gateway import Gateway, answering

QUEUED = {"queue_id": "b1b6ad0c-8f6c-4b9d-a7e3-7b0c35b7fd8c", "queue_position": 0, "unique_id": "3EB0NPM", "hint": "…"}
REFUSAL = {"name": "Not Found", "code": "NOT_FOUND_ERROR", "message": "Chat not found", "status": 404}


def test_the_official_client_sends_through_this_server(
    client: Path, own_database: OwnDatabase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, database = tmp_path_factory.mktemp("fronted"), own_database()
    store = open_store(database, data)
    org = store.create_org("Npm")
    phone = store.add_phone(org.no, PHONE)
    tokens = [store.create_token(org.no, scopes=frozenset(s)).secret for s in ({"read", "write"}, {"read"})]
    with Gateway(answering(QUEUED)) as periskope:
        periskope.acts += [answering(QUEUED), answering(REFUSAL, 404)]
        source = LiveSource(
            org=org.no, id=make_source_id(org.no), kind="periskope", phone=phone.no, upstream=f"{periskope.url}/v1"
        )
        store.sources.add(source, SourceSecrets("a secret of some length", upstream_token="sk_upstream"))
        config = {"token": tokens[0], "reader": tokens[1], "phone": PHONE, "chat": CHAT}
        (client / "config.json").write_text(json.dumps(config))
        with serving(data, database) as served:
            results = run_script(client, "send.cjs", served.port)
    assert results["send"]["data"] == QUEUED
    assert results["refused"]["error"] == {"message": "Chat not found", "code": "NOT_FOUND_ERROR", "statusCode": 404}
    assert results["reader"]["error"]["statusCode"] == 403
    assert [asked.target for asked in periskope.asked] == ["/v1/message/send"] * 2
    assert {asked.headers["authorization"] for asked in periskope.asked} == {"Bearer sk_upstream"}
    assert json.loads(periskope.asked[0].body) == {"chat_id": f"{CHAT}@c.us", "message": "hello"}
    found = store.find_message(org.no, (phone.no,), "3EB0NPM")
    store.close()
    assert found is not None
    assert (found.message.text, found.message.from_me) == ("hello", True)
