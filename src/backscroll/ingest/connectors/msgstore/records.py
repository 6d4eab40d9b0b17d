"""Messages of msgstore.db with the rows of other tables that belong to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from backscroll.core import ids
from backscroll.ingest.connectors.foreign.rows import Row
from backscroll.ingest.connectors.foreign.tables import Tables

MAX_JIDS = 50_000
"""That are remembered; a group of a community may have thousands."""

ONE = (
    "message_media",
    "message_quoted",
    "message_location",
    "message_forwarded",
    "message_ephemeral",
    "message_thumbnail",
    "message_view_once_media",
    "message_system",
    "message_system_number_change",
    "message_system_value_change",
    "message_revoked",
    "message_edit_info",
    "message_poll",
    "message_event",
    "message_product",
    "message_order",
    "message_group_invite",
    "message_template",
    "message_ui_elements_reply",
    "message_call_log",
    "missed_call_logs",
    "audio_data",
)
"""Tables with at most one row for a message."""
MANY = (
    "message_vcard",
    "message_mentions",
    "message_poll_option",
    "message_system_chat_participant",
    "message_ui_elements",
    "message_template_button",
    "receipt_user",
)
"""Tables with any number of rows for a message."""
PERSONS = (
    "sender_jid_row_id",
    "jid_row_id",
    "receipt_user_jid_row_id",
    "user_jid_row_id",
    "admin_jid_row_id",
    "old_jid_row_id",
    "new_jid_row_id",
    "group_jid_row_id",
)
"""Columns that hold numbers of the table ``jid``."""


class Record(Struct):
    """A message and all that belongs to it. ``sender`` is None where the file does not tell it."""

    row: Row
    chat: str
    sender: str | None
    one: dict[str, Row] = {}
    many: dict[str, list[Row]] = {}
    reactions: list[AddOn] = []
    votes: list[AddOn] = []
    pins: list[AddOn] = []

    def part(self, table: str) -> Row | None:
        return self.one.get(table)

    def parts(self, table: str) -> list[Row]:
        return self.many.get(table, [])

    def rows(self) -> list[Row]:
        """All rows, for the payload."""
        found = [self.row, *self.one.values()]
        for rows in self.many.values():
            found += rows
        for add_on in (*self.reactions, *self.votes, *self.pins):
            found += [add_on.row, add_on.detail, *add_on.chosen]
        return found


class AddOn(Struct):
    """A reaction to a message, a vote in its poll or a pin. ``chosen`` are the options of a vote."""

    row: Row
    detail: Row
    chosen: list[Row] = []


class Jids:
    """The table ``jid``: every number in the other tables leads to it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._known: dict[int, str | None] = {}

    def learn(self, numbers: Iterable[object]) -> None:
        """Look these up together."""
        wanted = {no for no in numbers if isinstance(no, int) and no > 0 and no not in self._known}
        if len(self._known) + len(wanted) > MAX_JIDS:
            self._known.clear()
        found = self._tables.by_number("jid", wanted)
        for no in wanted:
            self._known[no] = _jid(found[no]) if no in found else None

    def get(self, number: object) -> str | None:
        """The JID with this number; None where there is none."""
        if not isinstance(number, int) or number <= 0:
            return None
        if number not in self._known:
            self.learn([number])
        return self._known.get(number)

    def person(self, number: object) -> str | None:
        """The same, where somebody is behind it."""
        jid = self.get(number)
        return jid if jid is not None and ids.is_person(jid) else None


def _jid(row: Row) -> str | None:
    raw, user, server = (row.values.get(name) for name in ("raw_string", "user", "server"))
    text = raw if isinstance(raw, str) and raw else f"{user}@{server}" if isinstance(user, str) and server else ""
    return ids.canonical(text) if "@" in text and "\0" not in text else None


class Records:
    """Puts rows of ``message`` together with what belongs to them."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.jids = Jids(tables)
        self._chats: dict[int, str | None] = {}

    def of(self, numbers: Sequence[int]) -> list[Record]:
        """The messages with these rowids. ``TooMuch`` where they must be asked for in smaller parts."""
        rows = list(self.tables.rows("message", numbers))
        self._learn_chats(row.values.get("chat_row_id") for row in rows)
        found = [row.no for row in rows]
        one = {table: self._only(table, found) for table in ONE}
        many = {table: self.tables.belonging(table, "message_row_id", found) for table in MANY}
        add_ons = self._add_ons(found)
        everything = [*rows, *(row for side in one.values() for row in side.values())]
        everything += [row for side in many.values() for rows_ in side.values() for row in rows_]
        everything += [add_on.row for kind in add_ons for told in kind.values() for add_on in told]
        self.jids.learn(row.values.get(column) for row in everything for column in PERSONS)
        return [
            Record(
                row=row,
                chat=self.chat(row.values.get("chat_row_id")) or "",
                sender=self.jids.person(row.values.get("sender_jid_row_id")),
                one={table: side[row.no] for table, side in one.items() if row.no in side},
                many={table: side[row.no] for table, side in many.items() if row.no in side},
                reactions=add_ons[0].get(row.no, []),
                votes=add_ons[1].get(row.no, []),
                pins=add_ons[2].get(row.no, []),
            )
            for row in rows
        ]

    def chat(self, number: object) -> str | None:
        """The JID of a chat by its number."""
        if not isinstance(number, int):
            return None
        if number not in self._chats:
            self._learn_chats([number])
        return self._chats.get(number)

    def _learn_chats(self, numbers: Iterable[object]) -> None:
        wanted = {no for no in numbers if isinstance(no, int) and no not in self._chats}
        if len(self._chats) + len(wanted) > MAX_JIDS:
            self._chats.clear()
        found = self.tables.by_number("chat", wanted)
        self.jids.learn(row.values.get("jid_row_id") for row in found.values())
        for no in wanted:
            self._chats[no] = self.jids.get(found[no].values.get("jid_row_id")) if no in found else None

    def _only(self, table: str, messages: Sequence[int]) -> dict[int, Row]:
        return {no: rows[0] for no, rows in self.tables.belonging(table, "message_row_id", messages).items()}

    def _add_ons(self, messages: Sequence[int]) -> tuple[dict[int, list[AddOn]], ...]:
        """Reactions, votes and pins by the message that they belong to."""
        told = self.tables.belonging("message_add_on", "parent_message_row_id", messages)
        numbers = [row.no for rows in told.values() for row in rows]
        reacted = self._details("message_add_on_reaction", numbers)
        voted = self._details("message_add_on_poll_vote", numbers)
        pinned = self._details("message_add_on_pin_in_chat", numbers)
        chosen = self.tables.belonging("message_add_on_poll_vote_selected_option", "message_add_on_row_id", numbers)
        reactions: dict[int, list[AddOn]] = {}
        votes: dict[int, list[AddOn]] = {}
        pins: dict[int, list[AddOn]] = {}
        for message, rows in told.items():
            for row in rows:
                if row.no in reacted:
                    reactions.setdefault(message, []).append(AddOn(row, reacted[row.no]))
                elif row.no in voted:
                    votes.setdefault(message, []).append(AddOn(row, voted[row.no], chosen.get(row.no, [])))
                elif row.no in pinned:
                    pins.setdefault(message, []).append(AddOn(row, pinned[row.no]))
        return reactions, votes, pins

    def _details(self, table: str, add_ons: Sequence[int]) -> dict[int, Row]:
        found = self.tables.belonging(table, "message_add_on_row_id", add_ons)
        return {no: rows[0] for no, rows in found.items()}
