"""The text of an exported chat: dates, authors, bodies, and what only the user can answer."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backscroll.core.errors import Question, Unreadable
from backscroll.ingest.connectors.export.chat import ExportedChat, ExportedLine, parse

BERLIN = ZoneInfo("Europe/Berlin")


def chat(*lines: str, day_first: bool | None = None, names: tuple[str, ...] | None = None) -> ExportedChat:
    return parse("\n".join([*lines, ""]).encode(), timezone=UTC, day_first=day_first, names=names)


def android(body: str) -> ExportedLine:
    return chat(f"31/12/2025, 14:05 - Mara: {body}").lines[0]


def iphone(body: str) -> ExportedLine:
    ordinary = "[31/12/2025, 14:05:00] Mara: hello"
    return chat(ordinary, f"[31/12/2025, 14:05:33] Mara: {body}").lines[1]


def days(parsed: ExportedChat) -> list[str]:
    return [line.local[:10] for line in parsed.lines]


# Days and months


def test_a_day_beyond_twelve_tells_the_order_for_the_whole_file() -> None:
    assert days(chat("03/04/2026, 10:00 - Mara: a", "13/04/2026, 10:00 - Mara: b")) == ["2026-04-03", "2026-04-13"]
    assert days(chat("03/04/2026, 10:00 - Mara: a", "04/13/2026, 10:00 - Mara: b")) == ["2026-03-04", "2026-04-13"]


def test_time_that_runs_back_speaks_against_an_order() -> None:
    assert days(chat("03/01/2026, 10:00 - Mara: a", "01/02/2026, 10:00 - Mara: b")) == ["2026-01-03", "2026-02-01"]


@pytest.mark.parametrize("written", ["{:02}/02/2026", "02/{:02}/2026"])
def test_the_first_days_of_a_month_and_a_day_of_each_month_are_not_told_apart(written: str) -> None:
    with pytest.raises(Question):
        chat(*(f"{written.format(number)}, 10:00 - Mara: the rent is paid" for number in range(1, 13)))


def test_what_cannot_be_told_is_asked_with_both_readings() -> None:
    with pytest.raises(Question) as caught:
        chat("03/04/2026, 10:00 - Mara: a", "05/06/2026, 10:00 - Mara: b")
    assert "4 March 2026 or 3 April 2026" in str(caught.value)
    assert caught.value.option == "--day-first or --month-first"


@pytest.mark.parametrize(("answer", "day"), [(True, "2026-04-03"), (False, "2026-03-04")])
def test_the_answer_settles_it(answer: bool, day: str) -> None:
    parsed = chat("03/04/2026, 10:00 - Mara: a", day_first=answer)
    assert days(parsed) == [day]
    assert parsed.day_first is answer


def test_an_answer_that_makes_impossible_dates_is_asked_again() -> None:
    with pytest.raises(Question, match="--day-first"):
        chat("13/04/2026, 10:00 - Mara: a", day_first=False)


def test_dates_that_mean_the_same_either_way_need_no_answer() -> None:
    assert days(chat("04/04/2026, 10:00 - Mara: a", "05/05/2026, 10:00 - Mara: b")) == ["2026-04-04", "2026-05-05"]


@pytest.mark.parametrize("mark", ["/", "-", ".", ". ", "\u2010"])
def test_any_separator_may_stand_in_a_month_first_date(mark: str) -> None:
    lines = [f"{mark.join(parts)}, 10:00 - Mara: a" for parts in (("03", "04", "2026"), ("04", "13", "2026"))]
    assert days(chat(*lines)) == ["2026-03-04", "2026-04-13"]


@pytest.mark.parametrize("written", ["03/04/2026", "03.04.2026", "03-04-2026", "3. 4. 2026", "03.04.26"])
def test_a_date_that_can_be_read_in_two_ways_is_asked_and_the_answer_wins(written: str) -> None:
    with pytest.raises(Question, match="4 March 2026 or 3 April 2026"):
        chat(f"{written}, 10:00 - Mara: a")
    assert days(chat(f"{written}, 10:00 - Mara: a", day_first=True)) == ["2026-04-03"]
    assert days(chat(f"{written}, 10:00 - Mara: a", day_first=False)) == ["2026-03-04"]


def test_a_day_without_its_zero_before_a_month_with_one_tells_the_order_of_a_dotted_date() -> None:
    assert days(chat("[5.01.2026 10:00:00] Mara: a")) == ["2026-01-05"]
    with pytest.raises(Question):
        chat("5/01/2026, 10:00 - Mara: a")


def test_an_answer_wins_over_a_few_lines_that_it_makes_impossible() -> None:
    lines = [f"03/{day:02}/2026, 10:00 - Mara: a" for day in range(1, 13)] * 3
    parsed = chat(*lines, "25/03/2026, 10:00 - Mara: pasted", day_first=False)
    assert days(parsed)[-1] == "2026-03-12"
    assert (parsed.lines[-1].text or "").endswith("pasted")
    assert [(doubt.first, doubt.why) for doubt in parsed.doubts] == [(37, "impossible_date")]


def test_a_short_year_may_stand_first() -> None:
    lines = [f"26/3/{day}, 10:00 - Mara: a" for day in (9, 10, 11, 12)]
    assert days(chat(*lines))[0] == "2026-03-09"


def test_years_that_stand_first_leave_nothing_to_ask() -> None:
    parsed = chat("2026-03-04, 10:00 - Mara: a", day_first=True)
    assert days(parsed) == ["2026-03-04"]
    assert parsed.day_first is None


@given(
    start=st.dates(min_value=datetime(2012, 1, 1).date(), max_value=datetime(2040, 1, 1).date()),
    gaps=st.lists(st.integers(0, 40), min_size=0, max_size=30),
    month_first=st.booleans(),
)
def test_an_order_is_never_guessed_wrong_in_silence(start: datetime, gaps: list[int], month_first: bool) -> None:
    written, day = [], start
    for gap in gaps:
        day += timedelta(days=gap)
        written.append(day)
    pattern = "%m/%d/%Y" if month_first else "%d/%m/%Y"
    lines = [f"{day.strftime(pattern)}, 10:00 - Mara: a" for day in [start, *written]]
    try:
        assert days(chat(*lines)) == [day.strftime("%Y-%m-%d") for day in [start, *written]]
    except Question:
        pass


# Clocks


def test_an_hour_that_comes_twice_keeps_the_order() -> None:
    lines = ["01:50", "02:10", "02:50", "02:10", "02:50", "03:05"]
    text = "".join(f"25.10.2026, {at} - Mara: a\n" for at in lines).encode()
    times = [line.sent_at for line in parse(text, timezone=BERLIN).lines]
    assert times == sorted(times)
    assert times[3] - times[1] == 3_600_000_000
    assert times[0] == int(datetime(2026, 10, 24, 23, 50, tzinfo=UTC).timestamp()) * 1_000_000


def test_local_times_become_utc_by_the_zone_given() -> None:
    text = b"31/12/2025, 14:05 - Mara: a\n"
    assert parse(text, timezone=BERLIN).lines[0].sent_at == parse(text, timezone=UTC).lines[0].sent_at - 3_600_000_000


@pytest.mark.parametrize(
    ("written", "clock"),
    [
        ("12:00 AM", "00:00"),
        ("12:00 PM", "12:00"),
        ("1:00\u202fp.m.", "13:00"),
        ("11:59 pm", "23:59"),
        ("下午1:05", "13:05"),
        ("오전 9:05", "09:05"),
        ("9:05 م", "21:05"),
        ("9:05 μ.μ.", "21:05"),
        ("9:05 CH", "21:05"),
        ("24:05", "00:05"),
    ],
)
def test_halves_of_the_day_are_read_in_many_languages(written: str, clock: str) -> None:
    assert chat(f"31/12/2025, {written} - Mara: a").lines[0].local == f"2025-12-31T{clock}"


def test_a_half_of_the_day_that_is_not_known_is_refused_and_not_guessed() -> None:
    with pytest.raises(Unreadable, match="'qqq'"):
        chat("31/12/2025, 9:05 qqq - Mara: a", "31/12/2025, 9:06 zzz - Mara: b")


def test_a_half_of_the_day_beside_a_word_that_is_no_half_elsewhere_is_refused() -> None:
    with pytest.raises(Unreadable, match="'f'"):
        chat("31/12/2025, 9:05 m - Mara: a", "31/12/2025, 9:06 f - Mara: b")


@pytest.mark.parametrize("written", ["10/14/1404 AP, 12:05", "4/1/2569 BE, 12:05", "4/1/2026 AD, 12:05"])
def test_an_era_may_stand_behind_the_date(written: str) -> None:
    month_first = written.startswith("10")
    line = parse(f"{written} - Mara: a\n".encode(), timezone=UTC, day_first=not month_first).lines[0]
    assert line.local == "2026-01-04T12:05"


def test_an_unknown_word_beside_a_clock_of_twenty_four_hours_does_no_harm() -> None:
    assert chat("31/12/2025 qqq 9:05 - Mara: a", "31/12/2025 qqq 21:05 - Mara: b").lines[1].local[11:] == "21:05"


# Heads, authors, notices


def test_a_pasted_chat_of_another_phone_stays_in_its_message() -> None:
    pasted = [f"[01.02.26, 10:00:{n:02}] Ben: pasted" for n in range(10)]
    parsed = chat("31/12/2025, 14:05 - Mara: look", *pasted, "31/12/2025, 14:06 - Shop: long")
    assert [line.author for line in parsed.lines] == ["Mara", "Shop"]
    assert (parsed.lines[0].text or "").count("\n") == 10


def test_a_line_with_an_impossible_date_stays_in_its_message() -> None:
    parsed = chat(*[f"{n}/12/2025, 14:05 - Mara: a" for n in range(10, 31)], "45/45/2025, 14:06 - Mara: b")
    assert parsed.lines[-1].text == "a\n45/45/2025, 14:06 - Mara: b"


def test_a_body_may_hold_colons_dashes_and_blank_lines() -> None:
    parsed = chat("31/12/2025, 14:05 - Mara: a: b - c", "", "12:30 - lunch: soup", "31/12/2025, 14:06 - Mara: d")
    assert parsed.lines[0].text == "a: b - c\n\n12:30 - lunch: soup"


def test_only_line_feeds_end_a_line() -> None:
    assert android("a\u2028b\x0bc\x85d").text == "a\u2028b\x0bc\x85d"


def test_lines_carry_their_number_and_what_stood_there() -> None:
    parsed = chat("31/12/2025, 14:05 - Mara: a", "b", "31/12/2025, 14:06 - Mara: c")
    assert [(line.line_no, line.raw) for line in parsed.lines] == [
        (1, "31/12/2025, 14:05 - Mara: a\nb"),
        (3, "31/12/2025, 14:06 - Mara: c"),
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('Mara changed the subject from "Plan: A" to "Plan: B"', "subject"),
        ("Mara hat den Betreff von „Plan: A“ zu „Plan: B“ geändert", "subject"),
        ("Your security code with Mara: Shop changed. Tap to learn more.", "security_code"),
        ("Mara changed this group's icon", "picture"),
        ("Mara changed the group description", "desc"),
        ("Mara joined using this group's invite link", "invite"),
        ("Mara removed Ben", "remove"),
        ("Mara changed their phone number to a new number. Tap to message or add the new number.", "change_number"),
        ("You're now an admin", "promote"),
        ("Mara turned on disappearing messages. New messages will disappear after 7 days.", "ephemeral"),
        ("Something quite new happened", None),
    ],
)
def test_a_line_without_an_author_is_a_notice(text: str, kind: str | None) -> None:
    line = chat(f"31/12/2025, 14:05 - {text}").lines[0]
    assert (line.kind, line.author, line.text, line.notice_type) == ("notice", None, text, kind)


def test_who_deleted_a_message_themselves_is_the_owner() -> None:
    parsed = chat("31/12/2025, 14:05 - Mara: hi", "31/12/2025, 14:06 - Shop: You deleted this message")
    assert parsed.own_names == ("Shop",)


def test_a_name_that_its_owner_chose_is_told_from_a_saved_one() -> None:
    line = chat("[31/12/2025, 14:05:33] ~\u202f\u2068Olek\u2069: hi").lines[0]
    assert (line.author, line.is_push_name) == ("Olek", True)


def test_a_number_as_author_is_free_of_marks() -> None:
    assert chat("31/12/2025, 14:05 - \u202a+49\u00a01555\u00a00001003\u202c: hi").lines[0].author == "+49 1555 0001003"


# Bodies


def test_a_caption_stands_with_its_file() -> None:
    line = android("\u200eIMG-20251231-WA0001.jpg (file attached)\nfirst\nsecond <This message was edited>")
    assert (line.attachment, line.text, line.is_edited) == ("IMG-20251231-WA0001.jpg", "first\nsecond", True)
    line = iphone("look \u200e<attached: 00000002-PHOTO-2025-12-31-14-05-33.jpg>")
    assert (line.attachment, line.text, line.kind) == ("00000002-PHOTO-2025-12-31-14-05-33.jpg", "look", "image")


def test_a_file_that_did_not_come_along_is_left_out() -> None:
    line = chat("31/12/2025, 14:05 - Mara: IMG-20251231-WA0001.jpg (file attached)", names=("other.jpg",)).lines[0]
    assert (line.attachment, line.filename, line.media_omitted) == (None, "IMG-20251231-WA0001.jpg", True)


def test_a_file_that_came_along_is_known_in_any_language() -> None:
    line = chat("31/12/2025, 14:05 - Mara: plan (2).pdf (bestand by)", names=("plan (2).pdf",)).lines[0]
    assert (line.attachment, line.kind) == ("plan (2).pdf", "document")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("IMG-20251231-WA0001.jpg", "image"),
        ("VID-20251231-WA0001.mp4", "video"),
        ("PTT-20251231-WA0001.opus", "voice"),
        ("AUD-20251231-WA0001.m4a", "audio"),
        ("STK-20251231-WA0001.webp", "sticker"),
        ("DOC-20251231-WA0001.jpg", "document"),
        ("00000009-STICKER-2025-12-31-14-05-33.webp", "sticker"),
        ("00000009-GIF-2025-12-31-14-05-33.mp4", "video"),
        ("00000009-AUDIO-2025-12-31-14-05-33.opus", "voice"),
        ("table.xlsx", "document"),
        ("Ben Holt.vcf", "contact"),
    ],
)
def test_a_file_is_what_its_name_says(name: str, kind: str) -> None:
    assert android(f"{name} (file attached)").kind == kind


@pytest.mark.parametrize(
    "text", ["I deleted this message", "(file attached)", "a <b> c", "<3", "<br>", "POLL:", "Location: here"]
)
def test_ordinary_words_stay_words(text: str) -> None:
    line = android(text)
    assert (line.kind, line.text, line.is_deleted, line.is_edited) == ("text", text, None, None)


def test_a_poll_is_told_by_its_build() -> None:
    poll = android("ENQUÊTE:\nQuand ?\nle matin ?\nCHOIX: Lundi: 9 h (2 voix)\nCHOIX: Mardi (0 voix)").poll
    assert poll is not None
    assert (poll.name, poll.options) == ("Quand ?\nle matin ?", ("Lundi: 9 h", "Mardi"))
    assert poll.counts == {"Lundi: 9 h": 2, "Mardi": 0}


def test_a_place_with_a_name_keeps_it() -> None:
    location = iphone("\u200eBotanic Garden: https://maps.google.com/?q=52.457,-13.305").location
    assert location is not None
    assert (location.latitude, location.longitude, location.name) == (52.457, -13.305, "Botanic Garden")


def test_a_link_to_a_map_within_a_sentence_is_text() -> None:
    assert android("meet here: https://maps.google.com/?q=52.457,13.305").kind == "text"


@pytest.mark.parametrize(
    ("body", "result", "duration"),
    [
        ("\u200eVoice call, \u200e12 sec", "connected", 12.0),
        ("\u200eVideo call, \u200e1 hr 3 min", "connected", 3780.0),
        ("\u200eVoice call, \u200eNo answer", "unanswered", None),
        ("\u200eMissed video call, \u200eTap to call back", "missed", None),
    ],
)
def test_calls_tell_how_they_went(body: str, result: str, duration: float | None) -> None:
    call = iphone(body).call
    assert call is not None
    assert (call.result, call.duration) == (result, duration)


def test_a_message_deleted_by_an_admin_says_so() -> None:
    line = iphone("\u200eThis message was deleted by admin Ben.")
    assert (line.is_deleted, line.deleted_by, line.text) == (True, "Ben", None)


def test_mentions_are_the_names_in_the_text() -> None:
    assert android("@\u2068Ben Holt\u2069 and @\u2068Ira\u2069").mentions == ("Ben Holt", "Ira")


def test_an_iphone_notice_in_the_name_of_the_group_names_the_chat() -> None:
    parsed = chat("[31/12/2025, 14:05:33] Garden: \u200eMara added you", "[31/12/2025, 14:06:00] Mara: hi")
    assert (parsed.title, parsed.lines[0].author, parsed.is_group, parsed.authors) == ("Garden", None, True, ("Mara",))


# Bytes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_with_their_mark_are_read(encoding: str) -> None:
    text = "31/12/2025, 14:05 - Zoé: 🌱\r\n31/12/2025, 14:06 - Zoé: ok\r\n"
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    parsed = parse((mark + text).encode(encoding), timezone=UTC)
    assert [line.text for line in parsed.lines] == ["🌱", "ok"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n\n",
        b"just some notes\nof nobody\n",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        "31/12/2025, 14:05 - Zoé: hi\n".encode("latin-1"),
        b"\xff\xfe1\x00/",
        b"1,2,3\n4,5,6\n",
        b"99/99/9999, 10:00 - Mara: a\n",
        b"[1447/07/11, 10:00:00] Mara: a\n",
        b"some words\n31/12/2025, 14:05 - Mara: hi\n",
    ],
)
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(data, timezone=UTC)


def test_words_before_the_first_message_are_kept_apart() -> None:
    parsed = chat("sent from my phone", *[f"31/12/2025, 14:0{n} - Mara: a" for n in range(4)])
    assert (parsed.preamble, len(parsed.lines)) == ("sent from my phone", 4)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(b"31/12/2025, 14:05 - Mara: a\n" + data, timezone=UTC)
    except (Unreadable, Question):
        pass


@given(st.text(max_size=300))
def test_any_body_keeps_its_words(text: str) -> None:
    parsed = parse(f"31/12/2025, 14:05 - Mara: {text}\n".encode(errors="replace"), timezone=UTC)
    assert "".join(line.raw for line in parsed.lines)


@pytest.mark.parametrize(
    "body",
    ["x" * 2**20, "<" * 2**20, ": " * 2**19, "(" * 2**20 + ")", "\u200e<a:b" * 150_000, "A:\n" + "O: x (1)\n" * 80_000,
     "\n[1/1/26" * 80_000, " " * 2**20, "•" * 2**19, "<" + "a" * 2**20 + ">", "\n31/12/2025, 14:05 x - " * 20_000],
    ids=["letters", "brackets", "colons", "parentheses", "files", "options",
         "heads", "spaces", "dots", "phrase", "words"],
)  # fmt: skip
@pytest.mark.parametrize("head", ["31/12/2025, 14:05 - Mara: ", "[31/12/2025, 14:05:33] Mara: \u200e"])
def test_a_hostile_body_takes_time_in_proportion(head: str, body: str) -> None:
    began = time.process_time()
    parse(f"{head}{body}\n".encode(), timezone=UTC)
    assert time.process_time() - began < 5
