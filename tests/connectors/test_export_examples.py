"""The examples that are part of the program are read completely."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backscroll.ingest.connectors.export.archive import ExportArchive, open_export
from backscroll.ingest.connectors.export.chat import ExportedChat, parse

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
ALL = ["mara/WhatsApp Chat with Shop", "mara/WhatsApp Chat with Allotment.txt", "shop/WhatsApp Chat - Mara.zip"]


def read(name: str) -> tuple[ExportArchive, ExportedChat]:
    export = open_export(EXAMPLES / name)
    return export, parse(export.text, timezone=ZoneInfo("Europe/Berlin"), names=export.attachments)


@pytest.mark.parametrize(
    ("name", "title", "own", "group"),
    [(ALL[0], "Shop", "Mara", None), (ALL[1], "Allotment", "Mara", True), (ALL[2], "Mara", "Shop", None)],
)
def test_an_example_tells_its_chat_and_its_owner(name: str, title: str, own: str, group: bool | None) -> None:
    export, chat = read(name)
    assert (export.title, chat.own_names, chat.is_group) == (title, (own,), group)
    assert not chat.preamble


@pytest.mark.parametrize("name", ALL)
def test_each_file_of_an_example_belongs_to_one_message(name: str) -> None:
    export, chat = read(name)
    assert Counter(line.attachment for line in chat.lines if line.attachment) == Counter(list(export.attachments))


def test_android_and_iphone_tell_the_same_conversation() -> None:
    android, iphone = read(ALL[0])[1], read(ALL[2])[1]
    both = [
        [(line.local[:16], line.author, line.kind, line.text, line.is_edited, line.is_deleted) for line in chat.lines]
        for chat in (android, iphone)
    ]
    calls = [told for told in both[1] if told[2] == "call"]
    assert len(calls) == 1
    assert [told[:3] for told in both[0][1:]] == [told[:3] for told in both[1][1:] if told not in calls]
    assert [told[4:] for told in both[0]] == [told[4:] for told in both[1] if told not in calls]
