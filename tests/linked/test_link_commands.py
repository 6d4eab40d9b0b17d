"""``backscroll link``, with the real process of a device and a simulated phone that answers at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backscroll.cli import links
from backscroll.jobs import linking
from backscroll.storage.store import open_store
from linked_events import OWN
from shell import Shell

HERE = Path(__file__).parent.parent


@pytest.fixture
def shell(tmp_path: Path, database_url: str | None) -> Shell:
    made = Shell(tmp_path / "data", database_url)
    made.run("org", "create", "Sample")
    return made


def test_a_phone_is_linked_by_the_code_on_the_terminal(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKED_PHONE", json.dumps({"count": 3, "silent_after": [], "crash_after": []}))
    monkeypatch.setenv("PYTHONPATH", f"{HERE / 'linked_phone'}:{HERE}")
    monkeypatch.setattr(links, "SERVER_SECONDS", 0.1)
    monkeypatch.setattr(links, "QUIET_SECONDS", 1.0)
    linked = shell.json("link", "--phone-name", "Sales")
    assert (linked["phone"], linked["phone_name"], linked["state"]) == (OWN, "Sales", "connected")
    (listed,) = shell.json("link", "list")
    assert listed["id"] == linked["id"]
    (source,) = shell.json("source", "list")
    assert (source["kind"], source["phone"]) == ("linked", OWN)
    assert shell.json("status")["orgs"][0]["messages"] == 3


def test_a_device_may_be_called_silent(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(shell.database, shell.data)
    org = store.list_orgs()[0].no
    linking.begin(store, org, store.add_phone(org, OWN), None, None, 3600 * 1_000_000)
    store.close()
    (listed,) = shell.json("link", "list")
    assert listed["silent_after"] == "3600s"
    assert "--silent-after" in shell.refusal("link", "--phone", OWN, "--silent-after", "soon", code=2)
    # This test does not cover the pairing itself.
    monkeypatch.setattr(links, "_pair", lambda archive, begun, quiet: begun)
    linked = shell.json("link", "--phone", OWN, "--silent-after", "6h")
    assert (linked["id"], linked["silent_after"]) == (listed["id"], "21600s")


def test_a_name_or_a_phone_is_asked_for(shell: Shell) -> None:
    refused = shell.refusal("link", code=2)
    assert "--phone-name" in refused


def test_without_the_library_the_command_says_what_to_install_and_why(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "installed", lambda: None)
    refused = shell.refusal("link", "--phone-name", "Sales", code=1)
    assert "pip install 'backscroll[linked]'" in refused
    assert "GPL" in refused


def test_a_device_is_no_gateway_to_be_tested_or_removed(shell: Shell) -> None:
    store = open_store(shell.database, shell.data)
    id = linking.begin(store, store.list_orgs()[0].no, None, "Sales", None).id
    store.close()
    assert "link remove" in shell.refusal("source", "remove", id, code=1)
    assert "link list" in shell.refusal("source", "test", id, code=1)
    assert shell.json("link", "remove", id) == {"id": id, "removed": True}
    assert shell.json("link", "list") == []


def test_older_history_says_what_to_do_instead(shell: Shell) -> None:
    assert "import export" in shell.refusal("link", "history", "4915550001002", code=1)
