"""Aligning an exported chat with the lines of earlier exports of it.

Exports have no ids. A line is matched with a line of the same minute and content, n-th with n-th; for the rest, the
text (edited, deleted), the author's name or the file may have changed. So a second, longer or overlapping export adds
only what is new, and a first minute that the export cut off adds nothing. Matching lines with messages of other sources
is done by the store (storage/write/export_matching.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice

from msgspec import Struct, structs

from backscroll.core.model import Kind
from backscroll.storage.records.sorts import is_distinctive, is_wordless, lacks_caption, sort_of
from backscroll.storage.write.export_matching import MINUTE_US, are_alike, words_of

QUARTER = 15
SECOND_US = 1_000_000
MAX_SHIFT = 15 * 60
"""In minutes: hardly any two time zones are further apart."""
OBSERVATION = 8
"""Texts with this many letters are hardly written twice by chance."""
VOTES = 5


class Utterance(Struct, frozen=True, kw_only=True):
    """The data of a line, of an export or stored, that alignment uses. ``place`` is chosen by the caller."""

    place: int
    sent_at: int
    author: str | None
    """JID of the sender, "" for the phone's owner, None when nobody is named."""
    kind: Kind
    words: str
    earlier: str | None = None
    """What it said before it was edited."""
    notice: str | None = None
    is_exact: bool = False
    """Seconds are known."""
    by_name: bool = False
    """The author is known only by name, and names change in the phone's address book."""
    still_writes: bool = False
    """Of a stored one: its author writes in the export too, so that nobody there is them under a new name."""
    is_changed: bool = False
    """Edited, deleted or not decrypted: its text may differ from the other side."""
    is_omitted: bool = False
    at_edge: bool = False
    """In the first or last minute of an export, which may be incomplete."""

    @property
    def minute(self) -> int:
        return self.sent_at // MINUTE_US

    @property
    def sort(self) -> str:
        """Kinds that may be matched."""
        return sort_of(self.kind, is_omitted=self.is_omitted)


def utterance(
    place: int,
    sent_at: int,
    author: str | None,
    kind: Kind,
    text: str | None,
    *,
    earlier: str | None = None,
    filename: str | None = None,
    notice: str | None = None,
    is_exact: bool = False,
    by_name: bool = False,
    still_writes: bool = False,
    is_changed: bool = False,
    is_omitted: bool = False,
    at_edge: bool = False,
) -> Utterance:
    """A line in the form used for alignment; see ``Utterance`` for the flags."""
    wordless = is_wordless(kind) or (filename is not None and text == filename)
    return Utterance(
        place=place,
        sent_at=sent_at,
        author=author,
        kind=kind,
        words="" if wordless else words_of(text),
        earlier=None if earlier is None else words_of(earlier),
        notice=notice,
        is_exact=is_exact,
        by_name=by_name,
        still_writes=still_writes,
        is_changed=is_changed or kind == "ciphertext",
        is_omitted=is_omitted,
        at_edge=at_edge,
    )


def align(lines: Sequence[Utterance], stored: Sequence[Utterance]) -> dict[int, int]:
    """Places of stored lines by the places of the lines matched with them, each used once."""
    matches: dict[int, int] = {}
    there = _by_minute(stored)
    for minute, some in _by_minute(lines).items():
        left, waiting = some, there.get(minute, [])
        for rule in _RULES:
            if left and waiting:
                left, waiting = _pair(left, waiting, rule, matches)
    return matches


def _by_minute(some: Iterable[Utterance]) -> dict[int, list[Utterance]]:
    groups: dict[int, list[Utterance]] = defaultdict(list)
    for said in some:
        groups[said.minute].append(said)
    return groups


Key = Callable[[Utterance], Hashable]
Fits = Callable[[Utterance, Utterance], bool]


class _Rule(Struct, frozen=True):
    """Which lines of a minute may match. The work grows with the lines, not with their pairs."""

    key: Key
    """Only those with the same key are compared."""
    fits: Fits
    """May look at a stored line's flags, sort and whether it has words, but not at which words or who said them."""
    stored_key: Key | None = None
    """Of stored lines, where it is another."""
    alike: bool = False
    """Words have to be alike too: then only the next few are compared."""


_MAX_COMPARED = 50
_FLAGS = tuple(field.name for field in structs.fields(Utterance) if field.type is bool)


