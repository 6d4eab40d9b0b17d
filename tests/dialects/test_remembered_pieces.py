"""Parts of rows are cached between pages: a row must never show a part of another."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from backscroll.core.model import Access, ArchivedMessage, Message, MessageKey, Org, Page, Phone, PlainMessage, Render
from backscroll.dialects.gowa.objects import Options as gowa_Options
from backscroll.dialects.gowa.objects import render_messages as gowa_render_messages
from backscroll.dialects.gowa.objects import rows_renderer as gowa_rows_renderer
from backscroll.dialects.links import NoLinks
from backscroll.dialects.periskope.messages import rows_renderer as periskope_rows_renderer
from backscroll.dialects.periskope.objects import Options as periskope_Options
from backscroll.dialects.periskope.objects import render_messages as periskope_render_messages
from plain_messages import whole

ORGS = [Org(no=no, id=f"2997dd64-89bf-48d3-9a22-b314fca017e{no}", name="One", created_at=0) for no in (1, 2)]
PHONES = [Phone(no=no, jid=f"91852718440{no}@s.whatsapp.net", phone_id=f"phone-{no}") for no in (1, 2)]
CHATS = ["120363231636311517@g.us", "919537851844@s.whatsapp.net"]
SENDERS = [None, "919537851844@s.whatsapp.net", "919537851845@s.whatsapp.net"]
TIMES = [0, 1_700_000_000_000_000, 1_700_000_000_500_000]


def rows() -> list[ArchivedMessage]:
    """Plain messages in all combinations of some fields, twice."""
    made = []
    for phone, chat, sender, mine, deleted, ack, at in product(
        PHONES, CHATS, SENDERS, (True, False), (True, False), (None, 3), TIMES
    ):
        message = Message(key=MessageKey(phone.jid, chat, "3EB0", sender), sent_at=at, from_me=mine, text="hi", ack=ack)
        made.append(ArchivedMessage(no=1, message=message, phone=phone, ack=ack, deleted=deleted, changed_at=at))
    return [*made, *made]


def page(messages: list[ArchivedMessage]) -> Page:
    return Page(messages=messages, total=len(messages), offset=0, limit=len(messages))


def shown(jid: str) -> str:
    return jid.replace("@s.whatsapp.net", "@c.us")


def test_a_periskope_row_shows_its_own_chat_phone_sender_and_state() -> None:
    messages = rows()
    for org in ORGS:
        access = Access(org=org, phones=tuple(PHONES))
        body = periskope_render_messages(
            page(messages).rendered(periskope_rows_renderer(access, NoLinks())), periskope_Options()
        )
        for row, archived in zip(json.loads(body)["messages"], messages, strict=True):
            key, mine = archived.message.key, archived.message.from_me
            # In a direct chat the other person is the sender, even if no source gave one.
            sender = archived.phone.jid if mine else key.sender or (None if key.chat.endswith("@g.us") else key.chat)
            assert row["org_id"] == org.id
            assert (row["chat_id"], row["id"]["remote"]) == (shown(key.chat), shown(key.chat))
            assert row["org_phone"] == shown(archived.phone.jid)
            assert row["sender_phone"] == (sender and shown(sender))
            assert (row["from_me"], row["id"]["from_me"]) == (mine, mine)
            assert row["ack"] == str(archived.ack or 0)
            assert row["is_deleted"] is (True if archived.deleted else None)
            assert ("read" in row["delivery_info"]) is mine
            assert row["timestamp"] == row["updated_at"]


def test_a_gowa_row_shows_its_own_times_and_sender() -> None:
    messages = rows()
    access = Access(org=ORGS[0], phones=tuple(PHONES))
    body = gowa_render_messages(
        page(messages).rendered(gowa_rows_renderer(NoLinks(), gowa_Options(), access)), CHATS[0]
    )
    for row, archived in zip(json.loads(body)["results"]["data"], messages, strict=True):
        key, phone = archived.message.key, archived.phone
        expected: dict[str, Any] = {"chat_jid": key.chat, "is_from_me": archived.message.from_me}
        expected["sender_jid"] = phone.jid if archived.message.from_me else key.sender or key.chat
        assert {name: row[name] for name in expected} == expected
        assert row["timestamp"] == row["updated_at"]


ACCESS = Access(org=ORGS[0], phones=tuple(PHONES))


@pytest.mark.parametrize(
    "render",
    [
        periskope_rows_renderer(ACCESS, NoLinks()),
        gowa_rows_renderer(NoLinks(), gowa_Options(), ACCESS),
        gowa_rows_renderer(NoLinks(), gowa_Options(empty_values="zero"), ACCESS),
    ],
    ids=["periskope", "gowa", "gowa with zero values"],
)
def test_a_plain_message_looks_as_if_it_were_not_known_to_be_plain(render: Render) -> None:
    named = Phone(no=3, jid="918527184403@s.whatsapp.net", phone_id="phone-3", name="Shop")
    messages = [
        PlainMessage(1, phone, chat, sender, "3EB0<&>\u2028", sent_at, mine, text, ack, name, fts, 1, changed_at)
        for phone, chat, sender, mine in product([*PHONES, named], CHATS, SENDERS, (True, False))
        for text, ack, name, fts in (("hi <b> \u2028 ’", None, None, None), ("", 3, "Ana & co", "'hi':1"))
        for sent_at, changed_at in ((TIMES[1], 1), (TIMES[2], TIMES[1]))
    ]
    assert render(messages) == render(list(map(whole, messages)))
    # Together or each by itself.
    assert render(messages) == [text for message in messages for text in render([message])]
