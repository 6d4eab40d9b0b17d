"""Identifying the authors of an export within its chat."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct, structs

from backscroll.core import ids
from backscroll.core.errors import BadField, Candidate, Question
from backscroll.core.events import ContactSeen, Event, NumberMapped
from backscroll.core.model import ArchivedMessage, Contact, Phone
from backscroll.core.query import MessageQuery
from backscroll.ingest.connectors.export.archive import ExportArchive
from backscroll.ingest.connectors.export.authors import chosen_name, clean_author
from backscroll.ingest.connectors.export.chat import ExportedChat
from backscroll.ingest.exports.identity import ChatFinder, Identity, Signs, identify, which_is_owner
from backscroll.ingest.exports.names import is_numbered, jid_of_number, made_up_jid, number_of
from backscroll.storage.store import Store
from backscroll.storage.write.export_matching import MINUTE_US, words_of

SAMPLE = 1000
"""Messages of a chat by which its people are told."""
ENOUGH = 3
"""Equal lines that make two chats one, if they are most of those that could be."""


class Decided(Struct, frozen=True, kw_only=True):
    """What was made out of an export's chat and authors before anything was written, as JSON can keep it."""

    chat: str
    is_group: bool
    title: str | None
    other: str | None
    mine: tuple[str, ...]
    named: tuple[str, ...] = ()
    """Authors whom only the archive's names for the people of the chat revealed."""
    warnings: tuple[str, ...] = ()


