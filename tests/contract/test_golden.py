"""The ten example messages: pulled from a stand-in server, stored in the archive, and served as identical bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from backscroll.cli.main import main
from backscroll.ingest.periskope.pull import pull
from contract.world import World
from standin_periskope import TOKEN, StandIn

GOLDEN = Path(__file__).parent.parent / "golden"
PAGE = (GOLDEN / "list-all-messages-200.json").read_bytes().strip()
ORG = "2997dd64-89bf-48d3-9a22-b314fca017e5"
SEEDS_ETAG = 'W/"3acc-fvp5KujdZIathXpX7lmxPxDSdWc"'


def etag(body: bytes) -> str:
    return f'W/"{len(body):x}-{base64.b64encode(hashlib.sha1(body).digest()).decode()[:27]}"'


@pytest.mark.parametrize("page_size", [1, 3, 10, 2000])
def test_the_golden_page_comes_back_as_the_same_bytes(tmp_path: Path, database_url: str | None, page_size: int) -> None:
    world = World(tmp_path, ORG, database_url)
    with StandIn(json.loads(PAGE)["messages"]) as server:
        pull(world.store, world.org.no, server.url, TOKEN, media=None, page_size=page_size)
    client = world.client()
    for query in ("?offset=0&limit=10", "", "?start_time=2025-01-01&end_time=2025-01-31"):
        response = client.ask(f"/v1/chats/messages{query}")
        assert response.content.count(b',"interactive":null') == 10
        assert response.headers["etag"] == etag(response.content)
        as_in_the_seed = response.content.replace(b',"interactive":null', b"")
        assert as_in_the_seed == PAGE
        assert etag(as_in_the_seed) == SEEDS_ETAG
    refused = client.ask("/v1/chats/messages?limit=10000")
    assert refused.content == (GOLDEN / "list-all-messages-422.json").read_bytes().strip()
    assert refused.headers["etag"] == 'W/"c5-sOfQmoGHJ22vOJ8WnucWzYQT5DI"'
    world.close()


def test_the_command_line_leads_to_the_same_bytes_even_twice(tmp_path: Path, database_url: str | None) -> None:
    World(tmp_path, ORG, database_url).close()
    for _ in range(2):
        with StandIn(json.loads(PAGE)["messages"]) as server:
            given = [
                "import",
                "periskope",
                "--url",
                server.url,
                "--token",
                TOKEN,
                "--no-media",
                "--data",
                str(tmp_path),
                *(["--database", database_url] if database_url else []),
            ]
            result = CliRunner().invoke(main, given)
        assert result.exit_code == 0, result.output
    world = World(tmp_path, database=database_url)
    response = world.client().ask("/v1/chats/messages")
    assert response.content.replace(b',"interactive":null', b"") == PAGE
    world.close()
