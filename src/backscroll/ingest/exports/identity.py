"""Identifying the chat of an export.

An export contains no ids. The evidence is names: those of its files and folders, of its authors, and on an iPhone the
name in front of notices. If these contradict each other, or are not enough, the user is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from backscroll.core import ids
from backscroll.core.errors import BadField, Candidate, Question
from backscroll.core.model import Phone
from backscroll.ingest.connectors.export.chat import ExportedChat
from backscroll.ingest.connectors.export.titles import Sign, is_same_title
from backscroll.ingest.exports.names import MIN_DIGITS, is_numbered, jid_of_number, made_up_jid
from backscroll.storage.store import Store

GROUP_REMEDY = "--chat with the group's JID or its title"
MAX_CANDIDATES = 20


class Identity(Struct, frozen=True, kw_only=True):
    """What is known of the chat. ``jid`` None means that it is known by ``title`` only."""

    is_group: bool
    jid: str | None = None
    title: str | None = None
    other: str | None = None
    """In a chat of two, the author that is the other side, if they wrote anything."""


class Signs:
    """Everything in an export that may tell its chat."""

    def __init__(self, parsed: ExportedChat, signs: Sequence[Sign], mine: Sequence[str], me: str | None) -> None:
        self.authors = parsed.authors
        self.is_group = bool(parsed.is_group)
        self.signs = signs
        self.by_lines = parsed.title
        self.mine = mine
        self.others = [name for name in parsed.authors if name not in mine]
        self.knows_owner = bool(mine) or me is not None

    @property
    def by_file(self) -> Sign | None:
        """The sign that WhatsApp itself gave, if a file or folder still has it."""
        return next((sign for sign in self.signs if sign.is_whatsapps), None)

    def named_author(self) -> str | None:
        """The author whose name a file has, also where a copy's mark stands behind it."""
        for sign in self.signs:
            for title in (sign.title, sign.shorter):
                if title in self.authors:
                    return title
        return None

    def title(self) -> str | None:
        """The chat's name, as the lines tell it or else a file; asks where the two are of different chats."""
        by_file = self.by_file
        if self.by_lines and by_file and not is_same_title(self.by_lines, by_file.title):
            raise Question(
                f"The file is named after {by_file.title}, but its lines are from {self.by_lines}. Which chat is it?",
                f'--chat "{self.by_lines}" or --chat "{by_file.title}"',
                name="chat",
                candidates=[
                    Candidate(self.by_lines, evidence="named in the lines"),
                    Candidate(by_file.title, evidence="the name of the file"),
                ],
            )
        return self.by_lines or next((sign.title for sign in self.signs), None)


def which_is_owner(names: Sequence[str]) -> Question:
    """Several write, and one of them is the owner of the phone."""
    shown = ", ".join(names[:5])
    candidates = [Candidate(name) for name in names[:MAX_CANDIDATES]]
    return Question(f"Which of {shown} is the phone's owner?", "--me NAME", name="me", candidates=candidates)


def identify(signs: Signs, given: str | None, finder: ChatFinder) -> Identity:
    """Which chat it is, by ``--chat`` where that was given and else by what the export tells."""
    if given is None:
        return _group(signs) if signs.is_group else _chat_of_two(signs, finder)
    if "@" in given:
        return _by_jid(signs, ids.canonical(given), given)
    titles = {title for sign in signs.signs for title in (sign.title, sign.shorter)}
    digits = ids.bare_number(given)
    if len(digits) >= MIN_DIGITS and given not in titles | {signs.by_lines, *signs.authors}:
        return _by_jid(signs, ids.canonical(given), given)
    return _by_title(signs, given)


def _by_jid(signs: Signs, jid: str, given: str) -> Identity:
    kind = ids.kind_of(jid)
    if kind == "unknown":
        raise BadField("chat", given, "must be a JID such as 4915112345678@s.whatsapp.net, a number, or a title")
    if kind in ("user", "lid", "export") and len(signs.authors) > 2:
        problem = f"is one person, but {len(signs.authors)} people write in this export; give {GROUP_REMEDY}"
        raise BadField("chat", given, problem)
    if kind == "group":
        title = signs.by_lines or next((sign.title for sign in signs.signs), None)
        return Identity(is_group=True, jid=jid, title=None if title in signs.authors else title)
    other = signs.named_author() or (signs.others[0] if signs.knows_owner and len(signs.others) == 1 else None)
    return Identity(is_group=False, jid=jid, title=other or signs.by_lines, other=other)


def _by_title(signs: Signs, title: str) -> Identity:
    if title in signs.authors and len(signs.authors) <= 2:
        return Identity(is_group=False, title=title, other=title)
    is_group = signs.is_group or len(signs.authors) == 2 or (signs.knows_owner and bool(signs.others))
    return Identity(is_group=is_group, title=title)


