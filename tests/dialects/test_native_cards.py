"""Cards of events, orders, products and invitations, made from the forms in which sources give them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.core.model import ArchivedMessage, Details, Kind, Message, MessageKey, Phone
from backscroll.dialects.native.cards import card_of

PHONE = Phone(no=1, jid="4915550001001@s.whatsapp.net", phone_id="phone-aaaaaaaaaaaaaaaa")


def card(kind: Kind, **details: Any) -> Any:
    key = MessageKey(PHONE.jid, "4915550001002@s.whatsapp.net", "X")
    message = Message(key=key, sent_at=0, from_me=False, kind=kind, details=Details(**details))
    return card_of(ArchivedMessage(no=1, message=message, phone=PHONE, ack=None))


def told(found: Any) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value not in (None, [], False)}


def test_other_kinds_have_none_and_a_kind_without_a_shape_an_empty_one() -> None:
    assert card("text", interactive={"title": "x"}) is None
    assert told(card("order")) == {}
    assert told(card("order", order_id="77")) == {"order_id": "77"}


def test_an_event_tells_when_and_where() -> None:
    shape = {
        "name": "Supper",
        "startTime": "1784998800",
        "endTime": 1785013200,
        "isCanceled": True,
        "location": {"name": "Boathouse", "degreesLatitude": 1.0},
        "joinLink": "https://call.whatsapp.com/video/x",
    }
    assert told(card("event", interactive={"eventMessage": shape})) == {
        "title": "Supper",
        "place": "Boathouse",
        "starts_at": "2026-07-25T17:00:00+00:00",
        "ends_at": "2026-07-25T21:00:00+00:00",
        "canceled": True,
        "url": "https://call.whatsapp.com/video/x",
    }


def test_an_order_tells_what_and_how_much() -> None:
    shape = {
        "text": "please",
        "product_items": [{"product_retailer_id": "R1", "quantity": "2", "item_price": 4.5, "currency": "EUR"}],
    }
    assert told(card("order", interactive=shape)) == {
        "text": "please",
        "items": [{"name": "R1", "quantity": 2, "price": "4.50 EUR"}],
        "item_count": 1,
    }
    whatsmeow = {"orderTitle": "Bakery", "itemCount": 3, "totalAmount1000": "12500", "totalCurrencyCode": "EUR"}
    assert told(card("order", interactive=whatsmeow)) == {"title": "Bakery", "item_count": 3, "price": "12.50 EUR"}


def test_an_invitation_tells_the_group_and_until_when_in_the_ways_of_two_libraries() -> None:
    proto = {"groupJid": "120363@g.us", "groupName": "Regatta", "inviteExpiration": "1784998800"}
    js = {"groupId": {"_serialized": "120363@g.us"}, "groupName": "Regatta", "inviteCodeExp": 1784998800}
    for shape in (proto, js):
        assert told(card("group_invite", invite=shape)) == {
            "title": "Regatta",
            "chat_id": "120363@g.us",
            "expires_at": "2026-07-25T17:00:00+00:00",
        }


@pytest.mark.parametrize(
    "shape",
    [
        {"title": 7, "url": "javascript:alert(1)", "groupJid": "x y@g.us"},
        {"startTime": "9" * 15, "endTime": -1, "itemCount": "many", "price": True},
        {"product": "none", "productItems": {"title": "x"}, "location": []},
        {"firstImageUrl": "https://x.example/a b", "name": "  "},
    ],
)
def test_what_has_another_type_than_expected_is_left_out(shape: dict[str, Any]) -> None:
    assert told(card("product", interactive=shape)) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                sorted(
                    {
                        "title",
                        "name",
                        "product",
                        "productItems",
                        "location",
                        "startTime",
                        "price",
                        "groupId",
                        "url",
                        "order",
                    }
                )
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_shape_breaks_a_card(shape: Any) -> None:
    assert set(card("order", interactive=shape)) == set(card("order"))