class _Waiting:
    """Stored lines with one key, apart by all that a rule may ask of them; each of these groups in its order."""

    def __init__(self, taken: set[int]) -> None:
        self._taken = taken
        self._groups: dict[Hashable, dict[int | None, deque[tuple[int, Utterance]]]] = {}
        self._samples: dict[Hashable, Utterance] = {}

    def add(self, rank: int, message: Utterance) -> None:
        """Put one behind the others."""
        traits = (*(getattr(message, flag) for flag in _FLAGS), bool(message.words), message.sort)
        self._samples.setdefault(traits, message)
        queues = self._groups.setdefault(traits, defaultdict(deque))
        queues[None].append((rank, message))
        if message.is_exact:
            queues[message.sent_at // SECOND_US].append((rank, message))

    def first(self, line: Utterance, rule: _Rule) -> Utterance | None:
        """The first that fits and is not taken; where both know the second, they are of the same one."""
        best: tuple[int, Utterance] | None = None
        for traits, sample in self._samples.items():
            if not rule.fits(line, sample):
                continue
            second = line.sent_at // SECOND_US if line.is_exact and sample.is_exact else None
            found = self._next(self._groups[traits].get(second), line, rule)
            if found is not None and (best is None or found[0] < best[0]):
                best = found
        return None if best is None else best[1]

    def _next(
        self, queue: deque[tuple[int, Utterance]] | None, line: Utterance, rule: _Rule
    ) -> tuple[int, Utterance] | None:
        while queue and queue[0][1].place in self._taken:
            queue.popleft()
        if not queue or not rule.alike:
            return queue[0] if queue else None
        few = islice((one for one in queue if one[1].place not in self._taken), _MAX_COMPARED)
        return next((one for one in few if are_alike(line.words, one[1].words)), None)


def _pair(
    lines: list[Utterance], stored: list[Utterance], rule: _Rule, matches: dict[int, int]
) -> tuple[list[Utterance], list[Utterance]]:
    """Pair those with the same key in their order; give back what is left of both sides."""
    taken: set[int] = set()
    waiting: dict[Hashable, _Waiting] = defaultdict(lambda: _Waiting(taken))
    stored_key = rule.stored_key or rule.key
    for rank, message in enumerate(stored):
        waiting[stored_key(message)].add(rank, message)
    left: list[Utterance] = []
    for line in lines:
        key = rule.key(line)
        partner = waiting[key].first(line, rule) if key in waiting else None
        if partner is None:
            left.append(line)
        else:
            taken.add(partner.place)
            matches[line.place] = partner.place
    return left, [m for m in stored if m.place not in taken]


def _anyway(line: Utterance, message: Utterance) -> bool:
    return True


def _was_edited(line: Utterance, message: Utterance) -> bool:
    return line.earlier is not None


def _may_be_renamed(line: Utterance, message: Utterance) -> bool:
    return (line.by_name or message.by_name) and not message.still_writes


def _renamed(line: Utterance, message: Utterance) -> bool:
    return _may_be_renamed(line, message) and is_distinctive(line.sort, line.words)


def _is_changed(line: Utterance, message: Utterance) -> bool:
    return line.is_changed or message.is_changed


def _emptied(line: Utterance, message: Utterance) -> bool:
    return any(said.is_changed and not said.words for said in (line, message))


def _emptied_by_name(line: Utterance, message: Utterance) -> bool:
    return _may_be_renamed(line, message) and _emptied(line, message)


def _written_anew(line: Utterance, message: Utterance) -> bool:
    return _is_changed(line, message) and (not line.at_edge or (line.is_exact and message.is_exact))


def _told_as_file(line: Utterance, message: Utterance) -> bool:
    return "media" in (line.sort, message.sort)


def _lacks_caption(line: Utterance, message: Utterance) -> bool:
    return lacks_caption(line.sort, message.sort, have_words=bool(line.words and message.words))


def _lacks_caption_by_name(line: Utterance, message: Utterance) -> bool:
    return _may_be_renamed(line, message) and _lacks_caption(line, message)


def _told_as_file_by_name(line: Utterance, message: Utterance) -> bool:
    return _may_be_renamed(line, message) and _told_as_file(line, message)


def _is_notification(line: Utterance, message: Utterance) -> bool:
    return line.sort == "call" or (line.sort == "notice" and line.notice is not None)


_RULES = (
    _Rule(lambda u: (u.sort, u.author, u.words), _anyway),
    _Rule(lambda u: (u.sort, u.author, u.words), _anyway, lambda u: (u.sort, u.author, u.earlier)),
    _Rule(lambda u: (u.sort, u.author, u.earlier), _was_edited, lambda u: (u.sort, u.author, u.words)),
    _Rule(lambda u: (u.sort, u.words), _renamed),
    _Rule(lambda u: u.author, _is_changed, alike=True),
    _Rule(lambda u: u.author, _emptied),
    _Rule(lambda u: u.author, _written_anew),
    _Rule(lambda u: None, _emptied_by_name),
    _Rule(lambda u: (u.author, u.words), _told_as_file),
    _Rule(lambda u: u.author, _lacks_caption),
    _Rule(lambda u: (u.sort, u.notice), _is_notification),
    _Rule(lambda u: u.words, _told_as_file_by_name),
    _Rule(lambda u: None, _lacks_caption_by_name),
    _Rule(lambda u: (u.sort, u.words), _may_be_renamed),
)
"""Surest first: the same words by the same author; what one of them said before it was edited; the same words by
another name, if the old one is nowhere in the export; the same author with words that changed a little, are gone, or
are others; somebody's words that are gone; a file that one side tells as something else, or without its caption;
calls, and notices of one type in other words; such files, and what has no words, by another name."""


def shift_of(lines: Sequence[Utterance], stored: Sequence[Utterance]) -> int | None:
    """By how many minutes the lines stand before the stored messages that say the same, where that tells of
    another time zone: nearly all of them by quarters of an hour, and hardly any at the same time."""
    here = {(said.minute, said.words) for said in stored if _is_observation(said)}
    agreeing = sum((line.minute, line.words) in here for line in lines)
    there = _said_once(stored)
    votes: Counter[int] = Counter()
    for words, line in _said_once(lines).items():
        message = there.get(words)
        if message is not None and abs(message.minute - line.minute) <= MAX_SHIFT:
            votes[message.minute - line.minute] += 1
    shifted = {minutes: count for minutes, count in votes.items() if minutes and minutes % QUARTER == 0}
    likeliest = max(shifted, key=lambda minutes: shifted[minutes], default=0)
    # Summer time moves some of them by another hour.
    fitting = sum(count for minutes, count in shifted.items() if abs(minutes - likeliest) in (0, 60))
    return likeliest if fitting >= VOTES and fitting * 10 >= (votes.total() + agreeing) * 9 else None


def _said_once(some: Iterable[Utterance]) -> dict[str, Utterance]:
    observation = [said for said in some if _is_observation(said)]
    counts = Counter(said.words for said in observation)
    return {said.words: said for said in observation if counts[said.words] == 1}


def _is_observation(said: Utterance) -> bool:
    return len(said.words) >= OBSERVATION and said.sort != "notice"
