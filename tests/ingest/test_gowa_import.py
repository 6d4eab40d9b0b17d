"""Imports of GOWA's databases: every version gives the same complete chat, and a second import changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from gowa_files import VERSIONS, WITHOUT_DEVICES, ChatStorage, Version, WhatsAppDb

from backscroll.core.model import ArchivedMessage, Org
from backscroll.core.query import ChatQuery, MessageQuery
from backscroll.ingest.connectors.gowa.database import read
from backscroll.ingest.pipeline import apply_with_retry
from backscroll.storage.store import Store

ME, BOB, BOB_LID = "628111@s.whatsapp.net", "628222@s.whatsapp.net", "999222@lid"
WITH_REACTIONS: tuple[Version, ...] = VERSIONS[VERSIONS.index("8.6") :]


def at(second: int) -> str:
    return f"2026-01-15 10:30:{second:02}+00:00"


def take(store: Store, org: Org, path: Path, whatsapp: Path | None = None, account: str | None = None) -> int:
    """Import a database; returns how many rows of the archive this changed."""
    changed = sum(apply_with_retry(store, org.no, batch).changed for batch in read(path, whatsapp, account=account))
    assert list(store.check()) == []
    return changed


def shown(store: Store, org: Org) -> list[ArchivedMessage]:
    phones = tuple(phone.no for phone in store.list_phones(org.no))
    page = store.list_messages(MessageQuery(org=org.no, phones=phones))
    assert page.total == len(page.messages)
    return page.messages


def talk(path: Path, version: Version) -> ChatStorage:
    file = ChatStorage(path, version, device=ME).chat(BOB, "Bob", at(2))
    file.message("A1", BOB, BOB, "Two loaves, please: \u0000 naïve café 🥐", at(0))
    file.message("A2", BOB, ME, "Yes", at(1), is_from_me=True)
    return file.message("A3", BOB, BOB, "", at(2), media_type="image", url="https://mmg.example/x.enc", file_length=7)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_becomes_the_same_archive_and_is_taken_once(
    store: Store, org: Org, tmp_path: Path, version: Version
) -> None:
    path = talk(tmp_path / "chatstorage.db", version).done()
    account = "628111" if version in WITHOUT_DEVICES else None
    assert take(store, org, path, account=account) > 0
    assert take(store, org, path, account=account) == 0
    newest, answer, first = shown(store, org)
    assert (newest.message.kind, answer.message.text, answer.message.from_me) == ("image", "Yes", True)
    assert (first.message.text, first.message.key.sender) == ("Two loaves, please: \ufffd naïve café 🥐", BOB)
    (phone,) = store.list_phones(org.no)
    (chat,) = store.list_chats(ChatQuery(org=org.no, phones=(phone.no,))).chats
    assert (phone.jid, chat.jid, chat.messages, chat.last_message_at) == (ME, BOB, 3, newest.message.sent_at)


@pytest.mark.parametrize("version", WITH_REACTIONS)
def test_reactions_and_edits_stand_at_their_message(store: Store, org: Org, tmp_path: Path, version: Version) -> None:
    file = talk(tmp_path / "chatstorage.db", version)
    file.reaction("A2", BOB, BOB, "👍", at(5)).edit("A2", "E1", BOB, ME, "Yes", "Yes, three", at(9))
    path = file.done()
    assert take(store, org, path) > 0
    assert take(store, org, path) == 0
    answer = shown(store, org)[1]
    assert (answer.message.text, answer.prev_text) == ("Yes, three", "Yes")
    assert [(reaction.sender, reaction.emoji) for reaction in answer.reactions] == [(BOB, "👍")]


def test_a_history_that_has_grown_brings_what_is_new(store: Store, org: Org, tmp_path: Path) -> None:
    file = talk(tmp_path / "chatstorage.db", "9.2")
    take(store, org, file.commit().path)
    file.message("A4", BOB, BOB, "Four", at(3)).message("A5", BOB, BOB, "Five", at(4))
    assert take(store, org, file.done()) > 0
    assert [found.message.text for found in shown(store, org)][:2] == ["Five", "Four"]


def test_whatsapp_db_makes_a_lid_and_its_number_one_chat(store: Store, org: Org, tmp_path: Path) -> None:
    file = talk(tmp_path / "chatstorage.db", "9.2")
    path = file.message("B1", BOB_LID, BOB_LID, "by another name", at(7)).done()
    whatsapp = WhatsAppDb(tmp_path / "whatsapp.db").device("628111:12@s.whatsapp.net")
    whatsapp.add("whatsmeow_lid_map", lid="999222", pn="628222")
    whatsapp.add("whatsmeow_contacts", our_jid="628111:12@s.whatsapp.net", their_jid=BOB, full_name="Bob the Baker")
    names = whatsapp.done()
    take(store, org, path)
    take(store, org, path, names)
    assert take(store, org, path, names) == 0
    found = shown(store, org)
    assert {one.message.key.chat for one in found} == {BOB}
    assert [one.sender_name for one in found if not one.message.from_me] == ["Bob the Baker"] * 3
