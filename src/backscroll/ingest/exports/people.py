"""Which chat an export is of, and who its authors are."""

from __future__ import annotations

from collections.abc import Sequence

from backscroll.core import ids
from backscroll.core.errors import BadField, Question
from backscroll.core.events import ContactSeen, Event, NumberMapped
from backscroll.core.model import Phone
from backscroll.ingest.connectors.export.archive import ExportArchive
from backscroll.ingest.connectors.export.chat import ExportedChat
from backscroll.ingest.exports.names import is_numbered, made_up_jid
from backscroll.storage.store import Store


class People:
    """Which chat the export is of, and who its authors are."""

    def __init__(
        self,
        store: Store,
        org: int,
        phone: Phone,
        archive: ExportArchive,
        parsed: ExportedChat,
        chat: str | None,
        me: str | None,
    ) -> None:
        self._store = store
        self._org = org
        self._phone = phone
        self._parsed = parsed
        self.warnings: list[str] = []
        self.title = archive.title or parsed.title
        self.events: list[Event] = []
        self.is_group = False
        self.chat = self._find_chat(chat)
        self.authors = self._find_authors(me)

    # ------------------------------------------------------------------ the chat

    def _find_chat(self, given: str | None) -> str:
        if given is not None and ("@" in given or ids.bare_number(given)):
            jid = ids.canonical(given)
            self.is_group = ids.kind_of(jid) == "group"
            self._rename(jid)
            return jid
        name = given or self.title
        if given is not None:
            self.title = given
        self.is_group = bool(self._parsed.is_group) or len(self._parsed.authors) > 2
        if name is None:
            name = self._only_other()
        if ids.bare_number(name):
            return ids.canonical(name)
        return self._by_name(name) or self._made_up_chat(name)

    def _by_name(self, name: str) -> str | None:
        found = [jid for jid in self._store.find_by_name(self._org, name) if self._may_be_chat(jid)]
        if len(found) > 1:
            raise Question(f"Several chats are called {name}: {', '.join(found[:5])}. Which one is it?", "--chat JID")
        return found[0] if found else None

    def _may_be_chat(self, jid: str) -> bool:
        """Names are the phone's own, so only whom this phone knows may be meant."""
        phones = (self._phone.no,)
        if self.is_group:
            return ids.kind_of(jid) == "group" and self._store.find_chat(self._org, phones, jid) is not None
        return is_numbered(jid) and self._store.find_contact(self._org, phones, jid) is not None

    def _made_up_chat(self, name: str) -> str:
        self.title = name
        jid = made_up_jid(self._phone.jid, name, self.is_group)
        self.warnings.append(
            f"the number of {name} is not known yet; the chat is kept as {jid}. "
            "Import again with --chat NUMBER to join them"
        )
        return jid

    def _rename(self, jid: str) -> None:
        """An earlier import may have known this chat by its name only."""
        if self.title and not ids.bare_number(self.title):
            earlier = made_up_jid(self._phone.jid, self.title, self.is_group)
            self.events.append(NumberMapped(lid=earlier, jid=jid))

    def _only_other(self) -> str:
        others = [name for name in self._parsed.authors if not self._is_me(name, None)]
        if len(others) != 1:
            raise Question("The file's name does not tell which chat this is.", "--chat JID or --chat NAME")
        return others[0]

    # ------------------------------------------------------------------ its authors

    def _find_authors(self, me: str | None) -> dict[str, str]:
        names = self._parsed.authors
        mine = [name for name in names if self._is_me(name, me)]
        if me is not None and not mine:
            raise BadField("me", me, f"is none of the authors: {', '.join(names[:20])}")
        if not self.is_group:
            return self._two_sides(names, mine)
        return {name: self._phone.jid if name in mine else self._someone(name) for name in names}

    def _is_me(self, name: str, me: str | None) -> bool:
        if me is not None:
            return name == me
        number = ids.bare_number(name)
        return name in self._parsed.own_names or name == self._phone.name or number == self._phone.number

    def _two_sides(self, names: Sequence[str], mine: list[str]) -> dict[str, str]:
        """In a chat of two, whoever is not the other one is the phone's owner."""
        others = [name for name in names if name not in mine]
        if len(others) > 1:
            known = [name for name in others if self._is_other(name)]
            if len(known) != 1:
                raise Question(f"Which of {', '.join(others[:5])} is the phone's owner?", "--me NAME")
            others = known
        elif not mine and len(others) == 1 and len(names) == 1 and not self._is_other(others[0]) and self.title:
            others = []
        result = {name: self.chat if name in others else self._phone.jid for name in names}
        self._tell_name(self.chat, others[0] if others else self.title)
        return result

    def _is_other(self, name: str) -> bool:
        number = ids.bare_number(name)
        contact = self._store.find_contact(self._org, (self._phone.no,), self.chat)
        known = {contact.name, contact.push_name, contact.business_name} if contact else set()
        return name == self.title or name in known or (bool(number) and ids.canonical(number) == self.chat)

    def _someone(self, name: str) -> str:
        if ids.bare_number(name):
            return ids.canonical(name)
        made_up = made_up_jid(self.chat, name)
        found = [jid for jid in self._store.find_by_name(self._org, name) if is_numbered(jid)]
        known = [contact for jid in found if (contact := self._store.find_contact(self._org, (self._phone.no,), jid))]
        if len(known) != 1:
            self._tell_name(made_up, name)
            return made_up
        if known[0].name == name:
            # As this phone's owner saved it; a name that people chose themselves is no proof.
            self.events.append(NumberMapped(lid=made_up, jid=known[0].jid))
        return known[0].jid

    def _tell_name(self, jid: str, name: str | None) -> None:
        if name and not ids.bare_number(name):
            self.events.append(ContactSeen(jid=jid, name=name))

    def known(self) -> list[Event]:
        """What is learned of people, told before the lines."""
        mine = [name for name, jid in self.authors.items() if jid == self._phone.jid]
        known_before = [NumberMapped(lid=made_up_jid(self.chat, name), jid=self._phone.jid) for name in mine]
        if self.is_group and self.title:
            self.events.append(ContactSeen(jid=self.chat, name=self.title))
        return [*self.events, *(known_before if self.is_group else [])]
