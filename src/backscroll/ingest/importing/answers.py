"""The user's answers: checked, and combined for each import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from backscroll.core.errors import BadField
from backscroll.core.ids import bare_number, clean_text
from backscroll.core.import_jobs import Asked, Item, Job
from backscroll.ingest.exports.zones import zone_of
from backscroll.ingest.importing.registry import KINDS

MAX_ANSWER = 1000
"""Maximum characters of an answer."""
START = "start"
SKIP = "skip"
ITEMS = "items"
SECRETS: frozenset[str] = frozenset(name for kind in KINDS for name in kind.secrets)
OPTIONS: frozenset[str] = frozenset(name for kind in KINDS for name in kind.options) | {"phone"}


def checked(given: Mapping[str, Any], is_item: bool = False) -> dict[str, Any]:
    """The answers, checked; ``BadField`` names an unusable one. None withdraws an answer."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == ITEMS and not is_item:
            found[ITEMS] = _checked_items(value)
        elif name in (START, SKIP) and is_item is (name == SKIP):
            found[name] = _checked_flag(name, value)
        elif name in OPTIONS:
            found[name] = None if value is None else _checked_text(name, value)
        else:
            known = ", ".join(sorted(OPTIONS | {SKIP if is_item else START}))
            raise BadField(name[:80], None, f"is no option of any import; these are: {known}")
    return found


def _checked_items(value: object) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(
        isinstance(no, str) and no.isdigit() and len(no) <= 6 and isinstance(given, dict) for no, given in value.items()
    ):
        raise BadField(ITEMS, None, 'must be answers by the number of an entry, such as {"2": {"me": "Ana"}}')
    return {no: checked(given, is_item=True) for no, given in value.items()}


def _checked_flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadField(name, None, "must be true or false")
    return value


def _checked_text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_ANSWER:
        raise BadField(name, None, f"must be a text of 1 to {MAX_ANSWER} characters")
    text = clean_text(value)[0] if name not in SECRETS else value
    match name:
        case "timezone":
            zone_of(text)
        case "date_order" if text not in ("day_first", "month_first"):
            raise BadField(name, text[:80], "must be day_first or month_first")
        case "phone":
            digits = bare_number(text.partition("@")[0])
            if not 5 <= len(digits) <= 15:
                raise BadField(name, text[:80], "must be a number with the country code, such as 919876543210")
            return digits
    return text


def joined(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Earlier answers, replaced by later ones where there are any."""
    items = {no: dict(answers) for no, answers in known.get(ITEMS, {}).items()}
    for no, answers in given.get(ITEMS, {}).items():
        items[no] = _without_none(items.get(no, {}) | answers)
    found = _without_none({**known, **given})
    return found | {ITEMS: items} if items else found


def _without_none(answers: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answers.items() if value is not None}


def answers_for(job: Job, item: Item, secrets: Mapping[str, str]) -> dict[str, Any]:
    """The answers for one entry of a job: its own, or else those for all entries."""
    own = job.answers.get(ITEMS, {}).get(str(item.no), {})
    common = {name: value for name, value in job.answers.items() if name not in (ITEMS, START)}
    return {**secrets, **({"phone": job.phone} if job.phone else {}), **common, **own}


def is_skipped(job: Job, item: Item) -> bool:
    """Whether the user chose to skip an entry."""
    return bool(job.answers.get(ITEMS, {}).get(str(item.no), {}).get(SKIP))


def gathered(asked: Sequence[tuple[int, Asked]]) -> list[Asked]:
    """The questions of all entries. A question that several entries have in common is included once."""
    found: dict[tuple[str, str], Asked] = {}
    for no, one in asked:
        known = found.get((one.name, one.text))
        found[(one.name, one.text)] = structs.replace(known or one, items=(*(known.items if known else ()), no))
    return list(found.values())
