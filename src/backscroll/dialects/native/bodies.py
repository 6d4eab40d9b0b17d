"""The JSON bodies of requests: one way to read them, and to say what is wrong with one."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from msgspec.inspect import LiteralType, StructType, type_info

from backscroll.core.errors import BadField

T = TypeVar("T")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")
_MISSING = re.compile(r"Object missing required field `(.*?)`")
_PLACE = re.compile(r" - at `\$\.(\w+)")


def decoded(body: bytes, shape: type[T], example: str) -> T:
    """The body of a request; ``BadField`` names the field that is unknown, missing or of the wrong type."""
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise _wrong(str(error), shape, example) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadField("body", None, f"must be JSON such as {example}") from None


def _wrong(told: str, shape: type, example: str) -> BadField:
    remedy = f"the body must be JSON such as {example}"
    place = _PLACE.search(told)
    for pattern, problem in ((_UNKNOWN, "is not known here"), (_MISSING, "is missing")):
        if (found := pattern.search(told)) is not None:
            name = found[1][:80]
            inside = "" if place is None else f"{name} "
            return BadField(name if place is None else place[1], None, f"{inside}{problem}; {remedy}")
    if place is None:
        return BadField("body", None, f"must be JSON such as {example}")
    choices = _choices(shape, place[1])
    wrong = f"must be one of {', '.join(choices)}" if choices else "has a value of the wrong type"
    return BadField(place[1], None, f"{wrong}; {remedy}")


def _choices(shape: type, field: str) -> tuple[str, ...]:
    """The values that a field may have, if they are few."""
    known = type_info(shape)
    fields = known.fields if isinstance(known, StructType) else ()
    kinds = (one.type for one in fields if one.encode_name == field)
    return tuple(str(value) for kind in kinds if isinstance(kind, LiteralType) for value in kind.values)
