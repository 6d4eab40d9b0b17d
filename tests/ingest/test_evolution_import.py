"""Imports of Evolution API's own database: every kind of row is read, nothing is written to it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from evolution_tables import AT, BOB, ME, Evolution

from backscroll.cli.main import main as cli
from backscroll.core.errors import BadField, NotFound, Unreadable
from backscroll.core.model import Label, Org
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.database.postgres.reading import reading
from backscroll.ingest import imports
from backscroll.ingest.databases import evolution
from backscroll.ingest.databases.evolution import import_evolution
from backscroll.ingest.databases.taking import ImportOutcome
from backscroll.storage.files.media import MediaStore
from backscroll.storage.store import Store
from backscroll.storage.write import bulk
from export_desk import jpeg
from postgres_server import Databases

OTHER = "4915550001009@s.whatsapp.net"
BOB_LID, GROUP = "999222@lid", "120363001@g.us"
US = 1_000_000


@pytest.fixture
def source(databases: Databases) -> Iterator[Evolution]:
    name = databases.create()
    made = Evolution(databases.url(name))
    yield made
    made.db.close()
    databases.drop(name)


def take(store: Store, org: Org, source: Evolution, media: MediaStore | None = None, **options: Any) -> ImportOutcome:
    usual: dict[str, Any] = {"max_media_bytes": 1 << 20}
    taken = import_evolution(store, media, org.no, source.url, **usual | options)
    assert list(store.check()) == []
    return taken


def shown(store: Store, org: Org) -> dict[str, Any]:
    """Messages by id."""
    phones = tuple(phone.no for phone in store.list_phones(org.no))
    page = store.list_messages(MessageQuery(org=org.no, phones=phones, limit=1000))
    return {found.message.key.id: found for found in page.messages}


def test_messages_receipts_reactions_and_chats(store: Store, org: Org, source: Evolution) -> None:
    source.tables()
    source.message("A1", {"conversation": "Hello"}, pushName="bobby")
    quote = {"stanzaId": "A1", "participant": BOB, "quotedMessage": {"conversation": "Hello"}}
    own: dict[str, Any] = {"from_me": True, "pushName": "Você", "status": "PENDING"}
    source.message("A2", {"conversation": "Yes"}, at=AT + 1, contextInfo=quote, **own)
    source.message(
        "A3", {"imageMessage": {"caption": "Look", "mimetype": "image/jpeg"}}, GROUP, AT + 2, participant=BOB
    )
    reaction = {"reactionMessage": {"key": {"id": "A1", "remoteJid": BOB, "fromMe": False}, "text": "👍"}}
    source.message("R1", reaction, at=AT + 3, from_me=True, messageType="reactionMessage")
    for status in ("DELIVERY_ACK", "READ"):
        source.row(
            "MessageUpdate", keyId="A2", remoteJid=BOB, fromMe=True, status=status, messageId="c", instanceId="i1"
        )
    source.row("Contact", remoteJid=BOB, pushName="Bob", instanceId="i1")
    source.row("Contact", remoteJid=GROUP, pushName="Bakers", instanceId="i1")
    source.row("Chat", remoteJid=GROUP, unreadMessages=3, labels=["9", "7"], instanceId="i1")
    source.row("Label", labelId="9", name="Lead", color="8", instanceId="i1")
    taken = take(store, org, source)
    found = shown(store, org)
    assert (taken.messages, taken.left_out) == (3, 0)
    assert [phone.jid for phone in store.list_phones(org.no)] == [ME]
    assert (found["A1"].message.text, found["A1"].sender_name) == ("Hello", "bobby")
    assert [(reaction.sender, reaction.emoji) for reaction in found["A1"].reactions] == [(ME, "👍")]
    answer = found["A2"]
    assert (answer.ack, answer.message.from_me, answer.message.details.quoted.text) == (4, True, "Hello")
    assert (found["A3"].message.kind, found["A3"].message.text, found["A3"].message.key.sender) == (
        "image",
        "Look",
        BOB,
    )
    chats = {chat.jid: chat for chat in store.list_chats(ChatQuery(org=org.no, phones=(1,))).chats}
    assert (chats[GROUP].name, chats[GROUP].unread, chats[GROUP].labels) == ("Bakers", 3, ("Lead",))
    assert chats[GROUP].phone_labels == (Label(id="7"), Label(id="9", name="Lead", color=8))
    assert take(store, org, source).messages == 3
    assert shown(store, org).keys() == found.keys()


def test_hidden_ids_edits_deletions_and_votes(store: Store, org: Org, source: Evolution) -> None:
    source.tables()
    source.row("IsOnWhatsapp", remoteJid=BOB, jidOptions=f"{BOB},{BOB_LID}", lid="lid")
    source.message("A1", {"conversation": "Under a hidden id"}, BOB_LID)
    source.message("A2", {"conversation": "Three loaves"}, at=AT + 9, status="EDITED")
    source.message("A3", {"conversation": "Never mind"}, at=AT + 10, status="DELETED", more={"deleted": True})
    options = [{"optionName": name} for name in ("Mon", "Tue")]
    poll = source.message("A4", {"pollCreationMessageV3": {"name": "Day?", "options": options}}, GROUP, AT + 11,
                          participant=BOB)  # fmt: skip
    votes = [{"name": "Mon", "voters": []}, {"name": "Tue", "voters": [BOB, "me"]}]
    source.update("A4", GROUP, pollUpdates=votes, messageId=poll)
    take(store, org, source)
    found = shown(store, org)
    assert found["A1"].message.key.chat == BOB
    assert (found["A2"].message.text, found["A2"].message.details.is_edited) == ("Three loaves", True)
    assert (found["A3"].message.text, found["A3"].deleted) == ("Never mind", True)
    assert {(vote.voter, vote.options, vote.at) for vote in found["A4"].votes} == {
        (BOB, ("Tue",), (AT + 11) * US),
        (ME, ("Tue",), (AT + 11) * US),
    }


def test_files_that_stand_in_the_rows_are_kept_and_taken_back(
    store: Store, org: Org, source: Evolution, tmp_path: Path
) -> None:
    source.tables()
    media = MediaStore(tmp_path / "media", bytes(32))
    picture = {"mimetype": "image/jpeg", "fileSha256": base64.b64encode(hashlib.sha256(jpeg()).digest()).decode()}
    source.message("A1", {"imageMessage": picture, "base64": base64.b64encode(jpeg()).decode()})
    source.message("A2", {"imageMessage": picture, "base64": base64.b64encode(jpeg("blue")).decode()}, at=AT + 1)
    source.message("A3", {"imageMessage": picture, "base64": "no base64 at all"}, at=AT + 2)
    taken = take(store, org, source, media)
    found = shown(store, org)
    assert [found[id].message.details.media.file is not None for id in ("A1", "A2", "A3")] == [True, False, False]
    assert list(media.files(org.no)) == [hashlib.sha256(jpeg()).hexdigest()]
    imports.undo(store, media, org.no, taken.import_id or 0)
    assert list(media.files(org.no)) == []
    assert shown(store, org) == {}


def test_each_instance_is_a_phone_and_one_may_be_named(store: Store, org: Org, source: Evolution) -> None:
    source.tables()
    source.row("Instance", id="i2", name="mill", ownerJid="4915550001009:12@s.whatsapp.net")
    source.row("Instance", id="i3", name="never linked")
    source.message("A1", {"conversation": "To the bakery"})
    source.message("B1", {"conversation": "To the mill"}, instanceId="i2")
    source.message("C1", {"conversation": "To nobody"}, instanceId="i3")
    assert take(store, org, source, instance="mill").messages == 1
    assert [phone.jid for phone in store.list_phones(org.no)] == [OTHER]
    assert take(store, org, source).messages == 2
    assert set(shown(store, org)) == {"A1", "B1"}
    with pytest.raises(NotFound, match="there is bakery, mill, never linked"):
        take(store, org, source, instance="oven")
    with pytest.raises(BadField, match="it was never linked"):
        take(store, org, source, instance="never linked")


def test_the_url_may_be_prismas_with_a_schema_of_its_own(store: Store, org: Org, source: Evolution) -> None:
    source.tables("evolution_api").message("A1", {"conversation": "Hello"})
    with pytest.raises(Unreadable, match="not a database of Evolution API v2"):
        take(store, org, source)
    joint = "&" if "?" in source.url else "?"
    source.url += f"{joint}schema=evolution_api&connection_limit=5"
    assert take(store, org, source).messages == 1


def test_nothing_can_be_written_and_no_secret_is_kept(store: Store, org: Org, source: Evolution) -> None:
    source.tables().message("A1", {"conversation": "Hello"})
    source.row("Session", sessionId="i1", creds="SECRET")
    with reading(source.url, "Evolution API") as database, pytest.raises(Unreadable, match="read-only"):
        database.ask('DELETE FROM "Message" RETURNING id', {})
    take(store, org, source)
    assert b"SECRET" not in repr(store.list_imports(org.no)).encode()


@pytest.mark.parametrize("url", ["mysql://root@host/evolution", "evolution.db", "postgresql://host/x?schema=a;b", ""])
def test_other_urls_are_refused(store: Store, org: Org, url: str) -> None:
    with pytest.raises(BadField, match=r"^url: "):
        import_evolution(store, None, org.no, url, max_media_bytes=1)


def test_a_server_that_is_not_there_is_named_without_the_password(store: Store, org: Org, tmp_path: Path) -> None:
    url = f"postgresql://reader:geheim@/evolution?host={tmp_path}"
    with pytest.raises(Unreadable, match="Evolution API database: ") as refused:
        import_evolution(store, None, org.no, url, max_media_bytes=1)
    assert "geheim" not in str(refused.value)


def test_rows_that_make_no_sense_are_in_quarantine(store: Store, org: Org, source: Evolution) -> None:
    source.tables()
    source.message("A1", {"conversation": "Hello"})
    source.row("Message", key={"fromMe": False}, message={}, messageType="x", messageTimestamp=AT, instanceId="i1")
    source.message("A3", {"conversation": "x" * (5 << 20)})
    taken = take(store, org, source)
    assert (taken.messages, taken.left_out) == (1, 2)
    assert [problem.partition(": ")[2].partition(")")[2] for problem in taken.problems] == [
        ": key has no chat or no message id",
        ": row is too large",
    ]
    assert len(store.list_quarantined(org.no)) == 2


def test_an_import_that_was_cut_goes_on(
    store: Store, org: Org, source: Evolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LARGEST", 1)
    monkeypatch.setattr(evolution, "PAGE", 4)
    source.tables()
    for number in range(10):
        source.message(f"A{number}", {"conversation": f"line {number}"}, at=AT + number)

    def cut(done: int, whole: int | None) -> None:
        assert whole == 10
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(store, org, source, progress=cut)
    taken = take(store, org, source)
    assert (taken.resumed, taken.messages) == (True, 2)
    assert len(shown(store, org)) == 10
    assert [entry.state for entry in store.list_imports(org.no)] == ["done"]


def test_the_command_takes_the_url_from_its_variable(source: Evolution, tmp_path: Path) -> None:
    source.tables().message("A1", {"conversation": "Hello"})
    settings = {"BACKSCROLL_DATA": str(tmp_path / "archive")}

    def run(*words: str, **more: str) -> Any:
        return CliRunner().invoke(cli, words, env=settings | more)

    run("org", "create", "Bakery")
    asked = run("import", "evolution")
    assert (asked.exit_code, "BACKSCROLL_EVOLUTION_DATABASE" in asked.stderr) == (2, True)
    done = run("import", "evolution", "--json", BACKSCROLL_EVOLUTION_DATABASE=source.url)
    assert json.loads(done.stdout)["messages"] == 1
