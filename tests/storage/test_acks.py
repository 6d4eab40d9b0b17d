"""The ack of our message in a group is the lowest of all the other members' acks."""

from __future__ import annotations

import pytest

from backscroll.core.events import ChatSeen, ReceiptSet
from backscroll.core.model import Member, Org, Phone
from backscroll.core.query import MessageQuery
from backscroll.storage.store import Store
from conftest import MORNING, MakeMessage, MakeTarget, Tell

GROUP = "120363025246125916@g.us"
OTHERS = tuple(f"49151123456{n}@s.whatsapp.net" for n in range(70, 73))


@pytest.mark.parametrize(("receipts", "ack"), [((), 2), ((3,), 2), ((3, 4), 2), ((3, 4, 3), 3), ((4, 5, 4), 4)])
def test_one_participant_who_has_not_got_it_keeps_it_on_the_server(
    store: Store,
    org: Org,
    phone: Phone,
    make_message: MakeMessage,
    target: MakeTarget,
    tell: Tell,
    receipts: tuple[int, ...],
    ack: int,
) -> None:
    members = (Member(jid=phone.jid), *(Member(jid=jid) for jid in OTHERS))
    tell(
        ChatSeen(phone=phone.jid, chat=GROUP, members=members),
        make_message(chat=GROUP, from_me=True, ack=2, sender=phone.jid),
    )
    meant = target(chat=GROUP, sender=phone.jid)
    for who, got in zip(OTHERS, receipts, strict=False):
        tell(ReceiptSet(target=meant, ack=got, participant=who, at=MORNING))
    page = store.list_messages(MessageQuery(org=org.no, phones=(phone.no,), chat=GROUP))
    assert [shown.ack for shown in page.messages] == [ack]
