"""What sources report about contacts and chats: registers, ``{field: [at, rank, value]}``.

The latest observation wins, then the better source, then the greater value. So the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Registers = dict[str, list[Any]]
_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Registers)
_UNREAD_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_REGISTER_DECODER = msgspec.json.Decoder(list[Any])


def decode_registers(text: str | None) -> Registers:
    return _DECODER.decode(text) if text else {}


def decode_registers_except(field: str, text: str | None) -> Registers:
    """All but one register, which is skipped unread: a chat's members may be thousands."""
    unread = _UNREAD_DECODER.decode(text) if text else {}
    return {name: _REGISTER_DECODER.decode(raw) for name, raw in unread.items() if name != field}


def encode_registers(registers: Registers) -> str | None:
    return _ENCODER.encode(registers).decode() if registers else None


def tell(registers: Registers, facts: Mapping[str, Any], at: int | None, rank: int) -> bool:
    """Add the known values of ``facts``; returns whether anything changed."""
    changed = False
    for field, value in facts.items():
        if value is not None:
            changed |= _tell(registers, field, [-1 if at is None else at, rank, msgspec.to_builtins(value)])
    return changed


def join(registers: Registers, others: Registers) -> bool:
    """Merge other registers; returns whether anything changed."""
    changed = False
    for field, observed in others.items():
        changed |= _tell(registers, field, observed)
    return changed


def _tell(registers: Registers, field: str, observed: list[Any]) -> bool:
    known = registers.get(field)
    if known is not None and not _is_stronger(observed, known):
        return False
    registers[field] = observed
    return True


def _is_stronger(observed: list[Any], known: list[Any]) -> bool:
    """Values are compared only if time and source are the same, which is rare."""
    at, rank, value = observed
    known_at, known_rank, known_value = known
    if at != known_at or rank != known_rank:
        return (at, rank) > (known_at, known_rank)
    return bool(_ENCODER.encode(value) > _ENCODER.encode(known_value))


def value_of(registers: Registers, field: str) -> Any:
    """The winning value of a field; None if nobody reported it."""
    observed = registers.get(field)
    return None if observed is None else observed[2]
