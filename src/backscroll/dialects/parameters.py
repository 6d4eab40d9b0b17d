"""Parameters of routes as data. Parsers, OpenAPI document and reference page use the same bounds and defaults."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Param(Struct, frozen=True, kw_only=True):
    """One parameter of a route, not its body."""

    name: str
    where: Literal["query", "header", "path"] = "query"
    type: Literal["string", "integer", "boolean"] = "string"
    description: str = ""
    example: str | int | bool | None = None
    default: str | int | bool | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    required: bool = False


class WholeNumber(Param, frozen=True, kw_only=True):
    """A whole number with a default, from ``minimum`` to ``maximum``."""

    type: Literal["integer"] = "integer"
    default: int
    minimum: int
    maximum: int
