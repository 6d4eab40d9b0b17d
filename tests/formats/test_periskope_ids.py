"""Periskope's message ids, as connectors and dialects read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.formats.periskope_ids import MessageRef, decode_message_id, encode_message_id, is_phone_id

PERSON, GROUP = "919537851844@s.whatsapp.net", "120363231636311517@g.us"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3EB0A1", MessageRef("3EB0A1")),
        ("true_odd", MessageRef("true_odd")),
        ("true_919537851844@c.us_3EB0", MessageRef("3EB0", PERSON, None, True)),
        ("true_919537851844@s.whatsapp.net_3EB0", MessageRef("3EB0", PERSON, None, True)),
        ("true_919537851844:12@c.us_3EB0", MessageRef("3EB0", PERSON, None, True)),
        ("false_919537851844@c.us_a_b@c.us", MessageRef("a_b@c.us", PERSON, None, False)),
        ("false_998877@lid_A_1@c.us", MessageRef("A_1@c.us", "998877@lid", None, False)),
        (f"false_{GROUP}_A_B_C_919537851844@c.us", MessageRef("A_B_C", GROUP, PERSON, False)),
        (f"false_{GROUP}_A_998877@lid", MessageRef("A", GROUP, "998877@lid", False)),
        ("false_1-2@g.us_A_B_3@lid", MessageRef("A_B", "1-2@g.us", "3@lid", False)),
        (f"true_{GROUP}_A_B", MessageRef("A_B", GROUP, None, True)),
        ("false_120363@newsletter_A_1@c.us", MessageRef("A_1@c.us", "120363@newsletter", None, False)),
        ("false_status@broadcast_A_919537851844@c.us", MessageRef("A", "status@broadcast", PERSON, False)),
        (f"false_{GROUP}_A_Ann_Lee@export", MessageRef("A", GROUP, "Ann_Lee@export", False)),
        ("true_0b3a5a0e-1111-4222-8333-444455556666_api", MessageRef("true_0b3a5a0e-1111-4222-8333-444455556666_api")),
    ],
)
def test_a_message_id_is_taken_apart(text: str, expected: MessageRef) -> None:
    assert decode_message_id(text) == expected
    if expected.chat is not None:
        assert decode_message_id(text, expected.chat) == decode_message_id(text, text.split("_")[1]) == expected


def test_a_chat_that_is_known_from_elsewhere_is_recognised_whatever_its_form() -> None:
    assert decode_message_id("true_my_chat_X", "my_chat") == MessageRef("X", "my_chat", None, True)
    assert decode_message_id("maybe_my_chat_X", "my_chat") == MessageRef("maybe_my_chat_X")
    assert decode_message_id("true_my_chat_X", "other") == MessageRef("true_my_chat_X")


@given(st.text(max_size=40))
def test_any_text_is_some_message_id(text: str) -> None:
    assert isinstance(decode_message_id(text).id, str)


@given(
    st.booleans(),
    st.sampled_from([PERSON, GROUP, "998877@lid", "status@broadcast", "120363@newsletter"]),
    st.text("AB3", min_size=1, max_size=12),
    st.sampled_from([PERSON, "998877@lid", "Ann_Lee@export"]),
)
def test_what_is_encoded_is_decoded_to_the_same(from_me: bool, chat: str, id: str, sender: str) -> None:
    ref = decode_message_id(encode_message_id(from_me, chat, id, sender))
    assert (ref.id, ref.chat, ref.from_me) == (id, chat, from_me)
    assert ref.sender in (sender, None)


def test_the_form_of_a_phone_id_is_one_that_a_header_can_carry() -> None:
    assert is_phone_id("phone-bqzvyibhmwka")
    for other in ("phone-", "phone-A", "phone-a\r\nx: y", "phone-a\n", "phone-€", "", "phone-" + "a" * 65):
        assert not is_phone_id(other)