class People:
    """The chat of an export and its authors. Raises Question where only a person can tell.

    With ``decided`` nothing is asked, and only who the authors are in the archive is looked up anew.
    """

    def __init__(
        self,
        store: Store,
        org: int,
        phone: Phone,
        archive: ExportArchive,
        parsed: ExportedChat,
        chat: str | None = None,
        me: str | None = None,
        decided: Decided | None = None,
        named: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._org = org
        self.phone = phone
        self._parsed = parsed
        self._named = tuple(named)
        self.warnings: list[str] = list(decided.warnings) if decided else []
        self.events: list[Event] = []
        self._me = self._spelled(me)
        self._mine = list(decided.mine) if decided else [name for name in parsed.authors if self._is_me(name)]
        self._finder = ChatFinder(store, org, phone)
        self._signs = Signs(parsed, archive.signs, self._mine, me)
        if decided:
            self.is_group, self.title, self.chat, self._other = (
                decided.is_group,
                decided.title,
                decided.chat,
                decided.other,
            )
        else:
            identity = identify(self._signs, chat, self._finder)
            self.is_group = identity.is_group
            self.title = identity.title
            self.chat = identity.jid or self._chat_by_title(identity, chat)
            if me is not None and not self._mine:
                self._wrote_nothing(me)
            self._other = None if self.is_group else identity.other or self._other_side()
        self.authors = self._find_authors()
        self._join_placeholders()

    def decided(self) -> Decided:
        """All that was made out, for who writes it later."""
        return Decided(
            chat=self.chat,
            is_group=self.is_group,
            title=self.title,
            other=self._other,
            mine=tuple(self._mine),
            named=self._named,
            warnings=tuple(self.warnings),
        )

    def known_among(self, names: Collection[str]) -> list[str]:
        """Those of some names by which the archive knows the phone's owner, or somebody in this chat."""
        if not names:
            return []
        contact = self._store.find_contact(self._org, (self.phone.no,), self.chat)
        known = {message.sender_name for message in self._sample(self.chat)} | {self.phone.name}
        if contact is not None and not self.is_group:
            known |= {contact.name, contact.push_name, contact.business_name}
        return [name for name in names if name in known]

    def known(self) -> list[Event]:
        """What is learned of people, told before the lines."""
        mine = [name for name, jid in self.authors.items() if jid == self.phone.jid]
        known_before = [NumberMapped(lid=self._made_up(self.chat, name), jid=self.phone.jid) for name in mine]
        if self.is_group and self.title:
            self.events.append(ContactSeen(jid=self.chat, phone=self.phone.jid, name=self.title))
        return [*self.events, *(known_before if self.is_group else [])]

    def learn(self) -> None:
        """Call the authors by the JIDs that the archive knows them by, once it was told all of them."""
        phones = (self.phone.no,)
        for name, jid in self.authors.items():
            if jid != self.phone.jid and (known := self._store.find_contact(self._org, phones, jid)):
                self.authors[name] = known.jid

    # ------------------------------------------------------------------ the phone's owner

    def _spelled(self, me: str | None) -> str | None:
        """The author that ``--me`` means: spelled exactly so, or else but for case and spaces."""
        if me is None or me in self._parsed.authors:
            return me
        alike = [name for name in self._parsed.authors if _letters(name) == _letters(me)]
        return alike[0] if len(alike) == 1 else me

    def _is_me(self, name: str) -> bool:
        if self._me is not None:
            return name == self._me
        if name in self._parsed.push_names:
            return False
        return name in self._parsed.own_names or name == self.phone.name or number_of(name) == self.phone.number

    # ------------------------------------------------------------------ the chat

    def _chat_by_title(self, identity: Identity, given: str | None) -> str:
        title = identity.title or ""
        found = self._finder.find(title, self.is_group)
        made_up = made_up_jid(self.phone.jid, title, self.is_group)
        if found is None and self.is_group and given is None and (copied := self._copied_title(title)):
            self.title, found = copied, self._finder.find(copied, True)
        if found is not None and self.is_group:
            self._check_people(found)
        if found is None:
            id, option = ("JID", "JID") if self.is_group else ("number", "NUMBER")
            self.warnings.append(
                f"the {id} of {title} is not known yet; the chat is kept as {made_up}. "
                f"Import again with --chat {option} to join them"
            )
        return found or made_up

    def _copied_title(self, title: str) -> str | None:
        """``Family 2`` may be a copy of the file of Family: it is where lines are equal; asks where people are."""
        short = next((sign.shorter for sign in self._signs.signs if sign.title == title and sign.shorter), None)
        known = short and self._signs.by_lines is None and self._finder.find(short, True)
        if not known:
            return None
        if self._shares_lines(known):
            return short
        if short and self._shares_people(known):
            raise Question(
                f"Is this the chat {short}, from a copy of its file, or one called {title}?",
                f'--chat "{short}" or --chat "{title}"',
                name="chat",
                candidates=[Candidate(short, f"The chat {short}"), Candidate(title, f"Another one, called {title}")],
            )
        return None

    def _check_people(self, jid: str) -> None:
        """Two groups may have one title: ask where nobody who wrote in the one writes in the other."""
        if not self._shares_people(jid) and not self._shares_lines(jid):
            raise Question(
                f"A group called {self.title} is in the archive, but none of its members write here. Is it the same?",
                f"--chat {jid} if it is, or --chat with another name, "
                f'such as --chat "{self.title} (2)", to keep them apart',
                name="chat",
                candidates=[
                    Candidate(jid, "Yes, the same"),
                    Candidate(f"{self.title} (2)", "No, keep them apart"),
                ],
            )

    def _shares_people(self, jid: str) -> bool:
        """Whether anybody but the owner writes both there and here; True too where nobody else writes on one side."""
        there = {m.message.key.sender for m in self._sample(jid) if not m.message.from_me and m.message.key.sender}
        names = {m.sender_name for m in self._sample(jid)} - {None}
        here = [name for name in self._parsed.authors if name not in self._mine]
        if not there or not here:
            return True
        jids = {jid_of_number(name) or self._made_up(jid, name) for name in here}
        jids.update(contact.jid for name in here for contact in self._known_as(name))
        return bool(jids & there or names & set(here))

    def _shares_lines(self, jid: str) -> bool:
        """Whether most of what was said here in the time that both know stands there too, by whomever."""
        there = {(m.message.sent_at // MINUTE_US, words_of(m.message.text)) for m in self._sample(jid)}
        if not there:
            return False
        first, last = (pick(minute for minute, _ in there) for pick in (min, max))
        both = equal = 0
        for at, sent_at in enumerate(self._parsed.lines.times):
            if first <= sent_at // MINUTE_US <= last:
                line = self._parsed.lines[at]
                if line.text and line.kind != "notice":
                    both += 1
                    equal += (sent_at // MINUTE_US, words_of(line.text)) in there
        return equal >= ENOUGH and equal * 2 >= both

    def _sample(self, jid: str) -> list[ArchivedMessage]:
        """Messages of a chat: the newest ones, and those of the time that the export tells of."""
        first, last = (pick(self._parsed.lines.times) for pick in (min, max))
        query = MessageQuery(org=self._org, phones=(self.phone.no,), chat=jid, shows="messages", limit=SAMPLE)
        spans = (query, structs.replace(query, since=first, until=last))
        return [message for span in spans for message in self._store.list_messages(span).messages]

    def _join_placeholders(self) -> None:
        """Earlier imports may have known this chat, and people in it, by their names only."""
        titles = [title for sign in self._signs.signs for title in (sign.title, sign.shorter) if title]
        titles += [title for title in (self._signs.by_lines, self.title) if title]
        for earlier in self._finder.placeholders([t for t in titles if not number_of(t)], self.is_group):
            if earlier == self.chat:
                continue
            if self.is_group and not (self._shares_people(earlier) or self._shares_lines(earlier)):
                warning = f"{earlier} has the same title but different members, and was left unchanged"
                if warning not in self.warnings:
                    self.warnings.append(warning)
                continue
            self.events.append(NumberMapped(lid=earlier, jid=self.chat))
            if self.is_group:
                self.events += [
                    NumberMapped(lid=self._made_up(earlier, name), jid=jid) for name, jid in self.authors.items()
                ]

    # ------------------------------------------------------------------ the authors

    def _find_authors(self) -> dict[str, str]:
        names = self._parsed.authors
        if self.is_group:
            return {name: self.phone.jid if name in self._mine else self._someone(name) for name in names}
        self._tell_name(self.chat, self._other or self.title)
        return {name: self.chat if name == self._other else self.phone.jid for name in names}

    def _wrote_nothing(self, me: str) -> None:
        names = self._parsed.authors
        if not self.is_group and len(names) > 1:
            raise BadField("me", me, f"is not among the authors: {', '.join(names)}")
        self.warnings.append(f"{me} wrote nothing in this chat; its authors are {', '.join(names[:20])}")

    def _other_side(self) -> str | None:
        """In a private chat, the author who is not the phone's owner is the other side."""
        others = [name for name in self._parsed.authors if name not in self._mine]
        if len(others) > 1:
            known = [name for name in others if self._is_other(name)]
            if len(known) != 1:
                raise which_is_owner(others)
            return known[0]
        if not others:
            return None
        if self._signs.knows_owner or self._is_other(others[0]):
            return others[0]
        name = others[0]
        raise Question(
            f"Only {name} writes here. Is that you?",
            f'--me "{name}" if it is, or your own name',
            name="me",
            candidates=[
                Candidate(name, f"Yes, I am {name}"),
                Candidate(self.phone.number, f"No, {name} is the other one"),
            ],
        )

    def _is_other(self, name: str) -> bool:
        contact = self._store.find_contact(self._org, (self.phone.no,), self.chat)
        known = {contact.name, contact.push_name, contact.business_name} if contact else set()
        return name == self.title or name in known or jid_of_number(name) == self.chat

    def jid_of(self, name: str) -> str:
        """The JID of somebody whom a line names, also if they wrote nothing in this chat."""
        if name == self._me or name in self._mine:
            return self.phone.jid
        bare, is_chosen = clean_author(name)
        named = f"~ {bare}" if is_chosen else bare
        known = self.authors.get(named)
        if known is None or is_chosen != (named in self._parsed.push_names):
            known = self.authors.get(bare) if is_chosen and bare in self._parsed.push_names else None
        return known or jid_of_number(bare) or made_up_jid(self.chat, named)

    def _made_up(self, chat: str, name: str) -> str:
        """The JID of an author known by name only; who chose a name is another person than a contact saved under it."""
        return made_up_jid(chat, f"~ {chosen_name(name)}" if name in self._parsed.push_names else name)

    def _someone(self, name: str) -> str:
        """The JID of somebody in a group: their number, whom the phone's owner saved so, or one made up."""
        if number := jid_of_number(name):
            return number
        made_up = self._made_up(self.chat, name)
        # A name that people chose themselves means them only where they write.
        known = [c for c in self._known_as(name) if c.name == name or c.jid in self._writers()]
        if len(known) != 1:
            self._tell_name(made_up, name)
            return made_up
        if known[0].name == name:
            # As this phone's owner saved it, which is proof.
            self.events.append(NumberMapped(lid=made_up, jid=known[0].jid))
        return known[0].jid

    def _writers(self) -> set[str | None]:
        """Who writes in the chat, as far as the archive knows."""
        return {message.message.key.sender for message in self._sample(self.chat)}

    def _known_as(self, name: str) -> list[Contact]:
        """Contacts of this phone, with a number or LID, that go by a name."""
        bare = chosen_name(name) if name in self._parsed.push_names else name
        found = [jid for jid in self._store.find_by_name(self._org, bare) if is_numbered(jid)]
        phones = (self.phone.no,)
        archive = self._store.seen_by(phones)
        known = [contact for jid in found if (contact := archive.find_contact(self._org, phones, jid))]
        # A phone writes the name of a saved contact, so somebody with a name of their own is none of these.
        return [c for c in known if c.name != bare] if name in self._parsed.push_names else known

    def _tell_name(self, jid: str, name: str | None) -> None:
        if name and not number_of(name):
            self.events.append(self.named(jid, name))

    def named(self, jid: str, name: str) -> ContactSeen:
        """That somebody is called by the name of an author: as the phone has saved them, or as they call themselves."""
        if name in self._parsed.push_names:
            return ContactSeen(jid=jid, phone=self.phone.jid, push_name=chosen_name(name))
        return ContactSeen(jid=jid, phone=self.phone.jid, name=name)


def _letters(name: str) -> str:
    return "".join(ids.fold(name).split())
