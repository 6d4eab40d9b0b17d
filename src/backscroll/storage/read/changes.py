"""The change feed as visible to a reader: lines with the messages, chats and contacts that they concern."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import msgspec
from msgspec import structs

from backscroll.core.answers import ChangeLine, Changes, ReactionChanged
from backscroll.core.model import ArchivedMessage, Phone, Reaction
from backscroll.storage.read.listings import Lists
from backscroll.storage.read.messages import Assembler
from backscroll.storage.read.names import Reading
from backscroll.storage.read.surroundings import surroundings_of
from backscroll.storage.records.aspects import CREATED, Erased, created, reaction_of
from backscroll.storage.records.damage import readable
from backscroll.storage.records.rows import row_of

_CHUNK = 500
"""Maximum numbers in one statement."""


def changes_after(
    reading: Reading, phones: Sequence[int], after: int, limit: int, *, with_chats: bool = False
) -> Changes:
    """Reads at most ``limit`` lines of the feed and returns those that concern ``phones``.

    ``with_chats``: lines about new chats come with them.
    """
    rows = reading.tx.all("changes_since", {"org": reading.org, "seq": after, "limit": limit + 1})
    page = rows[:limit]
    meant: dict[str, set[int]] = defaultdict(set)
    for _, what, no, _, _ in page:
        meant[what].add(no)
    messages = messages_by_no(reading, phones, meant["message"] | meant["update"])
    chats = _chats(reading, phones, meant["chat"])
    contacts = _contacts(reading, phones, meant["contact"])
    sources = _sources(reading, phones, meant["silent"] | meant["heard"])
    lines: list[ChangeLine] = []
    for seq, what, no, told, where in page:
        aspects = None if told is None or what == "gone" else tuple(told.split())
        if what in ("message", "update") and no in messages:
            reactions = _reactions(reading, messages[no], aspects or ())
            lines.append(ChangeLine(seq=seq, what=what, message=messages[no], aspects=aspects, reactions=reactions))
        elif what == "gone" and (where in phones or where not in reading.names.phones):
            lines.append(_gone(reading, seq, where, told))
        elif what == "chat":
            lines += [
                ChangeLine(seq=seq, what="chat", phone=phone, jid=jid, aspects=_of_chat(aspects, number))
                for number, phone, jid in chats.get(no, ())
            ]
        elif what == "contact" and no in contacts:
            lines.append(ChangeLine(seq=seq, what="contact", jid=contacts[no]))
        elif what in ("silent", "heard") and no in sources:
            source, of_phone = sources[no]
            lines.append(ChangeLine(seq=seq, what=what, source=source, phone=of_phone))
        elif what == "phone" and no in phones:
            lines.append(ChangeLine(seq=seq, what="phone", phone=reading.names.phones[no].phone, aspects=aspects))
    if with_chats:
        lines = [_with_chat(reading, line) for line in lines]
    return Changes(
        lines=lines,
        upto=max((seq for seq, *_ in page), default=after),
        more=len(rows) > limit,
        touches_tokens="token" in meant or "phone" in meant,
        around=surroundings_of(reading, list(messages.values())),
    )


def _gone(reading: Reading, seq: int, phone: int, told: str | None) -> ChangeLine:
    """A removed message. Nothing identifies it if its phone was removed, too, or in lines of earlier versions."""
    if phone not in reading.names.phones:
        return ChangeLine(seq=seq, what="gone")
    of_phone = reading.names.phones[phone].phone
    erased = None if told is None else msgspec.json.decode(told, type=Erased).message
    return ChangeLine(seq=seq, what="gone", phone=of_phone, jid=erased.chat if erased else None, erased=erased)


def messages_by_no(reading: Reading, phones: Collection[int], nos: set[int]) -> dict[int, ArchivedMessage]:
    """The messages of these phones that still exist."""
    rows = [
        row
        for chunk in _chunks(nos)
        for row in readable(reading.org, map(row_of, reading.tx.all("rows_by_no", {"org": reading.org, "nos": chunk})))
        if row.phone in phones
    ]
    assembled = Assembler(reading.tx, reading.org, reading.names).messages(rows)
    return {message.no: message for message in assembled}


def _reactions(reading: Reading, message: ArchivedMessage, aspects: Sequence[str]) -> tuple[ReactionChanged, ...]:
    """The reactions that a line concerns, in the line's order."""
    found = []
    own = {number for phone, number in reading.names.phones.values() if phone.jid == message.phone.jid}
    for change in filter(None, map(reaction_of, aspects)):
        contact = reading.names.standing((change.actor,)).get(change.actor)
        if contact is None:
            continue
        now = next((reaction for reaction in message.reactions if reaction.sender == contact.jid), None)
        gone = Reaction(sender=contact.jid, emoji="", at=None, from_me=contact.contact in own)
        found.append(ReactionChanged(now or gone, change.is_first))
    return tuple(found)


def _with_chat(reading: Reading, line: ChangeLine) -> ChangeLine:
    """A line with its chat, if that is new and still exists."""
    if line.phone is None or line.jid is None or CREATED not in (line.aspects or ()):
        return line
    return structs.replace(line, chat=Lists.of(reading).chat((line.phone.no,), line.jid))


def _of_chat(aspects: Sequence[str] | None, phone: int) -> tuple[str, ...] | None:
    """What a line says about the chat as seen by this phone."""
    if aspects is None:
        return None
    return (CREATED,) if created(phone) in aspects else ()


def _chats(reading: Reading, phones: Sequence[int], contacts: set[int]) -> dict[int, list[tuple[int, Phone, str]]]:
    """The phones that have each chat, with the JID that it goes by now."""
    found: dict[int, list[tuple[int, Phone, str]]] = defaultdict(list)
    for chunk in _chunks(contacts):
        params = {"org": reading.org, "phones": phones, "chats": chunk}
        for phone, chat, _ in reading.tx.all("facts_of_chats", params):
            found[chat].append((phone, reading.names.phones[phone].phone, reading.names.contact_row(chat).jid))
    return found


def _contacts(reading: Reading, phones: Sequence[int], contacts: set[int]) -> dict[int, str]:
    """JIDs of the contacts with whom these phones have a chat; all contacts for readers of all phones."""
    known = set(contacts) if set(reading.names.phones) <= set(phones) else set()
    for chunk in _chunks(contacts - known):
        params = {"org": reading.org, "phones": phones, "chats": chunk}
        known.update(chat for (chat,) in reading.tx.all("with_chat", params))
    return {contact: row.jid for contact, row in reading.names.standing(known).items()}


def _sources(reading: Reading, phones: Sequence[int], nos: set[int]) -> dict[int, tuple[str, Phone | None]]:
    """Ids and phones of sources visible to readers of these phones; sources without a phone only to readers of all."""
    found: dict[int, tuple[str, Phone | None]] = {}
    for chunk in _chunks(nos):
        for no, source, phone in reading.tx.all("sources_by_no", {"org": reading.org, "nos": chunk}):
            if phone in phones:
                found[no] = (source, reading.names.phones[phone].phone)
            elif phone is None and set(reading.names.phones) <= set(phones):
                found[no] = (source, None)
    return found


def _chunks(nos: set[int]) -> Iterator[list[int]]:
    ordered = sorted(nos)
    return (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))
