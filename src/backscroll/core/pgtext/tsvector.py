"""Search words of a message, byte for byte what PostgreSQL 15 answers to `to_tsvector('english', text)::text`.

The words are made here, and not by a database, so that both engines store the same bytes; see
docs/decisions/0002-fts-in-python.md. The reference is a PostgreSQL 15 with UTF-8 and the C.UTF-8 locale.

PostgreSQL reads a text as a machine that tries one reading after the other and steps back from those that fail. Each
reading is a regular expression below, and each failure that could be met again from a later start is remembered, so the
work stays proportional to the text whatever the text is.
"""

import re
from functools import cache, lru_cache
from typing import Final

from backscroll.core.pgtext.letters import FAR_LETTERS, FAR_MARKS, LETTERS, MARKS
from backscroll.core.pgtext.stemmer import stem

_STOP_LIST = """
a about above after again against all am an and any are as at be because been before being below between both but by
can did do does doing don down during each few for from further had has have having he her here hers herself him
himself his how i if in into is it its itself just me more most my myself no nor not now of off on once only or other
our ours ourselves out over own s same she should so some such t than that the their theirs them themselves then there
these they this those through to too under until up very was we were what when where which while who whom why will
with you your yours yourself yourselves
"""
_STOP_WORDS = frozenset(_STOP_LIST.split())

_MAX_WORD: Final = 2046  # bytes; a longer one is left out and takes no position
_MAX_STEMMED: Final = 1000  # bytes
_LAST_POSITION: Final = 16383
_MAX_POSITIONS: Final = 255

# Insides of character classes.
_AN = "A-Za-z0-9"
_SPACE = "\\t-\\r \u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000"

_NOT_STEMMED = re.compile("[0-9./~@]")
_DIGIT = re.compile("[0-9]")
_FAR_SIGN = re.compile("[\U00010000-\U0010ffff]")
_FAR_WORD_SIGN = re.compile(f"[{FAR_LETTERS}{FAR_MARKS}]")

_POWER = "[eE][-+]?[0-9]++"
_WITH_POWER = re.compile(f"[0-9]++{_POWER}")
_FRACTION = re.compile(f"[0-9]++\\.[0-9]++(?:(?:\\.[0-9]++)++|{_POWER})?")
_SIGNED = re.compile(f"[-+][0-9]++(?:\\.[0-9]++)?(?:{_POWER})?")
_SIGN_BEFORE_VERSION = re.compile(r"[-+][0-9]++\.[0-9]++\.[0-9]")

_HOST_RUN = re.compile(f"[{_AN}]++(?:[._-][{_AN}]++)*+")
_HOST = re.compile(f"[{_AN}]++(?:[._-][{_AN}]++)*(\\.)[A-Za-z]{{2,}}+(?![0-9])(?::[0-9]++)?")
_URL_PATH = re.compile(r"/[!#-;=?-\[\]_a-z~]++")

_STEPS = r"(?:(?:\.\.?|~)/)*"
_ENTER = f"{_STEPS}+[.~]?[{_AN}_]"
_UP = f"{_STEPS}\\.\\.(?=/|[{_SPACE}]|\\Z)"
_FILE_REST = f"(?:[{_AN}_-]++|\\.(?=[{_AN}_])|/{_ENTER})*+(?:/{_UP})?"
_PATH_STEPS = re.compile(_STEPS)
_AFTER_SLASH = re.compile(f"{_ENTER}{_FILE_REST}|{_UP}")
_AFTER_NAME = re.compile(f"(?:\\.(?=[{_AN}_])){_FILE_REST}")
_AFTER_TILDE = re.compile(f"[{_AN}_]{_FILE_REST}")

_UP_ALONE = re.compile(f"\\.\\.(?=[{_SPACE}]|\\Z)")

