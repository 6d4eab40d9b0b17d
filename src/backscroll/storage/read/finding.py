"""Single messages: by their WhatsApp id, with everything known about them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import zstandard
from msgspec import Struct

from backscroll.core.answers import FileFetch, MessageCard, Original
from backscroll.core.ids import clean_text
from backscroll.core.model import ArchivedMessage, Chat, Message
from backscroll.formats.periskope_ids import MessageRef
from backscroll.storage.read.listings import ChatRow, Lists, ask_for_chat
from backscroll.storage.read.messages import Assembler
from backscroll.storage.read.names import Reading
from backscroll.storage.read.surroundings import surroundings_of
from backscroll.storage.records.damage import readable
from backscroll.storage.records.resolve import Observation
from backscroll.storage.records.rows import FROM_ME, OBSERVED, MessageRow, observation_of, row_of

_MESSAGE = msgspec.json.Decoder(Message)


class Wanted(Struct, frozen=True, kw_only=True):
    """A message as identified by a client: the bare id, and what else distinguishes it from others with that id."""

    id: str
    chat: str | None = None
    sender: str | None = None
    from_me: bool | None = None

    @classmethod
    def of(cls, ref: MessageRef) -> Wanted:
        """What a message id of Periskope's form names."""
        return cls(id=ref.id, chat=ref.chat, sender=ref.sender, from_me=ref.from_me)


def jids_of(reading: Reading, jid: str) -> set[str]:
    """All JIDs of a contact; empty for an unknown one."""
    contact = reading.names.find(jid)
    if contact is None:
        return set()
    params = {"org": reading.org, "contacts": reading.names.numbers_of(contact.contact)}
    return {alias for _, alias in reading.tx.all("dump_aliases", params)}


class Finder:
    """Queries within one reading transaction."""

    def __init__(self, reading: Reading, phones: Sequence[int]) -> None:
        self._reading = reading
        self._tx, self._org, self._names = reading.tx, reading.org, reading.names
        self._phones = phones

    def message(self, wanted: Wanted) -> ArchivedMessage | None:
        """The message with its edits; if several match, the latest."""
        row = self.row(wanted)
        return None if row is None else self._assembled(row)

    def by_client_ref(self, ref: str) -> ArchivedMessage | None:
        """The message that was sent with this reference chosen by the sender."""
        params = {"org": self._org, "ref": clean_text(ref)[0], "phones": self._phones}
        rows = readable(self._org, map(row_of, self._tx.all("rows_by_client_ref", params)))
        return self._assembled(rows[0]) if rows else None

    def card(self, wanted: Wanted) -> MessageCard | None:
        """The message with what each source reported."""
        row = self.row(wanted)
        if row is None:
            return None
        message = self._assembled(row)
        return MessageCard(
            message=message,
            chat=self._chat(row),
            observations=[(o.source, o.message) for o in self._observations(row)],
            raw=row.raw,
            fetch=self._fetch(row, message),
            around=surroundings_of(self._reading, [message]),
        )

    def _fetch(self, row: MessageRow, message: ArchivedMessage) -> FileFetch | None:
        media = message.message.details.media
        if media is None or media.file is not None:
            return None
        jids = sorted(jids_of(self._reading, message.message.key.chat))
        params = {"org": self._org, "phone": row.phone, "jids": jids, "id": row.id}
        found = self._tx.one("fetch_of_message", params)
        if found is None:
            return None
        *_, tries, next_at, problem, _ = found
        return FileFetch(tries=tries, next_at=next_at, problem=problem)

    def original(self, wanted: Wanted) -> Original | None:
        """The payload in which the message first arrived; None if there is none."""
        row = self.row(wanted)
        if row is None or row.raw is None:
            return None
        found = self._tx.one("read_raw", {"org": self._org, "raw": row.raw})
        if found is None:
            return None
        source, type, size, payload, stored_at = found
        plain = zstandard.ZstdDecompressor().decompress(bytes(payload), max_output_size=max(size, 1))
        return Original(source=source, type=type, payload=plain, stored_at=stored_at)

    def row(self, wanted: Wanted) -> MessageRow | None:
        """The row; if several match, the latest, and of these one that does not depend on which came first."""
        params = {"org": self._org, "id": clean_text(wanted.id)[0], "phones": self._phones}
        found: list[MessageRow] = []
        for row in readable(self._org, map(row_of, self._tx.all("rows_by_bare_id", params))):
            if found and row.sent_at < found[0].sent_at:
                break
            if self._fits(row, wanted):
                found.append(row)
        return min(found, key=self._rank) if len(found) > 1 else found[0] if found else None

    def _rank(self, row: MessageRow) -> tuple[int, str, str]:
        """Phone, chat and sender; by JIDs, for numbers are given to contacts as they come."""
        sender = self._names.contact_row(row.sender).jid if row.sender else ""
        return row.phone, self._names.contact_row(row.chat).jid, sender

    def _fits(self, row: MessageRow, wanted: Wanted) -> bool:
        return (
            (wanted.chat is None or self._is_contact(row.chat, wanted.chat))
            and (wanted.sender is None or self._is_contact(row.sender, wanted.sender))
            and (wanted.from_me is None or bool(row.flags & FROM_ME) == wanted.from_me)
        )

    def _is_contact(self, contact: int, jid: str) -> bool:
        found = self._names.find(jid)
        return found is not None and contact != 0 and self._names.contact_row(contact).contact == found.contact

    def _assembled(self, row: MessageRow) -> ArchivedMessage:
        (message,) = Assembler(self._tx, self._org, self._names).messages([row], full=True)
        return message

    def _chat(self, row: MessageRow) -> Chat | None:
        found = self._tx.one(*ask_for_chat(self._org, row.chat, (row.phone,)))
        contact = self._names.contact_row(row.chat).contact
        return None if found is None else Lists(self._tx, self._org, self._names).chat_of(ChatRow(*found), contact)

    def _observations(self, row: MessageRow) -> list[Observation]:
        """The best source first. A message that was reported once is its own observation."""
        if not row.flags & OBSERVED:
            return [Observation(row.sender, row.source, observation_of(row), "")]
        chats = self._names.numbers_of(self._names.contact_row(row.chat).contact)
        params = {"org": self._org, "phone": row.phone, "chats": chats, "ids": (row.id,)}
        told = [
            Observation(sender, source, _MESSAGE.decode(text), digest)
            for _, _, sender, source, digest, text in self._tx.all("read_observations", params)
            if not sender or self._same(sender, row.sender)
        ]
        return sorted(told, key=lambda o: o.priority, reverse=True)

    def _same(self, one: int, other: int) -> bool:
        return bool(other) and self._names.contact_row(one).contact == self._names.contact_row(other).contact
