"""Each rule of merging: reports of one message by several sources, and additions to it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from backscroll.core.model import Call, Details, Location, Media, Message, MessageKey, Source
from backscroll.storage.records.resolve import (
    Annotation,
    AnnotationKey,
    Observation,
    Resolved,
    highest_ack,
    observation,
    prune,
    put_latest,
    resolve,
)

ANNA, BEN, OWN, BY_NAME = 1, 2, 3, 4


def observed(source: Source = "webhook", sender: int = ANNA, text: str | None = "hello", **fields: Any) -> Observation:
    direct = {name: fields.pop(name) for name in ("kind", "ack", "sent_at") if name in fields}
    direct.setdefault("sent_at", 60_000_000)
    message = Message(
        key=MessageKey("p", "c", "M1"), from_me=sender == OWN, text=text, details=Details(**fields), **direct
    )
    return observation(sender, source, message)


def shown(
    *observations: Observation, annotations: tuple[Annotation, ...] = (), is_group: bool = False
) -> list[Resolved]:
    """The final state, which must be the same for every order."""
    outcomes = [resolve(prune(order), annotations, OWN, is_group, {BY_NAME}) for order in permutations(observations)]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]


def only(*observations: Observation, annotations: tuple[Annotation, ...] = (), is_group: bool = False) -> Resolved:
    (resolved,) = shown(*observations, annotations=annotations, is_group=is_group)
    return resolved


def edit(text: str, at: int, by: int = 0, target: int = 0) -> Annotation:
    return Annotation("edit", by, target, str(at), at, text)


def test_what_one_source_knows_and_another_does_not_is_known() -> None:
    resolved = only(observed("gowa", is_forwarded=True), observed("cloud", forwarding_score=2))
    assert (resolved.message.details.is_forwarded, resolved.message.details.forwarding_score) == (True, 2)


def test_where_two_know_the_better_source_wins() -> None:
    assert (
        only(observed("export", text="a"), observed("linked", text="b"), observed("gowa", text="c")).message.text == "b"
    )


def test_of_one_source_the_later_word_wins() -> None:
    assert only(observed(text="old", updated_at=1), observed(text="new", updated_at=2)).message.text == "new"


def test_media_is_taken_together_field_by_field() -> None:
    resolved = only(
        observed("cloud", media=Media(mimetype="image/png")), observed("gowa", media=Media(size=3, mimetype="x/y"))
    )
    assert resolved.message.details.media == Media(mimetype="image/png", size=3)


def test_a_call_began_when_it_was_first_reported_and_ended_as_any_report_says() -> None:
    rings = observed(kind="call", sent_at=60_000_000, call=Call(video=True, outgoing=False))
    accepted = observed(kind="call", sent_at=63_000_000, call=Call(outgoing=False, result="connected"))
    over = observed(kind="call", sent_at=99_000_000, call=Call(outgoing=False, result="rejected"))
    resolved = only(rings, accepted, over)
    assert resolved.message.details.call == Call(video=True, outgoing=False, result="connected")
    assert resolved.message.sent_at == 60_000_000
    assert only(rings, over).message.details.call == Call(video=True, outgoing=False, result="rejected")


def test_a_vague_kind_gives_way_to_one_that_says_what_it_is() -> None:
    assert (
        only(observed("linked", kind="ciphertext", text=None), observed("gowa", kind="image")).message.kind == "image"
    )


def test_a_time_to_the_minute_gives_way_to_one_to_the_second() -> None:
    exact = observed("gowa", sent_at=61_000_000)
    assert only(observed("linked", precision="minute", sent_at=60_000_000), exact).message.sent_at == 61_000_000


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (1, 2), (2, -1), (-1, 3), (3, 4), (4, 5), (None, 0)], ids=lambda ack: str(ack)
)
def test_an_ack_is_only_raised_and_a_failure_beats_what_the_server_confirmed(low: int | None, high: int) -> None:
    assert highest_ack([low, high]) == highest_ack([high, low]) == high


def test_a_higher_ack_told_earlier_is_not_forgotten() -> None:
    assert only(observed(ack=4, updated_at=1), observed(ack=3, updated_at=2)).message.ack == 4


def test_a_deletion_told_earlier_is_not_forgotten() -> None:
    assert only(observed(is_deleted=True, updated_at=1), observed(is_deleted=False, updated_at=2)).deleted


def test_the_same_id_from_two_senders_is_two_messages() -> None:
    assert [m.sender for m in shown(observed(sender=ANNA), observed(sender=BEN, text="other"))] == [ANNA, BEN]


def test_a_telling_without_a_sender_joins_the_one_message_that_has_one() -> None:
    resolved = only(observed("cloud", sender=0, text="better"), observed("gowa", sender=ANNA, text="worse"))
    assert (resolved.sender, resolved.message.text) == (ANNA, "better")


def test_a_telling_without_a_sender_stays_apart_where_two_have_one() -> None:
    assert [m.sender for m in shown(observed(sender=0), observed(sender=ANNA), observed(sender=BEN))] == [ANNA, BEN, 0]


def test_a_sender_known_by_name_only_joins_the_one_who_is_known() -> None:
    assert only(observed("export", sender=BY_NAME), observed(sender=ANNA)).sender == ANNA


def test_what_the_own_phone_sent_is_from_me() -> None:
    assert only(observed(sender=OWN)).message.from_me


def test_a_later_telling_that_knows_as_much_takes_the_place_of_an_earlier_one() -> None:
    assert prune([observed(text="a", updated_at=1), observed(text="b", updated_at=2)]) == [
        observed(text="b", updated_at=2)
    ]


def test_pruning_bit_by_bit_is_pruning_at_once() -> None:
    observations = [
        observed(text="a"),
        observed(text="b", ack=2),
        observed(text=None, is_gif=True),
        observed("gowa"),
        observed(updated_at=5),
    ]
    for order in permutations(observations):
        kept: list[Observation] = []
        for t in order:
            kept = prune([*kept, t])
        assert kept == prune(observations)


def test_edits_stand_in_the_order_of_their_times() -> None:
    resolved = only(observed(text="one"), annotations=(edit("three", 3), edit("two", 2)))
    assert (resolved.message.text, resolved.prev_text, resolved.edited_at) == ("three", "two", 3)
    assert resolved.texts == ["one", "two", "three"]


def test_an_edit_by_another_than_the_author_does_not_count() -> None:
    assert only(observed(sender=ANNA), annotations=(edit("forged", 2, by=BEN),)).message.text == "hello"


def test_a_source_that_tells_the_edited_text_only_tells_no_original() -> None:
    assert only(observed(text="new"), annotations=(edit("new", 2),)).prev_text is None
    assert only(observed(text="new", prev_text="old"), annotations=(edit("new", 2),)).prev_text == "old"


@pytest.mark.parametrize(
    ("actor", "value", "is_group", "counts"),
    [
        (ANNA, None, False, True),
        (0, None, True, True),
        (BEN, None, True, False),
        (BEN, "admin", True, True),
        (BEN, "admin", False, False),
    ],
)
def test_a_revoke_counts_from_the_author_or_from_an_admin_of_a_group(
    actor: int, value: str | None, is_group: bool, counts: bool
) -> None:
    resolved = only(
        observed(sender=ANNA), annotations=(Annotation("revoke", actor, 0, "", 9, value),), is_group=is_group
    )
    assert resolved.deleted is counts
    assert resolved.message.text == "hello"


def test_a_held_file_fills_what_sources_did_not_know() -> None:
    held = Annotation("media", 0, 0, "aa", None, '{"file":"aa","mimetype":"image/jpeg"}')
    resolved = only(observed(kind="image", media=Media(mimetype="image/png")), annotations=(held,))
    assert resolved.message.details.media == Media(mimetype="image/png", file="aa")


def test_places_are_taken_together_too() -> None:
    there = Location(latitude=1.0, longitude=2.0)
    named = Location(latitude=1.5, longitude=2.5, name="Café")
    resolved = only(observed("cloud", location=there), observed("gowa", location=named))
    assert resolved.message.details.location == Location(latitude=1.0, longitude=2.0, name="Café")


def latest(*annotations: Annotation) -> Annotation:
    outcomes = []
    for order in permutations(annotations):
        kept: dict[AnnotationKey, Annotation] = {}
        for annotation in order:
            put_latest(kept, annotation)
        outcomes.append(kept)
    assert all(outcome == outcomes[0] for outcome in outcomes)
    (annotation,) = outcomes[0].values()
    return annotation


def test_of_reactions_the_latest_stands_and_at_the_same_time_the_greater() -> None:
    one, two, none = (Annotation("reaction", ANNA, 0, "", at, value) for at, value in ((1, "b"), (2, ""), (2, "a")))
    assert latest(one, two, none).value == "a"


def test_a_reaction_without_a_time_gives_way_to_any_with_one() -> None:
    assert (
        latest(Annotation("reaction", ANNA, 0, "", None, "z"), Annotation("reaction", ANNA, 0, "", -5, "a")).value
        == "a"
    )


def test_of_receipts_the_first_time_stands() -> None:
    times = (None, 7, 3)
    assert latest(*(Annotation("receipt", ANNA, 0, "4", at, None) for at in times)).at == 3


def test_the_same_words_have_the_same_digest_wherever_they_come_from() -> None:
    fresh = observed()
    kind: Any = "".join(["te", "xt"])
    reread = Message(key=MessageKey("", "", "M1"), sent_at=60_000_000, from_me=True, kind=kind, text="hello")
    assert observation(ANNA, "webhook", reread).digest == fresh.digest