_TAG_NAME_END = re.compile(f"[>{_SPACE}]")
_TAG_HEAD = re.compile(r"<(?:\?x|![Dd])")
_TAG_FILLING = re.compile(f"[{_AN}=_#/:.&?%~{_SPACE}-]*+")
# After an escaped character the next one is read as it is, even a backslash.
_QUOTED = {
    quote: re.compile(f"{quote}(?:[^{quote}\\\\]++|\\\\[\\s\\S][^{quote}])*+(\\\\[\\s\\S])?+") for quote in "'\""
}
_UNREAD = {"<script": True, "<style": True, "</script": False, "</style": False}


class _Alphabet:
    """The readings that depend on what is a letter; the fewer letters, the faster they are."""

    def __init__(self, letters: str, marks: str) -> None:
        letter = f"A-Za-z{letters}"
        word = f"0-9{letter}{marks}"
        blank = f"^<&/+\\-0-9{letter}"
        self.letter = re.compile(f"[{letter}]")
        self.word = re.compile(f"[0-9{letter}][{word}]*+")
        self.hyphenated_rest = re.compile(f"(?:-(?:[{letter}]|[0-9]++[{letter}{marks}])[{word}]*+)++")
        self.blanks = re.compile(f"[\\s\\S][{blank}]*+")
        self.entity = re.compile(f"&(?:#(?:[xX][0-9A-Fa-f]++|[0-9]++)|[A-Za-z:_][0-9{letter}:_.-]*+);")
        self.tag_name = re.compile(f"<(?:/[A-Za-z]|[A-Za-z:_])[0-9{letter}:_.-]*+")
        # Words and whole numbers with nothing beside them that could make them part of something larger.
        self.plain_run = re.compile(
            f"(?:(?:[{letter}][{letter}{marks}]{{0,63}}+|[0-9]{{1,64}}+)"
            f"(?:\\Z|(?:[^{word}.:_@/\\-+&~<]|\\.(?![{_AN}_./])|\\.\\.\\.|:(?!/))[{blank}]*+))++"
        )


@cache
def _alphabet(reach: int) -> _Alphabet:
    if reach == 0:
        return _Alphabet("", "")
    return _Alphabet(LETTERS, MARKS) if reach == 1 else _Alphabet(LETTERS + FAR_LETTERS, MARKS + FAR_MARKS)


def _alphabet_of(text: str) -> _Alphabet:
    if text.isascii():
        return _alphabet(0)
    return _alphabet(2 if _FAR_WORD_SIGN.search("".join(_FAR_SIGN.findall(text))) else 1)


def tsvector(text: str) -> str:
    """Return what a PostgreSQL 15 answers to `to_tsvector('english', text)::text`; "" if there is nothing to search.

    Never fails: a vector of over a megabyte, which PostgreSQL refuses, is returned whole.
    """
    places: dict[str, list[int]] = {}
    for position, lexeme in enumerate(_Reader(text).lexemes(), 1):
        if lexeme is None:
            continue
        found = places.get(lexeme)
        if found is None:
            places[lexeme] = [position]
        else:
            found.append(position)
    return " ".join([_entry(lexeme, places[lexeme]) for lexeme in sorted(places)])


def _entry(lexeme: str, places: list[int]) -> str:
    if "'" in lexeme:
        lexeme = lexeme.replace("'", "''")
    if len(places) == 1 and places[0] <= _LAST_POSITION:
        return f"'{lexeme}':{places[0]}"
    kept = [place for place in places if place < _LAST_POSITION][:_MAX_POSITIONS]
    if len(kept) < min(len(places), _MAX_POSITIONS):
        kept.append(_LAST_POSITION)
    return f"'{lexeme}':{','.join(map(str, kept))}"


def _lexeme(word: str) -> str | None:
    """Return what is stored for a word, None for a stop word.

    Of all that the parser tells apart, exactly the words that are letters and hyphens are stemmed.
    """
    lowered = word.lower() if word.isascii() else "".join(["i" if sign == "İ" else sign.lower() for sign in word])
    if _NOT_STEMMED.search(word) or _size(word) > _MAX_STEMMED:
        return lowered
    return None if lowered in _STOP_WORDS else stem(lowered)


