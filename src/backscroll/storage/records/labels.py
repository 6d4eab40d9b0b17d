"""Labels of own phones.

What sources report of a label (name, colour, whether it is deleted) are registers in the table ``labels``, a row for
each import and one for all live sources, which together make the label. That a chat has a label is a register of the
chat, so a label may be deleted and restored, or reported later than its chats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from backscroll.core.model import Label
from backscroll.database.protocol import Txn
from backscroll.storage.records.chunks import chunks
from backscroll.storage.records.damage import registers_of
from backscroll.storage.records.registers import Registers, join, value_of

_PREFIX = "label:"
LABELED = f'%"{_PREFIX}%'
"""Pattern of SQL's LIKE: the encoded facts of chats that have or had any label."""

PhoneLabel = tuple[int, str]
"""An own phone, and the id of one of its labels."""


def field_of(label: str) -> str:
    """The chat's register that says whether it has the label."""
    return _PREFIX + label


def label_of(field: str) -> str | None:
    """The id of the label that a register of a chat is about; None for other registers."""
    return field.removeprefix(_PREFIX) if field.startswith(_PREFIX) else None


def labels_in(registers: Registers) -> list[str]:
    """Ids of the labels that a chat has, deleted ones too."""
    had = [id for field in registers if (id := label_of(field)) and value_of(registers, field)]
    return sorted(had, key=label_order) if had else []


def label_order(id: str) -> tuple[int, str]:
    """WhatsApp's ids are numbers."""
    return len(id), id


def reported_labels(tx: Txn, org: int, wanted: Iterable[PhoneLabel]) -> dict[PhoneLabel, Registers]:
    """What all sources together report of these labels; more of the same phones may be included."""
    pairs = sorted(set(wanted))
    found: dict[PhoneLabel, Registers] = {pair: {} for pair in pairs}
    phones = sorted({phone for phone, _ in pairs})
    for part in chunks(sorted({label for _, label in pairs})):
        for phone, label, facts in tx.all("read_labels", {"org": org, "phones": phones, "labels": part}):
            join(found.setdefault((phone, label), {}), registers_of(facts, "label", org, (phone, label)))
    return found


def shown_labels(phone: int, registers: Registers, reported: Mapping[PhoneLabel, Registers]) -> tuple[Label, ...]:
    """The labels of a chat, without deleted ones."""
    found = [(id, reported.get((phone, id), {})) for id in labels_in(registers)]
    return tuple(
        Label(id=id, name=value_of(label, "name"), color=value_of(label, "color"))
        for id, label in found
        if not value_of(label, "deleted")
    )


def names_of(labels: Iterable[Label], observed: Iterable[str]) -> tuple[str, ...]:
    """The names of a chat's labels, after those that a source reported without ids; each once."""
    return tuple(dict.fromkeys([*observed, *(label.name for label in labels if label.name)]))


def values(registers: Registers) -> dict[str, Any]:
    """What a label shows."""
    return {field: value for field, (_, _, value) in registers.items()}
