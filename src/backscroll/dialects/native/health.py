"""The state of the archive, as the native API shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from backscroll.dialects.native.messages import time_text
from backscroll.dialects.native.sources import Standing, Trouble, problem_object, source_object
from backscroll.formats.jsontext import encode


class ImportLine(Protocol):
    """One of the latest imports; times are microseconds."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def file(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def started_at(self) -> int: ...
    @property
    def finished_at(self) -> int | None: ...


class Check(Protocol):
    """What the last check found in this organisation."""

    @property
    def count(self) -> int: ...
    @property
    def first(self) -> list[str]: ...


def render_health(
    facts: Mapping[str, Any],
    imports: Sequence[ImportLine],
    sources: Sequence[Standing],
    problems: Sequence[Trouble],
    check: tuple[int, bool, Check] | None,
) -> bytes:
    """``facts`` are numbers and names; times are microseconds under names that end in ``_at``. ``check`` says when it
    ran, whether media files were read too, and what was found.
    """
    shown = {name: time_text(value) if name.endswith("_at") else value for name, value in facts.items()}
    return encode(
        {
            **shown,
            "imports": [
                {
                    "id": one.id,
                    "kind": one.kind,
                    "file": one.file,
                    "state": one.state,
                    "started_at": time_text(one.started_at),
                    "finished_at": time_text(one.finished_at),
                }
                for one in imports
            ],
            "sources": [source_object(standing, True) for standing in sources],
            "check": None
            if check is None
            else {"at": time_text(check[0]), "media": check[1], "findings": check[2].count, "first": check[2].first},
            "problems": [problem_object(problem) for problem in problems],
        }
    )
