"""Which functions of the library are called: none that sends messages, read receipts or presence."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from neonize._binder import gocode
from neonize.client import ChatSettingsStore, ContactStore, NewClient

import backscroll.linked

CALLED = {
    "PairPhone",
    "connect",
    "download_any",
    "get_all_contacts",
    "get_chat_settings",
    "get_joined_groups",
    "logout",
}


def test_the_library_is_only_asked_for_what_is_listed_here() -> None:
    offered = {
        name
        for kind in (NewClient, ContactStore, ChatSettingsStore)
        for name in vars(kind)
        if callable(getattr(kind, name)) and not name.startswith("_")
    }
    assert {"send_message", "mark_read", "send_presence", "send_chat_presence"} <= offered
    named = set()
    for file in Path(backscroll.linked.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        named |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert named & offered == CALLED


def test_the_library_has_no_way_to_ask_for_older_history() -> None:
    """whatsmeow has SendPeerMessage and BuildHistorySyncRequest for this. A library that offers both is to be used for
    `link history` and GOWA's `POST /chat/{chat_jid}/history` (decision 10)."""
    exported = {name for name in ("SendPeerMessage", "BuildHistorySyncRequest") if hasattr(gocode, name)}
    offered = {name for name in dir(NewClient) if "peer" in name.lower() or "history_sync" in name}
    assert (exported, offered) == (set(), set())
    # A message to our own account is sent as one in the chat with oneself; no argument makes it a peer message.
    assert "extra" not in inspect.signature(NewClient.send_message).parameters
