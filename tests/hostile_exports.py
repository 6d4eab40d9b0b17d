"""Exports that no phone would write, for tests that nothing in them is lost."""

from __future__ import annotations

from hypothesis import strategies as st

_MARKS = ["", "", "", "\u200e", "\u200f", "\u202a", "\ufeff"]
_NAMES = ["Ana", 'ד"ר לוי', 'O"Neil', "a:b", "Mara :)", "~ Olek", "+49 1555 0001003", "", "Ana: B", "“x", "007", "你好"]
_COLONS = [": ", ":", ":\u200e", " : ", "： ", ""]
FILES = ["IMG-20260113-WA0001.jpg", "00000003-PHOTO-2026-01-05-10-02-00.jpg", "Plan (2).pdf", "notes"]
_WRAPS = [
    "{}",
    "<{}>",
    "<{} eklendi>",
    "<attached: {}>",
    "[{}]",
    "{} (file attached)",
    "{} <anexo>",
    "look: {} !",
    "({})",
]
_PHRASES = [
    "<Media omitted>", "image omitted", "This message was deleted", "You deleted this message",
    "Voice call, \u200e2 min", "Ana added you",
    "Missed voice call. \u200eTap", "POLL:\nq\nO: a (1 vote)", "Location: https://maps.google.com/?q=1.5,2.5", "null",
    "View once message omitted", "This message was deleted by admin Ben.", "x <This message was edited>",
    "Place (Road): https://foursquare.com/v/4e89af95e5fa82ad4c0aa03b", "Waiting for this message", "",
]  # fmt: skip
_HEADS = [
    "13/01/2026, 09:{:02} - ",
    "[13/01/2026, 09:{:02}:10] ",
    "13.01.2026 09:{:02} - ",
    "45/45/2026, 09:{:02} - ",
    "{:02} ",
]


@st.composite
def lines_of_exports(draw: st.DrawFn) -> list[str]:
    """Exports that no phone would write: two kinds of line head; any marks, names, files and words in any order."""
    heads = draw(st.lists(st.sampled_from(_HEADS), min_size=1, max_size=2))
    lines = [f"{heads[0].format(0)}Ana: begin"] * draw(st.integers(0, 3))
    for number in range(draw(st.integers(1, 12))):
        wrapped = draw(st.sampled_from(_WRAPS)).format(draw(st.sampled_from(FILES)))
        words = draw(st.one_of(st.sampled_from(_PHRASES), st.just(wrapped), st.text(max_size=40)))
        caption = draw(st.one_of(st.just(""), st.text(max_size=10)))
        head = draw(st.sampled_from([*heads, ""])).format(number)
        parts = [draw(st.sampled_from(_MARKS)), head, draw(st.sampled_from(_NAMES)), draw(st.sampled_from(_COLONS))]
        lines.append("".join([*parts, caption, draw(st.sampled_from(_MARKS)), words]))
    return "\n".join(lines).split("\n")
