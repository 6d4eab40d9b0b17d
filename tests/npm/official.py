"""Installs the official npm client, makes an archive for it, and runs scripts that use it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from backscroll.core.events import Batch, ChatSeen, ContactSeen, MessageSeen, ReactionSet, Target
from backscroll.core.model import Call, Details, Member, Message, MessageKey, Notice
from backscroll.storage.store import open_store

CLIENT = "@periskope/periskope-client@1.1.3"
COMPILER = "typescript@5.9.3"
"""The compiler that reads the client's own types."""
PHONE, CHAT, GROUP = "918527184400", "919537851844", "120363231636311517@g.us"
BEGIN = 1_745_539_200  # 2025-04-25


def install(folder: Path) -> None:
    """Install the client with npm, and copy the scripts beside it."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is needed for the official client: apt-get install npm"
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), CLIENT, COMPILER]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    for script in Path(__file__).parent.glob("*.cjs"):
        shutil.copy(script, folder)


def node_command(script: str, *arguments: str) -> list[str]:
    """The command for a script whose requests go to the port in the variable PORT."""
    node = shutil.which("node")
    assert node is not None, "Node.js is needed for the official client: apt-get install nodejs npm"
    return [node, "--require", "./port.cjs", script, *arguments]


def run_script(folder: Path, script: str, port: int = 0, given: str = "config.json") -> Any:
    """Run a script; returns the JSON that it prints."""
    ran = subprocess.run(
        node_command(script, *([given] if given else [])),
        cwd=folder,
        env=os.environ | {"PORT": str(port)},
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return json.loads(ran.stdout)


def not_of_their_types(folder: Path, values: list[tuple[str, str, Any]]) -> dict[str, list[str]]:
    """By name, how values, each with a type of the client, do not fit their types; values that fit are left out."""
    (folder / "values.json").write_text(json.dumps(values))
    found: dict[str, list[str]] = run_script(folder, "shapes.cjs", given="values.json")
    return found


def an_archive(data: Path, database: str | None) -> dict[str, str]:
    """Make a phone with a chat of 30 messages and a group with notices; returns what calls.cjs needs to know."""
    store = open_store(database, data)
    org = store.create_org("Npm")
    phone = store.add_phone(org.no, PHONE, name="Support")
    secret = store.create_token(org.no, scopes=frozenset({"read", "admin"})).secret
    events: list[Any] = [said(i) for i in range(30)]
    events += [ContactSeen(jid=CHAT, name="Bharat"), ReactionSet(target=target("ID7"), by=CHAT, emoji="👍", at=5)]
    members = (Member(jid=f"{CHAT}@c.us", is_admin=True), Member(jid=PHONE))
    events += [ChatSeen(phone=PHONE, chat=GROUP, at=1, name="Team", members=members), said(40, GROUP)]
    added = Details(notice=Notice(type="add", recipients=(f"{CHAT}@c.us",)))
    key = MessageKey(PHONE, GROUP, "N1", CHAT)
    events += [MessageSeen(Message(key=key, sent_at=(BEGIN + 50) * 10**6, from_me=False, kind="notice", details=added))]
    missed = Details(call=Call(video=False, outgoing=False, result="MISSED"))
    key = MessageKey(PHONE, CHAT, "C1")
    events += [MessageSeen(Message(key=key, sent_at=(BEGIN + 60) * 10**6, from_me=False, kind="call", details=missed))]
    store.apply(org.no, Batch(source="linked", events=events))
    store.close()
    return {
        "token": secret,
        "phone": phone.number,
        "chat": f"{CHAT}@c.us",
        "group": GROUP,
        "message": f"false_{CHAT}@c.us_ID7",
        "contact": CHAT,
        "start": "2025-04-25T05:30:05+05:30",
        "end": "2025-04-25T00:00:14Z",
    }


def said(i: int, chat: str = CHAT) -> MessageSeen:
    """Messages one second apart, every third one from us."""
    key = MessageKey(PHONE, chat, f"ID{i}", CHAT)
    return MessageSeen(Message(key=key, sent_at=(BEGIN + i) * 10**6, from_me=i % 3 == 0, text=f"message {i}"))


def target(id: str) -> Target:
    return Target(PHONE, CHAT, id)
