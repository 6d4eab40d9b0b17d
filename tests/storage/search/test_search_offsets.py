"""Set operations on postings give what sets give."""

from __future__ import annotations

import random
from array import array

from hypothesis import given
from hypothesis import strategies as st

from backscroll.storage.search.offsets import Choice, Listed, all_of, any_of

KINDS = 4
DOCS = 400


@st.composite
def listed(draw: st.DrawFn) -> Listed:
    """Few or many messages; of some lists only messages of some kinds count."""
    step, start = draw(st.sampled_from([1, 2, 3, 7, 50])), draw(st.integers(0, DOCS - 1))
    offsets = draw(st.one_of(st.sets(st.integers(0, DOCS - 1)), st.just(set(range(start, DOCS, step)))))
    counted = draw(st.none() | st.binary(min_size=KINDS, max_size=KINDS).map(lambda found: bytes(b & 1 for b in found)))
    return array("H", sorted(offsets)), counted


CHOICES = st.lists(st.lists(listed(), max_size=4), min_size=1, max_size=4)


def members(choice: Choice, kind_of: list[int]) -> set[int]:
    return {o for offsets, counted in choice for o in offsets if counted is None or counted[kind_of[o]]}


@given(CHOICES, st.randoms(use_true_random=False))
def test_they_give_what_sets_give(choices: list[Choice], chance: random.Random) -> None:
    kind_of = [chance.randrange(KINDS) for _ in range(DOCS)]
    assert list(any_of(choices[0], kind_of)) == sorted(members(choices[0], kind_of))
    wanted = set.intersection(*(members(choice, kind_of) for choice in choices))
    assert list(all_of(choices, kind_of)) == sorted(wanted)
