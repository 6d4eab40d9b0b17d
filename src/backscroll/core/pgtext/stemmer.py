"""English stems, as PostgreSQL 15 makes them.

This is the Porter2 algorithm in the state it had when PostgreSQL 15 took it over; later editions of the algorithm, and
so later releases of stemming packages, answer differently for some words. Stored search words must not move when a
dependency does, so the algorithm lives here and changes only on purpose.
"""

import re
from collections.abc import Iterable

_IRREGULAR = {
    "skis": "ski",
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "idly": "idl",
    "gently": "gentl",
    "ugly": "ugli",
    "early": "earli",
    "only": "onli",
    "singly": "singl",
} | {word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")}

_WHOLE_AFTER_PLURAL = frozenset(
    ("inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"),
)

# A capital Y is a y that sounds as a consonant: at the start of the word, or after a vowel.
_VOWEL = re.compile("[aeiouy]")
_REGION = re.compile("[aeiouy][^aeiouy]")
_EARLY_REGION = re.compile("gener|commun|arsen")
_SHORT_END = re.compile(r"(?:[^aeiouy][aeiouy][^aeiouywxY]|^[aeiouy][^aeiouy])\Z")
_DOUBLE_END = re.compile(r"([bdfgmnprt])\1\Z")

_DERIVED = {
    "ational": "ate",
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "abli": "able",
    "entli": "ent",
    "izer": "ize",
    "ization": "ize",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "aliti": "al",
    "alli": "al",
    "fulness": "ful",
    "ousli": "ous",
    "ousness": "ous",
    "iveness": "ive",
    "iviti": "ive",
    "biliti": "ble",
    "bli": "ble",
    "fulli": "ful",
    "lessli": "less",
    "ogi": "og",
    "li": "",
}
_ADJECTIVAL = {
    "ational": "ate",
    "tional": "tion",
    "alize": "al",
    "icate": "ic",
    "iciti": "ic",
    "ical": "ic",
    "ful": "",
    "ness": "",
    "ative": "",
}


def _longest_of(endings: Iterable[str]) -> re.Pattern[str]:
    return re.compile(f"(?:{'|'.join(endings)})\\Z")


# A search takes the leftmost match, and of two endings of one word the longer starts further left.
_PAST_END = re.compile(r"(?:eed|ing|ed)(?:ly)?\Z")
_DERIVED_END = _longest_of(_DERIVED)
_ADJECTIVAL_END = _longest_of(_ADJECTIVAL)
_PLAIN_END = re.compile(r"(?:al|[ae]nce|er|ic|[ai]ble|e?ment|[ae]nt|ism|ate|iti|ous|i[vz]e|ion)\Z")


def stem(word: str) -> str:
    """Return the English stem of a lower-case word without apostrophes."""
    if len(word) < 3:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    word = _mark_consonant_y(word)
    first, second = _regions(word)
    word = _without_plural(word)
    if word not in _WHOLE_AFTER_PLURAL:
        word = _without_past(word, first)
        word = _with_final_i(word)
        word = _without_derived(word, first)
        word = _without_adjectival(word, first, second)
        word = _without_plain(word, second)
        word = _without_final_e_or_l(word, first, second)
    return word.replace("Y", "y")


def _mark_consonant_y(word: str) -> str:
    if "y" not in word:
        return word
    letters = list(word)
    for at, letter in enumerate(letters):
        if letter == "y" and (at == 0 or letters[at - 1] in "aeiouy"):
            letters[at] = "Y"
    return "".join(letters)


def _regions(word: str) -> tuple[int, int]:
    """Return where the two regions start in which endings may be taken off."""
    early = _EARLY_REGION.match(word) or _REGION.search(word)
    first = early.end() if early else len(word)
    later = _REGION.search(word, first)
    return first, later.end() if later else len(word)


def _without_plural(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")) and _VOWEL.search(word, 0, len(word) - 2):
        return word[:-1]
    return word


def _without_past(word: str, first: int) -> str:
    found = _PAST_END.search(word)
    if not found:
        return word
    kept = word[: found.start()]
    if found[0].startswith("eed"):
        return kept + "ee" if found.start() >= first else word
    if not _VOWEL.search(kept):
        return word
    if kept.endswith(("at", "bl", "iz")):
        return kept + "e"
    if _DOUBLE_END.search(kept):
        return kept[:-1]
    return kept + "e" if len(kept) == first and _SHORT_END.search(kept) else kept


def _with_final_i(word: str) -> str:
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in "aeiouy":
        return word[:-1] + "i"
    return word


def _without_derived(word: str, first: int) -> str:
    found = _DERIVED_END.search(word)
    if not found or found.start() < first:
        return word
    kept, end = word[: found.start()], found[0]
    if (end == "li" and kept[-1] not in "cdeghkmnrt") or (end == "ogi" and kept[-1] != "l"):
        return word
    return kept + _DERIVED[end]


def _without_adjectival(word: str, first: int, second: int) -> str:
    found = _ADJECTIVAL_END.search(word)
    if not found or found.start() < (second if found[0] == "ative" else first):
        return word
    return word[: found.start()] + _ADJECTIVAL[found[0]]


def _without_plain(word: str, second: int) -> str:
    found = _PLAIN_END.search(word)
    if not found or found.start() < second:
        return word
    kept = word[: found.start()]
    return word if found[0] == "ion" and kept[-1] not in "st" else kept


def _without_final_e_or_l(word: str, first: int, second: int) -> str:
    kept = word[:-1]
    if word.endswith("e") and (len(kept) >= second or (len(kept) >= first and not _SHORT_END.search(kept))):
        return kept
    return kept if word.endswith("ll") and len(kept) >= second else word