_familiar_lexeme = lru_cache(maxsize=16384)(_lexeme)


def _size(word: str) -> int:
    return len(word) if word.isascii() else len(word.encode())


class _Reader:
    """Reads one text from left to right; `_read…` take a start and return where their reading ended, 0 for none."""

    __slots__ = (
        "_alphabet",
        "_comments_end",
        "_found",
        "_no_path_before",
        "_quotes",
        "_run_dot",
        "_run_end",
        "_run_host_end",
        "_run_mail_end",
        "_text",
        "_unread",
    )

    def __init__(self, text: str) -> None:
        self._text = text
        self._alphabet = _alphabet_of(text)
        self._found: list[str | None] = []
        self._unread = False  # inside a script or style element
        self._comments_end = True
        self._no_path_before = 0
        self._quotes: dict[int, int] = {}
        self._run_end = self._run_dot = self._run_host_end = self._run_mail_end = 0

    def lexemes(self) -> list[str | None]:
        """Return what is stored for each word in its place, None for a stop word."""
        text, at = self._text, 0
        plain_run, word = self._alphabet.plain_run, self._alphabet.word
        while at < len(text):
            if self._unread:
                at = text.find("<", at)
                if at < 0:
                    break
            elif plain := plain_run.match(text, at):
                self._found.extend(map(_familiar_lexeme, word.findall(text, at, plain.end())))
                at = plain.end()
                continue
            at = self._read(at) or self._read_blanks(at)
        return self._found

    def _keep(self, start: int, end: int) -> int:
        word = self._text[start:end]
        if len(word) <= 64:
            self._found.append(_familiar_lexeme(word))
        elif _size(word) <= _MAX_WORD:
            self._found.append(_lexeme(word))
        return end

    def _read(self, at: int) -> int:
        match self._text[at]:
            case "<":
                return self._read_tag(at)
            case "-" | "+":
                return self._read_signed(at)
            case "&":
                return _end(self._alphabet.entity.match(self._text, at))
            case "/" | "~" | ".":
                end = self._path_end(at)
                return self._keep(at, end) if end else 0
            case sign if sign.isascii() and sign.isdigit():
                return self._read_number(at)
            case sign if self._alphabet.letter.match(sign):
                return self._read_host(at) or self._read_word(at)
        return 0

    def _read_blanks(self, at: int) -> int:
        return at + 1 if self._unread else _end(self._alphabet.blanks.match(self._text, at))

    def _read_signed(self, at: int) -> int:
        if _SIGN_BEFORE_VERSION.match(self._text, at):
            return at + 1
        end = _end(_SIGNED.match(self._text, at))
        return self._keep(at, end) if end else 0

    def _read_number(self, at: int) -> int:
        if power := _WITH_POWER.match(self._text, at):
            return self._keep(at, power.end())
        if host := self._read_host(at):
            return host
        if fraction := _FRACTION.match(self._text, at):
            return self._keep(at, fraction.end())
        return self._read_word(at)

    def _read_word(self, at: int) -> int:
        text = self._text
        end = _end(self._alphabet.word.match(text, at))
        word = text[at:end]
        has_digit = bool(_DIGIT.search(word))
        is_number = has_digit and word.isascii() and word.isdigit()
        longer = 0
        match text[end : end + 1]:
            case "-" if not is_number:
                return self._read_hyphenated(at, end)
            case ":" if word.isascii() and not has_digit and text.startswith("//", end + 1):
                return end + 3
            case "@" if has_digit and not is_number:
                longer = self._mail_end(end)
            case "/" if has_digit or word.isascii():
                longer = self._path_end(end)
            case "." if not is_number and (has_digit or word.isascii()):
                longer = _end(_AFTER_NAME.match(text, end))
        return self._keep(at, longer or end)

    def _read_hyphenated(self, at: int, end: int) -> int:
        """Read the whole, then each part; a hyphen before a number right behind it is not the number's sign."""
        text = self._text
        whole = self._alphabet.hyphenated_rest.match(text, end)
        if not whole:
            return self._keep(at, end)
        self._keep(at, whole.end())
        for part in self._alphabet.word.finditer(text, at, whole.end()):
            self._keep(*part.span())
        end = whole.end()
        return end + 1 if text.startswith("-", end) and self._alphabet.word.match(text, end + 1) else end

    def _read_host(self, at: int) -> int:
        if at >= self._run_end and not self._see_host_run(at):
            return 0
        if self._run_mail_end:
            return self._keep(at, self._run_mail_end)
        if at > self._run_dot:
            return 0
        end = self._run_host_end
        path = _URL_PATH.match(self._text, end)
        if not path:
            return self._keep(at, end)
        self._keep(at, path.end())
        self._keep(at, end)
        return self._keep(end, path.end())

    def _see_host_run(self, at: int) -> bool:
        """Look once at a run of names, dots and hyphens: what it holds is the same from each of its names on."""
        run = _HOST_RUN.match(self._text, at)
        if not run:
            return False
        host = _HOST.match(self._text, at)
        self._run_end = run.end()
        self._run_mail_end = self._mail_end(run.end()) if self._text.startswith("@", run.end()) else 0
        self._run_dot, self._run_host_end = (host.start(1), host.end()) if host else (-1, 0)
        return True

    def _mail_end(self, at_sign: int) -> int:
        if _WITH_POWER.match(self._text, at_sign + 1):
            return 0
        return _end(_HOST.match(self._text, at_sign + 1))

    def _path_end(self, at: int) -> int:
        text = self._text
        if text[at] == "/":
            return self._path_end_after_slash(at + 1)
        if text.startswith("/", at + 1):
            return self._path_end_after_slash(at + 2)
        if text[at] == "~":
            return _end(_AFTER_TILDE.match(text, at + 1))
        if text.startswith("../", at):
            return self._path_end_after_slash(at + 3) or at + 2
        return _end(_UP_ALONE.match(text, at))

    def _path_end_after_slash(self, at: int) -> int:
        if at < self._no_path_before:
            return 0
        path = _AFTER_SLASH.match(self._text, at)
        if not path:
            self._no_path_before = _end(_PATH_STEPS.match(self._text, at))
        return _end(path)

    def _read_tag(self, at: int) -> int:
        text = self._text
        if text.startswith("<!--", at):
            return self._read_comment(at)
        if head := _TAG_HEAD.match(text, at):
            return self._read_tag_filling(head.end())
        name = self._alphabet.tag_name.match(text, at)
        if not name:
            return 0
        end = name.end()
        if text.startswith("/>", end):
            return end + 2
        if not _TAG_NAME_END.match(text, end):
            return 0
        # PostgreSQL believes a script's name even if the tag is never closed.
        self._unread = _UNREAD.get(name[0].lower(), self._unread)
        return self._read_tag_filling(end)

    def _read_comment(self, at: int) -> int:
        end = self._text.find("-->", at + 4) if self._comments_end else -1
        self._comments_end = end >= 0
        return end + 3 if end >= 0 else 0

    def _read_tag_filling(self, at: int) -> int:
        """Read on to the tag's end, remembering for each quotation met on the way what came of it."""
        text, met = self._text, []
        while True:
            at = _end(_TAG_FILLING.match(text, at))
            sign = text[at : at + 1]
            if sign not in _QUOTED or at in self._quotes:
                end = self._quotes.get(at, at + 1 if sign == ">" else 0)
                break
            met.append(at)
            quoted = _QUOTED[sign].match(text, at)
            at = _end(quoted) + 1
            if text[at - 1 : at] != sign:
                # PostgreSQL stops reading altogether where the text ends on an escaped character.
                end = len(text) if quoted and quoted[1] and at > len(text) else 0
                break
        self._quotes.update(dict.fromkeys(met, end))
        return end


def _end(found: re.Match[str] | None) -> int:
    return found.end() if found else 0