def _group(signs: Signs) -> Identity:
    title = signs.title()
    if title is None:
        question = "This is a group, and neither the file's name nor its lines show which one."
        raise Question(question, GROUP_REMEDY, name="chat")
    if title in signs.authors:
        question = f"The file is named after {title}, who is one of the authors in this group."
        raise Question(question, GROUP_REMEDY, name="chat")
    return Identity(is_group=True, title=title)


def _chat_of_two(signs: Signs, finder: ChatFinder) -> Identity:
    if (other := signs.named_author()) is not None:
        return _named_after(signs, other)
    title = signs.by_lines or (signs.by_file.title if signs.by_file else None)
    if title is not None and signs.others:
        return _title_of_nobody(signs, title, finder)
    if len(signs.others) > 1:
        raise which_is_owner(signs.others)
    if signs.others and not signs.knows_owner:
        [name] = signs.others
        raise Question(
            f"Only {name} writes here. Is that you?",
            f'--me "{name}" if it is, or --chat "{name}" if not',
            name="me",
            candidates=[Candidate(name, f"Yes, I am {name}"), Candidate(name, f"No, I wrote to {name}", name="chat")],
        )
    if signs.others:
        return Identity(is_group=False, title=signs.others[0], other=signs.others[0])
    title = title or signs.title()
    if title is None:
        raise Question("It is not clear whose chat this is.", "--chat JID, NUMBER or NAME", name="chat")
    return Identity(is_group=False, title=title)


def _named_after(signs: Signs, other: str) -> Identity:
    if other in signs.mine and signs.others:
        raise Question(
            f"The file is named after {other}, as the other person's phone would name it. Whose chat is it?",
            f'--chat "{signs.others[0]}", or another --me',
            name="chat",
            candidates=[Candidate(name) for name in signs.others],
        )
    return Identity(is_group=False, title=other, other=other)


def _title_of_nobody(signs: Signs, title: str, finder: ChatFinder) -> Identity:
    """Somebody writes who is not the phone's owner for certain, and the title is nobody's: two things can be meant."""
    if number := jid_of_number(title):
        if len(signs.others) > 1:
            raise which_is_owner(signs.others)
        return Identity(is_group=False, jid=number, title=signs.others[0], other=signs.others[0])
    is_person, is_group = (finder.find(title, kind) is not None for kind in (False, True))
    if is_group and not is_person:
        return Identity(is_group=True, title=title)
    names = " and ".join(signs.authors)
    if not signs.knows_owner and len(signs.others) == 1:
        [name] = signs.others
        raise Question(
            f"Only {name} writes here, in a chat called {title}. Are you {name}?",
            f'--me "{name}" if you are, --chat "{title}" with your own --me if it is a group',
            name="me",
            candidates=[Candidate(name, f"Yes, I am {name}"), Candidate(title, "No, it is a group", name="chat")],
        )
    raise Question(
        f"The chat is called {title}, but {names} write in it. Is it a group?",
        f'--chat "{title}" if it is, or --chat "{signs.others[0]}" if it is the chat with {signs.others[0]}',
        name="chat",
        candidates=[
            Candidate(title, f"A group called {title}"),
            *(Candidate(name, f"The chat with {name}") for name in signs.others),
        ],
    )


class ChatFinder:
    """Finds the chat of an export in the archive, or a JID to keep it under."""

    def __init__(self, store: Store, org: int, phone: Phone) -> None:
        self._store = store
        self._org = org
        self._phone = phone

    def find(self, title: str, is_group: bool) -> str | None:
        """The one chat of that name or number; asks where there are several."""
        if not is_group and (jid := jid_of_number(title)):
            return jid
        found = [jid for jid in self._store.find_by_name(self._org, title) if self._may_be(jid, is_group)]
        if len(found) > 1:
            raise Question(
                f"Several chats are called {title}: {', '.join(found[:5])}. Which one is it?",
                "--chat JID",
                name="chat",
                candidates=[Candidate(jid) for jid in found[:MAX_CANDIDATES]],
            )
        return found[0] if found else None

    def _may_be(self, jid: str, is_group: bool) -> bool:
        """Names are the phone's own, so only whom this phone knows may be meant."""
        phones = (self._phone.no,)
        if is_group:
            return ids.kind_of(jid) == "group" and self._store.find_chat(self._org, phones, jid) is not None
        return is_numbered(jid) and self._store.find_contact(self._org, phones, jid) is not None

    def placeholders(self, titles: Sequence[str], is_group: bool) -> list[str]:
        """JIDs under which earlier imports may have kept a chat that they knew by one of these names."""
        made = [made_up_jid(self._phone.jid, title, is_group) for title in dict.fromkeys(titles)]
        return [jid for jid in made if self._store.find_chat(self._org, (self._phone.no,), jid) is not None]
